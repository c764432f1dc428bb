"""What was decided in an incident, record by record, as people read it afterwards. Pure, from the records."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from salus.cli.look.happening import doing
from salus.cli.look.why import not_asked_after
from salus.cli.marks import State, state_of
from salus.cli.reports.explanation import GuardLine
from salus.cli.reports.incident import AttemptLine, EvidenceLine, ToldLine
from salus.core.guards.chain import GUARDS
from salus.core.records.changes import past_change
from salus.model.change import Decision, Facts
from salus.model.scalars import Body, parse_time
from salus.model.values.changes import Change

_STAMP = "add /metadata/annotations"
"""The name of the record on the workload: no more than the record itself."""
_GUARDS = frozenset(guard.reason for guard in GUARDS)


def of_incident(name: str, changes: Iterable[Body]) -> list[Body]:
    """Its records, oldest first."""
    mine = [body for body in changes if (body["spec"].get("incidentRef") or {}).get("name") == name]
    return sorted(mine, key=lambda body: int(body["spec"]["sequence"]))


def attempt(body: Body) -> AttemptLine:
    """One of them."""
    change, spec = past_change(body), body["spec"]
    approval = spec.get("approval") or {}
    return AttemptLine(
        record=change.name,
        at=change.decided_at,
        decision=change.decision.value,
        doing=doing(change),
        remedy=change.remedy,
        reason=change.reason,
        message=change.message,
        state=state_of(change.outcome or change.decision),
        objection=_objection(change),
        not_asked=not_asked_after(change.reason) if _objection(change) else 0,
        patch=shown_patch(body),
        images=images(change.before, change.intended),
        replicas=replicas(change.before, change.intended),
        identity=(spec.get("actor") or {}).get("identity", ""),
        answered=f"{approval['decision']} by {change.approved_by}" if approval else "",
        applied_at=change.applied_at,
        completed_at=change.completed_at,
        outcome=change.outcome.value if change.outcome else "",
        note=change.note,
        times=change.occurrences,
    )


def _objection(change: Change) -> GuardLine | None:
    if change.decision not in {Decision.REFUSE, Decision.ADVISE} or change.reason not in _GUARDS:
        return None
    return GuardLine(reason=change.reason, state=State.HELD, message=change.message)


def shown_patch(body: Body) -> tuple[str, ...]:
    """What a record would change, or has changed, but for the record's own name."""
    return tuple(line for line in patch_lines(body["spec"].get("patch") or ()) if not line.startswith(_STAMP))


def patch_lines(patch: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """What would be changed; what is only tested before is left out."""
    for edit in patch:
        if edit["op"] != "test":
            yield f"{edit['op']} {edit['path']} {_written(edit.get('value', ''))}".rstrip()


def _written(value: Any) -> str:  # noqa: ANN401 — anything that JSON can say
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def images(before: Facts | None, after: Facts | None) -> str:
    """`shop:v1.9.0 → shop:v1.8.2`, where the change brings another release."""
    if before is None or after is None or before.release == after.release:
        return ""
    live, back = (", ".join(facts.images) or "not on record" for facts in (before, after))
    return f"{live} → {back}"


def replicas(before: Facts | None, after: Facts | None) -> str:
    """`4 → 6`, where the change makes another number of them, or of the least that an autoscaler may have."""
    if before is None or after is None:
        return ""
    if before.replicas != after.replicas and after.replicas is not None:
        return f"{before.replicas} → {after.replicas}"
    if before.min_replicas != after.min_replicas and after.min_replicas is not None:
        return f"at least {before.min_replicas or 1} → {after.min_replicas}"
    return ""


def evidence(bodies: Iterable[Body]) -> Iterator[EvidenceLine]:
    """What each check said when it was first acted upon."""
    seen: set[str] = set()
    for body in bodies:
        for one in body["spec"].get("evidence") or ():
            if one["check"] not in seen:
                seen.add(one["check"])
                since = parse_time(one["since"]) if one.get("since") else None
                value, bound = one.get("value", ""), one.get("threshold", "")
                query = one.get("query", "")
                yield EvidenceLine(check=one["check"], value=value, bound=bound, since=since, query=query)


def told(bodies: Iterable[Body]) -> Iterator[ToldLine]:
    """The messages to people, and which sinks took them."""
    for body in bodies:
        change = past_change(body)
        if change.decision is Decision.ACT and not change.action.writes:
            taken = tuple(one["sink"] for one in (body.get("status") or {}).get("deliveries") or ())
            yield ToldLine(at=change.decided_at, message=change.message, sinks=taken, record=change.name)
