"""What is proposed by histories of which everybody can say what should be."""

from dataclasses import replace
from datetime import timedelta

import pytest

from salus.core.learn.history import Question
from salus.core.learn.proposal import Learned, LeftOut
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
    history,
    hour_of,
    moment,
    numbers,
    span,
    thinned,
    traffic,
    weekly,
)
from tests.unit.learn.questions import AVAILABLE, CRASHES, ERRORS, LAG, MEMORY, P99, SLOWER

CLEAN = always(0.0004)
BUSY = {"per_second": 600, "step": MINUTE, "ranges": [2]}
"""So many requests that chance says nothing, and no longer range is needed."""
FLOOR = "above 0.01, healthy below 0.005 for 1m over 2m of 300 or more"


def said(result: Learned | LeftOut) -> str:
    """All that the tables hold on to, in the words of a policy."""
    if isinstance(result, LeftOut):
        return f"{result.reason}: {result.message}"
    clear = f", healthy {result.healthy}" if result.healthy else ""
    over = f" over {format_duration(result.window)} of {result.volume} or more" if result.volume else ""
    cut = sum(((cut.left_out.end - cut.left_out.start) for cut in result.cut), timedelta(0))
    less = f"; {format_duration(cut)} cut" if cut else ""
    why = f": {'; '.join(result.why)}" if result.why else ""
    return f"{result.unhealthy}{clear} for {format_duration(result.hold)}{over}{less}; sure {result.sure}{why}"


def released(past: Past, *hours: float) -> Past:
    return lambda: replace(past(), releases=[moment(hour) for hour in hours])


def rolled_out(rate: float, every: float) -> Past:
    """A pod starts every so many hours, and so many of the requests fail for twenty seconds after that."""
    past = errors(lambda hours: rate if hours % every < 20 / 3600 else 0.0004, per_second=600, ranges=[2])
    return lambda: replace(past(), pod_starts=[moment(every * count) for count in range(int(24 * 14 / every))])


def flickering(most: float) -> Past:
    """A sample every ten minutes, and once four of them in a row beyond: two in each of two half hours."""
    return numbers(besides(always(10), (101.1, 0.7, most)), step=timedelta(minutes=10))


def ill(*episodes: tuple[int, float, float, float]) -> Hourly:
    """Clean but for episodes: (day, hour, how many hours, rate)."""
    return besides(CLEAN, *((hour_of(day, hour), lasts, rate) for day, hour, lasts, rate in episodes))


SHARES_AND_RANGES = [
    pytest.param(
        errors(CLEAN),
        "above 0.01, healthy below 0.005 for 1m over 10m of 300 or more; sure yes",
        id="four failures in ten thousand ask for the floor, over a range in which a night says something",
    ),
    pytest.param(
        errors(ill((5, 15.03, 1, 0.3))),
        "above 0.01, healthy below 0.005 for 1m over 10m of 300 or more; 1h30m cut; sure yes",
        id="an hour at 30 % is cut with the half hours that it reaches into",
    ),
    pytest.param(
        errors(ill((5, 15.03, 1, 0.3), (9, 15.1, 1, 0.3))),
        "above 0.01, healthy below 0.005 for 1m over 10m of 300 or more; 3h cut; sure yes",
        id="so are two at the same time of day",
    ),
    pytest.param(
        errors(ill((2, 15.03, 1, 0.3), (4, 9.1, 1, 0.1), (7, 20.2, 1, 0.03), (11, 3.3, 1, 0.3))),
        "above 0.01, healthy below 0.005 for 1m over 10m of 300 or more; 6h cut; sure yes",
        id="and four, however bad each was",
    ),
    pytest.param(
        errors(always(0.01)),
        "above 0.1, healthy below 0.05 for 1m over 2m of 30 or more; sure yes",
        id="one in a hundred is usual, and more of them at night by chance",
    ),
    pytest.param(
        errors(weekly(CLEAN, hour_of(1, 10), 1, 0.08)),
        "above 0.2, healthy below 0.1 for 1m over 2m of 15 or more; sure yes",
        id="8 % every Tuesday at ten is how the service lives",
    ),
    pytest.param(
        errors(daily(CLEAN, 12, 1 / 6, 0.05)),
        "above 0.1, healthy below 0.05 for 1m over 10m of 30 or more; sure yes",
        id="5 % for ten minutes every day weigh less over ten minutes",
    ),
    pytest.param(
        errors(always(0.3)),
        "NoBoundSeparates: 0.299998 is usual, too near to 0.5: no bound separates sick from well here",
        id="30 % always leaves no bound",
    ),
    pytest.param(
        errors(CLEAN, per_second=0.5),
        "above 0.05, healthy below 0.02 for 1m over 10m of 60 or more; sure yes",
        id="a request every two seconds is judged by few at a time",
    ),
    pytest.param(
        errors(CLEAN, per_second=0.02),
        "TooLittleTraffic: for 57% of the time there are fewer than 15 requests in 30m, which it takes to judge by 0.2",
        id="a request a minute is too little",
    ),
]
SHARES = [
    pytest.param(
        errors(CLEAN, **BUSY),
        f"{FLOOR}; sure yes",
        id="a busy service is judged over the shortest range",
    ),
    pytest.param(
        errors(CLEAN, per_second=0.002),
        "TooLittleTraffic: for 96% of the time there are fewer than 6 requests in 30m, which it takes to judge by 0.5",
        id="seven requests an hour are too little over any range",
    ),
    pytest.param(
        errors(always(0), **BUSY),
        f"{FLOOR}; sure some: not one was ever seen, so nobody knows whether this query would show it",
        id="a service that never failed gets the floor, and is not sure of the query",
    ),
    pytest.param(
        errors(always(0.05), **BUSY),
        "above 0.2, healthy below 0.1 for 1m over 2m of 15 or more; sure yes",
        id="a share that is always the same is no incident, and asks for three times as much",
    ),
    pytest.param(
        errors(daily(CLEAN, 12, 1, 0.3), **BUSY),
        "above 0.5, healthy below 0.4 for 1m over 2m of 6 or more; sure yes",
        id="a high peak of every day asks for no more than five points beyond it",
    ),
    pytest.param(
        errors(daily(CLEAN, 12, 1, 0.5), **BUSY),
        "NoBoundSeparates: 0.510391 comes back, too near to 0.5: no bound separates sick from well here",
        id="beyond half of the requests no bound is of use",
    ),
    pytest.param(
        errors(ill((1, 10, 1, 0.3), (8, 10, 1, 0.3)), **BUSY),
        "above 0.5, healthy below 0.4 for 1m over 2m of 6 or more; sure yes",
        id="two bad hours a week apart are what such weekdays are like",
    ),
    pytest.param(
        errors(ill(*((day, 10, 1, 0.3) for day in (1, 3, 6))), **BUSY),
        "above 0.5, healthy below 0.4 for 1m over 2m of 6 or more; sure some: "
        "the worst of the last three days is 0.0012288, a week before it was 0.305841",
        id="three of the same time of day came back",
    ),
    pytest.param(
        errors(ill(*((day, 3.5 * day, 1, 0.3) for day in (1, 3, 4, 6))), **BUSY),
        f"{FLOOR}; 4h cut; sure yes",
        id="four of other times of day did not",
    ),
    pytest.param(
        errors(ill((4, 0, 48, 0.3)), **BUSY),
        "UnwellTooOften: for 48 hours it was beyond 0.01, unlike on other days: "
        "this service was unwell too often to learn from",
        id="two days in a row are no habit, and too much to learn from the rest",
    ),
    pytest.param(
        errors(ill((1, 0, 120, 0.3)), **BUSY),
        "UnwellTooOften: for 120 hours it was beyond 0.01, unlike on other days: "
        "this service was unwell too often to learn from",
        id="five days in a row neither",
    ),
    pytest.param(
        errors(ill((13, 22, 2, 0.3)), **BUSY),
        f"{FLOOR}; 2h cut; sure yes",
        id="a service that is ill now is judged by when it was not",
    ),
    pytest.param(
        errors(CLEAN, days=8, **BUSY),
        f"{FLOOR}; sure some: 8 days of history",
        id="eight days are not sure",
    ),
    pytest.param(
        errors(besides(CLEAN, (hour_of(5, 10), 1, 0.3)), days=11, **BUSY),
        f"{FLOOR}; 1h cut; sure some: 24 Nov is the only Tuesday: whether that comes back every week is not known",
        id="of the only such weekday nobody knows whether it is always like that",
    ),
    pytest.param(
        thinned(errors(CLEAN, **BUSY), lambda hours: hours % 10 < 8),
        f"{FLOOR}; sure some: 80% of the samples are there",
        id="four samples of five are not sure",
    ),
    pytest.param(
        thinned(errors(CLEAN, **BUSY), lambda hours: hours > hour_of(9, 0)),
        f"{FLOOR}; sure some: 5 days of history",
        id="a Prometheus that is younger than what was asked has fewer days",
    ),
    pytest.param(
        errors(lambda hours: 0.02 if hours < hour_of(11, 0) else 0.09, **BUSY),
        "above 0.2, healthy below 0.15 for 1m over 2m of 15 or more; sure some: "
        "the worst of the last three days is 0.10374, a week before it was 0.0251201",
        id="three days of another level than a week before are not sure",
    ),
]
OWN_BOUND = [
    pytest.param(
        errors(always(0), **{**BUSY, "per_second": 0}),
        "above 0.05 for 1m over 2m of 60 or more; sure no: 0 samples with traffic, 1000 are needed",
        id="without any request the preset speaks",
    ),
    pytest.param(
        errors(CLEAN, days=2, **BUSY),
        "above 0.05 for 1m over 2m of 60 or more; sure no: 2.0 days of history; 3 are needed",
        id="two days tell nothing of what comes back",
    ),
    pytest.param(
        thinned(errors(CLEAN, **BUSY), lambda hours: hours % 1 < 0.5),
        "above 0.05 for 1m over 2m of 60 or more; sure no: 50% of the samples are there, 60% are needed",
        id="nobody knows what was in the other half",
    ),
    pytest.param(
        errors(lambda hours: 0.0001 * hours, **BUSY),
        "above 0.05 for 1m over 2m of 60 or more; sure no: it grows with time, 1.00",
        id="what grows has not shown its end",
    ),
    pytest.param(
        released(errors(lambda hours: 0.001 if hours < hour_of(12, 9) else 0.02, **BUSY), hour_of(12, 9)),
        "above 0.05 for 1m over 2m of 60 or more; sure no: "
        "1.6 days since the release of 2026-11-28T09:00:00Z, which changed the level; 3 are needed",
        id="a day and a half after a release that made it another service",
    ),
]
RELEASES = [
    pytest.param(
        released(errors(lambda hours: 0.02 if hours < hour_of(8, 9) else 0.001, **BUSY), hour_of(3, 9), hour_of(8, 9)),
        f"{FLOOR}; sure some: 6 days since the release of 2026-11-24T09:00:00Z, which changed the level",
        id="a release that mended the service for good is where learning begins",
    ),
    pytest.param(
        released(errors(lambda hours: 0.001 if hours < hour_of(8, 9) else 0.02, **BUSY), hour_of(3, 9), hour_of(8, 9)),
        "above 0.1, healthy below 0.05 for 1m over 2m of 30 or more; sure some: "
        "6 days since the release of 2026-11-24T09:00:00Z, which changed the level",
        id="so is one that made it worse for good",
    ),
    pytest.param(
        released(errors(lambda hours: 0.0001 if hours < hour_of(8, 9) else 0.001, **BUSY), hour_of(8, 9)),
        f"{FLOOR}; sure yes",
        id="a change far below the floor is none",
    ),
    pytest.param(
        released(errors(ill((8, 9, 3, 0.2)), **BUSY), hour_of(8, 9), hour_of(8, 12)),
        f"{FLOOR}; 3h cut; sure yes",
        id="a bad release that was taken back is an incident",
    ),
    pytest.param(
        rolled_out(0.5, every=7),
        f"{FLOOR}; sure some: after pods' starts it was beyond the bound for 2m",
        id="failures of pods that have just started are not learned from, but told",
    ),
    pytest.param(
        rolled_out(0.1, every=0.125),
        "above 0.1, healthy below 0.05 for 1m over 2m of 30 or more; sure yes",
        id="where pods start all the time they are how the service lives",
    ),
]
PEOPLE = [
    pytest.param(
        lambda: replace(
            errors(daily(CLEAN, 12, 1, 0.04), **BUSY)(),
            incidents=[span(hour_of(day, 11.5), hour_of(day, 13.5)) for day in range(14)],
        ),
        f"{FLOOR}; 28h cut; sure yes",
        id="what a person calls an incident is cut though it comes back",
    ),
    pytest.param(
        lambda: replace(errors(ill((2, 10, 1, 0.04)), **BUSY)(), normal=[span(hour_of(2, 10), hour_of(2, 11))]),
        "above 0.1, healthy below 0.05 for 1m over 2m of 30 or more; sure yes",
        id="what a person calls normal counts though it came once",
    ),
]
SLOW_REQUESTS = [
    pytest.param(
        errors(daily(always(0.004), 12, 1, 0.013), **BUSY),
        "above 0.05, healthy below 0.02 for 2m over 2m of 60 or more; sure yes",
        id="slow requests at noon stay below a floor of their own",
    ),
    pytest.param(
        errors(daily(always(0.008), 12, 1, 0.03), **BUSY),
        "above 0.1, healthy below 0.05 for 2m over 2m of 30 or more; sure yes",
        id="more of them ask for three times as many",
    ),
]
LATENCIES = [
    pytest.param(numbers(always(0.2)), "above 0.5, healthy below 0.3 for 2m; sure yes", id="a latency may double"),
    pytest.param(
        numbers(daily(always(0.2), 12, 1, 0.6)),
        "above 2, healthy below 1 for 2m; sure yes",
        id="the peak at noon may double",
    ),
    pytest.param(
        numbers(besides(always(0.2), (50, 0.4, 5))),
        "above 0.5, healthy below 0.3 for 2m; 30m cut; sure yes",
        id="a spike is cut",
    ),
    pytest.param(
        released(numbers(lambda hours: 0.2 if hours < hour_of(9, 10) else 0.5), hour_of(9, 10)),
        "above 2, healthy below 1 for 2m; sure some: "
        "5 days since the release of 2026-11-25T10:00:00Z, which changed the level",
        id="a release that made it slower is where learning begins",
    ),
    pytest.param(
        numbers(lambda hours: 0.2 if hours < hour_of(9, 10) else 0.45),
        "above 1, healthy below 0.5 for 2m; sure some: "
        "the worst of the last three days is 0.493729, a week before it was 0.219497",
        id="what has lasted for days within the bound counts as what came back",
    ),
    pytest.param(
        numbers(lambda hours: 0.2 if hours < hour_of(9, 10) else 1),
        "above 5, healthy below 2 for 2m; sure some: "
        "the worst of the last three days is 1.09718, a week before it was 0.219497",
        id="what has lasted for days beyond it is an illness, if no release tells better",
    ),
    pytest.param(
        flickering(100),
        "above 200, healthy below 100 for 2m; sure yes",
        id="what mends itself too late for any for raises the bound",
    ),
    pytest.param(
        flickering(5000),
        "MendsItselfLate: for 40m it was beyond 500, and mended itself: no bound separates sick from well here",
        id="but by three steps at most",
    ),
]
SATURATIONS = [
    pytest.param(
        numbers(daily(always(0.61), 12, 1, 0.75), noise=0.04),
        "above 0.95, healthy below 0.8 for 5m; sure yes",
        id="memory may be a quarter fuller than at its fullest, up to 95 %",
    ),
    pytest.param(
        numbers(lambda hours: 0.3 + 0.38 * (hours % 24) / 24, noise=0.02),
        "above 0.9, healthy below 0.7 for 5m; sure yes",
        id="a saw-tooth of every day is no leak",
    ),
    pytest.param(
        numbers(always(0.3)), "above 0.8, healthy below 0.5 for 5m; sure yes", id="below 80 % nothing is near its end"
    ),
    pytest.param(
        numbers(lambda hours: 0.3 + 0.5 * hours / 336, noise=0.02),
        "above 0.95 for 5m; sure no: it grows with time, 1.00",
        id="of a leak the preset speaks",
    ),
    pytest.param(
        numbers(daily(always(0.5), 2, 1, 0.97), noise=0.01),
        "NoBoundSeparates: 0.979225 comes back, too near to 0.95: no bound separates sick from well here",
        id="what is full every night leaves no bound",
    ),
]
LEVELS = [
    pytest.param(
        numbers(always(20), noise=0.5),
        "above 100, healthy below 50 for 5m; sure yes",
        id="a lag may be three times as long",
    ),
    pytest.param(
        numbers(lambda hours: 100 + 1000 * traffic(hours)),
        "FollowsTraffic: follows traffic, 1.00: ask for it per request",
        id="goroutines that follow the traffic are asked for per request",
    ),
    pytest.param(
        numbers(daily(always(10), 2, 1, 5000)),
        "Seasonal: from 9.73107 in one hour of the week to 5032.77 in another: ask for a share instead of a level",
        id="a batch at night is no level",
    ),
    pytest.param(
        numbers(always(20), noise=0),
        "Constant: it never moved from 20, so nothing would ever be seen",
        id="a number that never moves shows nothing",
    ),
    pytest.param(
        numbers(lambda hours: 100 + hours),
        "Growing: it grows with time, 1.00",
        id="a leak without a bound of its own gets none",
    ),
    pytest.param(
        numbers(besides(always(0), (50, 1, 500))),
        "NoBoundSeparates: nothing above 0 ever came back, so history gives no bound",
        id="an empty queue gives no bound",
    ),
    pytest.param(
        numbers(always(20), step=timedelta(minutes=15)),
        "TooCoarse: a sample every 15m, at most 10m",
        id="a sample every quarter of an hour is too few",
    ),
]
NOTHING_TO_LOOK_AT = [
    pytest.param(lambda: history(()), "NoSamples: there was never a sample", id="a metric that was never there"),
    pytest.param(
        thinned(errors(CLEAN, **BUSY), lambda hours: hours < hour_of(12, 0)),
        "NoSamples: there was no sample since 2026-11-27T23:59:00Z",
        id="a metric that is gone",
    ),
    pytest.param(
        lambda: replace(errors(CLEAN, **BUSY)(), mixed=('cluster="eu-1"', 'cluster="us-2"')),
        'MixedSeries: series of cluster="eu-1" and cluster="us-2" answer: name one of them (SL205)',
        id="series of two clusters",
    ),
]
FIXED_BOUNDS = [
    pytest.param(
        CRASHES,
        numbers(besides(always(0), (hour_of(5, 15), 0.5, 2)), noise=0),
        "above 0 for 30s; 30m cut; sure fixed",
        id="one crash loop is one too many, whatever the past was like",
    ),
    pytest.param(
        AVAILABLE,
        numbers(besides(daily(always(1), 12, 0.6, 5 / 6), (hour_of(5, 15), 0.7, 2 / 6)), noise=0),
        "below 0.75 for 1m; 1h cut; sure fixed",
        id="so is a share of pods that is below its bound",
    ),
]
TABLES = [
    (ERRORS, [*SHARES_AND_RANGES, *SHARES, *OWN_BOUND, *RELEASES, *PEOPLE, *NOTHING_TO_LOOK_AT]),
    (SLOWER, SLOW_REQUESTS),
    (P99, LATENCIES),
    (MEMORY, SATURATIONS),
    (LAG, LEVELS),
]
ROWS = [pytest.param(question, *row.values, id=row.id) for question, rows in TABLES for row in rows]


@pytest.mark.parametrize(("question", "past", "expected"), [*ROWS, *FIXED_BOUNDS])
def test_what_is_proposed(question: Question, past: Past, expected: str) -> None:
    assert said(propose(question, past())) == expected
