"""Deletes records whose time is over, each after it was written to the log as a whole.

A bounded number a round, shared out among the namespaces and one after the other, so that ten thousand policies make no
storm and a namespace with a hundred thousand records holds nobody up; while something is left, the next round follows
at once. One namespace is looked at after another, and of its records only what the choice needs is held: what may go
is decided in `core/retention`, and read again as a whole before it goes.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import structlog

from salus.core import takeover
from salus.core.records import TARGET_LABEL
from salus.core.retention import (
    Books,
    ChangeEntry,
    Entry,
    IncidentEntry,
    Retention,
    change_entry,
    expendable,
    in_turns,
    incident_entry,
    longest_window,
    shares,
)
from salus.loop.scopes import each_scope
from salus.loop.world import World
from salus.model.meta import WorkloadKind
from salus.model.types import MALFORMED, Body
from salus.model.values import Policy, PolicyKey, TargetKey
from salus.ports import (
    CHANGE_EVENTS,
    CONTROLLER_REVISIONS,
    INCIDENTS,
    KEPT_RELEASES,
    Conflict,
    NotFound,
    Ref,
    Resource,
    TooMany,
)

EXPORT = "salus.export"
"""Name of the logger that carries what is about to be deleted, whatever the level of the others is."""
MOST = 2000
"""Records deleted in one round."""
PAUSE = 0.01
"""Seconds between two deletions."""
MOST_READ = 50_000
"""Records of a namespace, of each kind, that are held at once; the others wait for a later round."""
_RESOURCES = {resource.kind: resource for resource in (CHANGE_EVENTS, INCIDENTS)}
_export = structlog.get_logger(EXPORT)
_log = structlog.get_logger(__name__)
_Read = TypeVar("_Read", ChangeEntry, IncidentEntry)


@dataclass(slots=True)
class Collector:
    """Collects the records of all namespaces that are watched."""

    world: World
    policies: Callable[[], Iterable[Policy]]
    """Those that are in use: their limits look back."""
    sees_all: Callable[[], bool] = lambda: True
    """Whether all workloads and policies are known, so that one that is not seen is not there."""
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep
    behind: frozenset[str] = field(default=frozenset(), init=False)
    """Namespaces in which the last round left something that may go."""

    async def round(self, retention: Retention, most: int = MOST) -> int:
        """Delete what may go, the oldest of each namespace first; returns how many. Raises ClusterError."""
        left, self.behind = self.behind, frozenset()
        chosen: dict[str, Sequence[Entry]] = {}
        short: set[str] = set()
        for namespace in sorted(left) or await self._namespaces():
            chosen[namespace] = await self._chosen(namespace, retention)
            short |= _share_out(chosen, most)
            await asyncio.sleep(0)  # between two namespaces the ticks have their turn
        deleted = 0
        for namespace, entry in in_turns(chosen):
            deleted += await self._collect(namespace, entry)
            await self.pause(PAUSE)
        if deleted:
            _log.info("old records were deleted", records=deleted, more_are_left=sorted(short)[:10])
            self.behind = frozenset(short)
        return deleted

    async def _namespaces(self) -> list[str]:
        """Those that have records."""
        found = await each_scope(self.world.namespaces, self._namespaces_in, "look for old records")
        return sorted(set().union(*found.values()))

    async def _namespaces_in(self, scope: str | None) -> set[str]:
        return {
            body["metadata"]["namespace"]
            for resource in (CHANGE_EVENTS, INCIDENTS)
            async for body in self.world.cluster.each(resource, scope)
        }

    async def _chosen(self, namespace: str, retention: Retention) -> list[Entry]:
        """What may go in a namespace; its releases are only asked for where something may."""
        now = self.world.clock.now()
        policies = (policy for policy in self.policies() if policy.key.namespace == namespace)
        window = longest_window(policies, self.world.switches(), retention.max_window)
        books = await self._books(namespace)
        if not expendable(books, retention, window, now):
            return []
        try:
            quarantining = await self._quarantining(namespace)
        except TooMany as error:
            _log.warning("the old records of a namespace stay", namespace=namespace, error=str(error))
            return []
        return expendable(replace(books, quarantining=quarantining), retention, window, now)

    async def _books(self, namespace: str) -> Books:
        """What is on record in a namespace, and what of it is of nobody any more."""
        cluster = self.world.cluster
        changes, more = await _read(cluster.each(CHANGE_EVENTS, namespace), change_entry, _is_unfinished)
        incidents, yet_more = await _read(cluster.each(INCIDENTS, namespace), incident_entry, _goes_on)
        targets = {entry.target for entry in (*changes, *incidents)}
        policies = {entry.policy for entry in (*changes, *incidents)}
        sees_all, is_known = self.sees_all(), self.world.is_known
        return Books(
            changes,
            incidents,
            gone=frozenset(target for target in targets if sees_all and self._is_gone(namespace, *target)),
            abandoned=frozenset(name for name in policies if sees_all and not is_known(PolicyKey(namespace, name))),
            unread=more + yet_more,
        )

    def _is_gone(self, namespace: str, kind: str, name: str) -> bool:
        return kind in set(WorkloadKind) and not self.world.workloads.get(
            TargetKey(namespace, WorkloadKind(kind), name)
        )

    async def _quarantining(self, namespace: str) -> frozenset[str]:
        """The changes by which releases of Salus are quarantined, also those that an older Salus kept."""
        kept = self.world.cluster.each(KEPT_RELEASES, namespace)
        found = [(body.get("status") or {}).get("quarantinedBy", "") async for body in kept]
        old = await self.world.cluster.list_metadata(CONTROLLER_REVISIONS, namespace)
        ours = [body["metadata"] for body in old if TARGET_LABEL in (body["metadata"].get("labels") or {})]
        found += [(metadata.get("annotations") or {}).get(takeover.QUARANTINED_BY, "") for metadata in ours]
        return frozenset(name for name in found if name)

    async def _collect(self, namespace: str, entry: Entry) -> int:
        """Export, then delete that very object; 0 if somebody else has done so meanwhile."""
        resource: Resource = _RESOURCES[entry.kind]
        ref = Ref(resource, namespace, entry.name)
        try:
            body = await self.world.cluster.get(ref)
            if body["metadata"]["uid"] != entry.uid:
                return 0
            _export.info("record exported", kind=entry.kind, namespace=namespace, name=entry.name, object=body)
            await self.world.cluster.delete(ref, uid=entry.uid)
        except (NotFound, Conflict):
            return 0
        self.world.telemetry.collected(entry.kind)
        return 1


async def _read(
    bodies: AsyncIterator[Body], entry_of: Callable[[Body], _Read], is_needed: Callable[[_Read], bool]
) -> tuple[list[_Read], int]:
    """The records as entries, MOST_READ of them and those that are needed, and how many others there are.

    One that cannot be read stays, and costs the others nothing.
    """
    found: list[_Read] = []
    others = 0
    async for body in bodies:
        try:
            entry = entry_of(body)
        except MALFORMED as error:
            metadata = body["metadata"]
            where = {"namespace": metadata["namespace"], "name": metadata["name"]}
            _log.warning("a record cannot be read, and stays", **where, error=repr(error))
            continue
        if len(found) < MOST_READ or is_needed(entry):
            found.append(entry)
        else:
            others += 1
    return found, others


def _is_unfinished(change: ChangeEntry) -> bool:
    return change.unfinished


def _goes_on(incident: IncidentEntry) -> bool:
    return incident.goes_on


def _share_out(chosen: dict[str, Sequence[Entry]], most: int) -> set[str]:
    """Leave each namespace its share of what a round may delete; returns those that have more."""
    granted = shares({namespace: len(entries) for namespace, entries in chosen.items()}, most)
    short = {namespace for namespace, entries in chosen.items() if len(entries) > granted[namespace]}
    for namespace in short:
        chosen[namespace] = chosen[namespace][: granted[namespace]]
    return short
