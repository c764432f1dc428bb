"""The KeptReleases of a target on the API server: read, with what an older Salus kept, and put under a free name."""

import structlog

from salus.core.objects.workloads import short
from salus.core.records import legacy_releases, releases
from salus.core.records.names import TARGET_LABEL, target_id
from salus.model.scalars import Body
from salus.model.values.keys import TargetKey
from salus.model.values.objects import Release
from salus.ports import CONTROLLER_REVISIONS, KEPT_RELEASES, ClusterError, Conflict, Ref
from salus.reconcile.context import Context

log = structlog.get_logger(__name__)


async def kept_releases(context: Context, target: TargetKey) -> tuple[Release, ...]:
    """The releases of a target that are on record, newest known healthy first."""
    bodies = await _listed(context, target)
    if target not in context.taken_over and not legacy_releases.is_through(bodies):
        bodies = await _with_old_ones(context, target, bodies)
    context.taken_over.add(target)
    return releases.releases_from(bodies, target, context.stamps)


async def put(context: Context, target: TargetKey, body: Body) -> str:
    """Create a KeptRelease; answers its name. One that is there already is that one. Raises ClusterError.

    A name holds ten characters of the hash, which somebody may have matched with another template: that one is neither
    taken for it nor overwritten.
    """
    release = body["spec"]["release"]
    for name in releases.release_names(target, release):
        try:
            await context.cluster.create(KEPT_RELEASES, {**body, "metadata": {**body["metadata"], "name": name}})
        except Conflict:
            there = [releases.release_from(found, target) for found in await _listed(context, target)]
            if known := next((kept for kept in there if kept and kept.template_hash == release), None):
                return known.name
            log.warning("the name is another release's", name=name, release=release)
        else:
            return name
    raise ClusterError(f"release {short(release)} of {target} cannot be kept: other objects have its names")


async def tell(context: Context, target: TargetKey, name: str, status: Body) -> None:
    """Write how a kept release fares."""
    await context.cluster.update_status(Ref(KEPT_RELEASES, target.namespace, name), status)


async def _listed(context: Context, target: TargetKey) -> list[Body]:
    return await context.cluster.list(KEPT_RELEASES, target.namespace, {TARGET_LABEL: target_id(target)})


async def _with_old_ones(context: Context, target: TargetKey, bodies: list[Body]) -> list[Body]:
    """Take over what an older Salus kept; a crash leaves what the next look finds and goes on with."""
    labels = {TARGET_LABEL: target_id(target)}
    revisions = await context.cluster.list(CONTROLLER_REVISIONS, target.namespace, labels)
    found = legacy_releases.still_to_take(revisions, bodies, target)
    for one in found:
        await tell(context, target, await put(context, target, one.body), one.status)
    if not found:
        return bodies
    log.info("releases of an older Salus were taken over", releases=len(found))
    return await _listed(context, target)
