"""The numbers beside a bound: what was usual, what came back, what was cut, and since when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from salus.core.learn.history import History, Question
from salus.core.learn.proposal import Fate, Learned
from salus.core.learn.propose import propose
from salus.model.scalars import format_duration
from tests.unit.learn.histories import (
    MINUTE,
    Hourly,
    Past,
    always,
    besides,
    daily,
    errors,
    hour_of,
    moment,
    numbers,
    span,
    weekly,
)
from tests.unit.learn.questions import AVAILABLE, CRASHES, ERRORS, P99

CALM = always(0.2)


def learned(question: Question, past: Past) -> Learned:
    found = propose(question, past())
    assert isinstance(found, Learned), found
    return found


def exactly(value: Hourly) -> Past:
    """Numbers that chance has no part in, but that one sample differs, since what never moves is left out."""
    return numbers(besides(value, (1.001, 0.016, 0.19)), noise=0)


def test_the_worst_that_came_back_and_the_worst_at_all_are_told_with_their_times() -> None:
    found = learned(P99, exactly(besides(daily(CALM, 12, 1, 0.6), (hour_of(5, 15), 0.5, 4))))

    assert found.usual == 0.2
    assert found.recurring is not None
    assert (found.recurring.value, found.recurring.at) == (0.6, moment(hour_of(0, 12)))
    assert found.once is not None
    assert (found.once.value, found.once.at) == (4, moment(hour_of(5, 15)))


def test_a_past_incident_is_cut_by_half_hours_and_shown_from_its_first_sample_to_its_last() -> None:
    found = learned(P99, exactly(besides(CALM, (hour_of(5, 15.05), 1, 4))))

    cut = [(cut.left_out, cut.beyond, cut.worst, cut.named) for cut in found.cut]
    whole = span(hour_of(5, 15), hour_of(5, 16.5))
    assert cut == [(whole, span(hour_of(5, 15.05), hour_of(5, 16.05)), 4, False)]


def test_what_reaches_into_a_half_hour_that_is_not_cut_belongs_to_the_incident() -> None:
    found = learned(P99, exactly(besides(CALM, (hour_of(5, 15), 62 / 60, 4))))

    assert [(cut.left_out, cut.beyond) for cut in found.cut] == [
        (span(hour_of(5, 15), hour_of(5, 16)), span(hour_of(5, 15), hour_of(5, 16) + 2 / 60))
    ]
    assert (found.longest, found.hold) == (timedelta(0), P99.hold)


def test_what_a_person_named_is_shown_as_that() -> None:
    past = exactly(daily(CALM, 12, 1, 0.6))
    incidents = [span(hour_of(day, 12), hour_of(day, 13)) for day in range(14)]

    found = learned(P99, lambda: replace(past(), incidents=incidents))

    assert [(cut.left_out, cut.worst, cut.named) for cut in found.cut] == [(each, 0.6, True) for each in incidents]
    assert str(found.unhealthy) == "above 0.5"


def test_what_comes_back_every_week_is_told_with_its_day_and_the_bound_without_it() -> None:
    found = learned(P99, exactly(weekly(CALM, hour_of(1, 10), 1, 0.9)))

    assert str(found.unhealthy) == "above 2"
    assert [(each.worst, each.bound, each.weekday) for each in found.returning] == [(0.9, 0.5, 1)]
    assert list(found.returning[0].spans) == [span(hour_of(day, 10), hour_of(day, 11)) for day in (1, 8)]


def test_what_comes_back_at_two_times_of_day_is_told_apart() -> None:
    found = learned(P99, exactly(daily(daily(CALM, 10, 0.5, 0.9), 18, 0.5, 1)))

    assert [(each.worst, each.weekday, len(each.spans)) for each in found.returning] == [(0.9, None, 14), (1, None, 14)]


def test_nothing_is_asked_where_the_bound_would_be_the_same_without_it() -> None:
    assert learned(P99, exactly(daily(CALM, 10, 0.5, 0.22))).returning == []


@pytest.mark.parametrize(
    ("lasts", "longest", "hold"),
    [
        pytest.param(0, "0s", "2m", id="nothing was beyond: the preset's for"),
        pytest.param(1, "1m", "2m", id="half as long again as one sample is within the preset's for"),
        pytest.param(2, "2m", "3m", id="two samples take half as long again"),
    ],
)
def test_for_is_longer_than_what_mended_itself(lasts: int, longest: str, hold: str) -> None:
    found = learned(P99, exactly(besides(CALM, (hour_of(5, 15.2), lasts / 60, 4))))

    assert (format_duration(found.longest), format_duration(found.hold)) == (longest, hold)


def test_for_is_never_shorter_than_two_readings() -> None:
    slow = replace(P99, hold=timedelta(0), interval=timedelta(seconds=50))

    assert learned(slow, exactly(CALM)).hold == timedelta(minutes=2)


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        pytest.param(2.5, moment(hour_of(13, 21.5)), id="beyond since half past nine"),
        pytest.param(0, None, id="not beyond"),
    ],
)
def test_what_is_beyond_the_bound_now_is_said(since: float, expected: datetime | None) -> None:
    found = learned(P99, exactly(besides(CALM, (24 * 14 - since, since, 4))))

    assert str(found.unhealthy) == "above 0.5"
    assert found.beyond_since == expected


def test_each_half_hour_has_its_fate() -> None:
    episodes = besides(daily(CALM, 12, 0.5, 0.6), (hour_of(5, 15), 0.5, 4), (hour_of(6, 18), 0.5, 0.45))
    quiet = exactly(episodes)

    def past() -> History:
        whole = quiet()
        series = whole.series[0]
        begin = moment(hour_of(3, 3)).timestamp()
        amounts = [0.0 if begin <= at < begin + 1800 else 1.0 for at in series.times]
        return replace(whole, series=[replace(series, amounts=amounts)])

    found = learned(replace(P99, volume=1), past)

    fates = {each.start: each.fate for each in found.half_hours}
    assert len(fates) == 14 * 48
    assert fates[moment(hour_of(3, 12))] is Fate.RECURS
    assert fates[moment(hour_of(5, 15))] is Fate.CUT
    assert fates[moment(hour_of(6, 18))] is Fate.ONCE
    assert fates[moment(hour_of(3, 3))] is Fate.QUIET


def test_where_the_clock_is_changed_a_peak_stays_at_its_time_of_day() -> None:
    """Half past nine on Tuesdays, wherever it is."""
    peak = besides(CALM, (hour_of(1, 8.5), 0.4, 0.9), (hour_of(8, 9.5), 0.4, 0.9))

    assert str(learned(P99, exactly(peak)).unhealthy) == "above 0.5"
    assert str(learned(replace(P99, zone=SummerEnds(moment(hour_of(7, 0)))), exactly(peak)).unhealthy) == "above 2"


@pytest.mark.parametrize("hours", [pytest.param(0.5, id="at the beginning"), pytest.param(335.5, id="at the end")])
def test_a_clock_that_is_changed_at_the_edge_of_the_window_loses_nothing(hours: float) -> None:
    found = learned(replace(P99, zone=SummerEnds(moment(hours))), exactly(besides(CALM, (hours - 0.5, 1, 4))))

    assert [cut.worst for cut in found.cut] == [4]


class SummerEnds(tzinfo):
    """Somewhere the clock is put back by an hour within the window."""

    def __init__(self, ends: datetime) -> None:
        self._ends = ends

    def utcoffset(self, at: datetime | None) -> timedelta:
        """What reaches here is a time of the world when a clock is read, and one of the wall when it is set."""
        summer = at is not None and at.replace(tzinfo=UTC) < self._ends
        return timedelta(hours=1 if summer else 0)

    def dst(self, at: datetime | None) -> timedelta:
        return self.utcoffset(at)

    def tzname(self, at: datetime | None) -> str:
        return "summer" if self.utcoffset(at) else "winter"


def test_a_fixed_bound_of_which_nothing_is_known_is_shown_as_it_is() -> None:
    nothing = numbers(always(float("nan")), noise=0)

    assert [learned(question, nothing).usual for question in (CRASHES, AVAILABLE)] == [None, None]


def test_a_share_that_must_not_fall_is_shown_as_it_is_measured() -> None:
    available = besides(daily(always(1), 12, 0.6, 0.8), (hour_of(5, 15), 0.7, 0.4))
    found = learned(AVAILABLE, numbers(available, noise=0))

    assert found.usual == 1
    assert found.recurring is not None
    assert found.recurring.value == pytest.approx(0.8)
    assert found.once is not None
    assert found.once.value == pytest.approx(0.4)
    assert [cut.worst for cut in found.cut] == [pytest.approx(0.4)]
    assert min(each.worth for each in found.half_hours if each.worth is not None) == pytest.approx(0.4)


def test_a_fixed_bound_stays_as_it_is() -> None:
    found = learned(CRASHES, numbers(daily(always(0), 12, 0.6, 2), noise=0))

    assert (found.unhealthy, found.healthy, found.hold) == (CRASHES.own, None, CRASHES.hold)


def test_a_third_of_the_time_is_quiet_where_nights_and_weekends_have_few_requests() -> None:
    found = learned(ERRORS, errors(always(0.0004), per_second=6, step=MINUTE, ranges=[2]))

    assert found.volume == 150
    assert found.quiet == pytest.approx(0.35, abs=0.05)
