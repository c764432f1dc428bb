"""What is asked of the source and of the cluster about one policy, and how much of it.

Four requests at once, and sixty a policy: what would be beyond is left out, and said. Where the source goes away
nothing more is asked; what was not answered is not known, and never taken for missing.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from salus.cli.lint import expressions
from salus.cli.lint.rule import Heard, Lack, Linted, Read, Window, series_of, written_queries
from salus.cli.metrics import ask
from salus.cli.metrics.as_source import AsSource
from salus.cli.metrics.ask import Line, Metrics
from salus.cli.metrics.causes import Past as Back
from salus.cli.metrics.causes import absences
from salus.cli.metrics.ways import Way
from salus.core.health.evaluate import past_of
from salus.core.policy.absence import Absence, Kind
from salus.core.policy.pod_names import pods
from salus.core.policy.promql import Selection, render, selections
from salus.core.policy.windows import Rules
from salus.model.policy import Check
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Answer, Error, NoData, Query, Sample
from salus.model.values.policies import Policy
from salus.reconcile.observe.measure import question
from salus.sources.history import Span
from salus.sources.reply import Course

MOST_A_POLICY = 60
"""Requests."""
MOST_POINTS = 10_000
"""Of the past of a check, so that it takes one request."""
SPENT = "RequestsSpent"
_GONE = frozenset({"Unreachable"})
_LATELY = timedelta(minutes=5)
_OF_RULES = ":"


@dataclass(slots=True)
class OfOnePolicy:
    """A way to the source with a bound on requests, which ends when the source is away."""

    way: Way
    left: int = MOST_A_POLICY
    refused: int = 0
    """How many were not sent for want of that."""
    away: Error | None = None

    async def get(self, path: str, asked: Mapping[str, str], namespace: str) -> tuple[int, bytes] | Error:
        """As `Way`."""
        given = self._held() or await self.way.get(path, asked, namespace)
        return self._noted(given) if isinstance(given, Error) else given

    async def courses(self, query: str, span: Span, namespace: str) -> Sequence[Course] | Error:
        """As `Way`."""
        given = self._held() or await self.way.courses(query, span, namespace)
        return self._noted(given) if isinstance(given, Error) else given

    async def close(self) -> None:
        """As `Way`: it belongs to somebody else."""

    def _held(self) -> Error | None:
        if self.away is not None:
            return self.away
        if not self.left:
            self.refused += 1
            return Error(SPENT, f"{MOST_A_POLICY} requests a policy are spent")
        self.left -= 1
        return None

    def _noted(self, error: Error) -> Error:
        if error.reason in _GONE:
            self.away = error
        return error


@dataclass(frozen=True, slots=True)
class Told:
    """A policy with its answers, and what they lack."""

    linted: Linted
    unasked: str = ""
    away: str = ""
    """Why the source does not answer any more; empty: it does."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks about policies, one after the other."""

    metrics: Metrics
    now: datetime
    since: timedelta
    kept: timedelta | None = None
    rules: Rules | None = None

    async def about(self, linted: Linted, targets: Sequence[TargetKey]) -> Told:
        """All that rules want to know of a policy, on these targets."""
        way = OfOnePolicy(self.metrics.line.way)
        line = Line(way, slots=self.metrics.line.slots)
        one = _OnePolicy(replace(self.metrics, line=line), linted.policy, self.now, self._window(linted.policy))
        heard = await asyncio.gather(
            *(one.check(index, target) for target in targets for index in range(len(linted.policy.checks)))
        )
        self.metrics.line.requests += line.requests - way.refused
        unasked = f"{linted.policy.key}: {way.refused} questions were not asked, since {MOST_A_POLICY} were"
        return Told(
            replace(linted, heard=tuple(heard), kept=self.kept, rules=self.rules),
            unasked if way.refused else "",
            way.away.message if way.away else await self._still_there(heard),
        )

    async def _still_there(self, heard: Iterable[Heard]) -> str:
        """Why the source does not answer any more, where something was not answered."""
        if not any(isinstance(one.answer, Error) or isinstance(one.samples, Error) for one in heard):
            return ""
        given = await self.metrics.instant("1")
        return given.message if isinstance(given, Error) else ""

    def _window(self, policy: Policy) -> Window:
        span = min(self.since, self.kept) if self.kept else self.since
        seconds = max(policy.spec.interval.total_seconds(), span.total_seconds() // MOST_POINTS + 1)
        return Window(self.now - span, self.now, timedelta(seconds=round(seconds)))


@dataclass(frozen=True, slots=True)
class _OnePolicy:
    metrics: Metrics
    policy: Policy
    now: datetime
    window: Window
    _reads: "dict[str, asyncio.Task[Read]]" = field(default_factory=dict)

    async def check(self, index: int, target: TargetKey) -> Heard:
        check = self.policy.checks[index]
        asked = [question(self.policy, check, target, template) for template in check.templates]
        answers, past, reads = await asyncio.gather(
            AsSource(self.metrics).ask(asked), self._past(asked), self._of_metrics(index, target)
        )
        answer = answers[0]
        return Heard(
            index=index,
            target=target,
            query=asked[0].query,
            answer=answer,
            volume=answers[1] if len(answers) > 1 else None,
            asked_at=self.now,
            several=await self._several(asked[0], answer),
            lacks=await self._lacks(index, target, answer),
            reads=reads,
            window=self.window,
            samples=past[0],
            past=past_of(check, past[0], volume=past[1] if check.volume else ()),
            cost=await self.metrics.within(asked[0].namespace).cost(asked[0].query),
        )

    async def _past(self, asked: Sequence[Query]) -> Sequence[Sequence[Sample] | Error]:
        window, source = self.window, AsSource(self.metrics)
        return await asyncio.gather(*(source.samples(one, window.start, window.end, window.step) for one in asked))

    async def _several(self, asked: Query, answer: Answer) -> tuple[Mapping[str, str], ...]:
        if not isinstance(answer, Error) or answer.reason != "SeveralSeries":
            return ()
        given = await self.metrics.within(asked.namespace).instant(asked.query)
        return () if isinstance(given, Error) else tuple(one.labels for one in given)

    async def _lacks(self, index: int, target: TargetKey, answer: Answer) -> tuple[Lack, ...]:
        """Why there is no answer; and what of a ratio has labels that nothing has, though there is one."""
        is_all = isinstance(answer, NoData) and answer.empty
        check = self.policy.spec.checks[index]
        if isinstance(answer, Error) or check.alert is not None or not (is_all or check.ratio is not None):
            return ()
        fields = self._fields(index, check) if is_all else {"ratio.of": check.ratio.of if check.ratio else ""}
        found = await asyncio.gather(*(self._of_field(text, target) for text in fields.values()))
        return tuple(
            Lack(name, one, is_all=is_all and name != "ratio.of")
            for name, some in zip(fields, found, strict=True)
            for one in some
            if one.kind is not Kind.THERE
        )

    def _fields(self, index: int, check: Check) -> Mapping[str, str]:
        if check.ratio is not None:
            return {"ratio.in": check.ratio.in_, "ratio.of": check.ratio.of}
        return {"query" if check.query is not None else "preset": self.policy.checks[index].template}

    async def _of_field(self, template: str, target: TargetKey) -> Sequence[Absence]:
        query = _rendered(template, target)
        return await absences(
            self.metrics.within(target.namespace), query, Back(self.now, self.window.span), series_of(target)
        )

    async def _of_metrics(self, index: int, target: TargetKey) -> tuple[Read, ...]:
        written = [one for one in written_queries(self.policy) if one.index == index]
        found = {
            selection.metric: selection
            for one in written
            for selection in selections(_rendered(one.template, target))
            if _OF_RULES not in selection.metric
        }
        rated = {metric for one in written for _, metric, _ in expressions.ranges(one.template)}
        return tuple(
            await asyncio.gather(*(self._read(one, target, is_rated=one.metric in rated) for one in found.values()))
        )

    async def _read(self, selection: Selection, target: TargetKey, *, is_rated: bool) -> Read:
        """Asked once for each metric and what it is asked for with."""
        key = f"{selection.text} {is_rated}"
        if key not in self._reads:
            self._reads[key] = asyncio.ensure_future(self._of_metric(selection, target, is_rated=is_rated))
        return await self._reads[key]

    async def _of_metric(self, selection: Selection, target: TargetKey, *, is_rated: bool) -> Read:
        mine = self.metrics.within(target.namespace)
        series, meaning = await asyncio.gather(
            mine.series(selection.present, ask.Window.before(self.now, _LATELY)), mine.metadata(selection.metric)
        )
        there = () if isinstance(series, Error) else series.items
        return Read(
            metric=selection.metric,
            selector=selection.text,
            type=meaning.type if isinstance(meaning, ask.Meaning) else "",
            unit=meaning.unit if isinstance(meaning, ask.Meaning) else "",
            scraped_every=await mine.scraped_every(selection.present) if is_rated and there else None,
            series=there,
        )


def _rendered(template: str, target: TargetKey) -> str:
    return render(template, target.namespace, target.name, pods(target.kind, target.name))
