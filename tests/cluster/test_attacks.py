"""A tenant who means ill, one attack a test: each is refused, and this is what the attacker sees.

What a hostile metric source gets is in tests/contract/test_source_attacks.py; here is what a policy's author is told of
it. Forged records and approvals have a place of their own.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from salus.core.guards.permissions import DENIED, MISSING
from salus.core.records.names import change_name
from salus.model.meta import WorkloadKind
from salus.model.values.keys import TargetKey
from tests.cluster.scene import Scene, deployment
from tools.devcluster.admission import answer, install_admission, rule
from tools.devcluster.api import ApiError
from tools.devcluster.cluster import KubectlError
from tools.devcluster.salus import lend_account

RESTART = [{"name": "restart", "restart": {}}]


def an_evil(check: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": "evil", "unhealthy": {"above": "0"}, **check}]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        pytest.param({"source": "http://evil.example/"}, "spec.source", id="a source by URL"),
        pytest.param({"serviceAccountName": "kube-system:root"}, "spec.serviceAccountName", id="an account elsewhere"),
        pytest.param(
            {"serviceAccountName": "../../kube-system/serviceaccounts/root"},
            "spec.serviceAccountName",
            id="an account by a path that climbs",
        ),
        pytest.param(
            {"target": {"kind": "Deployment", "name": "../../kube-system/deployments/dns"}},
            "spec.target.name",
            id="a target by a path that climbs",
        ),
        pytest.param({"target": {"kind": "Secret", "name": "keys"}}, "spec.target.kind", id="a target of another kind"),
    ],
)
def test_the_api_server_refuses_the_policy_and_names_the_field(scene: Scene, spec: dict[str, Any], says: str) -> None:
    with pytest.raises(ApiError) as refused:
        scene.apply(remedies=RESTART, **spec)

    assert refused.value.status == 422
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        pytest.param(
            {"source": "theirs"}, 'spec.source: unknown source "theirs"; known: default', id="a source unknown"
        ),
        pytest.param(
            {"checks": an_evil({"query": "up or $target"})},
            "spec.checks[0].query: $target stands outside quotes",
            id="a placeholder as an expression",
        ),
        pytest.param(
            {"checks": an_evil({"query": "x{a=`$target`}"})},
            "spec.checks[0].query: $target stands in a raw string",
            id="a placeholder where nothing can be escaped",
        ),
    ],
)
def test_the_operator_refuses_the_policy_in_its_own_status(scene: Scene, spec: dict[str, Any], says: str) -> None:
    scene.gauge(0.5)
    scene.deploy()
    scene.apply(remedies=RESTART, **spec)
    scene.salus.start()

    assert says in scene.wait_condition("Stalled", "True")["message"]
    assert scene.changes() == []
    assert scene.writes() == []


@pytest.fixture
def neighbour(scene: Scene) -> Iterator[str]:
    """Another tenant's namespace, well served by Salus, with a Deployment of its own."""
    name = f"{scene.namespace}-b"
    api = scene.cluster.api()
    api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    lend_account(scene.cluster, name)
    api.create(f"/apis/apps/v1/namespaces/{name}/deployments", deployment("victim", replicas=0))
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


def test_a_workload_of_another_namespace_is_not_there(scene: Scene, neighbour: str) -> None:
    """Its name is looked for in the policy's own namespace, even by an operator that serves both."""
    scene.gauge(0.5, target="victim")
    scene.apply("attack", target="victim", remedies=RESTART)
    scene.salus.namespaces = [scene.namespace, neighbour]
    scene.salus.start()

    ready = scene.wait_condition("Ready", "False", "attack")
    assert ready["message"] == "spec.target.name: there is no Deployment victim"
    assert scene.cluster.audit.writes(user="salus", resource="deployments", namespace=neighbour) == []


def test_a_policy_cannot_say_that_its_target_is_elsewhere(scene: Scene, neighbour: str) -> None:
    """There is no such field: the API server drops it, and says so to kubectl."""
    body = scene.apply("attack", target={"kind": "Deployment", "name": "victim", "namespace": neighbour})

    assert "namespace" not in body["spec"]["target"]


def test_an_account_that_is_elsewhere_only_is_missing(scene: Scene, neighbour: str) -> None:
    """The name of an account is one of the policy's own namespace."""
    scene.cluster.kubectl("-n", neighbour, "create", "serviceaccount", "mighty")
    scene.gauge(0.0)
    scene.deploy()
    scene.apply(remedies=RESTART, serviceAccountName="mighty")
    scene.salus.start()

    stalled = scene.wait_condition("Stalled", "True")
    assert stalled["reason"] == MISSING
    assert f"there is no service account {scene.namespace}/mighty" in stalled["message"]


def test_an_account_of_the_namespace_that_is_not_lent_is_not_used(scene: Scene) -> None:
    """A policy's author who picks an account with more rights gets none of them: nobody has lent it to Salus."""
    namespace = scene.namespace
    scene.cluster.kubectl("-n", namespace, "create", "serviceaccount", "mighty")
    scene.cluster.kubectl(
        *("-n", namespace, "create", "rolebinding", "mighty", "--clusterrole=admin"),
        f"--serviceaccount={namespace}:mighty",
    )
    scene.gauge(0.5)
    scene.deploy()
    scene.apply(remedies=RESTART, serviceAccountName="mighty")
    scene.salus.start()

    assert scene.wait_condition("Stalled", "True")["reason"] == DENIED
    assert scene.wait_change(decision="Refuse")["spec"]["reason"] == "NotPermitted"
    assert scene.writes() == []


_GIVEN_UP = b'{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}'


def _unhealthy() -> bytes:
    series = {"metric": {"salus_part": "value"}, "value": [time.time(), "0.9"]}
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": [series]}}).encode()


class _Hostile(BaseHTTPRequestHandler):
    """Redirects to the metadata service, or answers without end, or gives up what is heavy, by its path."""

    def do_POST(self) -> None:
        """Take the whole request, and answer it badly."""
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/busy"):
            status, body = (503, _GIVEN_UP) if b"heavy" in asked else (200, _unhealthy())
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        if self.path.startswith("/redirect"):
            self.send_response(307)
            self.send_header("Location", "http://169.254.169.254/latest/meta-data")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        with suppress(ConnectionError):  # the client has had enough, as it should
            for _ in range(11):
                self.wfile.write(b"SECRET! " * 2**17)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def hostile() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hostile)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "reason", "says"),
    [
        pytest.param("/redirect", "HttpError", "redirects are not followed", id="a redirect to a link-local address"),
        pytest.param("/flood", "ResponseTooLarge", "more than 10 MiB", id="a reply of eleven MiB"),
        pytest.param("", "AddressRefused", "is a link-local or metadata address", id="a link-local address"),
    ],
)
def test_a_hostile_source_gets_nothing_and_shows_nothing(
    scene: Scene, hostile: str, path: str, reason: str, says: str
) -> None:
    """The check is Unknown with its own reason; nothing is done; nothing of the body is in the status."""
    url = f"{hostile}{path}" if path else "http://169.254.169.254"
    scene.salus.configure({"sources": {"default": {"url": url, "timeout": "5s"}}})
    scene.deploy()
    scene.apply(remedies=RESTART)
    scene.salus.start()

    assert scene.wait_condition("MetricsAvailable", "False")["reason"] == reason
    (check,) = scene.policy()["status"]["checks"]
    assert (check["verdict"], check["reason"]) == ("Unknown", reason)
    assert says in check["message"]
    assert "SECRET" not in str(scene.policy())
    assert scene.changes() == []


def hp(scene: Scene) -> str:
    return f"/apis/salus.dev/v1alpha1/namespaces/{scene.namespace}/healthpolicies/web"


@pytest.fixture
def mallory(scene: Scene) -> Callable[..., str]:
    """She may write policies and annotate StatefulSets; what she types, as `kubectl`."""
    install_admission(scene.cluster, operator="salus")
    rule(scene.cluster, scene.namespace, operator="salus")
    kubectl, there = scene.cluster.kubectl, ("-n", scene.namespace)
    verbs = "--verb=get,list,create,update,patch,delete"
    kubectl("create", "role", "author", verbs, "--resource=healthpolicies.salus.dev", *there)
    kubectl("create", "rolebinding", "author", "--role=author", "--user=mallory", *there)

    def types(*arguments: str) -> str:
        return kubectl(*arguments, *there, "--as=mallory")

    return types


def lent(scene: Scene, revert_after: str, **edits: object) -> None:
    """A scaling that helped, and is to be given back; `edits` of the policy come before the proof that it helped."""
    scene.gauge(0.0)
    scene.deploy()
    scene.apply(remedies=[{"name": "grow", "scale": {"to": 3, "max": 3, "revertAfter": revert_after}}])
    scene.salus.start()
    scene.wait_condition("Healthy", "True")
    scene.gauge(0.5)
    scene.wait(lambda: scene.deployment()["spec"]["replicas"] == 3, "the scaling")
    scene.cluster.api().patch(hp(scene), {"spec": edits})
    scene.gauge(0.0)
    scene.wait_outcome("Recovered", action="Scale")


def test_an_author_without_rights_has_nothing_given_back(scene: Scene, mallory: Callable[..., str]) -> None:
    """S5: she has the policy observe, which she may, and writes `revertAfter: 1s`. The replicas stay."""
    lent(scene, "1h")
    with pytest.raises(KubectlError, match="is forbidden"):
        mallory("patch", "deployment", "web", "--type=merge", '-p={"spec":{"replicas":2}}')
    remedy = '{"name":"grow","scale":{"to":3,"max":3,"revertAfter":"1s"}}'

    said = mallory("patch", "hp", "web", "--type=merge", f'-p={{"spec":{{"mode":"Observe","remedies":[{remedy}]}}}}')
    assert "patched" in said
    scene.wait(lambda: scene.policy()["status"]["observedGeneration"] == 2, "Salus has seen it")
    scene.wait_status_ticks(4)

    assert scene.deployment()["spec"]["replicas"] == 3
    assert len(scene.writes(verb="patch")) == 1
    scene.cluster.api().patch(hp(scene), {"spec": {"mode": "Enforce"}})
    scene.wait(lambda: scene.policy()["status"]["observedGeneration"] == 3, "somebody with rights has it act again")
    scene.wait_status_ticks(4)
    assert scene.deployment()["spec"]["replicas"] == 3
    assert len(scene.changes()) == 1


def test_who_suspends_holds_a_revert_back_and_who_lifts_it_has_it_done(scene: Scene) -> None:
    """S5: it is told once, and done when that is lifted."""
    lent(scene, "10s", suspend=True)

    refusal = scene.wait_change(decision="Refuse")
    assert (refusal["spec"]["reason"], refusal["spec"]["undoes"]) == (
        "Suspended",
        scene.changes()[0]["metadata"]["name"],
    )
    assert scene.wait_condition("Throttled", "True")["reason"] == "Suspended"
    scene.wait_status_ticks(3)
    assert len(scene.changes(decision="Refuse")) == 1
    assert scene.deployment()["spec"]["replicas"] == 3

    scene.cluster.api().patch(hp(scene), {"spec": {"suspend": False}})
    scene.wait_outcome("Undone", reason="RevertAfter")
    assert scene.deployment()["spec"]["replicas"] == 2


def a_stateful_set() -> dict[str, Any]:
    body = deployment("web")
    return {**body, "spec": {**body["spec"], "serviceName": "web"}}


@pytest.mark.parametrize("manager", ["kubectl-annotate", "salus"])
def test_a_forged_stamp_makes_no_write(scene: Scene, mallory: Callable[..., str], manager: str) -> None:
    """S8: she annotates the StatefulSet with the name of a change that is yet to be asked for, and ada approves it.

    The write is done, as the audit log shows, and the forgery is told; before, the record said so and nothing was done.
    """
    kubectl, there = scene.cluster.kubectl, ("-n", scene.namespace)
    kubectl("create", "rolebinding", "approvers", "--clusterrole=salus-approver", "--user=ada", *there)
    kubectl("create", "role", "annotator", "--verb=get,patch", "--resource=statefulsets.apps", *there)
    kubectl("create", "rolebinding", "annotator", "--role=annotator", "--user=mallory", *there)
    scene.gauge(0.0)
    path = f"/apis/apps/v1/namespaces/{scene.namespace}/statefulsets"
    scene.cluster.api().create(path, a_stateful_set())
    scene.apply(mode="Approve", target={"kind": "StatefulSet", "name": "web"}, remedies=RESTART)
    key = TargetKey(scene.namespace, WorkloadKind.STATEFUL_SET, "web")
    mallory("annotate", "sts", "web", f"salus.dev/change={change_name(key, 1)}", f"--field-manager={manager}")
    scene.salus.start()
    scene.wait_condition("Healthy", "True")
    scene.gauge(0.5)
    question = scene.wait_change(decision="AwaitApproval", action="Restart")
    assert question["metadata"]["name"] == change_name(key, 1)

    answered = answer(scene.cluster, "ada", "approve", question["metadata"]["name"], scene.namespace)
    assert answered.returncode == 0, answered.stderr

    scene.wait(lambda: "appliedAt" in scene.changes()[0].get("status", {}), "the record says that it was done")
    assert [event.code for event in scene.writes("statefulsets", verb="patch")] == [200]
    scene.gauge(0.0)
    done = scene.wait_outcome("Recovered", action="Restart")
    assert f'a forged stamp: "{manager}" set the annotation' in done["status"]["message"]
    events = scene.cluster.api().items(f"/apis/events.k8s.io/v1/namespaces/{scene.namespace}/events")
    assert "ForgedStamp" in {event["reason"] for event in events}


def test_a_policy_that_is_deleted_takes_nothing_back_and_people_are_told(scene: Scene) -> None:
    """S5: nor does one of the same name, which she makes with `revertAfter: 1s`."""
    lent(scene, "1h")
    scene.cluster.api().delete(hp(scene))

    def told() -> bool:
        events = scene.cluster.api().items(f"/apis/events.k8s.io/v1/namespaces/{scene.namespace}/events")
        return "NotTakenBack" in {event["reason"] for event in events}

    scene.wait(told, "people are told")
    scene.wait(lambda: "was deleted" in scene.changes()[0]["status"]["message"], "its record says so too")
    scene.apply(remedies=[{"name": "grow", "scale": {"to": 3, "max": 3, "revertAfter": "1s"}}])
    scene.wait_condition("Healthy", "True")
    scene.wait_status_ticks(4)
    assert scene.deployment()["spec"]["replicas"] == 3
    assert len(scene.changes()) == 1


def test_a_tenants_heavy_queries_cost_no_other_tenant_an_answer(scene: Scene, neighbour: str, hostile: str) -> None:
    """The attacker's namespace pauses, and is told so; the other one is measured without a break, and healed."""
    attacker = replace(scene, namespace=neighbour)
    heavy = [{"name": f"c{n}", "query": f"heavy_{n}", "unhealthy": {"above": "0"}} for n in range(16)]
    scene.salus.configure({"sources": {"default": {"url": f"{hostile}/busy", "timeout": "5s"}}})
    scene.salus.namespaces = [scene.namespace, neighbour]
    scene.deploy()
    attacker.apply("attack", target="victim", checks=heavy, remedies=RESTART)
    scene.salus.start()
    attacker.wait_condition("MetricsAvailable", "False", "attack")

    scene.apply(remedies=RESTART)
    begun = scene.wait_condition("MetricsAvailable", "True")["lastTransitionTime"]
    scene.wait_change(decision="Act", action="Restart")
    scene.wait_status_ticks(12)

    now = scene.condition("MetricsAvailable")
    assert (now["status"], now["lastTransitionTime"]) == ("True", begun)
    told = attacker.condition("MetricsAvailable", "attack")
    assert (told["status"], told["reason"]) == ("False", "Timeout")
    assert f"in {neighbour}; it is tried again shortly" in str(attacker.policy("attack")["status"]["checks"])
    assert attacker.changes() == []
