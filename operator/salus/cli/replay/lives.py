"""What a workload was over a time: how it stood when that began, and each release and scaling since. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from salus.core.objects.workloads import images_of, workload_from
from salus.model.scalars import FIELD_MANAGER, Body, parse_time
from salus.model.values.keys import TargetKey
from salus.ports import KEPT_RELEASES, WORKLOADS, Ref
from salus.rehearsal.server import copied
from salus.rehearsal.world import Happening, Past, appeared, edited, released, scaled

_LEFT_BEHIND = ("uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "finalizers")
"""Of an object's metadata, what belongs to the present."""
_STAMP = "salus.dev/"


@dataclass(frozen=True, slots=True)
class Change:
    """Another template, another size, or both."""

    at: datetime
    template: Mapping[str, Any] | None = None
    replicas: int | None = None


@dataclass(frozen=True, slots=True)
class Least:
    """An autoscaler got another minimum."""

    at: datetime
    ref: Ref
    replicas: int


@dataclass(frozen=True, slots=True)
class Life:
    """A workload over a time."""

    key: TargetKey
    body: Body
    """As it was at the beginning, or when it appeared."""
    changes: tuple[Change, ...] = ()
    """By their times."""
    appears: datetime | None = None
    """None: it was there all along."""
    around: tuple[Body, ...] = ()
    """Its autoscaler, and releases that were known to be good."""
    minimums: tuple[Least, ...] = ()
    is_made_up: bool = False
    """Its templates were made of the images that its pods ran: their names say nothing to anybody."""
    unknown: tuple[str, ...] = ()
    """What is not known of it, one sentence each."""

    @property
    def ref(self) -> Ref:
        """Its address."""
        return Ref(WORKLOADS[self.key.kind], self.key.namespace, self.key.name)

    def enter(self, world: Past) -> None:
        """Let it be there, and live."""
        body = bare(self.body)
        if self.appears is None:
            world.put(body)
        else:
            world.will(appeared(self.appears, body))
        for one in self.around if self.appears is None else ():
            world.put(self._mine(one, world))
        world.will(*self._happenings())

    def _mine(self, body: Body, world: Past) -> Body:
        """An object that lies around it, of the very workload that is there now."""
        found = bare(body)
        if found["kind"] == KEPT_RELEASES.kind:
            uid = world.cluster.now_at(self.ref)["metadata"]["uid"]
            found["spec"] = {**found["spec"], "targetRef": {**found["spec"]["targetRef"], "uid": uid}}
            found["status"] = dict(body.get("status") or {})
        return found

    def _happenings(self) -> Iterator[Happening]:
        for change in self.changes:
            if change.template is not None:
                yield released(change.at, self.ref, change.template)
            if change.replicas is not None:
                yield scaled(change.at, self.ref, change.replicas)
        for least in self.minimums:
            yield edited(least.at, least.ref, partial(_least, least.replicas))

    def turns(self) -> Iterator[tuple[datetime, str, str]]:
        """Each release and scaling: when, `release` or `scale`, and to what."""
        replicas = self.body["spec"].get("replicas")
        for change in self.changes:
            if change.template is not None:
                yield change.at, "release", self.named(change.template)
            if change.replicas is not None:
                yield change.at, "scale", f"{replicas} → {change.replicas}" if replicas is not None else ""
                replicas = change.replicas

    def named(self, template: Mapping[str, Any]) -> str:
        """A release, as people know it."""
        images = ", ".join(images_of(template))
        if self.is_made_up:
            return images or "not known"
        name = workload_from({**self.body, "spec": {**self.body["spec"], "template": template}}).named[:10]
        return f"{name} ({images})" if images else name


def constant(body: Body) -> Life:
    """A workload that was as it is all along, as far as anybody knows."""
    metadata = body["metadata"]
    kind = next(kind for kind, resource in WORKLOADS.items() if resource.kind == body["kind"])
    return Life(TargetKey(metadata["namespace"], kind, metadata["name"]), body)


def bare(body: Body) -> dict[str, Any]:
    """An object without what is of the present: its status, its age, and what Salus has put on it."""
    metadata = {key: value for key, value in body["metadata"].items() if key not in _LEFT_BEHIND}
    if "annotations" in metadata:
        kept = {key: value for key, value in (metadata["annotations"] or {}).items() if not key.startswith(_STAMP)}
        metadata["annotations"] = kept
    if "managedFields" in metadata:
        metadata["managedFields"] = [one for one in metadata["managedFields"] if one.get("manager") != FIELD_MANAGER]
    found: dict[str, Any] = copied({**body, "metadata": metadata})
    found.pop("status", None)
    return found


def made_at(body: Body) -> datetime:
    """When an object was made."""
    return parse_time(body["metadata"]["creationTimestamp"])


def _least(replicas: int, body: dict[str, Any]) -> None:
    body["spec"]["minReplicas"] = replicas
