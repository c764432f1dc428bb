"""Receivers of events: what they get, and what each of their answers is called. The fake answers as they do."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from salus.adapters.sinks import HttpSinks, SinkSettings
from salus.core.records.delivery import Milestone, cloud_event
from salus.endpoints.settings import BasicAuth
from salus.ports import NotTaken, Sinks
from tests.contract.source_server import Handler, hang, reply, serving, trickle, url
from tests.fakes.sinks import FakeSinks
from tests.unit.test_delivery import a_record
from tools.devcluster.certificates import Authority
from tools.devcluster.processes import free_port

PATIENCE, SHORT = timedelta(seconds=30), timedelta(milliseconds=300)
"""What an answer may take on a busy machine, and how long to wait for one that never comes."""
EVENT = cloud_event(a_record("audit"), Milestone.STARTED, "eu")
TAKEN = "Taken"


OK = reply(200, b"")


@dataclass
class Receiver:
    """A server that answers as it is told, and keeps what it was sent."""

    answer: Handler = OK
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    """Path, headers and body of each."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.path_qs, dict(request.headers), await request.read()))
        self.asked.set()
        return await self.answer(request)


@asynccontextmanager
async def sending(**settings: SinkSettings) -> AsyncIterator[HttpSinks]:
    """The real adapter with these receivers."""
    sinks = HttpSinks()
    await sinks.use(settings)
    yield sinks
    await sinks.use({})


def settings(where: str, **more: object) -> SinkSettings:
    return SinkSettings(**{"name": "audit", "url": where, "timeout": PATIENCE, **more})  # type: ignore[arg-type]  # tables of fields


# --- the contract of the port


class Rig(Protocol):
    """Sinks of which `audit` can be told how to answer."""

    @property
    def sinks(self) -> Sinks:
        """What is tried."""

    def answers(self, status: int) -> None:
        """Let it answer so."""

    def taken(self) -> list[str]:
        """Ids of the events that it took."""


@dataclass
class HttpRig:
    sinks: Sinks
    receiver: Receiver

    def answers(self, status: int) -> None:
        self.receiver.answer = reply(status, b"")

    def taken(self) -> list[str]:
        return [orjson.loads(body)["id"] for _, _, body in self.receiver.requests]


@dataclass
class FakeRig:
    sinks: FakeSinks

    def answers(self, status: int) -> None:
        self.sinks.refused = {EVENT["id"]} if status == 400 else set()
        self.sinks.problems = {"audit": NotTaken("HttpError", f"answered HTTP {status}")} if status == 503 else {}

    def taken(self) -> list[str]:
        return self.sinks.ids()


@pytest.fixture(params=["HTTP", "fake"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """Both answer alike."""
    if request.param == "fake":
        yield FakeRig(FakeSinks())
        return
    receiver = Receiver()
    async with serving(receiver.handle, "/") as server, sending(audit=settings(url(server))) as sinks:
        yield HttpRig(sinks, receiver)


async def test_an_event_is_taken(rig: Rig) -> None:
    assert await rig.sinks.send("audit", EVENT) is None
    assert rig.taken() == ["u1.started"]


async def test_it_may_be_sent_again(rig: Rig) -> None:
    assert [await rig.sinks.send("audit", EVENT) for _ in range(2)] == [None, None]
    assert rig.taken() == ["u1.started"] * 2


async def test_a_sink_that_is_not_well(rig: Rig) -> None:
    rig.answers(503)

    assert await rig.sinks.send("audit", EVENT) == NotTaken("HttpError", "answered HTTP 503")


async def test_a_sink_that_refuses_this_event(rig: Rig) -> None:
    rig.answers(400)

    expected = NotTaken("Refused", "refused this event (HTTP 400)", of_this_event=True)
    assert await rig.sinks.send("audit", EVENT) == expected


async def test_a_sink_that_nobody_configured(rig: Rig) -> None:
    expected = NotTaken("UnknownSink", "no sink of this name is configured any more")
    assert await rig.sinks.send("oncall", EVENT) == expected


# --- over HTTP


async def test_what_is_sent() -> None:
    receiver = Receiver()
    async with serving(receiver.handle, "/") as server, sending(audit=settings(url(server) + "?a=1")) as sinks:
        assert await sinks.send("audit", EVENT) is None

    ((path, headers, body),) = receiver.requests
    assert path == "/?a=1"
    assert headers["Content-Type"] == "application/cloudevents+json; charset=UTF-8"
    assert orjson.loads(body) == EVENT


def retry_later(value: str) -> Handler:
    return reply(429, b"", **{"Retry-After": value})


async def slow_body(request: web.Request) -> web.StreamResponse:
    """Answer 200 at once, with a body that does not end."""
    return await trickle(request)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(reply(200, b"ok"), None, id="200"),
        pytest.param(reply(202, b""), None, id="202"),
        pytest.param(reply(204, b""), None, id="204"),
        pytest.param(slow_body, None, id="200, with a body that nobody waits for"),
        pytest.param(
            reply(302, b"", Location="http://127.0.0.1:1/"),
            NotTaken("HttpError", "answered with a redirect (HTTP 302), which is not followed"),
            id="a redirect",
        ),
        *(
            pytest.param(
                reply(status, b"secret"),
                NotTaken("Refused", f"refused this event (HTTP {status})", of_this_event=True),
                id=f"{status}: this event",
            )
            for status in (400, 409, 413, 422)
        ),
        *(
            pytest.param(
                reply(status, b"secret"), NotTaken("HttpError", f"answered HTTP {status}"), id=f"{status}: the sink"
            )
            for status in (401, 403, 404, 408, 410, 415, 500, 503)
        ),
        pytest.param(
            retry_later("120"),
            NotTaken("HttpError", "answered HTTP 429", retry_after=timedelta(minutes=2)),
            id="429, with a wish",
        ),
        pytest.param(
            retry_later("soon"), NotTaken("HttpError", "answered HTTP 429"), id="429, with a wish that is none"
        ),
        pytest.param(
            retry_later("9" * 400),
            NotTaken("HttpError", "answered HTTP 429", retry_after=timedelta(days=1)),
            id="429, with a wish that never ends",
        ),
        pytest.param(hang, NotTaken("Timeout", "no answer within 0.3s"), id="no answer"),
    ],
)
async def test_an_answer_and_what_it_means(answer: Handler, expected: NotTaken | None) -> None:
    receiver = Receiver(answer)
    timeout = SHORT if answer is hang else PATIENCE
    async with serving(receiver.handle, "/") as server, sending(audit=settings(url(server), timeout=timeout)) as sinks:
        assert await sinks.send("audit", EVENT) == expected

    assert len(receiver.requests) == 1, "nothing is sent twice by itself"


async def test_nobody_is_there() -> None:
    async with sending(audit=settings(f"http://127.0.0.1:{free_port()}")) as sinks:
        found = await sinks.send("audit", EVENT)

    assert found is not None
    assert (found.reason, found.of_this_event) == ("Unreachable", False)
    assert found.message.startswith("cannot be reached: ")


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "100.100.100.200"])
async def test_an_address_that_only_an_attacker_would_name(host: str) -> None:
    async with sending(audit=settings(f"http://{host}/")) as sinks:
        found = await sinks.send("audit", EVENT)

    assert found is not None
    assert found.reason == "AddressRefused"
    assert "is a link-local or metadata address, which is not allowed" in found.message


@pytest.mark.parametrize(
    ("configured", "secret", "expected"),
    [
        pytest.param(lambda file: {"bearer_token_file": file}, "first", "Bearer first", id="a token"),
        pytest.param(
            lambda file: {"basic_auth": BasicAuth("salus", file)}, "first", "Basic c2FsdXM6Zmlyc3Q=", id="a password"
        ),
    ],
)
async def test_credentials_come_from_a_file(
    configured: Callable[[Path], dict[str, object]], secret: str, expected: str, tmp_path: Path
) -> None:
    file, receiver = tmp_path / "secret", Receiver()
    file.write_text(f"{secret}\n")
    async with (
        serving(receiver.handle, "/") as server,
        sending(audit=settings(url(server), headers={"X-Team": "platform"}, **configured(file))) as sinks,
    ):
        assert await sinks.send("audit", EVENT) is None
        file.write_text("another\n")
        assert await sinks.send("audit", EVENT) is None
        file.unlink()
        found = await sinks.send("audit", EVENT)

    first, second = (headers for _, headers, _ in receiver.requests)
    assert (first["Authorization"], first["X-Team"]) == (expected, "platform")
    assert second["Authorization"] != expected
    assert found == NotTaken("CredentialsUnreadable", f"cannot read {file}: No such file or directory")


async def test_a_certificate_is_checked(tmp_path: Path) -> None:
    """By the authority that is named, and by no other."""
    receiver, pair = Receiver(), Authority.create(tmp_path).issue("server", "audit", sans=["127.0.0.1"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    application = web.Application()
    application.router.add_post("/", receiver.handle)
    server = TestServer(application, host="127.0.0.1", scheme="https")
    await server.start_server(ssl=context)
    try:
        trusting, wary = settings(url(server), ca_file=tmp_path / "ca.crt"), settings(url(server))
        async with sending(trusting=trusting, wary=wary) as sinks:
            taken, refused = await sinks.send("trusting", EVENT), await sinks.send("wary", EVENT)
    finally:
        await server.close()

    assert taken is None
    assert refused is not None
    assert refused.reason == "Unreachable"
    assert "certificate" in refused.message.lower()


async def test_receivers_are_exchanged_while_one_is_being_told() -> None:
    """The one under way ends, well or not; the next goes to the new one."""
    old, new = Receiver(hang), Receiver()
    async with (
        serving(old.handle, "/") as first,
        serving(new.handle, "/") as second,
        sending(audit=settings(url(first))) as sinks,
    ):
        under_way = asyncio.create_task(sinks.send("audit", EVENT))
        await old.asked.wait()
        await sinks.use({"audit": settings(url(second))})

        assert isinstance(await under_way, NotTaken)
        assert await sinks.send("audit", EVENT) is None
    assert len(new.requests) == 1
