"""`salus test --update`: what is on record becomes what is expected, after a person has seen the difference."""

import difflib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from salus.cli.asking import agrees, somebody_agrees
from salus.cli.contract import CannotBeAsked, Exit
from salus.cli.reports.trial import Result
from salus.cli.trial.model import format_offset
from salus.cli.trial.records import Row
from salus.cli.trial.running import Ran
from salus.model.change import Decision

Edit = tuple[int, int, str]
"""In the text of a file, from where, to where, and what is to stand there."""


def update(ran: Sequence[Ran], *, sure: bool) -> int:
    """Show what would be written, ask, and write it. Returns the exit status. Raises CannotBeAsked."""
    files = {one.of.file: Path(one.of.file).read_text(encoding="utf-8") for one in ran}
    changed = {file: _edited(old, [one for one in ran if one.of.file == file]) for file, old in files.items()}
    different = {file: new for file, new in changed.items() if new != files[file]}
    for file, new in different.items():
        sys.stdout.writelines(_difference(file, files[file], new))
    if not different:
        sys.stdout.write("nothing to update: every test expects what is on record\n")
        return Exit.YES
    somebody_agrees(sys.stdin, sure=sure)
    if not agrees(f"Write {len(different)} file{'s' if len(different) > 1 else ''}?", sure=sure):
        return Exit.NO
    for file, new in different.items():
        _write(Path(file), new)
    return Exit.YES


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CannotBeAsked(f"{file} cannot be written", [("why", error.strerror or str(error))]) from error


def _difference(file: str, old: str, new: str) -> Iterator[str]:
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), file, f"{file} (updated)", n=2, lineterm="")
    return (f"{line}\n" for line in lines)


def _edited(text: str, ran: Sequence[Ran]) -> str:
    edits = [edit for one in ran if (edit := _edit(text, one)) is not None]
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _edit(text: str, one: Ran) -> Edit | None:
    if one.case.expect is not None and one.result.result is Result.PASSED:
        return None
    document, path = one.of.document, f"tests[{one.index}]"
    case, there = document.value_at(path), document.value_at(f"{path}.expect")
    if not isinstance(case, yaml.MappingNode) or case.flow_style:
        raise CannotBeAsked(f'{one.of.file}: "{one.case.name}" is written in braces', tries=["write it in lines"])
    indent = " " * case.start_mark.column
    if there is not None:
        dash = " " * there.start_mark.column if _is_in_lines(there) else _dash(one, indent)
        return _line_start(text, there), _line_end(text, there), f"{indent}{_expect(one.rows, dash)}"
    end = _line_end(text, case)
    before = "" if text[:end].endswith("\n") else "\n"
    return end, end, f"{before}{indent}{_expect(one.rows, _dash(one, indent))}"


def _is_in_lines(node: yaml.Node) -> bool:
    return isinstance(node, yaml.SequenceNode) and not node.flow_style


def _dash(one: Ran, indent: str) -> str:
    """What stands before an item: as far in as the tests of this file are."""
    tests = one.of.document.value_at("tests")
    column = tests.start_mark.column if tests is not None and _is_in_lines(tests) else 0
    return indent + " " * column


def _line_start(text: str, node: yaml.Node) -> int:
    """Of the line with the key: the value may begin on it or below."""
    at = text.rfind("expect", 0, node.start_mark.index)
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, node: yaml.Node) -> int:
    """Behind the last line of a value: what is written in lines ends, for YAML, where the next thing begins."""
    while isinstance(node, yaml.MappingNode | yaml.SequenceNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    end = text.find("\n", len(text[: node.end_mark.index].rstrip()))
    return len(text) if end < 0 else end + 1


def _expect(rows: Sequence[Row], dash: str) -> str:
    if not rows:
        return "expect: none\n"
    return "expect:\n" + "".join(f"{dash}- {_flow(row)}\n" for row in rows)


def _flow(row: Row) -> str:
    """One record, on one line."""
    fields: dict[str, object] = {"at": format_offset(row.at), "record": row.words}
    if row.decision in {Decision.REFUSE, Decision.ADVISE}:
        fields["reason"] = row.reason
    elif row.to:
        fields["to"] = int(row.to) if row.to.isdigit() else row.to
    if row.outcome is not None:
        fields["outcome"] = row.outcome.value
    return yaml.safe_dump(fields, default_flow_style=True, sort_keys=False, width=1000).strip()
