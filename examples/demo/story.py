"""What happens in the demo, as values: events with their time, the story so far, and the line that tells each.

The live view and the plain lines show the same stream. Nothing here looks at a cluster or at a clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any, Self

from examples.shop.load import Tally

Object = Mapping[str, Any]


def time_of(text: str | None) -> datetime | None:
    """Read a Kubernetes time; None for none."""
    return datetime.fromisoformat(text) if text else None


class Step(Enum):
    """How far a change has come."""

    DECIDED = "decided"
    DONE = "done"
    ENDED = "ended"


@dataclass(frozen=True)
class Change:
    """What a ChangeEvent says."""

    name: str
    policy: str
    decision: str
    action: str
    reason: str
    message: str
    decided_at: datetime
    applied_at: datetime | None = None
    completed_at: datetime | None = None
    outcome: str = ""
    result: str = ""  # how it ended, in a sentence
    undoes: str = ""

    @classmethod
    def from_object(cls, item: Object) -> Self:
        """Read a ChangeEvent as the API server gives it."""
        spec, status = item["spec"], item.get("status", {})
        return cls(
            name=item["metadata"]["name"],
            policy=spec["policyRef"]["name"],
            decision=spec["decision"],
            action=spec["action"],
            reason=spec["reason"],
            message=spec["message"],
            decided_at=datetime.fromisoformat(spec["decidedAt"]),
            applied_at=time_of(status.get("appliedAt")),
            completed_at=time_of(status.get("completedAt")),
            outcome=status.get("outcome") or "",
            result=status.get("message", ""),
            undoes=spec.get("undoes", ""),
        )

    @property
    def steps(self) -> list[Step]:
        """The steps that it has come to."""
        done = [Step.DONE] if self.applied_at else []
        ended = [Step.ENDED] if self.outcome else []
        return [Step.DECIDED, *done, *ended]

    @property
    def is_write(self) -> bool:
        """Whether it stands for a write to the workload: an abandoned change was not done."""
        return self.decision == "Act" and self.action != "Notify" and self.outcome != "Abandoned"

    @property
    def is_action(self) -> bool:
        """Whether it stands for a write that does not take back an earlier one."""
        return self.is_write and not self.undoes


@dataclass(frozen=True)
class Incident:
    """What an Incident says."""

    name: str
    policy: str
    phase: str
    opened_at: datetime
    detected_at: datetime | None = None
    checks: tuple[str, ...] = ()

    @classmethod
    def from_object(cls, item: Object) -> Self:
        """Read an Incident as the API server gives it."""
        spec, status = item["spec"], item.get("status", {})
        return cls(
            name=item["metadata"]["name"],
            policy=spec["policyRef"]["name"],
            phase=status.get("phase", "Open"),
            opened_at=datetime.fromisoformat(spec["openedAt"]),
            detected_at=time_of(status.get("detectedAt")),
            checks=tuple(status.get("checks", ())),
        )

    @property
    def is_over(self) -> bool:
        """Whether it is resolved."""
        return self.phase == "Resolved"


@dataclass(frozen=True)
class Transition:
    """A condition of a policy changed its status."""

    policy: str
    kind: str
    status: str
    at: datetime | None


@dataclass(frozen=True)
class Vitals:
    """How the service is at one moment."""

    error_ratio: float | None = None  # of all requests, as Prometheus knows it; None: it does not
    ready: int = 0
    asked: int = 0
    revision: str = ""
    release: str = ""
    phase: str = ""  # of the open incident, empty without one
    callers: Tally = field(default_factory=Tally)

    @property
    def ratio_text(self) -> str:
        """The error ratio, for people."""
        return "unknown" if self.error_ratio is None else f"{self.error_ratio:.1%}"

    @property
    def replicas_text(self) -> str:
        """Ready and asked-for replicas, for people."""
        return f"{self.ready}/{self.asked}"

    @property
    def release_text(self) -> str:
        """Release and revision, for people."""
        return f"{self.release or 'none'} (revision {self.revision})" if self.revision else self.release or "none"

    def differs_visibly_from(self, other: "Vitals") -> bool:
        """Whether something else than a ratio or a count of requests has changed."""
        seen = (self.ready, self.asked, self.revision, self.release, self.phase)
        return seen != (other.ready, other.asked, other.revision, other.release, other.phase)


@dataclass(frozen=True)
class Report:
    """How one fault went. A time is None for what did not happen."""

    fault: str
    at: datetime
    detected: datetime | None = None
    action: str = "nothing"  # what Salus did, or rehearsed
    acted: datetime | None = None
    recovered: datetime | None = None
    failed: int = 0  # callers' requests
    differences: tuple[str, ...] = ()  # from what was to be expected, each a sentence

    @property
    def as_told(self) -> bool:
        """Whether all went as it had been announced."""
        return not self.differences


# --- events: each can say in lines what happened


@dataclass(frozen=True)
class Told:
    """The narrator has something to say."""

    text: str

    def lines(self) -> list[str]:
        """The text."""
        return [self.text]


@dataclass(frozen=True)
class FaultBegan:
    """A fault is about to be done to the service."""

    number: int
    count: int
    title: str
    action: str
    expected: str

    def lines(self) -> list[str]:
        """What is done, and what Salus should do."""
        return [f"── Fault {self.number} of {self.count}: {self.title}", f"   {self.action}", f"   {self.expected}"]


@dataclass(frozen=True)
class FaultEnded:
    """A fault is over."""

    report: Report

    def lines(self) -> list[str]:
        """Whether it went as told."""
        if self.report.as_told:
            return [f"── As told: {self.report.fault}"]
        return [f"── Not as told: {self.report.fault}: {'; '.join(self.report.differences)}"]


@dataclass(frozen=True)
class ChangeSeen:
    """A ChangeEvent has come to a step."""

    change: Change
    step: Step

    def lines(self) -> list[str]:
        """What was decided, done or proven."""
        change = self.change
        news = {
            Step.DECIDED: f"{change.decision} {change.action}: {change.message} ({change.reason})",
            Step.DONE: f"{change.action} done",
            Step.ENDED: f"{change.outcome}: {change.result}",
        }
        return [f"ChangeEvent {change.name}: {news[self.step]}"]


@dataclass(frozen=True)
class IncidentSeen:
    """An Incident is new, or in another phase."""

    incident: Incident

    def lines(self) -> list[str]:
        """Its phase, and the checks that are to blame."""
        checks = f" ({', '.join(self.incident.checks)})" if self.incident.checks else ""
        return [f"Incident {self.incident.name}: {self.incident.phase}{checks}"]


@dataclass(frozen=True)
class ConditionSeen:
    """A condition of a policy has another status."""

    policy: str
    kind: str
    status: str
    reason: str

    def lines(self) -> list[str]:
        """The condition."""
        return [f"HealthPolicy {self.policy}: {self.kind}={self.status} ({self.reason})"]


@dataclass(frozen=True)
class VitalsTaken:
    """Somebody looked at the service."""

    vitals: Vitals

    def lines(self) -> list[str]:
        """Everything in one line."""
        seen = self.vitals
        phase = f", incident {seen.phase}" if seen.phase else ""
        service = f"errors {seen.ratio_text}, replicas {seen.replicas_text}, release {seen.release_text}{phase}"
        return [f"{service}; callers: {seen.callers.sent} requests, {seen.callers.failures} failed"]


Happening = Told | FaultBegan | FaultEnded | ChangeSeen | IncidentSeen | ConditionSeen | VitalsTaken


@dataclass(frozen=True)
class Event:
    """What happened, and when: seconds since the demo began."""

    at: float
    what: Happening

    def lines(self) -> list[str]:
        """What to print of it, each line led by the time."""
        return [f"{self.at:6.1f}s  {text}" for text in self.what.lines()]


# --- the story so far


@dataclass(frozen=True)
class Story:
    """What a viewer has to know at this moment, besides the lines that were printed."""

    at: float = 0.0
    vitals: Vitals = Vitals()
    fault: FaultBegan | None = None

    def after(self, event: Event) -> "Story":
        """The story with one more event."""
        story = replace(self, at=event.at)
        match event.what:
            case VitalsTaken(vitals):
                return replace(story, vitals=vitals)
            case FaultBegan() as fault:
                return replace(story, fault=fault)
            case FaultEnded():
                return replace(story, fault=None)
        return story
