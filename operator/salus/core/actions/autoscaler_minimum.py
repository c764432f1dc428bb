"""Scale where an autoscaler owns the replicas: raise its minimum, and later give the original back exactly.

`spec.replicas` is never written under an HPA or a ScaledObject. The minimum is raised from the live size, never above
the autoscaler's own maximum, and never lowered.
"""

from salus.core.actions.kind import PlanRequest
from salus.core.actions.patch import diff, guarded
from salus.core.objects.autoscalers import in_charge
from salus.model.change import ActionKind
from salus.model.values.changes import Action, Infeasible
from salus.model.values.objects import Autoscaler

REASONS = frozenset({"SeveralAutoscalers", "AutoscalerPaused", "AutoscalerAtMaximum", "EnoughReplicas"})


def plan(asked: PlanRequest, wanted: int) -> Action | Infeasible:
    """Raise the minimum of the target's autoscaler to the wanted size, as far as its maximum lets it."""
    workload, deciding = asked.seen.workload, in_charge(asked.seen.autoscalers or ())
    if len(deciding) != 1:
        names = " and ".join(str(scaler.key) for scaler in deciding)
        return Infeasible("SeveralAutoscalers", f"{names} scale {workload.key}, and only one of them can have its way")
    (scaler,) = deciding
    minimum = min(wanted, scaler.max_replicas)
    if cannot := _cannot(scaler, workload.replicas, wanted, minimum):
        return cannot
    field = scaler.key.min_field
    before = {"spec": {} if scaler.minimum is None else {field: scaler.minimum}}
    after = {"spec": {field: minimum}}
    least = f" (of {wanted}: {scaler.key} allows no more)" if minimum < wanted else ""
    return Action(
        kind=ActionKind.SCALE,
        remedy=asked.remedy.name,
        target=workload.key,
        target_uid=workload.uid,
        message=f"scale {workload.key} from {workload.replicas} to at least {minimum} replicas{least} by {scaler.key}, "
        f"whose minimum was {scaler.min_replicas}",
        before=workload.facts(minimum=scaler.minimum),
        intended=workload.facts(replicas=minimum, minimum=minimum),
        patch=guarded(
            scaler.body,
            diff(before, after),
            given=("/spec/scaleTargetRef/name", f"/spec/{scaler.key.max_field}"),
        ),
        inverse=({"op": "test", "path": f"/spec/{field}", "value": minimum}, *diff(after, before)),
        patched=scaler.key,
    )


def _cannot(scaler: Autoscaler, live: int, wanted: int, minimum: int) -> Infeasible | None:
    if scaler.paused:
        return Infeasible("AutoscalerPaused", f"{scaler.key} is paused by its annotation {scaler.paused}")
    if wanted > live >= scaler.max_replicas:
        text = f"{live} replicas already, {scaler.key} allows at most {scaler.max_replicas}"
        return Infeasible("AutoscalerAtMaximum", text)
    if minimum <= max(live, scaler.min_replicas):
        text = f"{live} replicas and a minimum of {scaler.min_replicas} already, {minimum} are wanted; {scaler.key} is"
        return Infeasible("EnoughReplicas", f"{text} only ever given a higher minimum")
    return None
