"""The past of one workload as lines, oldest first: what its records say, and what others did. Pure, from `Known`."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from salus.cli.look.happening import doing
from salus.cli.look.situation import is_question
from salus.cli.marks import State, state_of
from salus.cli.names import short_of
from salus.cli.past.book import Known
from salus.cli.reports.history import HistoryLine, What
from salus.cli.spans import span
from salus.core.objects.workloads import same_release, short
from salus.core.records.changes import past_change, past_changes
from salus.core.records.deeds import deeds_of, event_time
from salus.core.records.incidents import is_over
from salus.core.records.releases import releases_from
from salus.model.change import ApprovalDecision, Decision
from salus.model.scalars import Body, parse_time
from salus.model.values.changes import Change
from salus.model.values.deeds import Deed, DeedKind
from salus.model.values.objects import Release
from salus.ports import WORKLOADS

SALUS = "salus"


def lines_of(known: Known, now: datetime) -> list[HistoryLine]:
    """Everything that is known to have happened, oldest first."""
    found = [
        *_incidents(known, now),
        *(line for body in known.changes if known.asks_for(body) for line in _change(known, body, now)),
        *_deeds(known),
        *_edits(known),
        *_withdrawals(known),
        *_events(known),
    ]
    return sorted(found, key=lambda line: (line.at, line.record))


def target(known: Known) -> str:
    """`deploy/checkout`."""
    return f"{short_of(WORKLOADS[known.key.kind])}/{known.key.name}"


def _line(known: Known, at: datetime, what: What, detail: str, **more: Any) -> HistoryLine:  # noqa: ANN401 — fields of it
    return HistoryLine(at=at, namespace=known.key.namespace, target=target(known), what=what, detail=detail, **more)


# --- records


def _incidents(known: Known, now: datetime) -> Iterator[HistoryLine]:
    for body in filter(known.asks_for, known.incidents):
        spec, name = body["spec"], body["metadata"]["name"]
        state, outcome = _how_it_stands(body, now)
        yield _line(
            known,
            parse_time(spec["openedAt"]),
            What.INCIDENT,
            what_was_seen(body, known.changes),
            by=f"policy {spec['policyRef']['name']}",
            outcome=outcome,
            state=state,
            record=f"inc/{name}",
        )


def what_was_seen(incident: Body, changes: Iterable[Body]) -> str:
    """What was unhealthy: with its value, where a record of the incident has it as evidence."""
    name = incident["metadata"]["name"]
    mine = [body["spec"] for body in changes if (body["spec"].get("incidentRef") or {}).get("name") == name]
    first = min(mine, key=lambda spec: int(spec["sequence"]), default=None)
    evidence = (first.get("evidence") or ()) if first else ()
    said = [f"{one['check']} {one.get('value', '')}, {one.get('threshold', '')}" for one in evidence]
    return "; ".join(said) or ", ".join((incident.get("status") or {}).get("checks") or ()) or "not said"


_ENDED = {"RecoveredByRemedy": "Recovered", "RecoveredByItself": "by itself"}


def _how_it_stands(body: Body, now: datetime) -> tuple[State | None, str]:
    status, began = body.get("status") or {}, parse_time(body["spec"]["openedAt"])
    if is_over(body):
        ended = parse_time(status["resolvedAt"]) if status.get("resolvedAt") else now
        return State.GOOD, f"{_ENDED.get(status.get('resolution', ''), 'over')} in {span(ended - began)}"
    phase = str(status.get("phase", "Open"))
    return state_of(phase), f"{phase} {span(now - began)}"


def _change(known: Known, body: Body, now: datetime) -> Iterator[HistoryLine]:
    """What was decided; where a person was asked, also what they said, and what was done then."""
    change, approval = past_change(body), body["spec"].get("approval") or {}
    what = _what(change)
    if change.decision is not Decision.AWAIT_APPROVAL:
        state, outcome = _became(change)
        yield _of_change(known, change, change.decided_at, what, SALUS, (state, outcome))
        return
    yield _of_change(known, change, change.decided_at, What.ASKS, SALUS, _question(change, now))
    if approval.get("at"):
        ticket = f" ({approval['ticket']})" if approval.get("ticket") else ""
        said = str(approval["decision"])
        at = parse_time(approval["at"])
        yield _of_change(known, change, at, What.ANSWER, f"{approval['by']}{ticket}", (_said(change), said))
    if change.applied_at is not None:
        yield _of_change(known, change, change.applied_at, What.ACT, SALUS, _became(change))


def _of_change(  # noqa: PLR0913, PLR0917 — one record becomes up to three lines, which differ in these
    known: Known, change: Change, at: datetime, what: What, by: str, became: tuple[State | None, str]
) -> HistoryLine:
    state, outcome = became
    record = f"chev/{change.name}"
    detail = _told(change) if what in {What.REFUSE, What.ADVISE, What.TELL} else doing(change)
    return _line(known, at, what, detail, by=by, outcome=outcome, state=state, record=record, reason=change.reason)


def _told(change: Change) -> str:
    return f"{doing(change)}: {change.reason}"


_OF_DECISION: Mapping[Decision, What] = {
    Decision.ACT: What.ACT,
    Decision.DRY_RUN: What.REHEARSE,
    Decision.AWAIT_APPROVAL: What.ASKS,
    Decision.ADVISE: What.ADVISE,
    Decision.REFUSE: What.REFUSE,
}


def _what(change: Change) -> What:
    if change.decision is Decision.ACT and not change.action.writes:
        return What.TELL
    return What.UNDO if change.decision is Decision.ACT and change.undoes else _OF_DECISION[change.decision]


def _became(change: Change) -> tuple[State | None, str]:
    times = f"{change.occurrences} times" if change.occurrences > 1 else ""
    match change.decision:
        case Decision.REFUSE | Decision.ADVISE:
            return State.HELD, times
        case Decision.DRY_RUN:
            return State.REHEARSED, f"rehearsed {times}".rstrip()
    if change.outcome is not None:
        return state_of(change.outcome), change.outcome.value
    if not change.action.writes:
        return (None, "told") if change.completed_at else (None, "")
    return None, "under way"


def _question(change: Change, now: datetime) -> tuple[State | None, str]:
    if is_question(change, now):
        return State.ASKS, f"{span(change.expires_at - now)} left" if change.expires_at else "waits"
    if change.approval is not None:
        return None, change.approval.value
    return (state_of(change.outcome), change.outcome.value) if change.outcome else (State.QUIET, "Expired")


def _said(change: Change) -> State:
    return State.GOOD if change.approval is ApprovalDecision.APPROVED else State.BAD


# --- what others did

_DEEDS: Mapping[DeedKind, What] = {
    DeedKind.RELEASE: What.RELEASE,
    DeedKind.CONFIGURATION: What.CONFIG,
    DeedKind.RESTART: What.RESTART,
    DeedKind.SCALE: What.SCALE,
}


def deeds(known: Known) -> tuple[Deed, ...]:
    """What others did to the workload; nothing where nobody can read it."""
    if known.traces is None:
        return ()
    uid = known.traces.body["metadata"].get("uid", "")
    mine = [change for change in past_changes(known.changes) if change.target_uid in {"", uid}]
    try:
        return deeds_of(known.traces, mine)
    except ValueError:  # somebody's own idea of a workload
        return ()


def _deeds(known: Known) -> Iterator[HistoryLine]:
    kept = releases_from(known.kept, known.key)
    for deed in deeds(known):
        state, outcome = _fared(deed, kept) if deed.kind is DeedKind.RELEASE else (None, "")
        yield _line(known, deed.at, _DEEDS[deed.kind], said(deed), by=deed.by, outcome=outcome, state=state)


def said(deed: Deed) -> str:
    """What was done, in a few words."""
    match deed.kind:
        case DeedKind.SCALE:
            before = f"{deed.before} " if deed.before is not None else ""
            return f"{before}→ {deed.replicas}" if deed.replicas is not None else "to a size that nobody remembers"
        case DeedKind.RESTART:
            return short(deed.release)
        case DeedKind.CONFIGURATION:
            return f"{short(deed.release)} with another configuration"
    images = " ".join(image.rpartition("/")[2] for image in deed.images)
    when = ", some time before the next release" if deed.by_then else ""
    return f"{short(deed.release)}{' again' if deed.came_back else ''} {images}".rstrip() + when


def _fared(deed: Deed, kept: Iterable[Release]) -> tuple[State | None, str]:
    """What became of a release, as far as Salus has kept it."""
    release = next((one for one in kept if same_release(one.named, deed.release)), None)
    if release is None:
        return None, ""
    if release.withdrawn_by:
        return State.BAD, f"withdrawn by {release.withdrawn_by}"
    if release.quarantined_by:
        return State.BAD, f"taken away by {release.quarantined_by}"
    return (State.GOOD, "good") if release.healthy else (None, "")


def _edits(known: Known) -> Iterator[HistoryLine]:
    for edit in known.edits:
        yield _line(known, edit.at, What.EDIT, f"{edit.kind}/{edit.name}", by=edit.manager)


def _withdrawals(known: Known) -> Iterator[HistoryLine]:
    for body in known.kept:
        withdrawal = body["spec"].get("withdrawal") or {}
        if withdrawal.get("at"):
            at, record = parse_time(withdrawal["at"]), f"kept/{body['metadata']['name']}"
            detail = f"{short(body['spec']['release'])}: {withdrawal['reason']}"
            yield _line(known, at, What.WITHDRAW, detail, by=withdrawal["by"], record=record)


_OWN = "salus.dev/operator"
"""Who posts the Events that say what the records say."""


def _events(known: Known) -> Iterator[HistoryLine]:
    """Warnings at the workload, while Kubernetes keeps them; what is Normal is told better by what was done."""
    uid = known.traces.body["metadata"].get("uid") if known.traces else None
    for event in known.traces.events if known.traces else ():
        about, at = event.get("involvedObject") or {}, event_time(event)
        by = str(event.get("reportingComponent") or (event.get("source") or {}).get("component", ""))
        if at is not None and uid and about.get("uid") == uid and event.get("type") == "Warning" and by != _OWN:
            detail = f"{event.get('reason', '')}: {event.get('message', '')}"
            yield _line(known, at, What.EVENT, detail, by=by, state=State.WARNING)
