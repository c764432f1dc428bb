"""What Salus can do to a workload: one module per kind, and the registry of them.

A new kind is one module, one line in `KINDS`, and its words in the schema (a field of `Remedy`, a name in
`ActionKind`). The recipe is in CONTRIBUTING.md.
"""

from salus.core.actions import notify, restart, restore, rollback, scale
from salus.core.actions.kind import Kind, PlanRequest
from salus.model.change import ActionKind
from salus.model.policy import Remedy
from salus.model.values.changes import Action, Infeasible

KINDS: dict[ActionKind, Kind] = {
    kind.name: kind
    for kind in (
        rollback.KIND,
        restart.KIND,
        scale.KIND,
        notify.KIND,
        restore.KIND,
    )
}
"""The registry, by the name that is on record."""


def plan(asked: PlanRequest) -> Action | Infeasible:
    """Plan the remedy against the live target: an action with patch, inverse and facts, or why there is none."""
    return kind_of(asked.remedy).plan(asked)


def kind_of(remedy: Remedy) -> Kind:
    """What the remedy's one field asks for. Raises KeyError with the menu for an unknown one."""
    offered = [kind for kind in KINDS.values() if kind.field]
    for kind in offered:
        if getattr(remedy, kind.field) is not None:
            return kind
    raise KeyError(f"{remedy.name} holds no known action; known: {', '.join(kind.field for kind in offered)}")
