"""Keeps releases.

The good ones for a rollback to go back to, the ones that a rollback took away so that it can be undone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from salus.core.actions import KINDS
from salus.core.objects.ownership import git_holds
from salus.core.objects.stamps import configuration
from salus.core.objects.workloads import release_hash
from salus.core.records import releases
from salus.core.records.release_proof import Proven
from salus.core.records.release_retention import superfluous
from salus.model.scalars import Body
from salus.model.values.changes import Change
from salus.model.values.keys import TargetKey
from salus.model.values.objects import Release, Workload
from salus.ports import KEPT_RELEASES, Conflict, NotFound, Ref
from salus.reconcile.cases import Case
from salus.reconcile.context import Context
from salus.reconcile.observe import target as observe
from salus.reconcile.records import kept_releases

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Live:
    """What was proven."""

    workload: Workload
    since: datetime
    """When its release was rolled out, in this configuration."""
    replicas: int = 0
    """Its size; 0: that is not noted."""


async def keep(context: Context, case: Case, live: Live, proof: Proven) -> bool:
    """Put the live release on record as the newest good one, and its size unless that is 0.

    False if another release is live by now, or it has another configuration, or another size.
    """
    release, replicas, now = live.workload.release, live.replicas, context.clock.now()
    body = await context.cluster.get(observe.workload_ref(case.target))
    workload = observe.workload_of(body, context.stamps)
    if workload.proves != live.workload.proves or not workload.rolled_out or replicas not in {0, workload.replicas}:
        return False
    kept = await kept_releases.kept_releases(context, case.target)
    mine = next((one for one in kept if one.hash == release), None)
    another = mine is not None and configuration(mine.checksums) != workload.configuration
    since = live.since if another else None
    rehearsed, size = proof.rehearsed, releases.Noted(replicas, replicas > 0 and git_holds(body))
    if not releases.nothing_to_note(kept, release, rehearsed=rehearsed, size=size, reconfigured=since):
        status = releases.proven(now, rehearsed=rehearsed, size=size)
        await _write(context, case.target, body, kept, status)
        log.info("release kept as good", release=release, rehearsed=rehearsed, replicas=replicas or None)
        kept = await kept_releases.kept_releases(context, case.target)
        for old in (*superfluous(kept), *_doubles(kept, release)):
            await drop(context, case.target, old)
    await claim(context, case.target, kept)
    return True


async def healthy_size(context: Context, target: TargetKey) -> int:
    """How many replicas are on record for the target, of whichever release; 0: none are. Raises ClusterError."""
    kept = await kept_releases.kept_releases(context, target)
    return next((release.healthy_replicas for release in kept if release.healthy_replicas), 0)


def _doubles(kept: Sequence[Release], release: str) -> Sequence[Release]:
    """What else was kept of a release that was just proven; this lifts what was said against them."""
    return next((one.doubles for one in kept if one.hash == release), ())


async def quarantine(context: Context, case: Case, change: Change, body: Body) -> None:
    """Keep the release that a rollback is about to replace, marked with the change that takes it away."""
    if KINDS[change.action].replaces_release and not change.undoes:
        kept = await kept_releases.kept_releases(context, case.target)
        await _write(context, case.target, body, kept, releases.quarantined(change.name))


async def claim(context: Context, target: TargetKey, kept: Sequence[Release]) -> None:
    """The workload is there: what was thought to have lost it has not."""
    for release in kept:
        if release.orphaned_at is not None:
            await _tell_if_there(context, target, release, {"orphanedAt": None})


async def orphan(context: Context, target: TargetKey, release: Release, now: datetime) -> None:
    """The workload is gone; its releases wait a while for it to come back."""
    await _tell_if_there(context, target, release, releases.orphaned(now))


async def drop(context: Context, target: TargetKey, release: Release) -> bool:
    """Delete that very one. False: somebody else has done so."""
    try:
        await context.cluster.delete(Ref(KEPT_RELEASES, target.namespace, release.name), uid=release.uid)
    except (NotFound, Conflict):
        log.info("the release is gone already", release=release.hash)
        return False
    return True


async def _write(context: Context, target: TargetKey, body: Body, kept: Sequence[Release], status: Body) -> None:
    """Have the live release on record, and say how it fares."""
    release = release_hash(body["spec"]["template"], context.stamps)
    name = next((known.name for known in kept if known.hash == release), None)
    if name is None:
        new = releases.release_body(target, body["spec"], context.clock.now(), uid=body["metadata"]["uid"])
        name = await kept_releases.put(context, target, new)
    await kept_releases.tell(context, target, name, status)


async def _tell_if_there(context: Context, target: TargetKey, release: Release, status: Body) -> None:
    try:
        await kept_releases.tell(context, target, release.name, status)
    except NotFound:
        log.info("the release is gone already", release=release.hash)
