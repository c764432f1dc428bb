"""From a written policy to one that can be asked; what is wrong is told with its path, all of it at once."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from salus.core.policy.compile import Catalog, SpecError, compile_policy
from salus.core.policy.promql import bound_to, problems_in, render, selectors
from salus.core.policy.signals import Asked, Signal, Variant
from salus.core.policy.windows import Rules
from salus.model.meta import WorkloadKind
from salus.model.policy import Threshold, Verdict
from salus.model.values.configuration import Binding, Sink
from salus.model.values.keys import PolicyKey
from salus.model.values.metrics import NoData, Rule
from salus.model.values.policies import CompiledCheck
from salus.presets import load_presets
from tests.builders import a_policy_body
from tests.presets import QUESTIONS, Question

LOOPING = Signal(
    name="PodsCrashLooping",
    variants={"any": Variant({WorkloadKind.DEPLOYMENT: Asked('sum(looping{deployment="$target"})')})},
    unhealthy=Threshold.parse({"above": "0"}),
    hold=timedelta(minutes=2),
    on_no_data=Verdict.HEALTHY,
)
CATALOG = Catalog(signals={"PodsCrashLooping": LOOPING}, sources=("default", "prod"))


def compiled(check: Mapping[str, Any], **spec: Any) -> CompiledCheck:  # noqa: ANN401 — handed on
    (only,) = compile_policy(a_policy_body(checks=[{"name": "it", **check}], **spec), CATALOG).checks
    return only


def problems(*checks: Mapping[str, Any], **spec: Any) -> list[tuple[str, str]]:  # noqa: ANN401 — handed on
    written = {"checks": [{"name": f"check-{n}", **check} for n, check in enumerate(checks)]} if checks else {}
    with pytest.raises(SpecError) as error:
        compile_policy(a_policy_body(**{**written, **spec}), CATALOG)
    return [(problem.path, problem.message) for problem in error.value.problems]


QUERY = {"query": "sum(rate(errors[5m]))", "unhealthy": {"above": "0.05"}}
RATIO = {"ratio": {"of": "sum(rate(e[5m]))", "in": "sum(rate(r[5m]))"}, "unhealthy": {"above": "0.05"}}
PRESET = {"preset": "PodsCrashLooping"}
ALERT = {"alert": {"name": "CheckoutDown"}}


def test_identity_is_taken_over() -> None:
    policy = compile_policy(a_policy_body(generation=3), CATALOG)

    assert (policy.key, policy.uid, policy.generation) == (PolicyKey("shop", "checkout-health"), "uid-of-policy", 3)
    assert [check.name for check in policy.checks] == ["error-ratio"]


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        pytest.param(QUERY, {"template": "sum(rate(errors[5m]))"}, id="the query as it was written"),
        pytest.param(QUERY, {"window": timedelta(minutes=5)}, id="its widest window"),
        pytest.param({**QUERY, "window": "1h"}, {"window": timedelta(hours=1)}, id="the window that its author says"),
        pytest.param(
            {**QUERY, "query": "x / x offset 1d", "window": "5m"},
            {"window": timedelta(minutes=5)},
            id="though it be shorter than the query looks",
        ),
        pytest.param(
            {**QUERY, "query": 'max(slo:sli_error:ratio_rate1h{sloth_service="$target"})'},
            {"window": timedelta(hours=1), "hidden": ()},
            id="the window in the name of a recorded series",
        ),
        pytest.param(
            {**QUERY, "query": "max_over_time(slo:burn:ratio[2m])", "for": "5m"},
            {"window": timedelta(minutes=5), "hidden": ("slo:burn:ratio",)},
            id="its `for`, where nobody knows the window",
        ),
        pytest.param(
            {**ALERT, "for": "5m"},
            {"window": timedelta(minutes=5), "hidden": ("ALERTS",)},
            id="that of an alert is never in its text",
        ),
        pytest.param(
            {**ALERT, "window": "10m"}, {"window": timedelta(minutes=10), "hidden": ()}, id="unless it is said"
        ),
        pytest.param(
            {**RATIO, "ratio": {"of": "rate(e[1m])", "in": "rate(r[10m])"}},
            {"window": timedelta(minutes=10)},
            id="the wider window of a ratio's parts",
        ),
        pytest.param(QUERY, {"hold": timedelta(0)}, id="no `for` is none"),
        pytest.param({**QUERY, "for": "1m30s"}, {"hold": timedelta(seconds=90)}, id="its `for`"),
        pytest.param(QUERY, {"healthy": None}, id="no hysteresis by default"),
        pytest.param(
            {**QUERY, "healthy": {"below": "0.02"}},
            {"healthy": Threshold.parse({"below": "0.02"})},
            id="its hysteresis",
        ),
        pytest.param(QUERY, {"on_no_data": Verdict.UNKNOWN}, id="no data is Unknown by default"),
        pytest.param({**QUERY, "onNoData": "Healthy"}, {"on_no_data": Verdict.HEALTHY}, id="no data as it declares"),
        pytest.param({**QUERY, "targetLabel": "app"}, {"target_label": "app"}, id="the label that names the workload"),
        pytest.param(PRESET, {"template": 'sum(looping{deployment="$target"})'}, id="the preset's query"),
        pytest.param(PRESET, {"unhealthy": LOOPING.unhealthy}, id="the preset's bound"),
        pytest.param(
            {**PRESET, "unhealthy": {"above": "3"}},
            {"unhealthy": Threshold.parse({"above": "3"})},
            id="its own instead",
        ),
        pytest.param(PRESET, {"hold": timedelta(minutes=2)}, id="the preset's `for`"),
        pytest.param({**PRESET, "for": "0s"}, {"hold": timedelta(0)}, id="its own instead, though it is zero"),
        pytest.param(PRESET, {"on_no_data": Verdict.HEALTHY}, id="no data as the preset declares"),
        pytest.param({**PRESET, "onNoData": "Unknown"}, {"on_no_data": Verdict.UNKNOWN}, id="its own instead again"),
        pytest.param(ALERT, {"unhealthy": Threshold.parse({"above": "0"})}, id="an alert is unhealthy once it fires"),
        pytest.param({**ALERT, "for": "5m"}, {"hold": timedelta(minutes=5)}, id="an alert with a `for` of its own"),
    ],
)
def test_a_compiled_check(check: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    found = compiled(check)

    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("alert", "query"),
    [
        pytest.param(
            {"name": "CheckoutDown"},
            'count(ALERTS{alertname="CheckoutDown",alertstate="firing",namespace="shop"}) '
            'or Inf * count(ALERTS{alertname="CheckoutDown",alertstate="firing",namespace=~"shop|"}) or vector(0)',
            id="by its name",
        ),
        pytest.param(
            {"name": "Down", "matchLabels": {"app": "$target"}},
            'count(ALERTS{alertname="Down",alertstate="firing",namespace="shop",app="checkout.eu"}) or Inf * count('
            'ALERTS{alertname="Down",alertstate="firing",namespace=~"shop|",app=~"checkout\\\\.eu|"}) or vector(0)',
            id="and by its labels",
        ),
        pytest.param(
            {"name": "Down", "matchLabels": {"namespace": "", "app": "a.b+$target$", "zone": ""}},
            'count(ALERTS{alertname="Down",alertstate="firing",namespace="",app="a.b+checkout.eu$",zone=""}) '
            'or Inf * count(ALERTS{alertname="Down",alertstate="firing",namespace="",'
            'app=~"a\\\\.b\\\\+checkout\\\\.eu\\\\$|",zone=""}) or vector(0)',
            id="a label that it has not is asked for in both, and what is special to a regex is escaped",
        ),
        pytest.param(
            {"name": "Down", "matchLabels": {"pod": "$pods"}},
            'count(ALERTS{alertname="Down",alertstate="firing",namespace="shop",pod=~"checkout-[0-9]+"}) or Inf * '
            'count(ALERTS{alertname="Down",alertstate="firing",namespace=~"shop|",pod=~"(?:checkout-[0-9]+)|"}) '
            "or vector(0)",
            id="and by the names of its pods",
        ),
        pytest.param(
            {"name": "Down", "matchLabels": {"namespace": ""}},
            'count(ALERTS{alertname="Down",alertstate="firing",namespace=""}) or vector(0)',
            id="an alert without a namespace, which no label can be missing of",
        ),
        pytest.param(
            {"name": 'a"} or vector(1) #'},
            'count(ALERTS{alertname="a\\"} or vector(1) #",alertstate="firing",namespace="shop"}) or Inf * '
            'count(ALERTS{alertname="a\\"} or vector(1) #",alertstate="firing",namespace=~"shop|"}) or vector(0)',
            id="a name is a string, whatever it holds",
        ),
    ],
)
def test_an_alert_as_a_query(alert: Mapping[str, Any], query: str) -> None:
    template = compiled({"alert": alert}).template

    assert problems_in(template) is None
    assert render(template, namespace="shop", target="checkout.eu", pods="checkout-[0-9]+") == query


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        pytest.param({}, "CheckoutDown fires without the label namespace: say in alert.matchLabels", id="one label"),
        pytest.param({"app": "a"}, "CheckoutDown fires without one of the labels namespace, app: say", id="several"),
        pytest.param({"namespace": "", "app": "a"}, "fires without the label app: say", id="none that it has not"),
    ],
)
def test_an_alert_that_lacks_a_label_is_told_by_its_name(labels: Mapping[str, str], said: str) -> None:
    found = compiled({"alert": {"name": "CheckoutDown", "matchLabels": labels}}).infinite

    assert found is not None
    assert found.reason == "AlertWithoutLabel"
    assert said in found.message


OF_A_CLUSTER = Catalog({}, ("default",), bound={"default": Binding(labels={"cluster": "eu.1"})})


@pytest.mark.parametrize(
    ("labels", "query", "said"),
    [
        pytest.param(
            {},
            'count(ALERTS{alertname="Down",alertstate="firing",namespace="shop",cluster="eu.1"}) or Inf * count('
            'ALERTS{alertname="Down",alertstate="firing",namespace=~"shop|",cluster=~"eu\\\\.1|"}) or vector(0)',
            "Down fires without one of the labels namespace, cluster: say in alert.matchLabels which labels it has, "
            "and an empty text for one that it has not; have the alert's rule keep cluster, which this source is "
            "always asked for",
            id="it may be the label of the source that is missing",
        ),
        pytest.param(
            {"namespace": ""},
            'count(ALERTS{alertname="Down",alertstate="firing",namespace="",cluster="eu.1"}) or Inf * count('
            'ALERTS{alertname="Down",alertstate="firing",namespace="",cluster=~"eu\\\\.1|"}) or vector(0)',
            "Down fires without the label cluster: have the alert's rule keep cluster, which this source is always "
            "asked for",
            id="and nothing else",
        ),
        pytest.param(
            {"cluster": "eu.1", "namespace": ""},
            'count(ALERTS{alertname="Down",alertstate="firing",namespace="",cluster="eu.1"}) or Inf * count('
            'ALERTS{alertname="Down",alertstate="firing",namespace="",cluster=~"eu\\\\.1|"}) or vector(0)',
            "Down fires without the label cluster: have the alert's rule keep cluster, which this source is always "
            "asked for",
            id="though the policy names it too",
        ),
    ],
)
def test_an_alert_of_a_source_of_several_clusters(labels: Mapping[str, str], query: str, said: str) -> None:
    """Its rule may sum that label away; what is sent has it all the same, in every selector."""
    body = a_policy_body(checks=[{"name": "it", "alert": {"name": "Down", "matchLabels": labels}}])
    (check,) = compile_policy(body, OF_A_CLUSTER).checks
    asked = render(check.template, "shop", "checkout")

    assert asked == query
    assert check.infinite is not None
    assert check.infinite.message == said
    meant, similar = selectors(bound_to(asked, {"cluster": "eu.1"}, or_missing=("cluster",)))
    assert 'cluster="eu.1"' in meant.text
    assert 'cluster="eu.1"' not in similar.text


def test_an_alert_of_another_name_is_asked_for_by_no_label_of_the_source() -> None:
    odd = Catalog({}, ("default",), bound={"default": Binding(labels={"alertname": "Other"})})

    with pytest.raises(SpecError, match=r'asks for alertname="Down", and every query is sent with alertname="Other"'):
        compile_policy(a_policy_body(checks=[{"name": "it", "alert": {"name": "Down"}}]), odd)


def test_an_alert_of_no_namespace_stays_out_of_reach_of_a_source_that_binds() -> None:
    alert = {"name": "it", "alert": {"name": "CheckoutDown"}}
    without = {"name": "it", "alert": {"name": "CheckoutDown", "matchLabels": {"namespace": ""}}}
    compile_policy(a_policy_body(checks=[without], source="default"), BOUND)
    (check,) = compile_policy(a_policy_body(checks=[alert], source="shared"), BOUND).checks
    sent = bound_to(render(check.template, "shop", "checkout"), {"namespace": "shop"})

    assert all(matchers.count('namespace="shop"') for matchers in re.findall(r"ALERTS\{[^}]*\}", sent))
    with pytest.raises(
        SpecError, match=r"spec.checks\[0\].alert.matchLabels: source \"shared\": .* may read shop only"
    ):
        compile_policy(a_policy_body(checks=[without], source="shared"), BOUND)


@pytest.mark.parametrize(
    ("checks", "spec", "expected"),
    [
        pytest.param(
            [{"preset": "Nope"}],
            {},
            [("spec.checks[0].preset", 'unknown preset "Nope"; known: PodsCrashLooping')],
            id="an unknown preset answers with the menu",
        ),
        pytest.param(
            [PRESET],
            {"target": {"kind": "DaemonSet", "name": "agent"}},
            [("spec.checks[0].preset", "PodsCrashLooping does not speak of a DaemonSet")],
            id="a preset for other kinds",
        ),
        pytest.param(
            [QUERY],
            {"source": "nope"},
            [("spec.source", 'unknown source "nope"; known: default, prod')],
            id="an unknown source answers with the menu",
        ),
        pytest.param(
            [QUERY, {**QUERY, "query": "errors[5m]"}],
            {},
            [("spec.checks[1].query", "answers with a range vector, and a check needs a number")],
            id="a query of the wrong type",
        ),
        pytest.param(
            [{**QUERY, "query": 'errors{app="$app"}'}],
            {},
            [("spec.checks[0].query", "unknown placeholder $app; known: $namespace, $target and $pods")],
            id="an unknown placeholder",
        ),
        pytest.param(
            [{"preset": "Nope"}, QUERY, {**QUERY, "query": '"text"'}],
            {"source": "nope"},
            [
                ("spec.source", 'unknown source "nope"; known: default, prod'),
                ("spec.checks[0].preset", 'unknown preset "Nope"; known: PodsCrashLooping'),
                ("spec.checks[2].query", "answers with a string, and a check needs a number"),
            ],
            id="every problem at once, in the order of the file",
        ),
    ],
)
def test_a_policy_that_cannot_be_used(
    checks: list[Mapping[str, Any]], spec: Mapping[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert problems(*checks, **spec) == expected


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        pytest.param({"checks": []}, "spec.checks", id="no checks"),
        pytest.param({"checks": [{"name": f"c-{n}", **QUERY} for n in range(17)]}, "spec.checks", id="a 17th check"),
        pytest.param({"checks": [{"name": "same", **QUERY}] * 2}, "spec.checks[1]", id="one name twice among checks"),
        pytest.param(
            {"remedies": [{"name": "same", "restart": {}}] * 2}, "spec.remedies[1]", id="one name twice among remedies"
        ),
        pytest.param({"interval": "1s"}, "spec.interval", id="too short an interval"),
        pytest.param({"nope": 1}, "spec.nope", id="an unknown field"),
        pytest.param({"gitOps": "Sometimes"}, "spec.gitOps", id="an unknown choice"),
        pytest.param({"service_account_name": "x"}, "spec.service_account_name", id="a name as Python writes it"),
        pytest.param({"target": None}, "spec.target", id="no target"),
    ],
)
def test_what_the_schema_refuses_is_told_with_its_path(spec: Mapping[str, Any], path: str) -> None:
    assert [found for found, _ in problems(**spec)] == [path]


def test_bad_promql_is_told_in_the_parser_s_words() -> None:
    ((path, message),) = problems({**QUERY, "query": "sum("})

    assert path == "spec.checks[0].query"
    assert message.startswith("cannot be read as PromQL: ")


def test_a_catalog_without_anything_says_so() -> None:
    with pytest.raises(SpecError, match='unknown source "default"; known: none'):
        compile_policy(a_policy_body(), Catalog({}, ()))


def test_a_policy_without_a_spec_is_no_crash() -> None:
    with pytest.raises(SpecError):
        compile_policy({"metadata": {"name": "a", "namespace": "b"}}, CATALOG)


def test_the_error_reads_as_one_line() -> None:
    with pytest.raises(SpecError) as error:
        compile_policy(a_policy_body(source="nope", checks=[{"name": "a", "preset": "Nope"}]), CATALOG)

    assert str(error.value) == (
        'spec.source: unknown source "nope"; known: default, prod; '
        'spec.checks[0].preset: unknown preset "Nope"; known: PodsCrashLooping'
    )


@pytest.mark.parametrize(
    ("check", "warned"),
    [
        pytest.param(QUERY, [], id="nothing, as a rule"),
        pytest.param(PRESET, [], id="nor of presets"),
        pytest.param({**ALERT, "window": "5m"}, [], id="nor of an alert whose window is said"),
        pytest.param(
            {**QUERY, "query": "up == 0", "unhealthy": {"above": "0"}},
            [
                (
                    "spec.checks[0].query",
                    (
                        "gives nothing while its condition does not hold, which is Unknown, not Healthy: "
                        'write up == bool 0 with unhealthy: {above: "0"}, or say in onNoData what nothing means'
                    ),
                )
            ],
            id="what is empty while all is well",
        ),
        pytest.param({**QUERY, "query": "up == 0", "onNoData": "Healthy"}, [], id="unless it is declared"),
        pytest.param({**QUERY, "query": "up == 0", "onNoData": "Unknown"}, [], id="in whatever way"),
        pytest.param(
            {**QUERY, "query": "a:b + a:b / c:d", "for": "5m"},
            [
                (
                    "spec.checks[0].window",
                    (
                        "how far back a:b, c:d looks is not known, since a rule makes it: say it here, or samples "
                        "count 5m after an action, by for"
                    ),
                )
            ],
            id="windows that nobody knows",
        ),
    ],
)
def test_what_its_author_may_not_have_meant(check: Mapping[str, Any], warned: list[tuple[str, str]]) -> None:
    """Cases 07 and 28."""
    policy = compile_policy(a_policy_body(checks=[{"name": "it", **check}]), CATALOG)

    assert [(problem.path, problem.message) for problem in policy.warnings] == warned


BOUND = Catalog(load_presets(), ("default", "shared"), bound={"shared": Binding(namespace=True)})
"""Of two sources, one binds every query to its policy's namespace."""


def test_a_source_that_binds_refuses_other_namespaces_with_the_path() -> None:
    mine, theirs = (
        {"name": name, "query": f'x{{namespace="{namespace}"}}', "unhealthy": {"above": "1"}}
        for name, namespace in (("mine", "$namespace"), ("theirs", "bank"))
    )
    compile_policy(a_policy_body(checks=[mine, theirs], source="default"), BOUND)
    compile_policy(a_policy_body(checks=[mine], source="shared"), BOUND)

    with pytest.raises(SpecError) as error:
        compile_policy(a_policy_body(checks=[mine, theirs], source="shared"), BOUND)

    assert [(problem.path, problem.message) for problem in error.value.problems] == [
        (
            "spec.checks[1].query",
            'source "shared": x{namespace="bank"} reads namespace "bank"; this policy may read shop only',
        )
    ]


TOGETHER = Catalog(load_presets(), ("default",), bound={"default": Binding(labels={"cluster": "eu-1"})})
"""One source holds several clusters; this one is eu-1 (case 08)."""


def test_a_policy_that_asks_for_another_cluster_or_none_is_refused_whichever_way_it_asks() -> None:
    checks = [
        {"name": "query", "query": 'x{cluster="us-1"}', "unhealthy": {"above": "1"}},
        {"name": "alert", "alert": {"name": "Down", "matchLabels": {"cluster": "us-1"}}},
        {"name": "none", "alert": {"name": "Down", "matchLabels": {"cluster": ""}}},
        {"name": "mine", "query": 'x{cluster="eu-1"}', "unhealthy": {"above": "1"}},
        {"name": "preset", "preset": "PodsCrashLooping"},
    ]

    with pytest.raises(SpecError) as error:
        compile_policy(a_policy_body(checks=checks), TOGETHER)

    assert [problem.path for problem in error.value.problems] == [
        "spec.checks[0].query",
        "spec.checks[1].alert.matchLabels",
        "spec.checks[2].alert.matchLabels",
    ]
    assert all("leave that matcher out" in problem.message for problem in error.value.problems)


SINKS = Catalog({}, ("default",), sinks={"audit": Sink(), "bank": Sink(namespaces=frozenset({"bank"}))})


@pytest.mark.parametrize(
    ("sinks", "problems"),
    [
        pytest.param(["audit"], [], id="one that is configured"),
        pytest.param(
            ["audit", "adit"],
            [("spec.sinks[1]", 'unknown sink "adit"; known: audit, bank')],
            id="an unknown sink answers with the menu",
        ),
        pytest.param(
            ["bank"],
            [("spec.sinks[0]", 'sink "bank" takes no records of namespace shop')],
            id="one that is for other namespaces",
        ),
    ],
)
def test_a_policy_names_sinks_of_the_configuration(sinks: list[str], problems: list[tuple[str, str]]) -> None:
    try:
        compile_policy(a_policy_body(sinks=sinks), SINKS)
        found = []
    except SpecError as error:
        found = [(problem.path, problem.message) for problem in error.problems]

    assert found == problems


def test_where_nobody_told_which_sinks_there_are_any_will_do() -> None:
    compile_policy(a_policy_body(sinks=["whatever"]), Catalog({}, ("default",)))


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_preset_can_be_bound(question: Question) -> None:
    for template in question.check().templates:
        sent = bound_to(render(template, "shop", "checkout", "checkout-0"), {"namespace": "shop", "cluster": "eu-1"})

        assert selectors(sent)
        assert all('namespace="shop",cluster="eu-1"' in selector.text for selector in selectors(sent))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        pytest.param("x @ -1", "@ - is no moment", id="a moment that made the parser panic"),
        pytest.param("rate(x[1000000000d])", "at most 366d", id="a range that no timedelta holds"),
        pytest.param("up{" + 'a=~"\\\\w{200}",' * 60 + "}", "60 regular expressions, at most 32", id="a gigabyte"),
        pytest.param("-" * 4_000 + "x", "4000 operators, signs and ranges, at most 100", id="another gigabyte"),
    ],
)
def test_a_query_beyond_the_bounds_names_its_check_and_the_number(query: str, said: str) -> None:
    ((path, message),) = problems(QUERY, {**QUERY, "query": query})

    assert path == "spec.checks[1].query"
    assert said in message


def test_labels_of_an_alert_are_within_the_bounds_too() -> None:
    """Nobody else looks at them: each may be as long as the schema lets it."""
    labels = {f"label_{index}": "$target" * 36 for index in range(16)}
    ((path, message),) = problems({"alert": {"name": "A", "matchLabels": labels}})

    assert path == "spec.checks[0].alert"
    assert "characters long with the longest names" in message


@pytest.mark.parametrize(
    ("of", "whole", "expected"),
    [
        pytest.param("sum(", "sum(r)", ("spec.checks[0].ratio.of", "cannot be read as PromQL"), id="of is no PromQL"),
        pytest.param("sum(e)", "sum(r", ("spec.checks[0].ratio.in", "cannot be read as PromQL"), id="in is no PromQL"),
        pytest.param("sum(e)", "r[5m]", ("spec.checks[0].ratio.in", "range vector"), id="in is no number"),
        pytest.param(
            "sum(e)", "$target", ("spec.checks[0].ratio.in", "outside quotes"), id="a placeholder that is none"
        ),
        pytest.param("1", "sum(r)", ("spec.checks[0].ratio", "cannot be divided"), id="of is a scalar"),
        pytest.param("e) or (f", "sum(r)", ("spec.checks[0].ratio.of", "cannot be read"), id="half of something else"),
    ],
)
def test_what_is_wrong_with_a_part_of_a_ratio_is_told_there(of: str, whole: str, expected: tuple[str, str]) -> None:
    ((path, message),) = problems({"ratio": {"of": of, "in": whole}, "unhealthy": {"above": "0.05"}})

    assert path == expected[0]
    assert expected[1] in message


def test_a_comment_in_a_part_of_a_ratio_ends_with_its_line() -> None:
    commented = {**RATIO, "ratio": {"of": "sum(e) # failures", "in": "sum(r) # all"}}

    assert problems_in(compiled(commented).template) is None


SUCCESSES = {"ratio": {"of": "sum(ok)", "in": "sum(r)"}}


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        pytest.param({"above": "0.05"}, None, id="an empty part is good news"),
        pytest.param(
            {"below": "0.95"},
            "ratio.of has no series, though ratio.in has (is it mistyped?): where unhealthy is below, a part without "
            "series is no data, and never 0, which would be acted upon; better ask for failures, with "
            'unhealthy: {above: "0.05"}',
            id="an empty part would be a breach",
        ),
        pytest.param(
            {"below": "40"},
            "ratio.of has no series, though ratio.in has (is it mistyped?): where unhealthy is below, a part without "
            "series is no data, and never 0, which would be acted upon; better ask for failures, with unhealthy.above",
            id="of what is no share",
        ),
    ],
)
def test_a_ratio_without_its_part(bound: Mapping[str, str], expected: str | None) -> None:
    found = compiled({**SUCCESSES, "unhealthy": bound}).infinite

    assert found == (NoData("PartWithoutSeries", expected) if expected else None)


@pytest.mark.parametrize(
    ("timeout", "written", "expected"),
    [
        pytest.param("5m", {}, (timedelta(minutes=1), ("shop:x",)), id="too wide, so for is waited for"),
        pytest.param("3h", {}, (timedelta(hours=2), ()), id="no wider than the policy waits anyway"),
        pytest.param("5m", {"window": "720h"}, (timedelta(days=30), ()), id="what its author says"),
    ],
)
def test_what_a_rule_tells_is_believed_up_to_a_bound(
    timeout: str, written: Mapping[str, Any], expected: tuple[timedelta, tuple[str, ...]]
) -> None:
    check = {"name": "x", "query": "shop:x", "unhealthy": {"above": "1"}, "for": "1m", **written}
    told = {"default": Rules((Rule("shop:x", "rate(e[2h])"),))}

    policy = compile_policy(
        a_policy_body(checks=[check], verify={"timeout": timeout}), Catalog({}, ("default",), rules=told)
    )

    assert (policy.checks[0].window, policy.checks[0].hidden) == expected
