"""What was answered at every tick of a test with series, behind the port through which the operator looks back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from salus.model.values.metrics import Answer, Error, Query, Sample, Value
from salus.ports import Clock

_NOT_ASKED = Error("NoHistory", "nothing is known of what this query would have answered then")


@dataclass(frozen=True, slots=True)
class Answered:
    """By query and time, the answers."""

    clock: Clock
    answers: Mapping[Query, Mapping[datetime, Answer]]

    def answer(self, question: Query, moment: datetime) -> Answer:
        """What the query answered then."""
        return self.answers.get(question, {}).get(moment, _NOT_ASKED)

    async def samples(
        self, question: Query, start: datetime, end: datetime, step: timedelta
    ) -> Sequence[Sample] | Error:
        """The port MetricHistory, at the ticks that were; nobody looks ahead."""
        del step
        if question not in self.answers:
            return _NOT_ASKED
        end = min(end, self.clock.now())
        each = self.answers[question].items()
        return [Sample(at, told.value) for at, told in each if start <= at <= end and isinstance(told, Value)]
