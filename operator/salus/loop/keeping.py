"""Keeps releases.

The good ones for a rollback to go back to, the ones that a rollback took away so that it can be undone.
"""

from collections.abc import Sequence
from datetime import datetime

import structlog

from salus.core import releases
from salus.core.actions import KINDS
from salus.core.proof import Proven
from salus.core.shelf import superfluous
from salus.core.workload import release_hash
from salus.loop import shelf
from salus.loop.world import Case, World
from salus.model.types import Body
from salus.model.values import PastChange, Release, TargetKey
from salus.ports import KEPT_RELEASES, Conflict, NotFound, Ref
from salus.reconcile.observe import target as gather

log = structlog.get_logger(__name__)


async def keep(world: World, case: Case, release: str, proof: Proven, now: datetime) -> bool:
    """Put the live release on record as the newest good one. False if another one is live by now."""
    body = await world.cluster.get(gather.workload_ref(case.target))
    workload = gather.workload_of(body)
    if workload.release != release or not workload.rolled_out:
        return False
    kept = await shelf.kept_releases(world, case.target)
    if not releases.nothing_to_note(kept, release, rehearsed=proof.rehearsed):
        await _write(world, case.target, body, kept, releases.proven(now, rehearsed=proof.rehearsed))
        log.info("release kept as good", release=release, rehearsed=proof.rehearsed)
        kept = await shelf.kept_releases(world, case.target)
        for old in superfluous(kept):
            await drop(world, case.target, old)
    await claim(world, case.target, kept)
    return True


async def quarantine(world: World, case: Case, change: PastChange, body: Body) -> None:
    """Keep the release that a rollback is about to replace, marked with the change that takes it away."""
    if KINDS[change.action].replaces_release and not change.undoes:
        kept = await shelf.kept_releases(world, case.target)
        await _write(world, case.target, body, kept, releases.quarantined(change.name))


async def claim(world: World, target: TargetKey, kept: Sequence[Release]) -> None:
    """The workload is there: what was thought to have lost it has not."""
    for release in kept:
        if release.orphaned_at is not None:
            await _tell_if_there(world, target, release, {"orphanedAt": None})


async def orphan(world: World, target: TargetKey, release: Release, now: datetime) -> None:
    """The workload is gone; its releases wait a while for it to come back."""
    await _tell_if_there(world, target, release, releases.orphaned(now))


async def drop(world: World, target: TargetKey, release: Release) -> bool:
    """Delete that very one. False: somebody else has done so."""
    try:
        await world.cluster.delete(Ref(KEPT_RELEASES, target.namespace, release.name), uid=release.uid)
    except (NotFound, Conflict):
        log.info("the release is gone already", release=release.hash)
        return False
    return True


async def _write(world: World, target: TargetKey, body: Body, kept: Sequence[Release], status: Body) -> None:
    """Have the live release on record, and say how it fares."""
    release = release_hash(body["spec"]["template"])
    name = next((known.name for known in kept if known.hash == release), None)
    if name is None:
        new = releases.release_body(target, body["spec"], world.clock.now(), uid=body["metadata"]["uid"])
        name = await shelf.put(world, target, new)
    await shelf.tell(world, target, name, status)


async def _tell_if_there(world: World, target: TargetKey, release: Release, status: Body) -> None:
    try:
        await shelf.tell(world, target, release.name, status)
    except NotFound:
        log.info("the release is gone already", release=release.hash)
