"""The chaos harness' own parts, each seen to do what it says: every fault of the proxy, every fault in the books."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from tests.chaos.books import Books, Effect, Intent, Record, reconcile
from tests.chaos.proxy import Fault, Kind, Proxy, Seen, When
from tests.chaos.serving import serving
from tests.cluster import prometheus_stub
from tools.devcluster.processes import wait_until

PATIENCE = aiohttp.ClientTimeout(total=5)
WATCH = "/api/v1/pods?watch=true"


@dataclass
class Backend:
    """The server beyond: it counts what reaches it, and its watches go on until it is stopped."""

    got: list[str] = field(default_factory=list)

    async def start(self) -> "Backend":
        """Listen."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        self.runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        return self

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.got.append(f"{request.method} {request.raw_path}")
        if "watch" not in request.query:
            body = await request.text()
            return web.json_response({"body": body, "as": request.headers.get("Impersonate-User", "")}, status=201)
        stream = web.StreamResponse()
        await stream.prepare(request)
        while True:
            await stream.write(b'{"type": "BOOKMARK"}\n')
            await asyncio.sleep(0.01)


@dataclass
class Link:
    """A client, the proxy, the server."""

    proxy: Proxy
    backend: Backend
    client: aiohttp.ClientSession

    async def write(self) -> tuple[int, dict[str, str]]:
        """One PATCH through the proxy."""
        headers = {"Impersonate-User": "ada"}
        url = URL(f"{self.proxy.url}/a?b=c%2Fd", encoded=True)
        async with self.client.patch(url, data="hello", headers=headers) as answer:
            return answer.status, await answer.json()


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    backend = await Backend().start()
    async with Proxy(backend.url) as proxy, aiohttp.ClientSession(timeout=PATIENCE) as client:
        yield Link(proxy, backend, client)
    await backend.runner.cleanup()


async def test_what_is_let_through_is_not_changed(link: Link) -> None:
    """Method, path, query, headers, body, status and reply arrive as they were sent."""
    assert await link.write() == (201, {"body": "hello", "as": "ada"})
    assert link.backend.got == ["PATCH /a?b=c%2Fd"]


@pytest.mark.parametrize(
    ("kind", "arrives"),
    [
        pytest.param(Kind.DROP_REQUEST, False, id="a dropped request does not reach the server"),
        pytest.param(Kind.RESET, False, id="a reset connection does not carry the request on"),
        pytest.param(Kind.DROP_REPLY, True, id="a dropped reply is of a request that was served"),
    ],
)
async def test_a_broken_connection_gives_the_sender_no_answer(link: Link, kind: Kind, arrives: bool) -> None:
    link.proxy.plan = lambda _: Fault(kind)
    with pytest.raises(aiohttp.ClientError):
        await link.write()
    assert bool(link.backend.got) is arrives
    assert link.proxy.faults[kind] >= 1


async def test_a_status_is_answered_in_the_servers_place(link: Link) -> None:
    """With Retry-After where it is asked for; the server hears nothing."""
    link.proxy.plan = lambda _: Fault(Kind.STATUS, status=429, retry_after="3")
    async with link.client.get(f"{link.proxy.url}/x") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "3")
    assert link.backend.got == []


async def test_a_delayed_request_is_served_later(link: Link) -> None:
    link.proxy.plan = lambda _: Fault(Kind.DELAY, seconds=0.01)
    assert (await link.write())[0] == 201


async def test_a_watch_is_cut_in_the_middle(link: Link) -> None:
    """Some of it arrives, then the connection is gone without an end."""
    link.proxy.plan = lambda seen: Fault(Kind.CUT, seconds=0.1) if seen.watch else None
    async with link.client.get(f"{link.proxy.url}{WATCH}") as stream:
        assert await stream.content.readline() == b'{"type": "BOOKMARK"}\n'
        with pytest.raises(aiohttp.ClientPayloadError):
            await stream.content.read()


async def test_a_partition_is_silence_until_it_heals(link: Link) -> None:
    """No answer and no error; after it healed the request that still waits is served."""
    link.proxy.partition()
    waiting = asyncio.create_task(link.write())
    await asyncio.wait({waiting}, timeout=0.2)
    assert not waiting.done()
    assert link.backend.got == []
    link.proxy.heal()
    assert (await waiting)[0] == 201


async def test_what_its_sender_gave_up_during_a_partition_is_lost(link: Link) -> None:
    """As packets are: a write is not done late in the name of someone who has gone."""
    link.proxy.partition()
    waiting = asyncio.create_task(link.write())
    await asyncio.wait({waiting}, timeout=0.1)
    waiting.cancel()
    await asyncio.wait({waiting})
    async with aiohttp.ClientSession(timeout=PATIENCE) as other:
        link.proxy.heal()
        async with other.get(f"{link.proxy.url}/later") as answer:
            assert answer.status == 201
    assert link.backend.got == ["GET /later"]


async def test_the_moments_of_each_write_are_told_and_reads_are_not_counted(link: Link) -> None:
    """Before: the server has not seen it. After: it has answered, the client has not read."""
    told: list[tuple[When, int, int]] = []

    def note(when: When, seen: Seen) -> bool:
        told.append((when, seen.write, len(link.backend.got)))
        return True

    link.proxy.moment = note
    await link.write()
    async with link.client.get(f"{link.proxy.url}/read"):
        pass
    await link.write()
    assert told == [("before", 1, 0), ("after", 1, 1), ("before", 2, 2), ("after", 2, 3)]


@pytest.mark.parametrize(("moment", "arrives"), [("before", False), ("after", True)])
async def test_a_write_can_be_lost_at_either_moment(link: Link, moment: When, arrives: bool) -> None:
    """Where the operator is killed: the write before, its reply after."""
    link.proxy.moment = lambda when, _: when != moment
    with pytest.raises(aiohttp.ClientError):
        await link.write()
    assert bool(link.backend.got) is arrives


# --- the books

DONE = Record("web-1", "shop/web", 1, acts=True, applied=True, outcome="Recovered")
SKIPPED = Record("web-2", "shop/web", 2, acts=True, outcome="Abandoned")
SOUND = Books(
    effects=(Effect("shop/web", "web-1", 2.0),),
    intents=(Intent("web-1", 1.0), Intent("web-2", 3.0)),
    records=(DONE, SKIPPED),
    ends={"web-1": 1, "web-2": 1},
)


def test_sound_books_balance() -> None:
    assert reconcile(SOUND) == []
    assert reconcile(Books()) == []


@pytest.mark.parametrize(
    ("books", "said"),
    [
        pytest.param(replace(SOUND, records=(DONE,)), "web-2 is missing", id="a record that is gone"),
        pytest.param(
            replace(SOUND, effects=(*SOUND.effects, Effect("shop/web", "web-1", 9.0))),
            "web-1 took effect 2 times",
            id="a write done twice",
        ),
        pytest.param(
            replace(SOUND, effects=(*SOUND.effects, Effect("shop/web", "", 9.0))),
            "shop/web was written to without an intent (no change is named)",
            id="a write in nobody's name",
        ),
        pytest.param(
            replace(SOUND, intents=(Intent("web-1", 2.5), Intent("web-2", 3.0))),
            "web-1 was done before its intent was on record",
            id="the write before the intent",
        ),
        pytest.param(
            replace(SOUND, records=(DONE, replace(SKIPPED, sequence=3))),
            "shop/web has a gap in its numbers: [1, 3]",
            id="a number that is left out",
        ),
        pytest.param(
            replace(SOUND, records=(DONE, replace(SKIPPED, finished=False, outcome=""))),
            "web-2 is not finished",
            id="an intent without an end",
        ),
        pytest.param(
            replace(SOUND, effects=()),
            "web-1 is recorded as done (Recovered), nobody saw its effect",
            id="a write that is only claimed",
        ),
        pytest.param(
            replace(SOUND, effects=(*SOUND.effects, Effect("shop/web", "web-2", 4.0))),
            "web-2 took effect, its record says Abandoned",
            id="a write that its record denies",
        ),
        pytest.param(
            replace(SOUND, ends={"web-1": 2, "web-2": 1}), "web-1 was finished 2 times", id="a record with two ends"
        ),
        pytest.param(
            replace(SOUND, intents=(*SOUND.intents, Intent("web-1", 1.5))),
            "web-1 was created 2 times",
            id="a name that was given twice",
        ),
    ],
)
def test_each_planted_fault_is_found(books: Books, said: str) -> None:
    assert reconcile(books) == [said]


def test_stopping_waits_for_nobody_who_has_ceased_to_read() -> None:
    """As a process does that is stopped in the middle of an answer: its connection ends, and pytest finds none left."""
    with (
        prometheus_stub.serving(lambda: (200, "text/plain", bytes(30_000_000))) as upstream,
        socket.socket() as client,
    ):
        proxy = Proxy(upstream)
        with serving(proxy):
            client.connect(("127.0.0.1", proxy.port))
            client.sendall(b"GET / HTTP/1.1\r\nHost: proxy\r\n\r\n")
            wait_until(lambda: proxy.unsent > 0, timeout=60, what="the client has ceased to read")
    gc.collect()
