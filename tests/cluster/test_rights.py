"""No borrowed power, on a real API server: what a namespace lends is what is done there, and what it lacks is told."""

import json
import shlex
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from salus.core.guards.permissions import DENIED, MISSING
from salus.core.records.names import TARGET_LABEL
from tests.cluster.scene import Scene
from tools.devcluster.admission import install_admission, rule
from tools.devcluster.api import ApiError
from tools.devcluster.cluster import KubectlError
from tools.devcluster.salus import ACCOUNT

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
    scene.wait_written()
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
    assert refusal["spec"]["reason"] == "NotPermitted"
    assert says in refusal["spec"]["message"]
    assert scene.wait_condition("Throttled", "True")["reason"] == "NotPermitted"
    assert scene.writes() == []

    for command in commands_in(refusal["spec"]["message"]):
        scene.cluster.kubectl(*command, user=tenant)
    scene.wait_change(decision="Act", action="Restart", timeout=GRANTED)
    scene.wait_written()
    scene.gauge(0.0)
    scene.wait_outcome("Recovered", action="Restart", decision="Act")


def lend_without_rollback(scene: Scene) -> None:
    """The narrower of the two roles, and the API server holds the account to what it is for."""
    role = "salus-remediator-scale-restart"
    kubectl(scene, "delete", "rolebinding/salus-remediator")
    account = f"--serviceaccount={scene.namespace}:{ACCOUNT}"
    kubectl(scene, "create", "rolebinding", role, f"--clusterrole={role}", account)
    install_admission(scene.cluster)
    rule(scene.cluster, scene.namespace)


def test_a_loan_without_rollback_restarts(scene: Scene) -> None:
    lend_without_rollback(scene)
    a_service(scene)
    scene.salus.start()
    scene.wait_condition("Healthy", "True")
    scene.gauge(0.5)
    scene.wait_change(decision="Act", action="Restart")
    scene.wait_written()
    scene.gauge(0.0)

    scene.wait_outcome("Recovered", action="Restart", decision="Act")


def test_a_loan_without_rollback_says_so_before_an_incident_and_its_own_words_help(scene: Scene, tenant: str) -> None:
    lend_without_rollback(scene)
    a_service(scene, remedies=[{"name": "undo", "rollback": {}}])
    scene.salus.start()
    stalled = scene.wait_condition("Stalled", "True")

    assert stalled["reason"] == DENIED
    assert f"{ACCOUNT} may not rollback deployments.apps web; this would help: " in stalled["message"]
    for command in commands_in(stalled["message"]):
        scene.cluster.kubectl(*command, user=tenant)
    scene.wait_condition("Ready", "True", timeout=GRANTED)


def test_a_rollback_within_the_loan_is_done_and_one_that_brings_a_secret_along_is_not(scene: Scene) -> None:
    """v1 had a Secret of its own, v2 has none, v3 is bad: v2 comes back. Were v2 bad, a person would have to."""
    install_admission(scene.cluster)
    rule(scene.cluster, scene.namespace)
    scene.gauge(0.0)
    scene.deploy()
    scene.apply(remedies=[{"name": "undo", "rollback": {}}])
    brings = '{"spec":{"template":{"spec":{"imagePullSecrets":[{"name":"payroll"}]}}}}'
    kubectl(scene, "patch", "deployment", "web", f"--patch={brings}")
    scene.wait_rolled_out()
    scene.salus.start()
    scene.wait_kept()

    without = '[{"op":"remove","path":"/spec/template/spec/imagePullSecrets"}]'
    kubectl(scene, "patch", "deployment", "web", "--type=json", f"--patch={without}")
    scene.gauge(0.5)
    refusal = scene.wait_change(decision="Refuse", action="Rollback")["spec"]
    assert refusal["reason"] == "MoreThanLent"
    assert "has what the live one of Deployment/web has not: Secret payroll; " in refusal["message"]
    assert scene.writes(verb="patch") == []

    scene.gauge(0.0)
    scene.wait_condition("Healthy", "True")
    scene.wait_kept(2)
    good = scene.deployment()["spec"]["template"]
    scene.release("v3")
    scene.gauge(0.5)
    scene.wait(lambda: scene.deployment()["spec"]["template"] == good, "the release without the Secret is back")
    scene.gauge(0.0)
    scene.wait_outcome("Recovered", action="Rollback", decision="Act")


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


def test_a_stolen_token_lends_nobody_the_secrets_of_a_tenant(scene: Scene, twin: str) -> None:
    """As the account that the namespace has lent, which may patch its Deployments: no Secret, no other account."""
    install_admission(scene.cluster)
    rule(scene.cluster, scene.namespace)
    kubectl(scene, "create", "rolebinding", "stolen", "--clusterrole=salus-impersonator", f"--user={twin}")
    scene.deploy()
    as_lent = (f"--namespace={scene.namespace}", f"--as={scene.account}")

    def attempt(pod: dict[str, Any]) -> str:
        body = json.dumps({"spec": {"template": {"spec": pod}}})
        with pytest.raises(KubectlError) as refused:
            scene.cluster.kubectl("patch", "deployment", "web", f"--patch={body}", *as_lent, user=twin)
        return str(refused.value)

    mount = {"volumes": [{"name": "s", "secret": {"secretName": "payroll"}}]}
    scene.wait(lambda: "cannot impersonate" not in attempt(mount), "the twin's rights")
    assert "an account that is lent to Salus, may not bring Secrets along that the live one has not: payroll" in (
        attempt(mount)
    )
    assert "may not change who its pods are" in attempt({"serviceAccountName": "deployer"})
    assert "may not gain privileges" in attempt({"hostPID": True})
    with pytest.raises(KubectlError, match="forbidden"):
        scene.cluster.kubectl("get", "secrets", *as_lent, user=twin)


def test_the_operators_token_cannot_exchange_the_revision_of_a_stateful_set(scene: Scene, twin: str) -> None:
    """S6: deleted and made again under its name with another template, pods below a partition would come from it."""
    take_back_everything(scene)
    api, revisions = scene.cluster.api(), f"/apis/apps/v1/namespaces/{scene.namespace}/controllerrevisions"
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "app:v1"}]}}
    spec = {"replicas": 1, "serviceName": "web", "selector": {"matchLabels": labels}, "template": template}
    api.create(f"/apis/apps/v1/namespaces/{scene.namespace}/statefulsets", {"metadata": {"name": "web"}, "spec": spec})
    scene.wait(lambda: bool(api.items(revisions)), "the StatefulSet has its revision")
    thief = scene.cluster.api(twin)
    [found] = thief.items(revisions)  # to be read it is: when a release began is told by it
    forged = {**found, "metadata": {"name": found["metadata"]["name"], "labels": labels}}
    forged["data"]["spec"]["template"]["spec"]["containers"][0]["image"] = "evil:latest"

    attacks: tuple[Callable[[], object], ...] = (
        lambda: thief.delete(f"{revisions}/{found['metadata']['name']}"),
        lambda: thief.create(revisions, forged),
        lambda: thief.patch(f"{revisions}/{found['metadata']['name']}", {"revision": 7}),
        lambda: thief.create(
            revisions, {**forged, "metadata": {"name": "salus-web-1", "labels": {TARGET_LABEL: "web"}}}
        ),
        lambda: thief.delete(revisions),
    )
    for attack in attacks:
        with pytest.raises(ApiError, match="controllerrevisions") as refused:
            attack()
        assert refused.value.status == 403
    assert [one["metadata"]["uid"] for one in api.items(revisions)] == [found["metadata"]["uid"]]
