"""What the cluster shows of a workload now, and what can be told of its past from that alone."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from salus.cli.person import Person
from salus.cli.replay.lives import Change, Life, made_at
from salus.cli.replay.told import Present
from salus.core.objects.autoscalers import autoscalers_of
from salus.core.objects.selectors import controlled_by
from salus.core.objects.workloads import POD_TEMPLATE_HASH
from salus.core.records.deeds import Traces, deeds_of
from salus.core.records.releases import history_from, target_of
from salus.model.meta import AutoscalerKind, WorkloadKind
from salus.model.scalars import Body, format_time, parse_time
from salus.model.values.deeds import Deed, DeedKind
from salus.model.values.keys import TargetKey
from salus.ports import (
    AUTOSCALERS,
    CONTROLLER_REVISIONS,
    CORE_EVENTS,
    KEPT_RELEASES,
    REPLICA_SETS,
    WORKLOADS,
    Ref,
    Resource,
)

Template = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """All that is there of one workload."""

    key: TargetKey
    traces: Traces
    kept: tuple[Body, ...] = ()

    def present(self) -> Present:
        """For who knows its past from elsewhere."""
        return Present(self.traces.body, dict(self._templates()))

    def _templates(self) -> Iterator[tuple[str, Template]]:
        for body in self._owned():
            yield body["metadata"]["name"], _template(body)

    def _owned(self) -> list[Body]:
        return list(controlled_by(self.traces.owned, {self.traces.body["metadata"]["uid"]}))

    def alone(self, since: datetime) -> Life:
        """Its past from then on, from this alone: what is kept of its releases, and who wrote its size."""
        try:
            deeds = [deed for deed in deeds_of(self.traces) if deed.at > since and deed.by_then is None]
        except ValueError:  # an object that the API server would not have taken
            deeds = []
        releases = [deed for deed in deeds if deed.kind is not DeedKind.SCALE]
        first = self._before(releases[0]) if releases else self.traces.body["spec"]["template"]
        changes = [Change(deed.at, template) for deed in releases if (template := self._of(deed)) is not None]
        sizes = [deed for deed in deeds if deed.kind is DeedKind.SCALE and deed.replicas is not None]
        changes += [Change(deed.at, replicas=deed.replicas) for deed in sizes]
        body = {**self.traces.body, "spec": {**self.traces.body["spec"], "template": first}}
        if sizes and sizes[0].before is not None:
            body["spec"]["replicas"] = sizes[0].before
        return Life(
            key=self.key,
            body=body,
            changes=tuple(sorted(changes, key=lambda change: change.at)),
            around=(self.traces.hpa,) if self.traces.hpa is not None else (),
            unknown=(f"what {self.key} was, but for what Kubernetes still has of it: older releases, most scalings.",),
        )

    def _of(self, deed: Deed) -> Template | None:
        """The template that a deed has brought."""
        history = {one.name: one for one in history_from(self._owned())}
        found = [(name, template) for name, template in self._templates() if name in history]
        by_time = next((template for name, template in found if history[name].made_at == deed.at), None)
        return by_time or next((template for name, template in found if history[name].named == deed.release), None)

    def _before(self, deed: Deed) -> Template:
        """The template that it took the place of."""
        older = [body for body in self._owned() if made_at(body) < deed.at]
        mine: Template = self.traces.body["spec"]["template"]
        return _template(max(older, key=made_at)) if older else self._of(deed) or mine

    def with_releases(self, life: Life, begins: datetime) -> Life:
        """The same, with the releases that were known to be good when it begins."""
        return replace(life, around=(*life.around, *_good_before(self.kept, begins)))


def _template(body: Body) -> Template:
    """Of a ReplicaSet or a ControllerRevision, as the workload itself has it."""
    spec = (body.get("data") or body).get("spec") or {}
    template = {key: value for key, value in (spec.get("template") or {}).items() if key != "$patch"}
    metadata = dict(template.get("metadata") or {})
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != POD_TEMPLATE_HASH}
    return {**template, "metadata": {**metadata, "labels": labels}}


def _good_before(kept: Iterable[Body], begins: datetime) -> Iterator[Body]:
    for body in kept:
        spec, status = body["spec"], body.get("status") or {}
        good = status.get("healthyAt") and not status.get("quarantinedBy") and not spec.get("withdrawal")
        if good and parse_time(spec["keptAt"]) <= begins:
            healthy = min(parse_time(status["healthyAt"]), begins)
            yield {**body, "status": {**status, "healthyAt": format_time(healthy)}}


@dataclass(frozen=True, slots=True)
class Around:
    """What lies around workloads; each list of a namespace is read once."""

    person: Person
    _lists: dict[tuple[Resource, str], asyncio.Task[list[Body]]] = field(default_factory=dict)

    async def objects(self, resource: Resource, namespace: str) -> list[Body]:
        """All of a kind, as far as the person may list them."""
        key = resource, namespace
        if key not in self._lists:
            self._lists[key] = asyncio.ensure_future(self.person.around(resource, namespace))
        return await self._lists[key]


async def seen(around: Around, key: TargetKey) -> Seen | None:
    """What is there of it, as far as the person may read it; None: nothing, or it is not theirs to see."""
    body = await around.person.find(Ref(WORKLOADS[key.kind], key.namespace, key.name))
    if body is None:
        return None
    revisions = REPLICA_SETS if key.kind is WorkloadKind.DEPLOYMENT else CONTROLLER_REVISIONS
    kinds = (revisions, AUTOSCALERS, KEPT_RELEASES, CORE_EVENTS)
    owned, scalers, kept, events = await asyncio.gather(*(around.objects(kind, key.namespace) for kind in kinds))
    typed = [{"apiVersion": AUTOSCALERS.api_version, "kind": AUTOSCALERS.kind, **one} for one in scalers]
    resource = WORKLOADS[key.kind]
    whole = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
    traces = Traces(whole, owned, events, _hpa(key, typed))
    releases = [
        {"apiVersion": KEPT_RELEASES.api_version, "kind": KEPT_RELEASES.kind, **one}
        for one in kept
        if target_of(one) == key
    ]
    return Seen(key, traces, tuple(releases))


def _hpa(key: TargetKey, bodies: Iterable[Body]) -> Body | None:
    try:
        found = autoscalers_of(key, bodies)
    except ValueError:
        return None
    return next((one.body for one in found if one.key.kind is AutoscalerKind.HPA), None)
