"""`salus lint` with a source and a cluster: what each rule makes of answers, and how much is asked for them."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from salus.cli.lint.asking import MOST_A_POLICY, Asker
from salus.cli.lint.breaches import Course
from salus.cli.lint.registry import RULES
from salus.cli.lint.rule import Around, Heard, Lack, Linted, Read, Window, series_of
from salus.cli.metrics.about import Cost, cost_in
from salus.cli.metrics.ask import IN_FLIGHT, Line, Metrics
from salus.cli.metrics.place import Settings
from salus.cli.metrics.ways import ByUrl
from salus.cli.validate import catalog_of
from salus.core.policy.absence import Absence, Kind
from salus.core.policy.compile import compile_policy
from salus.core.policy.promql import Selection
from salus.core.policy.windows import Rules
from salus.model.meta import AutoscalerKind, WorkloadKind
from salus.model.values.configuration import Sink
from salus.model.values.keys import ScalerKey, TargetKey
from salus.model.values.metrics import Error, NoData, Past, Sample, Value
from salus.model.values.metrics import Rule as RecordedRule
from salus.model.values.objects import Autoscaler
from salus.model.values.permissions import Permissions
from salus.model.values.policies import Policy
from tests.unit.cli.played import PlayedPrometheus, by_url, matrix, vector
from tests.unit.cli.test_lint import MINE, REQUESTS, a_check, a_policy

NOW = datetime(2026, 11, 30, tzinfo=UTC)
TARGET = TargetKey("shop", WorkloadKind.DEPLOYMENT, "checkout")
MINUTE = timedelta(minutes=1)
HOURS = Window(NOW - timedelta(hours=4), NOW, MINUTE)
QUEUE = f"sum(http_queue{{{MINE}}})"
QUERY, RANGE, SERIES, METADATA = (f"/api/v1/{path}" for path in ("query", "query_range", "series", "metadata"))
WELL = 1.0


def policy(*checks: Mapping[str, Any], **spec: Any) -> Policy:  # noqa: ANN401 — fields of a spec
    body = yaml.safe_load(a_policy(*(checks or [a_check(QUEUE)]), **spec))
    return compile_policy(body, catalog_of(None))


def course(values: Sequence[float | None], start: datetime = HOURS.start) -> tuple[Sample, ...]:
    """A sample a minute; None: none."""
    return tuple(Sample(start + index * MINUTE, value) for index, value in enumerate(values) if value is not None)


def minutes(*stretches: tuple[int, float | None]) -> tuple[Sample, ...]:
    return course([value for many, value in stretches for _ in range(many)])


STEADY = course([WELL + index % 7 for index in range(241)])


def heard(answer: Any = None, samples: Sequence[Sample] = STEADY, **more: Any) -> Heard:  # noqa: ANN401
    said = answer if answer is not None else Value(WELL, NOW)
    return Heard(
        index=0,
        target=TARGET,
        query="q",
        answer=said,
        asked_at=NOW,
        window=HOURS,
        samples=samples,
        past=Past(samples),
        **more,
    )


def absent(kind: Kind, **more: Any) -> Lack:  # noqa: ANN401
    found = Absence(kind, "http_queue", 'http_queue{deployment="checkout"}', looked_back=timedelta(days=7), **more)
    return Lack("query", found)


NO_LABEL = absent(
    Kind.NO_LABEL,
    matcher='deployment="checkout"',
    label="deployment",
    within=Selection("http_queue", tuple(series_of(TARGET))).text,
    series=6,
    instead=("namespace", "pod", "code"),
)
EMPTY = NoData("NoSeries", "nothing", empty=True)
TWO_PODS = ({"pod": "a", "job": "x"}, {"pod": "b", "job": "x"})
RATE = a_check(REQUESTS)
TRAFFIC = {"name": "traffic", "preset": "TrafficGone", "variant": "prometheus"}
HTTP = "http_requests_total"


def linted(*heard_: Heard, of: Policy | None = None, **more: Any) -> Linted:  # noqa: ANN401
    return Linted(of or policy(), heard=heard_, **more)


def of_metric(**more: Any) -> Heard:  # noqa: ANN401
    return heard(reads=(Read(HTTP, f"{HTTP}{{}}", **more),))


BRIEF = minutes(*[(33, WELL), (1, 500.0)] * 7)
LONG = minutes((100, WELL), (6, 500.0), (135, WELL))
QUANTILE = f"histogram_quantile(0.99, sum by (le) (rate(latency_bucket{{{MINE}}}[5m])))"


def buckets(*edges: str) -> Heard:
    return heard(reads=(Read("latency_bucket", "latency_bucket{}", series=tuple({"le": one} for one in edges)),))


def in_unit(metric: str, bound: str, usual: float, *, unit: str = "", many: int = 241, **more: Any) -> Linted:  # noqa: ANN401
    """A bound on a metric whose values lie around this one."""
    samples = course([usual * (1 + index % 3 / 10) for index in range(many)])
    reads = (Read(metric, metric, unit=unit),)
    return linted(heard(samples=samples, reads=reads), of=policy(a_check(f"max({metric}{{{MINE}}})", bound, **more)))


ROWS = [
    ("SL210", linted(buckets("0.5", "5", "+Inf"), of=policy(a_check(QUANTILE, "2"))), "a wide bucket", "from 0.5 to 5"),
    (
        "SL210",
        linted(buckets("0.5", "1.0", "+Inf"), of=policy(a_check(QUANTILE, "2"))),
        "a bound beyond all buckets",
        "has no bucket beyond 1",
    ),
    ("SL210", linted(buckets("1.5", "2.4", "+Inf"), of=policy(a_check(QUANTILE, "2"))), "a narrow bucket", ""),
    ("SL210", linted(buckets("0.5", "2", "9"), of=policy(a_check(QUANTILE, "2"))), "a bound at an end", ""),
    ("SL104", linted(of_metric(type="gauge"), of=policy(RATE)), "a rate of a gauge", "is a gauge"),
    ("SL104", linted(of_metric(type="counter"), of=policy(RATE)), "a rate of a counter", ""),
    (
        "SL201",
        linted(heard(EMPTY, lacks=(NO_LABEL,))),
        "a label that no series has, with what to write",
        'is not. 6 series of these pods have namespace, pod, code. Write pod=~"$pods" instead of deployment="$target"',
    ),
    ("SL201", linted(heard(EMPTY, lacks=(absent(Kind.NEVER),))), "a metric that was never there", "was never there in"),
    (
        "SL201",
        linted(heard(lacks=(replace(absent(Kind.NO_VALUE, matcher='code=~"5.."'), is_all=False),))),
        "failures that have not come yet",
        "",
    ),
    (
        "SL201",
        linted(heard(EMPTY, lacks=(absent(Kind.GONE),)), of=policy(a_check(QUEUE, onNoData="Healthy"))),
        "what is gone where that is declared",
        "",
    ),
    ("SL201", linted(heard(EMPTY, lacks=(absent(Kind.NOT_KNOWN, error="away"),))), "what nobody answered", ""),
    (
        "SL202",
        linted(heard(Error("SeveralSeries", "2"), several=TWO_PODS)),
        "series that differ in their pod",
        "2 series where one number is meant; they differ in pod",
    ),
    ("SL202", linted(heard(several=({"pod": "a"},))), "one series", ""),
    (
        "SL204",
        linted(of_metric(scraped_every=2 * MINUTE), of=policy(RATE)),
        "a range of two scrapes",
        "rate over 5m of a metric scraped every 2m has two samples; one late scrape makes it Unknown. Take 8m or more",
    ),
    ("SL204", linted(of_metric(scraped_every=MINUTE), of=policy(RATE)), "a range of five scrapes", ""),
    (
        "SL204",
        linted(heard(), of=policy(RATE), kept=MINUTE),
        "a range that is not kept",
        "looks back 5m, and the source",
    ),
    (
        "SL204",
        linted(heard(), of=policy(TRAFFIC), kept=timedelta(days=7)),
        "a week that is not kept, though the answer falls within minutes",
        "looks back 7d30m, and the source keeps 7d",
    ),
    ("SL204", linted(heard(), of=policy(TRAFFIC), kept=timedelta(days=8)), "a week that is kept", ""),
    (
        "SL205",
        linted(of_metric(series=({"cluster": "eu"}, {"cluster": "us"}))),
        "two clusters",
        "has series of 2 clusters (cluster: eu, us)",
    ),
    (
        "SL205",
        linted(of_metric(series=({"pod": "a", "replica": "0"}, {"pod": "a", "replica": "1"}))),
        "an HA pair",
        "once for each replica",
    ),
    ("SL205", linted(of_metric(series=TWO_PODS)), "two pods of one cluster", ""),
    (
        "SL203",
        in_unit("latency_seconds", "500", 0.2),
        "milliseconds against seconds",
        "500 against a metric in seconds",
    ),
    ("SL203", in_unit("latency_seconds", "0.5", 0.2), "a bound in the unit of the metric", ""),
    ("SL203", in_unit("latency_seconds", "600", 0.001), "a bound that is far in either unit", ""),
    ("SL203", in_unit("latency_milliseconds", "0.5", 200), "seconds against milliseconds", "that is 500"),
    ("SL203", in_unit("heap_bytes", "512", 4e8), "Mi against bytes", "if Mi was meant, that is 536870912"),
    ("SL203", in_unit("errors_ratio", "5", 0.01), "percent against a share", "if percent was meant, that is 0.05"),
    ("SL203", in_unit("disk_used_percent", "0.9", 40), "a share against percent", "that is 90"),
    ("SL203", in_unit("heap", "512", 4e8, unit="bytes"), "Mi against bytes by metadata", "against a metric in bytes"),
    ("SL203", in_unit("heap", "512", 4e8), "a metric of no known unit", ""),
    (
        "SL203",
        linted(heard(samples=minutes((200, 0.004), (41, 2.0))), of=policy(a_check(f"max(t_seconds{{{MINE}}})", "5"))),
        "a bound to which values come near",
        "",
    ),
    (
        "SL203",
        in_unit("free_bytes", "100", 4e8, unhealthy={"below": "100"}),
        "Mi below which bytes shall not fall",
        "if Mi was meant, that is 104857600",
    ),
    ("SL203", in_unit("latency_seconds", "500", 0.2, many=10), "values too few to tell", ""),
    ("SL206", linted(heard(samples=minutes((240, 3.0)))), "a value that never moved", "was 3 all through 4h"),
    ("SL206", linted(heard()), "a value that moves", ""),
    ("SL211", linted(heard(Error("QueryFailed", "too many samples"))), "a query that is refused", "too many samples"),
    ("SL211", linted(heard(Error("Timeout", "no answer"))), "a source that is slow", ""),
    (
        "SL301",
        linted(heard(samples=BRIEF), of=policy(a_check(QUEUE, **{"for": "0s"}), interval="1m")),
        "short breaches, and what leaves fewer",
        "7 breaches in 4h, 7 of them over within 1m. for: 1m leaves 0; above 500 leaves 0",
    ),
    (
        "SL301",
        linted(heard(samples=LONG)),
        "a breach that lasted",
        "1 breach in 4h, 1 of them for 2m and more, which it would have acted upon. for: 10m leaves 0; above 500",
    ),
    ("SL301", linted(heard(samples=minutes((120, WELL), (2, 500.0), (119, WELL)))), "what is over within for", ""),
    (
        "SL302",
        linted(heard(Value(500, NOW))),
        "a value beyond its bound",
        "is 500 now, above 400: it would act at once",
    ),
    ("SL302", linted(heard(samples=minutes((200, WELL), (41, 500.0)))), "what is often beyond it", "for 17% of 4h"),
    ("SL302", linted(heard(Value(1, NOW))), "a value within", ""),
    (
        "SL303",
        linted(heard(samples=minutes((100, WELL), (20, None), (121, WELL)))),
        "a gap",
        "Unknown for 9% of 4h: 2026-11-29T21:39:00Z for 21m",
    ),
    ("SL303", linted(heard()), "no gap", ""),
    (
        "SL303",
        linted(
            heard(samples=minutes((100, WELL), (20, None), (121, WELL))), of=policy(a_check(QUEUE, onNoData="Healthy"))
        ),
        "a gap whose meaning is declared",
        "",
    ),
]
NO_PATCH = Permissions("NotPermitted", "service account shop/salus-remediator may not patch deployments.apps checkout")
OPERATOR = replace(catalog_of(None), sources=("default",), sinks={})
ROWS += [
    ("SL404", linted(permissions=NO_PATCH), "an account that may not act", "may not patch deployments.apps checkout"),
    ("SL404", linted(permissions=Permissions()), "an account that may act", ""),
    ("SL404", linted(), "an account of which nobody may ask", ""),
    (
        "SL404",
        linted(of=policy(source="eu"), operator=OPERATOR),
        "a source that the operator does not know",
        'unknown source "eu"; known: default',
    ),
    ("SL404", linted(of=policy(sinks=["pager"]), operator=OPERATOR), "a sink that it does not know", '"pager"'),
    (
        "SL404",
        linted(
            of=policy(sinks=["pager"]),
            operator=replace(OPERATOR, sinks={"pager": Sink(namespaces=frozenset({"cart"}))}),
        ),
        "a sink of other namespaces",
        'sink "pager" takes no records of namespace shop',
    ),
    ("SL404", linted(operator=OPERATOR), "a source that it knows", ""),
]
FIRING = {"name": "paging", "alert": {"name": "HighErrorRate"}}
RATIO_RULE = RecordedRule("job:errors", "rate(errors_total[10m])")
NAMED = "job:errors:rate10m"
OWN_FOR = RecordedRule("HighErrorRate", "errors > 1", alert=True, lasts=5 * MINUTE)


def by_rules(check: Mapping[str, Any], *rules: RecordedRule, query: str = "q", **more: Any) -> Linted:  # noqa: ANN401
    return linted(replace(heard(**more), query=query), of=policy(check), rules=Rules(rules))


ROWS += [
    (
        "SL207",
        by_rules(a_check("job:errors"), RATIO_RULE, query="job:errors"),
        "a recorded series",
        "job:errors is recorded by a rule, so that its window and its lag are hidden: it looks 10m back, from rate(err",
    ),
    (
        "SL207",
        by_rules(
            a_check("job:errors:rate10m"), replace(RATIO_RULE, name="job:errors:rate10m"), query="job:errors:rate10m"
        ),
        "one whose name tells its window",
        "",
    ),
    ("SL207", linted(replace(heard(), query="job:errors"), of=policy(a_check("job:errors"))), "rules nobody knows", ""),
    (
        "SL208",
        by_rules(FIRING, replace(OWN_FOR, name="HighErrorRates")),
        "an alert that no rule makes, with one like it",
        "no rule of this source makes an alert HighErrorRate, so that it never fires; like it: HighErrorRates",
    ),
    (
        "SL208",
        by_rules({**FIRING, "for": "2m"}, OWN_FOR),
        "two waits, one upon the other",
        "HighErrorRate itself waits 5m, and for: 2m comes on top",
    ),
    ("SL208", by_rules({**FIRING, "for": "0s"}, OWN_FOR), "its own wait alone", ""),
    (
        "SL208",
        by_rules(FIRING, OWN_FOR, answer=NoData("Infinite", "inf")),
        "an alert that fires without its namespace",
        "HighErrorRate fires without the label namespace",
    ),
    (
        "SL209",
        linted(heard(cost=Cost(120_000, 0.4)), around=(Around(TARGET), Around(TARGET))),
        "very many samples",
        "reads 120,000 samples in 0.4s; every 15s for 2 targets that is 16,000 samples a second",
    ),
    ("SL209", linted(heard(cost=Cost(10, 1.5))), "a slow one", "reads 10 samples in 1.5s"),
    ("SL209", linted(heard(cost=Cost(10, 0.1))), "a cheap one", ""),
]
ROLLBACK = {"remedies": [{"name": "undo", "rollback": {}}]}
SCALE = {"remedies": [{"name": "grow", "scale": {"by": "1", "max": 3}}]}
HPA = Autoscaler(ScalerKey(AutoscalerKind.HPA, "checkout"), 1, 3)
ARGO = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "namespace": "shop",
        "name": "checkout",
        "annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/checkout"},
    },
    "spec": {},
}
AROUND: list[tuple[str, Around, dict[str, Any], str, str]] = [
    ("SL403", Around(TARGET, is_there=False), {}, "a target that is not there", "there is no Deployment/checkout"),
    ("SL403", Around(TARGET), ROLLBACK, "a target that could not be read", ""),
    ("SL403", Around(TARGET, autoscalers=(HPA,)), SCALE, "an autoscaler beside a scaling", "HorizontalPodAutoscaler"),
    ("SL403", Around(TARGET, autoscalers=(HPA,)), ROLLBACK, "an autoscaler beside a rollback", ""),
    ("SL403", Around(TARGET, budgets=("strict",)), {}, "a budget that lets no pod go", "PodDisruptionBudget strict"),
    ("SL403", Around(TARGET, body=ARGO), ROLLBACK, "a template in Git", "Git holds spec.template"),
    ("SL403", Around(TARGET, body=ARGO), {**ROLLBACK, "gitOps": "Ignore"}, "a policy that ignores Git", ""),
    ("SL405", Around(TARGET, rivals=("other",)), {}, "another policy", "is also the target of other"),
    ("SL405", Around(TARGET), {}, "a policy alone", ""),
]


def said(code: str, known: Linted) -> str:
    rule = next(rule for rule in RULES if rule.code == code)
    return "\n".join(problem.message for problem in rule.finds(known))


@pytest.mark.parametrize(
    ("code", "known", "expected"),
    [
        pytest.param(code, known, expected, id=f"{code} {'finds' if expected else 'leaves'} {says}")
        for code, known, says, expected in ROWS
    ]
    + [
        pytest.param(
            code,
            linted(of=policy(**spec), around=(around,)),
            expected,
            id=f"{code} {'finds' if expected else 'leaves'} {says}",
        )
        for code, around, spec, says, expected in AROUND
    ],
)
def test_what_a_rule_makes_of_answers(code: str, known: Linted, expected: str) -> None:
    found = said(code, known)

    assert expected in found
    assert bool(found) is bool(expected)


def test_every_live_rule_is_tried_both_ways() -> None:
    tried = {(code, bool(expected)) for code, *_, expected in [*ROWS, *AROUND]}

    assert {(rule.code, bad) for rule in RULES if not rule.is_offline for bad in (True, False)} <= tried


def test_breaches_are_counted_by_the_steps_of_the_operator() -> None:
    check = policy(a_check(QUEUE, healthy={"below": "100"}, **{"for": "2m"})).checks[0]
    samples = minutes((5, WELL), (1, 500.0), (5, WELL), (4, 500.0), (3, 200.0), (4, 500.0), (5, WELL))
    told = Course(check, samples, MINUTE)

    assert told.times() == 1, "hysteresis holds the two long ones together"
    assert told.times(hold=timedelta(0)) == 2


# --- what is asked


@pytest.fixture
def prometheus() -> PlayedPrometheus:
    return PlayedPrometheus()


@pytest.fixture
async def asker(prometheus: PlayedPrometheus) -> AsyncIterator[Asker]:
    async with by_url(prometheus) as url:
        settings = Settings(name=url, url=url, timeout=timedelta(seconds=10))
        way = ByUrl(settings)
        yield Asker(Metrics(settings, Line(way), "shop"), NOW, timedelta(days=7))
        await way.close()


STATS = {"timings": {"evalTotalTime": 0.25}, "samples": {"totalQueryableSamples": 60_001}}


@pytest.mark.parametrize(
    ("stats", "expected"),
    [
        pytest.param(STATS, Cost(60_001, 0.25), id="Prometheus"),
        pytest.param(None, None, id="a server that does not say"),
        pytest.param({"timings": {"evalTotalTime": 0.25}}, None, id="no samples"),
        pytest.param({**STATS, "samples": {"totalQueryableSamples": "many"}}, None, id="another one's idea of it"),
    ],
)
def test_what_a_query_costs(stats: object, expected: Cost | None) -> None:
    assert cost_in(stats) == expected


async def test_what_the_source_says_of_rules_and_costs_is_heard(asker: Asker, prometheus: PlayedPrometheus) -> None:
    prometheus.say(QUERY, {**vector({}), "stats": STATS})
    rule = {"type": "alerting", "name": "HighErrorRate", "query": "errors > 1", "duration": 300}
    prometheus.say("/api/v1/rules", {"groups": [{"rules": [rule]}]})

    told = await asker.about(linted(of=policy()), [TARGET])

    assert told.linted.heard[0].cost == Cost(60_001, 0.25)
    assert await asker.metrics.rules() == (OWN_FOR,)


async def test_the_unit_of_the_metadata_is_heard(asker: Asker, prometheus: PlayedPrometheus) -> None:
    prometheus.say(METADATA, {"http_queue": [{"type": "gauge", "unit": "bytes", "help": ""}]}, "")

    told = await asker.about(linted(of=policy()), [TARGET])

    assert [read.unit for read in told.linted.heard[0].reads] == ["bytes"]


async def test_a_label_that_is_not_there_is_found(asker: Asker, prometheus: PlayedPrometheus) -> None:
    series = {"__name__": "http_queue", "namespace": "shop", "pod": "checkout-7d9f8c6b5-x2x4z"}
    prometheus.say(
        QUERY, lambda asked: vector({}, value=6) if "deployment" not in asked["query"] else vector(), "count("
    )
    prometheus.say(SERIES, [series])
    wrong = policy(a_check('sum(http_queue{namespace="$namespace",deployment="$target"})'))

    told = await asker.about(Linted(wrong), [TARGET])

    assert 'label "deployment" is not' in said("SL201", told.linted)
    assert told.away == ""


async def test_the_past_of_a_check_takes_one_request(asker: Asker, prometheus: PlayedPrometheus) -> None:
    """The other one asks when there were series last, since there are none now."""
    prometheus.say(RANGE, matrix({}, {(NOW - timedelta(hours=1)).timestamp(): 500}))

    told = await asker.about(Linted(policy()), [TARGET])

    assert [asked["query"].startswith("count(") for path, asked in prometheus.asked if path == RANGE] == [False, True]
    assert told.linted.heard[0].samples == [Sample(NOW - timedelta(hours=1), 500)]


async def test_a_policy_takes_no_more_requests_than_it_may(asker: Asker, prometheus: PlayedPrometheus) -> None:
    checks = [a_check(f"sum(metric_{index}{{{MINE}}})", name=f"check-{index}") for index in range(16)]

    told = await asker.about(Linted(policy(*checks)), [TARGET])

    assert len(prometheus.asked) == MOST_A_POLICY
    assert "since 60 were" in told.unasked
    assert prometheus.most_at_once <= IN_FLIGHT
    assert asker.metrics.line.requests == MOST_A_POLICY


async def test_a_source_that_is_away_makes_nothing_missing(asker: Asker, prometheus: PlayedPrometheus) -> None:
    prometheus.say(QUERY, 503)
    prometheus.say(RANGE, 503)
    prometheus.say(SERIES, 503)

    told = await asker.about(Linted(policy()), [TARGET])

    assert told.away
    assert [rule.code for rule in RULES if not rule.is_offline and said(rule.code, told.linted)] == []


# --- the command


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "policy.yaml").write_text(a_policy(a_check(QUEUE), RATE | {"name": "rate"}), encoding="utf-8")
    (tmp_path / "second.yaml").write_text(a_policy(a_check(QUEUE)), encoding="utf-8")
    return str(tmp_path)


async def run(file: str, url: str, folder: Path) -> dict[str, Any]:
    """In a process of its own, as a person runs it, where no kubeconfig leads to any cluster."""
    ended = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "salus",
        "lint",
        "-f",
        file,
        "--prometheus",
        url,
        "-o",
        "json",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "KUBECONFIG": str(folder / "none"), "HOME": str(folder)},
    )
    shown, _ = await ended.communicate()
    return {**orjson.loads(shown), "exit": ended.returncode}


async def test_the_command_tells_what_the_source_has_told(
    prometheus: PlayedPrometheus, file: str, tmp_path: Path
) -> None:
    prometheus.say("/api/v1/status/buildinfo", {"version": "3.7.0", "revision": "x", "branch": "x"})
    prometheus.say(METADATA, {HTTP: [{"type": "gauge", "unit": "", "help": ""}]}, "")

    async with by_url(prometheus) as url:
        report = await run(file, url, tmp_path)

    assert report["prometheus"]["server"] == "Prometheus 3.7"
    found = {(one["code"], one["check"]) for each in report["files"] for one in each["findings"]}
    assert ("SL104", "rate") in found
    assert ("SL201", "check") in found
    assert report["exit"] == 1
    assert "SL403, SL404, SL405" in report["unasked"][0]


async def test_a_source_that_goes_away_midway_leaves_a_partial_report(
    prometheus: PlayedPrometheus, file: str, tmp_path: Path
) -> None:
    def gone(_: Mapping[str, str]) -> int:
        prometheus.say(QUERY, 502)
        return 502

    prometheus.say(RANGE, gone)

    async with by_url(prometheus) as url:
        report = await run(file, url, tmp_path)

    assert report["exit"] == 2
    assert "502" in report["partial"]
    assert [one for each in report["files"] for one in each["findings"] if one["code"] == "SL201"] == []
