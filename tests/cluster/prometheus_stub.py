"""A Prometheus that misbehaves in one chosen way, over real HTTP on loopback."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

Answer = tuple[int, str, bytes]
"""Status, content type, body."""


def vector(*series: tuple[Mapping[str, str], str], **extra: object) -> Answer:
    """A well-formed answer with these series, and whatever else `extra` puts beside `data`."""
    result = [{"metric": dict(labels), "value": [0, value]} for labels, value in series]
    body = {"status": "success", "data": {"resultType": "vector", "result": result}, **extra}
    return 200, "application/json", json.dumps(body).encode()


@contextmanager
def serving(answer: Callable[[], Answer]) -> Iterator[str]:
    """Answer every request with what `answer` gives; yields the URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, content_type, body = answer()
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815 — the base class's own spelling

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the base class's own name
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
