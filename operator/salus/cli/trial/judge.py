"""Holds what is on record to what a test expects."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from salus.cli.reports.trial import Failure
from salus.cli.trial.model import Case, Expected, format_offset, words_of
from salus.cli.trial.records import Row

NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Miss:
    """An expectation that was not met, with what came nearest to it."""

    failure: Failure
    expected: Expected | None = None
    nearest: Row | None = None


def misses(case: Case, rows: Sequence[Row], interval: timedelta, incidents: int) -> Iterator[Miss]:
    """All that is not as the test says."""
    if case.expect == ():
        yield from _of_nothing(rows, incidents)
    used: dict[bool, set[int]] = {True: set(), False: set()}
    for one in case.expect or ():
        speaks_of_end = _speaks_of_the_end(one)
        yield from _of_one(one, rows, interval, used[speaks_of_end])
    for words in case.never:
        wanted = words_of(words)
        hit = next((row for row in rows if wanted in {(row.decision, row.action), (row.decision, None)}), None)
        if hit is not None:
            failure = Failure(when=f"at {format_offset(hit.at)}", expected=f"never {words}", got=str(hit))
            yield Miss(failure, nearest=hit)


def _of_nothing(rows: Sequence[Row], incidents: int) -> Iterator[Miss]:
    if rows:
        first = rows[0]
        more = f", and {len(rows) - 1} more" if len(rows) > 1 else ""
        failure = Failure(when=f"at {format_offset(first.at)}", expected="none", got=f"{first}{more}")
        yield Miss(failure, nearest=first)
    elif incidents:
        yield Miss(Failure(when="", expected="none", got="an incident, about which nothing was done"))


def _speaks_of_the_end(one: Expected) -> bool:
    return one.record is None and one.outcome is not None


def _of_one(one: Expected, rows: Sequence[Row], interval: timedelta, used: set[int]) -> Iterator[Miss]:
    fitting = [index for index, row in enumerate(rows) if fits(one, row, interval)]
    if one.times is not None and len(fitting) != one.times:
        at = ", ".join(format_offset(rows[index].at) for index in fitting)
        got = f"{len(fitting)} times{f': at {at}' if at else ''}"
        yield Miss(Failure(when=_when(one), expected=f"{said(one)}, {one.times} times", got=got), one)
        return
    free = [index for index in fitting if index not in used]
    if free:
        used.update(fitting if one.times is not None else free[:1])
        return
    near = _nearest(one, rows, interval)
    got = NOTHING if near is None else _got(one, near, interval)
    yield Miss(Failure(when=_when(one), expected=said(one), got=got), one, near)


def fits(one: Expected, row: Row, interval: timedelta) -> bool:
    """Whether a record is what is expected, when it is."""
    return _is_in_time(one, row, interval) and all(test(one, row) for test in _TESTS)


def _moment(one: Expected, row: Row) -> timedelta | None:
    return row.ended if _speaks_of_the_end(one) else row.at


def _is_in_time(one: Expected, row: Row, interval: timedelta) -> bool:
    moment = _moment(one, row)
    if moment is None:
        return False
    if one.at is not None:
        return one.at <= moment < one.at + interval
    return one.by is None or moment <= one.by


def _has_words(one: Expected, row: Row) -> bool:
    return one.record is None or words_of(one.record) in {(row.decision, row.action), (row.decision, None)}


_TESTS: Sequence[Callable[[Expected, Row], bool]] = (
    _has_words,
    lambda one, row: one.outcome is None or row.outcome is one.outcome,
    lambda one, row: one.to is None or str(one.to) == row.to,
    lambda one, row: one.reason is None or one.reason == row.reason,
    lambda one, row: one.remedy is None or one.remedy == row.remedy,
    lambda one, row: one.policy is None or one.policy == row.policy,
)


def _nearest(one: Expected, rows: Sequence[Row], interval: timedelta) -> Row | None:
    """What was on record then; else what is most like it."""
    timed = [row for row in rows if (one.at is not None or one.by is not None) and _is_in_time(one, row, interval)]
    likely = sorted(timed or rows, key=lambda row: -sum(test(one, row) for test in _TESTS))
    return likely[0] if likely else None


def _got(one: Expected, near: Row, interval: timedelta) -> str:
    moment = _moment(one, near)
    late = moment is not None and not _is_in_time(one, near, interval)
    when = f", at {format_offset(moment)}" if late and moment is not None else ""
    ending = f", {near.outcome or 'not over'}" if one.outcome is not None else ""
    policy = f", by {near.policy}" if one.policy is not None else ""
    why = f", {near.reason}" if one.reason is not None and near.reason not in str(near) else ""
    remedy = f", {near.remedy}" if one.remedy is not None else ""
    return f"{near}{why}{remedy}{policy}{ending}{when}"


def _when(one: Expected) -> str:
    if one.at is not None:
        return f"at {format_offset(one.at)}"
    return f"by {format_offset(one.by)}" if one.by is not None else ""


def said(one: Expected) -> str:
    """`Refuse Rollback FreezeWindow`, `Act Rollback (to v1)`."""
    words = [one.record or "", one.reason or "", one.outcome.value if one.outcome else ""]
    more = [f"to {one.to}" if one.to is not None else "", one.remedy or "", one.policy or ""]
    inside = ", ".join(filter(None, more))
    return " ".join(filter(None, words)) + (f" ({inside})" if inside else "")
