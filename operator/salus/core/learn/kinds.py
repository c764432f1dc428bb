"""What kinds of check there are, as far as bounds differ: how far beyond the worst that came back is far enough."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import floor, inf, log10

from salus.model.policy import Threshold
from salus.model.scalars import write_decimal

SLACK = 1e-9
"""Of a comparison: 3 times 1 / 300 may be a little more than 0.01."""
AGAIN = 2.0
"""What was at least half as bad on other days came back: two busy Mondays are never equally busy."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How bounds of one kind of check are chosen."""

    name: str
    times: float
    """The bound is so many times the worst that came back, or more."""
    plus: float = inf
    """…or so much more than that, if this is less: three times a high share would leave no bound."""
    most: float = inf
    """No bound beyond this is of use."""
    floor: float = 0
    usual: float = 0
    """The bound is at least so many times what is usual: what is always there cannot be told from a fault."""
    ladder: Sequence[float] | None = None
    """Bounds to choose from; None: 1, 2, 5, 10, 20 …"""
    counts: bool = False
    """A share of requests: the bound says how many are needed to judge."""
    follows: bool = False
    """A level, which may follow the traffic and the hour."""
    fixed: bool = False
    """History changes no bound of this kind."""

    def needed(self, worst: float) -> float:
        """The least bound beyond which nothing lies that comes back, with a margin; infinite: there is none."""
        if worst > self.most:
            return inf
        return min(self.times * worst, worst + self.plus, self.most)

    def came_back(self, worst: float) -> float:
        """Up to here something is the same again, if other days have reached `worst` at that time.

        What a bound made of the other days would not let pass is not the same, however close: 70 % of the memory is no
        sign of 95 %.
        """
        return min(AGAIN * worst, self.needed(worst))

    def steps(self, least: float) -> Iterator[float]:
        """The bounds of the ladder from `least` up; without a ladder of its own they do not end."""
        if self.ladder is not None:
            yield from (bound for bound in self.ladder if reaches(bound, least))
            return
        while True:
            yield (least := first_step(least))
            least *= 1 + 2 * SLACK


def above(bound: float) -> Threshold:
    """A bound as a policy has it."""
    return Threshold.model_validate({"above": write_decimal(bound)})


def below(bound: float) -> Threshold:
    """Another one, from the other side."""
    return Threshold.model_validate({"below": write_decimal(bound)})


def first_step(least: float) -> float:
    """The first of 1, 2, 5, 10, 20 … (and 0.5, 0.2, 0.1 …) that is no less than `least`, which is more than 0."""
    power = floor(log10(least))
    steps = (float(f"{digit}e{exponent}") for exponent in (power, power + 1) for digit in (1, 2, 5))
    return next(step for step in steps if least <= step * (1 + SLACK))


def reaches(bound: float, needed: float) -> bool:
    """Whether this bound is as high as is needed."""
    return needed <= bound * (1 + SLACK)


SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)

FAILURES = Kind("failures", times=3, plus=0.05, floor=0.01, usual=3, ladder=SHARES, counts=True)
"""The share of requests that failed. One in a hundred is what nobody is woken for; five points above a peak that comes
every day are seen by its callers."""
SLOW = Kind("slow requests", times=3, plus=0.05, floor=0.05, usual=3, ladder=SHARES, counts=True)
"""The share of requests slower than an edge that 99 % stay below: five times as many are no matter of chance."""
LATENCY = Kind("latency", times=2, usual=2)
"""Seconds. A latency has no end above, and doubles long before anything breaks."""
SATURATION = Kind("saturation", times=1.25, most=0.95, floor=0.8, ladder=(*(n / 10 for n in range(1, 10)), 0.95))
"""The share of what there is that is used. It ends at 1, so a quarter more is much; above 0.95 it is too late to act,
and below 0.8 there is no need."""
LEVEL = Kind("level", times=3, follows=True)
"""Any other number: messages, goroutines, seconds behind."""
FIXED = Kind("fixed", times=2, fixed=True)
"""What is bad in itself, whatever the past was like: one crash loop is."""
