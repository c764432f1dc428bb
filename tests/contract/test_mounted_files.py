"""URLs and headers that are secrets: from mounted files, as these are at the moment, and shown nowhere."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from salus.adapters.sinks import SinkSettings
from salus.endpoints.settings import Credentials
from tests.contract.source_server import success, vector
from tests.contract.ways import Told, Way, every_way, ranged

PATIENCE = timedelta(seconds=30)


@dataclass
class Server:
    """One that answers each way as it likes, and keeps where it was asked and with which key."""

    answer: bytes
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append((request.path, request.headers.get("X-Api-Key", "")))
        return web.Response(body=self.answer)


@asynccontextmanager
async def serving(way: Way) -> AsyncIterator[tuple[Server, str]]:
    """Such a server, and its URL with a path that is a secret."""
    served = Server(success("matrix", []) if way is ranged else vector())
    app = web.Application()
    app.router.add_post("/{path:.*}", served.handle)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server(shutdown_timeout=0)
    try:
        yield served, str(server.make_url("/T0PSECRET"))
    finally:
        await server.close()


def replace(file: Path, content: str) -> None:
    """As the kubelet does: another file under the same name."""
    new = file.with_suffix(".new")
    new.write_text(content, encoding="utf-8")
    new.rename(file)


@every_way
async def test_url_and_header_are_what_the_files_say_now(way: Way, tmp_path: Path) -> None:
    url, key = tmp_path / "url", tmp_path / "key"
    async with serving(way) as (first, at_first), serving(way) as (second, at_second):
        for where, secret in ((at_first, "one"), (at_second, "two")):
            replace(url, where + "\n")
            replace(key, secret + "\n")
            assert await way(url="", url_file=url, header_files={"X-Api-Key": key}, timeout=PATIENCE) == Told()

    ((path, secret),) = first.asked
    assert path.startswith("/T0PSECRET")
    assert (secret, [secret for _, secret in second.asked]) == ("one", ["two"])


def test_one_that_is_in_use_looks_again(tmp_path: Path) -> None:
    """No new configuration and no restart: the next request has what is there then."""
    url, key = tmp_path / "url", tmp_path / "key"
    replace(url, "http://a.example/x")
    replace(key, "one")
    credentials = Credentials(SinkSettings(name="main", url_file=url, header_files={"X-Api-Key": key}))
    assert (credentials.url(), credentials.headers()) == ("http://a.example/x", {"X-Api-Key": "one"})

    replace(url, "https://b.example/y/")
    replace(key, "two")

    assert (credentials.url(), credentials.headers()) == ("https://b.example/y/", {"X-Api-Key": "two"})
    assert credentials.url("/api/v1/query") == "https://b.example/y/api/v1/query"


@every_way
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("url", None, "cannot read {}: No such file or directory", id="no URL"),
        pytest.param("url", b"", "{} is empty, or holds something else than a URL that can be used", id="empty"),
        pytest.param(
            "url",
            b"ftp://T0PSECRET.example",
            "{} is empty, or holds something else than a URL that can be used",
            id="another protocol",
        ),
        pytest.param(
            "url",
            b"http://user:T0PSECRET@a.example",
            "{} is empty, or holds something else than a URL that can be used",
            id="a URL with a password",
        ),
        pytest.param(
            "url",
            b"http://a.example:T0PSECRET/",
            "{} is empty, or holds something else than a URL that can be used",
            id="a port that is none",
        ),
        pytest.param(
            "url",
            b"http://a.example/T0PSECRET\nhttp://b.example",
            "{} is empty, or holds something else than a URL that can be used",
            id="two URLs",
        ),
        pytest.param(
            "url", b"\xffT0PSECRET", "{} is empty, or holds something else than a URL that can be used", id="no text"
        ),
        pytest.param("key", None, "cannot read {}: No such file or directory", id="no header"),
        pytest.param("key", b" \n", "{} is empty, or holds something else than a value of a header", id="a blank one"),
        pytest.param(
            "key",
            b"T0PSECRET\r\nX-Admin: yes",
            "{} is empty, or holds something else than a value of a header",
            id="two headers",
        ),
    ],
)
async def test_a_file_that_cannot_be_used_is_named_and_never_quoted(
    way: Way, name: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    files = {"url": tmp_path / "url", "key": tmp_path / "key"}
    replace(files["url"], "http://127.0.0.1:1/T0PSECRET")
    replace(files["key"], "T0PSECRET")
    if content is None:
        files[name].unlink()
    else:
        files[name].write_bytes(content)

    told = await way(url="", url_file=files["url"], header_files={"X-Api-Key": files["key"]}, timeout=PATIENCE)

    assert told.reason == "CredentialsUnreadable"
    assert told.message.removeprefix("source main: ") == message.format(files[name])


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="neither"),
        pytest.param({"url": "http://a.example", "url_file": Path("/run/url")}, id="both"),
    ],
)
def test_where_it_is_is_said_once(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="sink main: choose one of a URL and a file that holds it"):
        SinkSettings(name="main", **fields)  # type: ignore[arg-type]  # tables of fields
