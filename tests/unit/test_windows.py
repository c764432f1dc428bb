"""How far back an answer looks, where the query does not say it."""

from datetime import timedelta
from typing import Any

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.core.policy import promql
from salus.core.policy.windows import (
    DEEPEST,
    LARGEST_OF_A_NAME,
    MOST_OF_A_NAME,
    MOST_OF_A_QUERY,
    Rules,
    Window,
    in_name,
    window,
)
from salus.model.values.metrics import Rule

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def recording(name: str, query: str) -> Rule:
    return Rule(name, query)


def alerting(name: str, query: str, minutes: int = 0) -> Rule:
    return Rule(name, query, alert=True, lasts=minutes * MINUTE)


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
        pytest.param(
            "max(b:rate5m > 14.4 * 0.001) without (w) and max(b:rate1h > 14.4 * 0.001) without (w)",
            Window(5 * MINUTE),
            id="the same of a short window and of a long one ends with the short",
        ),
        pytest.param("(rate(x[5m]) > 1 and rate(x[1h]) > 1)", Window(5 * MINUTE), id="by ranges, and in brackets"),
        pytest.param(
            """(max(b:rate5m{w="5m"} > 14.4) and max(b:rate1h{w="1h"} > 14.4))
                 or (max(b:rate30m{w="30m"} > 6) and max(b:rate6h{w="6h"} > 6))""",
            Window(30 * MINUTE),
            id="of two pairs the longer of the short ones, as SLO generators write them",
        ),
        pytest.param("a:b or c:d or a:b", Window(0 * MINUTE, ("a:b", "c:d")), id="either hides its own"),
        pytest.param("rate(x[1h]) > 1 and rate(y[5m]) > 1", Window(HOUR), id="not of two things"),
        pytest.param("rate(x[1h]) > 1 and rate(x[5m]) > 2", Window(HOUR), id="nor of one thing and two bounds"),
        pytest.param("rate(x[1h]) > 1 or rate(x[5m]) > 1", Window(HOUR), id="nor if one of them is enough"),
        pytest.param("rate(x[1h]) and rate(x[5m])", Window(HOUR), id="without a condition the values of the first"),
        pytest.param("rate(x[5m]) and rate(x[1h])", Window(5 * MINUTE), id="which may be the short one"),
        pytest.param("rate(x[1h]) > bool 1 and rate(x[5m]) > bool 1", Window(HOUR), id="0 and 1 are values too"),
        pytest.param("x and rate(y[1h]) > 1", Window(HOUR), id="a condition on another thing counts"),
        pytest.param("count(rate(x[5m]) > 1 and rate(x[1h]) > 1)", Window(5 * MINUTE), id="inside another"),
        pytest.param(
            "max_over_time((rate(x[5m]) > 1 and rate(x[1h]) > 1)[10m:] offset 1m)",
            Window(16 * MINUTE),
            id="with what is around it",
        ),
        pytest.param("max_over_time(vector(1)[1h:])", Window(0 * MINUTE), id="a range over no series"),
        pytest.param("rate(x[3h])", Window(3 * HOUR), id="what the query says, however wide"),
        pytest.param("b:rate3h", Window(0 * MINUTE, ("b:rate3h",)), id="a name that tells too much"),
        pytest.param("x_1d + rate(y[5m])", Window(5 * MINUTE, ("x_1d",)), id="so one without a colon"),
        pytest.param("wide:x + rate(y[5m])", Window(5 * MINUTE, ("wide:x",)), id="a rule that tells too much"),
        pytest.param("wide:rate5m", Window(0 * MINUTE, ("wide:rate5m",)), id="whatever its name says then"),
        pytest.param("longer:rate5m", Window(HOUR), id="what is told, rather than what the name says"),
    ],
)
def test_a_window(query: str, expected: Window) -> None:
    told = tuple(recording(name, "rate(x[1h])") for name in ("told:x", "plain", "longer:rate5m"))
    wide = tuple(recording(name, "max_over_time(x[366d])") for name in ("wide:x", "wide:rate5m"))

    assert window(query, Rules((*told, *wide))) == expected


BURNS = "max(slo:burn:ratio > 14.4) without (w) and max(slo:sli_error:ratio_rate1h > 14.4) without (w)"
RULES = Rules(
    (
        recording("slo:burn:ratio", "job:errors:sum / 0.001"),
        recording("job:errors:sum", "sum(rate(errors[5m]))"),
        recording("job:errors:sum", "sum(rate(old_errors[10m]))"),
        recording("round:a", "round:b + rate(x[5m])"),
        recording("round:b", "round:a"),
        recording("job:odd:sum", "sum("),
        recording("job:hides:sum", "not:told / 2"),
        alerting("Burns", BURNS, minutes=2),
        alerting("Plain", "rate(errors[1m]) > 1", minutes=15),
        alerting("Hides", "not:told > 1"),
        recording("Plain", "rate(errors[3h])"),
    )
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("job:errors:sum", 10 * MINUTE, id="the widest of the rules of one name"),
        pytest.param("slo:burn:ratio", 10 * MINUTE, id="a rule on a rule"),
        pytest.param("round:b", None, id="rules on each other"),
        pytest.param("job:odd:sum", None, id="one that nobody can read"),
        pytest.param("job:hides:sum", None, id="one on a series that hides it in its turn"),
        pytest.param("job:gone:sum", None, id="none of this name"),
        pytest.param("Burns", None, id="an alert is no series"),
    ],
)
def test_what_a_recording_rule_tells(name: str, expected: timedelta | None) -> None:
    assert RULES.recorded(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("Burns", HOUR + 2 * MINUTE, id="what it reads, by rules and names, and its for"),
        pytest.param("Plain", 16 * MINUTE, id="not the series of the same name"),
        pytest.param("Hides", None, id="one on a series that hides it"),
        pytest.param("Gone", None, id="none of this name"),
    ],
)
def test_what_the_rule_of_an_alert_tells(name: str, expected: timedelta | None) -> None:
    """Case 07."""
    assert RULES.alert(name) == expected
    found = window("count(ALERTS)", RULES, name, believed=2 * HOUR)
    assert found == Window(expected or 0 * MINUTE, () if expected else ("ALERTS",))


def test_a_tower_of_rules_ends() -> None:
    tower = [recording(f"a:{n}", f"a:{n + 1}") for n in range(10_000)]

    assert Rules((*tower, recording("a:10000", "x"))).recorded("a:0") is None
    assert Rules((*tower, recording("a:10000", "x"))).recorded("a:9990") == timedelta(0)


def test_rules_are_the_same_whatever_was_asked_of_them() -> None:
    other = Rules(RULES.known)

    assert (other.recorded("job:errors:sum"), other == RULES) == (10 * MINUTE, True)
    assert other != Rules()


def test_a_rule_of_somebody_else_hides_a_window_and_stretches_none() -> None:
    """Of the same name: which of the two made the series cannot be told."""
    mine, theirs = recording("shop:x", "rate(e[1m])"), recording("shop:x", "max_over_time(x[366d])")

    assert window("shop:x", Rules((mine,))) == Window(MINUTE)
    assert window("shop:x", Rules((mine, theirs))) == Window(0 * MINUTE, ("shop:x",))


def test_a_policy_that_waits_longer_believes_more() -> None:
    told = Rules((recording("shop:x", "rate(e[6h])"),))

    assert window("shop:x", told, believed=6 * HOUR) == Window(6 * HOUR)
    assert window("shop:x", told, believed=5 * HOUR) == Window(0 * MINUTE, ("shop:x",))


def read_for(monkeypatch: pytest.MonkeyPatch, query: str, rules: Rules | None = None) -> tuple[list[str], int]:
    """What the parser is asked for one window, and how often a node is taken apart."""
    parsed, apart = [], 0
    parse, children = promql_parser.parse, promql.children

    def parsing(text: str) -> promql_parser.Expr:
        parsed.append(text)
        return parse(text)

    def taking_apart(node: object) -> list[Any]:
        nonlocal apart
        apart += 1
        return children(node)

    with monkeypatch.context() as patched:
        patched.setattr(promql_parser, "parse", parsing)
        patched.setattr(promql, "children", taking_apart)
        window(query, rules)
    return parsed, apart


@pytest.mark.parametrize("operator", ["or", "and", "+", "unless"])
def test_a_query_is_parsed_once_and_each_place_costs_the_same(monkeypatch: pytest.MonkeyPatch, operator: str) -> None:
    apart = {}
    for places in (2, 10, 99):
        query = f" {operator} ".join(f'a{n}{{l="{"x" * 24}"}}' for n in range(places))
        parsed, apart[places] = read_for(monkeypatch, query)

        assert parsed == [query]
    a_place = (apart[10] - apart[2]) // 8

    assert apart[99] == apart[2] + 97 * a_place


def test_so_many_rules_of_a_name_are_read_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    few = tuple(recording("a:b", f"x{n}") for n in range(MOST_OF_A_NAME))
    large = tuple(recording("a:b", f'x{{l="{str(n) * (LARGEST_OF_A_NAME // 2)}"}}') for n in range(2))

    assert read_for(monkeypatch, "a:b", Rules(few))[0] == ["a:b", *(rule.query for rule in few)]
    for many in ((*few, recording("a:b", "y")), large):
        assert read_for(monkeypatch, "a:b", Rules(many))[0] == ["a:b"]
        assert window("a:b", Rules(many)) == Window(0 * MINUTE, ("a:b",))


def test_the_deepest_queries_of_the_deepest_rules_have_an_end() -> None:
    """Each walks its own tree, not one within the other."""
    tower = [recording(f"a:{n}", "-" * 95 + "(" * 30 + f"a:{n + 1}" + ")" * 30) for n in range(DEEPEST - 1)]

    assert window("a:0", Rules((*tower, recording(f"a:{DEEPEST - 1}", "rate(x[5m])")))) == Window(5 * MINUTE)


def test_for_one_query_so_much_of_rules_is_read_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """By names upon names; and what is not read for one query can be read for the next."""
    long = f'rate(x{{l="{"x" * (LARGEST_OF_A_NAME - 32)}"}}[1h])'
    names = [f"a:b{number}:c" for number in range(2 * MOST_OF_A_QUERY // LARGEST_OF_A_NAME)]
    upon = [f"up:{name}" for name in names]
    rules = Rules(tuple(recording(*pair) for pair in (*((n, long) for n in names), *zip(upon, names, strict=True))))
    read: list[int] = []
    tree = promql.tree

    def reading(text: str) -> object:
        read.append(len(text))
        return tree(text)

    monkeypatch.setattr(promql, "tree", reading)

    found = window(" + ".join(upon), rules)
    asked, rest = read[0], sum(read[1:])

    assert asked < rest <= MOST_OF_A_QUERY
    assert found.known == HOUR
    assert found.hidden
    assert window(found.hidden[0], rules) == Window(HOUR)
