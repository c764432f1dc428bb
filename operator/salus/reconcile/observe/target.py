"""The target and all around it, read afresh, so that planning and judging are pure."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ParamSpec, TypeVar

import structlog

from salus.core.guards.budgets import longest_window
from salus.core.objects import admission
from salus.core.objects.autoscalers import autoscalers_of, named, read_alone
from salus.core.objects.disruptions import disruptions_from
from salus.core.objects.owners import PRIMARY, follower_of
from salus.core.objects.ownership import git_holds
from salus.core.objects.pods import of_template
from salus.core.objects.selectors import controlled_by, of_workload
from salus.core.objects.turnover import turnover
from salus.core.objects.workloads import managed_by, restarted_at, workload_from
from salus.core.records import releases
from salus.core.records.release_proof import vouches
from salus.model.change import Facts
from salus.model.meta import WorkloadKind
from salus.model.policy import Mode
from salus.model.scalars import Body
from salus.model.values.changes import Action, Change
from salus.model.values.configuration import Stamps
from salus.model.values.fleet import Fleet
from salus.model.values.keys import ScalerKey, TargetKey
from salus.model.values.objects import (
    Admission,
    Autoscaler,
    Disruption,
    Headroom,
    Release,
    Revision,
    Selector,
    Workload,
)
from salus.model.values.observation import Observation
from salus.model.values.permissions import Permissions
from salus.ports import (
    AUTOSCALERS,
    CONTROLLER_REVISIONS,
    DISRUPTION_BUDGETS,
    LIMIT_RANGES,
    NAMESPACES,
    PODS,
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
from salus.reconcile.context import Context, Step
from salus.reconcile.observe import permissions as account_permissions
from salus.reconcile.records import kept_releases

log = structlog.get_logger(__name__)
_Asked = ParamSpec("_Asked")
_Read = TypeVar("_Read")


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
        return scaler_of(await step.context.cluster.get(patched_ref(step.target, patched)))
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
    return Facts(min_replicas=scaler.minimum if scaler else None)


def workload_of(body: Body, stamps: Stamps) -> Workload:
    """The workload as decisions need it. A body that is none is an answer not to be trusted: ClusterError."""
    try:
        return workload_from(body, stamps)
    except ValueError as error:
        raise ClusterError(f"the API server sent something that is no workload: {error}") from error


def known(step: Step, workload: Workload) -> Observation:
    """What is known of the target without asking anybody: enough to see whether a reason to wait still holds."""
    return Observation(
        now=step.now,
        workload=workload,
        findings=step.case.findings,
        changes=step.changes,
        unseen=_unseen(step.context, step.changes),
        newest=step.context.records.newest_sequence(step.target),
        switches=step.context.switches(),
        fleet=_fleet(step, step.changes),
        permissions=step.case.permissions,
        moved_at=step.case.moved_at(workload, step.now),
        mode_cap=step.context.mode_cap,
    )


async def observe(step: Step, changes: Sequence[Change] | None = None) -> Observation:
    """The live target with everything around it. Raises ClusterError when the target itself cannot be read.

    `changes`: its records, without the one that is judged. They are taken before the target is read, and never after
    it: another policy's write that falls between the two would be on record as done and not to be seen yet, which looks
    as if someone had taken it back.
    """
    context, case = step.context, step.case
    changes, newest = (step.changes if changes is None else changes), context.records.newest_sequence(case.target)
    body, scalers, kept = await asyncio.gather(
        context.cluster.get(workload_ref(case.target)),
        _autoscalers(context, case.target),
        kept_releases.kept_releases(context, case.target),
    )
    workload = workload_of(body, context.stamps)
    kept = releases.trusted(kept, rehearsal=not vouches(step.policy))
    good = next((release.hash for release in kept if release.healthy and release.hash != workload.release), None)
    made = await _made_of(context, body, case.target)
    history = releases.history_from(controlled_by(made, {body["metadata"]["uid"]}), context.stamps)
    protections, permissions, copy = await asyncio.gather(
        _protections(context, body, workload, history, kept),
        _rights(step, workload, scalers),
        _primary(context, case.target),
    )
    observation = Observation(
        now=context.clock.now(),
        workload=workload,
        body=body,
        findings=case.findings,
        changes=tuple(changes),
        unseen=_unseen(context, changes),
        newest=newest,
        autoscalers=scalers,
        managed_by=managed_by(body),
        follower=follower_of(case.target.kind, case.target.name, (*made, *copy)),
        git_holds_replicas=git_holds(body) or releases.git_held(kept, workload.release),
        releases=kept,
        history=history,
        release_started_at=releases.release_started_at(history, good),
        moved_at=case.moved_at(workload, context.clock.now()),
        switches=context.switches(),
        disruptions=protections.disruptions,
        admission=protections.admission,
        comebacks=protections.comebacks,
        permissions=permissions,
        mode_cap=context.mode_cap,
    )
    return recounted(step, observation)


def _unseen(context: Context, changes: Sequence[Change]) -> frozenset[str]:
    return frozenset(change.name for change in changes if not context.shows(change))


def recounted(step: Step, seen: Observation) -> Observation:
    """The same with budgets as they are at this moment; judge it, and begin its record, without an await between."""
    return replace(seen, fleet=_fleet(step, seen.changes))


def _fleet(step: Step, known: Sequence[Change]) -> Fleet | None:
    """All that counts against budgets; a record of the target that is not `known` is the very change that is judged."""
    if not step.context.records.is_current():
        log.warning("the records of other targets are not current: a watch is silent", target=str(step.target))
        return None
    judged = {change.name for change in step.changes} - {change.name for change in known}
    since = step.now - longest_window(step.context.switches())
    return step.context.fleet.fleet(step.target, judged, since)


def with_new_records(step: Step, seen: Observation) -> Observation:
    """The same with the target's records as they are at this moment."""
    newest = step.context.records.newest_sequence(step.target)
    return recounted(step, replace(seen, changes=step.changes, newest=newest))


async def _rights(step: Step, workload: Workload, scalers: tuple[Autoscaler, ...] | None) -> Permissions | None:
    """As they are at this moment; an operator that writes to no workload does not ask."""
    if step.context.mode_cap is Mode.OBSERVE:
        return Permissions()
    try:
        return await account_permissions.look(step.context, step.policy, [workload], scalers or ())
    except ClusterError as error:
        log.warning("what the service account may do could not be asked", error=str(error))
        return None


@dataclass(frozen=True, slots=True)
class _Protections:
    """What keeps the target's pods from going, and more of them from coming."""

    disruptions: tuple[Disruption, ...] | None
    """None when it cannot be told."""
    admission: Admission
    comebacks: Mapping[str, Admission]


async def _protections(
    context: Context, body: Body, workload: Workload, history: Sequence[Revision], kept: Sequence[Release]
) -> _Protections:
    namespace = workload.key.namespace
    labels, budgets, quotas, ranges = await asyncio.gather(
        _labels_of(context, namespace),
        _listed(context, DISRUPTION_BUDGETS, namespace),
        _listed(context, RESOURCE_QUOTAS, namespace),
        _listed(context, LIMIT_RANGES, namespace),
    )
    rules, template = admission.Rules(labels, ranges, quotas), body["spec"]["template"]
    good = [release for release in kept if release.good and release.hash != workload.release]
    refused = {release.name: _read(admission.refusal, rules, release.template) for release in good}
    pods: list[Body] | None = []
    if budgets or quotas or any(refused.values()):
        pods = await _or_none(pods_of(context, workload.key, body, history))

    def headroom(template: Body, stays: Callable[[Body], bool]) -> Headroom | None:
        swap = None if pods is None else _read(turnover, body, workload.replicas, pods, stays)
        return None if swap is None else _read(admission.headroom, rules, template, pods or (), swap)

    def of_release(release: Release) -> Headroom | None:
        exact, restarted = release.template_hash or release.hash, restarted_at(release.template)
        return headroom(release.template, of_template(workload.key.name, history, exact, restarted))

    return _Protections(
        None if budgets is None or pods is None else _read(disruptions_from, budgets, pods),
        Admission(_read(admission.refusal, rules, template), headroom(template, _none_stays)),
        {release.name: Admission(refused[release.name], of_release(release)) for release in good},
    )


def _none_stays(_: Body) -> bool:
    """A restart replaces every pod."""
    return False


async def _labels_of(context: Context, namespace: str) -> Mapping[str, str] | None:
    """The labels of the namespace itself; None when they cannot be read."""
    try:
        body = await context.cluster.get(Ref(NAMESPACES, "", namespace))
    except NotFound:
        return {}
    except ClusterError as error:
        log.warning("not readable", kind=NAMESPACES.kind, namespace=namespace, error=str(error))
        return None
    labels: Mapping[str, str] = body["metadata"].get("labels") or {}
    return labels


def _read(read: Callable[_Asked, _Read], *bodies: _Asked.args, **named: _Asked.kwargs) -> _Read | None:
    """What is in objects of the namespace; None when nobody can read one of them."""
    try:
        return read(*bodies, **named)
    except ValueError as error:
        log.warning("what a namespace allows cannot be told", error=str(error))
        return None


async def _or_none(pods: Awaitable[list[Body]]) -> list[Body] | None:
    try:
        return await pods
    except ClusterError as error:
        log.warning("not readable", kind=PODS.kind, error=str(error))
        return None


async def _listed(context: Context, resource: Resource, namespace: str, *, optional: bool = False) -> list[Body] | None:
    """All of a kind; None when they cannot be read. `optional`: a kind that is not served has no objects."""
    try:
        return await context.cluster.list(resource, namespace)
    except NotFound as error:
        if optional:
            return []
        log.warning("not served", kind=resource.kind, error=str(error))
        return None
    except ClusterError as error:
        log.warning("not readable", kind=resource.kind, namespace=namespace, error=str(error))
        return None


async def _autoscalers(context: Context, target: TargetKey) -> tuple[Autoscaler, ...] | None:
    """What scales the target; None when it cannot be told."""
    hpas, scaled = await asyncio.gather(
        _listed(context, AUTOSCALERS, target.namespace),
        _listed(context, SCALED_OBJECTS, target.namespace, optional=True),
    )
    if hpas is None or scaled is None:
        return None
    try:
        return autoscalers_of(target, (*hpas, *scaled))
    except ValueError as error:
        log.warning("an autoscaler cannot be read", namespace=target.namespace, error=str(error))
        return None


async def _made_of(context: Context, body: Body, target: TargetKey) -> list[Body]:
    """The revisions that the target's selector finds; an Argo Rollout that takes its template makes such ones too."""
    resource = REPLICA_SETS if target.kind is WorkloadKind.DEPLOYMENT else CONTROLLER_REVISIONS
    return await context.cluster.list(resource, target.namespace, selector_of(body))


async def _primary(context: Context, target: TargetKey) -> tuple[Body, ...]:
    """The copy of the target that Flagger would serve from; nobody asks where there is nothing of that name."""
    copy = replace(target, name=f"{target.name}{PRIMARY}")
    if context.workloads.get(copy) is None:
        return ()
    try:
        return ({"kind": copy.kind.value, **await context.cluster.get(workload_ref(copy))},)
    except NotFound:
        return ()


def selector_of(body: Body) -> Selector:
    """Which pods a workload may call its own. A body that does not say is an answer not to be trusted: ClusterError."""
    try:
        return of_workload(body)
    except ValueError as error:
        raise ClusterError(f"the API server sent a workload whose selector cannot be read: {error}") from error


async def pods_of(context: Context, target: TargetKey, body: Body, history: Sequence[Revision]) -> list[Body]:
    """The pods that the workload controls: by way of its ReplicaSets, if it is a Deployment. Raises ClusterError."""
    found = await context.cluster.list(PODS, target.namespace, selector_of(body))
    return controlled_by(found, {revision.uid for revision in history} | {body["metadata"]["uid"]})
