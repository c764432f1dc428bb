"""The worked example of docs/reference/records.md: played on a real control plane, and read from its records alone.

`make cluster-test ARGS="-k worked_example"` leaves the records, of which the documentation shows a part, in
`.run/worked-example.yaml`.
"""

from tests.cluster.scene import Scene
from tests.reading import WORKED_EXAMPLE, story
from tools.devcluster.salus import REPOSITORY


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

    written = REPOSITORY / ".run" / "worked-example.yaml"
    written.parent.mkdir(exist_ok=True)
    written.write_text(scene.cluster.kubectl("get", "-n", scene.namespace, "inc,chev", "-o", "yaml"))
    assert story(scene.incidents()[0], scene.changes()) == WORKED_EXAMPLE
    assert scene.changes(reason="DisruptionBudget")[0]["spec"]["message"].startswith("PodDisruptionBudget/checkout ")
