"""A source, or who rules the way to it, that means ill: what it gets from Salus, and what its tenant is told.

Both ways to ask are attacked alike: instant queries (aiohttp) and range queries (requests).
"""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from salus.endpoints.addresses import AddressRefused, refuse
from salus.model.values.configuration import Binding
from salus.model.values.metrics import Error, Query
from salus.sources.history import PrometheusHistory
from salus.sources.prometheus import PrometheusSource
from salus.sources.settings import SourceSettings
from tests.contract.source_prometheus import settings
from tests.contract.source_server import reply, serving, success, url, vector
from tools.devcluster.certificates import Authority

Asker = Callable[..., Awaitable[Error | None]]


def a_question(query: str, *, or_missing: bool = False) -> Query:
    return Query("main", query, timedelta(minutes=2), namespace="shop", or_missing=or_missing)


async def instant(source: SourceSettings, query: str = "x", *, or_missing: bool = False) -> Error | None:
    """The error of an instant query, if it is one."""
    async with PrometheusSource(source) as asked:
        (given,) = await asked.ask([a_question(query, or_missing=or_missing)])
    return given if isinstance(given, Error) else None


async def ranged(source: SourceSettings, query: str = "x", *, or_missing: bool = False) -> Error | None:
    """The error of a range query, if it is one."""
    now = datetime.fromtimestamp(time.time(), UTC)
    history = PrometheusHistory({"main": source})
    question = a_question(query, or_missing=or_missing)
    given = await history.samples(question, now - timedelta(minutes=1), now, timedelta(seconds=15))
    return given if isinstance(given, Error) else None


both_ways = pytest.mark.parametrize("ask", [instant, ranged])


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("169.254.169.254", id="the metadata service of most clouds"),
        pytest.param("169.254.0.1", id="any link-local address"),
        pytest.param("fe80::1", id="a link-local address of IPv6"),
        pytest.param("fe80::1%eth0", id="with its zone"),
        pytest.param("febf::1", id="the end of that range"),
        pytest.param("fd00:ec2::254", id="AWS, IPv6"),
        pytest.param("fd20:ce::254", id="Google Cloud, IPv6"),
        pytest.param("100.100.100.200", id="Alibaba Cloud"),
        pytest.param("168.63.129.16", id="Azure's WireServer"),
        pytest.param("192.0.0.192", id="Oracle Cloud"),
        pytest.param("::ffff:169.254.169.254", id="IPv4 in IPv6"),
        pytest.param("::ffff:a9fe:a9fe", id="the same in hexadecimal"),
        pytest.param("64:ff9b::a9fe:a9fe", id="behind NAT64"),
        pytest.param("2002:a9fe:a9fe::1", id="by 6to4"),
        pytest.param("169.254.170.2", id="AWS, credentials of an ECS task"),
        pytest.param("169.254.170.23", id="AWS, credentials of EKS Pod Identity"),
        pytest.param("fd00:ec2::23", id="AWS, credentials of EKS Pod Identity, IPv6"),
        pytest.param("fd00:ec2::253", id="AWS, what else there is"),
        pytest.param("fd00:c1::a9fe:a9fe", id="Oracle Cloud, IPv6"),
        pytest.param("fd00:42::42", id="Scaleway, IPv6"),
        pytest.param("fd00:a9fe:a9fe::1", id="Akamai, IPv6"),
        pytest.param("fd00:100::100:200", id="Alibaba Cloud, IPv6"),
        pytest.param("fe80::a9fe:a9fe", id="OpenStack, IPv6"),
        pytest.param("::ffff:100.100.100.200", id="another cloud's, in IPv6"),
        pytest.param("::169.254.169.254", id="IPv4-compatible"),
        pytest.param("::ffff:0:a9fe:a9fe", id="IPv4-translated"),
        pytest.param("64:ff9b::6464:64c8", id="another cloud's, behind NAT64"),
        pytest.param("64:ff9b:1::a9fe:a9fe", id="behind a NAT64 of one's own, /96"),
        pytest.param("64:ff9b:1:a9fe:a9:fe00::", id="behind a NAT64 of one's own, /48"),
        pytest.param("64:ff9b:1:1a9:fe:a9fe::", id="behind a NAT64 of one's own, /56"),
        pytest.param("64:ff9b:1:102:a9:fea9:fe00:0", id="behind a NAT64 of one's own, /64"),
        pytest.param("2001:0:a9fe:a9fe::1", id="a server of Teredo"),
        pytest.param("2001:0:cb00:7109:0:0:5601:5601", id="a client of Teredo"),
        pytest.param("2001:db8::5efe:a9fe:a9fe", id="by ISATAP"),
        pytest.param("2001:db8::200:5efe:a9fe:a9fe", id="by ISATAP, of a public address"),
    ],
)
def test_an_address_that_is_never_asked(address: str) -> None:
    with pytest.raises(AddressRefused, match="not allowed"):
        refuse(address)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "::ffff:0.0.0.0"])  # noqa: S104 - not to listen on
def test_no_address_at_all_would_mean_the_pod_itself(address: str) -> None:
    with pytest.raises(AddressRefused, match="is no server's address"):
        refuse(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.7",
        "192.168.1.1",
        "203.0.113.9",
        "::1",
        "fd12::1",
        "2001:db8::1",
        pytest.param("100.100.100.201", id="a neighbour of Alibaba Cloud's"),
        pytest.param("fd00:ec1::23", id="a neighbour of AWS'"),
        pytest.param("fd20:ce::253", id="a neighbour of Google Cloud's"),
        pytest.param("::ffff:10.0.0.7", id="IPv4 in IPv6"),
        pytest.param("64:ff9b::a00:7", id="an honest server behind NAT64"),
        pytest.param("64:ff9b:1::a00:7", id="an honest server behind a NAT64 of one's own"),
        pytest.param("2001:db8::a9fe:a9fe", id="an address that only looks like it"),
    ],
)
def test_an_address_that_is_asked(address: str) -> None:
    refuse(address)


@both_ways
@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]:9090", "[::ffff:169.254.169.254]", "[fd00:ec2::254]"])
async def test_a_url_with_such_an_address(ask: Asker, host: str) -> None:
    given = await ask(settings(f"http://{host}"), "x")

    assert given is not None
    assert given.reason == "AddressRefused"
    assert "is a link-local or metadata address, which is not allowed" in given.message


def names(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Let `prometheus.test` mean these addresses, one after the other; the last stays. Returns what was asked."""
    real, asked = socket.getaddrinfo, list[str]()

    def resolve(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as the real one
        if host != "prometheus.test":
            return real(host, port, *arguments, **options)
        asked.append(answers[min(len(asked), len(answers) - 1)])
        return real(asked[-1], port, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


@both_ways
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_name_that_means_such_an_address(ask: Asker, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, "169.254.169.254")

    given = await ask(settings(f"{scheme}://prometheus.test"), "x")

    assert given is not None
    assert given.reason == "AddressRefused"


async def test_a_name_that_changes_its_meaning_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """First the server that was meant, then the metadata service: each connection is judged by itself."""
    async with serving(reply(200, vector())) as server:
        asked = names(monkeypatch, "127.0.0.1", "169.254.169.254")
        source = settings(f"http://prometheus.test:{server.port}")

        first, second = await instant(source), await instant(source)

    assert first is None
    assert second is not None
    assert second.reason == "AddressRefused"
    assert len(asked) == 2


async def test_the_address_that_was_looked_at_is_the_one_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second way resolves a name once a connection: between look and write there is no other answer to be had."""
    async with serving(reply(200, success("matrix", [])), "/api/v1/query_range") as server:
        asked = names(monkeypatch, "127.0.0.1", "169.254.169.254")

        given = await ranged(settings(f"http://prometheus.test:{server.port}"))

    assert given is None
    assert asked == ["127.0.0.1"]


@both_ways
async def test_a_redirect_is_not_followed(ask: Asker) -> None:
    """Not to the metadata service, and not to a friendly server either."""
    visited: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        visited.append(request.path)
        return web.Response(body=vector())

    path = "/api/v1/query" if ask is instant else "/api/v1/query_range"
    async with serving(elsewhere, "/elsewhere") as other:
        for target in (f"{url(other)}/elsewhere", "http://169.254.169.254/latest/meta-data"):
            async with serving(reply(307, b"secret", Location=target), path) as server:
                given = await ask(settings(url(server)), "x")

            assert given is not None
            assert given.reason == "HttpError"
            assert "redirects are not followed" in given.message
            assert "secret" not in given.message
    assert visited == []


@both_ways
@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(200, b"<html>ROOT PASSWORD</html>", id="a page"),
        pytest.param(200, b'{"ROOT": "PASSWORD"}', id="JSON"),
        pytest.param(403, b"ROOT PASSWORD", id="a refusal"),
        pytest.param(500, b"ROOT PASSWORD", id="an error"),
        pytest.param(404, b'{"error": "ROOT PASSWORD"}', id="an error in JSON"),
    ],
)
async def test_a_body_that_is_no_answer_is_never_shown(ask: Asker, status: int, body: bytes) -> None:
    path = "/api/v1/query" if ask is instant else "/api/v1/query_range"
    async with serving(reply(status, body), path) as server:
        given = await ask(settings(url(server)), "x")

    assert given is not None
    assert "PASSWORD" not in given.message


@both_ways
@pytest.mark.parametrize(
    ("query", "sent"),
    [
        pytest.param("sum(x)", 'x{namespace="shop"}', id="a query without a matcher gets it"),
        pytest.param('x{a="}"} # {', 'x{namespace="shop",a="}"}', id="braces in strings and comments fool nobody"),
    ],
)
async def test_a_bound_source_asks_for_the_policys_namespace(ask: Asker, query: str, sent: str) -> None:
    seen: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(str({**request.query, **await request.post()}["query"]))
        return web.Response(body=vector() if ask is instant else success("matrix", []))

    path = "/api/v1/query" if ask is instant else "/api/v1/query_range"
    async with serving(handle, path) as server:
        await ask(SourceSettings(name="main", url=url(server), binding=Binding(namespace=True)), query)

    assert sent in seen[0]
    assert "#" not in seen[0]


@both_ways
async def test_a_source_of_several_clusters_is_asked_for_one(ask: Asker) -> None:
    """Whoever wrote the query, and together with the namespace (case 08)."""
    source = Binding(namespace=True, labels={"cluster": "eu-1"})
    seen: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(str({**request.query, **await request.post()}["query"]))
        return web.Response(body=vector() if ask is instant else success("matrix", []))

    path = "/api/v1/query" if ask is instant else "/api/v1/query_range"
    async with serving(handle, path) as server:
        await ask(SourceSettings(name="main", url=url(server), binding=source), 'sum(x) or y{a="1"}')
        foreign = await ask(SourceSettings(name="main", url=url(server), binding=source), 'x{cluster="us-1"}')

    assert 'x{namespace="shop",cluster="eu-1"}' in seen[0]
    assert 'y{namespace="shop",cluster="eu-1",a="1"}' in seen[0]
    assert len(seen) == 1
    assert foreign is not None
    assert foreign.reason == "ForeignLabel"


@both_ways
@pytest.mark.parametrize(
    ("or_missing", "sent"),
    [
        pytest.param(True, 'x{namespace="shop",cluster=~"eu-1|",namespace=~"shop|"}', id="by a selector of Salus"),
        pytest.param(
            False, 'x{namespace="shop",cluster="eu-1",cluster=~"eu-1|",namespace=~"shop|"}', id="not by its author's"
        ),
    ],
)
async def test_the_label_of_a_cluster_may_be_missing_and_never_the_namespace(
    ask: Asker,
    or_missing: bool,
    sent: str,
) -> None:
    source = Binding(namespace=True, labels={"cluster": "eu-1"})
    seen: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(str({**request.query, **await request.post()}["query"]))
        return web.Response(body=vector() if ask is instant else success("matrix", []))

    path = "/api/v1/query" if ask is instant else "/api/v1/query_range"
    async with serving(handle, path) as server:
        settings = SourceSettings(name="main", url=url(server), binding=source)
        await ask(settings, 'x{cluster=~"eu-1|",namespace=~"shop|"}', or_missing=or_missing)

    assert sent in seen[0]


@both_ways
async def test_a_bound_source_is_not_asked_for_another_namespace(ask: Asker) -> None:
    source = SourceSettings(name="main", url="http://127.0.0.1:1", binding=Binding(namespace=True))

    given = await ask(source, 'x{namespace="bank"}')

    assert given is not None
    assert given.reason == "ForeignNamespace"
    assert given.message == 'source main: x{namespace="bank"} reads namespace "bank"; this policy may read shop only'


@both_ways
@pytest.mark.parametrize(
    ("issued_for", "trusted", "reason"),
    [
        pytest.param("prometheus.test", True, None, id="the certificate of that name"),
        pytest.param("other.test", True, "Unreachable", id="the certificate of another name"),
        pytest.param("prometheus.test", False, "Unreachable", id="an authority that nobody named"),
    ],
)
async def test_tls_is_checked_for_the_name_though_an_address_is_asked(
    ask: Asker,
    issued_for: str,
    trusted: bool,
    reason: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pair = Authority.create(tmp_path).issue("server", "prometheus", sans=[issued_for])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    app = web.Application()
    app.router.add_post("/api/v1/query", reply(200, vector()))
    app.router.add_post("/api/v1/query_range", reply(200, success("matrix", [])))
    server = TestServer(app, scheme="https", host="127.0.0.1")
    await server.start_server(ssl=context)
    names(monkeypatch, "127.0.0.1")
    ca_file = tmp_path / "ca.crt" if trusted else None
    try:
        given = await ask(
            SourceSettings(name="main", url=f"https://prometheus.test:{server.port}", ca_file=ca_file), "x"
        )
    finally:
        await server.close()

    assert (given.reason if given else None) == reason


async def test_a_token_may_be_replaced_between_two_looks_into_the_past(tmp_path: Path) -> None:
    token, seen = tmp_path / "token", list[str]()

    async def handle(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"])
        return web.Response(body=success("matrix", []))

    async with serving(handle, "/api/v1/query_range") as server:
        history = PrometheusHistory({"main": SourceSettings(name="main", url=url(server), bearer_token_file=token)})
        for secret in ("first", "second"):
            (tmp_path / "new").write_text(secret, encoding="utf-8")
            (tmp_path / "new").rename(token)
            at = datetime.fromtimestamp(1_700_000_000, UTC)
            await history.samples(a_question("x"), at, at, timedelta(seconds=15))

    assert seen == ["Bearer first", "Bearer second"]


GOOD_HEAD = b"HTTP/1.1 200 OK\r\n"
RAW: Sequence[Any] = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="another protocol"),
    pytest.param(b"HTTP/1.1 200\r\n\r\n", id="a head without a word"),
    pytest.param(b"HTTP/9.9 99999 x\r\n\r\n", id="a status that is none"),
    pytest.param(b"HTTP/1.1 -1 x\r\n\r\n", id="a status below zero"),
    pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1_000 + b"\r\n", id="a thousand headers"),
    pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n", id="a header of a million letters"),
    pytest.param(GOOD_HEAD + b"Content-Length: -5\r\n\r\n{}", id="a length below zero"),
    pytest.param(GOOD_HEAD + b"Content-Length: \xc2\xb2\r\n\r\n{}", id="a length that is no number"),
    pytest.param(GOOD_HEAD + b"Content-Length: 99999999999999999999\r\n\r\n{}", id="a length beyond all memory"),
    pytest.param(GOOD_HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}", id="a chunk without a length"),
    pytest.param(GOOD_HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n0\r\n\r\n", id="a chunk below zero"),
    pytest.param(GOOD_HEAD + b"Content-Encoding: gzip\r\n\r\nnot gzip", id="what is said to be packed and is not"),
    pytest.param(GOOD_HEAD + b"Content-Encoding: deflate\r\n\r\n\x00\xff", id="packed in another way, and broken"),
    pytest.param(GOOD_HEAD + b"Content-Encoding: x-none\r\n\r\n{}", id="packed in a way that nobody knows"),
    pytest.param(GOOD_HEAD + b"Content-Type: ;charset=\xff\xfe\r\n\r\n\xff\xfe", id="a charset that is none"),
    pytest.param(GOOD_HEAD + b"Set-Cookie: =;;;=\x01; expires=\xff\r\n\r\n{}", id="a cookie that is none"),
    pytest.param(GOOD_HEAD + b"\xff\xfe: \x00\r\n\r\n{}", id="a header that is no text"),
    pytest.param(b"HTTP/1.1 302 x\r\nLocation: http://[::1\r\n\r\n", id="a redirect to what is no URL"),
    pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" * 50, id="go on, fifty times"),
    pytest.param(b"\x00" * 5_000, id="zeros"),
]


@asynccontextmanager
async def raw(*parts: bytes, pause: float = 0.0) -> AsyncIterator[str]:
    """A server that says this to each request, whatever it is, part by part, and hangs up."""
    serving: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.gather(*(task for task in serving if task))


@both_ways
@pytest.mark.parametrize("said", RAW)
async def test_whatever_is_said_in_place_of_http_is_an_error(ask: Asker, said: bytes) -> None:
    async with raw(said) as address:
        given = await ask(settings(address, seconds=30), "x")

    assert given is not None
    assert given.reason in {"HttpError", "NotPrometheus", "Unreachable"}
    assert "SSH" not in given.message


@both_ways
async def test_a_head_that_comes_byte_by_byte_is_given_up_in_time(ask: Asker) -> None:
    """Each byte comes in time for whoever waits for the next one only."""
    async with raw(GOOD_HEAD + b"X: ", *[b"y"] * 100, pause=0.02) as address:
        given = await ask(settings(address, seconds=0.3), "x")

    assert given is not None
    assert given.reason == "Timeout"
