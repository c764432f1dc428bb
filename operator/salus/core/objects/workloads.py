"""Kubernetes objects read once, into the values that decisions are made of.

Deployments, StatefulSets and DaemonSets tell the same story in different fields; this is the one place that knows
which. Also the marks by which others claim a workload. Fetching, watching and judging are left to others.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from salus.core.objects.owners import owner_of
from salus.core.objects.stamps import KNOWN, checksums_of, configuration, unstamped
from salus.model.change import ManagedBy
from salus.model.meta import AutoscalerKind, WorkloadKind
from salus.model.scalars import Body, parse_time, whole_number
from salus.model.values.configuration import Stamps
from salus.model.values.keys import ScalerKey, TargetKey
from salus.model.values.objects import JOINT, Autoscaler, Workload

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
POD_TEMPLATE_HASH = "pod-template-hash"
ARGO_MANAGER = "argocd-controller"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

MOST_LABELS = 64
LONGEST_LABELS = 4096
"""Characters of all keys and values."""

_LONGEST_MOMENT = 64
_LONGEST_MESSAGE = 200
SHORT = 10
"""Characters of a release that people are shown, and that Salus once kept of it (records of format 0)."""
_KEDA_DEFAULT_MAX = 100
_KEDA_PAUSED_AT = "autoscaling.keda.sh/paused-replicas"
_KEDA_SWITCHES = ("autoscaling.keda.sh/paused", "autoscaling.keda.sh/paused-scale-out")
_FALSE = {"0", "f", "F", "false", "False", "FALSE"}
_HISTORY_LIMIT = 10
_NO_DEADLINE = 2**31 - 1
"""Seconds; a Deployment with so many is never given up."""
_Json = TypeVar("_Json", dict[str, Any], list[Any], str, int, bool)


def workload_from(body: Body, stamps: Stamps = KNOWN) -> Workload:
    """Read a Deployment, StatefulSet or DaemonSet as the API server gives it; absent fields have Kubernetes' defaults.

    Raises ValueError with object and path: `Deployment shop/checkout: spec.replicas: expected a whole number, got "3"`.
    """
    try:
        return _workload(body, stamps)
    except ValueError as error:
        raise ValueError(f"{_title(body)}: {error}") from error


def watched(workload: Workload) -> Workload:
    """What is kept of a workload that is only watched: tenants write as much as they like, memory is everybody's.

    Left out is what decisions take from the fresh object. Of labels, those stay that a selector of ordinary workloads
    may ask for; one that asks for others does not find this workload.
    """
    return replace(
        workload,
        labels=_few(workload.labels),
        images=(),
        owner="",
        replica_failure=workload.replica_failure[:_LONGEST_MESSAGE],
        restarted_at=workload.restarted_at[:_LONGEST_MOMENT],
    )


def _few(labels: Mapping[str, str]) -> dict[str, str]:
    """The first of them by name, as many as are kept."""
    kept, left = {}, LONGEST_LABELS
    for key in sorted(labels)[:MOST_LABELS]:
        left -= len(key) + len(labels[key])
        if left < 0:
            break
        kept[key] = labels[key]
    return kept


@dataclass(frozen=True, slots=True)
class Identity:
    """Which release a template is."""

    template: str
    """Its `template_hash`: the name of what is kept."""
    release: str
    """Its `release_hash`: equal where nothing differs that could be at fault."""
    checksums: tuple[tuple[str, str], ...] = ()
    """What in it speaks for the content of configuration, by the place of each."""


def identity(template: Mapping[str, Any], stamps: Stamps = KNOWN) -> Identity:
    """Which release this is."""
    exact, bare = template_hash(template), unstamped(template, stamps)
    release = exact if bare is template else template_hash(bare)
    return Identity(exact, release, checksums_of(template, stamps))


def release_hash(template: Mapping[str, Any], stamps: Stamps = KNOWN) -> str:
    """SHA-256 of what can be at fault in a pod template: one for all that tools only put their stamps on."""
    return identity(template, stamps).release


def template_hash(template: Mapping[str, Any]) -> str:
    """SHA-256 that names a pod template, in 64 hex characters, whatever the order of its keys.

    What a restart or a ReplicaSet adds is left out. Kept templates are known by it, so what it leaves out is fixed for
    ever, whatever is configured.
    """
    metadata = dict(template.get("metadata") or {})
    metadata.pop("creationTimestamp", None)
    metadata["labels"] = _without(metadata.get("labels"), POD_TEMPLATE_HASH)
    metadata["annotations"] = _without(metadata.get("annotations"), RESTARTED_AT)
    cleaned = {**template, "metadata": {key: value for key, value in metadata.items() if value}}
    text = json.dumps(cleaned, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=dict)
    return hashlib.sha256(text.encode()).hexdigest()


def restarted_at(template: Mapping[str, Any]) -> str:
    """When somebody has restarted its pods last, as the template says it; empty: nobody has."""
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    return str(annotations.get(RESTARTED_AT) or "")


def short(release: str) -> str:
    """A release as texts for people name it."""
    return release[:SHORT]


def same_release(one: str, other: str) -> bool:
    """Whether two names mean one release, be it by their templates, or by what these are without stamps.

    A record of an older Salus has the first ten characters of its template's name only.
    """
    if one == other:
        return True
    return any(_same(mine, theirs) for mine in one.split(JOINT) for theirs in other.split(JOINT))


def _same(one: str, other: str) -> bool:
    brief, full = sorted((one, other), key=len)
    return brief == full or (len(brief) == SHORT and full.startswith(brief))


def autoscaler_from(body: Body) -> tuple[TargetKey, Autoscaler] | None:
    """Read an HorizontalPodAutoscaler or a KEDA ScaledObject, and whose replicas it owns.

    None when it scales something that Salus does not heal. Raises ValueError with object and path.
    """
    try:
        return _autoscaler(body)
    except ValueError as error:
        raise ValueError(f"{_title(body)}: {error}") from error


def managed_by(body: Body) -> ManagedBy | None:
    """Who owns the workload's desired state, by the marks that the tools leave on it; None if nobody shows.

    A controller comes first: it writes whatever another tool's marks, copied down, may say.
    """
    return next(_claims(body), None)


def _claims(body: Body) -> Iterator[ManagedBy]:
    labels, annotations = _texts(body, "metadata.labels"), _texts(body, "metadata.annotations")
    if owner := _owner(body):
        yield _manager("Operator", owner)
    if application := _argo_application(body, annotations):
        yield _manager("ArgoCD", application)
    if flux := _flux_object({**annotations, **labels}, labels):
        yield _manager("Flux", flux)
    if ARGO_MANAGER in _field_managers(body):
        yield _manager("ArgoCD", labels.get("app.kubernetes.io/instance", ""))
    if labels.get("app.kubernetes.io/managed-by") == "Helm" or "meta.helm.sh/release-name" in annotations:
        yield _manager("Helm", _helm_release(annotations))
    if LAST_APPLIED in annotations:
        yield _manager("kubectl", "apply")


def _workload(body: Body, stamps: Stamps) -> Workload:
    kind = _kind(body)
    template = _at(body, "spec.template", dict)
    for path in ("spec.template.metadata.labels", "spec.template.metadata.annotations"):
        _texts(body, path)
    named = identity(template, stamps)
    return Workload(
        key=TargetKey(_required(body, "metadata.namespace"), kind, _required(body, "metadata.name")),
        uid=_at(body, "metadata.uid", str),
        generation=_at(body, "metadata.generation", int),
        observed_generation=_at(body, "status.observedGeneration", int),
        **_COUNTS[kind](body),
        release=named.release,
        template_hash=named.template,
        configuration=configuration(named.checksums),
        images=_images(body),
        restarted_at=_texts(body, "spec.template.metadata.annotations").get(RESTARTED_AT, ""),
        paused=_at(body, "spec.paused", bool),
        update_strategy=_strategy(body, kind),
        partition=_at(body, "spec.updateStrategy.rollingUpdate.partition", int),
        tolerated=_tolerated(body, kind),
        ordered=kind is WorkloadKind.STATEFUL_SET and _at(body, "spec.podManagementPolicy", str) != "Parallel",
        history_limit=_at(body, "spec.revisionHistoryLimit", int, default=_HISTORY_LIMIT),
        labels=_texts(body, "metadata.labels"),
        owner=_owner(body),
        rolled_out_since=_rolled_out_since(body),
        progressed_at=_progressed_at(body, _condition(body, "Progressing", "True")),
        replica_failure=_at(_condition(body, "ReplicaFailure", "True"), "message", str),
        settled=_settled(body, kind),
        has_deadline=kind is WorkloadKind.DEPLOYMENT
        and _at(body, "spec.progressDeadlineSeconds", int, default=0) != _NO_DEADLINE,
        deleting=bool(_at(body, "metadata.deletionTimestamp", str)),
    )


def _kind(body: Body) -> WorkloadKind:
    kind = _at(body, "kind", str)
    if kind not in set(WorkloadKind):
        raise ValueError(f"kind: expected one of {', '.join(WorkloadKind)}, got {kind!r}")
    return WorkloadKind(kind)


def _replica_counts(body: Body) -> dict[str, int]:
    """Deployment and StatefulSet."""
    return {
        "replicas": _at(body, "spec.replicas", int, default=1),
        "ready": _at(body, "status.readyReplicas", int),
        "updated": _at(body, "status.updatedReplicas", int),
        "available": _at(body, "status.availableReplicas", int),
        "total": _at(body, "status.replicas", int),
    }


def _scheduled_counts(body: Body) -> dict[str, int]:
    """DaemonSet: as many as there are nodes for it, which only its status tells."""
    return {
        "replicas": _at(body, "status.desiredNumberScheduled", int),
        "ready": _at(body, "status.numberReady", int),
        "updated": _at(body, "status.updatedNumberScheduled", int),
        "available": _at(body, "status.numberAvailable", int),
        "total": _at(body, "status.currentNumberScheduled", int),
    }


_COUNTS: Mapping[WorkloadKind, Callable[[Body], dict[str, int]]] = {
    WorkloadKind.DEPLOYMENT: _replica_counts,
    WorkloadKind.STATEFUL_SET: _replica_counts,
    WorkloadKind.DAEMON_SET: _scheduled_counts,
}


def _strategy(body: Body, kind: WorkloadKind) -> str:
    field = "strategy" if kind is WorkloadKind.DEPLOYMENT else "updateStrategy"
    return _at(body, f"spec.{field}.type", str) or "RollingUpdate"


def _tolerated(body: Body, kind: WorkloadKind) -> int:
    """Pods that the strategy of a StatefulSet or DaemonSet lets be missing; never all of them.

    A Deployment makes a new pod where one is lost; these two wait for the node, and would never be whole.
    """
    if kind is WorkloadKind.DEPLOYMENT:
        return 0
    written = _at(body, "spec.updateStrategy", dict).get("rollingUpdate") or {}
    share = str(written.get("maxUnavailable", 1) if isinstance(written, Mapping) else 1)
    replicas = _COUNTS[kind](body)["replicas"]
    number = whole_number(share.removesuffix("%")) or 0
    most = -(-replicas * number // 100) if share.endswith("%") else number
    return max(min(max(most, 1), replicas - 1), 0)


def images_of(template: Body) -> tuple[str, ...]:
    """The images of a pod template."""
    return _images({"spec": {"template": template}})


def _images(body: Body) -> tuple[str, ...]:
    containers = [
        *_objects(body, "spec.template.spec.containers"),
        *_objects(body, "spec.template.spec.initContainers"),
    ]
    return tuple(_at(container, "image", str) for container in containers)


def _owner(body: Body) -> str:
    """`Kind/name` of what keeps the object as it is, or nothing."""
    references = [
        {
            "kind": _required(reference, "kind"),
            "name": _required(reference, "name"),
            "apiVersion": _at(reference, "apiVersion", str),
            "controller": _at(reference, "controller", bool),
        }
        for reference in _objects(body, "metadata.ownerReferences")
    ]
    labels, annotations = _texts(body, "metadata.labels"), _texts(body, "metadata.annotations")
    return owner_of(labels, annotations, references, _field_managers(body))


def _rolled_out_since(body: Body) -> datetime | None:
    """Only a Deployment tells, and only of the newest spec once its controller has seen it."""
    condition = _condition(body, "Progressing", "True")
    return _progressed_at(body, condition) if condition.get("reason") == "NewReplicaSetAvailable" else None


def _settled(body: Body, kind: WorkloadKind) -> bool:
    """Whether the controller says itself that no rollout of what it has observed is on its way.

    A Deployment that was rolled out and is then scaled has pods that are missing, and no rollout.
    """
    if kind is WorkloadKind.DEPLOYMENT:
        given_up = _condition(body, "Progressing", "False").get("reason") == "ProgressDeadlineExceeded"
        ended = _condition(body, "Progressing", "True").get("reason") == "NewReplicaSetAvailable"
        return given_up or (ended and _at(body, "status.replicas", int) == _at(body, "status.updatedReplicas", int))
    revisions = {_at(body, f"status.{field}", str) for field in ("currentRevision", "updateRevision")}
    return _strategy(body, kind) == "OnDelete" or (len(revisions) == 1 and "" not in revisions)


def _progressed_at(body: Body, condition: Body) -> datetime | None:
    current = _at(body, "status.observedGeneration", int) >= _at(body, "metadata.generation", int)
    moment = _at(condition, "lastUpdateTime", str)
    if not current or not moment:
        return None
    try:
        return parse_time(moment)
    except ValueError as error:
        raise ValueError(f"status.conditions[type=Progressing].lastUpdateTime: {error}") from error


def _condition(body: Body, kind: str, status: str) -> Body:
    conditions = _objects(body, "status.conditions")
    return next((found for found in conditions if found.get("type") == kind and found.get("status") == status), {})


def _autoscaler(body: Body) -> tuple[TargetKey, Autoscaler] | None:
    group = _at(body, "spec.scaleTargetRef.apiVersion", str) or "apps/v1"
    kind = _at(body, "spec.scaleTargetRef.kind", str) or WorkloadKind.DEPLOYMENT
    if kind not in set(WorkloadKind) or not group.startswith("apps/"):
        return None
    target = TargetKey(
        _required(body, "metadata.namespace"), WorkloadKind(kind), _required(body, "spec.scaleTargetRef.name")
    )
    spec = _at(body, "spec", dict)
    keda = _at(body, "kind", str) == AutoscalerKind.SCALED_OBJECT
    key = ScalerKey(
        AutoscalerKind.SCALED_OBJECT if keda else AutoscalerKind.HPA,
        _required(body, "metadata.name"),
        _at(body, "metadata.uid", str),
    )
    return target, Autoscaler(
        key=key,
        minimum=None if spec.get(key.min_field) is None else _at(body, f"spec.{key.min_field}", int),
        max_replicas=_at(body, f"spec.{key.max_field}", int, default=_KEDA_DEFAULT_MAX if keda else 0),
        owner=_owner(body),
        paused=_paused_by(_texts(body, "metadata.annotations")) if keda else "",
        body=body,
    )


def _paused_by(annotations: Mapping[str, str]) -> str:
    """As KEDA reads them: a number of replicas pauses whatever it says, a switch unless it is plainly false."""
    if _KEDA_PAUSED_AT in annotations:
        return _KEDA_PAUSED_AT
    return next((key for key in _KEDA_SWITCHES if annotations.get(key, "false") not in _FALSE), "")


def _argo_application(body: Body, annotations: Mapping[str, str]) -> str:
    """The application of a tracking id, if that id speaks of this very object and was not copied from another."""
    application, _, address = annotations.get("argocd.argoproj.io/tracking-id", "").partition(":")
    group, _, _ = _at(body, "apiVersion", str).rpartition("/")
    metadata = f"{_at(body, 'metadata.namespace', str)}/{_at(body, 'metadata.name', str)}"
    return application if address == f"{group}/{_at(body, 'kind', str)}:{metadata}" else ""


def _flux_object(marks: Mapping[str, str], labels: Mapping[str, str]) -> str:
    """The Flux object that applies this one. What Flux was told to leave alone, by label or annotation, it leaves."""
    group = "kustomize.toolkit.fluxcd.io"
    opted_out = marks.get(f"{group}/reconcile") == "disabled" or marks.get(f"{group}/ssa") in {"Ignore", "IfNotPresent"}
    for prefix, kind in ((group, "Kustomization"), ("helm.toolkit.fluxcd.io", "HelmRelease")):
        name = labels.get(f"{prefix}/name")
        if name and not (opted_out and prefix == group):
            return f"{kind} {labels.get(f'{prefix}/namespace', '')}/{name}"
    return ""


def _field_managers(body: Body) -> set[str]:
    """Argo CD that tracks by label leaves no other mark than this; the label itself is what Helm charts set too."""
    return {_at(entry, "manager", str) for entry in _objects(body, "metadata.managedFields")}


def _helm_release(annotations: Mapping[str, str]) -> str:
    name = annotations.get("meta.helm.sh/release-name", "")
    return f"{annotations.get('meta.helm.sh/release-namespace', '')}/{name}" if name else ""


def _manager(tool: str, ref: str) -> ManagedBy:
    return ManagedBy(tool=tool, ref=ref[:256])


def _without(items: Mapping[str, Any] | None, key: str) -> dict[str, Any]:
    return {name: value for name, value in (items or {}).items() if name != key}


def _title(body: Body) -> str:
    """What the object calls itself, for a message about its being malformed."""
    metadata = body.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    return f"{body.get('kind') or 'object'} {metadata.get('namespace', '?')}/{metadata.get('name', '?')}"


def _at(body: Body, path: str, expected: type[_Json], default: _Json | None = None) -> _Json:
    """The value at a dotted path; `default`, or the type's empty value, where it is absent or null."""
    node: Any = body
    steps = path.split(".")
    for depth, step in enumerate(steps):
        if not isinstance(node, dict) and node is not body:
            raise _unexpected(".".join(steps[:depth]), dict, node)
        node = node.get(step)
        if node is None:
            return expected() if default is None else default
    if not isinstance(node, expected) or (expected is int and isinstance(node, bool)):
        raise _unexpected(path, expected, node)
    return node


def _required(body: Body, path: str) -> str:
    if not (text := _at(body, path, str)):
        raise ValueError(f"{path}: missing")
    return text


def _texts(body: Body, path: str) -> dict[str, str]:
    """A map of strings, as labels are."""
    items = _at(body, path, dict)
    for key, value in items.items():
        if not isinstance(value, str):
            raise _unexpected(f"{path}[{key}]", str, value)
    return items


def _objects(body: Body, path: str) -> list[Body]:
    items = _at(body, path, list)
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise _unexpected(f"{path}[{index}]", dict, item)
    return items


def _unexpected(path: str, expected: type, found: object) -> ValueError:
    return ValueError(f"{path}: expected {_WORDS[expected]}, got {json.dumps(found, default=str):.80}")


_WORDS: Mapping[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    int: "a whole number",
    bool: "true or false",
}
