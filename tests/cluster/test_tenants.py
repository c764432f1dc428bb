"""One tenant's policies are that tenant's trouble: Salus starts, leads and heals for the others as if alone.

The author may write HealthPolicies in a namespace of their own and nothing else; mode Observe, no account lent, no
target. Before they were bounded, each of these ended every replica of Salus at its next start.
"""

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml

from tests.cluster.scene import Pump, Scene
from tools.devcluster.namespaces import fresh_namespace

HOSTILE = Path(__file__).parents[1] / "unit" / "data" / "hostile"
AUTHOR = "mallory"
RESTART = [{"name": "restart", "restart": {}}]


def written(file: str) -> dict[str, Any]:
    """A policy as the author has it in a file, without its namespace."""
    body: dict[str, Any] = yaml.safe_load((HOSTILE / file).read_text(encoding="utf-8"))
    return {**body, "metadata": {"name": body["metadata"]["name"]}}


def asking(name: str, query: str) -> dict[str, Any]:
    """A policy with this query."""
    body = written("pill.yaml")
    body["spec"]["checks"][0]["query"] = query
    return {**body, "metadata": {"name": name}}


POLICIES = {
    "pill": (written("pill.yaml"), "spec.checks[0].query: @ - is no moment"),
    "tiny": (written("evil.yaml"), "spec.checks[0].query: 60 regular expressions, at most 32"),
    "far": (asking("far", "rate(x[1000000000d])"), "spec.checks[0].query: a range or offset of 1000000000d"),
    "deep": (asking("deep", "-" * 4_000 + "x"), "spec.checks[0].query: 4000 operators, signs and ranges, at most 100"),
    "wide": (asking("wide", "x{a=~`\\w{999}`}"), "spec.checks[0].query: regular expressions of size 127872"),
}
"""What the author writes, by name, and what is said of it in its own status."""


@pytest.fixture
def playground(scene: Scene, pump: Pump) -> Iterator[Scene]:
    """The author's namespace, which the same Salus watches."""
    with fresh_namespace(scene.cluster, "play") as name:
        kubectl = scene.cluster.kubectl
        kubectl("create", "role", "author", "-n", name, "--verb=create", "--resource=healthpolicies.salus.dev")
        kubectl("create", "rolebinding", "author", "-n", name, "--role=author", f"--user={AUTHOR}")
        scene.salus.namespaces = [scene.namespace, name]
        yield Scene(scene.cluster, pump, name, scene.salus)


def test_policies_that_stopped_salus_stop_nobody(scene: Scene, playground: Scene, tmp_path: Path) -> None:
    scene.gauge(0.0)
    scene.deploy()
    scene.apply(remedies=RESTART)
    scene.salus.start()
    for name, (body, _) in POLICIES.items():
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps(body), encoding="utf-8")
        scene.cluster.kubectl("create", "-f", str(file), "-n", playground.namespace, f"--as={AUTHOR}")

    for _ in range(2):
        for name, (_, said) in POLICIES.items():
            assert playground.wait_condition("Stalled", "True", name)["message"].startswith(said)
        scene.salus.kill()
        scene.salus.start()
    scene.wait_condition("Healthy", "True")
    scene.gauge(0.5)

    scene.wait_change(decision="Act", action="Restart")
    scene.wait_written()
    assert "panicked" not in scene.salus.log.read_text()
    assert playground.changes() == []


@contextmanager
def half_a_prometheus(url: str) -> Iterator[str]:
    """A Prometheus that answers as the one at `url`, and queries for `slow` never."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if "slow" in parse_qs(body.decode())["query"][0]:
                ended.wait()
                return
            request = urllib.request.Request(url + self.path, body)  # noqa: S310 - on loopback
            with urllib.request.urlopen(request) as answer:  # noqa: S310
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers["Content-Type"])
                self.end_headers()
                self.wfile.write(answer.read())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_queries_that_are_never_answered_are_their_namespaces_trouble_alone(scene: Scene, playground: Scene) -> None:
    """Sixteen timeouts in a row opened the breaker of the source for everybody."""
    checks = [{"name": f"c{n}", "query": f'slow{{n="{n}"}}', "unhealthy": {"above": "1"}} for n in range(16)]
    with half_a_prometheus(scene.cluster.prometheus_url) as url:
        scene.salus.configure({"sources": {"default": {"url": url, "timeout": "2s"}}})
        scene.gauge(0.0)
        scene.deploy()
        scene.apply(remedies=RESTART)
        playground.deploy()
        playground.apply(mode="Observe", checks=checks)
        scene.salus.start()
        playground.wait_condition("MetricsAvailable", "False")

        scene.wait_condition("Healthy", "True")
        scene.gauge(0.5)
        scene.wait_change(decision="Act", action="Restart")
        scene.wait_written()
        scene.gauge(0.0)
        scene.wait_outcome("Recovered", decision="Act", action="Restart")
        assert scene.condition("MetricsAvailable")["status"] == "True"
        assert playground.condition("MetricsAvailable")["status"] == "False"
        scene.salus.stop()
