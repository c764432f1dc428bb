"""A minimum that was raised is given back exactly, or left to whoever set another one since."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.core.guards.chain import INFEASIBLE
from salus.core.guards.reverted import is_reverted
from salus.core.objects.workloads import workload_from
from salus.model.scalars import Body
from salus.model.values.changes import Action, Infeasible
from tests.builders import a_deployment_body, a_scaled_object_body, an_hpa_body, autoscalers, later
from tests.rows import Row, sentence
from tests.unit.autoscalers.planning import (
    OLD_HPA,
    RAISED,
    action_field,
    after,
    answer,
    planned,
    scaled,
    taken_back,
    write,
)


@dataclass(frozen=True, slots=True)
class Found(Row):
    """What is found of the autoscaler later."""

    there: tuple[Body, ...]
    now: datetime
    reverted: bool


FOUND = [
    Found("the minimum is what it was", (an_hpa_body(least=2),), later(60), reverted=True),
    Found("… after more than ten minutes", (an_hpa_body(least=2),), later(601), reverted=False),
    Found("it is what it was made", (an_hpa_body(least=6),), later(60), reverted=False),
    Found("a third value is a person at work", (an_hpa_body(least=4),), later(60), reverted=False),
    Found("another HPA", (an_hpa_body(least=2, uid="another"),), later(60), reverted=False),
    Found("the HPA is gone", (), later(60), reverted=False),
]


@pytest.mark.parametrize("row", FOUND, ids=sentence)
def test_whether_a_minimum_was_put_back(row: Found) -> None:
    """Whatever the number of replicas is, and whoever made the Deployment again."""
    workload = workload_from(a_deployment_body(replicas=3, uid="made-again"))

    assert is_reverted(write(RAISED), workload, row.now, autoscalers(*row.there)) is row.reverted


@dataclass(frozen=True, slots=True)
class Original(Row):
    """An autoscaler before its minimum was raised."""

    scaler: Body


ORIGINALS = [
    Original("an HPA", an_hpa_body()),
    Original("an HPA that said no minimum", an_hpa_body(least=None)),
    Original("an HPA without a generation", OLD_HPA),
    Original("a ScaledObject", a_scaled_object_body(least=2)),
    Original("a ScaledObject that said no minimum", a_scaled_object_body()),
]


@pytest.mark.parametrize("row", ORIGINALS, ids=sentence)
def test_what_was_there_is_given_back_exactly(row: Original) -> None:
    action = planned(scaled(to=6, max=12), row.scaler)
    there = after(action.patch, row.scaler)
    back = taken_back(action, there, replicas=9)

    assert isinstance(back, Action)
    assert after(back.patch, there) == row.scaler
    assert (back.patched, back.undoes) == (action.patched, "checkout-0a1b2c3d-1")
    assert (back.before.min_replicas, back.intended.min_replicas) == (6, row.scaler["spec"].get(action_field(action)))
    assert back.intended.replicas == 9, "how many there will be is the autoscaler's to say"


def test_a_minimum_is_given_back_although_the_workload_was_made_again() -> None:
    there = after(RAISED.patch, an_hpa_body())

    assert isinstance(taken_back(RAISED, there, uid="made-again"), Action)


@dataclass(frozen=True, slots=True)
class Meanwhile(Row):
    """What became of the autoscaler since, and why nothing is given back."""

    there: Body | None
    message: str


MEANWHILE = [
    Meanwhile("another one", an_hpa_body(least=5), "someone set a minimum of 5 since, the change had set 6"),
    Meanwhile("put back", an_hpa_body(least=2), "someone set a minimum of 2 since, the change had set 6"),
    Meanwhile("gone", None, "HorizontalPodAutoscaler/checkout was deleted since"),
    Meanwhile("made again", an_hpa_body(least=6, uid="another"), "HorizontalPodAutoscaler/checkout was deleted since"),
]


@pytest.mark.parametrize("row", MEANWHILE, ids=sentence)
def test_hands_off_what_someone_else_has_set(row: Meanwhile) -> None:
    assert taken_back(RAISED, row.there) == Infeasible("UndoSkipped", row.message)


WISHES = st.one_of(
    st.builds(lambda to: {"to": to}, st.integers(1, 40)),
    st.builds(lambda by: {"by": str(by)}, st.integers(1, 40)),
    st.builds(lambda share: {"by": f"{share}%"}, st.integers(1, 400)),
    st.builds(lambda each: {"perReplica": str(each)}, st.integers(1, 40)),
)


@given(
    wish=WISHES,
    most=st.integers(1, 40),
    own=st.tuples(st.integers(1, 40), st.integers(1, 40)).map(sorted),
    least=st.none() | st.integers(0, 40),
    live=st.tuples(st.integers(0, 40), st.floats(0, 1000)),
    body=st.sampled_from([an_hpa_body, a_scaled_object_body]),
)
def test_the_floor_is_never_above_any_maximum_and_is_given_back_exactly(
    wish: dict[str, Any],
    most: int,
    own: list[int],
    least: int | None,
    live: tuple[int, float],
    body: Callable[..., dict[str, Any]],
) -> None:
    replicas, value = live
    scaler = body(most=most, least=None if least is None else min(least, most))
    bounded = {**wish, "min": own[0], "max": max(own[1], wish.get("to", 1))}
    action = answer(scaled(**bounded), scaler, replicas=replicas, value=value)
    if isinstance(action, Infeasible):
        assert action.reason in INFEASIBLE
        return
    raised = after(action.patch, scaler)
    minimum = raised["spec"][action_field(action)]
    back = taken_back(action, raised, replicas=replicas)

    assert max(replicas, scaler["spec"].get(action_field(action), 0)) < minimum <= min(most, bounded["max"])
    assert isinstance(back, Action)
    assert after(back.patch, raised) == scaler
