"""`salus history` for people, as Markdown, and as CSV; each from its document alone."""

import csv
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TextIO

from rich.console import RenderableType
from rich.text import Text

from salus.cli.markdown import escaped, rows_of
from salus.cli.reports.history import Counted, Gap, History, HistoryLine
from salus.cli.show import Screen, left_out, plain, table
from salus.model.scalars import format_time

TITLES = ("TIME", "WHAT", "DETAIL", "BY", "OUTCOME")


def text(report: History, screen: Screen) -> Iterator[RenderableType]:
    """One line each, oldest first; the zone stands in the title."""
    zone = screen.local(report.at).tzname()
    targets = _targets(report)
    if report.items:
        titles = [f"TIME {zone}", "WHAT", *(["TARGET"] if targets else []), "DETAIL", "BY", "OUTCOME"]
        rows = table(*titles, folds=("TARGET", "DETAIL", "BY"))
        for line in report.items:
            rows.add_row(*_cells(line, screen, targets=targets, everywhere=not report.namespace))
        yield rows
    else:
        yield f"nothing is known{f' of {report.about}' if report.about else ''}{_when(report, screen)}"
    yield from _notes(report, screen)
    yield from left_out(report)


def _targets(report: History) -> bool:
    """Whether each line has to say what it is about."""
    return not report.namespace or len({line.target for line in report.items}) > 1


def _cells(line: HistoryLine, screen: Screen, *, targets: bool, everywhere: bool) -> Iterator[RenderableType]:
    yield day(line.at, screen)
    yield line.what.value
    if targets:
        yield f"{line.namespace}/{line.target}" if everywhere else line.target
    yield plain(line.detail)
    yield plain(line.by)
    words = plain(line.outcome)
    yield screen.mark(line.state, words) if line.state else Text(words)


def day(moment: datetime, screen: Screen) -> str:
    """`30 Nov 15:02`."""
    local = screen.local(moment)
    return f"{local.day:2} {local:%b %H:%M}"


def _when(report: History, screen: Screen) -> str:
    begins = f" since {day(report.begins, screen).strip()}" if report.begins else ""
    return f"{begins} until {day(report.ends, screen).strip()}" if report.ends else begins


def _notes(report: History, screen: Screen) -> Iterator[RenderableType]:
    said = [*_left_out(report.refusals_left_out), *(_gone(gap, screen) for gap in report.gaps)]
    if said:
        yield ""
    yield from said


def _left_out(refusals: Sequence[Counted]) -> Iterator[str]:
    if refusals:
        total = sum(one.count for one in refusals)
        words = ", ".join(f"{one.word} {one.count}" for one in refusals)
        yield f"{total} refusal{'' if total == 1 else 's'} left out: {words}; --with-refusals shows them"


def _gone(gap: Gap, screen: Screen) -> str:
    before = day(gap.before, screen).strip()
    number = f"1 {gap.kind}" if gap.count == 1 else f"{gap.count} {gap.kind}s"
    return f"{number} of {gap.target} from before {before} no longer kept (retention); sinks and the log have them"


def markdown(report: History, screen: Screen) -> Iterator[str]:
    """A table, and below it what is left out."""
    zone = screen.local(report.at).tzname()
    titles = (f"time ({zone})", "target", "what", "detail", "by", "outcome")
    rows = [(day(one.at, screen), one.target, one.what.value, one.detail, one.by, one.outcome) for one in report.items]
    yield from rows_of([titles, *rows])
    for note in (*_left_out(report.refusals_left_out), *(_gone(gap, screen) for gap in report.gaps)):
        yield ""
        yield escaped(note)


def write_csv(report: History, out: TextIO) -> None:
    """One line each, times in UTC."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["time", "namespace", "target", "what", "detail", "by", "outcome", "reason", "record"])
    for line in report.items:
        told = (line.detail, line.by, line.outcome, line.reason, line.record)
        writer.writerow([format_time(line.at), line.namespace, line.target, line.what.value, *told])
