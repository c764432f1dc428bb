"""Serves `/metrics`, `/healthz` and `/readyz`, to whoever reaches the port, at no cost to the loop that heals.

A thread of its own with an event loop of its own, since whoever asks needs no authentication: one encoding of the
metrics a second at most, however many ask; one request a connection, and a breath after each; connections beyond a
bound take the place of the oldest, so that who only holds them keeps nobody out, least of all the kubelet; whoever is
slow is cut off. Written on bare sockets for the sake of these bounds, of which the servers at hand have none.

The probes read what the main loop keeps and never ask it: they answer while it is stuck, and say so.
"""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

Trouble = Callable[[], str | None]
"""None when all is well, else why not, in a sentence. Called in another thread: it reads, and does nothing else."""

CONNECTIONS = 64
"""So many at a time."""
BREATH = 0.001
"""Seconds between one connection and the next: a thousand a second at most, which leaves most of a core to the loop."""
PATIENCE = 5.0
"""Seconds that a connection may take."""
LONGEST_HEAD = 16 * 1024
"""Bytes of a request; a scrape by Prometheus has some hundred."""
ENCODED_FOR = 1.0
"""Seconds for which an encoding will do."""
BEAT = 1.0
"""The main loop shows so often, in seconds, that it turns …"""
STUCK_AFTER = 10.0
"""… and is stuck when it has not for so long: the time after which a leader stops writing, too."""


@dataclass(frozen=True, slots=True)
class Probes:
    """Whether to restart this process (`alive`) and whether it does its work (`ready`)."""

    alive: Trouble
    ready: Trouble
    role: Callable[[], str] = lambda: "ok"
    """What a process that is ready says of itself."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer over HTTP."""

    status: HTTPStatus
    body: bytes
    content_type: str = "text/plain; charset=utf-8"

    def encoded(self) -> bytes:
        """As it is sent; the connection ends with it."""
        head = (
            f"HTTP/1.1 {self.status.value} {self.status.phrase}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {len(self.body)}",
            "Connection: close",
        )
        return "\r\n".join((*head, "", "")).encode() + self.body


class TelemetryServer:
    """Serves while the loop that started it does anything else, or nothing."""

    def __init__(
        self, registry: CollectorRegistry, probes: Probes, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pages = _Pages(registry, probes, clock)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="telemetry", daemon=True)
        self._listeners: Sequence[socket.socket] = ()
        self._beating: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begun = threading.Event()
        self._end = asyncio.Event()
        self._talking: dict[asyncio.Task[None], None] = {}

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port (another than the given one only for 0). Raises OSError if it is taken."""
        self._listeners = _listening(host.strip("[]"), port)
        self._pages.beat()
        self._beating = asyncio.create_task(self._beat())
        self._thread.start()
        await asyncio.to_thread(self._begun.wait)
        return int(self._listeners[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening."""
        if self._loop is None:
            return
        self._loop.call_soon_threadsafe(self._end.set)
        await asyncio.to_thread(self._thread.join)
        if self._beating is not None:
            self._beating.cancel()

    async def _beat(self) -> None:
        """In the main loop: show that it turns."""
        while True:
            self._pages.beat()
            await asyncio.sleep(BEAT)

    # --- in the thread

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._begun.set()
        accepting = [asyncio.create_task(self._accept(listener)) for listener in self._listeners]
        await self._end.wait()
        for task in (*accepting, *self._talking):
            task.cancel()
        await asyncio.gather(*accepting, *self._talking, return_exceptions=True)
        for listener in self._listeners:
            listener.close()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(OSError):  # whoever went away again, or no file left for one more
                connection, _ = await loop.sock_accept(listener)
                self._begin(connection)
            await asyncio.sleep(BREATH)

    def _begin(self, connection: socket.socket) -> None:
        if len(self._talking) >= CONNECTIONS:
            oldest = next(iter(self._talking))
            del self._talking[oldest]
            oldest.cancel()
        task = asyncio.create_task(self._talk(connection))
        self._talking[task] = None
        task.add_done_callback(lambda done: self._ended(done, connection))

    def _ended(self, task: asyncio.Task[None], connection: socket.socket) -> None:
        """Also of a task that was cancelled before it began."""
        self._talking.pop(task, None)
        connection.close()

    async def _talk(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):  # TimeoutError is one of these
            connection.setblocking(False)
            async with asyncio.timeout(PATIENCE):
                answer = self._pages.answer(await _head(connection))
                await loop.sock_sendall(connection, answer.encoded())
                connection.shutdown(socket.SHUT_WR)
                await loop.sock_recv(connection, 65536)  # a reset, for what was not read, would take the answer away


class _Pages:
    """What there is to read, made of what others keep."""

    def __init__(self, registry: CollectorRegistry, probes: Probes, clock: Callable[[], float]) -> None:
        self._registry, self._probes, self._clock = registry, probes, clock
        self._turned = 0.0
        self._metrics: tuple[float, bytes] | None = None

    def beat(self) -> None:
        """The main loop turns."""
        self._turned = self._clock()

    def answer(self, head: bytes) -> Answer:
        """The answer to a request."""
        method, _, rest = head.partition(b"\r\n")[0].partition(b" ")
        target, _, version = rest.rpartition(b" ")
        if not version.startswith(b"HTTP/1."):
            return Answer(HTTPStatus.BAD_REQUEST, b"expected a request of HTTP/1.1\n")
        page = self._page(target.partition(b"?")[0])
        if page is None:
            return Answer(HTTPStatus.NOT_FOUND, b"there are /metrics, /healthz and /readyz\n")
        return page() if method == b"GET" else Answer(HTTPStatus.METHOD_NOT_ALLOWED, b"only GET\n")

    def _page(self, path: bytes) -> Callable[[], Answer] | None:
        match path:
            case b"/metrics":
                return self._encoding
            case b"/healthz":
                return lambda: _probed(self._stuck() or self._probes.alive(), "ok")
            case b"/readyz":
                return lambda: _probed(self._stuck() or self._probes.ready(), self._probes.role())
        return None

    def _encoding(self) -> Answer:
        now = self._clock()
        if self._metrics is None or now - self._metrics[0] >= ENCODED_FOR:
            self._metrics = now, generate_latest(self._registry)
        return Answer(HTTPStatus.OK, self._metrics[1], CONTENT_TYPE_PLAIN_0_0_4)

    def _stuck(self) -> str | None:
        since = self._clock() - self._turned
        return f"the main loop has not turned for {since:.0f}s" if since > STUCK_AFTER else None


def _probed(why: str | None, well: str) -> Answer:
    return Answer(HTTPStatus.SERVICE_UNAVAILABLE if why else HTTPStatus.OK, f"{why or well}\n".encode())


async def _head(connection: socket.socket) -> bytes:
    """A request without its body; what is too long is cut off, and read as it stands."""
    loop, head = asyncio.get_running_loop(), b""
    while b"\r\n\r\n" not in head and len(head) < LONGEST_HEAD:
        read = await loop.sock_recv(connection, 4096)
        if not read:
            break
        head += read
    return head


def _listening(host: str, port: int) -> Sequence[socket.socket]:
    """Sockets for all addresses of this host's name. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    listeners: list[socket.socket] = []
    try:
        for family, _, _, _, where in dict.fromkeys(found):
            listeners.append(socket.create_server(where[:2], family=family, backlog=256))
            listeners[-1].setblocking(False)
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    return listeners
