"""How an incident stands, as a function of its records: after a crash the same records give the same status."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from salus.core.decide import overall
from salus.core.records import attempt
from salus.core.status import condition
from salus.model.change import Outcome
from salus.model.incident import Blame, Phase
from salus.model.policy import Verdict
from salus.model.types import Body, format_time
from salus.model.values import Finding, PastChange

KEPT_ATTEMPTS = 64


def is_over(incident: Body) -> bool:
    """Whether the incident is closed for good."""
    return _phase(incident) == Phase.RESOLVED


def is_escalated(incident: Body) -> bool:
    """Whether people were called."""
    return _phase(incident) == Phase.ESCALATED


def _phase(incident: Body) -> str:
    return str((incident.get("status") or {}).get("phase", ""))


def progress(
    incident: Body, changes: Sequence[PastChange], findings: Iterable[Finding], now: datetime
) -> dict[str, Any]:
    """The status of an incident that goes on. `changes`: its own records, oldest first."""
    written = incident.get("status") or {}
    unhealthy = {finding.check for finding in findings if finding.verdict is Verdict.UNHEALTHY}
    status: dict[str, Any] = {
        "observedGeneration": incident["metadata"].get("generation", 0),
        "phase": _phase_now(written, changes).value,
        "checks": sorted({*(written.get("checks") or ()), *unhealthy}),
        "attempts": [attempt(change) for change in changes][-KEPT_ATTEMPTS:],
        "detectedAt": written.get("detectedAt") or format_time(now),
    }
    first = min((change.applied_at for change in changes if change.applied_at), default=None)
    if first is not None:
        status["firstActionAt"] = format_time(first)
    return status


def _phase_now(written: Mapping[str, Any], changes: Sequence[PastChange]) -> Phase:
    for change in reversed(changes):
        if change.open:
            return Phase.VERIFYING if change.applied_at else Phase.REMEDIATING
        if change.decision == "AwaitApproval" and change.completed_at is None:
            return Phase.AWAITING_APPROVAL
    return Phase.ESCALATED if written.get("phase") == Phase.ESCALATED else Phase.OPEN


def blamed(status: Mapping[str, Any], found: Blame) -> dict[str, Any]:
    """The status that also tells what changed just before; said once, since the deeds that follow are changes too."""
    return {**status, "blame": found.to_dict()}


def is_blamed(incident: Body) -> bool:
    """Whether the incident tells already what changed just before."""
    return bool((incident.get("status") or {}).get("blame"))


def escalated(status: Mapping[str, Any], message: str) -> dict[str, Any]:
    """The status of an incident that is handed over to people."""
    return {**status, "phase": Phase.ESCALATED.value, "message": message[:1024]}


_OTHER_ENDS = {
    "TargetGone": "the workload was deleted",
    "PolicyGone": "the policy was deleted",
}


def resolved(
    status: Mapping[str, Any], changes: Sequence[PastChange], now: datetime, resolution: str = ""
) -> dict[str, Any]:
    """The status of an incident that is over: its checks are healthy, or `resolution` says why nobody asks them."""
    if resolution:
        return _over(status, resolution, _OTHER_ENDS[resolution], "Unknown", now)
    helper = next((c for c in reversed(changes) if c.outcome == Outcome.RECOVERED), None)
    resolution = "RecoveredByRemedy" if helper else "RecoveredByItself"
    message = (
        f"recovered after {helper.action} ({helper.name})" if helper else "the checks turned healthy by themselves"
    )
    return _over(status, resolution, message, "True", now)


def _over(status: Mapping[str, Any], resolution: str, message: str, verified: str, now: datetime) -> dict[str, Any]:
    return {
        **status,
        "phase": Phase.RESOLVED.value,
        "resolvedAt": format_time(now),
        "resolution": resolution,
        "message": message,
        "conditions": [condition("Verified", verified, resolution, message, now)],
    }


def needs_incident(findings: Sequence[Finding]) -> bool:
    """Only an Unhealthy verdict opens an incident; Unknown never does."""
    return overall(findings) is Verdict.UNHEALTHY
