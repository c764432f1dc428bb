"""One change from its intent to its last line: settle, observe and review again, apply, verify, take back.

Every path starts from what is on record, so the first time, the time after a crash and the time after a lost reply are
the same code: the object itself tells whether the deed was done, by the change's name on it and by who wrote it there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import structlog

from salus.core import approvals, incidents, records, verify
from salus.core.actions import KINDS, undo
from salus.core.actions.patch import resolved
from salus.core.actions.stamp import Reading, Stamp, names, read
from salus.core.approvals import Ended
from salus.core.contest import is_reverted
from salus.core.decide import healthy_for, overall
from salus.core.guards import UNKNOWN, review
from salus.core.releases import template_of
from salus.core.timing import has_lasted
from salus.loop import gather, keeping, unsticking
from salus.loop.journal import Journal
from salus.loop.measure import Measurer
from salus.loop.world import Case, World, client_for
from salus.model.change import Decision, Facts, Outcome
from salus.model.meta import WorkloadKind
from salus.model.policy import Mode, Verdict
from salus.model.types import Body
from salus.model.values import Action, Infeasible, Observation, PastChange, Policy, Refusal, Workload
from salus.ports import CHANGE_EVENTS, ClusterError, Invalid, NotFound, Ref, Rejected

LOOK_AGAIN = timedelta(minutes=1)
"""An undo that is held back is tried so often; an edit of the policy has it tried at once."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Changes:
    """Carries changes through; every method raises ClusterError, after which the case is loaded again."""

    world: World
    journal: Journal
    measurer: Measurer

    async def of_target(self, case: Case) -> tuple[PastChange, ...]:
        """The records of a target, over all policies, oldest first."""
        return self.world.records.changes_of(case.target)

    async def pursue(self, policy: Policy, case: Case, change: PastChange) -> None:
        """Settle what may or may not have been done, then verify it."""
        case.change = change
        structlog.contextvars.bind_contextvars(change=change.name)
        if not change.action.writes:
            await self.journal.tell(policy, case, "Notify", change.message, warning=True)
            await self.finish(policy, case, change, None, "posted")
        elif change.applied_at is None:
            await self._settle(policy, case, change)
        elif change.undoes:
            await self._finish_undo(policy, case, change)
        else:
            await self._verify(policy, case, change)

    async def act(self, policy: Policy, case: Case, change: PastChange) -> None:
        """The intent has just been put on record: now the deed."""
        case.change = change
        structlog.contextvars.bind_contextvars(change=change.name)
        if not change.action.writes:
            await self.pursue(policy, case, change)
        else:
            await self._act(policy, case, change)

    async def _settle(self, policy: Policy, case: Case, change: PastChange) -> None:
        """The intent is on record; was the deed done? The object itself tells (`actions/stamp`).

        A forged stamp is told, and has no other effect: what was not done is done, or not, as if it were not there.
        """
        now = self.world.clock.now()
        try:
            body = await self.world.cluster.get(gather.patched_ref(case.target, change.patched))
        except NotFound:
            gone = f"{change.patched or case.target} is gone"
            await self.finish(policy, case, change, Outcome.ABANDONED, gone)
            return
        found = await self._stamp_on(body, change, policy.key.namespace)
        if found.stamp is Stamp.FORGED:
            change = await self._tell_of_forgery(policy, case, change, found.message)
        if found.stamp is Stamp.SOUND:
            await self._applied(policy, case, change, body)
        elif found.stamp is Stamp.DOUBTFUL:
            await self.finish(policy, case, change, Outcome.INCONCLUSIVE, found.message, perhaps=True)
        elif change.decision == Decision.ACT and now - change.decided_at > 2 * policy.spec.interval:
            await self.finish(policy, case, change, Outcome.ABANDONED, "not done in time, and too old to be done now")
        else:
            await self._act(policy, case, change)

    async def _stamp_on(self, body: Body, change: PastChange, namespace: str) -> Reading:
        """What the object that a change was to patch tells of it."""
        if not names(body, change):
            return Reading(Stamp.ABSENT)
        recorded = await self.world.cluster.get(Ref(CHANGE_EVENTS, namespace, change.name))
        return read(change, recorded, body, _facts_of(body, change))

    async def _tell_of_forgery(self, policy: Policy, case: Case, change: PastChange, text: str) -> PastChange:
        """On record, and to people; once a change."""
        if text in change.note:
            return change
        await self.journal.tell(policy, case, "ForgedStamp", f"{change.name}: {text}", warning=True)
        ref = Ref(CHANGE_EVENTS, policy.key.namespace, change.name)
        written = await self.world.cluster.update_status(ref, {"message": text[:1024]})
        self.world.records.note(written)
        return records.past_change(written)

    async def _act(self, policy: Policy, case: Case, change: PastChange) -> None:
        """Observe again, review again, apply."""
        await self.measurer.measure([(policy, case)])
        recorded = await self.world.cluster.get(Ref(CHANGE_EVENTS, policy.key.namespace, change.name))
        await self.world.records.refresh(case.target)
        changes = await self.of_target(case)
        others = [c for c in changes if c.name != change.name]
        seen, body = await gather.observe(self.world, policy, case, others)
        if ended := _objection(policy, change, recorded, seen, self.world.boldest):
            await self.finish(policy, case, change, ended.outcome, ended.message)
            return
        await keeping.quarantine(self.world, case, change, body)
        account, ref = client_for(self.world, policy), gather.patched_ref(case.target, change.patched)
        try:
            patch = resolved(tuple(recorded["spec"]["patch"]), partial(template_of, seen.releases))
            await account.get(ref)  # what it may not even see, an account does not change
            after = await account.patch(ref, patch)
        except KeyError as error:
            await self.finish(policy, case, change, Outcome.ABANDONED, str(error.args[0]))
        except Invalid as error:
            await self._patch_refused(policy, case, change, error)
        except Rejected as error:
            await self.finish(policy, case, change, Outcome.FAILED, f"the API server refused: {error}")
        else:
            await self._applied(policy, case, change, after)

    async def _patch_refused(self, policy: Policy, case: Case, change: PastChange, error: Invalid) -> None:
        """A failed `test` has no details: the object has changed since it was judged. Anything else has causes."""
        if error.causes:
            await self.finish(policy, case, change, Outcome.FAILED, f"the API server refused: {error}")
            return
        outcome = Outcome.UNDO_SKIPPED if change.undoes else Outcome.ABANDONED
        what = change.patched or case.target
        await self.finish(policy, case, change, outcome, f"{what} was changed by someone else in between")

    async def _applied(self, policy: Policy, case: Case, change: PastChange, body: Body) -> None:
        at, after = self.world.clock.now(), _facts_of(body, change)
        workload = gather.workload_of(body) if change.patched is None else None
        case.change = await self.journal.applied(change, policy.key.namespace, after, at)
        await self.journal.tell(policy, case, f"{change.action}Applied", f"{change.name} was done", workload=workload)
        if change.undoes:
            await self.pursue(policy, case, case.change)
        else:
            await self.journal.follow(case, await self.of_target(case), at)

    async def _verify(self, policy: Policy, case: Case, change: PastChange) -> None:
        if _may_be_held_up(case, change):
            change = case.change = await unsticking.free_rollout(self.world, policy, case, change)
        if await self._is_contested(case, change):
            text = f"{change.patched or case.target} is again as it was before: someone took this change back"
            await self.finish(policy, case, change, Outcome.CONTESTED, text)
            return
        judgement = verify.judge(change, policy, case.findings, self.world.clock.now())
        if judgement.outcome is not None:
            await self.finish(policy, case, change, judgement.outcome, judgement.message)

    async def _finish_undo(self, policy: Policy, case: Case, change: PastChange) -> None:
        """An undo is not verified. That of a StatefulSet's rollback may need a pod out of its way first."""
        if _may_be_held_up(case, change):
            waited = self.world.clock.now() - (change.applied_at or change.decided_at)
            if waited < policy.spec.verify.timeout and not await unsticking.has_begun(self.world, case):
                return
            change = case.change = await unsticking.free_rollout(self.world, policy, case, change)
        await self.finish(policy, case, change, Outcome.UNDONE, f"{change.undoes} was taken back")

    async def _is_contested(self, case: Case, change: PastChange) -> bool:
        """Whether someone took the change back; the watched view may be older than the deed, so it is asked again."""
        now, watched = self.world.clock.now(), self.world.workloads.get(case.target)
        if watched is None:
            return False
        if change.patched is not None:
            scaler = await gather.scaler_now(self.world, case.target, change.patched)
            return scaler is not None and is_reverted(change, watched, now, (scaler,))
        if not is_reverted(change, watched, now):
            return False
        try:
            live = gather.workload_of(await self.world.cluster.get(gather.workload_ref(case.target)))
        except NotFound:
            return False
        return is_reverted(change, live, now)

    async def finish(
        self,
        policy: Policy,
        case: Case,
        change: PastChange,
        outcome: Outcome | None,
        message: str,
        *,
        perhaps: bool = False,
    ) -> None:
        """Write the record's last line, and at once what follows from it."""
        now = self.world.clock.now()
        if change.note:
            message = f"{message}; {change.note}"
        namespace = policy.key.namespace
        finished = await self.journal.finish(change, namespace, outcome, message, now, perhaps=perhaps)
        case.change, case.last_change = None, finished
        changes = await self.of_target(case)
        case.revertible = revertible(policy, changes)
        clear = healthy_for(case.findings, now) if outcome is Outcome.RECOVERED else None
        if clear is not None:
            await self.close_or_hold(policy, case, clear)
        else:
            await self.journal.follow(case, changes, now)
        if outcome is not None:
            warning = outcome not in {Outcome.RECOVERED, Outcome.UNDONE}
            await self.journal.tell(policy, case, outcome.value, f"{change.name}: {message}", warning=warning)
        await self.undo_if_due(policy, case, changes)

    async def let_go(self, policy: Policy, case: Case, change: PastChange) -> None:
        """Finish a change whose target is gone or no longer ours: as it stands, without another deed."""
        outcome, perhaps = await self.as_it_stands(case, change)
        text = f"{case.target} is gone, or the policy speaks of it no more"
        await self.finish(policy, case, change, outcome, text, perhaps=perhaps)

    async def as_it_stands(self, case: Case, change: PastChange) -> tuple[Outcome, bool]:
        """How a change ends that nobody goes on with, and whether it was done perhaps."""
        if change.applied_at is not None:
            return Outcome.INCONCLUSIVE, False
        try:
            body = await self.world.cluster.get(gather.patched_ref(case.target, change.patched))
        except NotFound:
            return Outcome.ABANDONED, False
        found = await self._stamp_on(body, change, case.target.namespace)
        done = found.stamp in {Stamp.SOUND, Stamp.DOUBTFUL}
        return (Outcome.INCONCLUSIVE if done else Outcome.ABANDONED), done

    async def close_or_hold(self, policy: Policy, case: Case, clear: timedelta) -> None:
        """Close the incident when its target was healthy for `holdDown`; before, say once until when it stays open."""
        now, wanted = self.world.clock.now(), self.world.bounds().hold_down
        if has_lasted(now - clear, now, wanted):
            await self.resolve(policy, case, await self.of_target(case))
        elif case.incident is not None and not incidents.is_held(case.incident, now - clear):
            mine = records.of_incident(await self.of_target(case), case.incident)
            status = incidents.progress(case.incident, mine, case.findings, now)
            await self.journal.write_incident(case, incidents.held(status, now - clear, wanted, now))
            case.refusal = None if case.look_again is None else case.refusal

    async def resolve(self, policy: Policy, case: Case, changes: Sequence[PastChange], resolution: str = "") -> None:
        """Close the incident; what still waits for a person in it has expired."""
        if case.incident is None:
            return
        now = self.world.clock.now()
        mine = records.of_incident(changes, case.incident)
        await self.journal.close_questions(mine, policy.key.namespace, now)
        case.waiting = False
        status = incidents.progress(case.incident, mine, case.findings, now)
        await self.journal.write_incident(case, incidents.resolved(status, mine, now, resolution))
        log.info("incident resolved")
        case.incident, case.refusal, case.unwritten = None, None, ()
        case.counted.clear()

    async def undo_if_due(self, policy: Policy, case: Case, changes: Sequence[PastChange]) -> None:
        """The policy's newest deed did not help, and nobody has taken it back yet.

        What other policies did since changes nothing about that: an undo that was held back meanwhile stays due.
        """
        case.look_again = None
        deeds = [c for c in changes if c.acted and c.outcome != Outcome.ABANDONED and records.belongs_to(c, policy)]
        last = deeds[-1] if deeds else None
        if last is None or not last.outcome or last.undoes:
            return
        if not verify.wants_undo(last, Outcome(last.outcome), policy) or verify.is_taken_back(last, changes):
            return
        await self.take_back(policy, case, last, undo.UNDO, f"outcome {last.outcome}")

    async def take_back(self, policy: Policy, case: Case, change: PastChange, reason: str, why: str) -> None:
        """Record and do the inverse of a change, unless someone has changed the field since."""
        recorded = await self.world.cluster.get(Ref(CHANGE_EVENTS, policy.key.namespace, change.name))
        seen, body = await gather.observe(self.world, policy, case)
        inverse = tuple(recorded["spec"].get("inverse") or ())
        scaler = await gather.scaler_now(self.world, case.target, change.patched)
        live = undo.Live(seen.workload, body, scaler, seen.releases)
        planned = undo.plan(change, inverse, live, reason, why)
        if isinstance(planned, Infeasible):
            await self._skip_undo(policy, case, change, planned, seen, body)
            return
        if refusal := review(policy, planned, seen):
            await self._hold_back(policy, case, planned, refusal, seen, body)
            return
        entry = self.journal.entry(policy, case, planned, (), Decision.ACT, seen)
        created = await self.journal.record(entry, seen, live.patched_body)
        await self.act(policy, case, records.past_change(created))

    async def _hold_back(
        self, policy: Policy, case: Case, planned: Action, refusal: Refusal, seen: Observation, body: Body
    ) -> None:
        """The undo or revert stays due, and is looked at again; of each reason people are told once."""
        case.refusal, case.look_again = refusal, seen.now + LOOK_AGAIN
        told = [c.reason for c in seen.changes if c.undoes == planned.undoes and c.decision == Decision.REFUSE]
        if refusal.reason not in told:
            text = f"{planned.undoes} is not taken back yet: {refusal.message}"
            await self.journal.refuse(policy, case, planned, replace(refusal, message=text), seen, body)
        if refusal.reason == UNKNOWN:
            raise ClusterError(refusal.message)  # asked again at the next tick

    async def _skip_undo(
        self, policy: Policy, case: Case, change: PastChange, why: Infeasible, seen: Observation, body: Body
    ) -> None:
        """Hands off, and say so: the record of the undo that was not done ends as it began."""
        hands_off = _hands_off(change, seen.workload, case)
        entry = self.journal.entry(policy, case, hands_off, (), Decision.REFUSE, seen)
        entry = replace(entry, reason=why.reason, message=why.message)
        skipped = records.past_change(await self.journal.record(entry, seen, body))
        await self.finish(policy, case, skipped, Outcome.UNDO_SKIPPED, why.message)


def revertible(policy: Policy, changes: Sequence[PastChange]) -> PastChange | None:
    """The newest scaling of this policy that helped, is to be reverted, and was not yet.

    Under one that was given back lies what the one before it had put there, which has its own turn.
    """
    undone = {change.undoes for change in changes if change.undoes and change.outcome == Outcome.UNDONE}
    for change in reversed(changes):
        lent = KINDS[change.action].revert_after and change.applied_at is not None and not change.undoes
        if lent and records.belongs_to(change, policy) and change.name not in undone:
            wanted = verify.terms(change, policy).revert_after is not None and change.outcome == Outcome.RECOVERED
            return change if wanted and not verify.is_taken_back(change, changes) else None
    return None


def _objection(policy: Policy, change: PastChange, recorded: Body, seen: Observation, boldest: Mode) -> Ended | None:
    """Why a recorded change must not be done now after all, and how its record ends."""
    if gone := _leave_is_gone(policy, records.past_change(recorded), recorded, seen, boldest):
        return gone
    if change.target_uid != seen.workload.uid:
        return Ended(Outcome.ABANDONED, f"{seen.workload.key} was deleted and made again")
    if not change.undoes and overall(seen.findings) is not Verdict.UNHEALTHY:
        return Ended(Outcome.ABANDONED, "no check is unhealthy any more")
    refusal = review(policy, records.action_of(change, recorded, seen.workload.key), seen)
    return Ended(Outcome.ABANDONED, f"{refusal.reason}: {refusal.message}") if refusal else None


def _leave_is_gone(
    policy: Policy, change: PastChange, recorded: Body, seen: Observation, boldest: Mode
) -> Ended | None:
    """Whether a person, or the mode, no longer allows a deed; asked right before it, as every guard is."""
    if change.decision != Decision.AWAIT_APPROVAL:
        gone = approvals.without_leave(change, policy, boldest)
        return Ended(Outcome.ABANDONED, gone) if gone else None
    if not approvals.is_what_was_approved(recorded):
        return Ended(Outcome.ABANDONED, "the approval is of something else: its digest is not that of this record")
    return approvals.end_of(change, policy, seen.workload, boldest, seen.now)


def _facts_of(body: Body, change: PastChange) -> Facts:
    """What a record says of what was patched: the workload, or the autoscaler in its place."""
    return gather.workload_of(body).facts() if change.patched is None else gather.facts_of_scaler(body)


def _may_be_held_up(case: Case, change: PastChange) -> bool:
    """Whether a pod that never gets ready could keep the template of this change from the others."""
    return KINDS[change.action].replaces_release and case.target.kind is WorkloadKind.STATEFUL_SET


def _hands_off(change: PastChange, workload: Workload, case: Case) -> Action:
    return Action(
        kind=change.action,
        remedy=change.remedy,
        target=case.target,
        target_uid=workload.uid,
        message="",
        before=workload.facts(),
        intended=workload.facts(),
        undoes=change.name,
        patched=change.patched,
    )
