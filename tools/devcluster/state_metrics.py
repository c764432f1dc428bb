"""The series of kube-state-metrics that Salus' presets read, under their real names and labels, and no others.

kube-state-metrics itself cannot be had as a Go module here. What is served is read from the API server by LIST and
watch, as the original does.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
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
        self._mirrors = {path: Mirror(api, path) for path in FAMILIES}
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
        for mirror in self._mirrors.values():
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
        for mirror in self._mirrors.values():
            mirror.stop()

    def collect(self) -> Iterable[Metric]:
        """Yield all series as of now."""
        for path, mirror in self._mirrors.items():
            for metrics in FAMILIES[path]:
                yield from metrics(mirror.objects())

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
    limits = GaugeMetricFamily(
        "kube_pod_container_resource_limits", "How much it may have.", labels=(*labels, "node", "resource", "unit")
    )
    for pod in pods:
        for container in pod["spec"].get("containers", ()):
            values = [*_pod_labels(pod), container["name"], pod["spec"].get("nodeName", "")]
            for resource, limit in container.get("resources", {}).get("limits", {}).items():
                limits.add_metric([*values, resource, _UNITS.get(resource, "integer")], quantity(limit))
        for status in pod["status"].get("containerStatuses", ()):
            values = [*_pod_labels(pod), status["name"]]
            restarts.add_metric(values, status["restartCount"])
            ready.add_metric(values, status["ready"])
            if reason := status.get("state", {}).get("waiting", {}).get("reason"):
                waiting.add_metric([*values, reason], 1)
            if reason := status.get("lastState", {}).get("terminated", {}).get("reason"):
                terminated.add_metric([*values, reason], 1)
    yield from (restarts, waiting, terminated, ready, limits)


_UNITS = {"cpu": "core", "memory": "byte"}
_SUFFIX = re.compile(r"(?P<number>[0-9.]+(?:[eE][0-9]+)?)(?P<suffix>m|[kMGTPE]|[KMGTPE]i)?")


def quantity(text: str) -> float:
    """What Kubernetes writes as `500m` or `64Mi`."""
    found = _SUFFIX.fullmatch(str(text))
    if found is None:
        raise ValueError(f"{text!r} is no quantity")
    suffix = found["suffix"] or ""
    if suffix == "m":
        return float(found["number"]) / 1000
    power = "kMGTPE".index(suffix[0].replace("K", "k")) + 1 if suffix else 0
    return float(found["number"]) * (1024.0 if suffix.endswith("i") else 1000.0) ** power


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
    start = GaugeMetricFamily("kube_pod_start_time", "When a kubelet took it, in Unix seconds.", labels=labels)
    deletion = GaugeMetricFamily("kube_pod_deletion_timestamp", "When it is to be gone.", labels=labels)
    claims = GaugeMetricFamily(
        "kube_pod_spec_volumes_persistentvolumeclaims_info",
        "The claims that it mounts.",
        labels=(*labels, "volume", "persistentvolumeclaim"),
    )
    for pod in pods:
        values, conditions = _pod_labels(pod), _conditions(pod)
        _add_moment(start, values, pod["status"].get("startTime"))
        _add_moment(deletion, values, pod["metadata"].get("deletionTimestamp"))
        for volume in pod["spec"].get("volumes", ()):
            if claim := volume.get("persistentVolumeClaim", {}).get("claimName"):
                claims.add_metric([*values, volume["name"], claim], 1)
        owner.add_metric([*values, *_owner(pod)], 1)
        info.add_metric([*values, pod["spec"].get("nodeName", ""), pod["status"].get("podIP", "")], 1)
        for candidate in _PHASES:
            phase.add_metric([*values, candidate], pod["status"].get("phase") == candidate)
        if "Ready" in conditions:
            _add_condition(ready, values, conditions["Ready"]["status"])
        if conditions.get("PodScheduled", {}).get("reason") == "Unschedulable":
            unschedulable.add_metric(values, 1)
    yield from (ready, phase, unschedulable, owner, info, start, deletion, claims)


def deployment_metrics(deployments: list[Object]) -> Iterator[Metric]:
    """Yield the series about Deployments."""
    labels = ("namespace", "deployment")
    yield from _numbers("kube_deployment", labels, _DEPLOYMENT_NUMBERS, deployments)
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
    labels = ("namespace", "replicaset")
    size = GaugeMetricFamily("kube_replicaset_spec_replicas", "Pods wanted.", labels=labels)
    created = GaugeMetricFamily("kube_replicaset_created", "When it was made, in seconds.", labels=labels)
    for replica_set in replica_sets:
        owner.add_metric([*_name(replica_set), *_owner(replica_set)], 1)
        size.add_metric(_name(replica_set), replica_set["spec"].get("replicas", 0))
        made = datetime.fromisoformat(replica_set["metadata"]["creationTimestamp"])
        created.add_metric(_name(replica_set), made.timestamp())
    yield from (owner, size, created)


def stateful_set_metrics(stateful_sets: list[Object]) -> Iterator[Metric]:
    """Yield the series about StatefulSets."""
    labels = ("namespace", "statefulset")
    yield from _numbers("kube_statefulset", labels, _STATEFUL_SET_NUMBERS, stateful_sets)
    for name, key in (("current", "currentRevision"), ("update", "updateRevision")):
        revision = GaugeMetricFamily(
            f"kube_statefulset_status_{name}_revision", "A template that its pods have.", labels=(*labels, "revision")
        )
        for one in stateful_sets:
            revision.add_metric([*_name(one), one["status"].get(key, "")], 1)
        yield revision


_STATEFUL_SET_NUMBERS = (
    ("replicas", "Pods wanted.", "spec", "replicas"),
    ("status_replicas", "Pods there are.", "status", "replicas"),
    ("status_replicas_available", "Pods that have been ready for long enough.", "status", "availableReplicas"),
    ("status_replicas_updated", "Pods of the newest template.", "status", "updatedReplicas"),
)


def daemon_set_metrics(daemon_sets: list[Object]) -> Iterator[Metric]:
    """Yield the series about DaemonSets."""
    yield from _numbers("kube_daemonset", ("namespace", "daemonset"), _DAEMON_SET_NUMBERS, daemon_sets)


_DAEMON_SET_NUMBERS = (
    ("status_desired_number_scheduled", "Nodes that should have a pod.", "status", "desiredNumberScheduled"),
    ("status_current_number_scheduled", "Nodes that have one.", "status", "currentNumberScheduled"),
    ("status_number_available", "Nodes with one that is available.", "status", "numberAvailable"),
    ("status_updated_number_scheduled", "Nodes with one of the newest template.", "status", "updatedNumberScheduled"),
    ("metadata_generation", "The generation of the wanted state.", "metadata", "generation"),
)


def autoscaler_metrics(autoscalers: list[Object]) -> Iterator[Metric]:
    """Yield the series about HorizontalPodAutoscalers."""
    labels, prefix = ("namespace", "horizontalpodautoscaler"), "kube_horizontalpodautoscaler"
    yield from _numbers(prefix, labels, _AUTOSCALER_NUMBERS, autoscalers)
    target = tuple(f"scaletargetref_{word}" for word in ("api_version", "kind", "name"))
    info = GaugeMetricFamily(f"{prefix}_info", "What it scales.", labels=(*labels, *target))
    for one in autoscalers:
        of = one["spec"]["scaleTargetRef"]
        info.add_metric([*_name(one), of.get("apiVersion", ""), of["kind"], of["name"]], 1)
    yield info


_AUTOSCALER_NUMBERS = (
    ("status_current_replicas", "Pods it has seen.", "status", "currentReplicas"),
    ("spec_max_replicas", "Pods at most.", "spec", "maxReplicas"),
    ("spec_min_replicas", "Pods at least.", "spec", "minReplicas"),
)


def node_metrics(nodes: list[Object]) -> Iterator[Metric]:
    """Yield the series about nodes."""
    condition = GaugeMetricFamily(
        "kube_node_status_condition", "The node's conditions.", labels=("node", "condition", "status")
    )
    for node in nodes:
        for kind, found in _conditions(node).items():
            _add_condition(condition, [node["metadata"]["name"], kind], found["status"])
    yield condition


FAMILIES: Mapping[str, Sequence[Callable[[list[Object]], Iterator[Metric]]]] = {
    "/api/v1/pods": (container_metrics, pod_metrics),
    "/apis/apps/v1/deployments": (deployment_metrics,),
    "/apis/apps/v1/replicasets": (replica_set_metrics,),
    "/apis/apps/v1/statefulsets": (stateful_set_metrics,),
    "/apis/apps/v1/daemonsets": (daemon_set_metrics,),
    "/apis/autoscaling/v2/horizontalpodautoscalers": (autoscaler_metrics,),
    "/api/v1/nodes": (node_metrics,),
}
"""What is told of each collection of the API server."""


def _numbers(
    prefix: str, labels: Sequence[str], numbers: Sequence[tuple[str, str, str, str]], items: list[Object]
) -> Iterator[Metric]:
    """One family for each number, which stands in a section of the object by some key."""
    for name, documentation, section, key in numbers:
        family = GaugeMetricFamily(f"{prefix}_{name}", documentation, labels=labels)
        for item in items:
            family.add_metric(_name(item), item[section].get(key, 0))
        yield family


def _add_moment(family: GaugeMetricFamily, labels: list[str], moment: str | None) -> None:
    if moment:
        family.add_metric(labels, datetime.fromisoformat(moment).timestamp())


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
