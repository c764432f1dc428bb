"""What stands in records is text in Markdown, and never a mark."""

import pytest

from salus.cli.markdown import code, escaped, rows_of, section


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param("a|b", "a\\|b", id="a cell ends nowhere else"),
        pytest.param("<b>*x*</b>", "\\<b\\>\\*x\\*\\</b\\>", id="no marks and no HTML"),
        pytest.param("two\nlines", "two lines", id="one line"),
    ],
)
def test_what_stands_in_a_record_is_no_markdown(words: str, expected: str) -> None:
    assert escaped(words) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param("sum(rate(x[5m]))", "`sum(rate(x[5m]))`", id="a query"),
        pytest.param("a ``b`` c", "``` a ``b`` c ```", id="one with the marks of code in it"),
    ],
)
def test_code_ends_where_it_ends(words: str, expected: str) -> None:
    assert code(words) == expected


def test_a_section_without_anything_has_no_heading() -> None:
    assert list(section("Blame", [])) == []
    assert list(section("Blame", ["x"])) == ["", "## Blame", "", "x"]


def test_a_table() -> None:
    assert list(rows_of([("a", "b"), ("1", "x|y")])) == ["| a | b |", "| --- | --- |", "| 1 | x\\|y |"]
