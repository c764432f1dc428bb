"""How the metrics of a simulation answer to what Salus does: from a deed on, these queries answer something else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from salus.core.records.changes import past_changes
from salus.model.change import ActionKind
from salus.model.values.metrics import Answer, Error, Query, Sample, Value
from salus.ports import CHANGE_EVENTS
from salus.rehearsal.world import World

Replies = Mapping[ActionKind, Mapping[Query, float]]


class Known(Protocol):
    """What queries answer as long as nothing is done."""

    def answer(self, question: Query, moment: datetime) -> Answer:
        """What the query answers then."""
        ...

    async def samples(
        self, question: Query, start: datetime, end: datetime, step: timedelta
    ) -> Sequence[Sample] | Error:
        """The port MetricHistory."""
        ...


@dataclass(frozen=True, slots=True)
class AnsweringMetrics:
    """What is known, and what becomes of it by the deeds of each kind; what is taken back does not count any more."""

    world: World
    history: Known
    after: Replies

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        """The port MetricSource."""
        now = self.world.clock.now()
        return [self._answer(question, now) for question in questions]

    async def samples(
        self, question: Query, start: datetime, end: datetime, step: timedelta
    ) -> Sequence[Sample] | Error:
        """The port MetricHistory."""
        told = await self.history.samples(question, start, end, step)
        since = self._reply(question)
        if isinstance(told, Error) or since is None:
            return told
        return [Sample(one.at, since[1]) if one.at >= since[0] else one for one in told]

    def _answer(self, question: Query, now: datetime) -> Answer:
        reply = self._reply(question)
        return self.history.answer(question, now) if reply is None else Value(reply[1], now)

    def _reply(self, question: Query) -> tuple[datetime, float] | None:
        """Since when the query answers what, by the newest deed that it answers to."""
        changes = past_changes(self.world.cluster.peek(CHANGE_EVENTS))
        undone = {change.undoes for change in changes if change.undoes and change.applied_at}
        deeds = [(c.applied_at, c.action) for c in changes if c.applied_at and not c.undoes and c.name not in undone]
        said = [(at, self.after[kind][question]) for at, kind in deeds if question in self.after.get(kind, {})]
        return max(said, key=lambda reply: reply[0], default=None)
