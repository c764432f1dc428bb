"""One tenant's policies are that tenant's trouble: Salus starts, leads and heals for the others as if alone.

The author may write HealthPolicies in a namespace of their own and nothing else; mode Observe, no account lent, no
target. Before they were bounded, each of these ended every replica of Salus at its next start.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.scene import Pump, Scene
from tests.devcluster.namespaces import fresh_namespace

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
    scene.wait(lambda: bool(scene.writes()), "the sick service of the other tenant is restarted")
    assert "panicked" not in scene.salus.log.read_text()
    assert playground.changes() == []
