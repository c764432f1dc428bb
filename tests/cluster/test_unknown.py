"""Unknown never acts: every way in which metrics can fail, side by side, under one operator.

Each has a Deployment, a policy in Enforce with a restart, and a source that fails in that one way. All are watched for
some ticks at once; then the audit log is asked what Salus wrote to Deployments: nothing.
"""

import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.cluster.prometheus_stub import serving, vector
from tests.cluster.scene import Pump, Scene
from tools.devcluster.cluster import DevCluster
from tools.devcluster.processes import free_port
from tools.devcluster.salus import Salus, lend_account

ENOUGH_TICKS = 4
STALE = 200.0
"""Seconds; older than Salus believes, and not as old as what Prometheus has forgotten."""

pytestmark = pytest.mark.xdist_group("unknown")
"""One operator watches all of them: they stay on one worker."""


@dataclass(frozen=True)
class Failure:
    """One way to fail: the source's name and the reason that the policy's status must give."""

    source: str
    reason: str


FAILURES = {
    "http-500": Failure("http-500", "HttpError"),
    "timeout": Failure("timeout", "Timeout"),
    "refused": Failure("refused", "Unreachable"),
    "html-body": Failure("html-body", "NotPrometheus"),
    "warning": Failure("warning", "PartialAnswer"),
    "empty-vector": Failure("default", "NoSeries"),
    "not-a-number": Failure("default", "NotANumber"),
    "infinity": Failure("default", "Infinite"),
    "stale-sample": Failure("default", "StaleSample"),
    "two-series": Failure("default", "SeveralSeries"),
}


@pytest.fixture(scope="module")
def sources() -> Iterator[Mapping[str, object]]:
    """Sources that fail by HTTP, as the operator's configuration names them."""
    over = threading.Event()

    def hang() -> tuple[int, str, bytes]:
        over.wait(30)
        return vector()

    with ExitStack() as stack:
        answers = {
            "http-500": lambda: (500, "text/plain", b"on fire"),
            "timeout": hang,
            "html-body": lambda: (200, "text/html", b"<html><body>Sign in</body></html>"),
            "warning": lambda: vector(({}, "0.9"), warnings=["a store did not answer"]),
        }
        urls = {name: stack.enter_context(serving(answer)) for name, answer in answers.items()}
        urls["refused"] = f"http://127.0.0.1:{free_port()}"
        yield {name: {"url": url, "timeout": "1s"} for name, url in urls.items()}
        over.set()


@pytest.fixture(scope="module")
def watched(ready_cluster: DevCluster, pump: Pump, sources: Mapping[str, object]) -> Iterator[Scene]:
    """All failures at once, after enough ticks for each of them to have led to an action."""
    namespace = f"unknown-{uuid.uuid4().hex[:8]}"
    ready_cluster.kubectl("create", "namespace", namespace)
    lend_account(ready_cluster, namespace)
    default = {"default": {"url": ready_cluster.prometheus_url, "timeout": "2s"}}
    salus = Salus(ready_cluster, f"salus-{namespace}", [namespace], {"sources": {**default, **sources}})
    scene = Scene(ready_cluster, pump, namespace, salus)
    for name, failure in FAILURES.items():
        scene.deploy(name)
        scene.apply(name, source=failure.source, remedies=[{"name": "restart", "restart": {}}])
    scene.gauge(float("nan"), target="not-a-number")
    scene.gauge(float("inf"), target="infinity")
    scene.gauge(0.9, target="two-series", replica="a")
    scene.gauge(0.9, target="two-series", replica="b")
    scene.gauge(0.9, target="stale-sample", age=STALE)
    salus.start()
    for name, failure in FAILURES.items():
        scene.wait_condition("MetricsAvailable", "False", name, reason=failure.reason)
    scene.wait_status_ticks(ENOUGH_TICKS * len(FAILURES))
    yield scene
    salus.stop()
    pump.forget(namespace)
    ready_cluster.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failing_measurement_is_unknown_and_never_acts(watched: Scene, failure: str) -> None:
    """The condition names the reason; no incident, no record, no write to the workload."""
    assert watched.condition("MetricsAvailable", failure)["reason"] == FAILURES[failure].reason
    assert watched.condition("Healthy", failure)["status"] == "Unknown"
    assert watched.policy(failure)["status"]["targets"]["unknown"] == 1
    assert [event for event in watched.writes() if event.name == failure] == []
    assert [c for c in watched.changes() if c["spec"]["targetRef"]["name"] == failure] == []
    assert [i for i in watched.incidents() if i["spec"]["targetRef"]["name"] == failure] == []


def test_the_same_breach_with_sound_metrics_does_act(watched: Scene) -> None:
    """The stage is real: a service beside them whose metrics are sound is restarted by the same operator."""
    watched.deploy("sound")
    watched.gauge(0.9, target="sound")
    watched.apply("sound", remedies=[{"name": "restart", "restart": {}}])
    watched.wait_change(decision="Act", action="Restart")
    watched.wait(lambda: any(event.name == "sound" for event in watched.writes()), "the restart of sound")
