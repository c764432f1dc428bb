"""A replay as Markdown, for pull requests, and as CSV; from its document alone."""

import csv
from collections.abc import Iterator
from typing import TextIO

from salus.cli.markdown import escaped, items, rows_of, section
from salus.cli.replay.text import because_of, day, decided, did, difference, heading, summary, then, unknown
from salus.cli.reports.replay import Breach, ReplayReport, Sweep
from salus.cli.show import Screen
from salus.model.scalars import format_duration, format_time


def markdown(report: ReplayReport, screen: Screen) -> Iterator[str]:
    """What it comes to, then the breaches, then what is not known."""
    for line in heading(report, screen):
        yield f"{escaped(line)}  "
    yield ""
    if report.comparison is not None:
        yield escaped(difference(report))
        yield from section("What differs", _differences(report, screen))
    else:
        yield escaped(summary(report))
        yield from section("Breaches", _breaches(report, screen))
    for sweep in report.sweeps:
        yield from section(f"{escaped(sweep.check)}, by bound and for", _swept(sweep))
    yield from section(
        "What is not known", items(line.removeprefix("Not known: ") for line in _unknown(report, screen))
    )


def _unknown(report: ReplayReport, screen: Screen) -> Iterator[str]:
    yield from filter(None, unknown(report, screen))
    yield from (f"{one.what}, which takes {one.lacks}" for one in report.not_looked_at)


def _breaches(report: ReplayReport, screen: Screen) -> Iterator[str]:
    if report.breaches:
        zone = screen.local(report.at).tzname()
        titles = ("#", f"began ({zone})", "policy", "because", "it would have", "what happened then")
        yield from rows_of([titles, *(_row(one, screen) for one in report.breaches)])


def _row(one: Breach, screen: Screen) -> tuple[str, ...]:
    would = "; ".join(line.plain for line in did(one, screen))
    return str(one.number), day(one.began, screen), one.policy, because_of(one), would, then(one, screen)


def _differences(report: ReplayReport, screen: Screen) -> Iterator[str]:
    compared = report.comparison
    if compared is not None and compared.differences:
        titles = ("time", "policy", "here", compared.against, "what happened then")
        rows = [(day(one.at, screen), one.policy, one.here, one.there, one.then) for one in compared.differences]
        yield from rows_of([titles, *rows])


def _swept(sweep: Sweep) -> Iterator[str]:
    yield "Acts, and in brackets those on what ended by itself; \\* as the policy says."
    yield ""
    holds = [f"{format_duration(one)}{'*' if one == sweep.hold else ''}" for one in sweep.holds]
    rows = [
        (
            f"{bound}{'*' if bound == sweep.bound else ''}",
            *(f"{cell.acts} ({cell.by_itself})" for cell in sweep.cells if cell.bound == bound),
        )
        for bound in sweep.bounds
    ]
    yield from rows_of([("", *holds), *rows])


COLUMNS = (
    *("number", "began", "ended", "namespace", "policy", "target", "check", "value", "bound"),
    *("decided", "decision", "action", "doing", "reason", "outcome", "then", "then_at", "by_itself"),
)


def write_csv(report: ReplayReport, out: TextIO) -> None:
    """A line for each decision, and one for each breach without any; times in UTC."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in report.breaches:
        ended, then_at = (format_time(at) if at else "" for at in (one.ended, one.then_at))
        where = (one.namespace, one.policy, one.target, one.check, one.value, one.bound)
        what = (one.then, then_at, "yes" if one.by_itself else "no")
        begins = (one.number, format_time(one.began), ended, *where)
        for would in one.would_have:
            told = (format_time(would.at), would.decision, would.action, decided(would), would.reason, would.outcome)
            writer.writerow([*begins, *told, *what])
        if not one.would_have:
            writer.writerow([*begins, *("" for _ in range(5)), one.why_nothing, *what])
