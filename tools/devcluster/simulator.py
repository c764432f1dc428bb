"""The shop on kwok nodes, where no process runs: the series of the real service, computed from the pods' own settings.

Prometheus scrapes /namespaces/<namespace>/pods/<pod>/metrics here instead of the pod. What one replica does with its
requests is `examples.shop.model`; here are the pods, the traffic that is spread over those which are ready, and what
its callers would have seen. To keep the list of pods current is left to the caller: as a rule a `Mirror`'s `objects`.

Whatever it serves says that it is simulated. Nothing here may pass for a measurement of real traffic.
"""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import unquote, urlsplit

from examples.shop.load import Tally
from examples.shop.model import CODES, GAVE_UP, OK, Replica, Settings, ShopModel, exposition, whole
from tools.devcluster.api import Object
from tools.devcluster.progress import Say, silence

_STEP_SECONDS = 0.5


@dataclass(frozen=True, order=True)
class App:
    """The pods that one Service selects: those of `namespace` whose label `app` is `name`."""

    namespace: str
    name: str


@dataclass(frozen=True)
class Pod:
    """What the simulator needs to know of a pod. A restarted container is a new `process`."""

    app: App
    name: str
    process: str
    started: float  # seconds since 1970
    ready: bool
    settings: Settings

    @classmethod
    def from_object(cls, item: Object) -> Self | None:
        """Read a pod as the API server gives it; None when it is no app's, or nothing would be running in it.

        Raises ValueError when the real service would refuse the settings in the container's environment.
        """
        meta, status = item["metadata"], item.get("status", {})
        app = meta.get("labels", {}).get("app")
        containers: list[Object] = status.get("containerStatuses", [])
        running = containers[0]["state"].get("running") if containers else None
        if app is None or running is None:
            return None
        settings = Settings.from_env(_environment(item))
        if settings.crash:
            return None
        return cls(
            app=App(meta["namespace"], app),
            name=meta["name"],
            process=_process(item),
            started=datetime.fromisoformat(running["startedAt"]).timestamp(),
            ready=_is_ready(status) and "deletionTimestamp" not in meta,
            settings=settings,
        )


def _environment(item: Object) -> dict[str, str]:
    variables = item["spec"]["containers"][0].get("env", ())
    return {variable["name"]: variable.get("value", "") for variable in variables}


def _process(item: Object) -> str:
    containers = item.get("status", {}).get("containerStatuses", ())
    return f"{item['metadata']['uid']}/{sum(container.get('restartCount', 0) for container in containers)}"


def _is_ready(status: Object) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))


class Callers:
    """What the callers of one app would have seen, in fluid amounts by outcome."""

    def __init__(self) -> None:
        self._sent = 0.0
        self._outcomes: defaultdict[str, float] = defaultdict(float)

    def send(self, amount: float) -> None:
        """Let `amount` requests arrive."""
        self._sent += amount

    def end(self, outcome: str, amount: float) -> None:
        """Let `amount` requests end as `outcome`: a status code, or a kind of failure as in `Tally`."""
        self._outcomes["timeout" if outcome == GAVE_UP else outcome] += amount

    @property
    def tally(self) -> Tally:
        """The same in whole requests."""
        counts = {outcome: whole(amount) for outcome, amount in self._outcomes.items()}
        failed = {outcome: count for outcome, count in counts.items() if outcome != OK and count}
        return Tally(sent=whole(self._sent), ok=counts.get(OK, 0), failed=failed)


class SimulatedShops:
    """All replicas that would be running, and their callers. Time passes only by `advance`."""

    def __init__(self, model: ShopModel) -> None:
        self._model = model
        self._pods: dict[tuple[str, str], Pod] = {}
        self._replicas: dict[str, Replica] = {}  # by process
        self._rates: dict[App, float] = {}
        self._callers: defaultdict[App, Callers] = defaultdict(Callers)

    def set_rate(self, app: App, rate: float) -> None:
        """Let `rate` requests per second arrive at `app` from now on."""
        if not 0 <= rate < float("inf"):
            raise ValueError(f"rate must be 0 or more requests per second, got {rate}")
        self._rates[app] = rate

    def tally(self, app: App) -> Tally:
        """Return what the callers of `app` would have seen up to now."""
        return self._callers[app].tally

    def wedge(self, namespace: str, name: str) -> None:
        """Make the process that runs in this pod hang until it is replaced; LookupError when none runs."""
        pod = self._pods.get((namespace, name))
        if pod is None:
            known = ", ".join(sorted("/".join(key) for key in self._pods)) or "none"
            raise LookupError(f"no simulated process runs in pod {namespace}/{name}; running: {known}")
        self._replicas[pod.process] = replace(self._replicas[pod.process], wedged=True)

    def metrics(self, namespace: str, name: str) -> str | None:
        """Return the text that Prometheus scrapes from this pod; None when no process would be running."""
        pod = self._pods.get((namespace, name))
        if pod is None:
            return None
        return exposition(self._replicas[pod.process], pod.settings, pod.started)

    def replace_pods(self, pods: Iterable[Pod]) -> None:
        """Take `pods` as all that run now: new processes start from nothing, and what the gone ones held is cut off."""
        before, self._pods = self._pods, {(pod.app.namespace, pod.name): pod for pod in pods}
        running = {pod.process for pod in self._pods.values()}
        for pod in before.values():
            if pod.process not in running:
                self._callers[pod.app].end("reset", self._replicas.pop(pod.process).held)
        for process in running:
            self._replicas.setdefault(process, Replica())

    def advance(self, dt: float) -> None:
        """Let `dt` seconds pass."""
        ready = Counter(pod.app for pod in self._pods.values() if pod.ready)
        for app, rate in self._rates.items():
            self._callers[app].send(rate * dt)
            if not ready[app]:
                self._callers[app].end("refused", rate * dt)
        for pod in self._pods.values():
            share = self._rates.get(pod.app, 0.0) / ready[pod.app] if pod.ready else 0.0
            self._step(pod, share, dt)

    def _step(self, pod: Pod, rate: float, dt: float) -> None:
        before = self._replicas[pod.process]
        after = self._model.advance(before, pod.settings, rate, dt)
        self._replicas[pod.process] = after
        for code in CODES:
            self._callers[pod.app].end(code, after.requests[code] - before.requests[code])


class Simulator:
    """Plays the shop for the pods of a kwok cluster: a clock, and an HTTP server on loopback; a context manager."""

    def __init__(self, pods: Callable[[], Iterable[Object]], *, patience: float = 2.0, say: Say = silence) -> None:
        """Play the pods that `pods` lists, as the API server gives them; callers wait `patience` seconds."""
        self._list = pods
        self._say = say
        self._shops = SimulatedShops(ShopModel(patience))
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._refused: set[str] = set()  # processes whose settings were found wrong, and said so
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.metrics))
        self._server.daemon_threads = True
        self._threads = [
            threading.Thread(target=self._server.serve_forever, name="simulator server", daemon=True),
            threading.Thread(target=self._keep_time, name="simulator clock", daemon=True),
        ]

    @property
    def address(self) -> str:
        """Host and port to scrape; the path is `metrics_path(namespace, pod)`."""
        return "{}:{}".format(*self._server.server_address[:2])

    def start(self) -> Self:
        """Begin to serve and to count, and return at once."""
        for thread in self._threads:
            thread.start()
        self._say(f"simulator: plays the pods' processes at http://{self.address}; no request is real")
        return self

    def stop(self) -> None:
        """End the server and the clock."""
        self._stopping.set()
        self._server.shutdown()
        for thread in self._threads:
            thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def set_rate(self, namespace: str, app: str, rps: float) -> None:
        """Spread `rps` requests per second over the ready pods of `namespace` that are labelled `app`."""
        with self._lock:
            self._shops.set_rate(App(namespace, app), rps)

    def wedge(self, namespace: str, pod: str) -> None:
        """Make the pod's process hang until it is replaced; LookupError when none runs."""
        with self._lock:
            self._shops.replace_pods(self._running())  # a pod that has just become ready is known at once
            self._shops.wedge(namespace, pod)

    def tally(self, namespace: str, app: str) -> Tally:
        """Return what the callers of `app` would have seen up to now."""
        with self._lock:
            return self._shops.tally(App(namespace, app))

    def metrics(self, namespace: str, pod: str) -> str | None:
        """Return what a scrape of this pod gives; None when no process would be running in it."""
        with self._lock:
            return self._shops.metrics(namespace, pod)

    def _keep_time(self) -> None:
        before = time.monotonic()
        while not self._stopping.wait(_STEP_SECONDS):
            now = time.monotonic()
            with self._lock:
                self._shops.replace_pods(self._running())
                self._shops.advance(now - before)
            before = now

    def _running(self) -> list[Pod]:
        return [pod for item in self._list() if (pod := self._read(item)) is not None]

    def _read(self, item: Object) -> Pod | None:
        try:
            return Pod.from_object(item)
        except ValueError as error:
            if (process := _process(item)) not in self._refused:
                self._refused.add(process)
                self._say(f"simulator: pod {item['metadata']['name']} would exit at start: {error}")
            return None


def metrics_path(namespace: str, pod: str) -> str:
    """Return where the simulator serves the series of a pod."""
    return f"/namespaces/{namespace}/pods/{pod}/metrics"


def _handler(metrics: Callable[[str, str], str | None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            match unquote(urlsplit(self.path).path).split("/"):
                case ["", "namespaces", namespace, "pods", pod, "metrics"]:
                    text = metrics(namespace, pod)
                case _:
                    text = None
            if text is None:
                self._answer(HTTPStatus.NOT_FOUND, f"Simulator: no process would be running at {self.path}.\n")
            else:
                self._answer(HTTPStatus.OK, text)

        def _answer(self, status: HTTPStatus, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the base class's
            """Say nothing: a scrape a second is no news."""

    return Handler
