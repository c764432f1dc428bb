"""A namespace for `salus init`: workloads behind an API server of values, and their series over days in a Prometheus.

Series carry what a usual Prometheus gives them, and no more: namespace, pod, container, job, instance, code, le.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from salus.model.meta import WorkloadKind
from tests.contract.preset_series import kube_state_metrics
from tests.contract.preset_states import Labels, Line, Place
from tests.contract.preset_words import Vocabulary
from tests.fakes.api import Api, served
from tests.fakes.cluster import FakeCluster
from tools.devcluster.prometheus import Prometheus
from tools.devcluster.remote_write import Series

STEP = 60
"""Seconds between two samples of the past."""
HOUR, DAY = 3600.0, 86_400.0
OF_A_POD = {"container": "main", "job": "shop/pods"}

Rate = Callable[[float], float]
"""Something per second, by how many seconds ago."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A counter over the past."""

    name: str
    labels: Labels
    rate: Rate

    def in_cluster(self, cluster: str) -> "Counted":
        """The same of another cluster."""
        return replace(self, labels={**self.labels, "cluster": cluster})


def counters(words: Vocabulary, place: Place, failing: Rate, per_second: float = 10.0) -> Iterator[Counted]:
    """Requests and how long they took, in the words of a vocabulary: 1 in 200 takes longer than its higher edge."""
    good, bad = words.status
    for labels in words.who(place):
        of_pod = {**OF_A_POD, **labels}
        yield Counted(words.counter, {**of_pod, **good}, lambda age: per_second * (1 - failing(age)))
        yield Counted(words.counter, {**of_pod, **bad}, lambda age: per_second * failing(age))
    for labels in words.timed(place):
        of_pod = {**OF_A_POD, **labels}
        if f"{words.histogram}_count" != words.counter:
            yield Counted(f"{words.histogram}_count", of_pod, lambda _: per_second)
        for edge, share in {words.edges[0]: 0.9, words.edges[1]: 0.995, "+Inf": 1.0}.items():
            yield Counted(f"{words.histogram}_bucket", {**of_pod, "le": edge}, _always(per_second * share))


def _always(per_second: float) -> Rate:
    return lambda _: per_second


def push(server: Prometheus, counted: Iterable[Counted], days: float) -> None:
    """Write counters over so many days, until now."""
    now = int(time.time()) // STEP * STEP
    ages = range(int(days * DAY), -1, -STEP)
    for one in counted:
        total, samples = 0.0, []
        for age in ages:
            total += one.rate(age) * STEP
            samples.append((float(now - age), total))
        server.push([Series(one.name, one.labels, tuple(samples))])


def push_levels(server: Prometheus, lines: Iterable[Line], days: float) -> None:
    """Write numbers that stay as they are over so many days."""
    now = int(time.time()) // STEP * STEP
    times = [float(now - age) for age in range(int(days * DAY), -1, -STEP)]
    server.push(Series(one.name, one.labels, tuple((at, one.value) for at in times)) for one in lines)


def scraped(server: Prometheus) -> None:
    """Say how often samples come."""
    now = int(time.time()) // STEP * STEP
    samples = tuple((float(now - age), 1.0) for age in range(900, -1, -STEP))
    server.push([Series("up", {"job": "shop/pods", "instance": "10.0.0.7:8080"}, samples)])


def of_cluster(place: Place) -> Sequence[Line]:
    """What kube-state-metrics shows of a workload that is well; pods are a cluster's by their uid."""
    return list(kube_state_metrics()(place))


# --- the cluster


def objects(place: Place, **spec: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 — of the workload
    """The workload, its pods and its Service."""
    labels, namespace = {"app": place.name}, place.namespace
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "shop:v1"}]}}
    counts = dict.fromkeys(
        ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas", "currentReplicas"), place.pods
    )
    scheduled = dict.fromkeys(
        ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "numberAvailable"), place.pods
    )
    counted = scheduled if place.kind is WorkloadKind.DAEMON_SET else counts
    yield {
        "apiVersion": "apps/v1",
        "kind": place.kind.value,
        "metadata": {
            "name": place.name,
            "namespace": namespace,
            "generation": 1,
            "uid": f"uid-of-{place.name}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"replicas": place.pods, "selector": {"matchLabels": labels}, "template": template, **spec},
        "status": {"observedGeneration": 1, **counted},
    }
    for index in range(place.pods):
        owner = {"kind": "ReplicaSet", "name": place.name, "controller": True}
        metadata = {
            "name": place.pod(index),
            "namespace": namespace,
            "labels": labels,
            "uid": f"uid-{place.name}-{index}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "ownerReferences": [owner],
        }
        status = {"phase": "Running", "podIP": f"10.0.0.{index + 7}"}
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {}, "status": status}
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": place.name, "namespace": namespace, "uid": f"uid-of-service-{place.name}"},
        "spec": {"selector": labels, "ports": [{"port": 80}]},
    }


@dataclass(frozen=True, slots=True)
class InitWorld:
    """What `salus init` meets."""

    server: Prometheus
    api: Api
    kubeconfig: Path

    def where(self, namespace: str) -> list[str]:
        """Options that lead there."""
        return ["-n", namespace, "--kubeconfig", str(self.kubeconfig), "--prometheus", self.server.url, "--utc"]

    def put(self, place: Place, *more: Mapping[str, Any], **spec: Any) -> None:  # noqa: ANN401
        """Have a workload."""
        for body in (*objects(place, **spec), *more):
            self.api.cluster.adopt(body)


@contextmanager
def an_init_world(server: Prometheus, folder: Path) -> Iterator[InitWorld]:
    """A cluster in which there is nothing yet."""
    api = Api(FakeCluster())
    with served(api, folder) as kubeconfig:
        yield InitWorld(server, api, kubeconfig)
