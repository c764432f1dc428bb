"""Those of one tick wait for each other, so that all are judged before the first is healed; but not for ever."""

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


class Gate:
    """Opens when everybody who is expected has come, or so many seconds after the first who was judged."""

    def __init__(self, expected: int, patience: float) -> None:
        self.judged = 0
        """Targets that have come."""
        self._expected, self._patience = expected, patience
        self._open = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        if not expected:
            self._open.set()

    def arrive(self, *, instead: int = 0) -> None:
        """One has come; `instead`: so many others are expected in its place."""
        self._expected += instead - 1
        if not self._expected:
            self._open.set()
            if self._timer is not None:
                self._timer.cancel()

    def arrive_judged(self) -> None:
        """A target has come; from the first on, nobody is waited for longer than `patience`."""
        self.judged += 1
        self.arrive()
        if self._timer is None and not self._open.is_set():
            self._timer = asyncio.get_running_loop().call_later(self._patience, self._open.set)

    async def wait(self) -> None:
        """Until it is open; then they go on in the order in which they came."""
        if self._open.is_set():
            await asyncio.sleep(0)  # who came last found it open, and the others are still being woken
        await self._open.wait()


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of so many, in order; the last may be shorter."""
    left = iter(items)
    while some := list(islice(left, size)):
        yield some
