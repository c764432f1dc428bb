"""Reasons not to act now, in the order in which they are asked. Each is a pure function of one `Review`.

`review` answers with the first guard that objects. A guard that cannot be evaluated raises `Unknowable`, and that is an
objection too. To add one: write the function, give it its place in `GUARDS`, a row in the table test, and nothing else;
its docstring is its documentation.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from salus.core import budgets
from salus.core.contest import REASON as CONTESTED
from salus.core.contest import contest
from salus.core.freeze import frozen_until
from salus.core.rights import NOT_OWNED, writes
from salus.core.room import shortage
from salus.model.change import ActionKind
from salus.model.policy import GitOps, Verdict
from salus.model.types import format_duration, format_time
from salus.model.values import Action, Budget, Fleet, Observation, Policy, Refusal, Then

ALL = frozenset(ActionKind)
CHANGES = ALL - {ActionKind.NOTIFY}
"""Actions that write to a workload."""
UNKNOWN = "GuardUnknown"


class Unknowable(Exception):
    """A guard cannot say whether it objects; the message says what it does not know."""


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
    """The message when the guard objects, None when it does not. Raises Unknowable when it cannot say."""
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


def freeze_window(review: Review) -> str | None:
    """The calendar of the operator's administrator says that nothing new is done now."""
    for freeze in review.seen.switches.freezes:
        try:
            until = frozen_until(freeze, review.seen.now)
        except ValueError as error:
            raise Unknowable(f"freeze {freeze.name}: {error}") from error
        if until is not None:
            why = f": {freeze.message}" if freeze.message else ""
            return f"freeze {freeze.name} lasts until {format_time(until)}{why}"
    return None


def metrics_unavailable(review: Review) -> str | None:
    """A check has no trustworthy answer, so that nobody could prove that an action helped."""
    unknown = [f"{f.check} ({f.reason})" for f in review.seen.findings if f.verdict is Verdict.UNKNOWN]
    return f"no trustworthy answer for {', '.join(unknown)}" if unknown else None


def not_owned(review: Review) -> str | None:
    """The service account that would act is missing, not lent to Salus, or lacks a right; a rehearsal needs none."""
    if not writes(review.policy, review.action):
        return None
    if review.seen.rights is None:
        raise Unknowable("the API server did not say what the service account may do")
    return review.seen.rights.message if review.seen.rights.lacks else None


def target_paused(review: Review) -> str | None:
    """Someone paused the Deployment: its template waits for them."""
    return f"{review.action.target} is paused" if review.seen.workload.paused else None


def rollout_in_progress(review: Review) -> str | None:
    """A rollout is on its way; restart and scale wait for it, a rollback is how a bad one ends."""
    workload = review.seen.workload
    if not workload.rolling_out:
        return None
    return f"{review.action.target} is rolling out: {workload.updated} of {workload.replicas} replicas updated"


def hpa_owns_replicas(review: Review) -> str | None:
    """An autoscaler would put the replicas back."""
    if review.seen.autoscalers is None:
        raise Unknowable("the autoscalers of this namespace could not be read")
    names = ", ".join(f"{scaler.kind}/{scaler.name}" for scaler in review.seen.autoscalers)
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


def contested(review: Review) -> str | None:
    """Someone has taken Salus' newest change back within ten minutes: hands off for an hour."""
    return contest(review.seen.changes, review.seen.workload, review.seen.now)


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


def namespace_budget_spent(review: Review) -> str | None:
    """The policies of this namespace have had the actions that `limits.namespace` allows them together."""
    return _overspent(review, review.seen.switches.namespace_budget, review.action.target.namespace)


def global_budget_spent(review: Review) -> str | None:
    """All policies together have had the actions that `limits.global` allows."""
    return _overspent(review, review.seen.switches.global_budget, None)


def _overspent(review: Review, budget: Budget | None, namespace: str | None) -> str | None:
    if budget is None:
        return None
    fleet = _fleet(review)
    deeds = [deed for deed in fleet.deeds if namespace in (None, deed.namespace)]
    message = budgets.overspent(
        budget, deeds, fleet.targets if namespace is None else fleet.in_namespace, review.seen.now
    )
    return f"{namespace or 'all namespaces'}: {message}" if message else None


def fleet_brake(review: Review) -> str | None:
    """So many targets are unhealthy that the cause is likely a shared one, and another action was a moment ago."""
    brake = review.seen.switches.fleet_brake
    return budgets.held_by_brake(brake, _fleet(review), review.seen.now) if brake else None


def _fleet(review: Review) -> Fleet:
    if review.seen.fleet is None:
        raise Unknowable("the records of what was done to other targets could not be read")
    return review.seen.fleet


def disruption_budget(review: Review) -> str | None:
    """A PodDisruptionBudget allows none of the target's pods to go; a rollout would not ask it."""
    if review.seen.disruptions is None:
        raise Unknowable("the PodDisruptionBudgets of this namespace could not be read")
    for budget in review.seen.disruptions:
        if budget.allowed is None:
            raise Unknowable(f"PodDisruptionBudget/{budget.name} does not say yet what it allows")
    names = [budget.name for budget in review.seen.disruptions if budget.allowed == 0]
    return f"PodDisruptionBudget/{names[0]} allows no disruption of {review.action.target}" if names else None


def quota_exceeded(review: Review) -> str | None:
    """The namespace's quotas have no room for the pods that a scaling would add."""
    more = (review.action.intended.replicas or 0) - (review.action.before.replicas or 0)
    if more <= 0:
        return None
    if review.seen.room is None:
        raise Unknowable("the ResourceQuotas and LimitRanges of this namespace could not be read")
    return shortage(review.seen.room, more)


_SCALE, _RESTART, _ROLLBACK = (
    frozenset({kind}) for kind in (ActionKind.SCALE, ActionKind.RESTART, ActionKind.ROLLBACK)
)

GUARDS: tuple[Guard, ...] = (
    Guard("Suspended", suspended, kinds=ALL),
    Guard("KillSwitch", kill_switch, undo_too=True),
    Guard("FreezeWindow", freeze_window),
    Guard("MetricsUnavailable", metrics_unavailable),
    Guard(NOT_OWNED, not_owned, undo_too=True),
    Guard("TargetPaused", target_paused),
    Guard("RolloutInProgress", rollout_in_progress, kinds=_RESTART | _SCALE),
    Guard("HpaOwnsReplicas", hpa_owns_replicas, Then.NEXT, _SCALE),
    Guard("GitOpsOwnsField", git_ops_owns_field, Then.ADVISE, _SCALE | _ROLLBACK),
    Guard("OperatorOwned", operator_owned, Then.NEXT),
    Guard(CONTESTED, contested, undo_too=True),
    Guard("ChangeInFlight", change_in_flight, kinds=ALL),
    Guard("CooldownActive", cooldown_active),
    Guard("AttemptsExhausted", attempts_exhausted, Then.ESCALATE),
    Guard("NamespaceBudgetSpent", namespace_budget_spent),
    Guard("GlobalBudgetSpent", global_budget_spent),
    Guard("FleetBrake", fleet_brake),
    Guard("DisruptionBudget", disruption_budget, Then.NEXT, _RESTART),
    Guard("QuotaExceeded", quota_exceeded, Then.NEXT, _SCALE),
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
        try:
            message = guard.objects(judged)
        except Unknowable as error:
            return Refusal(UNKNOWN, f"{guard.reason} cannot be judged: {error}")
        if message is not None:
            return Refusal(guard.reason, message, guard.then)
    return None
