"""A Prometheus on loopback whose every query has one answer all the time: 0 below `/well`, 9 below `/ill`."""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

_VALUES = {"well": "0", "ill": "9"}
_NOT_THERE = ("kube_replicaset", "kube_deployment_spec", "kube_horizontalpodautoscaler", "kube_pod_container_info")
"""Nothing is known of what workloads were."""


def answer(path: str, asked: Mapping[str, str]) -> Mapping[str, Any] | Sequence[str] | None:
    """The data of a reply; None: there is no such API."""
    value, query = _VALUES.get(path.split("/")[1], "0"), asked.get("query", "")
    if path.endswith("/query"):
        return {"resultType": "vector", "result": [{"metric": {}, "value": [1_700_000_000, "1"]}]}
    if path.endswith("/query_range"):
        start, end, step = (float(asked[name]) for name in ("start", "end", "step"))
        moments = [start + number * step for number in range(int((end - start) / step) + 1)]
        course = {"metric": {}, "values": [[at, value] for at in moments]}
        return {"resultType": "matrix", "result": [] if any(name in query for name in _NOT_THERE) else [course]}
    return ["up"] if path.endswith("/label/__name__/values") else None


@contextmanager
def prometheus_served() -> Iterator[str]:
    """Its URL, to which `/well` or `/ill` is added."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Like the other."""
            split = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            asked = {name: found[0] for name, found in {**parse_qs(split.query), **parse_qs(raw)}.items()}
            data = answer(split.path, asked)
            body = json.dumps({"status": "success", "data": data}).encode() if data is not None else b"404 not found"
            self.send_response(200 if data is not None else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 — likewise

        def log_message(self, *_: object) -> None:
            """Nothing."""

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
