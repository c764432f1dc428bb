"""Taking a change back: an undo because it did not help, or a revert because its time is over.

Only where the field still holds what the change put there; where someone has changed it since, hands off. Whether a
change is to be taken back at all, its kind and its record say (`core.remedy.undo.wants_undo`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from salus.core.actions import KINDS
from salus.core.actions.patch import applies, guarded
from salus.core.objects.workloads import same_release, short
from salus.model.change import Facts
from salus.model.scalars import Body
from salus.model.values.changes import Action, Change, Infeasible, PatchOps
from salus.model.values.objects import Autoscaler, Release, Workload

UNDO = "Undo"
REVERT = "RevertAfter"
IRREVERSIBLE = "Irreversible"


@dataclass(frozen=True, slots=True)
class Live:
    """How things are now: the target, and the autoscaler that the change patched in its place."""

    workload: Workload
    body: Body
    """The target, as the API server gives it."""
    scaler: Autoscaler | None = None
    """None where it is gone, or where there was none."""
    releases: Sequence[Release] = ()
    """The kept releases of the target."""

    @property
    def patched_body(self) -> Body:
        """What the way back patches."""
        return self.scaler.body if self.scaler else self.body


def plan(change: Change, inverse: PatchOps, live: Live, reason: str, why: str) -> Action | Infeasible:
    """The inverse of the recorded change, against what is there now.

    Infeasible: `UndoSkipped`, `ReleaseWithdrawn` or `Irreversible`.
    """
    kind, workload, back, put = KINDS[change.action], live.workload, change.before, change.intended
    if not inverse or back is None or put is None or kind.written is None or kind.written.restored is None:
        return Infeasible(IRREVERSIBLE, f"{change.action} cannot be taken back")
    if skipped := _raised_since(change, put, live.scaler) if change.patched else _changed_since(change, put, workload):
        return Infeasible("UndoSkipped", skipped)
    if not applies(_tests(inverse), live.patched_body):
        return Infeasible("UndoSkipped", f"someone changed {_paths(inverse)} since")
    if kind.replaces_release and (unwanted := _withdrawn(back.release, live.releases)):
        return Infeasible("ReleaseWithdrawn", unwanted)
    edits = [edit for edit in inverse if edit["op"] != "test"]
    return Action(
        kind=change.action,
        remedy=change.remedy,
        target=workload.key,
        target_uid=workload.uid,
        message=f"take back {change.name}: {why}",
        before=workload.facts(minimum=put.min_replicas),
        intended=workload.facts(minimum=back.min_replicas) if change.patched else kind.written.restored(workload, back),
        patch=guarded(live.patched_body, _without_noise(edits)),
        inverse=(),
        undoes=change.name,
        reason=reason,
        patched=change.patched,
    )


def _withdrawn(back: str, releases: Sequence[Release]) -> str | None:
    """Why the release that an undo would bring back must not come back: a person has said so."""
    found = (release for release in releases if same_release(release.named, back) and release.withdrawn_by)
    return next((f"release {short(one.named)} ({one.name}) was withdrawn by {one.withdrawn_by}" for one in found), None)


def _without_noise(edits: Sequence[Any]) -> list[dict[str, Any]]:
    return [{key: edit[key] for key in ("op", "path", "value") if key in edit} for edit in edits]


def _tests(inverse: PatchOps) -> PatchOps:
    """What the planner of the change knew to be there after it, beside the facts."""
    return tuple(edit for edit in inverse if edit["op"] == "test")


def _paths(inverse: PatchOps) -> str:
    return " and ".join(edit["path"] for edit in _tests(inverse))


def _raised_since(change: Change, put: Facts, scaler: Autoscaler | None) -> str | None:
    """Asked of the autoscaler alone: a workload that was made again meanwhile does not need the raised minimum."""
    if scaler is None or scaler.key != change.patched:
        return f"{change.patched} was deleted since"
    if scaler.minimum != put.min_replicas:
        return f"someone set a minimum of {scaler.min_replicas} since, the change had set {put.min_replicas}"
    return None


def _changed_since(change: Change, put: Facts, workload: Workload) -> str | None:
    if change.target_uid and change.target_uid != workload.uid:
        return f"{workload.key} was deleted and made again since"
    written = KINDS[change.action].written
    return written.differs(workload.facts(), put) if written else None
