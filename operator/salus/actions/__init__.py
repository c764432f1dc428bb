"""What Salus can do to a workload: one module per kind, `plan()` pure, one way to write.

A planner answers with an `Action` (patch, inverse, facts before and after) or with `Infeasible` and its reason. A new
kind is one module, one line in `PLANNERS`, one field of `Remedy`, one right in the RBAC rules, and an example.
"""

from collections.abc import Callable, Mapping

from salus.actions import notify, restart, rollback, scale
from salus.actions.plan import Plan
from salus.model.policy import Remedy
from salus.model.values import Action, Infeasible

PLANNERS: Mapping[str, Callable[[Plan], Action | Infeasible]] = {
    "rollback": rollback.plan,
    "restart": restart.plan,
    "scale": scale.plan,
    "notify": notify.plan,
}


def plan(asked: Plan) -> Action | Infeasible:
    """Plan the remedy against the live target."""
    return PLANNERS[kind_of(asked.remedy)](asked)


def kind_of(remedy: Remedy) -> str:
    """The remedy's one field that says what to do. Raises KeyError with the menu for an unknown one."""
    for kind in PLANNERS:
        if getattr(remedy, kind) is not None:
            return kind
    raise KeyError(f"{remedy.name} holds no known action; known: {', '.join(PLANNERS)}")
