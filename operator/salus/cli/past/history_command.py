"""The command `salus history`."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from salus.adapters.clock import SystemClock
from salus.cli.contract import CannotBeAsked, Exit
from salus.cli.past import book, history_text
from salus.cli.past.history import Window, chosen, gaps
from salus.cli.person import Person, Where, person_at
from salus.cli.reports.history import History, What
from salus.cli.show import Look, screen, show

CSV, MARKDOWN = "csv", "md"


@dataclass(frozen=True, slots=True)
class Ask:
    """What a person typed."""

    names: Sequence[str] = ()
    since: timedelta | None = None
    begins: datetime | None = None
    ends: datetime | None = None
    only: Sequence[str] = ()
    refusals: bool = False


def run(ask: Ask, where: Where, look: Look) -> int:
    """The command. Returns the exit status. Raises CannotBeAsked."""
    only = [_what(word) for word in ask.only]
    return asyncio.run(_run(ask, only, where, look))


def _what(word: str) -> What:
    try:
        return What(word)
    except ValueError as error:
        raise CannotBeAsked(f'--only knows no "{word}"', [("knows", ", ".join(What))]) from error


async def _run(ask: Ask, only: Sequence[What], where: Where, look: Look) -> int:
    async with person_at(where) as person:
        _print(await past(person, ask, only, SystemClock().now()), look)
    return Exit.YES


async def past(person: Person, ask: Ask, only: Sequence[What], now: datetime) -> History:
    """What happened. Raises CannotBeAsked."""
    window = Window(now - ask.since if ask.since is not None else ask.begins, ask.ends)
    known = await book.read(person, ask.names)
    shown = chosen(known, window, only, now, refusals=ask.refusals)
    return History(
        cluster=person.context,
        at=now,
        namespace=person.namespace or "",
        about=", ".join(ask.names),
        begins=window.begins,
        ends=window.ends,
        items=shown.lines,
        refusals_left_out=shown.refusals,
        gaps=gaps(known, window),
        not_looked_at=tuple(person.not_looked_at),
    )


def _print(report: History, look: Look) -> None:
    if look.form == CSV:
        history_text.write_csv(report, sys.stdout)
    elif look.form == MARKDOWN:
        sys.stdout.writelines(f"{line}\n" for line in history_text.markdown(report, screen(look)))
    else:
        show(report, look, history_text.text)
