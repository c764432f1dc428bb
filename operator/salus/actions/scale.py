"""Scale: change `spec.replicas` within the policy's bounds, from the live number.

Never to 0, never up from a deliberate 0. Where an autoscaler owns the replicas, `floor` raises its minimum instead.
"""

import math

from salus.actions import floor
from salus.actions.plan import Plan, diff, guarded
from salus.model.change import ActionKind
from salus.model.meta import WorkloadKind
from salus.model.policy import Scale
from salus.model.types import format_decimal
from salus.model.values import Action, Infeasible

TOLERANCE = 0.1
"""Within this share of the present size a `perReplica` result changes nothing (the HPA's default tolerance)."""


def plan(asked: Plan) -> Action | Infeasible:
    """Put the wanted number in place of the live one; under an autoscaler, raise its minimum to it."""
    workload, wish = asked.seen.workload, asked.remedy.scale
    assert wish is not None  # noqa: S101 — the registry chose this planner by this field
    live = workload.replicas
    wanted = _out_of_bounds(asked, wish, live) or _wanted(asked, wish, live)
    if isinstance(wanted, Infeasible):
        return wanted
    bounded = max(wish.min, min(wish.max, wanted))
    if bounded == live:
        return _nothing_to_do(asked, wish, live)
    if asked.seen.autoscalers:
        return floor.plan(asked, bounded)
    before, after = {"spec": {"replicas": live}}, {"spec": {"replicas": bounded}}
    return Action(
        kind=ActionKind.SCALE,
        remedy=asked.remedy.name,
        target=workload.key,
        target_uid=workload.uid,
        message=f"scale {workload.key} from {live} to {bounded} replicas",
        before=workload.facts(),
        intended=workload.facts(replicas=bounded),
        patch=guarded(asked.body, diff(before, after)),
        inverse=({"op": "test", "path": "/spec/replicas", "value": bounded}, *diff(after, before)),
    )


def _out_of_bounds(asked: Plan, wish: Scale, live: int) -> Infeasible | None:
    target = asked.seen.workload.key
    if target.kind is WorkloadKind.DAEMON_SET:
        return Infeasible("NotScalable", "a DaemonSet has as many pods as it has nodes")
    if live == 0:
        return Infeasible("ScaledToZero", f"{target} was scaled to 0, which only people undo")
    if live > wish.max:
        path = asked.path("scale.max")
        return Infeasible("AboveMaximum", f"{path}: {wish.max} is below the current size {live}")
    return None


def _wanted(asked: Plan, wish: Scale, live: int) -> int | Infeasible:
    if wish.to is not None:
        return wish.to
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


def _step(by: str, live: int) -> int:
    """`"2"` → 2; `"50%"` of 3 → 2, rounded up, so that a step is never 0."""
    return math.ceil(live * int(by[:-1]) / 100) if by.endswith("%") else int(by)


def _nothing_to_do(asked: Plan, wish: Scale, live: int) -> Infeasible:
    if live == wish.max:
        return Infeasible("AtMaximum", f"{live} replicas already, {asked.path('scale.max')} is {wish.max}")
    return Infeasible("EnoughReplicas", f"{live} replicas already, as the remedy wants")
