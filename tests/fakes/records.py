"""A store of records over a fake cluster: its watches see each change at once, or when they are told to."""

import weakref
from collections import deque
from collections.abc import Sequence

from salus.model.scalars import Body
from salus.ports import CHANGE_EVENTS, INCIDENTS
from salus.reconcile.records.store import RecordStore
from tests.fakes.cluster import FakeCluster, copied

_KINDS = {resource.kind: resource for resource in (CHANGE_EVENTS, INCIDENTS)}


class WatchedStore(RecordStore):
    """A store with its watches. While they are `held`, what they see waits."""

    def __init__(self, cluster: FakeCluster, namespaces: Sequence[str] = ()) -> None:
        super().__init__(cluster, lambda: self.seconds)
        self.held = False
        self.waiting: deque[tuple[str, Body]] = deque()
        self._fake = cluster
        places = [(resource, namespace) for resource in _KINDS.values() for namespace in namespaces or (None,)]
        self.watched = {place: self.feed(*place) for place in places}
        cluster.watchers.append(weakref.ref(self))
        self.list_all()

    seconds = 0.0
    """Of the clock by which watches are old."""

    def saw(self, kind: str, body: Body) -> None:
        """A change: shown now or later."""
        if body["kind"] in _KINDS:
            self.waiting.append((kind, copied(body)))
            if not self.held:
                self.release()

    def release(self, count: int | None = None) -> None:
        """Show the oldest of what waits: so many, or (None) all."""
        for _ in range(len(self.waiting) if count is None else min(count, len(self.waiting))):
            kind, body = self.waiting.popleft()
            for namespace in (None, body["metadata"]["namespace"]):
                feed = self.watched.get((_KINDS[body["kind"]], namespace))
                if feed is not None:
                    feed.heard()
                    (feed.deleted if kind == "DELETED" else feed.changed)(body)

    def list_all(self) -> None:
        """List everything, as at first and after a 410: what waits is never shown."""
        self.waiting.clear()
        for (resource, namespace), feed in self.watched.items():
            feed.heard()
            if namespace in self._fake.closed or resource in self._fake.unreadable:
                feed.forbidden()
                continue
            listing = feed.begin()
            for body in self._fake.peek(resource, namespace):
                listing.add(copied(body))
            listing.complete(self._fake.version)
            listing.give_up()
