"""Series that did not do the same all the time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.contract.preset_series import Status, Who
from tests.contract.preset_states import AGES, Line, Place, Rows

STEP = 60
"""Seconds between two samples of a past."""
WEEK = 7 * 86_400
REACHES_BACK = "192h"
"""How old history may be that is pushed, for last week to be there."""


@dataclass(frozen=True, slots=True)
class Course(Line):
    """A series that had these values, by seconds before now, the oldest first."""

    points: Sequence[tuple[float, float]] = ()

    def samples(self, now: float) -> Iterator[tuple[float, float]]:
        """Of (Unix time in seconds, value), oldest first."""
        return ((now - age, value) for age, value in self.points)


@dataclass(frozen=True, slots=True)
class Phase:
    """From so many seconds before now until so many: requests in a second, of which a share failed."""

    since: int
    until: int
    per_second: float
    failing: float = 0.0

    def points(self, begin: float, per_second: float) -> Sequence[tuple[float, float]]:
        """Of a counter that was at `begin`."""
        ages = range(self.since, self.until - 1, -STEP) if self.until > 0 else (a for a in AGES if a <= self.since)
        return [(age, begin + per_second * (self.since - age)) for age in ages]


def counted_in(phases: Sequence[Phase], name: str, of: Who, status: Status) -> Rows:
    """A counter of requests that went through these; each phase begins where the one before ended."""

    def rows(place: Place) -> Iterable[Line]:
        for labels in of(place):
            yield Course(name, {**labels, **status[0]}, points=_rising(phases, failed=False))
            if any(phase.failing for phase in phases):
                yield Course(name, {**labels, **status[1]}, points=_rising(phases, failed=True))

    return rows


def _rising(phases: Sequence[Phase], *, failed: bool) -> Sequence[tuple[float, float]]:
    points: dict[float, float] = {}
    reached = 1_000_000.0
    for phase in phases:
        per_second = phase.per_second * (phase.failing if failed else 1 - phase.failing)
        points |= phase.points(reached, per_second)
        reached = points[min(points)]
    return tuple(points.items())
