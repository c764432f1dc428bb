"""What a policy leaves behind that is deleted: people are told of each change that it would have taken back yet.

Nobody takes it back any more, since a policy of the same name is another one. It is said at the workload and in the
change's own record, once.
"""

from collections.abc import Iterable, Mapping

import structlog

from salus.core import records
from salus.core.verify import is_owed
from salus.loop.world import World
from salus.model.types import Body
from salus.model.values import PolicyKey
from salus.ports import CHANGE_EVENTS, ClusterError, Notice, Ref

log = structlog.get_logger(__name__)
REASON = "NotTakenBack"


async def tell_what_stays(world: World, key: PolicyKey) -> None:
    """Of each workload at most one change: the newest."""
    try:
        labels = {records.POLICY_LABEL: records.policy_id(key.name)}
        for body in _owed(await world.cluster.list(CHANGE_EVENTS, key.namespace, labels), key.name):
            await _tell(world, key, body)
    except ClusterError as error:
        log.warning("what a deleted policy leaves behind is not told", policy=str(key), error=str(error))


async def _tell(world: World, key: PolicyKey, body: Body) -> None:
    name, note = body["metadata"]["name"], (body.get("status") or {}).get("message", "")
    text = f"policy {key.name} was deleted, so that this is not taken back any more"
    if text in note:
        return
    target = {"apiVersion": "apps/v1", "namespace": key.namespace, **body["spec"]["targetRef"]}
    about = {key: str(target.get(key, "")) for key in ("apiVersion", "kind", "namespace", "name", "uid")}
    says = f"{name}: {text}; what it put there stays"
    await world.recorder.post(Notice(regarding=about, reason=REASON, action="Heal", note=says, warning=True))
    message = f"{note}; {text}" if note else text
    await world.cluster.update_status(Ref(CHANGE_EVENTS, key.namespace, name), {"message": message[:1024]})


def _owed(bodies: Iterable[Body], policy: str) -> list[Body]:
    """Of the records of one policy those that it would have taken back yet, one a workload."""
    by_target: dict[tuple[str, str], dict[str, Body]] = {}
    for body in bodies:
        if body["spec"]["policyRef"]["name"] == policy:
            ref = body["spec"]["targetRef"]
            by_target.setdefault((ref["kind"], ref["name"]), {})[body["metadata"]["name"]] = body
    return [found for known in by_target.values() if (found := _newest_owed(known)) is not None]


def _newest_owed(known: Mapping[str, Body]) -> Body | None:
    changes = records.past_changes(known.values())
    deeds = [change for change in changes if change.applied_at is not None and not change.undoes]
    newest = next((change for change in reversed(deeds) if is_owed(change, changes)), None)
    return known[newest.name] if newest else None
