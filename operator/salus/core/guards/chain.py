"""Reasons not to act now, in the order in which they are asked. Each is a pure function of one `Review`.

`review` answers with the first guard that objects. A guard that cannot be evaluated raises `Unknowable`, and that is an
objection too. To add one: write the function, give it its place in `GUARDS`, a row in the table test, and nothing else;
its docstring is its documentation. Which kinds of action a guard is asked of is said by what they do, so that a new
kind has its guards at once.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from salus.core.actions import KINDS
from salus.core.actions.inverse import IRREVERSIBLE
from salus.core.actions.kind import Kind
from salus.core.guards import budgets
from salus.core.guards.freeze import frozen_until
from salus.core.guards.permissions import NOT_PERMITTED, rehearses, writes
from salus.core.guards.reverted import REASON as CONTESTED
from salus.core.guards.reverted import newest_write, reverted_by_others
from salus.core.health.overall import of_remedy, overall
from salus.core.objects.admission import needs_new_pods
from salus.core.objects.autoscalers import named, objection
from salus.core.objects.capacity import no_way_back, shortfall
from salus.core.objects.workloads import same_release, short
from salus.model.change import Outcome
from salus.model.policy import GitOps, Mode, Verdict
from salus.model.scalars import format_duration, format_time
from salus.model.values.changes import Action, Change, Refusal, Then
from salus.model.values.configuration import Budget
from salus.model.values.fleet import Fleet
from salus.model.values.objects import Admission
from salus.model.values.observation import Observation
from salus.model.values.policies import Policy

UNKNOWN = "GuardUnknown"
KILL_SWITCH = "KillSwitch"
ROLLOUT_STALLED = timedelta(minutes=10)
"""A rollout whose pods have not moved for so long makes no progress; Kubernetes' own default for Deployments."""


def everything(_: Kind) -> bool:
    """Notifications as well."""
    return True


def every_change(kind: Kind) -> bool:
    """Actions that write to a workload."""
    return kind.writes


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
    """A reason, when it holds, what follows for the ladder, and for which actions."""

    reason: str
    objects: Callable[[Review], str | None]
    """The message when the guard objects, None when it does not. Raises Unknowable when it cannot say."""
    then: Then = Then.WAIT
    kinds: Callable[[Kind], bool] = every_change
    """Of which kinds of action it is asked."""
    undo_too: bool = False
    """Whether it holds back an undo or a revert as well; most guards let these pass."""
    by_people: bool = False
    """Of one that waits: it does not pass by itself, people must lift it. They are told at once."""
    holds_many: bool = False
    """It holds back many targets at a time: people are told once of it, and not once a target."""
    of_policy: bool = False
    """So it does, of one policy alone: people are told once a policy."""


def suspended(review: Review) -> str | None:
    """`spec.suspend` is set."""
    return "spec.suspend is true" if review.policy.spec.suspend else None


def observing(review: Review) -> str | None:
    """The policy, its remedy or the whole operator observes by now: what was done before is not taken back either."""
    if not review.action.undoes:
        return None
    if review.seen.mode_cap is Mode.OBSERVE:
        return "the operator runs with --dry-run"
    return "the mode is Observe by now" if rehearses(review.policy, review.action.remedy) else None


def kill_switch(review: Review) -> str | None:
    """The operator's administrator has stopped all actions."""
    return review.seen.switches.stopped or None


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
    """A check of the remedy is in error; or is without data, and no other one shows a breach."""
    asked = of_remedy(review.policy, review.action.remedy, review.seen.findings)
    shown = overall(asked) is Verdict.UNHEALTHY
    unknown = [
        f"{f.check} ({f.reason})" for f in asked if f.verdict is Verdict.UNKNOWN and not (shown and f.without_data)
    ]
    return f"no trustworthy answer for {', '.join(unknown)}" if unknown else None


def not_permitted(review: Review) -> str | None:
    """The service account that would act is missing, not lent to Salus, or lacks a right; a rehearsal needs none."""
    if not writes(review.policy, review.action):
        return None
    if review.seen.permissions is None:
        raise Unknowable("the API server did not say what the service account may do")
    return review.seen.permissions.message if review.seen.permissions.lacks else None


def target_paused(review: Review) -> str | None:
    """Someone paused the Deployment: its template waits for them."""
    return f"{review.action.target} is paused" if review.seen.workload.paused else None


def rollout_in_progress(review: Review) -> str | None:
    """A rollout makes progress; restart and scale wait for it, a rollback is how a bad one ends."""
    workload, moved = review.seen.workload, review.seen.moved_at
    stalled = moved is not None and review.seen.now - moved >= ROLLOUT_STALLED
    if not workload.rolling_out or (stalled and not workload.has_deadline):
        return None
    return f"{review.action.target} is rolling out: {workload.updated} of {workload.replicas} replicas updated"


def hpa_owns_replicas(review: Review) -> str | None:
    """An autoscaler would put the replicas back, and its minimum cannot be raised instead."""
    if review.action.undoes and review.action.patched is not None:
        return None
    if review.seen.autoscalers is None:
        raise Unknowable("the autoscalers of this namespace could not be read")
    return objection(review.action.patched, review.action.target, review.seen.autoscalers)


def git_ops_owns_field(review: Review) -> str | None:
    """Git would put the field back; the change is advised instead."""
    scaler, git = named(review.seen.autoscalers or (), review.action.patched), KINDS[review.action.kind].in_git
    owner = scaler.managed_by if scaler else review.seen.managed_by
    if review.policy.spec.git_ops is GitOps.IGNORE or owner is None or owner.tool not in {"ArgoCD", "Flux"}:
        return None
    if git is None or not (scaler.git_holds_minimum if scaler else git.holds(review.seen)):
        return None
    field, who = git.field, f"{owner.tool} ({owner.ref})" if owner.ref else owner.tool
    if scaler:
        field, todo = f"spec.{scaler.key.min_field} of {scaler.key}", f"make this change: {review.action.message}"
    else:
        todo = git.advice(review.action, review.seen, owner)
    return f"{who} holds {field}; in Git, {todo}"


def operator_owned(review: Review) -> str | None:
    """Another controller keeps the workload as it is, or rolls its template out itself."""
    if owner := review.seen.workload.owner:
        return f"{owner} controls {review.action.target}"
    follower = review.seen.follower
    return f"{follower} takes its template from {review.action.target}, and rolls it out itself" if follower else None


def contested(review: Review) -> str | None:
    """Someone has taken Salus' newest change back within ten minutes: hands off for an hour."""
    seen = review.seen
    shown = [change for change in seen.changes if change.name not in seen.unseen]
    last = newest_write(shown)
    if seen.autoscalers is None and last is not None and last.patched is not None:
        raise Unknowable("the autoscalers of this namespace could not be read")
    return reverted_by_others(shown, seen.workload, seen.now, seen.autoscalers)


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
        and change.outcome is not Outcome.ABANDONED
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
    if namespace is not None:
        actions = tuple(action for action in fleet.actions if action.namespace == namespace)
        fleet = replace(fleet, targets=fleet.in_namespace, actions=actions)
    message = budgets.overspent(budget, fleet, review.seen.now)
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
    """By its PodDisruptionBudget a pod of the target may not be evicted; a rollout would not ask."""
    if review.seen.disruptions is None:
        raise Unknowable("the PodDisruptionBudgets of this namespace could not be read")
    for budget in review.seen.disruptions:
        if budget.allowed is None:
            raise Unknowable(f"PodDisruptionBudget/{budget.name} does not say yet what it allows")
    strict = next(
        (budget for budget in review.seen.disruptions if budget.allowed is not None and budget.allowed < 1), None
    )
    if strict is None or not strict.beside:
        return f"PodDisruptionBudget/{strict.name} allows no disruption of {review.action.target}" if strict else None
    both = f"PodDisruptionBudget/{strict.name} and {strict.beside} both select a pod of {review.action.target}"
    return f"{both}, and of such a pod Kubernetes allows no disruption at all"


def pods_refused(review: Review) -> str | None:
    """The namespace lets no new pod in, by a LimitRange or its Pod Security."""
    if not _needs_new_pods(review):
        return None
    refused = _admission(review).refused
    if refused is None:
        raise Unknowable("the namespace or its LimitRanges could not be read")
    return f"no new pod of {_whose(review)} is let in: {refused}" if refused else None


def quota_exceeded(review: Review) -> str | None:
    """The namespace's quotas have no room for the pods that would be added, or that have to come for those that go."""
    if not _needs_new_pods(review):
        return None
    headroom = _admission(review).headroom
    if headroom is None:
        raise Unknowable("the ResourceQuotas, LimitRanges or pods of this namespace could not be read")
    more = _more(review.action)
    why = shortfall(headroom, more) if more > 0 else no_way_back(headroom)
    return f"{_whose(review)}: {why}" if why and _comes_back(review) else why


def _needs_new_pods(review: Review) -> bool:
    """Whether pods have to be made: the same ones again, more of them, or those of the release that comes back."""
    if _comes_back(review):
        return needs_new_pods(_admission(review))
    return KINDS[review.action.kind].disrupts or _more(review.action) > 0


def _comes_back(review: Review) -> bool:
    """Whether it puts another release there."""
    return KINDS[review.action.kind].replaces_release


def _admission(review: Review) -> Admission:
    """Whether the pods that the action wants are let in. A release that is not kept any more has its own objection."""
    seen, wanted = review.seen, review.action.intended.release
    if not _comes_back(review):
        return seen.admission
    kept = next((kept.name for kept in seen.releases if same_release(kept.named, wanted)), "")
    return seen.comebacks.get(kept, Admission())


def _whose(review: Review) -> str:
    """Whose pods have to come."""
    target, release = review.action.target, review.action.intended.release
    return f"release {short(release)} of {target}" if _comes_back(review) else f"{target}"


def _more(action: Action) -> int:
    return (action.intended.replicas or 0) - (action.before.replicas or 0)


def _waits_for_rollouts(kind: Kind) -> bool:
    return kind.writes and not kind.replaces_release


def _makes_pods(kind: Kind) -> bool:
    return kind.sets_replicas or kind.disrupts or kind.replaces_release


GUARDS: tuple[Guard, ...] = (
    Guard("Suspended", suspended, kinds=everything, undo_too=True, by_people=True),
    Guard("Observing", observing, undo_too=True, by_people=True),
    Guard(KILL_SWITCH, kill_switch, undo_too=True, by_people=True, holds_many=True),
    Guard("FreezeWindow", freeze_window, by_people=True, holds_many=True),
    Guard("MetricsUnavailable", metrics_unavailable),
    Guard(NOT_PERMITTED, not_permitted, undo_too=True, by_people=True, of_policy=True),
    Guard("TargetPaused", target_paused, by_people=True),
    Guard("RolloutInProgress", rollout_in_progress, kinds=_waits_for_rollouts),
    Guard("HpaOwnsReplicas", hpa_owns_replicas, Then.NEXT, lambda kind: kind.sets_replicas, undo_too=True),
    Guard("GitOpsOwnsField", git_ops_owns_field, Then.ADVISE, lambda kind: kind.in_git is not None),
    Guard("OperatorOwned", operator_owned, Then.NEXT),
    Guard(CONTESTED, contested, undo_too=True),
    Guard("ChangeInFlight", change_in_flight, kinds=everything),
    Guard("CooldownActive", cooldown_active),
    Guard("AttemptsExhausted", attempts_exhausted, Then.ESCALATE),
    Guard("NamespaceBudgetSpent", namespace_budget_spent),
    Guard("GlobalBudgetSpent", global_budget_spent),
    Guard(budgets.BRAKE, fleet_brake, holds_many=True),
    Guard("DisruptionBudget", disruption_budget, Then.NEXT, lambda kind: kind.disrupts),
    Guard("PodsRefused", pods_refused, Then.NEXT, _makes_pods),
    Guard("QuotaExceeded", quota_exceeded, Then.NEXT, _makes_pods),
)
"""The composed order; one test guards it."""

BY_PEOPLE = frozenset(guard.reason for guard in GUARDS if guard.by_people)
"""Reasons to wait that do not pass by themselves. That a guard cannot be evaluated is one as well, once it lasts."""

OF_POLICY = frozenset(guard.reason for guard in GUARDS if guard.of_policy) | {UNKNOWN}
"""Reasons that hold back many targets of one policy, of which people are told once a policy."""

OF_MANY = frozenset(guard.reason for guard in GUARDS if guard.holds_many) | OF_POLICY
"""Reasons that hold back many targets at a time, of which people are told once."""

_HOLDERS = {
    "FreezeWindow": re.compile(r"FreezeWindow: freeze (.+?) lasts until "),
    UNKNOWN: re.compile(rf"{UNKNOWN}: (.+?) cannot be (?:judged|read)"),
}
"""By what a message names its holder: the freeze; the guard that cannot be evaluated, or what cannot be read."""


def holder_in(reason: str, message: str) -> str:
    """Those words of a message that name what holds back many; empty: it names none, or was cut before."""
    named = _HOLDERS.get(reason)
    found = named.search(message) if named else None
    return found[0] if found else ""


def is_same_holder(why: Refusal, told: Change) -> bool:
    """Whether people were told of the very thing that holds back many: of freezes, of that one; of guards likewise.

    Where a record's message was cut before the name, nobody can tell, and it counts.
    """
    known, now = holder_in(told.reason, told.message), holder_in(why.reason, f"{why.reason}: {why.message}")
    return told.reason == why.reason and (not known or not now or known == now)


ENDING = frozenset(guard.reason for guard in GUARDS if guard.then is Then.ESCALATE)
"""Refusals that end the ladder."""

INFEASIBLE = frozenset({IRREVERSIBLE}).union(*(kind.infeasible for kind in KINDS.values()))
"""Reasons why a remedy cannot be planned at all."""

LASTING = INFEASIBLE | {guard.reason for guard in GUARDS if guard.then is not Then.WAIT}
"""Refusals after which the ladder goes on with the next rung, for the rest of the incident."""


def review(policy: Policy, action: Action, seen: Observation, guards: Iterable[Guard] = GUARDS) -> Refusal | None:
    """The first objection, or None: then the action may go ahead."""
    judged = Review(policy, action, seen)
    for guard in guards:
        if not guard.kinds(KINDS[action.kind]) or (action.undoes and not guard.undo_too):
            continue
        try:
            message = guard.objects(judged)
        except Unknowable as error:
            return Refusal(UNKNOWN, f"{guard.reason} cannot be judged: {error}")
        if message is not None:
            return Refusal(guard.reason, message, guard.then)
    return None


def again(policy: Policy, action: Action, seen: Observation, reason: str) -> Refusal | None:
    """Whether the guard that made an action wait still objects, by what is `known` without reading anything afresh.

    None: it does not, or does not say; then everything is observed and judged anew.
    """
    waits = [guard for guard in GUARDS if guard.reason == reason and guard.then is Then.WAIT]
    refusal = review(policy, action, seen, waits)
    return refusal if refusal is not None and refusal.reason == reason else None
