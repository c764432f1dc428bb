"""The tables of reasons in docs/reference/records.md, written from `salus.reasons`: `python -m tools.reasons`.

With `--check` it only looks. The text around the tables is the document's own.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from salus.reasons import Group, Reason, of_group

DOCUMENT = Path("docs/reference/records.md")
_TABLE = re.compile(r"(?<=\n)\| reason \|.*?(?=\n\n)", re.DOTALL)
_HEADINGS = {
    Group.GUARD: "### A guard objects",
    Group.PLAN: "### A remedy cannot be planned",
    Group.CHECK: "## Reasons of a check",
}
_COLUMNS = {
    Group.GUARD: ("reason", "what it means", "then", "what to do"),
    Group.PLAN: ("reason", "remedy", "what it means", "what to do"),
    Group.CHECK: ("reason", "verdict", "what it means"),
}


def main(arguments: list[str]) -> int:
    """Write the document anew, or say that it is not current."""
    old = DOCUMENT.read_text(encoding="utf-8")
    new = written(old)
    if "--check" in arguments:
        if new != old:
            print(f"{DOCUMENT} is not current: python -m tools.reasons")
        return int(new != old)
    DOCUMENT.write_text(new, encoding="utf-8")
    return 0


def written(text: str) -> str:
    """The document with the tables as they have to be."""
    for group, heading in _HEADINGS.items():
        before, found, after = text.partition(f"\n{heading}\n")
        old = _TABLE.search(after)
        assert old is not None  # noqa: S101 — a document without its table is nothing to write on
        table = "\n".join(_table(group))
        text = f"{before}{found}{after[: old.start()]}{table}{after[old.end() :]}"
    return text


def _table(group: Group) -> Iterator[str]:
    columns = _COLUMNS[group]
    yield f"| {' | '.join(columns)} |"
    yield f"|{' --- |' * len(columns)}"
    for reason in of_group(group):
        yield re.sub(r" {2,}\|", " |", f"| {' | '.join(_cells(reason))} |")


def _cells(reason: Reason) -> Iterator[str]:
    yield ", ".join(f"`{name}`" for name in reason.names)
    if reason.group is Group.PLAN:
        yield reason.of
    if reason.group is Group.CHECK:
        yield reason.then
    yield reason.means
    if reason.group is Group.GUARD:
        yield reason.then
    if reason.group is not Group.CHECK:
        yield reason.do


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
