"""What is put back when a change is undone, and what is left to those who came since."""

# ruff: noqa: ANN401 — remedies and observations are handed on to builders, as they are written

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from salus.core.actions import inverse
from salus.core.actions.patch import applies, resolved
from salus.core.objects.workloads import images_of, release_hash, short, workload_from
from salus.model.scalars import Body
from salus.model.values.changes import Action, Infeasible
from tests.builders import GROW, RESTART, ROLLBACK, a_finished_change, a_plan
from tests.rows import Row, sentence
from tests.unit.actions.planning import CHANGE, ROLLED_BACK_TO_V1, TEMPLATES, V1, V2, V3, after, live, moved_on, planned


def undone(action: Action, now_there: Body, **change: Any) -> Action | Infeasible:
    """What taking this action back is planned as, on the object as it is now."""
    record = a_finished_change(
        1, action=action.kind, remedy=action.remedy, before=action.before, intended=action.intended, **change
    )
    return inverse.plan(
        record, action.inverse, inverse.Live(workload_from(now_there), now_there), inverse.UNDO, "outcome Worse"
    )


def test_undoing_a_scaling_puts_back_what_was_there() -> None:
    action = planned(GROW, live())
    there = moved_on(after(action.patch, live()))
    back = undone(action, there)

    assert isinstance(back, Action)
    assert after(back.patch, there)["spec"] == live()["spec"]
    assert (back.undoes, back.reason, back.inverse) == (CHANGE, "Undo", ())
    assert back.message == f"take back {CHANGE}: outcome Worse"
    assert (back.before.replicas, back.intended.replicas) == (5, 3)


def test_undoing_a_rollback_puts_back_what_was_there() -> None:
    action = planned(ROLLBACK, live(), **ROLLED_BACK_TO_V1)
    there = moved_on(after(resolved(action.patch, TEMPLATES.__getitem__), live()))
    back = undone(action, there)

    assert isinstance(back, Action)
    assert after(resolved(back.patch, TEMPLATES.__getitem__), there)["spec"] == live()["spec"]
    assert (back.intended.release, back.intended.images) == (release_hash(V2), images_of(V2))


def test_an_undo_is_guarded_too() -> None:
    action = planned(GROW, live())
    there = moved_on(after(action.patch, live()))
    back = undone(action, there)

    assert isinstance(back, Action)
    assert applies(back.patch, there)
    assert not applies(back.patch, moved_on(there))


@dataclass(frozen=True, slots=True)
class Since(Row):
    """What someone else did to the object since, and why nothing is taken back."""

    remedy: Mapping[str, Any]
    edit: Mapping[str, Any]
    message: str
    reason: str = "UndoSkipped"
    around: Mapping[str, Any] = field(default_factory=dict)
    """What had to be known for the remedy."""


SINCE = [
    Since(
        "someone scaled since",
        GROW,
        {"op": "replace", "path": "/spec/replicas", "value": 9},
        "someone set 9 replicas since, the change had set 5",
    ),
    Since(
        "it was taken back already: undo twice is one undo",
        GROW,
        {"op": "replace", "path": "/spec/replicas", "value": 3},
        "someone set 3 replicas since, the change had set 5",
    ),
    Since(
        "the target is another one by now",
        GROW,
        {"op": "replace", "path": "/metadata/uid", "value": "another"},
        "Deployment/checkout was deleted and made again since",
    ),
    Since(
        "someone released since",
        ROLLBACK,
        {"op": "replace", "path": "/spec/template", "value": V3},
        f"release {short(release_hash(V3))} was put there since, the change had put {short(release_hash(V1))}",
        around=ROLLED_BACK_TO_V1,
    ),
    Since(
        "a restart cannot be taken back",
        RESTART,
        {"op": "replace", "path": "/spec/replicas", "value": 3},
        "Restart cannot be taken back",
        reason="Irreversible",
    ),
]


@pytest.mark.parametrize("row", SINCE, ids=sentence)
def test_hands_off(row: Since) -> None:
    action = planned(row.remedy, live(), **row.around)
    there = after((*resolved(action.patch, TEMPLATES.__getitem__), row.edit), live())

    assert undone(action, there) == Infeasible(row.reason, row.message)


@pytest.mark.parametrize("field", ["before", "intended"])
def test_a_record_without_facts_cannot_be_taken_back(field: str) -> None:
    action = planned(GROW, live())
    facts: Mapping[str, Any] = {"before": action.before, "intended": action.intended, field: None}
    record = a_finished_change(1, action=action.kind, **facts)

    assert inverse.plan(
        record, action.inverse, inverse.Live(workload_from(live()), live()), inverse.UNDO, ""
    ) == Infeasible("Irreversible", "Scale cannot be taken back")


def test_a_restart_in_between_does_not_hinder_the_undo_of_a_rollback() -> None:
    """A restart is no release: what the rollback put there is still there."""
    action = planned(ROLLBACK, live(), **ROLLED_BACK_TO_V1)
    there = moved_on(after(resolved(action.patch, TEMPLATES.__getitem__), live()))
    restarted = moved_on(after(planned(RESTART, there).patch, there))

    assert isinstance(undone(action, restarted), Action)


def test_the_path_of_a_remedy_s_field() -> None:
    assert a_plan(GROW, live(), index=2).path("scale.max") == "spec.remedies[2].scale.max"
