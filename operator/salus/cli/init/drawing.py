"""The past of a check as a drawing: a line for each day, a sign for each half hour."""

from collections.abc import Iterator
from itertools import groupby

from rich.console import RenderableType

from salus.cli.reports.proposal import Explained, ExplainedHalfHour
from salus.cli.show import Screen
from salus.core.learn.proposal import Fate

_LEVELS, _PLAIN_LEVELS = "▁▂▃▄▅▆▇", ".:-=+*%"
_HOURS = 24
_SIGNS = {Fate.CUT.value: "✖", Fate.QUIET.value: " "}
_PLAIN = {Fate.CUT.value: "X", Fate.QUIET.value: " "}
_LEFT = 8
"""Columns before the first half hour."""


def drawing(explained: Explained, screen: Screen) -> Iterator[RenderableType]:
    """Days by half hours: how near to the bound each was, and which were cut out."""
    signs = _SIGNS if screen.signs else _PLAIN
    levels = _LEVELS if screen.signs else _PLAIN_LEVELS
    yield f"{explained.check}, by half hours of {screen.local(explained.half_hours[0].start).tzname()}"
    yield f"{'':{_LEFT}}{''.join(f'{hour:<8}' for hour in range(0, _HOURS, 4))}".rstrip()
    for day, halves in groupby(explained.half_hours, key=lambda one: screen.local(one.start).date()):
        row = [" "] * (2 * _HOURS)
        for one in halves:
            local = screen.local(one.start)
            row[2 * local.hour + local.minute // 30] = signs.get(one.fate) or _level(one, explained.bound, levels)
        yield f"{day:%a %d}  {''.join(row)}".rstrip()
    yield f"{levels[0]} to {levels[-1]}  up to the bound, {explained.bound:g}; {_recurring(explained)}"
    yield f"{signs[Fate.CUT.value]}  taken for a past incident, and not learned from; blank: too few requests to tell"


def _level(one: ExplainedHalfHour, bound: float, levels: str) -> str:
    share = (one.worth or 0.0) / bound if bound else float(bool(one.worth))
    return levels[min(int(share * len(levels)), len(levels) - 1)]


def _recurring(explained: Explained) -> str:
    worst = max((one.worth or 0 for one in explained.half_hours if one.fate == Fate.RECURS.value), default=0)
    return f"the worst that came back: {worst:.2g}"
