"""`salus test` as text, from its document alone."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from salus.cli.marks import State
from salus.cli.reports.trial import Covered, Failure, Result, TestReport, TestResult
from salus.cli.show import COLUMNS, Screen, facts, indented, plain
from salus.model.scalars import first_few

_STATES = {Result.PASSED: State.GOOD, Result.FAILED: State.BAD, Result.SKIPPED: State.QUIET}
_MANY = 6
"""Names that the last line lists."""
_LABEL = 9


def text(report: TestReport, screen: Screen) -> Iterator[RenderableType]:
    """Each file with its tests, then what they came to."""
    for file in report.files:
        yield plain(file.name)
        yield from (indented(line) for one in file.tests for line in _test(one, screen))
    if report.files:
        yield ""
    yield _counted(report)
    yield from _coverage(report)


def _test(one: TestResult, screen: Screen) -> Iterator[RenderableType]:
    yield _headline(one, screen)
    if one.failures:
        yield indented(indented(_failed(one)))


def _headline(one: TestResult, screen: Screen) -> RenderableType:
    row = Table.grid(padding=(0, 2, 0, 0))
    row.width = COLUMNS - 2
    row.add_column(ratio=1, overflow="fold")
    row.add_column(justify="right", no_wrap=one.result is not Result.SKIPPED, max_width=COLUMNS // 2)
    told = f"skipped: {one.why}" if one.result is Result.SKIPPED else f"{one.seconds:.2f}s"
    row.add_row(screen.mark(_STATES[one.result], plain(one.name)), plain(told))
    return row


def _failed(one: TestResult) -> RenderableType:
    rows: list[tuple[str, RenderableType]] = [(each.when or "ever", _difference(each)) for each in one.failures]
    if one.run:
        rows.append(("the run", " · ".join(f"{moment.at} {moment.text}" for moment in one.run)))
    if one.hint:
        rows.append(("hint", one.hint))
    return facts(rows, _LABEL)


def _difference(failure: Failure) -> RenderableType:
    return Text(f"expected  {plain(failure.expected)}\ngot       {plain(failure.got)}")


def _counted(report: TestReport) -> str:
    total = report.passed + report.failed + report.skipped
    counts = [(report.passed, "passed"), (report.failed, "failed"), (report.skipped, "skipped")]
    told = ", ".join(f"{count} {word}" for count, word in counts if count)
    return f"{_many(total, 'test')}{f': {told}' if told else ''}"


def _coverage(report: TestReport) -> Iterator[RenderableType]:
    found = report.coverage
    if not found.policies:
        return
    parts = f"{_of(found.remedies, 'remedies')}, {_of(found.checks, 'checks')}"
    yield f"coverage of {_many(found.policies, 'policy')}: {parts}, {_of(found.reasons, 'reasons not to act')}"
    if report.least and found.percent < report.least:
        yield f"too little: {found.percent:.0f} % of remedies, at least {report.least:g} % are asked for"
    missing = [*found.remedies.missing, *found.checks.missing]
    if missing:
        shown = first_few(list(dict.fromkeys(missing)), _MANY)
        yield f"never reached: {plain(shown)} (list: -o json)"


def _of(found: Covered, what: str) -> str:
    return f"{found.reached} of {found.all} {what}"


def _many(number: int, one: str) -> str:
    several = f"{one[:-1]}ies" if one.endswith("y") else f"{one}s"
    return f"{number} {one if number == 1 else several}"
