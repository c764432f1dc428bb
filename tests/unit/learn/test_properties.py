"""Promises of what is learned, over lives of every shape; the same examples at every run."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from salus.core.health.evaluate import Reading, evaluate
from salus.core.learn.half_hours import A_DAY, A_WEEK
from salus.core.learn.history import History, Question, Series
from salus.core.learn.kinds import SHARES, first_step
from salus.core.learn.proposal import Fate, Learned
from salus.core.learn.propose import propose
from salus.model.policy import Verdict
from salus.model.values.metrics import CheckState, Value
from salus.model.values.policies import CompiledCheck, CompiledVolume
from tests.unit.learn.histories import DAYS, history, moment
from tests.unit.learn.questions import ERRORS, MEMORY, P99

deterministic = settings(derandomize=True, max_examples=40, phases=(Phase.explicit, Phase.generate))
"""A life that breaks a promise is short to tell as it is, and to make it simpler would take minutes."""

STEP = timedelta(minutes=3)
PER_HALF_HOUR = 10
WINDOW = timedelta(minutes=10)
MANY = 6000
"""Requests in a window: more than any bound takes."""
HALF_HOURS = DAYS * A_DAY
PEAK = range(A_DAY + 20, A_DAY + 24)
"""Two hours of Tuesday."""

MOST = {"failures": 0.04, "latency": 1.0, "saturation": 0.6}
"""So high a level may be at any hour, if there is to be a bound at all."""


@dataclass(frozen=True)
class Life:
    """Each day has the same shape, by up to a fifth less, and Tuesday may have its peak."""

    shape: tuple[float, ...]
    """A level for every two hours."""
    peak: float
    seed: int

    def levels(self) -> list[float]:
        """For each half hour."""
        dice = random.Random(self.seed)  # noqa: S311 - a test's dice
        return [
            self.shape[index % A_DAY // 4] * dice.uniform(0.8, 1) * (self.peak if index % A_WEEK in PEAK else 1)
            for index in range(HALF_HOURS)
        ]


def lives(question: Question) -> st.SearchStrategy[Life]:
    """Some have hours of all sizes, some are as busy at night."""
    most = MOST[question.kind.name]
    shapes = st.sampled_from([most / 50, most * 0.8]).flatmap(
        lambda least: st.tuples(*[st.floats(least, most)] * (A_DAY // 4))
    )
    return st.builds(Life, shapes, st.sampled_from([1.0, 1.3]), st.integers(0, 2**32))


@dataclass(frozen=True)
class Disturbed:
    """A life with spikes of any height, and with times of few requests: where, how many samples, how much."""

    life: Life
    spikes: list[tuple[int, int, float]]
    quiet: list[tuple[int, int, int]]

    def samples(self) -> tuple[list[float], list[float]]:
        """Values, and requests."""
        values = [level for level in self.life.levels() for _ in range(PER_HALF_HOUR)]
        amounts = [float(MANY)] * len(values)
        for disturbed, stretches in ((values, self.spikes), (amounts, self.quiet)):
            for start, lasts, level in stretches:
                disturbed[start : start + lasts] = [float(level)] * len(disturbed[start : start + lasts])
        return values, amounts


def disturbed() -> st.SearchStrategy[Disturbed]:
    places = st.integers(0, HALF_HOURS * PER_HALF_HOUR - 1)
    spikes = st.lists(st.tuples(places, st.integers(1, 5) | st.integers(6, 30), st.floats(0, 1)), max_size=40)
    quiet = st.lists(st.tuples(places, st.integers(1, 60), st.integers(0, 400)), max_size=20)
    return st.builds(Disturbed, lives(ERRORS), spikes, quiet)


def by_half_hours(levels: Sequence[float]) -> History:
    return by_samples([level for level in levels for _ in range(PER_HALF_HOUR)], [MANY] * HALF_HOURS * PER_HALF_HOUR)


def by_samples(values: Sequence[float], amounts: Sequence[float]) -> History:
    start = moment(0).timestamp()
    times = [start + index * STEP.total_seconds() for index in range(len(values))]
    return history([Series(WINDOW, times, values, amounts)], DAYS, STEP)


def bound_of(question: Question, levels: Sequence[float]) -> float | None:
    found = propose(question, by_half_hours(levels))
    return found.unhealthy.above if isinstance(found, Learned) else None


@pytest.mark.parametrize("question", [ERRORS, P99, MEMORY], ids=lambda question: question.kind.name)
@given(st.data())
@deterministic
def test_one_bad_hour_anywhere_changes_no_bound(question: Question, data: st.DataObject) -> None:
    """But where it hides one of the two peaks by which a weekly one is told."""
    life = data.draw(lives(question)).levels()
    bound = bound_of(question, life)
    assume(bound is not None)
    assert bound is not None
    begins = data.draw(st.integers(0, HALF_HOURS - 2))
    worse = data.draw(st.floats(1.01, 2) | st.floats(2, 1000))

    ill = [*life]
    ill[begins : begins + 2] = [bound * worse] * 2

    hidden = {index % A_WEEK for index in range(begins - 1, begins + 3)}
    assert hidden.intersection(PEAK) or bound_of(question, ill) == bound


@given(disturbed())
@deterministic
def test_what_was_learned_from_never_crosses_the_bound(life: Disturbed) -> None:
    found = propose(ERRORS, by_samples(*life.samples()))
    if not isinstance(found, Learned):
        return

    assert found.unhealthy.above is not None
    for half_hour in found.half_hours:
        crossed = half_hour.worth is not None and half_hour.worth > found.unhealthy.above
        assert crossed == (half_hour.fate is Fate.CUT)


@given(disturbed())
@deterministic
def test_on_what_was_not_cut_the_operator_would_never_have_called_it_unhealthy(life: Disturbed) -> None:
    values, amounts = life.samples()
    found = propose(ERRORS, by_samples(values, amounts))
    if not isinstance(found, Learned):
        return

    assert Verdict.UNHEALTHY not in set(verdicts(found, values, amounts))


def verdicts(found: Learned, values: Sequence[float], amounts: Sequence[float]) -> Iterator[Verdict]:
    """What the operator would have said, at each sample outside of past incidents."""
    check = compiled(found)
    state = CheckState()
    cut = [span for cut in found.cut for span in (cut.left_out, cut.beyond)]
    for index, (value, amount) in enumerate(zip(values, amounts, strict=True)):
        at = moment(0) + index * STEP
        if any(span.start <= at < span.end for span in cut):
            continue
        finding, state = evaluate(check, Reading("", Value(value, at), at, Value(amount, at)), state, STEP)
        yield finding.verdict


def compiled(found: Learned) -> CompiledCheck:
    return CompiledCheck(
        name="learned",
        template="",
        unhealthy=found.unhealthy,
        healthy=found.healthy,
        hold=found.hold,
        on_no_data=Verdict.UNKNOWN,
        target_label=None,
        window=found.window,
        volume=CompiledVolume("", found.volume or 0, found.window),
    )


@given(lives(P99), st.floats(1, 100))
@deterministic
def test_a_slower_service_gets_no_lower_bound_and_only_steps_of_the_ladder(life: Life, factor: float) -> None:
    bound, slower = bound_of(P99, life.levels()), bound_of(P99, [level * factor for level in life.levels()])

    assert bound is not None
    assert slower is not None
    assert bound <= slower <= first_step(bound * factor)
    assert slower == first_step(slower)


@given(lives(P99), st.integers(-3, 3))
@deterministic
def test_another_unit_moves_the_bound_by_just_that(life: Life, power: int) -> None:
    bound, other = bound_of(P99, life.levels()), bound_of(P99, [level * 10.0**power for level in life.levels()])

    assert bound is not None
    assert other == pytest.approx(bound * 10.0**power)


@given(lives(ERRORS), st.floats(0.01, 10))
@deterministic
def test_a_share_moves_along_its_ladder(life: Life, factor: float) -> None:
    bound, other = bound_of(ERRORS, life.levels()), bound_of(ERRORS, [level * factor for level in life.levels()])

    assert {bound, other} <= {*SHARES, None}
    if bound is not None and other is not None:
        assert (other >= bound) if factor >= 1 else (other <= bound)
