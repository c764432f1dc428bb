"""A server that misbehaves in every way that a source must survive, on loopback, and what each must be called."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from salus.sources.prometheus import MAX_BODY

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def vector(*series: dict[str, Any], **more: object) -> bytes:
    """A successful reply to an instant query."""
    rows = series or ({"metric": {"salus_part": "value"}, "value": [1_700_000_000, "1"]},)
    return success("vector", rows, **more)


def success(kind: str, result: object, **more: object) -> bytes:
    """A successful reply of any type."""
    return orjson.dumps({"status": "success", "data": {"resultType": kind, "result": result}, **more})


def failure(kind: str, message: str) -> bytes:
    """A reply by which Prometheus refuses."""
    return orjson.dumps({"status": "error", "errorType": kind, "error": message})


def reply(status: int, body: bytes, **headers: str) -> Handler:
    """A handler that always answers so."""

    async def handle(_request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    return handle


async def hang(_request: web.Request) -> web.StreamResponse:
    """Never answer; the client's going away ends it."""
    await asyncio.Event().wait()
    raise AssertionError


async def trickle(request: web.Request) -> web.StreamResponse:
    """Begin to answer and never end."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b'{"status":')
    return await hang(request)


async def cut_off(request: web.Request) -> web.StreamResponse:
    """Promise a body, send a part of it and hang up."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"status":')
    assert request.transport is not None
    request.transport.close()
    return response


async def oversized(request: web.Request) -> web.StreamResponse:
    """Send more than anyone should read, without saying so first."""
    response = web.StreamResponse()
    await response.prepare(request)
    try:
        for _ in range(MAX_BODY // 2**20 + 1):
            await response.write(b" " * 2**20)
    except ConnectionResetError:
        pass  # the client has had enough, as it should
    return response


async def drip(request: web.Request) -> web.StreamResponse:
    """Send a byte now and then, always in time for whoever waits for the next one only."""
    response = web.StreamResponse()
    await response.prepare(request)
    try:
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.02)
    except ConnectionResetError:
        pass
    return response


async def inflated(_request: web.Request) -> web.Response:
    """Send eleven MiB of blanks, packed into eleven KiB."""
    return web.Response(body=gzip.compress(b" " * (MAX_BODY + 2**20)), headers={"Content-Encoding": "gzip"})


def several_parts() -> bytes:
    """A value, and a sample time of a selector that the query does not have."""
    rows = [{"metric": {"salus_part": part}, "value": [1_700_000_000, "1"]} for part in ("value", "99")]
    return success("vector", rows)


ODD_REPLIES: Sequence[Any] = [
    pytest.param(reply(500, b"oops"), "HttpError", "HTTP 500 Internal Server Error", id="HTTP 500"),
    pytest.param(reply(503, b"<html>later</html>"), "HttpError", "HTTP 503", id="HTTP 503 with a page"),
    pytest.param(reply(503, failure("unavailable", "not ready")), "HttpError", "not ready", id="HTTP 503 in JSON"),
    pytest.param(reply(401, b"who?"), "HttpError", "check the credentials", id="not let in"),
    pytest.param(reply(404, b"404 page not found"), "HttpError", "HTTP 404", id="the wrong path"),
    pytest.param(reply(599, b""), "HttpError", "HTTP 599", id="a status that nobody knows"),
    pytest.param(reply(302, b"", Location="/login"), "HttpError", "redirects are not followed", id="a redirect"),
    pytest.param(reply(400, failure("bad_data", "parse error")), "QueryFailed", "bad_data: parse error", id="refused"),
    pytest.param(
        reply(200, failure("execution", "many-to-many")), "QueryFailed", "many-to-many", id="refused with 200"
    ),
    pytest.param(
        reply(400, failure("bad_data", "a\x1b[2J\u202eb\r\nc")),
        "QueryFailed",
        "bad_data: a\ufffd[2J\ufffdb  c",
        id="refused in characters that a terminal obeys",
    ),
    pytest.param(reply(503, failure("timeout", "too slow")), "Timeout", "too slow", id="the server's own timeout"),
    pytest.param(reply(200, b"<html>Login</html>"), "NotPrometheus", "is the URL right?", id="an HTML page"),
    pytest.param(reply(200, b""), "NotPrometheus", "", id="nothing at all"),
    pytest.param(reply(200, b"[1, 2]"), "NotPrometheus", "", id="JSON of another kind"),
    pytest.param(reply(200, b'{"status":"success"}'), "NotPrometheus", "", id="success without data"),
    pytest.param(
        reply(200, vector(warnings=["store gateway is down"])), "PartialAnswer", "store gateway", id="a warning"
    ),
    pytest.param(
        reply(200, vector(isPartial=True)), "PartialAnswer", "isPartial", id="VictoriaMetrics' partial answer"
    ),
    pytest.param(hang, "Timeout", "within 0.2s", id="no answer in time"),
    pytest.param(cut_off, "Unreachable", "cannot be reached", id="hung up in the middle"),
    pytest.param(trickle, "Timeout", "within 0.2s", id="an answer that never ends"),
    pytest.param(drip, "Timeout", "within 0.2s", id="an answer that goes on and on"),
    pytest.param(oversized, "ResponseTooLarge", "more than 10 MiB", id="an answer that is too large"),
    pytest.param(inflated, "ResponseTooLarge", "more than 10 MiB", id="a small answer that unpacks to a large one"),
]

ODD_VECTORS: Sequence[Any] = [
    pytest.param(reply(200, success("matrix", [])), "WrongType", "matrix", id="a matrix"),
    pytest.param(reply(200, success("string", [0, "a"])), "WrongType", "string", id="a string"),
    pytest.param(reply(200, vector({"metric": {}})), "NotPrometheus", "unknown form", id="a series without a value"),
    pytest.param(
        reply(200, vector({"metric": {}, "histogram": [0, {}]})), "NotPrometheus", "histogram", id="a native histogram"
    ),
    pytest.param(
        reply(200, vector({"metric": {}, "value": [0, "many"]})), "NotPrometheus", "unknown form", id="no number"
    ),
    pytest.param(reply(200, several_parts()), "NotPrometheus", "unknown form", id="parts that nobody asked for"),
]


@asynccontextmanager
async def serving(handler: Handler, path: str = "/api/v1/query") -> AsyncIterator[TestServer]:
    """A server on loopback with one handler, for GET and POST."""
    app = web.Application()
    app.router.add_get(path, handler)
    app.router.add_post(path, handler)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server(shutdown_timeout=0)
    try:
        yield server
    finally:
        await server.close()


def url(server: TestServer) -> str:
    """The server's base URL."""
    return str(server.make_url("/"))
