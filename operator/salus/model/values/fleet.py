"""All targets together, and what was done to them of late."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class CountedAction:
    """An action that counts against budgets: done, or meant and not given up. Undos and notifications are none."""

    namespace: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Fleet:
    """All targets that count, as one tick saw them from the namespace of an action, and what was done to them of late.

    Each other namespace counts with a share that is capped (`core.guards.fleet`).
    """

    targets: int = 0
    in_namespace: int = 0
    """Targets in the namespace of the action that is judged."""
    healthy: int = 0
    unhealthy: int = 0
    """Healthy and unhealthy; the rest is Unknown."""
    actions: tuple[CountedAction, ...] = ()
    weights: Mapping[str, Fraction] = field(default_factory=dict)
    """How much an action in a namespace counts against a share of the targets; 1 where nothing is said."""
    notified: bool = False
    """Whether people were told already that the brake holds, since it came on."""
