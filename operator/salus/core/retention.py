"""Which records may go: a pure choice among the finished ones, oldest first.

What limits, verification, undo and the numbering of records still read is kept, however old it is and however many
there are; so a namespace may hold more than it should for a while. What a sink has not taken yet goes by its age only.
Deleting is `loop/retention`'s.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from salus.core import blame, contest
from salus.core.delivery import is_delivered
from salus.core.incidents import is_over
from salus.core.records import incident_number, past_change
from salus.model.change import Outcome
from salus.model.types import Body, parse_time
from salus.model.values import PastChange, Policy, Switches


@dataclass(frozen=True, slots=True)
class Retention:
    """How long records are kept, and how many of them in a namespace: Incidents and ChangeEvents together."""

    max_age: timedelta = timedelta(days=30)
    per_namespace: int = 1000


@dataclass(frozen=True, slots=True)
class Books:
    """Everything on record in one namespace."""

    changes: Sequence[Body]
    incidents: Sequence[Body]
    quarantining: Set[str] = frozenset()
    """Names of the changes that a kept release is quarantined by."""


def longest_window(policies: Iterable[Policy], switches: Switches) -> timedelta:
    """How far back the guards of a namespace with these policies may look."""
    limits = [window for policy in policies for window in (policy.spec.limits.per, policy.spec.limits.cooldown)]
    budgets = [budget.per for budget in (switches.namespace_budget, switches.global_budget) if budget]
    return max([*limits, *budgets, contest.WITHIN + contest.HANDS_OFF, blame.LOOK_BACK])


def expendable(books: Books, retention: Retention, window: timedelta, now: datetime) -> list[Body]:
    """The records that may go now, oldest first. `window`: what is younger is still counted by some limit."""
    changes = [(body, past_change(body)) for body in books.changes]
    oldest = now - retention.max_age
    waiting = {change.name for body, change in changes if _moment(change) >= oldest and not is_delivered(body)}
    kept = _kept_changes([change for _, change in changes], books, now - window, waiting)
    kept_incidents = _kept_incidents(books, [change for _, change in changes])
    free = [(_moment(change), body) for body, change in changes if change.name not in kept]
    free += [(_ended(body), body) for body in books.incidents if body["metadata"]["name"] not in kept_incidents]
    free.sort(key=lambda pair: (pair[0], pair[1]["spec"].get("sequence", 0), pair[1]["metadata"]["name"]))
    too_old = sum(moment < oldest for moment, _ in free)
    too_many = len(books.changes) + len(books.incidents) - retention.per_namespace
    return [body for _, body in free[: max(too_old, too_many, 0)]]


def _kept_changes(changes: Sequence[PastChange], books: Books, since: datetime, waiting: Set[str]) -> set[str]:
    going_on = {body["metadata"]["name"] for body in books.incidents if not is_over(body)}
    kept = {
        change.name
        for change in changes
        if change.unfinished
        or change.incident in going_on
        or change.name in books.quarantining
        or change.name in waiting
        or _moment(change) >= since
    }
    kept |= set(_newest(changes))
    for change in sorted(changes, key=lambda change: change.sequence):
        if change.undoes in kept:  # it goes after what it took back, or that would be taken back again
            kept.add(change.name)
    return kept


def _newest(changes: Sequence[PastChange]) -> Iterator[str]:
    """Of each target the newest record, whose number the next one follows, and the newest deeds of each sort.

    Those may still be undone, reverted or contested. The name tells the target; its last part is the number.
    """
    newest: dict[Hashable, PastChange] = {}
    for change in sorted(changes, key=lambda change: change.sequence):
        target = change.name.rpartition("-")[0]
        newest[target] = change
        if change.acted:
            abandoned = change.outcome == Outcome.ABANDONED
            newest[target, change.policy, change.action, bool(change.undoes), abandoned] = change
    return (change.name for change in newest.values())


def _kept_incidents(books: Books, changes: Sequence[PastChange]) -> set[str]:
    """Those that go on, those that something unfinished belongs to, and of each policy and target the newest."""
    newest: dict[str, Body] = {}
    for body in sorted(books.incidents, key=incident_number):
        newest[body["metadata"]["name"].rpartition("-")[0]] = body
    going_on = {body["metadata"]["name"] for body in books.incidents if not is_over(body)}
    names: set[Any] = {body["metadata"]["name"] for body in newest.values()}
    return names | going_on | {change.incident for change in changes if change.unfinished}


def _moment(change: PastChange) -> datetime:
    """When a record last spoke of something."""
    return max(moment for moment in (change.decided_at, change.applied_at, change.completed_at) if moment)


def _ended(incident: Body) -> datetime:
    return parse_time((incident.get("status") or {}).get("resolvedAt") or incident["spec"]["openedAt"])
