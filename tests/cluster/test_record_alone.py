"""The worked example of docs/records.md: played on a real control plane, and read from its records alone.

`make cluster-test ARGS="-k worked_example -s"` prints the records that the documentation shows a part of.
"""

import yaml

from tests.cluster.scene import Scene
from tests.reading import story


def test_the_worked_example_is_told_by_its_records_alone(scene: Scene) -> None:
    """A restart that a PodDisruptionBudget forbids, a scaling that does not help and is undone, people who mend it."""
    scene.gauge(0.0, target="checkout")
    scene.deploy("checkout", replicas=2)
    budget = {"minAvailable": 2, "selector": {"matchLabels": {"app": "checkout"}}}
    path = f"/apis/policy/v1/namespaces/{scene.namespace}/poddisruptionbudgets"
    scene.cluster.api().create(path, {"metadata": {"name": "checkout"}, "spec": budget})
    grow = {"name": "grow", "scale": {"by": "50%", "max": 4}}
    scene.apply(
        "checkout",
        remedies=[{"name": "restart", "restart": {}}, grow],
        verify={"settle": "0s", "stable": "5s", "timeout": "15s"},
    )
    scene.salus.start()
    scene.wait_condition("Healthy", "True", "checkout")
    scene.gauge(0.08, target="checkout")
    scene.wait(lambda: bool(scene.incidents()), "the incident")
    scene.wait(lambda: scene.incidents()[0]["status"].get("phase") == "Escalated", "people are called")
    scene.gauge(0.0, target="checkout")
    scene.wait(lambda: scene.incidents()[0]["status"]["phase"] == "Resolved", "people have mended it")

    told = story(scene.incidents()[0], scene.changes())
    kinds = "incidents,changeevents"
    print(scene.cluster.kubectl("get", "-n", scene.namespace, kinds, "-o", "yaml"))  # noqa: T201 — the example
    print(yaml.safe_dump(told, allow_unicode=True))  # noqa: T201 — its reading
    assert told == [
        "seen: Deployment/checkout unhealthy by errors",
        "1. refused restart by DisruptionBudget",
        "2. did scale because errors was 0.08 (above 0.05): 2 → 3 replicas, NotRecovered",
        "3. took 2 back (Undo): 3 → 2 replicas, Undone",
        "4. called people: LadderExhausted",
        "ended: Resolved, RecoveredByItself",
    ]
    assert scene.changes(reason="DisruptionBudget")[0]["spec"]["message"].startswith("PodDisruptionBudget/checkout ")
