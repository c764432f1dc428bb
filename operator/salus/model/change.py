"""ChangeEvent: the record of one decision, written before the action. Only `spec.approval` may be set later, once."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from salus.model.meta import AutoscalerRef, Conditions, ObjectRef, WorkloadRef
from salus.model.policy import ChangeInfo, OnFailure, SinkNames
from salus.model.scalars import (
    Count,
    DnsLabel,
    DnsName,
    Duration,
    Generation,
    LongText,
    MapList,
    Reason,
    Resource,
    Rule,
    ShortText,
    Time,
)


class Decision(StrEnum):
    """What Salus decided to do about a remedy."""

    ACT = "Act"
    DRY_RUN = "DryRun"
    AWAIT_APPROVAL = "AwaitApproval"
    ADVISE = "Advise"
    REFUSE = "Refuse"


class ActionKind(StrEnum):
    """What an action does to the workload."""

    SCALE = "Scale"
    RESTART = "Restart"
    ROLLBACK = "Rollback"
    RESTORE = "Restore"
    NOTIFY = "Notify"

    @property
    def writes(self) -> bool:
        """Whether it changes anything; a notification tells people, and is its own end."""
        return self is not ActionKind.NOTIFY


class Outcome(StrEnum):
    """How a change ended."""

    RECOVERED = "Recovered"
    NOT_RECOVERED = "NotRecovered"
    INCONCLUSIVE = "Inconclusive"
    WORSE = "Worse"
    FAILED = "Failed"
    CONTESTED = "Contested"
    UNDONE = "Undone"
    UNDO_SKIPPED = "UndoSkipped"
    ABANDONED = "Abandoned"
    EXPIRED = "Expired"


class ApprovalDecision(StrEnum):
    """What a person said."""

    APPROVED = "Approved"
    DENIED = "Denied"


class Evidence(Resource):
    """What a check said when this was decided."""

    check: DnsLabel
    """Name of the check."""
    query: Annotated[str, Field(max_length=2048)]
    """The PromQL as it was asked, cut to 2,048 characters."""
    value: ShortText = ""
    """The answer."""
    threshold: ShortText = ""
    """The bound it crossed."""
    since: Time | None = None
    """Beyond the bound since."""
    observed_at: Time
    """Time of the measurement."""


class Facts(Resource):
    """Allow-listed facts about a workload; never its environment or its template."""

    replicas: Count | None = None
    """The number of replicas asked for."""
    min_replicas: Count | None = None
    """The minimum that the workload's autoscaler has written down, where that is what is changed; absent: none."""
    release: ShortText = ""
    """Hash of the pod template, as Salus counts releases."""
    restarted_at: ShortText = ""
    """The template's restartedAt annotation."""
    generation: Count | None = None
    """Generation of the workload."""
    images: Annotated[tuple[Annotated[str, Field(max_length=512)], ...], Field(max_length=20)] = ()
    """Images of its containers."""


class PatchOp(Resource):
    """One operation of a JSON Patch (RFC 6902)."""

    op: Literal["test", "add", "replace", "remove"]
    """test, add, replace or remove."""
    path: Annotated[str, Field(max_length=512)]
    """JSON pointer."""
    value: Annotated[Any, Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})] = None
    """The value; a pod template is named by its release, never copied."""


class ManagedBy(Resource):
    """The tool that owns the workload's desired state, if one was seen."""

    tool: ShortText = ""
    """ArgoCD, Flux, Helm, kubectl, Operator or empty."""
    ref: ShortText = ""
    """Its name for what holds the workload."""


class Actor(Resource):
    """Who decided and who wrote."""

    operator: ShortText = ""
    """The Salus that decided: version and instance."""
    identity: ShortText = ""
    """The account that wrote; empty for the operator's own."""


class TakeBack(Resource):
    """When this change is taken back: as the policy said when it was decided, whatever it says since."""

    on_failure: OnFailure
    """Undo: when it did not help. Keep: never."""
    revert_after: Duration | None = None
    """A scaling that helped is given back after so long in health; absent: it stays."""


class Proof(Resource):
    """By what this change is verified: as the policy said when it was decided, whatever it says since."""

    settle: Duration
    """Samples younger than this after the action do not count."""
    stable: Duration
    """The checks must stay healthy for so long."""
    timeout: Duration
    """After this the change did not help."""
    checks: Annotated[str, Field(min_length=64, max_length=64)]
    """SHA-256 of the policy's source, interval and checks; the answers to others prove nothing of this change."""
    unjudged: Annotated[tuple[DnsLabel, ...], Field(max_length=16)] = ()
    """Checks that were neither healthy nor unhealthy then: that one is unhealthy afterwards makes nothing worse."""
    without_data: Annotated[tuple[DnsLabel, ...], Field(max_length=16)] = ()
    """Checks that had no data before the fault either: they need none for the change to have helped."""


class Approval(Resource):
    """What a person said of this change."""

    decision: ApprovalDecision
    """Approved or Denied."""
    by: Annotated[str, Field(min_length=1, max_length=256)]
    """The person's user name."""
    digest: Annotated[str, Field(min_length=1, max_length=256)]
    """The record's own `digest`: what was approved, and nothing else."""
    at: Time | None = None
    """When."""
    ticket: ShortText = ""
    """A ticket to refer to."""
    reason: ShortText = ""
    """Why, in their words."""


_IMMUTABLE = [
    "format",
    "decision",
    "action",
    "reason",
    "message",
    "policyRef",
    "incidentRef",
    "targetRef",
    "patchedRef",
    "remedy",
    "sequence",
    "evidence",
    "before",
    "intended",
    "patch",
    "inverse",
    "undoes",
    "takeBack",
    "proof",
    "sinks",
    "managedBy",
    "actor",
    "change",
    "decidedAt",
    "expiresAt",
    "digest",
]


def _unchanged(name: str) -> Rule:
    return Rule(
        f"has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || self.{name} == oldSelf.{name})",
        f"{name} is part of the record and never changes",
        lambda _: True,
        field=f".{name}",
    )


class ChangeEventSpec(Resource):
    """The decision, as it was taken; never changes but for one approval."""

    RULES: ClassVar = (
        *(_unchanged(name) for name in _IMMUTABLE),
        Rule(
            "!has(oldSelf.approval) || (has(self.approval) && self.approval == oldSelf.approval)",
            "approval is given once and never changes",
            lambda _: True,
            field=".approval",
        ),
        Rule(
            "!has(self.approval) || self.decision == 'AwaitApproval'",
            "only a change that awaits approval can be approved",
            lambda s: s.approval is None or s.decision is Decision.AWAIT_APPROVAL,
            field=".approval",
        ),
        Rule(
            "!has(self.approval) || self.approval.digest == self.digest",
            "approval.digest must repeat spec.digest: it binds the approval to this target and this patch",
            lambda s: s.approval is None or s.approval.digest == s.digest,
            field=".approval",
        ),
    )
    format: Count | None = None
    """How this record is to be read; absent: 0, as Salus wrote before it counted."""
    decision: Decision
    """Act, DryRun, AwaitApproval, Advise or Refuse."""
    action: ActionKind
    """Scale, Restart, Rollback, Restore or Notify."""
    reason: Reason
    """Why, in one word; for a refusal the guard's reason."""
    message: LongText
    """Why, in a sentence."""
    policy_ref: ObjectRef
    """The policy that allows or forbids it."""
    incident_ref: ObjectRef | None = None
    """The incident it belongs to."""
    target_ref: WorkloadRef
    """The workload."""
    patched_ref: AutoscalerRef | None = None
    """The autoscaler that is patched in the workload's place; absent: the workload itself is."""
    remedy: ShortText = ""
    """Name of the remedy in the policy."""
    sequence: Annotated[Count, Field(ge=1)]
    """Counts this target's records without a gap, over all policies and incidents."""
    decided_at: Time
    """When it was decided."""
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=16)] = ()
    """What the checks said."""
    before: Facts | None = None
    """The workload before."""
    intended: Facts | None = None
    """The workload as it should become."""
    patch: Annotated[tuple[PatchOp, ...], Field(max_length=16)] = ()
    """The patch, with the tests that guard it."""
    inverse: Annotated[tuple[PatchOp, ...], Field(max_length=16)] = ()
    """The patch that takes it back; empty where nothing can be taken back."""
    undoes: DnsName | None = None
    """The ChangeEvent that this one takes back."""
    take_back: TakeBack | None = None
    """When this change is taken back; absent: it cannot be."""
    proof: Proof | None = None
    """By what this change is verified; absent: it is not, or was written before this was."""
    sinks: SinkNames = ()
    """The sinks that are told of it, by the policy and the operator's configuration of then."""
    managed_by: ManagedBy | None = None
    """Who owns the workload's desired state."""
    actor: Actor = Actor()
    """Who decided and who wrote."""
    change: ChangeInfo = ChangeInfo()
    """What change management wants to know, from the policy."""
    expires_at: Time | None = None
    """A change that awaits approval is not done from then on, whoever approves it."""
    digest: ShortText = ""
    """A change that awaits approval: SHA-256 of its target (uid, generation), action and patch."""
    approval: Approval | None = None
    """The one field that a person may set, once."""


class Delivery(Resource):
    """The last that a sink took."""

    sink: DnsLabel
    """Name of the sink."""
    told: Literal["Started", "Finished"]
    """That the change was begun, or that it is over."""
    at: Time
    """When it took that."""


class ChangeEventStatus(Resource):
    """How it went."""

    observed_generation: Generation = -1
    """The spec generation that this status speaks of; -1 until it was seen."""
    conditions: Conditions = ()
    """Applied, Verified, Delivered."""
    outcome: Outcome | None = None
    """How it ended; empty while it is under way."""
    applied_at: Time | None = None
    """When the workload, or its autoscaler, was written."""
    completed_at: Time | None = None
    """When the outcome was known."""
    after: Facts | None = None
    """What was written, after: the workload, or the minimum of its autoscaler."""
    deliveries: Annotated[tuple[Delivery, ...], Field(max_length=8), MapList("sink")] = ()
    """By sink, the last that it took."""
    occurrences: Annotated[Count, Field(ge=1)] | None = None
    """How often this refusal was given; counted in powers of two while it lasts."""
    message: LongText = ""
    """How it went, in a sentence."""
