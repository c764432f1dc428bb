"""Scale: change `spec.replicas` within the policy's bounds, from the live number.

Never to 0, and up from 0 only by a remedy that says `to: LastHealthy`: whether a 0 is a mistake nobody but its author
knows. Where an autoscaler owns the replicas, `autoscaler_minimum` raises its minimum instead.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import timedelta

from salus.core.actions import autoscaler_minimum
from salus.core.actions.kind import InGit, Kind, Need, PlanRequest, Written
from salus.core.actions.patch import diff, guarded
from salus.core.objects.ownership import declarer
from salus.core.objects.workloads import same_release, short
from salus.model.change import ActionKind, Facts, ManagedBy, Outcome
from salus.model.meta import AutoscalerKind, WorkloadKind
from salus.model.policy import Remedy, Scale, Size
from salus.model.scalars import format_decimal
from salus.model.values.changes import Action, Infeasible
from salus.model.values.objects import Autoscaler, Workload
from salus.model.values.observation import Observation
from salus.model.values.permissions import Permission
from salus.model.values.policies import Policy

TOLERANCE = 0.1
"""Within this share of the present size a `perReplica` result changes nothing (the HPA's default tolerance)."""
_BACK = ", back up to its last healthy size"
_IDLED = ("downscaler/original-replicas", "idling.alpha.openshift.io/previous-scale")
"""Annotations by which kube-downscaler and `oc idle` remember what to give back to what they have scaled to 0."""
_SCALERS = {
    AutoscalerKind.HPA: ("autoscaling", "horizontalpodautoscalers"),
    AutoscalerKind.SCALED_OBJECT: ("keda.sh", "scaledobjects"),
}
"""API group and resource of what a scaling writes to in the workload's place."""


def goes_back(policy: Policy) -> bool:
    """Whether a remedy may go back to the last healthy size, so that it has to be noted."""
    return any(remedy.scale is not None and remedy.scale.to is Size.LAST_HEALTHY for remedy in policy.spec.remedies)


def plan(asked: PlanRequest) -> Action | Infeasible:
    """Put the wanted number in place of the live one; under an autoscaler, raise its minimum to it."""
    workload, wish = asked.seen.workload, asked.remedy.scale
    assert wish is not None  # noqa: S101 — the registry chose this planner by this field
    live, back = workload.replicas, wish.to is Size.LAST_HEALTHY
    wanted = _out_of_bounds(asked, wish, live) or _wanted(asked, wish, live)
    if isinstance(wanted, Infeasible):
        return wanted
    bounded = max(wish.min, min(wish.max, wanted))
    if bounded == live or (back and bounded < live):
        return _nothing_to_do(asked, wish, live)
    if asked.seen.autoscalers and not back:  # the size of another day is no minimum: the guard objects
        return autoscaler_minimum.plan(asked, bounded)
    before, after = {"spec": {"replicas": live}}, {"spec": {"replicas": bounded}}
    return Action(
        kind=ActionKind.SCALE,
        remedy=asked.remedy.name,
        target=workload.key,
        target_uid=workload.uid,
        message=f"scale {workload.key} from {live} to {bounded} replicas{_BACK if back else ''}",
        before=workload.facts(),
        intended=workload.facts(replicas=bounded),
        patch=guarded(asked.body, diff(before, after)),
        inverse=({"op": "test", "path": "/spec/replicas", "value": bounded}, *diff(after, before)),
    )


def _out_of_bounds(asked: PlanRequest, wish: Scale, live: int) -> Infeasible | None:
    target = asked.seen.workload.key
    if target.kind is WorkloadKind.DAEMON_SET:
        return Infeasible("NotScalable", "a DaemonSet has as many pods as it has nodes")
    if live == 0 and wish.to is not Size.LAST_HEALTHY:
        text = f"{target} was scaled to 0, which only people undo, and a remedy that says `to: {Size.LAST_HEALTHY}`"
        return Infeasible("ScaledToZero", text)
    if live == 0 and (declared := _declared_by(asked)):
        return Infeasible("ScaledToZero", f"{target} was scaled to 0 on purpose, as {declared} says")
    if live > wish.max:
        path = asked.path("scale.max")
        return Infeasible("AboveMaximum", f"{path}: {wish.max} is below the current size {live}")
    return None


def _declared_by(asked: PlanRequest) -> str:
    """Who says that the workload is to have no pods; what Git says is for its own guard."""
    annotations = asked.body["metadata"].get("annotations") or {}
    if idled := next((mark for mark in _IDLED if mark in annotations), None):
        return f"its annotation {idled}"
    in_git = asked.seen.managed_by is not None and asked.seen.managed_by.tool in {"ArgoCD", "Flux"}
    return "" if in_git else declarer(asked.body)


def _wanted(asked: PlanRequest, wish: Scale, live: int) -> int | Infeasible:
    if wish.to is not None:
        return _last_healthy(asked) if isinstance(wish.to, Size) else wish.to
    if wish.by is not None:
        return live + _step(wish.by, live)
    values = [finding.value for finding in asked.because if finding.value is not None]
    if not values or wish.per_replica is None:
        return Infeasible("NoValue", "perReplica needs the check's value, and there is none")
    needed = max(values) / wish.per_replica
    if 1 - TOLERANCE <= needed / live <= 1 + TOLERANCE:
        return live
    wanted = math.ceil(min(needed, wish.max))
    if wanted < live:
        text = f"{format_decimal(max(values))} at {format_decimal(wish.per_replica)} a replica needs {wanted} of {live}"
        return Infeasible("EnoughReplicas", text)
    return wanted


def _last_healthy(asked: PlanRequest) -> int | Infeasible:
    """The size at which all was well with the very release that is live; what another had proves nothing of it."""
    live = asked.seen.workload.release
    good = next((kept for kept in asked.seen.releases if kept.good and same_release(kept.hash, live)), None)
    if good is not None and good.healthy_replicas:
        return good.healthy_replicas
    text = f"release {short(live)} of {asked.seen.workload.key}"
    missing = "was never known healthy, or is not any more" if good is None else "has no healthy size on record yet"
    return Infeasible("NoHealthySize", f"{text} {missing}, so there is none to go back to")


def _step(by: str, live: int) -> int:
    """`"2"` → 2; `"50%"` of 3 → 2, rounded up, so that a step is never 0."""
    return math.ceil(live * int(by[:-1]) / 100) if by.endswith("%") else int(by)


def _nothing_to_do(asked: PlanRequest, wish: Scale, live: int) -> Infeasible:
    if live == wish.max:
        return Infeasible("AtMaximum", f"{live} replicas already, {asked.path('scale.max')} is {wish.max}")
    return Infeasible("EnoughReplicas", f"{live} replicas already, as the remedy wants")


def _rights(_: str, __: Sequence[Workload], scalers: Sequence[Autoscaler]) -> Iterator[Need]:
    for scaler in scalers:
        for verb in ("get", "patch"):
            yield Permission(verb, *_SCALERS[scaler.key.kind]), (scaler.key.name,)


def _differs(live: Facts, intended: Facts) -> str | None:
    if live.replicas == intended.replicas:
        return None
    return f"someone set {live.replicas} replicas since, the change had set {intended.replicas}"


def _restored(workload: Workload, before: Facts) -> Facts:
    return workload.facts(replicas=before.replicas)


def _git_holds(seen: Observation) -> bool:
    return seen.git_holds_replicas


def _advice(action: Action, _: Observation, owner: ManagedBy) -> str:
    was, wanted = action.before.replicas, action.intended.replicas
    if not was:
        return f"have spec.replicas, which is 0 now, applied as {wanted} again"
    return f"set spec.replicas from {was} to {wanted}; or, so that Salus may scale, {_left_alone(owner)}"


def _left_alone(owner: ManagedBy) -> str:
    if owner.tool == "ArgoCD":
        where = f"Application {owner.ref}" if owner.ref else "the Application"
        return (
            f"give {where} ignoreDifferences with the jsonPointer /spec/replicas and the sync option "
            "RespectIgnoreDifferences=true (both: without the option a sync still writes them)"
        )
    if owner.ref.startswith("HelmRelease"):
        return (
            f"leave replicas out of the chart's values; with drift detection, give {owner.ref} "
            "spec.driftDetection.ignore with the path /spec/replicas"
        )
    return f"drop spec.replicas from the manifest that {owner.ref} applies"


def _revert_after(remedy: Remedy) -> timedelta | None:
    return remedy.scale.revert_after if remedy.scale else None


KIND = Kind(
    name=ActionKind.SCALE,
    field="scale",
    plan=plan,
    infeasible=autoscaler_minimum.REASONS
    | {"NotScalable", "ScaledToZero", "AboveMaximum", "AtMaximum", "EnoughReplicas", "NoValue", "NoHealthySize"},
    written=Written(("f:spec", "f:replicas"), _differs, _restored),
    permissions=_rights,
    in_git=InGit("spec.replicas", _git_holds, _advice),
    sets_replicas=True,
    can_worsen=False,  # load that goes on growing is no fault of the replicas that were added
    undone_after=frozenset({Outcome.NOT_RECOVERED, Outcome.WORSE}),
    revert_after=_revert_after,
)
