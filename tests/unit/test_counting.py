"""How much traffic there must be for a ratio to say anything, where its author does not say it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from salus.core.policy.compile import Catalog, compile_policy
from salus.core.policy.counting import counted
from salus.model.values.policies import CompiledVolume, Policy
from tests.builders import a_policy_body

MINUTE = timedelta(minutes=1)
RECORDED = 'sum(job:requests:rate5m{job="checkout"})'


def compiled(whole: str, bound: Mapping[str, str] | None = None, **check: Any) -> Policy:  # noqa: ANN401 — handed on
    ratio = {"of": "sum(rate(failed[5m]))", "in": whole}
    written = {"name": "it", "ratio": ratio, "unhealthy": bound or {"above": "0.05"}, "window": "5m", **check}
    return compile_policy(a_policy_body(checks=[written]), Catalog({}, ("default",)))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("sum(rate(r[1m]))", ("(\nsum(rate(r[1m]))\n) * 60", MINUTE), id="a rate is so much a second"),
        pytest.param("sum(increase(r[1m])) > 0", ("sum(increase(r[1m])) > 0", MINUTE), id="what is counted already"),
        pytest.param(
            "sum by (app) (rate(a[1m])) + (rate(b[1m]) or rate(c[1m]))",
            ("(\nsum by (app) (rate(a[1m])) + (rate(b[1m]) or rate(c[1m]))\n) * 60", MINUTE),
            id="several of one range",
        ),
        pytest.param(RECORDED, (f"(\n{RECORDED}\n) * 300", 5 * MINUTE), id="a recorded rate, by its name"),
        pytest.param("job:r:sum_rate1h", ("(\njob:r:sum_rate1h\n) * 3600", 60 * MINUTE), id="a recorded sum of rates"),
        pytest.param("v1m:r:rate1m30s", ("(\nv1m:r:rate1m30s\n) * 90", 1.5 * MINUTE), id="by the end of its name"),
        pytest.param("job:r:increase1m", ("job:r:increase1m", MINUTE), id="a recorded increase"),
        pytest.param(
            "job:r:rate1m + sum(rate(r[1m]))",
            ("(\njob:r:rate1m + sum(rate(r[1m]))\n) * 60", MINUTE),
            id="beside others",
        ),
        pytest.param("sum(rate(a[1m])) + sum(rate(b[5m]))", None, id="of different ranges"),
        pytest.param("job:r:rate1m + job:r:rate5m", None, id="recorded with different ranges"),
        pytest.param("job:r:ratio_rate5m", None, id="a recorded share"),
        pytest.param("job:r:burnrate5m", None, id="a recorded burn rate"),
        pytest.param("job:r:rate5m:avg", None, id="what was made of a recorded rate"),
        pytest.param("job:r:rate", None, id="a recorded rate of which nobody knows the range"),
        pytest.param("r_rate5m", None, id="a name that is not for rules"),
        pytest.param("max(job:r:rate5m)", None, id="no sum of them"),
        pytest.param("job:r:rate5m * 2", None, id="and a factor"),
        pytest.param("sum(kube_deployment_spec_replicas)", None, id="no rate at all"),
    ],
)
def test_what_a_query_counts(query: str, expected: tuple[str, timedelta] | None) -> None:
    assert counted(query) == expected


@pytest.mark.parametrize(
    ("bound", "least"),
    [
        pytest.param({"above": "0.05"}, 60, id="three failures in a share of failures"),
        pytest.param({"below": "0.9"}, 30, id="and in a share of successes"),
        pytest.param({"above": "0.07"}, 43, id="rounded up"),
    ],
)
def test_a_ratio_of_recorded_rates_counts_them(bound: Mapping[str, str], least: int) -> None:
    policy = compiled(RECORDED, bound)

    assert policy.checks[0].volume == CompiledVolume(f"(\n{RECORDED}\n) * 300", least, 5 * MINUTE)
    assert policy.warnings == ()


UNCOUNTED = 'sum(slo:requests:persecond{s="checkout"})'
NOT_COUNTED = (
    "no traffic is counted, since a rule makes slo:requests:persecond: one failure of two requests is a half. Say how "
    'much is enough, such as volume: {query: "(…) * 300", atLeast: "60"} of a rate over 5m, or atLeast: "0"'
)
NO_EFFECT = "has no effect without query: nothing tells how to count ratio.in"
COUNT = {"query": f"{UNCOUNTED} * 300", "atLeast": "60"}


@pytest.mark.parametrize(
    ("whole", "bound", "check", "said"),
    [
        pytest.param(UNCOUNTED, {"above": "0.05"}, {}, [NOT_COUNTED], id="a recorded series whose name does not tell"),
        pytest.param(UNCOUNTED, {"above": "0.05"}, {"volume": COUNT}, [], id="unless it is said"),
        pytest.param(UNCOUNTED, {"above": "0.05"}, {"volume": {"atLeast": "0"}}, [], id="or that any will do"),
        pytest.param(UNCOUNTED, {"above": "0.05"}, {"volume": {"atLeast": "9"}}, [NO_EFFECT], id="a bound on nothing"),
        pytest.param("sum(pods)", {"above": "0.05"}, {"volume": {"atLeast": "9"}}, [NO_EFFECT], id="or on pods"),
        pytest.param(UNCOUNTED, {"above": "0"}, {}, [], id="where a single failure is meant"),
        pytest.param("sum(pods)", {"below": "0.75"}, {}, [], id="a share of pods is no matter of traffic"),
        pytest.param("sum(rate(r[5m]))", {"above": "0.05"}, {}, [], id="a rate of its own"),
    ],
)
def test_traffic_that_nobody_counts_is_told(
    whole: str, bound: Mapping[str, str], check: Mapping[str, Any], said: list[str]
) -> None:
    warnings = compiled(whole, bound, **check).warnings

    assert [(problem.path, problem.message) for problem in warnings] == [("spec.checks[0].volume", one) for one in said]


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        pytest.param("sum(increase(r[1h] offset 6d23h30m))", 3600, id="its range, however long ago that was"),
        pytest.param("2 * sum(increase(r[5m]))", 300, id="how far back it looks, where more is done with it"),
        pytest.param("r", 0, id="nobody knows"),
    ],
)
def test_over_which_time_a_volume_is_counted(query: str, seconds: int) -> None:
    (check,) = compiled("whole", volume={"query": query, "atLeast": "3"}).checks

    assert check.volume == CompiledVolume(query, 3, timedelta(seconds=seconds))
