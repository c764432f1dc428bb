"""The ladder of an unhealthy target: propose, plan, guard, record, act; the next rung where one cannot be had."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from salus.core import incidents, records, withholding
from salus.core.actions import kind_of, plan
from salus.core.actions.kind import PlanRequest
from salus.core.blame import blame
from salus.core.budgets import BRAKE
from salus.core.decide import Exhausted, Proposal, Wait, binding, decide, grace, mode_of
from salus.core.guards import review
from salus.core.withholding import REASON as WITHHELD
from salus.loop import beside, gather
from salus.loop.changes import Changes
from salus.loop.journal import Journal
from salus.loop.questions import Questions
from salus.loop.world import Case, World
from salus.model.change import ActionKind, Decision
from salus.model.policy import Mode
from salus.model.types import Body, parse_time
from salus.model.values import Action, Infeasible, Observation, PastChange, Policy, PolicyKey, Refusal, Then, Workload

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ladder:
    """Climbs at most one rung a tick."""

    world: World
    journal: Journal
    changes: Changes

    async def climb(self, policy: Policy, case: Case, workload: Workload) -> None:
        """Take the next rung that can be had, or say why not."""
        await self.journal.open_incident(policy, case, workload, self.world.clock.now())
        seen, body = await gather.observe(self.world, policy, case)
        await self._tell_blame(policy, case, seen, body)
        if not self._is_quiet(policy, case, seen):
            await self._try_rungs(policy, case, seen, body)
        if case.change is None and case.incident is not None:
            changes = await self.changes.of_target(case)
            await self.journal.follow(case, changes, self.world.clock.now())
            case.last_change = records.newest(policy, changes) or case.last_change

    async def _tell_blame(self, policy: Policy, case: Case, seen: Observation, body: Body) -> None:
        """Once an incident, before anything is done about it."""
        if case.incident is None or incidents.is_blamed(case.incident):
            return
        seen = await beside.all_suspects(self.world, policy, case, seen, body)
        found = blame(seen, body, parse_time(case.incident["spec"]["openedAt"]))
        mine = records.of_incident(seen.changes, case.incident)
        status = incidents.progress(case.incident, mine, case.findings, seen.now)
        await self.journal.write_incident(case, incidents.blamed(status, found))

    def _is_quiet(self, policy: Policy, case: Case, seen: Observation) -> bool:
        """People were called, or have just put another release there: for now there is nothing to add."""
        mine = _own(case, seen.changes)
        if wait := grace(policy, mine, seen.workload, seen.now):
            log.debug("waiting", reason=wait.reason, message=wait.message)
            return True
        called = case.incident is not None and incidents.is_escalated(case.incident)
        return called and bool(binding(policy, mine, seen.workload.release))

    async def _try_rungs(self, policy: Policy, case: Case, seen: Observation, body: Body) -> None:
        for _ in range(len(policy.spec.remedies) + 1):
            mine = _own(case, seen.changes)
            match decide(policy, case.findings, mine, seen.workload.release):
                case Wait(reason=reason, message=message):
                    log.debug("waiting", reason=reason, message=message)
                    return
                case Exhausted(reason=reason, message=message):
                    await self._escalate(policy, case, seen, body, Refusal(reason, message))
                    return
                case Proposal() as proposal:
                    refused = await self._attempt(policy, case, proposal, seen, body)
                    if refused is None or refused.then is Then.WAIT:
                        return
                    if refused.then is Then.ESCALATE:
                        await self._escalate(policy, case, seen, body, refused)
                        return
                    seen, body = await gather.observe(self.world, policy, case)

    def _is_carried_on(self, case: Case, change: PastChange) -> bool:
        """Whether the policy of an open change looks at it."""
        key = PolicyKey(case.policy.namespace, change.policy)
        return self.world.is_known(key) and self.world.is_measured(key)

    async def _attempt(
        self, policy: Policy, case: Case, proposal: Proposal, seen: Observation, body: Body
    ) -> Refusal | None:
        """Try one rung: None when it was recorded, or the refusal that is now on record."""
        remedy, because = proposal.remedy, proposal.because
        incident = case.incident["metadata"]["name"] if case.incident else ""
        if kind_of(remedy).replaces_release:
            seen = await beside.release_suspect(self.world, policy, case, seen, body)
        asked = PlanRequest(remedy, policy.spec.remedies.index(remedy), because, seen, body, incident)
        planned = plan(asked)
        if isinstance(planned, Infeasible):
            refusal: Refusal | None = Refusal(planned.reason, planned.message, Then.NEXT)
            action = _unplanned(proposal, seen.workload, planned.message)
        else:
            action = planned
            seen, refusal = await self._review(policy, case, proposal, seen, action)
        if refusal is not None:
            await self.journal.refuse(policy, case, action, refusal, seen, body)
            if any(change.open and not self._is_carried_on(case, change) for change in seen.changes):
                case.loaded = False  # what nobody carries on is ended where the case is loaded
            if refusal.reason == BRAKE:
                await self._tell_of_brake(policy, case, seen, body, refusal)
            return refusal
        case.refusal = None
        decision = self._decision(policy, proposal, action)
        entry = self.journal.entry(policy, case, action, because, decision, seen)
        patched = gather.patched_body(action, seen, body)
        change = await self.journal.enter(case, entry, seen, patched)
        if change in case.unwritten:
            case.refusal = Refusal(WITHHELD, self._why_withheld(policy))
            return None
        case.last_change = change
        if decision is Decision.ACT:
            await self.changes.act(policy, case, change)
        elif decision is Decision.AWAIT_APPROVAL:
            await Questions(self.world, self.changes).asked(policy, case, change)
        return None

    async def _review(
        self, policy: Policy, case: Case, proposal: Proposal, seen: Observation, action: Action
    ) -> tuple[Observation, Refusal | None]:
        """What the guards say, by budgets as they are now; what may be done has an incident, whatever was withheld."""
        seen = gather.recounted(self.world, seen)
        refusal = review(policy, action, seen)
        if refusal or case.incident is not None or self._decision(policy, proposal, action) is Decision.DRY_RUN:
            return seen, refusal
        await self.journal.open_incident(policy, case, seen.workload, seen.now, needed=True)
        seen = gather.recounted(self.world, seen)
        return seen, review(policy, action, seen)

    def _decision(self, policy: Policy, proposal: Proposal, action: Action) -> Decision:
        return records.decision_of(mode_of(policy, proposal.remedy, self.world.boldest), action.kind)

    def _why_withheld(self, policy: Policy) -> str:
        return withholding.sentence(policy.key.namespace, self.world.bounds().records_per_hour)

    async def _escalate(self, policy: Policy, case: Case, seen: Observation, body: Body, why: Refusal) -> None:
        """Hand over to people: one notification, then quiet."""
        case.refusal = why
        if not _told(binding(policy, _own(case, seen.changes), seen.workload.release)):
            await self._call_people(policy, case, seen, body, why)
        if case.incident is None:
            return
        mine = records.of_incident(await self.changes.of_target(case), case.incident)
        status = incidents.progress(case.incident, mine, case.findings, seen.now)
        await self.journal.write_incident(case, incidents.escalated(status, f"{why.reason}: {why.message}"))
        await self.journal.tell(policy, case, "Escalated", why.message, workload=seen.workload, warning=True)

    async def _tell_of_brake(self, policy: Policy, case: Case, seen: Observation, body: Body, why: Refusal) -> None:
        """One notification for the whole fleet, on the first target that is held back. A rehearsal tells nobody."""
        observes = min(policy.spec.mode, self.world.boldest, key=lambda mode: mode.boldness) is Mode.OBSERVE
        if observes or seen.fleet is None or seen.fleet.told:
            return
        seen = gather.recounted(self.world, replace(seen, changes=await self.changes.of_target(case)))
        if seen.fleet is not None and not seen.fleet.told:
            why = replace(why, message=f"{why.message}. This is the one notification for all targets")
            await self._notify(policy, case, seen, body, why)

    async def _call_people(self, policy: Policy, case: Case, seen: Observation, body: Body, why: Refusal) -> None:
        seen = replace(seen, changes=await self.changes.of_target(case))
        await self._notify(policy, case, seen, body, why)

    async def _notify(self, policy: Policy, case: Case, seen: Observation, body: Body, why: Refusal) -> None:
        facts = seen.workload.facts()
        target, uid = case.target, seen.workload.uid
        notice = Action(ActionKind.NOTIFY, "", target, uid, why.message, facts, facts, reason=why.reason)
        mode = min(policy.spec.mode, self.world.boldest, key=lambda mode: mode.boldness)
        decision = records.decision_of(mode, ActionKind.NOTIFY)
        if decision is Decision.ACT:
            await self.journal.open_incident(policy, case, seen.workload, seen.now, needed=True)
        entry = self.journal.entry(policy, case, notice, (), decision, seen)
        change = await self.journal.enter(case, entry, seen, body)
        if decision is Decision.ACT:
            await self.changes.act(policy, case, change)


def _own(case: Case, changes: Sequence[PastChange]) -> list[PastChange]:
    """What was decided in the breach that lasts, on record or not."""
    return [*records.of_incident(changes, case.incident), *case.unwritten]


def _told(changes: Sequence[PastChange]) -> bool:
    """Whether people were notified of this target already; that the fleet brake holds is told of all of them."""
    notices = (c for c in changes if not c.action.writes and c.reason != BRAKE)
    return any(notice.decision != "Refuse" for notice in notices)


def _unplanned(proposal: Proposal, workload: Workload, message: str) -> Action:
    """A remedy that could not be planned, as far as its refusal needs it."""
    kind = kind_of(proposal.remedy).name
    return Action(kind, proposal.remedy.name, workload.key, workload.uid, message, workload.facts(), workload.facts())
