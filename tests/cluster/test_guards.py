"""Guards on the real control plane: one operator for all, a namespace for each guard that could disturb another.

What each of them decides is the unit tests' matter. Here it is shown that what they read is really there, that the
configuration of a running operator is theirs, and by the audit log that nothing was written.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest

from tests.cluster.scene import Object, Pump, Scene, deployment
from tools.devcluster.cluster import DevCluster
from tools.devcluster.namespaces import fresh_namespace
from tools.devcluster.salus import Salus, lend_account

pytestmark = pytest.mark.xdist_group("guards")
"""One operator, whose configuration the tests change: they stay on one worker."""

PARTS = ("budget", "frozen", "killed", "disrupted", "full", "stuck", "emptied", "secured", "hooked", "shrunk")
UNBRAKED: Mapping[str, Any] = {"fleetBrake": {"enabled": False}, "recordsPerHour": 1000}
"""Half of everything here is unhealthy on purpose."""
RESTART = {"name": "restart", "restart": {}}
UNDO = {"name": "undo", "rollback": {}}
GROW = {"name": "grow", "scale": {"to": 5, "max": 5}}
UNHEALTHY, WELL = 0.5, 0.0


@pytest.fixture(scope="module")
def parts(ready_cluster: DevCluster, pump: Pump) -> Iterator[Mapping[str, Scene]]:
    """A scene for each part, all under one operator that runs."""
    with ExitStack() as stack:
        names = {part: stack.enter_context(fresh_namespace(ready_cluster, f"guards-{part}")) for part in PARTS}
        for name in names.values():
            lend_account(ready_cluster, name)
        salus = Salus(ready_cluster, "salus-guards", list(names.values()), {"limits": UNBRAKED})
        stack.callback(salus.stop)
        salus.start()
        yield {part: Scene(ready_cluster, pump, name, salus) for part, name in names.items()}


@pytest.fixture(autouse=True)
def _told(parts: Mapping[str, Scene]) -> Iterator[None]:
    """Start without the budgets and freezes of the test before; print how everything stands, for a test that fails."""
    configure(parts[PARTS[0]])
    yield
    for scene in parts.values():
        scene.tell()
    print(f"--- the operator's log\n{parts[PARTS[0]].salus.log.read_text()[-20_000:]}")  # noqa: T201


def configure(scene: Scene, **settings: Any) -> None:  # noqa: ANN401
    """Give the running operator another configuration, and wait until it has read it."""
    said = "the configuration was read anew"
    before = scene.salus.log.read_text().count(said)
    scene.salus.configure({"limits": UNBRAKED, **settings})
    scene.wait(lambda: scene.salus.log.read_text().count(said) > before, "the new configuration is in use")


def services(scene: Scene, *names: str, remedy: Object = RESTART, replicas: int = 1) -> None:
    """Deployments that are well, with a policy each that is in use."""
    for name in names:
        scene.cluster.api().create(
            f"/apis/apps/v1/namespaces/{scene.namespace}/deployments", deployment(name, replicas=replicas)
        )
        scene.gauge(WELL, target=name)
        scene.apply(name, remedies=[remedy], limits={"cooldown": "1h"})
    for name in names:
        scene.wait_rolled_out(name)
        scene.wait_condition("Healthy", "True", name)


def refused(scene: Scene, reason: str, *names: str) -> list[Object]:
    """Wait until the action on each of them was refused for this reason; the records."""

    def found() -> list[Object]:
        return [c for c in scene.changes(decision="Refuse", reason=reason) if c["spec"]["targetRef"]["name"] in names]

    scene.wait(lambda: len(found()) == len(names), f"{reason} for {', '.join(names)}")
    return found()


def patched(scene: Scene) -> list[str]:
    """The Deployments that Salus has written to, in order."""
    return [event.name for event in scene.writes(verb="patch") if event.code == 200]


def acted(parts: Mapping[str, Scene]) -> int:
    """Actions that count against the budget of all namespaces by now."""
    changes = [c for scene in parts.values() for c in scene.changes(decision="Act")]
    counted = [c for c in changes if c["spec"]["action"] != "Notify" and "undoes" not in c["spec"]]
    return sum(c["status"].get("outcome") != "Abandoned" for c in counted)


@pytest.mark.parametrize(("budget", "reason"), [("namespace", "NamespaceBudgetSpent"), ("global", "GlobalBudgetSpent")])
def test_a_budget_that_is_spent(parts: Mapping[str, Scene], budget: str, reason: str) -> None:
    """Three fall ill and two more actions are allowed: the third is refused, on record, and not written to."""
    scene, names = parts["budget"], [f"{budget}-{number}" for number in range(3)]
    services(scene, *names)
    before, written = acted(parts if budget == "global" else {"": scene}), len(patched(scene))
    configure(scene, limits={**UNBRAKED, budget: {"actions": before + 2, "per": "1h"}})
    for name in names:
        scene.gauge(UNHEALTHY, target=name)
    scene.wait(lambda: len(scene.changes(decision="Refuse", reason=reason)) == 1, f"one {reason}")
    scene.wait(lambda: len(patched(scene)) == written + 2, "two actions")
    scene.wait_status_ticks(3)

    left = scene.changes(decision="Refuse", reason=reason)[0]["spec"]["targetRef"]["name"]
    assert sorted([*patched(scene)[written:], left]) == names
    for name in names:
        scene.gauge(WELL, target=name)


def test_a_freeze_window(parts: Mapping[str, Scene]) -> None:
    """While it lasts nothing new is done, and people are told until when; when it is lifted, the action is."""
    scene = parts["frozen"]
    services(scene, "web")
    tomorrow = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)
    configure(scene, freezes=[{"name": "season", "from": "2026-01-01", "to": tomorrow.isoformat(), "message": "sales"}])
    scene.gauge(UNHEALTHY)
    record = refused(scene, "FreezeWindow", "web")[0]
    scene.wait_status_ticks(3)
    assert patched(scene) == []
    assert record["spec"]["message"].startswith(f"freeze season lasts until {tomorrow + dt.timedelta(days=1)}")
    assert record["spec"]["message"].endswith(": sales")
    told = scene.wait_change(action="Notify", reason="FreezeWindow", decision="Act")
    assert ": sales" in told["spec"]["message"]
    scene.wait(lambda: scene.incidents()[0]["status"].get("toldBy") == told["metadata"]["name"], "the incident says so")

    configure(scene)
    scene.wait(lambda: patched(scene) == ["web"], "the restart")
    assert len(scene.changes(action="Notify")) == 1
    scene.gauge(WELL)


def test_the_kill_switch(parts: Mapping[str, Scene]) -> None:
    """Switched on in the file of the running operator: no action, and every policy of every namespace shows it."""
    scene = parts["killed"]
    services(scene, "unhealthy", "well")
    configure(scene, killSwitch={"enabled": True, "message": "maintenance"})
    scene.gauge(UNHEALTHY, target="unhealthy")
    refused(scene, "KillSwitch", "unhealthy")
    policies = [(each, body["metadata"]["name"]) for each in parts.values() for body in each.policies()]
    for each, policy in policies:
        each.wait_condition("Throttled", "True", policy, reason="KillSwitch", message="maintenance")
    scene.wait_status_ticks(3)
    assert patched(scene) == []

    configure(scene)
    scene.wait(lambda: patched(scene) == ["unhealthy"], "the restart")
    scene.wait_condition("Throttled", "False", "well")
    scene.gauge(WELL, target="unhealthy")


def test_a_pod_disruption_budget(parts: Mapping[str, Scene]) -> None:
    """It allows none of the two pods to go: no restart, and people are called."""
    scene = parts["disrupted"]
    body = {"metadata": {"name": "both"}, "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}}}
    path = f"/apis/policy/v1/namespaces/{scene.namespace}/poddisruptionbudgets"
    scene.cluster.api().create(path, body)
    services(scene, "web", replicas=2)
    scene.wait(
        lambda: scene.cluster.api().get(f"{path}/both").get("status", {}).get("currentHealthy") == 2,
        "the budget is counted",
    )
    scene.gauge(UNHEALTHY)

    assert "PodDisruptionBudget/both" in refused(scene, "DisruptionBudget", "web")[0]["spec"]["message"]
    scene.wait(lambda: scene.incidents()[0]["status"].get("phase") == "Escalated", "people are called")
    assert scene.writes() == []


def quota(scene: Scene, **hard: str) -> None:
    """A ResourceQuota, whose use was counted."""
    path = f"/api/v1/namespaces/{scene.namespace}/resourcequotas"
    spec = {"hard": {key.replace("_", "."): value for key, value in hard.items()}}
    scene.cluster.api().create(path, {"metadata": {"name": "all"}, "spec": spec})
    scene.wait(lambda: "used" in scene.cluster.api().get(f"{path}/all").get("status", {}), "the quota is counted")


def test_a_quota_without_room_by_what_a_limit_range_says(parts: Mapping[str, Scene]) -> None:
    """The containers ask for nothing; the LimitRange gives each 300m, so of five replicas three fit into one CPU."""
    scene = parts["full"]
    limits = [{"type": "Container", "defaultRequest": {"cpu": "300m"}}]
    path = f"/api/v1/namespaces/{scene.namespace}/limitranges"
    scene.cluster.api().create(path, {"metadata": {"name": "small"}, "spec": {"limits": limits}})
    quota(scene, requests_cpu="1")
    services(scene, "web", remedy=GROW, replicas=2)
    scene.gauge(UNHEALTHY)

    assert "requests.cpu" in refused(scene, "QuotaExceeded", "web")[0]["spec"]["message"]
    scene.wait(lambda: scene.incidents()[0]["status"].get("phase") == "Escalated", "people are called")
    assert scene.writes() == []


def test_replica_sets_that_cannot_create_pods_freeze_restarts(parts: Mapping[str, Scene]) -> None:
    """A restart would take pods away that nobody could replace."""
    scene = parts["stuck"]
    services(scene, "web", replicas=2)
    quota(scene, pods="2")
    scene.cluster.kubectl("scale", "-n", scene.namespace, "deployment/web", "--replicas=3")

    def cannot() -> bool:
        conditions = scene.deployment().get("status", {}).get("conditions", [])
        return any(c["type"] == "ReplicaFailure" and c["status"] == "True" for c in conditions)

    scene.wait(cannot, "ReplicaFailure")
    scene.gauge(UNHEALTHY)

    refused(scene, "PodsCannotBeCreated", "web")
    scene.wait(lambda: scene.incidents()[0]["status"].get("phase") == "Escalated", "people are called")
    assert scene.writes() == []


def test_a_quota_of_nothing_freezes_restarts(parts: Mapping[str, Scene]) -> None:
    """What goes would not come back."""
    scene = parts["emptied"]
    services(scene, "web", replicas=2)
    quota(scene, pods="0")
    scene.gauge(UNHEALTHY)

    assert "overdrawn by 2 of pods" in refused(scene, "QuotaExceeded", "web")[0]["spec"]["message"]
    scene.wait(lambda: scene.incidents()[0]["status"].get("phase") == "Escalated", "people are called")
    assert scene.writes() == []


def test_pod_security_that_came_later_freezes_restarts(parts: Mapping[str, Scene]) -> None:
    """The pods that run were made before."""
    scene = parts["secured"]
    services(scene, "web", replicas=2)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    scene.cluster.api().patch(f"/api/v1/namespaces/{scene.namespace}", {"metadata": {"labels": labels}})
    scene.gauge(UNHEALTHY)

    assert "Pod Security" in refused(scene, "PodsRefused", "web")[0]["spec"]["message"]
    scene.wait(lambda: scene.incidents()[0]["status"].get("phase") == "Escalated", "people are called")
    assert scene.writes() == []


def asking(release: str, cpu: str) -> Object:
    """A Deployment of three pods that ask for so much each."""
    body: Object = deployment("web", release=release, replicas=3)
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": cpu}}
    return body


def test_a_quota_that_has_room_for_the_live_release_only_freezes_rollbacks(parts: Mapping[str, Scene]) -> None:
    """v1 asks for four times as much as v2, and the quota came after it: it would not come back as a whole."""
    scene = parts["shrunk"]
    api, path = scene.cluster.api(), f"/apis/apps/v1/namespaces/{scene.namespace}/deployments"
    api.create(path, asking("v1", "400m"))
    scene.gauge(WELL)
    scene.apply(remedies=[UNDO], limits={"cooldown": "1h"})
    scene.wait_rolled_out()
    scene.wait_kept()
    api.patch(f"{path}/web", {"spec": {"template": asking("v2", "100m")["spec"]["template"]}})
    scene.wait_rolled_out()
    quota(scene, requests_cpu="1")
    scene.gauge(UNHEALTHY)

    assert re.search(
        r"leaves 0\.7 of requests\.cpu, \d more pods want .*, and what goes before gives back 0\.\d",
        refused(scene, "QuotaExceeded", "web")[0]["spec"]["message"],
    )
    assert scene.writes() == []


def test_a_webhook_that_is_down_ends_a_restart(parts: Mapping[str, Scene]) -> None:
    """Nobody knows beforehand; when no new pod comes the restart is over, long before its time, and is not repeated."""
    scene = parts["hooked"]
    api = scene.cluster.api()
    api.create(f"/apis/apps/v1/namespaces/{scene.namespace}/deployments", deployment("web", replicas=4))
    scene.gauge(WELL)
    verify = {"settle": "0s", "stable": "5s", "timeout": "30m"}
    scene.apply(remedies=[RESTART], limits={"cooldown": "5s"}, verify=verify)
    scene.wait_rolled_out("web")
    scene.wait_condition("Healthy", "True")
    hooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    api.create(hooks, webhook_that_is_down(scene.namespace))
    try:
        scene.gauge(UNHEALTHY)
        ended = scene.wait_outcome("NotRecovered", action="Restart")
        scene.wait(lambda: scene.incidents()[0]["status"].get("phase") == "Escalated", "people are called")
    finally:
        api.delete(f"{hooks}/{scene.namespace}")

    assert "failed calling webhook" in ended["status"]["message"]
    assert patched(scene) == ["web"]
    assert scene.deployment()["status"]["availableReplicas"] >= 3
    scene.gauge(WELL)


def webhook_that_is_down(namespace: str) -> Object:
    """One that has a say about every new pod of a namespace, and does not answer."""
    return {
        "metadata": {"name": namespace},
        "webhooks": [
            {
                "name": "pods.example.com",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "clientConfig": {"url": "https://127.0.0.1:1/"},
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            }
        ],
    }


FLEET = [f"app-{number}" for number in range(50)]


def refusals(scene: Scene) -> list[tuple[str, str]]:
    """Target and reason of each refusal on record."""
    return sorted((c["spec"]["targetRef"]["name"], c["spec"]["reason"]) for c in scene.changes(decision="Refuse"))


def test_fifty_services_that_fail_together_are_braked(scene: Scene) -> None:
    """One action in the pause, one refusal on record for each other; what did not help is undone all the same."""
    api, apps = scene.cluster.api(), f"/apis/apps/v1/namespaces/{scene.namespace}/deployments"
    for name in FLEET:
        body = deployment(name, replicas=1)
        api.create(apps, {**body, "metadata": {**body["metadata"], "labels": {"tier": "web"}}})
        scene.gauge(WELL, target=name)
    for name in FLEET:
        scene.wait_rolled_out(name)
    check = {"name": "errors", "query": f'error_ratio{{namespace="{scene.namespace}"}}', "unhealthy": {"above": "0.05"}}
    scene.apply(
        target={"kind": "Deployment", "selector": {"matchLabels": {"tier": "web"}}},
        checks=[{**check, "targetLabel": "deployment", "for": "5s"}],
        remedies=[{"name": "grow", "scale": {"by": "1", "max": 3}}],
        verify={"settle": "0s", "stable": "5s", "timeout": "5s"},
    )
    scene.salus.configure(
        {"limits": {"global": {"actions": 10}, "fleetBrake": {"pause": "1h"}, "recordsPerHour": 1000}}
    )
    scene.salus.start()
    scene.wait(lambda: scene.policy().get("status", {}).get("targets", {}).get("healthy") == len(FLEET), "all are well")
    for name in FLEET:
        scene.gauge(UNHEALTHY, target=name)

    undone = scene.wait_outcome("Undone", reason="Undo")
    helped = undone["spec"]["targetRef"]["name"]
    held = sorted((name, "FleetBrake") for name in FLEET if name != helped)
    scene.wait(lambda: set(refusals(scene)) >= set(held), "49 are held")
    scene.wait_status_ticks(2)
    assert patched(scene) == [helped, helped]
    acting = [c for c in scene.changes(decision="Act") if c["spec"]["action"] != "Notify"]
    assert [c["spec"].get("undoes", "") for c in acting] == ["", acting[0]["metadata"]["name"]]
    assert refusals(scene) == held
