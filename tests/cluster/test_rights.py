"""No borrowed power, on a real API server: what a namespace lends is what is done there, and what it lacks is told."""

import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from salus.core.rights import MISSING
from tests.cluster.scene import Scene
from tests.devcluster.cluster import KubectlError
from tests.devcluster.salus import ACCOUNT

GRANTED = 90.0
"""Seconds; what is lacking is looked at again after half a minute."""


def kubectl(scene: Scene, *arguments: str) -> None:
    scene.cluster.kubectl("-n", scene.namespace, *arguments)


def take_back_everything(scene: Scene) -> None:
    """As in a namespace that has never heard of Salus."""
    kubectl(scene, "delete", "rolebinding/salus-remediator", "rolebinding/salus-impersonator")
    kubectl(scene, "delete", f"serviceaccount/{ACCOUNT}")


def commands_in(message: str) -> list[list[str]]:
    """The commands that a message says would help, as a person would paste them."""
    helping = message.partition("this would help: ")[2]
    assert helping, message
    return [shlex.split(command)[1:] for command in helping.split(" && ")]


@pytest.fixture
def tenant(scene: Scene) -> str:
    """An administrator of this namespace and of nothing else."""
    user = f"admin-of-{scene.namespace}"
    kubectl(scene, "create", "rolebinding", "admins", "--clusterrole=admin", f"--user={user}")
    return user


def a_service(scene: Scene, **spec: Any) -> None:  # noqa: ANN401 - handed on
    """A healthy Deployment, and a policy that restarts it."""
    scene.gauge(0.0)
    scene.deploy()
    scene.apply(**{"remedies": [{"name": "restart", "restart": {}}], **spec})


def test_what_is_lacking_is_told_before_an_incident_and_its_own_words_help(scene: Scene, tenant: str) -> None:
    """An administrator of the namespace pastes the commands of the message; nobody touches the policy."""
    take_back_everything(scene)
    a_service(scene)
    scene.salus.start()
    stalled = scene.wait_condition("Stalled", "True")
    assert stalled["reason"] == MISSING
    assert scene.condition("Ready")["status"] == "False"
    scene.wait_condition("Healthy", "True")  # measuring goes on

    for command in commands_in(stalled["message"]):
        scene.cluster.kubectl(*command, user=tenant)
    scene.wait_condition("Ready", "True", timeout=GRANTED)
    scene.gauge(0.5)
    scene.wait_change(decision="Act", action="Restart")
    scene.gauge(0.0)
    scene.wait_outcome("Recovered", action="Restart", decision="Act")

    account = f"system:serviceaccount:{scene.namespace}:{ACCOUNT}"
    assert [(event.user, event.impersonated) for event in scene.writes(verb="patch")] == [("salus", account)]
    assert scene.changes(decision="Act")[0]["spec"]["actor"]["identity"] == account


@pytest.mark.parametrize(
    ("binding", "says"),
    [
        pytest.param("salus-impersonator", "salus may not act as", id="the loan of the account"),
        pytest.param(
            "salus-remediator", "may not get deployments.apps web, patch deployments.apps web", id="its rights"
        ),
    ],
)
def test_one_of_the_two_bindings_is_not_enough(scene: Scene, binding: str, says: str, tenant: str) -> None:
    """Taken away while all is well: told in the status; refused in the incident; given back, the remedy is done."""
    a_service(scene)
    scene.salus.start()
    scene.wait_condition("Healthy", "True")
    kubectl(scene, "delete", f"rolebinding/{binding}")
    scene.gauge(0.5)

    refusal = scene.wait_change(decision="Refuse")
    assert refusal["spec"]["reason"] == "NotOwned"
    assert says in refusal["spec"]["message"]
    assert scene.wait_condition("Throttled", "True")["reason"] == "NotOwned"
    assert scene.writes() == []

    for command in commands_in(refusal["spec"]["message"]):
        scene.cluster.kubectl(*command, user=tenant)
    scene.wait_change(decision="Act", action="Restart", timeout=GRANTED)
    scene.gauge(0.0)
    scene.wait_outcome("Recovered", action="Restart", decision="Act")


def test_rehearsing_takes_no_rights(scene: Scene) -> None:
    """In mode Observe the policy is Ready, says what acting would need, and its rehearsal is on record."""
    take_back_everything(scene)
    a_service(scene, mode="Observe")
    scene.salus.start()
    ready = scene.wait_condition("Ready", "True")
    scene.gauge(0.5)
    scene.wait_change(decision="DryRun", action="Restart")

    assert "to act it would need more: there is no service account" in ready["message"]
    assert scene.condition("Stalled")["status"] == "False"
    assert scene.changes(decision="Refuse") == []


@pytest.fixture
def twin(scene: Scene) -> Iterator[str]:
    """A user with the rights that the manifest gives to the operator in all namespaces, and with no others."""
    user = f"twin-of-salus-{scene.namespace}"
    scene.cluster.kubectl("create", "clusterrolebinding", user, "--clusterrole=salus", f"--user={user}")
    yield user
    scene.cluster.kubectl("delete", f"clusterrolebinding/{user}")


def test_the_operators_own_account_can_touch_nothing(scene: Scene, twin: str) -> None:
    """Tried with its very rights, in a namespace that lends it nothing."""
    take_back_everything(scene)
    scene.deploy()
    there = f"--namespace={scene.namespace}"
    label = '[{"op":"add","path":"/metadata/labels/x","value":"y"}]'
    scene.cluster.kubectl("get", "deployments", there, user=twin)
    for command in (
        ("scale", "deployment/web", "--replicas=0"),
        ("patch", "deployment/web", "--type=json", f"--patch={label}"),
        ("rollout", "restart", "deployment/web"),
        ("delete", "deployment/web"),
        ("delete", "pods", "--all"),
        ("get", "secrets"),
        ("get", "configmap/kube-root-ca.crt"),
        ("create", "token", "default"),
        ("create", "rolebinding", "x", "--clusterrole=admin", f"--user={twin}"),
        ("get", "pods", f"--as=system:serviceaccount:{scene.namespace}:default"),
        ("get", "pods", f"--as=system:serviceaccount:{scene.namespace}:{ACCOUNT}"),
        ("get", "pods", "--as=admin", "--as-group=system:masters"),
    ):
        with pytest.raises(KubectlError, match="forbidden"):
            scene.cluster.kubectl(*command, there, user=twin)
    assert scene.deployment()["spec"]["replicas"] == 2
