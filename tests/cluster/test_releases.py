"""Releases of StatefulSets and DaemonSets on a real control plane: kept, rolled back, never adopted."""

from copy import deepcopy
from typing import Any

import pytest

from salus.core.objects.workloads import release_hash, short
from salus.core.records.names import target_id
from salus.model.meta import WorkloadKind
from salus.model.values.keys import TargetKey
from tests.cluster.scene import Object, Scene
from tools.devcluster.kwok import LIFE

NAME = "web"
UNDO = {"name": "undo", "rollback": {}}
BAD = {"spec": {"template": {"metadata": {"annotations": {LIFE: "pull"}}}}}


def path(scene: Scene, kind: str) -> str:
    return f"/apis/apps/v1/namespaces/{scene.namespace}/{kind.lower()}s"


def workload(scene: Scene, kind: str) -> Object:
    return scene.cluster.api().get(f"{path(scene, kind)}/{NAME}")


def deploy(scene: Scene, kind: str, **spec: Any) -> Object:  # noqa: ANN401 — part of a spec
    """Create the workload, and wait until all its pods are ready."""
    labels = {"app": NAME}
    template = {"metadata": {"labels": labels, "annotations": {"team": "a"}}, "spec": {"containers": [CONTAINER]}}
    count = {} if kind == "DaemonSet" else {"replicas": 3, "serviceName": NAME}
    whole = {"selector": {"matchLabels": labels}, "template": template, **count, **spec}
    scene.cluster.api().create(path(scene, kind), {"metadata": {"name": NAME}, "spec": whole})
    scene.wait(lambda: is_ready(scene, kind), f"{kind} is ready")
    return workload(scene, kind)


CONTAINER = {"name": "app", "image": "app:v1"}


def is_ready(scene: Scene, kind: str) -> bool:
    """Every pod that is wanted runs the newest template and is ready."""
    body = workload(scene, kind)
    status = body.get("status", {})
    if kind == "DaemonSet":
        wanted, keys = status.get("desiredNumberScheduled", 0), ("updatedNumberScheduled", "numberReady")
    else:
        wanted, keys = body["spec"]["replicas"], ("updatedReplicas", "readyReplicas")
    seen = status.get("observedGeneration") == body["metadata"]["generation"]
    return seen and wanted > 0 and all(status.get(key, 0) == wanted for key in keys)


def pods(scene: Scene) -> dict[str, str]:
    """Name and uid of each pod."""
    found = scene.cluster.api().items(f"/api/v1/namespaces/{scene.namespace}/pods")
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in found}


def release(scene: Scene, kind: str, patch: Object) -> None:
    """A person changes the template."""
    scene.cluster.api().patch(f"{path(scene, kind)}/{NAME}", patch, kind="application/strategic-merge-patch+json")


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_edge_case_14_stuck_stateful_set_is_rolled_back_whatever_the_kind(scene: Scene, kind: str) -> None:
    """Edge case "stuck StatefulSet": only the pod that hangs on the bad release is deleted, and all are ready again."""
    scene.gauge(0.0)
    good = deploy(scene, kind)["spec"]["template"]
    before = pods(scene)
    scene.apply(target={"kind": kind, "name": NAME}, remedies=[UNDO])
    scene.salus.start()
    scene.wait_kept()

    release(scene, kind, BAD)
    scene.gauge(0.3)
    scene.wait_change(decision="Act", action="Rollback")
    scene.wait(lambda: workload(scene, kind)["spec"]["template"] == good, "the good template")
    scene.wait(lambda: is_ready(scene, kind), "all pods are ready on the good release")
    scene.gauge(0.0)
    change = scene.wait_outcome("Recovered", action="Rollback")

    assert len(scene.writes(f"{kind.lower()}s", "patch")) == 1
    assert scene.incidents()[0]["status"]["blame"]["kind"] == "Release"
    deleted = [event.name for event in scene.writes("pods", "delete")]
    if kind == "StatefulSet":
        assert deleted == ["web-2"]
        assert "deleting pod web-2" in change["status"]["message"]
        assert {name: uid for name, uid in pods(scene).items() if name != "web-2"} == {
            name: uid for name, uid in before.items() if name != "web-2"
        }
    else:
        assert deleted == []


def test_kept_releases_are_never_adopted_nor_collected(scene: Scene) -> None:
    """A StatefulSet that keeps one old revision of its own leaves the ones that Salus keeps alone: its newest five."""
    scene.gauge(0.0)
    deploy(scene, "StatefulSet", revisionHistoryLimit=1)
    scene.apply(target={"kind": "StatefulSet", "name": NAME})
    scene.salus.start()
    scene.wait(lambda: kept_images(scene) == {"app:v1"}, "v1 is kept")
    for number in range(2, 7):
        patch = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": f"app:v{number}"}]}}}}
        release(scene, "StatefulSet", patch)
        scene.wait(lambda: is_ready(scene, "StatefulSet"), f"v{number} is ready")
        newest = {f"app:v{one}" for one in range(max(1, number - 4), number + 1)}
        scene.wait(lambda newest=newest: kept_images(scene) == newest, f"v{number} is kept")  # type: ignore[misc]

    assert all("ownerReferences" not in one["metadata"] for one in scene.kept_releases())


def test_a_release_that_comes_back_is_the_newest_good_one_again(scene: Scene) -> None:
    """Its record is there already: what changes is since when it is known healthy."""
    scene.gauge(0.0)
    deploy(scene, "DaemonSet")
    scene.apply(target={"kind": "DaemonSet", "name": NAME})
    scene.salus.start()
    for image in ("app:v1", "app:v2", "app:v1"):
        containers = [{"name": "app", "image": image}]
        release(scene, "DaemonSet", {"spec": {"template": {"spec": {"containers": containers}}}})
        scene.wait(lambda image=image: newest_good(scene) == image, f"{image} is the newest good one")  # type: ignore[misc]

    assert len(scene.kept_releases()) == 2


def newest_good(scene: Scene) -> str:
    """The image of the release that was last known healthy."""
    kept = scene.kept_releases()
    newest = max(kept, key=lambda one: str(one.get("status", {}).get("healthyAt", "")), default=None)
    return str(newest["spec"]["workload"]["spec"]["template"]["spec"]["containers"][0]["image"]) if newest else ""


def kept_images(scene: Scene) -> set[str]:
    """The image of each release that Salus keeps."""
    templates = (one["spec"]["workload"]["spec"]["template"] for one in scene.kept_releases())
    return {template["spec"]["containers"][0]["image"] for template in templates}


@pytest.mark.parametrize(
    ("strategy", "reason"),
    [
        pytest.param({"type": "OnDelete"}, "OnDeleteStrategy", id="OnDelete"),
        pytest.param({"rollingUpdate": {"partition": 3}}, "PartitionedRollout", id="partition=3"),
    ],
)
def test_edge_case_14_stuck_stateful_set_that_would_keep_its_pods_is_left_alone(
    scene: Scene, strategy: dict[str, Any], reason: str
) -> None:
    """Edge case "stuck StatefulSet": `OnDelete` and `partition=3` refuse."""
    scene.gauge(0.3)
    deploy(scene, "StatefulSet", updateStrategy=strategy)
    scene.apply(target={"kind": "StatefulSet", "name": NAME}, remedies=[UNDO])
    scene.salus.start()

    scene.wait_change(decision="Refuse", reason=reason)
    assert scene.writes("statefulsets") == []


def test_what_an_older_salus_kept_survives_the_upgrade(scene: Scene) -> None:
    """From 930589c: v1 was good, v0 was taken away; v2 is unhealthy, and goes back to v1. The old objects stay."""
    scene.gauge(0.0)
    deploy(scene, "StatefulSet")
    body = workload(scene, "StatefulSet")
    for image, marks in (("app:v1", {}), ("app:v0", {"salus.dev/quarantined-by": "web-0a1b2c3d-1"})):
        left_behind(scene, body, image, {"salus.dev/healthy-at": "2026-11-22T03:04:05Z", **marks})
    release(scene, "StatefulSet", BAD)
    scene.gauge(0.3)
    scene.apply(target={"kind": "StatefulSet", "name": NAME}, remedies=[UNDO])
    scene.salus.start()
    scene.wait_change(decision="Act", action="Rollback")
    scene.wait(lambda: is_ready(scene, "StatefulSet"), "all pods are ready on the good release")
    scene.gauge(0.0)
    scene.wait_outcome("Recovered", action="Rollback")

    template = workload(scene, "StatefulSet")["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == "app:v1"
    taken = [one for one in scene.kept_releases() if "takenOver" in one["spec"]]
    assert {one["status"].get("quarantinedBy", "") for one in taken} == {"", "web-0a1b2c3d-1"}
    assert all(one["spec"]["release"].startswith(one["spec"]["takenOver"][-10:]) for one in taken)
    old = scene.cluster.api().items(revisions(scene), labelSelector="salus.dev/target")
    assert {one["metadata"]["name"] for one in old} == {one["spec"]["takenOver"] for one in taken}
    assert scene.writes("controllerrevisions") == []


def revisions(scene: Scene) -> str:
    return f"/apis/apps/v1/namespaces/{scene.namespace}/controllerrevisions"


def left_behind(scene: Scene, body: Object, image: str, marks: Object) -> None:
    """A release as 930589c kept it."""
    spec = {key: value for key, value in deepcopy(body)["spec"].items() if key != "status"}
    spec["template"]["spec"]["containers"][0]["image"] = image
    target = target_id(TargetKey(scene.namespace, WorkloadKind.STATEFUL_SET, NAME))
    brief = short(release_hash(spec["template"]))
    metadata = {
        "name": f"salus-{target}-{brief}",
        "labels": {"salus.dev/target": target, "salus.dev/release": brief},
        "annotations": marks,
    }
    data = {"apiVersion": "apps/v1", "kind": "StatefulSet", "spec": spec}
    scene.cluster.api().create(revisions(scene), {"metadata": metadata, "revision": 1, "data": data})


def test_a_deployment_that_is_deleted_leaves_its_releases_for_a_while(scene: Scene) -> None:
    """They are marked when it goes, and gone when it does not come back in time."""
    scene.salus.configure({"retention": {"interval": "10s", "releases": {"orphaned": "5s"}}})
    scene.gauge(0.0)
    deploy(scene, "StatefulSet")
    scene.apply(target={"kind": "StatefulSet", "name": NAME})
    scene.salus.start()
    scene.wait_kept()
    scene.cluster.api().delete(f"{path(scene, 'StatefulSet')}/{NAME}")

    scene.wait(lambda: any("orphanedAt" in one["status"] for one in scene.kept_releases()), "the mark")
    scene.wait(lambda: not scene.kept_releases(), "they are gone")
