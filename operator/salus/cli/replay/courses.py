"""What checks were told, as the least and the greatest of each stretch: few enough numbers to be shown. Pure."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from salus.cli.replay.play import Played, Watched
from salus.cli.reports.replay import Course, Gap, ReplayedCheck, Stretch
from salus.model.policy import Threshold, Verdict
from salus.model.scalars import format_decimal
from salus.model.values.metrics import Sample
from salus.rehearsal.history import Asked
from salus.rehearsal.timeline import Said

COLUMNS, COLUMNS_AROUND = 400, 120
"""Of the whole time, and of one breach."""
MOST_STRETCHES = 200
"""Of a check: the longest."""
MOST_GAPS = 20
_BEFORE, _LONGEST = timedelta(minutes=10), timedelta(hours=4)
_SHORTEST_GAP = timedelta(minutes=2)
"""What was Unknown for less is not worth a sentence."""


def within(samples: Sequence[Sample], began: datetime, ended: datetime | None) -> Sequence[Sample]:
    """Those from one moment to another."""
    first = bisect_left(samples, began, key=_at)
    return samples[first : len(samples) if ended is None else bisect_right(samples, ended, key=_at)]


def worst(samples: Iterable[Sample], bound: Threshold) -> float:
    """The value that is farthest beyond."""
    pick = max if bound.above is not None else min
    return pick(one.value for one in samples)


def course(samples: Sequence[Sample], begins: datetime, ends: datetime, step: timedelta, columns: int) -> Course:
    """What was answered from one moment to another, each column of one length."""
    every = max(step, timedelta(seconds=math.ceil((ends - begins) / columns / timedelta(seconds=1))))
    lows: list[float | None] = []
    highs: list[float | None] = []
    at = begins
    while at < ends:
        inside = [one.value for one in within(samples, at, at + every - timedelta(microseconds=1))]
        lows.append(_short(min(inside)) if inside else None)
        highs.append(_short(max(inside)) if inside else None)
        at += every
    return Course(begins=begins, every=every, lows=tuple(lows), highs=tuple(highs))


def around(played: Played, one: Asked, began: datetime, ended: datetime | None) -> Course:
    """What a check was told around a breach."""
    until = min(ended or played.wish.ends, began + _LONGEST) + _BEFORE
    samples, step = played.history.samples_of(one.query) or (), _step(played)
    return course(samples, began - _BEFORE, min(until, played.wish.ends), step, COLUMNS_AROUND)


def checks(played: Played) -> Iterator[ReplayedCheck]:
    """All checks of all targets."""
    for watched in played.watched:
        for one in watched.asked:
            yield _check(played, watched, one)


def _check(played: Played, watched: Watched, one: Asked) -> ReplayedCheck:
    wish, check = played.wish, one.check
    samples = played.history.samples_of(one.query) or ()
    inside = within(samples, wish.begins, wish.ends)
    found = sorted(_stretches(_said(played, watched, one), wish.ends), key=_length, reverse=True)
    healthy = check.healthy
    return ReplayedCheck(
        namespace=watched.target.namespace,
        policy=watched.policy.key.name,
        target=f"{watched.target.kind}/{watched.target.name}",
        check=check.name,
        query=one.query.query,
        volume_query=one.volume.query if one.volume else "",
        bound=str(check.unhealthy),
        above=check.unhealthy.above,
        below=check.unhealthy.below,
        healthy=healthy.limit if healthy else None,
        hold=check.hold,
        highest=format_decimal(max(sample.value for sample in inside)) if inside else "",
        lowest=format_decimal(min(sample.value for sample in inside)) if inside else "",
        course=course(samples, wish.begins, wish.ends, watched.policy.spec.interval, COLUMNS),
        stretches=tuple(sorted(found[:MOST_STRETCHES], key=lambda stretch: stretch.begins)),
        stretches_left_out=len(found[MOST_STRETCHES:]),
    )


def _said(played: Played, watched: Watched, one: Asked) -> Sequence[Said]:
    return played.rehearsed.said.get((watched.policy.key, watched.target, one.check.name), ())


def _stretches(said: Sequence[Said], ends: datetime) -> Iterator[Stretch]:
    for index, one in enumerate(said):
        until = said[index + 1].at if index + 1 < len(said) else ends
        what = "Pending" if one.reason == "Pending" else one.verdict.value
        if what != Verdict.HEALTHY.value and until > one.at:
            yield Stretch(begins=one.at, ends=until, what=what)


def _length(stretch: Stretch) -> timedelta:
    return stretch.ends - stretch.begins


def gaps(played: Played) -> Iterator[Gap]:
    """When checks were Unknown, but for moments."""
    for watched in played.watched:
        for one in watched.asked:
            said = _said(played, watched, one)
            for index, now in enumerate(said):
                until = said[index + 1].at if index + 1 < len(said) else played.wish.ends
                if now.verdict is Verdict.UNKNOWN and until - now.at >= _SHORTEST_GAP:
                    yield Gap(
                        begins=now.at,
                        ends=until,
                        namespace=watched.target.namespace,
                        policy=watched.policy.key.name,
                        target=f"{watched.target.kind}/{watched.target.name}",
                        check=one.check.name,
                        why=_why(now),
                    )


def _why(said: Said) -> str:
    return "no samples" if said.reason == "NoHistory" else said.message or said.reason


def _step(played: Played) -> timedelta:
    return min((one.policy.spec.interval for one in played.watched), default=timedelta(seconds=15))


def _short(value: float) -> float:
    """Four digits: nobody sees more of a plot."""
    return float(f"{value:.4g}")


def _at(sample: Sample) -> datetime:
    return sample.at
