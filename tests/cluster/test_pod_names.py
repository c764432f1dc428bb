"""`$pods` matches the names that a real controller-manager and API server give, however long the workload's own is."""

import re
from functools import partial

import pytest

from salus.core.policy.pod_names import pods
from salus.model.meta import WorkloadKind
from salus.ports import WORKLOADS
from tools.devcluster.api import Object
from tools.devcluster.cluster import DevCluster
from tools.devcluster.processes import PATIENCE, wait_until

REPLICAS = 4
RELEASES = {WorkloadKind.DEPLOYMENT: 4, WorkloadKind.STATEFUL_SET: 1, WorkloadKind.DAEMON_SET: 1}
"""Each of a Deployment's has a hash of its own."""
LENGTHS = (8, 46, 47, 48, 55, 56, 57, 58, 63)
LONGEST = {WorkloadKind.STATEFUL_SET: 52}
"""A label of its pods is eleven characters longer, and has 63 at most."""


def _workload(kind: WorkloadKind, name: str, release: int) -> Object:
    labels = {"app": f"{kind.lower()}-{len(name)}"}
    container = {"name": "web", "image": f"web:v{release}"}
    spec: Object = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }
    if kind is not WorkloadKind.DAEMON_SET:
        spec["replicas"] = REPLICAS
    if kind is WorkloadKind.STATEFUL_SET:
        spec["podManagementPolicy"] = "Parallel"
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


@pytest.mark.parametrize("kind", list(WorkloadKind))
def test_the_names_of_its_pods_are_matched(devcluster: DevCluster, namespace: str, kind: WorkloadKind) -> None:
    workloads = f"/apis/apps/v1/namespaces/{namespace}/{WORKLOADS[kind].plural}"
    names = [("a-long-name-" * 6)[: length - 1] + "z" for length in LENGTHS if length <= LONGEST.get(kind, 63)]
    seen: dict[str, set[str]] = {name: set() for name in names}

    def is_new(name: str) -> bool:
        selector = f"app={kind.lower()}-{len(name)}"
        found = devcluster.api().items(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)
        new = {pod["metadata"]["name"] for pod in found} - seen[name]
        seen[name] |= new
        return bool(new)

    for name in names:
        devcluster.api().create(workloads, _workload(kind, name, 0))
    for release in range(RELEASES[kind]):
        if release:
            for name in names:
                devcluster.api().patch(f"{workloads}/{name}", _workload(kind, name, release))
        for name in names:
            wait_until(partial(is_new, name), timeout=PATIENCE, what=f"pods of release {release} of {name}")

    for name in names:
        assert {pod for pod in seen[name] if not re.fullmatch(pods(kind, name), pod)} == set()
