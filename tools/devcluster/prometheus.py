"""A real Prometheus, and an Alertmanager when asked for, on loopback.

Targets come from files in `targets/`, which `discovery` and `state_metrics` keep, since Debian's Prometheus is
built without Kubernetes discovery. A new target is scraped within about six seconds (Prometheus takes up changes
every five); tests that cannot wait push.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import yaml

from tools.devcluster.processes import PATIENCE, Process, free_port
from tools.devcluster.remote_write import Series, encode

_HTTP_SECONDS = 30


@dataclass
class Prometheus:
    """A Prometheus that keeps its port and its data when stopped and started again."""

    program: Path
    run_dir: Path
    scrape_interval: str = "1s"
    rule_files: tuple[Path, ...] = ()
    alertmanager_url: str | None = None
    listen_address: str = "127.0.0.1"
    out_of_order: str = "48h"
    """How old history may be that is pushed."""
    port: int = field(default_factory=free_port)
    _process: Process | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.targets.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """Where its HTTP API is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def targets(self) -> Path:
        """The folder of the file_sd files: `pods.json`, and `kube-state-metrics.json`."""
        return self.run_dir / "targets"

    def processes(self) -> list[Process]:
        """Return the running process, if any."""
        return [self._process] if self._process else []

    def start(self) -> None:
        """Start it and wait until it answers."""
        config = self.run_dir / "prometheus.yaml"
        config.write_text(yaml.safe_dump(self._config(), sort_keys=False))
        flags = [
            f"--config.file={config}",
            f"--storage.tsdb.path={self.run_dir / 'prometheus'}",
            f"--web.listen-address={self.listen_address}:{self.port}",
            "--web.enable-remote-write-receiver",
            "--web.enable-lifecycle",
        ]
        self._process = Process.start("prometheus", [self.program, *flags], log=self.run_dir / "prometheus.log")
        self._process.wait_ready(lambda: is_ok(f"{self.url}/-/ready"), timeout=PATIENCE)

    def stop(self) -> None:
        """Stop it; port and data are kept for the next start."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def add_target(self, job: str, address: str) -> None:
        """Have `job` scrape the one target at `address` (host:port)."""
        (self.targets / f"{job}.json").write_text(json.dumps([{"targets": [address]}]))

    def push(self, series: Iterable[Series]) -> None:
        """Write `series` into it; they can be asked for at once.

        Raises:
            requests.HTTPError: Prometheus refused, as for a sample older than `out_of_order`.

        """
        write_remotely(self.url, series)

    def query(self, promql: str) -> list[dict[str, Any]]:
        """Return the vector that `promql` gives now."""
        answer = requests.post(f"{self.url}/api/v1/query", data={"query": promql}, timeout=_HTTP_SECONDS)
        answer.raise_for_status()
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return result

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            "global": {
                "scrape_interval": self.scrape_interval,
                "scrape_timeout": self.scrape_interval,
                "evaluation_interval": self.scrape_interval,
            },
            "storage": {"tsdb": {"out_of_order_time_window": self.out_of_order}},
            "rule_files": [str(path) for path in self.rule_files],
            "scrape_configs": [self._job("pods"), {**self._job("kube-state-metrics"), "honor_labels": True}],
        }
        if self.alertmanager_url:
            address = self.alertmanager_url.removeprefix("http://")
            config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [address]}]}]}
        return config

    def _job(self, name: str) -> dict[str, Any]:
        return {"job_name": name, "file_sd_configs": [{"files": [str(self.targets / f"{name}.json")]}]}


@dataclass
class Alertmanager:
    """An Alertmanager that keeps every alert to itself."""

    program: Path
    run_dir: Path
    port: int = field(default_factory=free_port)
    _process: Process | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Where its HTTP API is."""
        return f"http://127.0.0.1:{self.port}"

    def processes(self) -> list[Process]:
        """Return the running process, if any."""
        return [self._process] if self._process else []

    def start(self) -> None:
        """Start it and wait until it answers."""
        config = self.run_dir / "alertmanager.yaml"
        config.write_text(yaml.safe_dump({"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}))
        flags = [
            f"--config.file={config}",
            f"--storage.path={self.run_dir / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
        ]
        self._process = Process.start("alertmanager", [self.program, *flags], log=self.run_dir / "alertmanager.log")
        self._process.wait_ready(lambda: is_ok(f"{self.url}/-/ready"), timeout=PATIENCE)

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.stop()
            self._process = None


def write_remotely(url: str, series: Iterable[Series]) -> None:
    """Write `series` to whatever takes Prometheus' remote write. Raises requests.HTTPError where it refuses."""
    answer = requests.post(
        f"{url}/api/v1/write",
        data=encode(series),
        headers={
            "Content-Encoding": "snappy",
            "Content-Type": "application/x-protobuf",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        },
        timeout=_HTTP_SECONDS,
    )
    answer.raise_for_status()


def is_ok(url: str) -> bool:
    """Whether somebody answers there, and well."""
    try:
        return requests.get(url, timeout=_HTTP_SECONDS).ok
    except requests.RequestException:
        return False
