"""The target and all around it, read afresh, so that planning and judging are pure."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import structlog

from salus.core import releases
from salus.core.autoscaling import autoscalers_of, named, read_alone
from salus.core.budgets import longest_window
from salus.core.ownership import git_holds
from salus.core.proof import vouches
from salus.core.room import disruptions_from, room_from
from salus.core.workload import managed_by, workload_from
from salus.loop import permits, shelf
from salus.loop.world import World
from salus.model.change import Facts
from salus.model.meta import WorkloadKind
from salus.model.policy import Mode
from salus.model.types import Body
from salus.model.values import (
    Action,
    Autoscaler,
    Disruption,
    Fleet,
    Observation,
    PastChange,
    Rights,
    Room,
    ScalerKey,
    TargetKey,
    Workload,
)
from salus.ports import (
    AUTOSCALERS,
    CONTROLLER_REVISIONS,
    DISRUPTION_BUDGETS,
    LIMIT_RANGES,
    REPLICA_SETS,
    RESOURCE_QUOTAS,
    SCALED_OBJECTS,
    SCALERS,
    WORKLOADS,
    ClusterError,
    NotFound,
    Ref,
    Resource,
)
from salus.reconcile.context import Step

log = structlog.get_logger(__name__)


def workload_ref(target: TargetKey) -> Ref:
    """Address of a workload."""
    return Ref(WORKLOADS[target.kind], target.namespace, target.name)


def patched_ref(target: TargetKey, patched: ScalerKey | None) -> Ref:
    """Address of what a change of this target patches: its autoscaler, or (None) the target itself."""
    return Ref(SCALERS[patched.kind], target.namespace, patched.name) if patched else workload_ref(target)


def patched_body(action: Action, seen: Observation) -> Body:
    """What an action patches, as it was observed."""
    scaler = named(seen.autoscalers or (), action.patched)
    return scaler.body if scaler else seen.body


async def scaler_now(step: Step, patched: ScalerKey | None) -> Autoscaler | None:
    """An autoscaler that was patched, read afresh; None if it is gone, or was none. Raises ClusterError."""
    if patched is None:
        return None
    try:
        return scaler_of(await step.world.cluster.get(patched_ref(step.target, patched)))
    except NotFound:
        return None


def scaler_of(body: Body) -> Autoscaler | None:
    """The autoscaler as decisions need it; None if it scales nothing that Salus heals."""
    try:
        return read_alone(body)
    except ValueError as error:
        raise ClusterError(f"the API server sent something that is no autoscaler: {error}") from error


def facts_of_scaler(body: Body) -> Facts:
    """What a record says of an autoscaler: its minimum, and nothing else."""
    scaler = scaler_of(body)
    return Facts(min_replicas=scaler.floor if scaler else None)


def workload_of(body: Body) -> Workload:
    """The workload as decisions need it. A body that is none is an answer not to be trusted: ClusterError."""
    try:
        return workload_from(body)
    except ValueError as error:
        raise ClusterError(f"the API server sent something that is no workload: {error}") from error


def known(step: Step, workload: Workload) -> Observation:
    """What is known of the target without asking anybody: enough to see whether a reason to wait still holds."""
    return Observation(
        now=step.now,
        workload=workload,
        findings=step.case.findings,
        changes=step.changes,
        newest=step.world.records.newest_sequence(step.target),
        switches=step.world.switches(),
        fleet=_fleet(step, step.changes),
        rights=step.case.rights,
        boldest=step.world.boldest,
    )


async def observe(step: Step, changes: Sequence[PastChange] | None = None) -> Observation:
    """The live target with everything around it. Raises ClusterError when the target itself cannot be read.

    `changes`: its records, without the one that is judged. They are taken before the target is read, and never after
    it: another policy's write that falls between the two would be on record as done and not to be seen yet, which looks
    as if someone had taken it back.
    """
    world, case = step.world, step.case
    changes, newest = (step.changes if changes is None else changes), world.records.newest_sequence(case.target)
    body, scalers, kept = await asyncio.gather(
        world.cluster.get(workload_ref(case.target)),
        _autoscalers(world, case.target),
        shelf.kept_releases(world, case.target),
    )
    workload = workload_of(body)
    kept = releases.trusted(kept, rehearsal=not vouches(step.policy))
    good = next((release.hash for release in kept if release.healthy and release.hash != workload.release), None)
    history = releases.history_from(await _revisions(world, body, case.target))
    (disruptions, room), rights = await asyncio.gather(_protections(world, body), _rights(step, workload, scalers))
    observation = Observation(
        now=world.clock.now(),
        workload=workload,
        body=body,
        findings=case.findings,
        changes=tuple(changes),
        newest=newest,
        autoscalers=scalers,
        managed_by=managed_by(body),
        git_holds_replicas=git_holds(body),
        releases=kept,
        history=history,
        release_started_at=releases.release_started_at(history, good),
        switches=world.switches(),
        disruptions=disruptions,
        room=room,
        rights=rights,
        boldest=world.boldest,
    )
    return recounted(step, observation)


def recounted(step: Step, seen: Observation) -> Observation:
    """The same with budgets as they are at this moment; judge it, and begin its record, without an await between."""
    return replace(seen, fleet=_fleet(step, seen.changes))


def _fleet(step: Step, known: Sequence[PastChange]) -> Fleet | None:
    """All that counts against budgets; a record of the target that is not `known` is the very change that is judged."""
    if not step.world.records.is_current():
        log.warning("the records of other targets are not current: a watch is silent", target=str(step.target))
        return None
    judged = {change.name for change in step.changes} - {change.name for change in known}
    since = step.now - longest_window(step.world.switches())
    return step.world.ledger.fleet(step.target, judged, since)


def with_new_records(step: Step, seen: Observation) -> Observation:
    """The same with the target's records as they are at this moment."""
    newest = step.world.records.newest_sequence(step.target)
    return recounted(step, replace(seen, changes=step.changes, newest=newest))


async def _rights(step: Step, workload: Workload, scalers: tuple[Autoscaler, ...] | None) -> Rights | None:
    """As they are at this moment; an operator that writes to no workload does not ask."""
    if step.world.boldest is Mode.OBSERVE:
        return Rights()
    try:
        return await permits.look(step.world, step.policy, [workload], scalers or ())
    except ClusterError as error:
        log.warning("what the service account may do could not be asked", error=str(error))
        return None


async def _protections(world: World, body: Body) -> tuple[tuple[Disruption, ...] | None, Room | None]:
    """What keeps the target's pods from going, and more of them from coming."""
    namespace, template = body["metadata"]["namespace"], body["spec"]["template"]
    budgets, quotas, ranges = await asyncio.gather(
        *(_listed(world, resource, namespace) for resource in (DISRUPTION_BUDGETS, RESOURCE_QUOTAS, LIMIT_RANGES))
    )
    disruptions = None if budgets is None else disruptions_from(budgets, template)
    if quotas is None or ranges is None:
        return disruptions, None
    try:
        return disruptions, room_from(quotas, ranges, template)
    except ValueError as error:
        log.warning("the room of a namespace cannot be told", namespace=namespace, error=str(error))
        return disruptions, None


async def _listed(world: World, resource: Resource, namespace: str, *, optional: bool = False) -> list[Body] | None:
    """All of a kind; None when they cannot be read. `optional`: a kind that is not served has no objects."""
    try:
        return await world.cluster.list(resource, namespace)
    except NotFound as error:
        if optional:
            return []
        log.warning("not served", kind=resource.kind, error=str(error))
        return None
    except ClusterError as error:
        log.warning("not readable", kind=resource.kind, namespace=namespace, error=str(error))
        return None


async def _autoscalers(world: World, target: TargetKey) -> tuple[Autoscaler, ...] | None:
    """What scales the target; None when it cannot be told."""
    hpas, scaled = await asyncio.gather(
        _listed(world, AUTOSCALERS, target.namespace), _listed(world, SCALED_OBJECTS, target.namespace, optional=True)
    )
    if hpas is None or scaled is None:
        return None
    try:
        return autoscalers_of(target, (*hpas, *scaled))
    except ValueError as error:
        log.warning("an autoscaler cannot be read", namespace=target.namespace, error=str(error))
        return None


async def _revisions(world: World, body: Body, target: TargetKey) -> list[Body]:
    """What tells when the releases of the target began; those that Salus keeps have no owner and are not among it."""
    resource = REPLICA_SETS if target.kind is WorkloadKind.DEPLOYMENT else CONTROLLER_REVISIONS
    labels = (body["spec"].get("selector") or {}).get("matchLabels") or {}
    found = await world.cluster.list(resource, target.namespace, labels)
    uid = body["metadata"]["uid"]
    return [one for one in found if any(o.get("uid") == uid for o in one["metadata"].get("ownerReferences") or ())]
