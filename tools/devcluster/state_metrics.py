"""The series of kube-state-metrics that Salus' presets read, under their real names and labels, and no others.

kube-state-metrics itself cannot be had as a Go module here. What is served is read from the API server by LIST and
watch, as the original does.
"""

from collections.abc import Iterable, Iterator
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tools.devcluster.api import Api, Mirror, Object
from tools.devcluster.workloads import controller

_PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")
_OWNER_LABELS = ("owner_kind", "owner_name", "owner_is_controller")


class StateMetrics(Collector):
    """An exporter on loopback; `address` is its host:port."""

    def __init__(self, api: Api) -> None:
        """Prepare to serve what `api` tells."""
        self._pods = Mirror(api, "/api/v1/pods")
        self._deployments = Mirror(api, "/apis/apps/v1/deployments")
        self._replica_sets = Mirror(api, "/apis/apps/v1/replicasets")
        self._server: WSGIServer | None = None
        self._thread: Thread | None = None

    @property
    def address(self) -> str:
        """Where it listens, once started."""
        if self._server is None:
            raise RuntimeError("the exporter is not started")
        return f"127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        """Begin to watch and to serve."""
        for mirror in (self._pods, self._deployments, self._replica_sets):
            mirror.start()
        registry = CollectorRegistry()
        registry.register(self)
        self._server, self._thread = start_http_server(0, "127.0.0.1", registry)

    def stop(self) -> None:
        """Stop serving and watching."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
        for mirror in (self._pods, self._deployments, self._replica_sets):
            mirror.stop()

    def collect(self) -> Iterable[Metric]:
        """Yield all series as of now."""
        yield from container_metrics(self._pods.objects())
        yield from pod_metrics(self._pods.objects())
        yield from deployment_metrics(self._deployments.objects())
        yield from replica_set_metrics(self._replica_sets.objects())

    def describe(self) -> Iterable[Metric]:
        """Spare the registry a collection before anything is known."""
        return ()


def container_metrics(pods: list[Object]) -> Iterator[Metric]:
    """Yield the series about containers."""
    labels = ("namespace", "pod", "uid", "container")
    restarts = CounterMetricFamily(
        "kube_pod_container_status_restarts_total", "Restarts of the container.", labels=labels
    )
    waiting = GaugeMetricFamily(
        "kube_pod_container_status_waiting_reason", "Why the container waits.", labels=(*labels, "reason")
    )
    terminated = GaugeMetricFamily(
        "kube_pod_container_status_last_terminated_reason",
        "Why the container ended the last time.",
        labels=(*labels, "reason"),
    )
    ready = GaugeMetricFamily("kube_pod_container_status_ready", "Whether the container is ready.", labels=labels)
    for pod in pods:
        for status in pod["status"].get("containerStatuses", ()):
            values = [*_pod_labels(pod), status["name"]]
            restarts.add_metric(values, status["restartCount"])
            ready.add_metric(values, status["ready"])
            if reason := status.get("state", {}).get("waiting", {}).get("reason"):
                waiting.add_metric([*values, reason], 1)
            if reason := status.get("lastState", {}).get("terminated", {}).get("reason"):
                terminated.add_metric([*values, reason], 1)
    yield from (restarts, waiting, terminated, ready)


def pod_metrics(pods: list[Object]) -> Iterator[Metric]:
    """Yield the series about pods."""
    labels = ("namespace", "pod", "uid")
    ready = GaugeMetricFamily("kube_pod_status_ready", "Whether the pod is ready.", labels=(*labels, "condition"))
    phase = GaugeMetricFamily("kube_pod_status_phase", "The pod's phase.", labels=(*labels, "phase"))
    unschedulable = GaugeMetricFamily(
        "kube_pod_status_unschedulable", "The scheduler found no node for the pod.", labels=labels
    )
    owner = GaugeMetricFamily("kube_pod_owner", "Who made the pod.", labels=(*labels, *_OWNER_LABELS))
    info = GaugeMetricFamily("kube_pod_info", "The pod, and where it runs.", labels=(*labels, "node", "pod_ip"))
    for pod in pods:
        values, conditions = _pod_labels(pod), _conditions(pod)
        owner.add_metric([*values, *_owner(pod)], 1)
        info.add_metric([*values, pod["spec"].get("nodeName", ""), pod["status"].get("podIP", "")], 1)
        for candidate in _PHASES:
            phase.add_metric([*values, candidate], pod["status"].get("phase") == candidate)
        if "Ready" in conditions:
            _add_condition(ready, values, conditions["Ready"]["status"])
        if conditions.get("PodScheduled", {}).get("reason") == "Unschedulable":
            unschedulable.add_metric(values, 1)
    yield from (ready, phase, unschedulable, owner, info)


def deployment_metrics(deployments: list[Object]) -> Iterator[Metric]:
    """Yield the series about Deployments."""
    labels = ("namespace", "deployment")
    for name, documentation, section, key in _DEPLOYMENT_NUMBERS:
        numbers = GaugeMetricFamily(f"kube_deployment_{name}", documentation, labels=labels)
        for deployment in deployments:
            numbers.add_metric(_name(deployment), deployment[section].get(key, 0))
        yield numbers
    condition = GaugeMetricFamily(
        "kube_deployment_status_condition",
        "The Deployment's conditions.",
        labels=(*labels, "condition", "reason", "status"),
    )
    for deployment in deployments:
        for kind, found in _conditions(deployment).items():
            _add_condition(condition, [*_name(deployment), kind, found.get("reason", "")], found["status"])
    yield condition


_DEPLOYMENT_NUMBERS = (
    ("spec_replicas", "Pods wanted.", "spec", "replicas"),
    ("status_replicas", "Pods there are.", "status", "replicas"),
    ("status_replicas_ready", "Pods that are ready.", "status", "readyReplicas"),
    ("status_replicas_available", "Pods that have been ready for long enough.", "status", "availableReplicas"),
    ("status_replicas_unavailable", "Pods missing to be available.", "status", "unavailableReplicas"),
    ("status_replicas_updated", "Pods of the newest template.", "status", "updatedReplicas"),
    ("status_observed_generation", "The generation that the controller has seen.", "status", "observedGeneration"),
    ("metadata_generation", "The generation of the wanted state.", "metadata", "generation"),
)


def replica_set_metrics(replica_sets: list[Object]) -> Iterator[Metric]:
    """Yield the series about ReplicaSets."""
    owner = GaugeMetricFamily(
        "kube_replicaset_owner", "Who made the ReplicaSet.", labels=("namespace", "replicaset", *_OWNER_LABELS)
    )
    for replica_set in replica_sets:
        owner.add_metric([*_name(replica_set), *_owner(replica_set)], 1)
    yield owner


def _name(item: Object) -> list[str]:
    return [item["metadata"]["namespace"], item["metadata"]["name"]]


def _pod_labels(pod: Object) -> list[str]:
    return [*_name(pod), pod["metadata"]["uid"]]


def _owner(item: Object) -> list[str]:
    owner = controller(item)
    return [owner["kind"], owner["name"], "true"] if owner else ["", "", ""]


def _conditions(item: Object) -> dict[str, Object]:
    return {condition["type"]: condition for condition in item["status"].get("conditions", ())}


def _add_condition(family: GaugeMetricFamily, labels: list[str], status: str) -> None:
    for candidate in ("true", "false", "unknown"):
        family.add_metric([*labels, candidate], status.lower() == candidate)
