"""A Prometheus on loopback whose every query has one answer all the time: 0 below `/well`, 9 below `/ill`."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from tests.fakes.prometheus import serving

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


def prometheus_served() -> AbstractContextManager[str]:
    """Its URL, to which `/well` or `/ill` is added."""
    return serving(answer)
