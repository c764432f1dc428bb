"""Objects that the tests of the port make."""

from typing import Any

from salus.ports import DEPLOYMENTS, Ref
from tests.contract.crd_cases import valid

REVISION = {
    "metadata": {"name": "kept", "labels": {"app": "web"}},
    "revision": 1,
    "data": {"spec": {"x": 1}, "list": [1]},
}


def deployment(namespace: str, name: str = "web", **labels: str) -> dict[str, Any]:
    """A Deployment without pods."""
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": namespace, "name": name, "labels": labels, "annotations": {"team": "a"}},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": template},
    }


def revision(namespace: str) -> dict[str, Any]:
    """A ControllerRevision that no controller will touch."""
    return {**REVISION, "metadata": {**REVISION["metadata"], "namespace": namespace}}  # type: ignore[dict-item]


def hpa(namespace: str, **spec: int) -> dict[str, Any]:
    """A HorizontalPodAutoscaler of a Deployment that is not there, so that nothing is scaled."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"}
    metadata = {"namespace": namespace, "name": "web", "annotations": {"team": "a"}}
    return {"metadata": metadata, "spec": {"scaleTargetRef": target, "maxReplicas": 10, **spec}}


def scaled_object(namespace: str) -> dict[str, Any]:
    """A ScaledObject of KEDA."""
    spec = {"scaleTargetRef": {"name": "none"}, "maxReplicaCount": 10, "triggers": [{"type": "cpu"}]}
    return {"metadata": {"namespace": namespace, "name": "web", "annotations": {"team": "a"}}, "spec": spec}


STAMP = {"op": "add", "path": "/metadata/annotations/salus.dev~1change", "value": "web-1"}


def change_event(namespace: str) -> dict[str, Any]:
    """A valid ChangeEvent."""
    body = valid("ChangeEvent")
    return {**body, "metadata": {"namespace": namespace, "name": "web-12345678-1"}}


REF = Ref(DEPLOYMENTS, "shop", "web")
