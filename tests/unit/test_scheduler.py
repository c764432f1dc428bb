"""When policies are due, on an event loop whose clock jumps over every wait: hours pass in no time."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from salus.model.values.keys import PolicyKey
from salus.model.values.policies import Policy
from salus.scheduler import FIRST_TICKS, SLOT, Scheduler
from tests.builders import a_policy
from tests.unit.jumping import JumpingLoop


@dataclass(frozen=True)
class Call:
    at: float
    names: tuple[str, ...]
    late: float


@dataclass
class Run:
    """A scheduler at work, and what it called. `takes`: seconds that a tick takes, by policy."""

    takes: dict[str, float] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    policies: dict[PolicyKey, Policy] = field(default_factory=dict)
    fails: set[str] = field(default_factory=set)
    most_at_once: Counter[str] = field(default_factory=Counter)
    under_way: Counter[str] = field(default_factory=Counter)
    started: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(self.tick, self.policies)

    async def tick(self, due: Sequence[Policy], late: float) -> None:
        names = tuple(policy.key.name for policy in due)
        self.calls.append(Call(asyncio.get_running_loop().time(), names, late))
        self.started.set()
        self.under_way.update(names)
        self.most_at_once |= self.under_way
        try:
            await asyncio.sleep(max(self.takes.get(name, 0.0) for name in names))
            if self.fails & set(names):
                raise RuntimeError("the tick broke off")
            self.ended.extend(names)
        finally:
            self.under_way.subtract(names)

    def put(self, *policies: Policy) -> None:
        for policy in policies:
            self.policies[policy.key] = policy
            self.scheduler.add(policy)

    def times(self, name: str) -> list[float]:
        return [call.at for call in self.calls if name in call.names]


def work(run: Run, span: float, *, script: Callable[[], Awaitable[None]] | None = None) -> Run:
    """Let it work for so many seconds, while the script, if there is one, goes on."""

    async def main() -> None:
        working = asyncio.create_task(run.scheduler.run())
        await asyncio.gather(asyncio.sleep(span), script() if script else asyncio.sleep(0))
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(main())
    return run


def a_run(*policies: Policy, span: float = 300, takes: dict[str, float] | None = None) -> Run:
    run = Run(takes or {})

    async def script() -> None:
        run.put(*policies)

    return work(run, span, script=script)


def every(interval: str, name: str = "checkout", uid: str = "") -> Policy:
    return a_policy(name=name, uid=uid or f"uid-of-{name}", interval=interval)


def many(count: int, interval: str) -> list[Policy]:
    return [every(interval, f"policy-{number}") for number in range(count)]


def gaps(times: Sequence[float]) -> list[float]:
    return [round(later - earlier, 6) for earlier, later in pairwise(times)]


@pytest.mark.parametrize(
    ("interval", "length"),
    [
        pytest.param("5s", 5, id="the shortest interval"),
        pytest.param("15s", 15, id="the usual interval"),
        pytest.param("47s", 47, id="an odd interval"),
        pytest.param("1h", 3600, id="the longest interval"),
    ],
)
def test_a_policy_is_due_once_in_each_interval(interval: str, length: float) -> None:
    times = a_run(every(interval), span=20 * length).times("checkout")

    assert set(gaps(times)[1:]) == {length}
    assert len(times) in {20, 21}


@pytest.mark.parametrize("interval", ["5s", "15s", "1h"])
def test_the_first_tick_comes_within_seconds(interval: str) -> None:
    policies = many(100, interval)
    run = a_run(*policies, span=6)

    assert max(run.times(policy.key.name)[0] for policy in policies) - 1000 <= FIRST_TICKS + SLOT


def test_the_first_ticks_are_spread() -> None:
    """A restart with many policies is no burst."""
    first = Counter(int(call.at) for call in a_run(*many(1000, "1h"), span=6).calls for _ in call.names)

    assert max(first.values()) < 2 * 1000 / FIRST_TICKS


def test_all_begin_anew_within_seconds_spread_as_after_a_start() -> None:
    """Until then ticks came to nothing: the workloads were not known, or another process led."""
    run = Run()
    policies = many(1000, "1h")

    async def script() -> None:
        run.put(*policies)
        await asyncio.sleep(100)
        run.scheduler.begin()

    work(run, 2 * 3600, script=script)
    anew = {policy.key.name: [at for at in run.times(policy.key.name) if at >= 1100] for policy in policies[::20]}

    assert max(times[0] for times in anew.values()) <= 1100 + FIRST_TICKS + SLOT
    assert max(Counter(int(times[0]) for times in anew.values()).values()) < 2 * len(anew) / FIRST_TICKS
    assert {gap for times in anew.values() for gap in gaps(times)[1:]} == {3600.0}


def test_phases_are_spread_evenly_over_the_interval() -> None:
    """No second of the interval gets more than twice the mean."""
    run = a_run(*many(1500, "15s"), span=60)
    seconds = Counter(int(call.at) % 15 for call in run.calls if call.at >= 1030 for _ in call.names)

    assert len(seconds) == 15
    assert max(seconds.values()) < 2 * sum(seconds.values()) / 15


def test_the_phase_belongs_to_the_uid_and_survives_a_restart() -> None:
    one, again = a_run(every("15s"), every("15s", "other")), a_run(every("15s", "other"), every("15s"))
    renamed = a_run(every("15s", "new-name", uid="uid-of-checkout"))

    assert one.times("checkout")[1:] == again.times("checkout")[1:]
    assert one.times("checkout")[1:] == renamed.times("new-name")[1:]
    assert one.times("checkout")[1:] != one.times("other")[1:]


def test_policies_of_one_slot_share_a_tick() -> None:
    """Their questions can then be asked together: at most one call in each quarter of a second."""
    run = a_run(*many(1000, "15s"), span=60)
    steady = [call for call in run.calls if call.at >= 1020]

    assert max(Counter(round(call.at / SLOT) for call in steady).values()) == 1
    assert sum(len(call.names) for call in steady) > 10 * len(steady)


@pytest.mark.parametrize(
    "slow",
    [
        pytest.param({"namespace": "play"}, id="another namespace"),
        pytest.param({"source": "elsewhere"}, id="another source"),
    ],
)
def test_nobody_waits_for_the_answers_of(slow: Mapping[str, str]) -> None:
    """Both are due at the same moments; the tick of the one takes for ever."""
    quick = every("15s", "quick", uid="one-phase")
    other = a_policy(name="slow", uid="one-phase", interval="15s", source=slow.get("source", "default"))
    other = replace(other, key=PolicyKey(slow.get("namespace", other.key.namespace), "slow"))

    run = a_run(quick, other, span=300, takes={"slow": 1000})

    assert run.times("slow")[0] == run.times("quick")[0]
    assert len(run.times("slow")) == 1
    assert set(gaps(run.times("quick"))[1:]) == {15.0}
    assert len(run.ended) >= 19


def test_a_policy_whose_tick_still_runs_is_skipped_and_never_queued() -> None:
    run = a_run(every("15s"), span=300, takes={"checkout": 40})

    assert run.most_at_once["checkout"] == 1
    assert set(gaps(run.times("checkout"))[1:]) == {45.0}
    assert run.scheduler.skipped >= 2 * (len(run.calls) - 1)


def test_a_slow_policy_does_not_hold_up_another() -> None:
    run = a_run(every("15s", "slow"), every("15s", "quick"), span=300, takes={"slow": 1000})

    assert len(run.times("slow")) == 1
    assert set(gaps(run.times("quick"))[1:]) == {15.0}


def test_a_policy_that_is_gone_is_due_no_more() -> None:
    run = Run()

    async def script() -> None:
        run.put(every("15s"), every("15s", "other"))
        await asyncio.sleep(100)
        del run.policies[every("15s").key]

    work(run, 300, script=script)

    assert max(run.times("checkout")) <= 1100
    assert max(run.times("other")) > 1280


def test_a_policy_that_came_back_is_due_again_once_in_each_interval() -> None:
    run = Run()

    async def script() -> None:
        run.put(every("15s"))
        await asyncio.sleep(100)
        del run.policies[every("15s").key]
        await asyncio.sleep(100)
        run.put(every("15s", uid="uid-of-another"))

    work(run, 300, script=script)
    back = [at for at in run.times("checkout") if at >= 1200]

    assert back[0] <= 1200 + FIRST_TICKS + SLOT
    assert set(gaps(back)[1:]) == {15.0}


def test_a_policy_that_came_back_at_once_is_not_due_twice() -> None:
    run = Run()

    async def script() -> None:
        run.put(every("15s"))
        await asyncio.sleep(100)
        del run.policies[every("15s").key]
        run.put(every("15s"))

    work(run, 300, script=script)

    assert set(gaps(run.times("checkout"))[1:]) == {15.0}


def test_a_new_generation_keeps_its_place() -> None:
    run = Run()

    async def script() -> None:
        run.put(every("15s"))
        for generation in range(2, 60):
            await asyncio.sleep(5)
            run.put(a_policy(name="checkout", uid="uid-of-checkout", interval="15s", generation=generation))

    work(run, 300, script=script)

    assert set(gaps(run.times("checkout"))[1:]) == {15.0}


@pytest.mark.parametrize(
    ("before", "after", "length"),
    [
        pytest.param("1h", "15s", 15, id="a shorter interval counts at once"),
        pytest.param("15s", "1m", 60, id="a longer interval counts from the next tick"),
    ],
)
def test_an_edited_interval(before: str, after: str, length: float) -> None:
    run = Run()

    async def script() -> None:
        run.put(every(before))
        await asyncio.sleep(100)
        run.put(every(after))

    work(run, 4000, script=script)
    times = [at for at in run.times("checkout") if at > 1100]

    assert times[0] <= 1100 + 15 + SLOT
    assert set(gaps(times)[1:]) == {length}


def test_a_policy_that_is_added_wakes_the_scheduler() -> None:
    run = Run()

    async def script() -> None:
        await asyncio.sleep(7)
        run.put(every("15s"))

    work(run, 20, script=script)

    assert run.times("checkout")[0] <= 1007 + FIRST_TICKS + SLOT


def test_what_is_late_is_told_and_what_was_missed_is_left_out() -> None:
    """A loop that was blocked for 40 seconds: one tick, late, and then the next slot; nothing is caught up."""
    run = Run()

    async def script() -> None:
        run.put(every("15s"))
        await asyncio.sleep(20)
        reconciler = asyncio.get_running_loop()
        assert isinstance(reconciler, JumpingLoop)
        reconciler.clock.now += 40

    work(run, 120, script=script)
    (late,) = [call for call in run.calls if call.late > 1]
    following = [at for at in run.times("checkout") if at >= late.at]

    assert 25 <= late.late <= 40
    assert following[1] - late.at <= 15 + SLOT
    assert set(gaps(following)[1:]) == {15.0}


def test_what_is_in_time_is_not_late() -> None:
    assert max(call.late for call in a_run(*many(50, "15s")).calls) < SLOT


def test_a_tick_that_breaks_off_is_told_and_costs_only_itself() -> None:
    run = Run(fails={"checkout"})

    async def script() -> None:
        run.put(every("15s"))

    with capture_logs() as logs:
        work(run, 100, script=script)

    assert set(gaps(run.times("checkout"))[1:]) == {15.0}
    assert {entry["log_level"] for entry in logs} == {"error"}
    assert len(logs) == len(run.calls)


@pytest.mark.parametrize(
    ("takes", "ended"),
    [
        pytest.param(4.0, ["checkout"], id="a tick under way may end"),
        pytest.param(60.0, [], id="but not for ever"),
    ],
)
def test_stopping(takes: float, ended: list[str]) -> None:
    run = Run(takes={"checkout": takes})

    async def main() -> float:
        run.put(every("1h"))
        working = asyncio.create_task(run.scheduler.run())
        await run.started.wait()
        working.cancel()
        stopped = asyncio.get_running_loop().time()
        with suppress(asyncio.CancelledError):
            await working
        return asyncio.get_running_loop().time() - stopped

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        assert runner.run(main()) <= 5.01
    assert run.ended == ended
