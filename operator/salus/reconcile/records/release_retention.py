"""Deletes kept releases whose time is over, and notices those whose workload is gone.

Looks at all of them a page at a time, so that ten thousand kept pod templates are never in memory at once; reads those
of a target only where something may be to be done. What is deleted is not written to the log: a pod template may hold
what nobody should read there. What may go is decided in `core/records/release_retention`.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from salus.core.records.names import TARGET_LABEL, target_id
from salus.core.records.release_retention import ShelfLife, orphans_whose_time_is_over, outdated
from salus.core.records.releases import releases_from, target_of
from salus.model.meta import WorkloadKind
from salus.model.scalars import parse_time
from salus.model.values.keys import TargetKey
from salus.model.values.objects import Release
from salus.ports import KEPT_RELEASES, NotFound
from salus.reconcile import releases as release_keeping
from salus.reconcile.context import Context
from salus.reconcile.observe import target as observe
from salus.reconcile.scopes import each_scope

MOST = 50
"""Targets of a namespace that are looked at in one round."""
log = structlog.get_logger(__name__)
_Shelf = tuple[str, str]
"""Namespace, and id of a target."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """Looks after the kept releases of all namespaces that are watched."""

    context: Context
    looked: dict[_Shelf, datetime] = field(default_factory=dict)
    """When each was read last, so that every one has its turn."""
    orphaned: set[_Shelf] = field(default_factory=set)
    """Those whose workload was gone then."""

    async def round(self, life: ShelfLife) -> int:
        """Delete what may go; returns how many. Raises ClusterError."""
        dropped = 0
        for namespace, oldest in (await self._oldest()).items():
            for one in self._due(namespace, oldest, life)[:MOST]:
                dropped += await self._look(one, life)
            await asyncio.sleep(0)  # between two namespaces the ticks have their turn
        if dropped:
            log.info("kept releases whose time was over were deleted", releases=dropped)
        return dropped

    async def _oldest(self) -> dict[str, dict[str, datetime]]:
        """By namespace and id of the target, when its oldest kept release was made."""
        found = await each_scope(self.context.namespaces, self._oldest_in, "look for old releases")
        return {namespace: there for some in found.values() for namespace, there in some.items()}

    async def _oldest_in(self, scope: str | None) -> dict[str, dict[str, datetime]]:
        oldest: dict[str, dict[str, datetime]] = defaultdict(dict)
        async for body in self.context.cluster.each(KEPT_RELEASES, scope):
            metadata = body["metadata"]
            named, made = (metadata.get("labels") or {}).get(TARGET_LABEL), metadata["creationTimestamp"]
            if named:
                there = oldest[metadata["namespace"]]
                there[named] = min(parse_time(made), there.get(named, parse_time(made)))
        return oldest

    def _due(self, namespace: str, oldest: Mapping[str, datetime], life: ShelfLife) -> list[_Shelf]:
        """Those of which something may have to go, or to be said; who was looked at least lately comes first."""
        now = self.context.clock.now()
        kinds = (self.context.workloads.select(namespace, kind, {}) for kind in WorkloadKind)
        live = {target_id(workload.key) for found in kinds for workload in found}
        due = [
            (namespace, one)
            for one, made in oldest.items()
            if one not in live or (namespace, one) in self.orphaned or now - made > life.max_age
        ]
        return sorted(due, key=lambda shelf: (shelf in self.looked, self.looked.get(shelf, now), shelf))

    async def _look(self, one: _Shelf, life: ShelfLife) -> int:
        """Read the releases of a target; two workloads may share an id, each has its own."""
        namespace, named = one
        self.looked[one] = self.context.clock.now()
        self.orphaned.discard(one)
        bodies = await self.context.cluster.list(KEPT_RELEASES, namespace, {TARGET_LABEL: named})
        targets = {key for body in bodies if (key := target_of(body)) is not None}
        dropped = [
            await self._tidy(one, key, releases_from(bodies, key, self.context.stamps), life) for key in sorted(targets)
        ]
        return sum(dropped)

    async def _tidy(self, one: _Shelf, target: TargetKey, kept: Sequence[Release], life: ShelfLife) -> int:
        now, live = self.context.clock.now(), await self._live_release(target)
        if live is not None:
            await release_keeping.claim(self.context, target, kept)
            gone = outdated(kept, live, life, now)
        else:
            self.orphaned.add(one)
            for release in kept:
                if release.orphaned_at is None:
                    await release_keeping.orphan(self.context, target, release, now)
            gone = orphans_whose_time_is_over(kept, life, now)
        return sum([await self._drop(target, release) for release in gone])

    async def _live_release(self, target: TargetKey) -> str | None:
        """The release that the workload runs; None if it is gone, for which the API server's own word is asked."""
        if (workload := self.context.workloads.get(target)) is not None:
            return workload.release
        try:
            return observe.workload_of(
                await self.context.cluster.get(observe.workload_ref(target)), self.context.stamps
            ).release
        except NotFound:
            return None

    async def _drop(self, target: TargetKey, release: Release) -> bool:
        if not await release_keeping.drop(self.context, target, release):
            return False
        self.context.telemetry.collected(KEPT_RELEASES.kind)
        log.info("a kept release's time was over", name=release.name, namespace=target.namespace)
        return True
