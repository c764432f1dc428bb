"""What the exporter of `make cluster` tells of objects, and that it tells all that presets ask for."""

from collections.abc import Mapping
from typing import Any

import pytest

from salus.presets import load_presets
from tools.devcluster.state_metrics import FAMILIES, quantity

POD = {
    "metadata": {"namespace": "shop", "name": "db-0", "uid": "u", "deletionTimestamp": "2026-12-01T00:01:00Z"},
    "spec": {
        "nodeName": "n",
        "containers": [{"name": "c", "resources": {"limits": {"cpu": "500m", "memory": "64Mi"}}}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}, {"name": "tmp"}],
    },
    "status": {"startTime": "2026-12-01T00:00:00Z"},
}
NAME = {"namespace": "shop", "name": "api"}
STATEFUL_SET = {
    "metadata": NAME,
    "spec": {"replicas": 3},
    "status": {"replicas": 3, "updatedReplicas": 1, "currentRevision": "old", "updateRevision": "new"},
}
DAEMON_SET = {"metadata": {**NAME, "generation": 7}, "spec": {}, "status": {"updatedNumberScheduled": 2}}
AUTOSCALER = {
    "metadata": NAME,
    "spec": {"maxReplicas": 5, "minReplicas": 2, "scaleTargetRef": {"kind": "Deployment", "name": "api"}},
    "status": {"currentReplicas": 4},
}
NODE = {"metadata": {"name": "n"}, "spec": {}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
PODS, APPS = "/api/v1/pods", "/apis/apps/v1"
AUTOSCALERS = "/apis/autoscaling/v2/horizontalpodautoscalers"


def told(path: str, *objects: Mapping[str, Any]) -> dict[str, float]:
    """Each series, by its name and what its labels are."""
    families = [family for metrics in FAMILIES[path] for family in metrics(list(objects))]  # type: ignore[arg-type]
    return {
        " ".join([sample.name, *(value for value in sample.labels.values() if value)]): sample.value
        for family in families
        for sample in family.samples
    }


def test_it_tells_all_that_presets_need() -> None:
    there = {family.name for path in FAMILIES for metrics in FAMILIES[path] for family in metrics([])}
    needed = {name for one in load_presets().values() for names in one.needs.values() for name in names}

    assert {name.removesuffix("_total") for name in needed if name.startswith("kube_")} <= there


@pytest.mark.parametrize(
    ("path", "thing", "series", "value"),
    [
        pytest.param(PODS, POD, "kube_pod_start_time shop db-0 u", 1_796_083_200, id="when a pod started"),
        pytest.param(PODS, POD, "kube_pod_deletion_timestamp shop db-0 u", 1_796_083_260, id="when it is to go"),
        pytest.param(PODS, POD, "kube_pod_container_resource_limits shop db-0 u c n cpu core", 0.5, id="cores"),
        pytest.param(
            PODS, POD, "kube_pod_container_resource_limits shop db-0 u c n memory byte", 64 * 2**20, id="bytes"
        ),
        pytest.param(
            PODS,
            POD,
            "kube_pod_spec_volumes_persistentvolumeclaims_info shop db-0 u data data-db-0",
            1,
            id="what it claims",
        ),
        pytest.param(
            f"{APPS}/statefulsets",
            STATEFUL_SET,
            "kube_statefulset_status_update_revision shop api new",
            1,
            id="to come",
        ),
        pytest.param(
            f"{APPS}/statefulsets", STATEFUL_SET, "kube_statefulset_status_replicas_updated shop api", 1, id="updated"
        ),
        pytest.param(f"{APPS}/daemonsets", DAEMON_SET, "kube_daemonset_metadata_generation shop api", 7, id="wanted"),
        pytest.param(
            AUTOSCALERS, AUTOSCALER, "kube_horizontalpodautoscaler_spec_max_replicas shop api", 5, id="at most"
        ),
        pytest.param(
            AUTOSCALERS, AUTOSCALER, "kube_horizontalpodautoscaler_info shop api Deployment api", 1, id="what it scales"
        ),
        pytest.param("/api/v1/nodes", NODE, "kube_node_status_condition n Ready true", 0, id="a node is not Ready"),
        pytest.param("/api/v1/nodes", NODE, "kube_node_status_condition n Ready unknown", 1, id="nobody knows"),
    ],
)
def test_what_is_told_of_an_object(path: str, thing: Mapping[str, Any], series: str, value: float) -> None:
    assert told(path, thing)[series] == value


def test_what_an_object_does_not_have_is_not_told() -> None:
    bare = {
        "metadata": {"namespace": "shop", "name": "p", "uid": "u"},
        "spec": {"containers": [{"name": "c"}]},
        "status": {},
    }
    names = {series.split()[0] for series in told(PODS, bare)}

    assert "kube_pod_info" in names
    assert not names & {"kube_pod_start_time", "kube_pod_deletion_timestamp", "kube_pod_container_resource_limits"}


@pytest.mark.parametrize(
    ("text", "value"),
    [("2", 2), ("250m", 0.25), ("1Ki", 1024), ("3M", 3e6), ("1.5Gi", 1.5 * 2**30), ("1e3", 1000), ("2k", 2000)],
)
def test_quantities(text: str, value: float) -> None:
    assert quantity(text) == value


def test_what_is_no_quantity_is_refused() -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        quantity("much")
