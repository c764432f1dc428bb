"""The past of each candidate, asked of Prometheus in as few requests as sixty allow, and as finely as these allow.

What counts requests is asked over its shortest range, once as a share and once as an amount; longer ranges are made of
these, since ranges that are added up are what a longer one would have said.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import accumulate

from salus.cli.init.candidates import EDGE_LABEL, Candidate, edge_of, range_of
from salus.cli.init.surroundings import Surroundings
from salus.cli.metrics.ask import MOST_POINTS, Metrics
from salus.core.learn.edges import Edge, lowest_edge
from salus.core.learn.history import History, Point, Question, Series, Span, levels, ranges, shares
from salus.core.learn.kinds import FAILURES, FIXED, LATENCY, LEVEL, SATURATION, SLOW, Kind
from salus.core.learn.proposal import LeftOut
from salus.core.policy import promql
from salus.core.policy.compile import Catalog, SpecError, compile_policy
from salus.model.scalars import format_duration, write_decimal
from salus.model.values.metrics import Error
from salus.model.values.policies import Policy
from salus.reconcile.observe.measure import question
from salus.sources.history import one_series
from salus.sources.reply import Course

KINDS: Mapping[str, Kind] = {
    "failures": FAILURES,
    "slow": SLOW,
    "latency": LATENCY,
    "saturation": SATURATION,
    "level": LEVEL,
    "fixed": FIXED,
}
STEPS = tuple(timedelta(seconds=seconds) for seconds in (30, 60, 120, 300, 600))
"""Between two points of the past, the finest first."""
COARSE, OF_EDGES = timedelta(minutes=2), timedelta(minutes=5)
"""Where no bound is learned from it; and where each bucket is a series."""
_TWO_MINUTES = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the past is looked at."""

    start: datetime
    end: datetime
    zone: tzinfo = UTC
    scraped_every: timedelta = timedelta(seconds=30)
    requests: int = 60
    """That are left."""
    incidents: Sequence[Span] = ()
    normal: Sequence[Span] = ()
    releases: Sequence[datetime] = ()
    mixed: Sequence[str] = ()

    @property
    def span(self) -> timedelta:
        """How long it is."""
        return self.end - self.start

    def pieces(self, step: timedelta) -> int:
        """Requests that one query takes."""
        return -(-(int(self.span / step) + 1) // MOST_POINTS)


def finest(wanted: Wanted, candidates: Sequence[Candidate]) -> timedelta:
    """The finest step for which the requests suffice."""
    learned = sum(2 if KINDS[one.preset.learn.kind].counts else 1 for one in candidates if not _is_fixed(one))
    others = sum(_is_fixed(one) for one in candidates) * wanted.pieces(COARSE)
    edges = sum(bool(edge_of(one)) for one in candidates) * wanted.pieces(OF_EDGES)
    left = wanted.requests - others - edges
    fitting = (step for step in STEPS if step >= wanted.scraped_every and learned * wanted.pieces(step) <= left)
    return next(fitting, STEPS[-1])


def _is_fixed(candidate: Candidate) -> bool:
    return candidate.preset.learn.kind == "fixed"


@dataclass(frozen=True, slots=True)
class Heard:
    """A candidate, as it can be proposed, and its past."""

    candidate: Candidate
    question: Question
    history: History


@dataclass(slots=True)
class Asking:
    """Asks for the past of one workload's checks."""

    metrics: Metrics
    around: Surroundings
    catalog: Catalog
    source: str
    wanted: Wanted
    step: timedelta = COARSE
    traffic: Sequence[Point] = ()
    """Requests in two minutes, as far as they are counted."""
    pod_starts: Sequence[datetime] = ()
    edges: dict[str, Sequence[float]] = field(default_factory=dict)
    """By check, the edges that there are, in seconds."""

    async def look_at_pods(self) -> None:
        """When its pods were started."""
        key = self.around.key
        started = f'kube_pod_start_time{{namespace="{key.namespace}",pod=~{promql.quote(self.around.pods)}}}'
        found = await self.metrics.instant(f"last_over_time({started}[{format_duration(self.wanted.span)}])")
        if not isinstance(found, Error):
            self.pod_starts = sorted(datetime.fromtimestamp(one.value, UTC) for one in found)

    async def of(self, candidate: Candidate) -> Heard | LeftOut:
        """The past of a candidate, or why there is none."""
        if (lacking := candidate.lacks()) is not None:
            return lacking
        if range_of(candidate):
            candidate = candidate.with_(**{range_of(candidate): format_duration(self._base)})
        if name := edge_of(candidate):
            chosen = await self._with_edge(candidate, name)
            if isinstance(chosen, LeftOut):
                return chosen
            candidate = chosen
        compiled = self._compiled(candidate)
        return compiled if isinstance(compiled, LeftOut) else await self._past(candidate, compiled)

    @property
    def _base(self) -> timedelta:
        """The shortest range that rates may have."""
        return ranges(self.wanted.scraped_every)[0]

    def _compiled(self, candidate: Candidate) -> Policy | LeftOut:
        bound = {} if candidate.preset.unhealthy is not None else {"unhealthy": {"above": 1}}
        spec = {
            "target": {"kind": self.around.key.kind.value, "name": self.around.key.name},
            "source": self.source,
            "checks": [candidate.check(**bound)],
        }
        metadata = {"namespace": self.around.key.namespace, "name": self.around.key.name}
        try:
            return compile_policy({"metadata": metadata, "spec": spec}, self.catalog)
        except SpecError as error:
            return LeftOut("NotAskable", str(error.problems[0].message))

    async def _past(self, candidate: Candidate, policy: Policy) -> Heard | LeftOut:
        """What the compiled check was answered."""
        kind = KINDS[candidate.preset.learn.kind]
        step = COARSE if kind.fixed else self.step
        (check,) = policy.checks
        templates = check.templates if kind.counts else check.templates[:1]
        told = await asyncio.gather(*(self._points(policy, template, step) for template in templates))
        if (failed := next((one for one in told if isinstance(one, Error)), None)) is not None:
            return LeftOut(failed.reason, failed.message)
        points = [one for one in told if not isinstance(one, Error)]
        if not kind.counts or check.volume is None:
            series = [levels(points[0], self.traffic if kind.follows else ())]
            return self._heard(candidate, series, step)
        base = check.volume.window or check.window or _TWO_MINUTES
        whole = _per_second(points[1], base)
        self.traffic = self.traffic or [(at, rate * _TWO_MINUTES.total_seconds()) for at, rate in whole]
        failing = _failing(points[0], whole)
        windows = ranges(self.wanted.scraped_every) if range_of(candidate) else [base]
        made = [shares(window, *(widened(one, step, base, window) for one in (whole, failing))) for window in windows]
        return self._heard(candidate, made, step)

    def _heard(self, candidate: Candidate, series: Sequence[Series], step: timedelta) -> Heard:
        wanted, preset = self.wanted, candidate.preset
        asked = Question(
            kind=KINDS[preset.learn.kind],
            hold=preset.hold,
            own=preset.unhealthy,
            floor=preset.learn.floor,
            zone=wanted.zone,
        )
        history = History(
            asked=Span(wanted.start, wanted.end),
            step=step,
            series=series,
            releases=wanted.releases,
            pod_starts=self.pod_starts,
            incidents=wanted.incidents,
            normal=wanted.normal,
            mixed=wanted.mixed,
        )
        return Heard(candidate, asked, history)

    async def _points(self, policy: Policy, template: str, step: timedelta) -> Sequence[Point] | Error:
        (check,) = policy.checks
        asked = question(policy, check, self.around.key, template, tuple(self.around.rivals))
        if asked.unclear is not None:
            return asked.unclear
        found = await self.metrics.past(asked, self.wanted.start, self.wanted.end, step)
        samples = found if isinstance(found, Error) else one_series(found, asked)
        return samples if isinstance(samples, Error) else [(one.at.timestamp(), one.value) for one in samples]

    # --- the edge of a bucket

    async def _with_edge(self, candidate: Candidate, name: str) -> Candidate | LeftOut:
        """By the lowest edge that tells slow requests from the others."""
        compiled = self._compiled(candidate)
        if isinstance(compiled, LeftOut):
            return compiled
        (check,) = compiled.checks
        asked = question(compiled, check, self.around.key, check.template, tuple(self.around.rivals))
        of_buckets = _by_edge(asked.query, self._base)
        found = await self.metrics.past(replace(asked, query=of_buckets), self.wanted.start, self.wanted.end, OF_EDGES)
        if isinstance(found, Error):
            return LeftOut(found.reason, found.message)
        edges = self._edges(candidate, name, found)
        if not edges:
            return LeftOut("NoBuckets", "its histogram has no buckets here: switch them on where it is made")
        self.edges[candidate.name] = [edge.upper for edge in edges]
        chosen = lowest_edge(self._heard(candidate, (), OF_EDGES).question, edges)
        if isinstance(chosen, Edge):
            return candidate.saying(name, write_decimal(chosen.upper))
        usual = float(candidate.words.parameters[name].default or 0)
        if chosen.reason == "NoEdge" or usual not in self.edges[candidate.name]:
            return chosen
        return candidate

    def _edges(self, candidate: Candidate, name: str, courses: Sequence[Course]) -> list[Edge]:
        times, base = candidate.words.times.get(name, 1), self._base
        by_edge = {edge: one for one in courses if (edge := _number(one.labels.get(EDGE_LABEL, ""))) is not None}
        whole = by_edge.pop(float("inf"), None)
        if whole is None:
            return []
        seconds = base.total_seconds()
        requests = [(one.at.timestamp(), one.value * seconds) for one in whole.samples]
        found: list[Edge] = []
        for upper, course in sorted(by_edge.items()):
            within = {one.at.timestamp(): one.value * seconds for one in course.samples}
            slower = [(at, max(count - within.get(at, 0.0), 0.0)) for at, count in requests]
            heard = self._heard(candidate, [shares(base, requests, slower)], OF_EDGES)
            found.append(Edge(round(upper / times, 9), heard.history))
        return found


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _by_edge(query: str, base: timedelta) -> str:
    """All buckets of the histogram that this query takes one of. Raises ValueError if it takes none."""
    found = next(one for one in promql.selections(query) if any(m.label == EDGE_LABEL for m in one.matchers))
    whole = replace(found, matchers=tuple(one for one in found.matchers if one.label != EDGE_LABEL))
    return f"sum by ({EDGE_LABEL}) (rate({whole.text}[{format_duration(base)}]))"


def _per_second(amounts: Sequence[Point], base: timedelta) -> list[Point]:
    seconds = base.total_seconds()
    return [(at, amount / seconds) for at, amount in amounts]


def _failing(share: Sequence[Point], whole: Sequence[Point]) -> list[Point]:
    """Failures per second: a share of what there was."""
    shares_at = dict(share)
    return [(at, shares_at.get(at, 0.0) * rate) for at, rate in whole]


def widened(rates: Sequence[Point], step: timedelta, base: timedelta, window: timedelta) -> list[Point]:
    """How many there were within a window, by rates over `base`; where some of these are missing nothing is said."""
    times = [at for at, _ in rates]
    sums = [0.0, *accumulate(rate for _, rate in rates)]
    reach = (window - base).total_seconds()
    many = int(reach // step.total_seconds()) + 1
    found: list[Point] = []
    for index, at in enumerate(times):
        first = bisect_right(times, at - many * step.total_seconds() + step.total_seconds() / 2)
        there = index + 1 - first
        if there == many:
            found.append((at, (sums[index + 1] - sums[first]) / there * window.total_seconds()))
    return found
