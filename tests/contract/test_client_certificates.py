"""Servers that let nobody in without a certificate of their authority (mTLS), whichever way they are asked."""

import http.server
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from tests.contract.source_server import success, vector
from tests.contract.ways import Told, Way, every_way, ranged
from tools.devcluster.certificates import Authority, Pair

PATIENCE = timedelta(seconds=30)
WANTED = "cannot be reached: it wants a client certificate that it trusts; certFile and keyFile name one"
NO_PAIR = "are not a certificate and its key in PEM form, without a passphrase"


class Server(http.server.ThreadingHTTPServer):
    """One that keeps whose certificates it was shown, and says why it lets somebody not in before it hangs up.

    With OpenSSL itself: asyncio hangs up without the alert that every other server sends.
    """

    daemon_threads = True

    def __init__(self, answer: bytes, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.context = answer, context
        self.callers: list[str] = []

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_address[1]}"

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's own
        tls = self.context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        try:
            tls.do_handshake()
        except OSError:
            hang_up(socket.socket(fileno=tls.detach()))
            return
        names: Any = (tls.getpeercert() or {})["subject"]
        self.callers += [name for ((kind, name),) in names if kind == "commonName"]
        super().finish_request(tls, client_address)
        tls.close()


def hang_up(connection: socket.socket) -> None:
    """Read what is still to come first, or the alert would be lost with it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    connection.close()


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's own name
        """Say nothing."""


@contextmanager
def serving(way: Way, authority: Authority, version: ssl.TLSVersion) -> Iterator[Server]:
    """Such a server, that wants a certificate of this authority."""
    pair = authority.issue("server", "server", sans=["127.0.0.1"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.cert))
    context.load_cert_chain(pair.cert, pair.key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = version
    server = Server(success("matrix", []) if way is ranged else vector(), context)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def put(pair: Pair, at: Pair) -> None:
    """Replace both files, as the kubelet does."""
    for new, old in ((pair.cert, at.cert), (pair.key, at.key)):
        temporary = old.with_suffix(".new")
        temporary.write_bytes(new.read_bytes())
        temporary.rename(old)


every_version = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@every_way
@every_version
async def test_the_certificate_that_the_files_hold_now_is_shown(
    way: Way, version: ssl.TLSVersion, tmp_path: Path
) -> None:
    """And another one after both files were replaced."""
    authority = Authority.create(tmp_path / "authority")
    mounted = Pair(tmp_path / "tls.crt", tmp_path / "tls.key")
    with serving(way, authority, version) as server:
        for user in ("first", "second"):
            put(authority.issue(user, user), mounted)
            files = {"ca_file": authority.cert, "cert_file": mounted.cert, "key_file": mounted.key}
            told = await way(server.url, **files, timeout=PATIENCE)
            assert told == Told()

    assert server.callers == ["first", "second"]


@every_way
@every_version
async def test_who_shows_none_is_told_what_is_wanted(way: Way, version: ssl.TLSVersion, tmp_path: Path) -> None:
    authority, stranger = Authority.create(tmp_path / "ours"), Authority.create(tmp_path / "theirs")
    pair = stranger.issue("salus", "salus")
    with serving(way, authority, version) as server:
        none = await way(server.url, ca_file=authority.cert, timeout=PATIENCE)
        unknown = await way(
            server.url, ca_file=authority.cert, cert_file=pair.cert, key_file=pair.key, timeout=PATIENCE
        )

    assert (none.reason, unknown.reason) == ("Unreachable", "Unreachable")
    assert unknown.message.removeprefix("source main: ") == WANTED
    assert none.message.removeprefix("source main: ") in (WANTED, "cannot be reached: TLS could not be agreed on")
    assert server.callers == []


@every_way
@pytest.mark.parametrize(
    ("spoilt", "says"),
    [
        pytest.param("cert", NO_PAIR, id="no certificate"),
        pytest.param("key", NO_PAIR, id="no key"),
        pytest.param("other", NO_PAIR, id="the key of another certificate"),
        pytest.param("passphrase", NO_PAIR, id="a key with a passphrase, and nobody to ask"),
        pytest.param("gone", "cannot read", id="no file"),
    ],
)
async def test_files_that_will_not_do_are_named(way: Way, spoilt: str, says: str, tmp_path: Path) -> None:
    authority = Authority.create(tmp_path / "authority")
    pair = authority.issue("salus", "salus")
    if spoilt == "other":
        put(Pair(pair.cert, authority.issue("other", "other").key), pair)
    elif spoilt == "passphrase":
        key, secret = load_pem_private_key(pair.key.read_bytes(), None), BestAvailableEncryption(b"T0PSECRET")
        pair.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret))
    elif spoilt == "gone":
        pair.key.unlink()
    else:
        getattr(pair, spoilt).write_text("-----BEGIN NOTHING-----")

    told = await way("https://127.0.0.1:1", cert_file=pair.cert, key_file=pair.key, timeout=PATIENCE)

    assert told.reason == "CredentialsUnreadable"
    assert says in told.message
    assert str(pair.key) in told.message
