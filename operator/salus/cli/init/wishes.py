"""What a person typed of a proposal, read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from salus.cli.contract import CannotBeAsked
from salus.cli.init.proposing import Choice
from salus.cli.init.workload import Wish
from salus.cli.init.zone import zone
from salus.cli.spans import moment
from salus.core.learn.history import Span

_LEAST, _MOST = timedelta(hours=1), timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Said:
    """As it was typed."""

    window: timedelta
    incidents: Sequence[str] = ()
    not_incidents: Sequence[str] = ()
    only: Sequence[str] = ()
    without: Sequence[str] = ()
    explain: str = ""
    mode: str = "Observe"
    source: str = ""
    utc: bool = False
    rehearse: bool = True


def wish(said: Said) -> Wish:
    """What is wanted. Raises CannotBeAsked."""
    if not _LEAST <= said.window <= _MOST:
        raise CannotBeAsked("--window: expected 1h to 90d")
    only = (*said.only, said.explain) if said.explain else said.only
    moments: list[datetime] = []
    normal: list[Span] = []
    for text in said.not_incidents:
        if "/" in text:
            normal.append(_span("--no-incident", text, utc=said.utc))
        else:
            moments.append(moment(text, utc=said.utc))
    return Wish(
        window=said.window,
        zone=zone(utc=said.utc),
        choice=Choice(only, said.without, moments),
        incidents=[_span("--incident", text, utc=said.utc) for text in said.incidents],
        normal=normal,
        explain=said.explain,
        mode=said.mode,
        source=said.source,
        rehearse=said.rehearse and not said.explain,
    )


def _span(option: str, text: str, *, utc: bool) -> Span:
    """FROM/TO; a TO of the hour alone is of the same day. Raises CannotBeAsked."""
    begins, _, ends = text.partition("/")
    if not ends:
        raise CannotBeAsked(f'{option}: "{text}" has no end', [("expected", "FROM/TO, such as 2026-11-21T15:00/16:00")])
    if "T" in begins and ":" in ends and "T" not in ends and "-" not in ends:
        ends = f"{begins.partition('T')[0]}T{ends}"
    span = Span(moment(begins, utc=utc), moment(ends, utc=utc))
    if span.start >= span.end:
        raise CannotBeAsked(f'{option}: "{text}" ends before it begins')
    return span
