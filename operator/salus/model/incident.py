"""Incident: one target being unhealthy by one policy, from the first breach to recovery or hand-over."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from salus.model.meta import Conditions, ObjectRef, WorkloadRef
from salus.model.policy import Severity
from salus.model.scalars import Count, DnsLabel, DnsName, Generation, LongText, Resource, Rule, ShortText, Time


class Phase(StrEnum):
    """Where an incident stands. Resolved is the end; Escalated waits for people or for recovery."""

    OPEN = "Open"
    AWAITING_APPROVAL = "AwaitingApproval"
    REMEDIATING = "Remediating"
    VERIFYING = "Verifying"
    RESOLVED = "Resolved"
    ESCALATED = "Escalated"


class BlameKind(StrEnum):
    """What kind of change came just before the breach."""

    RELEASE = "Release"
    SCALE = "Scale"
    AUTOSCALER = "Autoscaler"
    CONFIG_MAP = "ConfigMap"
    CONFIGURATION = "Configuration"
    NODE = "Node"
    UNKNOWN = "Unknown"


class Confidence(StrEnum):
    """How sure the blame is."""

    HIGH = "High"
    MEDIUM = "Medium"
    LOW = "Low"


class Blame(Resource):
    """What changed just before the breach."""

    kind: BlameKind
    """Kind of change."""
    revision: ShortText = ""
    """Revision of the release, as the workload counts it."""
    started_at: Time | None = None
    """When that change began."""
    confidence: Confidence
    """How sure Salus is."""
    message: LongText
    """The evidence in a sentence."""


class Attempt(Resource):
    """One remedy that was tried, advised, rehearsed or refused in this incident."""

    remedy: ShortText = ""
    """Name of the remedy; empty for the call to people at the end of the ladder."""
    change_ref: DnsName
    """Name of the ChangeEvent."""
    decision: ShortText
    """Act, DryRun, AwaitApproval, Advise or Refuse."""
    reason: ShortText = ""
    """Why, in one word."""
    outcome: ShortText = ""
    """How it ended; empty while it is under way."""
    at: Time
    """When it was decided."""


class IncidentSpec(Resource):
    """What the incident is about; never changes."""

    RULES: ClassVar = (Rule("self == oldSelf", "an incident's spec never changes", lambda _: True),)
    format: Count | None = None
    """How this record is to be read; absent: 0, as Salus wrote before it counted."""
    policy_ref: ObjectRef
    """The policy that says so."""
    target_ref: WorkloadRef
    """The workload that is unhealthy."""
    opened_at: Time
    """When the breach began."""
    severity: Severity = Severity.WARNING
    """How loud it is."""
    without_data: Annotated[tuple[DnsLabel, ...], Field(max_length=16)] = ()
    """Checks without data when it was opened, and in the hour before the breach: it can be over without theirs."""


class IncidentStatus(Resource):
    """How the incident goes."""

    observed_generation: Generation = -1
    """The spec generation that this status speaks of; -1 until it was seen."""
    phase: Phase = Phase.OPEN
    """Open, AwaitingApproval, Remediating, Verifying, Resolved or Escalated."""
    conditions: Conditions = ()
    """Acknowledged, Verified."""
    checks: Annotated[tuple[DnsLabel, ...], Field(max_length=16)] = ()
    """Names of the checks that were unhealthy in this incident."""
    blame: Blame | None = None
    """What changed just before."""
    attempts: Annotated[tuple[Attempt, ...], Field(max_length=64)] = ()
    """What was tried, oldest first; the newest 64."""
    attempt_count: Count = 0
    """How many there were in all."""
    detected_at: Time | None = None
    """When Salus saw it."""
    first_action_at: Time | None = None
    """When Salus first acted."""
    told_by: ShortText = ""
    """By what people were told: the ChangeEvent, or the reason of what holds back many targets; empty: not yet."""
    healthy_since: Time | None = None
    """Since when all checks are healthy, while the incident waits whether it lasts."""
    relapses: Count = 0
    """How often the target fell ill again while it waited so."""
    relapsed_at: Time | None = None
    """When it did last."""
    resolved_at: Time | None = None
    """When it was over."""
    resolution: ShortText = ""
    """How it ended, in one word."""
    message: LongText = ""
    """How it stands, in a sentence."""
