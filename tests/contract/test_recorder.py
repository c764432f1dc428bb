"""The port `Recorder`: Events that the real API server takes and kubectl shows, said once, and never an error."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from salus.adapters.api import Connection
from salus.adapters.cluster import ApiCluster
from salus.adapters.recorder import A_MINUTE, EventRecorder
from salus.ports import EVENTS, ClusterError, Conflict, Forbidden, Notice, Throttled, Unavailable
from salus.rehearsal.ports import VirtualClock
from tests.fakes.cluster import FakeCluster
from tools.devcluster.cluster import DevCluster

NOW = datetime(2026, 11, 22, 10, 0, 0, 250_000, tzinfo=UTC)


def regarding(namespace: str = "shop", name: str = "web", **more: str) -> dict[str, str]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": namespace, "name": name, **more}


def notice(note: str = "error-ratio is 0.3, above 0.05", **changes: Any) -> Notice:  # noqa: ANN401 - as Notice's
    return Notice(**{"regarding": regarding(), "reason": "Rollback", "action": "Rollback", "note": note, **changes})


class TestOnTheApiServer:
    """The limits of events.k8s.io/v1 are the server's; so is what describe shows."""

    @pytest.fixture
    def recorder(self, connection: Connection) -> EventRecorder:
        return EventRecorder(ApiCluster(connection), VirtualClock(datetime.now(UTC)), "salus-7d9f-x2x4z")

    def events(self, devcluster: DevCluster, namespace: str) -> list[dict[str, Any]]:
        listed = devcluster.kubectl("-n", namespace, "get", "events.events.k8s.io", "-o", "json")
        return [item for item in json.loads(listed)["items"] if item["reportingController"] == "salus.dev/operator"]

    async def test_an_event_is_shown_at_the_workload(
        self, recorder: EventRecorder, devcluster: DevCluster, namespace: str
    ) -> None:
        """With the record that it is about beside it."""
        devcluster.kubectl("-n", namespace, "create", "deployment", "web", "--image=web:1", "--replicas=0")
        uid = devcluster.kubectl("-n", namespace, "get", "deployment", "web", "-o", "jsonpath={.metadata.uid}")
        change = {"apiVersion": "salus.dev/v1alpha1", "kind": "ChangeEvent", "namespace": namespace, "name": "web-1"}

        await recorder.post(notice(regarding=regarding(namespace, uid=uid), related=change, warning=True))

        (event,) = self.events(devcluster, namespace)
        assert (event["type"], event["reason"], event["action"]) == ("Warning", "Rollback", "Rollback")
        assert event["reportingInstance"] == "salus-7d9f-x2x4z"
        assert event["related"]["name"] == "web-1"
        described = devcluster.kubectl("-n", namespace, "describe", "deployment", "web")
        assert "error-ratio is 0.3, above 0.05" in described

    @pytest.mark.parametrize(
        "changes",
        [
            pytest.param({"note": "x" * 5000}, id="a long note"),
            pytest.param({"note": "é" * 1000}, id="a note that is long in bytes alone"),
            pytest.param({"action": "A" * 500, "reason": "R" * 500}, id="long words"),
            pytest.param({"regarding": {"name": "w" * 253}}, id="a long name"),
            pytest.param({"regarding": {"name": "w" * 235 + ".x"}}, id="a name that is cut at a dot"),
            pytest.param({"note": ""}, id="an empty note"),
        ],
    )
    async def test_limits_are_kept(
        self, recorder: EventRecorder, devcluster: DevCluster, namespace: str, changes: dict[str, Any]
    ) -> None:
        about = regarding(namespace, **changes.pop("regarding", {}))

        with structlog.testing.capture_logs() as logs:
            await recorder.post(notice(**{**changes, "regarding": about}))

        assert logs == []
        assert len(self.events(devcluster, namespace)) == 1


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOW)


@pytest.fixture
def recorder(cluster: FakeCluster, clock: VirtualClock) -> EventRecorder:
    return EventRecorder(cluster, clock, "salus-0")


async def test_an_event_has_what_the_api_demands(recorder: EventRecorder, cluster: FakeCluster) -> None:
    await recorder.post(notice())

    (event,) = cluster.objects(EVENTS)
    assert event["metadata"]["namespace"] == "shop"
    assert event["metadata"]["name"].startswith("web.")
    assert event["eventTime"] == "2026-11-22T10:00:00.250000Z"
    assert event["reportingController"] == "salus.dev/operator"
    assert event["type"] == "Normal"
    assert event["regarding"] == regarding()
    assert "related" not in event


@pytest.mark.parametrize(
    ("second", "later", "count"),
    [
        pytest.param(notice(), timedelta(minutes=4, seconds=59), 1, id="the same within five minutes is said once"),
        pytest.param(notice(), timedelta(minutes=5), 2, id="the same after five minutes is said again"),
        pytest.param(notice("error-ratio is 0.4"), timedelta(), 2, id="another note is another event"),
        pytest.param(notice(reason="Restart"), timedelta(), 2, id="another reason is another event"),
        pytest.param(notice(regarding=regarding(name="api")), timedelta(), 2, id="another object is another event"),
        pytest.param(notice(regarding=regarding(uid="u2")), timedelta(), 2, id="a new object of the name is another"),
    ],
)
async def test_no_flood(
    recorder: EventRecorder, cluster: FakeCluster, clock: VirtualClock, second: Notice, later: timedelta, count: int
) -> None:
    await recorder.post(notice())
    clock.advance(later)
    await recorder.post(second)

    assert len(cluster.objects(EVENTS)) == count


async def test_a_namespace_has_so_many_events_a_minute_and_the_last_says_so(
    recorder: EventRecorder, cluster: FakeCluster, clock: VirtualClock
) -> None:
    for index in range(2 * A_MINUTE):
        await recorder.post(notice(f"{index}"))
    await recorder.post(notice(regarding=regarding("bank")))
    assert [len(cluster.objects(EVENTS, namespace)) for namespace in ("shop", "bank")] == [A_MINUTE, 1]
    assert [event["note"] for event in cluster.objects(EVENTS, "shop") if "the last Event" in event["note"]] == [
        f"the last Event of this minute in shop: {A_MINUTE - 1}"
    ]

    clock.advance(timedelta(minutes=1))
    await recorder.post(notice("later"))

    assert len(cluster.objects(EVENTS, "shop")) == A_MINUTE + 1


async def test_what_was_said_is_forgotten_in_time(recorder: EventRecorder, clock: VirtualClock) -> None:
    """The window is memory that does not grow."""
    for index in range(100):
        await recorder.post(notice(f"{index}"))
        clock.advance(timedelta(minutes=1))

    assert recorder.remembered == 5


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(Unavailable("no answer"), id="no answer"),
        pytest.param(Throttled("slow down", timedelta(seconds=1)), id="throttled"),
        pytest.param(Forbidden("no Role"), id="no rights"),
        pytest.param(Conflict("taken"), id="a name that is taken"),
    ],
)
async def test_a_failure_is_logged_and_forgotten(
    recorder: EventRecorder, cluster: FakeCluster, error: ClusterError
) -> None:
    """An Event is a courtesy: it must never stand in the way of the write or of its record."""
    cluster.fail_next(error)

    with structlog.testing.capture_logs() as logs:
        await recorder.post(notice())
        await recorder.post(notice())

    assert [line["error"] for line in logs] == [str(error)]
    assert not cluster.writes
