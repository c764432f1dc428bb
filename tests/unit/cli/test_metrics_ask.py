"""Asking a Prometheus: what is asked at once, what is bound, and what becomes of each answer."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from salus.cli.metrics.about import About
from salus.cli.metrics.as_source import AsSource
from salus.cli.metrics.ask import IN_FLIGHT, Found, FoundSeries, Line, Meaning, Metrics, Window
from salus.cli.metrics.causes import Past, absences
from salus.cli.metrics.place import Settings
from salus.cli.metrics.ways import ByUrl
from salus.core.policy.absence import Kind
from salus.model.values.configuration import Binding
from salus.model.values.metrics import Error, NoData, Query, Sample, Value
from salus.sources.reply import Series
from tests.unit.cli.played import PlayedPrometheus, by_url, matrix, vector

START = datetime(2026, 11, 16, tzinfo=UTC)
HOUR = Window(START, START + timedelta(hours=1))
SHOP = {"namespace": "shop", "pod": "checkout-1"}
QUERY, RANGE, SERIES, LABELS = (f"/api/v1/{path}" for path in ("query", "query_range", "series", "labels"))


@pytest.fixture
def prometheus() -> PlayedPrometheus:
    return PlayedPrometheus()


@pytest.fixture
async def metrics(prometheus: PlayedPrometheus) -> AsyncIterator[Metrics]:
    async with by_url(prometheus) as url:
        settings = Settings(name=url, url=url, timeout=timedelta(seconds=10))
        way = ByUrl(settings)
        yield Metrics(settings, Line(way), "shop")
        await way.close()


def bound(metrics: Metrics, **binding: Any) -> Metrics:  # noqa: ANN401
    return replace(metrics, settings=replace(metrics.settings, binding=Binding(**binding)))


async def test_an_instant_query_gives_series(metrics: Metrics, prometheus: PlayedPrometheus) -> None:
    prometheus.say(QUERY, vector(SHOP, value=0.5))

    assert await metrics.instant("x", START) == (Series(SHOP, 0.5),)
    assert prometheus.asked == [(QUERY, {"query": "x", "time": f"{START.timestamp():.3f}", "timeout": "10.000"})]


def every(step: float) -> Any:  # noqa: ANN401
    """A server that has a point at each step, and no more than it gives at once."""

    def answer(asked: Mapping[str, str]) -> Any:  # noqa: ANN401
        start, end = float(asked["start"]), float(asked["end"])
        points = int((end - start) // step) + 1
        return matrix(SHOP, {start + step * one: one for one in range(points)}) if points <= 11_000 else 400

    return answer


async def test_history_is_read_in_pieces_that_a_server_gives(metrics: Metrics, prometheus: PlayedPrometheus) -> None:
    prometheus.say(RANGE, every(15))
    (course,) = await all_of(metrics, START, START + timedelta(days=7))

    moments = [sample.at for sample in course.samples]
    assert moments == [START + timedelta(seconds=15) * one for one in range(7 * 24 * 240 + 1)]
    assert len(prometheus.asked) == 4


async def all_of(metrics: Metrics, start: datetime, end: datetime) -> Sequence[Any]:
    found = await metrics.over("x", start, end, timedelta(seconds=15))
    assert not isinstance(found, Error)
    return found


async def test_gaps_stay_gaps(metrics: Metrics, prometheus: PlayedPrometheus) -> None:
    at = START.timestamp()
    prometheus.say(RANGE, matrix(SHOP, {at: 1, at + 15: 2, at + 900: 3}))
    (course,) = await all_of(metrics, START, START + timedelta(hours=1))

    assert [(sample.at - START).total_seconds() for sample in course.samples] == [0, 15, 900]


async def test_one_piece_that_is_not_answered_leaves_the_whole_unknown(
    metrics: Metrics, prometheus: PlayedPrometheus
) -> None:
    prometheus.say(RANGE, lambda asked: every(15)(asked) if float(asked["start"]) == START.timestamp() else 503)

    assert isinstance(await metrics.over("x", START, START + timedelta(days=7), timedelta(seconds=15)), Error)


async def test_at_most_four_requests_are_under_way(metrics: Metrics, prometheus: PlayedPrometheus) -> None:
    prometheus.gate = asyncio.Event()
    prometheus.say(RANGE, every(15))
    work = [
        *(asyncio.ensure_future(metrics.instant(f"x{one}")) for one in range(9)),
        asyncio.ensure_future(metrics.over("x", START, START + timedelta(days=14), timedelta(seconds=15))),
    ]
    while prometheus.most_at_once < IN_FLIGHT:
        await asyncio.wait(work, timeout=0.01)
    prometheus.gate.set()
    await asyncio.gather(*work)

    assert prometheus.most_at_once == IN_FLIGHT == 4
    assert metrics.line.requests == len(prometheus.asked)


async def test_series_come_with_whether_there_are_more(metrics: Metrics, prometheus: PlayedPrometheus) -> None:
    prometheus.say(SERIES, [SHOP, {**SHOP, "pod": "checkout-2"}])

    assert await metrics.series("x", HOUR) == FoundSeries((SHOP, {**SHOP, "pod": "checkout-2"}))
    assert await metrics.series("x", HOUR, limit=1) == FoundSeries((SHOP,), cut=True)


async def test_a_limit_that_was_reached_is_no_failure(metrics: Metrics, prometheus: PlayedPrometheus) -> None:
    prometheus.say(LABELS, ["a", "b"])
    prometheus.warnings = ("results truncated due to limit",)

    assert await metrics.label_names("x", HOUR, limit=2) == Found(("a", "b"), cut=True)
    start = START.timestamp()
    assert prometheus.asked == [
        (LABELS, {"match[]": "x", "start": f"{start:.3f}", "end": f"{start + 3600:.3f}", "limit": "2"})
    ]


async def test_a_list_that_is_not_whole_for_another_reason_is_not_believed(
    metrics: Metrics, prometheus: PlayedPrometheus
) -> None:
    prometheus.say(LABELS, ["a", "b"])
    prometheus.warnings = ("store gateway is down",)
    found = await metrics.label_names("x", HOUR)

    assert isinstance(found, Error)
    assert found.reason == "PartialAnswer"


async def test_values_of_a_label(metrics: Metrics, prometheus: PlayedPrometheus) -> None:
    prometheus.say("/api/v1/label/code/values", ["200", "404"])

    assert await metrics.label_values("code", "x", HOUR) == Found(("200", "404"))
    assert isinstance(await metrics.label_values("a/../b", "", HOUR), Error)


async def test_every_question_is_bound(metrics: Metrics, prometheus: PlayedPrometheus) -> None:
    asked = bound(metrics, labels={"cluster": "eu-1"})
    await asked.instant("sum(x)")
    await asked.raw("x[5m]")
    await asked.over("x", START, START, timedelta(seconds=15))
    await asked.series("x", HOUR)
    await asked.label_names("", HOUR)
    await asked.label_values("code", 'x{a="b"}', HOUR)

    assert prometheus.queries() == [
        'sum(x{cluster="eu-1"})',
        'x{cluster="eu-1"}[5m]',
        'x{cluster="eu-1"}',
        'x{cluster="eu-1"}',
        '{cluster="eu-1"}',
        'x{cluster="eu-1",a="b"}',
    ]


async def test_what_is_bound_to_another_cluster_is_not_sent(metrics: Metrics, prometheus: PlayedPrometheus) -> None:
    found = await bound(metrics, labels={"cluster": "eu-1"}).instant('x{cluster="us-2"}')

    assert isinstance(found, Error)
    assert found.reason == "ForeignLabel"
    assert prometheus.asked == []


async def test_a_source_with_tenants_is_asked_on_behalf_of_a_namespace(prometheus: PlayedPrometheus) -> None:
    async with by_url(prometheus) as url:
        settings = Settings(name=url, url=url, tenant_header="X-Scope-OrgID", headers={"X-Team": "a"})
        way = ByUrl(settings)
        asked = Metrics(settings, Line(way), "shop").within("bank")
        await asked.instant("x")
        await asked.over("x", START, START, timedelta(seconds=15))
        await way.close()

    assert [(one["X-Scope-OrgID"], one["X-Team"]) for one in prometheus.headers] == [("bank", "a")] * 2


async def test_what_a_server_says_of_itself(metrics: Metrics, prometheus: PlayedPrometheus) -> None:
    prometheus.say("/api/v1/status/buildinfo", {"version": "3.7.1", "revision": "x"})
    prometheus.say("/api/v1/status/runtimeinfo", {"storageRetention": "15d"})
    prometheus.say(QUERY, vector({"__name__": "up", "job": "a"}), "topk(1, up)")
    prometheus.say(QUERY, matrix({"__name__": "up", "job": "a"}, {30.0 * one: 1 for one in range(5)}), "up{")

    assert await metrics.about() == About("Prometheus 3.7", timedelta(days=15), timedelta(seconds=30))
    assert 'up{job="a"}[15m]' in prometheus.queries()


async def test_what_a_server_does_not_have_is_not_known(metrics: Metrics, prometheus: PlayedPrometheus) -> None:
    for path in ("status/buildinfo", "status/runtimeinfo", "metadata"):
        prometheus.say(f"/api/v1/{path}", 404)

    assert await metrics.about() == About()
    assert await metrics.metadata("x") is None


async def test_what_a_metric_says_of_itself(metrics: Metrics, prometheus: PlayedPrometheus) -> None:
    prometheus.say("/api/v1/metadata", {"x": [{"type": "counter", "unit": "", "help": "Requests."}]})

    assert await metrics.metadata("x") == Meaning("counter", "", "Requests.")
    assert await metrics.metadata("y") is None


async def test_a_metadata_api_that_fails_is_told(metrics: Metrics, prometheus: PlayedPrometheus) -> None:
    prometheus.say("/api/v1/metadata", {"x": []})
    prometheus.warnings = ("ingester is down",)

    assert isinstance(await metrics.metadata("x"), Error)


# --- behind the operator's ports


async def test_the_operators_questions_are_answered_as_the_operator_is(
    metrics: Metrics, prometheus: PlayedPrometheus
) -> None:
    prometheus.say(QUERY, vector({"salus_part": "value"}, value=0.5), "errors")
    asked = Query("any", "errors", timedelta(minutes=2), namespace="shop")
    source = AsSource(metrics)

    good, nothing, again = await source.ask([asked, replace(asked, query="gone"), asked])

    assert isinstance(good, Value)
    assert good.value == 0.5
    assert isinstance(nothing, NoData)
    assert again == good
    assert len(prometheus.asked) == 2


async def test_the_operators_history_is_one_series(metrics: Metrics, prometheus: PlayedPrometheus) -> None:
    at = START.timestamp()
    prometheus.say(RANGE, {"resultType": "matrix", "result": [{"metric": {}, "values": [[at, "1"], [at + 15, "NaN"]]}]})
    asked = Query("any", "errors", timedelta(minutes=2), namespace="shop")

    assert await AsSource(metrics).samples(asked, START, START, timedelta(seconds=15)) == [Sample(START, 1)]


# --- why there is no data


async def test_why_there_is_no_data(metrics: Metrics, prometheus: PlayedPrometheus) -> None:
    prometheus.say(QUERY, vector({}, value=6), "count(x{")
    prometheus.say(QUERY, {"resultType": "vector", "result": []}, "deployment")
    prometheus.say(SERIES, [{"__name__": "x", **SHOP}])
    past = Past(START, timedelta(days=7))

    there, lacks = await absences(metrics, 'x{namespace="shop"} / x{namespace="shop",deployment="checkout"}', past)

    assert there.kind is Kind.THERE
    assert (lacks.kind, lacks.label, lacks.instead) == (Kind.NO_LABEL, "deployment", ("namespace", "pod"))


async def test_when_it_was_there_last(metrics: Metrics, prometheus: PlayedPrometheus) -> None:
    at = (START - timedelta(hours=5)).timestamp()
    prometheus.say(RANGE, matrix({}, {at - 2016: 1, at: 1}))
    (gone,) = await absences(metrics, "x", Past(START, timedelta(days=7)))

    assert (gone.kind, gone.since) == (Kind.GONE, START - timedelta(hours=5))
