"""The slots of one server, shared among namespaces: whoever asks much waits for itself, and not others for it.

A namespace holds no more slots than it leaves free, so that one alone has half of them, two a third each, and
somebody who comes later finds one at once. Those who wait are let in by turns, a namespace at a time, and in their
order within it.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Shares:
    """So many slots."""

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """Whose turn is next stands first."""

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return sum(not turn.done() for queue in self._waiting.values() for turn in queue)

    @asynccontextmanager
    async def slot(self, namespace: str) -> AsyncIterator[None]:
        """One slot, for as long as the context lasts; waits for it if need be."""
        await self._enter(namespace)
        try:
            yield
        finally:
            self._leave(namespace)

    async def _enter(self, namespace: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(namespace, deque()).append(turn)
        self._let_in()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(namespace)
            raise

    def _leave(self, namespace: str) -> None:
        self._free += 1
        self._held[namespace] -= 1
        self._held += Counter()  # forgets who holds none
        self._let_in()

    def _let_in(self) -> None:
        while (namespace := self._next()) is not None:
            queue = self._waiting.pop(namespace)
            turn = queue.popleft()
            if queue:
                self._waiting[namespace] = queue  # behind all others
            if not turn.cancelled():
                turn.set_result(None)
                self._free -= 1
                self._held[namespace] += 1

    def _next(self) -> str | None:
        """Of those who wait, the first that holds less than is free."""
        return next((one for one in self._waiting if self._held[one] < self._free), None) if self._free else None
