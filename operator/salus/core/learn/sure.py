"""How sure a bound is that was learned, and what it is short of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite

from salus.core.learn.bounds import Choice
from salus.core.learn.doubts import Evidence
from salus.core.learn.half_hours import A_DAY, A_WEEK
from salus.core.learn.kinds import reaches
from salus.core.learn.runs import longest, runs
from salus.model.scalars import format_decimal, format_duration

DAYS = 10
"""A week and three days more: each hour of the day often, each weekday once."""
THERE = 0.9
"""Of the samples."""
LATELY = 3 * A_DAY
"""The last three days: where the service is now, as against where it was."""
CHANGED = 2
"""So many times as bad, or as good, is a change."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """The bound that was chosen, and all that it was chosen from."""

    evidence: Evidence
    choice: Choice
    needed: float
    """The least bound by what came back, however much traffic there is."""


def doubts(proposal: Proposal) -> list[str]:
    """What is short of certain, each in a clause; nothing: it is sure."""
    return [clause for ask in _ASKED if (clause := ask(proposal)) is not None]


def _days(proposal: Proposal) -> str | None:
    evidence = proposal.evidence
    return f"{evidence.days:.0f} {evidence.since}" if evidence.days < DAYS else None


def _there(proposal: Proposal) -> str | None:
    there = proposal.evidence.there
    return f"{there:.0%} of the samples are there" if there < THERE else None


def _lately(proposal: Proposal) -> str | None:
    """Against the same weekdays a week before: what comes every Tuesday is no change on a Monday."""
    choice, question = proposal.choice, proposal.evidence.question
    if len(choice.worths) < LATELY + A_WEEK:
        return None
    before, now = _worst(choice, slice(-LATELY - A_WEEK, -A_WEEK)), _worst(choice, slice(-LATELY, None))
    low, high = sorted((before, now))
    if high <= CHANGED * low or reaches(question.least, question.kind.needed(high)):
        return None
    return f"the worst of the last three days is {format_decimal(now)}, a week before it was {format_decimal(before)}"


def _worst(choice: Choice, part: slice) -> float:
    cut = frozenset(choice.cut)
    return max((choice.worths[n] or 0.0 for n in range(len(choice.worths))[part] if n not in cut), default=0.0)


def _weekly(proposal: Proposal) -> str | None:
    """Something that was cut may be what every such weekday is like."""
    choice = proposal.choice
    count = len(choice.worths)
    alone = [number for number in choice.cut if not (number >= A_WEEK or number + A_WEEK < count)]
    if not alone:
        return None
    day = choice.past.window.begins(alone[0]).astimezone(choice.past.window.zone)
    return f"{day.day} {day:%b} is the only {day:%A}: whether that comes back every week is not known"


def _young_pods(proposal: Proposal) -> str | None:
    """Nothing crosses the bound but what was cut, and perhaps what was left out since pods had just started."""
    choice, step = proposal.choice, proposal.evidence.history.step
    young = choice.learned_from([moment for moment in choice.past.young if isfinite(moment.value)], step)
    if (lasted := longest(runs(young, choice.bound, step), step)) < choice.hold:
        return None
    return f"after pods' starts it was beyond the bound for {format_duration(lasted)}"


def _for_want_of_traffic(proposal: Proposal) -> str | None:
    question = proposal.evidence.question
    lowest = next(question.kind.steps(max(question.least, proposal.needed)))
    if not question.kind.counts or reaches(lowest, proposal.choice.bound):
        return None
    return f"{format_decimal(lowest)} would do, but for want of requests"


def _never_failed(proposal: Proposal) -> str | None:
    if any(moment.value for moment in proposal.choice.past.moments):
        return None
    return "not one was ever seen, so nobody knows whether this query would show it"


_ASKED: Sequence[Callable[[Proposal], str | None]] = (
    _days,
    _there,
    _lately,
    _weekly,
    _young_pods,
    _for_want_of_traffic,
    _never_failed,
)
