"""Changes: on record, planned, refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from salus.model.change import ActionKind, ApprovalDecision, Decision, Facts, Outcome, Proof, TakeBack
from salus.model.values.keys import ScalerKey, TargetKey


@dataclass(frozen=True, slots=True)
class Change:
    """A ChangeEvent, reduced to what limits and verification need."""

    name: str
    uid: str
    sequence: int
    decision: Decision
    action: ActionKind
    reason: str
    policy: str
    incident: str
    remedy: str
    target_uid: str
    decided_at: datetime
    policy_generation: int = 0
    applied_at: datetime | None = None
    completed_at: datetime | None = None
    outcome: Outcome | None = None
    undoes: str = ""
    occurrences: int = 1
    message: str = ""
    note: str = ""
    """What the record says of how it goes, or went."""
    evidence: tuple[tuple[str, float | None], ...] = ()
    """(check, value) of what was unhealthy then."""
    before: Facts | None = None
    intended: Facts | None = None
    approval: ApprovalDecision | None = None
    """What a person said, if anybody has."""
    patched: ScalerKey | None = None
    """The autoscaler that was patched in the target's place; None: the target itself."""
    approved_by: str = ""
    """Who said so, and by which ticket, as a sentence shows it."""
    expires_at: datetime | None = None
    policy_uid: str = ""
    sinks: tuple[str, ...] = ()
    """The sinks that are told of it."""
    format: int = 0
    """How the record is to be read; 0: it does not say by what it is verified, nor when it is taken back."""
    take_back: TakeBack | None = None
    """When it is taken back, by the policy of then; None: never, or the record does not say."""
    proof: Proof | None = None
    """By what it is verified, by the policy of then."""

    @property
    def unfinished(self) -> bool:
        """Something may still come of it."""
        return self.decision in {Decision.ACT, Decision.AWAIT_APPROVAL} and self.completed_at is None

    @property
    def waits(self) -> bool:
        """A person is asked, or has answered, and nothing came of it yet."""
        return self.decision is Decision.AWAIT_APPROVAL and self.applied_at is None and self.completed_at is None

    @property
    def acted(self) -> bool:
        """An action was meant on the workload, or done after an approval (a notification changes nothing)."""
        return (self.decision is Decision.ACT or self.applied_at is not None) and self.action.writes

    @property
    def open(self) -> bool:
        """An action, meant or approved, whose record is not finished yet."""
        approved = self.decision is Decision.AWAIT_APPROVAL and self.approval is ApprovalDecision.APPROVED
        return (self.decision is Decision.ACT or approved) and self.completed_at is None


PatchOps = tuple[Mapping[str, Any], ...]
"""Operations of RFC 6902, in order."""


@dataclass(frozen=True, slots=True)
class Action:
    """A remedy planned against the live target: everything a record needs before the action."""

    kind: ActionKind
    remedy: str
    target: TargetKey
    target_uid: str
    message: str
    before: Facts
    intended: Facts
    patch: PatchOps = ()
    inverse: PatchOps = ()
    release: str = ""
    """Rollback: name of the kept release whose template stands for its hash in the patch."""
    undoes: str = ""
    """Name of the ChangeEvent that this action takes back."""
    reason: str = ""
    """CamelCase reason of the record; empty: the finding's."""
    patched: ScalerKey | None = None
    """The autoscaler that the patch is for; None: it is for the target itself."""


@dataclass(frozen=True, slots=True)
class Infeasible:
    """A remedy that cannot be planned against the live target; the ladder goes on with the next one."""

    reason: str
    message: str


class Then(StrEnum):
    """What a refusal means for the ladder."""

    WAIT = "Wait"
    NEXT = "Next"
    ESCALATE = "Escalate"
    ADVISE = "Advise"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A guard's no: the reason in one CamelCase word, and in a sentence with its numbers."""

    reason: str
    message: str
    then: Then = Then.WAIT
