"""A proxy that lies as networks do: between Salus and the API server, or before Prometheus.

It speaks plain HTTP to Salus and whatever the server wants beyond, understands requests (so that a fault can meet the
n-th write, a watch, a path) and changes nothing that it lets through. What goes wrong is decided by one function of
the request, `Proxy.plan`; moments before and after a write is forwarded are told to `Proxy.moment`, from where a test
may kill the operator and have the write, or its reply, lost with it.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, Self

import aiohttp
from aiohttp import web
from yarl import URL

TENANT_HEADER = "X-Scope-OrgID"
_HOP_BY_HOP = frozenset({"connection", "host", "keep-alive", "transfer-encoding", "content-length", "upgrade"})
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_LARGEST = 64 * 2**20
_SETTLE = 0.05
"""Seconds after a partition in which the proxy learns who has given up meanwhile."""


class Kind(Enum):
    """What goes wrong."""

    DROP_REQUEST = "the request never arrives, the connection ends"
    DROP_REPLY = "the request is served, its reply never comes"
    RESET = "the connection is reset before the request is forwarded"
    DELAY = "the request waits"
    STATUS = "the proxy answers in the server's place"
    CUT = "the reply, a watch for instance, ends in the middle"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault for one request."""

    kind: Kind
    seconds: float = 0.0
    """DELAY: how long the request waits; CUT: how long the reply flows."""
    status: int = 500
    retry_after: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as the plan sees it."""

    method: str
    path: str
    write: int
    """Number of this write, from 1; 0 for a read."""
    watch: bool
    tenant: str = ""
    """What the tenancy header of a metric source says."""


When = Literal["before", "after"]


def nothing_wrong(_: Seen) -> Fault | None:
    """The plan of a sound network."""
    return None


def go_on(_when: When, _seen: Seen) -> bool:
    """Nothing happens at any moment."""
    return True


@dataclass
class Proxy:
    """One listener on loopback before one server. `plan` and `moment` may be exchanged at any time, by any thread."""

    upstream: str
    tls: ssl.SSLContext | None = None
    """Trust and client certificate for an https upstream."""
    plan: Callable[[Seen], Fault | None] = nothing_wrong
    moment: Callable[[When, Seen], bool] = go_on
    """Asked of each write, just before it is forwarded and just after the server has answered it: False loses it."""
    faults: dict[Kind, int] = field(default_factory=dict)
    """How often each kind of fault was played."""
    writes: int = 0
    port: int = 0
    _whole: asyncio.Event = field(default_factory=asyncio.Event)
    _reconciler: asyncio.AbstractEventLoop | None = None

    async def start(self) -> Self:
        """Listen on a free port."""
        self._reconciler = asyncio.get_running_loop()
        self._whole.set()
        connector = aiohttp.TCPConnector(ssl=self.tls if self.tls is not None else True, limit=0)
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        application = web.Application(client_max_size=_LARGEST)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def stop(self) -> None:
        """End all connections."""
        self._whole.set()
        await self._session.close()
        for transport in self._transports():  # closing would wait until its peer, stopped perhaps, has read all
            transport.abort()
        await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        """Start."""
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()

    @property
    def url(self) -> str:
        """Where Salus finds the server."""
        return f"http://127.0.0.1:{self.port}"

    def partition(self) -> None:
        """From now on nothing gets through, neither new nor under way; nobody is told."""
        self._whole.clear()

    def heal(self) -> None:
        """What still waits goes on; what its sender has given up is lost. Call it from any thread."""
        assert self._reconciler is not None, "it was not started"
        self._reconciler.call_soon_threadsafe(self._whole.set)

    @property
    def unsent(self) -> int:
        """Bytes that wait for those who asked to read on."""
        return sum(transport.get_write_buffer_size() for transport in self._transports())

    def _transports(self) -> list[asyncio.Transport]:
        server = self._runner.server
        found = (connection.transport for connection in (server.connections if server else ()))
        return [transport for transport in found if transport is not None]

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if not self._whole.is_set():
            await self._whole.wait()
            await asyncio.sleep(_SETTLE)
        writes = request.method in _WRITES
        self.writes += writes
        seen = Seen(
            request.method,
            request.raw_path,
            self.writes if writes else 0,
            "watch" in request.query,
            request.headers.get(TENANT_HEADER, ""),
        )
        fault = self.plan(seen)
        if fault is not None:
            self.faults[fault.kind] = self.faults.get(fault.kind, 0) + 1
            if (answer := await _instead(request, fault)) is not None:
                return answer
        if request.transport is None:
            return web.Response(status=499)
        return await self._forward(request, seen, fault)

    async def _forward(self, request: web.Request, seen: Seen, fault: Fault | None) -> web.StreamResponse:
        body = await request.read()
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _HOP_BY_HOP}
        if seen.write and not self.moment("before", seen):
            return _hung_up(request)
        try:
            async with self._session.request(
                request.method,
                URL(f"{self.upstream}{request.raw_path}", encoded=True),
                data=body or None,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None),
            ) as reply:
                return await self._pass_on(request, seen, fault, reply)
        except aiohttp.ClientError as error:
            return web.Response(status=502, text=f"{self.upstream}: {error}")

    async def _pass_on(
        self, request: web.Request, seen: Seen, fault: Fault | None, reply: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        kind = fault.kind if fault else None
        whole = await reply.read() if seen.write or kind is Kind.DROP_REPLY else b""
        lost = bool(seen.write) and not self.moment("after", seen)
        if lost or kind is Kind.DROP_REPLY:
            return _hung_up(request)
        headers = {key: value for key, value in reply.headers.items() if key.lower() not in _HOP_BY_HOP}
        answer = web.StreamResponse(status=reply.status, headers=headers)
        with contextlib.suppress(ConnectionError):  # Salus has gone away; the server's side ends with this block
            await answer.prepare(request)
            if whole:
                await answer.write(whole)
            else:
                limit = fault.seconds if fault is not None and kind is Kind.CUT else None
                if not await self._stream(answer, reply, limit):
                    return _hung_up(request)
            await answer.write_eof()
        return answer

    async def _stream(self, answer: web.StreamResponse, reply: aiohttp.ClientResponse, limit: float | None) -> bool:
        """Pass the reply on as it comes; False when it was cut after `limit` seconds, which a refusal never is."""
        try:
            async with asyncio.timeout(limit):
                async for chunk in reply.content.iter_any():
                    await self._whole.wait()
                    await answer.write(chunk)
        except TimeoutError:
            return False
        return True


async def _instead(request: web.Request, fault: Fault) -> web.StreamResponse | None:
    """What the sender gets when the request is not forwarded; None to forward it."""
    match fault.kind:
        case Kind.DELAY:
            await asyncio.sleep(fault.seconds)
            return None
        case Kind.DROP_REQUEST:
            return _hung_up(request)
        case Kind.RESET:
            return _hung_up(request, reset=True)
        case Kind.STATUS:
            headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": fault.status}
            return web.json_response({**status, "message": "played by the proxy"}, status=fault.status, headers=headers)
        case _:
            return None


def _hung_up(request: web.Request, *, reset: bool = False) -> web.StreamResponse:
    """End the connection without a word, or with a RST."""
    transport = request.transport
    if transport is not None:
        peer = transport.get_extra_info("socket")
        if reset and peer is not None:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response(status=499)
