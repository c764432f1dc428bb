"""Fakes of the metric ports that remember what they were asked and answer as the test told them to.

What a fake answers to *series* is interpreted by the code that interprets Prometheus' replies, so it cannot be kinder.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from salus.core.policy.promql import problems_in, selectors
from salus.model.values.metrics import Answer, Error, NoData, Query, Sample, Value
from salus.sources.reply import Newest, Reply, Series, answer

_ALWAYS = datetime.min.replace(tzinfo=UTC)
_UNSCRIPTED = NoData("NoSeries", "nothing was scripted for this query", empty=True)

Scripted = float | Answer | Sequence[Series]


@dataclass(frozen=True, slots=True)
class _Line:
    fragment: str
    said: Scripted
    since: datetime
    sampled_at: datetime | None


class ScriptedSource:
    """The port `MetricSource`. The last line counts whose fragment is in the query and whose time has come.

    A float is a fresh value, series are interpreted, an Answer is given as it is. `questions` holds all that was asked.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lines: list[_Line] = []
        self.questions: list[Query] = []

    def say(
        self, fragment: str, said: Scripted, *, since: datetime = _ALWAYS, sampled_at: datetime | None = None
    ) -> None:
        """Answer queries that contain `fragment` so, from `since` on, with samples of `sampled_at` (always fresh)."""
        self._lines.append(_Line(fragment, said, since, sampled_at))

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        """One answer per question, in order; empty where nothing was scripted."""
        self.questions += questions
        return [self._answer(question) for question in questions]

    def asked(self, fragment: str) -> list[Query]:
        """What was asked with this fragment in the query, in order."""
        return [question for question in self.questions if fragment in question.query]

    def _answer(self, question: Query) -> Answer:
        if wrong := problems_in(question.query):
            return Error("QueryFailed", wrong)
        now = self._now()
        lines = [line for line in self._lines if line.fragment in question.query and line.since <= now]
        if not lines:
            return _UNSCRIPTED
        said, sampled_at = lines[-1].said, lines[-1].sampled_at or now
        match said:
            case Value() | NoData() | Error():
                return said
            case int() | float():
                return answer(_reply(question, [Series(_labels(question), said)], now, sampled_at), question)
            case _:
                return answer(_reply(question, said, now, sampled_at), question)


class ScriptedHistory:
    """The port `MetricHistory`. `asked` holds (question, start, end, step) of all calls."""

    def __init__(self) -> None:
        self._past: list[tuple[str, Sequence[Sample] | Error]] = []
        self.asked: list[tuple[Query, datetime, datetime, timedelta]] = []

    def say(self, fragment: str, past: Iterable[Sample] | Error) -> None:
        """Tell queries that contain `fragment` this past; the last one said counts."""
        self._past.append((fragment, past if isinstance(past, Error) else sorted(past, key=lambda sample: sample.at)))

    async def samples(
        self, question: Query, start: datetime, end: datetime, step: timedelta
    ) -> Sequence[Sample] | Error:
        """The told samples between start and end, whatever the step; none where nothing was told."""
        self.asked.append((question, start, end, step))
        told = [past for fragment, past in self._past if fragment in question.query]
        past = told[-1] if told else ()
        return past if isinstance(past, Error) else [sample for sample in past if start <= sample.at <= end]


def _labels(question: Query) -> Mapping[str, str]:
    return dict([question.select]) if question.select else {}


def _reply(question: Query, series: Sequence[Series], now: datetime, sampled_at: datetime) -> Reply:
    newest = tuple(Newest(selector, {}, sampled_at) for selector in selectors(question.query)) if series else ()
    return Reply(now, tuple(series), newest)
