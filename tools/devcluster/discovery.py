"""Prometheus' list of pods to scrape, kept current from the API server.

Pods say that they want it by the customary annotations `prometheus.io/scrape`, `/port` and `/path`. Where kwok
plays the pods, nothing listens at their addresses, so Prometheus is sent to the simulator, if there is one. Series
carry what they do in a usual cluster: the pod and its namespace, and no label that names the workload.
"""

import json
import threading
from collections.abc import Iterable
from pathlib import Path

from tools.devcluster.api import Api, Mirror, Object

_PAUSE_SECONDS = 0.3  # between two writings of the file, however many pods change


class Discovery:
    """Writes the running pods of the cluster into a file_sd file whenever they change."""

    def __init__(self, api: Api, file: Path, *, real_pods: bool) -> None:
        """Write to `file`; `real_pods` tells whether pods listen at their own addresses."""
        self._file = file
        self._real_pods = real_pods
        self._simulator: str | None = None
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._pods = Mirror(api, "/api/v1/pods", on_change=self._changed.set)
        self._thread = threading.Thread(target=self._run, name="discovery", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._pods.start()
        self._thread.start()

    def stop(self) -> None:
        """Stop writing; the file stays as it is."""
        self._stopping.set()
        self._changed.set()
        self._pods.stop()
        self._thread.join()

    def pods(self) -> list[Object]:
        """Return all pods as last seen."""
        return self._pods.objects()

    def use_simulator(self, address: str | None) -> None:
        """Have pods scraped from the simulator at `address` (host:port); without one, only real pods are scraped."""
        self._simulator = address
        self._changed.set()

    def _run(self) -> None:
        while not self._stopping.wait(_PAUSE_SECONDS):
            self._changed.wait()
            self._changed.clear()
            scraped = self._pods.objects() if self._real_pods or self._simulator else []
            self._write(targets(scraped, simulator=self._simulator))

    def _write(self, groups: list[Object]) -> None:
        draft = self._file.with_suffix(".draft")
        draft.write_text(json.dumps(groups))
        draft.replace(self._file)


def targets(pods: Iterable[Object], *, simulator: str | None = None) -> list[Object]:
    """Return the file_sd target groups for those of `pods` that run and want to be scraped."""
    return [_target(pod, simulator) for pod in pods if _wants_scraping(pod)]


def _wants_scraping(pod: Object) -> bool:
    annotations = pod["metadata"].get("annotations", {})
    runs = pod["status"].get("phase") == "Running" and "podIP" in pod["status"]
    return runs and annotations.get("prometheus.io/scrape") == "true" and "prometheus.io/port" in annotations


def _target(pod: Object, simulator: str | None) -> Object:
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    annotations = pod["metadata"]["annotations"]
    address = f"{pod['status']['podIP']}:{annotations['prometheus.io/port']}"
    played_path = f"/namespaces/{namespace}/pods/{name}/metrics"
    path = played_path if simulator else annotations.get("prometheus.io/path", "/metrics")
    labels = {"namespace": namespace, "pod": name, "instance": address, "__metrics_path__": path}
    return {"targets": [simulator or address], "labels": labels}
