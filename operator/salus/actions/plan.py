"""What every planner gets, and how patches are made: tests first, then the edits, then the stamp of the change.

The tests hold the patch to the object that was judged: its uid, its generation (any change of the spec moves it;
status updates do not, as they would move resourceVersion), and every value that is replaced.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import jsonpatch
import jsonpointer

from salus.model.policy import Remedy
from salus.model.types import GROUP, Body
from salus.model.values import Finding, Infeasible, Observation, PatchOps, Workload

CHANGE_ANNOTATION = f"{GROUP}/change"
_STAMP_PATH = f"/metadata/annotations/{CHANGE_ANNOTATION.replace('/', '~1')}"
RELEASE_PREFIX = "release:"
"""Marks a value of a recorded patch that stands for the template of a kept release."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A remedy, why it was chosen, and the live target."""

    remedy: Remedy
    index: int
    """Place of the remedy in `spec.remedies`, for messages with a path."""
    because: tuple[Finding, ...]
    seen: Observation
    body: Body
    incident: str = ""
    """Name of the open incident."""

    def path(self, field: str) -> str:
        """`spec.remedies[2].scale.max`."""
        return f"spec.remedies[{self.index}].{field}"


def keeps_old_pods(workload: Workload) -> Infeasible | None:
    """Why a new template would not reach every pod, if it would not."""
    if workload.update_strategy == "OnDelete":
        return Infeasible("OnDeleteStrategy", f"{workload.key} replaces pods only when someone deletes them")
    if workload.partition > 0:
        text = f"{workload.key} has partition {workload.partition}, which leaves the pods below it as they are"
        return Infeasible("PartitionedRollout", text)
    return None


def guarded(body: Body, edits: Sequence[Mapping[str, Any]]) -> PatchOps:
    """The edits behind tests of uid, generation and every value that they replace."""
    metadata = body["metadata"]
    tests = [
        {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
        {"op": "test", "path": "/metadata/generation", "value": metadata["generation"]},
    ]
    old_values = (
        {"op": "test", "path": edit["path"], "value": _at(body, edit["path"])}
        for edit in edits
        if edit["op"] == "replace" and not _names_release(edit)
    )
    return (*tests, *old_values, *edits)


def diff(before: Any, after: Any) -> PatchOps:  # noqa: ANN401 — any part of an object
    """The edits that make `after` out of `before`."""
    return tuple(jsonpatch.make_patch(before, after).patch)


def stamped(patch: PatchOps, body: Body, change: str) -> PatchOps:
    """The patch that also writes the change's name on the object, in the same request."""
    if not patch:
        return patch
    if body["metadata"].get("annotations") is None:
        return (*patch, {"op": "add", "path": "/metadata/annotations", "value": {CHANGE_ANNOTATION: change}})
    return (*patch, {"op": "add", "path": _STAMP_PATH, "value": change})


def resolved(patch: PatchOps, templates: Mapping[str, Mapping[str, Any]]) -> PatchOps:
    """The patch as it is sent: names of releases become their templates. KeyError for a release that is not kept."""
    return tuple(
        {**edit, "value": deepcopy(dict(templates[edit["value"].removeprefix(RELEASE_PREFIX)]))}
        if _names_release(edit)
        else edit
        for edit in patch
    )


def applies(patch: PatchOps, body: Body) -> bool:
    """Whether all tests of the patch hold on this object."""
    try:
        jsonpatch.JsonPatch(list(patch)).apply(body)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException):
        return False
    return True


def _names_release(edit: Mapping[str, Any]) -> bool:
    value = edit.get("value")
    return edit["path"] == "/spec/template" and isinstance(value, str) and value.startswith(RELEASE_PREFIX)


def _at(body: Body, path: str) -> Any:  # noqa: ANN401 — any part of an object
    return jsonpointer.resolve_pointer(body, path)
