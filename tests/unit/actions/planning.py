"""What the tests of all planners plan with: objects, releases, and the object as the API server would make it."""

# ruff: noqa: ANN401 — remedies and observations are handed on to builders, as they are written

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import jsonpatch

from salus.core.actions import plan
from salus.model.scalars import Body
from salus.model.values.changes import Action, Infeasible, PatchOps
from tests.builders import a_deployment_body, a_plan, a_release, a_template, ago

CHANGE = "checkout-0a1b2c3d-1"
MARKS = {
    "deployment.kubernetes.io/revision": "8",
    "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/checkout",
    "kopf.zalando.org/last-handled-configuration": '{"spec": {}}\n',
    "example.com/owner": "team ☕",
}
V1, V2, V3 = a_template("shop:v1"), a_template("shop:v2"), a_template("shop:v3")


def planned(remedy: Mapping[str, Any], body: Body, *findings: Any, **around: Any) -> Action:
    action = plan(a_plan(remedy, body, *findings, **around))
    assert isinstance(action, Action), action
    return action


def refused(remedy: Mapping[str, Any], body: Body, *findings: Any, **around: Any) -> Infeasible:
    answer = plan(a_plan(remedy, body, *findings, **around))
    assert isinstance(answer, Infeasible), answer
    return answer


def after(patch: PatchOps, body: Body) -> dict[str, Any]:
    """The object as the API server would make it. Raises JsonPatchTestFailed."""
    changed: dict[str, Any] = jsonpatch.JsonPatch(list(patch)).apply(deepcopy(body))
    return changed


def moved_on(body: Body) -> dict[str, Any]:
    """What the API server does to the metadata when a spec changes."""
    changed = deepcopy(dict(body))
    changed["metadata"]["generation"] += 1
    return changed


def scaled(**wish: Any) -> dict[str, Any]:
    return {"name": "grow", "scale": wish}


ROLLED_BACK_TO_V1: Mapping[str, Any] = {"releases": (a_release(V1),), "release_started_at": ago(300)}
TEMPLATES = {release.hash: release.template for release in map(a_release, (V1, V2, V3))}


def live(annotations: Mapping[str, str] | None = None) -> dict[str, Any]:
    return a_deployment_body(template=V2, annotations=MARKS if annotations is None else annotations)
