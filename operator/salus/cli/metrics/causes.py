"""Why a query finds nothing, asked of the person's Prometheus in the order of `core.policy.absence`."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from salus.cli.metrics.ask import Metrics, Window
from salus.core.policy.absence import (
    Absence,
    Context,
    Count,
    LabelsOf,
    LastSeen,
    NamesThere,
    Question,
    Told,
    ValuesOf,
    why,
)
from salus.core.policy.promql import Matching, Selection, selections
from salus.model.values.metrics import Error
from salus.sources.reply import Course

_POINTS = 300
"""Of the past, to see when something was there last."""
_FINEST = timedelta(minutes=1)
_VALUES, _NAMES = 50, 2000
"""That are looked at, of those that there are."""
_NOW, _LATELY = timedelta(minutes=5), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Past:
    """The window in which something may have been there."""

    now: datetime
    back: timedelta


async def absences(metrics: Metrics, query: str, past: Past, among: Sequence[Matching] = ()) -> tuple[Absence, ...]:
    """For each place where the query reads series, whether there are any, and if not, why.

    `among`: what the series of the workload's pods have in common. Raises ValueError if the query cannot be read.
    """
    context = Context(past.back, tuple(among))
    return tuple(await asyncio.gather(*(_of_one(metrics, one, past, context) for one in selections(query))))


async def _of_one(metrics: Metrics, selection: Selection, past: Past, context: Context) -> Absence:
    told: dict[Question, Told] = {}
    while not isinstance(step := why(selection, told, context), Absence):
        told[step] = await _told(metrics, step, past)
    return step


async def _told(metrics: Metrics, question: Question, past: Past) -> Told:
    match question:
        case Count(selector):
            number = await metrics.instant(f"count({selector})")
            return number if isinstance(number, Error) else round(number[0].value) if number else 0
        case LastSeen(selector):
            step = max(_FINEST, past.back / _POINTS)
            over = await metrics.over(f"count({selector})", past.now - past.back, past.now, step)
            return over if isinstance(over, Error) else _last(over)
        case LabelsOf(selector):
            found = await metrics.series(selector, Window.before(past.now, _NOW))
            return found if isinstance(found, Error) else sorted({label for one in found.items for label in one})
        case ValuesOf(label, selector):
            values = await metrics.instant(f"topk({_VALUES}, count by ({label}) ({selector}))")
            return values if isinstance(values, Error) else [one.labels.get(label, "") for one in values]
        case NamesThere(selector):
            names = await metrics.label_values("__name__", selector, Window.before(past.now, _LATELY), _NAMES)
            return names if isinstance(names, Error) else names.items


def _last(courses: Sequence[Course]) -> datetime | None:
    return max((course.samples[-1].at for course in courses if course.samples), default=None)
