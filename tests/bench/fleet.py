"""Many policies, each of a Deployment of its own, a hundred to a namespace, and fakes that are as quick with many."""

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from salus.core.objects.workloads import watched, workload_from
from salus.core.policy.promql import PART, VALUE_PART
from salus.model.meta import WorkloadKind
from salus.model.scalars import API_VERSION, Body
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Sample
from salus.model.values.objects import Workload
from salus.ports import DEPLOYMENTS, Labels, Ref, Resource
from salus.sources.prometheus import PrometheusSource
from salus.sources.settings import SourceSettings
from tests.builders import a_deployment_body
from tests.fakes.cluster import FakeCluster

A_NAMESPACE = 100
"""Policies."""
INTERVAL = 15
_TARGET = re.compile(r'deployment="([^"]+)"')


def policy_body(number: int) -> dict[str, Any]:
    """A policy with three checks and two remedies."""
    name, namespace = f"app-{number}", f"team-{number // A_NAMESPACE}"
    query = 'sum(rate({}{{namespace="$namespace",deployment="$target"}}[1m]))'
    return {
        "apiVersion": API_VERSION,
        "kind": "HealthPolicy",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{number}",
            "generation": 1,
            "creationTimestamp": "2026-11-01T00:00:00Z",
        },
        "spec": {
            "mode": "Enforce",
            "interval": f"{INTERVAL}s",
            "bake": "15s",
            "target": {"kind": "Deployment", "name": name},
            "checks": [
                {
                    "name": metric.replace("_", "-"),
                    "query": query.format(metric),
                    "unhealthy": {"above": "0.05"},
                    "for": "15s",
                }
                for metric in ("errors_total", "timeouts_total", "slow_requests_total")
            ],
            "remedies": [{"name": "restart", "restart": {}}, {"name": "page", "notify": {"severity": "critical"}}],
            "verify": {"settle": "5s", "stable": "15s", "timeout": "30s"},
        },
    }


@dataclass(slots=True)
class Servers(FakeCluster):
    """A FakeCluster that counts, and rolls out at once."""

    requests: Counter[str] = field(default_factory=Counter)

    async def get(self, ref: Ref) -> Body:
        self.requests["get"] += 1
        return await FakeCluster.get(self, ref)

    async def list(self, resource: Resource, namespace: str | None, labels: Labels | None = None) -> list[Body]:
        self.requests["list"] += 1
        return await FakeCluster.list(self, resource, namespace, labels)

    async def each(
        self, resource: Resource, namespace: str | None, labels: Labels | None = None
    ) -> AsyncIterator[Body]:
        self.requests["list"] += 1
        async for body in FakeCluster.each(self, resource, namespace, labels):
            yield body

    def perform(self, write: Any, effect: Any) -> Body:  # noqa: ANN401 — handed on
        self.requests["write"] += 1
        result = FakeCluster.perform(self, write, effect)
        self.writes.clear()
        return result

    def keep(self, ref: Ref, old: dict[str, Any], new: dict[str, Any], manager: str = "") -> dict[str, Any]:
        stored = FakeCluster.keep(self, ref, old, new, manager)
        if ref.resource == DEPLOYMENTS:
            stored["status"]["observedGeneration"] = stored["metadata"]["generation"]
        return stored


@dataclass(slots=True)
class Seen:
    """The port `Workloads`: each as it was read once, as an informer has them."""

    workloads: dict[TargetKey, Workload] = field(default_factory=dict)

    def put(self, body: Body) -> None:
        """Take in a Deployment."""
        workload = watched(workload_from(body))
        self.workloads[workload.key] = workload

    def get(self, key: TargetKey) -> Workload | None:
        """The workload, or None."""
        return self.workloads.get(key)

    def select(self, namespace: str, kind: WorkloadKind, labels: Mapping[str, str]) -> Sequence[Workload]:
        """Nobody here has a selector."""
        raise NotImplementedError


class Canned(PrometheusSource):
    """A real source but for the network: healthy, but for the targets of `unhealthy`. Both metric ports."""

    def __init__(self, now: Any) -> None:  # noqa: ANN401 — a clock
        super().__init__(SourceSettings(name="default", url="http://127.0.0.1:9"))
        self.now = now
        self.unhealthy: set[str] = set()
        self.asked = 0

    async def _post(self, request: Any, query: str) -> tuple[int, bytes]:  # noqa: ANN401, ARG002
        self.asked += 1
        found = _TARGET.search(query)
        value = "0.3" if found and found[1] in self.unhealthy else "0.01"
        at = self.now().timestamp()
        said = {VALUE_PART: value, "0": f"{at:.3f}"}
        result = [{"metric": {PART: part}, "value": [at, text]} for part, text in said.items()]
        return 200, json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()

    async def samples(self, *_: object) -> Sequence[Sample]:
        """This Prometheus is new."""
        return ()


def deployment(number: int) -> dict[str, Any]:
    """The target of the policy with this number."""
    body = a_deployment_body(name=f"app-{number}", uid=f"uid-of-app-{number}")
    body["metadata"]["namespace"] = f"team-{number // A_NAMESPACE}"
    return body
