"""What a policy's status says, from its targets' findings: a value to compare with what is written already.

`Ready`, `Reconciling` and `Stalled` speak of the spec, so that an incident never blocks the GitOps sync that carries
its fix; `Healthy`, `MetricsAvailable` and `Throttled` speak of the service, `Overlapping` of other policies.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from salus.core.guards.chain import KILL_SWITCH
from salus.core.guards.permissions import DENIED, MISSING, acts
from salus.core.health.overall import overall
from salus.core.policy.caps import LeftOut
from salus.core.policy.compile import SpecError, identity
from salus.model.policy import Verdict
from salus.model.scalars import Body, format_decimal, format_time
from salus.model.values.changes import Change, Refusal
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Finding
from salus.model.values.permissions import Permissions
from salus.model.values.policies import Policy

_OF_NO_TARGET: Mapping[str, Any] = {"targets": None, "checks": [], "heldBy": None, "openIncident": None}
"""What is said of the targets of a policy that is not measured."""
_ORDER = (Verdict.UNHEALTHY, Verdict.UNKNOWN, Verdict.HEALTHY, Verdict.QUIET)


@dataclass(frozen=True, slots=True)
class TargetReport:
    """How one target stands after a tick."""

    target: TargetKey
    findings: tuple[Finding, ...]
    refusal: Refusal | None = None
    """Why nothing was done, when something would have been."""
    last_change: Change | None = None
    others: tuple[str, ...] = ()
    """Names of other policies that speak of this target too."""
    incident: str = ""
    """Name of the incident that is open."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be done for a policy at all."""

    permissions: Permissions | None = field(default_factory=Permissions)
    """What its account may do; None while nobody knows, and then what is written about it stays."""
    stopped: str = ""
    """Why nothing new is done at all, if so."""


_ALL = Allowed()


def policy_status(
    policy: Policy,
    reports: Sequence[TargetReport],
    written: Mapping[str, Any],
    now: datetime,
    allowed: Allowed = _ALL,
) -> dict[str, Any]:
    """The status of a policy that is in use. `written`: the status as it is, whose transition times are kept."""
    by_health = sorted(reports, key=lambda report: _ORDER.index(overall(report.findings)))
    permissions = _as_written(written) if allowed.permissions is None else allowed.permissions
    throttled = _throttled(reports, written, allowed.stopped)
    conditions = [
        *_spec_conditions(policy, reports, permissions),
        *(_healthy(reports), _metrics(reports), throttled, _overlapping(reports)),
    ]
    last = max(
        (r.last_change for r in reports if r.last_change), key=lambda c: (c.decided_at, c.sequence), default=None
    )
    status = {
        "observedGeneration": policy.generation,
        "conditions": _kept(conditions, written, policy.generation, now),
        "targets": _counts(reports),
        "checks": _kept_checks([_check(f) for report in by_health[:1] for f in report.findings], written),
        "heldBy": throttled[2] if throttled[1] == "True" else None,
        "openIncident": next((report.incident for report in by_health if report.incident), None),
    }
    return {**status, "lastChange": _last_change(last)} if last else status


def said(policy: Policy, reports: Sequence[TargetReport], allowed: Allowed) -> object:
    """What a status is made of; while this and what is written stay the same, `policy_status` says nothing new."""
    return policy, allowed, [_said(report) for report in reports]


def _said(report: TargetReport) -> tuple[object, ...]:
    """Without values: rows and messages stay as they are written while their reasons do."""
    findings = [(finding.check, finding.verdict, finding.reason) for finding in report.findings]
    refused, last = report.refusal and report.refusal.reason, report.last_change
    ended = last and (last.name, last.decision, last.outcome)
    return report.target, findings, refused, ended, report.others, report.incident


def stalled_status(body: Body, error: SpecError, now: datetime) -> dict[str, Any]:
    """The status of a policy that cannot be used; every problem with its path."""
    message = str(error)[:1024]
    conditions = [
        ("Ready", "False", error.reason, message),
        ("Reconciling", "False", error.reason, "waits for a change of the spec"),
        ("Stalled", "True", error.reason, message),
    ]
    _, generation = identity(body)
    return {
        "observedGeneration": generation,
        "conditions": _kept(conditions, body.get("status") or {}, generation, now),
        **_OF_NO_TARGET,
    }


def left_out_status(policy: Policy, why: LeftOut, written: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The status of a policy that is not measured, since its namespace has too many."""
    said = next((c for c in written.get("conditions") or () if c["type"] == "Stalled"), None)
    same = said is not None and said["reason"] == why.reason  # its numbers move with every other policy
    message = str(said["message"]) if said is not None and same else why.message[:1024]
    conditions = [
        ("Ready", "False", why.reason, message),
        ("Reconciling", "False", why.reason, "waits for other policies to go, or for a higher cap"),
        ("Stalled", "True", why.reason, message),
    ]
    return {
        "observedGeneration": policy.generation,
        "conditions": _kept(conditions, written, policy.generation, now),
        **_OF_NO_TARGET,
    }


def metrics_lost(status: Mapping[str, Any], written: Mapping[str, Any]) -> str | None:
    """What became unmeasurable with this status; None when nothing did, or it is known already."""
    now, before = (
        next((c for c in one.get("conditions") or () if c["type"] == "MetricsAvailable"), None)
        for one in (status, written)
    )
    lost = now is not None and now["status"] == "False"
    return str(now["message"]) if now and lost and (before is None or before["status"] != "False") else None


def changes_anything(status: Mapping[str, Any], written: Mapping[str, Any]) -> bool:
    """Whether writing `status` would change the object."""
    return any(written.get(field) != value for field, value in status.items() if value or written.get(field))


_Row = tuple[str, str, str, str]


def _spec_conditions(policy: Policy, reports: Sequence[TargetReport], permissions: Permissions) -> list[_Row]:
    """Whether the spec can be carried out: its targets are there, and its account may act."""
    if not reports:
        return [_without_target(policy), *_settled()]
    if permissions.lacks and acts(policy):
        message = permissions.message[:1024]
        return [
            ("Ready", "False", permissions.lacks, message),
            ("Reconciling", "False", permissions.lacks, "waits for rights; it goes on measuring"),
            ("Stalled", "True", permissions.lacks, message),
        ]
    to_act = f"; to act it would need more: {permissions.message}" if permissions.lacks else ""
    raised = f"; by the operator's minimum {', '.join(policy.raised)}" if policy.raised else ""
    warned = "".join(f"; {problem.path}: {problem.message}" for problem in policy.warnings)
    found = f"the spec is accepted, {len(reports)} target(s){raised}{to_act}{warned}"[:1024]
    return [("Ready", "True", "Accepted", found), *_settled()]


def _without_target(policy: Policy) -> _Row:
    target = policy.spec.target
    if target.name is not None:
        return ("Ready", "False", "TargetNotFound", f"spec.target.name: there is no {target.kind} {target.name}")
    wanted = target.selector.match_labels if target.selector else {}
    labels = ",".join(f"{key}={value}" for key, value in wanted.items())
    return ("Ready", "False", "NoTarget", f"spec.target.selector: no {target.kind} matches {labels}")


def _as_written(written: Mapping[str, Any]) -> Permissions:
    """What the status says of the account's rights."""
    for condition in written.get("conditions") or ():
        if condition["type"] == "Stalled" and condition["reason"] in {MISSING, DENIED}:
            return Permissions(condition["reason"], condition["message"])
    return Permissions()


def _settled() -> list[_Row]:
    return [
        ("Reconciling", "False", "Settled", "the spec is in use"),
        ("Stalled", "False", "Settled", "the spec is in use"),
    ]


def _healthy(reports: Sequence[TargetReport]) -> _Row:
    counted = Counter(overall(report.findings) for report in reports)
    if counted[Verdict.UNHEALTHY]:
        unhealthy = _findings(reports, Verdict.UNHEALTHY)
        return ("Healthy", "False", unhealthy[0][1].reason, _sentence(unhealthy))
    if counted[Verdict.UNKNOWN] or not reports:
        unknown = _findings(reports, Verdict.UNKNOWN)
        reason = unknown[0][1].reason if unknown else "NoTarget"
        return ("Healthy", "Unknown", reason, _sentence(unknown) or "nothing to judge by")
    quiet = _findings(reports, Verdict.QUIET)
    if not counted[Verdict.HEALTHY]:
        return ("Healthy", "Unknown", quiet[0][1].reason, _sentence(quiet))
    but = f"; too little traffic to judge: {_sentence(quiet)}" if quiet else ""
    return ("Healthy", "True", "AllChecksHealthy", f"all checks of all targets are healthy{but}"[:1024])


def _metrics(reports: Sequence[TargetReport]) -> _Row:
    unknown = _findings(reports, Verdict.UNKNOWN)
    if unknown:
        return ("MetricsAvailable", "False", unknown[0][1].reason, _sentence(unknown))
    if not reports:
        return ("MetricsAvailable", "Unknown", "NoTarget", "nothing was asked")
    return ("MetricsAvailable", "True", "Answered", "every check has a trustworthy answer")


def _throttled(reports: Sequence[TargetReport], written: Mapping[str, Any], stopped: str) -> _Row:
    """The first refusal. Its message counts seconds, so the one that is written stays while target and reason do."""
    if stopped:
        return ("Throttled", "True", KILL_SWITCH, stopped[:1024])
    for report in reports:
        if report.refusal is not None:
            reason, who = report.refusal.reason, f"{report.target}: "
            message = _written(written, reason, who) or f"{who}{report.refusal.message}"[:1024]
            return ("Throttled", "True", reason, message)
    return ("Throttled", "False", "NotThrottled", "nothing holds an action back")


def _overlapping(reports: Sequence[TargetReport]) -> _Row:
    """Two policies on one target are allowed: one change at a time, and each policy says that it is not alone."""
    shared = [f"{report.target} is also a target of {', '.join(report.others)}" for report in reports if report.others]
    if not shared:
        return ("Overlapping", "False", "NoOverlap", "no other policy has a target of this one")
    more = f"; and {len(shared) - 5} more targets" if len(shared) > 5 else ""
    return ("Overlapping", "True", "SharedTarget", ("; ".join(shared[:5])[:960] + more))


def _written(written: Mapping[str, Any], reason: str, who: str) -> str | None:
    """The message of Throttled as it stands, if it speaks of this target and this reason."""
    for condition in written.get("conditions") or ():
        if condition["type"] == "Throttled" and condition["reason"] == reason and condition["message"].startswith(who):
            return str(condition["message"])
    return None


def _findings(reports: Sequence[TargetReport], verdict: Verdict) -> list[tuple[TargetKey, Finding]]:
    return [(r.target, finding) for r in reports for finding in r.findings if finding.verdict is verdict]


def _sentence(found: Sequence[tuple[TargetKey, Finding]]) -> str:
    """Names without values: a value changes with every tick, and a status is written on transitions."""
    names = [f"{target} {finding.check} {finding.reason}" for target, finding in found[:5]]
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return ("; ".join(names) + more)[:1024]


def _counts(reports: Sequence[TargetReport]) -> dict[str, object]:
    counted = Counter(overall(report.findings) for report in reports)
    return {
        "total": len(reports),
        **{verdict.value.lower(): counted[verdict] for verdict in Verdict},
        "summary": f"{len(reports)}/{counted[Verdict.UNHEALTHY]}",
    }


def _check(finding: Finding) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": finding.check,
        "verdict": finding.verdict.value,
        "reason": finding.reason,
        "message": finding.message[:1024],
        "query": finding.query[:1024],
    }
    if finding.value is not None:
        row["value"] = format_decimal(finding.value)
    if finding.since is not None:
        row["since"] = format_time(finding.since)
    return row


def _kept_checks(checks: list[dict[str, Any]], written: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows whose verdict, reason and query are what is written already stay as they are written."""
    before = {row["name"]: row for row in written.get("checks") or ()}
    return [before[row["name"]] if _same(before.get(row["name"]), row) else row for row in checks]


def _same(before: Mapping[str, Any] | None, row: Mapping[str, Any]) -> bool:
    return before is not None and all(before.get(field) == row[field] for field in ("verdict", "reason", "query"))


def _last_change(change: Change) -> dict[str, Any]:
    return {
        "name": change.name,
        "action": change.action.value,
        "decision": change.decision.value,
        "outcome": change.outcome.value if change.outcome else "",
        "at": format_time(change.decided_at),
    }


def _kept(rows: Sequence[_Row], written: Mapping[str, Any], generation: int, now: datetime) -> list[dict[str, Any]]:
    """Conditions with the transition times that they have already, where their status did not change."""
    before = {condition["type"]: condition for condition in written.get("conditions") or ()}
    return [_condition(row, before.get(row[0]), generation, now) for row in rows]


def _condition(row: _Row, before: Mapping[str, Any] | None, generation: int, now: datetime) -> dict[str, Any]:
    kind, status, reason, message = row
    unchanged = before is not None and before.get("status") == status
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": before["lastTransitionTime"] if before is not None and unchanged else format_time(now),
        "observedGeneration": generation,
    }
