"""Reads afresh everything that planners and guards judge, so that judging itself is pure."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import structlog

from salus.core import releases
from salus.core.ownership import git_holds_replicas
from salus.core.records import TARGET_LABEL, past_changes, target_id
from salus.core.room import disruptions_from, room_from
from salus.core.workload import autoscaler_from, managed_by, workload_from
from salus.loop import permits
from salus.loop.world import Case, World
from salus.model.meta import WorkloadKind
from salus.model.policy import Mode
from salus.model.types import Body
from salus.model.values import (
    Autoscaler,
    Disruption,
    Fleet,
    Observation,
    PastChange,
    Policy,
    Release,
    Rights,
    Room,
    TargetKey,
    Workload,
)
from salus.ports import (
    AUTOSCALERS,
    CHANGE_EVENTS,
    CONTROLLER_REVISIONS,
    DISRUPTION_BUDGETS,
    LIMIT_RANGES,
    REPLICA_SETS,
    RESOURCE_QUOTAS,
    WORKLOADS,
    ClusterError,
    Ref,
    Resource,
)

log = structlog.get_logger(__name__)


def workload_ref(target: TargetKey) -> Ref:
    """Address of a workload."""
    return Ref(WORKLOADS[target.kind], target.namespace, target.name)


def workload_of(body: Body) -> Workload:
    """The workload as decisions need it. A body that is none is an answer not to be trusted: ClusterError."""
    try:
        return workload_from(body)
    except ValueError as error:
        raise ClusterError(f"the API server sent something that is no workload: {error}") from error


async def change_bodies(world: World, target: TargetKey) -> list[Body]:
    """All records of a target, over all policies."""
    return await world.cluster.list(CHANGE_EVENTS, target.namespace, {TARGET_LABEL: target_id(target)})


async def kept_releases(world: World, target: TargetKey) -> tuple[Release, ...]:
    """The releases of a target that are on record."""
    labels = {TARGET_LABEL: target_id(target)}
    return releases.releases_from(await world.cluster.list(CONTROLLER_REVISIONS, target.namespace, labels))


async def observe(
    world: World, policy: Policy, case: Case, changes: Sequence[PastChange] | None = None
) -> tuple[Observation, Body]:
    """The live target with everything around it. Raises ClusterError when the target itself cannot be read."""
    body, scalers, kept, fleet = await asyncio.gather(
        world.cluster.get(workload_ref(case.target)),
        _autoscalers(world, case.target),
        kept_releases(world, case.target),
        _fleet(world, case.target),
    )
    workload = workload_of(body)
    if changes is None:
        changes = past_changes(await change_bodies(world, case.target))
    good = next((r.hash for r in kept if r.healthy_at and not r.quarantined_by and r.hash != workload.release), None)
    history = releases.history_from(await _revisions(world, body, case.target))
    (disruptions, room), rights = await asyncio.gather(_protections(world, body), _rights(world, policy, workload))
    observation = Observation(
        now=world.clock.now(),
        workload=workload,
        findings=case.findings,
        changes=tuple(changes),
        autoscalers=scalers,
        managed_by=managed_by(body),
        git_holds_replicas=git_holds_replicas(body),
        releases=kept,
        history=history,
        release_started_at=releases.release_started_at(history, good),
        switches=world.switches(),
        fleet=fleet,
        disruptions=disruptions,
        room=room,
        rights=rights,
    )
    return recounted(world, observation), body


def recounted(world: World, seen: Observation) -> Observation:
    """The same with budgets as they are at this moment; judge it, and begin its record, without an await between."""
    return seen if seen.fleet is None else replace(seen, fleet=world.ledger.fleet(seen.workload.key, seen.changes))


async def _fleet(world: World, target: TargetKey) -> Fleet | None:
    try:
        await world.ledger.refresh(world.cluster, world.namespaces, world.clock.now())
    except ClusterError as error:
        log.warning("the records of other targets could not be read", error=str(error))
        return None
    return world.ledger.fleet(target)


async def _rights(world: World, policy: Policy, workload: Workload) -> Rights | None:
    """As they are at this moment; an operator that writes to no workload does not ask."""
    if world.boldest is Mode.OBSERVE:
        return Rights()
    try:
        return await permits.look(world, policy, [workload])
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


async def _listed(world: World, resource: Resource, namespace: str) -> list[Body] | None:
    try:
        return await world.cluster.list(resource, namespace)
    except ClusterError as error:
        log.warning("not readable", kind=resource.kind, namespace=namespace, error=str(error))
        return None


async def _autoscalers(world: World, target: TargetKey) -> tuple[Autoscaler, ...] | None:
    bodies = await _listed(world, AUTOSCALERS, target.namespace)
    if bodies is None:
        return None
    found = [autoscaler_from(body) for body in bodies]
    return tuple(pair[1] for pair in found if pair is not None and pair[0] == target)


async def _revisions(world: World, body: Body, target: TargetKey) -> list[Body]:
    """What tells when the releases of the target began; those that Salus keeps have no owner and are not among it."""
    resource = REPLICA_SETS if target.kind is WorkloadKind.DEPLOYMENT else CONTROLLER_REVISIONS
    labels = (body["spec"].get("selector") or {}).get("matchLabels") or {}
    found = await world.cluster.list(resource, target.namespace, labels)
    uid = body["metadata"]["uid"]
    return [one for one in found if any(o.get("uid") == uid for o in one["metadata"].get("ownerReferences") or ())]
