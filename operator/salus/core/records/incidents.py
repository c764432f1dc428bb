"""An incident: how it is written, and how it stands, as a function of its records.

After a crash the same records give the same status.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from salus.core.health.overall import ALL, Needed, healthy_for, overall
from salus.core.health.timing import has_lasted
from salus.core.records.changes import FORMAT, attempt
from salus.core.records.names import incident_name, labels, policy_ref, target_ref
from salus.core.records.record_conditions import condition
from salus.model.change import Decision, Outcome
from salus.model.incident import Blame, Phase
from salus.model.policy import Severity, Verdict
from salus.model.scalars import API_VERSION, Body, format_time, parse_time
from salus.model.values.changes import Change, Refusal
from salus.model.values.metrics import Finding
from salus.model.values.objects import Workload
from salus.model.values.policies import Policy

KEPT_ATTEMPTS = 64
SETTLES = 10
"""After this part of the hold-down an incident says that its target is healthy."""
DOUBT = "MetricsUnavailable"
"""Nobody can tell of a target that was unhealthy: the reason to tell people, and of the incident's condition."""
MOST_EVIDENCE = 16
"""Findings that a refusal shows."""


def incident_body(
    policy: Policy, workload: Workload, opened_at: datetime, number: int, without_data: Sequence[str] = ()
) -> dict[str, Any]:
    """A new Incident. `without_data`: the checks that had none before it."""
    severities = [r.notify.severity for r in policy.spec.remedies if r.notify]
    severity = Severity.CRITICAL if Severity.CRITICAL in severities else Severity.WARNING
    return {
        "apiVersion": API_VERSION,
        "kind": "Incident",
        "metadata": {
            "name": incident_name(policy, workload.key, number),
            "namespace": policy.key.namespace,
            "labels": labels(policy.key.name, workload.key),
        },
        "spec": {
            "format": FORMAT,
            "policyRef": policy_ref(policy),
            "targetRef": target_ref(workload.key, workload.uid),
            "openedAt": format_time(opened_at),
            "severity": severity.value,
            **({"withoutData": list(without_data)} if without_data else {}),
        },
    }


def began(findings: Iterable[Finding], now: datetime) -> datetime:
    """Since when the target is unhealthy, as its checks tell."""
    return min((f.since for f in findings if f.since and f.verdict is Verdict.UNHEALTHY), default=now)


def healthy_again_for(incident: Body | None, findings: Sequence[Finding], now: datetime) -> timedelta | None:
    """How long the target has been healthy again, by what its incident says is needed; None when it is not."""
    return healthy_for(findings, now, _needed(incident) if incident else ALL)


def recovered_for(
    incident: Body | None, findings: Sequence[Finding], end: Outcome | None, now: datetime
) -> timedelta | None:
    """How long the target has been healthy again, where a change that ends like this has proven it; else None."""
    return healthy_again_for(incident, findings, now) if end is Outcome.RECOVERED else None


def is_well(incident: Body | None, findings: Sequence[Finding]) -> bool:
    """Whether there is nothing to mend, and nothing that was mended of late."""
    return incident is None and overall(findings) is Verdict.HEALTHY


def in_doubt(incident: Body | None, findings: Sequence[Finding]) -> list[Finding]:
    """The checks of which nobody can tell, and without which this incident is not over."""
    if incident is None:
        return []
    return [finding for finding in _needed(incident).lacks(findings) if finding.verdict is not Verdict.UNHEALTHY]


def _needed(incident: Body) -> Needed:
    return Needed(unhealthy_checks(incident), without_data(incident))


def without_data(incident: Body) -> tuple[str, ...]:
    """The checks that had no data before this incident began."""
    return tuple(incident["spec"].get("withoutData") or ())


def what_is_unhealthy(findings: Iterable[Finding]) -> str:
    """The checks that are, with their values, in a sentence."""
    return "; ".join(f"{f.check}: {f.message}" for f in findings if f.verdict is Verdict.UNHEALTHY)


def relevant(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """What a refusal shows: everything that is not simply healthy, or quiet."""
    return tuple(f for f in findings if f.verdict not in {Verdict.HEALTHY, Verdict.QUIET})[:MOST_EVIDENCE]


def unanswered(change: Change) -> tuple[Outcome, str] | None:
    """How a question ends whose incident is over; None for what is none, or is over as well."""
    if not change.waits:
        return None
    if change.open:
        text = f"approved by {change.approved_by}, but the incident was over before it was done"
        return Outcome.ABANDONED, text
    return Outcome.EXPIRED, "the incident was over before a person answered"


def is_over(incident: Body) -> bool:
    """Whether the incident is closed for good."""
    return _phase(incident) == Phase.RESOLVED


def is_escalated(incident: Body) -> bool:
    """Whether people were called."""
    return _phase(incident) == Phase.ESCALATED


def told_by(incident: Body) -> str:
    """By what people were told of it; empty: they were not."""
    return str((incident.get("status") or {}).get("toldBy") or "")


def unhealthy_checks(incident: Body) -> frozenset[str]:
    """Names of the checks that were unhealthy in it."""
    return frozenset((incident.get("status") or {}).get("checks") or ())


def is_recovering(incident: Body) -> bool:
    """Whether its target was healthy of late, and nobody knows yet whether that lasts."""
    return bool((incident.get("status") or {}).get("healthySince"))


def people_know(incident: Body) -> bool:
    """Whether people were told of it, by whatever."""
    return is_escalated(incident) or bool(told_by(incident))


def says_who_told(incident: Body, reason: str, by: str) -> bool:
    """Whether it says all that is to be said already: that people know, by what, and why it still waits."""
    return people_know(incident) and told_by(incident) == by and says(incident, reason)


def says(incident: Body, reason: str) -> bool:
    """Whether the incident gives this reason already; numbers in its message may be older."""
    return str((incident.get("status") or {}).get("message", "")).startswith(f"{reason}: ")


def unhealthy_since(incident: Body) -> datetime | None:
    """Since when Salus counts it, or its last relapse, or the doubt that lasts; None while none of that is written."""
    status = incident.get("status") or {}
    moments = [status.get("detectedAt"), status.get("relapsedAt"), _doubted_since(status)]
    return max((parse_time(moment) for moment in moments if moment), default=None)


def _doubted_since(status: Mapping[str, Any]) -> str:
    """Since when nobody can tell any more whether its target stays healthy; empty: that is not so."""
    found = (c["lastTransitionTime"] for c in status.get("conditions") or () if c["reason"] == DOUBT)
    return str(next(found, ""))


def _phase(incident: Body) -> str:
    return str((incident.get("status") or {}).get("phase", ""))


def progress(incident: Body, changes: Sequence[Change], findings: Iterable[Finding], now: datetime) -> dict[str, Any]:
    """The status of an incident that goes on. `changes`: its own records, oldest first."""
    written = incident.get("status") or {}
    unhealthy = {finding.check for finding in findings if finding.verdict is Verdict.UNHEALTHY}
    holds = bool(written.get("healthySince") or _doubted_since(written))
    status: dict[str, Any] = {
        **({field: written[field] for field in ("relapses", "relapsedAt", "toldBy") if field in written}),
        **(_relapsed(written, now) if holds and unhealthy else {}),
        "observedGeneration": incident["metadata"].get("generation", 0),
        "phase": _phase_now(written, changes, held=holds and not unhealthy).value,
        "checks": sorted({*(written.get("checks") or ()), *unhealthy}),
        "attempts": [attempt(change) for change in changes][-KEPT_ATTEMPTS:],
        "attemptCount": len(changes),
        "detectedAt": written.get("detectedAt") or format_time(now),
    }
    if written.get("toldBy") and (begun := next((c for c in changes if c.open and c.action.writes), None)):
        status["message"] = f"{begun.action} ({begun.name}) is under way"
    first = min((change.applied_at for change in changes if change.applied_at), default=None)
    if first is not None:
        status["firstActionAt"] = format_time(first)
    return status


def _phase_now(written: Mapping[str, Any], changes: Sequence[Change], *, held: bool) -> Phase:
    for change in reversed(changes):
        if change.open:
            return Phase.VERIFYING if change.applied_at else Phase.REMEDIATING
        if change.decision is Decision.AWAIT_APPROVAL and change.completed_at is None:
            return Phase.AWAITING_APPROVAL
    if written.get("phase") == Phase.ESCALATED or written.get("toldBy"):
        return Phase.ESCALATED
    return Phase.VERIFYING if held else Phase.OPEN


def held(status: Mapping[str, Any], since: datetime, hold_down: timedelta, now: datetime) -> dict[str, Any]:
    """The status of an incident whose target is healthy, while nobody knows yet whether that lasts."""
    until = since + hold_down
    text = f"healthy since {since:%H:%M:%S} UTC, closes at {until:%H:%M:%S} UTC unless a check turns unhealthy again"
    return {
        **status,
        **_said(status, text),
        "phase": (Phase.VERIFYING if status["phase"] == Phase.OPEN else Phase(status["phase"])).value,
        "healthySince": format_time(since),
        "conditions": [condition("Verified", "Unknown", "HoldDown", text, now)],
    }


def is_held(incident: Body, since: datetime) -> bool:
    """Whether the incident says already that its target is healthy since then."""
    return (incident.get("status") or {}).get("healthySince") == format_time(since)


def doubted(status: Mapping[str, Any], since: datetime, why: Refusal) -> dict[str, Any]:
    """The status of an incident whose target was healthy, and of which nobody can tell any more whether that lasts."""
    text = f"{why.reason}: {why.message}, since {since:%H:%M:%S} UTC"
    return {
        **status,
        **_said(status, text),
        "healthySince": None,
        "conditions": [condition("Verified", "Unknown", DOUBT, text, since)],
    }


class Closing(StrEnum):
    """What follows for an incident from the health of its target."""

    CLOSE = "Close"
    HOLD = "Hold"
    """Say that it is healthy, and until when the incident stays open."""
    NOTHING = "Nothing"


def settled_for(
    incident: Body | None, findings: Sequence[Finding], stable: timedelta, hold_down: timedelta, now: datetime
) -> timedelta | None:
    """How long its target has been healthy again, if for so long that it is worth saying: faster swings are not."""
    clear = None if incident is None else healthy_again_for(incident, findings, now)
    return clear if clear is not None and has_lasted(now - clear, now, max(stable, hold_down / SETTLES)) else None


def closing(incident: Body | None, clear: timedelta, hold_down: timedelta, now: datetime) -> Closing:
    """Whether an incident is over whose target has been `clear` for so long."""
    if has_lasted(now - clear, now, hold_down):
        return Closing.CLOSE
    return Closing.NOTHING if incident is None or is_held(incident, now - clear) else Closing.HOLD


def _relapsed(written: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """It is the same incident still: what was tried in it stays tried."""
    count = written.get("relapses", 0) + 1
    text = f"unhealthy again at {now:%H:%M:%S} UTC, before the hold-down was over; relapses in this incident: {count}"
    return {
        **_said(written, text),
        "healthySince": None,
        "relapses": count,
        "relapsedAt": format_time(now),
        "conditions": [condition("Verified", "False", "Relapsed", text, now)],
    }


def _said(status: Mapping[str, Any], text: str) -> dict[str, Any]:
    """What people were called for goes on to stand in the message."""
    return {} if status.get("phase") == Phase.ESCALATED else {"message": text}


def blamed(status: Mapping[str, Any], found: Blame) -> dict[str, Any]:
    """The status that also tells what changed just before; said once, since the actions that follow are changes too."""
    return {**status, "blame": found.to_dict()}


def is_blamed(incident: Body) -> bool:
    """Whether the incident tells already what changed just before."""
    return bool((incident.get("status") or {}).get("blame"))


def waiting(status: Mapping[str, Any], message: str) -> dict[str, Any]:
    """The status of an incident for which nothing is done just now, and why."""
    return {**status, "message": message[:1024]}


def escalated(status: Mapping[str, Any], message: str, told_by: str = "") -> dict[str, Any]:
    """The status of an incident of which people were told; while one is asked something, the phase says that."""
    asks = status.get("phase") == Phase.AWAITING_APPROVAL
    phase = {} if asks else {"phase": Phase.ESCALATED.value}
    return {**waiting(status, message), **phase, **({"toldBy": told_by[:256]} if told_by else {})}


_OTHER_ENDS = {
    "TargetGone": "the workload was deleted",
    "PolicyGone": "the policy was deleted",
}


def resolved(
    status: Mapping[str, Any], changes: Sequence[Change], now: datetime, resolution: str = ""
) -> dict[str, Any]:
    """The status of an incident that is over: its checks are healthy, or `resolution` says why nobody asks them."""
    if resolution:
        return _over(status, resolution, _OTHER_ENDS[resolution], "Unknown", now)
    relapsed = parse_time(relapse) if (relapse := status.get("relapsedAt")) else None
    helper = next((c for c in reversed(changes) if c.outcome is Outcome.RECOVERED and _holds(c, relapsed)), None)
    resolution = "RecoveredByRemedy" if helper else "RecoveredByItself"
    message = (
        f"recovered after {helper.action} ({helper.name})" if helper else "the checks turned healthy by themselves"
    )
    return _over(status, resolution, message, "True", now)


def _holds(change: Change, relapsed: datetime | None) -> bool:
    """Whether what a change mended was not unhealthy again since."""
    return relapsed is None or change.completed_at is None or change.completed_at >= relapsed


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
