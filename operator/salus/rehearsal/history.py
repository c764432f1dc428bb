"""Both metric ports over a past that is known: each query is a step function of time.

Of a query counts the last sample that is not older than `lookback`, as in Prometheus. Where there is none, there is no
data; whether the source was asked in vain or had nothing to say is told by `gaps`.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Self

from salus.model.values.metrics import Answer, Error, NoData, Query, Sample, Value
from salus.model.values.policies import CompiledCheck, Policy
from salus.ports import Clock

LOOKBACK = timedelta(minutes=5)
"""Prometheus' own default."""
_LESS = timedelta(milliseconds=1)
UNKNOWN = NoData("NoHistory", "there is no sample of this time, and nobody knows why")
EMPTY = NoData("NoSeries", "the query has no result", empty=True)
"""What a check's `onNoData` speaks of."""
_NOT_TOLD = Error("NoHistory", "nothing is known of what this query would have answered")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for a check of a target."""

    check: CompiledCheck
    query: Query
    volume: Query | None = None


def asked(policy: Policy, questions: Iterable[Query]) -> tuple[Asked, ...]:
    """What these questions of a policy are, which come in its order."""
    those = iter(questions)
    return tuple(Asked(check, next(those), next(those) if check.volume else None) for check in policy.checks)


class Steps:
    """A series over time."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self.samples = sorted(samples, key=lambda sample: sample.at)
        self._times = [sample.at for sample in self.samples]

    def at(self, moment: datetime, lookback: timedelta) -> Sample | None:
        """The newest sample by then, unless it is older than that."""
        index = bisect_right(self._times, moment)
        found = self.samples[index - 1] if index else None
        return found if found is not None and moment - found.at <= lookback else None


Course = Callable[[datetime], Answer]
"""What a query answers over time."""
Gaps = Callable[[datetime], NoData]


def always_unknown(_: datetime) -> NoData:
    """A gap says nothing."""
    return UNKNOWN


def always_empty(_: datetime) -> NoData:
    """Whoever wrote the samples left them out where the query has no result."""
    return EMPTY


def by_heartbeat(samples: Iterable[Sample], lookback: timedelta = LOOKBACK) -> Gaps:
    """A query had no result where another one, which always has, had one; else the source itself was gone."""
    steps = Steps(samples)
    return lambda moment: EMPTY if steps.at(moment, lookback) is not None else UNKNOWN


@dataclass(slots=True)
class History:
    """What each query answered."""

    clock: Clock
    lookback: timedelta = LOOKBACK
    gaps: Gaps = always_unknown
    _steps: dict[Query, Steps] = field(default_factory=dict)

    @classmethod
    def of_steps(cls, clock: Clock, step: timedelta, gaps: Gaps = always_unknown) -> Self:
        """Of samples that were asked for at every step: where one is missing, the one before says nothing of it."""
        return cls(clock, step - _LESS, gaps)

    def tell(self, told: Mapping[Query, Iterable[Sample]]) -> None:
        """These queries answered so."""
        self._steps |= {query: Steps(samples) for query, samples in told.items()}

    def samples_of(self, question: Query) -> Sequence[Sample] | None:
        """All that the query is known to have answered, oldest first; None: nobody told."""
        steps = self._steps.get(question)
        return steps.samples if steps is not None else None

    def course(self, question: Query) -> Course:
        """What the query answered over time."""
        steps = self._steps.get(question)
        return partial(self._at, steps) if steps is not None else lambda _: _NOT_TOLD

    def answer(self, question: Query, moment: datetime) -> Answer:
        """What the query answered then."""
        return self.course(question)(moment)

    def _at(self, steps: Steps, moment: datetime) -> Answer:
        found = steps.at(moment, self.lookback)
        return Value(found.value, found.at) if found is not None else self.gaps(moment)

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        """The port MetricSource, at the time of the clock."""
        now = self.clock.now()
        return [self.answer(question, now) for question in questions]

    async def samples(
        self, question: Query, start: datetime, end: datetime, step: timedelta
    ) -> Sequence[Sample] | Error:
        """The port MetricHistory: as Prometheus evaluates a range. Nobody looks ahead."""
        steps = self._steps.get(question)
        if steps is None:
            return _NOT_TOLD
        end = min(end, self.clock.now())
        moments = (start + number * step for number in range(int((end - start) / step) + 1)) if end >= start else ()
        found = ((moment, steps.at(moment, self.lookback)) for moment in moments)
        return [Sample(moment, sample.value) for moment, sample in found if sample is not None]
