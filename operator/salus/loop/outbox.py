"""Which records have something left to tell a sink. It is a view: all of it can be read from the records again.

Fair by namespace: a sink is told of the next record of each in turn, so that a namespace that makes ten thousand holds
up its own only. And bounded: of one namespace so many are kept in mind, the oldest, and a list finds the others when
these are told.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from salus.core.delivery import left
from salus.model.types import Body
from salus.ports import CHANGE_EVENTS, Ref

LONGEST = 1000
"""Records of one namespace that are kept in mind for one sink."""

_Queue = dict[Ref, None]


@dataclass(slots=True)
class Outbox:
    """By sink and namespace, addresses of records in the order in which they came."""

    _queues: dict[str, dict[str, _Queue]] = field(default_factory=dict)
    """The namespace whose turn is next comes first."""
    _cut_off: set[tuple[str, str]] = field(default_factory=set)
    """Queues that have no place for what came after; to keep the order, nothing is added before the next list."""
    _stirred: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, record: Body) -> None:
        """A record was made, or has ended."""
        self._add(ref_of(record), left(record))

    def found(self, waiting: Iterable[tuple[Ref, Iterable[str]]]) -> None:
        """These records wait for these sinks, in this order, and no others do."""
        self._cut_off.clear()
        for ref, sinks in waiting:
            self._add(ref, sinks)

    def _add(self, ref: Ref, sinks: Iterable[str]) -> None:
        for sink in sinks:
            queue = self._queues.setdefault(sink, {}).setdefault(ref.namespace, {})
            if len(queue) >= LONGEST and ref not in queue:
                self._cut_off.add((sink, ref.namespace))
            if (sink, ref.namespace) not in self._cut_off:
                queue.setdefault(ref)
            self._stirred.set()

    def done(self, sink: str, ref: Ref) -> None:
        """Nothing is left to tell this sink about this record, for now."""
        queues = self._queues[sink]
        queue = queues.get(ref.namespace, {})
        queue.pop(ref, None)
        if not queue:
            queues.pop(ref.namespace, None)

    def is_short(self) -> bool:
        """A list would find more for a queue that has become short."""
        return any(2 * len(self._queues[sink].get(namespace, ())) < LONGEST for sink, namespace in self._cut_off)

    def sinks(self) -> Collection[str]:
        """Those that anything was ever to be sent to."""
        return tuple(self._queues)

    def waiting(self, sink: str) -> int:
        """How many records are known to wait for a sink."""
        return sum(map(len, self._queues.get(sink, {}).values()))

    def in_turn(self, sink: str, is_ready: Callable[[Ref], bool] = lambda _: True) -> Iterator[Ref]:
        """The records that wait for a sink and are ready: one of each namespace, in order, and again.

        A record that is given out was its namespace's turn: whoever stops then goes on, the next time, with the one
        that has waited longest.
        """
        queues = self._queues.get(sink, {})
        ready: dict[str, Iterator[Ref]] = {}
        served = True
        while served:
            served = False
            for namespace in tuple(queues):
                if namespace not in ready:
                    ready[namespace] = filter(is_ready, tuple(queues[namespace]))
                ref = next(ready[namespace], None)
                if ref is not None:
                    queues[namespace] = queues.pop(namespace)
                    served = True
                    yield ref

    async def wait(self, seconds: float) -> None:
        """Return when something was noted since the last call, or after so many seconds."""
        try:
            await asyncio.wait_for(self._stirred.wait(), seconds)
        except TimeoutError:
            return
        self._stirred.clear()


def ref_of(record: Body) -> Ref:
    """Address of a ChangeEvent."""
    return Ref(CHANGE_EVENTS, record["metadata"]["namespace"], record["metadata"]["name"])
