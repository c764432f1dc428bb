"""How patches are made: tests first, then the edits; `stamp` adds the change's name.

The tests hold the patch to the object that was judged: its uid, its generation (any change of the spec moves it;
status updates do not, as they would move resourceVersion), and every value that is replaced. What is patched is the
target, or the autoscaler in its place.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import jsonpatch
import jsonpointer

from salus.core.objects.workloads import same_release, short
from salus.model.scalars import Body
from salus.model.values.changes import Infeasible, PatchOps
from salus.model.values.objects import Release, Workload

RELEASE_PREFIX = "release:"
"""Marks a value of a recorded patch that stands for the template of a kept release."""


KEEPS_OLD_PODS = frozenset({"OnDeleteStrategy", "PartitionedRollout"})
"""Reasons why a new template would not reach every pod."""


def keeps_old_pods(workload: Workload) -> Infeasible | None:
    """Why a new template would not reach every pod, if it would not."""
    if workload.update_strategy == "OnDelete":
        return Infeasible("OnDeleteStrategy", f"{workload.key} replaces pods only when someone deletes them")
    if workload.partition > 0:
        text = f"{workload.key} has partition {workload.partition}, which leaves the pods below it as they are"
        return Infeasible("PartitionedRollout", text)
    return None


def guarded(body: Body, edits: Sequence[Mapping[str, Any]], *, given: Sequence[str] = ()) -> PatchOps:
    """The edits behind tests of uid, generation and every value that they replace or remove.

    `given`: further values that the plan rests on, tested where they are written. An object may have no generation
    (HPAs have one since Kubernetes 1.37): what an edit adds to such a one has no old value to test, so that only
    resourceVersion is left to hold the patch to what was judged.
    """
    replaced = [edit["path"] for edit in edits if edit["op"] in {"replace", "remove"} and not _names_release(edit)]
    written = [path for path in given if jsonpointer.resolve_pointer(body, path, None) is not None]
    tested = ["/metadata/uid", _state(body, edits), *written, *replaced]
    tests = ({"op": "test", "path": path, "value": _at(body, path)} for path in tested if path)
    return (*tests, *edits)


def _state(body: Body, edits: Sequence[Mapping[str, Any]]) -> str:
    """The path of what moves when the object's spec is changed by anybody; empty where old values tell enough."""
    if body["metadata"].get("generation"):
        return "/metadata/generation"
    return "/metadata/resourceVersion" if any(edit["op"] == "add" for edit in edits) else ""


def diff(before: Any, after: Any) -> PatchOps:  # noqa: ANN401 — any part of an object
    """The edits that make `after` out of `before`."""
    return tuple(jsonpatch.make_patch(before, after).patch)


def resolved(patch: PatchOps, template_of: Callable[[str], Mapping[str, Any]]) -> PatchOps:
    """The patch as it is sent: names of releases become their templates. KeyError for one that cannot be had."""
    return tuple(
        {**edit, "value": deepcopy(dict(template_of(edit["value"].removeprefix(RELEASE_PREFIX))))}
        if _names_release(edit)
        else edit
        for edit in patch
    )


def template_of(releases: Iterable[Release], named: str) -> Mapping[str, Any]:
    """The template that a patch means by this release. KeyError, with the reason: not kept, withdrawn, or not clear."""
    found = [one for one in releases if any(same_release(each.named, named) for each in (one, *one.doubles))]
    if not found:
        raise KeyError(f"release {short(named)} is not kept any more")
    if len(found) > 1:
        raise KeyError(f"release {short(named)} is not clear: {', '.join(release.name for release in found)}")
    release = found[0]
    if release.withdrawn_by:
        raise KeyError(f"release {short(named)} was withdrawn by {release.withdrawn_by}")
    exact = (each.template for each in release.doubles if each.template_hash == named)
    return next(exact, release.template)


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
