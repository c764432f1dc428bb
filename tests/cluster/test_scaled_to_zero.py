"""`kubectl scale --replicas=0` by mistake, as kube-state-metrics' series show it."""

from typing import Any

from tests.cluster.scene import Scene
from tests.cluster.test_autoscalers import HPA, path_of

MISSING = {"name": "replicas", "preset": "ReplicasMissing", "for": "5s"}
AVAILABLE = {"name": "available", "preset": "Unavailable", "for": "5s"}
BACK = {"name": "back", "scale": {"to": "LastHealthy", "max": 4}}
PAGE = {"name": "page", "notify": {}}


def begin(scene: Scene, *remedies: dict[str, Any]) -> None:
    """A healthy service whose release is on record."""
    scene.deploy(replicas=2)
    scene.apply(checks=[MISSING, AVAILABLE], remedies=list(remedies))
    scene.salus.start()
    scene.wait_kept()


def noted(scene: Scene) -> list[int | None]:
    """The healthy sizes on record."""
    return [one.get("status", {}).get("healthyReplicas") for one in scene.kept_releases()]


def stop_by_mistake(scene: Scene) -> None:
    """In the wrong terminal."""
    scene.cluster.kubectl("scale", "-n", scene.namespace, "deployment/web", "--replicas=0")


def replicas(scene: Scene) -> int:
    """As they are asked for."""
    wanted: int = scene.deployment()["spec"]["replicas"]
    return wanted


def test_scaled_to_zero_it_is_given_back_what_it_had_over_a_kill_and_once_only(scene: Scene) -> None:
    """The last healthy size is on record, so that a new Salus has it; whoever scales to 0 again means it."""
    begin(scene, BACK, PAGE)
    scene.wait(lambda: noted(scene) == [2], "its size is on record")
    scene.salus.kill()
    stop_by_mistake(scene)
    scene.salus.start()

    scene.wait(lambda: replicas(scene) == 2, "two replicas again")
    change = scene.wait_outcome("Recovered", action="Scale")
    scene.wait(lambda: scene.incidents()[0]["status"]["phase"] == "Resolved", "the incident is over")
    assert (change["spec"]["before"]["replicas"], change["spec"]["intended"]["replicas"]) == (0, 2)
    blame = scene.incidents()[0]["status"]["blame"]
    assert blame["kind"] == "Scale"
    assert "Deployment/web was scaled to 0" in blame["message"]
    assert len(scene.writes(verb="patch")) == 1

    stop_by_mistake(scene)
    scene.wait_change(decision="Refuse", reason="Contested")
    scene.wait_status_ticks(3)
    assert replicas(scene) == 0
    assert len(scene.writes(verb="patch")) == 1


def test_scaled_to_zero_people_are_told_where_no_remedy_says_so(scene: Scene) -> None:
    """Neither a rollback nor a restart is tried on what has no pods, nor any other scaling."""
    begin(scene, {"name": "undo", "rollback": {}}, {"name": "grow", "scale": {"to": 3, "max": 4}}, PAGE)
    stop_by_mistake(scene)

    scene.wait_change(decision="Act", action="Notify")
    scene.wait(lambda: scene.incidents()[0]["status"]["phase"] == "Escalated", "people are called")
    assert {change["spec"]["reason"] for change in scene.changes(decision="Refuse")} == {"ScaledToZero"}
    assert replicas(scene) == 0
    assert noted(scene) == [None]
    assert scene.writes() == []


def test_scaled_to_zero_under_an_hpa_it_is_the_hpas(scene: Scene) -> None:
    """An HPA is switched off by a 0, and to switch it on again is its owner's choice."""
    begin(scene, BACK, PAGE)
    scene.wait(lambda: noted(scene) == [2], "its size is on record")
    scene.cluster.api().create(path_of(scene, HPA), HPA)
    stop_by_mistake(scene)

    scene.wait_change(decision="Refuse", reason="HpaOwnsReplicas")
    scene.wait_change(decision="Act", action="Notify")
    assert replicas(scene) == 0
    assert scene.writes() == []
    assert scene.writes("horizontalpodautoscalers") == []
