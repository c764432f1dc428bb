"""Whose series a preset believes: the exporter's that the administrator named, where one was named."""

import re
from collections.abc import Mapping

import pytest

from salus.core.policy import promql
from salus.core.policy.compile import Catalog, compile_policy
from salus.core.policy.exporters import PREFIXES, Exporter, Trusted, tied
from salus.presets import load_presets
from salus.settings import MOST_OF_AN_EXPORTER
from tests.builders import a_policy_body
from tests.presets import questions

KSM: Trusted = {Exporter.KUBE_STATE_METRICS: {"job": 'kube-"state"-metrics', "cluster": "eu"}}
MATCHERS = r'cluster="eu",job="kube-\"state\"-metrics"'
QUERIES = [
    pytest.param(one.check().template, id=str(one)) for one in questions() if one.variant == "kube-state-metrics"
]


def selectors(query: str) -> list[str]:
    return [selector.text for selector in promql.selectors(promql.render(query, "shop", "api", "api-0"))]


def bare(query: str) -> str:
    """Without blanks."""
    return re.sub(r"\s", "", query)


@pytest.mark.parametrize("query", QUERIES)
def test_each_metric_of_a_preset_is_of_one_exporter_at_most(query: str) -> None:
    for selector in selectors(query):
        assert sum(selector.startswith(prefix) for prefix in PREFIXES.values()) <= 1


@pytest.mark.parametrize("query", QUERIES)
def test_each_selector_of_a_trusted_exporter_asks_for_its_labels_and_nothing_else_changes(query: str) -> None:
    bound = tied(query, KSM)

    assert promql.problems_in(bound) is None
    assert all(f"{{{MATCHERS}," in selector for selector in selectors(bound))
    assert [selector.replace(f"{MATCHERS},", "", 1) for selector in selectors(bound)] == selectors(query)
    assert bare(bound).replace(f"{MATCHERS},", "") == bare(query)


@pytest.mark.parametrize("query", QUERIES)
def test_with_the_longest_labels_that_may_be_configured_a_preset_is_within_the_bounds_of_a_query(query: str) -> None:
    labels = {f"{letter}{'x' * 31}": '"' * 32 for letter in "abcd"}
    assert sum(len(name) + 2 * len(value) for name, value in labels.items()) == MOST_OF_AN_EXPORTER

    assert promql.problems_in(tied(query, {Exporter.KUBE_STATE_METRICS: labels})) is None


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize(
    "trusted", [pytest.param({}, id="nobody"), pytest.param({Exporter.CADVISOR: {"job": "kubelet"}}, id="another")]
)
def test_the_metrics_of_others_stay_as_they_are(query: str, trusted: Trusted) -> None:
    assert tied(query, trusted) == query


CHECKS: Mapping[str, Mapping[str, object]] = {
    "a preset": {"preset": "Unavailable"},
    "a query": {"query": 'kube_deployment_spec_replicas{deployment="$target"}', "unhealthy": {"above": "1"}},
    "an alert": {"alert": {"name": "CheckoutDown"}},
}


@pytest.mark.parametrize(
    ("what", "source", "is_tied"),
    [
        pytest.param("a preset", "default", True, id="a preset, of a source whose exporter is named"),
        pytest.param("a preset", "other", False, id="a preset, of another source"),
        pytest.param("a query", "default", False, id="a query is its author's"),
        pytest.param("an alert", "default", False, id="an alert is of no exporter"),
    ],
)
def test_what_is_compiled(what: str, source: str, is_tied: bool) -> None:
    catalog = Catalog(load_presets(), ("default", "other"), exporters={"default": KSM})

    policy = compile_policy(a_policy_body(source=source, checks=[{"name": "c", **CHECKS[what]}]), catalog)

    assert (MATCHERS in policy.checks[0].template) == is_tied
