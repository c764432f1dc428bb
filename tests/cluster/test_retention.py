"""Old records on a real API server: exported, then deleted, with the rights that Salus has."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from salus.model.scalars import format_time
from tests.cluster.scene import Object, Scene
from tools.devcluster.namespaces import fresh_namespace

_SALUS = "/apis/salus.dev/v1alpha1/namespaces"


def put_refusal(scene: Scene, sequence: int, age: timedelta, namespace: str = "") -> Object:
    """A refusal that was put on record so long ago."""
    return scene.cluster.api().create(
        f"{_SALUS}/{namespace or scene.namespace}/changeevents",
        {
            "apiVersion": "salus.dev/v1alpha1",
            "kind": "ChangeEvent",
            "metadata": {"name": f"web-0a1b2c3d-{sequence}"},
            "spec": {
                "decision": "Refuse",
                "action": "Restart",
                "reason": "CooldownActive",
                "message": "the last action was a moment ago",
                "policyRef": {"name": "web"},
                "targetRef": {"kind": "Deployment", "name": "web"},
                "sequence": sequence,
                "decidedAt": format_time(datetime.now(UTC) - age),
            },
        },
    )


def put_incident(scene: Scene, number: int, age: timedelta) -> Object:
    """An incident that was over so long ago."""
    root, at = f"{_SALUS}/{scene.namespace}/incidents", format_time(datetime.now(UTC) - age)
    name = f"web-9f8e7d6c-{number}"
    spec = {"policyRef": {"name": "web"}, "targetRef": {"kind": "Deployment", "name": "web"}, "openedAt": at}
    kind = {"apiVersion": "salus.dev/v1alpha1", "kind": "Incident", "metadata": {"name": name}}
    scene.cluster.api().create(root, {**kind, "spec": spec})
    status = {"phase": "Resolved", "resolvedAt": at, "resolution": "RecoveredByItself"}
    return scene.cluster.api().patch(f"{root}/{name}/status", {"status": status})


def exported(scene: Scene) -> list[Object]:
    """The objects that the log carries."""
    lines = (json.loads(line) for line in scene.salus.log.read_text().splitlines() if '"salus.export"' in line)
    return [line["object"] for line in lines]


def test_old_records_are_exported_and_deleted_and_the_newest_stays(scene: Scene) -> None:
    """Three changes of 40 days, one of a day; the newest of the target is old too, and stays. So for incidents."""
    day, old = timedelta(days=1), timedelta(days=40)
    scene.deploy()
    scene.apply(suspend=True)
    stored = [put_refusal(scene, number, age) for number, age in enumerate((old, old, day, old), 1)]
    incidents = [put_incident(scene, number, old) for number in (1, 2)]
    scene.salus.configure({"retention": {"maxAge": "720h", "interval": "10s"}})
    scene.salus.start()

    scene.wait(lambda: [c["spec"]["sequence"] for c in scene.changes()] == [3, 4], "the old records are gone")

    scene.wait(lambda: len(scene.incidents()) == 1, "the old incident is gone")
    scene.wait(lambda: bool(scene.writes("incidents", "delete")), "the audit log has its deletion")
    gone = {body["metadata"]["name"]: body for body in exported(scene)}
    assert gone == {body["metadata"]["name"]: body for body in (*stored[:2], incidents[0])}
    assert [event.code for event in scene.writes("changeevents", "delete")] == [200, 200]
    assert [event.code for event in scene.writes("incidents", "delete")] == [200]
    collected = 'salus_records_collected_total{kind="ChangeEvent"}'
    scene.wait(lambda: scene.own_metric(collected) == 2, "both changes are counted")


def test_beyond_their_number_the_oldest_go(scene: Scene) -> None:
    """Six records of a day ago where four are allowed: the two oldest go."""
    for number in range(1, 7):
        put_refusal(scene, number, timedelta(days=2) - timedelta(minutes=number))
    scene.salus.configure({"retention": {"maxPerNamespace": 4, "interval": "10s"}})
    scene.salus.start()

    scene.wait(lambda: [c["spec"]["sequence"] for c in scene.changes()] == [3, 4, 5, 6], "the two oldest are gone")


def test_of_a_workload_that_is_gone_nothing_is_left(scene: Scene) -> None:
    """Neither its newest record nor its newest incident, once their time is over."""
    for number in (1, 2):
        put_refusal(scene, number, timedelta(days=40))
        put_incident(scene, number, timedelta(days=40))
    scene.salus.configure({"retention": {"interval": "10s"}})
    scene.salus.start()

    scene.wait(lambda: not scene.changes() and not scene.incidents(), "nothing is left")

    assert len(exported(scene)) == 4


def test_a_flood_in_one_namespace_keeps_no_others_records(scene: Scene) -> None:
    """3,000 old records in `aaa-…`: those of `zzz-…` go in the same round, and the flood without waiting for the next.

    No round deletes more than 2,000, and after the first one the interval is an hour.
    """
    with fresh_namespace(scene.cluster, "aaa") as flooded, fresh_namespace(scene.cluster, "zzz") as quiet:
        with ThreadPoolExecutor(8) as hands:
            list(hands.map(lambda number: put_refusal(scene, number, timedelta(days=40), flooded), range(1, 3001)))
        for number in range(1, 4):
            put_refusal(scene, number, timedelta(days=40), quiet)
        scene.salus.namespaces = [flooded, quiet]
        scene.salus.configure({"retention": {"interval": "10s"}})
        scene.salus.start()

        scene.wait(lambda: not records_of(scene, quiet), "nothing is left of the quiet one", timeout=120)
        left = len(records_of(scene, flooded))
        scene.salus.configure({"retention": {"interval": "1h"}})
        scene.wait(lambda: not records_of(scene, flooded), "nothing is left of the flood", timeout=300)

    assert left > 2000


def records_of(scene: Scene, namespace: str) -> list[Object]:
    """The ChangeEvents of a namespace."""
    return scene.cluster.api().items(f"{_SALUS}/{namespace}/changeevents")
