"""Which queries `salus validate` offers a ratio for, and in which words."""

import pytest

from salus.core.policy.compile import Catalog, compile_policy
from salus.core.policy.quotient import as_ratio
from tests.builders import a_policy_body

E, R = "sum(rate(e[5m]))", "sum(rate(r[5m]))"
BY_APP = ("sum by (app) (rate(e[5m]))", "sum by (app) (rate(r[5m]))")
COUNTED = ("sum(increase(e[5m]))", "sum(increase(r[5m]))")
SLASHES = 'sum(rate(h{n="$namespace",code=~"5..",path="/a (b"}[1m]))'


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param(f"{E} / {R}", (E, R), id="errors by requests"),
        pytest.param(f"{E}\n  /\n{R}\n", (E, R), id="over several lines"),
        pytest.param(f"({E} or 0 * {R}) / {R}", (E, R), id="with what makes nothing 0"),
        pytest.param(f"({E} or {R} * 0) / {R}", (E, R), id="the other way round"),
        pytest.param(f"({E} or vector(0)) / ({R} > 0)", (E, f"({R} > 0)"), id="with what makes NaN nothing"),
        pytest.param(
            f"({E} or sum(rate(f[5m]))) / {R}", (f"({E} or sum(rate(f[5m])))", R), id="of errors of two kinds"
        ),
        pytest.param(f"({E} + sum(rate(f[5m]))) / {R}", (f"({E} + sum(rate(f[5m])))", R), id="of a sum"),
        pytest.param(" / ".join(BY_APP), BY_APP, id="of each target"),
        pytest.param(f"{SLASHES} / sum(rate(h[1m]))", (SLASHES, "sum(rate(h[1m]))"), id="slashes in a label"),
        pytest.param(
            "sum(increase(e[5m])) / sum(increase(r[5m]))",
            ("sum(increase(e[5m]))", "sum(increase(r[5m]))"),
            id="counted",
        ),
        pytest.param("sum(job:e:rate5m) / job:r:rate5m", ("sum(job:e:rate5m)", "job:r:rate5m"), id="recorded"),
        pytest.param("job:e:rate5m / job:r:rate1h", None, id="recorded with ranges that differ"),
        pytest.param(f"{E} / sum(rate(r[1m]))", None, id="ranges that differ"),
        pytest.param(f"{BY_APP[0]} / {R}", None, id="labels that differ"),
        pytest.param(f"{E} / on (app) {R}", None, id="matched by labels"),
        pytest.param("sum(down) / sum(pods)", None, id="a share of no traffic"),
        pytest.param(f"1 - {E} / {R}", None, id="part of something else"),
        pytest.param(f"{E} / {R} * 100", None, id="in percent"),
        pytest.param(f"{E} / 300", None, id="by a number"),
        pytest.param(f"{E} # all\n/ {R}", None, id="with a comment"),
        pytest.param(E, None, id="no quotient"),
        pytest.param("sum(", None, id="no PromQL"),
    ],
)
def test_a_quotient_of_rates_is_a_ratio(query: str, expected: tuple[str, str] | None) -> None:
    assert as_ratio(query) == expected
    if expected is not None:
        ratio = {"name": "it", "ratio": dict(zip(("of", "in"), expected, strict=True)), "unhealthy": {"above": "0.05"}}
        (check,) = compile_policy(a_policy_body(checks=[ratio]), Catalog({}, ("default",))).checks
        assert check.volume is not None
