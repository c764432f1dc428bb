"""The name of a change on the object that it patched: how it is written, and when it is believed.

After a crash or a lost reply the object itself tells whether the write was done. But whoever may annotate a workload
can write a name there, even that of a change which is yet to come, so the name alone proves nothing: what was intended
has to be seen on the object, and the API server's `managedFields` have to say that Salus wrote it after the intent was
on record. Manager and time are of the API server's own book-keeping; the manager is what a client calls itself, so it
alone would prove nothing either.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from salus.core.actions import KINDS
from salus.core.actions.patch import applies
from salus.model.change import Facts
from salus.model.scalars import FIELD_MANAGER, GROUP, Body, parse_time
from salus.model.values.changes import Change, PatchOps

CHANGE_ANNOTATION = f"{GROUP}/change"
_STAMP_PATH = f"/metadata/annotations/{CHANGE_ANNOTATION.replace('/', '~1')}"
_ANNOTATION = ("f:metadata", "f:annotations", f"f:{CHANGE_ANNOTATION}")
SKEW = timedelta(seconds=10)
"""By how much the clocks of two API servers may differ: one may have written the record, the other the object."""


NEVER = "1970-01-01T00:00:00Z"


class Stamp(StrEnum):
    """What the object tells of a change that was meant."""

    ABSENT = "Absent"
    """Its name is not there."""
    SOUND = "Sound"
    """It was done."""
    FORGED = "Forged"
    """Its name is there, and it was not done."""
    DOUBTFUL = "Doubtful"
    """It may have been done and altered since; nobody can tell."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is believed, and why not, for people."""

    stamp: Stamp
    message: str = ""


def stamped(patch: PatchOps, body: Body, change: str) -> PatchOps:
    """The patch that also writes the change's name on the object, in the same request."""
    if not patch:
        return patch
    if body["metadata"].get("annotations") is None:
        return (*patch, {"op": "add", "path": "/metadata/annotations", "value": {CHANGE_ANNOTATION: change}})
    return (*patch, {"op": "add", "path": _STAMP_PATH, "value": change})


def names(body: Body, change: Change) -> bool:
    """Whether the object bears the name of this change."""
    return bool((body["metadata"].get("annotations") or {}).get(CHANGE_ANNOTATION) == change.name)


def read(change: Change, recorded: Body, body: Body, live: Facts) -> Reading:
    """Whether the change was done to this object. `live`: the facts of the object, which is the target or its scaler.

    As long as the tests of its patch hold, it was not: the patch itself would have broken them.
    """
    if not names(body, change):
        return Reading(Stamp.ABSENT)
    ours, seen = _is_signed(change, recorded, body), _shows(change, live)
    told = bool(body["metadata"].get("managedFields"))
    if _was_never_sent(recorded, body) or (told and not ours and not seen):
        return Reading(Stamp.FORGED, _forged(body))
    if ours and seen:
        return Reading(Stamp.SOUND)
    missing = "what was intended is not to be seen on it" if ours else f"{_writers(body)} wrote that there, not Salus"
    return Reading(Stamp.DOUBTFUL, f"the object bears this change's name, but {missing}: nobody can tell who did what")


def _shows(change: Change, live: Facts) -> bool:
    """Whether what was intended is to be seen on what was patched: the workload, or the autoscaler in its place."""
    meant, written = change.intended, KINDS[change.action].written
    if meant is None or written is None:
        return False
    if change.patched is not None:
        return live.min_replicas == meant.min_replicas
    return written.differs(live, meant) is None


def _was_never_sent(recorded: Body, body: Body) -> bool:
    tests = tuple(edit for edit in recorded["spec"].get("patch") or () if edit["op"] == "test")
    return bool(tests) and applies(tests, body)


def _is_signed(change: Change, recorded: Body, body: Body) -> bool:
    """Whether Salus wrote the name, or the very field that the change is about, since the intent was on record.

    The field counts as well: who had forged the very same name before keeps it in the book-keeping, since a value that
    is written again changes nothing.
    """
    since = parse_time(recorded["metadata"]["creationTimestamp"]) - SKEW
    return any(
        entry.get("manager") == FIELD_MANAGER and parse_time(entry.get("time") or NEVER) >= since
        for entry in _entries(body)
        if _holds(entry, _ANNOTATION) or _holds(entry, _field_of(change))
    )


def _field_of(change: Change) -> tuple[str, ...]:
    """The field that a change is about, as managedFields name it."""
    if change.patched is not None:
        return ("f:spec", f"f:{change.patched.min_field}")
    written = KINDS[change.action].written
    return written.managed if written else _ANNOTATION


def _entries(body: Body) -> Sequence[Mapping[str, Any]]:
    entries: Sequence[Mapping[str, Any]] = body["metadata"].get("managedFields") or ()
    return entries


def _holds(entry: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    fields = entry.get("fieldsV1") or {}
    for step in path:
        if step not in fields:
            return False
        fields = fields[step] or {}
    return True


def _writers(body: Body) -> str:
    """Who wrote the name, as far as the API server knows; what they call themselves, cut and quoted."""
    found = sorted({str(e.get("manager", ""))[:64] for e in _entries(body) if _holds(e, _ANNOTATION)})
    return " and ".join(f'"{name}"' for name in found[:3]) or "somebody unknown"


def _forged(body: Body) -> str:
    return f"a forged stamp: {_writers(body)} set the annotation {CHANGE_ANNOTATION}, this change was not done by that"
