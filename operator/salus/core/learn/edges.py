"""Which edge of a histogram tells slow requests from the others.

The share of requests that are slower than the edge of a bucket is exact, where a quantile would be guessed within one.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from salus.core.learn.doubts import unusable
from salus.core.learn.half_hours import HALF_HOUR, Past
from salus.core.learn.history import History, Question
from salus.core.learn.kinds import above
from salus.core.learn.pasts import Pasts
from salus.core.learn.proposal import LeftOut
from salus.core.learn.recurrence import Came, recurrences
from salus.core.policy.counting import three_failures
from salus.model.scalars import format_decimal

SLOW = 0.01
"""So many of the requests of a half hour may be slower: what all others stay below is how the service lives."""
ENOUGH = three_failures(above(SLOW))
"""Requests in a half hour, so that it takes more than one slow one to be so many."""


@dataclass(frozen=True, slots=True)
class Edge:
    """The upper end of a bucket, in the unit of the histogram, and the past of the share that is slower than that."""

    upper: float
    history: History


def lowest_edge(question: Question, edges: Iterable[Edge]) -> Edge | LeftOut:
    """The lowest of the finite ones that 99 % of the requests stay below in every half hour that came back."""
    highest: tuple[float, float] | None = None
    for edge in sorted((edge for edge in edges if unusable(edge.history) is None), key=lambda edge: edge.upper):
        pasts = Pasts(question, edge.history)
        if (slower := _worst(question, pasts.over(edge.history.series[0], pasts.window()))) is None:
            continue
        if slower <= SLOW:
            return edge
        highest = edge.upper, slower
    if highest is None:
        return LeftOut("TooLittleTraffic", f"no half hour in which {ENOUGH} requests were counted came back")
    return LeftOut(
        "NoEdge",
        f"{format_decimal(highest[1])} of the requests are slower than {format_decimal(highest[0])}, the highest edge, "
        f"in a half hour that comes back; at most {SLOW:g} should be: the histogram needs buckets above",
    )


def _worst(question: Question, past: Past) -> float | None:
    """The largest share in a half hour that came back."""
    seconds = past.series.window.total_seconds()
    worths: list[float | None] = [None] * past.window.half_hours
    for number, share, amount in past.levels():
        if amount * HALF_HOUR / seconds >= ENOUGH:
            worths[number] = share
    came = zip(worths, recurrences(worths, question.kind.came_back), strict=True)
    return max((share for share, how in came if share is not None and how is not Came.ONCE), default=None)
