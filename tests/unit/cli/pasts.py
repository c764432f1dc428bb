"""A Prometheus that knows a stage's cluster, and tells the past that a test has it tell."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from tests.unit.cli.played import PlayedPrometheus, a_pod, matrix, vector
from tests.unit.stage import NAMESPACE, Stage

POD = f"{NAMESPACE}/checkout-7d9f8c6b5-x2x4z"


def that_knows(stage: Stage, value: Callable[[datetime], float | None], fragment: str = "errors") -> PlayedPrometheus:
    """Queries with `fragment` in them had this value at each time; None: none."""
    pod = a_pod(POD)
    stage.cluster.put(pod)
    namespace, name = POD.split("/")
    labels = {"__name__": "kube_pod_info", "namespace": namespace, "pod": name, "pod_ip": pod["status"]["podIP"]}
    prometheus = PlayedPrometheus()
    prometheus.say("/api/v1/query", vector({}), "1")
    prometheus.say("/api/v1/query", vector(labels), "kube_pod_info")
    prometheus.say("/api/v1/query_range", lambda asked: _over(asked, value), fragment)
    return prometheus


def _over(asked: Mapping[str, str], value: Callable[[datetime], float | None]) -> Any:  # noqa: ANN401 — JSON
    start, end, step = (float(asked[one]) for one in ("start", "end", "step"))
    moments = (start + index * step for index in range(int((end - start) / step) + 1))
    told = {at: found for at in moments if (found := value(datetime.fromtimestamp(at, UTC))) is not None}
    return matrix({}, told)
