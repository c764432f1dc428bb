"""The command `salus report`: an incident, or a period."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from salus.adapters.clock import SystemClock
from salus.cli.contract import CannotBeAsked, Exit
from salus.cli.metrics.courses import Asker
from salus.cli.names import named, short_of
from salus.cli.pages import TooLargeError, page
from salus.cli.past import book, drawing, incident, incident_text, period, period_text
from salus.cli.past.around import with_courses
from salus.cli.past.history import Window
from salus.cli.past.incident import Around
from salus.cli.person import Person, Where, person_at
from salus.cli.redacted import redacted
from salus.cli.reports.document import Document
from salus.cli.reports.incident import IncidentReport
from salus.cli.reports.period import PeriodReport
from salus.cli.show import Form, Look, Screen, Text_, screen, show
from salus.model.meta import WorkloadKind
from salus.ports import INCIDENTS, WORKLOADS, Ref

MARKDOWN = "md"
PERIOD = "period"
USUAL = timedelta(days=7)


T = TypeVar("T", bound=Document)


@dataclass(frozen=True, slots=True)
class Ask:
    """What a person typed."""

    about: str
    since: timedelta | None = None
    begins: datetime | None = None
    ends: datetime | None = None
    markdown: bool = False
    html: Path | None = None
    asker: Asker | None = None
    """The way to what checks said; None: nobody is asked."""
    redact: bool = False
    commands: frozenset[str] = frozenset()
    """That this program has."""


def run(ask: Ask, where: Where, look: Look) -> int:
    """The command. Returns the exit status. Raises CannotBeAsked."""
    if ask.markdown and look.form not in {Form.TEXT, MARKDOWN}:
        raise CannotBeAsked(f"--md and -o {look.form} ask for two forms")
    return asyncio.run(_run(ask, where, look))


async def _run(ask: Ask, where: Where, look: Look) -> int:
    shown = redacted if ask.redact else _as_it_is
    async with person_at(where) as person:
        now, markdown = SystemClock().now(), ask.markdown or look.form == MARKDOWN
        if ask.about == PERIOD:
            some_days = shown(await of_period(person, ask, now))
            _print(some_days, look, period_text.text, period_text.markdown if markdown else None)
            _write(ask.html, lambda: period_page(some_days, look))
        else:
            said = shown(await of_incident(person, ask, now, drawn=_is_drawn(ask, look)))
            _print(said, look, incident_text.text, incident_text.markdown if markdown else None)
            _write(ask.html, lambda: incident_page(said, look))
    return Exit.YES


def _as_it_is(report: T) -> T:
    return report


def _is_drawn(ask: Ask, look: Look) -> bool:
    """Whether anybody is going to see what checks said: text and Markdown have no plots."""
    return ask.html is not None or look.form in {Form.JSON, Form.YAML}


def _write(file: Path | None, made: Callable[[], str]) -> None:
    """The page, where one is wanted. Raises CannotBeAsked."""
    if file is None:
        return
    try:
        file.write_text(made(), encoding="utf-8")
    except (OSError, TooLargeError) as error:
        raise CannotBeAsked(f"{file} cannot be written", [("why", str(error))]) from error
    sys.stderr.write(f"written: {file}\n")


def incident_page(report: IncidentReport, look: Look) -> str:
    """The report as a page. Raises TooLargeError."""
    zone = UTC if look.utc else None
    name, lanes = report.opened_at.astimezone(zone).tzname(), drawing.of_incident(report, zone)
    plots = drawing.of_courses(report, zone)
    return page("incident.html.j2", report, zone, lanes=lanes, plots=plots, zone_name=name)


def period_page(report: PeriodReport, look: Look) -> str:
    """The report as a page. Raises TooLargeError."""
    zone, days = UTC if look.utc else None, period_text.days(report, screen(look))
    name, lanes = report.at.astimezone(zone).tzname(), drawing.of_period(report, zone)
    said = list(period_text.rows(report))
    return page("period.html.j2", report, zone, lanes=lanes, rows=said, days=days, zone_name=name)


def _print(report: T, look: Look, text: Text_[T], markdown: Callable[[T, Screen], Iterator[str]] | None) -> None:
    if markdown is None:
        show(report, look, text)
    else:
        again = type(report).from_json(report.to_json())
        sys.stdout.writelines(f"{line}\n" for line in markdown(again, screen(look)))


async def of_incident(person: Person, ask: Ask, now: datetime, *, drawn: bool = False) -> IncidentReport:
    """All about one incident; `drawn`: with what its checks said, if that can be asked. Raises CannotBeAsked."""
    one = named(ask.about, INCIDENTS, allowed=(INCIDENTS,))
    body = await person.get(Ref(INCIDENTS, person.one_namespace(), one.name))
    ref = body["spec"]["targetRef"]
    workload = f"{short_of(WORKLOADS[WorkloadKind(ref['kind'])])}/{ref['name']}"
    (known,) = (await book.read(person, [workload])).workloads
    said = incident.report(body, Around(known, person.context, ask.commands), now)
    if drawn and ask.asker is not None:
        said = await with_courses(said, known, person, ask.asker)
    return said.model_copy(update={"not_looked_at": tuple(person.not_looked_at)})


async def of_period(person: Person, ask: Ask, now: datetime) -> PeriodReport:
    """How all went in some days. Raises CannotBeAsked."""
    ends = ask.ends or now
    begins = ask.begins or ends - (ask.since or USUAL)
    if begins >= ends:
        raise CannotBeAsked("the period ends before it begins", [("from", str(begins)), ("to", str(ends))])
    known = await book.read(person, [])
    where = {"cluster": person.context, "namespace": person.namespace or ""}
    said = period.report(known, Window(begins, ends), now, **where)
    return said.model_copy(update={"not_looked_at": tuple(person.not_looked_at)})
