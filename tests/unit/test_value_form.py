"""What is empty while all is well, and how it is written so that it is a number."""

import pytest

from salus.core.policy import promql
from salus.core.policy.value_form import advice
from salus.model.policy import Threshold

ABOVE_0 = Threshold.parse({"above": "0"})


def written(query: str, bound: Threshold = ABOVE_0) -> str | None:
    """The query as a number; empty where it is a filter that nobody can write as one."""
    found = advice(query, bound)
    if found is None:
        return None
    assert not found.text or advice(found.text, bound) is None, f"{found.text} is still empty while all is well"
    return found.text


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("sum(rate(errors[5m]))", id="no comparison at all"),
        pytest.param("up == bool 0", id="a comparison that answers"),
        pytest.param("(up == bool 0)", id="in brackets"),
        pytest.param("errors / (requests > 0)", id="a quotient that has no answer without traffic"),
        pytest.param("errors > 5 or 0 * errors", id="one of two alternatives always answers"),
        pytest.param("errors > 5 or vector(0)", id="though it be for the wrong reason"),
        pytest.param("count(up == 0) or vector(0)", id="nothing counts as 0"),
        pytest.param("errors unless on (pod) maintenance == 1", id="what is left out, and not what is looked for"),
        pytest.param("errors and on (pod) ready", id="what both have"),
        pytest.param("vector(1) > bool 0", id="numbers"),
    ],
)
def test_what_always_answers_needs_no_advice(query: str) -> None:
    assert advice(query, ABOVE_0) is None


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("up == 0", "up == bool 0", id="a number on the right"),
        pytest.param("5 < errors", "5 < bool errors", id="a number on the left"),
        pytest.param("((up == 0))", "up == bool 0", id="in brackets"),
        pytest.param("wanted > there", "wanted > bool there", id="two metrics"),
        pytest.param(
            "wanted != on (pod) group_left (node) there",
            "wanted != bool on (pod) group_left (node) there",
            id="two metrics, matched by a label",
        ),
        pytest.param('a{x!="a  ( c"} > 1', 'a{x!="a  ( c"} > bool 1', id="strings stay as they are"),
        pytest.param(
            'a{namespace="$namespace"} > 1', 'a{namespace="$namespace"} > bool 1', id="and so do placeholders"
        ),
        pytest.param("a > 1 and b == 2", "(a > bool 1) * (b == bool 2)", id="both of two"),
        pytest.param("a > 1 and b == 2 and c", "((a > bool 1) * (b == bool 2)) and c", id="both of two, and a third"),
        pytest.param(
            "a > 1 and on (x) b == 2",
            "(a > bool 1) * on (x) group_left () max by (x) (b == bool 2)",
            id="both, of many with many",
        ),
        pytest.param(
            "a > 1 and ignoring (x, y) b == 2",
            "(a > bool 1) * ignoring (x, y) group_left () max without (x, y) (b == bool 2)",
            id="both, but for some labels",
        ),
        pytest.param("a > 1 and on () b", "(a > bool 1) and on () b", id="both, of which one is no filter"),
        pytest.param("a + c and b == 2", "(a + c) * (b == bool 2)", id="both, of which the first is no filter"),
        pytest.param("a > 1 or b > 2", "((b > bool 2) > 0) or (a > bool 1) or (b > bool 2)", id="one of two"),
        pytest.param(
            "a > 1 unless on (x) b == 2",
            "((a > bool 1) unless on (x) b == 2) or 0 * (a > bool 1)",
            id="one without the other",
        ),
        pytest.param("count(up == 0)", "sum(up == bool 0)", id="a count"),
        pytest.param("count by (x) (up == 0)", "sum by (x) (up == bool 0)", id="a count by label"),
        pytest.param("count(up == 0) > 2", "(sum(up == bool 0)) > bool 2", id="a count that is compared"),
        pytest.param("max without (w) (a > 14.4 * 0.001)", "max without (w) (a > bool 14.4 * 0.001)", id="a maximum"),
        pytest.param("topk(3, a > 1)", "a > bool 1", id="the largest few"),
        pytest.param("5 < a < 9", "((a) < bool 9) * (5 < bool a)", id="between two numbers"),
        pytest.param(
            'label_replace(up == 0, "a", "$1", "b", "(.*)")', 'label_replace(up == bool 0, "a", "$1", "b", "(.*)")',
            id="under another label",
        ),
        pytest.param('absent(up{job="a"})', 'count(absent(up{job="a"})) or vector(0)', id="what is not there"),
        pytest.param("a > on (x) (b > 1)", "", id="one that is too odd"),
        pytest.param("a > 1 or (" * 20 + "b > 1" + ")" * 20, "", id="one that would double and double"),
    ],
)  # fmt: skip
def test_a_filter_is_written_as_a_number(query: str, expected: str) -> None:
    """Case 28."""
    assert written(query) == expected
    assert not expected or promql.problems_in(expected) is None


@pytest.mark.parametrize(
    ("query", "bound", "ways"),
    [
        pytest.param(
            "a > b",
            {"above": "0"},
            'write a > bool b with unhealthy: {above: "0"}, or say in onNoData what nothing means',
            id="as 0 or 1",
        ),
        pytest.param(
            "a > 5",
            {"above": "5"},
            'leave out > 5, which unhealthy says already, or write a > bool 5 with unhealthy: {above: "0"}, '
            "or say in onNoData what nothing means",
            id="a bound that says the same",
        ),
        pytest.param(
            "5 < (a)",
            {"above": "9"},
            "leave out 5 <, which unhealthy says already, or say in onNoData what nothing means",
            id="a bound that says more, so that 0 or 1 would say less",
        ),
        pytest.param(
            "a <= 0.5",
            {"below": "0.5"},
            'leave out <= 0.5, which unhealthy says already, or write a <= bool 0.5 with unhealthy: {above: "0"}, '
            "or say in onNoData what nothing means",
            id="downwards",
        ),
        pytest.param(
            "a > 5",
            {"above": "1"},
            'write a > bool 5 with unhealthy: {above: "0"}, or say in onNoData what nothing means',
            id="a bound that says less",
        ),
        pytest.param(
            "count(up == 0)",
            {"above": "3"},
            "write sum(up == bool 0), or say in onNoData what nothing means",
            id="a count keeps its bound",
        ),
        pytest.param("a > on (x) (b > 1)", {"above": "0"}, "say in onNoData what nothing means", id="the last way"),
    ],
)
def test_the_ways_out_fit_the_bound(query: str, bound: dict[str, str], ways: str) -> None:
    said = str(advice(query, Threshold.parse(bound)))

    assert said == f"gives nothing while its condition does not hold, which is Unknown, not Healthy: {ways}"
