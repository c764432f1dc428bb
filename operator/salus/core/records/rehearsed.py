"""Whether people did what Salus had rehearsed: the argument for a policy that may act, or against it.

What people did is known as far as Kubernetes remembers it (`core/records/deeds`), and by how the next record, or the
workload as it is, found the target. Where neither tells, that is said, and counts for nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from salus.core.objects.workloads import same_release
from salus.model.change import ActionKind, Decision, Facts
from salus.model.scalars import parse_time
from salus.model.values.changes import Change
from salus.model.values.deeds import Deed, DeedKind

WITHIN = timedelta(minutes=30)
"""What is done later is no answer to the fault that was seen."""
ENOUGH = 3
"""So many times at least people have done the same, before that is an argument."""
SHARE = 0.75
"""Of the rehearsals of which it is known what people then did, so many at least."""


class Then(StrEnum):
    """What people did after a rehearsal."""

    SAME = "Same"
    OTHER = "Other"
    NOTHING = "Nothing"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Seen:
    """How the workload was found at some time."""

    at: datetime
    facts: Facts


@dataclass(frozen=True, slots=True)
class Compared:
    """One rehearsal, and what came after it."""

    change: Change
    then: Then
    deed: Deed | None = None
    """What people did, where that itself is known and not only what it led to."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rehearsals of a policy argue for."""

    counts: Mapping[Then, int]
    ready: bool
    why: str


def is_rehearsal(change: Change) -> bool:
    """Whether this would have been done to the workload."""
    return change.decision is Decision.DRY_RUN and change.action.writes


def seen_after(change: Change, changes: Iterable[Change], live: Seen | None) -> Seen | None:
    """How the target was found next: by the next record of it, or as it is now."""
    later = [Seen(one.decided_at, one.before) for one in changes if one.before and one.decided_at > change.decided_at]
    return min([*later, *([live] if live else [])], key=lambda seen: seen.at, default=None)


def compare(change: Change, deeds: Sequence[Deed], later: Seen | None, ended: datetime | None) -> Compared:
    """What people did within `WITHIN` of this rehearsal. `ended`: when its incident was over, if it is."""
    until = change.decided_at + WITHIN
    done = [deed for deed in deeds if change.decided_at <= deed.at <= until and not deed.by.startswith("hpa/")]
    same = next((deed for deed in done if _is_same(change, deed)), None)
    if same is not None:
        return Compared(change, Then.SAME, same)
    if later is not None and _led_to(change, later, ended, until):
        return Compared(change, Then.SAME)
    if done:
        return Compared(change, Then.OTHER, done[0])
    if later is not None and change.before is not None and _untouched(change, change.before, later.facts):
        return Compared(change, Then.NOTHING)
    return Compared(change, Then.UNKNOWN)


def argued(compared: Sequence[Compared]) -> Verdict:
    """Whether a policy is ready to act, by its rehearsals."""
    counts = {then: sum(one.then is then for one in compared) for then in Then}
    same, known = counts[Then.SAME], len(compared) - counts[Then.UNKNOWN]
    ready = same >= ENOUGH and same >= SHARE * known
    return Verdict(counts, ready, _why(len(compared), counts))


def _why(total: int, counts: Mapping[Then, int]) -> str:
    words = {
        Then.SAME: "the same",
        Then.OTHER: "something else",
        Then.NOTHING: "nothing",
        Then.UNKNOWN: "nobody knows what",
    }
    said = ", ".join(f"{words[then]} {_times(count)}" for then, count in counts.items() if count)
    return f"{total} rehearsal{'' if total == 1 else 's'}; people did {said} within 30m"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _is_same(change: Change, deed: Deed) -> bool:
    wanted = change.intended or Facts()
    match change.action:
        case ActionKind.ROLLBACK:
            return deed.kind is DeedKind.RELEASE and same_release(deed.release, wanted.release)
        case ActionKind.RESTART:
            return deed.kind is DeedKind.RESTART
        case ActionKind.SCALE:
            return deed.kind is DeedKind.SCALE and deed.replicas is not None and _same_way(change, deed.replicas)
        case _:
            return False


def _led_to(change: Change, later: Seen, ended: datetime | None, until: datetime) -> bool:
    """Whether the workload was found as the rehearsed action would have left it, and that came about in time."""
    wanted, found = change.intended or Facts(), later.facts
    in_time = min(later.at, ended or later.at) <= until
    match change.action:
        case ActionKind.ROLLBACK:
            return in_time and bool(found.release) and same_release(found.release, wanted.release)
        case ActionKind.RESTART:  # which a template says itself
            restarted = _time(found.restarted_at)
            return restarted is not None and change.decided_at <= restarted <= until
        case ActionKind.SCALE:
            return in_time and found.replicas is not None and _same_way(change, found.replicas)
        case _:
            return False


def _time(text: str) -> datetime | None:
    try:
        return parse_time(text)
    except ValueError:
        return None


def _same_way(change: Change, replicas: int) -> bool:
    """Whether this many replicas are a step to where the rehearsed scaling went."""
    before, wanted = (facts.replicas if facts else None for facts in (change.before, change.intended))
    if before is None or wanted is None:
        return False
    return replicas > before if wanted > before else replicas < before


def _untouched(change: Change, before: Facts, found: Facts) -> bool:
    """Whether what the action is about is as it was."""
    if not same_release(before.release, found.release):
        return False
    match change.action:
        case ActionKind.RESTART:
            return before.restarted_at == found.restarted_at
        case ActionKind.SCALE:
            return before.replicas == found.replicas
        case _:
            return True
