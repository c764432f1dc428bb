"""A cluster and a Prometheus on loopback that say what a test has them say, and remember what they were asked."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tools.devcluster.kubeconfigs import write_kubeconfig

ME = "ines@example.com"
MONITORING = "/api/v1/namespaces/monitoring/services/prometheus-operated:9090/proxy"
NOTHING: Mapping[str, Any] = {
    "/api/v1/query": {"resultType": "vector", "result": []},
    "/api/v1/query_range": {"resultType": "matrix", "result": []},
    "/api/v1/metadata": {},
}
"""What a server answers that has nothing; a list, where it is not said here."""


def vector(*series: Mapping[str, str], value: float = 1) -> Mapping[str, Any]:
    """What an instant query gives: these series, each with this value."""
    return {"resultType": "vector", "result": [{"metric": one, "value": [1_700_000_000, str(value)]} for one in series]}


def matrix(labels: Mapping[str, str], samples: Mapping[float, float]) -> Mapping[str, Any]:
    """One series over time."""
    values = [[at, str(value)] for at, value in samples.items()]
    return {"resultType": "matrix", "result": [{"metric": labels, "values": values}] if values else []}


Answer = Any
"""The `data` of a good reply; a status for a bad one; or a function from what was asked to either."""


@dataclass(slots=True)
class PlayedPrometheus:
    """Answers by path, and by a fragment of the query or selector; the last that was said counts."""

    lines: list[tuple[str, str, Answer]] = field(default_factory=list)
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    most_at_once: int = 0
    gate: asyncio.Event | None = None
    """Holds all answers back until it is set."""
    warnings: tuple[str, ...] = ()
    _at_once: int = 0

    def say(self, path: str, answer: Answer, fragment: str = "") -> None:
        self.lines.append((path, fragment, answer))

    def queries(self) -> list[str]:
        """What was asked in PromQL."""
        return [text for _, asked in self.asked if (text := asked.get("query", asked.get("match[]", "")))]

    async def handle(self, request: web.Request) -> web.Response:
        return await self.at(request.path, request)

    async def at(self, path: str, request: web.Request) -> web.Response:
        """Answer at a path of the API."""
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        if self.gate is not None:
            await self.gate.wait()
        self._at_once -= 1
        asked = {**request.query, **(await request.post() if request.method == "POST" else {})}
        self.asked.append((path, asked))  # type: ignore[arg-type]  # files are not sent here
        self.headers.append(dict(request.headers))
        return self._reply(path, asked)

    def _reply(self, path: str, asked: Mapping[str, Any]) -> web.Response:
        text = str(asked.get("query", asked.get("match[]", "")))
        said = [answer for of, fragment, answer in self.lines if path == of and fragment in text]
        answer = said[-1] if said else NOTHING.get(path, [])
        answer = answer(asked) if callable(answer) else answer
        if isinstance(answer, int):
            return web.Response(status=answer, text="404 page not found" if answer == 404 else "no")
        warnings = {"warnings": list(self.warnings)} if self.warnings else {}
        return web.json_response({"status": "success", "data": answer, **warnings})


@dataclass(slots=True)
class PlayedCluster:
    """Lists and objects of the API server, and its proxy to the Services that have a Prometheus."""

    objects: list[Mapping[str, Any]] = field(default_factory=list)
    forbidden: set[tuple[str, str]] = field(default_factory=set)
    """Plural and namespace; an empty namespace: all."""
    proxied: dict[str, PlayedPrometheus] = field(default_factory=dict)
    """By the path of the proxy."""
    refusals: dict[str, tuple[int, str]] = field(default_factory=dict)
    """What the API server itself says of a path: status and message."""
    asked: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        path = request.path
        self.asked.append(path)
        if refusal := next((said for prefix, said in self.refusals.items() if path.startswith(prefix)), None):
            return _status(*refusal)
        for prefix, prometheus in self.proxied.items():
            if path.startswith(f"{prefix}/"):
                return await prometheus.at(path.removeprefix(prefix), request)
        if path.endswith("/selfsubjectreviews"):
            return web.json_response({"status": {"userInfo": {"username": ME}}})
        return self._read(path, request.query.get("labelSelector", ""))

    def _read(self, path: str, selector: str) -> web.Response:
        parts = path.removeprefix("/api/v1/").split("/")
        namespace, (plural, *name) = (parts[1], parts[2:]) if parts[0] == "namespaces" else ("", parts)
        if (plural, namespace) in self.forbidden or (plural, "*") in self.forbidden:
            return _status(403, f'{plural} is forbidden: User "{ME}" cannot list resource')
        kind = {"services": "Service", "configmaps": "ConfigMap", "pods": "Pod"}[plural]
        wanted = dict(one.split("=", 1) for one in selector.split(",") if one)
        found = [one for one in self.objects if one["kind"] == kind and _is_chosen(one, namespace, wanted)]
        if name:
            named = [one for one in found if one["metadata"]["name"] == name[0]]
            return web.json_response(named[0]) if named else _status(404, f"{plural} {name[0]} not found")
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": found})


def _is_chosen(body: Mapping[str, Any], namespace: str, labels: Mapping[str, str]) -> bool:
    metadata = body["metadata"]
    return namespace in ("", metadata["namespace"]) and labels.items() <= metadata.get("labels", {}).items()


def _status(code: int, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "metadata": {}, "message": message, "code": code}, status=code)


@asynccontextmanager
async def serving(handle: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    """The URL of a server with one handler for everything."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server(shutdown_timeout=0)
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        await server.close()


@asynccontextmanager
async def by_url(prometheus: PlayedPrometheus) -> AsyncIterator[str]:
    """The URL of a Prometheus."""
    async with serving(prometheus.handle) as url:
        yield url


@asynccontextmanager
async def kubeconfig_of(cluster: PlayedCluster, folder: Path) -> AsyncIterator[Path]:
    """A kubeconfig that leads to a cluster."""
    async with serving(cluster.handle) as url:
        yield write_kubeconfig(folder / "kubeconfig", url, credentials={})


def an_object(kind: str, title: str, labels: Mapping[str, str] | None = None, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """NAMESPACE/NAME, with labels and what else it has."""
    namespace, name = title.split("/")
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"namespace": namespace, "name": name, "uid": f"uid-of-{name}", "labels": dict(labels or {})},
        **fields,
    }


def a_service(title: str, labels: Mapping[str, str], *ports: Mapping[str, Any], **spec: Any) -> dict[str, Any]:  # noqa: ANN401
    """A Service; by default at port 9090, named `web`."""
    given = list(ports) or [{"name": "web", "port": 9090}]
    return an_object("Service", title, labels, spec={"ports": given, "selector": {"app": title}, **spec})


def a_pod(title: str, since: str = "2026-11-01T00:00:00Z", owner: str = "ReplicaSet", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """A pod that runs."""
    pod = an_object("Pod", title, status={"phase": "Running", "podIP": "10.0.0.7", **more})
    pod["metadata"] |= {"creationTimestamp": since, "ownerReferences": [{"kind": owner}]}
    return pod


def a_config_map(title: str, text: str) -> dict[str, Any]:
    """The operator's configuration."""
    return an_object("ConfigMap", title, {"app.kubernetes.io/name": "salus"}, data={"salus.yaml": text})
