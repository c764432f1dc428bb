"""Which records may go: a pure choice among the finished ones of a namespace, oldest first.

What limits, verification, undo and the numbering of records still read is kept, however old it is and however many
there are; so a namespace may hold more than it should for a while. No policy can keep more than its actions, and those
no longer than the operator allows. What a sink has not taken yet goes by its age only. Deleting is left to
`reconcile/records/retention`.
"""

from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from salus.core.cause import blame
from salus.core.guards import reverted
from salus.model.change import ActionKind, Outcome
from salus.model.values.changes import Change
from salus.model.values.configuration import Switches
from salus.model.values.policies import Policy

ALWAYS = max(reverted.WITHIN + reverted.HANDS_OFF, blame.LOOK_BACK)
"""What is younger is read whatever any policy says."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long records are kept, and how many of them in a namespace: Incidents and ChangeEvents together."""

    max_age: timedelta = timedelta(days=30)
    per_namespace: int = 1000
    max_window: timedelta = timedelta(days=7)
    """How far back a policy's limits may keep actions beyond that number."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A record, reduced to what the choice needs."""

    kind: str
    name: str
    uid: str
    number: int
    moment: datetime
    """When it last spoke of something."""
    target: tuple[str, str]
    """Kind and name of the workload."""
    policy: str

    @property
    def line(self) -> str:
        """What shares its numbers: the records of a workload, the incidents of a policy and a workload."""
        return self.name.rpartition("-")[0]


@dataclass(frozen=True, slots=True)
class ChangeEntry(Entry):
    """A ChangeEvent."""

    action: ActionKind
    incident: str
    undoes: str
    acted: bool
    abandoned: bool
    """It was put on record and not done."""
    unfinished: bool
    delivered: bool


@dataclass(frozen=True, slots=True)
class IncidentEntry(Entry):
    """An Incident."""

    goes_on: bool


def change_entry(change: Change, target: tuple[str, str], *, delivered: bool) -> ChangeEntry:
    """What the choice needs of a ChangeEvent."""
    return ChangeEntry(
        kind="ChangeEvent",
        name=change.name,
        uid=change.uid,
        number=change.sequence,
        moment=_moment(change),
        target=target,
        policy=change.policy,
        action=change.action,
        incident=change.incident,
        undoes=change.undoes,
        acted=change.acted,
        abandoned=change.outcome is Outcome.ABANDONED or (bool(change.undoes) and change.outcome is Outcome.FAILED),
        unfinished=change.unfinished,
        delivered=delivered,
    )


@dataclass(frozen=True, slots=True)
class Books:
    """What is on record in one namespace."""

    changes: Sequence[ChangeEntry]
    incidents: Sequence[IncidentEntry]
    quarantining: Set[str] = frozenset()
    """Names of the changes that a kept release is quarantined by."""
    gone: Set[tuple[str, str]] = frozenset()
    """Targets that are not there any more."""
    abandoned: Set[str] = frozenset()
    """Policies that are not there any more."""


def longest_window(policies: Iterable[Policy], switches: Switches, cap: timedelta) -> timedelta:
    """How far back the guards of a namespace look for actions; `cap`: as far as that is up to its policies."""
    limits = [window for policy in policies for window in (policy.spec.limits.per, policy.spec.limits.cooldown)]
    budgets = [budget.per for budget in (switches.namespace_budget, switches.global_budget) if budget]
    return max([min(max(limits, default=ALWAYS), cap), *budgets, ALWAYS])


def expendable(books: Books, retention: Retention, window: timedelta, now: datetime) -> list[Entry]:
    """The records that may go now, oldest first. `window`: an action that is younger is still counted by some limit."""
    oldest = now - retention.max_age
    kept = _kept_changes(books, now - window, now - ALWAYS, oldest)
    kept_incidents = _kept_incidents(books, oldest)
    free: list[Entry] = [change for change in books.changes if change.name not in kept]
    free += [incident for incident in books.incidents if incident.name not in kept_incidents]
    free.sort(key=lambda entry: (entry.moment, entry.number if entry.kind == "ChangeEvent" else 0, entry.name))
    too_old = sum(entry.moment < oldest for entry in free)
    too_many = len(books.changes) + len(books.incidents) - retention.per_namespace
    return free[: max(too_old, too_many, 0)]


def _kept_changes(books: Books, writes_since: datetime, since: datetime, oldest: datetime) -> set[str]:
    going_on = {incident.name for incident in books.incidents if incident.goes_on}
    kept = {
        change.name
        for change in books.changes
        if change.unfinished
        or change.incident in going_on
        or change.name in books.quarantining
        or change.moment >= (writes_since if change.acted else since)
        or (change.moment >= oldest and not change.delivered)
    }
    kept |= set(_newest(books, oldest))
    for change in sorted(books.changes, key=lambda change: change.number):
        # An undo goes after what it took back, or that would be taken back again.
        if change.undoes in kept:
            kept.add(change.name)
    return kept


def _newest(books: Books, oldest: datetime) -> Iterator[str]:
    """Of each target the newest record, whose number the next one follows, and the newest actions of each sort.

    Those may still be undone, reverted or contested: not those of a workload that is gone, since one that is made again
    under its name has another uid, nor those of a policy that is gone. A number is free again with its record.
    """
    newest: dict[Hashable, ChangeEntry] = {}
    for change in sorted(books.changes, key=lambda change: change.number):
        is_old = change.moment < oldest
        if is_old and change.target in books.gone:
            continue
        newest[change.line] = change
        if change.acted and not (is_old and change.policy in books.abandoned):
            newest[change.line, change.policy, change.action, bool(change.undoes), change.abandoned] = change
    return (change.name for change in newest.values())


def _kept_incidents(books: Books, oldest: datetime) -> set[str]:
    """Those that go on, those that something unfinished belongs to, and of each policy and target the newest.

    The newest goes too once policy or target are gone and no change is left that finds its incident by name.
    """
    newest: dict[str, IncidentEntry] = {}
    for incident in sorted(books.incidents, key=lambda incident: incident.number):
        newest[incident.line] = incident
    named = {change.incident.rpartition("-")[0] for change in books.changes}
    kept = {
        incident.name
        for incident in newest.values()
        if incident.moment >= oldest
        or incident.line in named
        or not (incident.target in books.gone or incident.policy in books.abandoned)
    }
    kept |= {incident.name for incident in books.incidents if incident.goes_on}
    return kept | {change.incident for change in books.changes if change.unfinished}


def shares(waiting: Mapping[str, int], most: int) -> dict[str, int]:
    """How many of the records that wait in each namespace may go, of `most` in all.

    As water fills: whoever wants little gets it, and what is left is divided evenly among those who want more.
    """
    granted: dict[str, int] = {}
    left = most
    for place, (name, count) in enumerate(sorted(waiting.items(), key=lambda item: (item[1], item[0]))):
        granted[name] = min(count, left // (len(waiting) - place))
        left -= granted[name]
    return granted


def in_turns(chosen: Mapping[str, Sequence[Entry]]) -> Iterator[tuple[str, Entry]]:
    """One of each namespace, then the next of each."""
    waiting = deque((name, iter(entries)) for name, entries in chosen.items())
    while waiting:
        name, entries = waiting.popleft()
        if (entry := next(entries, None)) is not None:
            yield name, entry
            waiting.append((name, entries))


def _moment(change: Change) -> datetime:
    """When a record last spoke of something."""
    return max(moment for moment in (change.decided_at, change.applied_at, change.completed_at) if moment)
