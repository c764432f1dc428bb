"""An HTTP server of values on loopback, in a thread of its own, for whole commands that are run beside it."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    method: str
    path: str
    """With what is asked for behind `?`."""
    accept: str
    body: bytes


Answer = Callable[[Asked], tuple[int, object]]
"""The status, and what becomes JSON; bytes are sent as they are."""


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """Its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            """Like the others."""
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, said = answer(Asked(self.command, self.path, self.headers.get("Accept", ""), body))
            raw = said if isinstance(said, bytes) else json.dumps(said, default=dict).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(said, bytes) else "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_POST = do_PATCH = do_GET  # noqa: N815 — likewise

        def log_message(self, *_: object) -> None:
            """Nothing: commands are read by what they say."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
