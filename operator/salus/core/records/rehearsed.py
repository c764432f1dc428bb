"""Whether people did what Salus had rehearsed: the argument for a policy that may act, or against it.

What people did is known as far as Kubernetes remembers it (`core/records/deeds`), and by how the next record, or the
workload as it is, found the target. Where neither tells, that is said, and counts for nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from salus.core.actions import KINDS
from salus.core.objects.workloads import same_release
from salus.model.change import Decision, Facts
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
    """Nobody remembers, or the time to do something is not over yet."""


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


def seen_after(change: Change, changes: Iterable[Change], live: Seen | None) -> list[Seen]:
    """How the target was found afterwards, in order: by each record of it, and as it is now."""
    later = [Seen(one.decided_at, one.before) for one in changes if one.before and one.decided_at > change.decided_at]
    return sorted([*later, *([live] if live else [])], key=lambda seen: seen.at)


def compare(change: Change, deeds: Sequence[Deed], later: Sequence[Seen], ended: datetime | None) -> Compared:
    """What people did within `WITHIN` of this rehearsal. `ended`: when its incident was over, if it is."""
    until = change.decided_at + WITHIN
    near = [deed for deed in deeds if _is_in_time(deed, change.decided_at, until, ended)]
    done = [deed for deed in near if not deed.by.startswith("hpa/")]
    same = next((deed for deed in done if _is_same(change, deed)), None)
    if same is not None:
        return Compared(change, Then.SAME, same)
    closes = min(until, ended) if ended is not None else until
    last = next((seen for seen in later if seen.at >= closes), None)
    in_time = [seen for seen in later if seen.at <= until or (seen is last and closes < until)]
    is_theirs = len(done) == len(near) or not KINDS[change.action].sets_replicas
    if is_theirs and (_were_led_to(change, in_time) or any(_restarted(change, seen.facts) for seen in later)):
        return Compared(change, Then.SAME)
    if done:
        return Compared(change, Then.OTHER, done[0])
    untouched = last is not None and change.before is not None and _untouched(change, change.before, last.facts)
    return Compared(change, Then.NOTHING if untouched else Then.UNKNOWN)


def _is_in_time(deed: Deed, begins: datetime, until: datetime, ended: datetime | None) -> bool:
    """Of what nobody remembers the time, that it was before the incident was over is as good."""
    if deed.by_then is None:
        return begins <= deed.at <= until
    return deed.at <= until and deed.by_then >= begins and (deed.by_then <= until or (ended or deed.by_then) <= until)


def argued(compared: Sequence[Compared]) -> Verdict:
    """Whether a policy is ready to act, by its rehearsals."""
    counts = {then: sum(one.then is then for one in compared) for then in Then}
    same, known = counts[Then.SAME], len(compared) - counts[Then.UNKNOWN]
    ready = same >= ENOUGH and same >= SHARE * known
    return Verdict(counts, ready, _why(len(compared), counts))


def _why(total: int, counts: Mapping[Then, int]) -> str:
    words = {Then.SAME: "the same", Then.OTHER: "something else", Then.NOTHING: "nothing"}
    did = ", ".join(f"{word} {_times(counts[then])}" for then, word in words.items() if counts[then])
    unknown = f"of {counts[Then.UNKNOWN]} it is not known" if counts[Then.UNKNOWN] else ""
    said = "; ".join(filter(None, [f"people did {did} within 30m" if did else "", unknown]))
    return f"{total} rehearsal{'' if total == 1 else 's'}: {said}"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _is_same(change: Change, deed: Deed) -> bool:
    kind, wanted = KINDS[change.action], change.intended or Facts()
    if kind.replaces_release:
        return deed.kind is DeedKind.RELEASE and same_release(deed.release, wanted.release)
    if kind.sets_replicas:
        return deed.kind is DeedKind.SCALE and deed.replicas is not None and _same_way(change, deed.replicas)
    return kind.disrupts and deed.kind is DeedKind.RESTART


def _were_led_to(change: Change, in_time: Iterable[Seen]) -> bool:
    """Whether the workload was found as the rehearsed action would have left it."""
    kind, wanted = KINDS[change.action], change.intended or Facts()
    if kind.replaces_release:
        return any(seen.facts.release and same_release(seen.facts.release, wanted.release) for seen in in_time)
    found = [seen.facts.replicas for seen in in_time if seen.facts.replicas is not None]
    return kind.sets_replicas and any(_same_way(change, replicas) for replicas in found)


def _restarted(change: Change, found: Facts) -> bool:
    """Whether it was restarted in time, which a template says itself."""
    at = _time(found.restarted_at) if KINDS[change.action].disrupts else None
    return at is not None and change.decided_at <= at <= change.decided_at + WITHIN


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
    kind = KINDS[change.action]
    if kind.sets_replicas:
        return before.replicas == found.replicas
    return not kind.disrupts or before.restarted_at == found.restarted_at
