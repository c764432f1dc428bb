"""Taking a change back: an undo because it did not help, or a revert because its time is over.

Only where the field still holds what the change put there; where someone has changed it since, hands off.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from salus.actions.plan import guarded
from salus.core.workload import same_release, short
from salus.model.change import ActionKind
from salus.model.types import Body
from salus.model.values import Action, Autoscaler, Infeasible, PastChange, PatchOps, Release, Workload

UNDO = "Undo"
REVERT = "RevertAfter"


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


def plan(change: PastChange, inverse: PatchOps, live: Live, reason: str, why: str) -> Action | Infeasible:
    """The inverse of the recorded change, against what is there now.

    Infeasible: `UndoSkipped`, `ReleaseWithdrawn` or `Irreversible`.
    """
    if not inverse or change.before is None or change.intended is None:
        return Infeasible("Irreversible", f"{change.action} cannot be taken back")
    workload = live.workload
    if skipped := _raised_since(change, live.scaler) if change.patched else _changed_since(change, workload):
        return Infeasible("UndoSkipped", skipped)
    if change.action is ActionKind.ROLLBACK and (unwanted := _withdrawn(change.before.release, live.releases)):
        return Infeasible("ReleaseWithdrawn", unwanted)
    edits = [edit for edit in inverse if edit["op"] != "test"]
    back = change.before
    return Action(
        kind=change.action,
        remedy=change.remedy,
        target=workload.key,
        target_uid=workload.uid,
        message=f"take back {change.name}: {why}",
        before=workload.facts(floor=change.intended.min_replicas),
        intended=workload.facts(
            replicas=back.replicas if change.action is ActionKind.SCALE and not change.patched else None,
            release=back.release if change.action is ActionKind.ROLLBACK else None,
            floor=back.min_replicas,
            images=back.images,
        ),
        patch=guarded(live.patched_body, _without_noise(edits)),
        inverse=(),
        undoes=change.name,
        reason=reason,
        patched=change.patched,
    )


def _withdrawn(back: str, releases: Sequence[Release]) -> str | None:
    """Why the release that an undo would bring back must not come back: a person has said so."""
    found = (release for release in releases if same_release(release.hash, back) and release.withdrawn_by)
    return next((f"release {short(one.hash)} ({one.name}) was withdrawn by {one.withdrawn_by}" for one in found), None)


def _without_noise(edits: Sequence[Any]) -> list[dict[str, Any]]:
    return [{key: edit[key] for key in ("op", "path", "value") if key in edit} for edit in edits]


def _raised_since(change: PastChange, scaler: Autoscaler | None) -> str | None:
    """Asked of the autoscaler alone: a workload that was made again meanwhile does not need the raised minimum."""
    wanted = change.intended.min_replicas if change.intended else None
    if scaler is None or scaler.key != change.patched:
        return f"{change.patched} was deleted since"
    if scaler.floor != wanted:
        return f"someone set a minimum of {scaler.min_replicas} since, the change had set {wanted}"
    return None


def _changed_since(change: PastChange, workload: Workload) -> str | None:
    if change.target_uid and change.target_uid != workload.uid:
        return f"{workload.key} was deleted and made again since"
    wanted = change.intended
    if wanted is None:
        return None
    if change.action is ActionKind.SCALE and workload.replicas != wanted.replicas:
        return f"someone set {workload.replicas} replicas since, the change had set {wanted.replicas}"
    if change.action is ActionKind.ROLLBACK and not same_release(workload.release, wanted.release):
        live, ours = short(workload.release), short(wanted.release)
        return f"release {live} was put there since, the change had put {ours}"
    return None
