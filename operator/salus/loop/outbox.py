"""Which records have something left to tell a sink. It is a view: all of it can be read from the records again."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from salus.core.delivery import left
from salus.model.types import Body
from salus.ports import CHANGE_EVENTS, Ref


@dataclass(slots=True)
class Outbox:
    """By sink, addresses of records in the order in which they came."""

    _waiting: dict[str, dict[Ref, None]] = field(default_factory=dict)
    _stirred: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, record: Body) -> None:
        """A record was made, or has ended, or was found."""
        self.add(ref_of(record), left(record))

    def add(self, ref: Ref, sinks: Iterable[str]) -> None:
        """There is something left to tell these sinks about a record."""
        for sink in sinks:
            self._waiting.setdefault(sink, {}).setdefault(ref)
            self._stirred.set()

    def done(self, sink: str, ref: Ref) -> None:
        """Nothing is left to tell this sink about this record, for now."""
        self._waiting[sink].pop(ref, None)

    def sinks(self) -> Collection[str]:
        """Those that anything was ever to be sent to."""
        return tuple(self._waiting)

    def waiting(self, sink: str) -> Sequence[Ref]:
        """The records that wait for a sink, in order."""
        return tuple(self._waiting.get(sink, ()))

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
