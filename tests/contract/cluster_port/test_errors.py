"""Every way to fail becomes one of the errors of the port."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from salus.adapters.api import Connection, Login
from salus.adapters.cluster import ApiCluster
from salus.ports import (
    DEPLOYMENTS,
    PODS,
    Cluster,
    ClusterError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Ref,
    Rejected,
    Throttled,
    Unavailable,
)
from tests.contract.cluster_port.objects import REF, deployment
from tests.contract.conftest import Answer, Scripted, kubeconfig, status
from tests.fakes.cluster import SPECIMENS
from tests.rows import Row, sentence
from tools.devcluster.cluster import DevCluster


async def _html(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>welcome</html>", content_type="text/html")


async def _list(_: web.Request) -> web.StreamResponse:
    return web.json_response([1, 2])


async def _silence(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("the wait has no end")


async def _hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport
    request.transport.close()
    return web.Response()


async def _half(request: web.Request) -> web.StreamResponse:
    assert request.transport
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"kind":')
    request.transport.close()
    return response


async def _elsewhere(_: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "http://127.0.0.1:9/"})


@dataclass(frozen=True, slots=True)
class Failure(Row):
    """An answer that is none, and what it is told as."""

    answer: Answer
    expected: type[ClusterError]
    message: str
    """A part of it."""


FAILURES = [
    Failure("400 is invalid", status(400), Invalid, "400 no, thank you"),
    Failure("401 is forbidden", status(401), Forbidden, "401 no, thank you"),
    Failure("403 is forbidden", status(403), Forbidden, "403 no, thank you"),
    Failure("404 is not found", status(404), NotFound, "404 no, thank you"),
    Failure("408 tells nothing", status(408), Unavailable, "408 no, thank you"),
    Failure("409 is a conflict", status(409), Conflict, "409 no, thank you"),
    Failure("another 4xx is a refusal", status(413), Rejected, "413 no, thank you"),
    Failure("422 is invalid", status(422), Invalid, "422 no, thank you"),
    Failure("429 is throttled", status(429), Throttled, "429 no, thank you"),
    Failure("500 tells nothing", status(500), Unavailable, "500 no, thank you"),
    Failure("503 tells nothing", status(503), Unavailable, "503 no, thank you"),
    Failure("a page for people tells nothing", _html, Unavailable, "not a JSON object"),
    Failure("JSON that is no object tells nothing", _list, Unavailable, "not a JSON object"),
    Failure("silence tells nothing", _silence, Unavailable, "no answer in time"),
    Failure("a hang-up tells nothing", _hang_up, Unavailable, "isconnected"),
    Failure("half an answer tells nothing", _half, Unavailable, "not completed"),
    Failure("a redirect is not followed", _elsewhere, Unavailable, "302"),
]


@dataclass(frozen=True, slots=True)
class Ask(Row):
    """A request for an object, or for several."""

    ask: Callable[[Cluster], Awaitable[object]]


ASKS = [
    Ask("get", lambda cluster: cluster.get(REF)),
    Ask("list", lambda cluster: cluster.list(DEPLOYMENTS, "shop")),
    Ask("create", lambda cluster: cluster.create(DEPLOYMENTS, deployment("shop"))),
    Ask("patch", lambda cluster: cluster.patch(REF, [])),
    Ask("update_status", lambda cluster: cluster.update_status(REF, {})),
    Ask("delete", lambda cluster: cluster.delete(REF)),
]


@dataclass(frozen=True, slots=True)
class Header(Row):
    """What a 429 says, and what is made of it."""

    header: dict[str, str]
    seconds: int


HEADERS = [
    Header("what the server says", {"Retry-After": "7"}, 7),
    Header("a second if it says nothing", {}, 1),
    Header("a second for a date", {"Retry-After": "Sun, 22 Nov 2026 10:00:00 GMT"}, 1),
]


@dataclass(frozen=True, slots=True)
class Pause(Row):
    """What a 429 says; when it is early still, and when no more."""

    header: dict[str, str]
    early: float
    """In seconds after it."""
    late: float
    """In seconds after it."""


PAUSES = [
    Pause("as long as the server says", {"Retry-After": "7"}, 6.9, 7.0),
    Pause("a second if it says nothing", {}, 0.9, 1.0),
    Pause("but no longer than a minute", {"Retry-After": "86400"}, 59.9, 60.0),
]


class TestErrors:
    """The API server, played."""

    @pytest.fixture
    async def cluster(
        self, server: Scripted, tmp_path: Path, request: pytest.FixtureRequest
    ) -> AsyncIterator[ApiCluster]:
        """Impatient where no answer comes; a busy machine takes its time for one that does."""
        login = Login(kubeconfig(tmp_path / "kubeconfig", server.url))
        callspec = getattr(request.node, "callspec", None)
        failure = callspec.params.get("failure") if callspec else None
        silent = isinstance(failure, Failure) and failure.answer is _silence
        connection = await Connection.open(login, patience=timedelta(seconds=0.3 if silent else 30))
        cluster = ApiCluster(connection, rights=SPECIMENS)
        yield cluster
        await cluster.close()

    @pytest.mark.parametrize("failure", FAILURES, ids=sentence)
    @pytest.mark.parametrize("way", ASKS, ids=sentence)
    async def test_failure(self, cluster: ApiCluster, server: Scripted, failure: Failure, way: Ask) -> None:
        server.answer = failure.answer

        with pytest.raises(failure.expected, match=failure.message) as caught:
            await way.ask(cluster)

        assert failure.expected in caught.type.__mro__[:2]
        assert "/apis/apps/v1/namespaces/shop/deployments" in str(caught.value)

    async def test_causes_are_kept(self, cluster: ApiCluster, server: Scripted) -> None:
        server.answer = status(422)

        with pytest.raises(Invalid) as caught:
            await cluster.patch(REF, [])

        assert caught.value.causes == (("spec.x", "is wrong"),)

    @pytest.mark.parametrize("row", HEADERS, ids=sentence)
    async def test_when_to_try_again(self, cluster: ApiCluster, server: Scripted, row: Header) -> None:
        server.answer = status(429, **row.header)

        with pytest.raises(Throttled) as caught:
            await cluster.get(REF)

        assert caught.value.retry_after == timedelta(seconds=row.seconds)

    @pytest.mark.parametrize("row", PAUSES, ids=sentence)
    async def test_after_a_429_nothing_is_sent_before_its_time(
        self, server: Scripted, tmp_path: Path, row: Pause
    ) -> None:
        """Neither the same request nor another: who sends a storm is throttled all the more."""
        now = [100.0]
        login = Login(kubeconfig(tmp_path / "kubeconfig", server.url))
        async with await Connection.open(login, monotonic=lambda: now[0]) as connection:
            cluster = ApiCluster(connection, rights=SPECIMENS)
            server.answer = status(429, **row.header)
            with pytest.raises(Throttled):
                await cluster.patch(REF, [])
            server.answer = status(404)
            now[0] = 100.0 + row.early
            for ask in (cluster.get(REF), cluster.create(DEPLOYMENTS, deployment("shop")), cluster.delete(REF)):
                with pytest.raises(Throttled, match="not sent"):
                    await ask
            with pytest.raises(Throttled, match="not sent"):
                await anext(connection.watch("/apis/apps/v1/deployments", {}, timedelta(seconds=1)))
            assert len(server.seen) == 1

            now[0] = 100.0 + row.late
            with pytest.raises(NotFound):
                await cluster.get(REF)

    async def test_nobody_there(self, tmp_path: Path) -> None:
        cluster = ApiCluster(await Connection.open(Login(kubeconfig(tmp_path / "k", "http://127.0.0.1:9"))))

        with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
            await cluster.get(REF)
        await cluster.close()

    async def test_a_list_whose_start_is_forgotten_is_begun_again(self, cluster: ApiCluster, server: Scripted) -> None:
        """But not for ever."""
        queries: list[str] = []

        async def answer(request: web.Request) -> web.StreamResponse:
            queries.append(request.query.get("continue", ""))
            if queries[-1] and len(queries) < 3:
                return await status(410)(request)
            token = "" if queries[-1] else "next"
            return web.json_response({"metadata": {"continue": token}, "items": [{"metadata": {"name": "x"}}]})

        server.answer = answer
        assert len(await cluster.list(DEPLOYMENTS, "shop")) == 2
        assert queries == ["", "next", "", "next"]

        server.answer = status(410)
        with pytest.raises(Unavailable, match="3 times"):
            await cluster.list(DEPLOYMENTS, "shop")


class TestApiCluster:
    """The real API server."""

    async def test_a_closed_connection_is_unavailable(self, devcluster: DevCluster) -> None:
        connection = await Connection.open(Login(devcluster.kubeconfig))
        await connection.close()

        with pytest.raises(Unavailable, match="closed"):
            await ApiCluster(connection).get(Ref(PODS, "default", "x"))
