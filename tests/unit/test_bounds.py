"""No query takes much of anything: what is too large is refused with its number, and what is left is harmless."""

import json
import subprocess
import sys
from contextlib import suppress
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.core.policy import bounds, promql
from salus.core.policy.remembered import Remembered
from tests.unit import worst_queries

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("query", "said"),
    [
        pytest.param("x" * 65_537, "65537 characters long, at most 65536", id="length"),
        pytest.param("(" * 33 + "x" + ")" * 33, "brackets nested 33 deep, at most 32", id="depth"),
        pytest.param("+".join("x" * 102), "101 operators, signs and ranges, at most 100", id="operators"),
        pytest.param("-" * 101 + "x", "101 operators, signs and ranges, at most 100", id="signs"),
        pytest.param("x" + " AND x" * 101, "101 operators, signs and ranges, at most 100", id="words that join"),
        pytest.param(
            "x" + "[5m:]" * 101, "101 operators, signs and ranges, at most 100", id="subqueries of subqueries"
        ),
        pytest.param(
            "x{" + 'a=~"b",' * 60 + "}", "60 regular expressions, at most 32", id="the number of regular expressions"
        ),
        pytest.param('x{a!~"\\\\w{200}"}', "regular expressions of size 25600, at most 8192", id="a repeated class"),
        pytest.param("x{a=~`((a{100}){100}){100}`}", "of size 1020000", id="nested repetitions multiply"),
        pytest.param("x{a=~`(\\w[(]){100}`}", "at most 8192", id="a bracket in a class hides no group"),
        pytest.param("x{a=~`[]\\w]{100}`}", "at most 8192", id="nor does a bracket that begins a class"),
        pytest.param("x{a=~`\\w{ 0000200 }`}", "size 25600", id="spaces and zeros hide no number"),
        pytest.param('x{a=~"\\x5cw{200}"}', "size 25600", id="an escape hides no class"),
        pytest.param("x{a=~'\\134\\u0077{200}'}", "size 25600", id="nor do other escapes"),
        pytest.param("x{a=~ # to\n `\\w{200}`}", "size 25600", id="a comment hides no regular expression"),
        pytest.param("x # \r{a=~`\\w{200}`}", "size 25600", id="nor does one that a carriage return ends"),
        pytest.param("x{a=~`(?x) \\w # {\n{ 200 }`}", "the flag x", id="a flag that would hide them"),
        pytest.param("x @ -1", "@ - is no moment", id="before 1970"),
        pytest.param("x @ # when?\n - 0x1", "@ - is no moment", id="a sign after a comment"),
        pytest.param("x @ 1e30", "@ 1e30 is no moment", id="after the end of all clocks"),
        pytest.param("x @ Inf", "@ Inf is no moment", id="never"),
        pytest.param("rate(x[1000000000d])", "range or offset of 1000000000d, at most 366d", id="a range"),
        pytest.param("x OFFSET -999999999d", "range or offset of 999999999d, at most 366d", id="an offset"),
        pytest.param("x offset 1e30", "range or offset of 1e30", id="an offset in seconds"),
        pytest.param("x offset inf", "range or offset of inf", id="no offset"),
        pytest.param("max_over_time(x[5m:1000y])", "range or offset of 1000y", id="a step"),
        pytest.param("x[" + "9" * 5_000 + "d]", "range or offset of 99999999999999999999…", id="more digits than fit"),
    ],
)
def test_what_is_too_large_is_refused_with_its_number(query: str, said: str) -> None:
    assert said in (bounds.exceeded(query) or "")


@pytest.mark.parametrize(
    "query",
    [
        pytest.param('rate(x{pod=~"$target-[a-z0-9]+-[a-z0-9]{5}"}[5m])', id="pods of a Deployment"),
        pytest.param("x{id=~`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`}", id="a UUID"),
        pytest.param("x{id=~`\\w{8}-\\w{4}-\\w{4}-\\w{4}-\\w{12}`}", id="a UUID by a class of Unicode"),
        pytest.param("x{instance=~`\\d+\\.\\d+\\.\\d+\\.\\d+:\\d{2,5}`}", id="an address"),
        pytest.param("x{path=~`" + "|".join(f"/api/v1/route{i}" for i in range(180)) + "`}", id="many paths"),
        pytest.param("+".join(["x"] * 100), id="a sum of a hundred terms"),
        pytest.param("(" * 32 + "x" + ")" * 32, id="parentheses, thirty-two deep"),
        pytest.param("x{a=`((a{100}){100}){100}`}", id="a value that is no regular expression"),
        pytest.param('x # "\\w{999}" )))) @ -1', id="anything in a comment"),
        pytest.param("rate(x[1y]) - x offset 52w @ 1700000000", id="a year"),
        pytest.param("time() - x > 1000d", id="a long duration that nobody looks back over"),
        pytest.param("sum by (offset) (x{inf='1'}) @ start()", id="names that are keywords elsewhere"),
    ],
)
def test_what_people_write_is_within_the_bounds(query: str) -> None:
    assert bounds.exceeded(query) is None


@given(st.text(alphabet=st.sampled_from("x{}()[]\"'`#\\=~!,+-@:.0123456789ed wd\r\n$|*?é"), max_size=200))
def test_counting_never_fails_and_what_is_read_raises_nothing_but_value_error(query: str) -> None:
    bounds.exceeded(query)
    promql.problems_in(query)
    for read in (promql.window, promql.selectors, promql.with_sample_times, promql.where_empty):
        with suppress(ValueError):
            read(query)


@given(
    st.recursive(
        st.sampled_from(["a", ".", r"\w", r"\d", r"\.", "[a-z]", r"[^\w]", "[[:alpha:]]", r"[]\d]", "[(]", r"\)"]),
        lambda inner: st.one_of(
            st.tuples(inner, st.integers(0, 9)).map(lambda part: f"(?:{part[0]}){{{part[1]}}}"),
            st.tuples(inner, inner).map("".join),
            inner.map(lambda part: f"({part})+"),
        ),
        max_leaves=12,
    )
)
def test_a_regular_expression_counts_at_least_what_it_is_when_it_is_written_out(regex: str) -> None:
    """Repetitions are never counted too low, whatever brackets stand between: unrolled once, it is no larger."""
    doubled = f"(?:{regex}){{2}}"

    assert bounds.regex_size(doubled) >= 2 * bounds.regex_size(regex)


def test_the_worst_within_the_bounds_is_harmless() -> None:
    """In a child that would die of memory, or of processor time, of which no other process takes any."""
    worst = ["regex \\w{64}", "matchers under all levels", "arguments under all operators"]
    policies = [
        *((worst_queries.BY_HAND[name], 16) for name in worst),
        *((query, 2) for query in (*worst_queries.BY_HAND.values(), *worst_queries.mixtures(12))),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.worst_queries", str(64 * MIB), "4"],
        input=json.dumps(policies),
        capture_output=True,
        text=True,
        check=False,
    )
    *became, growth = done.stdout.splitlines()

    assert done.returncode == 0, (done.stderr[-500:], policies[len(became)])
    assert became == ["used"] * len(policies)
    assert int(growth) <= 64 * MIB


def test_what_is_remembered_is_bounded_by_bytes() -> None:
    for index in range(600):
        promql.problems_in(f"x{index} # {'x' * 16_000}")
        promql.with_sample_times(f"x{index} # {'x' * 32_000}")

    for memory in (promql.EXAMINED, promql.PROBES, promql.BOUND):
        assert memory.taken <= memory.limit
    assert 0 < len(promql.EXAMINED) < 600
    assert 0 < len(promql.PROBES) < 600


def test_what_is_asked_in_turn_is_remembered_though_not_all_of_it_fits() -> None:
    """Ten thousand policies are: whoever forgot the oldest would know none of them when its turn comes."""
    memory: Remembered[int, str] = Remembered(900, lambda _key, _value: 1)
    worked_out = count()
    for _ in range(20):
        for key in range(1000):
            memory.get(key, lambda: str(next(worked_out)))

    assert len(memory) == 900
    assert next(worked_out) < 20 * 1000 / 2
