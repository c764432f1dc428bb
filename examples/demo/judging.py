"""Whether a fault went as told: from the records and the audit log to sentences that say what differed.

Pure functions of `Evidence`; no sentence means that all went as told.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from examples.demo.story import Change, Incident, Report, Transition


@dataclass(frozen=True)
class Write:
    """A write of Salus to the Deployment, as the API server's audit log has it."""

    verb: str
    change: str  # the ChangeEvent that it carries in the annotation salus.dev/change; empty without one


@dataclass(frozen=True)
class Evidence:
    """What happened since a fault."""

    at: datetime
    changes: Sequence[Change] = ()
    incidents: Sequence[Incident] = ()
    transitions: Sequence[Transition] = ()
    writes: Sequence[Write] = ()
    release: str = ""  # at the end
    replicas: int = 0  # at the end
    failed: int = 0  # callers' requests

    @property
    def actions(self) -> list[Change]:
        """What Salus did to the workload, without what it took back."""
        return [change for change in self.changes if change.is_action]

    @property
    def rehearsals(self) -> list[Change]:
        """What Salus would have done."""
        return [change for change in self.changes if change.decision == "DryRun"]

    @property
    def detected(self) -> datetime | None:
        """When Salus first saw a check unhealthy; a decision shows that it had, by then."""
        seen = [incident.detected_at for incident in self.incidents if incident.detected_at]
        return min([*seen, *(change.decided_at for change in self.changes)], default=None)

    def turned(self, kind: str, status: str) -> datetime | None:
        """When a condition of any policy first got this status."""
        return min((t.at for t in self.transitions if t.at and (t.kind, t.status) == (kind, status)), default=None)


Judge = Callable[[Evidence], list[str]]


def healed_by(action: str, *, release: str, replicas: int, taken_back: bool = False) -> Judge:
    """One `action` that recovered the service, by one write that names it; at the end `release` and `replicas`."""

    def judge(evidence: Evidence) -> list[str]:
        differences = [*_did(evidence, action), *_writes(evidence)]
        if taken_back:
            differences += _taken_back(evidence)
        if evidence.release != release:
            differences.append(f"release {evidence.release} is live, not {release}")
        if evidence.replicas != replicas:
            differences.append(f"there are {evidence.replicas} replicas, not {replicas}")
        return differences

    return judge


def left_alone(evidence: Evidence) -> list[str]:
    """Nothing was decided or written, and the loss of the metrics was reported, and its end."""
    differences = [f"{change.name} records {change.decision} {change.action}" for change in evidence.changes]
    differences += _untouched(evidence)
    differences += [
        f"MetricsAvailable never turned {status}"
        for status in ("False", "True")
        if evidence.turned("MetricsAvailable", status) is None
    ]
    return differences


def rehearsed(action: str) -> Judge:
    """One DryRun of `action` is on record, and nothing was done."""

    def judge(evidence: Evidence) -> list[str]:
        differences = [f"{one.action} was done: {one.name}" for one in evidence.actions]
        found = [change.action for change in evidence.rehearsals]
        if found != [action]:
            differences.append(f"rehearsed was {_names(found)}, not {action}")
        return differences + _untouched(evidence)

    return judge


def report_of(title: str, evidence: Evidence, differences: tuple[str, ...]) -> Report:
    """The line of the table: by the action, else by the rehearsal, else by the loss of the metrics."""
    blank = Report(title, evidence.at, evidence.detected, failed=evidence.failed, differences=differences)
    if evidence.actions:
        change = evidence.actions[0]
        recovered = change.completed_at if change.outcome == "Recovered" else None
        return replace(blank, action=change.action, acted=change.applied_at, recovered=recovered)
    if evidence.rehearsals:
        rehearsal = evidence.rehearsals[0]
        return replace(blank, action=f"{rehearsal.action} rehearsed", acted=rehearsal.decided_at)
    lost, back = (evidence.turned("MetricsAvailable", status) for status in ("False", "True"))
    return replace(blank, detected=evidence.detected or lost, recovered=back)


def _did(evidence: Evidence, action: str) -> list[str]:
    found = [change.action for change in evidence.actions]
    if found != [action]:
        return [f"done was {_names(found)}, not one {action}"]
    (change,) = evidence.actions
    if change.outcome != "Recovered":
        return [f"{change.name} ended as {change.outcome or 'not yet verified'}, not as Recovered"]
    return []


def _taken_back(evidence: Evidence) -> list[str]:
    actions = {action.name for action in evidence.actions}
    undone = {change.undoes for change in evidence.changes if change.outcome == "Undone"}
    return [f"{name} was not taken back" for name in sorted(actions - undone)]


def _writes(evidence: Evidence) -> list[str]:
    """Each action on record is one write, and there are no others."""
    recorded = sorted(change.name for change in evidence.changes if change.is_write)
    written = sorted(write.change or f"a {write.verb} without a record" for write in evidence.writes)
    if recorded == written:
        return []
    return [f"the audit log has writes for {_names(written)}, the records are {_names(recorded)}"]


def _untouched(evidence: Evidence) -> list[str]:
    return [f"the audit log has a {write.verb} of the Deployment by Salus" for write in evidence.writes]


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"
