"""A store of records over a fake cluster: its watches see each change at once, or when they are told to."""

from collections import deque
from collections.abc import Sequence

from salus.model.scalars import Body
from salus.ports import Resource
from salus.rehearsal.records import RehearsalRecords
from tests.fakes.cluster import FakeCluster


class WatchedStore(RehearsalRecords):
    """A store with its watches. While they are `held`, what they see waits."""

    def __init__(self, cluster: FakeCluster, namespaces: Sequence[str] = ()) -> None:
        self.held = False
        self.waiting: deque[tuple[str, Body]] = deque()
        self._fake = cluster
        super().__init__(cluster, namespaces, lambda: self.seconds)

    seconds = 0.0
    """Of the clock by which watches are old."""

    def show(self, kind: str, body: Body) -> None:
        """A change: shown now or later."""
        self.waiting.append((kind, body))
        if not self.held:
            self.release()

    def release(self, count: int | None = None) -> None:
        """Show the oldest of what waits: so many, or (None) all."""
        for _ in range(len(self.waiting) if count is None else min(count, len(self.waiting))):
            super().show(*self.waiting.popleft())

    def list_all(self) -> None:
        """List everything, as at first and after a 410: what waits is never shown."""
        self.waiting.clear()
        super().list_all()

    def list_one(self, resource: Resource, namespace: str | None) -> None:
        """List what may be listed."""
        if namespace in self._fake.closed or resource in self._fake.unreadable:
            self.watched[resource, namespace].heard()
            self.watched[resource, namespace].forbidden()
            return
        super().list_one(resource, namespace)
