"""When a question to people is over, and whether an action still has the leave that it needs.

A record in decision AwaitApproval is a question about one patch to one workload as it was then. The answer stands for
that and for nothing else: whoever releases, scales or edits the policy meanwhile makes the question void, and it is
asked anew, about how things are then. Who may answer is the API server's to say (the admission policies of the chart).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from salus.core.records.changes import question_digest
from salus.core.remedy.ladder import Exhausted, Proposal, Wait, decide, mode_of
from salus.model.change import ApprovalDecision, Decision, Outcome
from salus.model.policy import Mode
from salus.model.scalars import Body, format_duration, format_time
from salus.model.values.changes import Change
from salus.model.values.metrics import Finding
from salus.model.values.objects import Workload
from salus.model.values.policies import Policy

DEFAULT_EXPIRY = timedelta(hours=1)
"""Long enough for somebody who is on call; an hour later the service is likely another one."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a record ends without its action, and why."""

    outcome: Outcome
    message: str


def request(question: Change, namespace: str, now: datetime) -> str:
    """What people are asked, how long they have, and by which command they answer."""
    within = format_duration(max((question.expires_at or question.decided_at) - now, timedelta(0)))
    return f"{question.message}? Answer within {within}: kubectl salus approve {question.name} -n {namespace} (or deny)"


def end_of(question: Change, policy: Policy, workload: Workload, mode_cap: Mode, now: datetime) -> Ended | None:
    """Why nothing comes of a question any more, whether it was answered or not; None while it stands."""
    if question.approval is ApprovalDecision.DENIED:
        return Ended(Outcome.ABANDONED, f"denied by {question.approved_by}; this holds for the rest of the incident")
    expires = question.expires_at or question.decided_at + DEFAULT_EXPIRY
    if now >= expires:
        answer = f"approved by {question.approved_by}, but not done" if question.approval else "nobody answered"
        return Ended(Outcome.EXPIRED, f"{answer} before {format_time(expires)}")
    outdated = (
        _other_policy(question, policy)
        or _other_target(question, workload)
        or not_allowed_by_mode(question, policy, mode_cap)
    )
    return Ended(Outcome.ABANDONED, outdated) if outdated else None


def if_nobody_answers(
    question: Change, policy: Policy, changes: Sequence[Change], findings: Sequence[Finding]
) -> Proposal | Wait | Exhausted:
    """What comes next when this question expires, as things are. `changes`: all of its incident."""
    expired = replace(question, outcome=Outcome.EXPIRED, completed_at=question.expires_at or question.decided_at)
    others = [change for change in changes if change.name != question.name]
    return decide(policy, findings, sorted([*others, expired], key=lambda change: change.sequence))


def _other_policy(question: Change, policy: Policy) -> str | None:
    if question.policy_uid not in ("", policy.uid):
        return f"policy {policy.key.name} was deleted and made again since people were asked"
    if question.policy_generation == policy.generation:
        return None
    return f"policy {policy.key.name} was edited since people were asked"


def _other_target(question: Change, workload: Workload) -> str | None:
    if question.target_uid != workload.uid:
        return f"{workload.key} was deleted and made again"
    asked = question.before.generation if question.before else None
    if asked == workload.generation:
        return None
    return f"{workload.key} was changed since people were asked (generation {asked}, now {workload.generation})"


def not_allowed_by_mode(change: Change, policy: Policy, mode_cap: Mode) -> str | None:
    """Why the mode, as it is now, does not let this action be done; None when it does. An undo needs no leave."""
    if change.undoes:
        return None
    remedy = next((remedy for remedy in policy.spec.remedies if remedy.name == change.remedy), None)
    if remedy is None:
        return f"policy {policy.key.name} has no remedy {change.remedy} any more"
    mode = mode_of(policy, remedy, mode_cap)
    if mode is Mode.OBSERVE:
        return f"the mode of {change.remedy} is Observe by now"
    if mode is Mode.APPROVE and change.decision is Decision.ACT:
        return f"ApprovalRequired: the mode of {change.remedy} is Approve by now"
    return None


def is_what_was_approved(recorded: Body) -> bool:
    """Whether the approval in this ChangeEvent is of what its patch would do."""
    spec = recorded["spec"]
    digest = question_digest(recorded["metadata"]["namespace"], spec)
    return bool((spec.get("approval") or {}).get("digest") == digest)
