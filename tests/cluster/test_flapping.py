"""A query that flaps by itself, on a real Prometheus: what it makes on the API server is bounded."""

import requests

from tests.cluster.scene import Object, Scene, deployment

TARGETS = [f"flap-{number}" for number in range(6)]
QUERY = 'vector(time() % 10 < bool 5) unless up{job="$target"}'
"""Each of two ticks of 5 s is bad; the selector is there since a query of many targets has to name them."""
AT_ONCE = {"settle": "0s", "stable": "0s", "timeout": "0s"}
BUDGET = 5


def test_a_query_that_flaps_is_one_incident_and_a_bounded_number_of_records(scene: Scene) -> None:
    """Without hold-down each swing of a target is an incident and a rehearsal; the budget ends that, and counts."""
    scene.salus.configure({"holdDown": "0s", "limits": {"recordsPerHour": BUDGET}})
    _observe(scene)
    scene.salus.start()
    scene.wait(lambda: _tally(scene).get("status", {}).get("occurrences", 0) >= 16, "16 are counted and not written")

    spent = [change for change in scene.changes() if change["spec"]["reason"] != "RecordBudgetSpent"]
    assert len(spent) + len(scene.incidents()) == BUDGET
    assert _withheld(scene) >= 16

    scene.salus.stop()
    scene.salus.configure({"holdDown": "1h", "limits": {"recordsPerHour": 1000}})
    scene.salus.start()
    scene.wait(lambda: len(_rehearsed(scene)) == len(TARGETS), "each target has an incident with its rehearsal")
    names, before = _rehearsed(scene), len(scene.changes())
    for _ in range(2):
        scene.wait(lambda: _are(scene, "healthy"), "all are healthy")
        scene.wait(lambda: _are(scene, "unhealthy"), "all are unhealthy")

    assert _rehearsed(scene) == names
    assert len(scene.changes()) == before


def _observe(scene: Scene) -> None:
    """What anybody may write who may write policies: it needs no right on a workload, and no pods."""
    apps = f"/apis/apps/v1/namespaces/{scene.namespace}/deployments"
    for name in TARGETS:
        body = deployment(name, replicas=0)
        metadata = {**body["metadata"], "labels": {**body["metadata"]["labels"], "tier": "web"}}
        scene.cluster.api().create(apps, {**body, "metadata": metadata})
    scene.apply(
        mode="Observe",
        target={"kind": "Deployment", "selector": {"matchLabels": {"tier": "web"}}},
        checks=[{"name": "flapping", "query": QUERY, "unhealthy": {"above": "0"}}],
        remedies=[{"name": "restart", "restart": {}}],
        verify=AT_ONCE,
    )


def _are(scene: Scene, verdict: str) -> bool:
    """Whether all targets are so, by the policy's status."""
    counts = scene.policy().get("status", {}).get("targets") or {}
    return bool(counts.get(verdict) == len(TARGETS))


def _tally(scene: Scene) -> Object:
    """The one record that counts those that are not written."""
    return next((change for change in scene.changes(reason="RecordBudgetSpent")), {})


def _rehearsed(scene: Scene) -> set[str]:
    """The incidents that are open and had their rehearsal."""
    found = [(one["metadata"]["name"], one.get("status", {})) for one in scene.incidents()]
    return {name for name, status in found if status.get("phase") != "Resolved" and status.get("attempts")}


def _withheld(scene: Scene) -> float:
    lines = requests.get(f"{scene.salus.url}/metrics", timeout=30).text.splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith("salus_records_withheld_total"))
