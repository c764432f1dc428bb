"""What happened, drawn on one axis of time, for pages of reports; from the documents alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from salus.cli.plot import Band, CheckPlot, Kind, Lane, Moment, Point, check_svg, lanes_svg
from salus.cli.reports.course import Course, Judged, Stretch
from salus.cli.reports.history import HistoryLine, What
from salus.cli.reports.incident import IncidentReport
from salus.cli.reports.period import PeriodReport
from salus.cli.spans import span

_PERIOD = "when each workload was unhealthy"
_WIDE, _LETTERS = 160, 24
"""Pixels for the names of workloads, and letters that fit."""
BESIDE = timedelta(minutes=15)
"""Before and after an incident."""
MOST_LANES = 20
"""Workloads that are drawn; those with the newest incidents."""
_BY_SALUS: Mapping[What, Kind] = {
    What.ACT: Kind.ACT,
    What.UNDO: Kind.ACT,
    What.REHEARSE: Kind.WOULD_ACT,
    What.ASKS: Kind.QUESTION,
    What.REFUSE: Kind.REFUSAL,
    What.ADVISE: Kind.REFUSAL,
}
_BY_OTHERS: Mapping[What, Kind] = dict.fromkeys(
    (What.RELEASE, What.CONFIG, What.RESTART, What.SCALE, What.EDIT, What.ANSWER), Kind.RELEASE
)


def axis(report: IncidentReport) -> tuple[datetime, datetime]:
    """From before the first thing that is told of an incident until after the last."""
    ended, moments = _ended(report), [line.at for line in report.timeline]
    start, end = min([report.opened_at - BESIDE, *moments]), max([ended + BESIDE, *moments])
    return start, max(min(end, report.at), start)


def _ended(report: IncidentReport) -> datetime:
    return report.healthy_at or report.resolved_at or report.at


def of_incident(report: IncidentReport, zone: tzinfo | None = None) -> str:
    """What others did, what Salus did, and how long it was unhealthy."""
    ill = Band(report.opened_at, _ended(report), Kind.INCIDENT, "unhealthy")
    lanes = [
        Lane("others", _moments(report.timeline, _BY_OTHERS)),
        Lane("Salus", _moments(report.timeline, _BY_SALUS)),
        Lane("unhealthy", bands=[ill]),
    ]
    return lanes_svg(lanes, *axis(report), "what happened", zone=zone)


_BANDS: Mapping[Judged, Kind] = {
    Judged.UNKNOWN: Kind.UNKNOWN,
    Judged.QUIET: Kind.QUIET,
    Judged.PENDING: Kind.RUN_UP,
    Judged.UNHEALTHY: Kind.UNHEALTHY,
}


@dataclass(frozen=True, slots=True)
class Drawn:
    """A check as a picture, and what stands behind it as a table."""

    course: Course
    sentence: str
    svg: str


def of_courses(report: IncidentReport, zone: tzinfo | None = None) -> Sequence[Drawn]:
    """Each check that there is something to see of, on the axis of the lanes."""
    start, end = axis(report)
    return [_drawn(course, start, end, zone) for course in report.courses if not course.missing]


def _drawn(course: Course, start: datetime, end: datetime, zone: tzinfo | None) -> Drawn:
    sentence = _sentence(course, end - start)
    plot = CheckPlot(
        title=course.check,
        sentence=sentence,
        start=start,
        end=end,
        points=[(at, value) for at, value in _points(course) if start <= at <= end],
        step=course.step,
        bound=course.bound,
        healthy=course.healthy,
        above=course.above,
        bands=[Band(one.start, one.end, _BANDS[one.judged], _word(one)) for one in course.stretches if one.end > start],
    )
    return Drawn(course, sentence, check_svg(plot, zone))


def _points(course: Course) -> Iterator[Point]:
    """Each value at its time; of many in one step the least and the greatest, one beside the other."""
    for index, least in enumerate(course.values):
        at = course.start + index * course.step
        if least is not None:
            yield at, least
        if course.tops and (greatest := course.tops[index]) is not None and greatest != least:
            yield at + course.step / 4, greatest


def _word(one: Stretch) -> str:
    """Unknown and Quiet are named; the rest lies beyond a line that has its name."""
    return f"{one.judged}: {one.why}" if one.judged in {Judged.UNKNOWN, Judged.QUIET} else ""


def _sentence(course: Course, whole: timedelta) -> str:
    """What who does not see it has to know."""
    there = [one for one in (*course.values, *course.tops) if one is not None]
    lasted = {judged: _lasted(course, judged) for judged in Judged}
    side = "above" if course.above else "below"
    said = [f"{judged} for {span(time)}" for judged, time in lasted.items() if time and judged is not Judged.PENDING]
    values = f"from {min(there):g} to {max(there):g}" if there else "without a value"
    return f"{course.check}, unhealthy {side} {course.bound:g}, was {values} in {span(whole)}; {_all(said)}"


def _lasted(course: Course, judged: Judged) -> timedelta:
    return sum((one.end - one.start for one in course.stretches if one.judged is judged), timedelta(0))


def _all(said: Sequence[str]) -> str:
    return ", ".join(said) or "healthy all along"


def _moments(lines: Iterable[HistoryLine], kinds: Mapping[What, Kind]) -> list[Moment]:
    return [Moment(line.at, kinds[line.what], f"{line.what} {line.detail}") for line in lines if line.what in kinds]


def of_period(report: PeriodReport, zone: tzinfo | None = None) -> str:
    """When each workload was unhealthy; empty: none ever was."""
    workloads = list(dict.fromkeys((one.namespace, one.target) for one in report.items))[:MOST_LANES]
    lanes = [
        Lane(_cut(target.rpartition("/")[2]), bands=_bands(report, namespace, target))
        for namespace, target in workloads
    ]
    return lanes_svg(lanes, report.begins, report.ends, _PERIOD, zone=zone, left=_WIDE) if lanes else ""


def _cut(name: str) -> str:
    return name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"


def _bands(report: PeriodReport, namespace: str, target: str) -> Sequence[Band]:
    found = (one for one in report.items if (one.namespace, one.target) == (namespace, target))
    return [
        Band(
            one.opened_at,
            _until(one.opened_at + one.lasted, report),
            Kind.INCIDENT,
            f"{namespace}/{target}: {one.seen}",
        )
        for one in found
    ]


def _until(moment: datetime, report: PeriodReport) -> datetime:
    return min(moment, report.ends)
