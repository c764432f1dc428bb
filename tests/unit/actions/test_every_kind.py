"""What holds for every kind: the patch applies, writes its own field alone, and fails on another object."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from salus.core.actions import KINDS, kind_of
from salus.core.actions.patch import applies, resolved
from salus.core.actions.stamp import CHANGE_ANNOTATION, stamped
from salus.core.objects.workloads import workload_from
from salus.model.change import ActionKind, PatchOp
from salus.model.policy import Remedy
from tests.builders import GROW, PAGE, RESTART, ROLLBACK, UID, a_remedy
from tests.rows import Row, sentence
from tests.unit.actions.planning import CHANGE, MARKS, ROLLED_BACK_TO_V1, TEMPLATES, after, live, planned


@dataclass(frozen=True, slots=True)
class Example(Row):
    """A remedy that changes something, and what must be known for it."""

    remedy: Mapping[str, Any]
    around: Mapping[str, Any] = field(default_factory=dict)
    """Beside the object itself."""


CHANGES = [Example("restart", RESTART), Example("scale", GROW), Example("rollback", ROLLBACK, ROLLED_BACK_TO_V1)]


@pytest.mark.parametrize("example", CHANGES, ids=sentence)
def test_the_patch_applies_and_gives_what_was_intended(example: Example) -> None:
    action = planned(example.remedy, live(), **example.around)
    changed = workload_from(after(resolved(action.patch, TEMPLATES.__getitem__), live()))

    assert changed.replicas == action.intended.replicas
    assert changed.release == action.intended.release
    assert changed.restarted_at == action.intended.restarted_at


@pytest.mark.parametrize("example", CHANGES, ids=sentence)
def test_before_is_the_live_object(example: Example) -> None:
    action = planned(example.remedy, live(), **example.around)

    assert action.before == workload_from(live()).facts()
    assert action.before != action.intended
    assert (action.target, action.target_uid) == (workload_from(live()).key, UID)


@pytest.mark.parametrize("example", CHANGES, ids=sentence)
def test_nothing_but_the_stamp_and_the_action_s_own_field_changes(example: Example) -> None:
    action = planned(example.remedy, live(), **example.around)
    changed = after(stamped(resolved(action.patch, TEMPLATES.__getitem__), live(), CHANGE), live())
    annotations = changed["metadata"].pop("annotations")
    untouched = live()["metadata"]
    untouched.pop("annotations")

    assert annotations.pop(CHANGE_ANNOTATION) == CHANGE
    assert json.dumps(annotations) == json.dumps(MARKS)
    assert changed["metadata"] == untouched
    assert changed["status"] == live()["status"]
    own = {"restart": "template", "scale": "replicas", "rollback": "template"}[kind_of(a_remedy(example.remedy)).field]
    assert [field for field in changed["spec"] if changed["spec"][field] != live()["spec"][field]] == [own]


@dataclass(frozen=True, slots=True)
class Other(Row):
    """How another object differs."""

    path: str
    value: object


SOMEONE_ELSE = [
    Other("the object was deleted and made again", "/metadata/uid", "uid-of-another"),
    Other("someone changed the spec in between", "/metadata/generation", 8),
]


@pytest.mark.parametrize("difference", SOMEONE_ELSE, ids=sentence)
@pytest.mark.parametrize("example", CHANGES, ids=sentence)
def test_the_patch_fails_on_another_object(example: Example, difference: Other) -> None:
    patch = resolved(planned(example.remedy, live(), **example.around).patch, TEMPLATES.__getitem__)
    other = after(({"op": "replace", "path": difference.path, "value": difference.value},), live())

    assert applies(patch, live())
    assert not applies(patch, other)


@pytest.mark.parametrize("example", CHANGES, ids=sentence)
def test_planning_changes_nothing(example: Example) -> None:
    body = live()
    planned(example.remedy, body, **example.around)

    assert body == live()


@pytest.mark.parametrize("example", [*CHANGES, Example("notify", PAGE)], ids=sentence)
def test_patch_and_inverse_fit_into_the_record(example: Example) -> None:
    """The record's schema takes them; no template and no environment is copied into it."""
    action = planned(example.remedy, live(), **example.around)

    for operations in (stamped(action.patch, live(), CHANGE), action.inverse):
        assert len(operations) <= 16
        assert all(PatchOp.parse(operation) for operation in operations)
        assert "containers" not in json.dumps(operations)


def test_every_remedy_has_a_kind_and_every_kind_a_remedy() -> None:
    """But Restore, which no remedy asks for yet."""
    assert {kind.field for kind in KINDS.values() if kind.field} == set(Remedy.model_fields) - {
        "name",
        "checks",
        "mode",
    }
    assert [name for name in ActionKind if not KINDS[name].field] == [ActionKind.RESTORE]


def test_every_action_that_is_on_record_has_its_kind() -> None:
    assert {name: kind.name for name, kind in KINDS.items()} == {name: name for name in ActionKind}


def test_an_unknown_kind_answers_with_the_menu() -> None:
    nothing = Remedy.model_construct(name="reboot", rollback=None, restart=None, scale=None, notify=None)

    with pytest.raises(KeyError, match="reboot holds no known action; known: rollback, restart, scale, notify"):
        kind_of(nothing)
