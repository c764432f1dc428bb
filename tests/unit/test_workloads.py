"""Reading Kubernetes objects: what is absent, what is malformed, and who else claims them."""

import contextlib
import copy
import pickle
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.core.objects.workloads import (
    LONGEST_LABELS,
    MOST_LABELS,
    autoscaler_from,
    managed_by,
    release_hash,
    short,
    watched,
    workload_from,
)
from salus.model.change import ManagedBy
from salus.model.meta import AutoscalerKind, WorkloadKind
from salus.model.values.keys import ScalerKey, TargetKey
from salus.model.values.objects import Autoscaler

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {
        "containers": [{"name": "web", "image": "web:1"}],
        "initContainers": [{"name": "wait", "image": "wait:1"}],
    },
}


def deployment(**changes: object) -> dict[str, Any]:
    """A healthy Deployment; `changes` maps a dotted path (`__` for `.`) to a value."""
    body: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": "shop", "name": "web", "uid": "u1", "generation": 3},
        "spec": {"replicas": 2, "template": copy.deepcopy(TEMPLATE)},
        "status": {
            "observedGeneration": 3,
            "replicas": 2,
            "readyReplicas": 2,
            "updatedReplicas": 2,
            "availableReplicas": 2,
        },
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        node = body
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
    return body


def test_a_healthy_deployment_is_read_whole() -> None:
    """Every count, both kinds of containers, and nothing that is not there."""
    workload = workload_from(deployment())

    assert workload.key == TargetKey("shop", WorkloadKind.DEPLOYMENT, "web")
    assert (workload.uid, workload.generation, workload.observed_generation) == ("u1", 3, 3)
    assert (workload.replicas, workload.ready, workload.updated, workload.available, workload.total) == (2,) * 5
    assert workload.images == ("web:1", "wait:1")
    assert workload.rolled_out
    assert (workload.paused, workload.deleting, workload.owner, workload.replica_failure) == (False, False, "", "")


def test_a_bare_deployment_has_the_defaults_of_kubernetes() -> None:
    """One replica, rolling update, nothing observed yet."""
    workload = workload_from({"kind": "Deployment", "metadata": {"namespace": "shop", "name": "web"}})

    assert (workload.replicas, workload.ready, workload.observed_generation) == (1, 0, 0)
    assert workload.update_strategy == "RollingUpdate"
    assert workload.images == ()


def test_a_stateful_set_tells_its_partition_and_strategy() -> None:
    """They are in another field than a Deployment's."""
    body = deployment(kind="StatefulSet", spec__updateStrategy={"type": "OnDelete", "rollingUpdate": {"partition": 2}})

    workload = workload_from(body)

    assert (workload.key.kind, workload.update_strategy, workload.partition) == (
        WorkloadKind.STATEFUL_SET,
        "OnDelete",
        2,
    )


def test_a_daemon_set_counts_nodes() -> None:
    """It has no replicas of its own; its status says how many it wants."""
    status = {
        "desiredNumberScheduled": 5,
        "currentNumberScheduled": 4,
        "numberReady": 3,
        "updatedNumberScheduled": 2,
        "numberAvailable": 1,
    }

    workload = workload_from(deployment(kind="DaemonSet", status=status))

    assert (workload.replicas, workload.total, workload.ready, workload.updated, workload.available) == (5, 4, 3, 2, 1)


HALF = {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 1, "readyReplicas": 2, "availableReplicas": 2}
NODES = {"observedGeneration": 3, "desiredNumberScheduled": 100, "currentNumberScheduled": 100, "numberReady": 99}
ON_DELETE = {"type": "OnDelete"}
OLD = [{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}]
GIVEN_UP = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]


def half(kind: str = "Deployment", **changes: object) -> dict[str, Any]:
    """One of two pods has the newest template."""
    return deployment(kind=kind, status=dict(HALF), **changes)


def nodes(updated: int, available: int, **changes: object) -> dict[str, Any]:
    """A DaemonSet on a hundred nodes."""
    counts = {"updatedNumberScheduled": updated, "numberAvailable": available}
    return deployment(kind="DaemonSet", status={**NODES, **counts}, **changes)


@pytest.mark.parametrize(
    ("body", "rolls"),
    [
        pytest.param(deployment(), False, id="all pods are of the newest template"),
        pytest.param(half(), True, id="one of two is"),
        pytest.param(half(status__observedGeneration=2), True, id="its controller has not seen it yet"),
        pytest.param(half(status__conditions=GIVEN_UP), False, id="Kubernetes has given up on it (case 01)"),
        pytest.param(
            half(status__conditions=GIVEN_UP, metadata__generation=4), True, id="given up on the one before, not this"
        ),
        pytest.param(
            half(status__conditions=OLD, status__replicas=1),
            False,
            id="rolled out, and pods are missing since a scaling",
        ),
        pytest.param(half(status__conditions=OLD), True, id="an old pod is still there"),
        pytest.param(half(status__replicas=3, status__updatedReplicas=2), True, id="old pods have still to end"),
        pytest.param(half("StatefulSet"), True, id="a StatefulSet, one of two"),
        pytest.param(half("StatefulSet", spec__updateStrategy=ON_DELETE), False, id="its pods are left to people"),
        pytest.param(
            half("StatefulSet", spec__updateStrategy={"rollingUpdate": {"partition": 1}}),
            False,
            id="a pod below the partition",
        ),
        pytest.param(
            deployment(
                kind="StatefulSet",
                spec__updateStrategy={"rollingUpdate": {"partition": 1}},
                status={**HALF, "updatedReplicas": 0},
            ),
            True,
            id="one above it",
        ),
        pytest.param(
            half("StatefulSet", status__currentRevision="a", status__updateRevision="a"), False, id="of one revision"
        ),
        pytest.param(
            half("StatefulSet", status__currentRevision="a", status__updateRevision="b"), True, id="of two revisions"
        ),
        pytest.param(nodes(99, 99), False, id="a DaemonSet's pod on a dead node (case 04)"),
        pytest.param(nodes(97, 97), False, id="three dead nodes"),
        pytest.param(nodes(40, 99), True, id="a DaemonSet on its way"),
        pytest.param(nodes(0, 99), True, id="and at its beginning"),
        pytest.param(nodes(100, 99), False, id="a node that died after the update"),
        pytest.param(nodes(40, 99, spec__updateStrategy=ON_DELETE), False, id="a DaemonSet's pods are left to people"),
    ],
)
def test_whether_a_rollout_is_on_its_way(body: dict[str, Any], rolls: bool) -> None:
    assert workload_from(body).rolling_out is rolls


def daemon_set(*, wanted: int, updated: int, available: int, most: object = "10%", **changes: object) -> dict[str, Any]:
    status = {
        "observedGeneration": 3,
        "desiredNumberScheduled": wanted,
        "currentNumberScheduled": wanted,
        "updatedNumberScheduled": updated,
        "numberAvailable": available,
    }
    rolling = {} if most is None else {"rollingUpdate": {"maxUnavailable": most}}
    strategy = {"type": "RollingUpdate", **rolling}
    body = deployment(kind="DaemonSet", status=status, spec__updateStrategy=strategy, **changes)
    body["metadata"]["generation"] = 3
    return body


def stateful_set(*, replicas: int, updated: int, available: int, most: object = None) -> dict[str, Any]:
    status = {"observedGeneration": 3, "replicas": replicas, "updatedReplicas": updated, "availableReplicas": available}
    rolling = {} if most is None else {"rollingUpdate": {"maxUnavailable": most}}
    body = deployment(
        kind="StatefulSet",
        status=status,
        spec__replicas=replicas,
        spec__updateStrategy={"type": "RollingUpdate", **rolling},
    )
    body["metadata"]["generation"] = 3
    return body


@pytest.mark.parametrize(
    ("body", "rolled_out"),
    [
        pytest.param(daemon_set(wanted=100, updated=100, available=100), True, id="whole"),
        pytest.param(daemon_set(wanted=100, updated=99, available=99), True, id="a node was dead before the update"),
        pytest.param(daemon_set(wanted=100, updated=100, available=99), True, id="a node died after it"),
        pytest.param(
            daemon_set(wanted=100, updated=90, available=90), True, id="as many are dead as the strategy says"
        ),
        pytest.param(daemon_set(wanted=100, updated=89, available=89), False, id="one more is dead"),
        pytest.param(daemon_set(wanted=100, updated=99, available=100), False, id="one serves the older template"),
        pytest.param(
            daemon_set(wanted=15, updated=13, available=13), True, id="a share is rounded up, as Kubernetes does"
        ),
        pytest.param(daemon_set(wanted=5, updated=4, available=4, most=None), True, id="one, where nothing is said"),
        pytest.param(daemon_set(wanted=5, updated=3, available=3, most=None), False, id="two, where nothing is said"),
        pytest.param(
            daemon_set(wanted=5, updated=4, available=4, most=0), True, id="0, with a surge, is one dead node"
        ),
        pytest.param(daemon_set(wanted=1, updated=0, available=0), False, id="the only one is missing"),
        pytest.param(daemon_set(wanted=4, updated=0, available=0, most="100%"), False, id="all are missing"),
        pytest.param(daemon_set(wanted=5, updated=4, available=4, most={"a": 1}), True, id="a share that is none"),
        pytest.param(stateful_set(replicas=3, updated=2, available=2), True, id="a StatefulSet without one"),
        pytest.param(stateful_set(replicas=3, updated=1, available=1), False, id="a StatefulSet without two"),
        pytest.param(stateful_set(replicas=3, updated=1, available=2), False, id="a StatefulSet half way"),
        pytest.param(stateful_set(replicas=6, updated=4, available=4, most=2), True, id="a StatefulSet that says two"),
        pytest.param(stateful_set(replicas=1, updated=0, available=0), False, id="a StatefulSet of one"),
        pytest.param(
            deployment(
                spec__replicas=3,
                status={"observedGeneration": 3, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 2},
            ),
            False,
            id="a Deployment, which makes another pod",
        ),
    ],
)
def test_a_rollout_is_over_without_the_pods_that_its_strategy_tolerates(body: dict[str, Any], rolled_out: bool) -> None:
    """Case 04: one dead node of a hundred, and no release was ever good."""
    assert workload_from(body).rolled_out is rolled_out


def test_what_is_kept_of_a_watched_workload_does_not_grow_with_what_its_author_writes() -> None:
    """Annotations, images, messages, and labels beyond those of ordinary workloads."""
    much = "x" * 250_000
    body = deployment(
        metadata__labels={"app": "web", **{f"z{number}": "y" * 63 for number in range(10_000)}},
        metadata__annotations={"much": much},
        metadata__ownerReferences=[{"controller": True, "kind": "Web", "name": much}],
        spec__template__metadata__annotations={"kubectl.kubernetes.io/restartedAt": much},
        spec__template__spec={"containers": [{"name": "web", "image": much}]},
        status__conditions=[{"type": "ReplicaFailure", "status": "True", "message": much}],
    )

    kept = watched(workload_from(body))

    assert len(pickle.dumps(kept)) < 10_000
    assert kept.labels["app"] == "web"


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param({}, id="none"),
        pytest.param({f"app-{number}": "v" * 50 for number in range(MOST_LABELS)}, id="sixty-four of usual length"),
    ],
)
def test_the_labels_of_ordinary_workloads_are_kept(labels: dict[str, str]) -> None:
    assert watched(workload_from(deployment(metadata__labels=labels))).labels == labels


@given(st.dictionaries(st.text(max_size=40), st.text(max_size=63), max_size=200))
def test_a_label_that_is_kept_is_one_that_is_there(labels: dict[str, str]) -> None:
    """So a selector may miss a workload that has too many, and never takes one for another."""
    kept = watched(workload_from(deployment(metadata__labels=labels))).labels

    assert kept.items() <= labels.items()
    assert len(kept) <= MOST_LABELS
    assert sum(len(key) + len(value) for key, value in kept.items()) <= LONGEST_LABELS


PROGRESSING = {
    "type": "Progressing",
    "status": "True",
    "reason": "NewReplicaSetAvailable",
    "lastUpdateTime": "2026-11-22T10:00:00Z",
}
ROLLED_OUT = datetime(2026, 11, 22, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"status__conditions": [PROGRESSING]}, ROLLED_OUT, id="a finished rollout tells when it finished"),
        pytest.param({}, None, id="no condition tells nothing"),
        pytest.param(
            {"status__conditions": [{**PROGRESSING, "reason": "ReplicaSetUpdated"}]}, None, id="a running one does not"
        ),
        pytest.param({"status__conditions": [{**PROGRESSING, "status": "False"}]}, None, id="a stuck one does not"),
        pytest.param(
            {"status__conditions": [PROGRESSING], "metadata__generation": 4},
            None,
            id="a status that is behind the spec speaks of an older rollout",
        ),
    ],
)
def test_rolled_out_since(changes: dict[str, Any], expected: datetime | None) -> None:
    assert workload_from(deployment(**changes)).rolled_out_since == expected


def test_other_facts_are_read() -> None:
    """Paused, deleted, owned, failing, restarted."""
    workload = workload_from(
        deployment(
            spec__paused=True,
            metadata__deletionTimestamp="2026-11-22T10:00:00Z",
            metadata__ownerReferences=[
                {"kind": "Other", "name": "x"},
                {"kind": "Rollout", "name": "web", "controller": True},
            ],
            status__conditions=[{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}],
            spec__template__metadata__annotations={"kubectl.kubernetes.io/restartedAt": "2026-11-22T09:00:00Z"},
        )
    )

    assert workload.paused
    assert workload.deleting
    assert workload.owner == "Rollout/web"
    assert workload.replica_failure == "exceeded quota"
    assert workload.restarted_at == "2026-11-22T09:00:00Z"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(
            deployment(spec__replicas="3"),
            'Deployment shop/web: spec.replicas: expected a whole number, got "3"',
            id="a number in a string",
        ),
        pytest.param(
            deployment(spec__replicas=True),
            "Deployment shop/web: spec.replicas: expected a whole number, got true",
            id="a truth value is no number",
        ),
        pytest.param(
            deployment(spec=[]), "Deployment shop/web: spec: expected an object, got []", id="a list where an object is"
        ),
        pytest.param(
            deployment(metadata__labels={"app": 1}),
            "Deployment shop/web: metadata.labels[app]: expected a string, got 1",
            id="a label that is a number",
        ),
        pytest.param(
            deployment(spec__template={"spec": {"containers": ["web"]}}),
            'Deployment shop/web: spec.template.spec.containers[0]: expected an object, got "web"',
            id="a container that is a string",
        ),
        pytest.param(deployment(metadata__name=None), "Deployment shop/None: metadata.name: missing", id="no name"),
        pytest.param(
            deployment(status__conditions=[{**PROGRESSING, "lastUpdateTime": "soon"}]),
            "Deployment shop/web: status.conditions[type=Progressing].lastUpdateTime: "
            'expected a time such as 2026-11-22T03:04:05Z, got "soon"',
            id="a time that is none",
        ),
        pytest.param(
            deployment(kind="Pod"),
            "Pod shop/web: kind: expected one of Deployment, StatefulSet, DaemonSet, got 'Pod'",
            id="another kind",
        ),
        pytest.param({}, "object ?/?: kind: expected one of Deployment, StatefulSet, DaemonSet, got ''", id="nothing"),
        pytest.param(
            {"kind": "Deployment", "metadata": "x"},
            'Deployment ?/?: metadata: expected an object, got "x"',
            id="metadata that is no object",
        ),
    ],
)
def test_a_malformed_object_is_refused_with_its_path(body: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        workload_from(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PATHS = st.sampled_from(
    [
        "metadata",
        "spec",
        "status",
        "metadata__labels",
        "spec__template",
        "status__conditions",
        "metadata__ownerReferences",
    ]
)


@given(path=PATHS, value=JSON, kind=st.sampled_from(list(WorkloadKind)))
def test_whatever_stands_in_a_field_the_answer_is_a_workload_or_a_value_error(
    path: str, value: object, kind: WorkloadKind
) -> None:
    """The informer logs and skips a ValueError; anything else would end it."""
    body = deployment(kind=kind.value, **{path: value})

    with contextlib.suppress(ValueError):
        assert workload_from(body).key.kind is kind


def changed(**metadata: object) -> dict[str, Any]:
    return {**TEMPLATE, "metadata": {**TEMPLATE["metadata"], **metadata}}


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(dict(reversed(TEMPLATE.items())), id="the order of keys does not count"),
        pytest.param(
            changed(labels={"app": "web", "pod-template-hash": "abc"}), id="a ReplicaSet's label does not count"
        ),
        pytest.param(
            changed(annotations={"kubectl.kubernetes.io/restartedAt": "2026-11-22T09:00:00Z"}),
            id="a restart is not a release",
        ),
        pytest.param(changed(annotations={}), id="an empty map of annotations is none"),
        pytest.param(changed(annotations=None, creationTimestamp=None), id="null is none"),
    ],
)
def test_the_same_release_has_the_same_hash(same: dict[str, Any]) -> None:
    assert release_hash(same) == release_hash(TEMPLATE)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(changed(labels={"app": "web2"}), id="another label"),
        pytest.param(changed(annotations={"proxy.istio.io/config": "2"}), id="an annotation that acts on the pods"),
        pytest.param({**TEMPLATE, "spec": {"containers": [{"name": "web", "image": "web:2"}]}}, id="another image"),
        pytest.param({}, id="nothing"),
    ],
)
def test_another_release_has_another_hash(other: dict[str, Any]) -> None:
    assert release_hash(other) != release_hash(TEMPLATE)


def test_the_hash_is_the_same_for_ever() -> None:
    """Kept releases are named by it, so a new Salus must find what an old one kept."""
    assert short(release_hash(TEMPLATE)) == "a227548916"
    assert re.fullmatch("[0-9a-f]{64}", release_hash(TEMPLATE))


def hpa(**spec: object) -> dict[str, Any]:
    return {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"namespace": "shop", "name": "web-hpa"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, **spec},
    }


WEB = TargetKey("shop", WorkloadKind.DEPLOYMENT, "web")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            hpa(minReplicas=2, maxReplicas=9),
            (WEB, Autoscaler(ScalerKey(AutoscalerKind.HPA, "web-hpa"), 2, 9)),
            id="an HPA with both bounds",
        ),
        pytest.param(
            hpa(maxReplicas=9),
            (WEB, Autoscaler(ScalerKey(AutoscalerKind.HPA, "web-hpa"), None, 9)),
            id="an HPA's least is one by default",
        ),
        pytest.param(
            {**hpa(), "kind": "ScaledObject", "spec": {"scaleTargetRef": {"name": "web"}}},
            (WEB, Autoscaler(ScalerKey(AutoscalerKind.SCALED_OBJECT, "web-hpa"), None, 100)),
            id="a ScaledObject scales a Deployment from 0 to 100 by default",
        ),
        pytest.param(
            hpa(scaleTargetRef={"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web"}),
            None,
            id="a kind that Salus does not heal",
        ),
    ],
)
def test_autoscaler_from(body: dict[str, Any], expected: object) -> None:
    assert autoscaler_from(body) == expected


def test_a_malformed_autoscaler_is_refused_with_its_path() -> None:
    with pytest.raises(
        ValueError, match=r"^HorizontalPodAutoscaler shop/web-hpa: spec\.scaleTargetRef\.name: missing$"
    ):
        autoscaler_from(hpa(scaleTargetRef={"kind": "Deployment"}))


ARGO = "argocd.argoproj.io/tracking-id"
FLUX = "toolkit.fluxcd.io"
KUSTOMIZED = {f"kustomize.{FLUX}/name": "apps", f"kustomize.{FLUX}/namespace": "flux-system"}
BY_KUSTOMIZATION = ManagedBy(tool="Flux", ref="Kustomization flux-system/apps")


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        pytest.param({}, None, id="nobody"),
        pytest.param(
            {"annotations": {ARGO: "shop-app:apps/Deployment:shop/web"}},
            ManagedBy(tool="ArgoCD", ref="shop-app"),
            id="Argo CD, by a tracking id of this object",
        ),
        pytest.param(
            {"annotations": {ARGO: "shop-app:argoproj.io/Rollout:shop/web"}},
            None,
            id="a tracking id copied from another object is no mark",
        ),
        pytest.param(
            {"annotations": {ARGO: "shop-app:apps/Deployment:other/web"}},
            None,
            id="a tracking id of another namespace is no mark",
        ),
        pytest.param(
            {"labels": {"app.kubernetes.io/instance": "shop"}}, None, id="the instance label alone is no mark"
        ),
        pytest.param(
            {
                "labels": {"app.kubernetes.io/instance": "shop-app"},
                "managedFields": [{"manager": "argocd-controller", "operation": "Apply"}],
            },
            ManagedBy(tool="ArgoCD", ref="shop-app"),
            id="Argo CD that tracks by label, by its field manager",
        ),
        pytest.param(
            {"managedFields": [{"manager": "argocd-controller"}]},
            ManagedBy(tool="ArgoCD", ref=""),
            id="Argo CD, of an application that it does not name",
        ),
        pytest.param(
            {
                "annotations": {ARGO: "shop-app:argoproj.io/Rollout:shop/web"},
                "managedFields": [{"manager": "some-operator"}],
            },
            None,
            id="a copied tracking id on what another manager wrote is no mark",
        ),
        *(
            pytest.param(
                {place: {f"kustomize.{FLUX}/{mark}": value}, "labels": {**KUSTOMIZED, **extra}},
                expected,
                id=f"a Kustomization of Flux with {mark}: {value} as one of its {place}",
            )
            for place, mark, value, extra, expected in (
                ("annotations", "reconcile", "disabled", {}, None),
                ("labels", "reconcile", "disabled", {f"kustomize.{FLUX}/reconcile": "disabled"}, None),
                ("annotations", "reconcile", "enabled", {}, BY_KUSTOMIZATION),
                ("annotations", "ssa", "Ignore", {}, None),
                ("annotations", "ssa", "IfNotPresent", {}, None),
                ("annotations", "ssa", "Merge", {}, BY_KUSTOMIZATION),
            )
        ),
        pytest.param(
            {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
            ManagedBy(tool="kubectl", ref="apply"),
            id="kubectl apply",
        ),
        pytest.param(
            {
                "annotations": {
                    ARGO: "shop-app:apps/Deployment:shop/web",
                    "kubectl.kubernetes.io/last-applied-configuration": "{}",
                }
            },
            ManagedBy(tool="ArgoCD", ref="shop-app"),
            id="Argo CD that applies as kubectl does",
        ),
        pytest.param(
            {"labels": {f"kustomize.{FLUX}/name": "apps", f"kustomize.{FLUX}/namespace": "flux-system"}},
            ManagedBy(tool="Flux", ref="Kustomization flux-system/apps"),
            id="a Kustomization of Flux",
        ),
        pytest.param(
            {
                "labels": {
                    f"helm.{FLUX}/name": "web",
                    f"helm.{FLUX}/namespace": "shop",
                    "app.kubernetes.io/managed-by": "Helm",
                }
            },
            ManagedBy(tool="Flux", ref="HelmRelease shop/web"),
            id="a HelmRelease of Flux rather than Helm",
        ),
        pytest.param(
            {
                "labels": {"app.kubernetes.io/managed-by": "Helm"},
                "annotations": {"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "shop"},
            },
            ManagedBy(tool="Helm", ref="shop/web"),
            id="Helm",
        ),
        pytest.param(
            {"labels": {"app.kubernetes.io/managed-by": "Helm"}},
            ManagedBy(tool="Helm", ref=""),
            id="Helm without the release's name",
        ),
        pytest.param(
            {
                "annotations": {ARGO: "shop-app:apps/Deployment:shop/web"},
                "ownerReferences": [{"kind": "Redis", "name": "cache", "controller": True}],
            },
            ManagedBy(tool="Operator", ref="Redis/cache"),
            id="a controller comes before marks that it may have copied",
        ),
    ],
)
def test_managed_by(metadata: dict[str, Any], expected: ManagedBy | None) -> None:
    body = deployment(**{f"metadata__{key}": value for key, value in metadata.items()})

    assert managed_by(body) == expected
