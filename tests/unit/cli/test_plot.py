"""Plots: spikes survive, gaps are never joined, and what is shown is told in words as well."""

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.cli.plot import (
    MOST_POINTS,
    Band,
    CheckPlot,
    Kind,
    Lane,
    Moment,
    check_svg,
    lanes_svg,
    runs,
    sparkline,
    ticks,
)
from tests.builders import NOW

STEP = timedelta(seconds=15)
SVG = "{http://www.w3.org/2000/svg}"


def a_plot(values: Sequence[float], *, bands: Sequence[Band] = (), title: str = "error-ratio") -> CheckPlot:
    points = [(NOW + index * STEP, value) for index, value in enumerate(values)]
    return CheckPlot(
        title=title,
        sentence=f"{title} rose above 0.05",
        start=NOW,
        end=NOW + max(len(values), 1) * STEP,
        points=points,
        step=STEP,
        bound=0.05,
        healthy=0.02,
        bands=bands,
    )


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), max_size=3_000), st.integers(1, 800))
def test_the_greatest_and_the_least_of_all_values_are_shown(values: list[float], columns: int) -> None:
    found = [value for run in runs(a_plot(values), columns) for _, value in run]
    finite = [value for value in values if math.isfinite(value)]

    assert found == [] if not finite else (min(found), max(found)) == (min(finite), max(finite))


@given(st.integers(1, 30_000))
def test_there_are_not_more_points_than_a_column_can_show(count: int) -> None:
    (run,) = runs(a_plot([float(index % 7) for index in range(count)]), 692)

    assert len(run) <= MOST_POINTS + 2


@pytest.mark.parametrize(
    ("values", "lengths"),
    [
        pytest.param([1, 2, 3], [3], id="no gap"),
        pytest.param([1, float("nan"), 3], [1, 1], id="one sample that is no number"),
        pytest.param([float("inf"), 2, 3], [2], id="an infinite one"),
        pytest.param([], [], id="nothing at all"),
    ],
)
def test_gaps_are_never_joined(values: list[float], lengths: list[int]) -> None:
    assert [len(run) for run in runs(a_plot(values), 100)] == lengths


def test_samples_that_are_missing_are_a_gap_too() -> None:
    plot = a_plot([1.0, 2.0])
    late = (NOW + 10 * STEP, 3.0)

    found = runs(CheckPlot("a", "b", NOW, late[0], [*plot.points, late], STEP), 100)

    assert [len(run) for run in found] == [2, 1]


def test_an_image_says_in_words_what_it_shows() -> None:
    bands = [Band(NOW, NOW + STEP, Kind.UNKNOWN, "unknown 8m"), Band(NOW, NOW + STEP, Kind.QUIET)]
    root = ET.fromstring(check_svg(a_plot([0.01, 0.3], bands=bands), UTC))  # noqa: S314 — our own text

    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "error-ratio"
    assert root.findtext(f"{SVG}desc") == "error-ratio rose above 0.05"
    text = " ".join("".join(one.itertext()) for one in root.iter(f"{SVG}text"))
    assert all(word in text for word in ("unhealthy above 0.05", "healthy below 0.02", "unknown 8m"))


def test_text_of_people_stays_text() -> None:
    evil = '<script>alert("1")</script>'
    moment = Moment(NOW, Kind.ACT, evil)
    for image in (
        check_svg(a_plot([1.0], title=evil)),
        lanes_svg([Lane(evil, [moment], [Band(NOW, NOW + STEP, Kind.INCIDENT, evil)])], NOW, NOW + STEP, evil),
    ):
        assert "<script" not in image
        ET.fromstring(image)  # noqa: S314 — our own text


def test_no_style_stands_in_an_image_which_a_strict_page_would_not_obey() -> None:
    assert "style=" not in check_svg(a_plot([0.1, 0.2]))


def test_each_event_has_a_shape_and_a_word() -> None:
    moments = [Moment(NOW, Kind.RELEASE, "v1.9.0"), Moment(NOW + 2 * STEP, Kind.ACT, "Rollback")]

    image = lanes_svg([Lane("events", moments)], NOW, NOW + 10 * STEP, "what happened")

    assert "▲" in image
    assert "◆" in image
    assert "release: v1.9.0" in image
    assert "act: Rollback" in image


@pytest.mark.parametrize(
    ("hours", "zone", "expected"),
    [
        pytest.param(3, "UTC", ["12:30", "13:00"], id="hours"),
        pytest.param(24, "Europe/Berlin", ["16:00", "20:00", "00:00"], id="of the zone that is shown"),
        pytest.param(24 * 14, "UTC", ["00:00"], id="days"),
    ],
)
def test_times_on_the_axis_are_round_ones_of_the_zone(hours: int, zone: str, expected: list[str]) -> None:
    start = datetime(2026, 11, 30, 12, 7, tzinfo=UTC)
    found = [one.astimezone(ZoneInfo(zone)) for one in ticks(start, start + timedelta(hours=hours), ZoneInfo(zone))]

    assert [f"{one:%H:%M}" for one in found][: len(expected)] == expected
    assert 2 <= len(found) <= 10


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([0.0, 1.0, 2.0, 4.0], "▁▂▄█", id="from nothing to the greatest"),
        pytest.param([1.0, None, 1.0], "█ █", id="a gap is a blank"),
        pytest.param([0.0, 0.0], "▁▁", id="nothing at all the time"),
        pytest.param([], "", id="no values"),
    ],
)
def test_values_as_one_line_of_text(values: list[float | None], expected: str) -> None:
    assert sparkline(values) == expected


@given(st.lists(st.none() | st.floats(0, 1e9), min_size=1, max_size=5_000))
def test_a_line_of_text_is_not_longer_than_asked(values: list[float | None]) -> None:
    assert len(sparkline(values, 20)) <= 20
