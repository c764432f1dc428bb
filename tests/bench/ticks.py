"""What a tick costs, from the scheduler to the reply of Prometheus and to the status that needs no write."""

import asyncio
import gc
import os
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from salus.core.policy.compile import Catalog, compile_policy
from salus.garbage import set_apart
from salus.reconcile.tick import PATIENCE, Reconciler
from salus.rehearsal.ports import VirtualClock
from salus.scheduler import Scheduler
from tests.bench.fleet import INTERVAL, Canned, Seen, Servers, deployment, policy_body
from tests.builders import NOW
from tests.unit.jumping import JumpingLoop, JumpingSelector
from tests.unit.stage import a_reconciler

_SETTLED, _WAITING = 4, 14
"""Intervals until all statuses are written, and until those that are ill do nothing but wait."""


class TimedSelector(JumpingSelector):
    """Where the loop would wait, the time is made to have passed; how long it never waited is measured."""

    longest = 0.0
    _since = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[object, int]]:  # type: ignore[override]
        now = time.process_time()
        self.longest = max(self.longest, now - self._since) if self._since else 0.0
        found = super().select(timeout)
        self._since = time.process_time()
        return found  # type: ignore[return-value]


class TimedLoop(JumpingLoop):
    """A JumpingLoop that knows its longest turn."""

    clock: TimedSelector

    def __init__(self) -> None:
        self.clock = TimedSelector()
        asyncio.SelectorEventLoop.__init__(self, self.clock)


@dataclass(slots=True)
class PassingClock(VirtualClock):
    """The time of the event loop."""

    def now(self) -> datetime:
        """Since the loop's own beginning."""
        return NOW + timedelta(seconds=asyncio.get_running_loop().time() - JumpingSelector.now)


def ticks(policies: int, unhealthy: float, rounds: int) -> dict[str, float]:
    """Seconds of CPU and requests a policy and tick, and memory a policy."""
    with asyncio.Runner(loop_factory=TimedLoop) as runner:
        return runner.run(_ticks(policies, unhealthy, rounds))


async def _ticks(policies: int, unhealthy: float, rounds: int) -> dict[str, float]:
    clock = PassingClock(NOW)
    cluster, source, seen = Servers(now=clock.now), Canned(clock.now), Seen()
    for number in range(policies):
        seen.put(cluster.put(deployment(number)))
        cluster.put(policy_body(number))
    source.unhealthy = {f"app-{number}" for number in range(int(policies * unhealthy))}
    gc.collect()
    before = _resident()
    loop = _reconciler(cluster, source, clock, seen)
    scheduler = Scheduler(loop.tick, {})
    for number in range(policies):
        body = policy_body(number)
        policy = compile_policy(body, Catalog({}, ["default"]))
        scheduler.policies[policy.key] = policy
        loop.accept(policy, {})
        scheduler.add(policy)
    working = asyncio.create_task(scheduler.run())
    await asyncio.sleep((_WAITING if unhealthy else _SETTLED) * INTERVAL)
    set_apart()
    memory, asked, requests = _resident() - before, source.asked, cluster.requests.total()
    running = asyncio.get_running_loop()
    assert isinstance(running, TimedLoop)
    await asyncio.sleep(0)
    running.clock.longest = 0.0
    spent = time.process_time()
    await asyncio.sleep(rounds * INTERVAL)
    spent = time.process_time() - spent
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
    turns = policies * rounds
    assert abs((source.asked - asked) / turns / 3 - 1) < 0.05, f"{source.asked - asked} questions for {turns} ticks"
    return {
        "microseconds": spent / turns * 1e6,
        "requests": (cluster.requests.total() - requests) / turns,
        "kib": memory / policies / 1024,
        "longest_turn": running.clock.longest,
    }


def _reconciler(cluster: Servers, source: Canned, clock: VirtualClock, seen: Seen) -> Reconciler:
    loop = a_reconciler(cluster, source, clock)
    loop.patience = PATIENCE
    loop.context = replace(loop.context, workloads=seen)
    return loop


def _resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")
