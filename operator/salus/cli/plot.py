"""Plots as SVG, drawn here: the same in reports, console and tests; its text is text, it prints, and needs no script.

Colours are the page's (classes, so that a dark page may choose others); each mark has a shape and a word beside it.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from itertools import pairwise
from xml.sax.saxutils import escape, quoteattr

POINTS_A_PIXEL = 2
"""The least and the most of what falls on one column: a spike of one sample stays to be seen."""
MOST_POINTS = 2_000
"""Of one plot."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 12, 26, 22
"""Pixels around what is drawn, for the numbers."""
_LANE = 24
"""Pixels of a lane."""
_LETTER = 6
"""Pixels of a letter, about."""
_STEPS = (60, 300, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600)
"""Seconds between two times on the axis."""


class Kind(StrEnum):
    """What a stretch of time, or a moment in it, is."""

    UNKNOWN = "unknown"
    QUIET = "quiet"
    RUN_UP = "for"
    """Beyond the bound, but not for `for` yet."""
    UNHEALTHY = "unhealthy"
    INCIDENT = "incident"
    FREEZE = "freeze"
    RELEASE = "release"
    ACT = "act"
    WOULD_ACT = "would"
    REFUSAL = "refusal"
    QUESTION = "question"


_SHAPES = {
    Kind.RELEASE: "▲",
    Kind.ACT: "◆",
    Kind.WOULD_ACT: "◇",
    Kind.REFUSAL: "‖",
    Kind.QUESTION: "→",
}


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of time."""

    start: datetime
    end: datetime
    kind: Kind
    word: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened."""

    at: datetime
    kind: Kind
    word: str


@dataclass(frozen=True, slots=True)
class Lane:
    """Events on the time axis of the plots above."""

    title: str
    moments: Sequence[Moment] = ()
    bands: Sequence[Band] = ()


Point = tuple[datetime, float]


@dataclass(frozen=True, slots=True)
class CheckPlot:
    """One check over time, as Salus judges it."""

    title: str
    sentence: str
    """The same in words, for who does not see it."""
    start: datetime
    end: datetime
    points: Sequence[Point]
    """In order of time; a value that is not finite is a gap."""
    step: timedelta
    """Between two points; what is further apart is a gap, and never joined."""
    bound: float | None = None
    healthy: float | None = None
    """The bound that it has to pass to be healthy again."""
    above: bool = True
    """Unhealthy above the bound."""
    bands: Sequence[Band] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class _Frame:
    """From times and values to pixels."""

    start: datetime
    end: datetime
    low: float
    high: float
    width: int
    height: int
    left: int = _LEFT

    def x(self, moment: datetime) -> float:
        """Of a moment, inside of the frame."""
        share = (moment - self.start) / max(self.end - self.start, timedelta(seconds=1))
        return round(self.left + min(max(share, 0.0), 1.0) * (self.width - self.left - _RIGHT), 1)

    def y(self, value: float) -> float:
        """Of a value, inside of the frame."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(self.height - _BOTTOM - min(max(share, 0.0), 1.0) * (self.height - _TOP - _BOTTOM), 1)


def check_svg(plot: CheckPlot, zone: tzinfo | None = None, width: int = 760, height: int = 170) -> str:
    """One check as an image of SVG, with its title and its sentence in it."""
    frame = _frame(plot, width, height)
    parts = [
        *_opening(plot.title, plot.sentence, width, height),
        f'<text class="title" x="0" y="17">{escape(plot.title)}</text>',
        *(_band(frame, band) for band in plot.bands),
        *_value_axis(frame),
        *_time_axis(frame, zone),
        *_bounds(frame, plot),
        *(_line(frame, run) for run in runs(plot, _columns(width))),
        "</svg>",
    ]
    return "\n".join(parts)


def lanes_svg(  # noqa: PLR0913 — what stands in it, and how large it is
    lanes: Sequence[Lane], start: datetime, end: datetime, title: str, *, zone: tzinfo | None = None, left: int = _LEFT
) -> str:
    """Lanes one below the other, on the axis of the checks; `left`: pixels for their titles."""
    width, height = 760, _LANE * len(lanes) + _BOTTOM
    frame = _Frame(start, end, 0, 1, width, height, left)
    count = sum(len(lane.moments) + len(lane.bands) for lane in lanes)
    said = f"{title}: {count} events in {len(lanes)} lanes"
    parts = [*_opening(title, said, width, height), *_time_axis(frame, zone, top=0)]
    for index, lane in enumerate(lanes):
        parts += _lane(frame, lane, index * _LANE)
    return "\n".join([*parts, "</svg>"])


def runs(plot: CheckPlot, columns: int) -> list[list[Point]]:
    """The points in stretches without a gap, and not more of them than a column can show."""
    found: list[list[Point]] = []
    before: datetime | None = None
    for at, value in plot.points:
        if not math.isfinite(value):
            before = None
            continue
        if before is None or at - before > 1.5 * plot.step:
            found.append([])
        found[-1].append((at, value))
        before = at
    most = min(columns * POINTS_A_PIXEL, MOST_POINTS)
    total = sum(map(len, found))
    return found if total <= most else [_thinned(run, plot, columns, most) for run in found]


def _thinned(run: Sequence[Point], plot: CheckPlot, columns: int, most: int) -> list[Point]:
    """The least and the greatest of each column, in their order."""
    width = (plot.end - plot.start) / max(min(columns, most // POINTS_A_PIXEL), 1)
    kept: list[Point] = []
    column: list[Point] = []
    last = -1
    for point in run:
        index = int((point[0] - plot.start) / width)
        if index != last and column:
            kept += _extremes(column)
            column = []
        column.append(point)
        last = index
    return [*kept, *_extremes(column)]


def _extremes(column: Sequence[Point]) -> list[Point]:
    least, greatest = min(column, key=lambda one: one[1]), max(column, key=lambda one: one[1])
    return sorted({least, greatest})


def _columns(width: int) -> int:
    return max(width - _LEFT - _RIGHT, 1)


def _frame(plot: CheckPlot, width: int, height: int) -> _Frame:
    """From 0, or below it, to a little more than the greatest of values and bounds."""
    bounds = [one for one in (plot.bound, plot.healthy) if one is not None]
    values = [value for _, value in plot.points if math.isfinite(value)]
    low, high = min([0.0, *values, *bounds]), max([*values, *bounds], default=1.0)
    room = (high - low or 1.0) * 0.08
    return _Frame(plot.start, plot.end, low, high + room, width, height)


_HATCH = (
    '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<path d="M0 0V6" class="hatch"/></pattern></defs>'
)


def _opening(title: str, sentence: str, width: int, height: int) -> Iterator[str]:
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    yield f'<svg role="img" class="plot" {size} xmlns="http://www.w3.org/2000/svg">'
    yield f"<title>{escape(title)}</title>"
    yield f"<desc>{escape(sentence)}</desc>"
    yield _HATCH


def _band(frame: _Frame, band: Band) -> str:
    left, right = frame.x(band.start), frame.x(band.end)
    top, height = _TOP, frame.height - _TOP - _BOTTOM
    words = (band.word, band.word.partition(":")[0])
    fitting = next((one for one in words if one and right - left > _LETTER * len(one)), "")
    word = f'<text x="{left + 2}" y="{top + 10}" class="word">{escape(fitting)}</text>' if fitting else ""
    title = f"<title>{escape(band.word or band.kind)}</title>"
    return (
        f'<g class="band {band.kind}"><rect x="{left}" y="{top}" width="{max(right - left, 1):.1f}" height="{height}"/>'
        f"{title}{word}</g>"
    )


def _line(frame: _Frame, run: Sequence[Point]) -> str:
    """A stretch without a gap; a point by itself is a dot."""
    if len(run) == 1:
        return f'<circle class="dot" cx="{frame.x(run[0][0])}" cy="{frame.y(run[0][1])}" r="1.5"/>'
    points = " ".join(f"{frame.x(at)},{frame.y(value)}" for at, value in run)
    return f'<polyline class="line" points="{points}"/>'


def _bounds(frame: _Frame, plot: CheckPlot) -> Iterator[str]:
    side, other = ("above", "below") if plot.above else ("below", "above")
    left, right = (frame.left + 4, "start"), (frame.width - _RIGHT, "end")  # so that neither word covers the other
    for value, words, kind, (x, anchor) in (
        (plot.bound, f"unhealthy {side}", "bound", right),
        (plot.healthy, f"healthy {other}", "clear", left),
    ):
        if value is not None:
            y = frame.y(value)
            yield f'<path class="{kind}" d="M{frame.left} {y}H{frame.width - _RIGHT}"/>'
            text = escape(f"{words} {value:g}")
            yield f'<text class="word" x="{x}" y="{y - 3}" text-anchor="{anchor}">{text}</text>'


def _value_axis(frame: _Frame) -> Iterator[str]:
    step = _round_step((frame.high - frame.low) / 3)
    value = math.ceil(frame.low / step) * step
    while value <= frame.high:
        y = frame.y(value)
        yield f'<path class="grid" d="M{frame.left} {y}H{frame.width - _RIGHT}"/>'
        yield f'<text class="axis" x="{frame.left - 6}" y="{y + 4}" text-anchor="end">{value:.4g}</text>'
        value += step


def _round_step(wanted: float) -> float:
    """A step of 1, 2, 5 or 10 of some power of ten, no smaller than wanted."""
    if wanted <= 0 or not math.isfinite(wanted):
        return 1.0
    size = math.pow(10, math.floor(math.log10(wanted)))
    return next(factor * size for factor in (1, 2, 5, 10, 20) if factor * size >= wanted * 0.999)


def _time_axis(frame: _Frame, zone: tzinfo | None, top: int = _TOP) -> Iterator[str]:
    for moment in ticks(frame.start, frame.end, zone):
        local = moment.astimezone(zone)
        text = f"{local.day} {local:%b}" if (local.hour, local.minute) == (0, 0) else f"{local:%H:%M}"
        x = frame.x(moment)
        anchor = "middle" if x + _LETTER * len(text) / 2 < frame.width else "end"
        yield f'<path class="grid" d="M{x} {top}V{frame.height - _BOTTOM}"/>'
        yield f'<text class="axis" x="{x}" y="{frame.height - 6}" text-anchor="{anchor}">{text}</text>'


def ticks(start: datetime, end: datetime, zone: tzinfo | None, most: int = 9) -> list[datetime]:
    """Round times of the zone, and not too many of them."""
    seconds = (end - start).total_seconds()
    step = next((one for one in _STEPS if seconds / one <= most), _STEPS[-1])
    local = start.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    first = math.ceil((local - midnight).total_seconds() / step)
    found = (midnight + timedelta(seconds=step * (first + index)) for index in range(most + 2))
    return [moment for moment in found if start <= moment <= end]


def _lane(frame: _Frame, lane: Lane, top: int) -> Iterator[str]:
    middle = top + _LANE - 8
    yield f'<text class="axis lane" x="{frame.left - 6}" y="{middle}" text-anchor="end">{escape(lane.title)}</text>'
    yield f'<path class="grid" d="M{frame.left} {top + _LANE - 2}H{frame.width - _RIGHT}"/>'
    for band in lane.bands:
        left, right = frame.x(band.start), frame.x(band.end)
        yield (
            f'<g class="bar {band.kind}"><title>{escape(band.word or band.kind)}</title>'
            f'<rect x="{left}" y="{top + 5}" width="{max(right - left, 2):.1f}" height="{_LANE - 12}"/></g>'
        )
    yield from _moments(frame, lane.moments, middle)


def _moments(frame: _Frame, moments: Iterable[Moment], y: int) -> Iterator[str]:
    """A shape and a word; the word is left to the title where the one before is in its way."""
    ordered = sorted(moments, key=lambda one: one.at)
    room = [*(frame.x(after.at) - frame.x(one.at) for one, after in pairwise(ordered)), float(frame.width)]
    for moment, free in zip(ordered, room[: len(ordered)], strict=True):
        x = frame.x(moment.at)
        fits = min(free, frame.width - x) > 2 * _LETTER + _LETTER * len(moment.word)
        word = f'<tspan dx="2" class="word">{escape(moment.word)}</tspan>' if fits else ""
        label = quoteattr(f"{moment.kind}: {moment.word}")
        yield (
            f'<text class="moment {moment.kind}" x="{x}" y="{y}" aria-label={label}>'
            f"<title>{escape(moment.word)}</title>{_SHAPES.get(moment.kind, '●')}{word}</text>"
        )


_BARS, _PLAIN_BARS = "▁▂▃▄▅▆▇█", "_.-=+*#@"


def sparkline(values: Sequence[float | None], columns: int = 20, *, signs: bool = True) -> str:
    """Values as one line of text, from 0 to their greatest; a blank where there is none; `signs`: by Unicode's bars."""
    bars = _BARS if signs else _PLAIN_BARS
    if not values:
        return ""
    size = max(len(values) / columns, 1.0)
    cut = [values[int(index * size) : max(int((index + 1) * size), int(index * size) + 1)] for index in range(columns)]
    tops = [max((one for one in part if one is not None and math.isfinite(one)), default=None) for part in cut if part]
    highest = max((one for one in tops if one is not None), default=0.0)
    return "".join(" " if one is None else bars[_height(one, highest, len(bars))] for one in tops)


def _height(value: float, highest: float, count: int) -> int:
    if highest <= 0:
        return 0
    return min(max(math.ceil(value / highest * count) - 1, 0), count - 1)
