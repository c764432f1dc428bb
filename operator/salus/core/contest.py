"""Whether someone takes our changes back: then there are two that want the field, and Salus is the one to stop.

Only a field that holds again what it held before counts; a third value is a person at work, whose release or scale is
judged afresh like any other.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from salus.model.change import ActionKind, Facts, Outcome
from salus.model.types import format_duration
from salus.model.values import PastChange, Workload

REASON = "Contested"
WITHIN = timedelta(minutes=10)
"""A field that is put back so soon after the deed was put back because of it."""
HANDS_OFF = timedelta(hours=1)


def is_reverted(change: PastChange, workload: Workload, now: datetime) -> bool:
    """Whether the workload is again as it was before this deed, soon after it."""
    if change.applied_at is None or now - change.applied_at > WITHIN:
        return False
    if change.target_uid != workload.uid or change.before is None or change.intended is None:
        return False
    was, meant, live = (_field(change.action, facts) for facts in (change.before, change.intended, workload.facts()))
    return was != meant and live == was


def contest(changes: Sequence[PastChange], workload: Workload, now: datetime) -> str | None:
    """Why to keep hands off this target: the newest deed was taken back, by what is to be seen or what is on record."""
    deeds = [c for c in changes if c.applied_at is not None and c.action is not ActionKind.NOTIFY]
    if not deeds:
        return None
    last = deeds[-1]
    if is_reverted(last, workload, now):
        return f"{last.name} was taken back by someone else; hands off for {format_duration(HANDS_OFF)}"
    noticed = _noticed(last, changes)
    if noticed is None or now - noticed >= HANDS_OFF:
        return None
    ago, whole = format_duration(max(now - noticed, timedelta(0))), format_duration(HANDS_OFF)
    return f"{last.name} was taken back by someone else, seen {ago} ago; hands off for {whole}"


def _noticed(deed: PastChange, changes: Sequence[PastChange]) -> datetime | None:
    """When it was put on record first that this deed was taken back: as its outcome, or as a refusal after it."""
    if deed.outcome == Outcome.CONTESTED:
        return deed.completed_at
    refusals = (c for c in changes if c.sequence > deed.sequence and (c.decision, c.reason) == ("Refuse", REASON))
    return min((refusal.decided_at for refusal in refusals), default=None)


def _field(kind: ActionKind, facts: Facts) -> object:
    """What the action is about. A restart that is gone with a new release was not taken back: that is a rollout."""
    if kind is ActionKind.SCALE:
        return facts.replicas
    return (facts.restarted_at, facts.release) if kind is ActionKind.RESTART else facts.release
