"""What keeps a proposal from being nonsense: each of these looks at the past of one check, and objects or is silent."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median, median_low

from salus.core.learn.half_hours import A_DAY, A_WEEK, Past
from salus.core.learn.history import History, Question
from salus.core.learn.proposal import LeftOut
from salus.core.learn.ranks import correlation
from salus.model.scalars import format_decimal, format_duration, format_time

LEAST_DAYS = 3
"""Whole days: what comes back can only be told from three."""
LEAST_THERE = 0.6
"""Of the samples: what lies in the gaps nobody knows."""
LEAST_SAMPLES = 1000
"""With traffic: some eight hours of samples every 30 seconds."""
ALIKE = 0.8
"""Rank correlation above which one thing is said to follow another."""
SEASONAL = 4
"""So many times the quietest hour of the week: a bound above the busiest hour would say nothing in the others."""
STEP = 2
"""A lasting change of the median by this factor is another service than before."""
COARSEST = timedelta(minutes=10)
"""A half hour is worth its third largest sample."""
GONE = timedelta(days=1)
"""A series without a sample for so long is not there any more."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is asked, and the past over the shortest range."""

    question: Question
    history: History
    past: Past
    step: datetime | None = None
    """The release that it begins with, if one changed the level for good."""

    @property
    def days(self) -> float:
        """How long it is."""
        return self.past.window.days

    @property
    def since(self) -> str:
        """What its days are days of."""
        if self.step is None:
            return "days of history"
        return f"days since the release of {format_time(self.step)}, which changed the level"

    @property
    def there(self) -> float:
        """The share of samples that are there, be it without traffic."""
        window, times = self.past.window, self.past.series.times
        begin = window.start.timestamp()
        there = sum(at >= begin for at in times)
        return min(1.0, there * self.history.step / (window.end - window.start))

    def matters(self, level: float) -> bool:
        """Whether a level is so high that the bound would have to be above the floor."""
        return self.question.kind.needed(level) > self.question.least


def objection(evidence: Evidence) -> LeftOut | None:
    """The first one; None: a bound may be learned."""
    return next((refusal for doubt in DOUBTS if (refusal := doubt(evidence)) is not None), None)


def too_short(evidence: Evidence) -> LeftOut | None:
    """Fewer than three whole days."""
    if evidence.days >= LEAST_DAYS:
        return None
    return LeftOut("TooShort", f"{evidence.days:.1f} {evidence.since}; {LEAST_DAYS} are needed")


def full_of_gaps(evidence: Evidence) -> LeftOut | None:
    """Most of it may lie where there is no sample."""
    if (there := evidence.there) >= LEAST_THERE:
        return None
    return LeftOut("FullOfGaps", f"{there:.0%} of the samples are there, {LEAST_THERE:.0%} are needed")


def too_few(evidence: Evidence) -> LeftOut | None:
    """Hardly any samples with traffic."""
    count = sum(moment.amount > 0 for moment in evidence.past.moments)
    if count >= LEAST_SAMPLES:
        return None
    return LeftOut("TooFewSamples", f"{count} samples with traffic, {LEAST_SAMPLES} are needed")


def constant(evidence: Evidence) -> LeftOut | None:
    """What never moved shows nothing. A share of failures that was always 0 is what everybody hopes for."""
    values = {moment.value for moment in evidence.past.moments}
    if len(values) != 1 or (evidence.question.kind.counts and values == {0.0}):
        return None
    return LeftOut("Constant", f"it never moved from {format_decimal(values.pop())}, so nothing would ever be seen")


def growing(evidence: Evidence) -> LeftOut | None:
    """A leak, a table: it will be beyond whatever it has not reached yet."""
    levels = evidence.past.levels()
    if not levels or not evidence.matters(max(level for _, level, _ in levels)):
        return None
    alike = correlation([number for number, _, _ in levels], [level for _, level, _ in levels])
    return LeftOut("Growing", f"it grows with time, {alike:.2f}") if alike > ALIKE else None


def follows_traffic(evidence: Evidence) -> LeftOut | None:
    """A bound on it would be one on how many customers there are."""
    if not evidence.question.kind.follows or evidence.past.series.amounts is None:
        return None
    levels = evidence.past.levels()
    alike = correlation([amount for _, _, amount in levels], [level for _, level, _ in levels])
    return LeftOut("FollowsTraffic", f"follows traffic, {alike:.2f}: ask for it per request") if alike > ALIKE else None


def seasonal(evidence: Evidence) -> LeftOut | None:
    """A level of the busiest hour says nothing at night."""
    if not evidence.question.kind.follows:
        return None
    hours = _by_hour(evidence.past)
    low, high = min(hours), max(hours)
    if high <= SEASONAL * low or not evidence.matters(high):
        return None
    return LeftOut(
        "Seasonal",
        f"from {format_decimal(low)} in one hour of the week to {format_decimal(high)} in another: "
        "ask for a share instead of a level",
    )


DOUBTS: tuple[Callable[[Evidence], LeftOut | None], ...] = (
    too_short,
    full_of_gaps,
    too_few,
    constant,
    growing,
    follows_traffic,
    seasonal,
)
OWN_WILL_DO = frozenset({"TooShort", "FullOfGaps", "TooFewSamples", "Growing"})
"""Where history tells nothing, and says nothing against the preset's own bound."""


def unusable(history: History) -> LeftOut | None:
    """Why there is nothing to look at."""
    if len(history.mixed) > 1:
        return LeftOut("MixedSeries", f"series of {' and '.join(history.mixed)} answer: name one of them (SL205)")
    if history.step > COARSEST:
        return LeftOut(
            "TooCoarse", f"a sample every {format_duration(history.step)}, at most {format_duration(COARSEST)}"
        )
    times = [series.times[-1] for series in history.series if series.times]
    if not times:
        return LeftOut("NoSamples", "there was never a sample")
    if (last := max(times)) < (history.asked.end - GONE).timestamp():
        return LeftOut("NoSamples", f"there was no sample since {format_time(_moment(last, history))}")
    return None


def last_step(evidence: Evidence) -> datetime | None:
    """The release that changed the level for good, most of all; None: none did.

    Before and after are compared only where each is a day long, since the hours of the day are not alike.
    """
    levels = evidence.past.levels()
    window = evidence.past.window
    found: list[tuple[float, datetime]] = []
    for release in evidence.history.releases:
        number = window.half_hour(release.timestamp()) - window.first
        before = [level for other, level, _ in levels if other < number]
        after = [level for other, level, _ in levels if other > number]
        if min(len(before), len(after)) >= A_DAY and (factor := _factor(evidence, before, after)) >= STEP:
            found.append((factor, release))
    return max(found)[1] if found else None


def _factor(evidence: Evidence, before: Sequence[float], after: Sequence[float]) -> float:
    low, high = sorted((median(before), median(after)))
    if not evidence.matters(high):
        return 1.0
    return high / low if low > 0 else float("inf")


def _by_hour(past: Past) -> list[float]:
    """The level of each hour of the week, or of the day while the window has not two of each weekday.

    Of an even number of weeks the lower middle is taken: one bad hour makes no season.
    """
    window = past.window
    cycle = A_WEEK if window.half_hours >= 2 * A_WEEK else A_DAY
    hours: dict[int, list[float]] = defaultdict(list)
    for number, level, _ in past.levels():
        hours[(window.first + number) // 2].append(level)
    seasons: dict[int, list[float]] = defaultdict(list)
    for hour, values in hours.items():
        seasons[hour % (cycle // 2)].append(median(values))
    return [median_low(values) for values in seasons.values()]


def _moment(at: float, history: History) -> datetime:
    return datetime.fromtimestamp(at, history.asked.end.tzinfo)
