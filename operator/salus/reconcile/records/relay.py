"""Sends records to sinks until they are taken, the namespaces in turn.

What is sent is decided in `core/records/delivery`.

A sink that does not answer is left alone for a while, longer each time; the others do not wait for it. The record says
in its own status what was taken, so that nothing is lost by a restart, and only an event whose taking could not be
written down any more is sent again: with the same id.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from salus.core.health.timing import backoff
from salus.core.records import delivery
from salus.core.records.delivery import Milestone
from salus.model.scalars import Body
from salus.ports import ClusterError, NotFound, NotTaken, Ref, Sinks
from salus.reconcile.context import Context

LONGEST_PAUSE = timedelta(minutes=1)
"""Between two tries of a sink that does not answer, or of an API server: 1 s, 2 s, 4 s … up to this."""
LONGEST_WISH = timedelta(hours=1)
"""A sink may ask for a longer pause (Retry-After), but not for more than this."""
REFUSED_AGAIN = timedelta(minutes=10)
"""An event that a sink refuses, while it takes others, is tried again after this."""
TURN = timedelta(seconds=5)
"""A sink with many events waiting is served for so long in one round."""
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Pause:
    """Why a sink is left alone."""

    failures: int
    until: float


@dataclass(slots=True)
class Relay:
    """Serves the sinks, while `leads` says that this process may."""

    context: Context
    sinks: Sinks
    cluster: Callable[[], str]
    """Name of this cluster."""
    leads: Callable[[], bool] = lambda: True
    clock: Callable[[], float] = time.monotonic
    """Seconds, of a clock that nobody sets."""
    _pauses: dict[str, _Pause] = field(default_factory=dict)
    _refused: dict[tuple[str, Ref], float] = field(default_factory=dict)
    """Refused events, and when they are tried again."""
    _unwritten: dict[tuple[str, Ref], tuple[Milestone, datetime]] = field(default_factory=dict)
    """What was taken, and when, and is not written down yet."""
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Two sinks may take the same record at the same time."""

    def outdated(self) -> None:
        """Another process may have led meanwhile: it has told what was not written down."""
        self._unwritten.clear()

    async def round(self) -> None:
        """Send what is due now."""
        sinks = self.context.outbox.sinks() if self.context.sinks() else ()
        for sink, result in zip(
            sinks, await asyncio.gather(*map(self._serve, sinks), return_exceptions=True), strict=True
        ):
            if isinstance(result, Exception):
                self._pause(sink)
                self.context.telemetry.failed("deliver")
                _log.error("a defect in Salus, please report it", stage="deliver", sink=sink, exc_info=result)
            elif result is not None:
                raise result
        for sink in {*self.context.sinks(), *sinks}:
            self.context.telemetry.waiting(sink, self.context.outbox.waiting(sink))

    async def _serve(self, sink: str) -> None:
        began = self.clock()
        if not self.leads() or (sink in self._pauses and began < self._pauses[sink].until):
            return
        for ref in self.context.outbox.in_turn(sink, lambda ref: self.clock() >= self._refused.get((sink, ref), 0.0)):
            try:
                goes_on = await self._tell(sink, ref)
            except ClusterError as error:
                self._pause(sink)
                self.context.telemetry.failed("deliver")
                _log.warning("a delivery is not written down yet", sink=sink, change=ref.name, error=str(error))
                return
            if not (goes_on and self.leads()) or self.clock() - began > TURN.total_seconds():
                return

    async def _tell(self, sink: str, ref: Ref) -> bool:
        """Tell a sink what it is to be told next about a record; False: the sink is to be left alone."""
        if (sink, ref) in self._unwritten:
            await self._write(sink, ref)
            return True
        try:
            record = await self.context.cluster.get(ref)
        except NotFound:
            _log.warning("a record was deleted before a sink took it", sink=sink, change=ref.name)
            self._gone(sink, ref)
            return True
        self.context.records.note(record)
        milestone = delivery.left(record).get(sink)
        if milestone is None:
            self._done(sink, ref)
            return True
        problem = await self.sinks.send(sink, delivery.cloud_event(record, milestone, self.cluster()))
        self.context.telemetry.sent(sink, problem.reason if problem else "Taken")
        if problem is None:
            self._unwritten[sink, ref] = milestone, self.context.clock.now()
            await self._write(sink, ref)
            return True
        self._put_off(sink, ref, problem)
        await self._say(
            ref, record, delivery.not_delivered(sink, problem.reason, problem.message, self.context.clock.now())
        )
        return problem.of_this_event

    def _put_off(self, sink: str, ref: Ref, problem: NotTaken) -> None:
        _log.warning("a sink did not take a record", sink=sink, change=ref.name, why=problem.message)
        if problem.of_this_event:
            self._refused[sink, ref] = self.clock() + REFUSED_AGAIN.total_seconds()
            return
        self._pause(sink, min(problem.retry_after or timedelta(0), LONGEST_WISH).total_seconds())

    def _pause(self, sink: str, at_least: float = 0.0) -> None:
        """Leave a sink alone, twice as long as the last time."""
        failures = self._pauses[sink].failures + 1 if sink in self._pauses else 1
        pause = backoff(timedelta(seconds=1), failures, LONGEST_PAUSE).total_seconds()
        self._pauses[sink] = _Pause(failures, self.clock() + max(pause, at_least))

    async def _write(self, sink: str, ref: Ref) -> None:
        """Write down that a sink took something, and that all did if that is so. Raises ClusterError."""
        milestone, at = self._unwritten[sink, ref]
        async with self._writing:
            try:
                record = await self.context.cluster.get(ref)
                written = await self.context.cluster.patch(
                    ref, delivery.taken_patch(record, sink, milestone, at), subresource="status"
                )
            except NotFound:
                self._gone(sink, ref)
                return
        self.context.records.note(written)
        del self._unwritten[sink, ref]
        self._pauses.pop(sink, None)
        if delivery.left(written).get(sink) is None:
            self._done(sink, ref)

    def _gone(self, sink: str, ref: Ref) -> None:
        self.context.records.forget(ref)
        self._done(sink, ref)

    def _done(self, sink: str, ref: Ref) -> None:
        """Nothing is left to tell this sink about this record, for now; the store knows."""
        self._unwritten.pop((sink, ref), None)
        self._refused.pop((sink, ref), None)

    async def _say(self, ref: Ref, record: Body, said: Body) -> None:
        """Show in a record that is over why it is not delivered. Raises ClusterError."""
        patch = delivery.with_condition(record, said) if delivery.is_over(record) else []
        if patch:
            self.context.records.note(await self.context.cluster.patch(ref, patch, subresource="status"))
