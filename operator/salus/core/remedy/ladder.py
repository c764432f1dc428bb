"""From findings to the next rung of the ladder, one at a time.

`Proposal`, `Wait` or `Exhausted`, each with its reason.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from salus.core.guards.budgets import BRAKE
from salus.core.guards.chain import LASTING
from salus.core.health.overall import widest_window
from salus.core.health.timing import has_lasted
from salus.core.objects.workloads import same_release, short
from salus.model.change import ApprovalDecision, Decision, Outcome
from salus.model.policy import Mode, Remedy, Verdict, weakest_mode
from salus.model.scalars import format_duration
from salus.model.values.changes import Action, Change, Refusal
from salus.model.values.metrics import Finding
from salus.model.values.objects import Workload
from salus.model.values.policies import Policy


@dataclass(frozen=True, slots=True)
class Proposal:
    """Try this remedy, because of these findings."""

    remedy: Remedy
    because: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do now, and why."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Exhausted:
    """No rung is left: people have to look."""

    reason: str
    message: str


Step = Proposal | Wait | Exhausted


def rehearses_all(policy: Policy, cap: Mode) -> bool:
    """Whether nothing is done for this policy, nor told to people."""
    return weakest_mode(policy.spec.mode, cap) is Mode.OBSERVE


def were_notified(changes: Iterable[Change]) -> bool:
    """Whether people were notified of this target already; that the fleet brake holds is told of all of them."""
    notices = (c for c in changes if not c.action.writes and c.reason != BRAKE)
    return any(notice.decision is not Decision.REFUSE for notice in notices)


def was_told(changes: Iterable[Change], remedy: str | None = None) -> bool:
    """Whether people were told by one of these records, and not in a rehearsal; `remedy`: by this rung."""
    notices = (c for c in changes if not c.action.writes and c.decision is Decision.ACT)
    return any(remedy is None or notice.remedy == remedy for notice in notices)


def mode_of(policy: Policy, remedy: Remedy, mode_cap: Mode = Mode.ENFORCE) -> Mode:
    """The remedy's own mode, never bolder than the policy's or the operator's.

    To tell people changes nothing: a policy that observes does it all the same, unless the remedy itself observes.
    """
    if remedy.notify is not None:
        return Mode.OBSERVE if Mode.OBSERVE in {remedy.mode, mode_cap} else Mode.ENFORCE
    return weakest_mode(policy.spec.mode, remedy.mode or policy.spec.mode, mode_cap)


def still_relevant(policy: Policy, changes: Sequence[Change], release: str) -> Sequence[Change]:
    """Those records of an incident that still speak of how things are.

    When people change the policy or the release while an incident lasts, each rung may have its turn again; `limits`
    still count everything, and a rollback is done once an incident in any case.
    """
    start, expected = 0, ""
    for index, change in enumerate(changes):
        before = change.before.release if change.before else ""
        if change.policy_generation and change.policy_generation != policy.generation:
            start = index + 1
        elif expected and before and not same_release(before, expected):
            start = index
        expected = _left_behind(change) or expected
    return () if _is_new(changes, release) else changes[start:]


def _left_behind(change: Change) -> str:
    """The release that the target ran after this record."""
    done = change.intended if change.applied_at is not None else None
    facts = done or change.before
    return facts.release if facts else ""


def _is_new(changes: Sequence[Change], release: str) -> bool:
    """Whether the live release is neither the one that the records found nor the one that they put there."""
    known = [left for left in map(_left_behind, changes) if left]
    return bool(known and release and not same_release(known[-1], release))


def grace(policy: Policy, changes: Sequence[Change], workload: Workload, now: datetime) -> Wait | None:
    """People have put another release there while the incident lasts: judge it by what came after it, not before."""
    arrived = workload.progressed_at
    if arrived is None or not _is_new(changes, workload.named):
        return None
    wanted = max(policy.spec.verify.settle, widest_window(policy))
    if has_lasted(arrived, now, wanted):
        return None
    ago = format_duration(max(now - arrived, timedelta(0)))
    text = f"release {short(workload.named)} came {ago} ago, the checks still look at the time before it"
    return Wait("ReleaseChanged", text)


def decide(policy: Policy, findings: Sequence[Finding], changes: Sequence[Change], release: str = "") -> Step:
    """The next rung for an incident, from its own records `changes`, oldest first, and the live release."""
    unhealthy = tuple(finding for finding in findings if finding.verdict is Verdict.UNHEALTHY)
    if not unhealthy:
        return Wait("NotUnhealthy", "no check is unhealthy now")
    pending = next((change for change in changes if change.open), None)
    if pending:
        return Wait("ChangeUnderWay", f"{pending.name} is not finished")
    denied = {change.remedy for change in changes if change.approval is ApprovalDecision.DENIED}
    told = {remedy.name for remedy in policy.spec.remedies if was_told(changes, remedy.name)}
    changes = still_relevant(policy, changes, release)
    for remedy in policy.spec.remedies:
        because = tuple(f for f in unhealthy if remedy.checks is None or f.check in remedy.checks)
        # a person's no, and what they were told, hold as long as the incident, whatever changes
        if not because or remedy.name in denied | told:
            continue
        match _standing(remedy, changes):
            case None:
                return Proposal(remedy, because)
            case Wait() as wait:
                return wait
            case _:
                continue
    return Exhausted(*_why_exhausted(policy, unhealthy))


def said_before(
    policy: Policy, changes: Sequence[Change], action: Action, refusal: Refusal, release: str
) -> Change | None:
    """The record in this breach that says the same of the same remedy already, and still speaks of how things are."""
    mine = [change for change in changes if change.remedy == action.remedy]
    said = (
        change
        for change in still_relevant(policy, mine, release)
        if change.decision in {Decision.REFUSE, Decision.ADVISE}
    )
    return next((c for c in said if (c.reason, c.undoes) == (refusal.reason, action.undoes)), None)


class _Spent:
    """This rung had its turn."""


def _standing(remedy: Remedy, changes: Sequence[Change]) -> Wait | _Spent | None:
    """What this incident's records say of a rung: None while it is still to be tried."""
    for change in reversed([c for c in changes if c.remedy == remedy.name and not c.undoes]):
        match change.decision:
            case Decision.DRY_RUN:
                return Wait("Rehearsed", f"{change.name} was rehearsed; what follows depends on its effect")
            case Decision.AWAIT_APPROVAL if not change.outcome and change.approval is not ApprovalDecision.DENIED:
                return Wait("AwaitingApproval", f"{change.name} waits for a person")
            case Decision.REFUSE if change.reason not in LASTING:
                continue
            case Decision.ACT | Decision.AWAIT_APPROVAL if (
                change.outcome is Outcome.ABANDONED and change.approval is not ApprovalDecision.DENIED
            ):
                continue
            case Decision.ACT | Decision.AWAIT_APPROVAL if change.outcome is Outcome.RECOVERED:
                return None  # it helped once; `limits` say how often it may
            case _:
                return _Spent()
    return None


def _why_exhausted(policy: Policy, unhealthy: Sequence[Finding]) -> tuple[str, str]:
    names = ", ".join(finding.check for finding in unhealthy)
    if not policy.spec.remedies:
        return "NoRemedies", f"{names}: the policy has no remedies"
    return "LadderExhausted", f"{names}: every remedy that fits was tried, advised or refused"
