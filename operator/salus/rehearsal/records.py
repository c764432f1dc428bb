"""What is on record in a cluster of values: a store whose watches see each change at once."""

from collections.abc import Callable, Sequence

from salus.model.scalars import Body
from salus.ports import CHANGE_EVENTS, INCIDENTS, Resource
from salus.reconcile.records.store import RecordStore
from salus.rehearsal.cluster import RehearsalCluster
from salus.rehearsal.server import copied

_KINDS = {resource.kind: resource for resource in (CHANGE_EVENTS, INCIDENTS)}


class RehearsalRecords(RecordStore):
    """A store with its watches, in these namespaces (none: in all); they are never old, unless a clock says so."""

    def __init__(
        self, cluster: RehearsalCluster, namespaces: Sequence[str] = (), monotonic: Callable[[], float] = lambda: 0.0
    ) -> None:
        super().__init__(cluster, monotonic)
        self._of = cluster
        places = [(resource, namespace) for resource in _KINDS.values() for namespace in namespaces or (None,)]
        self.watched = {place: self.feed(*place) for place in places}
        cluster.watch(self)
        self.list_all()

    def saw(self, kind: str, body: Body) -> None:
        """A change."""
        if body["kind"] in _KINDS:
            self.show(kind, copied(body))

    def show(self, kind: str, body: Body) -> None:
        """Let the watches see a change of a record."""
        for namespace in (None, body["metadata"]["namespace"]):
            feed = self.watched.get((_KINDS[body["kind"]], namespace))
            if feed is not None:
                feed.heard()
                (feed.deleted if kind == "DELETED" else feed.changed)(body)

    def list_all(self) -> None:
        """List everything, as at first and after a 410."""
        for resource, namespace in self.watched:
            self.list_one(resource, namespace)

    def list_one(self, resource: Resource, namespace: str | None) -> None:
        """List one kind in one namespace or (None) in all."""
        feed = self.watched[resource, namespace]
        feed.heard()
        listing = feed.begin()
        for body in self._of.peek(resource, namespace):
            listing.add(copied(body))
        listing.complete(self._of.version)
        listing.give_up()
