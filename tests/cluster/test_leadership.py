"""Two replicas, one Lease: one acts, the other is ready to, and no moment makes them act both."""

import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.chaos.behind import kubeconfig_through, proxy_before
from tests.chaos.books import from_audit, reconcile
from tests.chaos.proxy import Proxy, Seen, When, go_on
from tests.chaos.serving import serving
from tests.cluster.scene import Scene
from tools.devcluster.audit import AuditEvent
from tools.devcluster.salus import REPOSITORY, Salus

QUICK = {"settle": "0s", "stable": "5s", "timeout": "2m"}
_ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces"


@pytest.fixture
def replicas(scene: Scene) -> Iterator[tuple[Salus, Salus]]:
    """Two operators for the test's namespace, with their Lease there; the test starts them."""
    _allow_a_lease_in(scene)
    settings = {"leaderElection": {"enabled": True, "namespace": scene.namespace}}
    first, second = (replace(scene.salus, name=f"{scene.salus.name}-{name}", settings=settings) for name in "ab")
    yield first, second
    for one in (first, second):
        if one.process is not None and one.process.alive:
            one.process.popen.send_signal(signal.SIGCONT)
            one.stop()
        if one.log.exists():
            print(f"--- {one.name}\n{one.log.read_text()[-10_000:]}")  # noqa: T201 — shown with a failure only


def _allow_a_lease_in(scene: Scene) -> None:
    """The rights that are shipped for the Lease, in the test's namespace."""
    for body in yaml.safe_load_all((REPOSITORY / "examples/install/rbac.yaml").read_text()):
        if body["kind"] in {"Role", "RoleBinding"}:
            metadata = {**body["metadata"], "namespace": scene.namespace}
            plural = f"{body['kind'].lower()}s"
            scene.cluster.api().create(f"{_ROLES}/{scene.namespace}/{plural}", {**body, "metadata": metadata})


def ready(salus: Salus) -> str:
    """What `/readyz` says, with its status."""
    try:
        answer = requests.get(f"{salus.url}/readyz", timeout=2)
    except requests.RequestException:
        return ""
    return f"{answer.status_code} {answer.text.strip()}"


def leads(salus: Salus) -> bool:
    return ready(salus).startswith("200 leader, as ")


def stands_by(salus: Salus) -> bool:
    return ready(salus).startswith("200 standby, leader is ")


def metric(salus: Salus, name: str) -> float:
    lines = requests.get(f"{salus.url}/metrics", timeout=30).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def in_order(scene: Scene, replicas: tuple[Salus, Salus]) -> None:
    """The first leads, the second stands by."""
    first, second = replicas
    first.start()
    scene.wait(lambda: leads(first), "the first leads")
    second.start()
    scene.wait(lambda: stands_by(second), "the second stands by")


def a_service(scene: Scene, **spec: Any) -> None:  # noqa: ANN401
    scene.gauge(0.0)
    scene.deploy()
    scene.apply(remedies=[{"name": "restart", "restart": {}}], verify=QUICK, **spec)


def nothing_twice_nothing_lost(scene: Scene) -> None:
    """By the audit log one PATCH took effect; every record has its end, and no number is missing."""
    acted = [c for c in scene.changes(decision="Act") if c["status"].get("outcome") != "Abandoned"]
    effects = [event for event in scene.writes(verb="patch") if event.code == 200]
    assert len(effects) == len(acted) == 1
    assert all("completedAt" in change["status"] for change in scene.changes(decision="Act"))
    assert [change["spec"]["sequence"] for change in scene.changes()] == list(range(1, len(scene.changes()) + 1))


def lease(scene: Scene) -> Mapping[str, Any]:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{scene.namespace}/leases/salus"
    spec: Mapping[str, Any] = scene.cluster.api().get(path)["spec"]
    return spec


def test_a_standby_is_ready_and_says_who_leads(scene: Scene, replicas: tuple[Salus, Salus]) -> None:
    """It watches, but neither ticks nor writes."""
    in_order(scene, replicas)
    first, second = replicas
    a_service(scene)
    scene.wait_condition("Healthy", "True")

    holder = lease(scene)["holderIdentity"]
    assert ready(first) == f"200 leader, as {holder}"
    assert ready(second) == f"200 standby, leader is {holder}"
    assert (metric(first, "salus_leader"), metric(second, "salus_leader")) == (1.0, 0.0)
    scene.wait(lambda: metric(first, "salus_tick_duration_seconds_count") > 0, "the end of the tick is counted")
    assert metric(second, "salus_tick_duration_seconds_count") == 0
    assert "this process leads" not in second.log.read_text()


def test_who_takes_over_looks_at_once_at_a_policy_that_is_due_once_an_hour(
    scene: Scene, replicas: tuple[Salus, Salus]
) -> None:
    in_order(scene, replicas)
    first, second = replicas
    a_service(scene, interval="1h")
    scene.wait_condition("Healthy", "True")
    scene.gauge(0.5)
    scene.wait(lambda: scene.measured("error_ratio") == 0.5, "the breach is in Prometheus")

    first.kill()

    scene.wait(lambda: leads(second), "the second leads")
    scene.wait_condition("Healthy", "False")


def test_a_standby_takes_over_from_a_leader_that_was_killed(scene: Scene, replicas: tuple[Salus, Salus]) -> None:
    """Killed between the write and its proof: the next leader verifies it, and does not do it again."""
    in_order(scene, replicas)
    first, second = replicas
    a_service(scene)
    scene.wait_condition("Healthy", "True")
    scene.gauge(0.5)
    scene.wait(lambda: bool(scene.writes(verb="patch")), "the restart")
    first.kill()
    assert stands_by(second)
    scene.gauge(0.0)

    scene.wait(lambda: leads(second), "the second leads")
    scene.wait_outcome("Recovered", action="Restart", decision="Act")
    scene.wait_condition("Healthy", "True")
    nothing_twice_nothing_lost(scene)


def test_a_clean_exit_gives_the_lease_back(scene: Scene, replicas: tuple[Salus, Salus]) -> None:
    """So the next need not wait for it to run out: it is free the moment that the process is gone."""
    in_order(scene, replicas)
    first, second = replicas
    before = lease(scene)["holderIdentity"]
    first.stop()

    assert lease(scene).get("holderIdentity") != before
    scene.wait(lambda: leads(second), "the second leads")
    first.start()
    scene.wait(lambda: stands_by(first), "the first is back, and stands by")


def test_a_leader_frozen_in_the_middle_of_an_action_does_it_no_more(
    scene: Scene, replicas: tuple[Salus, Salus]
) -> None:
    """Frozen after its last check and before the PATCH leaves; woken when another has led, and all is well again.

    Nothing but the fence stands in the way of that PATCH: no one has touched the Deployment since it was planned.
    """
    frozen, second = replicas
    frozen.program = ("-m", "tests.cluster.freezing")
    in_order(scene, replicas)
    a_service(scene)
    scene.wait_condition("Healthy", "True")
    scene.gauge(0.5)
    scene.wait_change(decision="Act")
    scene.wait(lambda: _is_stopped(frozen), "the leader freezes at the moment of the write")
    scene.gauge(0.0)
    scene.wait(lambda: leads(second), "the second leads")
    abandoned = scene.wait_outcome("Abandoned", action="Restart", decision="Act")
    _wake(frozen)

    scene.wait(lambda: stands_by(frozen), "the first is awake, and stands by")
    scene.wait(lambda: "not sent" in frozen.log.read_text(), "its PATCH was held back")
    assert scene.writes(verb="patch") == []
    assert scene.changes(decision="Act") == [abandoned]


def test_a_leader_frozen_while_another_acts_does_nothing_twice(scene: Scene, replicas: tuple[Salus, Salus]) -> None:
    """Frozen at the write and woken while the next leader is doing its own."""
    frozen, second = replicas
    frozen.program = ("-m", "tests.cluster.freezing")
    in_order(scene, replicas)
    a_service(scene)
    scene.wait_condition("Healthy", "True")
    scene.gauge(0.5)
    scene.wait(lambda: _is_stopped(frozen), "the leader freezes at the moment of the write")
    scene.wait(lambda: leads(second), "the second leads")
    scene.wait(lambda: bool(scene.writes(verb="patch")), "the second acts")
    _wake(frozen)
    scene.gauge(0.0)

    scene.wait_outcome("Recovered", action="Restart", decision="Act")
    scene.wait(lambda: stands_by(frozen), "the first is awake, and stands by")
    nothing_twice_nothing_lost(scene)


def test_both_are_cut_off_in_turn_in_the_middle_of_an_action(scene: Scene, replicas: tuple[Salus, Salus]) -> None:
    """First the leader, whose write was done, its reply lost; then its successor, whose write never arrived."""
    first, second = replicas
    ways = [proxy_before(scene.cluster) for _ in replicas]
    with serving(*ways):
        for salus, way in zip(replicas, ways, strict=True):
            salus.options = [*salus.options, f"--kubeconfig={kubeconfig_through(scene.cluster, way, salus.name)}"]
        in_order(scene, replicas)
        a_service(scene)
        scene.wait_condition("Healthy", "True")

        _cut_off_at_the_write(ways[0], "after")
        scene.gauge(0.5)
        scene.wait(lambda: len(_effects(scene)) == 1, "the first restart")
        scene.gauge(0.0)
        scene.wait(lambda: leads(second), "the second leads")
        scene.wait_outcome("Recovered", action="Restart", decision="Act")
        ways[0].heal()
        scene.wait(lambda: stands_by(first), "the first is back, and stands by")

        _cut_off_at_the_write(ways[1], "before")
        scene.gauge(0.5)
        scene.wait(lambda: leads(first), "the first leads again")
        scene.wait(lambda: len(_effects(scene)) == 2, "the second restart")
        scene.gauge(0.0)
        scene.wait_outcome("Recovered", action="Restart", decision="Act")
        ways[1].heal()
        scene.wait(lambda: stands_by(second), "the second is back, and stands by")
        scene.wait(lambda: scene.incidents()[-1]["status"].get("phase") == "Resolved", "all is well")

        events = scene.cluster.audit.writes(namespace=scene.namespace)
        assert reconcile(from_audit(events, scene.changes(), "salus", scene.account)) == []
        outcomes = [change["status"]["outcome"] for change in scene.changes(decision="Act")]
        assert outcomes == ["Recovered", "Abandoned", "Recovered"]
        for way in ways:
            way.heal()


def _cut_off_at_the_write(way: Proxy, moment: When) -> None:
    """From the next patch of a Deployment on nothing gets through; at `before` the patch itself is lost."""

    def watch(when: When, seen: Seen) -> bool:
        if seen.method != "PATCH" or "/deployments/" not in seen.path or when != moment:
            return True
        way.moment = go_on
        way.partition()
        return False

    way.moment = watch


def _effects(scene: Scene) -> list[AuditEvent]:
    return [event for event in scene.writes(verb="patch") if event.code == 200]


def _is_stopped(salus: Salus) -> bool:
    """Whether the kernel says so: state T."""
    assert salus.process is not None
    stat = Path(f"/proc/{salus.process.pid}/stat").read_text(encoding="ascii")
    return stat.rpartition(")")[2].split()[0] == "T"


def _wake(salus: Salus) -> None:
    assert salus.process is not None
    salus.process.popen.send_signal(signal.SIGCONT)
