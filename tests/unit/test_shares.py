"""Slots by turns: nobody is passed over, and nobody has them all."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.endpoints.shares import Shares


class Served:
    """Who got a slot, in this order, and who holds one."""

    def __init__(self, slots: Shares) -> None:
        self.slots = slots
        self.order: list[str] = []
        self.holding: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.most_in_all = 0

    async def use(self, key: str, end: asyncio.Event | None = None) -> None:
        """Hold a slot until `end`, or for a moment."""
        async with self.slots.slot(key):
            self.order.append(key)
            self.holding[key] += 1
            self.most[key] = max(self.most[key], self.holding[key])
            self.most_in_all = max(self.most_in_all, self.holding.total())
            try:
                await (end.wait() if end else asyncio.sleep(0))
            finally:
                self.holding[key] -= 1


async def settled() -> None:
    """Let everything go on that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_one_that_asks_for_five_hundred_is_not_served_before_one_that_asks_for_one() -> None:
    served = Served(Shares(4))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(500):
            tasks.create_task(served.use("shop"))
        await asyncio.sleep(0)
        tasks.create_task(served.use("bank"))

    assert served.order.index("bank") < 10
    assert len(served.order) == 501


async def test_one_whose_requests_hang_leaves_room() -> None:
    served, end = Served(Shares(4)), asyncio.Event()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(10):
            tasks.create_task(served.use("shop", end))
        await settled()
        before = served.slots.waiting
        tasks.create_task(served.use("bank"))
        await settled()
        after = list(served.order)
        end.set()

    assert before == 8
    assert after == ["shop", "shop", "bank"]


async def test_turns_go_round_those_that_wait() -> None:
    served, end = Served(Shares(1)), asyncio.Event()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(served.use("first", end))
        await settled()
        for key in ("a", "a", "a", "b", "b", "c"):
            tasks.create_task(served.use(key))
        await settled()
        end.set()

    assert served.order == ["first", "a", "b", "c", "a", "b", "a"]


@pytest.mark.parametrize("given_already", [pytest.param(False, id="waiting"), pytest.param(True, id="just served")])
async def test_who_gives_up_takes_no_slot_along(*, given_already: bool) -> None:
    slots = Shares(1)
    async with slots.slot("holder"):
        waiting = asyncio.create_task(Served(slots).use("impatient"))
        await settled()
        if not given_already:
            waiting.cancel()
            await settled()
    if given_already:
        waiting.cancel()
    await asyncio.wait([waiting])

    assert waiting.cancelled()
    assert slots.waiting == 0
    async with asyncio.timeout(5), slots.slot("next"):
        pass


@given(st.lists(st.sampled_from("abcde"), max_size=60), st.integers(1, 6), st.lists(st.integers(0, 59)))
def test_never_more_than_there_are_and_everybody_is_served(
    keys: Sequence[str], total: int, gone: Sequence[int]
) -> None:
    """Also where some of them give up."""

    async def run() -> None:
        slots = Shares(total)
        served = Served(slots)
        tasks = [asyncio.create_task(served.use(key)) for key in keys]
        await asyncio.sleep(0)
        for number in gone:
            if number < len(tasks):
                tasks[number].cancel()
        if tasks:
            await asyncio.wait(tasks)

        assert served.most_in_all <= total
        assert all(count <= max(1, (total + 1) // 2) for count in served.most.values())
        assert slots.waiting == 0
        assert all(task.done() for task in tasks)
        stayed = [key for number, key in enumerate(keys) if not tasks[number].cancelled()]
        assert Counter(stayed) <= Counter(served.order)
        async with asyncio.timeout(5), asyncio.TaskGroup() as again:
            for _ in range(total):
                again.create_task(served.use("last"))

    asyncio.run(run())
