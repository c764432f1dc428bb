"""Whether a change is taken back, and whether it was: by its outcome, its kind, and what its record says.

How, `core.actions.inverse` says; when, `core.remedy.change_lifecycle`.
"""

from collections.abc import Sequence

from salus.core.actions import KINDS
from salus.core.records.changes import is_by_this_text, take_back_by
from salus.model.change import Outcome, TakeBack
from salus.model.policy import OnFailure
from salus.model.values.changes import Change
from salus.model.values.policies import Policy

MOST_REFUSALS = 4
"""So often an undo is tried that the API server refuses; then what was done stays, as people were told each time."""


def terms(change: Change, policy: Policy) -> TakeBack:
    """When the change is taken back: by what is on record, whatever the policy says since.

    A record of format 0 does not say, so the policy is asked, if it says what it said then. If not, nobody can know
    what it said, and what nobody can know changes nothing: the change stays.
    """
    if change.take_back is not None:
        return change.take_back
    if change.format == 0 and is_by_this_text(change, policy):
        return take_back_by(policy, change.remedy)
    return TakeBack(on_failure=OnFailure.KEEP)


def wants_undo(change: Change, outcome: Outcome, policy: Policy) -> bool:
    """Whether to take the change back: after which outcomes, its kind says. Inconclusive ones stay: unknown never acts.

    A restart cannot be taken back. A rollback is taken back only when it made things worse: the release that it
    replaced is under suspicion, and the one it restored was known good.
    """
    return _failed_by(change, outcome, terms(change, policy))


def _failed_by(change: Change, outcome: Outcome, said: TakeBack) -> bool:
    if change.undoes or said.on_failure is OnFailure.KEEP:
        return False
    return outcome in KINDS[change.action].undone_after


def is_taken_back(change: Change, changes: Sequence[Change]) -> bool:
    """Whether an undo was done or given up for good; one that a guard held back is still to come."""
    undos = [other for other in changes if other.undoes == change.name]
    if sum(undo.outcome is Outcome.FAILED for undo in undos) >= MOST_REFUSALS:
        return True
    return any((u.acted and not is_in_vain(u)) or u.outcome is Outcome.UNDO_SKIPPED for u in undos)


def is_in_vain(change: Change) -> bool:
    """Whether it was put on record and not done, so that what was done before it is the newest still."""
    return change.outcome is Outcome.ABANDONED or (bool(change.undoes) and change.outcome is Outcome.FAILED)


def is_owed(change: Change, changes: Sequence[Change]) -> bool:
    """Whether a finished change would be taken back yet, now or when its time is over, by what is on record alone."""
    said = change.take_back
    if said is None or not change.outcome or is_taken_back(change, changes):
        return False
    lent = change.outcome is Outcome.RECOVERED and said.revert_after is not None
    return lent or _failed_by(change, change.outcome, said)
