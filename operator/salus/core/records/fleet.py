"""What was done of late to all targets, and how they are: what budgets and the fleet brake count.

A view of the records, which knows of each as soon as it is intended: fifty plans of one tick would otherwise all find
the budget unspent; here the second plan sees the first. Nothing in it is lost by a restart.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from salus.core.guards.budgets import can_be_judged, counted_action, is_braking, notified_at
from salus.core.guards.chain import OF_MANY, is_same_holder
from salus.core.guards.fleet import Census, Tally
from salus.core.health.overall import overall
from salus.core.records import incidents
from salus.core.records.entries import AnyRecord, ChangeRecord, IncidentRecord, Key
from salus.core.records.withholding import REASON as WITHHELD
from salus.core.records.withholding import WINDOW, is_budgeted
from salus.model.change import Decision
from salus.model.policy import Verdict
from salus.model.scalars import Body
from salus.model.values.changes import Change, Refusal
from salus.model.values.configuration import Brake
from salus.model.values.fleet import CountedAction, Fleet
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Finding

PRUNE_EVERY = timedelta(minutes=1)
WATCH_EVERY = timedelta(milliseconds=250)
SAME_OUTAGE = timedelta(hours=1)
"""A process that starts takes a notification that is not older than this for one of an outage that may still last."""
_WORST_FIRST = (Verdict.UNHEALTHY, Verdict.HEALTHY, Verdict.QUIET, Verdict.UNKNOWN)
"""A target of two policies counts once; what one of them cannot judge, the other may."""


@dataclass(slots=True)
class Withheld:
    """What a namespace had beyond its budget of records, within the hour from the first of them on."""

    since: datetime
    count: int = 0
    record: str = ""
    """Name of the one record that counts them; empty while there is none."""
    said: int = 1
    """How many it says there are; it is written when they have doubled, so that it stays rare."""

    def is_counted_by(self, tally: Change) -> bool:
        """Whether this record is the one that counts them: of this hour, and the newest.

        The first may have been withheld after the tally was decided, by a part of a second or by another target's step.
        """
        if self.record:
            return self.since <= tally.decided_at
        return self.since - tally.decided_at < WINDOW


@dataclass(frozen=True, slots=True)
class Hearer:
    """An incident that waits, and whose notifications tell of what it waits for."""

    namespace: str
    target_uid: str
    policy: str = ""
    """Those of this policy alone; empty: those in words that are of no policy, since others' may be for others."""
    of_other_targets: bool = False
    """Those of other targets alone, while what they tell of lasts: each incident of this one is told for itself."""


@dataclass(slots=True)
class FleetView:
    """Actions by record, and how the targets of each namespace are. It follows the store of records."""

    _actions: list[tuple[datetime, Key, CountedAction]] = field(default_factory=list)
    """Oldest first."""
    _census: Census = field(default_factory=Census)
    _notified: dict[Key, datetime] = field(default_factory=dict)
    """Record → when it told people that the fleet brake holds."""
    _told: defaultdict[str, dict[str, Change]] = field(default_factory=lambda: defaultdict(dict))
    """Namespace → the records by which people were told of what holds back many."""
    _acted: dict[tuple[str, str], datetime] = field(default_factory=dict)
    """By namespace and policy, when it acted last."""
    _open: defaultdict[tuple[str, str], dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """By namespace and policy, its open incidents, and by what people were told of each."""
    _written: defaultdict[str, dict[str, datetime]] = field(default_factory=lambda: defaultdict(dict))
    """Namespace → record → when it was made; those that count against the budget of records."""
    _withheld: dict[str, Withheld] = field(default_factory=dict)
    _off_since: datetime | None = None
    """When the brake was first seen to be off, without a break since."""
    _off: tuple[Brake, int, bool] | None = None
    """Whether this brake is off, as of so many changes of the census."""
    _watched_at: datetime | None = None
    _pruned_at: datetime | None = None
    _lifted_at: datetime | None = None
    """When the brake was last known to have lifted; what was told before is of another outage."""

    def changed(self, before: AnyRecord | None, after: AnyRecord | None) -> None:
        """A record is new, or another now, or is gone. What was written within the hour counts all the same."""
        if isinstance(before, ChangeRecord):
            self._forget(before)
        elif isinstance(before, IncidentRecord):
            self._open[before.namespace, before.policy].pop(before.name, None)
        if isinstance(after, IncidentRecord) and after.body is not None:
            self._open[after.namespace, after.policy][after.name] = incidents.told_by(after.body)
        if isinstance(after, ChangeRecord) and after.change is not None:
            self._enter(after, after.change)
        elif isinstance(after, IncidentRecord) and after.made is not None:
            self._written[after.namespace].setdefault(f"incident {after.name}", after.made)
        elif after is None and isinstance(before, ChangeRecord) and not before.uid:
            self._forget_written(before.namespace, before.name)

    def opened(self, incident: Body, at: datetime) -> None:
        """An incident is about to be opened, or was."""
        self._written[incident["metadata"]["namespace"]][f"incident {incident['metadata']['name']}"] = at

    def has_room(self, namespace: str, most: int, now: datetime) -> bool:
        """Whether one more record of those that may be withheld is within the budget; begin it without an await."""
        return self._count(namespace, now) < most

    def withhold(self, namespace: str, now: datetime) -> Withheld:
        """One more is not written."""
        known = self._withheld.get(namespace)
        if known is None or now - known.since >= WINDOW:
            known = self._withheld[namespace] = Withheld(now)
        known.count += 1
        return known

    def _count(self, namespace: str, now: datetime) -> int:
        """Records of the last hour; also those that were deleted meanwhile."""
        recent = {key: at for key, at in self._written.pop(namespace, {}).items() if now - at < WINDOW}
        if recent:
            self._written[namespace] = recent
        return len(recent)

    def see(self, target: TargetKey, findings: Iterable[Sequence[Finding]]) -> None:
        """How a target is now, by each of the policies by which it counts; without any it counts no more."""
        verdicts = [overall(found) for found in findings]
        self._census.see(target, min(verdicts, key=_WORST_FIRST.index, default=None))

    def watch(self, brake: Brake | None, now: datetime) -> None:
        """Note when the brake lifts: when it was off for as long as it pauses between two actions.

        Otherwise a fleet that sways about the bound would be told of again and again. Too few measured targets tell
        nothing. It is off when it is so seen from every namespace. Looking is dear with many targets, and ticks are
        many.
        """
        if self._watched_at is not None and timedelta(0) <= now - self._watched_at < WATCH_EVERY:
            return
        self._watched_at = now
        self._prune(now)
        if self._lifted_at is None:
            self._lifted_at = now - SAME_OUTAGE
        if brake is None or not self._is_off(brake):
            self._off_since = None
        else:
            self._off_since = self._off_since or now
            if now - self._off_since >= brake.pause:
                self._lifted_at = now

    def _is_off(self, brake: Brake) -> bool:
        """Looked at anew when the verdict on some target has changed."""
        if self._off is None or self._off[:2] != (brake, self._census.changes):
            self._off = brake, self._census.changes, self._is_off_everywhere(brake)
        return self._off[2]

    def _is_off_everywhere(self, brake: Brake) -> bool:
        """Whether it can be judged at all, and nowhere holds; a namespace where all is well asks for no action."""
        views = [self._fleet(name) for name, tally in self._census.tallies.items() if tally.unhealthy]
        views = views or [self._fleet(name) for name in self._census.tallies]
        return any(can_be_judged(brake, view) for view in views) and not any(is_braking(brake, view) for view in views)

    def fleet(
        self,
        target: TargetKey,
        judged: AbstractSet[str] = frozenset(),
        since: datetime | None = None,
    ) -> Fleet:
        """Everything that budgets and the brake ask, for an action on this target.

        `judged`: names of the records of its namespace that are what is judged; right before a write it must not count
        against itself. `since`: nobody asks of earlier actions (None: somebody does).
        """
        first = 0 if since is None else bisect_left(self._actions, since, key=lambda entry: entry[0])
        own = target.namespace
        actions = tuple(
            action for _, (space, name), action in self._actions[first:] if space != own or name not in judged
        )
        weights = {space: self._census.weight(space, own) for space in {action.namespace for action in actions}}
        return replace(self._fleet(own), actions=actions, weights=weights, notified=self.told_of_brake())

    def told_of_brake(self) -> bool:
        """Whether people were told that the brake holds, since it came on."""
        return any(self._lifted_at is None or at > self._lifted_at for at in self._notified.values())

    def told_of(self, why: Refusal, hearer: Hearer, now: datetime) -> bool:
        """Whether people were told of late that this holds changes back, by what speaks for this incident as well."""
        return any(
            (told.policy == hearer.policy if hearer.policy else not told.remedy)
            and now - told.decided_at < SAME_OUTAGE
            and is_same_holder(why, told)
            and (not hearer.of_other_targets or self._speaks_for_others(told, hearer))
            for told in self._told.get(hearer.namespace, {}).values()
        )

    def _speaks_for_others(self, told: Change, hearer: Hearer) -> bool:
        """Whether what was told of one target of a policy is of this one as well, and of the same time.

        It is of another time when the policy has acted since, so that nothing held it back; and when all incidents of
        which it told are over, since then nobody knows for how long that was still missing.
        """
        place = hearer.namespace, told.policy
        acted, waiting = self._acted.get(place), self._open.get(place, {})
        lasts = any(name == told.incident or by in (told.name, told.reason) for name, by in waiting.items())
        return lasts and told.target_uid != hearer.target_uid and (acted is None or acted <= told.decided_at)

    def _fleet(self, namespace: str) -> Fleet:
        seen = self._census.seen_from(namespace)
        own = self._census.tallies.get(namespace, Tally())
        return Fleet(seen.targets, own.targets, seen.healthy, seen.unhealthy)

    def _forget(self, record: ChangeRecord) -> None:
        self._notified.pop(record.key, None)
        self._told[record.namespace].pop(record.name, None)
        if record.change is not None and (action := counted_action(record.change, record.namespace)) is not None:
            place = bisect_left(self._actions, (action.at, record.key), key=_order)
            if place < len(self._actions) and _order(self._actions[place]) == (action.at, record.key):
                del self._actions[place]

    def _enter(self, record: ChangeRecord, change: Change) -> None:
        if (action := counted_action(change, record.namespace)) is not None:
            insort(self._actions, (action.at, record.key, action), key=_order)
            place = record.namespace, change.policy
            self._acted[place] = max(action.at, self._acted.get(place, action.at))
        if (at := notified_at(change)) is not None:
            self._notified[record.key] = at
        elif change.reason in OF_MANY and not change.action.writes and change.decision is Decision.ACT:
            self._told[record.namespace][record.name] = change
        self._enter_written(record.namespace, change)

    def _prune(self, now: datetime) -> None:
        if self._pruned_at is None or not timedelta(0) <= now - self._pruned_at < PRUNE_EVERY:
            self._pruned_at = now
            for namespace in list(self._written):
                self._count(namespace, now)

    def _forget_written(self, namespace: str, name: str) -> None:
        self._written[namespace].pop(name, None)
        if (known := self._withheld.get(namespace)) is not None and known.record == name:
            known.record = ""

    def _enter_written(self, namespace: str, change: Change) -> None:
        if is_budgeted(change):
            self._written[namespace][change.name] = change.decided_at
        known = self._withheld.get(namespace)
        if change.reason == WITHHELD and (known is None or known.is_counted_by(change)):
            count = max(known.count if known else 0, change.occurrences)
            self._withheld[namespace] = Withheld(change.decided_at, count, change.name, change.occurrences)


def _order(entry: tuple[datetime, Key, CountedAction]) -> tuple[datetime, Key]:
    return entry[:2]
