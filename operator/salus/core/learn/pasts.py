"""The past of a check without what nobody shall learn from.

That is what people call incidents, pods that just started, and all before a release that changed the level for good.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from salus.core.learn.doubts import Evidence, last_step
from salus.core.learn.half_hours import Past, Window, past
from salus.core.learn.history import History, Question, Series, Span

MOST_YOUNG = 0.2
"""Of the time: where pods start so often, that is how the service lives, and it is learned from as well."""


@dataclass(frozen=True, slots=True)
class Pasts:
    """One check and its history, cut up as somebody asks."""

    question: Question
    history: History

    def window(self) -> Window:
        """What was asked for, from the first sample on."""
        asked, times = self.history.asked, [series.times[0] for series in self.history.series if series.times]
        first = datetime.fromtimestamp(min(times), asked.start.tzinfo)
        return Window(max(asked.start, first), asked.end, self.question.zone)

    def evidence(self) -> Evidence:
        """The past over the shortest range, since the last release that changed the level for good."""
        series = self.history.series
        evidence = Evidence(self.question, self.history, self.over(series[0], self.window()))
        while (step := last_step(evidence)) is not None:
            later = replace(evidence.past.window, start=step + self._young(max(each.window for each in series)))
            evidence = replace(evidence, past=self.over(series[0], later), step=step)
        return evidence

    def each(self, first: Past) -> Iterator[Past]:
        """The shortest range first; a longer one is cut up only if somebody asks."""
        yield first
        for series in self.history.series[1:]:
            yield self.over(series, first.window)

    def over(self, series: Series, window: Window) -> Past:
        """One range. What it looks back on after a pod's start is left out as well."""
        young = self._young(series.window)
        starts = [Span(start, start + young) for start in self.history.pod_starts]
        seen = past(series, window, starts, self.history.incidents)
        if len(seen.young) <= MOST_YOUNG * (len(seen.young) + len(seen.moments)):
            return seen
        return past(series, window, (), self.history.incidents)

    def _young(self, window: timedelta) -> timedelta:
        """How long a range still shows something of a start."""
        return self.question.settle + window

    def normal(self, window: Window) -> frozenset[int]:
        """The half hours of which a person says that they were no incident."""
        return frozenset(_touched(window, self.history.normal))


def _touched(window: Window, spans: Iterable[Span]) -> Iterator[int]:
    for span in spans:
        begin, end = (window.half_hour(moment.timestamp()) - window.first for moment in (span.start, span.end))
        yield from range(max(0, begin), min(end + 1, window.half_hours))
