"""How long something was beyond a bound and mended itself, by which `for` has to be longer."""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from salus.core.health.evaluate import stale_after
from salus.core.learn.half_hours import Moment

LONGEST = timedelta(minutes=10)
"""A `for` beyond this leaves callers alone for too long; the bound goes up instead."""
INTERVALS = 2
"""One reading alone never proves anything."""
MARGIN = 1.5
"""Half as long again as what mended itself: what was seen is rarely the longest that there will be."""
_ROUND = (timedelta(minutes=1), timedelta(seconds=15))


@dataclass(frozen=True, slots=True)
class Run:
    """What is beyond a bound without a break: the times of its moments."""

    moments: Sequence[float]

    @property
    def lasted(self) -> float:
        """From the first to the last, in seconds."""
        return self.moments[-1] - self.moments[0]

    def has_any(self, moments: Set[float]) -> bool:
        """Whether any of these are of it."""
        return not moments.isdisjoint(self.moments)


def runs(moments: Iterable[Moment], bound: float, step: timedelta) -> Iterator[Run]:
    """The times beyond the bound, told as the operator tells them: a gap that is too long starts it anew.

    Moments that say nothing are not among these.
    """
    gap = stale_after(step).total_seconds()
    beyond: list[float] = []
    for moment in moments:
        if beyond and (moment.value <= bound or moment.at - beyond[-1] > gap):
            yield Run(beyond)
            beyond = []
        if moment.value > bound:
            beyond.append(moment.at)
    if beyond:
        yield Run(beyond)


def longest(runs: Iterable[Run], step: timedelta) -> timedelta:
    """The longest time beyond the bound: each moment stands for the step that follows it."""
    return max((timedelta(seconds=run.lasted) + step for run in runs), default=timedelta(0))


def hold(mended: timedelta, preset: timedelta, interval: timedelta) -> timedelta:
    """The `for` that what mended itself does not reach: whole minutes, or quarters of the first one."""
    least = max(MARGIN * mended, INTERVALS * interval)
    if preset >= least:
        return preset
    unit = _ROUND[least <= _ROUND[0]]
    return ceil(least / unit) * unit
