"""Restart.

Replace the pods one by one, as `kubectl rollout restart` does, by its own annotation on the pod template.
"""

from copy import deepcopy

from salus.core.actions.kind import Kind, PlanRequest, Written
from salus.core.actions.patch import KEEPS_OLD_PODS, diff, guarded, keeps_old_pods
from salus.core.objects.workloads import RESTARTED_AT
from salus.model.change import ActionKind, Facts
from salus.model.scalars import format_time
from salus.model.values.changes import Action, Infeasible


def plan(asked: PlanRequest) -> Action | Infeasible:
    """Stamp the template with the present time; nothing takes that back."""
    workload = asked.seen.workload
    if kept := keeps_old_pods(workload):
        return kept
    if workload.replicas == 0:
        return Infeasible("ScaledToZero", f"{workload.key} has no replicas to restart")
    if workload.replica_failure:
        return Infeasible("PodsCannotBeCreated", workload.replica_failure)
    moment = format_time(asked.seen.now)
    template = asked.body["spec"]["template"]
    restarted = deepcopy(template)
    metadata = restarted.setdefault("metadata", {})
    metadata["annotations"] = {**(metadata.get("annotations") or {}), RESTARTED_AT: moment}
    edits = diff({"spec": {"template": template}}, {"spec": {"template": restarted}})
    return Action(
        kind=ActionKind.RESTART,
        remedy=asked.remedy.name,
        target=workload.key,
        target_uid=workload.uid,
        message=f"restart the {workload.replicas} replicas of {workload.key}",
        before=workload.facts(),
        intended=workload.facts(restarted_at=moment),
        patch=guarded(asked.body, edits),
    )


def _differs(live: Facts, intended: Facts) -> str | None:
    if live.restarted_at == intended.restarted_at:
        return None
    return f"restarted at {live.restarted_at or 'no time'}, the change had restarted at {intended.restarted_at}"


KIND = Kind(
    name=ActionKind.RESTART,
    field="restart",
    plan=plan,
    infeasible=KEEPS_OLD_PODS | {"ScaledToZero", "PodsCannotBeCreated"},
    written=Written(
        ("f:spec", "f:template", "f:metadata", "f:annotations", f"f:{RESTARTED_AT}"), _differs, in_template=True
    ),
    disrupts=True,
)
