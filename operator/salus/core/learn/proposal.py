"""What comes out of learning: a bound with all the numbers that it comes from, or the reason why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from salus.core.learn.history import Span
from salus.model.policy import Threshold


class Sure(StrEnum):
    """How far the past carries the bound."""

    YES = "yes"
    SOME = "some"
    NO = "no"
    """The bound is the preset's own."""
    FIXED = "fixed"
    """No past would change it."""


class Fate(StrEnum):
    """What became of a half hour."""

    RECURS = "Recurs"
    """It came back, and counts."""
    ONCE = "Once"
    """It did not, and lies within the bound."""
    CUT = "Cut"
    """It did not, and lies beyond the bound: a past incident."""
    QUIET = "Quiet"
    """Too few samples with enough to judge."""


@dataclass(frozen=True, slots=True)
class HalfHour:
    """One half hour of the past."""

    start: datetime
    worth: float | None
    """Its third largest sample."""
    fate: Fate


@dataclass(frozen=True, slots=True)
class Worst:
    """A number, and when it was."""

    value: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Cut:
    """A stretch that was not learned from, as a past incident."""

    left_out: Span
    """Whole half hours."""
    beyond: Span
    """From the first sample beyond the bound to the last."""
    worst: float
    named: bool = False
    """A person said so."""


@dataclass(frozen=True, slots=True)
class Returning:
    """What comes back, and lies beyond the bound that would hold without it: a person is asked whether that is well."""

    worst: float
    bound: float
    """The one that would hold."""
    weekday: int | None
    """0: Monday; None: on several."""
    spans: Sequence[Span]
    """When it came, in half hours."""


@dataclass(frozen=True, slots=True)
class Learned:
    """A proposal, and where each of its numbers comes from."""

    unhealthy: Threshold
    healthy: Threshold | None
    """None: as the preset says."""
    hold: timedelta
    """`for`."""
    window: timedelta
    """Range of the rates; 0 for a level."""
    volume: int | None
    """Fewer requests in the window are Quiet."""
    sure: Sure
    why: Sequence[str]
    """Each a clause, of what is short of `yes`."""
    usual: float | None
    recurring: Worst | None
    """The worst that came back; None: too little is known."""
    once: Worst | None
    """The largest sample of all."""
    longest: timedelta
    """The longest time beyond the bound that mended itself."""
    quiet: float
    """Share of the time with too little to judge."""
    since: datetime
    """Learned from here on."""
    step: datetime | None = None
    """The release that changed the level for good, before which nothing was learned from."""
    cut: Sequence[Cut] = ()
    returning: Sequence[Returning] = ()
    beyond_since: datetime | None = None
    """It is beyond the bound now: a policy would act at once."""
    half_hours: Sequence[HalfHour] = ()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """No proposal, and why, in one CamelCase word and a clause with its numbers."""

    reason: str
    message: str
