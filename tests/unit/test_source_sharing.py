"""One source and many namespaces: whose turn it is, who pauses, and what a source is to blame for."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from salus.endpoints.shares import Shares
from salus.model.values.metrics import Answer, Error, Query, Value
from salus.sources.breaker import FAILURES, PAUSE
from salus.sources.patience import FAULTS, Patience
from salus.sources.router import Sources

SLOTS = 16
WHOLE = Value(1.0, datetime(2026, 1, 1, tzinfo=UTC))
PAUSED = PAUSE.total_seconds() + 1


@dataclass
class Crowd:
    """Tasks that take slots and keep them until told to let go."""

    shares: Shares = field(default_factory=lambda: Shares(SLOTS))
    inside: list[str] = field(default_factory=list)
    """Namespaces in the order in which they were let in."""
    _tasks: list[tuple[str, asyncio.Task[None], asyncio.Event]] = field(default_factory=list)

    async def comes(self, *namespaces: str) -> None:
        for namespace in namespaces:
            done = asyncio.Event()
            self._tasks.append((namespace, asyncio.create_task(self._stay(namespace, done)), done))
        await self.settle()

    async def _stay(self, namespace: str, done: asyncio.Event) -> None:
        async with self.shares.slot(namespace):
            self.inside.append(namespace)
            await done.wait()
            self.inside.remove(namespace)

    async def goes(self, namespace: str) -> None:
        """The one of the namespace that came first leaves, if it was let in."""
        at = next(index for index, (one, _, _) in enumerate(self._tasks) if one == namespace)
        _, task, done = self._tasks.pop(at)
        done.set()
        await self.settle()
        task.cancel()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(6):
            await asyncio.sleep(0)

    async def leave(self) -> None:
        for _, task, _ in self._tasks:
            task.cancel()
        await asyncio.gather(*(task for _, task, _ in self._tasks), return_exceptions=True)


@asynccontextmanager
async def a_crowd() -> AsyncIterator[Crowd]:
    async with AsyncExitStack() as stack:
        crowd = Crowd()
        stack.push_async_callback(crowd.leave)
        yield crowd


class TestShares:
    async def test_a_namespace_alone_has_half(self) -> None:
        async with a_crowd() as crowd:
            await crowd.comes(*["play"] * 40)

            assert crowd.inside == ["play"] * 8

    async def test_whoever_comes_later_is_let_in_at_once(self) -> None:
        async with a_crowd() as crowd:
            await crowd.comes(*["play"] * 40)
            await crowd.comes("shop", "bank", "shop")

            assert crowd.inside[8:] == ["shop", "bank", "shop"]

    async def test_where_many_took_all_the_next_slot_is_for_who_has_none(self) -> None:
        async with a_crowd() as crowd:
            for number in range(5):
                await crowd.comes(*[f"greedy-{number}"] * 20)
            await crowd.comes("shop")
            assert len(crowd.inside) == SLOTS

            await crowd.goes("greedy-0")

            assert crowd.inside[-1] == "shop"

    async def test_those_who_wait_take_turns(self) -> None:
        async with a_crowd() as crowd:
            await crowd.comes(*[f"one-of-{number}" for number in range(SLOTS)])
            await crowd.comes("play", "play", "play", "shop", "bank")
            for number in range(3):
                await crowd.goes(f"one-of-{number}")

            assert crowd.inside[-3:] == ["play", "shop", "bank"]

    async def test_whoever_gives_up_waiting_takes_no_slot_along(self) -> None:
        async with a_crowd() as crowd:
            await crowd.comes(*[f"one-of-{number}" for number in range(SLOTS)])
            await crowd.comes("play", "shop")
            await crowd.goes("play")
            for number in range(SLOTS):
                await crowd.goes(f"one-of-{number}")

            assert crowd.inside == ["shop"]
            await crowd.comes(*["bank"] * 20)
            assert crowd.inside.count("bank") == 8

    @settings(derandomize=True, max_examples=60, deadline=None)
    @given(moves=st.lists(st.tuples(st.booleans(), st.sampled_from(["a", "b", "c", ""])), max_size=60))
    def test_slots_are_neither_lost_nor_made(self, moves: Sequence[tuple[bool, str]]) -> None:
        async def play() -> None:
            async with a_crowd() as crowd:
                there: list[str] = []
                for comes, who in moves:
                    if comes:
                        there.append(who)
                        await crowd.comes(who)
                    elif who in there:
                        there.remove(who)
                        await crowd.goes(who)
                    free = SLOTS - len(crowd.inside)
                    waiting = {one for one in there if there.count(one) > crowd.inside.count(one)}
                    assert free >= 0
                    assert all(crowd.inside.count(one) >= free for one in waiting)
                await crowd.leave()
                await Crowd.comes(late := Crowd(crowd.shares), *["late"] * SLOTS)
                assert len(late.inside) == SLOTS // 2
                await late.leave()

        asyncio.run(play())


@dataclass
class Server:
    """A source's trial, as it is told to turn out, and the time."""

    fault: Error | None = None
    trials: int = 0
    now: float = 0.0

    async def trial(self) -> Error | None:
        self.trials += 1
        return self.fault

    def patience(self) -> Patience:
        return Patience(lambda: self.now, self.trial)


def failing(reason: str = "Timeout") -> Error:
    return Error(reason, f"source main: {reason}")


async def fail(patience: Patience, namespace: str, times: int = FAILURES, reason: str = "Timeout") -> None:
    for _ in range(times):
        await patience.note(namespace, failing(reason))


class TestPatience:
    @pytest.mark.parametrize("reason", sorted(FAULTS))
    async def test_one_namespaces_failures_pause_that_namespace_alone(self, reason: str) -> None:
        server = Server()
        patience = server.patience()
        await fail(patience, "play", 20, reason)

        refused = patience.refusal("play")
        assert refused is not None
        assert refused.reason == reason
        assert "in play; it is tried again shortly" in refused.message
        assert patience.refusal("shop") is None
        assert await patience.is_over()

    async def test_a_pause_lets_one_through_and_ends_when_that_succeeds(self) -> None:
        server = Server()
        patience = server.patience()
        await fail(patience, "play")
        server.now = PAUSED

        assert patience.refusal("play") is None
        assert patience.refusal("play") is not None
        await patience.note("play", WHOLE)
        assert patience.refusal("play") is None

    @pytest.mark.parametrize("reason", ["QueryFailed", "ForeignNamespace", "PartialAnswer", "SeveralSeries"])
    async def test_what_costs_nothing_pauses_nobody(self, reason: str) -> None:
        server = Server()
        patience = server.patience()
        await fail(patience, "play", 50, reason)

        assert patience.refusal("play") is None
        assert server.trials == 0

    async def test_a_source_that_fails_its_trial_is_left_alone_whoever_asks(self) -> None:
        server = Server(fault=failing("Unreachable"))
        patience = server.patience()
        for namespace in ("shop", "bank", "shop", "play", "data"):
            await fail(patience, namespace, 1)

        refused = patience.refusal("nobody-yet")
        assert refused is not None
        assert refused.reason == "Unreachable"
        assert server.trials == 1

    async def test_a_source_that_is_left_alone_is_tried_once_a_pause(self) -> None:
        server = Server(fault=failing())
        patience = server.patience()
        await fail(patience, "shop")
        before = [await patience.is_over() for _ in range(50)]
        server.now = PAUSED
        after = [await patience.is_over() for _ in range(50)]

        assert not any(before + after)
        assert server.trials == 2

    async def test_what_was_under_way_and_fails_late_makes_no_further_trial(self) -> None:
        server = Server(fault=failing())
        patience = server.patience()
        await fail(patience, "shop")
        await fail(patience, "bank", 3 * FAILURES)

        assert server.trials == 1

    async def test_a_source_that_is_back_serves_everybody_at_once(self) -> None:
        server = Server(fault=failing())
        patience = server.patience()
        await fail(patience, "shop", 20)
        server.now, server.fault = PAUSED, None

        assert await patience.is_over()
        assert patience.refusal("shop") is None

    async def test_a_success_of_anybody_clears_the_source(self) -> None:
        server = Server(fault=failing())
        patience = server.patience()
        for _ in range(30):
            await fail(patience, "play", FAILURES - 1)
            await patience.note("shop", WHOLE)

        assert server.trials == 0
        assert patience.refusal("shop") is None

    async def test_questions_go_on_while_the_trial_is_under_way(self) -> None:
        answered, server = asyncio.Event(), Server()

        async def slow() -> Error | None:
            server.trials += 1
            await answered.wait()
            return None

        patience = Patience(lambda: 0.0, slow)
        await fail(patience, "play", FAILURES - 1)
        trying = asyncio.create_task(patience.note("play", failing()))
        await asyncio.sleep(0)
        await fail(patience, "shop", FAILURES - 1)

        assert patience.refusal("shop") is None
        assert await patience.is_over()
        answered.set()
        await trying
        assert server.trials == 1


class Broken:
    """A source with a defect."""

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        raise RuntimeError(f"{len(questions)} are too many")


class Sound:
    """A source that answers, once all others have failed."""

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        for _ in range(5):
            await asyncio.sleep(0)
        return [WHOLE for _ in questions]


async def test_a_source_with_a_defect_costs_its_own_questions_only() -> None:
    questions = [Query(name, "x", timedelta(minutes=2)) for name in ("sound", "broken", "sound", "broken")]

    with capture_logs() as logs:
        answers = await Sources({"sound": Sound(), "broken": Broken()}).ask(questions)

    assert answers[0] == answers[2] == WHOLE
    assert isinstance(answers[1], Error)
    assert answers[1].reason == "SourceFailed"
    assert "too many" not in answers[1].message
    assert [log["source"] for log in logs] == ["broken"]
