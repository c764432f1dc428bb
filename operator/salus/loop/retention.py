"""Deletes records whose time is over, each after it was written to the log as a whole.

A bounded number a round, one after the other, so that ten thousand policies make no storm; the next round goes on.
What may go is decided in `core/retention`.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import structlog

from salus.core import releases
from salus.core.records import TARGET_LABEL
from salus.core.retention import Books, Retention, expendable, longest_window
from salus.loop.world import World
from salus.model.types import Body
from salus.model.values import Policy
from salus.ports import CHANGE_EVENTS, CONTROLLER_REVISIONS, INCIDENTS, Conflict, NotFound, Ref, Resource

EXPORT = "salus.export"
"""Name of the logger that carries what is about to be deleted, whatever the level of the others is."""
MOST = 1000
"""Records deleted in one round."""
_RESOURCES = {resource.kind: resource for resource in (CHANGE_EVENTS, INCIDENTS)}
_export = structlog.get_logger(EXPORT)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Collector:
    """Collects the records of all namespaces that are watched."""

    world: World
    policies: Callable[[], Iterable[Policy]]
    """Those that are in use: their limits look back."""

    async def round(self, retention: Retention, most: int = MOST) -> int:
        """Delete what may go, the oldest of each namespace first; returns how many. Raises ClusterError."""
        left = most
        for namespace, books in (await self._books()).items():
            for body in (await self._chosen(namespace, books, retention))[:left]:
                left -= await self._collect(body)
            await asyncio.sleep(0)  # between two namespaces the ticks have their turn
        if left < most:
            _log.info("old records were deleted", records=most - left, more_are_left=left == 0)
        return most - left

    async def _chosen(self, namespace: str, books: Books, retention: Retention) -> list[Body]:
        """What may go in a namespace; its releases are only asked for where something may."""
        now = self.world.clock.now()
        window = longest_window((p for p in self.policies() if p.key.namespace == namespace), self.world.switches())
        if not expendable(books, retention, window, now):
            return []
        quarantining = await self._quarantining(namespace)
        return expendable(replace(books, quarantining=quarantining), retention, window, now)

    async def _books(self) -> dict[str, Books]:
        """What is on record, by namespace."""
        changes, incidents = await self._listed(CHANGE_EVENTS), await self._listed(INCIDENTS)
        return {name: Books(changes[name], incidents[name]) for name in sorted({*changes, *incidents})}

    async def _quarantining(self, namespace: str) -> frozenset[str]:
        """The changes by which releases of Salus are quarantined."""
        revisions = await self.world.cluster.list(CONTROLLER_REVISIONS, namespace)
        ours = [body["metadata"] for body in revisions if TARGET_LABEL in (body["metadata"].get("labels") or {})]
        found = ((metadata.get("annotations") or {}).get(releases.QUARANTINED_BY, "") for metadata in ours)
        return frozenset(name for name in found if name)

    async def _listed(self, resource: Resource) -> dict[str, list[Body]]:
        found: dict[str, list[Body]] = defaultdict(list)
        for namespace in self.world.namespaces or (None,):
            for body in await self.world.cluster.list(resource, namespace):
                found[body["metadata"]["namespace"]].append(body)
        return found

    async def _collect(self, body: Body) -> int:
        """Export, then delete that very object; 0 if somebody else has done so meanwhile."""
        kind, metadata = body["kind"], body["metadata"]
        _export.info("record exported", kind=kind, namespace=metadata["namespace"], name=metadata["name"], object=body)
        try:
            ref = Ref(_RESOURCES[kind], metadata["namespace"], metadata["name"])
            await self.world.cluster.delete(ref, uid=metadata["uid"])
        except (NotFound, Conflict):
            return 0
        self.world.telemetry.collected(kind)
        return 1
