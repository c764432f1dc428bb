"""The ladder of an unhealthy target: propose, plan, guard, record; the next rung where one cannot be had.

What is proposed, and whether a reason to wait still holds, follows from findings, records and the watched workload;
everything around the target is read only for a proposal and for the blame. Telling people is left to `people`.
"""

from collections.abc import Sequence

import structlog

from salus.core.actions import kind_of, plan
from salus.core.actions.kind import PlanRequest
from salus.core.cause.blame import blame
from salus.core.guards import chain
from salus.core.guards.chain import UNKNOWN
from salus.core.records import changes as records
from salus.core.records import incidents, withholding
from salus.core.records.withholding import REASON as WITHHELD
from salus.core.remedy import approvals, ladder, waiting
from salus.core.remedy.ladder import Proposal
from salus.core.remedy.waiting import Held
from salus.model.change import Decision
from salus.model.scalars import parse_time
from salus.model.values.changes import Action, Infeasible, Refusal, Then
from salus.model.values.objects import Workload
from salus.model.values.observation import Observation
from salus.ports import ClusterError, Conflict
from salus.reconcile import people
from salus.reconcile.context import Came, Step
from salus.reconcile.observe import references, suspects, target
from salus.reconcile.observe.measure import Measurer
from salus.reconcile.records import journal

log = structlog.get_logger(__name__)


async def climb(step: Step, came: Came) -> Came:
    """Take the next rung that can be had, at most one a tick, or say why not, and have people told if it is time."""
    await journal.open_incident(step, came.workload, await _lacked(step))
    try:
        found = await _next_rung(step, came, await _tell_blame(step))
    except Conflict:  # someone else was first: the next tick sees what they did
        raise
    except ClusterError as error:
        await people.hear(step, came, Refusal(UNKNOWN, f"the target, or what is around it, cannot be read: {error}"))
        raise
    came = await people.hear(step, came, found) if isinstance(found, Refusal) else found
    if came.rests:
        await journal.follow(step)
    return came


async def _lacked(step: Step) -> Sequence[str]:
    """The checks that had no data before what is now an incident; the past is asked once."""
    if step.incident is not None or step.case.withheld:
        return ()
    began = incidents.began(step.case.findings, step.now)
    return await Measurer(step.context).lacked(step.policy, step.case, began)


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


async def _next_rung(step: Step, came: Came, seen: Observation | None) -> Came | Refusal:
    """What came of the next rung, or why none is taken.

    Decided by what is known; observed only if there is something to do, and then decided by that.
    """
    if seen is None:
        why = _waits(step, came.workload) or await _is_held(step, came.workload)
        if why is not None:
            return why
        seen = await target.observe(step)
    return await _try_rungs(step, came, seen)


def _waits(step: Step, workload: Workload) -> Refusal | None:
    """Why there is nothing to do now, if so."""
    policy, mine = step.policy, step.of_breach
    escalated = step.incident is not None and incidents.is_escalated(step.incident)
    if escalated and (ended := waiting.is_over(policy, mine, workload)) is not None:
        return ended
    proposed = waiting.next_step(policy, step.case.findings, mine, workload, step.now)
    return None if isinstance(proposed, Proposal) else waiting.refusal(proposed)


async def _is_held(step: Step, workload: Workload) -> Refusal | None:
    """The last refusal, while it still holds by what is known without asking anybody; it is counted once more."""
    held = step.case.held
    if held is None or not held.holds(_rests_on(step, workload), step.now):
        return None
    seen = target.known(step, workload)
    refusal = held.said_again(step.policy, seen)
    if refusal is held.refusal:
        step.case.refuse(refusal)
    elif refusal is not None:
        await journal.refuse(step, held.action, refusal, seen)
    return refusal


def _rests_on(step: Step, workload: Workload) -> tuple[object, ...]:
    return waiting.rests_on(step.policy, workload, step.changes, step.case.findings)


async def _try_rungs(step: Step, came: Came, seen: Observation) -> Came | Refusal:
    for _ in range(len(step.policy.spec.remedies) + 1):
        proposed = waiting.next_step(step.policy, step.case.findings, step.of_breach, seen.workload, step.now)
        if not isinstance(proposed, Proposal):
            return waiting.refusal(proposed)
        refused = await _attempt(step, came, proposed, seen)
        if isinstance(refused, Came) or refused.then in {Then.WAIT, Then.ESCALATE}:
            return refused
        seen = await target.observe(step)
    return came.at_rest()


async def _attempt(step: Step, came: Came, proposal: Proposal, seen: Observation) -> Came | Refusal:
    """Try one rung: what came of it when it was recorded, or the refusal that is now on record."""
    remedy, because = proposal.remedy, proposal.because
    incident = step.incident["metadata"]["name"] if step.incident else ""
    if kind_of(remedy).replaces_release:
        seen = await suspects.release_suspect(step, seen)
        seen = await references.what_exists(step.context, seen)
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


def _unplanned(proposal: Proposal, workload: Workload, message: str) -> Action:
    """A remedy that could not be planned, as far as its refusal needs it."""
    kind = kind_of(proposal.remedy).name
    return Action(kind, proposal.remedy.name, workload.key, workload.uid, message, workload.facts(), workload.facts())
