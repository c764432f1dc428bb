"""The KeptReleases of a target on the API server: read, with what an older Salus kept, and put under a free name."""

import structlog

from salus.core import releases, takeover
from salus.core.records import TARGET_LABEL, target_id
from salus.core.workload import short
from salus.loop.world import World
from salus.model.types import Body
from salus.model.values import Release, TargetKey
from salus.ports import CONTROLLER_REVISIONS, KEPT_RELEASES, ClusterError, Conflict, Ref

log = structlog.get_logger(__name__)


async def kept_releases(world: World, target: TargetKey) -> tuple[Release, ...]:
    """The releases of a target that are on record, newest known healthy first."""
    bodies = await _listed(world, target)
    if target not in world.taken_over and not takeover.is_through(bodies):
        bodies = await _with_old_ones(world, target, bodies)
    world.taken_over.add(target)
    return releases.releases_from(bodies, target)


async def put(world: World, target: TargetKey, body: Body) -> str:
    """Create a KeptRelease; answers its name. One that is there already is that one. Raises ClusterError.

    A name holds ten characters of the hash, which somebody may have matched with another template: that one is neither
    taken for it nor overwritten.
    """
    release = body["spec"]["release"]
    for name in releases.release_names(target, release):
        try:
            await world.cluster.create(KEPT_RELEASES, {**body, "metadata": {**body["metadata"], "name": name}})
        except Conflict:
            there = releases.releases_from(await _listed(world, target), target)
            if known := next((kept for kept in there if kept.hash == release), None):
                return known.name
            log.warning("the name is another release's", name=name, release=release)
        else:
            return name
    raise ClusterError(f"release {short(release)} of {target} cannot be kept: other objects have its names")


async def tell(world: World, target: TargetKey, name: str, status: Body) -> None:
    """Write how a kept release fares."""
    await world.cluster.update_status(Ref(KEPT_RELEASES, target.namespace, name), status)


async def _listed(world: World, target: TargetKey) -> list[Body]:
    return await world.cluster.list(KEPT_RELEASES, target.namespace, {TARGET_LABEL: target_id(target)})


async def _with_old_ones(world: World, target: TargetKey, bodies: list[Body]) -> list[Body]:
    """Take over what an older Salus kept; a crash leaves what the next look finds and goes on with."""
    labels = {TARGET_LABEL: target_id(target)}
    revisions = await world.cluster.list(CONTROLLER_REVISIONS, target.namespace, labels)
    found = takeover.still_to_take(revisions, bodies, target)
    for one in found:
        await tell(world, target, await put(world, target, one.body), one.status)
    if not found:
        return bodies
    log.info("releases of an older Salus were taken over", releases=len(found))
    return await _listed(world, target)
