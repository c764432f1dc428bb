"""The ladder of an unhealthy target: propose, plan, guard, record; the next rung where one cannot be had.

What is proposed, and whether a reason to wait still holds, follows from findings, records and the watched workload;
everything around the target is read only for a proposal, for the blame and for a call to people.
"""

from dataclasses import replace

import structlog

from salus.core.actions import kind_of, plan
from salus.core.actions.kind import PlanRequest
from salus.core.cause.blame import blame
from salus.core.guards import chain
from salus.core.guards.budgets import BRAKE
from salus.core.records import changes as records
from salus.core.records import incidents, withholding
from salus.core.records.withholding import REASON as WITHHELD
from salus.core.remedy import approvals, ladder, waiting
from salus.core.remedy.ladder import Exhausted, Proposal, Wait
from salus.core.remedy.waiting import Held
from salus.model.change import ActionKind, Decision
from salus.model.policy import weakest_mode
from salus.model.scalars import parse_time
from salus.model.values.changes import Action, Infeasible, Refusal, Then
from salus.model.values.objects import Workload
from salus.model.values.observation import Observation
from salus.reconcile import changes
from salus.reconcile.context import Came, Step
from salus.reconcile.observe import suspects, target
from salus.reconcile.records import journal

log = structlog.get_logger(__name__)


async def climb(step: Step, came: Came) -> Came:
    """Take the next rung that can be had, at most one a tick, or say why not."""
    await journal.open_incident(step, came.workload)
    seen = await _tell_blame(step)
    came = await _next_rung(step, came, seen)
    if came.rests:
        await journal.follow(step)
    return came


async def _tell_blame(step: Step) -> Observation | None:
    """Once an incident, before anything is done about it; what was seen of the target for it, if it was just now."""
    incident = step.incident
    if incident is None or incidents.is_blamed(incident):
        return None
    seen = await target.observe(step)
    around = await suspects.all_suspects(step, seen)
    found = blame(around, around.body, parse_time(incident["spec"]["openedAt"]))
    status = incidents.progress(incident, step.of_incident, step.case.findings, seen.now)
    await journal.write_incident(step, incidents.blamed(status, found))
    return seen


async def _next_rung(step: Step, came: Came, seen: Observation | None) -> Came:
    """Decide by what is known; observe only if there is something to do or to say, and then decide by that."""
    if seen is None:
        if _waits(step, came.workload) or await _is_held(step, came.workload):
            return came.at_rest()
        seen = await target.observe(step)
    if _waits(step, seen.workload):
        return came.at_rest()
    return await _try_rungs(step, came, seen)


def _waits(step: Step, workload: Workload) -> bool:
    """Whether there is nothing to do now, nor anything to add for people."""
    policy, mine = step.policy, step.of_breach
    escalated = step.incident is not None and incidents.is_escalated(step.incident)
    proposed = waiting.next_step(policy, step.case.findings, mine, workload, step.now)
    if isinstance(proposed, Wait):
        log.debug("waiting", reason=proposed.reason, message=proposed.message)
        return True
    return waiting.is_with_people(policy, mine, workload, escalated=escalated)


async def _is_held(step: Step, workload: Workload) -> bool:
    """Whether the last refusal still holds, by what is known without asking anybody; then it is counted once more."""
    held = step.case.held
    if held is None or not held.holds(_rests_on(step, workload), step.now):
        return False
    seen = target.known(step, workload)
    refusal = held.said_again(step.policy, seen)
    if refusal is None:
        return False
    if refusal is held.refusal:
        step.case.refuse(refusal)
    else:
        await journal.refuse(step, held.action, refusal, seen)
    return True


def _rests_on(step: Step, workload: Workload) -> tuple[object, ...]:
    return waiting.rests_on(step.policy, workload, step.changes, step.case.findings)


async def _try_rungs(step: Step, came: Came, seen: Observation) -> Came:
    for _ in range(len(step.policy.spec.remedies) + 1):
        match waiting.next_step(step.policy, step.case.findings, step.of_breach, seen.workload, step.now):
            case Wait(reason=reason, message=message):
                log.debug("waiting", reason=reason, message=message)
                return came.at_rest()
            case Exhausted(reason=reason, message=message):
                await _escalate(step, seen, Refusal(reason, message))
                return came.at_rest()
            case Proposal() as proposal:
                refused = await _attempt(step, came, proposal, seen)
                if isinstance(refused, Came):
                    return refused
                if refused.then is Then.WAIT:
                    return came.at_rest()
                if refused.then is Then.ESCALATE:
                    await _escalate(step, seen, refused)
                    return came.at_rest()
                seen = await target.observe(step)
    return came.at_rest()


async def _attempt(step: Step, came: Came, proposal: Proposal, seen: Observation) -> Came | Refusal:
    """Try one rung: what came of it when it was recorded, or the refusal that is now on record."""
    remedy, because = proposal.remedy, proposal.because
    incident = step.incident["metadata"]["name"] if step.incident else ""
    if kind_of(remedy).replaces_release:
        seen = await suspects.release_suspect(step, seen)
    place = step.policy.spec.remedies.index(remedy)
    planned = plan(PlanRequest(remedy, place, because, seen, seen.body, incident))
    if isinstance(planned, Infeasible):
        refusal: Refusal | None = Refusal(planned.reason, planned.message, Then.NEXT)
        action = _unplanned(proposal, seen.workload, planned.message)
    else:
        action = planned
        seen, refusal = await _review(step, proposal, seen, action)
    if refusal is not None:
        await journal.refuse(step, action, refusal, seen)
        if refusal.reason == BRAKE:
            await _tell_of_brake(step, seen, refusal)
        if refusal.then is Then.WAIT:
            held = Held(action, refusal, _rests_on(step, came.workload), step.now)
            step.case.wait_for(held, step.policy.spec.interval)
        return refusal
    return await _record(step, came, proposal, action, seen)


async def _review(
    step: Step, proposal: Proposal, seen: Observation, action: Action
) -> tuple[Observation, Refusal | None]:
    """What the guards say, by budgets as they are now; what may be done has an incident, whatever was withheld."""
    seen = target.recounted(step, seen)
    refusal = chain.review(step.policy, action, seen)
    if refusal or step.incident is not None or _decision(step, proposal, action) is Decision.DRY_RUN:
        return seen, refusal
    await journal.open_incident(step, seen.workload, needed=True)
    seen = target.recounted(step, seen)
    return seen, chain.review(step.policy, action, seen)


async def _record(step: Step, came: Came, proposal: Proposal, action: Action, seen: Observation) -> Came:
    """Nobody objects: put it on record, as an intent, a question or a rehearsal."""
    step.case.goes_ahead()
    decision = _decision(step, proposal, action)
    made = journal.entry(step, action, proposal.because, decision, seen)
    change = await journal.enter(step, made, seen, target.patched_body(action, seen))
    if change in step.case.unwritten:
        most = step.context.bounds().records_per_hour
        step.case.refuse(Refusal(WITHHELD, withholding.sentence(step.namespace, most)))
    elif decision is Decision.ACT:
        return came.meaning(change)
    elif decision is Decision.AWAIT_APPROVAL:
        await step.tell("ApprovalRequired", approvals.request(change, step.namespace, step.now), warning=True)
    return came.at_rest()


def _decision(step: Step, proposal: Proposal, action: Action) -> Decision:
    return records.decision_of(ladder.mode_of(step.policy, proposal.remedy, step.context.mode_cap), action.kind)


# --- people


async def _escalate(step: Step, seen: Observation, why: Refusal) -> None:
    """Hand over to people: one notification, then quiet."""
    step.case.refuse(why)
    if not ladder.were_notified(ladder.still_relevant(step.policy, step.of_breach, seen.workload.release)):
        await _notify(step, target.with_new_records(step, seen), why)
    if (incident := step.incident) is None:
        return
    status = incidents.progress(incident, step.of_incident, step.case.findings, seen.now)
    await journal.write_incident(step, incidents.escalated(status, f"{why.reason}: {why.message}"))
    await step.tell("Escalated", why.message, workload=seen.workload, warning=True)


async def _tell_of_brake(step: Step, seen: Observation, why: Refusal) -> None:
    """One notification for the whole fleet, on the first target that is held back. A rehearsal tells nobody."""
    if ladder.rehearses_all(step.policy, step.context.mode_cap):
        return
    seen = target.with_new_records(step, seen)
    if seen.fleet is not None and not seen.fleet.notified:
        await _notify(step, seen, replace(why, message=f"{why.message}. This is the one notification for all targets"))


async def _notify(step: Step, seen: Observation, why: Refusal) -> None:
    notice = records.notification(seen.workload, why)
    decision = records.decision_of(weakest_mode(step.policy.spec.mode, step.context.mode_cap), ActionKind.NOTIFY)
    if decision is Decision.ACT:
        await journal.open_incident(step, seen.workload, needed=True)
    made = journal.entry(step, notice, (), decision, seen)
    change = await journal.enter(step, made, seen, seen.body)
    if decision is Decision.ACT:
        await changes.post(step, change)


def _unplanned(proposal: Proposal, workload: Workload, message: str) -> Action:
    """A remedy that could not be planned, as far as its refusal needs it."""
    kind = kind_of(proposal.remedy).name
    return Action(kind, proposal.remedy.name, workload.key, workload.uid, message, workload.facts(), workload.facts())
