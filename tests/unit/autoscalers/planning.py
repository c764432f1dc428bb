"""What the tests of autoscalers plan with: autoscalers, scalings by them, and their way back."""

# ruff: noqa: ANN401 — objects and remedies are handed on to builders, as they are written

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import jsonpatch

from salus.core.actions import inverse, plan
from salus.core.objects.autoscalers import read_alone
from salus.core.objects.workloads import workload_from
from salus.model.change import ActionKind
from salus.model.scalars import Body
from salus.model.values.changes import Action, Change, Infeasible, PatchOps
from tests.builders import a_deployment_body, a_finding, a_finished_change, a_plan, an_hpa_body, autoscalers

OWNED_BY_KEDA = [{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "checkout", "controller": True}]
OF_KEDA = an_hpa_body(name="keda-hpa-checkout", uid="uid-of-keda-hpa", ownerReferences=OWNED_BY_KEDA)
OF_OTHERS = an_hpa_body(ownerReferences=[{"kind": "PodAutoscaler", "name": "checkout", "controller": True}])
OLD_HPA = an_hpa_body(generation=0)
"""As before Kubernetes 1.37: no generation."""
PAUSED_AT = "autoscaling.keda.sh/paused-replicas"


def scaled(**wish: Any) -> dict[str, Any]:
    return {"name": "grow", "scale": wish}


def answer(remedy: Mapping[str, Any], *scalers: Body, replicas: int = 3, value: float = 0.08) -> Action | Infeasible:
    asked = a_plan(
        remedy, a_deployment_body(replicas=replicas), a_finding(value=value), autoscalers=autoscalers(*scalers)
    )
    return plan(asked)


def planned(remedy: Mapping[str, Any], *scalers: Body, replicas: int = 3, value: float = 0.08) -> Action:
    action = answer(remedy, *scalers, replicas=replicas, value=value)
    assert isinstance(action, Action), action
    return action


def after(patch: PatchOps, body: Body) -> dict[str, Any]:
    """The object as the API server would make it. Raises JsonPatchTestFailed."""
    changed: dict[str, Any] = jsonpatch.JsonPatch(list(patch)).apply(deepcopy(body))
    return changed


RAISED = planned(scaled(to=6, max=12), an_hpa_body())


def write(action: Action, **fields: Any) -> Change:
    return a_finished_change(
        1, action=ActionKind.SCALE, before=action.before, intended=action.intended, patched=action.patched, **fields
    )


def taken_back(action: Action, there: Body | None, **deployment: Any) -> Action | Infeasible:
    body = a_deployment_body(**deployment)
    live = inverse.Live(workload_from(body), body, read_alone(there) if there else None)
    return inverse.plan(write(action), action.inverse, live, inverse.REVERT, "its time is over")


def action_field(action: Action) -> str:
    assert action.patched
    return action.patched.min_field
