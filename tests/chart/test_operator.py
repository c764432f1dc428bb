"""The operator with no more than the rights and the configuration of an installed chart."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.chart.conftest import install
from tests.cluster.scene import Pump, Scene
from tools.devcluster.cluster import DevCluster
from tools.devcluster.helm import Helm
from tools.devcluster.processes import PATIENCE, wait_until
from tools.devcluster.salus import Salus, are_served
from tools.devcluster.tokens import kubeconfig_of_pod

RELEASE = "salus-system"


@dataclass
class Installed(Salus):
    """Salus as the pod of the release would run it: its account, its configuration, its arguments."""

    def start(self) -> Salus:
        """Start it with what the release holds now."""
        config = self._get("configmap")
        self.config.write_text(config["data"]["salus.yaml"], encoding="utf-8")
        (container,) = self._get("deployment")["spec"]["template"]["spec"]["containers"]
        self.namespaces = [a.removeprefix("--namespace=") for a in container["args"] if a.startswith("--namespace=")]
        return super().start()

    def _kubeconfig(self) -> Path:
        """With the token of the release's pod, which kwok plays: what admission knows Salus by."""
        selector = "app.kubernetes.io/name=salus"
        pods = self.cluster.api().items(f"/api/v1/namespaces/{RELEASE}/pods", labelSelector=selector)
        name = next(pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"])
        return kubeconfig_of_pod(self.cluster, RELEASE, "salus", name)

    def _get(self, kind: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.cluster.kubectl("get", kind, "salus", "-n", RELEASE, "-o", "json"))
        return found


QUICK = tuple(f"--set=config.minimums.{window}=0s" for window in ("cooldown", "stable", "bake"))
"""What lets a release be kept, and a write be proven, within seconds."""


@pytest.fixture
def pump(devcluster: DevCluster) -> Iterator[Pump]:
    """Keeps the gauges that tests set flowing into Prometheus."""
    pump = Pump(devcluster.prometheus)
    thread = threading.Thread(target=pump.run, name="pump", daemon=True)
    thread.start()
    yield pump
    pump.stop()
    thread.join()


@pytest.fixture(params=["watchNamespaces", "clusterWide"])
def scene(request: pytest.FixtureRequest, stage: DevCluster, helm: Helm, pump: Pump, namespace: str) -> Iterator[Scene]:
    """A namespace that lets Salus act, watched by Roles alone or by the ClusterRole."""
    watched = {"watchNamespaces": f"watchNamespaces={{{namespace}}}", "clusterWide": "clusterWide=true"}
    source = f"config.sources.default.url={stage.prometheus_url}"
    install(helm, f"--set={watched[request.param]}", f"--set=tenants={{{namespace}}}", f"--set={source}", *QUICK)
    wait_until(lambda: are_served(stage), timeout=PATIENCE, what="the new kinds are served")
    salus = Installed(stage, name=f"salus-{namespace}", user=f"system:serviceaccount:{RELEASE}:salus")
    scene = Scene(stage, pump, namespace, salus)
    yield scene
    salus.stop()
    scene.tell()
    print(f"--- the operator's log\n{salus.log.read_text()[-20_000:]}")


def test_it_heals_and_is_refused_nothing(scene: Scene) -> None:
    """Leader election, records, Events, kept releases, and a rollback as the tenant's account: no answer is 403."""
    scene.gauge(0.0)
    scene.deploy(release="v1")
    v1 = scene.deployment()["spec"]["template"]
    scene.apply(remedies=[{"name": "undo", "rollback": {}}])
    scene.salus.start()
    scene.wait_kept()

    scene.release("v2")
    scene.gauge(0.3)
    scene.wait(lambda: scene.deployment()["spec"]["template"] == v1, "the template of v1")
    scene.gauge(0.0)
    scene.wait_outcome("Recovered", action="Rollback")

    began = scene.deployment()["metadata"]["creationTimestamp"]
    mine = scene.cluster.audit.writes(user=scene.salus.user, since=datetime.fromisoformat(began))
    (patch,) = [event for event in mine if event.resource == "deployments"]
    assert patch.impersonated == f"system:serviceaccount:{scene.namespace}:salus-remediator"
    assert {event.resource for event in mine} >= {"changeevents", "incidents", "events", "leases"}
    assert [event for event in mine if event.code == 403] == []


def test_without_a_tenant_s_leave_it_writes_to_no_workload(scene: Scene) -> None:
    """The tenant takes one binding away: the change fails, says why, and the workload stays as it is."""
    scene.gauge(0.3)
    scene.deploy(release="v1")
    before = scene.deployment()["spec"]
    scene.cluster.kubectl("delete", "rolebinding", "salus-impersonator", "-n", scene.namespace)
    scene.apply(remedies=[{"name": "restart", "restart": {}}])
    scene.salus.start()

    scene.wait_condition("Healthy", "False")
    scene.wait_status_ticks(3)

    assert scene.deployment()["spec"] == before
