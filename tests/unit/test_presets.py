"""The signal library is complete, sound and readable; what its queries answer is a contract test with a real server."""

import re

import pytest

from salus.core.policy import promql
from salus.core.policy.compile import Catalog, compile_policy
from salus.model.meta import WorkloadKind
from salus.model.policy import Verdict
from salus.presets import Preset, load_presets

_INIT_CONTAINERS = "kube_pod_init_container_status_waiting_reason"  # absent where no pod has one
PRESETS = [pytest.param(preset, id=name) for name, preset in load_presets().items()]
QUERIES = [
    pytest.param(query, id=f"{name}, {kind}")
    for name, preset in load_presets().items()
    for kind, query in preset.queries.items()
]


def test_the_library_holds_the_promised_presets() -> None:
    promised = {"ImagePullFailing", "PodsCrashLooping", "ReplicasMissing", "RolloutStuck", "Unavailable"}

    assert set(load_presets()) == promised


@pytest.mark.parametrize("query", QUERIES)
def test_each_query_is_sound(query: str) -> None:
    assert promql.problems_in(query) is None


@pytest.mark.parametrize("query", QUERIES)
def test_each_selector_stays_in_the_policys_namespace(query: str) -> None:
    for selector in promql.selectors(promql.render(query, namespace="shop", target="api")):
        assert 'namespace="shop"' in selector.text


@pytest.mark.parametrize("query", QUERIES)
def test_each_query_reaches_back_less_than_verification_waits(query: str) -> None:
    assert promql.window(query).total_seconds() <= 120


@pytest.mark.parametrize("preset", PRESETS)
def test_what_it_needs_is_what_it_reads(preset: Preset) -> None:
    read = {
        re.split(r"\W", selector.text, maxsplit=1)[0]
        for query in preset.queries.values()
        for selector in promql.selectors(query)
    }

    assert read - {_INIT_CONTAINERS} == set(preset.needs)


@pytest.mark.parametrize("preset", PRESETS)
def test_missing_data_is_never_declared_to_mean_something(preset: Preset) -> None:
    assert preset.on_no_data is Verdict.UNKNOWN


@pytest.mark.parametrize("preset", PRESETS)
def test_a_deployment_can_use_it_by_name(preset: Preset) -> None:
    body = {
        "metadata": {"namespace": "shop", "name": "api"},
        "spec": {
            "target": {"kind": WorkloadKind.DEPLOYMENT, "name": "api"},
            "checks": [{"name": "signal", "preset": preset.name}],
            "remedies": [{"name": "restart", "restart": {}}],
        },
    }
    (check,) = compile_policy(body, Catalog(load_presets(), {"default"})).checks

    assert (check.unhealthy, check.hold) == (preset.unhealthy, preset.hold)
    assert preset.summary
    assert preset.docs
