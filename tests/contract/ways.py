"""The three ways in which Salus speaks to servers that its configuration names, and what each says of a failure.

A sink is told something, a source is asked for now (aiohttp), and one is asked for the past (requests).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from salus.adapters.sinks import HttpSinks, SinkSettings
from salus.core.records.delivery import Milestone, cloud_event
from salus.model.values.metrics import Error, Query
from salus.sources.history import PrometheusHistory
from salus.sources.prometheus import PrometheusSource
from salus.sources.settings import SourceSettings
from tests.unit.test_delivery import a_record


@dataclass(frozen=True, slots=True)
class Told:
    """What a way to ask says of a failure; empty if it found none."""

    reason: str = ""
    message: str = ""


Way = Callable[..., Awaitable[Told]]


async def sink(url: str, **more: Any) -> Told:  # noqa: ANN401 - fields of settings
    sinks = HttpSinks()
    await sinks.use({"main": SinkSettings(name="main", url=url, **more)})
    problem = await sinks.send("main", cloud_event(a_record("main"), Milestone.STARTED, "eu"))
    await sinks.close()
    return Told(problem.reason, problem.message) if problem else Told()


def _told(given: object) -> Told:
    return Told(given.reason, given.message) if isinstance(given, Error) else Told()


async def instant(url: str, **more: Any) -> Told:  # noqa: ANN401 - fields of settings
    async with PrometheusSource(SourceSettings(name="main", url=url, **more)) as source:
        (given,) = await source.ask([Query("main", "x", timedelta(minutes=2), namespace="shop")])
    return _told(given)


async def ranged(url: str, **more: Any) -> Told:  # noqa: ANN401 - fields of settings
    history = PrometheusHistory({"main": SourceSettings(name="main", url=url, **more)})
    question = Query("main", "x", timedelta(minutes=2), namespace="shop")
    now = datetime.now(UTC)
    return _told(await history.samples(question, now - timedelta(minutes=1), now, timedelta(seconds=15)))


every_way = pytest.mark.parametrize("way", [sink, instant, ranged])
