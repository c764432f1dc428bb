"""The moves of a change: settle, do, verify, finish, take back. `core.remedy.change_lifecycle` says which is next.

Every move starts from what is on record, so the first time, the time after a crash and the time after a lost reply are
the same code: the object itself tells whether the write was done, by the change's name on it and by who wrote it there.
Each raises ClusterError, after which nothing that is known of the target is trusted.
"""

from dataclasses import replace
from functools import partial

import structlog

from salus.core.actions import KINDS, inverse, rollback
from salus.core.actions.patch import resolved
from salus.core.actions.stamp import Reading, Stamp, names, read
from salus.core.guards.chain import UNKNOWN, review
from salus.core.guards.reverted import is_reverted
from salus.core.health.overall import overall
from salus.core.records import incidents
from salus.core.remedy import change_lifecycle
from salus.core.remedy.change_lifecycle import LOOK_AGAIN, Applied, Finish, LetGo, TakeBack
from salus.model.change import Decision, Facts, Outcome
from salus.model.policy import Verdict
from salus.model.scalars import Body
from salus.model.values.changes import Action, Change, Infeasible, PatchOps, Refusal
from salus.model.values.observation import Observation
from salus.ports import CHANGE_EVENTS, ClusterError, Invalid, NotFound, Ref, Rejected
from salus.reconcile import healthy, people, stuck_pod
from salus.reconcile import releases as release_keeping
from salus.reconcile.context import Came, Step, client_for
from salus.reconcile.observe import references, target
from salus.reconcile.observe.measure import Measurer
from salus.reconcile.records import journal

log = structlog.get_logger(__name__)


async def post(step: Step, change: Change) -> None:
    """Tell people; a notification is over with that."""
    await step.tell("Notify", change.message, warning=True)
    await finish(step, Finish(change, None, "posted"))


async def settle(step: Step, change: Change, came: Came) -> Came:
    """The intent is on record; was it done? The object itself tells (`actions/stamp`)."""
    try:
        body = await step.context.cluster.get(target.patched_ref(step.target, change.patched))
    except NotFound:
        gone = f"{change.patched or step.target} is gone"
        await finish(step, Finish(change, Outcome.ABANDONED, gone))
        return came.at_end()
    found = await _stamp_on(step, body, change)
    if found.stamp is Stamp.FORGED:
        change = await _tell_of_forgery(step, change, found.message)
    match change_lifecycle.settled(step.policy, change, found, step.now):
        case Applied():
            return await _applied(step, change, body, came)
        case Finish() as end:
            await finish(step, end)
            return came.at_end()
        case _:
            if change.decision is Decision.AWAIT_APPROVAL:
                await step.tell("Approved", f"{change.name} was approved by {change.approved_by}")
            return came.meaning(change)


async def do(step: Step, change: Change, came: Came) -> Came:
    """Measure, observe and review again; then the write."""
    await Measurer(step.context).measure([(step.policy, step.case)])
    await step.context.records.refresh(step.target)
    seen = await target.observe(step, [c for c in step.changes if c.name != change.name])
    if KINDS[change.action].replaces_release:
        seen = await references.what_exists(step.context, seen)
    recorded = await step.context.cluster.get(Ref(CHANGE_EVENTS, step.namespace, change.name))
    if change_lifecycle.is_ended(recorded):
        step.context.records.note(recorded)
        log.info("somebody else has ended this change, it is not done", change=change.name)
        return came.at_end()
    end = change_lifecycle.objection(step.policy, change, recorded, seen)
    came_of = await _write(step, change, seen, _patch_of(change, recorded, seen) if end is None else end)
    if isinstance(came_of, Finish):
        await finish(step, came_of)
        return came.at_end()
    return await _applied(step, change, came_of, came)


def _patch_of(change: Change, recorded: Body, seen: Observation) -> PatchOps | Finish:
    """The patch of a change as it is sent, or how the change ends whose template is of no use any more."""
    try:
        return resolved(tuple(recorded["spec"]["patch"]), partial(rollback.usable, seen))
    except KeyError as error:
        return change_lifecycle.without_its_template(change, str(error.args[0]))


async def _write(step: Step, change: Change, seen: Observation, patch: PatchOps | Finish) -> Body | Finish:
    """The one write of a change: what the object is after it, or how the change ends that was not done."""
    if isinstance(patch, Finish):
        return patch
    await release_keeping.quarantine(step.context, step.case, change, seen.body)
    account, ref = client_for(step.context, step.policy), target.patched_ref(step.target, change.patched)
    try:
        await account.get(ref)  # what it may not even see, an account does not change
        return await account.patch(ref, patch)
    except Invalid as error:  # a failed `test` has no causes: the object has changed since it was judged
        return change_lifecycle.refused(change, step.target, str(error), was_changed=not error.causes)
    except Rejected as error:
        return change_lifecycle.refused(change, step.target, str(error), was_changed=False)


async def _applied(step: Step, change: Change, body: Body, came: Came) -> Came:
    """Put on record that it was done; an undo is over with that, anything else has to prove itself."""
    after = _facts_of(step, body, change)
    workload = target.workload_of(body, step.context.stamps) if change.patched is None else None
    await journal.applied(step, change, after)
    step.case.saw_since(change)
    await step.tell(f"{change.action}Applied", f"{change.name} was done", workload=workload)
    if change.undoes:
        return came
    await journal.follow(step)
    return came.at_rest()


async def verify(step: Step, change: Change, came: Came) -> Came:
    """See whether it helped, where the world shows what it did."""
    end = await _verified(step, change) if step.context.shows(change) else _by_itself(step, change)
    if isinstance(end, change_lifecycle.Wait):
        log.debug("waiting", why=end.why)
        return came.at_rest()
    await finish(step, end)
    return came.at_end()


async def _verified(step: Step, change: Change) -> Finish | change_lifecycle.Wait:
    """What this process did not see of the time since is asked of Prometheus' history."""
    if not step.case.saw_since(change) and change.applied_at is not None:
        await Measurer(step.context).recover(step.policy, step.case, step.now - change.applied_at)
    if change_lifecycle.may_be_held_up(change, step.target):
        is_fresh = change_lifecycle.is_fresh_undo(step.policy, change, step.now)
        if is_fresh and not await stuck_pod.has_begun(step):
            return change_lifecycle.Wait("its controller has not seen it yet")
        change = await stuck_pod.delete_stuck_pod(step, change)
    if not change.undoes and await _is_contested(step, change):
        return change_lifecycle.contested(change, step.target)
    return change_lifecycle.verified(step.policy, change, step.case.findings, step.now, _not_coming(step))


def _by_itself(step: Step, change: Change) -> Finish | change_lifecycle.Wait:
    hold_down = step.context.bounds().hold_down
    return change_lifecycle.unseen(change, step.incident, step.case.findings, hold_down, step.now)


def _not_coming(step: Step) -> str:
    watched = step.context.workloads.get(step.target)
    return step.case.not_coming(watched, step.now) if watched is not None else ""


async def as_it_stands(step: Step, move: LetGo) -> Finish:
    """How the record of a change ends, of whatever policy, that nobody goes on with."""
    found: Reading | None = None
    if move.change.applied_at is None:
        try:
            body = await step.context.cluster.get(target.patched_ref(step.target, move.change.patched))
            found = await _stamp_on(step, body, move.change)
        except NotFound:
            found = None
    return change_lifecycle.left(move.change, found, move.why)


async def finish(step: Step, end: Finish) -> None:
    """Write the record's last line, bring the incident up to it, and tell people."""
    note = f"; {end.change.note}" if end.change.note else ""
    end = replace(end, message=f"{end.message}{note}")
    await journal.finish(step.context, step.namespace, end)
    step.case.lets_go(end.change.name)
    clear = incidents.recovered_for(step.incident, step.case.findings, end.outcome, step.now)
    if clear is not None:
        await healthy.close_or_hold(step, clear)
    else:
        await journal.follow(step)
    if end.outcome is not None:
        warning = end.outcome not in {Outcome.RECOVERED, Outcome.UNDONE}
        await step.tell(end.outcome.value, f"{end.change.name}: {end.message}", warning=warning)


async def take_back(step: Step, move: TakeBack, came: Came) -> Came:
    """Record the inverse of a change, unless someone has changed the field since, or something holds it back."""
    change = move.change
    recorded = await step.context.cluster.get(Ref(CHANGE_EVENTS, step.namespace, change.name))
    seen = await target.observe(step)
    recorded_inverse = tuple(recorded["spec"].get("inverse") or ())
    scaler = await target.scaler_now(step, change.patched)
    live = inverse.Live(seen.workload, seen.body, scaler, seen.releases)
    step.case.hold_back(None)
    planned = inverse.plan(change, recorded_inverse, live, move.reason, move.why)
    if isinstance(planned, Infeasible):
        await _skip(step, change, planned, seen)
        return came.at_end()
    if refusal := review(step.policy, planned, seen):
        await _hold_back(step, planned, refusal, seen)
        return await _not_judged(step, came, refusal) if refusal.reason == UNKNOWN else came
    entry = journal.entry(step, planned, (), Decision.ACT, seen)
    return came.meaning(await journal.record(step, entry, seen, live.patched_body))


async def _hold_back(step: Step, planned: Action, refusal: Refusal, seen: Observation) -> None:
    """It stays due, and is looked at again; of each reason people are told once."""
    step.case.refuse(refusal)
    if not change_lifecycle.is_held_back_already(seen.changes, planned, refusal):
        text = f"{planned.undoes} is not taken back yet: {refusal.message}"
        await journal.refuse(step, planned, replace(refusal, message=text), seen)
    if refusal.reason != UNKNOWN:
        step.case.hold_back(seen.now + LOOK_AGAIN)


async def _not_judged(step: Step, came: Came, refusal: Refusal) -> Came:
    """Nothing else is done before that can be judged, but people are told; it is asked again at the next tick."""
    if overall(step.case.findings) is Verdict.UNHEALTHY:
        came = await people.hear(step, came, refusal)
        if not came.rests:
            return came
    raise ClusterError(refusal.message)


async def _skip(step: Step, change: Change, why: Infeasible, seen: Observation) -> None:
    """Hands off, and say so: the record of the undo that was not done ends as it began."""
    entry = journal.entry(step, change_lifecycle.hands_off(change, seen.workload), (), Decision.REFUSE, seen)
    entry = replace(entry, reason=why.reason, message=why.message)
    skipped = await journal.record(step, entry, seen, seen.body)
    await finish(step, Finish(skipped, Outcome.UNDO_SKIPPED, why.message))


async def _stamp_on(step: Step, body: Body, change: Change) -> Reading:
    """What the object that a change was to patch tells of it."""
    if not names(body, change):
        return Reading(Stamp.ABSENT)
    recorded = await step.context.cluster.get(Ref(CHANGE_EVENTS, step.namespace, change.name))
    return read(change, recorded, body, _facts_of(step, body, change))


async def _tell_of_forgery(step: Step, change: Change, text: str) -> Change:
    """On record, and to people; once a change."""
    if text in change.note:
        return change
    await step.tell("ForgedStamp", f"{change.name}: {text}", warning=True)
    return await journal.note(step, change, text)


async def _is_contested(step: Step, change: Change) -> bool:
    """Whether someone took the change back; the watched view may be older than the write, so it is asked again."""
    now, watched = step.now, step.context.workloads.get(step.target)
    if watched is None:
        return False
    if change.patched is not None:
        scaler = await target.scaler_now(step, change.patched)
        return scaler is not None and is_reverted(change, watched, now, (scaler,))
    if not is_reverted(change, watched, now):
        return False
    try:
        body = await step.context.cluster.get(target.workload_ref(step.target))
    except NotFound:
        return False
    return is_reverted(change, target.workload_of(body, step.context.stamps), now)


def _facts_of(step: Step, body: Body, change: Change) -> Facts:
    """What a record says of what was patched: the workload, or the autoscaler in its place."""
    if change.patched is not None:
        return target.facts_of_scaler(body)
    return target.workload_of(body, step.context.stamps).facts()
