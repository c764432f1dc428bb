"""What is asked of metrics, what they answer, and what follows for a check."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from salus.model.policy import Verdict


@dataclass(frozen=True, slots=True)
class Error:
    """No answer, or one that must not be trusted (`reason` Timeout, HttpError, PartialAnswer, SeveralSeries …)."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Query:
    """One instant query, for one check on one target."""

    source: str
    query: str
    stale_after: timedelta
    """A sample older than this is no data."""
    select: tuple[str, str] | None = None
    """(label, value) that picks the target's series out of an answer for all targets."""
    namespace: str = ""
    """The policy's namespace, for tenancy headers and enforced matchers."""
    unclear: Error | None = None
    """Why it cannot be asked of this target, and is not."""
    or_missing: bool = False
    """Salus has made its selectors: one may ask for a label of the source as for one that may be missing."""


@dataclass(frozen=True, slots=True)
class Value:
    """A trustworthy number."""

    value: float
    sampled_at: datetime
    """Time of the newest sample behind it, as far as the source can tell; else the time of evaluation."""


@dataclass(frozen=True, slots=True)
class NoData:
    """The source answered, and has nothing (`reason` NoSeries, NotANumber, StaleSample …)."""

    reason: str
    message: str
    empty: bool = False
    """True only for an empty vector: what a check's onNoData speaks of."""


Answer = Value | NoData | Error


@dataclass(frozen=True, slots=True)
class Sample:
    """One point of a range query."""

    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Past:
    """What a check was told in times gone by."""

    samples: Sequence[Sample] = ()
    silent: tuple[datetime, ...] = ()
    """When the source, which took samples all the while, had nothing for it; only where a policy says what it means."""

    def until(self, end: datetime) -> "Past":
        """Nothing of what came after that."""
        samples = [sample for sample in self.samples if sample.at <= end]
        return Past(samples, tuple(at for at in self.silent if at <= end))


@dataclass(frozen=True, slots=True)
class CheckState:
    """What one check on one target remembers between two readings; it can be recovered from Prometheus' history.

    `breached_since` and `healthy_since`: start of the present stretch, None outside one. `seen_at`: last trustworthy
    reading.
    """

    unhealthy: bool = False
    breached_since: datetime | None = None
    healthy_since: datetime | None = None
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check says of one target."""

    check: str
    verdict: Verdict
    reason: str
    message: str
    query: str
    observed_at: datetime
    threshold: str = ""
    value: float | None = None
    since: datetime | None = None
    """Unhealthy: beyond the bound since. Healthy: clear since; None while a breach is pending."""
    sampled_at: datetime | None = None
    """Time of the newest sample behind the value."""
    without_data: bool = False
    """Unknown, and not for an error: the source answered, and has nothing."""


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """A rule that a source evaluates: what a recorded series, or an alert, is made from."""

    name: str
    query: str
    alert: bool = False
    lasts: timedelta = timedelta(0)
    """Of an alert, how much longer than its query it takes to come and to go: its `for` and `keep_firing_for`."""
