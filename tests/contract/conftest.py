"""What the contract tests stand on: the real API server, a way to it that can be cut, and one that is played."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from salus.adapters.api import Connection, Login
from tools.devcluster.cluster import DevCluster
from tools.devcluster.controlplane import MASTERS
from tools.devcluster.kubeconfigs import write_kubeconfig

USER = "contract"
"""Whom the API server knows the adapters as; nobody else is, so the audit log under this name is theirs alone."""

_CRDS = Path(__file__).parents[2] / "crds"
_SCALED_OBJECTS = Path(__file__).parents[2] / "tools/devcluster/scaled-object.yaml"
_PATIENCE_SECONDS = 120.0


async def eventually(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds; fail after two minutes."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event to wait on
            await asyncio.sleep(0.02)


@dataclass
class Proxy:
    """A TCP proxy before a server whose connections can be cut, and which can be down; for this machine alone."""

    upstream: tuple[str, int]
    address: str = "127.0.0.1"
    port: int = 0
    accepted: int = 0
    down: bool = False
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, self.address, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Cut everything and listen no more."""
        if self._server:
            self._server.close()
        self.cut()
        await eventually(lambda: not self._writers)

    def cut(self) -> None:
        """Close every connection at once, without a farewell."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.down or writer.get_extra_info("peername")[0] != self.address:
            writer.transport.abort()
            return
        self._writers.add(writer)  # a cut that comes before the other end is reached is meant for this one too
        far_reader, far_writer = await asyncio.open_connection(*self.upstream)
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    writer.write(data)
                    await writer.drain()
        finally:
            self._writers.discard(writer)
            writer.close()


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def status(code: int, **headers: str) -> Answer:
    """An answer as the API server's, with a Status object."""

    async def answer(_: web.Request) -> web.StreamResponse:
        causes = {"causes": [{"field": "spec.x", "message": "is wrong"}]} if code in (400, 422) else {}
        body = {"kind": "Status", "metadata": {}, "message": "no, thank you", "code": code, "details": causes}
        return web.json_response(body, status=code, headers=headers)

    return answer


class Scripted:
    """An HTTP server in the API server's place; it gives `answer`, and keeps the requests' headers."""

    def __init__(self) -> None:
        self.answer: Answer = status(404)
        self.seen: list[dict[str, str]] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(dict(request.headers))
        return await self.answer(request)


def kubeconfig(path: Path, url: str, **user: str) -> Path:
    """Write a kubeconfig for an API server without TLS; `user`: credentials, by their YAML names."""
    return write_kubeconfig(path, url, credentials=user)


@pytest.fixture(scope="session")
def our_kinds(devcluster: DevCluster) -> None:
    """HealthPolicy, Incident and ChangeEvent are served."""
    devcluster.install_crds(_CRDS)


@pytest.fixture(scope="session")
def keda(devcluster: DevCluster) -> None:
    """ScaledObject is served."""
    devcluster.install_crds(_SCALED_OBJECTS)


@pytest.fixture
async def connection(devcluster: DevCluster) -> AsyncIterator[Connection]:
    """A way to the real API server, as USER, who may do anything."""
    async with await Connection.open(Login(devcluster.kubeconfig_for(USER, (MASTERS,)))) as connection:
        yield connection


@pytest.fixture
async def proxy(devcluster: DevCluster) -> AsyncIterator[Proxy]:
    """A proxy before the real API server."""
    address = urlsplit(devcluster.url)
    proxy = Proxy((address.hostname or "", address.port or 0))
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
async def proxied(devcluster: DevCluster, proxy: Proxy, tmp_path: Path) -> AsyncIterator[Connection]:
    """A way to the real API server that goes through the proxy."""
    kubeconfig = tmp_path / "kubeconfig"
    text = devcluster.kubeconfig_for(USER, (MASTERS,)).read_text()
    kubeconfig.write_text(text.replace(devcluster.url, f"https://127.0.0.1:{proxy.port}"))
    async with await Connection.open(Login(kubeconfig)) as connection:
        yield connection


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    scripted = Scripted()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", scripted.handle)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    scripted.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield scripted
    await runner.cleanup()
