"""What bounds are learned from: the answers to a few range queries, and what happened to the workload meanwhile."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from math import nan

from salus.core.learn.kinds import Kind
from salus.model.policy import Threshold

Point = tuple[float, float]
"""Seconds since 1970, and what was answered, as range queries give them."""


SCRAPES = 4
"""Samples that a rate should be made of: one that comes late must not leave it with one."""
RANGES = tuple(timedelta(minutes=minutes) for minutes in (2, 5, 10, 30))
"""Of rates: short ones show a fault and its end soon, long ones hold enough requests."""


def ranges(scrape: timedelta) -> Sequence[timedelta]:
    """Over which to ask, by how often samples are taken."""
    return [window for window in RANGES if window >= SCRAPES * scrape] or [SCRAPES * scrape]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time; its end is not in it."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Series:
    """What one check answered over the past, side by side with how much there was to judge."""

    window: timedelta
    """Range of its rates; 0 for a level."""
    times: Sequence[float]
    """Seconds since 1970, ascending."""
    values: Sequence[float]
    """NaN where there is no number."""
    amounts: Sequence[float] | None = None
    """Requests within the window; None: nobody counts."""


def shares(window: timedelta, requests: Iterable[Point], failures: Iterable[Point]) -> Series:
    """The share of requests that failed. No series of failures is none, as long as requests are counted."""
    failed = dict(failures)
    whole = list(requests)
    values = [failed.get(at, 0.0) / count if count > 0 else nan for at, count in whole]
    return Series(window, [at for at, _ in whole], values, [count for _, count in whole])


def levels(values: Iterable[Point], requests: Iterable[Point] = (), window: timedelta = timedelta(0)) -> Series:
    """A number that is no share of requests, and how many requests there were, if anybody knows."""
    there = list(values)
    counted = dict(requests)
    amounts = [counted.get(at, 0.0) for at, _ in there] if counted else None
    return Series(window, [at for at, _ in there], [value for _, value in there], amounts)


@dataclass(frozen=True, slots=True)
class History:
    """The past of one check on one workload."""

    asked: Span
    """What was asked for, whether or not there were samples already."""
    step: timedelta
    """From one sample to the next."""
    series: Sequence[Series]
    """The same question over several ranges, the shortest first; of a level there is one."""
    releases: Sequence[datetime] = ()
    pod_starts: Sequence[datetime] = ()
    incidents: Sequence[Span] = ()
    """What a person calls an incident."""
    normal: Sequence[Span] = ()
    """What a person says was none."""
    mixed: Sequence[str] = ()
    """Matchers of which each picks another set of series for the same workload, such as `cluster="eu-1"`."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be learned: of which kind the check is, and what its preset says by itself."""

    kind: Kind
    hold: timedelta
    """The preset's `for`; never less is proposed."""
    own: Threshold | None = None
    """The preset's own bound: what is proposed where history tells nothing. A kind that is fixed has one."""
    floor: float | None = None
    """No bound below this is proposed; None: as the kind says."""
    volume: float = 0
    """Of what is no share: fewer requests than this say nothing."""
    settle: timedelta = timedelta(seconds=30)
    """How long a pod takes after its start until it answers as it will: the default of `verify.settle`."""
    interval: timedelta = timedelta(seconds=15)
    """Between two readings of the policy that is written."""
    zone: tzinfo = field(default=UTC)
    """Whose clock tells the time of day: people, and so traffic, change it twice a year."""

    @property
    def least(self) -> float:
        """The lowest bound that may be proposed."""
        return self.kind.floor if self.floor is None else self.floor
