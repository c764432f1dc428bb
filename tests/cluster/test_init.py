"""From nothing to a rollback by a policy that `salus init` wrote: series carry what a usual Prometheus gives, no more.

Traffic is counted for the pods that there are, under the names that a client library gives; which release a pod is of
decides what its requests come to.
"""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from salus.cli.app import app
from tests.cluster.scene import Scene
from tools.devcluster.remote_write import Series

KINDS = {"deploy/web": "deployments", "sts/db": "statefulsets"}
PATIENCE = 400.0
"""Two minutes of requests are looked at, and they are counted as they come."""
EVERY, PER_SECOND = 1.0, 20.0
BAD = "app:v2"


class Traffic:
    """Counts requests of all pods in a namespace."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._stopped = scene, threading.Event()
        self._counts: dict[tuple[str, str], float] = {}

    def run(self) -> None:
        """Until `stop`."""
        while not self._stopped.wait(EVERY):
            pods = self._scene.cluster.api().items(f"/api/v1/namespaces/{self._scene.namespace}/pods")
            now = time.time()
            self._scene.cluster.prometheus.push(series for pod in pods for series in self._of(pod, now))

    def _of(self, pod: dict[str, Any], now: float) -> Iterator[Series]:
        name = pod["metadata"]["name"]
        labels = {"namespace": self._scene.namespace, "pod": name, "container": "app", "job": "pods", "instance": name}
        failing = 0.5 if pod["spec"]["containers"][0]["image"] == BAD else 0.0
        for code, share in (("200", 1 - failing), ("500", failing)):
            key = name, code
            self._counts[key] = self._counts.get(key, 0.0) + share * PER_SECOND * EVERY
            if share or code == "200":
                yield Series("http_requests_total", {**labels, "code": code}, ((now, self._counts[key]),))

    def stop(self) -> None:
        """End `run`."""
        self._stopped.set()


@pytest.fixture
def traffic(scene: Scene) -> Iterator[Traffic]:
    found = Traffic(scene)
    thread = threading.Thread(target=found.run, name="traffic", daemon=True)
    thread.start()
    yield found
    found.stop()
    thread.join()


def a_stateful_set(name: str) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "app:v1"}]}}
    spec = {"replicas": 2, "serviceName": name, "podManagementPolicy": "Parallel"}
    return {"metadata": {"name": name}, "spec": {**spec, "selector": {"matchLabels": labels}, "template": template}}


def images(scene: Scene, plural: str, name: str) -> str:
    body = scene.cluster.api().get(f"/apis/apps/v1/namespaces/{scene.namespace}/{plural}/{name}")
    return str(body["spec"]["template"]["spec"]["containers"][0]["image"])


def proposed(scene: Scene, workload: str, folder: Path) -> dict[str, Any]:
    """What `salus init` writes."""
    cluster = scene.cluster
    where = ["-n", scene.namespace, "--kubeconfig", str(cluster.kubeconfig), "--prometheus", cluster.prometheus.url]
    arguments = ["init", workload, *where, "--yes", "--to", f"{folder}/"]
    ended = CliRunner().invoke(app, arguments, prog_name="salus")
    assert ended.exit_code == 0, ended.output
    name = workload.split("/")[1]
    policy: dict[str, Any] = yaml.safe_load((folder / f"{name}.salus.yaml").read_text())
    return policy


@pytest.mark.usefixtures("traffic")
def test_from_nothing_to_a_rollback(scene: Scene, tmp_path: Path) -> None:
    """A Deployment and a StatefulSet: proposed, applied, healthy; a bad release each, which is taken back."""
    api, apps = scene.cluster.api(), f"/apis/apps/v1/namespaces/{scene.namespace}"
    scene.deploy("web")
    api.create(f"{apps}/statefulsets", a_stateful_set("db"))
    counted = f'count(rate(http_requests_total{{namespace="{scene.namespace}"}}[2m]))'
    scene.wait(lambda: bool(scene.cluster.prometheus.query(f"{counted} >= 4")), "traffic of all pods", PATIENCE)
    known = f'count(kube_pod_info{{namespace="{scene.namespace}"}}) >= 4'
    scene.wait(lambda: bool(scene.cluster.prometheus.query(known)), "the pods in kube-state-metrics", PATIENCE)

    for workload in KINDS:
        policy = proposed(scene, workload, tmp_path)
        errors = next(one for one in policy["spec"]["checks"] if one["name"] == "error-ratio")
        assert (errors["preset"], errors["variant"]) == ("ErrorRatio", "prometheus")
        policy["spec"] |= {"mode": "Enforce", "interval": "5s", "bake": "5s"}  # what a person would have waited for
        api.create(f"/apis/salus.dev/v1alpha1/namespaces/{scene.namespace}/healthpolicies", policy)
    scene.salus.start()
    for workload in KINDS:
        name = workload.split("/")[1]
        scene.wait_condition("Ready", "True", name, PATIENCE)
        scene.wait_condition("Healthy", "True", name, PATIENCE)
    scene.wait_kept(2)

    for workload, plural in KINDS.items():
        body = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": BAD}]}}}}
        kind = "application/strategic-merge-patch+json"
        api.patch(f"{apps}/{plural}/{workload.split('/')[1]}", body, kind=kind)
    for workload, plural in KINDS.items():
        name = workload.split("/")[1]
        scene.wait(lambda: images(scene, plural, name) == "app:v1", f"{workload} is back at v1", PATIENCE)  # noqa: B023
    rollbacks = scene.changes(decision="Act", action="Rollback")
    assert {change["spec"]["targetRef"]["name"] for change in rollbacks} == {"web", "db"}
    assert all("error-ratio" in str(change["spec"]) for change in rollbacks)
