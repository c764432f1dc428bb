"""A copy of all records of one kind, from everybody who shows any of them: watch, lists, and answers to own writes.

Of two things said of an object the newer counts, by resourceVersion, so that a list or an event that is late takes
nothing back; and what was deleted stays so, whatever is still said of it. What is about to be created is known apart,
until its creation is answered or a list shows that it came to nothing.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from salus.core.records.entries import ChangeRecord, IncidentRecord, Key, key_of, number, version_of
from salus.model.scalars import Body

_MOST_BURIED = 10_000
Kept = TypeVar("Kept", ChangeRecord, IncidentRecord)


class Copies(Generic[Kept]):
    """Those of one kind. `read` takes of a record what is kept; `tell` hears what was known before, and what is now."""

    def __init__(self, read: Callable[[Body], Kept], tell: Callable[[Kept | None, Kept | None], object]) -> None:
        self.intended: dict[Key, Kept] = {}
        self.unanswered: dict[Key, Kept] = {}
        """Those of the intended whose creation will not be answered any more."""
        self.listings: set[Listing[Kept]] = set()
        self._by_namespace: dict[str, dict[str, Kept]] = {}
        self._buried: OrderedDict[str, None] = OrderedDict()
        """Uids of what was deleted of late."""
        self._read: Callable[[Body], Kept] = read
        self._tell: Callable[[Kept | None, Kept | None], object] = tell

    def get(self, key: Key) -> Kept | None:
        """The record, if it is known to exist."""
        return self._by_namespace.get(key[0], {}).get(key[1])

    def on_record(self, namespace: str | None = None) -> Iterator[Kept]:
        """What is known to exist, in a namespace or (None) in all."""
        wanted = list(self._by_namespace) if namespace is None else [namespace]
        for one in wanted:
            yield from list(self._by_namespace.get(one, {}).values())

    def everything(self) -> Iterator[Kept]:
        """The same, and what is intended."""
        yield from self.on_record()
        yield from (intent for key, intent in self.intended.items() if self.get(key) is None)

    def namespaces(self) -> Iterable[str]:
        """Those in which there is one."""
        return self._by_namespace.keys()

    # --- what is on the API server

    def enter(self, body: Body) -> None:
        """A record as it was at some moment."""
        self._touch(key_of(body))
        self.put(body)

    def put(self, body: Body) -> None:
        """The same, from a list: that is no news of something that happened since the list began."""
        key, metadata = key_of(body), body["metadata"]
        uid, version, known = metadata.get("uid", ""), version_of(metadata), self.get(key)
        if uid in self._buried or (known is not None and _is_as_new(known, uid, version)):
            return
        intent = self.intended.pop(key, None)
        self.unanswered.pop(key, None)
        record = self._read(body)
        self._by_namespace.setdefault(key[0], {})[key[1]] = record
        self._tell(known or intent, record)

    def forget(self, key: Key, uid: str, version: int = 0) -> None:
        """The object with this uid was deleted, at this version; another of its name may be there by now."""
        self._touch(key)
        self._bury(uid)
        known = self.get(key)
        if known is not None and (known.uid == uid or known.version < version):
            self._remove(known)

    def drop(self, record: Kept) -> None:
        """A list shows that it is gone."""
        self._bury(record.uid)
        self._remove(record)

    def unearth(self, uid: str) -> None:
        """A list shows that it is there after all."""
        self._buried.pop(uid, None)

    def _touch(self, key: Key) -> None:
        for listing in self.listings:
            listing.touched.add(key)

    def _bury(self, uid: str) -> None:
        self._buried[uid] = None
        while len(self._buried) > _MOST_BURIED:
            self._buried.popitem(last=False)

    def _remove(self, record: Kept) -> None:
        names = self._by_namespace[record.namespace]
        del names[record.name]
        if not names:
            del self._by_namespace[record.namespace]
        self._tell(record, self.intended.get(record.key))

    # --- own creations

    def intend(self, body: Body) -> None:
        """It is about to be created."""
        key = key_of(body)
        before, intent = self.intended.get(key), replace(self._read(body), uid="")
        self.intended[key] = intent
        self.unanswered.pop(key, None)
        if self.get(key) is None:
            self._tell(before, intent)

    def answered(self, key: Key, *, refused: bool) -> None:
        """The creation was answered, or never will be."""
        if refused:
            self.disown(key)
        elif (intent := self.intended.get(key)) is not None:
            self.unanswered[key] = intent

    def disown(self, key: Key) -> None:
        """There is no such record."""
        self.unanswered.pop(key, None)
        intent = self.intended.pop(key, None)
        if intent is not None and self.get(key) is None:
            self._tell(intent, None)

    # --- lists

    def begin(self, among: Callable[[], Iterable[Kept]], covers: Callable[[Kept], bool]) -> "Listing[Kept]":
        """A list of what it `covers` is about to be asked for; `among` gives those of them that are known."""
        listing = Listing(self, among, covers, dict(self.unanswered))
        self.listings.add(listing)
        return listing


def _is_as_new(known: Kept, uid: str, version: int) -> bool:
    return known.version > version or (known.uid == uid and known.version == version > 0)


@dataclass(slots=True, eq=False)
class Listing(Generic[Kept]):
    """A list that is being read."""

    _copies: Copies[Kept]
    _among: Callable[[], Iterable[Kept]]
    _covers: Callable[[Kept], bool]
    _unanswered: Mapping[Key, Kept]
    """What was intended when it began, and will not be answered any more."""
    _seen: set[Key] = field(default_factory=set)
    touched: set[Key] = field(default_factory=set)
    """What anything was said of since it began."""

    def add(self, body: Body) -> None:
        """One of its objects: it is there, or was when the list began."""
        key = key_of(body)
        self._seen.add(key)
        if key not in self.touched:
            self._copies.unearth(body["metadata"].get("uid", ""))
        for other in self._copies.listings - {self}:  # which may have been answered before there was such a record
            other.touched.add(key)
        self._copies.put(body)

    def complete(self, version: str = "") -> None:
        """It is whole: what it did not have is gone, unless that is newer than the list.

        `version`: that of the list. Where it is not known, what was said of since the list began is newer.
        """
        self.give_up()
        at = number(version)
        for record in list(self._among()):
            newer = record.version > at if at else record.key in self.touched
            if record.key not in self._seen and not newer:
                self._copies.drop(record)
        for key, intent in self._unanswered.items():
            if key not in self._seen and self._copies.unanswered.get(key) is intent and self._covers(intent):
                self._copies.disown(key)

    def give_up(self) -> None:
        """Nothing more comes of it."""
        self._copies.listings.discard(self)
