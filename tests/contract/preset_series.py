"""The series of exporters for a workload, as `preset_states.Rows`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from salus.model.meta import WorkloadKind
from tests.contract.preset_states import DEPLOYMENT, Labels, Line, Place, Rows

PER_SECOND = 10.0
"""Requests of each series."""

Who = Callable[[Place], Sequence[Labels]]
"""The labels of the series that count a workload's requests, but for those that tell of the requests."""
Status = tuple[Labels, Labels]
"""The labels of a request that went well, and of one that failed."""


def all_of(*rows: Rows) -> Rows:
    """The series of several exporters."""
    return lambda place: [line for some in rows for line in some(place)]


# --- kube-state-metrics


def kube_state_metrics(
    *,
    waiting: Sequence[tuple[int, str]] = (),
    init: bool = False,
    available: int | None = None,
    progressing: str = "true",
    gone: Sequence[int] = (),
    wanted: int | None = None,
) -> Rows:
    """What it shows of a workload.

    `waiting`: (pod, reason) of containers that wait, or (`init`) of init containers; `progressing`: status of the
    condition of a Deployment, empty where there is none; `gone`: pods of which there is only what was written a minute
    ago.
    """

    def rows(place: Place) -> Iterator[Line]:
        for index in range(place.pods):
            yield from () if index in gone else _pod(place, index)
        for index, reason in waiting:
            name = f"kube_pod_{'init_' if init else ''}container_status_waiting_reason"
            labels = {**named(place, index), "container": "c", "reason": reason}
            yield Line(name, labels, 1.0, until=60.0 if index in gone else 1.0)
        yield from of_workload(place)

    def of_workload(place: Place) -> Iterator[Line]:
        want = place.pods if wanted is None else wanted
        numbers = _numbers(place.kind, want, place.pods, want if available is None else available)
        yield from (Line(name, place.label, float(number)) for name, number in numbers.items())
        if place.kind is DEPLOYMENT and progressing:
            labels = {**place.label, "condition": "Progressing", "reason": "whatever"}
            for status in ("true", "false", "unknown"):
                name = "kube_deployment_status_condition"
                yield Line(name, {**labels, "status": status}, float(status == progressing))

    return rows


def without_pods(rows: Rows) -> Rows:
    """The same, of a kube-state-metrics that does not export pods."""
    return lambda place: [line for line in rows(place) if not line.name.startswith(("kube_pod_", "kube_replicaset_"))]


def named(place: Place, index: int) -> dict[str, str]:
    """The labels of a pod's series."""
    return {"namespace": place.namespace, "pod": place.pod(index), "uid": f"uid-{place.name}-{index}"}


def node(place: Place, index: int) -> str:
    """Where a pod runs, beside pods of its neighbours."""
    return f"{place.namespace}-{index}"


def _pod(place: Place, index: int) -> Iterator[Line]:
    pod, owner = named(place, index), {"owner_is_controller": "true"}
    yield Line("kube_pod_info", {**pod, "node": node(place, index)}, 1.0)
    if place.kind is not DEPLOYMENT:
        yield Line("kube_pod_owner", {**pod, **owner, "owner_kind": place.kind, "owner_name": place.name}, 1.0)
        return
    replica_set = f"{place.name}-{index % 2}"
    yield Line("kube_pod_owner", {**pod, **owner, "owner_kind": "ReplicaSet", "owner_name": replica_set}, 1.0)
    parent = {"owner_kind": "Deployment", "owner_name": place.name}
    labels = {"namespace": place.namespace, "replicaset": replica_set, **owner, **parent}
    yield Line("kube_replicaset_owner", labels, 1.0)


def _numbers(kind: WorkloadKind, wanted: int, there: int, available: int) -> Mapping[str, int]:
    match kind:
        case WorkloadKind.DEPLOYMENT:
            return {
                "kube_deployment_spec_replicas": wanted,
                "kube_deployment_status_replicas": there,
                "kube_deployment_status_replicas_available": available,
            }
        case WorkloadKind.STATEFUL_SET:
            return {
                "kube_statefulset_replicas": wanted,
                "kube_statefulset_status_replicas": there,
                "kube_statefulset_status_replicas_available": available,
            }
        case WorkloadKind.DAEMON_SET:
            return {
                "kube_daemonset_status_desired_number_scheduled": wanted,
                "kube_daemonset_status_current_number_scheduled": there,
                "kube_daemonset_status_number_available": available,
            }


# --- requests


def requests(name: str, of: Who, status: Status, failing: float, per_second: float = PER_SECOND) -> Rows:
    """A counter of requests, of which a share fails; a series of failures is there only if something ever failed."""

    def rows(place: Place) -> Iterable[Line]:
        for labels in of(place):
            yield Line(name, {**labels, **status[0]}, per_second=per_second * (1 - failing))
            if failing:
                yield Line(name, {**labels, **status[1]}, per_second=per_second * failing)

    return rows


def durations(name: str, of: Who, edges: Mapping[str, float], per_second: float = PER_SECOND) -> Rows:
    """A histogram: by the label `le`, which share of the requests was no slower."""

    def rows(place: Place) -> Iterable[Line]:
        for labels in of(place):
            yield Line(f"{name}_count", labels, per_second=per_second)
            for edge, share in {**edges, "+Inf": 1.0}.items():
                yield Line(f"{name}_bucket", {**labels, "le": edge}, per_second=per_second * share)

    return rows
