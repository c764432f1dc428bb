"""What is shown of the past beside the bound: the incidents that were cut out, and what comes back and pushes it up."""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from math import isfinite

from salus.core.health.evaluate import stale_after
from salus.core.learn.bounds import MOST_CUT, MOST_QUIET, Choice, Rule
from salus.core.learn.half_hours import Window
from salus.core.learn.history import History, Series, Span
from salus.core.learn.kinds import reaches
from salus.core.learn.proposal import Cut, Fate, HalfHour, Learned, Returning, Worst
from salus.core.learn.recurrence import Came
from salus.core.learn.runs import runs


def all_cuts(choice: Choice, history: History) -> list[Cut]:
    """The past incidents: those that were found, and those that a person named, of which nothing was looked at."""
    found = [_cut(choice, episode, history.step) for episode in _episodes(choice.cut)]
    values = choice.past.series
    named = [Cut(span, span, max(_values(values, span), default=0.0), named=True) for span in history.incidents]
    return sorted([*found, *named], key=lambda cut: cut.left_out.start)


def _cut(choice: Choice, episode: range, step: timedelta) -> Cut:
    window = choice.past.window
    within = {moment.at: moment.value for number in episode for moment in choice.judged(choice.past.ranked[number])}
    sick = [run for run in runs(choice.judged(choice.past.moments), choice.bound, step) if run.has_any(within.keys())]
    return Cut(
        left_out=_span(window, episode),
        beyond=Span(_time(sick[0].moments[0], window), _time(sick[-1].moments[-1], window) + step),
        worst=max(within.values()),
    )


def half_hours(choice: Choice) -> list[HalfHour]:
    """The past as it was seen, to be drawn."""
    fates = dict.fromkeys(choice.again, Fate.RECURS) | dict.fromkeys(choice.cut, Fate.CUT)
    return [
        HalfHour(
            choice.past.window.begins(number), worth, Fate.QUIET if worth is None else fates.get(number, Fate.ONCE)
        )
        for number, worth in enumerate(choice.worths)
    ]


def returning(rule: Rule, choice: Choice) -> list[Returning]:
    """What comes back beyond the bound that would hold without it; nothing, if none would."""
    lower = _without(rule, choice)
    if lower is None:
        return []
    back = [number for number in lower.again if (lower.worths[number] or 0.0) > lower.bound]
    return [_returning(lower, alike) for alike in _at_about_the_same_time(lower, _episodes(back))]


def _without(rule: Rule, choice: Choice) -> Choice | None:
    """The lowest bound that would hold if all beyond it were cut, whether it comes back or not."""
    for bound in _lower(rule, choice):
        seen = rule.seen(choice.past, bound)
        beyond = {number for number, worth in enumerate(seen.worths) if (worth or 0.0) > bound}
        edges = {number + beside for number in beyond for beside in (-1, 0, 1)}
        rest = replace(seen, came=[Came.ONCE if number in edges else came for number, came in enumerate(seen.came)])
        few = len(beyond) <= MOST_CUT * choice.past.window.half_hours
        if few and choice.past.quiet(seen.volume) <= MOST_QUIET and reaches(bound, rule.needed(rest)):
            return seen
    return None


def _lower(rule: Rule, choice: Choice) -> Iterator[float]:
    """The bounds below the one that was chosen."""
    kind = rule.question.kind
    least = rule.question.least
    if kind.ladder is None:
        known = sorted(worth for worth in choice.worths if worth is not None)
        least = max(least, kind.needed(known[int((1 - MOST_CUT) * (len(known) - 1))]))
    for bound in kind.steps(least) if least > 0 else ():
        if reaches(bound, choice.bound):
            return
        yield bound


def _returning(choice: Choice, episodes: Sequence[range]) -> Returning:
    window = choice.past.window
    days = {window.weekday(episode[0]) for episode in episodes}
    return Returning(
        worst=max(choice.worths[number] or 0.0 for episode in episodes for number in episode),
        bound=choice.bound,
        weekday=days.pop() if len(days) == 1 else None,
        spans=[_span(window, episode) for episode in episodes],
    )


def _at_about_the_same_time(choice: Choice, episodes: Iterable[range]) -> list[list[range]]:
    """Episodes by the time of day of their worst half hour."""

    def time(episode: range) -> int:
        return choice.past.window.time_of_day(max(episode, key=lambda number: choice.worths[number] or 0.0))

    found: list[list[range]] = []
    for episode in sorted(episodes, key=time):
        if found and time(episode) - time(found[-1][-1]) <= 1:
            found[-1].append(episode)
        else:
            found.append([episode])
    return [sorted(alike, key=lambda episode: episode.start) for alike in found]


def _episodes(numbers: Sequence[int]) -> list[range]:
    """Half hours that follow one another, together."""
    found: list[range] = []
    for number in numbers:
        if found and found[-1].stop == number:
            found[-1] = range(found[-1].start, number + 1)
        else:
            found.append(range(number, number + 1))
    return found


def _span(window: Window, episode: range) -> Span:
    return Span(window.begins(episode.start), window.begins(episode.stop))


def _time(at: float, window: Window) -> datetime:
    return datetime.fromtimestamp(at, window.start.tzinfo)


def _values(series: Series, span: Span) -> Iterator[float]:
    begin, end = (bisect_left(series.times, moment.timestamp()) for moment in (span.start, span.end))
    return filter(isfinite, series.values[begin:end])


def worst_recurring(choice: Choice) -> Worst | None:
    """The worst that came back, and the first half hour in which it did."""
    if (worst := choice.worst) is None:
        return None
    number = next(number for number in choice.again if choice.worths[number] == worst)
    return Worst(worst, choice.past.window.begins(number))


def worst_of_all(choice: Choice) -> Worst | None:
    """The largest sample with enough to judge."""
    worst = max(choice.judged(choice.past.moments), key=lambda moment: moment.value, default=None)
    return None if worst is None else Worst(worst.value, _time(worst.at, choice.past.window))


def beyond_since(choice: Choice, step: timedelta) -> datetime | None:
    """Since when it has been beyond the bound, if it is now."""
    window = choice.past.window
    judged = choice.judged(choice.past.moments)
    if not judged or window.end.timestamp() - judged[-1].at > stale_after(step).total_seconds():
        return None
    last = deque(runs(judged, choice.bound, step), maxlen=1)
    return _time(last[0].moments[0], window) if last and last[0].moments[-1] == judged[-1].at else None


def turned(shown: Learned, usual: float) -> Learned:
    """The same as it is measured, of what was looked at as how much is missing from the usual."""

    def back(worst: Worst | None) -> Worst | None:
        return worst and replace(worst, value=usual - worst.value)

    return replace(
        shown,
        usual=None if shown.usual is None else usual,
        recurring=back(shown.recurring),
        once=back(shown.once),
        cut=[replace(cut, worst=usual - cut.worst) for cut in shown.cut],
        half_hours=[
            replace(each, worth=None if each.worth is None else usual - each.worth) for each in shown.half_hours
        ],
    )
