"""What an administrator says to a running operator is seen at once, where the policies' authors look."""

from tests.cluster.scene import Scene


def test_the_kill_switch_is_shown_by_a_policy_that_is_asked_once_an_hour(scene: Scene) -> None:
    """No tick comes in between, nor is the operator started anew: only the configuration changes, there and back."""
    scene.gauge(0.0)
    scene.deploy()
    scene.apply(interval="1h")
    scene.salus.start()
    scene.wait_condition("Healthy", "True")

    scene.salus.configure({"killSwitch": {"enabled": True, "message": "see CHG-7"}})
    throttled = scene.wait_condition("Throttled", "True")
    assert (throttled["reason"], throttled["message"]) == ("KillSwitch", "see CHG-7")

    scene.salus.configure({})
    scene.wait_condition("Throttled", "False")


def test_an_overlap_is_shown_by_both_policies_and_goes_with_one_of_them(scene: Scene) -> None:
    scene.gauge(0.0)
    scene.deploy()
    scene.apply("one", target="web")
    scene.apply("two", target="web")
    scene.salus.start()

    assert "two" in scene.wait_condition("Overlapping", "True", "one")["message"]
    assert "one" in scene.wait_condition("Overlapping", "True", "two")["message"]
    assert scene.condition("Ready", "one")["status"] == scene.condition("Ready", "two")["status"] == "True"

    scene.cluster.kubectl("delete", "-n", scene.namespace, "healthpolicy/two")
    scene.wait_condition("Overlapping", "False", "one")
