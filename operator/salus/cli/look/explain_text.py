"""`salus explain` as text."""

from collections.abc import Iterator

from rich.columns import Columns
from rich.console import RenderableType
from rich.text import Text

from salus.cli.marks import State
from salus.cli.reports.explanation import Explanation
from salus.cli.show import Screen, facts, indented, left_out, plain


def text(report: Explanation, screen: Screen) -> Iterator[RenderableType]:
    """The question, the answer, and what it rests on."""
    yield Text(report.question, style="bold")
    yield ""
    yield plain(report.answer)
    yield ""
    rows: list[tuple[str, RenderableType]] = [(fact.label, fact.text) for fact in report.facts]
    if report.guards:
        rows.append(("guards", _guards(report, screen)))
    if rows:
        yield indented(facts(rows))
        yield ""
    if report.do:
        yield facts([("Do" if index == 0 else "or", line) for index, line in enumerate(report.do)])
    yield report.basis
    yield from left_out(report)


def _guards(report: Explanation, screen: Screen) -> RenderableType:
    shown = [screen.mark(guard.state, guard.reason) for guard in report.guards]
    if report.not_asked:
        shown.append(screen.mark(State.QUIET, f"not asked: {report.not_asked} more"))
    return Columns(shown, padding=(0, 2))
