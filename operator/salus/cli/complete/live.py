"""Names that are in the cluster, as the person who types may see them. What does not come in time does not come."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from salus.cli.complete.vocabulary import Names, Source
from salus.cli.names import short_of
from salus.cli.person import Person, Where, person_at
from salus.model.meta import WorkloadKind
from salus.model.scalars import Body
from salus.ports import (
    CHANGE_EVENTS,
    HEALTH_POLICIES,
    INCIDENTS,
    KEPT_RELEASES,
    NAMESPACES,
    WORKLOADS,
    Resource,
)

MOST = 300
"""Names of a source that are offered: those that begin as what is typed, the newest records first."""
Candidate = tuple[str, str]
Candidates = Iterable[Candidate]


@dataclass(frozen=True, slots=True)
class Typed:
    """What of the line says where to look."""

    namespace: str | None
    all_namespaces: bool
    kubeconfig: str
    context: str | None
    as_user: str

    def where(self, patience: timedelta) -> Where:
        """The same as commands take it."""
        return Where(
            namespace=self.namespace,
            all_namespaces=self.all_namespaces,
            kubeconfig=Path(self.kubeconfig).expanduser() if self.kubeconfig else None,
            context=self.context,
            as_user=self.as_user,
            request_timeout=patience,
        )


def collect(
    names: Sequence[Names], begun: str, typed: Typed, patience: timedelta, found: Callable[[str, str], object]
) -> None:
    """Call `found` with each name and what it is, as they come. Raises CannotBeAsked."""
    asyncio.run(_collect(names, begun, typed.where(patience), found))


async def _collect(names: Sequence[Names], begun: str, where: Where, found: Callable[[str, str], object]) -> None:
    async with person_at(where) as person:
        await asyncio.gather(*(_one(one, begun, person, found) for one in names), return_exceptions=True)


async def _one(one: Names, begun: str, person: Person, found: Callable[[str, str], object]) -> None:
    rest = begun.removeprefix(one.prefix) if begun.startswith(one.prefix) else ""
    there = [(name, what) for name, what in await _SOURCES[one.source](person, rest) if name.startswith(rest)]
    for name, what in dict(there[:MOST]).items():
        found(f"{one.prefix}{name}", what)


async def _namespaces(person: Person, _: str) -> Candidates:
    return [(body["metadata"]["name"], "") for body in await person.cluster.list(NAMESPACES, None)]


async def _policies(person: Person, _: str) -> Candidates:
    return [_of_policy(body) for body in await person.around(HEALTH_POLICIES)]


def _of_policy(body: Body) -> Candidate:
    return body["metadata"]["name"], f"{_health(body)}, {_target(_spec(body).get('target'))}"


async def _subjects(person: Person, _: str) -> Candidates:
    found = await person.around(HEALTH_POLICIES)
    targets = {
        _target(target): f"of {body['metadata']['name']}"
        for body in found
        if (target := _spec(body).get("target") or {}).get("name")
    }
    return [*map(_of_policy, found), *targets.items()]


async def _workloads(person: Person, begun: str) -> Candidates:
    """Of the kind that is named already, or of all kinds."""
    kinds = [
        one
        for one in WORKLOADS.values()
        if f"{short_of(one)}/".startswith(begun) or begun.startswith(f"{short_of(one)}/")
    ]
    lists = await asyncio.gather(*(_metadata(person, kind) for kind in kinds))
    return [(f"{short_of(kind)}/{name}", "") for kind, there in zip(kinds, lists, strict=True) for name in there]


async def _metadata(person: Person, kind: Resource) -> list[str]:
    return [body["metadata"]["name"] for body in await person.cluster.list_metadata(kind, person.namespace)]


async def _incidents(person: Person, _: str) -> Candidates:
    found = await person.around(INCIDENTS)
    return [
        (body["metadata"]["name"], f"{_status(body).get('phase', 'Open')}, {_target(_spec(body).get('targetRef'))}")
        for body in _newest_first(found)
    ]


async def _changes(person: Person, _: str) -> Candidates:
    found = await person.around(CHANGE_EVENTS)
    return [(body["metadata"]["name"], _change(body)) for body in _newest_first(found)]


async def _questions(person: Person, _: str) -> Candidates:
    found = await person.around(CHANGE_EVENTS)
    return [(body["metadata"]["name"], _change(body)) for body in _newest_first(found) if _is_open(body)]


async def _kept(person: Person, _: str) -> Candidates:
    return [
        (body["metadata"]["name"], f"a release of {_target(_spec(body).get('targetRef'))}")
        for body in _newest_first(await person.around(KEPT_RELEASES))
    ]


_SOURCES: Mapping[Source, Callable[[Person, str], Awaitable[Candidates]]] = {
    Source.NAMESPACES: _namespaces,
    Source.POLICIES: _policies,
    Source.SUBJECTS: _subjects,
    Source.WORKLOADS: _workloads,
    Source.INCIDENTS: _incidents,
    Source.CHANGES: _changes,
    Source.QUESTIONS: _questions,
    Source.KEPT: _kept,
}


def _newest_first(bodies: Sequence[Body]) -> Iterator[Body]:
    return iter(sorted(bodies, key=lambda body: str(body["metadata"].get("creationTimestamp", "")), reverse=True))


def _spec(body: Body) -> Mapping[str, Any]:
    return body.get("spec") or {}


def _status(body: Body) -> Mapping[str, Any]:
    return body.get("status") or {}


def _health(body: Body) -> str:
    conditions = _status(body).get("conditions") or ()
    status = next((one.get("status") for one in conditions if one.get("type") == "Healthy"), "Unknown")
    return {"True": "Healthy", "False": "Unhealthy"}.get(str(status), "Unknown")


def _target(ref: Mapping[str, Any] | None) -> str:
    """`deploy/checkout`."""
    kind = WorkloadKind((ref or {}).get("kind", WorkloadKind.DEPLOYMENT))
    return f"{short_of(WORKLOADS[kind])}/{(ref or {}).get('name') or '(by labels)'}"


def _change(body: Body) -> str:
    spec = _spec(body)
    return f"{spec.get('decision')} {spec.get('action')}, {_target(spec.get('targetRef'))}"


def _is_open(body: Body) -> bool:
    spec = _spec(body)
    return spec.get("decision") == "AwaitApproval" and not spec.get("approval") and not _status(body).get("outcome")
