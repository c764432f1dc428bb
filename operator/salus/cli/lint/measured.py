"""The rules that need answers of the source. Each is a pure function of what was heard."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from salus.cli.lint import expressions
from salus.cli.lint.breaches import Course
from salus.cli.lint.rule import Heard, Linted, Window, path_of, series_of, written_queries
from salus.cli.spans import span
from salus.core.health.evaluate import Reading, is_breach
from salus.core.policy import promql
from salus.core.policy.absence import Absence, Kind
from salus.core.policy.promql import Selection
from salus.core.policy.workload_labels import rare
from salus.model.policy import Verdict
from salus.model.problems import Problem
from salus.model.scalars import first_few, format_decimal, format_duration, format_time
from salus.model.values.metrics import Error, NoData, Past, Sample, Value
from salus.model.values.policies import CompiledCheck
from salus.sources.clusters import CLUSTER_LABELS, mixed

REPLICA_LABELS = frozenset({"prometheus_replica", "replica", "__replica__", "prometheus"})
"""By which the two of an HA pair are told apart."""
SCRAPES = 4
"""That a range has to hold, so that a late one does no harm."""
_MOSTLY = 0.05
"""Share of the window beyond the bound from which on it would act at once."""
_SILENT = 0.01
_SHOWN = 4
_MANY = 100
"""Samples from which on a value that never moved is no chance."""
_SHORT = timedelta(minutes=1)
_EDGE = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]{1,3})?")


def missing(linted: Linted) -> Iterator[Problem]:
    """SL201."""
    for heard in linted.heard:
        for lack in heard.lacks:
            declared = linted.policy.checks[heard.index].on_no_data is not Verdict.UNKNOWN
            if _tells(lack.absence, is_odd=lack.is_all and not declared):
                own = Selection(lack.absence.metric, tuple(series_of(heard.target))).text
                found = lack.absence.sentence().replace(f"of {own}", "of these pods")
                yield Problem(f"spec.checks[{heard.index}].{lack.field}", f"{found}{_instead(lack.absence)}")


def _tells(absence: Absence, *, is_odd: bool) -> bool:
    """A label that is not there is wrong in any case; what is not there now may come, or its absence be declared."""
    if absence.kind is Kind.NO_LABEL:
        return True
    return is_odd and absence.kind in {Kind.NEVER, Kind.GONE, Kind.NO_VALUE, Kind.NOT_YET}


def _instead(absence: Absence) -> str:
    if absence.kind is Kind.NO_LABEL and "pod" in absence.instead and rare(f'x{{{absence.label}="$target"}}'):
        return f'. Write pod=~"$pods" instead of {absence.label}="$target"'
    return ""


def several(linted: Linted) -> Iterator[Problem]:
    """SL202."""
    for heard in linted.heard:
        labels = _differing(heard.several)
        if len(heard.several) > 1 and not labels <= {*CLUSTER_LABELS, *REPLICA_LABELS}:
            names = ", ".join(sorted(labels - {"__name__"})) or "their names"
            yield Problem(
                path_of(linted.policy, heard.index),
                f"{len(heard.several)} series where one number is meant; they differ in {names}: aggregate these away, "
                f"such as max without ({names}) (…)",
            )


def _differing(series: Sequence[Mapping[str, str]]) -> set[str]:
    names = {name for one in series for name in one}
    return {name for name in names if len({one.get(name, "") for one in series}) > 1}


def mixed_series(linted: Linted) -> Iterator[Problem]:
    """SL205."""
    for heard in linted.heard:
        path = path_of(linted.policy, heard.index)
        for read in heard.reads:
            if (found := mixed(read.series)) is not None:
                values = first_few([value or "none at all" for value in found.values], _SHOWN)
                yield Problem(
                    path,
                    f"{read.metric} has series of {len(found.values)} clusters ({found.label}: {values}), which are "
                    f"taken for one; ask for {found.label} of this one, best in the source's matchLabels",
                )
            elif label := _doubled(read.series):
                yield Problem(
                    path,
                    f"{read.metric} has each series once for each {label}, of an HA pair: sums are too high; "
                    f"max without ({label}) (…) first, or have the source leave the label out",
                )


def _doubled(series: Iterable[Mapping[str, str]]) -> str:
    """The label by which series that are otherwise the same differ."""
    series = list(series)
    for label in sorted(REPLICA_LABELS & {name for one in series for name in one}):
        rest = [frozenset((name, value) for name, value in one.items() if name != label) for one in series]
        if len(set(rest)) < len(rest):
            return label
    return ""


def short_ranges(linted: Linted) -> Iterator[Problem]:
    """SL204."""
    every = {read.metric: read.scraped_every for heard in linted.heard for read in heard.reads if read.scraped_every}
    for asked in written_queries(linted.policy) if linted.heard else ():
        for function, metric, over in dict.fromkeys(expressions.ranges(asked.template)):
            scraped = every.get(metric)
            if scraped and over < SCRAPES * scraped:
                yield Problem(asked.path, _too_short(function, over, scraped))
        for subquery in expressions.coarse_subqueries(asked.template):
            yield Problem(asked.path, f"{subquery} has a step that leaves one point in its range; take a finer one")
    for index, check in enumerate(linted.policy.checks):
        if linted.kept is not None and (reads := _reads_back(check)) > linted.kept:
            yield Problem(
                path_of(linted.policy, index), f"looks back {span(reads)}, and the source keeps {span(linted.kept)}"
            )


def _reads_back(check: CompiledCheck) -> timedelta:
    """How far, be it what its answer is compared with only."""
    return max(check.window, *map(promql.window, check.templates))


def _too_short(function: str, over: timedelta, scraped: timedelta) -> str:
    samples, late = over // scraped, "one late scrape makes it Unknown"
    if samples < 2:
        late = "that is no rate"
    return (
        f"{function} over {format_duration(over)} of a metric scraped every {format_duration(scraped)} has "
        f"{_number(samples)}; {late}. Take {format_duration(SCRAPES * scraped)} or more"
    )


def _number(samples: int) -> str:
    return {0: "no sample", 1: "one sample", 2: "two samples", 3: "three samples"}[min(samples, 3)]


def coarse_buckets(linted: Linted) -> Iterator[Problem]:
    """SL210."""
    for heard in linted.heard:
        check = linted.policy.spec.checks[heard.index]
        bound = linted.policy.checks[heard.index].unhealthy
        if check.query is None or not expressions.is_quantile(check.query):
            continue
        for read in heard.reads:
            if (edges := _edges(read.series)) and (said := _between(bound.limit, edges)):
                yield Problem(f"spec.checks[{heard.index}].unhealthy", f"{read.metric} {said}")


def _edges(series: Iterable[Mapping[str, str]]) -> Sequence[float]:
    """The finite ends of a histogram's buckets."""
    texts = {one["le"] for one in series if _EDGE.fullmatch(one.get("le", ""))}
    return sorted({float(text) for text in texts})


def _between(value: float, edges: Sequence[float]) -> str:
    """What is odd about a bound among these buckets; empty: nothing."""
    highest = edges[-1]
    if value > highest or value in edges:
        return "" if value in edges else f"has no bucket beyond {format_decimal(highest)}: no quantile is more"
    upper = min(edge for edge in edges if edge > value)
    lower = max((edge for edge in edges if edge < value), default=0.0)
    if upper - lower <= value / 2:
        return ""
    ends = f"from {format_decimal(lower)} to {format_decimal(upper)}"
    return f"has one bucket {ends}, and where in it a quantile lies is a guess; take one of these ends as the bound"


def never_moved(linted: Linted) -> Iterator[Problem]:
    """SL206."""
    for heard in linted.heard:
        check, samples = linted.policy.spec.checks[heard.index], _samples(heard)
        if check.query is not None and len(samples) >= _MANY and len({one.value for one in samples}) == 1:
            yield Problem(
                path_of(linted.policy, heard.index),
                f"was {format_decimal(samples[0].value)} all through {_window(heard)}: of what never moves nobody "
                "knows whether it would",
            )


def _samples(heard: Heard) -> Sequence[Sample]:
    return () if isinstance(heard.samples, Error) else heard.samples


def _counted(heard: Heard) -> Sequence[Sample]:
    return heard.past.samples if isinstance(heard.past, Past) else ()


def _window(heard: Heard) -> str:
    return span(heard.window.span) if heard.window else "the window"


def refused(linted: Linted) -> Iterator[Problem]:
    """SL211."""
    for heard in linted.heard:
        if isinstance(heard.answer, Error) and heard.answer.reason in {"QueryFailed", "PodsUnclear"}:
            yield Problem(path_of(linted.policy, heard.index), heard.answer.message)


def past_breaches(linted: Linted) -> Iterator[Problem]:
    """SL301."""
    for heard, check, window in _with_past(linted):
        course = Course(check, _counted(heard), _apart(linted, window))
        acts = course.times()
        if not acts or _is_beyond(heard, check) or course.share_beyond() > _MOSTLY:
            continue  # the latter two are told by SL302
        yield Problem(path_of(linted.policy, heard.index), f"{_happened(course, acts, window)}{_ways(course)}")


def _with_past(linted: Linted) -> Iterator[tuple[Heard, CompiledCheck, Window]]:
    for heard in linted.heard:
        if heard.window is not None:
            yield heard, linted.policy.checks[heard.index], heard.window


def _apart(linted: Linted, window: Window) -> timedelta:
    return max(linted.policy.spec.interval, window.step)


def _happened(course: Course, acts: int, window: Window) -> str:
    hold, all_of_them = course.check.hold, course.times(hold=timedelta(0))
    breaches = f"{all_of_them} breach{'es' if all_of_them != 1 else ''} in {span(window.span)}"
    if hold:
        return f"{breaches}, {acts} of them for {format_duration(hold)} and more, which it would have acted upon"
    within = max(_SHORT, window.step)
    short = all_of_them - course.times(hold=within)
    return f"{breaches}, {short} of them over within {format_duration(within)}" if short else breaches


def _ways(course: Course) -> str:
    ways = []
    if (longer := course.longer_hold()) is not None:
        ways.append(f"for: {format_duration(longer[0])} leaves {longer[1]}")
    if (farther := course.farther_bound()) is not None:
        ways.append(f"{farther[0]} leaves {farther[1]}")
    return f". {'; '.join(ways)}" if ways else ""


def beyond_now(linted: Linted) -> Iterator[Problem]:
    """SL302."""
    for heard in linted.heard:
        check = linted.policy.checks[heard.index]
        if _is_beyond(heard, check):
            yield Problem(path_of(linted.policy, heard.index), f"{_now(heard)} {check.unhealthy}: it would act at once")
        elif heard.window is not None:
            course = Course(check, _counted(heard), _apart(linted, heard.window))
            if (share := course.share_beyond()) > _MOSTLY:
                yield Problem(
                    path_of(linted.policy, heard.index),
                    f"was {check.unhealthy} for {share:.0%} of {_window(heard)}: it would act soon, and often",
                )


def _is_beyond(heard: Heard, check: CompiledCheck) -> bool:
    at = heard.asked_at
    return at is not None and is_breach(check, Reading(heard.query, heard.answer, at, heard.volume))


def _now(heard: Heard) -> str:
    return f"is {format_decimal(heard.answer.value)} now," if isinstance(heard.answer, Value) else "has no data now,"


def unknown(linted: Linted) -> Iterator[Problem]:
    """SL303."""
    for heard, check, window in _with_past(linted):
        if isinstance(heard.samples, Error) or not heard.samples or check.on_no_data is not Verdict.UNKNOWN:
            continue
        gaps = list(_gaps(heard.samples, window)) if check.volume is None else []
        lost = sum((end - start for start, end in gaps), timedelta(0))
        if lost > _SILENT * window.span:
            times = first_few([f"{format_time(start)} for {span(end - start)}" for start, end in gaps], _SHOWN)
            yield Problem(
                path_of(linted.policy, heard.index),
                f"Unknown for {lost / window.span:.0%} of {span(window.span)}: {times}",
            )
        elif isinstance(heard.answer, NoData) and not heard.answer.empty:
            yield Problem(path_of(linted.policy, heard.index), f"Unknown now: {heard.answer.message}")


def _gaps(samples: Sequence[Sample], window: Window) -> Iterator[tuple[datetime, datetime]]:
    """Where there was nothing, from one moment to another."""
    known = window.start
    for sample in samples:
        if sample.at - known > 1.5 * window.step:
            yield known, sample.at
        known = sample.at
    if window.end - known > 1.5 * window.step:
        yield known, window.end
