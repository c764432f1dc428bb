"""Who owns the replicas keeps them: Salus raises the autoscaler's minimum, and gives back what was there."""

from pathlib import Path
from typing import Any

import pytest

from tests.cluster.scene import Object, Scene
from tools.devcluster.audit import AuditEvent

CHANGE = "salus.dev/change"
_SCALED_OBJECTS = Path(__file__).parents[2] / "tools/devcluster/scaled-object.yaml"
GROW = {"name": "grow", "scale": {"to": 6, "max": 8, "revertAfter": "10s"}}
HPA = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "web-scaler"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "minReplicas": 2,
        "maxReplicas": 10,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
            }
        ],
    },
}
SCALED_OBJECT = {
    "apiVersion": "keda.sh/v1alpha1",
    "kind": "ScaledObject",
    "metadata": {"name": "web-scaler"},
    "spec": {
        "scaleTargetRef": {"name": "web"},
        "maxReplicaCount": 10,
        "triggers": [{"type": "cpu", "metadata": {"value": "80"}}],
    },
}


def path_of(scene: Scene, body: Object) -> str:
    """Where the autoscalers of this kind are."""
    return f"/apis/{body['apiVersion']}/namespaces/{scene.namespace}/{body['kind'].lower()}s"


def scaler(scene: Scene, body: Object) -> Object:
    """The autoscaler as it is."""
    return scene.cluster.api().get(f"{path_of(scene, body)}/{body['metadata']['name']}")


def stamps(patches: list[AuditEvent]) -> list[str]:
    """The changes that the patches name on the object."""
    return [
        str(op["value"][CHANGE] if op["path"] == "/metadata/annotations" else op["value"])
        for patch in patches
        for op in patch.body
        if op["path"].startswith("/metadata/annotations")
    ]


@pytest.mark.parametrize(
    "body",
    [pytest.param(HPA, id="min 2, max 10"), pytest.param(SCALED_OBJECT, id="ScaledObject likewise, min left out")],
)
def test_edge_case_08_hpa_managed_target(scene: Scene, body: dict[str, Any]) -> None:
    """Policy asks for 6 → min 6, zero writes to `replicas`; on expiry exactly what was there (edge case 8)."""
    scene.cluster.install_crds(_SCALED_OBJECTS)
    scene.gauge(0.0)
    scene.deploy(replicas=2)
    scene.cluster.api().create(path_of(scene, body), body)
    before = scaler(scene, body)["spec"]
    field = "minReplicas" if body is HPA else "minReplicaCount"
    scene.apply(remedies=[GROW])
    scene.salus.start()
    scene.wait_condition("Healthy", "True")

    scene.gauge(0.5)
    scene.wait(lambda: scaler(scene, body)["spec"].get(field) == 6, "a minimum of six")
    assert scaler(scene, body)["spec"] == {**before, field: 6}
    if body is HPA:
        scene.wait(lambda: scene.deployment()["spec"]["replicas"] == 6, "six replicas, by the HPA's own hand")
    scene.gauge(0.0)
    scene.wait_outcome("Recovered", action="Scale", reason="AboveThreshold")

    scene.wait_outcome("Undone", action="Scale", reason="RevertAfter")
    assert scaler(scene, body)["spec"] == before
    assert scene.writes("deployments") == []
    writes = scene.changes(decision="Act", action="Scale")
    raised, given_back = (write for write in writes if write["status"]["outcome"] != "Abandoned")
    patches = scene.writes(f"{body['kind'].lower()}s")
    assert [(patch.verb, patch.code, patch.subresource) for patch in patches] == [("patch", 200, "")] * 2
    assert stamps(patches) == [raised["metadata"]["name"], given_back["metadata"]["name"]]
    assert raised["spec"]["patchedRef"]["uid"] == scaler(scene, body)["metadata"]["uid"]
    assert (raised["spec"]["before"].get("minReplicas"), raised["spec"]["intended"]["minReplicas"]) == (
        before.get(field),
        6,
    )
    created = scene.writes("changeevents", "create")
    assert created[0].completed <= patches[0].received
