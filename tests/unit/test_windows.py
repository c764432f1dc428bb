"""How far back an answer looks, where the query does not say it."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.core.policy.windows import Window, in_name, window

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("job:http_errors:rate5m", 5 * MINUTE, id="a rate"),
        pytest.param("code:apiserver_request_total:increase1d", timedelta(days=1), id="an increase"),
        pytest.param("slo:sli_error:ratio_rate1h30m", 90 * MINUTE, id="a span of two parts"),
        pytest.param("apiserver_request:burnrate5m", 5 * MINUTE, id="a burn rate"),
        pytest.param("job:latency:p99_10m", 10 * MINUTE, id="beside another number"),
        pytest.param("job:rate5m:avg1h", HOUR + 5 * MINUTE, id="one around the other"),
        pytest.param("job:rate5m:sum", 5 * MINUTE, id="not at the end"),
        pytest.param("http_errors_ratio_1h", HOUR, id="no colon, at the end"),
        pytest.param("http_errors_rate5m", 5 * MINUTE, id="no colon, after a word that has spans"),
        pytest.param("job:http_errors:ratio", None, id="no span"),
        pytest.param("job:http_5xx:ratio", None, id="a class of codes"),
        pytest.param("job:latency:p99", None, id="a quantile"),
        pytest.param("istio:v1m2x:ratio", None, id="a part of a word"),
        pytest.param("node_load5", None, id="a number of minutes that does not say so"),
        pytest.param("http_requests_total", None, id="a plain counter"),
        pytest.param("requests_1m_total", None, id="no colon, in the middle"),
    ],
)
def test_what_a_name_tells(name: str, expected: timedelta | None) -> None:
    assert in_name(name) == expected


@given(st.from_regex(r"[a-z_:][a-z0-9_:]{0,80}", fullmatch=True))
def test_no_name_is_too_odd(name: str) -> None:
    found = in_name(name)

    assert found is None or timedelta(0) < found <= timedelta(days=366)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("sum(rate(x[5m]))", Window(5 * MINUTE), id="a query that says it"),
        pytest.param("x", Window(0 * MINUTE), id="one that looks at the moment"),
        pytest.param("job:x:rate5m", Window(5 * MINUTE), id="a recorded series"),
        pytest.param("max_over_time(job:x:rate5m[1h])", Window(HOUR + 5 * MINUTE), id="a range around it"),
        pytest.param("job:x:rate5m / rate(y[1h] offset 1h)", Window(2 * HOUR), id="the widest counts"),
        pytest.param("job:x:ratio + job:x:ratio", Window(0 * MINUTE, ("job:x:ratio",)), id="hidden ones, once each"),
        pytest.param("count(ALERTS) + rate(x[5m])", Window(5 * MINUTE, ("ALERTS",)), id="an alert hides its own"),
        pytest.param("told:x + rate(x[1m])", Window(HOUR), id="one that somebody told"),
        pytest.param("rate(plain[1m])", Window(HOUR + MINUTE), id="so one that does not look like a rule"),
        pytest.param("longer:rate5m", Window(HOUR), id="what is told, rather than what the name says"),
    ],
)
def test_a_window(query: str, expected: Window) -> None:
    assert window(query, {"told:x": HOUR, "plain": HOUR, "longer:rate5m": HOUR}) == expected
