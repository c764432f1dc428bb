"""Taking a change back: an undo because it did not help, or a revert because its time is over.

Only where the field still holds what the change put there; where someone has changed it since, hands off.
"""

from collections.abc import Sequence
from typing import Any

from salus.actions.plan import guarded
from salus.model.change import ActionKind
from salus.model.types import Body
from salus.model.values import Action, Infeasible, PastChange, PatchOps, Workload

UNDO = "Undo"
REVERT = "RevertAfter"


def plan(
    change: PastChange, inverse: PatchOps, workload: Workload, body: Body, reason: str, why: str
) -> Action | Infeasible:
    """The inverse of the recorded change, against the live target. Infeasible: `UndoSkipped` or `Irreversible`."""
    if not inverse or change.before is None or change.intended is None:
        return Infeasible("Irreversible", f"{change.action} cannot be taken back")
    if skipped := _changed_since(change, workload):
        return Infeasible("UndoSkipped", skipped)
    edits = [edit for edit in inverse if edit["op"] != "test"]
    back = change.before
    return Action(
        kind=change.action,
        remedy=change.remedy,
        target=workload.key,
        target_uid=workload.uid,
        message=f"take back {change.name}: {why}",
        before=workload.facts(),
        intended=workload.facts(
            replicas=back.replicas if change.action is ActionKind.SCALE else None,
            release=back.release if change.action is ActionKind.ROLLBACK else None,
        ),
        patch=guarded(body, _without_noise(edits)),
        inverse=(),
        undoes=change.name,
        reason=reason,
    )


def _without_noise(edits: Sequence[Any]) -> list[dict[str, Any]]:
    return [{key: edit[key] for key in ("op", "path", "value") if key in edit} for edit in edits]


def _changed_since(change: PastChange, workload: Workload) -> str | None:
    if change.target_uid and change.target_uid != workload.uid:
        return f"{workload.key} was deleted and made again since"
    wanted = change.intended
    if wanted is None:
        return None
    if change.action is ActionKind.SCALE and workload.replicas != wanted.replicas:
        return f"someone set {workload.replicas} replicas since, the change had set {wanted.replicas}"
    if change.action is ActionKind.ROLLBACK and workload.release != wanted.release:
        return f"release {workload.release} was put there since, the change had put {wanted.release}"
    return None
