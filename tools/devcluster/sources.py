"""What is asked in Prometheus' own words and is none: VictoriaMetrics, and Thanos over a Prometheus, on loopback.

They take the place of `prometheus.Prometheus` in tests: each has a `url`, takes `push`, and is started and stopped.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import requests

from tools.devcluster.processes import PATIENCE, Process, free_port
from tools.devcluster.prometheus import Prometheus, is_ok, write_remotely
from tools.devcluster.remote_write import Series

_HTTP_SECONDS = 30


@dataclass
class VictoriaMetrics:
    """A single node, which shows what was written at once."""

    program: Path
    run_dir: Path
    port: int = field(default_factory=free_port)
    _process: Process | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Where its HTTP API is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        flags = [
            f"-storageDataPath={self.run_dir / 'victoriametrics'}",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-search.latencyOffset=0s",
            "-retentionPeriod=30d",
        ]
        log = self.run_dir / "victoriametrics.log"
        self._process = Process.start("victoria-metrics", [self.program, *flags], log=log)
        self._process.wait_ready(lambda: is_ok(f"{self.url}/health"), timeout=PATIENCE)

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def push(self, series: Iterable[Series]) -> None:
        """Write `series` into it; they can be asked for at once."""
        write_remotely(self.url, series)
        requests.get(f"{self.url}/internal/force_flush", timeout=_HTTP_SECONDS).raise_for_status()


@dataclass
class Thanos:
    """A querier that reads one Prometheus by its sidecar."""

    program: Path
    prometheus: Prometheus
    port: int = field(default_factory=free_port)
    _processes: list[Process] = field(default_factory=list, repr=False)

    @property
    def url(self) -> str:
        """Where the querier's HTTP API is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start all three and wait until the querier has found the sidecar."""
        self.prometheus.start()
        folder, (grpc, http, querier) = self.prometheus.run_dir, (free_port(), free_port(), free_port())
        sidecar = [
            "sidecar",
            f"--prometheus.url={self.prometheus.url}",
            f"--tsdb.path={folder / 'prometheus'}",
            f"--grpc-address=127.0.0.1:{grpc}",
            f"--http-address=127.0.0.1:{http}",
        ]
        query = [
            "query",
            f"--endpoint-strict=127.0.0.1:{grpc}",
            f"--http-address=127.0.0.1:{self.port}",
            f"--grpc-address=127.0.0.1:{querier}",
            "--query.replica-label=replica",
        ]
        self._start("thanos-sidecar", sidecar, f"http://127.0.0.1:{http}/-/ready")
        self._start("thanos-query", query, f"{self.url}/-/ready")
        self._processes[-1].wait_ready(self._knows_its_store, timeout=PATIENCE)

    def stop(self) -> None:
        """Stop all three."""
        while self._processes:
            self._processes.pop().stop()
        self.prometheus.stop()

    def push(self, series: Iterable[Series]) -> None:
        """Write `series` into its Prometheus; they can be asked for at once."""
        self.prometheus.push(series)

    def _start(self, name: str, arguments: list[str], ready: str) -> None:
        log = self.prometheus.run_dir / f"{name}.log"
        process = Process.start(name, [self.program, *arguments], log=log)
        self._processes.append(process)
        process.wait_ready(lambda: is_ok(ready), timeout=PATIENCE)

    def _knows_its_store(self) -> bool:
        said = requests.get(f"{self.url}/api/v1/stores", timeout=_HTTP_SECONDS).json()["data"]
        return any(store["lastError"] is None for store in said.get("sidecar") or ())
