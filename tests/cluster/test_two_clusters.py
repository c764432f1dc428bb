"""One Prometheus holds two clusters that run the same workload in the same namespace (case 08).

This cluster's exporter is the devcluster's own kind; the other's shows the same objects, as they would be over there.
"""

import copy
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from tests.cluster.scene import Scene
from tools.devcluster.api import Api, Object
from tools.devcluster.kwok import LIFE
from tools.devcluster.processes import PATIENCE
from tools.devcluster.programs import find
from tools.devcluster.prometheus import Prometheus
from tools.devcluster.state_metrics import (
    StateMetrics,
    container_metrics,
    deployment_metrics,
    pod_metrics,
    replica_set_metrics,
)

US, EU = "us-1", "eu-1"
CRASH_LOOP = {"waiting": {"reason": "CrashLoopBackOff"}}
UNDO = [{"name": "undo", "rollback": {"within": "30m"}}]
CRASHING = [{"name": "crash-looping", "preset": "PodsCrashLooping", "for": "3s"}]


@dataclass(eq=False)
class OverThere(Collector):
    """The exporter of the other cluster, where every container of the namespace waits in a crash loop."""

    api: Api
    namespace: str

    def collect(self) -> Iterable[Metric]:
        """Yield all series as of now."""
        pods = [_crashing(pod) for pod in self._items("/api/v1/namespaces/{}/pods")]
        yield from container_metrics(pods)
        yield from pod_metrics(pods)
        yield from deployment_metrics(self._items("/apis/apps/v1/namespaces/{}/deployments"))
        yield from replica_set_metrics(self._items("/apis/apps/v1/namespaces/{}/replicasets"))

    def describe(self) -> Iterable[Metric]:
        """Spare the registry a collection."""
        return ()

    def _items(self, path: str) -> list[Object]:
        return [{"status": {}, **item} for item in self.api.items(path.format(self.namespace))]


def _crashing(pod: Object) -> Object:
    pod = copy.deepcopy(pod)
    pod["metadata"]["uid"] += "-over-there"
    for status in pod["status"].get("containerStatuses", ()):
        status |= {"state": CRASH_LOOP, "ready": False}
    return pod


@pytest.fixture
def together(scene: Scene, tmp_path: Path) -> Iterator[Prometheus]:
    """A Prometheus that scrapes both, as a long-term store has them."""
    own = StateMetrics(scene.cluster.api("admin"))
    own.start()
    registry = CollectorRegistry()
    registry.register(OverThere(scene.cluster.api("admin"), scene.namespace))
    server, thread = start_http_server(0, "127.0.0.1", registry)
    store = Prometheus(find(["prometheus"])["prometheus"], tmp_path)
    targets = [(own.address, EU), (f"127.0.0.1:{server.server_port}", US)]
    groups = [{"targets": [address], "labels": {"cluster": cluster}} for address, cluster in targets]
    (store.targets / "kube-state-metrics.json").write_text(json.dumps(groups))
    store.start()
    yield store
    store.stop()
    server.shutdown()
    server.server_close()
    thread.join()
    own.stop()


def crash_looping(store: Prometheus, cluster: str, namespace: str) -> Callable[[], bool]:
    query = f'kube_pod_container_status_waiting_reason{{cluster="{cluster}",namespace="{namespace}"}}'
    return lambda: bool(store.query(query))


def of_both(store: Prometheus, namespace: str) -> Callable[[], bool]:
    """Whether the store has what Salus tells clusters by, of either."""
    query = f'count(count by (cluster) (kube_deployment_spec_replicas{{namespace="{namespace}"}}))'
    return lambda: [float(series["value"][1]) for series in store.query(query)] == [2.0]


def of_the_store(store: Prometheus, **source: Any) -> dict[str, Any]:  # noqa: ANN401 - handed on
    return {"cluster": EU, "sources": {"default": {"url": store.url, "timeout": "2s", **source}}}


def test_with_the_matcher_only_the_fault_of_the_right_cluster_is_healed(scene: Scene, together: Prometheus) -> None:
    """Over there everything crashes, and nothing happens here; then it crashes here, and is rolled back."""
    scene.salus.configure(of_the_store(together, matchLabels={"cluster": EU}))
    scene.deploy(release="v1")
    scene.wait(crash_looping(together, US, scene.namespace), "the other cluster crashes", PATIENCE)
    scene.apply(checks=CRASHING, remedies=UNDO)
    scene.salus.start()
    scene.wait_kept()
    scene.release("v2")
    scene.wait_rolled_out()
    scene.wait_kept(2)
    v2 = scene.deployment()["spec"]["template"]
    scene.wait_status_ticks(4)

    assert scene.condition("Healthy")["status"] == "True"
    assert scene.changes() == []
    assert "a source holds several clusters" not in scene.salus.log.read_text()

    annotations = {"metadata": {"annotations": {LIFE: "crash"}}}
    scene.cluster.api().patch(
        f"/apis/apps/v1/namespaces/{scene.namespace}/deployments/web",
        {"spec": {"template": annotations}},
        kind="application/strategic-merge-patch+json",
    )
    scene.wait_change(decision="Act", action="Rollback")
    scene.wait(lambda: scene.deployment()["spec"]["template"] == v2, "the release before the fault")


def test_without_the_matcher_the_operator_is_told_and_what_to_set(scene: Scene, together: Prometheus) -> None:
    """In the log, and by a metric; once it is set, the metric says one cluster."""
    scene.salus.configure(of_the_store(together))
    scene.deploy(release="v1")
    scene.wait(of_both(together, scene.namespace), "there are two clusters", PATIENCE)
    scene.salus.start()

    scene.wait_log("a source holds several clusters")
    assert f"2 values of the label cluster ({EU}, {US})" in scene.salus.log.read_text()
    assert f'matchLabels: {{cluster: \\"{EU}\\"}}' in scene.salus.log.read_text()
    scene.wait(lambda: scene.own_metric("salus_source_clusters") == 2, "the metric says two")

    scene.salus.configure(of_the_store(together, matchLabels={"cluster": EU}))
    scene.wait(lambda: scene.own_metric("salus_source_clusters") == 1, "the metric says one")
