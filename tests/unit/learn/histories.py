"""Histories that were never lived: from a rule about each hour to the answers of range queries, by a fixed seed.

Hours are counted from the beginning, which is Monday, 16 November 2026, at midnight; the end is a Monday as well.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

from salus.core.learn.history import History, Series, Span, levels, shares

END = datetime(2026, 11, 30, tzinfo=UTC)
DAYS = 14
HOUR, MINUTE, STEP = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=30)
RANGES = (2, 5, 10, 30)
"""Minutes."""
LOOKED_BACK = 1
"""Hours before the beginning that the longest range looks back on, or more."""

Past = Callable[[], History]

Hourly = Callable[[float], float]
"""Something by the hours since the beginning."""


def moment(hours: float, days: float = DAYS) -> datetime:
    """So many hours after the beginning of a history of so many days."""
    return END - timedelta(days=days) + timedelta(hours=hours)


def span(begin: float, end: float) -> Span:
    """From one hour to another."""
    return Span(moment(begin), moment(end))


def hour_of(day: int, hour: float) -> float:
    """Day 0 is the first Monday."""
    return 24 * day + hour


def is_weekend(hours: float) -> bool:
    return hours // 24 % 7 >= 5


def traffic(hours: float) -> float:
    """Most at three in the afternoon, a tenth of that at night, on weekends 30 % of it all."""
    daily = 0.55 - 0.45 * math.cos(2 * math.pi * (hours % 24 - 3) / 24)
    return daily * (0.3 if is_weekend(hours) else 1)


def always(rate: float) -> Hourly:
    return lambda _: rate


def besides(usual: Hourly, *episodes: tuple[float, float, float]) -> Hourly:
    """As usual, but for episodes: (first hour, how many hours, rate)."""

    def rate(hours: float) -> float:
        return next((bad for begin, lasts, bad in episodes if begin <= hours < begin + lasts), usual(hours))

    return rate


def daily(usual: Hourly, begin: float, lasts: float, rate: float) -> Hourly:
    """As usual, but for some hours of each day."""
    return lambda hours: rate if begin <= hours % 24 < begin + lasts else usual(hours)


def weekly(usual: Hourly, begin: float, lasts: float, rate: float) -> Hourly:
    """As usual, but for some hours of each week."""
    return lambda hours: rate if begin <= hours % 168 < begin + lasts else usual(hours)


def errors(rate: Hourly, **more: Any) -> Past:  # noqa: ANN401 - what `failing` takes
    """Of the share of requests that failed."""
    days, step = more.get("days", DAYS), more.get("step", STEP)
    return lambda: history(failing(rate, **more), days, step)


def failing(
    rate: Hourly,
    per_second: float = 60,
    days: float = DAYS,
    step: timedelta = STEP,
    ranges: Sequence[int] = RANGES,
    seed: int = 1,
) -> tuple[Series, ...]:
    """The share of requests that failed, as `increase` over each range (in minutes) counts them."""
    dice = random.Random(seed)  # noqa: S311 - a test's dice
    seconds = step.total_seconds()
    before = int(LOOKED_BACK * 3600 / seconds)
    hours = [(index - before) * seconds / 3600 for index in range(before + int(days * 86_400 / seconds))]
    asked = [poisson(dice, per_second * seconds * traffic(hour)) for hour in hours]
    failed = [min(count, poisson(dice, count * rate(hour))) for hour, count in zip(hours, asked, strict=True)]
    times = [(END - timedelta(days=days)).timestamp() + hour * 3600 for hour in hours[before:]]
    return tuple(_counted(timedelta(minutes=minutes), step, times, (asked, failed)) for minutes in ranges)


def _counted(
    window: timedelta, step: timedelta, times: Sequence[float], events: tuple[Sequence[int], Sequence[int]]
) -> Series:
    requests, failures = (_within(window // step, len(times), each) for each in events)
    return shares(window, zip(times, requests, strict=True), zip(times, failures, strict=True))


def _within(steps: int, count: int, events: Sequence[int]) -> list[float]:
    """How many there were within so many steps, at each of the last `count`."""
    total = [0, *accumulate(events)]
    return [total[index] - total[index - steps] for index in range(len(total) - count, len(total))]


def poisson(dice: random.Random, mean: float) -> int:
    """How many there are, if they come by chance."""
    if mean > 40:
        return max(0, round(dice.gauss(mean, math.sqrt(mean))))
    least, count, product = math.exp(-mean), 0, dice.random()
    while product > least:
        count += 1
        product *= dice.random()
    return count


def numbers(value: Hourly, noise: float = 0.1, days: float = DAYS, step: timedelta = MINUTE, seed: int = 1) -> Past:
    """Of a number that is by so much more or less than the rule says, and of the traffic beside it."""

    def past() -> History:
        dice = random.Random(seed)  # noqa: S311
        hours = [index * (step / HOUR) for index in range(int(timedelta(days=days) / step))]
        times = [(END - timedelta(days=days)).timestamp() + hour * 3600 for hour in hours]
        values = [value(hour) * (1 + noise * dice.uniform(-1, 1)) for hour in hours]
        requests = [traffic(hour) * 3600 for hour in hours]
        series = levels(zip(times, values, strict=True), zip(times, requests, strict=True))
        return history([series], days, step)

    return past


def thinned(past: Past, kept: Callable[[float], bool]) -> Past:
    """Only those samples that are at hours which are kept."""

    def thin() -> History:
        whole = past()
        return replace(whole, series=[_thinned(each, whole.asked.start, kept) for each in whole.series])

    return thin


def _thinned(series: Series, start: datetime, kept: Callable[[float], bool]) -> Series:
    there = [index for index, at in enumerate(series.times) if kept((at - start.timestamp()) / 3600)]
    times, values, amounts = (
        None if column is None else [column[index] for index in there]
        for column in (series.times, series.values, series.amounts)
    )
    return Series(series.window, times or [], values or [], amounts)


def history(series: Sequence[Series], days: float = DAYS, step: timedelta = STEP) -> History:
    return History(Span(END - timedelta(days=days), END), step, series)
