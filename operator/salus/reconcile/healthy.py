"""A target at which nothing is unhealthy: close the incident, keep the release."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from salus.core.actions.scale import goes_back
from salus.core.objects.pods import pods_have_to_tell, told_by_pods
from salus.core.records import incidents, releases
from salus.core.records.incidents import Closing
from salus.core.records.release_proof import NotProven, Witness, longest_bake, prove, vouches
from salus.model.values.metrics import CheckState, Finding
from salus.model.values.objects import Workload
from salus.model.values.policies import Policy
from salus.reconcile import releases as release_keeping
from salus.reconcile.cases import Case
from salus.reconcile.context import Step
from salus.reconcile.observe import target
from salus.reconcile.observe.measure import Measurer
from salus.reconcile.records import journal
from salus.reconcile.releases import Live

log = structlog.get_logger(__name__)

LOOK_AGAIN = timedelta(minutes=1)
"""Where the history that would prove a release was not told: else its bake would begin anew at each restart."""

Others = Callable[[Case, Workload], Sequence[Witness]]
"""What the other policies of the same target have to say of it."""


async def close_out(step: Step, workload: Workload, others: Others) -> None:
    """One tick of health; Unknown checks leave everything as it is."""
    case, now = step.case, step.now
    stable, hold_down = step.policy.spec.verify.stable, step.context.bounds().hold_down
    if (clear := incidents.settled_for(step.incident, case.findings, stable, hold_down, now)) is not None:
        await close_or_hold(step, clear)
    if incidents.is_well(step.incident, case.findings):
        case.is_well()
        await _keep_release(step, workload, now, others)


async def close_or_hold(step: Step, clear: timedelta) -> None:
    """Close the incident when its target was healthy for `holdDown`; before, say once until when it stays open."""
    incident, now, wanted = step.incident, step.now, step.context.bounds().hold_down
    match incidents.closing(incident, clear, wanted, now):
        case Closing.CLOSE:
            await resolve(step)
        case Closing.HOLD if incident is not None:
            status = incidents.progress(incident, step.of_incident, step.case.findings, now)
            await journal.write_incident(step, incidents.held(status, now - clear, wanted, now))
            step.case.is_calm()


async def resolve(step: Step, resolution: str = "") -> None:
    """Close the incident; what still waits for a person in it has expired."""
    await journal.close_questions(step.context, step.namespace, step.of_incident)
    if (incident := step.incident) is None:
        return
    mine = step.of_incident
    status = incidents.progress(incident, mine, step.case.findings, step.now)
    status = incidents.resolved(status, mine, step.now, resolution)
    await journal.write_incident(step, status)
    log.info("incident resolved")
    if incidents.told_by(incident):
        note = f"{incident['metadata']['name']} is over: {status['message']}"
        await step.tell("IncidentResolved", note)
    step.case.close()


async def _keep_release(step: Step, workload: Workload, now: datetime, others: Others) -> None:
    """A release that all policies of the target have proven healthy is worth going back to.

    So is its size, where a remedy may go back to that: noted anew whenever another has been there for `bake`.
    """
    case, release = step.case, workload.proves
    sized, notes_size = case.sized_since(workload, now), goes_back(step.policy)
    if releases.is_noted(workload, case.good_release, case.good_size, notes_size=notes_size):
        return
    if (since := await _rolled_out_since(step, workload)) is None:
        return
    witnesses = [witness_of(step.policy, case, in_incident=step.incident is not None), *others(case, workload)]
    bake, since = longest_bake(witnesses), releases.proof_begins(workload, case.good_release, since, sized)
    if not releases.rollout_has_settled(workload, since, bake, now):
        return
    if isinstance(prove(witnesses[:1], since, bake), NotProven):
        await _look_back(step, release, bake)
        witnesses[0] = witness_of(step.policy, case, in_incident=step.incident is not None)
    proof = prove(witnesses, since, bake)
    size = releases.size_to_note(workload, sized, bake, now, notes_size=notes_size)
    if isinstance(proof, NotProven):
        log.debug("the release is not kept yet", release=release, why=proof.message)
    elif await release_keeping.keep(step.context, case, Live(workload, since, size), proof):
        case.keeps(release, size)


async def _rolled_out_since(step: Step, workload: Workload) -> datetime | None:
    """Since when the live release is rolled out; where only its pods tell, they are read once a release."""
    if pods_have_to_tell(workload) and not step.case.knows_rollout_of(workload.proves):
        body = await step.context.cluster.get(target.workload_ref(step.target))
        told = told_by_pods(workload, body, await target.pods_of(step.context, step.target, body, ()))
        return step.case.rolled_out_since(told, step.now) if told else None
    return step.case.rolled_out_since(workload, step.now)


def witness_of(policy: Policy, case: Case | None, *, in_incident: bool) -> Witness:
    """What a policy has seen of its target; nothing, where its checks were not asked since it was edited."""
    if case is None:
        return Witness(policy.key.name, policy.spec.bake, vouches(policy))
    findings = case.findings if case.asked is policy else ()
    return Witness(policy.key.name, policy.spec.bake, vouches(policy), findings, in_incident)


async def _look_back(step: Step, release: str, bake: timedelta) -> None:
    """What this process did not see of how long all was well is asked of Prometheus, until it has told it once."""
    case = step.case
    if not case.looks_back(release, step.now):
        return
    told = await Measurer(step.context).recover(step.policy, case, bake)
    case.has_looked_back(release, None if told else step.now + LOOK_AGAIN)
    case.found(tuple(_as_remembered(finding, case.states.get(finding.check)) for finding in case.findings))


def _as_remembered(finding: Finding, state: CheckState | None) -> Finding:
    """A healthy finding with what a look back has taught of how long it has been so."""
    if state is None or finding.since is None or state.healthy_since is None:
        return finding
    return replace(finding, since=min(finding.since, state.healthy_since))
