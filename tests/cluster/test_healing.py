"""Salus on a real control plane: it heals what it may, proves it, and leaves the rest alone."""

from typing import Any

from tests.cluster.scene import Scene

FIELD_MANAGER = "salus"
CHANGE = "salus.dev/change"


def annotation_in(patch: list[dict[str, Any]]) -> str:
    """The change that a JSON Patch stamps on the object."""
    stamp = [op for op in patch if op["path"] == "/metadata/annotations/salus.dev~1change"]
    return str(stamp[0]["value"]) if stamp else ""


def test_a_bad_release_is_rolled_back_to_the_one_known_healthy(scene: Scene) -> None:
    """v1 is healthy and kept, v2 is bad: the template of v1 comes back, by one PATCH, and the checks prove it."""
    scene.gauge(0.0)
    scene.deploy(release="v1", annotations={"team": "payments"})
    v1 = scene.deployment()["spec"]["template"]
    scene.apply(remedies=[{"name": "undo", "rollback": {"within": "30m"}}])
    scene.salus.start()
    scene.wait_kept()

    scene.release("v2")
    scene.gauge(0.3)
    change = scene.wait_change(decision="Act", action="Rollback")
    scene.wait(lambda: scene.deployment()["spec"]["template"] == v1, "the template of v1")
    scene.gauge(0.0)
    scene.wait_outcome("Recovered", action="Rollback")

    scene.wait(lambda: scene.incidents()[0]["status"]["phase"] == "Resolved", "the incident is resolved")
    patches = scene.writes(verb="patch")
    assert [event.code for event in patches] == [200]
    assert patches[0].field_manager == FIELD_MANAGER
    assert annotation_in(patches[0].body) == change["metadata"]["name"]
    created = scene.writes("changeevents", "create")
    assert created[0].name == change["metadata"]["name"]
    assert created[0].completed <= patches[0].received
    annotations = scene.deployment()["metadata"]["annotations"]
    assert annotations["team"] == "payments"
    assert annotations[CHANGE] == change["metadata"]["name"]


def test_edge_case_09_undo_after_restart_and_11_annotations_survive(scene: Scene) -> None:
    """v1 healthy, v2 bad, restarted by a person, v3 bad: back to v1; annotations stay as they are, byte for byte."""
    scene.gauge(0.0)
    tracking = {
        "example.com/tracking": "shop:apps/Deployment",
        "kopf.zalando.org/last-handled": '{"spec":1}',
        "note": "ü",
    }
    scene.deploy(release="v1", annotations=tracking)
    v1 = scene.deployment()["spec"]["template"]
    scene.apply(remedies=[{"name": "undo", "rollback": {}}])
    scene.salus.start()
    scene.wait_kept()  # before: what a suspended policy sees proves no release to those that act

    suspend(scene)
    scene.gauge(0.3)
    scene.release("v2")
    scene.restart()
    scene.release("v3")
    scene.wait_rolled_out()
    before = scene.deployment()["metadata"]["annotations"]
    resume(scene)
    scene.wait(lambda: scene.deployment()["spec"]["template"] == v1, "the template of v1")
    after = scene.deployment()["metadata"]["annotations"]
    changed = {CHANGE, "deployment.kubernetes.io/revision"}
    assert {k: v for k, v in after.items() if k not in changed} == {k: v for k, v in before.items() if k not in changed}
    scene.gauge(0.0)
    scene.wait_outcome("Recovered", action="Rollback")


def test_a_deployment_made_again_with_a_bad_release_goes_back_to_the_good_one(scene: Scene) -> None:
    """The history outlives the Deployment: deleted and made again with v3, it still goes back to v1."""
    scene.gauge(0.0)
    scene.deploy(release="v1")
    v1 = scene.deployment()["spec"]["template"]
    scene.apply(remedies=[{"name": "undo", "rollback": {}}])
    scene.salus.start()
    scene.wait_kept()

    scene.delete()
    scene.deploy(release="v3")
    scene.gauge(0.3)
    scene.wait(lambda: scene.deployment()["spec"]["template"] == v1, "the template of v1")
    scene.gauge(0.0)
    scene.wait_outcome("Recovered", action="Rollback")


def test_without_a_release_known_healthy_the_rollback_is_refused_on_record(scene: Scene) -> None:
    """Nothing was ever healthy: no patch, a refusal with its reason, and people are called."""
    scene.gauge(0.3)
    scene.deploy(release="v1")
    scene.apply(remedies=[{"name": "undo", "rollback": {}}])
    scene.salus.start()

    scene.wait_change(decision="Refuse", reason="NoKnownGoodRelease")
    scene.wait(lambda: scene.incidents()[0]["status"].get("phase") == "Escalated", "people are called")
    assert scene.writes() == []


def test_a_wedged_service_is_restarted_and_recovers(scene: Scene) -> None:
    """A restart is one annotation on the template; recovery is proven by the metrics."""
    scene.gauge(0.0)
    scene.deploy()
    scene.apply(remedies=[{"name": "restart", "restart": {}}])
    scene.salus.start()
    scene.wait_condition("Healthy", "True")
    template = scene.deployment()["spec"]["template"]

    scene.gauge(0.5)
    scene.wait_change(decision="Act", action="Restart")
    restarted_at = ("metadata", "annotations", "kubectl.kubernetes.io/restartedAt")
    scene.wait(lambda: bool(dig(scene.deployment()["spec"]["template"], *restarted_at)), "a restart")
    scene.gauge(0.0)
    scene.wait_outcome("Recovered", action="Restart")

    after = scene.deployment()["spec"]["template"]
    del after["metadata"]["annotations"]
    assert after == template
    assert len(scene.writes(verb="patch")) == 1


def test_a_surge_is_met_with_replicas_and_they_go_back_when_it_is_over(scene: Scene) -> None:
    """Scale up within max, recover, then back to the original number after `revertAfter`."""
    scene.gauge(0.0)
    scene.deploy(replicas=2)
    scene.apply(remedies=[{"name": "grow", "scale": {"by": "50%", "max": 4, "revertAfter": "5s"}}])
    scene.salus.start()
    scene.wait_condition("Healthy", "True")

    scene.gauge(0.5)
    scene.wait(lambda: scene.deployment()["spec"]["replicas"] == 3, "three replicas")
    scene.gauge(0.0)
    scene.wait_outcome("Recovered", action="Scale", reason="AboveThreshold")
    scene.wait(lambda: scene.deployment()["spec"]["replicas"] == 2, "two replicas again")

    revert = scene.wait_outcome("Undone", reason="RevertAfter")
    assert revert["spec"]["undoes"] == scene.changes(reason="AboveThreshold")[0]["metadata"]["name"]
    assert len(scene.writes(verb="patch")) == 2


def test_what_did_not_help_is_taken_back_and_people_are_called(scene: Scene) -> None:
    """A scaling that changed nothing is undone after its timeout, then the ladder ends with one notification."""
    scene.gauge(0.5)
    scene.deploy(replicas=2)
    scene.apply(
        remedies=[{"name": "grow", "scale": {"to": 4, "max": 4}}],
        verify={"settle": "0s", "stable": "5s", "timeout": "10s"},
    )
    scene.salus.start()

    scene.wait_outcome("NotRecovered", action="Scale", reason="AboveThreshold")
    scene.wait_outcome("Undone", reason="Undo")
    scene.wait(lambda: scene.incidents()[0]["status"]["phase"] == "Escalated", "people are called")
    assert scene.deployment()["spec"]["replicas"] == 2
    assert len(scene.changes(action="Notify")) == 1


def test_an_undo_keeps_its_hands_off_what_someone_changed_since(scene: Scene) -> None:
    """Scaled 2 → 4 without help; a person sets 8 meanwhile: 8 stays, and the record says UndoSkipped."""
    scene.gauge(0.5)
    scene.deploy(replicas=2)
    scene.apply(
        remedies=[{"name": "grow", "scale": {"to": 4, "max": 4}}],
        verify={"settle": "0s", "stable": "5s", "timeout": "20s"},
    )
    scene.salus.start()
    scene.wait(lambda: scene.deployment()["spec"]["replicas"] == 4, "four replicas")
    scene.cluster.kubectl("scale", "-n", scene.namespace, "deployment/web", "--replicas=8")

    scene.wait_outcome("UndoSkipped", reason="UndoSkipped")
    assert scene.deployment()["spec"]["replicas"] == 8
    assert len(scene.writes(verb="patch")) == 1


def test_observe_decides_the_same_and_writes_nothing_to_the_workload(scene: Scene) -> None:
    """Under Observe the decision is on record as DryRun, once, with the patch it would have sent."""
    scene.gauge(0.5)
    scene.deploy()
    scene.apply(mode="Observe", remedies=[{"name": "restart", "restart": {}}])
    scene.salus.start()

    change = scene.wait_change(decision="DryRun", action="Restart")
    assert change["spec"]["patch"]
    scene.wait_status_ticks(3)
    assert len(scene.changes()) == 1
    assert scene.writes() == []


def test_a_threshold_with_for_fires_exactly_once(scene: Scene) -> None:
    """A breach that lasts leads to one action, however many ticks see it."""
    scene.gauge(0.0)
    scene.deploy()
    scene.apply(remedies=[{"name": "restart", "restart": {}}], verify={"settle": "0s", "stable": "5s", "timeout": "5m"})
    scene.salus.start()
    scene.wait_condition("Healthy", "True")
    scene.gauge(0.5)

    scene.wait_change(decision="Act", action="Restart")
    scene.wait_status_ticks(4)
    assert len(scene.changes(decision="Act")) == 1
    assert len(scene.writes(verb="patch")) == 1
    assert len(scene.incidents()) == 1


def test_a_refusal_is_on_record_and_nothing_is_written(scene: Scene) -> None:
    """A suspended policy records why it does nothing, once; Throttled says so, and nothing is written."""
    scene.gauge(0.0)
    scene.deploy()
    scene.apply(remedies=[{"name": "restart", "restart": {}}], suspend=True)
    scene.salus.start()
    scene.wait_condition("Healthy", "True")
    scene.gauge(0.5)

    refusal = scene.wait_change(decision="Refuse")
    assert refusal["spec"]["reason"] == "Suspended"
    assert scene.wait_condition("Throttled", "True")["reason"] == "Suspended"
    assert scene.writes() == []
    assert len(scene.changes()) == 1


def test_cooldown_and_attempts_come_from_the_records(scene: Scene) -> None:
    """Two restarts are allowed an hour; the third is refused, though Salus was killed in between."""
    scene.gauge(0.0)
    scene.deploy()
    scene.apply(
        remedies=[
            {"name": "restart", "restart": {}},
            {"name": "again", "restart": {}},
            {"name": "more", "restart": {}},
        ],
        limits={"cooldown": "5s", "maxActions": 2, "per": "1h"},
        verify={"settle": "0s", "stable": "5s", "timeout": "5s"},
    )
    scene.salus.start()
    scene.wait_condition("Healthy", "True")
    scene.gauge(0.5)
    scene.wait_outcome("NotRecovered", remedy="restart")
    scene.salus.kill()
    scene.salus.start()

    scene.wait_change(decision="Refuse", reason="AttemptsExhausted")
    assert len(scene.writes(verb="patch")) == 2
    scene.wait(lambda: scene.incidents()[0]["status"]["phase"] == "Escalated", "people are called")


def dig(body: dict[str, Any], *path: str) -> Any:  # noqa: ANN401 — any part of an object
    """The part of an object at a path, None where it ends early."""
    part: Any = body
    for key in path:
        part = part.get(key) if isinstance(part, dict) else None
    return part


def suspend(scene: Scene, *, wanted: bool = True) -> None:
    """Set `suspend`, as a person does."""
    path = f"/apis/salus.dev/v1alpha1/namespaces/{scene.namespace}/healthpolicies/web"
    scene.cluster.api().patch(path, {"spec": {"suspend": wanted}})


def resume(scene: Scene) -> None:
    """Lift `suspend`."""
    suspend(scene, wanted=False)
