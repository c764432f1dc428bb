"""Frees the rollback of a StatefulSet, or the undo of one, from the pod that holds it back.

The deletion belongs to the change that was recorded and guarded, so it has no record of its own: the change's
message names the pod before it is deleted. The uid makes it safe to repeat after a crash: a pod that was made anew is
another one.
"""

from collections.abc import Mapping

import structlog

from salus.core import records
from salus.core.pods import stuck_pod
from salus.core.rights import rehearses
from salus.core.workload import same_release
from salus.loop import gather
from salus.loop.world import Case, World, client_for
from salus.model.policy import Mode
from salus.model.types import Body
from salus.model.values import PastChange, Policy
from salus.ports import CHANGE_EVENTS, PODS, NotFound, Ref, Rejected

log = structlog.get_logger(__name__)


async def free_rollout(world: World, policy: Policy, case: Case, change: PastChange) -> PastChange:
    """Delete the pod that holds the rollout back, if there is one; the change as it is on record then.

    Nothing is deleted while the kill switch is on or the policy is suspended or observes, nor where someone has put
    another release there since.
    """
    observes = world.boldest is Mode.OBSERVE or rehearses(policy, change.remedy)
    if world.switches().kill_switch or policy.spec.suspend or observes:
        return change
    try:
        body = await world.cluster.get(gather.workload_ref(case.target))
    except NotFound:
        return change
    workload = gather.workload_of(body)
    meant = change.intended is not None and same_release(workload.release, change.intended.release)
    if workload.uid != change.target_uid or not meant or not workload.ordered or workload.deleting:
        return change
    pod = stuck_pod(body, await world.cluster.list(PODS, case.target.namespace, _selector(body)))
    return change if pod is None else await _delete(world, policy, change, pod)


async def has_begun(world: World, case: Case) -> bool:
    """Whether the controller has seen the newest template: before that nobody can say which pod is in its way."""
    try:
        workload = gather.workload_of(await world.cluster.get(gather.workload_ref(case.target)))
    except NotFound:
        return True
    return workload.observed_generation >= workload.generation


async def _delete(world: World, policy: Policy, change: PastChange, pod: Body) -> PastChange:
    """Say so first, then do it."""
    metadata = pod["metadata"]
    name, uid = metadata["name"], metadata["uid"]
    change = await _note(
        world, policy, change, f"deleting pod {name} ({uid}), which is not ready and holds the rollout back"
    )
    try:
        await client_for(world, policy).delete(Ref(PODS, metadata["namespace"], name), uid=uid)
    except NotFound:
        log.info("the pod that held the rollout back is gone already", pod=name)
    except Rejected as error:
        return await _note(world, policy, change, f"pod {name} could not be deleted: {error}")
    log.info("deleted the pod that held the rollout back", pod=name, uid=uid)
    return change


async def _note(world: World, policy: Policy, change: PastChange, text: str) -> PastChange:
    """Add it to the record's message, once."""
    if text in change.note:
        return change
    ref = Ref(CHANGE_EVENTS, policy.key.namespace, change.name)
    message = f"{change.note}; {text}" if change.note else text
    written = await world.cluster.update_status(ref, {"message": message[:1024]})
    world.records.note(written)
    return records.past_change(written)


def _selector(body: Body) -> Mapping[str, str]:
    labels: Mapping[str, str] = (body["spec"].get("selector") or {}).get("matchLabels") or {}
    return labels
