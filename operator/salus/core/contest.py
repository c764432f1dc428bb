"""Whether someone takes our changes back: then there are two that want the field, and Salus is the one to stop.

Only a field that holds again what it held before counts; a third value is a person at work, whose release or scale is
judged afresh like any other.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from salus.core.autoscaling import named
from salus.core.workload import same_release
from salus.model.change import ActionKind, Facts, Outcome
from salus.model.types import format_duration
from salus.model.values import Autoscaler, PastChange, Workload

REASON = "Contested"
WITHIN = timedelta(minutes=10)
"""A field that is put back so soon after the deed was put back because of it."""
HANDS_OFF = timedelta(hours=1)


def is_reverted(
    change: PastChange, workload: Workload, now: datetime, scalers: Sequence[Autoscaler] | None = ()
) -> bool:
    """Whether what was patched, the workload or its autoscaler, is again as it was before this deed, soon after it."""
    if change.applied_at is None or now - change.applied_at > WITHIN:
        return False
    if change.before is None or change.intended is None:
        return False
    if change.patched is not None:
        scaler, floor = named(scalers or (), change.patched), change.before.min_replicas
        return scaler is not None and scaler.floor == floor != change.intended.min_replicas
    if change.target_uid != workload.uid:
        return False
    was, meant, live = (_field(change.action, facts) for facts in (change.before, change.intended, workload.facts()))
    return not _alike(was, meant) and _alike(live, was)


def shows(change: PastChange, live: Facts) -> bool:
    """Whether what was intended is to be seen on what was patched: the workload, or the autoscaler in its place."""
    meant = change.intended
    if meant is None:
        return False
    if change.patched is not None:
        return live.min_replicas == meant.min_replicas
    if change.action is ActionKind.RESTART:
        return live.restarted_at == meant.restarted_at
    return _alike(_field(change.action, live), _field(change.action, meant))


def newest_deed(changes: Sequence[PastChange]) -> PastChange | None:
    """What was done last."""
    return next((c for c in reversed(changes) if c.applied_at is not None and c.action is not ActionKind.NOTIFY), None)


def contest(
    changes: Sequence[PastChange], workload: Workload, now: datetime, scalers: Sequence[Autoscaler] | None = ()
) -> str | None:
    """Why to keep hands off this target: the newest deed was taken back, by what is to be seen or what is on record."""
    last = newest_deed(changes)
    if last is None:
        return None
    if is_reverted(last, workload, now, scalers):
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


def _field(kind: ActionKind, facts: Facts) -> tuple[object, str]:
    """What the action is about, and its release, where that is part of it.

    A restart that is gone with a new release was not taken back: that is a rollout.
    """
    if kind is ActionKind.SCALE:
        return facts.replicas, ""
    return (facts.restarted_at if kind is ActionKind.RESTART else None), facts.release


def _alike(one: tuple[object, str], other: tuple[object, str]) -> bool:
    return one[0] == other[0] and same_release(one[1], other[1])
