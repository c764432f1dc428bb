"""A tenant who means ill, one attack a test: each is refused, and this is what the attacker sees.

What a hostile metric source gets is in tests/contract/test_source_attacks.py; here is what a policy's author is told of
it. Forged records and approvals have a place of their own.
"""

import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from salus.core.rights import DENIED, MISSING
from tests.cluster.scene import Scene, deployment
from tests.devcluster.api import ApiError
from tests.devcluster.salus import lend_account

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
    assert scene.wait_change(decision="Refuse")["spec"]["reason"] == "NotOwned"
    assert scene.writes() == []


class _Hostile(BaseHTTPRequestHandler):
    """Redirects to the metadata service, or answers without end, by its path."""

    def do_POST(self) -> None:
        """Take the whole request, and answer it badly."""
        self.rfile.read(int(self.headers["Content-Length"]))
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
