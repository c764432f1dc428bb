"""Whoever floods or holds the port of metrics and probes costs the loop nothing, and keeps nobody else out.

The main loop is this test's own: while the test reads from a socket as one does without asyncio, it is stuck.
"""

import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from salus.adapters import exposition
from salus.adapters.exposition import CONNECTIONS, ENCODED_FOR, STUCK_AFTER, Probes, TelemetryServer

PATIENCE = 60.0
"""Seconds that a busy machine may take."""


@dataclass(eq=False)
class Watched(Collector):
    """Keeps in which thread it was asked, each time."""

    threads: list[threading.Thread] = field(default_factory=list)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        self.threads.append(threading.current_thread())
        yield GaugeMetricFamily("answers", "Given.", value=42)


@dataclass
class Rig:
    """A server, what it reads, and a clock that stands still."""

    port: int = 0
    seconds: float = 1000.0
    encoded: Watched = field(default_factory=Watched)
    dead: str | None = None
    unready: str | None = None

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def ask(self, request: bytes) -> tuple[int, str]:
        """Status and body of what is answered; the main loop is stuck meanwhile."""
        with self.connect() as connection:
            connection.sendall(request)
            head, _, body = heard(connection).partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), body.decode()

    def get(self, path: str) -> tuple[int, str]:
        return self.ask(f"GET {path} HTTP/1.1\r\nHost: salus\r\n\r\n".encode())


def heard(connection: socket.socket) -> bytes:
    """All that comes until the other side ends it."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    registry = CollectorRegistry()
    registry.register(rig.encoded)
    rig.encoded.threads.clear()  # a registry looks once at what it is given
    server = TelemetryServer(registry, Probes(lambda: rig.dead, lambda: rig.unready), lambda: rig.seconds)
    rig.port = await server.start("127.0.0.1", 0)
    yield rig
    await server.stop()


async def test_encodings_do_not_grow_with_requests(rig: Rig) -> None:
    bodies = {rig.get("/metrics") for _ in range(200)}

    assert bodies == {(200, "# HELP answers Given.\n# TYPE answers gauge\nanswers 42.0\n")}
    assert len(rig.encoded.threads) == 1

    rig.seconds += ENCODED_FOR
    assert rig.get("/metrics") == bodies.pop()
    assert len(rig.encoded.threads) == 2


async def test_the_main_loop_encodes_nothing_and_need_not_turn(rig: Rig) -> None:
    """Every answer here came while it was stuck."""
    assert (rig.get("/metrics")[0], rig.get("/healthz"), rig.get("/readyz")) == (200, (200, "ok\n"), (200, "ok\n"))

    assert threading.main_thread() not in rig.encoded.threads
    assert {thread.name for thread in rig.encoded.threads} == {"telemetry"}


async def test_a_main_loop_that_is_stuck_is_told_by_both_probes(rig: Rig) -> None:
    rig.seconds += STUCK_AFTER
    assert rig.get("/healthz") == (200, "ok\n")

    rig.seconds += 1

    stuck = (503, "the main loop has not turned for 11s\n")
    assert (rig.get("/healthz"), rig.get("/readyz")) == (stuck, stuck)
    assert rig.get("/metrics")[0] == 200, "what it counted last is worth reading"


async def test_what_is_wrong_is_read_at_each_probe(rig: Rig) -> None:
    rig.dead, rig.unready = "the API server said nothing for 301s", "the policies are not listed yet"

    assert rig.get("/healthz") == (503, "the API server said nothing for 301s\n")
    assert rig.get("/readyz") == (503, "the policies are not listed yet\n")


async def test_connections_that_are_only_held_keep_nobody_out(monkeypatch: pytest.MonkeyPatch, rig: Rig) -> None:
    """Of two hundred that say nothing the oldest have to go; the kubelet gets its answer."""
    monkeypatch.setattr(exposition, "PATIENCE", 3600.0)
    held = [rig.connect() for _ in range(200)]
    try:
        assert rig.get("/healthz") == (200, "ok\n")

        gone = len(held) + 1 - CONNECTIONS
        assert [heard(connection) for connection in held[:gone]] == [b""] * gone
        held[-1].sendall(b"GET /readyz HTTP/1.1\r\n\r\n")
        assert heard(held[-1]).endswith(b"ok\n"), "the youngest were left alone"
    finally:
        for connection in held:
            connection.close()


async def test_who_is_slow_is_cut_off(monkeypatch: pytest.MonkeyPatch, rig: Rig) -> None:
    monkeypatch.setattr(exposition, "PATIENCE", 0.05)
    with rig.connect() as connection:
        connection.sendall(b"GET /metr")

        assert heard(connection) == b""


async def test_a_connection_is_good_for_one_request(rig: Rig) -> None:
    """Who wants more has to queue again."""
    with rig.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n\r\n" * 3)

        assert heard(connection).count(b"HTTP/1.1 200 OK") == 1


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(b"GET /metrics?name[]=up HTTP/1.1\r\n\r\n", 200, id="with a query, which is not looked at"),
        pytest.param(b"GET /metrics HTTP/1.0\r\n\r\n", 200, id="an old client"),
        pytest.param(
            b"GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text;version=1\x01\r\n\r\n",
            200,
            id="a header of nonsense, which is not looked at",
        ),
        pytest.param(b"POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 405, id="a write"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", 404, id="another page"),
        pytest.param(b"GET /../metrics HTTP/1.1\r\n\r\n", 404, id="a path that climbs"),
        pytest.param(b"GET /metrics\r\n\r\n", 400, id="a request without a version"),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", 400, id="another protocol"),
        pytest.param(b"\x16\x03\x01\x02\x00\r\n\r\n", 400, id="TLS"),
        pytest.param(b"\xff\xfe\r\n\r\n", 400, id="no text"),
        pytest.param(b"\r\n\r\n", 400, id="nothing"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 16_384, 200, id="a head that is cut off at its limit"),
    ],
)
async def test_any_request_gets_an_answer(rig: Rig, request_: bytes, status: int) -> None:
    assert rig.ask(request_)[0] == status


async def test_the_next_one_is_served_after_any_of_them(rig: Rig) -> None:
    with rig.connect() as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
    with rig.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        connection.sendall(b"\0" * 100)

    assert rig.get("/healthz") == (200, "ok\n")


def loopback() -> str:
    """Its address of IPv6, where this machine has one."""
    with suppress(OSError), socket.socket(socket.AF_INET6) as attempt:
        attempt.bind(("::1", 0))
        return "::1"
    return "127.0.0.1"


async def test_a_host_may_be_an_address_in_brackets() -> None:
    """As those of IPv6 are written."""
    host = loopback()
    server = TelemetryServer(CollectorRegistry(), Probes(lambda: None, lambda: None))
    port = await server.start(f"[{host}]", 0)

    with socket.create_connection((host, port), timeout=PATIENCE) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        assert heard(connection).endswith(b"\r\n\r\nok\n")
    await server.stop()
