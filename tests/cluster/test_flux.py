"""Real Flux (kustomize-controller) keeps what Git says while Salus heals: neither takes the other's work back.

The repository is a local one; `tools/devcluster/flux.py` plays source-controller's part. All tests share one
kustomize-controller, each has a namespace, a repository and a Salus of its own.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.scene import Object, Scene, deployment, policy_spec
from tools.devcluster.cluster import DevCluster
from tools.devcluster.flux import Repository, kustomize_controller
from tools.devcluster.processes import Process
from tools.devcluster.salus import REPOSITORY

pytestmark = pytest.mark.xdist_group("flux")

KUSTOMIZATION = "kustomize.toolkit.fluxcd.io/name"
EXAMPLE = REPOSITORY / "examples/gitops/flux"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


@pytest.fixture(scope="module")
def flux(ready_cluster: DevCluster) -> Iterator[Process]:
    """The controller; its log is shown with a test that fails."""
    with kustomize_controller(ready_cluster) as process:
        yield process


@pytest.fixture
def repository(flux: Process, scene: Scene, tmp_path: Path) -> Iterator[Repository]:
    """A Git repository that Flux follows into the test's namespace."""
    flux.check_alive()
    with Repository(scene.cluster.api(), tmp_path, scene.namespace).served() as repository:
        yield repository
    print(f"--- kustomize-controller\n{flux.log.read_text()[-5_000:]}")  # noqa: T201 — shown with a failure only


def workload(release: str = "v1", *, replicas: int | None = 2) -> str:
    """The Deployment as it lies in Git; without `replicas` when their number is not Git's to say."""
    body = deployment("web", release=release)
    if replicas is None:
        del body["spec"]["replicas"]
    else:
        body["spec"]["replicas"] = replicas
    return yaml.safe_dump({"apiVersion": "apps/v1", "kind": "Deployment", **body})


def policy(**spec: Any) -> str:  # noqa: ANN401
    """The HealthPolicy as it lies in Git."""
    body = {
        "apiVersion": "salus.dev/v1alpha1",
        "kind": "HealthPolicy",
        "metadata": {"name": "web"},
        "spec": {**policy_spec(), **spec},
    }
    return yaml.safe_dump(body)


def deliver(scene: Scene, repository: Repository, deployment_yaml: str, policy_yaml: str) -> str:
    """Push a Deployment and its policy, and wait until Flux has applied both and the pods run."""
    scene.gauge(0.0)
    revision = repository.push({"apps/deployment.yaml": deployment_yaml, "policies/policy.yaml": policy_yaml})
    for path in ("apps", "policies"):
        repository.apply_path(path, wait=True, timeout="1m")
    for path in ("apps", "policies"):
        repository.wait_applied(path, revision)
    scene.wait_rolled_out()
    assert scene.deployment()["metadata"]["labels"][KUSTOMIZATION] == "apps"
    return revision


class Stopwatch:
    """Tells how long each step took, for docs/how-to/gitops.md; `pytest -rP` shows it."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def lap(self, what: str) -> None:
        """Print the time since the lap before."""
        now = time.monotonic()
        print(f"timing: {what}: {now - self._last:.1f} s")  # noqa: T201 — what it is for
        self._last = now


def replica_sets(scene: Scene) -> list[Object]:
    return scene.cluster.api().items(f"/apis/apps/v1/namespaces/{scene.namespace}/replicasets")


def restarted_at(scene: Scene) -> str:
    annotations = scene.deployment()["spec"]["template"]["metadata"].get("annotations", {})
    return str(annotations.get(RESTARTED_AT, ""))


def test_policies_from_git_become_ready_and_an_unhealthy_service_blocks_no_sync(
    scene: Scene, repository: Repository
) -> None:
    """`wait: true` waits for Ready, which an incident leaves True: the commit with the fix gets through."""
    scene.salus.start()
    deliver(scene, repository, workload(), policy(mode="Observe", remedies=[{"name": "restart", "restart": {}}]))
    scene.wait_condition("Ready", "True")

    scene.gauge(0.3)
    scene.wait_condition("Healthy", "False")
    fix = repository.push({"policies/policy.yaml": policy(remedies=[{"name": "tell", "notify": {}}])})
    repository.wait_applied("policies", fix)

    assert scene.condition("Ready")["status"] == "True"
    assert scene.condition("Healthy")["status"] == "False"
    assert scene.policy()["spec"]["remedies"] == [{"name": "tell", "notify": {"severity": "warning"}}]


def test_a_policy_that_cannot_be_used_is_told_to_who_waits_for_the_sync(scene: Scene, repository: Repository) -> None:
    """Stalled is a failure to Flux at once, with our message, and not a time-out later."""
    scene.salus.start()
    deliver(scene, repository, workload(), policy(remedies=[{"name": "restart", "restart": {}}]))
    repository.push({"policies/policy.yaml": policy(source="nowhere", remedies=[{"name": "restart", "restart": {}}])})

    def said() -> str:
        conditions = repository.kustomization("policies")["status"]["conditions"]
        return next((c["message"] for c in conditions if c["type"] == "Ready" and c["status"] == "False"), "")

    scene.wait(lambda: "HealthPolicy" in said() and "Failed" in said(), "Flux says that the policy failed")
    assert scene.condition("Stalled")["message"].startswith("spec.source")


def test_edge_case_15_c_our_restart_rolls_the_pods_exactly_once_across_two_reconciles(
    scene: Scene, repository: Repository
) -> None:
    """Flux leaves restartedAt alone, because its manager is not called kubectl; the pods roll once."""
    scene.salus.start()
    watch = Stopwatch()
    deliver(scene, repository, workload(), policy(remedies=[{"name": "restart", "restart": {}}]))
    watch.lap("pushed to Git → applied by Flux, Ready, rolled out")

    scene.gauge(0.3)
    scene.wait_change(decision="Act", action="Restart")
    scene.wait(lambda: bool(restarted_at(scene)), "the restart")
    watch.lap("breach → restart (`for` is 5 s)")
    scene.gauge(0.0)
    scene.wait_outcome("Recovered", action="Restart")
    watch.lap("restart → proven (`stable` is 5 s)")
    scene.wait_rolled_out()
    before = scene.deployment()
    for _ in range(2):
        repository.reconcile("apps")
    watch.lap("two reconciles by Flux")

    after = scene.deployment()
    assert after["spec"] == before["spec"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert (
        after["metadata"]["annotations"]["salus.dev/change"] == scene.changes(action="Restart")[0]["metadata"]["name"]
    )
    assert len(replica_sets(scene)) == 2
    assert [event.code for event in scene.writes(verb="patch")] == [200]


def test_a_rollback_of_what_git_holds_is_advised_and_not_done(scene: Scene, repository: Repository) -> None:
    """Under `gitOps: Respect` the record says what to revert in Git, and nobody writes to the Deployment."""
    scene.salus.start()
    deliver(scene, repository, workload("v1"), policy(remedies=[{"name": "undo", "rollback": {}}]))
    scene.wait_kept()

    bad = repository.push({"apps/deployment.yaml": workload("v2")})
    repository.wait_applied("apps", bad)
    scene.gauge(0.3)
    advice = scene.wait_change(decision="Advise", action="Rollback")

    assert advice["spec"]["reason"] == "GitOpsOwnsField"
    assert advice["spec"]["managedBy"] == {"tool": "Flux", "ref": f"Kustomization {scene.namespace}/apps"}
    assert scene.writes() == []

    repository.push({"apps/deployment.yaml": workload("v1")})
    scene.gauge(0.0)
    scene.wait(lambda: scene.incidents()[0]["status"]["phase"] == "Resolved", "a person's revert resolves the incident")


def test_a_scaling_holds_where_git_does_not_say_the_replicas(scene: Scene, repository: Repository) -> None:
    """With `replicas` out of Git they are Salus' to change, and two reconciles leave them as they are."""
    scene.salus.start()
    grow = [{"name": "grow", "scale": {"to": 3, "max": 4}}]
    deliver(scene, repository, workload(replicas=None), policy(remedies=grow))

    scene.gauge(0.3)
    scene.wait(lambda: scene.deployment()["spec"]["replicas"] == 3, "3 replicas")
    scene.gauge(0.0)
    scene.wait_outcome("Recovered", action="Scale")
    for _ in range(2):
        repository.reconcile("apps")

    assert scene.deployment()["spec"]["replicas"] == 3
    assert [event.code for event in scene.writes(verb="patch")] == [200]


def test_a_scaling_of_what_git_holds_is_advised_and_not_done(scene: Scene, repository: Repository) -> None:
    """With `replicas` in Git, Flux would put them back: the record says so."""
    scene.salus.start()
    grow = [{"name": "grow", "scale": {"to": 3, "max": 4}}]
    deliver(scene, repository, workload(replicas=2), policy(remedies=grow))

    scene.gauge(0.3)
    advice = scene.wait_change(decision="Advise", action="Scale")

    assert "replicas" in advice["spec"]["message"]
    assert scene.writes() == [], json.dumps(advice)


def test_the_example_is_what_flux_and_the_api_server_take(scene: Scene, repository: Repository) -> None:
    """`cluster/` is accepted by Flux's own CRDs; `shop/` is delivered by Flux, and its policy becomes Ready."""
    scene.cluster.kubectl("apply", "--server-side", "-f", str(EXAMPLE / "cluster"))
    scene.cluster.kubectl("delete", "-f", str(EXAMPLE / "cluster"), "--wait=false")

    scene.salus.start()
    revision = repository.push({f"shop/{path.name}": path.read_text() for path in (EXAMPLE / "shop").iterdir()})
    repository.apply_path("shop", wait=True, timeout="1m")
    repository.wait_applied("shop", revision)

    assert scene.condition("Ready", "checkout")["status"] == "True"
    assert scene.deployment("checkout")["metadata"]["labels"][KUSTOMIZATION] == "shop"
