"""Every source answers with the right kind of answer, whatever the server does, and never raises."""

import asyncio
import base64
import contextlib
import itertools
import math
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import ValidationError

from salus.core.health.evaluate import Reading, evaluate
from salus.core.policy import promql
from salus.core.policy.compile import Catalog, compile_policy
from salus.core.policy.value_form import advice
from salus.endpoints.settings import BasicAuth
from salus.model.policy import Threshold, Verdict
from salus.model.problems import problems
from salus.model.values.configuration import Binding
from salus.model.values.metrics import Answer, CheckState, Error, NoData, Query, Sample, Value
from salus.settings import SinkConfig, SourceConfig
from salus.sources.breaker import FAILURES
from salus.sources.history import PrometheusHistory
from salus.sources.prometheus import IN_FLIGHT, MAX_BODY, PrometheusSource
from salus.sources.router import Sources
from salus.sources.settings import SourceSettings
from tests.builders import a_policy_body
from tests.compat.servers import Server, started
from tests.contract.conftest import eventually
from tests.contract.source_prometheus import (
    CASES,
    STALE_AFTER,
    Case,
    FakeRig,
    PrometheusRig,
    Pushed,
    Rig,
    metric_name,
    question,
    settings,
)
from tests.contract.source_server import (
    ODD_REPLIES,
    ODD_VECTORS,
    Handler,
    failure,
    hang,
    reply,
    serving,
    success,
    url,
    vector,
)
from tests.fakes.metrics import ScriptedHistory, ScriptedSource
from tools.devcluster.certificates import Authority
from tools.devcluster.processes import free_port
from tools.devcluster.remote_write import Series


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = started(tmp_path_factory.mktemp("prometheus"))
    yield running
    running.stop()


@pytest.fixture
async def prometheus(server: Server) -> AsyncIterator[PrometheusRig]:
    async with PrometheusSource(settings(server.url)) as source:
        yield PrometheusRig(server, source)


@pytest.fixture(params=["Prometheus", "fake"])
def rig(request: pytest.FixtureRequest) -> Rig:
    if request.param == "fake":
        return FakeRig()
    found: Rig = request.getfixturevalue("prometheus")
    return found


@pytest.mark.parametrize("case", CASES)
async def test_every_source_tells_the_cases_apart(rig: Rig, case: Case) -> None:
    case.holds(await rig.answer(case))


@pytest.mark.parametrize(
    ("asked", "fires", "expected"),
    [
        pytest.param({}, {"namespace": "shop"}, (Verdict.UNHEALTHY, "AboveThreshold"), id="of the namespace"),
        pytest.param({}, None, (Verdict.HEALTHY, "WithinThreshold"), id="one that does not fire"),
        pytest.param({}, {"namespace": "bank"}, (Verdict.HEALTHY, "WithinThreshold"), id="of another namespace"),
        pytest.param({}, {}, (Verdict.UNKNOWN, "AlertWithoutLabel"), id="of no namespace"),
        pytest.param({"namespace": ""}, {}, (Verdict.UNHEALTHY, "AboveThreshold"), id="of no namespace, as is said"),
        pytest.param(
            {"namespace": ""}, {"namespace": "bank"}, (Verdict.HEALTHY, "WithinThreshold"), id="of one, though of none"
        ),
        pytest.param(
            {"app": "$target"},
            {"namespace": "shop", "pod": "checkout-1"},
            (Verdict.UNKNOWN, "AlertWithoutLabel"),
            id="without the label that names the workload",
        ),
        pytest.param(
            {"app": "$target"}, {"pod": "x"}, (Verdict.UNKNOWN, "AlertWithoutLabel"), id="without both of its labels"
        ),
        pytest.param(
            {"app": "$target"},
            {"namespace": "shop", "app": "cart"},
            (Verdict.HEALTHY, "WithinThreshold"),
            id="of another workload",
        ),
        pytest.param(
            {"namespace": "", "app": "$target"},
            {"app": "cart"},
            (Verdict.HEALTHY, "WithinThreshold"),
            id="of another workload and no namespace",
        ),
    ],
)
async def test_an_alert_that_fires_never_reads_as_one_that_does_not(
    prometheus: PrometheusRig, asked: dict[str, str], fires: dict[str, str] | None, expected: tuple[Verdict, str]
) -> None:
    """Case 06: not because it lacks a label that is asked for either."""
    its_own = {"alertname": metric_name(), "alertstate": "firing"}
    if fires is not None:
        prometheus.push("ALERTS", Pushed(1, {**its_own, **fires}))
    body = a_policy_body(checks=[{"name": "it", "alert": {"name": its_own["alertname"], "matchLabels": asked}}])
    (check,) = compile_policy(body, Catalog({}, ("default",))).checks
    query = promql.render(check.template, "shop", "checkout")

    answered = Reading(query, await prometheus.ask(question(query)), datetime.now(UTC))
    finding, _ = evaluate(check, answered, CheckState(), timedelta(seconds=15))

    assert (finding.verdict, finding.reason) == expected


@pytest.mark.parametrize(
    ("fires", "expected"),
    [
        pytest.param(
            {"namespace": "shop", "cluster": "eu"}, (Verdict.UNHEALTHY, "AboveThreshold"), id="of its cluster"
        ),
        pytest.param({"namespace": "shop", "cluster": "us"}, (Verdict.HEALTHY, "WithinThreshold"), id="of another one"),
        pytest.param({"namespace": "shop"}, (Verdict.UNKNOWN, "AlertWithoutLabel"), id="of none that it tells"),
        pytest.param({"cluster": "eu"}, (Verdict.UNKNOWN, "AlertWithoutLabel"), id="of its cluster and no namespace"),
        pytest.param({"cluster": "us"}, (Verdict.HEALTHY, "WithinThreshold"), id="of another one and no namespace"),
        pytest.param({}, (Verdict.UNKNOWN, "AlertWithoutLabel"), id="with neither"),
    ],
)
async def test_an_alert_that_fires_without_the_label_of_its_cluster_is_in_doubt(
    server: Server, fires: dict[str, str], expected: tuple[Verdict, str]
) -> None:
    """Where one source holds several clusters, a rule that sums that label away is none that does not fire."""
    its_own, binding = {"alertname": metric_name(), "alertstate": "firing"}, Binding(labels={"cluster": "eu"})
    body = a_policy_body(checks=[{"name": "it", "alert": {"name": its_own["alertname"]}}])
    (check,) = compile_policy(body, Catalog({}, ("default",), bound={"default": binding})).checks
    asked = replace(question(promql.render(check.template, "shop", "checkout")), or_missing=check.or_missing)

    async with PrometheusSource(replace(settings(server.url), binding=binding)) as source:
        rig = PrometheusRig(server, source)
        rig.push("ALERTS", Pushed(1, {**its_own, **fires}))
        answered = Reading(asked.query, await rig.ask(asked), datetime.now(UTC))
    finding, _ = evaluate(check, answered, CheckState(), timedelta(seconds=15))

    assert (finding.verdict, finding.reason) == expected


ON_A, ON_B = {"pod": "a", "app": "x"}, {"pod": "b", "app": "x"}
IN_WELL, IN_ILL = 1.0, 9.0


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("$m1 > 5", id="one comparison"),
        pytest.param("5 < $m1", id="the other way round"),
        pytest.param("$m1 > $m3", id="of two metrics"),
        pytest.param("$m1 > 5 and $m3 < 5", id="both of two, one of which always holds"),
        pytest.param("$m1 > 5 and on (app) $m2 > 5", id="both of two, of many with many"),
        pytest.param("$m1 > 5 and ignoring (pod) $m2 > 5", id="both of two, but for a label"),
        pytest.param("$m1 > 5 and on (app) $m2", id="both of two, one of which is no filter"),
        pytest.param("$m1 > 5 or $m3 > 5", id="one of two"),
        pytest.param("$m3 > 5 or $m1 > 5", id="the other of two"),
        pytest.param("$m1 > 5 unless on (app) $m2 < 0", id="one without the other"),
        pytest.param("max without (app) ($m1 > 5)", id="a maximum"),
        pytest.param("count($m1 > 5)", id="a count"),
        pytest.param("count($m1 > 5) > 0", id="a count that is compared"),
        pytest.param("5 < $m1 < 10", id="between two numbers"),
        pytest.param("($m1 > 5 or $m3 > 5) and on (app) ($m2 > 5 unless $m2 < 0)", id="all together"),
    ],
)
async def test_what_is_proposed_for_a_filter_is_0_while_all_is_well_and_1_when_it_is_not(
    prometheus: PrometheusRig, query: str
) -> None:
    """Case 28: `$m1` and the two series of `$m2` are 1 or 9, `$m3` is always 2."""
    for value, expected in ((IN_WELL, (None, 0.0)), (IN_ILL, (1.0, 1.0))):
        filled = query
        for name, pushed in {
            "$m1": (Pushed(value, ON_A),),
            "$m2": (Pushed(value, ON_A), Pushed(value, ON_B)),
            "$m3": (Pushed(2, ON_A),),
        }.items():
            metric = metric_name()
            prometheus.push(metric, *pushed)
            filled = filled.replace(name, metric)
        proposed = advice(filled, Threshold.parse({"above": "0"}))
        assert proposed is not None

        as_it_was, as_proposed = [await prometheus.ask(question(one)) for one in (filled, proposed.text)]

        assert isinstance(as_it_was, NoData) == (expected[0] is None), as_it_was
        assert isinstance(as_proposed, Value), as_proposed
        assert as_proposed.value == expected[1]


FAILED, ALL = {"app": "checkout", "code": "500"}, {"app": "checkout", "code": "200"}


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        pytest.param([(1, FAILED), (3, ALL)], 0.25, id="some failed"),
        pytest.param([(3, ALL)], 0.0, id="no failure was ever counted"),
        pytest.param([(0, FAILED), (3, ALL)], 0.0, id="none failed of late"),
        pytest.param([(0, ALL)], "NotANumber", id="nothing was asked, nor ever failed"),
        pytest.param([(0, FAILED), (0, ALL)], "NotANumber", id="nothing was asked"),
        pytest.param([], "NoSeries", id="nothing is there"),
        pytest.param([(3, {**ALL, "app": "cart"})], "NoSeries", id="another's requests"),
    ],
)
async def test_a_ratio_is_0_where_nothing_failed_and_no_number_where_nothing_was_asked(
    prometheus: PrometheusRig, counted: list[tuple[float, dict[str, str]]], expected: float | str
) -> None:
    name = metric_name()
    prometheus.push(name, *(Pushed(value, labels) for value, labels in counted))

    answered = await prometheus.ask(question(a_ratio(f'sum({name}{{app="$target",code="500"}})', name)))

    assert (answered.value if isinstance(answered, Value) else answered.reason) == expected


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        pytest.param([(3, ALL), (1, FAILED)], (Verdict.UNHEALTHY, "BelowThreshold"), id="some failed"),
        pytest.param([(0, ALL), (1, FAILED)], (Verdict.UNHEALTHY, "BelowThreshold"), id="none succeeded of late"),
        pytest.param([(3, ALL)], (Verdict.HEALTHY, "WithinThreshold"), id="none failed"),
        pytest.param(
            [(1, FAILED)], (Verdict.UNKNOWN, "PartWithoutSeries"), id="no success was ever counted, or it is mistyped"
        ),
        pytest.param([(0, FAILED)], (Verdict.UNKNOWN, "NotANumber"), id="nothing was asked"),
        pytest.param([], (Verdict.UNKNOWN, "NoSeries"), id="nothing is there"),
    ],
)
async def test_a_ratio_of_successes_is_never_0_for_want_of_a_series(
    prometheus: PrometheusRig, counted: list[tuple[float, dict[str, str]]], expected: tuple[Verdict, str]
) -> None:
    """An empty part would be the worst of all values, and acted upon."""
    name = metric_name()
    prometheus.push(name, *(Pushed(value, labels) for value, labels in counted))
    parts = {"of": f'sum({name}{{app="$target",code="200"}})', "in": f'sum({name}{{app="$target"}})'}
    body = a_policy_body(checks=[{"name": "it", "ratio": parts, "unhealthy": {"below": "0.95"}}])
    (check,) = compile_policy(body, Catalog({}, ("default",))).checks
    query = promql.render(check.template, "shop", "checkout")

    answered = Reading(query, await prometheus.ask(question(query)), datetime.now(UTC))
    finding, _ = evaluate(check, answered, CheckState(), timedelta(seconds=15))

    assert (finding.verdict, finding.reason) == expected


async def test_a_part_with_labels_of_its_own_is_not_taken_for_none(prometheus: PrometheusRig) -> None:
    """There is nothing to divide it by, and it is not 0."""
    name = metric_name()
    prometheus.push(name, Pushed(1, FAILED), Pushed(3, ALL))

    answered = await prometheus.ask(question(a_ratio(f'sum by (code) ({name}{{app="$target",code="500"}})', name)))

    assert isinstance(answered, NoData)


@pytest.mark.parametrize(("target", "expected"), [("checkout", 0.25), ("cart", 0.0), ("till", "NotANumber")])
async def test_a_ratio_of_all_targets_at_once(prometheus: PrometheusRig, target: str, expected: float | str) -> None:
    """The failures of one are not in the way of another's 0."""
    name = metric_name()
    others = [Pushed(3, {**ALL, "app": "cart"}), Pushed(0, {**ALL, "app": "till"})]
    prometheus.push(name, Pushed(1, FAILED), Pushed(3, ALL), *others)
    query = a_ratio(f'sum by (app) ({name}{{code="500"}})', f"sum by (app) ({name})", target_label="app")

    answered = await prometheus.ask(replace(question(query), select=("app", target)))

    assert (answered.value if isinstance(answered, Value) else answered.reason) == expected


def a_ratio(of: str, whole: str, **check: str) -> str:
    """The query of a ratio of checkout's; `whole`: a query, or the name of the metric alone."""
    whole = whole if "(" in whole else f'sum({whole}{{app="$target"}})'
    written = {"name": "it", "ratio": {"of": of, "in": whole}, "unhealthy": {"above": "0.05"}}
    label = {"targetLabel": check["target_label"]} if check else {}
    (compiled,) = compile_policy(a_policy_body(checks=[{**written, **label}]), Catalog({}, ("default",))).checks
    return promql.render(compiled.template, "shop", "checkout")


class TestTheAgeOfSamples:
    """Against a real Prometheus, which gives every answer the time of its evaluation."""

    async def test_an_instant_selector_is_dated_by_its_newest_sample(self, prometheus: PrometheusRig) -> None:
        name = metric_name()
        newest = prometheus.push_range(name, {50: 1.0, 30: 2.0}, {})

        given = await prometheus.ask(question(name))

        assert isinstance(given, Value)
        assert given.value == 2.0
        assert given.sampled_at.timestamp() == pytest.approx(newest, abs=0.01)

    async def test_a_rate_is_dated_by_the_newest_sample_of_its_range(self, prometheus: PrometheusRig) -> None:
        name = metric_name()
        newest = prometheus.push_range(name, {age: 100.0 - age for age in range(5, 60, 5)}, {})

        given = await prometheus.ask(question(f"sum(rate({name}[1m]))"))

        assert isinstance(given, Value)
        assert given.value == pytest.approx(1.0, abs=0.2)
        assert given.sampled_at.timestamp() == pytest.approx(newest, abs=0.01)

    async def test_a_range_bounds_the_age_of_its_samples_itself(self, prometheus: PrometheusRig) -> None:
        name = metric_name()
        prometheus.push(name, Pushed(7, age=200))

        given = await prometheus.ask(question(f"max_over_time({name}[10m])"))

        assert isinstance(given, Value)
        assert given.value == 7.0

    async def test_the_selector_that_lags_most_dates_the_value(self, prometheus: PrometheusRig) -> None:
        fresh, lagging = metric_name(), metric_name()
        prometheus.push(fresh, Pushed(6, age=1))
        oldest = prometheus.push_range(lagging, {60: 2.0}, {})

        given = await prometheus.ask(question(f"{fresh} / {lagging}"))

        assert isinstance(given, Value)
        assert given.value == 3.0
        assert given.sampled_at.timestamp() == pytest.approx(oldest, abs=0.01)

    async def test_a_stale_sample_that_is_filtered_away_is_still_stale(self, prometheus: PrometheusRig) -> None:
        name = metric_name()
        prometheus.push(name, Pushed(1, age=200))

        given = await prometheus.ask(question(f"{name} > 5"))

        assert isinstance(given, NoData)
        assert (given.reason, given.empty) == ("StaleSample", False)

    async def test_an_offset_does_not_make_a_sample_stale(self, prometheus: PrometheusRig) -> None:
        name = metric_name()
        prometheus.push_range(name, {615: 1.0, 15: 3.0}, {})

        given = await prometheus.ask(question(f"{name} - {name} offset 10m"))

        assert isinstance(given, Value)
        assert given.value == 2.0

    async def test_one_target_may_be_stale_while_another_is_fresh(self, prometheus: PrometheusRig) -> None:
        name = metric_name()
        prometheus.push(name, Pushed(1, {"app": "old"}, age=200), Pushed(2, {"app": "new"}))

        old, new = await prometheus.source.ask(
            [question(f"sum by (app) ({name})", select=("app", app)) for app in ("old", "new")]
        )

        assert isinstance(old, NoData)
        assert old.reason == "StaleSample"
        assert isinstance(new, Value)

    async def test_a_selector_without_the_targets_label_speaks_of_all(self, prometheus: PrometheusRig) -> None:
        name, shared = metric_name(), metric_name()
        prometheus.push(name, Pushed(4, {"app": "a"}))
        prometheus.push(shared, Pushed(2, age=200))

        given = await prometheus.ask(question(f"{name} / on () group_left () {shared}", select=("app", "a")))

        assert isinstance(given, NoData)
        assert given.reason == "StaleSample"

    @pytest.mark.parametrize(
        ("query", "value"),
        [
            pytest.param("1 + 2", 3.0, id="a scalar"),
            pytest.param("vector(4)", 4.0, id="a constant"),
            pytest.param("absent(never_was)", 1.0, id="an absence"),
            pytest.param("count(never_was) or vector(0)", 0.0, id="a count of nothing"),
            pytest.param("scalar(vector(2)) # and a comment", 2.0, id="a comment at the end"),
        ],
    )
    async def test_what_rests_on_no_sample_is_of_now(self, prometheus: PrometheusRig, query: str, value: float) -> None:
        given = await prometheus.ask(question(query))

        assert isinstance(given, Value)
        assert given.value == value
        assert abs(given.sampled_at - datetime.now(UTC)) < timedelta(minutes=1)


async def test_a_query_that_prometheus_refuses_says_why(prometheus: PrometheusRig) -> None:
    name = metric_name()
    prometheus.push(name, Pushed(1, {"a": "1"}), Pushed(2, {"a": "2"}))

    given = await prometheus.ask(question(f"{name} * on () {name}"))

    assert isinstance(given, Error)
    assert given.reason == "QueryFailed"
    assert "many-to-many" in given.message


@pytest.mark.parametrize("query", ["up[5m]", '"up"'])
async def test_what_is_not_a_number_is_not_even_asked(query: str) -> None:
    async with PrometheusSource(settings("http://127.0.0.1:1")) as source:
        (given,) = await source.ask([question(query)])

    assert isinstance(given, Error)
    assert given.reason == "QueryFailed"
    assert "needs a number" in given.message


def patience(says: str) -> float:
    """Seconds: short where the source is to lose patience, else enough for 10 MiB on a busy machine."""
    return 0.2 if says == "within 0.2s" else 30.0


@pytest.mark.parametrize(("handler", "reason", "says"), [*ODD_REPLIES, *ODD_VECTORS])
async def test_an_odd_reply_is_an_error_with_its_name(handler: Handler, reason: str, says: str) -> None:
    outcomes: list[str] = []
    async with (
        serving(handler) as odd,
        PrometheusSource(
            settings(url(odd), seconds=patience(says)), observe=lambda _, outcome: outcomes.append(outcome)
        ) as source,
    ):
        (given,) = await source.ask([question("x")])

    assert isinstance(given, Error)
    assert given.reason == reason
    assert says in given.message
    assert outcomes == [reason]


async def test_infos_change_nothing() -> None:
    async with serving(reply(200, vector(infos=["metric might not be a counter"]))) as fine:
        given = await _ask(settings(url(fine)), "x")

    assert isinstance(given, Value)


async def test_a_scalar_result_is_a_value() -> None:
    async with serving(reply(200, success("scalar", [1_700_000_000, "3"]))) as fine:
        given = await _ask(settings(url(fine)), "x")

    assert given == Value(3.0, datetime.fromtimestamp(1_700_000_000, UTC))


async def test_nobody_listening_is_an_error() -> None:
    given = await _ask(settings(f"http://127.0.0.1:{free_port()}"), "x")

    assert isinstance(given, Error)
    assert given.reason == "Unreachable"
    assert "cannot be reached" in given.message


class TestTraffic:
    """What goes over the wire, and how much of it."""

    async def test_equal_requests_are_sent_once(self) -> None:
        asked: list[str] = []

        async def handle(request: web.Request) -> web.Response:
            asked.append(str((await request.post())["query"]))
            rows = [
                {"metric": {"app": app, "salus_part": "value"}, "value": [1_700_000_000, "1"]}
                for app in ("a", "b", "c")
            ]
            return web.Response(body=success("vector", rows))

        questions = [question("x", select=("app", app)) for app in ("a", "b", "c")] * 2 + [question("y")]
        async with serving(handle) as server, PrometheusSource(settings(url(server))) as source:
            given = await source.ask(questions)

        assert len(asked) == 2
        assert [type(answer) for answer in given] == [Value] * 6 + [Error]

    async def test_at_most_sixteen_are_in_flight(self) -> None:
        full, one_too_many, busy = asyncio.Event(), asyncio.Event(), 0

        async def handle(_request: web.Request) -> web.Response:
            nonlocal busy
            busy += 1
            if busy == IN_FLIGHT:
                full.set()
            if busy > IN_FLIGHT:
                one_too_many.set()
            await full.wait()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(one_too_many.wait(), 0.05)
            busy -= 1
            return web.Response(body=vector())

        async with serving(handle) as server, PrometheusSource(settings(url(server))) as source:
            parts = ([question(f"x{n}", namespace=f"team-{team}") for n in range(20)] for team in range(5))
            given = await asyncio.gather(*(source.ask(part) for part in parts))

        assert all(isinstance(answer, Value) for part in given for answer in part)
        assert not one_too_many.is_set()

    async def test_answers_keep_the_order_of_the_questions(self, prometheus: PrometheusRig) -> None:
        given = await prometheus.source.ask([question(f"vector({number})") for number in range(40)])

        assert [answer.value for answer in given if isinstance(answer, Value)] == list(range(40))

    async def test_no_questions_no_answers(self, prometheus: PrometheusRig) -> None:
        assert list(await prometheus.source.ask([])) == []


@dataclass
class Stub:
    """A Prometheus that answers at once, but for queries that contain one of the words in `held`, until released."""

    held: Mapping[str, web.Response | None]
    """What becomes of them: this answer, or none at all."""
    asked: list[str] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        query = str((await request.post())["query"])
        self.asked.append(query)
        word = next((word for word in self.held if word in query), None)
        if word is None:
            return web.Response(body=vector())
        if (answer := self.held[word]) is not None:
            return web.Response(status=answer.status, body=answer.body)
        await self.released.wait()
        return web.Response(body=vector())

    def count(self, word: str) -> int:
        return sum(word in query for query in self.asked)


TOO_SLOW = failure("timeout", "query timed out in expression evaluation")
FAT = b" " * (MAX_BODY + 1)


class TestShares:
    """What one namespace asks, and how, costs no other one its answers."""

    async def test_sixteen_queries_that_hang_delay_no_other_namespace(self) -> None:
        stub = Stub({"heavy": None})
        async with (
            serving(stub.handle) as server,
            PrometheusSource(settings(url(server), seconds=60)) as source,
        ):
            heavy = asyncio.create_task(source.ask([question(f"heavy_{n}", namespace="play") for n in range(16)]))
            await eventually(lambda: stub.count("heavy") == IN_FLIGHT // 2)
            given = await source.ask([question(f"x{n}", namespace="shop") for n in range(40)])
            still_held = not heavy.done()
            stub.released.set()
            await heavy

        assert all(isinstance(answer, Value) for answer in given)
        assert still_held

    async def test_nor_where_both_ask_at_once(self) -> None:
        stub = Stub({"heavy": None})
        async with (
            serving(stub.handle) as server,
            PrometheusSource(settings(url(server), seconds=60)) as source,
        ):
            heavy = [question(f"heavy_{n}", namespace="play") for n in range(200)]
            both = asyncio.create_task(source.ask([*heavy, question("lively", namespace="shop")]))
            await eventually(lambda: stub.count("lively") == 1)
            waiting = stub.count("heavy")
            stub.released.set()
            await both

        assert waiting <= IN_FLIGHT // 2

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            pytest.param(web.Response(status=503, body=TOO_SLOW), "Timeout", id="Prometheus gives them up"),
            pytest.param(web.Response(status=504, body=b"<html>"), "HttpError", id="a proxy gives them up"),
            pytest.param(web.Response(body=FAT), "ResponseTooLarge", id="the answers are too large"),
            pytest.param(web.Response(body=b"<html>"), "NotPrometheus", id="the answers are none"),
        ],
    )
    async def test_queries_that_fail_pause_their_own_namespace(self, answer: web.Response, reason: str) -> None:
        stub = Stub({"heavy": answer})
        async with (
            serving(stub.handle) as server,
            PrometheusSource(settings(url(server), seconds=60), clock=lambda: 0.0) as source,
        ):
            heavy = [question(f"heavy_{n}", namespace="play") for n in range(40)]
            first, again = [await source.ask(heavy) for _ in range(2)]
            sent = stub.count("heavy")
            other = [await _reason(source, f"x{n}", namespace="shop") for n in range(3)]

        assert {one.reason for one in (*first, *again) if isinstance(one, Error)} == {reason}
        assert FAILURES <= sent <= FAILURES + IN_FLIGHT // 2
        assert other == ["", "", ""]
        assert isinstance(again[-1], Error)
        assert "in play; it is tried again shortly" in again[-1].message

    async def test_what_was_asked_too_much_of_is_left_for_the_next_time(self) -> None:
        now, asked = 0.0, 0

        async def slow(_request: web.Request) -> web.Response:
            nonlocal now, asked
            now, asked = now + 4.9, asked + 1
            return web.Response(body=vector())

        async with (
            serving(slow) as server,
            PrometheusSource(settings(url(server), seconds=5), clock=lambda: now) as source,
        ):
            given = await source.ask([question(f"x{n}") for n in range(200)])

        assert asked < 20
        assert isinstance(given[0], Value)
        assert isinstance(given[-1], Error)
        assert given[-1].reason == "Timeout"
        assert "was not asked" in given[-1].message

    async def test_looks_into_the_past_are_shared_too(self) -> None:
        held, answered = 0, asyncio.Event()

        async def handle(request: web.Request) -> web.Response:
            nonlocal held
            if "heavy" in str((await request.post()).get("query", request.query.get("query"))):
                held += 1
                await answered.wait()
            return web.Response(body=success("matrix", []))

        async with serving(handle, "/api/v1/query_range") as server:
            history = PrometheusHistory({"main": settings(url(server), seconds=60)})
            heavy = [asyncio.create_task(_past(history, f"heavy_{n}", namespace="play")) for n in range(16)]
            await eventually(lambda: held == 2)
            given = await _past(history, "x", namespace="shop")
            answered.set()
            await asyncio.gather(*heavy)

        assert given == []

    async def test_a_look_into_the_past_that_hangs_pauses_its_namespace(self) -> None:
        asked: list[str] = []

        async def handle(request: web.Request) -> web.Response:
            asked.append(str(request.query.get("query")))
            return web.Response(status=503, body=TOO_SLOW)

        async with serving(handle, "/api/v1/query_range") as server:
            history = PrometheusHistory({"main": settings(url(server), seconds=60)})
            given = [await _past(history, f"heavy_{n}", namespace="play") for n in range(20)]

        assert len(asked) == FAILURES
        assert {past.reason for past in given if isinstance(past, Error)} == {"Timeout"}


class TestTheBreaker:
    """A source that does not even answer a trial is left alone, and taken back when it answers again."""

    @pytest.mark.parametrize("namespaces", [["shop"], ["shop", "bank", "play"]])
    async def test_opens_tries_and_closes(self, namespaces: list[str]) -> None:
        now, healthy, asked = 0.0, False, list[str]()

        async def handle(request: web.Request) -> web.Response:
            asked.append(str((await request.post())["query"]))
            return web.Response(status=200 if healthy else 500, body=vector() if healthy else b"")

        async with (
            serving(handle) as server,
            PrometheusSource(settings(url(server)), clock=lambda: now) as source,
        ):
            turns = itertools.cycle(namespaces)
            reasons = [await _reason(source, "x", namespace=next(turns)) for _ in range(12)]
            assert reasons == ["HttpError"] * 12
            assert (len(asked), asked[-1]) == (6, "vector(1)")
            now = 11.0
            assert [await _reason(source, "x", namespace=next(turns)) for _ in range(2)] == ["HttpError"] * 2
            now, healthy, before = 22.0, True, len(asked)
            given = await source.ask([question(f"x{index}") for index in range(30)])

        assert all(isinstance(answer, Value) for answer in given)
        assert (before, len(asked)) == (7, 38)

    async def test_a_source_that_hangs_is_not_stormed(self) -> None:
        asked: list[str] = []

        async def handle(request: web.Request) -> web.StreamResponse:
            asked.append(str((await request.post())["query"]))
            return await hang(request)

        async with (
            serving(handle) as server,
            PrometheusSource(settings(url(server), seconds=0.2), clock=lambda: 0.0) as source,
        ):
            teams = [[question(f"x{n}", namespace=f"team-{team}") for n in range(50)] for team in range(10)]
            given = await asyncio.gather(*(source.ask(team) for team in teams))
            later = await source.ask(teams[0])

        assert {one.reason for team in (*given, later) for one in team if isinstance(one, Error)} == {"Timeout"}
        assert sum(not isinstance(one, Error) for team in given for one in team) == 0
        assert asked.count("vector(1)") == 1
        assert len(asked) <= 4 * IN_FLIGHT
        assert isinstance(later[0], Error)
        assert "whoever asks; it is tried again shortly" in later[0].message

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            pytest.param(401, b"no org id", id="no tenant is let in without a name"),
            pytest.param(422, failure("execution", "no"), id="Prometheus refuses it"),
            pytest.param(404, b"", id="a path that is not there"),
        ],
    )
    async def test_any_answer_below_500_shows_that_the_source_is_there(self, status: int, body: bytes) -> None:
        async with (
            serving(reply(status, body)) as server,
            PrometheusSource(settings(url(server)), clock=lambda: 0.0) as source,
        ):
            await source.ask([question(f"x{n}", namespace="play") for n in range(40)])
            given = (await source.ask([question("x", namespace="shop")]))[0]

        assert isinstance(given, Error)
        assert "tried again" not in given.message

    async def test_a_bad_query_is_not_the_sources_fault(self, prometheus: PrometheusRig) -> None:
        name = metric_name()
        prometheus.push(name, Pushed(1, {"a": "1"}), Pushed(2, {"a": "2"}))
        for _ in range(6):
            await prometheus.ask(question(f"{name} * on () {name}"))

        assert await _reason(prometheus.source, "vector(1)") == ""


class TestCredentials:
    """Secrets come from files, which may be replaced at any time."""

    async def test_a_bearer_token_is_read_again_when_it_changes(self, tmp_path: Path) -> None:
        token = tmp_path / "token"
        token.write_text("first\n")
        seen: list[str] = []
        async with (
            serving(_remember("Authorization", seen)) as server,
            PrometheusSource(SourceSettings(name="main", url=url(server), bearer_token_file=token)) as source,
        ):
            await source.ask([question("x")])
            replacement = tmp_path / "next"
            replacement.write_text("second\n")
            replacement.rename(token)
            await source.ask([question("x")])

        assert seen == ["Bearer first", "Bearer second"]

    async def test_basic_auth(self, tmp_path: Path) -> None:
        password = tmp_path / "password"
        password.write_text("pässword\n")
        seen: list[str] = []
        async with serving(_remember("Authorization", seen)) as server:
            auth = BasicAuth("salus", password)
            await _ask(SourceSettings(name="main", url=url(server), basic_auth=auth), "x")

        assert base64.b64decode(seen[0].removeprefix("Basic ")).decode() == "salus:pässword"

    async def test_each_namespace_is_a_tenant_of_its_own(self) -> None:
        seen: list[str] = []
        async with (
            serving(_remember("X-Scope-OrgID", seen)) as server,
            PrometheusSource(SourceSettings(name="main", url=url(server), tenant_header="X-Scope-OrgID")) as source,
        ):
            await source.ask([question("x", namespace=namespace) for namespace in ("shop", "bank", "shop")])

        assert sorted(seen) == ["bank", "shop"]

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            pytest.param(None, "cannot read", id="missing"),
            pytest.param(b"", "is empty", id="empty"),
            pytest.param(b"to\nken", "something else than a secret", id="several lines"),
            pytest.param(b"\xff\xfe", "something else than a secret", id="not text"),
        ],
    )
    async def test_an_unusable_file_is_an_error_that_names_it(
        self, tmp_path: Path, content: bytes | None, says: str
    ) -> None:
        token = tmp_path / "token"
        if content is not None:
            token.write_bytes(content)

        given = await _ask(SourceSettings(name="main", url="http://127.0.0.1:1", bearer_token_file=token), "x")

        assert isinstance(given, Error)
        assert given.reason == "CredentialsUnreadable"
        assert says in given.message
        assert str(token) in given.message

    async def test_an_authority_of_our_own_is_trusted_only_when_named(self, tmp_path: Path) -> None:
        pair = Authority.create(tmp_path).issue("server", "prometheus", sans=["127.0.0.1"])
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pair.cert, pair.key)
        app = web.Application()
        app.router.add_post("/api/v1/query", reply(200, vector()))
        server = TestServer(app, scheme="https", host="127.0.0.1")
        await server.start_server(ssl=context)
        try:
            trusting = await _ask(SourceSettings(name="main", url=url(server), ca_file=tmp_path / "ca.crt"), "x")
            wary = await _ask(SourceSettings(name="main", url=url(server)), "x")
        finally:
            await server.close()

        assert isinstance(trusting, Value)
        assert isinstance(wary, Error)
        assert wary.reason == "Unreachable"
        assert "certificate" in wary.message.lower()

    @pytest.mark.parametrize(
        ("address", "says"),
        [
            pytest.param("file:///etc/passwd", "expected a URL", id="another scheme"),
            pytest.param("http://", "expected a URL", id="no host"),
            pytest.param("http://prometheus:port", "Port", id="no port"),
            pytest.param("http://user:secret@prometheus", "no passwords in the URL", id="a password in the URL"),
        ],
    )
    def test_a_url_that_will_not_do_is_refused_without_repeating_it(self, address: str, says: str) -> None:
        with pytest.raises(ValueError, match=says) as refused:
            SourceSettings(name="main", url=address)

        assert "secret" not in str(refused.value)

    def test_a_header_that_would_smuggle_another_is_refused(self) -> None:
        with pytest.raises(ValueError, match="cannot be printed"):
            SourceSettings(name="main", url="http://prometheus", headers={"X-Team": "shop\r\nX-Scope-OrgID: bank"})


PASTED = [
    pytest.param("http://p.example:9090/api/v1/query", "http://p.example:9090", "path of the API", id="the API"),
    pytest.param("http://p.example/prom/api/v1/", "http://p.example/prom", "path of the API", id="its beginning"),
    pytest.param("http://p.example/api/prom/push", "http://p.example/api/prom", "path of the API", id="pushed to"),
    pytest.param("http://p.example/graph", "http://p.example", "path of the API", id="a page"),
    pytest.param("http://p.example/x/graph?g0.expr=up", "http://p.example/x", "path of the API", id="a page's query"),
    pytest.param("http://p.example/-/ready", "http://p.example", "path of the API", id="a probe"),
    pytest.param("http://p.example/x?token=T0PSECRET", "http://p.example/x", "query string", id="a query string"),
    pytest.param("http://p.example/x#alerts", "http://p.example/x", "fragment", id="a fragment"),
    pytest.param("https://p.example:9090?", "https://p.example:9090", "query string", id="an empty query string"),
]
"""URLs as people paste them, what was meant, and what is said."""


class TestPastedUrls:
    """What a browser's address line holds is refused with the right form, before it is asked for what is not there."""

    @pytest.mark.parametrize(("pasted", "meant", "says"), PASTED)
    def test_the_configuration_is_refused_with_the_right_form(self, pasted: str, meant: str, says: str) -> None:
        with pytest.raises(ValidationError) as refused:
            SourceConfig.parse({"url": pasted})

        (problem,) = problems(refused.value, "sources.default")
        assert problem.path == "sources.default.url"
        assert says in problem.message
        assert problem.message.endswith(f": write {meant}")
        SourceConfig.parse({"url": meant})

    @pytest.mark.parametrize(("pasted", "meant", "says"), PASTED)
    async def test_one_in_a_file_is_told_and_never_quoted(
        self, pasted: str, meant: str, says: str, tmp_path: Path
    ) -> None:
        file = tmp_path / "url"
        file.write_text(pasted)

        given = await _ask(SourceSettings(name="main", url_file=file), "x")

        assert isinstance(given, Error)
        assert given.message.startswith(f"source main: {file} holds a URL that cannot be used: the URL of a source is")
        assert says in given.message
        assert meant not in given.message
        assert "T0PSECRET" not in given.message

    @pytest.mark.parametrize(
        "right",
        [
            "http://p.example:9090/",
            "http://p.example/prometheus//",
            "https://mimir.example/prometheus",
            "http://vm.example:8481/select/0/prometheus",
            "https://grafana.example/api/datasources/proxy/1",
            "https://thanos.example/query",
            "http://[fd00::1]:9090",
        ],
    )
    def test_a_base_is_taken_as_it_is(self, right: str) -> None:
        assert SourceConfig.parse({"url": right}).url == right

    def test_a_sink_may_have_a_query_string(self) -> None:
        SinkConfig.parse({"url": "https://events.example/hook?token=x"})


class TestGet:
    """Where a proxy lets no POST pass."""

    @pytest.fixture(params=["an instant", "a range"])
    async def asked(self, request: pytest.FixtureRequest) -> Callable[[str, str], Awaitable[object]]:
        async def instant(url: str, method: str) -> object:
            return await _ask(SourceSettings(name="main", url=url, method=method), "vector(1 + 1)")

        async def ranged(url: str, method: str) -> object:
            source = SourceSettings(name="main", url=url, method=method)
            return await _past(PrometheusHistory({"main": source}), "vector(1 + 1)")

        return instant if request.param == "an instant" else ranged

    async def test_a_real_prometheus_is_asked_by_get(
        self, server: Server, asked: Callable[[str, str], Awaitable[object]]
    ) -> None:
        by_get, by_post = await asked(server.url, "GET"), await asked(server.url, "POST")

        assert isinstance(by_get, Value | list), by_get
        assert type(by_get) is type(by_post)

    @pytest.mark.parametrize("status", [403, 405, 501])
    async def test_a_proxy_that_refuses_post_is_told_with_the_setting(
        self, status: int, asked: Callable[[str, str], Awaitable[object]]
    ) -> None:
        refuse, app = reply(status, b"no"), web.Application()
        app.router.add_route("*", "/{path:.*}", refuse)
        proxy = TestServer(app, host="127.0.0.1")
        await proxy.start_server(shutdown_timeout=0)
        try:
            by_post, by_get = await asked(url(proxy), "POST"), await asked(url(proxy), "GET")
        finally:
            await proxy.close()

        assert isinstance(by_post, Error)
        assert isinstance(by_get, Error)
        assert "set `method: GET` for the source" in by_post.message
        assert "method" not in by_get.message


class TestSources:
    """Several sources behind one port."""

    async def test_each_question_goes_to_its_source(self) -> None:
        now = datetime.now(UTC)
        sources = {name: ScriptedSource(lambda: now) for name in ("eu", "us")}
        sources["eu"].say("x", 1.0)
        sources["us"].say("x", 2.0)

        given = await Sources(sources).ask([Query(name, "x", STALE_AFTER) for name in ("us", "eu", "asia", "us")])

        assert [answer.value if isinstance(answer, Value) else None for answer in given] == [2.0, 1.0, None, 2.0]
        assert given[2] == Error("UnknownSource", 'no source is named "asia"; known: eu, us')
        assert len(sources["us"].questions) == 2


class TestHistory:
    """Range queries, through another library, by the same rules."""

    @pytest.fixture
    def history(self, server: Server) -> PrometheusHistory:
        return PrometheusHistory({"main": settings(server.url)})

    async def test_samples_come_oldest_first_without_gaps_and_odd_numbers(
        self, server: Server, history: PrometheusHistory
    ) -> None:
        name, end = metric_name(), math.floor(time.time())
        values = {0: 4.0, 10: math.nan, 20: math.inf, 30: 1.0}
        server.push([Series(name, {}, tuple((end - age, values[age]) for age in sorted(values, reverse=True)))])

        past = await history.samples(question(name), _moment(end - 60), _moment(end), timedelta(seconds=10))

        assert past == [Sample(_moment(end - 30), 1.0), Sample(_moment(end), 4.0)]

    async def test_more_points_than_a_server_gives_at_once_come_in_pieces(
        self, server: Server, history: PrometheusHistory
    ) -> None:
        """Case 16: 47 hours in steps of 10 s are 16,921 points; Prometheus gives 11,000."""
        name, end = metric_name(), math.floor(time.time())
        begin = end - 47 * 3600
        ages = range(0, 47 * 3600 + 1, 240)
        server.push([Series(name, {"a": "1"}, tuple((end - age, float(age)) for age in reversed(ages)))])

        past = await history.samples(question(name), _moment(begin), _moment(end), timedelta(seconds=10))

        assert not isinstance(past, Error), past
        assert [sample.at for sample in past] == [_moment(at) for at in range(begin, end + 1, 10)]
        assert past[0].value == 47 * 3600
        assert past[-1].value == 0.0

    async def test_series_that_follow_each_other_are_still_several(
        self, server: Server, history: PrometheusHistory
    ) -> None:
        """Each piece holds one of them."""
        name, end = metric_name(), math.floor(time.time())
        for pod, age in (("a", 46 * 3600), ("b", 60)):
            server.push([Series(name, {"pod": pod}, ((end - age, 1.0),))])

        past = await history.samples(question(name), _moment(end - 47 * 3600), _moment(end), timedelta(seconds=10))

        assert isinstance(past, Error)
        assert past.reason == "SeveralSeries"

    @pytest.mark.parametrize("label", ["", "app"], ids=["of one target", "of an answer for all"])
    async def test_when_a_query_was_empty_is_told_as_long_as_anything_was_taken(
        self, server: Server, history: PrometheusHistory, label: str
    ) -> None:
        """Values, of which one is not filtered away; then only what is scraped in the namespace; at last nothing."""
        name, app = metric_name(), metric_name()
        end = math.floor(time.time()) - 1000
        values = {100: 0.0, 90: 3.0, 80: math.nan, 70: 0.0}
        series = [Series(name, {"app": app}, tuple((end - age, value) for age, value in values.items()))]
        scraped = Series("up", {"namespace": app}, ((end + 125, 0.0),))
        others = Series(name, {"app": "other"}, ((end - 100, 5.0), (end - 90, 5.0), (end - 70, 5.0)))
        server.push([*series, scraped, *([others] if label else [])])

        template = promql.where_empty(f"{name} != 0", label)
        asked = question(promql.render(template, namespace=app, target=app))
        past = await history.samples(asked, _moment(end - 120), _moment(end + 600), timedelta(seconds=10))

        assert not isinstance(past, Error), past
        ages = [end - int(sample.at.timestamp()) for sample in past]
        assert 90 not in ages, "a value"
        assert 80 not in ages, "no number is not nothing"
        assert set(ages) == {100, *range(70, -430, -10)}, "as long as Prometheus shows the last sample of anything"

    async def test_nothing_is_no_samples(self, history: PrometheusHistory) -> None:
        assert await _past(history, "never_was") == []

    async def test_a_label_picks_the_targets_series(self, server: Server, history: PrometheusHistory) -> None:
        name, now = metric_name(), time.time()
        server.push([Series(name, {"app": app}, ((now - 30, 1.0),)) for app in ("a", "b")])

        one = await _past(history, name, select=("app", "a"))
        both = await _past(history, name)

        assert not isinstance(one, Error)
        assert {sample.value for sample in one} == {1.0}
        assert isinstance(both, Error)
        assert both.reason == "SeveralSeries"

    async def test_a_query_that_is_refused_says_why(self, history: PrometheusHistory) -> None:
        past = await _past(history, "sum(")

        assert isinstance(past, Error)
        assert past.reason == "QueryFailed"
        assert "parse error" in past.message

    async def test_an_unknown_source_is_named(self, history: PrometheusHistory) -> None:
        elsewhere = Query("elsewhere", "x", STALE_AFTER)
        past = await history.samples(elsewhere, _moment(0), _moment(60), timedelta(seconds=15))

        assert past == Error("UnknownSource", 'no source is named "elsewhere"; known: main')

    @pytest.mark.parametrize(("handler", "reason", "says"), ODD_REPLIES)
    async def test_an_odd_reply_is_an_error_with_its_name(self, handler: Handler, reason: str, says: str) -> None:
        async with serving(handler, "/api/v1/query_range") as odd:
            past = await _past(PrometheusHistory({"main": settings(url(odd), seconds=patience(says))}), "x")

        assert isinstance(past, Error)
        assert past.reason == reason
        assert says in past.message

    async def test_nobody_listening_is_an_error(self) -> None:
        past = await _past(PrometheusHistory({"main": settings(f"http://127.0.0.1:{free_port()}")}), "x")

        assert isinstance(past, Error)
        assert past.reason == "Unreachable"

    async def test_series_of_an_unknown_form_are_an_error(self) -> None:
        async with serving(reply(200, success("matrix", [{"metric": {}}])), "/api/v1/query_range") as odd:
            past = await _past(PrometheusHistory({"main": settings(url(odd))}), "x")

        assert isinstance(past, Error)
        assert past.reason == "NotPrometheus"

    async def test_the_fake_tells_what_it_was_told(self) -> None:
        fake = ScriptedHistory()
        fake.say("x", [Sample(_moment(at), float(at)) for at in (90, 30, 60)])

        past = await fake.samples(question("sum(x)"), _moment(45), _moment(90), timedelta(seconds=15))

        assert past == [Sample(_moment(60), 60.0), Sample(_moment(90), 90.0)]
        assert len(fake.asked) == 1


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


async def _ask(source_settings: SourceSettings, query: str) -> Answer:
    async with PrometheusSource(source_settings) as source:
        return (await source.ask([question(query)]))[0]


async def _reason(source: PrometheusSource, query: str, *, namespace: str = "shop") -> str:
    (given,) = await source.ask([question(query, namespace=namespace)])
    return "" if isinstance(given, Value) else given.reason


async def _past(
    history: PrometheusHistory, query: str, *, select: tuple[str, str] | None = None, namespace: str = "shop"
) -> list[Sample] | Error:
    now, asked = time.time(), question(query, select=select, namespace=namespace)
    past = await history.samples(asked, _moment(now - 60), _moment(now), timedelta(seconds=15))
    return past if isinstance(past, Error) else list(past)


def _remember(header: str, seen: list[str]) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        seen.append(request.headers.get(header, ""))
        return web.Response(body=vector())

    return handle
