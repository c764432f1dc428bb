"""The life of a change, from its intent to its last line, and what is next for a target: by what is on record.

`standing` reads the records, `next_move` says what to do; the shell does it, enters what came of it, and asks again.
So the first time, the time after a crash and the time after a lost reply are one path. What a move has to look at
before it can be finished (the object that was patched, the live target) is judged by `settled`, `objection`,
`verified` and `left`.
"""

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from salus.core.actions import KINDS
from salus.core.actions.inverse import REVERT, UNDO
from salus.core.actions.stamp import Reading, Stamp
from salus.core.guards.chain import review
from salus.core.guards.permissions import rehearses
from salus.core.health.overall import healthy_for, of_remedy, overall
from salus.core.health.timing import backoff, has_lasted
from salus.core.objects.workloads import same_release
from salus.core.records import changes as records
from salus.core.records import incidents
from salus.core.remedy import approvals, undo, verify
from salus.core.remedy.approvals import Ended
from salus.model.change import Decision, Facts, Outcome
from salus.model.meta import WorkloadKind
from salus.model.policy import Mode, Verdict
from salus.model.scalars import Body
from salus.model.values.changes import Action, Change, Refusal
from salus.model.values.configuration import Switches
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Finding
from salus.model.values.objects import Workload
from salus.model.values.observation import Observation
from salus.model.values.policies import Policy

LOOK_AGAIN = timedelta(minutes=1)
"""An undo that is held back is tried so often; an edit of the policy has it tried at once."""
LONGEST_VAIN = timedelta(minutes=5)
"""What was recorded and then not done, again and again, is tried again at the latest after this."""
LATE = 2
"""Intervals after which what was decided is not done any more: the service may be another one by then."""


class Keeper(StrEnum):
    """Whether the policy of a change looks after it."""

    THERE = "There"
    UNUSABLE = "Unusable"
    """It is known, and measures nothing: it is in error, or beyond the caps of its namespace."""
    GONE = "Gone"


# --- how a target stands


@dataclass(frozen=True, slots=True)
class Retry:
    """What was tried in vain, and when it is tried again: after an interval, then after twice as long each time."""

    last: datetime
    pause: timedelta

    def is_due(self, now: datetime) -> bool:
        """Whether the pause is over."""
        return has_lasted(self.last, now, self.pause)

    def __str__(self) -> str:
        """When, for people."""
        return f"tried again at {self.last + self.pause:%H:%M:%S} UTC"


def retry(policy: Policy, ended: Sequence[datetime]) -> Retry | None:
    """`ended`: when each try came to nothing, oldest first; None: it was not tried in vain."""
    return Retry(ended[-1], backoff(policy.spec.interval, len(ended), LONGEST_VAIN)) if ended else None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a target stands for one policy, by its records."""

    under_way: Change | None = None
    """The policy's own change that is not finished: meant, approved, or applied."""
    questions: tuple[Change, ...] = ()
    """What people were asked and have not allowed, answered or not."""
    failed: Change | None = None
    """The policy's newest action, which did not help, while nobody has taken it back."""
    to_revert: Change | None = None
    """The scaling that goes back when its time is over."""
    newest: Change | None = None
    """The policy's newest record, whatever it says."""
    refused: Retry | None = None
    """What is owed, and the API server has refused; long after that, how things are is how people want them."""


def standing(policy: Policy, changes: Sequence[Change], carried: AbstractSet[str]) -> Standing:
    """Read the records of a target, over all policies, oldest first.

    `carried`: names of the changes that this process carries on. Another one that runs at the same time may be about to
    do what it has put on record: as long as it may, nobody else ends that.
    """
    mine = [change for change in changes if change.policy == policy.key.name]
    ours = [change for change in mine if change.name in carried]
    failed, to_revert = _failed(policy, changes), _to_revert(policy, changes)
    return Standing(
        under_way=next((change for change in ours if change.open and records.belongs_to(change, policy)), None),
        questions=tuple(change for change in ours if change.waits and not change.open),
        failed=failed,
        to_revert=to_revert,
        newest=mine[-1] if mine else None,
        refused=_refused(policy, failed or to_revert, changes),
    )


def unfinished(policy: Policy, changes: Iterable[Change]) -> frozenset[str]:
    """Names of the policy's changes of which something may still come: what a process carries on that begins."""
    return frozenset(c.name for c in changes if c.policy == policy.key.name and c.unfinished)


def left_behind(policy: Policy, changes: Iterable[Change], carried: AbstractSet[str], now: datetime) -> frozenset[str]:
    """Those that somebody else carried, and that are so late that nobody does any more."""
    mine = (c for c in changes if c.policy == policy.key.name and c.unfinished and c.name not in carried)
    return frozenset(change.name for change in mine if verify.is_overdue(change, now))


def _failed(policy: Policy, changes: Sequence[Change]) -> Change | None:
    """The newest action, if it is to be taken back.

    What other policies did since changes nothing about that: an undo that was held back meanwhile stays due.
    """
    writes = (c for c in reversed(changes) if c.acted and not undo.is_in_vain(c))
    last = next((write for write in writes if records.belongs_to(write, policy)), None)
    if last is None or last.applied_at is None or not last.outcome or last.undoes:
        return None
    wanted = undo.wants_undo(last, last.outcome, policy)
    return last if wanted and not undo.is_taken_back(last, changes) else None


def _to_revert(policy: Policy, changes: Sequence[Change]) -> Change | None:
    """The newest scaling of this policy that helped, is to be reverted, and was not yet.

    Under one that was given back lies what the one before it had put there, which has its own turn.
    """
    undone = {change.undoes for change in changes if change.undoes and change.outcome is Outcome.UNDONE}
    for change in reversed(changes):
        to_revert = KINDS[change.action].revert_after and change.applied_at is not None and not change.undoes
        if to_revert and records.belongs_to(change, policy) and change.name not in undone:
            wanted = undo.terms(change, policy).revert_after is not None and change.outcome is Outcome.RECOVERED
            return change if wanted and not undo.is_taken_back(change, changes) else None
    return None


def _refused(policy: Policy, owed: Change | None, changes: Sequence[Change]) -> Retry | None:
    undos = [change for change in changes if owed is not None and change.undoes == owed.name]
    return retry(policy, [one.completed_at for one in undos if one.outcome is Outcome.FAILED and one.completed_at])


# --- what is next


@dataclass(frozen=True, slots=True)
class LetGo:
    """Nobody goes on with this change: finish its record as it stands, without another action."""

    change: Change
    why: str


@dataclass(frozen=True, slots=True)
class Post:
    """Tell people what this notification says; that is all there is to it."""

    change: Change


@dataclass(frozen=True, slots=True)
class Settle:
    """It may or may not have been done: the object itself tells."""

    change: Change


@dataclass(frozen=True, slots=True)
class Do:
    """It was certainly not done yet: measure, observe and review once more, then do it."""

    change: Change


@dataclass(frozen=True, slots=True)
class Verify:
    """It was done: see whether it helped."""

    change: Change


@dataclass(frozen=True, slots=True)
class Finish:
    """Write the last line of a record."""

    change: Change
    outcome: Outcome | None
    """None: it was told to people, and has no outcome."""
    message: str
    perhaps: bool = False
    """Nobody can tell whether it was done."""


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Record the inverse of a change, and do it: an undo, or a revert."""

    change: Change
    reason: str
    why: str


@dataclass(frozen=True, slots=True)
class Climb:
    """The target is unhealthy, and nothing is under way: the ladder's turn."""


@dataclass(frozen=True, slots=True)
class CloseOut:
    """No check is unhealthy: close the incident, keep the release."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do now, and why."""

    why: str


Move = LetGo | Post | Settle | Do | Verify | Finish | TakeBack | Climb | CloseOut | Wait


@dataclass(frozen=True, slots=True)
class Moment:
    """How things are now, besides what is on record."""

    now: datetime
    workload: Workload
    """As it is watched: it may be a moment old."""
    findings: Sequence[Finding] = ()
    mode_cap: Mode = Mode.ENFORCE
    """No policy's mode counts as bolder than this."""
    has_incident: bool = False
    intended: str = ""
    """Name of the change whose intent this process has just put on record, and nothing else yet."""
    held_until: datetime | None = None
    """An undo or revert that something holds back is not looked at again before."""
    ended: bool = False
    """A change came to its end in this step: how the target is now is for the next one to judge."""


def forsaken(policy: Policy, changes: Sequence[Change], keeper: Callable[[str], Keeper], now: datetime) -> LetGo | None:
    """The first open change that nobody carries on; it would hold its target for ever.

    A policy of the same name, made anew, is another one. `keeper`: of the policy of that name in this namespace.
    """
    for change in changes:
        if change.open and (why := _why_forsaken(policy, change, keeper, now)):
            return LetGo(change, f"policy {change.policy} {why}, nobody verifies this change")
    return None


def _why_forsaken(policy: Policy, change: Change, keeper: Callable[[str], Keeper], now: datetime) -> str | None:
    if change.policy == policy.key.name:
        return None if records.belongs_to(change, policy) else "is gone"
    match keeper(change.policy):
        case Keeper.GONE:
            return "is gone"
        case Keeper.UNUSABLE if verify.is_overdue(change, now):
            return "is not measured any more"
        case _:
            return None


def next_move(policy: Policy, standing: Standing, moment: Moment) -> Move:
    """What is next: what is unfinished first, then what is owed, then the ladder, then what health asks for."""
    if standing.under_way is not None:
        return _carry_on(standing.under_way, moment.intended)
    if (move := _what_is_owed(policy, standing, moment)) is not None:
        return move
    if moment.ended:
        return Wait("a change has just ended")
    return Climb() if overall(moment.findings) is Verdict.UNHEALTHY else CloseOut()


def _what_is_owed(policy: Policy, standing: Standing, moment: Moment) -> Move | None:
    """An undo, the end of a question, a revert; nothing else is done before them."""
    if standing.refused is not None and not standing.refused.is_due(moment.now):
        return Wait(f"an undo was refused, it is {standing.refused}")  # else another change would lie upon it
    held = _is_held(standing.refused, moment)
    if standing.failed is not None and not held:
        return TakeBack(standing.failed, UNDO, f"outcome {standing.failed.outcome}")
    if (end := _end_of_a_question(policy, standing, moment)) is not None:
        return end
    if standing.to_revert is not None and not held and _time_is_over(policy, standing.to_revert, moment):
        return TakeBack(standing.to_revert, REVERT, "its time is over")
    return None


def _is_held(refused: Retry | None, moment: Moment) -> bool:
    """Whether what is owed is not looked at: something holds it back, or it was refused so long ago that it stays."""
    given_up = refused is not None and moment.now - refused.last > verify.OVERDUE_AFTER
    return given_up or (moment.held_until is not None and moment.now < moment.held_until)


def _end_of_a_question(policy: Policy, standing: Standing, moment: Moment) -> Finish | None:
    for question in standing.questions:
        ended = approvals.end_of(question, policy, moment.workload, moment.mode_cap, moment.now)
        if ended is not None:
            return Finish(question, ended.outcome, ended.message)
    return None


def _carry_on(change: Change, intended: str) -> Move:
    if not change.action.writes:
        return Post(change)
    if change.applied_at is not None:
        return Verify(change)
    return Do(change) if change.name == intended else Settle(change)


def _time_is_over(policy: Policy, change: Change, moment: Moment) -> bool:
    """What was scaled up goes back after `revertAfter` of health."""
    lent_for = undo.terms(change, policy).revert_after
    clear = healthy_for(moment.findings, moment.now, verify.needed_by(change))
    if moment.has_incident or lent_for is None or clear is None or change.completed_at is None:
        return False
    return has_lasted(max(moment.now - clear, change.completed_at), moment.now, lent_for)


# --- what a move finds


@dataclass(frozen=True, slots=True)
class Applied:
    """It was done, as the object shows."""

    change: Change


def settled(policy: Policy, change: Change, found: Reading, now: datetime) -> Applied | Do | Finish:
    """What follows from what the object tells; a forged stamp has no effect, as if it were not there."""
    match found.stamp:
        case Stamp.SOUND:
            return Applied(change)
        case Stamp.DOUBTFUL:
            return Finish(change, Outcome.INCONCLUSIVE, found.message, perhaps=True)
    if change.decision is Decision.ACT and now - change.decided_at > LATE * policy.spec.interval:
        return Finish(change, Outcome.ABANDONED, "not done in time, and too old to be done now")
    return Do(change)


def left(change: Change, found: Reading | None, why: str) -> Finish:
    """How a change ends that nobody goes on with. `found`: None where the object is gone, or was not asked."""
    if change.applied_at is not None:
        return Finish(change, Outcome.INCONCLUSIVE, why)
    done = found is not None and found.stamp in {Stamp.SOUND, Stamp.DOUBTFUL}
    return Finish(change, Outcome.INCONCLUSIVE if done else Outcome.ABANDONED, why, perhaps=done)


def is_ended(recorded: Body) -> bool:
    """Whether somebody has written the last line of this record. `recorded`: as the API server has it now."""
    return not records.past_change(recorded).unfinished


def objection(policy: Policy, change: Change, recorded: Body, seen: Observation) -> Finish | None:
    """Why a recorded change must not be done now after all. `recorded`: its record, read after all else."""
    if gone := _leave_is_gone(policy, records.past_change(recorded), recorded, seen):
        return Finish(change, gone.outcome, gone.message)
    if change.target_uid != seen.workload.uid:
        return Finish(change, Outcome.ABANDONED, f"{seen.workload.key} was deleted and made again")
    if not change.undoes and overall(of_remedy(policy, change.remedy, seen.findings)) is not Verdict.UNHEALTHY:
        return Finish(change, Outcome.ABANDONED, "no check is unhealthy any more")
    refusal = review(policy, records.action_of(change, recorded, seen.workload.key), seen)
    return Finish(change, Outcome.ABANDONED, f"{refusal.reason}: {refusal.message}") if refusal else None


def _leave_is_gone(policy: Policy, change: Change, recorded: Body, seen: Observation) -> Ended | None:
    """Whether a person, or the mode, no longer allows an action; asked right before it, as every guard is."""
    if change.decision is not Decision.AWAIT_APPROVAL:
        gone = approvals.not_allowed_by_mode(change, policy, seen.mode_cap)
        return Ended(Outcome.ABANDONED, gone) if gone else None
    if not approvals.is_what_was_approved(recorded):
        return Ended(Outcome.ABANDONED, "the approval is of something else: its digest is not that of this record")
    return approvals.end_of(change, policy, seen.workload, seen.mode_cap, seen.now)


def without_its_template(change: Change, error: str) -> Finish:
    """How a change ends for which the release that it puts back is not kept any more; an undo is not owed then."""
    return Finish(change, Outcome.UNDO_SKIPPED if change.undoes else Outcome.ABANDONED, error)


def refused(change: Change, target: TargetKey, error: str, *, was_changed: bool) -> Finish:
    """How a change ends whose patch the API server did not take. `was_changed`: a test of the patch failed."""
    if not was_changed:
        return Finish(change, Outcome.FAILED, f"the API server refused: {error}")
    outcome = Outcome.UNDO_SKIPPED if change.undoes else Outcome.ABANDONED
    return Finish(change, outcome, f"{change.patched or target} was changed by someone else in between")


def verified(
    policy: Policy, change: Change, findings: Sequence[Finding], now: datetime, not_coming: str = ""
) -> Finish | Wait:
    """Whether an applied change helped; an undo is not verified, it was owed.

    `not_coming`: which pods did not come for long. Then nothing is waited for, unless all is well without them.
    """
    if change.undoes:
        return Finish(change, Outcome.UNDONE, f"{change.undoes} was taken back")
    judgement = verify.without_pods(verify.judge(change, policy, findings, now), change, policy, findings, not_coming)
    return (
        Wait(judgement.message) if judgement.outcome is None else Finish(change, judgement.outcome, judgement.message)
    )


def unseen(
    change: Change, incident: Body | None, findings: Sequence[Finding], hold_down: timedelta, now: datetime
) -> Finish | Wait:
    """How a change stands of which the world shows no effect, as in a replay: nobody knows what it would have done.

    As a rehearsal does, it waits until the target is healthy by itself and the incident is over; an undo does not wait.
    """
    stable = change.proof.stable if change.proof else timedelta(0)
    clear = incidents.settled_for(incident, findings, max(stable, hold_down), hold_down, now)
    if change.undoes or incident is None or clear is not None:
        outcome = Outcome.UNDONE if change.undoes else Outcome.INCONCLUSIVE
        return Finish(change, outcome, "nobody can know what it would have changed")
    return Wait("nobody can know what it has changed")


def contested(change: Change, target: TargetKey) -> Finish:
    """How a change ends that someone else has taken back."""
    text = f"{change.patched or target} is again as it was before: someone took this change back"
    return Finish(change, Outcome.CONTESTED, text)


def hands_off(change: Change, workload: Workload) -> Action:
    """The undo that is not done, as its record shows it."""
    facts: Facts = workload.facts()
    return Action(
        kind=change.action,
        remedy=change.remedy,
        target=workload.key,
        target_uid=workload.uid,
        message="",
        before=facts,
        intended=facts,
        undoes=change.name,
        patched=change.patched,
    )


def is_held_back_already(changes: Sequence[Change], undo: Action, refusal: Refusal) -> bool:
    """Whether people were told that this undo or revert is held back for this reason."""
    said = (c for c in changes if c.undoes == undo.undoes and c.decision is Decision.REFUSE)
    return any(change.reason == refusal.reason for change in said)


def may_be_held_up(change: Change, target: TargetKey) -> bool:
    """Whether a pod that never gets ready could keep the template of this change from the others."""
    return KINDS[change.action].replaces_release and target.kind is WorkloadKind.STATEFUL_SET


def is_fresh_undo(policy: Policy, change: Change, now: datetime) -> bool:
    """Whether its controller may not have seen it yet: nobody knows then which pod is in its way."""
    waited = now - (change.applied_at or change.decided_at)
    return bool(change.undoes) and waited < policy.spec.verify.timeout


def may_delete_stuck_pod(policy: Policy, change: Change, switches: Switches, mode_cap: Mode) -> bool:
    """Whether the pod in the way of this rollback may go: not while nothing at all is to be done."""
    observes = mode_cap is Mode.OBSERVE or rehearses(policy, change.remedy)
    return not (switches.kill_switch or policy.spec.suspend or observes)


def waits_for_its_pods(change: Change, workload: Workload) -> bool:
    """Whether the workload has still the template of this change, and gives it to one pod after the other."""
    meant = change.intended is not None and same_release(workload.named, change.intended.release)
    return workload.uid == change.target_uid and meant and workload.ordered and not workload.deleting
