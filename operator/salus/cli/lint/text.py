"""`salus lint` as text, from its document alone."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from salus.cli.marks import MARKS, State
from salus.cli.reports.lint import Level, LintedFile, LintFinding, LintReport
from salus.cli.show import Screen, indented, left_out, plain, table
from salus.cli.spans import span

_STATES = {Level.ERROR: State.BAD, Level.WARNING: State.WARNING, Level.INFO: State.QUIET}


def text(report: LintReport, screen: Screen) -> Iterator[RenderableType]:
    """Each file with its findings, then the summary."""
    for file in report.files:
        yield plain(file.name)
        yield indented(_findings(file)) if file.findings else "  no findings"
    for one in report.unasked:
        yield screen.mark(State.WARNING, plain(one))
    if report.partial:
        yield screen.mark(State.BAD, f"partial: {plain(report.partial)}")
    yield ""
    yield summary(report)
    yield from left_out(report)


def _findings(file: LintedFile) -> RenderableType:
    rows = table("", "", "", "")
    for one in file.findings:
        rows.add_row(_place(one), Text(one.level.value, MARKS[_STATES[one.level]].style), one.code, plain(_says(one)))
    return rows


def _place(finding: LintFinding) -> str:
    return f"{finding.line}:{finding.column}" if finding.line else ""


def _says(finding: LintFinding) -> str:
    """With the check, or else the field, that it is about."""
    where = finding.check or ("" if finding.line else finding.path)
    return f"{where}: {finding.message}" if where else finding.message


def summary(report: LintReport) -> str:
    """What was looked at, and how it went."""
    where = f" in {_count(len(report.files), 'file')}" if report.in_files else ""
    counts = [(report.errors, "error"), (report.warnings, "warning"), (report.notes, "note")]
    found = ", ".join(_count(number, one) for number, one in counts if number) or "no findings"
    ignored = f" ({report.ignored} ignored)" if report.ignored else ""
    return f"{_count(report.policies, 'policy', 'policies')}{where}{_against(report)}: {found}{ignored}"


def _against(report: LintReport) -> str:
    if report.prometheus is None:
        return ", offline"
    kept = f" ({span(report.prometheus.kept)} kept)" if report.prometheus.kept else ""
    return f" against {report.prometheus.server or 'Prometheus'}{kept}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
