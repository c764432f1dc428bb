"""Reasons not to act now, in the order in which they are asked. Each is a pure function of one `Review`.

`review` answers with the first guard that objects. To add one: write the function, give it its place in `GUARDS`,
a row in the table test, and nothing else.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from salus.model.change import ActionKind
from salus.model.policy import GitOps, Verdict
from salus.model.types import format_duration
from salus.model.values import Action, Observation, Policy, Refusal, Then

ALL = frozenset(ActionKind)
CHANGES = ALL - {ActionKind.NOTIFY}
"""Actions that write to a workload."""


@dataclass(frozen=True, slots=True)
class Review:
    """What is judged: this action, under this policy, given everything that was observed."""

    policy: Policy
    action: Action
    seen: Observation


@dataclass(frozen=True, slots=True)
class Guard:
    """A reason, when it holds, for which actions, and what follows for the ladder."""

    reason: str
    objects: Callable[[Review], str | None]
    """The message when the guard objects, None when it does not."""
    then: Then = Then.WAIT
    kinds: frozenset[ActionKind] = CHANGES
    undo_too: bool = False
    """Whether it holds back an undo or a revert as well; most guards let these pass."""


def suspended(review: Review) -> str | None:
    """`spec.suspend` is set."""
    return "spec.suspend is true" if review.policy.spec.suspend else None


def kill_switch(review: Review) -> str | None:
    """The operator's administrator has stopped all actions."""
    switches = review.seen.switches
    if not switches.kill_switch:
        return None
    return switches.kill_switch_message or "the operator's kill switch is on"


def metrics_unavailable(review: Review) -> str | None:
    """A check has no trustworthy answer, so that nobody could prove that an action helped."""
    unknown = [f"{f.check} ({f.reason})" for f in review.seen.findings if f.verdict is Verdict.UNKNOWN]
    return f"no trustworthy answer for {', '.join(unknown)}" if unknown else None


def target_paused(review: Review) -> str | None:
    """Someone paused the Deployment: its template waits for them."""
    return f"{review.action.target} is paused" if review.seen.workload.paused else None


def rollout_in_progress(review: Review) -> str | None:
    """A rollout is on its way; restart and scale wait for it, a rollback is how a bad one ends."""
    workload = review.seen.workload
    if not workload.rolling_out:
        return None
    return f"{review.action.target} is rolling out: {workload.updated} of {workload.replicas} replicas updated"


def autoscalers_unknown(review: Review) -> str | None:
    """Nobody can say whether an autoscaler owns the replicas; that may be known at the next tick."""
    return "the autoscalers of this namespace could not be read" if review.seen.autoscalers is None else None


def hpa_owns_replicas(review: Review) -> str | None:
    """An autoscaler would put the replicas back."""
    names = ", ".join(f"{scaler.kind}/{scaler.name}" for scaler in review.seen.autoscalers or ())
    return f"{names} owns the replicas of {review.action.target}" if names else None


def git_ops_owns_field(review: Review) -> str | None:
    """Git would put the field back; the change is advised instead."""
    owner = review.seen.managed_by
    if review.policy.spec.git_ops is GitOps.IGNORE or owner is None or owner.tool not in {"ArgoCD", "Flux"}:
        return None
    if review.action.kind is ActionKind.SCALE and not review.seen.git_holds_replicas:
        return None
    field = "spec.replicas" if review.action.kind is ActionKind.SCALE else "spec.template"
    return f"{owner.tool} ({owner.ref}) holds {field}: make this change in Git: {review.action.message}"


def operator_owned(review: Review) -> str | None:
    """Another controller owns the workload and would put it back."""
    owner = review.seen.workload.owner
    return f"{owner} controls {review.action.target}" if owner else None


def change_in_flight(review: Review) -> str | None:
    """One open change per target, over all policies."""
    other = next((change for change in review.seen.changes if change.open), None)
    return f"{other.name} of policy {other.policy} is not finished" if other else None


def cooldown_active(review: Review) -> str | None:
    """The last action on this target was too short a time ago."""
    now, cooldown = review.seen.now, review.policy.spec.limits.cooldown
    last = max((c.applied_at for c in review.seen.changes if c.acted and c.applied_at), default=None)
    if last is None or now - last >= cooldown:
        return None
    ago = format_duration(max(now - last, timedelta(0)))
    return f"the last action was {ago} ago, cooldown {format_duration(cooldown)}"


def attempts_exhausted(review: Review) -> str | None:
    """This policy has used up its actions on this target."""
    limits, now = review.policy.spec.limits, review.seen.now
    spent = sum(
        1
        for change in review.seen.changes
        if change.acted
        and change.policy == review.policy.key.name
        and not change.undoes
        and change.outcome != "Abandoned"
        and now - (change.applied_at or change.decided_at) < limits.per
    )
    if spent < limits.max_actions:
        return None
    return f"{spent} actions in the last {format_duration(limits.per)}, at most {limits.max_actions}"


GUARDS: tuple[Guard, ...] = (
    Guard("Suspended", suspended, kinds=ALL),
    Guard("KillSwitch", kill_switch, undo_too=True),
    Guard("MetricsUnavailable", metrics_unavailable),
    Guard("TargetPaused", target_paused),
    Guard("RolloutInProgress", rollout_in_progress, kinds=frozenset({ActionKind.RESTART, ActionKind.SCALE})),
    Guard("GuardUnknown", autoscalers_unknown, kinds=frozenset({ActionKind.SCALE})),
    Guard("HpaOwnsReplicas", hpa_owns_replicas, Then.NEXT, frozenset({ActionKind.SCALE})),
    Guard("GitOpsOwnsField", git_ops_owns_field, Then.ADVISE, frozenset({ActionKind.SCALE, ActionKind.ROLLBACK})),
    Guard("OperatorOwned", operator_owned, Then.NEXT),
    Guard("ChangeInFlight", change_in_flight, kinds=ALL),
    Guard("CooldownActive", cooldown_active),
    Guard("AttemptsExhausted", attempts_exhausted, Then.ESCALATE),
)
"""The composed order; one test guards it."""

INFEASIBLE = frozenset(
    {
        "NoKnownGoodRelease",
        "ReleaseTooOld",
        "RolledBackBefore",
        "AboveMaximum",
        "AtMaximum",
        "EnoughReplicas",
        "NoValue",
        "ScaledToZero",
        "NotScalable",
        "NoRevisionHistory",
        "OnDeleteStrategy",
        "PartitionedRollout",
        "PodsCannotBeCreated",
        "Irreversible",
    }
)
"""Reasons why a remedy cannot be planned at all (`actions/`)."""

LASTING = INFEASIBLE | {guard.reason for guard in GUARDS if guard.then is not Then.WAIT}
"""Refusals after which the ladder goes on with the next rung, for the rest of the incident."""


def review(policy: Policy, action: Action, seen: Observation, guards: Iterable[Guard] = GUARDS) -> Refusal | None:
    """The first objection, or None: then the action may go ahead."""
    judged = Review(policy, action, seen)
    for guard in guards:
        if action.kind not in guard.kinds or (action.undoes and not guard.undo_too):
            continue
        message = guard.objects(judged)
        if message is not None:
            return Refusal(guard.reason, message, guard.then)
    return None
