"""What unit the answer of a query has: that of its metric, as long as the query keeps it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.cli.lint.units import unit_of

SECONDS, MILLISECONDS, BYTES, SHARE, PERCENT = "seconds", "milliseconds", "bytes", "a share of 1", "percent"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("max(latency_seconds)", SECONDS, id="the name says it"),
        pytest.param("latency_ms", MILLISECONDS, id="an abbreviation says it"),
        pytest.param("alarms", None, id="a word that ends like one says nothing"),
        pytest.param("max_over_time(heap_bytes[5m])", BYTES, id="what is taken over time keeps it"),
        pytest.param("max_over_time(sum(heap_bytes)[5m:1m])", BYTES, id="and over a subquery"),
        pytest.param("quantile(0.9, heap_bytes)", BYTES, id="and a quantile of series"),
        pytest.param("histogram_quantile(0.9, sum by (le) (rate(t_seconds_bucket[5m])))", SECONDS, id="and of buckets"),
        pytest.param("sum(rate(t_seconds_sum[5m])) / sum(rate(t_seconds_count[5m]))", SECONDS, id="a mean has it"),
        pytest.param("sum(rate(t_seconds_sum[5m])) / sum(rate(u_seconds_count[5m]))", None, id="another quotient not"),
        pytest.param("rate(cpu_seconds_total[5m])", None, id="a rate of seconds is none"),
        pytest.param("rate(net_bytes_total[5m])", None, id="a rate of bytes is none"),
        pytest.param("t_seconds_count", None, id="a number of observations has none"),
        pytest.param("count(latency_seconds)", None, id="a number of series has none"),
        pytest.param("1000 * latency_seconds", MILLISECONDS, id="a thousand times seconds"),
        pytest.param("latency_ms / 1000", SECONDS, id="a thousandth of milliseconds"),
        pytest.param("errors_ratio * 100", PERCENT, id="a hundred times a share"),
        pytest.param("used_percent / 100", SHARE, id="a hundredth of percent"),
        pytest.param("latency_seconds / 60", None, id="minutes"),
        pytest.param("heap_bytes / 1048576", None, id="what nobody has a name for"),
        pytest.param("heap_bytes / limit_bytes", None, id="a quotient of bytes has none"),
        pytest.param("heap_bytes - cache_bytes", BYTES, id="a difference has it"),
        pytest.param("heap_bytes - cache_ratio", None, id="a difference of two kinds has none"),
        pytest.param("heap_bytes > 5 or 0 * up", BYTES, id="a filter and what stands in for it leave it"),
        pytest.param("time() - start_seconds", None, id="an age is not told from a moment"),
        pytest.param("max(heap", None, id="what cannot be read"),
    ],
)
def test_a_unit_goes_as_far_as_the_query_keeps_it(query: str, expected: str | None) -> None:
    assert unit_of(query, {}) == expected


def test_metadata_says_it_where_the_name_does_not() -> None:
    assert unit_of("max(heap)", {"heap": "bytes"}) == BYTES
    assert unit_of("t_count", {"t_count": "seconds"}) is None, "metadata speaks of the whole histogram"
    assert unit_of("max(heap_ms)", {"heap_ms": "bytes"}) == MILLISECONDS


@given(st.sampled_from([SECONDS, MILLISECONDS, BYTES, "ratio", PERCENT]), st.integers(1, 3))
def test_there_and_back_is_the_same(unit: str, times: int) -> None:
    """A factor and its inverse leave a unit as it was, or nothing."""
    there = "* 1000 / 1000 " * times

    assert unit_of(f"x_{unit} {there}", {}) in {unit_of(f"x_{unit}", {}), None}
