"""What was done of late to all targets, and how they are: what budgets and the fleet brake count.

The records are listed at most once a minute, and only while something is being planned; between two lists this
process' own writes are entered as they are made, the intent before its first byte is sent. A watch would lag behind
what was just written, and fifty plans of one tick would all find the budget unspent; here the second plan sees the
first. Nothing in it is lost by a restart: it is listed again.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from salus.core.budgets import can_be_judged, deed_of, is_braking, told_at
from salus.core.decide import overall
from salus.core.fleet import Census, Tally
from salus.core.records import past_change, target_id
from salus.core.withholding import REASON as WITHHELD
from salus.core.withholding import WINDOW, is_budgeted
from salus.loop.scopes import each_scope
from salus.model.policy import Verdict
from salus.model.types import MALFORMED, Body, parse_time
from salus.model.values import Brake, Deed, Finding, Fleet, PastChange, TargetKey
from salus.ports import CHANGE_EVENTS, INCIDENTS, Cluster

LIST_EVERY = timedelta(minutes=1)
WATCH_EVERY = timedelta(milliseconds=250)
SAME_OUTAGE = timedelta(hours=1)
"""A process that starts takes a notification that is not older than this for one of an outage that may still last."""
_WORST_FIRST = (Verdict.UNHEALTHY, Verdict.HEALTHY, Verdict.UNKNOWN)
"""A target of two policies counts once; what one of them cannot judge, the other may."""
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Withheld:
    """What a namespace had beyond its budget of records, within the hour from the first of them on."""

    since: datetime
    count: int = 0
    record: str = ""
    """Name of the one record that counts them; empty while there is none."""
    said: int = 1
    """How many it says there are; it is written when they have doubled, so that it stays rare."""


@dataclass(slots=True)
class Ledger:
    """Deeds by record, and how the targets of each namespace are."""

    _deeds: dict[str, Deed] = field(default_factory=dict)
    _under_way: set[str] = field(default_factory=set)
    """Records whose creation was not answered yet; a list may not have them."""
    _listed_at: datetime | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _census: Census = field(default_factory=Census)
    _told: dict[str, datetime] = field(default_factory=dict)
    """Record → when it told people that the fleet brake holds."""
    _written: defaultdict[str, dict[str, datetime]] = field(default_factory=lambda: defaultdict(dict))
    """Namespace → record → when it was made; those that count against the budget of records."""
    _withheld: dict[str, Withheld] = field(default_factory=dict)
    _off_since: datetime | None = None
    """When the brake was first seen to be off, without a break since."""
    _off: tuple[Brake, int, bool] | None = None
    """Whether this brake is off, as of so many changes of the census."""
    _watched_at: datetime | None = None
    _lifted_at: datetime | None = None
    """When the brake was last known to have lifted; what was told before is of another outage."""

    async def refresh(self, cluster: Cluster, namespaces: Sequence[str], now: datetime) -> None:
        """List the records of these namespaces (none: of all), if the last list is too old. Raises ClusterError."""
        async with self._lock:
            if self._listed_at is not None and timedelta(0) <= now - self._listed_at < LIST_EVERY:
                return
            before = {*self._deeds, *self._told} - self._under_way
            before -= await self._list_all(cluster, namespaces, before, now)
            for gone in before:
                self._forget(gone)
            for namespace in list(self._written):
                self._count(namespace, now)
            self._listed_at = now

    async def _list_all(self, cluster: Cluster, namespaces: Sequence[str], known: Set[str], now: datetime) -> set[str]:
        """List the records; returns those that are there, and of the `known` ones those that nobody can tell of."""
        found = await each_scope(namespaces, partial(self._list_one, cluster, now), "count the records")
        untold = set(namespaces) - found.keys()
        return set().union(*found.values(), (key for key in known if key.partition("/")[0] in untold))

    async def _list_one(self, cluster: Cluster, now: datetime, namespace: str | None) -> set[str]:
        await self._list_incidents(cluster, namespace, now)
        seen: set[str] = set()
        async for body in cluster.each(CHANGE_EVENTS, namespace):
            seen.add(_key(body))
            self._enter_listed(body)
        return seen

    async def _list_incidents(self, cluster: Cluster, namespace: str | None, now: datetime) -> None:
        """What others opened: only once, since after that nobody but this process opens any."""
        if self._listed_at is None:
            async for body in cluster.each(INCIDENTS, namespace):
                self.opened(body, min(_made(body) or now, now))

    def outdated(self) -> None:
        """Someone else may have acted meanwhile: the next plan lists anew."""
        self._listed_at = None

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

    def intend(self, body: Body) -> None:
        """A record is about to be created: what it means to do is spent from now on."""
        self._under_way.add(_key(body))
        self._enter(body)

    def intended(self, body: Body, *, refused: bool) -> None:
        """The creation was answered, or may never be; only `refused` says for certain that there is no record."""
        self._under_way.discard(_key(body))
        if refused:
            self._forget(_key(body))
            self._forget_written(body["metadata"]["namespace"], body["metadata"]["name"])

    def note(self, body: Body) -> None:
        """A record was written: applied, finished, given up."""
        self._enter(body)

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

    def fleet(self, target: TargetKey, known: Iterable[PastChange] = ()) -> Fleet:
        """Everything that budgets and the brake ask, for an action on this target.

        A record of the target that is not among the `known` ones is the very change that is judged: right before the
        deed it must not count against itself.
        """
        mine, names = f"{target.namespace}/{target_id(target)}-", {change.name for change in known}
        others = [d for key, d in self._deeds.items() if not key.startswith(mine) or key.partition("/")[2] in names]
        told = any(self._lifted_at is None or at > self._lifted_at for at in self._told.values())
        weights = {deed.namespace: self._census.weight(deed.namespace, target.namespace) for deed in others}
        return replace(self._fleet(target.namespace), deeds=tuple(others), weights=weights, told=told)

    def _fleet(self, namespace: str) -> Fleet:
        seen = self._census.seen_from(namespace)
        own = self._census.tallies.get(namespace, Tally())
        return Fleet(seen.targets, own.targets, seen.healthy, seen.unhealthy)

    def _forget(self, key: str) -> None:
        self._deeds.pop(key, None)
        self._told.pop(key, None)

    def _enter_listed(self, body: Body) -> None:
        """One that cannot be read is of no deed; it must not keep the others from being counted."""
        try:
            self._enter(body)
        except MALFORMED as error:
            _log.warning("a record cannot be read, and is not counted", change=_key(body), error=repr(error))

    def _enter(self, body: Body) -> None:
        change, key = past_change(body), _key(body)
        self._forget(key)
        if (deed := deed_of(change, body["metadata"]["namespace"])) is not None:
            self._deeds[key] = deed
        if (at := told_at(change)) is not None:
            self._told[key] = at
        self._enter_written(body["metadata"]["namespace"], change)

    def _forget_written(self, namespace: str, name: str) -> None:
        self._written[namespace].pop(name, None)
        if (known := self._withheld.get(namespace)) is not None and known.record == name:
            known.record = ""

    def _enter_written(self, namespace: str, change: PastChange) -> None:
        if is_budgeted(change):
            self._written[namespace][change.name] = change.decided_at
        known = self._withheld.get(namespace)
        if change.reason == WITHHELD and (known is None or known.since <= change.decided_at):
            count = max(known.count if known else 0, change.occurrences)
            self._withheld[namespace] = Withheld(change.decided_at, count, change.name, change.occurrences)


def _made(body: Body) -> datetime | None:
    """When an object was made, as the API server says."""
    try:
        return parse_time(body["metadata"].get("creationTimestamp"))
    except MALFORMED:
        return None


def _key(body: Body) -> str:
    return f"{body['metadata']['namespace']}/{body['metadata']['name']}"
