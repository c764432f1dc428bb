"""Everything that is known of the past of workloads, as far as a person may read it: the records, and what lies around.

One that asks for a workload needs no right on policies, and one whose right on records is lacking still sees releases:
what is left out is named by `Person`. Only where no record can be read at all is there nothing to tell.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from salus.cli.names import Named, named, resembling
from salus.cli.person import Person
from salus.core.objects.autoscalers import autoscalers_of
from salus.core.objects.edits import config_maps_of, edits_of
from salus.core.records.deeds import Traces
from salus.core.records.releases import target_of
from salus.model.meta import AutoscalerKind, WorkloadKind
from salus.model.scalars import Body
from salus.model.values.keys import TargetKey
from salus.model.values.objects import Autoscaler
from salus.model.values.surroundings import Edit
from salus.ports import (
    AUTOSCALERS,
    CHANGE_EVENTS,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    CORE_EVENTS,
    HEALTH_POLICIES,
    INCIDENTS,
    KEPT_RELEASES,
    REPLICA_SETS,
    SCALED_OBJECTS,
    WORKLOADS,
    Ref,
)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one workload."""

    key: TargetKey
    policies: tuple[Body, ...] = ()
    """Those that speak of it."""
    incidents: tuple[Body, ...] = ()
    changes: tuple[Body, ...] = ()
    kept: tuple[Body, ...] = ()
    traces: Traces | None = None
    """What Kubernetes still knows of it; None: it is gone, or may not be read."""
    edits: tuple[Edit, ...] = ()
    only: frozenset[str] = frozenset()
    """The policies that were asked for; empty: all. What others say is kept all the same: it explains what was done."""

    def asks_for(self, record: Body) -> bool:
        """Whether a record is of the policies that were asked for."""
        return not self.only or record["spec"]["policyRef"]["name"] in self.only


@dataclass(frozen=True, slots=True)
class Book:
    """All that was asked for."""

    policies: tuple[Body, ...] = ()
    workloads: tuple[Known, ...] = ()


@dataclass(slots=True)
class _Records:
    """Salus' own objects, before they are told apart by workload."""

    policies: list[Body]
    incidents: list[Body]
    changes: list[Body]
    kept: list[Body] = field(default_factory=list)


NAMES = (HEALTH_POLICIES, *WORKLOADS.values())


async def read(person: Person, texts: Sequence[str]) -> Book:
    """The past of the policies or workloads of these names, or of all. Raises CannotBeAsked."""
    wanted = [named(text, allowed=NAMES) for text in texts]
    records = await _records(person, wanted)
    spoken_of = {one["metadata"]["name"]: one for one in records.policies}
    for one in wanted:
        if one.workload is None and not _is_there(one, records):
            raise await person.no_such(one, resembling(one.name, spoken_of))
    names = frozenset(one.name for one in wanted if one.workload is None)
    keys = {_key(person, one) for one in wanted if one.workload is not None}
    if names or not wanted:
        keys |= {*_targets(records, names), *await _selected(person, records, names)}
    around = await asyncio.gather(
        *(_around(person, namespace, keys) for namespace in sorted({key.namespace for key in keys}))
    )
    found = {known.key: known for there in around for known in _known(there, records, names)}
    for one in wanted:
        if one.workload is not None and _says_nothing(found[_key(person, one)]):
            await person.get(Ref(one.resource, _key(person, one).namespace, one.name))  # says what it is called instead
    return Book(tuple(records.policies), tuple(found[key] for key in sorted(found, key=str)))


async def _records(person: Person, wanted: Sequence[Named]) -> _Records:
    by_policy = any(one.workload is None for one in wanted)
    policies = await (person.objects if by_policy else person.around)(HEALTH_POLICIES)
    incidents, changes = await person.around(INCIDENTS), await person.around(CHANGE_EVENTS)
    if {INCIDENTS.plural, CHANGE_EVENTS.plural} <= {one.what for one in person.not_looked_at}:
        raise person.lacking("list", CHANGE_EVENTS, person.namespace or "")
    return _Records(policies, incidents, changes, await person.around(KEPT_RELEASES))


def _key(person: Person, one: Named) -> TargetKey:
    """A workload that was named. Raises CannotBeAsked where there is no namespace to look in."""
    return TargetKey(person.one_namespace(), one.workload or WorkloadKind.DEPLOYMENT, one.name)


def _is_there(one: Named, records: _Records) -> bool:
    """A policy, also one that only records speak of."""
    known = {body["metadata"]["name"] for body in records.policies}
    return one.name in known | {body["spec"]["policyRef"]["name"] for body in (*records.incidents, *records.changes)}


def _targets(records: _Records, names: Set[str]) -> Iterator[TargetKey]:
    """The workloads of these policies, or of all, as records and policies name them."""
    for body in (*records.incidents, *records.changes):
        if not names or body["spec"]["policyRef"]["name"] in names:
            yield _target(body, body["spec"]["targetRef"])
    for body in records.policies:
        target = body["spec"].get("target") or {}
        if target.get("name") and (not names or body["metadata"]["name"] in names):
            yield _target(body, target)


def _target(body: Body, ref: Mapping[str, Any]) -> TargetKey:
    return TargetKey(body["metadata"]["namespace"], WorkloadKind(ref["kind"]), ref["name"])


async def _selected(person: Person, records: _Records, names: Set[str]) -> Sequence[TargetKey]:
    """The workloads that these policies, or all, choose by their labels."""
    found = []
    for body in records.policies:
        target, namespace = body["spec"].get("target") or {}, body["metadata"]["namespace"]
        labels = (target.get("selector") or {}).get("matchLabels")
        if labels and (not names or body["metadata"]["name"] in names):
            kind = WorkloadKind(target["kind"])
            bodies = await person.around(WORKLOADS[kind], namespace, labels)
            found += [TargetKey(namespace, kind, one["metadata"]["name"]) for one in bodies]
    return found


# --- what lies around


@dataclass(frozen=True, slots=True)
class _Around:
    """What Kubernetes has of some workloads of one namespace."""

    keys: Sequence[TargetKey]
    bodies: Mapping[TargetKey, Body]
    owned: Sequence[Body]
    scalers: Sequence[Body]
    config_maps: Sequence[Body]
    events: Sequence[Body]


async def _around(person: Person, namespace: str, keys: Iterable[TargetKey]) -> _Around:
    mine = [key for key in keys if key.namespace == namespace]
    kinds = {key.kind for key in mine}
    revisions = {REPLICA_SETS if kind is WorkloadKind.DEPLOYMENT else CONTROLLER_REVISIONS for kind in kinds}
    bodies = await asyncio.gather(*(_bodies(person, namespace, kind, mine) for kind in kinds))
    kinds_around = (*revisions, AUTOSCALERS, CORE_EVENTS)
    lists = await asyncio.gather(*(person.around(kind, namespace) for kind in kinds_around))
    of = dict(zip(kinds_around, lists, strict=True))
    return _Around(
        keys=mine,
        bodies={key: body for found in bodies for key, body in found.items()},
        owned=[body for kind in revisions for body in of[kind]],
        scalers=[*of[AUTOSCALERS], *await _scaled_objects(person, namespace, of[AUTOSCALERS])],
        config_maps=await person.metadata_around(CONFIG_MAPS, namespace),
        events=of[CORE_EVENTS],
    )


async def _scaled_objects(person: Person, namespace: str, autoscalers: Iterable[Body]) -> list[Body]:
    """Those of KEDA, where an HPA tells that there are some: most clusters do not know the kind."""
    owners = (owner for body in autoscalers for owner in body["metadata"].get("ownerReferences") or ())
    known = any(owner.get("kind") == SCALED_OBJECTS.kind for owner in owners)
    return await person.around(SCALED_OBJECTS, namespace) if known else []


async def _bodies(
    person: Person, namespace: str, kind: WorkloadKind, keys: Sequence[TargetKey]
) -> Mapping[TargetKey, Body]:
    mine = [key for key in keys if key.kind is kind]
    if len(mine) == 1:
        body = await person.find(Ref(WORKLOADS[kind], namespace, mine[0].name))
        return {mine[0]: body} if body is not None else {}
    there = {body["metadata"]["name"]: body for body in await person.around(WORKLOADS[kind], namespace)}
    return {key: there[key.name] for key in mine if key.name in there}


def _known(around: _Around, records: _Records, names: frozenset[str]) -> Iterator[Known]:
    for key in around.keys:
        body = around.bodies.get(key)
        policies = tuple(one for one in records.policies if _speaks_of(one, key, body))
        yield Known(
            key=key,
            policies=policies,
            incidents=tuple(_of(key, records.incidents)),
            changes=tuple(_of(key, records.changes)),
            kept=tuple(one for one in records.kept if target_of(one) == key),
            traces=_traces(body, key, around) if body is not None else None,
            edits=tuple(_edits(body, key, around, policies)),
            only=names,
        )


def _of(key: TargetKey, bodies: Iterable[Body]) -> Iterator[Body]:
    return (body for body in bodies if _target(body, body["spec"]["targetRef"]) == key)


def _speaks_of(policy: Body, key: TargetKey, body: Body | None) -> bool:
    target = policy["spec"].get("target") or {}
    if (policy["metadata"]["namespace"], target.get("kind")) != (key.namespace, key.kind):
        return False
    if target.get("name"):
        return bool(target["name"] == key.name)
    wanted = (target.get("selector") or {}).get("matchLabels") or {}
    labels = (body["metadata"].get("labels") or {}) if body is not None else {}
    return bool(wanted) and wanted.items() <= labels.items()


def _scalers(key: TargetKey, around: _Around) -> Sequence[Autoscaler]:
    try:
        return autoscalers_of(key, around.scalers)
    except ValueError:  # one that nobody can read scales nothing that could be told
        return ()


def _traces(body: Body, key: TargetKey, around: _Around) -> Traces:
    hpa = next((one.body for one in _scalers(key, around) if one.key.kind is AutoscalerKind.HPA), None)
    return Traces(body, around.owned, around.events, hpa)


def _edits(body: Body | None, key: TargetKey, around: _Around, policies: Iterable[Body]) -> Iterator[Edit]:
    for policy in policies:
        yield from edits_of(policy, used=True)
    for scaler in _scalers(key, around):
        yield from edits_of(scaler.body, used=True)
    names = config_maps_of(body["spec"]["template"]) if body is not None else frozenset()
    for one in around.config_maps:
        if one["metadata"]["name"] in names:
            yield from edits_of(one, used=True)


def _says_nothing(known: Known) -> bool:
    return known.traces is None and not (known.incidents or known.changes or known.kept)
