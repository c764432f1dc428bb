"""The edge of a bucket that tells slow requests from the others."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from salus.core.learn.edges import Edge, lowest_edge
from salus.core.learn.proposal import LeftOut
from tests.unit.learn.histories import MINUTE, Hourly, always, besides, daily, errors, history, hour_of
from tests.unit.learn.questions import SLOWER


def edges(slower: Mapping[float, Hourly], per_second: float = 60) -> list[Edge]:
    """By upper end, which share of the requests is slower."""
    return [
        Edge(upper, errors(rate, per_second=per_second, step=MINUTE, ranges=[2])()) for upper, rate in slower.items()
    ]


@pytest.mark.parametrize(
    ("slower", "expected"),
    [
        pytest.param({0.1: always(0.2), 0.5: always(0.004), 1: always(0.001)}, 0.5, id="the lowest of them"),
        pytest.param({1: always(0.001), 0.5: always(0.004)}, 0.5, id="in whatever order they come"),
        pytest.param({0.5: daily(always(0.004), 12, 1, 0.1), 1: always(0.001)}, 1, id="at noon as well"),
        pytest.param({0.5: besides(always(0.004), (hour_of(3, 9), 1, 0.1)), 1: always(0.001)}, 0.5, id="but for once"),
    ],
)
def test_the_edge(slower: Mapping[float, Hourly], expected: float) -> None:
    found = lowest_edge(SLOWER, edges(slower))

    assert isinstance(found, Edge), found
    assert found.upper == expected


def test_where_too_many_are_beyond_the_highest_edge_there_is_none() -> None:
    found = lowest_edge(SLOWER, edges({1: always(0.2), 2: always(0.1)}))

    assert isinstance(found, LeftOut)
    assert found.reason == "NoEdge"
    assert "slower than 2, the highest edge" in found.message


def test_without_requests_there_is_none() -> None:
    found = lowest_edge(SLOWER, edges({1: always(0)}, per_second=0.01))

    assert found == LeftOut("TooLittleTraffic", "no half hour in which 300 requests were counted came back")


def test_an_edge_of_which_nothing_is_known_is_passed_over() -> None:
    empty = replace(edges({0.1: always(0)})[0], history=history(()))

    found = lowest_edge(SLOWER, [empty, *edges({1: always(0.001)})])

    assert isinstance(found, Edge)
    assert found.upper == 1
