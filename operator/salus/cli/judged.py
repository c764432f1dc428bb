"""The past of a check as Salus would have judged it: what was answered, folded by what judges live. Pure."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from salus.cli.reports.course import Course, Judged, Stretch
from salus.core.health.evaluate import Reading, evaluate
from salus.model.policy import Verdict
from salus.model.values.metrics import Answer, CheckState, Error, Finding, NoData, Sample, Value
from salus.model.values.policies import CompiledCheck

_SILENT = NoData("NoSeries", "nothing", empty=True)
_GAP = NoData("NoSeries", "no samples")
_DIGITS = 5
"""That a value keeps: nobody sees more of them in a picture."""
MOST_STRETCHES = 60
"""That are told one by one."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The moments at which a past was asked for."""

    start: datetime
    end: datetime
    step: timedelta

    @property
    def count(self) -> int:
        """How many there are."""
        return (self.end - self.start) // self.step + 1

    def moments(self) -> Iterator[datetime]:
        """Each of them."""
        return (self.start + index * self.step for index in range(self.count))

    def index(self, at: datetime) -> int:
        """That of the moment which is nearest."""
        return round((at - self.start) / self.step)


@dataclass(frozen=True, slots=True)
class Told:
    """What was answered over a grid; gaps are left out."""

    values: Sequence[Sample] | Error
    volume: Sequence[Sample] | Error | None = None
    """None: the check asks for none."""
    silent: Sequence[Sample] | Error = ()
    """When the source was there and had nothing, where the policy says what that means."""


def course_of(check: CompiledCheck, told: Told, grid: Grid, most: int) -> Course:
    """The past of a check, with at most so many values: of those that are put together the least and the greatest."""
    values = told.values if not isinstance(told.values, Error) else ()
    bound = check.unhealthy
    found = Course(
        check=check.name,
        start=grid.start,
        step=grid.step,
        bound=bound.limit,
        healthy=check.healthy.limit if check.healthy else None,
        above=bound.above is not None,
        missing=told.values.message
        if isinstance(told.values, Error)
        else ""
        if values or told.silent
        else "no samples",
    )
    if found.missing:
        return found
    stretches = list(_stretches(check, told, grid))
    longest = sorted(stretches, key=lambda one: one.start - one.end)[:MOST_STRETCHES]
    more = {
        "stretches": tuple(one for one in stretches if one in longest),
        "stretches_left_out": len(stretches) - len(longest),
    }
    return found.model_copy(update={**_thinned(_on(grid, values), grid, most), **more})


def _on(grid: Grid, samples: Iterable[Sample]) -> list[float | None]:
    """At each moment of the grid its value."""
    found: list[float | None] = [None] * grid.count
    for one in samples:
        index = grid.index(one.at)
        if 0 <= index < grid.count and math.isfinite(one.value):
            found[index] = float(f"{one.value:.{_DIGITS}g}")
    return found


def _thinned(values: Sequence[float | None], grid: Grid, most: int) -> dict[str, object]:
    """All of them, or as many steps as there may be, each with its least and its greatest."""
    size = math.ceil(len(values) / most)
    if size <= 1:
        return {"values": tuple(values)}
    parts = [[one for one in values[at : at + size] if one is not None] for at in range(0, len(values), size)]
    return {
        "step": size * grid.step,
        "values": tuple(min(part, default=None) for part in parts),
        "tops": tuple(max(part, default=None) for part in parts),
    }


# --- how it was judged


def _stretches(check: CompiledCheck, told: Told, grid: Grid) -> Iterator[Stretch]:
    """What was not simply well, from one moment of the grid to the next."""
    judged = zip(grid.moments(), _judgements(check, told, grid), strict=True)
    for key, run in groupby(judged, key=lambda one: one[1]):
        moments = [at for at, _ in run]
        if key is not None:
            yield Stretch(start=moments[0], end=min(moments[-1] + grid.step, grid.end), judged=key[0], why=key[1])


def _judgements(check: CompiledCheck, told: Told, grid: Grid) -> Iterator[tuple[Judged, str] | None]:
    values = _on(grid, told.values if not isinstance(told.values, Error) else ())
    volumes = None if told.volume is None else _volumes(told.volume, grid)
    silent = _on(grid, told.silent if not isinstance(told.silent, Error) else ())
    state = CheckState()
    for index, at in enumerate(grid.moments()):
        volume = None if volumes is None else _answer(volumes[index], at)
        answer = _SILENT if values[index] is None and silent[index] is not None else _answer(values[index], at)
        reading = Reading(check.template, answer, at, volume)
        found, state = evaluate(check, reading, state, grid.step)
        yield _as_judged(found)


def _volumes(volume: Sequence[Sample] | Error, grid: Grid) -> Sequence[float | Error | None]:
    return [volume] * grid.count if isinstance(volume, Error) else _on(grid, volume)


def _answer(value: float | Error | None, at: datetime) -> Answer:
    if isinstance(value, Error):
        return value
    return _GAP if value is None else Value(value, at)


def _as_judged(found: Finding) -> tuple[Judged, str] | None:
    if found.verdict is Verdict.UNKNOWN:
        return Judged.UNKNOWN, found.reason
    if found.verdict is Verdict.QUIET:
        return Judged.QUIET, found.reason
    if found.verdict is Verdict.UNHEALTHY:
        return Judged.UNHEALTHY, ""
    return (Judged.PENDING, "") if found.reason == "Pending" else None
