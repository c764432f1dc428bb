"""Nothing that the other side of a connection says, and no path of a URL, reaches anybody: no tenant, and not the log.

By raw sockets, since what libraries quote is what is broken. Three ways to speak to a server are attacked alike: a sink
that is told something, a source that is asked for now (aiohttp), and one that is asked for the past (requests).
"""

import io
import logging
import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from salus.adapters.logging import LogFormat, configure
from tests.contract.raw_server import MARK, Talk, asked, echo, endlessly, hang_up, reset, silence, speaking, unasked
from tests.contract.ways import Told, Way, every_way, instant, ranged, sink
from tools.devcluster.certificates import Authority
from tools.devcluster.processes import free_port

PATIENCE, SHORT = timedelta(seconds=30), timedelta(milliseconds=300)
"""What an answer may take on a busy machine, and how long to wait for one that never comes."""
PATH = "T0PSECRETPATH"
TOKEN = "t0psecrettoken"  # noqa: S105 - of these tests
OK = b"HTTP/1.1 200 OK\r\n"
BROKEN = "cannot be reached: it answered with broken HTTP"
EARLY = "cannot be reached: it closed the connection too early"
TOO_LARGE = "cannot be reached: it answered with headers that are too large"
RESET = "cannot be reached: the connection was reset"
NOT_TLS = "cannot be reached: it does not speak TLS"
NOT_PROMETHEUS = "answered something else than the Prometheus HTTP API does; is the URL right?"


@pytest.fixture(autouse=True)
def log() -> Iterator[io.StringIO]:
    """Everything that Salus and its libraries log, at the finest level that can be configured."""
    root = logging.getLogger()
    handlers, level, config = root.handlers[:], root.level, structlog.get_config()
    stream = io.StringIO()
    configure(LogFormat.JSON, "DEBUG", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)


async def tried(way: Way, talk: Talk, log: io.StringIO, **more: Any) -> Told:  # noqa: ANN401 - fields of settings
    """What this way says of this server, once it was seen that nothing foreign is in it."""
    tls, folder = more.pop("tls", None), more.pop("folder")
    token = folder / "token"
    token.write_text(TOKEN, encoding="utf-8")
    async with speaking(talk, tls) as port:
        scheme = more.pop("scheme", "http")
        key = f"?key={PATH}" if way is sink else ""  # the URL of a source has none
        url = f"{scheme}://127.0.0.1:{port}/services/{PATH}{key}"
        told = await way(url, bearer_token_file=token, **{"timeout": PATIENCE, **more})
    said = f"{told.reason}: {told.message}\n{log.getvalue()}"
    assert [word for word in (MARK.decode(), PATH, TOKEN, "services", "\\x", "Set-Cookie") if word in said] == []
    return told


def same(message: str, reason: str = "Unreachable") -> dict[Way, tuple[str, set[str]]]:
    """All three say so."""
    return {way: (reason, {message}) for way in (sink, instant, ranged)}


TAKEN = {sink: ("", {""})}
"""A sink's answer is its status: the rest is not read."""
LENIENT = {ranged: ("NotPrometheus", {NOT_PROMETHEUS})}
"""The standard library, which requests stands on, takes these headers for good, and then finds no JSON."""
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("talk", "expected"),
    [
        pytest.param(unasked(b"SSH-2.0-OpenSSH_9.6 " + MARK + b"\r\n"), same(BROKEN), id="the banner of an SSH server"),
        pytest.param(unasked(b"220 " + MARK + b" ESMTP\r\n"), same(BROKEN), id="the banner of a mail server"),
        pytest.param(unasked(b"\x15\x03\x01\x00\x02\x02\x50" + MARK), same(BROKEN), id="TLS, which nobody asked for"),
        pytest.param(asked(MARK), same(BROKEN), id="a word without a line's end"),
        pytest.param(asked(b"\0\1\2\xff" + MARK * 50 + b"\r\n\r\n"), same(BROKEN), id="garbage"),
        pytest.param(echo, same(BROKEN), id="what we sent ourselves"),
        pytest.param(asked(OK + b"X-Mark: " + MARK + b"\r\n"), same(EARLY) | LENIENT, id="half of a head"),
        pytest.param(
            asked(OK + b"Content-Length: 999\r\n\r\n" + MARK),
            same(EARLY) | TAKEN,
            id="less of a body than was promised",
        ),
        pytest.param(
            asked(OK + b"X-Mark: " + MARK * 20_000 + b"\r\n\r\n"), same(TOO_LARGE), id="a header of 140,000 characters"
        ),
        pytest.param(
            asked(OK + b"".join(b"X-%d: " % n + MARK + b"\r\n" for n in range(5000)) + b"\r\n"),
            {sink: ("Unreachable", {BROKEN}), instant: ("Unreachable", {BROKEN}), ranged: ("Unreachable", {TOO_LARGE})},
            id="5,000 headers",
        ),
        pytest.param(
            asked(OK + b"X-A: a\rSet-Cookie: " + MARK + b"\r\n\r\n{}"),
            same(BROKEN) | LENIENT,
            id="a header in a header",
        ),
        pytest.param(asked(OK + b"X-A: " + MARK + b"\0\r\n\r\n{}"), same(BROKEN) | LENIENT, id="a NUL in a header"),
        pytest.param(asked(OK + MARK + b"\r\n\r\n{}"), same(BROKEN) | LENIENT, id="a header without a colon"),
        pytest.param(
            asked(OK + b"Content-Length: " + MARK + b"\r\n\r\n{}"), same(BROKEN) | LENIENT, id="a length in words"
        ),
        pytest.param(
            asked(OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}" + MARK), same(BROKEN), id="two lengths"
        ),
        pytest.param(asked(b"HTTP/1.1 " + MARK + b" OK\r\n\r\n"), same(BROKEN), id="a status in words"),
        pytest.param(asked(b"HTTP/1.1 99999 " + MARK + b"\r\n\r\n"), same(BROKEN), id="a status of five digits"),
        pytest.param(asked(CHUNKED + MARK + b"\r\n" + MARK + b"\r\n"), same(BROKEN), id="a chunk of garbage"),
        pytest.param(
            asked(OK + b"Content-Encoding: gzip\r\nContent-Length: 7\r\n\r\n" + MARK),
            same(BROKEN) | TAKEN,
            id="gzip that is none",
        ),
        pytest.param(
            asked(OK + b"Set-Cookie: =" + MARK + b"; \x01\r\nContent-Length: 2\r\n\r\n{}"),
            same(NOT_PROMETHEUS, "NotPrometheus") | TAKEN,
            id="a cookie that is none",
        ),
        pytest.param(
            asked(b"HTTP/1.1 503 " + MARK + b"\r\nContent-Length: 7\r\n\r\n" + MARK),
            same("answered HTTP 503 Service Unavailable", "HttpError") | {sink: ("HttpError", {"answered HTTP 503"})},
            id="an error with words of its own",
        ),
        pytest.param(
            asked(b"HTTP/1.1 302 " + MARK + b"\r\nLocation: http://[" + MARK + b"\r\nContent-Length: 0\r\n\r\n"),
            same("answered HTTP 302 Found; redirects are not followed, so correct the URL", "HttpError")
            | {sink: ("HttpError", {"answered with a redirect (HTTP 302), which is not followed"})},
            id="a redirect to what is no URL",
        ),
        pytest.param(
            asked(b"HTTP/1.1 101 " + MARK + b"\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
            same("answered HTTP 101 Switching Protocols", "HttpError") | {sink: ("HttpError", {"answered HTTP 101"})},
            id="another protocol from here on",
        ),
        pytest.param(asked(b"HTTP/1.1 100 " + MARK + b"\r\n\r\n"), same(EARLY), id="go on, and nothing more"),
        pytest.param(
            asked(b"HTTP/1.1 503 x\r\nRetry-After: " + b"9" * 5000 + b"\r\nContent-Length: 0\r\n\r\n"),
            same("answered HTTP 503 Service Unavailable", "HttpError") | {sink: ("HttpError", {"answered HTTP 503"})},
            id="a wish of 5,000 digits",
        ),
        pytest.param(
            endlessly(OK + b"\r\n", MARK * 10_000),
            same("answered with more than 10 MiB; narrow the query", "ResponseTooLarge") | TAKEN,
            id="a body without end",
        ),
        pytest.param(endlessly(OK, b"X: " + MARK * 4_000 + b"\r\n"), same(TOO_LARGE), id="headers without end"),
    ],
)
@every_way
async def test_what_a_server_says_is_heard_by_nobody(
    way: Way, talk: Talk, expected: dict[Way, tuple[str, set[str]]], log: io.StringIO, tmp_path: Path
) -> None:
    told = await tried(way, talk, log, folder=tmp_path)

    reason, messages = expected[way]
    assert told.reason == reason
    assert told.message.removeprefix("source main").removeprefix(":").strip() in messages


@pytest.mark.parametrize(
    ("talk", "messages"),
    [
        pytest.param(hang_up, {EARLY, RESET}, id="a server that closes at once"),
        pytest.param(reset, {EARLY, RESET}, id="a server that breaks off"),
    ],
)
@every_way
async def test_a_connection_that_ends(
    way: Way, talk: Talk, messages: set[str], log: io.StringIO, tmp_path: Path
) -> None:
    """Which of the two it looks like is settled by the kernel's timing."""
    told = await tried(way, talk, log, folder=tmp_path)

    assert told.reason == "Unreachable"
    assert told.message.removeprefix("source main: ") in messages


@every_way
async def test_a_server_that_is_silent(way: Way, log: io.StringIO, tmp_path: Path) -> None:
    told = await tried(way, silence, log, folder=tmp_path, timeout=SHORT)

    assert (told.reason, told.message.removeprefix("source main: ")) == ("Timeout", "no answer within 0.3s")


@every_way
@pytest.mark.parametrize(
    ("talk", "messages"),
    [
        pytest.param(unasked(OK + b"\r\n" + MARK), {NOT_TLS}, id="HTTP"),
        pytest.param(unasked(b"SSH-2.0-" + MARK + b"\r\n"), {NOT_TLS}, id="the banner of an SSH server"),
        pytest.param(hang_up, {EARLY, RESET}, id="nothing"),
    ],
)
async def test_a_server_that_should_speak_tls(
    way: Way, talk: Talk, messages: set[str], log: io.StringIO, tmp_path: Path
) -> None:
    told = await tried(way, talk, log, folder=tmp_path, scheme="https")

    assert told.reason == "Unreachable"
    assert told.message.removeprefix("source main: ") in messages


@every_way
@pytest.mark.parametrize(
    ("certificate", "trusted", "message"),
    [
        pytest.param(
            {"sans": [MARK.decode()]}, True, "cannot be reached: its certificate is for another name", id="another name"
        ),
        pytest.param(
            {"sans": ["127.0.0.1"], "lasts": timedelta(minutes=-1)},
            True,
            "cannot be reached: its certificate has expired",
            id="expired",
        ),
        pytest.param(
            {"sans": ["127.0.0.1"]},
            False,
            "cannot be reached: its certificate is not trusted; caFile names the authorities to trust",
            id="by an authority that nobody named",
        ),
    ],
)
async def test_a_certificate_that_will_not_do(
    way: Way, certificate: dict[str, Any], trusted: bool, message: str, log: io.StringIO, tmp_path: Path
) -> None:
    pair = Authority.create(tmp_path).issue("server", "main", **certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)

    ca_file = tmp_path / "ca.crt" if trusted else None
    told = await tried(way, echo, log, folder=tmp_path, scheme="https", tls=context, ca_file=ca_file)

    assert (told.reason, told.message.removeprefix("source main: ")) == ("Unreachable", message)


@every_way
async def test_nobody_is_there(way: Way, log: io.StringIO) -> None:
    told = await way(f"http://127.0.0.1:{free_port()}/{PATH}", timeout=PATIENCE)

    assert (told.reason, told.message.removeprefix("source main: ")) == (
        "Unreachable",
        "cannot be reached: the connection was refused",
    )
    assert PATH not in log.getvalue()


@every_way
async def test_a_name_that_nobody_knows(way: Way, log: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 6761 keeps `.invalid` for this; the resolver of the test answers as one that has asked."""

    def unknown(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, f"Name or service not known by {MARK.decode()}")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    told = await way(f"http://sink.invalid/{PATH}", timeout=PATIENCE)

    assert (told.reason, told.message.removeprefix("source main: ")) == (
        "Unreachable",
        "cannot be reached: its name is not known",
    )
    assert MARK.decode() not in log.getvalue()


async def test_the_log_tells_the_classes_of_what_happened(log: io.StringIO, tmp_path: Path) -> None:
    await tried(sink, unasked(b"SSH-2.0-" + MARK + b"\r\n"), log, folder=tmp_path)

    assert '"errors": ["ClientResponseError", "HttpProcessingError", "BadStatusLine"]' in log.getvalue()
    assert '"server": "sink main"' in log.getvalue()
