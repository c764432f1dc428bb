"""What every row of a table of tests has: its sentence, which becomes the id of its test."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One case; each table adds its own parts."""

    case: str
    """A sentence: what is special about it."""


def sentence(row: Row) -> str:
    """Its id: `pytest.mark.parametrize("row", ROWS, ids=sentence)`."""
    return row.case
