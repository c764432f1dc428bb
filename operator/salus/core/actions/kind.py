"""What an action is: everything that Salus knows of one of its kinds, in one value.

Each kind has a module here, with its `KIND`, and a line in the registry (`salus.core.actions`). Whoever plans, guards,
verifies or takes back asks the kind; nobody else asks which kind it is.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from salus.model.change import ActionKind, Facts, ManagedBy, Outcome
from salus.model.policy import Remedy
from salus.model.scalars import Body
from salus.model.values.changes import Action, Infeasible
from salus.model.values.metrics import Finding
from salus.model.values.objects import Autoscaler, Workload
from salus.model.values.observation import Observation
from salus.model.values.permissions import Permission


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """A remedy, why it was chosen, and the live target: what a planner is asked."""

    remedy: Remedy
    index: int
    """Place of the remedy in `spec.remedies`, for messages with a path."""
    because: tuple[Finding, ...]
    seen: Observation
    body: Body
    incident: str = ""
    """Name of the open incident."""

    def path(self, field: str) -> str:
        """`spec.remedies[2].scale.max`."""
        return f"spec.remedies[{self.index}].{field}"


@dataclass(frozen=True, slots=True)
class Written:
    """The field of the target that a kind writes, and how to tell what became of it."""

    managed: tuple[str, ...]
    """Its place as managedFields name it."""
    differs: Callable[[Facts, Facts], str | None]
    """From the live facts and the intended ones: what is there now in place of what was put there, if anything is."""
    restored: Callable[[Workload, Facts], Facts] | None = None
    """What an undo intends: the workload's facts, with the field as it was before; None: nothing takes it back."""
    in_template: bool = False
    """A new release takes it away, and that is a rollout: nobody has put anything back."""


@dataclass(frozen=True, slots=True)
class InGit:
    """What Git may hold of the field."""

    field: str
    """Its path, as people write it."""
    holds: Callable[[Observation], bool]
    """Whether a GitOps tool that manages the target holds this field."""
    advice: Callable[[Action, Observation, ManagedBy], str]
    """What to change in Git instead, in one sentence; and how Git is made to leave the field alone."""


Need = tuple[Permission, tuple[str, ...]]
"""A right, and the names of the objects for which it is needed; none: for all of a kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of action. What it leaves out is the careful answer: every guard, and no undo."""

    name: ActionKind
    """What records call it."""
    field: str
    """The field of `Remedy` that asks for it; empty where no remedy does."""
    plan: Callable[[PlanRequest], Action | Infeasible]
    infeasible: frozenset[str] = frozenset()
    """Reasons why it cannot be planned."""
    written: Written | None = None
    """None: it writes nothing to the target."""
    permissions: Callable[[str, Sequence[Workload], Sequence[Autoscaler]], Iterable[Need]] | None = None
    """What its account needs beside the right to get and to patch a target, from the plural of the targets' kind, the
    targets and their autoscalers."""

    in_git: InGit | None = None
    """None: no GitOps tool would put the field back."""
    sets_replicas: bool = False
    """It gives the target another size: autoscalers and quotas have a say."""
    replaces_release: bool = False
    """It takes the live release away: the way out of a rollout that is stuck, and that release is not good."""
    disrupts: bool = False
    """It has pods replaced whose template is as it was: a PodDisruptionBudget has a say."""

    can_worsen: bool = True
    """A value that lies much farther beyond its bound than before is its doing."""
    undone_after: frozenset[Outcome] = frozenset()
    """The outcomes after which it is taken back."""
    revert_after: Callable[[Remedy], timedelta | None] | None = None
    """How long after it helped a remedy wants it given back; None: such a remedy cannot say."""

    @property
    def writes(self) -> bool:
        """Whether it changes anything; a notification is its own end."""
        return self.name.writes
