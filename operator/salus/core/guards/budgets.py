"""How much may be done to many targets together: budgets over a sliding window, and the brake of a shared outage.

Everything is counted from records, so a restart forgets nothing; who reads the records is left to the shell.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from salus.model.change import Decision, Outcome
from salus.model.scalars import format_duration
from salus.model.values.changes import Change
from salus.model.values.configuration import Brake, Budget, Switches
from salus.model.values.fleet import CountedAction, Fleet


def counted_action(change: Change, namespace: str) -> CountedAction | None:
    """A record as budgets count it: from its intent on, so that what is about to be done is spent already."""
    meant = change.acted or (change.open and change.action.writes)
    if not meant or change.undoes or change.outcome is Outcome.ABANDONED:
        return None
    return CountedAction(namespace, change.applied_at or change.decided_at)


def allowance(budget: Budget, targets: int) -> int:
    """Actions that a budget allows in its window. A share is rounded down, and is never less than one."""
    if budget.actions is not None:
        return budget.actions
    return max(1, targets * (budget.percent or 0) // 100)


def overspent(budget: Budget, fleet: Fleet, now: datetime) -> str | None:
    """Why one more action would be too much; None when there is room for it.

    Against a number every action counts; against a share of the targets, as much as the targets of its namespace do.
    """
    recent, allowed = _within(fleet.actions, budget.per, now), allowance(budget, fleet.targets)
    weights = fleet.weights if budget.actions is None else {}
    spent = int(sum(weights.get(action.namespace, 1) for action in recent))
    if spent < allowed:
        return None
    share = "" if budget.actions is not None else f" ({budget.percent} % of {fleet.targets} targets)"
    return f"{spent} actions in the last {format_duration(budget.per)}, at most {allowed}{share}"


BRAKE = "FleetBrake"
"""Reason of the guard's refusals, and of the one notification while it holds."""


def notified_at(change: Change) -> datetime | None:
    """When people were told by this record that the brake holds; a rehearsal tells nobody."""
    tells = not change.action.writes and change.reason == BRAKE and change.decision is Decision.ACT
    return change.decided_at if tells else None


def can_be_judged(brake: Brake, fleet: Fleet) -> bool:
    """Whether enough targets were measured to speak of a fleet."""
    return fleet.healthy + fleet.unhealthy >= brake.targets


def is_braking(brake: Brake, fleet: Fleet) -> bool:
    """Whether so many of the targets that can be judged are unhealthy that the cause is likely a shared one."""
    judged = fleet.healthy + fleet.unhealthy
    return can_be_judged(brake, fleet) and 100 * fleet.unhealthy >= brake.percent * judged


def held_by_brake(brake: Brake, fleet: Fleet, now: datetime) -> str | None:
    """Why an action has to wait while the brake is on; None when it is off, or the last action was long enough ago."""
    if not is_braking(brake, fleet) or not (recent := _within(fleet.actions, brake.pause, now)):
        return None
    ago = format_duration(max(now - max(action.at for action in recent), timedelta(0)))
    unhealthy = (
        f"{fleet.unhealthy} of {fleet.healthy + fleet.unhealthy} targets are unhealthy, the cause may be a shared one"
    )
    return f"{unhealthy}: at most one action in {format_duration(brake.pause)}, the last was {ago} ago"


def longest_window(switches: Switches) -> timedelta:
    """How long ago an action may be that budgets or the brake still ask of."""
    budgets = [budget.per for budget in (switches.namespace_budget, switches.global_budget) if budget]
    return max([*budgets, *([switches.fleet_brake.pause] if switches.fleet_brake else [])], default=timedelta(0))


def _within(actions: Sequence[CountedAction], window: timedelta, now: datetime) -> list[CountedAction]:
    return [action for action in actions if now - action.at < window]
