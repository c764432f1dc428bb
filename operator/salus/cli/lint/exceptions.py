"""Exceptions that stand in a file: `# salus:ignore SL301 until 2027-01-31 because of the migration`.

One beside a field is for that field and all below it, one on a line of its own for what stands after it. One that is
not indented is for the whole policy. Each has a reason and an end: what is past its end is a finding.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

_MARK = re.compile(r"(?:^|\s)#\s*salus:ignore\b(?P<rest>.*)$")
_SAYS = re.compile(r"\s+(?P<codes>SL\d{3}(?:[ ,]+SL\d{3})*)\s+until\s+(?P<until>\S+)\s+because\s+(?P<why>\S.*)")
_CODE = re.compile(r"SL\d{3}")
_NOTHING = re.compile(r"\s*(?:#.*)?")
_BREAK = re.compile(r"(?:---|\.\.\.)(?:\s|$)")
FORM = "# salus:ignore SL301 until 2027-01-31 because of the migration"


@dataclass(frozen=True, slots=True)
class Ignored:
    """An exception, and the lines that it is for, both included; from 1."""

    line: int
    column: int
    codes: tuple[str, ...]
    until: date
    why: str
    first: int
    last: int

    def covers(self, code: str, line: int, today: date) -> bool:
        """Whether a finding there is left out."""
        return code in self.codes and self.first <= line <= self.last and today <= self.until

    def is_past(self, today: date) -> bool:
        """Whether its time is over; its last day still counts."""
        return today > self.until


@dataclass(frozen=True, slots=True)
class Illegible:
    """A comment that was meant to be one."""

    line: int
    column: int
    message: str


def exceptions_in(text: str) -> Iterator[Ignored | Illegible]:
    """All of a file, in their order."""
    lines = text.splitlines()
    for index, line in enumerate(lines):
        if (mark := _MARK.search(line)) is not None:
            column = line.index("#", mark.start()) + 1
            yield _read(mark["rest"], index + 1, column, _lines(lines, index))


def _read(rest: str, line: int, column: int, span: tuple[int, int]) -> Ignored | Illegible:
    said = _SAYS.fullmatch(rest.rstrip())
    if said is None:
        return Illegible(line, column, f"an exception has codes, an end and a reason: {FORM}")
    try:
        until = date.fromisoformat(said["until"])
    except ValueError:
        return Illegible(line, column, f'"{said["until"]}" is no day; write it as 2027-01-31')
    return Ignored(line, column, tuple(_CODE.findall(said["codes"])), until, said["why"], *span)


def _lines(lines: Sequence[str], index: int) -> tuple[int, int]:
    """The lines that an exception is for."""
    alone = _NOTHING.fullmatch(lines[index]) is not None
    if alone and _indent(lines[index]) == 0:
        return _document(lines, index)
    first = index if not alone else next((at for at in range(index + 1, len(lines)) if _says(lines[at])), index)
    last = first
    for at in range(first + 1, len(lines)):
        if _says(lines[at]) and (_BREAK.match(lines[at]) or _indent(lines[at]) <= _indent(lines[first])):
            break
        last = at
    return first + 1, last + 1


def _document(lines: Sequence[str], index: int) -> tuple[int, int]:
    breaks = [at for at, line in enumerate(lines) if _BREAK.match(line)]
    first = max((at for at in breaks if at < index), default=-1) + 1
    return first + 1, min((at for at in breaks if at > index), default=len(lines))


def _says(line: str) -> bool:
    return _NOTHING.fullmatch(line) is None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
