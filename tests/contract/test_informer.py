"""The port `Workloads`: the fake and the informer show the same, and the informer survives what happens to watches."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
import structlog
from aiohttp import web

from salus.adapters.api import Connection, Login
from salus.adapters.cluster import ApiCluster
from salus.adapters.informer import Informer, Patience, Watches
from salus.core.objects.workloads import LONGEST_LABELS, release_hash
from salus.model.meta import WorkloadKind
from salus.model.values.keys import TargetKey
from salus.ports import DEPLOYMENTS, WORKLOADS, Cluster, Ref, Workloads
from salus.rehearsal.workloads import RehearsalWorkloads
from tests.contract.conftest import Proxy, Scripted, eventually, kubeconfig, status
from tests.fakes.cluster import SPECIMENS, FakeCluster

_Watches = TypeVar("_Watches", bound=Watches)
IMPATIENT = Patience(first_pause=timedelta(milliseconds=10), longest_pause=timedelta(milliseconds=50))


def workload(namespace: str, name: str, kind: str = "Deployment", **labels: str) -> dict[str, Any]:
    """A workload without pods."""
    pods = {"app": name}
    spec: dict[str, Any] = {
        "selector": {"matchLabels": pods},
        "template": {"metadata": {"labels": pods}, "spec": {"containers": [{"name": "web", "image": f"{name}:1"}]}},
    }
    scaled = {} if kind == "DaemonSet" else {"replicas": 0}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"namespace": namespace, "name": name, "labels": labels},
        "spec": {**spec, **scaled, **({"serviceName": name} if kind == "StatefulSet" else {})},
    }


def key(namespace: str, name: str, kind: WorkloadKind = WorkloadKind.DEPLOYMENT) -> TargetKey:
    return TargetKey(namespace, kind, name)


@contextlib.asynccontextmanager
async def running(informer: _Watches) -> AsyncIterator[_Watches]:
    """Run the informer until the end of the block."""
    task = asyncio.create_task(informer.run())
    try:
        yield informer
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class WorkloadsContract:
    """What every implementation of the port shows."""

    @pytest.mark.parametrize("kind", list(WorkloadKind))
    async def test_a_workload_of_each_kind_is_seen(
        self, cluster: Cluster, workloads: Workloads, namespace: str, kind: WorkloadKind
    ) -> None:
        await cluster.create(WORKLOADS[kind], workload(namespace, "web", kind))

        await eventually(lambda: workloads.get(key(namespace, "web", kind)))

        seen = workloads.get(key(namespace, "web", kind))
        assert seen
        assert seen.key.kind == kind
        made = await cluster.get(Ref(WORKLOADS[kind], namespace, "web"))
        assert seen.release == release_hash(made["spec"]["template"])

    async def test_what_is_shown_is_bounded(self, cluster: Cluster, workloads: Workloads, namespace: str) -> None:
        """Images and the like are asked of the fresh object."""
        labels = {f"label-{number:03}": "x" * 60 for number in range(200)}
        await cluster.create(DEPLOYMENTS, workload(namespace, "web", **labels))

        await eventually(lambda: workloads.get(key(namespace, "web")))

        seen = workloads.get(key(namespace, "web"))
        assert seen
        assert (seen.images, len(seen.labels)) == ((), LONGEST_LABELS // 69)

    async def test_a_change_is_seen(self, cluster: Cluster, workloads: Workloads, namespace: str) -> None:
        await cluster.create(DEPLOYMENTS, workload(namespace, "web"))
        await cluster.patch(Ref(DEPLOYMENTS, namespace, "web"), [{"op": "add", "path": "/spec/paused", "value": True}])

        await eventually(lambda: (seen := workloads.get(key(namespace, "web"))) and seen.paused)

    async def test_a_deletion_is_seen(self, cluster: Cluster, workloads: Workloads, namespace: str) -> None:
        await cluster.create(DEPLOYMENTS, workload(namespace, "web"))
        await eventually(lambda: workloads.get(key(namespace, "web")))
        await cluster.delete(Ref(DEPLOYMENTS, namespace, "web"))

        await eventually(lambda: not workloads.get(key(namespace, "web")))
        assert workloads.select(namespace, WorkloadKind.DEPLOYMENT, {}) == []

    async def test_a_selection_is_by_all_labels_of_one_kind_and_ordered_by_name(
        self, cluster: Cluster, workloads: Workloads, namespace: str
    ) -> None:
        for name, labels in (("c", {"tier": "back"}), ("b", {}), ("a", {"tier": "back", "team": "x"})):
            await cluster.create(DEPLOYMENTS, workload(namespace, name, **labels))
        await cluster.create(WORKLOADS[WorkloadKind.STATEFUL_SET], workload(namespace, "d", "StatefulSet", tier="back"))

        def chosen(**labels: str) -> list[str]:
            return [seen.key.name for seen in workloads.select(namespace, WorkloadKind.DEPLOYMENT, labels)]

        await eventually(lambda: chosen() == ["a", "b", "c"])
        assert chosen(tier="back") == ["a", "c"]
        assert chosen(tier="back", team="x") == ["a"]
        assert chosen(tier="front") == []

    async def test_what_is_not_there_is_none(self, workloads: Workloads, namespace: str) -> None:
        assert workloads.get(key(namespace, "none")) is None
        assert workloads.select("no-such-namespace", WorkloadKind.DEPLOYMENT, {}) == []


class TestFakeWorkloads(WorkloadsContract):
    """The contract over the fake."""

    @pytest.fixture
    def cluster(self) -> FakeCluster:
        return FakeCluster(rights=SPECIMENS)

    @pytest.fixture
    def workloads(self, cluster: FakeCluster) -> RehearsalWorkloads:
        return RehearsalWorkloads(cluster)

    @pytest.fixture
    def namespace(self) -> str:
        return "shop"


class TestInformer(WorkloadsContract):
    """The contract over real watches, and what becomes of them when the network fails."""

    @pytest.fixture
    def cluster(self, connection: Connection) -> ApiCluster:
        return ApiCluster(connection, rights=SPECIMENS)

    @pytest.fixture
    async def workloads(self, proxied: Connection) -> AsyncIterator[Informer]:
        async with running(Informer(proxied, patience=IMPATIENT)) as informer:
            await informer.wait_synced()
            yield informer

    async def test_what_was_there_before_is_listed(
        self, cluster: ApiCluster, connection: Connection, namespace: str
    ) -> None:
        await cluster.create(DEPLOYMENTS, workload(namespace, "web"))
        async with running(Informer(connection, [namespace])) as informer:
            await informer.wait_synced()

            assert informer.synced
            assert informer.get(key(namespace, "web"))

    async def test_only_its_namespaces_are_followed(
        self, cluster: ApiCluster, connection: Connection, namespace: str
    ) -> None:
        await cluster.create(DEPLOYMENTS, workload(namespace, "web"))

        async with running(Informer(connection, ["default"])) as informer:
            await informer.wait_synced()

            assert informer.get(key(namespace, "web")) is None
            assert set(informer.last_event_ages) == {
                f"{kind} in default" for kind in ("deployments", "statefulsets", "daemonsets")
            }

    async def test_a_cut_connection_is_taken_up_again(
        self, cluster: ApiCluster, workloads: Informer, proxy: Proxy, namespace: str
    ) -> None:
        """What happened while there was none is seen, deletions too."""
        for name in ("goes", "stays"):
            await cluster.create(DEPLOYMENTS, workload(namespace, name))
        await eventually(lambda: len(workloads.select(namespace, WorkloadKind.DEPLOYMENT, {})) == 2)
        accepted = proxy.accepted

        proxy.down = True
        proxy.cut()
        await cluster.delete(Ref(DEPLOYMENTS, namespace, "goes"))
        await cluster.create(DEPLOYMENTS, workload(namespace, "comes"))
        await eventually(lambda: proxy.accepted >= accepted + 4 * len(WORKLOADS))
        proxy.down = False

        def names() -> list[str]:
            return [seen.key.name for seen in workloads.select(namespace, WorkloadKind.DEPLOYMENT, {})]

        assert "goes" in names()
        await eventually(lambda: names() == ["comes", "stays"])


class Played:
    """Deployments of an API server that is played: its lists, and the lines that its watches say."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.version = "10"
        self.refusals: list[int] = []
        self.watch_refusals: list[int] = []
        self.lists: list[str] = []
        self.watches: list[str] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        ours = request.path.endswith("/deployments")
        if "watch" in request.query:
            return await (self._watch(request) if ours else _mute(request))
        if ours:
            self.lists.append(request.query.get("continue", ""))
            await self.hold.wait()
            if self.refusals:
                return await status(self.refusals.pop(0))(request)
        return web.json_response({"metadata": {"resourceVersion": self.version}, "items": self.items if ours else []})

    def say(self, kind: str, body: dict[str, Any]) -> None:
        """One watch event."""
        self.say_raw(json.dumps({"type": kind, "object": body}).encode())

    def say_raw(self, line: bytes) -> None:
        self._lines.put_nowait(line + b"\n")

    def hang_up(self) -> None:
        """The end of the watch, as the server ends one after its time."""
        self._lines.put_nowait(None)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        self.watches.append(request.query["resourceVersion"])
        if self.watch_refusals:
            return await status(self.watch_refusals.pop(0))(request)
        response = await _opened(request)
        while (line := await self._lines.get()) is not None:
            await response.write(line)
        return response


async def _opened(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    return response


async def _mute(request: web.Request) -> web.StreamResponse:
    await _opened(request)
    await asyncio.Event().wait()
    raise AssertionError("the wait has no end")


def seen(name: str, version: str) -> dict[str, Any]:
    """A Deployment as a watch shows it."""
    body = workload("shop", name)
    return {**body, "metadata": {**body["metadata"], "resourceVersion": version}}


def bookmark(version: str) -> dict[str, Any]:
    return {"kind": "Deployment", "metadata": {"resourceVersion": version}}


GONE = {"kind": "Status", "metadata": {}, "code": 410, "message": "too old resource version"}


class TestProtocol:
    """What the informer asks a server that is played."""

    @pytest.fixture
    def played(self, server: Scripted) -> Played:
        played = Played()
        server.answer = played.answer
        return played

    @pytest.fixture
    async def way(self, server: Scripted, tmp_path: Path) -> AsyncIterator[Connection]:
        async with await Connection.open(Login(kubeconfig(tmp_path / "kubeconfig", server.url))) as connection:
            yield connection

    @pytest.fixture
    async def informer(self, played: Played, way: Connection) -> AsyncIterator[Informer]:
        played.items = [seen("old", "9")]
        async with running(Informer(way, patience=IMPATIENT)) as informer:
            yield informer

    def names(self, informer: Informer) -> list[str]:
        return [found.key.name for found in informer.select("shop", WorkloadKind.DEPLOYMENT, {})]

    async def test_it_is_not_synced_before_everything_was_listed(self, played: Played, way: Connection) -> None:
        """Until then what is missing may only not have been seen."""
        played.hold.clear()
        async with running(Informer(way, patience=IMPATIENT)) as informer:
            await eventually(lambda: played.lists)
            before = informer.synced
            played.hold.set()
            await informer.wait_synced()

        assert not before

    async def test_the_watch_begins_where_the_list_ended(self, played: Played, informer: Informer) -> None:
        played.say("ADDED", seen("new", "11"))

        await eventually(lambda: self.names(informer) == ["new", "old"])

        assert (played.lists, played.watches) == ([""], ["10"])

    @pytest.mark.parametrize(
        ("event", "version"),
        [
            pytest.param(("BOOKMARK", bookmark("20")), "20", id="a bookmark"),
            pytest.param(("MODIFIED", seen("old", "21")), "21", id="an event"),
            pytest.param(("DELETED", seen("old", "22")), "22", id="a deletion"),
        ],
    )
    async def test_a_watch_that_ends_goes_on_from_its_last_line(
        self, played: Played, informer: Informer, event: tuple[str, dict[str, Any]], version: str
    ) -> None:
        """Without a second list: ten thousand workloads are not read again every five minutes."""
        await informer.wait_synced()
        played.say(*event)
        played.hang_up()

        await eventually(lambda: len(played.watches) == 2)

        assert (played.lists, played.watches) == ([""], ["10", version])
        assert informer.synced

    async def test_a_forgotten_version_is_listed_again_and_ghosts_vanish(
        self, played: Played, informer: Informer
    ) -> None:
        """What was deleted while nobody watched never sends a DELETED."""
        await eventually(lambda: self.names(informer) == ["old"])
        played.items, played.version = [seen("other", "29")], "30"
        played.say("ERROR", GONE)

        await eventually(lambda: self.names(informer) == ["other"])
        await eventually(lambda: len(played.watches) == 2)

        assert played.watches == ["10", "30"]

    @pytest.mark.parametrize(
        "line",
        [
            pytest.param(b"<html>", id="no JSON"),
            pytest.param(b"[]", id="no object"),
            pytest.param(b'{"type": "ADDED"}', id="no object in it"),
            pytest.param(b'{"type": "ADDED", "object": {"metadata": 1}}', id="no metadata"),
            pytest.param(b'{"type": "ERROR", "object": {"metadata": {}, "code": 500}}', id="an error of the server"),
            pytest.param(b'{"type": "ERROR", "object": {"metadata": {}, "code": "x"}}', id="an error that is none"),
            pytest.param(b"x" * 5_000_000, id="a line without end"),
        ],
    )
    async def test_a_watch_that_talks_nonsense_is_opened_again(
        self, played: Played, informer: Informer, line: bytes
    ) -> None:
        played.say("BOOKMARK", bookmark("20"))
        played.say_raw(line)
        await eventually(lambda: len(played.watches) == 2)
        played.say("ADDED", seen("new", "21"))

        await eventually(lambda: self.names(informer) == ["new", "old"])

        assert (played.lists, played.watches) == ([""], ["10", "20"])

    async def test_a_silent_watch_is_opened_again(self, played: Played, way: Connection) -> None:
        """A connection that died without a farewell looks like one on which nothing happens."""
        patience = Patience(timedelta(seconds=0.2), IMPATIENT.first_pause, IMPATIENT.longest_pause)

        async with running(Informer(way, patience=patience)):
            await eventually(lambda: len(played.watches) >= 2)

        assert played.lists == [""]
        assert played.watches[:2] == ["10", "10"]

    async def test_watches_of_many_namespaces_leave_room_for_requests(self, played: Played, way: Connection) -> None:
        """Forty namespaces are a hundred and twenty watches, more than the client library's bound of connections."""
        played.items = [seen("old", "9")]
        async with running(Informer(way, [f"team-{number}" for number in range(40)], IMPATIENT)) as informer:
            await informer.wait_synced()
            await eventually(lambda: len(played.watches) >= 40)
            async with asyncio.timeout(5):
                assert await ApiCluster(way).list(DEPLOYMENTS, "team-1")

    @pytest.mark.parametrize("code", [401, 403, 404, 429, 500])
    async def test_a_refused_list_is_asked_again(self, played: Played, way: Connection, code: int) -> None:
        """A Role may come later, as may the API server."""
        played.items, played.refusals = [seen("old", "9")], [code] * 3

        async with running(Informer(way, patience=IMPATIENT)) as informer:
            await eventually(lambda: informer.synced)  # who waits goes on after a 403; the list still comes

            assert self.names(informer) == ["old"]
        assert len(played.lists) >= 3

    @pytest.mark.parametrize(
        ("code", "lists"),
        [
            pytest.param(401, 1, id="a token that was replaced costs no list"),
            pytest.param(500, 1, id="nor does trouble of the server"),
            pytest.param(410, 2, id="a forgotten version costs one"),
            pytest.param(403, 2, id="as does a refusal"),
        ],
    )
    async def test_a_refused_watch_is_opened_again(
        self, played: Played, way: Connection, code: int, lists: int
    ) -> None:
        played.watch_refusals = [code]

        async with running(Informer(way, patience=IMPATIENT)) as informer:
            await eventually(lambda: len(played.watches) == 2)
            played.say("ADDED", seen("new", "11"))
            await eventually(lambda: self.names(informer) == ["new"])

        assert len(played.lists) == lists

    async def test_a_malformed_workload_is_left_out_and_the_rest_stays(
        self, played: Played, informer: Informer
    ) -> None:
        """Better not known than known as it was before."""
        bad = {**seen("old", "12"), "spec": {"replicas": "three"}}

        with structlog.testing.capture_logs() as logs:
            played.say("ADDED", seen("new", "11"))
            played.say("MODIFIED", bad)
            await eventually(lambda: self.names(informer) == ["new"])

        assert 'Deployment shop/old: spec.replicas: expected a whole number, got "three"' in [
            line.get("error") for line in logs
        ]

    async def test_its_age_is_that_of_the_watch_that_was_silent_longest(self, played: Played, way: Connection) -> None:
        now = [100.0]
        async with running(Informer(way, patience=IMPATIENT, monotonic=lambda: now[0])) as informer:
            await informer.wait_synced()
            now[0] = 160.0
            played.say("BOOKMARK", bookmark("20"))
            await eventually(lambda: informer.last_event_ages["deployments in all namespaces"] == 0)

            assert informer.last_event_age == 60.0


@pytest.mark.parametrize(
    ("failures", "longest"),
    [
        pytest.param(1, 1, id="a second at first"),
        pytest.param(2, 2, id="twice as long then"),
        pytest.param(5, 16, id="and so on"),
        pytest.param(6, 30, id="but half a minute at most"),
        pytest.param(5000, 30, id="however often it fails"),
    ],
)
def test_pauses_grow_and_differ(failures: int, longest: float) -> None:
    pauses = {Patience().pause(failures) for _ in range(100)}

    assert longest / 2 <= min(pauses) < max(pauses) <= longest
