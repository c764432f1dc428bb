"""The callers of the shop, and the hand that wedges one of its processes: real ones, or the simulator's.

Both are the same to the story; where kwok plays the pods, no request is sent and no process hangs.
"""

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Protocol, Self

import requests

from examples.shop.load import Load, Tally
from tools.devcluster.api import Object
from tools.devcluster.cluster import DevCluster
from tools.devcluster.progress import Say
from tools.devcluster.simulator import Simulator

_PATIENCE_SECONDS = 2.0
_HTTP_SECONDS = 5
_STOP_SECONDS = 10.0


class Traffic(Protocol):
    """Callers at a steady rate; a context manager."""

    @property
    def tally(self) -> Tally:
        """What the callers saw up to now."""
        ...

    def set_rate(self, rps: float) -> None:
        """Send `rps` requests per second from now on."""
        ...

    def wedge(self, pod: Object) -> None:
        """Make the process in `pod` hang until it is restarted."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class RealTraffic:
    """Requests over HTTP to a Service's address, from a thread of their own."""

    def __init__(self, url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="callers", daemon=True)
        self._load = Load(url, rate=0, timeout=_PATIENCE_SECONDS)

    @property
    def tally(self) -> Tally:
        """What the callers saw up to now."""
        return self._load.tally

    def set_rate(self, rps: float) -> None:
        """Send `rps` requests per second from now on."""
        self._loop.call_soon_threadsafe(self._load.set_rate, rps)

    def wedge(self, pod: Object) -> None:
        """Ask the process in `pod` to hang."""
        port = pod["metadata"]["annotations"]["prometheus.io/port"]
        url = f"http://{pod['status']['podIP']}:{port}/admin/wedge"
        requests.post(url, timeout=_HTTP_SECONDS).raise_for_status()

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._load.start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._do(self._load.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, object]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_STOP_SECONDS)


class SimulatedTraffic:
    """What the callers of one app would see if its pods, which kwok plays, ran anything."""

    def __init__(self, cluster: DevCluster, namespace: str, app: str, say: Say) -> None:
        self._cluster = cluster
        self._namespace, self._app = namespace, app
        self._simulator = Simulator(cluster.pods, patience=_PATIENCE_SECONDS, say=say)

    @property
    def tally(self) -> Tally:
        """What the callers would have seen up to now."""
        return self._simulator.tally(self._namespace, self._app)

    def set_rate(self, rps: float) -> None:
        """Let `rps` requests per second arrive from now on."""
        self._simulator.set_rate(self._namespace, self._app, rps)

    def wedge(self, pod: Object) -> None:
        """Let the process that would run in `pod` hang."""
        self._simulator.wedge(self._namespace, pod["metadata"]["name"])

    def __enter__(self) -> Self:
        self._simulator.start()
        self._cluster.use_simulator(self._simulator.address)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._cluster.use_simulator(None)
        self._simulator.stop()
