"""Series of values in promtool's notation: what is read, what is refused, and that what is written is read again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.cli.trial.notation import MOST, NotValues, Values, parse, write

NUMBERS = st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0 or 0.0)
VALUES = st.lists(st.one_of(st.none(), NUMBERS), max_size=40).map(tuple)
RUNS = st.lists(st.tuples(st.one_of(st.none(), NUMBERS), st.integers(1, 50)), max_size=8)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        pytest.param("", (), id="nothing"),
        pytest.param("0.3", (0.3,), id="one value"),
        pytest.param("1 2  -3.5", (1, 2, -3.5), id="several"),
        pytest.param("0.5x3", (0.5, 0.5, 0.5, 0.5), id="a value, and three times after it"),
        pytest.param("7x0", (7,), id="and no time after it"),
        pytest.param("0+600x3", (0, 600, 1200, 1800), id="going up"),
        pytest.param("10-2.5x2", (10, 7.5, 5), id="going down"),
        pytest.param("-1-1x2", (-1, -2, -3), id="going down below zero"),
        pytest.param("1e3 .5 2.", (1000, 0.5, 2), id="numbers as they may be written"),
        pytest.param("1 _ 2", (1, None, 2), id="a sample that is missing"),
        pytest.param("1 _x3", (1, None, None, None), id="three that are missing"),
        pytest.param("1 stale", (1, None), id="the end of a series"),
    ],
)
def test_what_is_read(text: str, values: Values) -> None:
    assert parse(text) == values


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("0.3 lots", 'got "lots"', id="a word"),
        pytest.param("5x", 'got "5x"', id="how often is not said"),
        pytest.param("1+2", 'got "1+2"', id="a step without how often"),
        pytest.param("1+x4", 'got "1+x4"', id="a step that is none"),
        pytest.param("NaN", 'got "NaN"', id="no number"),
        pytest.param("{{schema:1}}", 'got "{{schema:1}}"', id="a histogram"),
        pytest.param("1e999", "expected finite numbers", id="no end"),
        pytest.param("1e308+1e308x3", "expected finite numbers", id="no end after some steps"),
        pytest.param("1x99999999", f"at most {MOST} values", id="more than anybody means"),
        pytest.param("1x60000 _x60000", f"at most {MOST} values", id="more than that together"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(NotValues) as refused:
        parse(text)

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        pytest.param((0.001,) * 21 + (0.3,) * 2, "0.001x20 0.3x1", id="runs"),
        pytest.param((1.0, None, None, 2.5), "1 _x2 2.5", id="gaps"),
        pytest.param((), "", id="nothing"),
    ],
)
def test_what_is_written(values: Values, text: str) -> None:
    assert write(values) == text


@given(VALUES)
def test_what_is_written_is_read_again(values: Values) -> None:
    assert parse(write(values)) == values


@given(RUNS)
def test_runs_are_written_short(runs: list[tuple[float | None, int]]) -> None:
    values = tuple(value for value, count in runs for _ in range(count))

    assert parse(write(values)) == values
    assert len(write(values).split()) <= len(runs)
