"""One step of one case: ask `core.remedy.change_lifecycle` what is next, do it, ask again, a few times a tick at most.

What is on record says how things stand; after an error the records of the target are read anew, and that is all there
is to starting over.
"""

from dataclasses import replace

import structlog

from salus.core.remedy import approvals, change_lifecycle
from salus.core.remedy.change_lifecycle import (
    Climb,
    CloseOut,
    Do,
    Finish,
    Keeper,
    LetGo,
    Moment,
    Move,
    Post,
    Settle,
    Standing,
    TakeBack,
    Verify,
    Wait,
)
from salus.model.values.keys import PolicyKey
from salus.model.values.objects import Workload
from salus.ports import NotFound
from salus.reconcile import changes, healthy, people
from salus.reconcile.climb import climb
from salus.reconcile.context import Came, Step
from salus.reconcile.healthy import Others
from salus.reconcile.observe import target
from salus.reconcile.records import journal

MOST_MOVES = 12
"""Moves of one step; more would be a circle. The next tick goes on in any case."""
log = structlog.get_logger(__name__)


async def heal(step: Step, workload: Workload, others: Others) -> None:
    """Do what is next for this case. Raises ClusterError; the caller then doubts what is known of it."""
    await _make_certain(step)
    came = Came(workload)
    for _ in range(MOST_MOVES):
        came = await _perform(step, _next(step, came), came, others)
        if came.rests:
            return
    log.warning("a step did not come to its end, the next tick goes on", moves=MOST_MOVES)


async def leave(step: Step) -> None:
    """The target is gone, or the policy speaks of it no more: finish what is unfinished as it stands."""
    await _make_certain(step)
    while (move := _forsaken(step)) is not None:
        await journal.finish(step.context, step.namespace, await changes.as_it_stands(step, move))
    if (change := standing_of(step).under_way) is not None:
        gone = LetGo(change, f"{step.target} is gone, or the policy speaks of it no more")
        await changes.finish(step, await changes.as_it_stands(step, gone))
    await healthy.resolve(step, "TargetGone")


def standing_of(step: Step) -> Standing:
    """How the target stands by its records, which are the same ones at most ticks."""
    return step.case.stands(step.policy, step.changes)


async def _make_certain(step: Step) -> None:
    """Learn from the API server what this process no longer trusts; an incident may lag behind its records."""
    if step.case.doubted:
        await step.context.records.refresh(step.target)
        step.case.is_certain()
    if step.case.begins():
        step.case.carry_on(change_lifecycle.unfinished(step.policy, step.changes))
    if not step.case.followed:
        await journal.follow(step)
        step.case.is_followed()
    step.case.carry_on(change_lifecycle.left_behind(step.policy, step.changes, step.case.carried, step.now))


def _forsaken(step: Step) -> LetGo | None:
    return change_lifecycle.forsaken(step.policy, step.changes, lambda name: _keeper(step, name), step.now)


def _keeper(step: Step, policy: str) -> Keeper:
    key = PolicyKey(step.namespace, policy)
    if key != step.policy.key and (key, step.target) in step.context.worked_at:
        return Keeper.THERE
    if not step.context.is_known(key):
        return Keeper.GONE
    return Keeper.THERE if step.context.is_measured(key) else Keeper.UNUSABLE


def _next(step: Step, came: Came) -> Move:
    """The next move, by how things are at this moment."""
    standing = standing_of(step)
    if standing.failed is None and standing.to_revert is None:
        step.case.hold_back(None)  # what was held back is not owed any more
    moment = Moment(
        now=step.now,
        workload=came.workload,
        findings=step.case.findings,
        mode_cap=step.context.mode_cap,
        has_incident=step.incident is not None,
        intended=came.intended,
        held_until=step.case.look_again,
        ended=came.ended,
    )
    return _forsaken(step) or change_lifecycle.next_move(step.policy, standing, moment)


async def _perform(step: Step, move: Move, came: Came, others: Others) -> Came:
    """Do it, and say what came of it."""
    match move:
        case LetGo():
            await journal.finish(step.context, step.namespace, await changes.as_it_stands(step, move))
            return came
        case Finish():
            return await _end_question(step, move, came)
        case Climb():
            return await climb(step, came)
        case CloseOut():
            await healthy.close_out(step, came.workload, others)
            return await people.hear_of_doubt(step, came)
        case Wait(why=why):
            log.debug("waiting", why=why)
            return came.at_rest()
        case _:
            return await _carry_on(step, move, came)


async def _carry_on(step: Step, move: Post | Settle | Do | Verify | TakeBack, came: Came) -> Came:
    structlog.contextvars.bind_contextvars(change=move.change.name)
    match move:
        case Post(change=change):
            await changes.post(step, change)
            return came.at_end()
        case Settle(change=change):
            return await changes.settle(step, change, came)
        case Do(change=change):
            return await changes.do(step, change, came)
        case Verify(change=change):
            return await changes.verify(step, change, came)
        case TakeBack():
            return await changes.take_back(step, move, came)


async def _end_question(step: Step, move: Finish, came: Came) -> Came:
    """A question is over, if the workload itself says the same as what is watched: that may be a moment old."""
    try:
        body = await step.context.cluster.get(target.workload_ref(step.target))
    except NotFound:
        return came.at_rest()  # the watch will say so, and then it is left
    live = target.workload_of(body, step.context.stamps)
    ended = approvals.end_of(move.change, step.policy, live, step.context.mode_cap, step.now)
    if ended is not None:
        await changes.finish(step, Finish(move.change, ended.outcome, ended.message))
    return replace(came, workload=live)
