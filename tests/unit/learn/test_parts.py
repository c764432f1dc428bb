"""The steps of the rule, each by itself."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import islice

import pytest

from salus.core.learn.half_hours import Moment
from salus.core.learn.healthy import healthy
from salus.core.learn.history import ranges
from salus.core.learn.kinds import FAILURES, LATENCY, LEVEL, SATURATION, Kind, first_step
from salus.core.learn.ranks import correlation
from salus.core.learn.recurrence import Came, recurrences
from salus.core.learn.runs import hold, longest, runs
from salus.model.scalars import format_duration, parse_duration

# --- what came back


def days(*rows: str) -> list[float]:
    """A row for each day, a digit for each half hour from midnight on; the rest of the day is 1."""
    return [float(digit) for row in rows for digit in row.ljust(48, "1")]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(["119", "111", "111", "111"], Came.ONCE, id="once"),
        pytest.param(["119", "119", "111", "111"], Came.ONCE, id="twice may be chance"),
        pytest.param(["119", "119", "111", "119"], Came.AGAIN, id="three days are a habit"),
        pytest.param(["119", "1119", "111", "191"], Came.AGAIN, id="half an hour earlier or later is the same time"),
        pytest.param(["119", "11119", "111", "9"], Came.ONCE, id="an hour is not"),
        pytest.param(["119", "115", "111", "115"], Came.AGAIN, id="half as bad is the same again"),
        pytest.param(["119", "114", "111", "114"], Came.ONCE, id="less is not"),
        pytest.param(["119", *["1"] * 6, "119", *["1"] * 6], Came.AGAIN, id="the same weekday of two weeks"),
        pytest.param(["119", *["1"] * 6, "119", *["1"] * 7], Came.ONCE, id="of three weeks all"),
        pytest.param(["9" * 48, "9" * 48, "9" * 48, *["1"] * 4], Came.LASTING, id="days without a break"),
        pytest.param(["112", "111", "111", "111"], Came.AGAIN, id="what half hours usually are, within the factor"),
    ],
)
def test_what_came_back(rows: Sequence[str], expected: Came) -> None:
    assert recurrences(days(*rows), LEVEL.came_back)[2] is expected


def test_a_half_hour_of_which_nobody_knows_has_not_come_back() -> None:
    assert recurrences([None, 1.0, 1.0], LEVEL.came_back) == [Came.ONCE, Came.AGAIN, Came.AGAIN]


# --- ranges


@pytest.mark.parametrize(
    ("scrape", "expected"),
    [("15s", ["2m", "5m", "10m", "30m"]), ("31s", ["5m", "10m", "30m"]), ("10m", ["40m"])],
)
def test_a_range_holds_four_scrapes(scrape: str, expected: list[str]) -> None:
    assert [format_duration(window) for window in ranges(parse_duration(scrape))] == expected


# --- margins


@pytest.mark.parametrize(
    ("kind", "worst", "needed"),
    [
        pytest.param(FAILURES, 0.01, 0.03, id="three times a low share"),
        pytest.param(FAILURES, 0.3, 0.35, id="five points above a high one"),
        pytest.param(LATENCY, 0.3, 0.6, id="twice a latency"),
        pytest.param(LEVEL, 100, 300, id="three times a level"),
        pytest.param(SATURATION, 0.6, 0.75, id="a quarter more than is used"),
        pytest.param(SATURATION, 0.9, 0.95, id="but never above 0.95"),
        pytest.param(SATURATION, 0.96, float("inf"), id="beyond that there is none"),
    ],
)
def test_how_far_beyond_is_far_enough(kind: Kind, worst: float, needed: float) -> None:
    assert kind.needed(worst) == pytest.approx(needed)


@pytest.mark.parametrize(
    ("least", "expected"),
    [(0.011, 0.02), (0.02, 0.02), (3 * (1 / 300), 0.01), (1, 1), (6, 10), (1200, 2000), (0.0003, 0.0005)],
)
def test_steps_are_1_2_and_5(least: float, expected: float) -> None:
    assert first_step(least) == expected


def test_a_ladder_begins_at_its_floor_and_ends_or_goes_on() -> None:
    assert list(FAILURES.steps(0.05)) == [0.05, 0.1, 0.2, 0.5]
    assert list(islice(LATENCY.steps(0.3), 4)) == [0.5, 1, 2, 5]
    assert list(SATURATION.steps(0.8)) == [0.8, 0.9, 0.95]


# --- for


def moments(values: str, every: int = 30) -> list[Moment]:
    """A digit for each sample; a space where there is none."""
    there = enumerate(values)
    return [Moment(index * every, float(digit), 1, 0) for index, digit in there if digit != " "]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param("111", "0s", id="never beyond"),
        pytest.param("191", "30s", id="one sample stands for a step"),
        pytest.param("1999191", "1m30s", id="the longest counts"),
        pytest.param("199 991", "2m30s", id="a short gap is no end"),
        pytest.param("199      991", "1m", id="a gap of more than five steps is"),
        pytest.param("199", "1m", id="it may go on"),
    ],
)
def test_how_long_it_was_beyond(values: str, expected: str) -> None:
    step = timedelta(seconds=30)

    assert format_duration(longest(runs(moments(values), 5, step), step)) == expected


@pytest.mark.parametrize(
    ("mended", "preset", "interval", "expected"),
    [
        pytest.param("0s", "1m", "15s", "1m", id="the preset's"),
        pytest.param("50s", "1m", "15s", "2m", id="whole minutes"),
        pytest.param("10s", "0s", "5s", "15s", id="quarters of the first minute"),
        pytest.param("0s", "30s", "1m", "2m", id="two readings at least"),
    ],
)
def test_for_is_longer_than_that(mended: str, preset: str, interval: str, expected: str) -> None:
    assert format_duration(hold(parse_duration(mended), parse_duration(preset), parse_duration(interval))) == expected


# --- healthy


@pytest.mark.parametrize(
    ("worst", "bound", "expected"),
    [
        pytest.param(0.0021, 0.01, 0.005, id="half-way, rounded down"),
        pytest.param(0.78, 0.95, 0.8, id="with one digit where 1, 2 and 5 are too far down"),
        pytest.param(0.45, 0.5, 0.47, id="or with two"),
        pytest.param(0, 0.01, 0.005, id="nothing came back"),
        pytest.param(0.95, 0.95, None, id="nothing lies between"),
        pytest.param(0, 0, None, id="nothing at all"),
    ],
)
def test_healthy_lies_between_what_came_back_and_the_bound(worst: float, bound: float, expected: float | None) -> None:
    assert healthy(worst, bound) == expected


# --- ranks


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param([1, 2, 3, 4], [1, 4, 9, 16], 1, id="goes up with it, whatever the shape"),
        pytest.param([1, 2, 3, 4], [4, 3, 2, 1], -1, id="goes down"),
        pytest.param([1, 2, 3, 4], [7, 7, 7, 7], 0, id="never moves"),
        pytest.param([1, 2, 3, 4], [5, 5, 6, 6], 0.894, id="equals share their place"),
        pytest.param([1, 2, 3, 4], [1, 2, 3, 1e9], 1, id="a wild value is a rank like any other"),
    ],
)
def test_rank_correlation(one: Sequence[float], other: Sequence[float], expected: float) -> None:
    assert correlation(one, other) == pytest.approx(expected, abs=0.001)
