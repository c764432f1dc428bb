"""The servers that are asked, by the name in `$SALUS_TEST_SOURCE`; without it the Prometheus that is at hand."""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from tools.devcluster.programs import find, newest_prometheus
from tools.devcluster.prometheus import Prometheus
from tools.devcluster.remote_write import Series
from tools.devcluster.sources import Thanos, VictoriaMetrics

CHOSEN = "SALUS_TEST_SOURCE"


class Server(Protocol):
    """What answers PromQL, and takes what tests write."""

    @property
    def url(self) -> str:
        """Where its HTTP API is."""
        ...

    def start(self) -> None:
        """Start it and wait until it answers."""
        ...

    def stop(self) -> None:
        """Stop it."""
        ...

    def push(self, series: Iterable[Series]) -> None:
        """Write into it; what was written can be asked for at once."""
        ...


Made = Callable[[Path, str], Server]
"""By the folder of its data, and how far back samples may be that are written out of order."""


def _at_hand(folder: Path, out_of_order: str) -> Prometheus:
    return Prometheus(find(["prometheus"])["prometheus"], folder, out_of_order=out_of_order)


def _newest(folder: Path, out_of_order: str) -> Prometheus:
    return Prometheus(newest_prometheus(), folder, out_of_order=out_of_order)


def _thanos(folder: Path, out_of_order: str) -> Thanos:
    return Thanos(find(["thanos"])["thanos"], _at_hand(folder, out_of_order))


def _victoriametrics(folder: Path, _: str) -> VictoriaMetrics:
    return VictoriaMetrics(find(["victoria-metrics"])["victoria-metrics"], folder)


SERVERS: Mapping[str, Made] = {
    "prometheus": _at_hand,
    "prometheus-3": _newest,
    "thanos": _thanos,
    "victoriametrics": _victoriametrics,
}


def chosen() -> str:
    """The server that this run asks."""
    return os.environ.get(CHOSEN, "prometheus")


def started(folder: Path, out_of_order: str = "48h") -> Server:
    """It, running, with its data in `folder`; what is written may be so old."""
    server = SERVERS[chosen()](folder, out_of_order)
    server.start()
    return server
