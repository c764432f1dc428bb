"""Bad input: a clear condition with the path, in the policy's own status, while all other policies go on."""

import json
from typing import Any

import pytest

from tests.cluster.scene import Scene, policy_spec
from tools.devcluster.api import ApiError

CHECK = policy_spec()["checks"][0]

STALLED = [
    pytest.param(
        {"checks": [{"name": "x", "preset": "NoSuchPreset"}]},
        'spec.checks[0].preset: unknown preset "NoSuchPreset"',
        id="an unknown preset names those that there are",
    ),
    pytest.param(
        {"checks": [CHECK, {**CHECK, "name": "bad", "query": "rate(errors[5m]"}]},
        "spec.checks[1].query:",
        id="PromQL that does not parse",
    ),
    pytest.param(
        {"checks": [{**CHECK, "query": "errors{job=~$target}"}]},
        "spec.checks[0].query:",
        id="a placeholder outside quotes",
    ),
    pytest.param({"source": "nowhere"}, 'spec.source: unknown source "nowhere"', id="an unknown source"),
]


@pytest.mark.parametrize(("spec", "message"), STALLED)
def test_a_policy_that_cannot_be_used_says_so(scene: Scene, spec: dict[str, Any], message: str) -> None:
    """Stalled with the path; the good policy beside it is measured; the mended policy is taken up."""
    scene.gauge(0.0)
    scene.deploy()
    scene.apply("bad", **{**policy_spec("web"), **spec})
    scene.apply("good", target="web")
    scene.salus.start()

    assert message in scene.wait_condition("Stalled", "True", "bad")["message"]
    assert scene.condition("Ready", "bad")["status"] == "False"
    scene.wait_condition("Healthy", "True", "good")

    mended = json.dumps({"spec": {**policy_spec("web"), "source": "default"}})
    scene.cluster.kubectl("patch", "-n", scene.namespace, "healthpolicy/bad", "--type=merge", "-p", mended)
    scene.wait_condition("Ready", "True", "bad")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        pytest.param(
            {"kind": "Deployment", "name": "ghost"},
            "spec.target.name: there is no Deployment ghost",
            id="a target that does not exist",
        ),
        pytest.param(
            {"kind": "Deployment", "selector": {"matchLabels": {"app": "ghost"}}},
            "spec.target.selector: no Deployment matches app=ghost",
            id="a selector that matches nothing",
        ),
    ],
)
def test_a_policy_without_a_target_is_not_ready_until_there_is_one(
    scene: Scene, target: dict[str, Any], message: str
) -> None:
    """Not ready, with the path; when the workload comes, it is taken up without another word."""
    scene.gauge(0.0, target="ghost")
    scene.apply("web", **{**policy_spec("ghost"), "target": target})
    scene.salus.start()
    assert scene.wait_condition("Ready", "False")["message"] == message

    scene.deploy("ghost")
    scene.wait_condition("Ready", "True")
    scene.wait_condition("Healthy", "True")


def test_a_maximum_below_the_current_size_is_a_refusal_with_the_path(scene: Scene) -> None:
    """The record and the condition name `spec.remedies[0].scale.max`."""
    scene.gauge(0.5)
    scene.deploy(replicas=3)
    scene.apply(remedies=[{"name": "grow", "scale": {"by": "1", "max": 2}}])
    scene.salus.start()

    refusal = scene.wait_change(decision="Refuse", reason="AboveMaximum")
    assert refusal["spec"]["message"] == "spec.remedies[0].scale.max: 2 is below the current size 3"
    assert scene.writes() == []


def test_a_seventeenth_check_is_refused_by_the_api_server(scene: Scene) -> None:
    """The bound is in the schema, and the message names the field."""
    checks = [{**CHECK, "name": f"check-{number}"} for number in range(17)]
    with pytest.raises(ApiError, match=r"spec\.checks.*16"):
        scene.apply(checks=checks)
