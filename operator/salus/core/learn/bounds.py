"""The rule: bound, range and volume together, since each of them decides what the others may learn from."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice, takewhile
from math import inf

from salus.core.learn.half_hours import Moment, Past
from salus.core.learn.history import Question
from salus.core.learn.kinds import above, reaches
from salus.core.learn.proposal import LeftOut
from salus.core.learn.recurrence import Came, recurrences
from salus.core.learn.runs import LONGEST, hold, longest, runs
from salus.core.policy.counting import three_failures
from salus.model.scalars import format_decimal, format_duration

MOST_QUIET = 0.5
"""A check that says nothing for more than half of the time watches nothing."""
FOR_WANT = 0.2
"""For want of requests alone a share goes no higher. That takes 15 of them: among fewer, one caller who tries three
times is a verdict."""
MOST_CUT = 0.05
"""Of the window: a service that was unwell for longer has shown no health to learn from."""
MOST_RAISED = 3
"""So often the bound goes up for the sake of `for`; after that nothing tells sick from well."""
SLOWEST = timedelta(minutes=10)
"""A longer range takes so long to show a fault, and its end, that it is for want of traffic only."""
SMALLEST, LARGEST = 1e-9, 1e14
"""What a policy can say."""
BETTER = 0.5
"""A longer range is taken if the bound falls to half: it delays every proof."""

TOO_LITTLE = "TooLittleTraffic"
NO_BOUND = "NoBoundSeparates"
LATE = "MendsItselfLate"
UNWELL = "UnwellTooOften"


@dataclass(frozen=True, slots=True)
class Choice:
    """A bound, and what the past looks like by it."""

    past: Past
    bound: float
    volume: float
    worths: Sequence[float | None]
    came: Sequence[Came]
    """Of each half hour, how often something like it was there."""
    longest: timedelta = timedelta(0)
    hold: timedelta = timedelta(0)

    @property
    def worst(self) -> float | None:
        """The worst that came back; None: nothing is known."""
        return max((self.worths[number] or 0.0 for number in self.again), default=None)

    @property
    def again(self) -> list[int]:
        """The half hours that count: they came back, or they lasted and lie within the bound."""
        return [number for number, worth in enumerate(self.worths) if worth is not None and self._counts(number, worth)]

    @property
    def cut(self) -> list[int]:
        """The half hours that are past incidents."""
        beyond = (number for number, worth in enumerate(self.worths) if worth is not None and worth > self.bound)
        return [number for number in beyond if self.came[number] is not Came.AGAIN]

    def _counts(self, number: int, worth: float) -> bool:
        return self.came[number] is Came.AGAIN or (self.came[number] is Came.LASTING and worth <= self.bound)

    def judged(self, moments: Iterable[Moment]) -> list[Moment]:
        """Those with enough to judge."""
        return [moment for moment in moments if moment.amount >= self.volume]

    def learned_from(self, moments: Sequence[Moment], step: timedelta) -> list[Moment]:
        """Those outside of past incidents, with what of these reaches into a half hour that is not cut."""
        judged, cut = self.judged(moments), frozenset(self.cut)
        kept = [moment for moment in judged if moment.half_hour not in cut]
        if not cut:
            return kept
        sick = {moment.at for moment in judged if moment.half_hour in cut}
        ill = [run for run in runs(judged, self.bound, step) if run.has_any(sick)]
        reached = {at for run in ill for at in run.moments}
        return [moment for moment in kept if moment.at not in reached]


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule for one check."""

    question: Question
    step: timedelta
    """From one sample to the next."""
    normal: frozenset[int] = frozenset()
    """Half hours of which a person says that they were no incident."""

    def choose(self, pasts: Iterable[Past]) -> Choice | LeftOut:
        """By the shortest range that will do, or a longer one that halves the bound. The shortest past comes first."""
        best: Choice | None = None
        refused: list[LeftOut] = []
        for past in pasts:
            if best is not None and (past.series.window > SLOWEST or reaches(self.question.least, best.bound)):
                break
            found = self._climb(past)
            if isinstance(found, LeftOut):
                refused.append(found)
            elif best is None or reaches(best.bound * BETTER, found.bound):
                best = found
        return best or _most_telling(refused)

    def seen(self, past: Past, bound: float) -> Choice:
        """What this past looks like by this bound, whether or not that is any good."""
        kind = self.question.kind
        volume = three_failures(above(bound)) if kind.counts else self.question.volume
        worths = past.worths(volume)
        came = recurrences(worths, kind.came_back)
        for number in self.normal:
            came[number] = Came.AGAIN
        return Choice(past, bound, volume, worths, came)

    def needed(self, choice: Choice) -> float:
        """The least bound by what came back, and by what is usual."""
        if choice.worst is None:
            return 0.0
        return max(self.question.kind.needed(choice.worst), self._usual(choice))

    def _climb(self, past: Past) -> Choice | LeftOut:
        """The lowest bound that one range allows."""
        refused: list[LeftOut] = []
        for bound in self._bounds(past):
            found = self._at(past, bound)
            if isinstance(found, Choice) or found.reason == UNWELL:
                return found
            refused.append(found)
            if sum(each.reason == LATE for each in refused) > MOST_RAISED:
                break
        return _most_telling(refused)

    def _bounds(self, past: Past) -> Iterator[float]:
        """The ladder, or where it has no end, as many of its steps as may be of use."""
        kind, least = self.question.kind, self.question.least
        if kind.ladder is not None:
            return kind.steps(least)
        least = max(least, self.needed(self.seen(past, inf)))
        steps = takewhile(lambda bound: bound <= LARGEST, kind.steps(max(least, SMALLEST)))
        return islice(steps, MOST_RAISED + 1) if least > 0 else iter(())

    def _at(self, past: Past, bound: float) -> Choice | LeftOut:
        """What one bound makes of one range, or why it is none."""
        choice = self.seen(past, bound)
        if past.quiet(choice.volume) > MOST_QUIET or choice.worst is None:
            return _too_quiet(choice)
        if not reaches(bound, self.question.kind.needed(choice.worst)):
            return _too_near(choice, f"{format_decimal(choice.worst)} comes back")
        if self.question.kind.counts and bound > FOR_WANT and reaches(FOR_WANT, self.needed(choice)):
            return _too_quiet(self.seen(past, FOR_WANT))
        if not reaches(bound, self._usual(choice)):
            return _too_near(choice, f"{format_decimal(past.usual(choice.volume) or 0.0)} is usual")
        if len(choice.cut) > MOST_CUT * past.window.half_hours:
            return _unwell(choice)
        return self._held(choice)

    def _usual(self, choice: Choice) -> float:
        """The least bound by what is usual; finding that takes a while."""
        kind = self.question.kind
        return kind.usual * (choice.past.usual(choice.volume) or 0.0) if kind.usual else 0.0

    def _held(self, choice: Choice) -> Choice | LeftOut:
        mended = longest(runs(choice.learned_from(choice.past.moments, self.step), choice.bound, self.step), self.step)
        lasting = hold(mended, self.question.hold, self.question.interval)
        if lasting > max(LONGEST, self.question.hold):
            return _too_late(choice, mended)
        return replace(choice, longest=mended, hold=lasting)


def _too_quiet(choice: Choice) -> LeftOut:
    window = format_duration(choice.past.series.window)
    there = f"for {choice.past.quiet(choice.volume):.0%} of the time there are fewer than {choice.volume:g} requests"
    return LeftOut(TOO_LITTLE, f"{there} in {window}, which it takes to judge by {format_decimal(choice.bound)}")


def _too_near(choice: Choice, fact: str) -> LeftOut:
    return LeftOut(
        NO_BOUND, f"{fact}, too near to {format_decimal(choice.bound)}: no bound separates sick from well here"
    )


def _too_late(choice: Choice, mended: timedelta) -> LeftOut:
    lasted = f"for {format_duration(mended)} it was beyond {format_decimal(choice.bound)}, and mended itself"
    return LeftOut(LATE, f"{lasted}: no bound separates sick from well here")


def _unwell(choice: Choice) -> LeftOut:
    lasted = f"for {len(choice.cut) / 2:g} hours it was beyond {format_decimal(choice.bound)}, unlike on other days"
    return LeftOut(UNWELL, f"{lasted}: this service was unwell too often to learn from")


def _most_telling(refused: Sequence[LeftOut]) -> LeftOut:
    """Illness first; else what was said of the highest bound over the longest range, which asks for least."""
    ill = [each for each in refused if each.reason in {UNWELL, LATE}]
    nothing = LeftOut(NO_BOUND, "nothing above 0 ever came back, so history gives no bound")
    return next(reversed(ill or refused), nothing)
