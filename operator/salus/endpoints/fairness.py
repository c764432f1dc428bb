"""A few slots, shared out by turns: whoever asks for many at once is not served before whoever asks for one.

A key (here mostly a namespace) never holds all of them, so that one whose requests hang leaves room, and what becomes
free goes round the keys that wait. Knows nothing of what the slots are for.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairSlots:
    """At most `total` at a time, and at most `each` of one key."""

    def __init__(self, total: int, each: int) -> None:
        self._free = total
        self._each = each
        self._used: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        """By key, the one whose turn is next in front; no queue of them is empty."""

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return sum(map(len, self._waiting.values()))

    @asynccontextmanager
    async def slot(self, key: str) -> AsyncIterator[None]:
        """Hold a slot; wait for one first."""
        await self._take(key)
        try:
            yield
        finally:
            self._give_back(key)

    async def _take(self, key: str) -> None:
        if self._may(key):
            self._hold(key)
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # given in the very moment in which nobody wanted it any more
                self._give_back(key)
            else:
                self._leave(key, turn)
            raise

    def _may(self, key: str) -> bool:
        return self._free > 0 and self._used[key] < self._each

    def _hold(self, key: str) -> None:
        self._free -= 1
        self._used[key] += 1

    def _give_back(self, key: str) -> None:
        self._free += 1
        self._used[key] -= 1
        if not self._used[key]:
            del self._used[key]
        while (ready := next(filter(self._may, self._waiting), None)) is not None:
            turn = self._waiting[ready].popleft()
            self._waiting.move_to_end(ready)
            if not self._waiting[ready]:
                del self._waiting[ready]
            if not turn.done():
                self._hold(ready)
                turn.set_result(None)

    def _leave(self, key: str, turn: asyncio.Future[None]) -> None:
        queue = self._waiting.get(key)
        if queue and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._waiting[key]
