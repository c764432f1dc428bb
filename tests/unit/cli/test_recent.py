"""What a check said before, judged as live, in `salus status`; and that nobody waits for it or fails by it."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.cli.judged import Grid, Told, course_of
from salus.cli.look import lookback, status
from salus.cli.look.lookback import AGAIN, LastMinutes
from salus.cli.metrics.wanted import Prometheus
from salus.cli.person import Where
from salus.cli.plot import sparkline
from salus.cli.reports.course import Judged, Stretch
from salus.cli.reports.status import PolicyDetail
from salus.core.health.evaluate import Reading, evaluate
from salus.model.policy import Threshold, Verdict
from salus.model.values.metrics import CheckState, Error, NoData, Sample, Value
from salus.model.values.policies import CompiledCheck, CompiledVolume
from salus.ports import PODS, Ref
from tests.builders import NOW, ago
from tests.unit.cli.pasts import POD, that_knows
from tests.unit.cli.people import person
from tests.unit.cli.played import PlayedPrometheus, by_url
from tests.unit.cli.test_status import always, lines, never, with_mode
from tests.unit.stage import NAME, Stage

MINUTE = timedelta(minutes=1)


def a_check(hold: int = 0, *, on_no_data: Verdict = Verdict.UNKNOWN, at_least: float | None = None) -> CompiledCheck:
    return CompiledCheck(
        name="errors",
        template="errors",
        unhealthy=Threshold.parse({"above": "0.05"}),
        healthy=Threshold.parse({"below": "0.02"}),
        hold=hold * MINUTE,
        on_no_data=on_no_data,
        target_label=None,
        window=MINUTE,
        volume=None if at_least is None else CompiledVolume("requests", at_least, MINUTE),
    )


def a_grid(count: int) -> Grid:
    return Grid(NOW, NOW + (count - 1) * MINUTE, MINUTE)


def samples(values: Sequence[float | None]) -> list[Sample]:
    return [Sample(NOW + index * MINUTE, value) for index, value in enumerate(values) if value is not None]


def stretch(first: int, after: int, judged: Judged, why: str = "") -> Stretch:
    return Stretch(start=NOW + first * MINUTE, end=NOW + after * MINUTE, judged=judged, why=why)


ILL, WELL = 0.3, 0.01


@pytest.mark.parametrize(
    ("check", "values", "more", "expected"),
    [
        pytest.param(a_check(), [WELL] * 5, {}, [], id="well all along"),
        pytest.param(a_check(), [WELL, ILL, ILL, WELL], {}, [stretch(1, 3, Judged.UNHEALTHY)], id="a breach"),
        pytest.param(
            a_check(2),
            [WELL, ILL, ILL, ILL, WELL],
            {},
            [stretch(1, 3, Judged.PENDING), stretch(3, 4, Judged.UNHEALTHY)],
            id="for runs up before it",
        ),
        pytest.param(
            a_check(),
            [ILL, 0.03, WELL, WELL],
            {},
            [stretch(0, 2, Judged.UNHEALTHY)],
            id="it has to pass the other bound",
        ),
        pytest.param(
            a_check(), [WELL, None, None, WELL], {}, [stretch(1, 3, Judged.UNKNOWN, "NoSeries")], id="a gap is Unknown"
        ),
        pytest.param(
            a_check(at_least=10),
            [WELL] * 4,
            {"volume": samples([20, 5, 5, 20])},
            [stretch(1, 3, Judged.QUIET, "LowVolume")],
            id="too little to judge is Quiet",
        ),
        pytest.param(
            a_check(at_least=10),
            [WELL] * 4,
            {"volume": Error("Timeout", "no answer")},
            [stretch(0, 3, Judged.UNKNOWN, "Timeout")],
            id="nobody knows how much there was",
        ),
        pytest.param(
            a_check(on_no_data=Verdict.HEALTHY),
            [WELL, None, None, WELL],
            {"silent": samples([None, 1, None, None])},
            [stretch(2, 3, Judged.UNKNOWN, "NoSeries")],
            id="declared silence is health where the source was there",
        ),
    ],
)
def test_how_a_past_is_judged(
    check: CompiledCheck, values: Sequence[float | None], more: dict[str, Any], expected: list[Stretch]
) -> None:
    found = course_of(check, Told(samples(values), **more), a_grid(len(values)), most=100)

    assert list(found.stretches) == expected
    assert found.values == tuple(values)
    assert (found.bound, found.healthy, found.above) == (0.05, 0.02, True)


@given(st.lists(st.none() | st.sampled_from([0.0, 0.03, 0.05, 0.06, 1.0]), min_size=2, max_size=40), st.integers(0, 3))
def test_it_is_what_live_would_have_said(values: list[float | None], hold: int) -> None:
    check, state, unhealthy = a_check(hold), CheckState(), []
    for index, value in enumerate(values):
        at = NOW + index * MINUTE
        answer = NoData("NoSeries", "none", empty=True) if value is None else Value(value, at)
        found, state = evaluate(check, Reading("errors", answer, at), state, MINUTE)
        unhealthy += [at] if found.verdict is Verdict.UNHEALTHY else []

    course = course_of(check, Told(samples(values)), a_grid(len(values)), most=100)

    said = [one for one in course.stretches if one.judged is Judged.UNHEALTHY]
    inside = [at for at in unhealthy if any(one.start <= at <= one.end for one in said)]
    assert course.missing or inside == unhealthy
    assert sum((one.end - one.start for one in said), timedelta()) <= len(unhealthy) * MINUTE


@given(st.lists(st.none() | st.floats(0, 9), min_size=1, max_size=300), st.integers(1, 60))
def test_put_together_no_spike_is_lost_and_no_gap_is_filled(values: list[float | None], most: int) -> None:
    course = course_of(a_check(), Told(samples(values)), a_grid(len(values)), most)

    assert len(course.values) <= most or course.missing
    there = [float(f"{one:.5g}") for one in values if one is not None]
    tops = [one for one in course.tops or course.values if one is not None]
    assert max(tops, default=None) == max(there, default=None)
    size = round(course.step / MINUTE)
    parts = [values[at : at + size] for at in range(0, len(values), size)]
    if not course.missing:
        assert [one is None for one in course.values] == [not any(x is not None for x in part) for part in parts]


def test_what_was_not_answered_says_why() -> None:
    assert course_of(a_check(), Told(Error("Timeout", "no answer in 2s")), a_grid(3), 9).missing == "no answer in 2s"
    assert course_of(a_check(), Told(()), a_grid(3), 9).missing == "no samples"


def test_a_sparkline_where_no_such_signs_are() -> None:
    assert sparkline([0, 2, None, 8], 4, signs=False) == "_. @"


# --- in `salus status`


async def told(stage: Stage, prometheus: PlayedPrometheus, *, url: str = "") -> PolicyDetail:
    async with by_url(prometheus) as at:
        asked = LastMinutes(Where(), Prometheus(at=url or at))
        report = await status.look(person(stage.cluster), [NAME], stage.clock.now(), asked)
    (detail,) = report.details
    return detail


def since(minutes: int, value: float, before: float = 0.0) -> Callable[[datetime], float]:
    return lambda at: value if at >= ago(60 * minutes) else before


async def test_the_last_half_hour_stands_beside_each_check() -> None:
    stage = await with_mode("Enforce", never)
    prometheus = that_knows(stage, since(10, 0.3))

    detail = await told(stage, prometheus)

    assert detail.recent_left_out == ""
    course = detail.checks[0].course
    assert course is not None
    assert (len(course.values), max(one or 0 for one in course.values)) == (61, 0.3)
    assert [one.judged for one in course.stretches][-1] is Judged.UNHEALTHY
    (asked,) = [text for text in prometheus.queries() if "errors" in text]
    assert asked == 'errors{t="checkout"}'


async def test_it_is_drawn_and_still_fits_on_a_screen() -> None:
    stage = await with_mode("Enforce", never)
    async with by_url(that_knows(stage, since(10, 0.3))) as url:
        asked = LastMinutes(Where(), Prometheus(at=url))
        text = lines(await status.look(person(stage.cluster), [NAME], stage.clock.now(), asked))

    assert (len(text) <= 24, max(map(len, text)) <= 80) == (True, True)
    assert any("LAST 30m" in line for line in text)
    assert any("errors" in line and "▁▁▁████" in line for line in text)


async def test_a_gap_is_a_blank() -> None:
    stage = await with_mode("Enforce", always)
    prometheus = that_knows(stage, lambda at: None if at < ago(900) else 0.01)

    course = (await told(stage, prometheus)).checks[0].course

    assert course is not None
    assert sparkline(course.values).startswith("       ")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        pytest.param("http://127.0.0.1:1", "Prometheus cannot be asked", id="it does not answer"),
        pytest.param("ftp://nowhere", "--prometheus names nothing that can be asked", id="it is no address"),
    ],
)
async def test_what_cannot_be_asked_is_left_out_and_said(url: str, said: str) -> None:
    stage = await with_mode("Enforce", always)

    detail = await told(stage, that_knows(stage, since(10, 0.3)), url=url)

    assert (detail.checks[0].course, detail.recent_left_out) == (None, said)
    assert detail.line.health == "Healthy"


async def test_another_clusters_prometheus_is_not_believed() -> None:
    stage = await with_mode("Enforce", always)
    prometheus = that_knows(stage, since(10, 0.3))
    stage.cluster.edit(Ref(PODS, *POD.split("/")), lambda body: body["status"].update(podIP="10.9.9.9"))

    assert (await told(stage, prometheus)).recent_left_out == "this Prometheus does not know this cluster"


async def test_who_takes_longer_than_that_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookback, "PATIENCE", timedelta(milliseconds=50))
    stage = await with_mode("Enforce", always)
    prometheus = that_knows(stage, since(10, 0.3))
    prometheus.gate = asyncio.Event()

    async with by_url(prometheus) as url:
        asked = LastMinutes(Where(), Prometheus(at=url))
        report = await status.look(person(stage.cluster), [NAME], stage.clock.now(), asked)
        prometheus.gate.set()

    assert report.details[0].recent_left_out
    assert report.details[0].line.health == "Healthy"


async def test_who_watches_is_told_anew_after_a_while_only() -> None:
    stage = await with_mode("Enforce", always)
    prometheus, now = that_knows(stage, since(10, 0.3)), stage.clock.now()
    async with by_url(prometheus) as url:
        asked = LastMinutes(Where(), Prometheus(at=url))
        for after in (timedelta(0), timedelta(seconds=2), AGAIN):
            await status.look(person(stage.cluster), [NAME], now + after, asked)

    assert sum("errors" in text for text in prometheus.queries()) == 2


async def test_several_workloads_have_no_one_course() -> None:
    target = {"kind": "Deployment", "selector": {"matchLabels": {"tier": "backend"}}}
    stage = await with_mode("Enforce", always, target=target)

    detail = await told(stage, that_knows(stage, since(10, 0.3)))

    assert detail.recent_left_out == "of several workloads there is no one course"
