"""Whether someone takes our changes back: then there are two that want the field, and Salus is the one to stop.

Only a field that holds again what it held before counts; a third value is a person at work, whose release or scale is
judged afresh like any other.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from salus.core.actions import KINDS
from salus.core.objects.autoscalers import named
from salus.core.objects.workloads import same_release
from salus.model.change import Decision, Outcome
from salus.model.scalars import format_duration
from salus.model.values.changes import Change
from salus.model.values.objects import Autoscaler, Workload

REASON = "Contested"
WITHIN = timedelta(minutes=10)
"""A field that is put back so soon after the action was put back because of it."""
HANDS_OFF = timedelta(hours=1)


def is_reverted(change: Change, workload: Workload, now: datetime, scalers: Sequence[Autoscaler] | None = ()) -> bool:
    """Whether what was patched, the workload or its autoscaler, is again as it was before this change, soon after."""
    if change.applied_at is None or now - change.applied_at > WITHIN:
        return False
    was, meant, written = change.before, change.intended, KINDS[change.action].written
    if was is None or meant is None or written is None:
        return False
    if change.patched is not None:
        scaler = named(scalers or (), change.patched)
        return scaler is not None and scaler.minimum == was.min_replicas != meant.min_replicas
    if change.target_uid != workload.uid:
        return False
    if written.in_template and not same_release(workload.named, was.release):
        return False
    return written.differs(was, meant) is not None and written.differs(workload.facts(), was) is None


def newest_write(changes: Sequence[Change]) -> Change | None:
    """What was done last."""
    return next((c for c in reversed(changes) if c.applied_at is not None and c.action.writes), None)


def reverted_by_others(
    changes: Sequence[Change], workload: Workload, now: datetime, scalers: Sequence[Autoscaler] | None = ()
) -> str | None:
    """Why to keep hands off this target: the newest action was taken back, as is to be seen or is on record."""
    last = newest_write(changes)
    if last is None:
        return None
    if is_reverted(last, workload, now, scalers):
        return f"{last.name} was taken back by someone else; hands off for {format_duration(HANDS_OFF)}"
    noticed = _noticed(last, changes)
    if noticed is None or now - noticed >= HANDS_OFF:
        return None
    ago, whole = format_duration(max(now - noticed, timedelta(0))), format_duration(HANDS_OFF)
    return f"{last.name} was taken back by someone else, seen {ago} ago; hands off for {whole}"


def _noticed(write: Change, changes: Sequence[Change]) -> datetime | None:
    """When it was put on record first that this action was taken back: as its outcome, or as a refusal after it."""
    if write.outcome is Outcome.CONTESTED:
        return write.completed_at
    refusals = (
        c for c in changes if c.sequence > write.sequence and (c.decision, c.reason) == (Decision.REFUSE, REASON)
    )
    return min((refusal.decided_at for refusal in refusals), default=None)
