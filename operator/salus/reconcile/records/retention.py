"""Deletes records whose time is over, each after it was written to the log as a whole.

A bounded number a round, shared out among the namespaces and one after the other, so that ten thousand policies make no
storm and a namespace with a hundred thousand records holds nobody up; while something is left, the next round follows
at once. One namespace is looked at after another: what may go is decided in `core/records/retention`, by what the store
of records knows, and read again as a whole before it goes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import structlog

from salus.core.records import legacy_releases
from salus.core.records.entries import ChangeRecord, IncidentRecord
from salus.core.records.names import TARGET_LABEL
from salus.core.records.retention import (
    Books,
    ChangeEntry,
    Entry,
    IncidentEntry,
    Retention,
    change_entry,
    expendable,
    in_turns,
    longest_window,
    shares,
)
from salus.model.meta import WorkloadKind
from salus.model.values.keys import PolicyKey, TargetKey
from salus.model.values.policies import Policy
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
from salus.reconcile.context import Context

EXPORT = "salus.export"
"""Name of the logger that carries what is about to be deleted, whatever the level of the others is."""
MOST = 2000
"""Records deleted in one round."""
PAUSE = 0.01
"""Seconds between two deletions."""
_RESOURCES = {resource.kind: resource for resource in (CHANGE_EVENTS, INCIDENTS)}
_export = structlog.get_logger(EXPORT)
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Collector:
    """Collects the records of all namespaces that are watched."""

    context: Context
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
        for namespace in sorted(left or self.context.records.namespaces()):
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

    async def _chosen(self, namespace: str, retention: Retention) -> list[Entry]:
        """What may go in a namespace; its releases are only asked for where something may."""
        now = self.context.clock.now()
        policies = (policy for policy in self.policies() if policy.key.namespace == namespace)
        window = longest_window(policies, self.context.switches(), retention.max_window)
        books = self._books(namespace)
        if not expendable(books, retention, window, now):
            return []
        try:
            quarantining = await self._quarantining(namespace)
        except TooMany as error:
            _log.warning("the old records of a namespace stay", namespace=namespace, error=str(error))
            return []
        return expendable(replace(books, quarantining=quarantining), retention, window, now)

    def _books(self, namespace: str) -> Books:
        """What is on record in a namespace, and what of it is of nobody any more. What cannot be read stays."""
        records = self.context.records
        changes = [change for one in records.changes_in(namespace) if (change := entry_of_change(one)) is not None]
        incidents = [found for one in records.incidents_in(namespace) if (found := entry_of_incident(one)) is not None]
        targets = {entry.target for entry in (*changes, *incidents)}
        policies = {entry.policy for entry in (*changes, *incidents)}
        sees_all, is_known = self.sees_all(), self.context.is_known
        return Books(
            changes,
            incidents,
            gone=frozenset(target for target in targets if sees_all and self._is_gone(namespace, *target)),
            abandoned=frozenset(name for name in policies if sees_all and not is_known(PolicyKey(namespace, name))),
        )

    def _is_gone(self, namespace: str, kind: str, name: str) -> bool:
        return kind in set(WorkloadKind) and not self.context.workloads.get(
            TargetKey(namespace, WorkloadKind(kind), name)
        )

    async def _quarantining(self, namespace: str) -> frozenset[str]:
        """The changes by which releases of Salus are quarantined, also those that an older Salus kept."""
        kept = self.context.cluster.each(KEPT_RELEASES, namespace)
        found = [(body.get("status") or {}).get("quarantinedBy", "") async for body in kept]
        old = await self.context.cluster.list_metadata(CONTROLLER_REVISIONS, namespace)
        ours = [body["metadata"] for body in old if TARGET_LABEL in (body["metadata"].get("labels") or {})]
        found += [(metadata.get("annotations") or {}).get(legacy_releases.QUARANTINED_BY, "") for metadata in ours]
        return frozenset(name for name in found if name)

    async def _collect(self, namespace: str, entry: Entry) -> int:
        """Export, then delete that very object; 0 if somebody else has done so meanwhile."""
        resource: Resource = _RESOURCES[entry.kind]
        ref = Ref(resource, namespace, entry.name)
        try:
            body = await self.context.cluster.get(ref)
            if body["metadata"]["uid"] != entry.uid:
                self.context.records.note(body)
                return 0
            _export.info("record exported", kind=entry.kind, namespace=namespace, name=entry.name, object=body)
            await self.context.cluster.delete(ref, uid=entry.uid)
        except NotFound:
            self.context.records.forget(ref, entry.uid)
            return 0
        except Conflict:
            return 0
        self.context.records.forget(ref, entry.uid)
        self.context.telemetry.collected(entry.kind)
        return 1


def entry_of_change(record: ChangeRecord) -> ChangeEntry | None:
    """What the choice needs of it; None if it cannot be read."""
    if record.change is None:
        return None
    return change_entry(record.change, (record.kind, record.target), delivered=record.delivered)


def entry_of_incident(record: IncidentRecord) -> IncidentEntry | None:
    """The same."""
    if record.moment is None:
        return None
    return IncidentEntry(
        kind=INCIDENTS.kind,
        name=record.name,
        uid=record.uid,
        number=record.number,
        moment=record.moment,
        target=(record.kind, record.target),
        policy=record.policy,
        goes_on=record.body is not None,
    )


def _share_out(chosen: dict[str, Sequence[Entry]], most: int) -> set[str]:
    """Leave each namespace its share of what a round may delete; returns those that have more."""
    granted = shares({namespace: len(entries) for namespace, entries in chosen.items()}, most)
    short = {namespace for namespace, entries in chosen.items() if len(entries) > granted[namespace]}
    for namespace in short:
        chosen[namespace] = chosen[namespace][: granted[namespace]]
    return short
