"""When each policy is due: a heap, a stable phase by uid, and no queue behind a late tick.

Policies of one slot, one namespace and one source are handed over together, so that their questions can be asked
together, and each such tick runs by itself: nobody's healing waits for the answers of another's source, or to another
namespace. Slots come from the monotonic clock, so a jump of the wall clock neither bunches nor stalls them.
"""

import asyncio
import hashlib
import heapq
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import structlog

from salus.contained import contained
from salus.model.values.keys import PolicyKey
from salus.model.values.policies import Policy

log = structlog.get_logger(__name__)

SLOT = 0.25
"""Seconds; policies of one namespace and source that are due within one slot share a tick."""
FIRST_TICKS = 5.0
"""Seconds over which the first ticks after a start are spread."""

Tick = Callable[[Sequence[Policy], float], Awaitable[None]]
"""Gets the policies that are due and how late they are, in seconds."""


@dataclass(slots=True)
class Scheduler:
    """Calls `tick` for what is due, each call in a task of its own."""

    tick: Tick
    policies: dict[PolicyKey, Policy]
    _heap: list[tuple[float, PolicyKey]] = field(default_factory=list)
    _due: dict[PolicyKey, float] = field(default_factory=dict)
    """The place of each policy in the heap; another entry of the same policy is void."""
    _running: set[PolicyKey] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    skipped: int = 0
    """Ticks left out because the one before still ran."""

    def add(self, policy: Policy) -> None:
        """Schedule a policy; one that is scheduled already keeps its place, unless its new interval is over before."""
        now = asyncio.get_running_loop().time()
        at = _next(policy, now) if policy.key in self._due else _first(policy, now)
        if at < self._due.get(policy.key, math.inf):
            self._push(at, policy.key)
            self._changed.set()

    def begin(self) -> None:
        """Let every policy be due within FIRST_TICKS: whatever came to nothing before is made up for."""
        now = asyncio.get_running_loop().time()
        for policy in self.policies.values():
            with contained(partial(self._odd, policy.key)):
                self._push(_first(policy, now), policy.key)
        self._changed.set()

    def _odd(self, key: PolicyKey, error: BaseException) -> None:
        """Nobody can tell when this policy is due; it has no more ticks until it changes."""
        self._due.pop(key, None)
        log.error("a defect in Salus met a policy, please report it", stage="schedule", policy=str(key), exc_info=error)

    def _push(self, at: float, key: PolicyKey) -> None:
        self._due[key] = at
        heapq.heappush(self._heap, (at, key))

    async def run(self) -> None:
        """Run until cancelled; then let the ticks under way end."""
        try:
            while True:
                await self._sleep()
                self._start_due()
        finally:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=5)

    async def _sleep(self) -> None:
        now = asyncio.get_running_loop().time()
        wait = self._heap[0][0] - now if self._heap else 60.0
        self._changed.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), max(wait, 0.0))

    def _start_due(self) -> None:
        now = asyncio.get_running_loop().time()
        due: dict[tuple[str, str], list[Policy]] = {}
        late = 0.0
        while self._heap and self._heap[0][0] <= now + SLOT / 2:
            at, key = heapq.heappop(self._heap)
            if self._due.get(key) != at:
                continue
            with contained(partial(self._odd, key)):
                if (policy := self._taken(key, now)) is not None:
                    due.setdefault((policy.key.namespace, policy.spec.source), []).append(policy)
                    late = max(late, now - at)
        for together in due.values():
            task = asyncio.create_task(self._run(together, late))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _taken(self, key: PolicyKey, now: float) -> Policy | None:
        """The policy whose time has come, with its next place in the heap; None if there is nothing to do."""
        policy = self.policies.get(key)
        if policy is None:
            del self._due[key]
            return None
        self._push(_next(policy, now), key)
        if key in self._running:
            self.skipped += 1
            return None
        return policy

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a tick broke off, a defect in Salus: please report it", exc_info=error)

    async def _run(self, due: Sequence[Policy], late: float) -> None:
        keys = {policy.key for policy in due}
        self._running |= keys
        try:
            await self.tick(due, late)
        finally:
            self._running -= keys


def phase(uid: str, interval: float) -> float:
    """A number of seconds that is always the same for a policy with this uid and spread evenly over policies."""
    return int.from_bytes(hashlib.sha256(uid.encode()).digest()[:4]) / 2**32 * interval


def _phase(policy: Policy) -> float:
    return phase(policy.uid, policy.spec.interval.total_seconds())


def _first(policy: Policy, now: float) -> float:
    return now + _phase(policy) % min(policy.spec.interval.total_seconds(), FIRST_TICKS)


def _next(policy: Policy, now: float) -> float:
    """The policy's next slot after `now`; slots that have passed meanwhile are left out."""
    interval = policy.spec.interval.total_seconds()
    phase = _phase(policy)
    at = phase + ((now - phase) // interval + 1) * interval
    at = round(at / SLOT) * SLOT
    return at if at > now + SLOT else at + interval
