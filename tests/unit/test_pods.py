"""Which pod holds the rollout of a StatefulSet back, and how the pods of each release fare."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from salus.core.objects.pods import (
    not_coming,
    of_template,
    pods_from,
    pods_have_to_tell,
    ready_since,
    stuck_pod,
    told_by_pods,
)
from salus.core.objects.workloads import RESTARTED_AT, restarted_at, template_hash, workload_from
from salus.model.scalars import format_time
from salus.model.values.objects import Revision, Workload
from salus.model.values.surroundings import Pod
from tests.builders import NOW, a_deployment_body, a_workload, ago

STATEFUL_SET: Mapping[str, Any] = {
    "metadata": {"name": "db", "uid": "uid-of-db", "generation": 3},
    "status": {"observedGeneration": 3, "updateRevision": "db-good"},
}


def a_pod(
    ordinal: int, revision: str = "db-good", *, ready: bool = True, owner: str = "uid-of-db", **metadata: str
) -> dict[str, Any]:
    return {
        "metadata": {
            "name": f"db-{ordinal}",
            "labels": {"controller-revision-hash": revision},
            "ownerReferences": [{"uid": owner, "controller": True}],
            **metadata,
        },
        "status": {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
    }


def stuck(ordinal: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 — handed on
    return a_pod(ordinal, "db-bad", ready=False, **fields)


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        pytest.param(
            [a_pod(0), a_pod(1), stuck(2)], "db-2", id="only ordinal 2 runs the bad release, and is not ready"
        ),
        pytest.param([stuck(10), a_pod(9), stuck(2)], "db-2", id="the first of several, by number"),
        pytest.param([a_pod(0), a_pod(1), a_pod(2)], None, id="all is well"),
        pytest.param(
            [a_pod(0), a_pod(1, "db-bad")], None, id="a ready pod of the bad release is replaced without help"
        ),
        pytest.param([a_pod(0, ready=False), stuck(1)], None, id="a pod of the wanted release is still starting"),
        pytest.param(
            [stuck(0, deletionTimestamp="2026-11-22T12:00:00Z"), stuck(1)], None, id="it is being deleted already"
        ),
        pytest.param([a_pod(0), stuck(1, owner="another")], None, id="a pod of another owner"),
        pytest.param([], None, id="no pods"),
        pytest.param(
            [stuck(0, name="evil"), stuck(1, name="db-²"), stuck(0, name="web-0"), stuck(2)],
            "db-2",
            id="pods that claim the StatefulSet as their owner, and that it never made",
        ),
    ],
)
def test_the_pod_that_holds_it_back(pods: list[dict[str, Any]], expected: str | None) -> None:
    found = stuck_pod(STATEFUL_SET, pods)

    assert (found["metadata"]["name"] if found else None) == expected


@pytest.mark.parametrize(
    "status",
    [
        pytest.param({"observedGeneration": 2, "updateRevision": "db-good"}, id="its controller has not seen the spec"),
        pytest.param({"observedGeneration": 3}, id="it does not say which revision it wants"),
        pytest.param(None, id="it has no status"),
    ],
)
def test_nothing_is_stuck_before_the_controller_has_seen_the_rollback(status: Mapping[str, Any] | None) -> None:
    assert stuck_pod({**STATEFUL_SET, "status": status}, [stuck(2)]) is None


# --- pods that do not come

HOOK = 'failed calling webhook "pods.example.com": connection refused'
FAILED = {"type": "ReplicaFailure", "status": "True", "message": HOOK}
BY_NODE = {f"{count}NumberScheduled": 3 for count in ("desired", "current", "updated")}


def said(kind: str, status: Mapping[str, Any]) -> str:
    body = a_deployment_body(replicas=3)
    return not_coming(workload_from({**body, "kind": kind, "status": {**body["status"], **status}}))


@pytest.mark.parametrize(
    ("kind", "status", "says"),
    [
        pytest.param("Deployment", {"conditions": [FAILED]}, f"cannot be created: {HOOK}", id="a Deployment says why"),
        pytest.param(
            "StatefulSet",
            {"replicas": 2},
            "only 2 of 3 pods of StatefulSet/checkout are there, and no more are created; "
            "its Events say why: kubectl describe -n shop statefulset/checkout",
            id="of a StatefulSet a place is empty, and its Events say why",
        ),
        pytest.param(
            "DaemonSet",
            {**BY_NODE, "currentNumberScheduled": 2},
            "kubectl describe -n shop daemonset/checkout",
            id="of a DaemonSet a node is without its pod",
        ),
        pytest.param("StatefulSet", {"readyReplicas": 1}, "", id="pods that are there and not ready come all the same"),
        pytest.param("DaemonSet", {**BY_NODE, "numberReady": 1}, "", id="on each node"),
    ],
)
def test_what_each_kind_says_of_pods_that_do_not_come(kind: str, status: Mapping[str, Any], says: str) -> None:
    assert says in said(kind, status)
    assert bool(says) == bool(said(kind, status))


# --- how the pods of each release fare

HISTORY = (Revision(1, "release-one", ago(9000), "web-5d4f"), Revision(2, "release-two", ago(60), "web-7c9b"))
UNREADY = {"type": "Ready", "status": "False"}


def waiting(reason: str) -> dict[str, Any]:
    return {"containerStatuses": [{"state": {"running": {}}}, {"state": {"waiting": {"reason": reason}}}]}


def seen_pod(status: Mapping[str, Any], label: str = "pod-template-hash", mark: str = "5d4f", **metadata: str) -> Pod:
    body = {
        "metadata": {"name": "web-1", "creationTimestamp": format_time(ago(9000)), "labels": {label: mark}, **metadata},
        "spec": {"nodeName": "node1"},
        "status": status,
    }
    (pod,) = pods_from([body], "web", HISTORY, NOW) or (Pod("gone", "", "", NOW),)
    return pod


@pytest.mark.parametrize(
    ("status", "failing"),
    [
        pytest.param({"conditions": [{"type": "Ready", "status": "True"}]}, "", id="ready"),
        pytest.param(
            {"conditions": [{**UNREADY, "lastTransitionTime": format_time(ago(30))}]},
            "not ready for 30s",
            id="not ready for a while",
        ),
        pytest.param({"conditions": [{**UNREADY, "lastTransitionTime": format_time(ago(20))}]}, "", id="just starting"),
        pytest.param({"conditions": [UNREADY]}, "", id="nobody knows for how long"),
        pytest.param(waiting("CrashLoopBackOff"), "CrashLoopBackOff", id="a crash loop"),
        pytest.param(waiting("ImagePullBackOff"), "ImagePullBackOff", id="an image that is not there"),
        pytest.param(waiting("ContainerCreating"), "", id="a container that is being made"),
        pytest.param(
            {"initContainerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
            "CrashLoopBackOff",
            id="an init container in a crash loop",
        ),
        pytest.param({}, "", id="a pod that says nothing yet"),
    ],
)
def test_when_a_pod_is_failing(status: Mapping[str, Any], failing: str) -> None:
    assert seen_pod(status) == Pod("web-1", "release-one", "node1", ago(9000), failing)


@pytest.mark.parametrize(
    ("label", "mark", "release"),
    [
        pytest.param("pod-template-hash", "7c9b", "release-two", id="a Deployment's pod"),
        pytest.param("controller-revision-hash", "web-7c9b", "release-two", id="a StatefulSet's names its revision"),
        pytest.param("controller-revision-hash", "7c9b", "release-two", id="a DaemonSet's has the hash only"),
        pytest.param("pod-template-hash", "ffff", "", id="a revision that is no longer kept"),
        pytest.param("app", "web", "", id="a pod that somebody made by hand"),
    ],
)
def test_which_release_a_pod_is_of(label: str, mark: str, release: str) -> None:
    assert seen_pod({}, label, mark).release == release


@pytest.mark.parametrize(
    ("status", "metadata"),
    [
        pytest.param(waiting("CrashLoopBackOff"), {"deletionTimestamp": format_time(NOW)}, id="it is being deleted"),
        pytest.param({"phase": "Failed", "reason": "Evicted"}, {}, id="it was evicted"),
    ],
)
def test_a_pod_that_is_going_proves_nothing(status: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    assert seen_pod(status, **metadata).name == "gone"


def serving(seconds: float | None, **metadata: Any) -> dict[str, Any]:  # noqa: ANN401 — handed on
    since = {} if seconds is None else {"lastTransitionTime": format_time(ago(seconds))}
    conditions = [{"type": "Ready", "status": "True", **since}]
    return {"metadata": {"name": "db-0", **metadata}, "status": {"conditions": conditions}}


@pytest.mark.parametrize(
    ("pods", "since"),
    [
        pytest.param([serving(60), serving(30)], ago(30), id="the last that came tells"),
        pytest.param([serving(60), a_pod(1, ready=False)], ago(60), id="one that does not serve is left out"),
        pytest.param([serving(60), serving(30, deletionTimestamp="now")], ago(60), id="one that goes, too"),
        pytest.param([serving(60), serving(None)], None, id="one that does not tell"),
        pytest.param([], None, id="no pod"),
        pytest.param([a_pod(0, ready=False)], None, id="none that serves"),
    ],
)
def test_since_when_all_that_serve_have_served(pods: list[dict[str, Any]], since: datetime | None) -> None:
    assert ready_since(pods) == since


def half_updated(kind: str = "StatefulSet", updated: int = 1, **metadata: Any) -> dict[str, Any]:  # noqa: ANN401 — handed on
    """Three replicas, of which two are available, which its strategy tolerates."""
    template = {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "db", "image": "db:2"}]}}
    of_nodes = {"desiredNumberScheduled": 2, "updatedNumberScheduled": updated, "numberAvailable": updated}
    of_pods = {"replicas": 2, "updatedReplicas": updated, "availableReplicas": updated, "updateRevision": "db-new"}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "db", "namespace": "shop", "uid": "uid-of-db", "generation": 3, **metadata},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "db"}}, "template": template},
        "status": {"observedGeneration": 3, **(of_nodes if kind == "DaemonSet" else of_pods)},
    }


def one_of(seconds: float, label: str, mark: str, *, ready: bool = True) -> dict[str, Any]:
    pod = serving(seconds, labels={label: mark}) if ready else a_pod(1, ready=False)
    pod["metadata"]["labels"] = {label: mark}
    return pod


REVISION_OF, GENERATION_OF = "controller-revision-hash", "pod-template-generation"
DAEMON_SET = half_updated("DaemonSet", annotations={"deprecated.daemonset.template.generation": "7"})


@pytest.mark.parametrize(
    ("body", "pods", "since"),
    [
        pytest.param(half_updated(), [one_of(60, REVISION_OF, "db-new")], ago(60), id="the new one serves"),
        pytest.param(
            half_updated(),
            [one_of(60, REVISION_OF, "db-old"), one_of(5, REVISION_OF, "db-new", ready=False)],
            None,
            id="the old one serves beside a new one that does not: as many are updated as are available",
        ),
        pytest.param(half_updated(updated=2), [serving(60), serving(30)], ago(30), id="all are updated: all tell"),
        pytest.param(DAEMON_SET, [one_of(60, GENERATION_OF, "7")], ago(60), id="a DaemonSet's new pod serves"),
        pytest.param(DAEMON_SET, [one_of(60, GENERATION_OF, "6")], None, id="a DaemonSet's old pod serves"),
    ],
)
def test_what_the_pods_tell_of_a_rollout(
    body: dict[str, Any], pods: list[dict[str, Any]], since: datetime | None
) -> None:
    told = told_by_pods(workload_from(body), body, pods)

    assert (told.rolled_out_since if told else None) == since


@pytest.mark.parametrize(
    ("workload", "expected"),
    [
        pytest.param(workload_from(half_updated(updated=2)), True, id="a StatefulSet does not tell by itself"),
        pytest.param(workload_from(DAEMON_SET), True, id="nor does a DaemonSet"),
        pytest.param(workload_from(half_updated(updated=0)), False, id="one on its way has nothing to tell yet"),
        pytest.param(a_workload(), False, id="a Deployment tells"),
    ],
)
def test_of_what_the_pods_have_to_tell(workload: Workload, expected: bool) -> None:
    assert pods_have_to_tell(workload) is expected


V1: dict[str, Any] = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "web", "image": "web:1"}]},
}
RESTARTED = {**V1, "metadata": {**V1["metadata"], "annotations": {RESTARTED_AT: "2026-11-30T02:00:00Z"}}}


@pytest.mark.parametrize(
    ("kept", "of_it"),
    [
        pytest.param(V1, ["web-1"], id="the ReplicaSet of the kept template comes back, and makes its pods anew"),
        pytest.param(RESTARTED, ["web-2"], id="kept after the restart, its pods are those that run"),
    ],
)
def test_pods_that_a_restart_has_made_are_of_another_template(kept: dict[str, Any], of_it: list[str]) -> None:
    made = [("web-1", V1), ("web-2", RESTARTED)]
    history = [
        Revision(number, "v1", NOW, name, template_hash=template_hash(template), restarted_at=restarted_at(template))
        for number, (name, template) in enumerate(made, 1)
    ]
    is_of_it = of_template("web", history, template_hash(kept), restarted_at(kept))
    pods = {name: {"metadata": {"labels": {"pod-template-hash": name.removeprefix("web-")}}} for name, _ in made}

    assert [name for name, pod in pods.items() if is_of_it(pod)] == of_it
