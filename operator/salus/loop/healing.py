"""One target of one policy, from findings to the record's last line.

Every path starts from what is on record: after an error or a restart the case is loaded again, and an unfinished
change is settled before anything else is thought of.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from salus.actions import plan as plan_remedy
from salus.actions import undo
from salus.actions.plan import CHANGE_ANNOTATION, Plan, resolved
from salus.core import incidents, records, releases, verify
from salus.core.decide import Exhausted, Proposal, Wait, decide, healthy_for, mode_of, overall
from salus.core.guards import review
from salus.loop import gather, keeping
from salus.loop.journal import Journal
from salus.loop.measure import Measurer
from salus.loop.world import Case, World, identity_of
from salus.model.change import ActionKind, Decision, Outcome
from salus.model.policy import Remedy, Verdict
from salus.model.types import Body
from salus.model.values import (
    Action,
    Finding,
    Infeasible,
    Observation,
    PastChange,
    Policy,
    PolicyKey,
    Refusal,
    Then,
    Workload,
)
from salus.ports import CHANGE_EVENTS, Invalid, NotFound, Ref, Rejected

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Healer:
    """Heals cases, one step a tick."""

    world: World
    journal: Journal
    measurer: Measurer

    async def step(self, policy: Policy, case: Case, workload: Workload) -> None:
        """One step of one case. Raises ClusterError; the caller then marks the case as not loaded."""
        if not case.loaded:
            await self._load(policy, case)
        if case.change is not None:
            await self._pursue(policy, case, case.change)
        elif incidents.needs_incident(case.findings):
            await self._climb(policy, case, workload)
        else:
            await self._calm(policy, case, workload)

    # --- how things stand

    async def _load(self, policy: Policy, case: Case) -> None:
        """Learn from the API server what this process does not know or no longer trusts."""
        bodies = await gather.change_bodies(self.world, case.target)
        changes = records.past_changes(bodies)
        await self._finish_orphans(policy, changes)
        open_incidents = [body for body in await self.journal.incidents(policy, case) if not incidents.is_over(body)]
        case.incident = max(open_incidents, key=lambda body: body["metadata"]["name"], default=None)
        mine = [change for change in changes if change.policy == policy.key.name]
        case.change = next((change for change in mine if change.open), None)
        case.last_change = mine[-1] if mine else None
        case.revertible = _revertible(policy, mine, changes)
        await self.journal.follow(case, changes, self.world.clock.now())
        if case.change is not None and case.change.applied_at is not None:
            await self.measurer.recover(policy, case, self.world.clock.now() - case.change.applied_at)
        elif case.change is None:
            await self._undo_if_due(policy, case, changes)
        case.loaded = True

    async def _finish_orphans(self, policy: Policy, changes: Sequence[PastChange]) -> None:
        """A change whose policy is gone would hold its target for ever."""
        for change in changes:
            if change.open and not self.world.is_known(PolicyKey(policy.key.namespace, change.policy)):
                done = change.applied_at is not None
                outcome = Outcome.INCONCLUSIVE if done else Outcome.ABANDONED
                text = f"policy {change.policy} is gone, nobody verifies this change"
                await self.journal.finish(change, policy.key.namespace, outcome, text, self.world.clock.now())

    # --- an unfinished change

    async def _pursue(self, policy: Policy, case: Case, change: PastChange) -> None:
        """Settle what may or may not have been done, then verify it."""
        structlog.contextvars.bind_contextvars(change=change.name)
        if change.action is ActionKind.NOTIFY:
            await self._finish(policy, case, change, None, "posted")
        elif change.applied_at is None:
            await self._settle(policy, case, change)
        else:
            await self._verify(policy, case, change)

    async def _settle(self, policy: Policy, case: Case, change: PastChange) -> None:
        """The intent is on record; was the deed done? The object itself tells, by the change's name on it."""
        now = self.world.clock.now()
        try:
            body = await self.world.cluster.get(gather.workload_ref(case.target))
        except NotFound:
            await self._finish(policy, case, change, Outcome.ABANDONED, f"{case.target} is gone")
            return
        if (body["metadata"].get("annotations") or {}).get(CHANGE_ANNOTATION) == change.name:
            await self._applied(policy, case, change, body)
        elif change.decision == Decision.ACT and now - change.decided_at > 2 * policy.spec.interval:
            await self._finish(policy, case, change, Outcome.ABANDONED, "not done in time, and too old to be done now")
        else:
            await self._act(policy, case, change)

    async def _act(self, policy: Policy, case: Case, change: PastChange) -> None:
        """Observe again, review again, apply."""
        await self.measurer.measure([(policy, case)])
        recorded = await self.world.cluster.get(Ref(CHANGE_EVENTS, policy.key.namespace, change.name))
        changes = records.past_changes(await gather.change_bodies(self.world, case.target))
        seen, _ = await gather.observe(self.world, case, [c for c in changes if c.name != change.name])
        if objection := _objection(policy, change, recorded, seen):
            await self._finish(policy, case, change, Outcome.ABANDONED, objection)
            return
        templates = {release.hash: release.template for release in seen.releases}
        try:
            patch = resolved(tuple(recorded["spec"]["patch"]), templates)
            ref, act_as = gather.workload_ref(case.target), identity_of(self.world, policy)
            body = await self.world.cluster.patch(ref, patch, act_as=act_as)
        except KeyError as error:
            await self._finish(policy, case, change, Outcome.ABANDONED, f"release {error} is no longer kept")
        except Invalid as error:
            await self._patch_refused(policy, case, change, error)
        except Rejected as error:
            await self._finish(policy, case, change, Outcome.FAILED, f"the API server refused: {error}")
        else:
            await self._applied(policy, case, change, body)

    async def _patch_refused(self, policy: Policy, case: Case, change: PastChange, error: Invalid) -> None:
        """A failed `test` has no details: the object has changed since it was judged. Anything else has causes."""
        if error.causes:
            await self._finish(policy, case, change, Outcome.FAILED, f"the API server refused: {error}")
            return
        outcome = Outcome.UNDO_SKIPPED if change.undoes else Outcome.ABANDONED
        await self._finish(policy, case, change, outcome, f"{case.target} was changed by someone else in between")

    async def _applied(self, policy: Policy, case: Case, change: PastChange, body: Body) -> None:
        at = self.world.clock.now()
        workload = gather.workload_of(body)
        case.change = await self.journal.applied(change, policy.key.namespace, workload, at)
        await self.journal.tell(policy, case, f"{change.action}Applied", f"{change.name} was done", workload=workload)
        if change.undoes:
            await self._finish(policy, case, case.change, Outcome.UNDONE, f"{change.undoes} was taken back")
            return
        changes = records.past_changes(await gather.change_bodies(self.world, case.target))
        await self.journal.follow(case, changes, at)

    async def _verify(self, policy: Policy, case: Case, change: PastChange) -> None:
        judgement = verify.judge(change, policy, case.findings, self.world.clock.now())
        if judgement.outcome is not None:
            await self._finish(policy, case, change, judgement.outcome, judgement.message)

    async def _finish(
        self, policy: Policy, case: Case, change: PastChange, outcome: Outcome | None, message: str
    ) -> None:
        """Write the record's last line, and at once what follows from it."""
        now = self.world.clock.now()
        finished = await self.journal.finish(change, policy.key.namespace, outcome, message, now)
        case.change, case.last_change = None, finished
        changes = records.past_changes(await gather.change_bodies(self.world, case.target))
        await self.journal.follow(case, changes, now)
        if outcome is not None:
            warning = outcome not in {Outcome.RECOVERED, Outcome.UNDONE}
            await self.journal.tell(policy, case, outcome.value, f"{change.name}: {message}", warning=warning)
        if outcome is Outcome.RECOVERED:
            case.revertible = _revertible(policy, [c for c in changes if c.policy == policy.key.name], changes)
            await self._resolve(case, changes, now)
        await self._undo_if_due(policy, case, changes)

    # --- taking back

    async def _undo_if_due(self, policy: Policy, case: Case, changes: Sequence[PastChange]) -> None:
        """The newest deed did not help, and nobody has taken it back yet."""
        deeds = [change for change in changes if change.acted and change.outcome != Outcome.ABANDONED]
        last = deeds[-1] if deeds else None
        if last is None or last.policy != policy.key.name or not last.outcome or last.undoes:
            return
        if not verify.wants_undo(last, Outcome(last.outcome), policy) or _taken_back(last, changes):
            return
        await self._take_back(policy, case, last, undo.UNDO, f"outcome {last.outcome}")

    async def _take_back(self, policy: Policy, case: Case, change: PastChange, reason: str, why: str) -> None:
        recorded = await self.world.cluster.get(Ref(CHANGE_EVENTS, policy.key.namespace, change.name))
        seen, body = await gather.observe(self.world, case)
        inverse = tuple(recorded["spec"].get("inverse") or ())
        planned = undo.plan(change, inverse, seen.workload, body, reason, why)
        if isinstance(planned, Infeasible):
            await self._skip_undo(policy, case, change, planned, seen, body)
            return
        if refusal := review(policy, planned, seen):
            await self.journal.refuse(policy, case, planned, refusal, seen, body)
            return
        entry = self.journal.entry(policy, case, planned, (), Decision.ACT, seen)
        await self._do(policy, case, records.past_change(await self.journal.record(entry, seen.changes, body)))

    async def _skip_undo(
        self, policy: Policy, case: Case, change: PastChange, why: Infeasible, seen: Observation, body: Body
    ) -> None:
        """Hands off, and say so: the record of the undo that was not done ends as it began."""
        hands_off = _hands_off(change, seen.workload, case)
        entry = self.journal.entry(policy, case, hands_off, (), Decision.REFUSE, seen)
        entry = replace(entry, reason=why.reason, message=why.message)
        skipped = records.past_change(await self.journal.record(entry, seen.changes, body))
        await self._finish(policy, case, skipped, Outcome.UNDO_SKIPPED, why.message)

    # --- the ladder

    async def _climb(self, policy: Policy, case: Case, workload: Workload) -> None:
        """The target is unhealthy: propose, plan, guard, record, act.

        Go on to the next rung where one cannot be had.
        """
        await self.journal.open_incident(policy, case, workload, self.world.clock.now())
        seen, body = await gather.observe(self.world, case)
        for _ in range(len(policy.spec.remedies) + 1):
            mine = _of_incident(seen.changes, case)
            match decide(policy, case.findings, mine):
                case Wait(reason=reason, message=message):
                    log.debug("waiting", reason=reason, message=message)
                    await self._look_at_approvals(policy, case, mine)
                    break
                case Exhausted(reason=reason, message=message):
                    await self._escalate(policy, case, seen, body, Refusal(reason, message))
                    break
                case Proposal(remedy=remedy, because=because):
                    refused = await self._attempt(policy, case, remedy, because, seen, body)
                    if refused is None or refused.then is Then.WAIT:
                        break
                    if refused.then is Then.ESCALATE:
                        await self._escalate(policy, case, seen, body, refused)
                        break
                    seen = replace(
                        seen, changes=records.past_changes(await gather.change_bodies(self.world, case.target))
                    )
        if case.change is None:
            changes = records.past_changes(await gather.change_bodies(self.world, case.target))
            await self.journal.follow(case, changes, self.world.clock.now())
            case.last_change = _newest(policy, changes) or case.last_change

    async def _attempt(
        self,
        policy: Policy,
        case: Case,
        remedy: Remedy,
        because: tuple[Finding, ...],
        seen: Observation,
        body: Body,
    ) -> Refusal | None:
        """Try one rung: None when it was recorded, or the refusal that is now on record."""
        index = policy.spec.remedies.index(remedy)
        planned = plan_remedy(Plan(remedy, index, because, seen, body))
        if isinstance(planned, Infeasible):
            refusal: Refusal | None = Refusal(planned.reason, planned.message, Then.NEXT)
            action = _unplanned(remedy, seen.workload, planned.message)
        else:
            action, refusal = planned, review(policy, planned, seen)
        if refusal is not None:
            await self.journal.refuse(policy, case, action, refusal, seen, body)
            return refusal
        case.refusal = None
        decision = records.decision_of(mode_of(policy, remedy))
        entry = self.journal.entry(policy, case, action, because, decision, seen)
        created = await self.journal.record(entry, seen.changes, body)
        change = records.past_change(created)
        case.last_change = change
        if decision is Decision.ACT:
            await keeping.quarantine(self.world, case, action, body, change)
            await self._do(policy, case, change)
        return None

    async def _do(self, policy: Policy, case: Case, change: PastChange) -> None:
        """The intent is on the API server: now the deed."""
        case.change = change
        structlog.contextvars.bind_contextvars(change=change.name)
        if change.action is ActionKind.NOTIFY:
            await self.journal.tell(policy, case, "Notify", change.message, warning=True)
            await self._finish(policy, case, change, None, "posted")
        else:
            await self._act(policy, case, change)

    async def _look_at_approvals(self, policy: Policy, case: Case, mine: Sequence[PastChange]) -> None:
        """A person's no finishes the record; a yes makes it an open change, which the next tick pursues."""
        for change in mine:
            if change.decision == Decision.AWAIT_APPROVAL and change.completed_at is None and change.approval:
                if change.approval == "Approved":
                    case.loaded = False
                else:
                    await self._finish(policy, case, change, Outcome.ABANDONED, "a person said no")

    async def _escalate(self, policy: Policy, case: Case, seen: Observation, body: Body, why: Refusal) -> None:
        """Hand over to people: one notification, then quiet."""
        case.refusal = why
        if case.incident is None or incidents.is_escalated(case.incident):
            return
        mine = _of_incident(seen.changes, case)
        status = incidents.progress(case.incident, mine, case.findings, seen.now)
        if not any(change.action is ActionKind.NOTIFY and change.decision != "Refuse" for change in mine):
            notice = Action(
                kind=ActionKind.NOTIFY,
                remedy="",
                target=case.target,
                target_uid=seen.workload.uid,
                message=why.message,
                before=seen.workload.facts(),
                intended=seen.workload.facts(),
                reason=why.reason,
            )
            decision = records.decision_of(policy.spec.mode)
            entry = self.journal.entry(policy, case, notice, (), decision, seen)
            change = records.past_change(await self.journal.record(entry, seen.changes, body))
            if decision is Decision.ACT:
                await self._do(policy, case, change)
        await self.journal.write_incident(case, incidents.escalated(status, f"{why.reason}: {why.message}"))
        await self.journal.tell(policy, case, "Escalated", why.message, workload=seen.workload, warning=True)

    # --- calm

    async def _calm(self, policy: Policy, case: Case, workload: Workload) -> None:
        """Nothing is unhealthy: close the incident, keep the release, give back what was lent."""
        now = self.world.clock.now()
        clear = healthy_for(case.findings, now)
        if case.incident is not None and clear is not None and clear >= policy.spec.verify.stable:
            changes = records.past_changes(await gather.change_bodies(self.world, case.target))
            await self._resolve(case, changes, now)
        if overall(case.findings) is Verdict.HEALTHY:
            case.refusal = None if case.incident is None else case.refusal
            await self._keep_release(policy, case, workload, now)
            await self._revert_if_due(policy, case, now)

    async def _resolve(self, case: Case, changes: Sequence[PastChange], now: datetime) -> None:
        if case.incident is None:
            return
        mine = _of_incident(changes, case)
        status = incidents.progress(case.incident, mine, case.findings, now)
        await self.journal.write_incident(case, incidents.resolved(status, mine, now))
        log.info("incident resolved")
        case.incident, case.refusal = None, None
        case.counted.clear()

    async def _keep_release(self, policy: Policy, case: Case, workload: Workload, now: datetime) -> None:
        """A release that was fully rolled out and healthy for `bake` is worth going back to."""
        release, bake = workload.release, policy.spec.bake
        if case.good_release == release:
            return
        if not workload.rolled_out:
            case.rolled_out = None
            return
        if case.rolled_out is None or case.rolled_out[0] != release:
            case.rolled_out = (release, workload.rolled_out_since or now)
        if not releases.rollout_has_settled(workload, case.rolled_out[1], bake, now):
            return
        if await self._healthy_for(policy, case, release, bake, now) and await keeping.keep(
            self.world, case, release, now
        ):
            case.good_release = release

    async def _healthy_for(self, policy: Policy, case: Case, release: str, bake: timedelta, now: datetime) -> bool:
        """Whether all checks were clear for so long; what this process did not see is asked of Prometheus, once."""
        clear = healthy_for(case.findings, now)
        if clear is not None and clear >= bake:
            return True
        if case.looked_back != release:
            case.looked_back = release
            await self.measurer.recover(policy, case, bake)
        starts = [case.memories[check.name].healthy_since for check in policy.checks if check.name in case.memories]
        return all(start is not None and now - start >= bake for start in starts)

    async def _revert_if_due(self, policy: Policy, case: Case, now: datetime) -> None:
        """What was scaled up goes back after `revertAfter` of health."""
        change = case.revertible
        if change is None or case.incident is not None or change.completed_at is None:
            return
        wish = next((r.scale for r in policy.spec.remedies if r.name == change.remedy and r.scale), None)
        clear = healthy_for(case.findings, now)
        if wish is None or wish.revert_after is None or clear is None:
            return
        if min(clear, now - change.completed_at) >= wish.revert_after:
            case.revertible = None
            await self._take_back(policy, case, change, undo.REVERT, "its time is over")


def _of_incident(changes: Sequence[PastChange], case: Case) -> list[PastChange]:
    name = case.incident["metadata"]["name"] if case.incident else ""
    return [change for change in changes if change.incident == name]


def _newest(policy: Policy, changes: Sequence[PastChange]) -> PastChange | None:
    return next((change for change in reversed(changes) if change.policy == policy.key.name), None)


def _taken_back(change: PastChange, changes: Sequence[PastChange]) -> bool:
    return any(other.undoes == change.name and other.outcome != Outcome.ABANDONED for other in changes)


def _revertible(policy: Policy, mine: Sequence[PastChange], changes: Sequence[PastChange]) -> PastChange | None:
    """The newest scaling that helped, is to be reverted, and was not yet."""
    remedies = {r.name for r in policy.spec.remedies if r.scale and r.scale.revert_after is not None}
    for change in reversed(mine):
        if change.action is ActionKind.SCALE and change.acted and not change.undoes:
            wanted = change.remedy in remedies and change.outcome == Outcome.RECOVERED
            return change if wanted and not _taken_back(change, changes) else None
    return None


def _objection(policy: Policy, change: PastChange, recorded: Body, seen: Observation) -> str | None:
    """Why a recorded change must not be done now after all."""
    action = records.action_of(change, recorded, seen.workload.key)
    if change.target_uid != seen.workload.uid:
        return f"{seen.workload.key} was deleted and made again"
    if not change.undoes and overall(seen.findings) is not Verdict.UNHEALTHY:
        return "no check is unhealthy any more"
    refusal = review(policy, action, seen)
    return f"{refusal.reason}: {refusal.message}" if refusal else None


def _unplanned(remedy: Remedy, workload: Workload, message: str) -> Action:
    """A remedy that could not be planned, as far as its refusal needs it."""
    kinds = {
        "rollback": ActionKind.ROLLBACK,
        "restart": ActionKind.RESTART,
        "scale": ActionKind.SCALE,
        "notify": ActionKind.NOTIFY,
    }
    kind = next(kind for field, kind in kinds.items() if getattr(remedy, field) is not None)
    return Action(kind, remedy.name, workload.key, workload.uid, message, workload.facts(), workload.facts())


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
    )
