"""A Prometheus of values for whole commands, in a thread of its own: it says the same at all times."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.serving import Asked, answering

_NAMES = "/api/v1/label/__name__/values"
_QUERY, _RANGE, _SERIES = (f"/api/v1/{path}" for path in ("query", "query_range", "series"))
_NOTHING: Mapping[str, Any] = {"resultType": "vector", "result": []}


Data = Callable[[str, Mapping[str, str]], Any]
"""Of a reply, by its path and what is asked; None: there is no such API."""


@dataclass(slots=True)
class Steady:
    """Answers that do not change, each by a fragment of what is asked; the first that is in it counts."""

    names: dict[str, Sequence[str]] = field(default_factory=dict)
    """Of metrics."""
    series: dict[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)
    now: dict[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)
    """Series of instant queries, each 1."""
    past: dict[str, Mapping[str, float]] = field(default_factory=dict)
    """Of range queries, by the label `le` (empty: none)."""
    begins: float = 0.0
    """Nothing is older than this."""
    asked: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, path: str, said: Mapping[str, str]) -> Any:  # noqa: ANN401 — JSON
        """The data of an answer."""
        text = said.get("query", said.get("match[]", ""))
        self.asked.append((path, text))
        match path:
            case _ if path == _NAMES:
                return list(_first(self.names, text) or ())
            case _ if path == _SERIES:
                return list(_first(self.series, text) or ())
            case _ if path == _QUERY:
                found = _first(self.now, text) or ()
                return {"resultType": "vector", "result": [{"metric": one, "value": [0, "1"]} for one in found]}
            case _ if path == _RANGE:
                return {"resultType": "matrix", "result": [*self._matrix(text, said)]}
        return {}

    def _matrix(self, text: str, said: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        start, end, step = (_seconds(said[one]) for one in ("start", "end", "step"))
        points = int((end - start) // step) + 1
        times = [at for index in range(points) if (at := start + index * step) >= self.begins]
        for label, value in (_first(self.past, text) or {}).items():
            if times:
                yield {"metric": {"le": label} if label else {}, "values": [[at, str(value)] for at in times]}


def _seconds(text: str) -> float:
    """As range queries have them: a number, or with a unit."""
    return float(re.sub(r"s$", "", text))


def _first(answers: Mapping[str, Any], text: str) -> Any:  # noqa: ANN401 — whatever is there
    return next((one for fragment, one in answers.items() if fragment in text), None)


@contextmanager
def serving(data: Data) -> Iterator[str]:
    """The URL of a Prometheus that gives these data."""

    def answer(one: Asked) -> tuple[int, object]:
        parts = urlsplit(one.path)
        said = {**parse_qs(parts.query), **parse_qs(one.body.decode())}
        found = data(parts.path, {name: values[0] for name, values in said.items()})
        return (404, b"404 not found") if found is None else (200, {"status": "success", "data": found})

    with answering(answer) as url:
        yield url


def a_shop(namespace: str, workload: str, pod: str, uid: str) -> Steady:
    """What is known of a service whose requests are counted, and which is well: one in a thousand fails."""
    of_pod = {"namespace": namespace, "pod": pod, "container": "main", "job": "pods", "instance": "10.0.0.7:80"}
    states = ("kube_deployment_status_replicas_available", "kube_deployment_spec_replicas")
    return Steady(
        names={
            f'deployment="{workload}"': states,
            'destination_workload="': (),
            '{namespace="': ("http_requests_total", "http_request_duration_seconds_bucket", "kube_pod_info"),
        },
        series={"http_requests_total": [{**of_pod, "code": code} for code in ("200", "500")]},
        now={"kube_pod_info": [{"namespace": namespace, "pod": pod, "uid": uid}], "count by": [of_pod]},
        past={
            "sum by (le)": {"0.25": 9.0, "0.5": 9.99, "+Inf": 10.0},
            "http_requests_total{": {"": 0.001},
            "http_request_duration_seconds": {"": 0.001},
            "waiting_reason": {"": 0.0},
            "kube_deployment": {"": 1.0},
        },
    )
