"""A period for people: on a terminal, and as Markdown; from the report alone."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta

from rich.console import RenderableType

from salus.cli.markdown import escaped, rows_of, section
from salus.cli.reports.history import Counted
from salus.cli.reports.period import ComparedLine, IncidentLine, PeriodReport, PolicyCompared, Spread
from salus.cli.show import Screen, facts, left_out, plain
from salus.cli.spans import span


def text(report: PeriodReport, screen: Screen) -> Iterator[RenderableType]:
    """A line for each question."""
    yield f"{_where(report)}, {days(report, screen)}"
    yield ""
    yield facts((label, plain(value)) for label, value in rows(report))
    yield from _gaps(report)
    yield from left_out(report)


def _where(report: PeriodReport) -> str:
    place = report.namespace or "all namespaces"
    return f"{place} on {report.cluster}" if report.cluster else place


def days(report: PeriodReport, screen: Screen) -> str:
    """`23 Nov to 30 Nov 2026 CET`."""
    begins, ends = screen.local(report.begins), screen.local(report.ends)
    return f"{begins.day} {begins:%b} to {ends.day} {ends:%b %Y} {ends.tzname()}"


def rows(report: PeriodReport) -> Iterator[tuple[str, str]]:
    """What there is to say of it, by its label."""
    modes = ", ".join(f"{one.count} {one.word}" for one in report.modes)
    yield "Policies", f"{report.policies}{f' ({modes})' if modes else ''}, {_of(report.workloads, 'workload')}"
    yield "Incidents", _incidents(report)
    yield "p50", _times(report, lambda one: one.p50)
    yield "p90", _times(report, lambda one: one.p90)
    yield "Acts", f"{report.acts}{_list(report.outcomes)}{f'; undone {report.undone}' if report.undone else ''}"
    if report.asked:
        yield "Asked", f"{report.asked}{_list(report.answers)}"
    yield "Rehearsed", f"{report.rehearsed}, advised {report.advised}, refused {report.refused}{_list(report.refusals)}"
    yield "Most", ", ".join(f"{one.word} {one.count}" for one in report.most)
    ready = [one for one in report.compared if one.ready]
    yield "Ready for Enforce", _policies(ready)
    yield "Not ready", _policies([one for one in report.compared if one.mode == "Observe" and not one.ready])


def _of(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _incidents(report: PeriodReport) -> str:
    if not report.incidents:
        return "none"
    still = f", open {report.still_open}" if report.still_open else ""
    return f"{report.incidents}: resolved {report.resolved}{still}, people told {report.escalated}"


def _list(counts: Sequence[Counted]) -> str:
    return f": {', '.join(f'{one.word} {one.count}' for one in counts)}" if counts else ""


def _times(report: PeriodReport, share: Callable[[Spread], timedelta]) -> str:
    known = (("detect", report.detect), ("act", report.act), ("recover", report.recover))
    return ", ".join(f"{word} {span(share(value))}" for word, value in known if value is not None)


def _policies(compared: Iterable[PolicyCompared]) -> str:
    return "; ".join(f"{one.namespace}/{one.policy} ({one.why})" for one in compared)


def _gaps(report: PeriodReport) -> Iterator[str]:
    total = sum(gap.count for gap in report.gaps)
    if total:
        yield ""
        yield f"{total} records of this time are no longer kept (retention): they are in no number above."


def markdown(report: PeriodReport, screen: Screen) -> Iterator[str]:
    """The same for a document that is kept: with each incident, and each rehearsal beside what people did."""
    yield f"# {escaped(_where(report))}, {days(report, screen)}"
    yield ""
    yield from (f"- **{label}**: {escaped(value)}" for label, value in rows(report) if value)
    yield from section("Incidents", _incident_rows(report, screen))
    yield from section("Rehearsals, and what people then did", _compared(report, screen))
    yield from section("What is not known", _unknown(report))


def _incident_rows(report: PeriodReport, screen: Screen) -> Iterator[str]:
    if report.items:
        zone = screen.local(report.at).tzname()
        titles = (f"began ({zone})", "workload", "seen", "lasted", "ended", "incident")
        yield from rows_of([titles, *(_incident_row(one, screen) for one in report.items)])
    if report.items_left_out:
        yield ""
        yield f"{report.items_left_out} older ones are left out."


def _incident_row(one: IncidentLine, screen: Screen) -> tuple[str, ...]:
    began = screen.clock(one.opened_at, "%d %b %H:%M")
    return began, f"{one.namespace}/{one.target}", one.seen, span(one.lasted), one.resolution or one.phase, one.name


def _compared(report: PeriodReport, screen: Screen) -> Iterator[str]:
    for policy in report.compared:
        verdict = "ready for Enforce" if policy.ready else f"mode {policy.mode}" if policy.mode else "gone"
        yield f"### {escaped(f'{policy.namespace}/{policy.policy}')}: {verdict}"
        yield ""
        yield escaped(f"{policy.why}.")
        yield ""
        yield from rows_of(
            [
                ("when", "workload", "rehearsed", "people did", "it was over"),
                *(_row(one, screen) for one in policy.items),
            ]
        )
        yield ""
        if policy.items_left_out:
            yield f"{policy.items_left_out} older ones are left out."
            yield ""


def _row(one: ComparedLine, screen: Screen) -> tuple[str, ...]:
    when = screen.clock(one.at, "%d %b %H:%M")
    after = f" after {span(one.after)}" if one.after is not None else ""
    did = f"{one.did}{f', {one.by}' if one.by else ''}{after}" if one.did else ""
    over = f"after {span(one.ended_after)}" if one.ended_after is not None else "not yet, or nobody knows"
    return when, one.target, one.rehearsed, f"{one.then}{f': {did}' if did else ''}", over


def _unknown(report: PeriodReport) -> Iterator[str]:
    yield from (f"- {escaped(line)}" for line in _gaps(report) if line)
    yield from (f"- {escaped(f'{one.what}, which takes {one.lacks}')}" for one in report.not_looked_at)
