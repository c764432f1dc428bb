"""The command `salus status`: once, again and again, or until what is waited for has come."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rich.console import Group
from rich.live import Live
from rich.text import Text

from salus.adapters.clock import SystemClock
from salus.cli.contract import CannotBeAsked, Exit
from salus.cli.look import patience, status, status_text
from salus.cli.look.patience import Patience, Seen, Wanted
from salus.cli.look.recent import Lookback
from salus.cli.marks import State
from salus.cli.person import Person, Where, person_at
from salus.cli.reports.status import StatusReport
from salus.cli.show import Form, Look, Screen, screen, show
from salus.model.scalars import format_duration

AGAIN = 2.0
"""Seconds between two looks of somebody who waits or watches."""
STALE = timedelta(minutes=1)
"""Without an answer for so long, what is on the screen says so."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a person typed."""

    names: Sequence[str] = ()
    only_unhealthy: bool = False
    watch: bool = False
    wait_for: str = ""
    stable: timedelta = timedelta(0)
    timeout: timedelta = timedelta(minutes=10)
    fail_on: str = ""
    lookback: Lookback | None = None
    """None: nobody asks Prometheus."""


def run(ask: Ask, where: Where, look: Look) -> int:
    """The command. Returns the exit status. Raises CannotBeAsked."""
    return asyncio.run(_run(ask, where, look))


async def _run(ask: Ask, where: Where, look: Look) -> int:
    async with person_at(where) as person:
        if ask.wait_for:
            return await _wait(person, ask, look)
        if ask.watch:
            return await _watch(person, ask, look)
        report = await _report(person, ask)
        show(report, look, status_text.text)
        return Exit.NO if ask.fail_on == "unhealthy" and report.unhealthy else Exit.YES


async def _report(person: Person, ask: Ask) -> StatusReport:
    report = await status.look(person, ask.names, SystemClock().now(), ask.lookback)
    if not ask.only_unhealthy:
        return report
    return report.model_copy(
        update={"policies": tuple(one for one in report.policies if one.health in {"Unhealthy", "Unknown"})}
    )


async def _watch(person: Person, ask: Ask, look: Look) -> int:
    """On a terminal drawn anew in its place, else a text for each change; who does not answer is asked again."""
    shown, last = screen(look), await _report(person, ask)
    before, is_drawn = "", sys.stdout.isatty()
    with Live(console=shown.console, auto_refresh=False) if is_drawn else nullcontext() as live:
        while True:
            text = [*status_text.text(last, shown), *_stale(last, shown)]
            if live is not None:
                live.update(Group(*text), refresh=True)
            elif (news := _news(last)) != before:
                shown.write(text)
                before = news
            await asyncio.sleep(AGAIN)
            with suppress(CannotBeAsked):
                last = await _report(person, ask)


def _stale(last: StatusReport, shown: Screen) -> list[Text]:
    if SystemClock().now() - last.at < STALE:
        return []
    return [shown.mark(State.WARNING, f"stale since {shown.clock(last.at)}, trying")]


def _news(report: StatusReport) -> str:
    """What differs where there is something new."""
    return "; ".join(f"{one.namespace}/{one.name} {one.health} {one.now.text}" for one in report.policies)


async def _wait(person: Person, ask: Ask, look: Look) -> int:
    """Look until it has come, or cannot, or there is no more time: then nobody knows.

    What is seen on the way is for people; a program gets how it stood at last.
    """
    if len(ask.names) != 1:
        tries = ["salus status NAME --wait-for healthy"]
        raise CannotBeAsked("--wait-for waits for one policy or workload", tries=tries)
    for_programs = look.form in {Form.JSON, Form.YAML}
    known, clock = Patience(_wanted(ask.wait_for), ask.stable), SystemClock()
    deadline = clock.now() + ask.timeout
    while True:
        seen = await _seen(person, ask.names)
        before, known = known.said, patience.look(known, seen)
        if known.said != before:
            _say(seen.at, known.said, for_programs=for_programs)
        if known.ends is None and clock.now() > deadline:
            _say(seen.at, f"not known after {format_duration(ask.timeout)}: {known.said}", for_programs=for_programs)
            known = replace(known, ends=Exit.UNKNOWN)
        if known.ends is not None:
            if for_programs:
                show(await status.look(person, ask.names, seen.at), look, status_text.text)
            return known.ends
        await asyncio.sleep(AGAIN)


def _wanted(word: str) -> Wanted:
    try:
        return Wanted(word)
    except ValueError as error:
        raise CannotBeAsked(f'--wait-for knows no "{word}"', [("knows", ", ".join(Wanted))]) from error


def _say(at: datetime, text: str, *, for_programs: bool) -> None:
    out = sys.stderr if for_programs else sys.stdout
    out.write(f"{at.astimezone():%H:%M:%S}  {text}\n")
    out.flush()


async def _seen(person: Person, names: Sequence[str]) -> Seen:
    now = SystemClock().now()
    report = await status.look(person, names, now)
    if len(report.details) > 1:
        several = ", ".join(one.line.name for one in report.details)
        raise CannotBeAsked("several policies speak of it", [("which", several)], ["the name of one of them"])
    return Seen(now, report.details[0])
