"""Frees the rollback of a StatefulSet, or the undo of one, from the pod that holds it back.

The deletion belongs to the change that was recorded and guarded, so it has no record of its own: the change's
message names the pod before it is deleted. The uid makes it safe to repeat after a crash: a pod that was made anew is
another one.
"""

import structlog

from salus.core.objects.pods import stuck_pod
from salus.core.remedy import change_lifecycle
from salus.model.scalars import Body
from salus.model.values.changes import Change
from salus.ports import PODS, NotFound, Ref, Rejected
from salus.reconcile.context import Step, client_for
from salus.reconcile.observe import target
from salus.reconcile.records import journal

log = structlog.get_logger(__name__)


async def delete_stuck_pod(step: Step, change: Change) -> Change:
    """Delete the pod that holds the rollout back, if there is one; the change as it is on record then.

    Nothing is deleted while the kill switch is on or the policy is suspended or observes, nor where someone has put
    another release there since.
    """
    if not change_lifecycle.may_delete_stuck_pod(step.policy, change, step.context.switches(), step.context.mode_cap):
        return change
    try:
        body = await step.context.cluster.get(target.workload_ref(step.target))
    except NotFound:
        return change
    if not change_lifecycle.waits_for_its_pods(change, target.workload_of(body, step.context.stamps)):
        return change
    pod = stuck_pod(body, await target.pods_of(step.context, step.target, body, ()))
    return change if pod is None else await _delete(step, change, pod)


async def has_begun(step: Step) -> bool:
    """Whether the controller has seen the newest template: before that nobody can say which pod is in its way."""
    try:
        body = await step.context.cluster.get(target.workload_ref(step.target))
        workload = target.workload_of(body, step.context.stamps)
    except NotFound:
        return True
    return workload.observed_generation >= workload.generation


async def _delete(step: Step, change: Change, pod: Body) -> Change:
    """Say so first, then do it."""
    name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
    change = await journal.note(
        step, change, f"deleting pod {name} ({uid}), which is not ready and holds the rollout back"
    )
    try:
        await client_for(step.context, step.policy).delete(Ref(PODS, pod["metadata"]["namespace"], name), uid=uid)
    except NotFound:
        log.info("the pod that held the rollout back is gone already", pod=name)
    except Rejected as error:
        return await journal.note(step, change, f"pod {name} could not be deleted: {error}")
    log.info("deleted the pod that held the rollout back", pod=name, uid=uid)
    return change
