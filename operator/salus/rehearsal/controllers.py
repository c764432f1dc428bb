"""What Kubernetes' own controllers make of a workload: revisions, pods and status follow the template and the size.

As far as decisions read it. Pods are ready `takes` after their workload was changed, all of them together.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from salus.core.objects.autoscalers import autoscalers_of
from salus.core.objects.selectors import controlled_by
from salus.core.objects.workloads import POD_TEMPLATE_HASH
from salus.model.meta import WorkloadKind
from salus.model.scalars import Body, format_time, whole_number
from salus.model.values.keys import TargetKey
from salus.ports import CONTROLLER_REVISIONS, NODES, PODS, REPLICA_SETS, SCALERS, WORKLOADS, NotFound, Ref, Resource
from salus.rehearsal.cluster import RehearsalCluster
from salus.rehearsal.server import copied, ref_of

REVISION = "deployment.kubernetes.io/revision"
REVISION_LABEL = "controller-revision-hash"
_GENERATION_LABEL = "pod-template-generation"
_GENERATION = "deprecated.daemonset.template.generation"


_ORDER = {resource.kind: index for index, resource in enumerate(WORKLOADS.values())}
_WORKLOADS = frozenset(_ORDER)
_SCALERS = frozenset(resource.kind for resource in SCALERS.values())


@dataclass(slots=True, weakref_slot=True)
class Controllers:
    """Those of workloads; and of what scales them, as far as its minimum goes and unless the size is told."""

    cluster: RehearsalCluster
    takes: timedelta = timedelta(0)
    autoscale: bool = True
    _rolling: dict[Ref, datetime] = field(default_factory=dict)
    """When the pods of those will be ready whose pods are not."""
    _wanted: dict[Ref, int] = field(default_factory=dict)
    """The size that each had before its autoscaler raised it."""
    _seen: dict[Ref, None] = field(default_factory=dict)
    """Workloads of which something has become another."""

    def __post_init__(self) -> None:
        self._look_at_all(None)
        self.cluster.watch(self)

    def saw(self, kind: str, body: Body) -> None:  # noqa: ARG002 - whatever it was
        """The port Watcher: only what has changed is looked at."""
        if body["kind"] in _WORKLOADS:
            self._seen[ref_of(body)] = None
        elif body["kind"] in _SCALERS:
            self._look_at_all(body["metadata"].get("namespace"))

    def _look_at_all(self, namespace: str | None) -> None:
        bodies = (body for resource in WORKLOADS.values() for body in self.cluster.peek(resource, namespace))
        self._seen |= dict.fromkeys(map(ref_of, bodies))

    def next_at(self) -> datetime | None:
        """When something is next to come by itself."""
        return min(self._rolling.values(), default=None)

    def next_of(self, resource: Resource, namespace: str, name: str | None) -> datetime | None:
        """The same of one workload, or of all of a kind and a namespace."""
        if name is not None:
            return self._rolling.get(Ref(resource, namespace, name))
        mine = (end for ref, end in self._rolling.items() if (ref.resource, ref.namespace) == (resource, namespace))
        return min(mine, default=None)

    def follow(self, now: datetime) -> None:
        """See what has changed, and let those pods be ready whose time has come."""
        due = [ref for ref, end in self._rolling.items() if end <= now]
        looked_at = sorted({*self._seen, *due}, key=_address) if self._seen or due else ()
        self._seen.clear()
        for ref in looked_at:
            try:
                self._look(ref, self.cluster.now_at(ref), now)
            except NotFound:
                self._rolling.pop(ref, None)

    def _look(self, ref: Ref, body: Body, now: datetime) -> None:
        if self.autoscale:
            self._scale(ref, body)
            body = self.cluster.now_at(ref)
        if not _is_observed(body):
            self._begin(ref, body, now)
        if ref in self._rolling and now >= self._rolling[ref]:
            self._end(ref, self._rolling.pop(ref))

    def _scale(self, ref: Ref, body: Body) -> None:
        """An autoscaler that sees no load keeps to its minimum; one that finds no pods is switched off."""
        replicas = body["spec"].get("replicas", 1)
        key = TargetKey(ref.namespace, WorkloadKind(ref.resource.kind), ref.name)
        bodies = [scaler for resource in SCALERS.values() for scaler in self.cluster.peek(resource, ref.namespace)]
        minimum = max((scaler.min_replicas for scaler in autoscalers_of(key, bodies)), default=None) if bodies else None
        if minimum is None or not replicas:
            self._wanted.pop(ref, None)
            return
        size = max(minimum, self._wanted.setdefault(ref, replicas))
        if size != replicas:
            self.cluster.edit(ref, lambda found: found["spec"].update(replicas=size))

    def _begin(self, ref: Ref, body: Body, now: datetime) -> None:
        mark, is_new = self._revise(ref, body)
        pods = self._pods(body)
        ready = sum(_mark_of(pod) == mark for pod in pods)
        self._rolling[ref] = now + self.takes
        moved = "ReplicaSetUpdated" if is_new else ""
        self._tell(ref, _Count(len(pods), min(ready, _size(body)), mark, moved, now))

    def _end(self, ref: Ref, at: datetime) -> None:
        body = self.cluster.now_at(ref)
        mark, size = _mark(body), self._size(body)
        there = {pod["metadata"]["name"]: pod for pod in self._pods(body)}
        wanted = _pods_of(body, mark, size, at)
        for name, pod in there.items():
            if name not in wanted or _mark_of(pod) != mark:
                self.cluster.remove(ref_of(pod))
        for name, pod in wanted.items():
            if name not in there or _mark_of(there[name]) != mark:
                self.cluster.adopt(pod)
        begun = any(one.get("reason") == "ReplicaSetUpdated" for one in (body["status"].get("conditions") or ()))
        self._tell(ref, _Count(size, size, mark, "NewReplicaSetAvailable" if begun else "", at))

    def _revise(self, ref: Ref, body: Body) -> tuple[str, bool]:
        """The revision of the live template is the newest; and whether it was not before."""
        resource = REPLICA_SETS if ref.resource.kind == WorkloadKind.DEPLOYMENT else CONTROLLER_REVISIONS
        mine = controlled_by(self.cluster.peek(resource, ref.namespace), {body["metadata"]["uid"]})
        numbers = {_mark_of(one): _number(one) for one in mine}
        mark, newest = _mark(body), max(numbers.values(), default=0)
        if mark in numbers and numbers[mark] == newest:
            return mark, False
        name = f"{ref.name}-{mark}"
        if mark in numbers:
            self.cluster.edit(Ref(resource, ref.namespace, name), lambda found: _renumber(found, newest + 1))
        else:
            self.cluster.put(_revision(body, name, mark, newest + 1))
        return mark, True

    def _size(self, body: Body) -> int:
        if body["kind"] != WorkloadKind.DAEMON_SET:
            return _size(body)
        known = (body.get("status") or {}).get("desiredNumberScheduled")
        return int(known) if known is not None else max(len(self.cluster.peek(NODES)), 1)

    def _pods(self, body: Body) -> Sequence[Body]:
        uid, namespace = body["metadata"]["uid"], body["metadata"]["namespace"]
        sets = controlled_by(self.cluster.peek(REPLICA_SETS, namespace), {uid})
        return controlled_by(self.cluster.peek(PODS, namespace), {uid, *(one["metadata"]["uid"] for one in sets)})

    def _tell(self, ref: Ref, count: "_Count") -> None:
        size = self._size(self.cluster.now_at(ref))
        self.cluster.edit(ref, lambda body: body.update(status=_status(body, size, count)))


@dataclass(frozen=True, slots=True)
class _Count:
    """Pods as a status tells of them."""

    total: int
    updated: int
    mark: str
    moved: str
    """The reason of the condition Progressing, where a rollout has begun or ended; empty: it stays."""
    at: datetime


def _address(ref: Ref) -> tuple[int, str, str]:
    """In the order in which the kinds are told, as lists have them."""
    return _ORDER[ref.resource.kind], ref.namespace, ref.name


def _is_observed(body: Body) -> bool:
    generation: int = body["metadata"]["generation"]
    return bool((body.get("status") or {}).get("observedGeneration", 0) >= generation)


def _size(body: Body) -> int:
    return int(body["spec"].get("replicas", 1))


def _mark(body: Body) -> str:
    """One word for the template, a restart included."""
    text = json.dumps(body["spec"]["template"], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _mark_of(made: Body) -> str:
    """That of a revision or of a pod."""
    labels: Mapping[str, str] = made["metadata"].get("labels") or {}
    return labels.get(POD_TEMPLATE_HASH) or labels.get(REVISION_LABEL, "").rpartition("-")[2]


def _number(revision: Body) -> int:
    written = revision.get("revision") or (revision["metadata"].get("annotations") or {}).get(REVISION)
    return whole_number(str(written)) or 0


def _renumber(revision: dict[str, Any], number: int) -> None:
    if "revision" in revision:
        revision["revision"] = number
    else:
        revision["metadata"].setdefault("annotations", {})[REVISION] = str(number)


def _owner(body: Body) -> list[dict[str, Any]]:
    metadata = body["metadata"]
    known = {"apiVersion": body["apiVersion"], "kind": body["kind"], "name": metadata["name"], "uid": metadata["uid"]}
    return [{**known, "controller": True}]


def _labels(body: Body, mark: str) -> dict[str, str]:
    """Of a pod of this template."""
    mine = (body["spec"]["template"].get("metadata") or {}).get("labels") or {}
    if body["kind"] == WorkloadKind.DEPLOYMENT:
        return {**mine, POD_TEMPLATE_HASH: mark}
    generation = (body["metadata"].get("annotations") or {}).get(_GENERATION)
    numbered = {_GENERATION_LABEL: generation} if generation else {}
    return {**mine, **numbered, REVISION_LABEL: f"{body['metadata']['name']}-{mark}"}


def _revision(body: Body, name: str, mark: str, number: int) -> Body:
    """A ReplicaSet of a Deployment, a ControllerRevision of the others."""
    metadata = {
        "name": name,
        "namespace": body["metadata"]["namespace"],
        "labels": _labels(body, mark),
        "ownerReferences": _owner(body),
    }
    template = copied(body["spec"]["template"])
    if body["kind"] == WorkloadKind.DEPLOYMENT:
        marked = {**(template.get("metadata") or {}), "labels": _labels(body, mark)}
        return {
            "apiVersion": REPLICA_SETS.api_version,
            "kind": REPLICA_SETS.kind,
            "metadata": {**metadata, "annotations": {REVISION: str(number)}},
            "spec": {"template": {**template, "metadata": marked}},
        }
    data = {"spec": {"template": {**template, "$patch": "replace"}}}
    return {
        "apiVersion": CONTROLLER_REVISIONS.api_version,
        "kind": CONTROLLER_REVISIONS.kind,
        "metadata": metadata,
        "data": data,
        "revision": number,
    }


def _pods_of(body: Body, mark: str, size: int, at: datetime) -> dict[str, Body]:
    """The pods that there are to be, by name: all of them ready."""
    name, kind = body["metadata"]["name"], body["kind"]
    stem = name if kind == WorkloadKind.STATEFUL_SET else f"{name}-{mark}"
    return {pod: _pod(body, pod, mark, at) for pod in (f"{stem}-{number}" for number in range(size))}


def _pod(body: Body, name: str, mark: str, at: datetime) -> Body:
    moment = format_time(at)
    spec = {key: value for key, value in (body["spec"]["template"].get("spec") or {}).items() if key == "containers"}
    return {
        "apiVersion": "v1",
        "kind": PODS.kind,
        "metadata": {
            "name": name,
            "namespace": body["metadata"]["namespace"],
            "uid": f"{body['metadata']['uid']}-{name}-{mark}",
            "creationTimestamp": moment,
            "labels": _labels(body, mark),
            "ownerReferences": _owner(body),
        },
        "spec": copied(spec),
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": moment}],
        },
    }


def _status(body: Body, size: int, count: _Count) -> dict[str, Any]:
    known = {**(body.get("status") or {}), "observedGeneration": body["metadata"]["generation"]}
    if body["kind"] == WorkloadKind.DAEMON_SET:
        whole = ("currentNumberScheduled", "numberReady", "numberAvailable")
        return {
            **known,
            **dict.fromkeys(whole, count.total),
            "desiredNumberScheduled": size,
            "updatedNumberScheduled": count.updated,
        }
    whole = ("replicas", "readyReplicas", "availableReplicas")
    counted = {**known, **dict.fromkeys(whole, count.total), "updatedReplicas": count.updated}
    if body["kind"] == WorkloadKind.STATEFUL_SET:
        newest = f"{body['metadata']['name']}-{count.mark}"
        current = newest if count.updated == count.total else known.get("currentRevision", newest)
        return {**counted, "updateRevision": newest, "currentRevision": current}
    return {**counted, **({"conditions": [_progressing(count)]} if count.moved else {})}


def _progressing(count: _Count) -> dict[str, str]:
    moment = format_time(count.at)
    return {
        "type": "Progressing",
        "status": "True",
        "reason": count.moved,
        "lastUpdateTime": moment,
        "lastTransitionTime": moment,
    }
