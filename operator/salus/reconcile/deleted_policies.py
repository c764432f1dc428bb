"""What a policy leaves behind that is deleted: people are told of each change that it would have taken back yet.

Nobody takes it back any more, since a policy of the same name is another one. It is said at the workload and in the
change's own record, once.
"""

from collections import defaultdict
from collections.abc import Iterable

import structlog

from salus.core.records.entries import ChangeRecord
from salus.core.remedy.undo import is_owed
from salus.model.values.changes import Change
from salus.model.values.keys import PolicyKey
from salus.ports import CHANGE_EVENTS, ClusterError, Notice, Ref
from salus.reconcile.context import Context

log = structlog.get_logger(__name__)
REASON = "NotTakenBack"


async def tell_what_stays(context: Context, key: PolicyKey) -> None:
    """Of each workload at most one change: the newest."""
    for record in _owed(context.records.changes_in(key.namespace), key.name):
        try:
            await _tell(context, key, Ref(CHANGE_EVENTS, key.namespace, record.name))
        except ClusterError as error:
            log.warning("what a deleted policy leaves behind is not told", policy=str(key), error=str(error))


async def _tell(context: Context, key: PolicyKey, ref: Ref) -> None:
    body = await context.cluster.get(ref)
    note = (body.get("status") or {}).get("message", "")
    text = f"policy {key.name} was deleted, so that this is not taken back any more"
    if text in note:
        return
    target = {"apiVersion": "apps/v1", "namespace": key.namespace, **body["spec"]["targetRef"]}
    about = {key: str(target.get(key, "")) for key in ("apiVersion", "kind", "namespace", "name", "uid")}
    says = f"{ref.name}: {text}; what it put there stays"
    await context.recorder.post(Notice(regarding=about, reason=REASON, action="Heal", note=says, warning=True))
    message = f"{note}; {text}" if note else text
    context.records.note(await context.cluster.update_status(ref, {"message": message[:1024]}))


def _owed(records: Iterable[ChangeRecord], policy: str) -> list[Change]:
    """Of the records of one policy those that it would have taken back yet, one a workload."""
    by_target: defaultdict[tuple[str, str], list[Change]] = defaultdict(list)
    for record in records:
        if record.change is not None and record.change.policy == policy:
            by_target[record.kind, record.target].append(record.change)
    return [found for known in by_target.values() if (found := _newest_owed(known)) is not None]


def _newest_owed(known: Iterable[Change]) -> Change | None:
    changes = sorted(known, key=lambda change: change.sequence)
    writes = [change for change in changes if change.applied_at is not None and not change.undoes]
    return next((change for change in reversed(writes) if is_owed(change, changes)), None)
