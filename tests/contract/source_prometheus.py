"""A real Prometheus to ask, and the cases that every MetricSource must tell apart, the fake included."""

import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from salus.model.values.metrics import Answer, Error, NoData, Query, Value
from salus.sources.prometheus import PrometheusSource
from salus.sources.reply import Series
from salus.sources.settings import SourceSettings
from tests.compat.servers import Server
from tests.fakes.metrics import ScriptedSource
from tools.devcluster import remote_write

STALE_AFTER = timedelta(minutes=2)
INFINITE, NOT_A_NUMBER = float("inf"), float("nan")
_NUMBERS = itertools.count()


@dataclass(frozen=True, slots=True)
class Pushed:
    """A series of one sample."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    age: float = 1.0
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Case:
    """What lies in the source, what is asked (`$m` is the name of the metric), and what must come of it."""

    query: str
    series: tuple[Pushed, ...] = ()
    select: tuple[str, str] | None = None
    value: float | None = None
    reason: str = ""
    says: str = ""
    empty: bool = False

    def holds(self, given: Answer) -> None:
        """Assert that the answer is the one."""
        match given:
            case Value(value=value):
                assert (value, "") == (self.value, self.reason)
            case NoData(reason=reason, message=message, empty=empty):
                assert (reason, empty) == (self.reason, self.empty)
                assert self.says in message
            case Error(reason=reason, message=message):
                assert reason == self.reason
                assert self.says in message


ONE, OTHER = {"pod": "one"}, {"pod": "other"}
CASES = [
    pytest.param(Case("$m", (Pushed(5),), value=5.0), id="one fresh series is a value"),
    pytest.param(Case("$m", (Pushed(0),), value=0.0), id="zero is a value"),
    pytest.param(Case("$m", reason="NoSeries", empty=True), id="nothing is no data, never zero"),
    pytest.param(Case("$m", (Pushed(NOT_A_NUMBER),), reason="NotANumber"), id="NaN is no data"),
    pytest.param(Case("$m", (Pushed(INFINITE),), reason="Infinite"), id="infinity is no data"),
    pytest.param(Case("$m", (Pushed(-INFINITE),), reason="Infinite"), id="minus infinity is no data"),
    pytest.param(
        Case("$m", (Pushed(5, age=200),), reason="StaleSample", says="3m20s old; stale after 2m"),
        id="an old sample is no data, and not an empty answer",
    ),
    pytest.param(
        Case("$m", (Pushed(1, ONE), Pushed(2, OTHER)), reason="SeveralSeries", says='{pod="one"} and '),
        id="two series are an error that names them",
    ),
    pytest.param(
        Case("$m", (Pushed(1, ONE), Pushed(2, OTHER)), select=("pod", "other"), value=2.0),
        id="a label picks the target's series",
    ),
    pytest.param(
        Case("$m", (Pushed(1, ONE),), select=("pod", "gone"), reason="NoSeries", says='pod="gone"', empty=True),
        id="a target without a series has no data",
    ),
    pytest.param(
        Case(
            "$m", (Pushed(1, ONE),), select=("node", "a"), reason="NoSeries", says="none has the label node", empty=True
        ),
        id="a label that no series has is named",
    ),
    pytest.param(Case("sum($m", reason="QueryFailed", says="parenthesis"), id="a bad query is an error"),
]


class Rig(Protocol):
    """A source that can be put into the state of a case."""

    async def answer(self, case: Case) -> Answer:
        """Bring about what the case says and ask."""
        ...


def question(query: str, *, select: tuple[str, str] | None = None, namespace: str = "shop") -> Query:
    """A question with the usual staleness."""
    return Query("main", query, STALE_AFTER, select, namespace)


def metric_name() -> str:
    """A name that no other test has used."""
    return f"case_{next(_NUMBERS)}"


@dataclass(frozen=True, slots=True)
class PrometheusRig:
    """A real server, fed by remote write."""

    server: Server
    source: PrometheusSource

    async def answer(self, case: Case) -> Answer:
        """Push the case's series under a name of their own and ask."""
        name = metric_name()
        self.push(name, *case.series)
        return await self.ask(question(case.query.replace("$m", name), select=case.select))

    async def ask(self, one: Query) -> Answer:
        """Ask a single question."""
        return (await self.source.ask([one]))[0]

    def push(self, name: str, *series: Pushed) -> None:
        """Write one sample per series."""
        now = time.time()
        self.server.push(remote_write.Series(name, one.labels, ((now - one.age, one.value),)) for one in series)

    def push_range(self, name: str, values: Mapping[float, float], labels: Mapping[str, str]) -> float:
        """Write samples by their age in seconds; returns the time of the newest, in Unix seconds."""
        now = time.time()
        samples = sorted((now - age, value) for age, value in values.items())
        self.server.push([remote_write.Series(name, labels, tuple(samples))])
        return samples[-1][0]


@dataclass(frozen=True, slots=True)
class FakeRig:
    """The scripted source of the unit tests."""

    async def answer(self, case: Case) -> Answer:
        """Script the case's series and ask."""
        now, name = datetime.now(UTC), metric_name()
        source = ScriptedSource(lambda: now)
        if case.series:
            told = [Series({"__name__": name, **one.labels}, one.value) for one in case.series]
            oldest = max(one.age for one in case.series)
            source.say(name, told, sampled_at=now - timedelta(seconds=oldest))
        return (await source.ask([question(case.query.replace("$m", name), select=case.select)]))[0]


def settings(url: str, *, name: str = "main", seconds: float = 5.0) -> SourceSettings:
    """Settings of a source at `url`."""
    return SourceSettings(name=name, url=url, timeout=timedelta(seconds=seconds))
