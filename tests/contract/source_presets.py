"""The series of kube-state-metrics for small worlds, and what each preset must make of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from salus.model.meta import WorkloadKind

DEPLOYMENT, STATEFUL_SET, DAEMON_SET = WorkloadKind.DEPLOYMENT, WorkloadKind.STATEFUL_SET, WorkloadKind.DAEMON_SET

Row = tuple[str, dict[str, str], float]
"""Name, labels and value of a series."""


@dataclass(frozen=True, slots=True)
class World:
    """What kube-state-metrics shows of the workload `api` in one namespace, beside a troubled neighbour of it."""

    kind: WorkloadKind
    pods: int = 2
    wanted: int = 2
    available: int = 2
    waiting: tuple[tuple[int, str], ...] = ()
    """(pod, reason) of containers that wait."""
    init: bool = False
    """They are init containers."""
    progressing: str = "true"
    """Status of the Deployment's condition Progressing; empty: there is none."""
    shows_pods: bool = True
    """False: kube-state-metrics does not export pods."""

    def rows(self) -> list[Row]:
        """All series."""
        pods = self._pod_rows() if self.shows_pods else []
        return [*pods, *_neighbour(self.kind), *self._workload_rows()]

    def _pod_rows(self) -> list[Row]:
        rows = [row for index in range(self.pods) for row in _owned_pod(self.kind, "api", index)]
        metric = f"kube_pod_{'init_' if self.init else ''}container_status_waiting_reason"
        rows += [(metric, {**_pod("api", index), "container": "c", "reason": why}, 1.0) for index, why in self.waiting]
        return rows

    def _workload_rows(self) -> list[Row]:
        if self.kind is STATEFUL_SET:
            return _numbers("statefulset", replicas=self.wanted, status_replicas=self.pods) + _numbers(
                "statefulset", status_replicas_available=self.available
            )
        if self.kind is DAEMON_SET:
            return _numbers(
                "daemonset",
                status_desired_number_scheduled=self.wanted,
                status_current_number_scheduled=self.pods,
                status_number_available=self.available,
            )
        return self._deployment_rows()

    def _deployment_rows(self) -> list[Row]:
        labels = {"deployment": "api", "condition": "Progressing", "reason": "whatever"}
        statuses = ("true", "false", "unknown") if self.progressing else ()
        return [
            *_numbers(
                "deployment",
                spec_replicas=self.wanted,
                status_replicas=self.pods,
                status_replicas_available=self.available,
            ),
            *(
                ("kube_deployment_status_condition", {**labels, "status": status}, float(status == self.progressing))
                for status in statuses
            ),
        ]


def _numbers(kind: str, **values: int) -> list[Row]:
    return [(f"kube_{kind}_{name}", {kind: "api"}, float(value)) for name, value in values.items()]


def _pod(workload: str, index: int) -> dict[str, str]:
    return {"pod": f"{workload}-{index}", "uid": f"uid-{workload}-{index}"}


def _owned_pod(kind: WorkloadKind, workload: str, index: int) -> list[Row]:
    owned = {"owner_is_controller": "true"}
    if kind is not DEPLOYMENT:
        return [("kube_pod_owner", {**_pod(workload, index), **owned, "owner_kind": kind, "owner_name": workload}, 1.0)]
    replica_set = f"{workload}-{index % 2}abc"  # pods of two ReplicaSets, as during a rollout
    owner = {**owned, "owner_kind": "ReplicaSet", "owner_name": replica_set}
    parent = {**owned, "owner_kind": "Deployment", "owner_name": workload}
    return [
        ("kube_pod_owner", {**_pod(workload, index), **owner}, 1.0),
        ("kube_replicaset_owner", {"replicaset": replica_set, **parent}, 1.0),
    ]


def _neighbour(kind: WorkloadKind) -> list[Row]:
    waiting = {**_pod("api-admin", 0), "container": "c"}
    return [
        *_owned_pod(kind, "api-admin", 0),
        ("kube_pod_container_status_waiting_reason", {**waiting, "reason": "CrashLoopBackOff"}, 1.0),
        ("kube_pod_container_status_waiting_reason", {**waiting, "reason": "ImagePullBackOff"}, 1.0),
    ]


def _of_every_kind(preset: str, told: str, value: float | None, **facts: Any) -> list[Any]:  # noqa: ANN401 — World's fields
    return [
        pytest.param(preset, World(kind, **facts), value, id=f"{preset}, {kind}: {told}")
        for kind in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET)
    ]


CRASHING = "CrashLoopBackOff"
WORLDS: Sequence[Any] = [
    *_of_every_kind("PodsCrashLooping", "all is well", 0.0),
    *_of_every_kind("PodsCrashLooping", "one pod crashes", 1.0, waiting=((0, CRASHING),)),
    *_of_every_kind("PodsCrashLooping", "both crash", 2.0, waiting=((0, CRASHING), (1, CRASHING))),
    *_of_every_kind("PodsCrashLooping", "an init container crashes", 1.0, waiting=((0, CRASHING),), init=True),
    *_of_every_kind("PodsCrashLooping", "only starting", 0.0, waiting=((0, "ContainerCreating"),)),
    *_of_every_kind("PodsCrashLooping", "scaled to zero", 0.0, pods=0, wanted=0, available=0),
    *_of_every_kind("PodsCrashLooping", "pods are not exported", None, shows_pods=False),
    *_of_every_kind("ImagePullFailing", "all is well", 0.0),
    *_of_every_kind("ImagePullFailing", "backing off", 1.0, waiting=((1, "ImagePullBackOff"),)),
    *_of_every_kind("ImagePullFailing", "the pull failed", 1.0, waiting=((1, "ErrImagePull"),)),
    *_of_every_kind("ImagePullFailing", "a crash is another matter", 0.0, waiting=((1, CRASHING),)),
    *_of_every_kind("Unavailable", "all is well", 1.0),
    *_of_every_kind("Unavailable", "half is missing", 0.5, available=1),
    *_of_every_kind("Unavailable", "nothing is left", 0.0, available=0),
    *_of_every_kind("Unavailable", "scaled to zero", 1.0, pods=0, wanted=0, available=0),
    *_of_every_kind("ReplicasMissing", "all is well", 2.0),
    *_of_every_kind("ReplicasMissing", "half is missing", 1.0, available=1),
    *_of_every_kind("ReplicasMissing", "scaled to zero", 0.0, pods=0, wanted=0, available=0),
    *_of_every_kind("ReplicasMissing", "scaled up again, no pod is ready yet", 0.0, available=0),
    *_of_every_kind("ReplicasMissing", "pods are not exported, and need not be", 2.0, shows_pods=False),
    pytest.param("RolloutStuck", World(DEPLOYMENT), 0.0, id="RolloutStuck: it goes on"),
    pytest.param("RolloutStuck", World(DEPLOYMENT, progressing="false"), 1.0, id="RolloutStuck: the deadline passed"),
    pytest.param("RolloutStuck", World(DEPLOYMENT, progressing="unknown"), 0.0, id="RolloutStuck: paused"),
    pytest.param("RolloutStuck", World(DEPLOYMENT, progressing=""), None, id="RolloutStuck: no deadline is set"),
]
