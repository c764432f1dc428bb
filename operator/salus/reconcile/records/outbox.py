"""Which records have something left to tell a sink. It is a view: all of it can be read from the records again.

Fair by namespace: a sink is told of the next record of each in turn, the oldest first, so that a namespace that makes
ten thousand holds up its own only.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from salus.core.records.entries import AnyRecord, ChangeRecord
from salus.ports import CHANGE_EVENTS, Ref

_Queue = dict[Ref, datetime]
"""Addresses of records, and when each was decided."""


@dataclass(slots=True)
class Outbox:
    """By sink and namespace, the records that wait. It follows the store of records."""

    _queues: dict[str, dict[str, _Queue]] = field(default_factory=dict)
    """The namespace whose turn is next comes first."""
    _disordered: set[tuple[str, str]] = field(default_factory=set)
    """Queues in which a record came after a younger one."""
    _stirred: asyncio.Event = field(default_factory=asyncio.Event)

    def changed(self, before: AnyRecord | None, after: AnyRecord | None) -> None:
        """A record was made, has ended, was told of, or is gone."""
        waited, waits = _waiting(before), _waiting(after)
        for sink in waited - waits:
            self._done(sink, before)
        for sink in waits - waited:
            self._add(sink, after)

    def _add(self, sink: str, record: AnyRecord | None) -> None:
        if isinstance(record, ChangeRecord) and record.change is not None:
            queue, at = self._queues.setdefault(sink, {}).setdefault(record.namespace, {}), record.change.decided_at
            if queue and queue[next(reversed(queue))] > at:
                self._disordered.add((sink, record.namespace))
            queue[ref_of(record)] = at
            self._stirred.set()

    def _done(self, sink: str, record: AnyRecord | None) -> None:
        if isinstance(record, ChangeRecord):
            queues = self._queues[sink]
            queue = queues.get(record.namespace, {})
            queue.pop(ref_of(record), None)
            if not queue:
                queues.pop(record.namespace, None)

    def sinks(self) -> Collection[str]:
        """Those that anything was ever to be sent to."""
        return tuple(self._queues)

    def waiting(self, sink: str) -> int:
        """How many records wait for a sink."""
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
                    ready[namespace] = filter(is_ready, self._in_order(sink, namespace))
                ref = next((ref for ref in ready[namespace] if ref in queues.get(namespace, ())), None)
                if ref is not None:
                    queues[namespace] = queues.pop(namespace)
                    served = True
                    yield ref

    def _in_order(self, sink: str, namespace: str) -> tuple[Ref, ...]:
        queues = self._queues[sink]
        if (sink, namespace) in self._disordered:
            self._disordered.discard((sink, namespace))
            queue = queues[namespace]
            in_order = sorted(queue.items(), key=lambda entry: entry[1])
            queue.clear()
            queue.update(in_order)
        return tuple(queues.get(namespace, ()))

    async def wait(self, seconds: float) -> None:
        """Return when something has come since the last call, or after so many seconds."""
        try:
            await asyncio.wait_for(self._stirred.wait(), seconds)
        except TimeoutError:
            return
        self._stirred.clear()


def ref_of(record: ChangeRecord) -> Ref:
    """Address of a ChangeEvent."""
    return Ref(CHANGE_EVENTS, record.namespace, record.name)


def _waiting(record: AnyRecord | None) -> frozenset[str]:
    """The sinks that a record waits for; one that is being created waits for none."""
    return frozenset(record.waiting) if isinstance(record, ChangeRecord) and record.uid else frozenset()
