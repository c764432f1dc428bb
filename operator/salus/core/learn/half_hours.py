"""The past cut into half hours of the clock on the wall, each with a number for how bad it was.

Half an hour is long enough to hold more samples than chance needs, and short enough to tell the peak at ten from
the rest of the morning.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from math import inf, isfinite
from statistics import median
from typing import NamedTuple

from salus.core.learn.history import Series, Span

HALF_HOUR = 1800
A_DAY = 48
"""Half hours."""
A_WEEK = 7 * A_DAY
WORTH = 3
"""A half hour is worth its third largest sample: one or two may be a late scrape or a counter that was reset."""


class Moment(NamedTuple):
    """One sample, and the half hour that it belongs to."""

    at: float
    value: float
    amount: float
    half_hour: int


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when is learned, by whose clock."""

    start: datetime
    end: datetime
    zone: tzinfo

    @property
    def first(self) -> int:
        """The number of its first half hour, since 1970 on the wall."""
        return self.half_hour(self.start.timestamp())

    @property
    def half_hours(self) -> int:
        """How many it has a part in."""
        return self.half_hour(self.end.timestamp() - 1) - self.first + 1

    @property
    def days(self) -> float:
        """Its length."""
        return (self.end - self.start) / timedelta(days=1)

    def half_hour(self, at: float) -> int:
        """The number of the half hour that this moment is in, since 1970 on the wall."""
        offset = datetime.fromtimestamp(at, self.zone).utcoffset() or timedelta(0)
        return int((at + offset.total_seconds()) // HALF_HOUR)

    def begins(self, number: int) -> datetime:
        """When half hour `number` of the window begins."""
        wall = datetime.fromtimestamp((self.first + number) * HALF_HOUR, UTC)
        return wall.replace(tzinfo=self.zone).astimezone(UTC)

    def time_of_day(self, number: int) -> int:
        """Which half hour of the day it is."""
        return (self.first + number) % A_DAY

    def weekday(self, number: int) -> int:
        """0: Monday. 1970 began on a Thursday."""
        return ((self.first + number) // A_DAY + 3) % 7


@dataclass(frozen=True, slots=True)
class Past:
    """One series within the window, without what is not to be learned from."""

    window: Window
    series: Series
    moments: Sequence[Moment]
    young: Sequence[Moment]
    """Right after a pod's start, and left out."""
    ranked: Sequence[Sequence[Moment]]
    """By half hour, the worst first."""
    amounts: Sequence[float]
    """In order of size."""

    def quiet(self, volume: float) -> float:
        """The share of its time in which there was less than `volume`."""
        return bisect_left(self.amounts, volume) / len(self.amounts) if self.amounts else 1.0

    def worths(self, volume: float) -> list[float | None]:
        """How bad each half hour was, by its samples with enough to judge; None: there are too few of them."""
        return [_third(moments, volume) for moments in self.ranked]

    def usual(self, volume: float) -> float | None:
        """The median of all samples with enough to judge; None: there is none."""
        judged = [moment.value for moment in self.moments if moment.amount >= volume]
        return median(judged) if judged else None

    def levels(self) -> list[tuple[int, float, float]]:
        """How each half hour was on the whole, and how much there was: (number, value, amount).

        Of shares it is the share of all that was asked in it, so that a night with ten requests weighs what it should.
        """
        halves = ((number, moments) for number, moments in enumerate(self.ranked) if moments)
        return [(number, _whole(moments), _amount(moments)) for number, moments in halves]


def past(series: Series, window: Window, pod_starts: Iterable[Span], without: Iterable[Span]) -> Past:
    """The series cut into half hours, without the first moments of pods, and without what nobody shall learn from."""
    starting, never = _joined(pod_starts), _joined(without)
    moments: list[Moment] = []
    young: list[Moment] = []
    amounts: list[float] = []
    for moment in _moments(series, window):
        if _within(never, moment.at):
            continue
        if _within(starting, moment.at):
            young.append(moment)
            continue
        amounts.append(moment.amount)
        if isfinite(moment.value):
            moments.append(moment)
    return Past(window, series, moments, young, _ranked(moments, window), sorted(amounts))


def _ranked(moments: Iterable[Moment], window: Window) -> list[list[Moment]]:
    ranked: list[list[Moment]] = [[] for _ in range(window.half_hours)]
    for moment in moments:
        ranked[moment.half_hour].append(moment)
    for each in ranked:
        each.sort(key=_value, reverse=True)
    return ranked


def _moments(series: Series, window: Window) -> Iterable[Moment]:
    """What is not a number, for want of requests, is among these."""
    begin, end = (bisect_left(series.times, moment.timestamp()) for moment in (window.start, window.end))
    first, last, known, number = window.first, window.half_hours - 1, -1, 0
    for index in range(begin, end):
        at, value = series.times[index], series.values[index]
        if (quarter := int(at // (HALF_HOUR / 2))) != known:  # no clock is set at another time than a full quarter
            known, number = quarter, min(max(0, window.half_hour(at) - first), last)
        if series.amounts is not None:
            yield Moment(at, value, series.amounts[index], number)
        elif isfinite(value):
            yield Moment(at, value, inf, number)


def _value(moment: Moment) -> float:
    return moment.value


def _third(ranked: Sequence[Moment], volume: float) -> float | None:
    left = WORTH
    for moment in ranked:
        left -= moment.amount >= volume
        if not left:
            return moment.value
    return None


def _whole(moments: Sequence[Moment]) -> float:
    amount = _amount(moments)
    if 0 < amount < inf:
        return sum(moment.value * moment.amount for moment in moments) / (amount * len(moments))
    return median([moment.value for moment in moments])


def _amount(moments: Sequence[Moment]) -> float:
    return sum(moment.amount for moment in moments) / len(moments)


Stretches = tuple[list[float], list[float]]
"""Beginnings and ends, in order, none within another."""


def _joined(spans: Iterable[Span]) -> Stretches:
    starts: list[float] = []
    ends: list[float] = []
    for start, end in sorted((span.start.timestamp(), span.end.timestamp()) for span in spans):
        if ends and start <= ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    return starts, ends


def _within(stretches: Stretches, at: float) -> bool:
    starts, ends = stretches
    if not starts:
        return False
    index = bisect_right(starts, at)
    return index > 0 and at < ends[index - 1]
