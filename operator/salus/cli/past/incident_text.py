"""An incident for people: on a terminal, and as Markdown for a document about it; from the report alone."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial

from rich.console import RenderableType
from rich.text import Text

from salus.cli.markdown import code, escaped, items, rows_of, section
from salus.cli.reports.history import HistoryLine
from salus.cli.reports.incident import AttemptLine, IncidentReport
from salus.cli.show import Screen, facts, indented, left_out, plain, table
from salus.cli.spans import span

_GOES_ON = "\\\n"
Clock = Callable[[datetime], str]
"""How a moment is written."""


def text(report: IncidentReport, screen: Screen) -> Iterator[RenderableType]:
    """What a person wants to read first stands first."""
    yield Text(f"Incident {report.name} of {report.namespace}/{report.target}", style="bold")
    yield f"{screen.heading(report.opened_at)}, policy {report.policy}"
    yield ""
    yield plain(report.summary)
    yield ""
    yield facts(_head(report, screen))
    for attempt in report.attempts:
        yield from _attempt(attempt, screen)
    if report.people:
        yield ""
        yield "What others did"
        yield indented(_lines(report.people, screen))
    if report.told:
        yield ""
        yield facts([("Told", f"{screen.clock(one.at)} {_by_whom(one.sinks)}: {one.message}") for one in report.told])
    if report.next_steps:
        yield ""
        yield "Afterwards"
        yield from (indented(Text(step.command)) for step in report.next_steps)
    yield from _notes(report)
    yield from left_out(report)


def _by_whom(sinks: Iterable[str]) -> str:
    return ", ".join(sinks) or "Kubernetes' Events"


def _head(report: IncidentReport, screen: Screen) -> Iterator[tuple[str, RenderableType]]:
    yield "Phase", _phase(report)
    yield "Took", ", ".join(_took(report)) or "not known"
    for one in report.evidence:
        since = f", since {screen.clock(one.since)}" if one.since else ""
        yield "Seen", f"{one.check} {one.value or 'unknown'} ({one.bound}){since}"
    if report.blame:
        yield "Blame", f"{report.blame.message} ({report.blame.confidence})"
    if not report.attempts:
        yield "Tried", "nothing is on record"


def _phase(report: IncidentReport) -> str:
    relapses = f", {report.relapses} relapses" if report.relapses else ""
    return f"{report.phase}{f', {report.resolution}' if report.resolution else ''}{relapses}"


def _took(report: IncidentReport) -> Iterator[str]:
    known: tuple[tuple[str, timedelta | None], ...] = (
        ("to detect", report.detect),
        ("to act", report.act),
        ("to recover", report.recover),
    )
    return (f"{span(value)} {word}" for word, value in known if value is not None)


def _attempt(one: AttemptLine, screen: Screen) -> Iterator[RenderableType]:
    yield ""
    title = f"{screen.clock(one.at)}  {one.decision} {one.doing}"
    yield screen.mark(one.state, title) if one.state else Text(title)
    yield indented(facts(_of_attempt(one, partial(screen.clock, form="%H:%M:%S"))))


def _of_attempt(one: AttemptLine, clock: Clock) -> Iterator[tuple[str, str]]:
    yield "Record", one.record
    yield "Remedy", one.remedy
    yield "Why", f"{one.message} ({one.reason})"
    yield "Guards", _guards(one)
    yield "Images", one.images
    yield "Size", one.replicas
    for line in one.patch:
        yield "Patch", line
    yield "Answer", one.answered
    if one.applied_at:
        yield "Done", f"{clock(one.applied_at)}{f' as {one.identity}' if one.identity else ''}"
    if one.outcome or one.note:
        at = f"{clock(one.completed_at)} " if one.completed_at else ""
        yield "Outcome", f"{at}{one.outcome}{': ' if one.outcome and one.note else ''}{one.note}"
    if one.times > 1:
        yield "Given", f"{one.times} times"


def _guards(one: AttemptLine) -> str:
    if one.objection:
        return f"{one.objection.reason} objected; {one.not_asked} more were not asked"
    return "none objected" if one.decision in {"Act", "DryRun", "AwaitApproval"} and one.doing != "Notify" else ""


def _lines(lines: Iterable[HistoryLine], screen: Screen) -> RenderableType:
    rows = table("", "", "", "", folds=("",))
    for line in lines:
        rows.add_row(screen.clock(line.at), line.what.value, plain(line.detail), plain(line.by))
    return rows


def _notes(report: IncidentReport) -> Iterator[str]:
    if report.notes:
        yield ""
        yield from report.notes


def markdown(report: IncidentReport, screen: Screen) -> Iterator[str]:
    """The same for a document that is kept: with days, and with the whole timeline."""
    clock = partial(screen.clock, form="%d %b %H:%M:%S")
    yield f"# Incident {escaped(report.name)}"
    yield ""
    where = f"{report.cluster}, " if report.cluster else ""
    yield escaped(
        f"{where}{report.namespace}/{report.target}, policy {report.policy}, {screen.heading(report.opened_at)}"
    )
    yield ""
    yield escaped(report.summary)
    yield ""
    yield f"**{escaped(_phase(report))}**: {', '.join(_took(report)) or 'how long it took is not known'}."
    yield from section("What was seen", _evidence(report, clock))
    yield from section("Likely cause", _blamed(report))
    yield from section("Timeline", _timeline(report, screen, clock))
    yield from section("What Salus decided", _attempts(report, clock))
    yield from section("Who was told", _told(report, clock))
    yield from section("For the post-mortem", _steps(report))
    yield from section("What is not known", items([*report.notes, *_unseen(report)]))


def _evidence(report: IncidentReport, clock: Clock) -> Iterator[str]:
    if report.evidence:
        rows = [
            (one.check, one.value or "unknown", one.bound, clock(one.since) if one.since else "")
            for one in report.evidence
        ]
        yield from rows_of([("check", "value", "bound", "since"), *rows])
        yield ""
        yield from (f"- {escaped(one.check)}: {code(one.query)}" for one in report.evidence if one.query)


def _blamed(report: IncidentReport) -> Iterator[str]:
    if report.blame:
        yield escaped(f"{report.blame.kind}, {report.blame.confidence}: {report.blame.message}")


def _timeline(report: IncidentReport, screen: Screen, clock: Clock) -> Iterator[str]:
    if report.timeline:
        zone = screen.local(report.opened_at).tzname()
        rows = [(clock(one.at), one.what.value, one.detail, one.by, one.outcome) for one in report.timeline]
        yield from rows_of([(f"time ({zone})", "what", "detail", "by", "outcome"), *rows])


def _attempts(report: IncidentReport, clock: Clock) -> Iterator[str]:
    for one in report.attempts:
        yield f"### {clock(one.at)} {escaped(f'{one.decision} {one.doing}')}"
        yield ""
        for label, value in _of_attempt(one, clock):
            if value:
                yield f"- {label}: {code(value) if label == 'Patch' else escaped(value)}"
        yield ""


def _told(report: IncidentReport, clock: Clock) -> Iterator[str]:
    return items(f"{clock(one.at)}, {_by_whom(one.sinks)}: {one.message}" for one in report.told)


def _steps(report: IncidentReport) -> Iterator[str]:
    for one in report.next_steps:
        yield f"- {one.what}: {code(' '.join(one.command.replace(_GOES_ON, ' ').split()))}"


def _unseen(report: IncidentReport) -> Iterator[str]:
    return (f"{one.what}, which takes {one.lacks}" for one in report.not_looked_at)
