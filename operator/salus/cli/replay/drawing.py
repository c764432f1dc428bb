"""A replay as a page: checks over time, what happened and what would have been done; from its document alone."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from salus.cli.pages import page
from salus.cli.plot import Band, CheckPlot, Kind, Lane, Moment, Point, check_svg, lanes_svg
from salus.cli.replay.text import because_of, decided, summary, then, unknown
from salus.cli.reports.replay import Breach, Course, ReplayedCheck, ReplayReport, Stretch
from salus.cli.show import Look, screen

MOST_PLOTS = 32
"""Checks that are drawn over the whole time."""
MOST_IN_FULL = 50
"""Breaches that are shown with their plot and their decisions."""
_TITLE = 9
"""Letters of a lane's title."""
_BANDS = {"Unknown": Kind.UNKNOWN, "Quiet": Kind.QUIET, "Pending": Kind.RUN_UP, "Unhealthy": Kind.UNHEALTHY}
_HEIGHT_OF_BREACH = 120


def replay_page(report: ReplayReport, look: Look) -> str:
    """The page. Raises TooLargeError."""
    zone, on = UTC if look.utc else None, screen(look)
    said = ReplayReport.from_json(report.to_json())
    drawn = said.checks[:MOST_PLOTS]
    full = [one for one in said.breaches if one.course is not None][:MOST_IN_FULL]
    return page(
        "replay.html.j2",
        said,
        zone,
        zone_name=said.ends.astimezone(zone).tzname(),
        lead=summary(said),
        unknown=[line.removeprefix("Not known: ") for line in unknown(said, on) if line],
        plots=[check_svg(_whole(one, said), zone) for one in drawn],
        not_drawn=len(said.checks) - len(drawn),
        lanes=lanes(said),
        full=[(one, _around(one, said, zone)) for one in full],
        brief=[one for one in said.breaches if one not in full],
        because=because_of,
        decided=decided,
        then=lambda one: then(one, on),
    )


def lanes(report: ReplayReport) -> str:
    """Releases and scalings, what would have been done, and how long it was beyond its bound."""
    would = [would for one in report.breaches for would in one.would_have]
    marks = [(Kind.WOULD_ACT if one.is_act or one.is_call else Kind.REFUSAL, one.at, decided(one)) for one in would]
    found = [
        Lane("releases", _turns(report, "release")),
        Lane("sizes", _turns(report, "scale")),
        Lane("would act", [Moment(at, kind, word) for kind, at, word in marks if kind is Kind.WOULD_ACT]),
        Lane("refused", [Moment(at, kind, word) for kind, at, word in marks if kind is Kind.REFUSAL]),
        *_incidents(report),
    ]
    there = [lane for lane in found if lane.moments or lane.bands]
    return lanes_svg(there, report.begins, report.ends, "what happened, and what would have been done") if there else ""


def _turns(report: ReplayReport, what: str) -> list[Moment]:
    return [Moment(one.at, Kind.RELEASE, one.detail) for one in report.turns if one.what == what]


def _incidents(report: ReplayReport) -> Iterator[Lane]:
    policies = dict.fromkeys((one.namespace, one.policy) for one in report.breaches if one.is_incident)
    for namespace, policy in list(policies)[:MOST_PLOTS]:
        mine = [
            one for one in report.breaches if one.is_incident and (one.namespace, one.policy) == (namespace, policy)
        ]
        bands = [Band(one.began, _end(one), Kind.INCIDENT, f"{policy}: {because_of(one)}") for one in mine]
        yield Lane("incidents" if len(policies) == 1 else policy[:_TITLE], bands=bands)


def _end(breach: Breach) -> datetime:
    return breach.began + breach.lasted


def _whole(check: ReplayedCheck, report: ReplayReport) -> CheckPlot:
    where = f"{check.namespace}/{check.policy} " if len(report.policies) > 1 else ""
    worst = f"from {check.lowest} to {check.highest}" if check.highest else "no samples"
    return CheckPlot(
        title=f"{where}{check.check}",
        sentence=f"{check.check} went {worst}; it is unhealthy {check.bound}",
        start=report.begins,
        end=report.ends,
        points=points(check.course),
        step=check.course.every,
        bound=check.limit,
        healthy=check.healthy,
        above=check.above is not None,
        bands=_bands(check.stretches, report.begins, report.ends),
    )


def _around(breach: Breach, report: ReplayReport, zone: tzinfo | None) -> str:
    course = breach.course
    if course is None:
        return ""
    check = next(
        one
        for one in report.checks
        if (one.namespace, one.policy, one.target, one.check)
        == (breach.namespace, breach.policy, breach.target, breach.check)
    )
    ends = course.begins + course.every * len(course.highs)
    plot = CheckPlot(
        title=f"{breach.check} around breach {breach.number}",
        sentence=because_of(breach),
        start=course.begins,
        end=ends,
        points=points(course),
        step=course.every,
        bound=check.limit,
        healthy=check.healthy,
        above=check.above is not None,
        bands=_bands(check.stretches, course.begins, ends),
    )
    return check_svg(plot, zone, height=_HEIGHT_OF_BREACH)


def points(course: Course) -> list[Point]:
    """The least and the greatest of each column; none where there was no sample, so that gaps stay gaps."""
    found: list[Point] = []
    half = course.every / 2
    for number, (low, high) in enumerate(zip(course.lows, course.highs, strict=True)):
        at = course.begins + number * course.every
        if low is not None and high is not None:
            found += [(at, high)] if low == high else [(at, low), (at + half, high)]
    return found


def _bands(stretches: Sequence[Stretch], begins: datetime, ends: datetime) -> list[Band]:
    """Those that can be seen; Unknown and Quiet are named where there is room."""
    least = (ends - begins) / 760
    seen = [one for one in _joined(stretches, least) if one.ends > begins and one.begins < ends]
    roomy = (ends - begins) / 10
    return [
        Band(
            max(one.begins, begins),
            min(one.ends, ends),
            _BANDS[one.what],
            one.what.lower() if one.what in {"Unknown", "Quiet"} and one.ends - one.begins > roomy else "",
        )
        for one in seen
    ]


def _joined(stretches: Iterable[Stretch], least: timedelta) -> Iterator[Stretch]:
    """Those of one kind that are less than a pixel apart are one."""
    before: dict[str, Stretch] = {}
    for one in stretches:
        last = before.get(one.what)
        if last is not None and one.begins - last.ends < least:
            before[one.what] = Stretch(begins=last.begins, ends=one.ends, what=one.what)
            continue
        if last is not None:
            yield last
        before[one.what] = one
    yield from before.values()
