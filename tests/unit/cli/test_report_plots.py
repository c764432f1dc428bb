"""What checks said around an incident, as plots of its page; pages with a month in them; reports without names."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from salus.cli.judged import Grid, Told, course_of
from salus.cli.metrics.courses import Asker
from salus.cli.metrics.wanted import Prometheus
from salus.cli.pages import LARGEST, LARGEST_DATA
from salus.cli.past import drawing, incident_text, period_text
from salus.cli.past.around import COLUMNS
from salus.cli.past.compared import MOST_REHEARSALS
from salus.cli.past.period import MOST_INCIDENTS
from salus.cli.past.report_command import Ask, incident_page, of_incident, of_period, period_page
from salus.cli.person import Where
from salus.cli.plot import MOST_POINTS
from salus.cli.redacted import redacted
from salus.cli.reports.course import Course, Judged, Stretch
from salus.cli.reports.history import HistoryLine, What
from salus.cli.reports.incident import IncidentReport
from salus.cli.reports.period import ComparedLine, IncidentLine, PeriodReport, PolicyCompared
from salus.cli.show import Look
from salus.model.values.metrics import Sample
from salus.ports import HEALTH_POLICIES, Ref
from tests.builders import NOW, later
from tests.unit.cli.pasts import that_knows
from tests.unit.cli.people import person
from tests.unit.cli.played import PlayedPrometheus, by_url
from tests.unit.cli.test_history import never, played, with_releases
from tests.unit.cli.test_pages import elements
from tests.unit.cli.test_recent import a_check
from tests.unit.cli.test_report import in_utc
from tests.unit.stage import NAME, NAMESPACE, Stage

UTC_LOOK = Look(utc=True)


async def reported(stage: Stage, prometheus: PlayedPrometheus, url: str = "") -> IncidentReport:
    async with by_url(prometheus) as at:
        asker = Asker(Where(), Prometheus(at=url or at))
        ask = Ask(f"inc/{stage.incidents[0]['metadata']['name']}", asker=asker)
        return await of_incident(person(stage.cluster), ask, stage.clock.now(), drawn=True)


def ill_from_now(at: datetime) -> float | None:
    """As the stage's service is: well until then."""
    return 0.3 if at >= NOW else 0.01


async def test_the_checks_are_drawn_around_the_incident() -> None:
    stage = await played(never, 40)
    report = await reported(stage, that_knows(stage, ill_from_now))

    (course,) = report.courses
    assert (course.check, course.bound, report.no_courses) == ("errors", 0.05, "")
    assert course.start <= report.opened_at - timedelta(minutes=15)
    judged = [one.judged for one in course.stretches]
    assert judged == [Judged.PENDING, Judged.UNHEALTHY]
    assert (course.stretches[1].start, len(course.values) <= COLUMNS) == (later(10), True)
    page = incident_page(report, UTC_LOOK)
    assert len(list(elements(page).of("svg"))) == 2
    assert "unhealthy above 0.05" in page
    assert "are not drawn" not in page


@pytest.mark.parametrize(
    ("past", "url", "said"),
    [
        pytest.param(lambda _: None, "", "no samples", id="it no longer has that time"),
        pytest.param(ill_from_now, "http://127.0.0.1:1", "Prometheus cannot be asked", id="it does not answer"),
    ],
)
async def test_without_samples_the_report_stands_and_says_why(
    past: Callable[[datetime], float | None], url: str, said: str
) -> None:
    stage = await played(never, 40)

    report = await reported(stage, that_knows(stage, past), url)

    assert (report.courses, report.no_courses) == ((), said)
    assert f"The checks over time are not drawn: {said}." in incident_page(report, UTC_LOOK)


async def test_a_server_that_keeps_less_than_that_is_not_asked() -> None:
    stage = await played(never, 40)
    prometheus = that_knows(stage, ill_from_now)
    prometheus.say("/api/v1/status/runtimeinfo", {"storageRetention": "1h"})

    report = await reported(stage, prometheus)

    assert report.no_courses == "Prometheus keeps 1h only"
    assert not any("errors" in query for query in prometheus.queries())


async def test_a_policy_that_is_gone_is_not_asked_about() -> None:
    stage = await played(never, 40)
    stage.cluster.remove(Ref(HEALTH_POLICIES, NAMESPACE, NAME))

    report = await reported(stage, that_knows(stage, ill_from_now))

    assert report.no_courses == "policy checkout is gone, or may not be read"


# --- how they are drawn


def a_course(values: Sequence[float | None], **more: Any) -> Course:  # noqa: ANN401
    return Course(check="errors", start=NOW, step=timedelta(minutes=1), values=tuple(values), bound=0.05, **more)


def a_report(*courses: Course, **more: Any) -> IncidentReport:  # noqa: ANN401
    whole = {
        "name": "web-1",
        "namespace": "shop",
        "target": "deploy/web",
        "policy": "web",
        "severity": "critical",
        "summary": "It was ill.",
        "phase": "Resolved",
        "opened_at": later(900),
        "resolved_at": later(1800),
        "at": later(7200),
    }
    return IncidentReport(courses=courses, **{**whole, **more})


def test_a_gap_is_never_joined_and_unknown_is_hatched() -> None:
    gap = Stretch(start=later(120), end=later(1800), judged=Judged.UNKNOWN, why="NoSeries")
    quiet = Stretch(start=later(1800), end=later(2400), judged=Judged.QUIET, why="LowVolume")
    course = a_course([0.1, 0.1, *[None] * 28, *[0.2] * 10], stretches=(gap, quiet))

    (drawn,) = drawing.of_courses(a_report(course))

    assert drawn.svg.count('class="line"') == 2
    assert '<g class="band unknown">' in drawn.svg
    assert "<title>unknown: NoSeries</title>" in drawn.svg
    assert ">unknown: NoSeries</text>" in drawn.svg
    assert '<g class="band quiet">' in drawn.svg
    assert drawn.sentence == (
        "errors, unhealthy above 0.05, was from 0.1 to 0.2 in 45m; unknown for 28m, quiet for 10m"
    )


def test_of_what_is_put_together_the_least_and_the_greatest_are_drawn() -> None:
    course = a_course([0.0, 0.0, None, 0.0], tops=(0.0, 0.9, None, 0.0))

    (drawn,) = drawing.of_courses(a_report(course))

    assert "was from 0 to 0.9" in drawn.sentence
    points = re.findall(r'points="([^"]*)"', drawn.svg)
    assert [len(one.split()) for one in points] == [3]


# --- limits


def month(check: int) -> list[Sample]:
    """A value each 15 seconds that never stays the same, with a spike a day."""
    ticks = range(30 * 24 * 60 * 4)
    return [
        Sample(NOW + timedelta(seconds=15 * at), (at * 7919 + check) % 1000 / 20000 + (at % 5760 < 9)) for at in ticks
    ]


def test_a_month_of_sixteen_checks_with_two_hundred_incidents_fits_into_a_page() -> None:
    step = timedelta(days=30) / 10_000
    grid = Grid(NOW, NOW + timedelta(days=30), timedelta(seconds=round(step.total_seconds())))
    samples = [one for one in month(1) if (one.at - NOW) % grid.step < timedelta(seconds=15)]
    course = course_of(a_check(), Told(samples), grid, COLUMNS)
    courses = [course.model_copy(update={"check": f"check-number-{number}"}) for number in range(16)]
    timeline = [
        HistoryLine(
            at=later(900 * at),
            namespace="shop",
            target="deploy/web",
            what=What.INCIDENT,
            detail="errors 0.3, above 0.05",
        )
        for at in range(200)
    ]

    page = incident_page(a_report(*courses, timeline=tuple(timeline)), UTC_LOOK)

    assert len(page.encode()) < LARGEST
    assert 10_000 < len(data(page)) <= LARGEST_DATA
    (plot, *_) = drawing.of_courses(a_report(courses[0], timeline=tuple(timeline)))
    assert sum(len(one.split()) for one in re.findall(r'points="([^"]*)"', plot.svg)) <= MOST_POINTS
    assert courses[0].stretches_left_out + len(courses[0].stretches) > 2
    assert max(one or 0 for one in courses[0].tops) > 1, "the spikes are there"


def data(page: str) -> str:
    (found,) = re.findall(r'id="salus-report">(.*?)</script>', page)
    return str(found)


def a_month(incidents: int, rehearsals: int) -> PeriodReport:
    lines = [
        IncidentLine(
            name=f"checkout-3d5f39f9-{at}",
            namespace="shop",
            target=f"deploy/checkout-{at % 30}",
            policy="checkout",
            opened_at=later(3600 * at),
            lasted=timedelta(minutes=at % 50),
            phase="Resolved",
            resolution="RecoveredByRemedy",
            seen="error-ratio 0.31, above 0.05; slow-requests 0.44, above 0.1",
        )
        for at in range(incidents)
    ]
    compared = [
        ComparedLine(
            record=f"checkout-f7524989-{at}",
            at=later(60 * at),
            target="deploy/checkout",
            rehearsed="Restart",
            then="Same",
        )
        for at in range(rehearsals)
    ]
    policy = PolicyCompared(
        namespace="shop",
        policy="checkout",
        mode="Observe",
        rehearsals=rehearsals,
        same=rehearsals,
        other=0,
        nothing=0,
        unknown=0,
        ready=True,
        why="they did the same",
        items=tuple(compared),
    )
    return PeriodReport(
        at=later(30 * 86400),
        begins=NOW,
        ends=later(30 * 86400),
        incidents=incidents,
        items=tuple(lines),
        compared=(policy,) * 16,
    )


def test_a_month_in_numbers_fits_into_a_page() -> None:
    page = period_page(a_month(200, MOST_REHEARSALS), UTC_LOOK)

    assert len(page.encode()) < LARGEST
    assert len(data(page)) <= LARGEST_DATA


def test_as_many_as_may_be_told_fit_and_data_that_do_not_are_said_to_be_left_out() -> None:
    page = period_page(a_month(MOST_INCIDENTS, 8 * MOST_REHEARSALS), UTC_LOOK)

    assert (data(page), "The data behind this page are not in it" in page) == ("null", True)


# --- without names


HIDDEN = ("checkout", "shop", "prod-eu", "errors", "kubectl-edit", "argocd", "registry.example", "undo")


async def test_no_name_stays_in_what_is_redacted() -> None:
    stage = await with_releases()
    ask = Ask(f"inc/{stage.incidents[0]['metadata']['name']}", commands=frozenset({"history", "explain"}))
    told = await of_incident(person(stage.cluster), ask, stage.clock.now())
    days = await of_period(person(stage.cluster), Ask("period"), stage.clock.now())

    incident, period = redacted(told), redacted(days)

    everything = [
        incident.to_json().decode(),
        period.to_json().decode(),
        incident_page(incident, UTC_LOOK),
        period_page(period, UTC_LOOK),
        *incident_text.markdown(incident, in_utc()),
        *period_text.markdown(period, in_utc()),
    ]
    assert [(name, text) for name in HIDDEN for text in everything if re.search(rf"\b{name}\b", text)] == []
    assert (incident.target, incident.namespace) == ("deploy/workload-A", "namespace-A")
    assert incident.summary.startswith("Deployment/workload-A in namespace-A has been unhealthy")


async def test_the_same_name_gets_the_same_letter_and_nothing_else_changes() -> None:
    days = a_month(5, 3)

    hidden = redacted(days)

    assert [one.target for one in hidden.items] == [f"deploy/workload-{letter}" for letter in "BCDEF"]
    assert hidden.compared[0].items[0].target == "deploy/workload-A"
    assert hidden.items[0].seen == "check-A 0.31, above 0.05; check-B 0.44, above 0.1"
    assert [one.opened_at for one in hidden.items] == [one.opened_at for one in days.items]
    assert redacted(days) == hidden


def test_names_that_are_words_of_salus_break_nothing() -> None:
    line = HistoryLine(at=NOW, namespace="release", target="deploy/act", what=What.RELEASE, detail="x", by="Observe")

    (told,) = redacted(a_report(timeline=(line,))).timeline

    assert (told.what, told.target, told.by) == (What.RELEASE, "deploy/workload-A", "someone-A")


def test_what_somebody_wrote_is_left_out() -> None:
    report = a_report(no_courses="http://prom.example: away")

    assert redacted(report).no_courses == "(left out)"
