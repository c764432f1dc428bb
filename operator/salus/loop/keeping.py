"""Keeps releases.

The good ones for a rollback to go back to, the ones that a rollback took away so that it can be undone.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog

from salus.core import releases
from salus.core.workload import release_hash
from salus.loop import gather
from salus.loop.world import Case, World
from salus.model.change import ActionKind
from salus.model.types import Body
from salus.model.values import PastChange, Release
from salus.ports import CONTROLLER_REVISIONS, Conflict, NotFound, Ref

log = structlog.get_logger(__name__)


async def keep(world: World, case: Case, release: str, now: datetime) -> bool:
    """Put the live release on record as the newest good one. False if another one is live by now."""
    body = await world.cluster.get(gather.workload_ref(case.target))
    workload = gather.workload_of(body)
    if workload.release != release or not workload.rolled_out:
        return False
    kept = await gather.kept_releases(world, case.target)
    if not releases.is_newest_good(kept, release):
        await _write(world, case, body, kept, releases.good_annotations(now))
        log.info("release kept as good", release=release)
        for old in releases.superfluous(await gather.kept_releases(world, case.target)):
            await _drop(world, case, old)
    return True


async def quarantine(world: World, case: Case, change: PastChange, body: Body) -> None:
    """Keep the release that a rollback is about to replace, marked with the change that takes it away."""
    if change.action is ActionKind.ROLLBACK and not change.undoes:
        kept = await gather.kept_releases(world, case.target)
        await _write(world, case, body, kept, {releases.QUARANTINED_BY: change.name})


async def _write(
    world: World, case: Case, body: Body, kept: Sequence[Release], annotations: Mapping[str, str | None]
) -> None:
    """Create the record of the live release, or change what its annotations say."""
    release = release_hash(body["spec"]["template"])
    if all(known.hash != release for known in kept):
        new = releases.release_body(case.target, body, release, _next_number(kept))
        new["metadata"]["annotations"] = {key: value for key, value in annotations.items() if value is not None}
        try:
            await world.cluster.create(CONTROLLER_REVISIONS, new)
        except Conflict:
            log.info("the release is on record already", release=release)
        else:
            return
    await _annotate(
        world,
        Ref(CONTROLLER_REVISIONS, case.target.namespace, releases.release_name(case.target, release)),
        annotations,
    )


async def _annotate(world: World, ref: Ref, annotations: Mapping[str, str | None]) -> None:
    present = (await world.cluster.get(ref))["metadata"].get("annotations") or {}
    wanted = {key: value for key, value in {**present, **annotations}.items() if value is not None}
    edit: dict[str, Any] = {"op": "add", "path": "/metadata/annotations", "value": wanted}
    await world.cluster.patch(ref, [edit])


async def _drop(world: World, case: Case, release: Release) -> None:
    try:
        await world.cluster.delete(Ref(CONTROLLER_REVISIONS, case.target.namespace, release.name))
    except NotFound:
        log.info("the release is gone already", release=release.hash)


def _next_number(kept: Sequence[Release]) -> int:
    """ControllerRevisions carry a number; ours only has to be there, the order is by `healthy-at`."""
    return len(kept) + 1
