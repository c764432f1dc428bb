"""What came back at about the same time on other days, and so is how the service lives."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from heapq import nlargest
from math import inf
from statistics import median
from typing import Self

from salus.core.learn.half_hours import A_DAY, A_WEEK

OTHER_DAYS = 2
"""Twice may be chance; what came on three days comes again."""
BESIDE = 1
"""So many half hours earlier or later are about the same time."""


class Came(StrEnum):
    """How often something like a half hour was there."""

    AGAIN = "Again"
    """On other days too, and it was better in between; or half hours are usually like that."""
    LASTING = "Lasting"
    """On other days too, but without a break: it has come once, and stayed."""
    ONCE = "Once"


def recurrences(worths: Sequence[float | None], again: Callable[[float], float]) -> list[Came]:
    """Of each half hour, whether it was as bad at about that time on two other days, or on every other same weekday.

    `again`: up to where something is the same again as what others have reached. What is no worse than half hours
    usually are needs no other day.
    """
    known = [worth for worth in worths if worth is not None]
    usual = again(median(known)) if known else 0.0
    days = _Days.of([worth or 0.0 for worth in worths], again)
    return [
        Came.ONCE if worth is None else Came.AGAIN if worth <= usual else days.came(number)
        for number, worth in enumerate(worths)
    ]


@dataclass(frozen=True, slots=True)
class _Days:
    """Half hours among those at about the same time of other days; 0 where nothing is known."""

    worths: Sequence[float]
    about: Sequence[float]
    """What was reached at about the time of each."""
    between: Sequence[float]
    """The best between each and the same time of the next day."""
    again: Callable[[float], float]

    @classmethod
    def of(cls, worths: Sequence[float], again: Callable[[float], float]) -> Self:
        numbers = range(len(worths))
        about = [max(worths[max(0, number - BESIDE) : number + BESIDE + 1]) for number in numbers]
        between = [min(worths[number + BESIDE + 1 : number + A_DAY - BESIDE], default=inf) for number in numbers]
        return cls(worths, about, between, again)

    def came(self, number: int) -> Came:
        reached: dict[int, float] = {}
        better: dict[int, float] = {}
        for other, lowest in self._others(number):
            reached[other] = self.about[other]
            better[other] = self.about[other] if self.worths[number] > self.again(lowest) else 0.0
        if self._enough(number, better):
            return Came.AGAIN
        return Came.LASTING if self._enough(number, reached) else Came.ONCE

    def _others(self, number: int) -> Iterator[tuple[int, float]]:
        """The half hour of each other day, and the best that was in between."""
        lowest = inf
        for other in range(number - A_DAY, -1, -A_DAY):
            lowest = min(lowest, self.between[other])
            yield other, lowest
        lowest = inf
        for other in range(number + A_DAY, len(self.worths), A_DAY):
            lowest = min(lowest, self.between[other - A_DAY])
            yield other, lowest

    def _enough(self, number: int, reached: Mapping[int, float]) -> bool:
        """Whether two days, or all weeks, have reached so much that this half hour is the same again."""
        weeks = [about for other, about in reached.items() if (other - number) % A_WEEK == 0]
        days = nlargest(OTHER_DAYS, reached.values())
        alike = [weeks, days] if len(days) == OTHER_DAYS else [weeks]
        return any(self.worths[number] <= self.again(min(each)) for each in alike if each)
