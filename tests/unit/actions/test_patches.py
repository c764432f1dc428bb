"""Patches themselves: their tests, the stamp, and releases in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from jsonpointer import JsonPointerException

from salus.core.actions.patch import applies, diff, guarded, resolved
from salus.core.actions.stamp import CHANGE_ANNOTATION, stamped
from salus.core.objects.workloads import release_hash
from salus.model.values.changes import PatchOps
from tests.builders import UID, a_deployment_body, a_template
from tests.rows import Row, sentence
from tests.unit.actions.planning import CHANGE, MARKS, TEMPLATES, V1, after, live


def test_a_guarded_patch_tests_before_it_writes() -> None:
    edits = ({"op": "replace", "path": "/spec/replicas", "value": 5},)

    assert guarded(live(), edits) == (
        {"op": "test", "path": "/metadata/uid", "value": UID},
        {"op": "test", "path": "/metadata/generation", "value": 7},
        {"op": "test", "path": "/spec/replicas", "value": 3},
        *edits,
    )


def test_a_guarded_patch_fails_where_only_the_old_value_differs() -> None:
    patch = guarded(live(), ({"op": "replace", "path": "/spec/replicas", "value": 5},))
    other = live()
    other["spec"]["replicas"] = 4

    assert not applies(patch, other)


def test_a_guarded_patch_of_what_is_not_there_cannot_be_made() -> None:
    with pytest.raises(JsonPointerException):
        guarded(live(), ({"op": "replace", "path": "/spec/nothing", "value": 5},))


@dataclass(frozen=True, slots=True)
class Stamping(Row):
    """Annotations before and after."""

    annotations: dict[str, str] | None
    expected: Mapping[str, str]


STAMPS = [
    Stamping("beside others", MARKS, {**MARKS, CHANGE_ANNOTATION: CHANGE}),
    Stamping("among none", {}, {CHANGE_ANNOTATION: CHANGE}),
    Stamping("where there are none at all", None, {CHANGE_ANNOTATION: CHANGE}),
    Stamping("over an older one", {CHANGE_ANNOTATION: "checkout-0a1b2c3d-0"}, {CHANGE_ANNOTATION: CHANGE}),
]


@pytest.mark.parametrize("row", STAMPS, ids=sentence)
def test_the_stamp(row: Stamping) -> None:
    body = a_deployment_body(annotations=row.annotations)
    edit = ({"op": "replace", "path": "/spec/replicas", "value": 5},)
    changed = after(stamped(edit, body, CHANGE), body)

    assert changed["metadata"]["annotations"] == row.expected
    assert changed["spec"]["replicas"] == 5


def test_an_empty_patch_is_not_stamped() -> None:
    """A notification writes nothing, so it leaves no mark on the workload either."""
    assert stamped((), live(), CHANGE) == ()


def test_a_release_in_a_patch_becomes_its_template() -> None:
    patch: PatchOps = (
        {"op": "test", "path": "/metadata/uid", "value": UID},
        {"op": "replace", "path": "/spec/template", "value": f"release:{release_hash(V1)}"},
    )
    sent = resolved(patch, TEMPLATES.__getitem__)

    assert sent == (patch[0], {"op": "replace", "path": "/spec/template", "value": V1})
    template: Any = sent[1]["value"]
    template["spec"]["containers"][0]["image"] = "spoiled"
    assert TEMPLATES[release_hash(V1)] == V1 == a_template("shop:v1")


def test_a_release_that_is_not_kept_is_an_error() -> None:
    with pytest.raises(KeyError):
        resolved(({"op": "replace", "path": "/spec/template", "value": "release:gone"},), TEMPLATES.__getitem__)


@dataclass(frozen=True, slots=True)
class Edit(Row):
    """An edit that puts no kept release back."""

    edit: Mapping[str, Any]


OTHER_EDITS = [
    Edit("a number", {"op": "replace", "path": "/spec/replicas", "value": 3}),
    Edit("another path", {"op": "add", "path": "/spec/strategy", "value": "release:abc"}),
    Edit("a template itself", {"op": "replace", "path": "/spec/template", "value": {"spec": {}}}),
    Edit("an edit without a value", {"op": "remove", "path": "/spec/template"}),
]


@pytest.mark.parametrize("row", OTHER_EDITS, ids=sentence)
def test_other_edits_are_sent_as_they_are(row: Edit) -> None:
    assert resolved((row.edit,), TEMPLATES.__getitem__) == (row.edit,)


def test_the_edits_between_two_values() -> None:
    assert diff({"a": 1, "b": 2}, {"a": 1, "b": 3}) == ({"op": "replace", "path": "/b", "value": 3},)
