"""A past as a step function: what a query answered at any time, and what a range of it shows."""

from datetime import datetime, timedelta

import pytest

from salus.model.values.metrics import Answer, Error, NoData, Query, Sample, Value
from salus.rehearsal.history import EMPTY, UNKNOWN, Gaps, History, always_empty, always_unknown, by_heartbeat
from salus.rehearsal.ports import VirtualClock
from tests.builders import NOW, ago, later, seconds

QUERY = Query("default", "errors", timedelta(minutes=2))
STEP = seconds(15)


def a_history(*samples: Sample, at: datetime = NOW, lookback: float = 60, gaps: Gaps = always_unknown) -> History:
    history = History(VirtualClock(at), seconds(lookback), gaps)
    history.tell({QUERY: reversed(samples)})
    return history


@pytest.mark.parametrize(
    ("second", "answer"),
    [
        pytest.param(-1, UNKNOWN, id="before the first there is none"),
        pytest.param(0, Value(1.0, NOW), id="at its own time it counts"),
        pytest.param(14, Value(1.0, NOW), id="until the next one comes"),
        pytest.param(30, Value(2.0, later(15)), id="then the newer one"),
        pytest.param(75, Value(2.0, later(15)), id="as long as the lookback"),
        pytest.param(75.1, UNKNOWN, id="and no longer"),
    ],
)
async def test_the_last_sample_counts(second: float, answer: Answer) -> None:
    history = a_history(Sample(NOW, 1.0), Sample(later(15), 2.0), at=later(second))

    assert await history.ask([QUERY]) == [answer]


async def test_nothing_is_known_of_what_nobody_told() -> None:
    other = Query("default", "another", timedelta(minutes=2))

    [answer] = await a_history().ask([other])
    past = await a_history().samples(other, ago(60), NOW, STEP)

    assert isinstance(answer, Error)
    assert answer == past


@pytest.mark.parametrize(
    ("gaps", "second", "answer"),
    [
        pytest.param(always_unknown, 60, UNKNOWN, id="a gap says nothing"),
        pytest.param(always_empty, 60, EMPTY, id="but where it was left out for having no result"),
        pytest.param(
            by_heartbeat([Sample(later(60), 1.0)], STEP), 60, EMPTY, id="or the source answered another query"
        ),
        pytest.param(by_heartbeat([Sample(NOW, 1.0)], STEP), 60, UNKNOWN, id="which it did not at that time"),
    ],
)
def test_a_gap(gaps: Gaps, second: float, answer: NoData) -> None:
    assert a_history(Sample(NOW, 1.0), lookback=15, gaps=gaps).answer(QUERY, later(second)) == answer


async def test_a_range_is_evaluated_at_its_steps() -> None:
    """As Prometheus does: at each step counts the sample that counts then."""
    history = a_history(Sample(ago(50), 1.0), Sample(ago(20), 2.0), lookback=20)

    told = await history.samples(QUERY, ago(60), NOW, STEP)

    assert told == [Sample(ago(45), 1.0), Sample(ago(30), 1.0), Sample(ago(15), 2.0), Sample(NOW, 2.0)]


async def test_nobody_looks_ahead() -> None:
    history = a_history(*(Sample(later(15 * number), float(number)) for number in range(10)), at=later(30))

    assert [one.at for one in await _whole(history)] == [NOW, later(15), later(30)]


async def test_what_was_asked_at_steps_has_gaps_of_a_step() -> None:
    history = History.of_steps(VirtualClock(NOW), STEP)
    history.tell({QUERY: [Sample(NOW, 1.0), Sample(later(30), 1.0)]})

    answers = [history.answer(QUERY, later(second)) for second in (0, 14, 15, 30)]
    assert [isinstance(answer, Value) for answer in answers] == [True, True, False, True]


async def _whole(history: History) -> list[Sample]:
    told = await history.samples(QUERY, NOW, later(600), STEP)
    assert not isinstance(told, Error)
    return list(told)
