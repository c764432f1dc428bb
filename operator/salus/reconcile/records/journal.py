"""Writes incidents and change events: the intent before the write, the outcome after it, refusals once and counted.

What they say is formed in `core/`; what was written is entered in the store with the answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from salus.core.actions.stamp import stamped
from salus.core.records import changes as records
from salus.core.records import incidents, names, withholding
from salus.core.records.change_status import applied_status, finished_status
from salus.core.records.changes import Entry
from salus.core.records.delivery import recipients
from salus.core.records.withholding import may_be_withheld
from salus.core.remedy import ladder
from salus.core.remedy.change_lifecycle import Finish
from salus.model.change import Decision, Facts
from salus.model.scalars import Body
from salus.model.values.changes import Action, Change, Refusal
from salus.model.values.metrics import Finding
from salus.model.values.objects import Workload
from salus.model.values.observation import Observation
from salus.ports import CHANGE_EVENTS, INCIDENTS, NotFound, Ref, Rejected, Resource, Throttled
from salus.reconcile.context import Context, Step, identity_of

log = structlog.get_logger(__name__)


# --- incidents


async def open_incident(step: Step, workload: Workload, lacked: Sequence[str] = (), *, needed: bool = False) -> None:
    """Have an incident for this case: one that is open, or a new one while the namespace has room for its record.

    `lacked`: the checks that had no data before. `needed`: something is about to be done, and is recorded in any case.
    """
    if step.incident is not None:
        return
    if not needed and not _has_room(step):
        _withhold_incident(step)
        return
    if not needed:
        step.case.is_on_record()
    stem = names.incident_name(step.policy, step.target, 0).removesuffix("0")
    number = step.context.records.last_incident_number(step.namespace, stem) + 1
    began = incidents.began(step.case.findings, step.now)
    body = incidents.incident_body(step.policy, workload, began, number, lacked)
    step.context.fleet.opened(body, step.now)
    created = await _create(step, INCIDENTS, body)
    log.info("incident opened", incident=created["metadata"]["name"])
    note = f"{step.target} is unhealthy: {incidents.what_is_unhealthy(step.case.findings)}"
    await step.tell("IncidentOpened", note, workload=workload, warning=True)


def _has_room(step: Step) -> bool:
    return step.context.fleet.has_room(step.namespace, step.context.bounds().records_per_hour, step.now)


def _withhold_incident(step: Step) -> None:
    if step.case.withhold_incident():
        step.context.fleet.withhold(step.namespace, step.now)
        step.context.telemetry.withheld(step.namespace)


async def write_incident(step: Step, status: Mapping[str, Any]) -> None:
    """Write the open incident's status, if it says something new."""
    if (incident := step.incident) is None:
        return
    written = incident.get("status") or {}
    if all(written.get(field) == value for field, value in status.items()):
        return
    ref = Ref(INCIDENTS, step.namespace, incident["metadata"]["name"])
    try:
        step.context.records.note(await step.context.cluster.update_status(ref, status))
    except NotFound:
        log.warning("the incident was deleted by someone", incident=ref.name)
        step.context.records.forget(ref, incident["metadata"]["uid"])


async def follow(step: Step) -> None:
    """Bring the incident's status up to its records."""
    if (incident := step.incident) is not None:
        await write_incident(step, incidents.progress(incident, step.of_incident, step.case.findings, step.now))


# --- decisions


def entry(step: Step, action: Action, because: Sequence[Finding], decision: Decision, seen: Observation) -> Entry:
    """What the record of an action that nobody objects to says."""
    acts = action.kind.writes
    return Entry(
        policy=step.policy,
        action=action,
        decision=decision,
        reason=action.reason or (because[0].reason if because else "Unhealthy"),
        message=action.message,
        decided_at=seen.now,
        incident=step.incident,
        because=because,
        findings=step.case.findings,
        managed_by=seen.managed_by,
        identity=identity_of(step.context, step.policy) if acts else "",
        expires_at=seen.now + step.context.approval_expiry() if decision is Decision.AWAIT_APPROVAL else None,
    )


async def enter(step: Step, made: Entry, seen: Observation, patched: Body) -> Change:
    """Record a decision; what the namespace has no room for is counted, and remembered while the breach lasts."""
    if not may_be_withheld(made) or _has_room(step):
        return await record(step, made, seen, patched)
    unwritten = records.past_change(records.change_body(made, 0, ()))
    step.case.withhold(unwritten)
    step.context.telemetry.withheld(step.namespace)
    await _count_withheld(step, made, seen, patched)
    return unwritten


async def _count_withheld(step: Step, made: Entry, seen: Observation, patched: Body) -> None:
    """All that is not written is counted in one record an hour."""
    withheld = step.context.fleet.withhold(step.namespace, made.decided_at)
    if not withheld.record:
        await record(step, withholding.tally(made, step.context.bounds().records_per_hour), seen, patched)
    elif withheld.count >= 2 * withheld.said:
        withheld.said = withheld.count
        await _update(step, withheld.record, {"occurrences": withheld.count})


async def record(step: Step, made: Entry, seen: Observation, patched: Body) -> Change:
    """Create the change event under the number after those that were judged. Conflict if someone else took it.

    `patched` is the object that the action patches, as it was when the patch was made.
    """
    sequence = names.next_sequence(seen.changes, seen.newest)
    name = names.change_name(made.action.target, sequence)
    acts = made.decision in {Decision.ACT, Decision.DRY_RUN, Decision.AWAIT_APPROVAL}
    patch = stamped(made.action.patch, patched, name) if acts else ()
    action = made.action if acts else replace(made.action, inverse=())
    sinks = recipients(step.context.sinks(), made.policy.spec.sinks, action.target.namespace, action.kind)
    made = replace(made, action=action, operator=step.context.operator, sinks=sinks)
    created = await _create(step, CHANGE_EVENTS, records.change_body(made, sequence, patch))
    step.context.telemetry.decided(made.decision.value, made.action.kind, made.reason)
    log.info(
        "decided",
        change=name,
        decision=made.decision.value,
        action=made.action.kind.value,
        reason=made.reason,
        message=made.message,
    )
    return records.past_change(created)


async def _create(step: Step, resource: Resource, body: Body) -> Body:
    """Create a record; budgets count it from before the request, since others judge while it is under way."""
    store, refused, name = step.context.records, False, body["metadata"]["name"]
    store.intend(body)
    step.case.carry_on(frozenset({name}))
    try:
        created = await step.context.cluster.create(resource, body)
        store.note(created)
    except (Rejected, Throttled):
        refused = True
        step.case.lets_go(name)  # a record of this name is another process' own
        raise
    finally:
        store.intended(body, refused=refused)
    return created


async def refuse(step: Step, action: Action, refusal: Refusal, seen: Observation) -> None:
    """Record a refusal; one that repeats within the incident is counted on its first record, in powers of two."""
    step.case.refuse(refusal)
    mine = [*records.of_incident(seen.changes, step.incident), *step.case.unwritten]
    before = ladder.said_before(step.policy, mine, action, refusal, seen.workload.named)
    if before is not None:
        if before not in step.case.unwritten:
            await _count(step, before)
        return
    made = Entry(
        policy=step.policy,
        action=action,
        decision=records.decision_on(refusal),
        reason=refusal.reason,
        message=refusal.message,
        decided_at=seen.now,
        incident=step.incident,
        because=incidents.relevant(step.case.findings),
        managed_by=seen.managed_by,
    )
    await enter(step, made, seen, seen.body)
    await step.tell(refusal.reason, f"{action.kind}: {refusal.message}", workload=seen.workload)


async def _count(step: Step, refusal: Change) -> None:
    """Count a repeated refusal; it is written when the count reaches a power of two, so that it stays rare."""
    count = step.case.count(refusal)
    if count & (count - 1) == 0:
        await _update(step, refusal.name, {"occurrences": count})


# --- what became of them


async def applied(step: Step, change: Change, after: Facts) -> None:
    """Note that it was done."""
    await _update(step, change.name, applied_status(after, step.now))


async def finish(context: Context, namespace: str, end: Finish) -> None:
    """Note how a change of this namespace ended."""
    status = finished_status(end.change, end.outcome, end.message, context.clock.now(), perhaps=end.perhaps)
    await _write(context, Ref(CHANGE_EVENTS, namespace, end.change.name), status)
    outcome = end.outcome.value if end.outcome else "Delivered"
    context.telemetry.finished(end.change.action, outcome)
    log.info("finished", change=end.change.name, outcome=outcome, message=end.message)


async def close_questions(context: Context, namespace: str, changes: Sequence[Change]) -> None:
    """The incident of these records is over: nobody needs to answer any more."""
    for change in changes:
        if (end := incidents.unanswered(change)) is not None:
            await finish(context, namespace, Finish(change, *end))


async def note(step: Step, change: Change, text: str) -> Change:
    """Add this to what the record says of how it goes, once."""
    if text in change.note:
        return change
    message = (f"{change.note}; {text}" if change.note else text)[:1024]
    if message == change.note:  # there is no room for more
        return change
    return records.past_change(await _update(step, change.name, {"message": message}))


async def _update(step: Step, name: str, status: Mapping[str, Any]) -> Body:
    return await _write(step.context, Ref(CHANGE_EVENTS, step.namespace, name), status)


async def _write(context: Context, ref: Ref, status: Mapping[str, Any]) -> Body:
    written = await context.cluster.update_status(ref, status)
    context.records.note(written)
    return written
