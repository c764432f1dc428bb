"""All records in memory: every ChangeEvent and Incident that is watched, each as new as anybody has shown it.

What others write comes by LIST and watch (`Feed`), which may lag, be cut, and begin again; what this process writes is
noted as it is answered, a creation before its first byte is sent. Nothing in it is lost by a restart, and it decides
nothing: that do the name of a record, which is free for one writer only (409), and the fence. Right before a write its
target's records are listed again (`refresh`), and before a leader's first write all of them (`renew`).
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Protocol, TypeVar

import structlog

from salus.contained import contained
from salus.core.records.copies import Copies, Kept, Listing
from salus.core.records.entries import (
    AnyRecord,
    ChangeRecord,
    IncidentRecord,
    Key,
    change_record,
    incident_record,
    key_of,
    version_of,
)
from salus.core.records.names import TARGET_LABEL, target_id
from salus.model.scalars import Body
from salus.model.values.changes import Change
from salus.model.values.keys import PolicyKey, TargetKey
from salus.ports import CHANGE_EVENTS, INCIDENTS, Cluster, Ref, Resource
from salus.reconcile.scopes import each_scope

CURRENT = timedelta(minutes=2)
"""A watch that said nothing for longer (a bookmark comes each minute) is not trusted with budgets."""
_YIELD_EVERY = 100
"""Records of a list after which others have their turn."""
_log = structlog.get_logger(__name__)
_TargetId = tuple[str, str, str]
"""Namespace, kind and name of a workload, whatever kind a record says."""


class View(Protocol):
    """Who counts or queues records, and wants to know of each change at once."""

    def changed(self, before: AnyRecord | None, after: AnyRecord | None) -> None:
        """A record is new, or another now, or (`after` is None) is gone. Its uid is empty while it is being created."""
        ...


class RecordStore:
    """What is on record. Reading it costs no request; `refresh` and `renew` ask the API server."""

    def __init__(self, cluster: Cluster, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`monotonic`: seconds, of a clock that nobody sets."""
        self.monotonic = monotonic
        self._cluster = cluster
        self._changes = Copies(change_record, self._change)
        self._incidents = Copies(incident_record, self._incident)
        self._views: list[View] = []
        self._feeds: list[Feed] = []
        self._of_target: dict[_TargetId, dict[str, ChangeRecord]] = defaultdict(dict)
        self._in_order: dict[_TargetId, tuple[Change, ...]] = {}
        """What was asked for, in its order; until there is something new."""
        self._by_label: dict[Key, dict[str, ChangeRecord]] = defaultdict(dict)
        self._incidents_by_label: dict[Key, dict[str, IncidentRecord]] = defaultdict(dict)
        self._incidents_by_stem: dict[Key, dict[str, IncidentRecord]] = defaultdict(dict)
        self._open: dict[Key, IncidentRecord] = {}

    # --- what is known

    def changes_of(self, target: TargetKey) -> tuple[Change, ...]:
        """The records of a target, over all policies, oldest first."""
        key = (target.namespace, target.kind.value, target.name)
        if key not in self._of_target:
            return ()
        if key not in self._in_order:
            found = (record.change for record in self._of_target[key].values())
            self._in_order[key] = tuple(sorted((one for one in found if one), key=lambda change: change.sequence))
        return self._in_order[key]

    def newest_sequence(self, target: TargetKey) -> int:
        """The highest number under the target's label, which another workload may share; 0: there is none."""
        found = self._by_label.get((target.namespace, target_id(target)), {})
        return max((record.sequence for record in found.values()), default=0)

    def open_incident(self, policy: PolicyKey, target: TargetKey) -> Body | None:
        """The incident of this policy and target that is not over; the newest, if there are several."""
        wanted = (policy.name, target.kind.value, target.name)
        known = self._incidents_by_label.get((target.namespace, target_id(target)), {}).values()
        found = [one for one in known if one.body is not None and (one.policy, one.kind, one.target) == wanted]
        return max(found, key=lambda one: one.number).body if found else None

    def last_incident_number(self, namespace: str, stem: str) -> int:
        """The highest number of the incidents whose names are this and a number, over and open; 0: there is none."""
        return max((one.number for one in self._incidents_by_stem.get((namespace, stem), {}).values()), default=0)

    def all_open(self, namespace: str | None = None) -> tuple[Body, ...]:
        """All incidents that are not over, in a namespace or (None) in all."""
        return _bodies(record for record in self._open.values() if namespace in (None, record.namespace))

    def namespaces(self) -> frozenset[str]:
        """Those that have records, and do not forbid to read them."""
        closed = {feed.namespace for feed in self._feeds if feed.refused}
        return frozenset((*self._changes.namespaces(), *self._incidents.namespaces())) - closed

    def changes_in(self, namespace: str) -> Sequence[ChangeRecord]:
        """The ChangeEvents of a namespace."""
        return list(self._changes.on_record(namespace))

    def incidents_in(self, namespace: str) -> Sequence[IncidentRecord]:
        """The Incidents of a namespace."""
        return list(self._incidents.on_record(namespace))

    def is_current(self) -> bool:
        """Whether all watches follow; one that may not be read holds up no other, but all of them would be none."""
        asked = [feed for feed in self._feeds if not feed.refused]
        return bool(asked) and all(feed.current for feed in asked)

    # --- what comes in

    def feed(self, resource: Resource, namespace: str | None) -> "Feed":
        """What a watch of this kind, in this namespace or (None) in all, has to tell."""
        feed = Feed(self._copies(resource), namespace, self.monotonic)
        self._feeds.append(feed)
        return feed

    def follow(self, view: View) -> None:
        """Let a view know of everything, from now on."""
        if any(known is view for known in self._views):
            return
        self._views.append(view)
        everything: list[AnyRecord] = [*self._changes.everything(), *self._incidents.everything()]
        for record in everything:
            view.changed(None, record)

    def intend(self, body: Body) -> None:
        """A record is about to be created: before the first byte leaves, what it means to do is counted."""
        self._copies_of(body).intend(body)

    def intended(self, body: Body, *, refused: bool) -> None:
        """The creation was answered, or may never be; only `refused` says for certain that there is no record.

        What was not answered stays intended until a list that begins later does not have it.
        """
        self._copies_of(body).answered(key_of(body), refused=refused)

    def note(self, body: Body) -> None:
        """An answer of the API server: a record as it is now."""
        self._copies_of(body).enter(body)

    def forget(self, ref: Ref, uid: str = "") -> None:
        """The object with this uid is not there any more; without: whichever was known."""
        copies, key = self._copies(ref.resource), (ref.namespace, ref.name)
        record: AnyRecord | None = copies.get(key)
        if uid or record is not None:
            copies.forget(key, uid or (record.uid if record else ""))

    async def refresh(self, target: TargetKey) -> None:
        """List the records under the target's label: that is all that is known of it then. Raises ClusterError."""
        label = (target.namespace, target_id(target))
        await asyncio.gather(
            self._refresh(CHANGE_EVENTS, self._changes, label, self._by_label),
            self._refresh(INCIDENTS, self._incidents, label, self._incidents_by_label),
        )

    async def _refresh(
        self, resource: Resource, copies: Copies[Kept], label: Key, known: Mapping[Key, Mapping[str, Kept]]
    ) -> None:
        listing = copies.begin(
            lambda: known.get(label, {}).values(), lambda record: (record.namespace, record.label) == label
        )
        try:
            for body in await self._cluster.list(resource, label[0], {TARGET_LABEL: label[1]}):
                _show(listing, body)
            listing.complete()
        finally:
            listing.give_up()

    async def renew(self, namespaces: Sequence[str]) -> None:
        """List all records in these namespaces (none: in all), since others may have written. Raises ClusterError."""
        for resource in (CHANGE_EVENTS, INCIDENTS):
            await each_scope(namespaces, partial(self._renew, resource), "list the records")

    async def _renew(self, resource: Resource, namespace: str | None) -> None:
        listing, count = _whole(self._copies(resource), namespace), 0
        try:
            async for body in self._cluster.each(resource, namespace):
                _show(listing, body)
                count += 1
                if count % _YIELD_EVERY == 0:
                    await asyncio.sleep(0)
            listing.complete()
        finally:
            listing.give_up()

    # --- indexes

    def _copies(self, resource: Resource) -> Copies[Any]:
        return self._changes if resource == CHANGE_EVENTS else self._incidents

    def _copies_of(self, body: Body) -> Copies[Any]:
        return self._changes if body["kind"] == CHANGE_EVENTS.kind else self._incidents

    def _change(self, before: ChangeRecord | None, after: ChangeRecord | None) -> None:
        if before is not None and before.uid:
            self._in_order.pop(_target(before), None)
            _take(self._of_target, _target(before), before.name)
            _take(self._by_label, (before.namespace, before.label), before.name)
        if after is not None and after.uid:
            self._in_order.pop(_target(after), None)
            self._of_target[_target(after)][after.name] = after
            self._by_label[after.namespace, after.label][after.name] = after
        self._tell(before, after)

    def _incident(self, before: IncidentRecord | None, after: IncidentRecord | None) -> None:
        if before is not None and before.uid:
            self._open.pop(before.key, None)
            _take(self._incidents_by_label, (before.namespace, before.label), before.name)
            _take(self._incidents_by_stem, (before.namespace, before.stem), before.name)
        if after is not None and after.uid:
            if after.body is not None:
                self._open[after.key] = after
            self._incidents_by_label[after.namespace, after.label][after.name] = after
            self._incidents_by_stem[after.namespace, after.stem][after.name] = after
        self._tell(before, after)

    def _tell(self, before: AnyRecord | None, after: AnyRecord | None) -> None:
        if after is not None and after.unreadable:
            where = {"namespace": after.namespace, "name": after.name}
            _log.warning("a record cannot be read, and is left out", **where, error=after.unreadable)
        for view in self._views:
            view.changed(before, after)


class Feed:
    """The port `Mirror`: how the watch of one kind, in one namespace or in all, tells the store what it sees."""

    def __init__(self, copies: Copies[Any], namespace: str | None, monotonic: Callable[[], float]) -> None:
        self.refused = False
        """Whether it may not be read: then what was known of it stays."""
        self.namespace = namespace
        self._copies, self._monotonic = copies, monotonic
        self._listed = False
        self._heard_at = monotonic()

    @property
    def current(self) -> bool:
        """Whether all was listed once, and something was said of late."""
        return self._listed and self._monotonic() - self._heard_at <= CURRENT.total_seconds()

    def begin(self) -> "FeedListing":
        """A list is about to be asked for."""
        return FeedListing(_whole(self._copies, self.namespace), self)

    def listed(self) -> None:
        """A list was read to its end."""
        self._listed, self.refused = True, False

    def changed(self, body: Body) -> None:
        """An object was added or modified."""
        with contained(partial(_nonsense, body)):
            self._copies.enter(body)

    def deleted(self, body: Body) -> None:
        """An object was deleted."""
        with contained(partial(_nonsense, body)):
            metadata = body["metadata"]
            self._copies.forget(key_of(body), metadata.get("uid", ""), version_of(metadata))

    def heard(self) -> None:
        """The API server said something, if only that there is nothing new."""
        self._heard_at = self._monotonic()

    def forbidden(self) -> None:
        """The API server said that this may not be read."""
        self.refused = True


class FeedListing:
    """The port `MirrorList`: a list of a feed."""

    def __init__(self, listing: Listing[Any], feed: Feed) -> None:
        self._listing, self._feed = listing, feed

    def add(self, body: Body) -> None:
        """One of its objects."""
        _show(self._listing, body)

    def complete(self, version: str) -> None:
        """It is whole, and shows how all was at this version."""
        self._listing.complete(version)
        self._feed.listed()

    def give_up(self) -> None:
        """Nothing more comes of it."""
        self._listing.give_up()


def _whole(copies: Copies[Kept], namespace: str | None) -> Listing[Kept]:
    """A list of everything in a namespace, or (None) in all."""
    return copies.begin(lambda: copies.on_record(namespace), lambda record: namespace in (None, record.namespace))


def _show(listing: Listing[Any], body: Body) -> None:
    with contained(partial(_nonsense, body)):
        listing.add(body)


def _bodies(records: Iterable[IncidentRecord]) -> tuple[Body, ...]:
    return tuple(record.body for record in records if record.body is not None)


def _nonsense(body: Body, error: BaseException) -> None:
    where = str(body.get("metadata"))[:200]
    _log.warning("what was watched is no record", kind=body.get("kind"), metadata=where, error=repr(error))


def _target(record: ChangeRecord) -> _TargetId:
    return record.namespace, record.kind, record.target


_Group = TypeVar("_Group", _TargetId, Key)


def _take(index: dict[_Group, dict[str, Kept]], group: _Group, name: str) -> None:
    """Take one out of an index, and with the last its group."""
    members = index[group]
    members.pop(name, None)
    if not members:
        del index[group]
