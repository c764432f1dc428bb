"""Who takes care of a workload beside its author: controllers that would put back whatever Salus changes.

Most of them say so in `ownerReferences`; what the others leave as labels and annotations is the table here. Rollouts
that take their template *from* a Deployment leave nothing on it: they are known by what they made of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from salus.model.scalars import Body

WORKLOAD_GENERATION = "rollout.argoproj.io/workload-generation"
"""On the ReplicaSets of an Argo Rollout: the generation of the Deployment that it takes its template from."""
PRIMARY = "-primary"
"""Flagger serves from a copy of its target, under this name."""
_LONGEST_NAME = 128
_OF_KUBERNETES = ("", "apps", "batch", "app.k8s.io")
"""Groups of whose objects a reference says that they are deleted together, and no more."""


class Place(StrEnum):
    """Where a mark is."""

    LABEL = "label"
    ANNOTATION = "annotation"
    MANAGER = "field manager"


@dataclass(frozen=True, slots=True)
class Mark:
    """What one controller leaves on the workloads that it keeps as they are."""

    controller: str
    """As people know it."""
    place: Place
    key: str
    value: str = "*"
    """A pattern that the value has to match."""
    owner: str = ""
    """What owns the workload, as a kind; empty: the controller is named."""
    name: str = ""
    """Key of the label or annotation that names the owner, if any does."""
    but: str = ""
    """A value of the name by which the mark means nothing."""


_L, _A, _M = Place.LABEL, Place.ANNOTATION, Place.MANAGER
MARKS: tuple[Mark, ...] = (
    Mark("OLM", _L, "olm.owner.kind", "ClusterServiceVersion", "ClusterServiceVersion", "olm.owner"),
    Mark(
        "OLM v1",
        _L,
        "olm.operatorframework.io/owner-kind",
        owner="ClusterExtension",
        name="olm.operatorframework.io/owner-name",
    ),
    Mark("Operator SDK", _A, "operator-sdk/primary-resource", name="operator-sdk/primary-resource"),
    Mark(
        "Strimzi", _L, "app.kubernetes.io/managed-by", "strimzi-cluster-operator", "Strimzi", name="strimzi.io/cluster"
    ),
    Mark("Zalando Postgres operator", _L, "application", "spilo", "postgresql", name="cluster-name"),
    Mark("KubeVela", _L, "app.oam.dev/name", owner="Application", name="app.oam.dev/name"),
    Mark("Crossplane composition", _L, "crossplane.io/composite", owner="Composite", name="crossplane.io/composite"),
    Mark("Crossplane provider-kubernetes", _M, "provider-kubernetes*", owner="Crossplane"),
    Mark("OpenKruise Rollouts", _A, "rollouts.kruise.io/in-progressing", owner="OpenKruise Rollout"),
    Mark(
        "OpenKruise Rollouts",
        _L,
        "rollouts.kruise.io/controlled-by-advanced-deployment-controller",
        "true",
        "OpenKruise Rollout",
    ),
    Mark("OpenKruise Rollouts", _L, "rollouts.kruise.io/canary-deployment", owner="OpenKruise Rollout"),
    Mark(
        "K3s, RKE2, Rancher", _A, "objectset.rio.cattle.io/owner-gvk", "?*", name="objectset.rio.cattle.io/owner-name"
    ),
    Mark("Rancher Fleet", _A, "objectset.rio.cattle.io/id", "?*", "Fleet", "objectset.rio.cattle.io/id"),
    Mark("Config Sync", _A, "configmanagement.gke.io/managed", "enabled", name="configsync.gke.io/manager"),
    Mark("Karmada", _L, "karmada.io/managed", "true", name="work.karmada.io/name"),
    Mark("KubeFed", _L, "kubefed.io/managed", "true"),
    Mark("Sveltos", _L, "projectsveltos.io/reference-kind", "?*", name="projectsveltos.io/reference-name"),
    Mark("Gardener", _A, "resources.gardener.cloud/origin", "?*", name="resources.gardener.cloud/origin"),
    Mark("Metacontroller", _A, "metacontroller.k8s.io/last-applied-configuration"),
    Mark("addon manager", _L, "addonmanager.kubernetes.io/mode", "Reconcile"),
    Mark("EKS add-on", _M, "eks"),
    Mark(
        "Istio operator",
        _L,
        "operator.istio.io/managed",
        "Reconcile",
        "IstioOperator",
        "install.operator.istio.io/owning-resource",
        but="unknown",
    ),
)
"""What is not told by `ownerReferences`. A row here has a row in its test, and one in docs/reference/policies.md."""


def owner_of(
    labels: Mapping[str, str], annotations: Mapping[str, str], references: Iterable[Body], managers: Iterable[str]
) -> str:
    """`Kind/name` of what keeps a workload as it is, or nothing. What controls it by its own word comes first."""
    found = sorted(references, key=lambda reference: reference.get("controller") is not True)
    if owners := [_named(reference) for reference in found if _keeps(reference)]:
        return owners[0]
    marks = {_L: labels, _A: annotations, _M: {manager: manager for manager in managers}}
    return next((owner for mark in MARKS if (owner := _by_mark(mark, marks))), "")


def follower_of(kind: str, name: str, made: Iterable[Body]) -> str:
    """What takes the template of this workload and rolls it out itself, by what it has made: `Kind/name`, or nothing.

    `made`: ReplicaSets that the workload's selector finds, and the workload of the primary's name.
    """
    for body in made:
        metadata = body.get("metadata") or {}
        for reference in metadata.get("ownerReferences") or ():
            follows = WORKLOAD_GENERATION in (metadata.get("annotations") or {})
            copies = body.get("kind") == kind and metadata.get("name") == f"{name}{PRIMARY}"
            if (reference.get("kind") == "Rollout" and follows) or (reference.get("kind") == "Canary" and copies):
                return _named(reference)
    return ""


def _keeps(reference: Body) -> bool:
    """A controller, or any custom resource: many operators never set `controller`."""
    group, _, _ = str(reference.get("apiVersion") or "").rpartition("/")
    return reference.get("controller") is True or group not in _OF_KUBERNETES


def _named(reference: Body) -> str:
    return f"{reference['kind']}/{reference['name']}"


def _by_mark(mark: Mark, marks: Mapping[Place, Mapping[str, str]]) -> str:
    if not any(_matches(mark, key, value) for key, value in marks[mark.place].items()):
        return ""
    name = marks[_L].get(mark.name) or marks[_A].get(mark.name, "")
    if mark.but and name == mark.but:
        return ""
    return f"{mark.owner or mark.controller}/{name[:_LONGEST_NAME]}".rstrip("/")


def _matches(mark: Mark, key: str, value: str) -> bool:
    return fnmatchcase(key, mark.key) and fnmatchcase(value, mark.value)
