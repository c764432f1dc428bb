"""The values of the loop: what is asked, answered, found, proposed, planned and refused.

Frozen, comparable, free of I/O. Times are aware datetimes in UTC and always passed in, never read from a clock here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any

from salus.model.change import ActionKind, Facts, ManagedBy, Proof, TakeBack
from salus.model.meta import AutoscalerKind, WorkloadKind
from salus.model.policy import HealthPolicySpec, Mode, Threshold, Verdict
from salus.model.types import Body


@dataclass(frozen=True, slots=True, order=True)
class PolicyKey:
    """Namespace and name of a policy."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class TargetKey:
    """One workload by name."""

    namespace: str
    kind: WorkloadKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class CompiledCheck:
    """A check ready to be asked: PromQL with its placeholders still in, thresholds as numbers."""

    name: str
    template: str
    unhealthy: Threshold
    healthy: Threshold | None
    hold: timedelta
    """The policy's `for`."""
    on_no_data: Verdict
    target_label: str | None
    window: timedelta
    """The widest range selector of the query; a deed shows in full only after it."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A HealthPolicy compiled once a generation."""

    key: PolicyKey
    uid: str
    generation: int
    spec: HealthPolicySpec
    """With every window that is below the operator's minimum raised to it."""
    checks: tuple[CompiledCheck, ...]
    raised: tuple[str, ...] = ()
    """What was raised, each in a sentence."""
    created: str = ""
    """When it was made, as the API server writes it: the older ones of a namespace come first."""


@dataclass(frozen=True, slots=True)
class Minimums:
    """Windows that no policy goes below, whatever it says: the operator's administrator pays for what it costs."""

    interval: timedelta = timedelta(0)
    hold: timedelta = timedelta(0)
    """Of a check's `for`."""
    cooldown: timedelta = timedelta(0)
    per: timedelta = timedelta(0)
    settle: timedelta = timedelta(0)
    stable: timedelta = timedelta(0)
    bake: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of Salus one namespace may take, and how long an incident stays open after the last breach."""

    policies: int = 500
    targets: int = 2000
    """Of all policies together; a workload of two policies counts twice."""
    records_per_hour: int = 120
    """Refusals, advice, rehearsals and incidents; what is done is recorded in any case."""
    hold_down: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Question:
    """One instant query, for one check on one target."""

    source: str
    query: str
    stale_after: timedelta
    """A sample older than this is no data."""
    select: tuple[str, str] | None = None
    """(label, value) that picks the target's series out of an answer for all targets."""
    namespace: str = ""
    """The policy's namespace, for tenancy headers and enforced matchers."""


@dataclass(frozen=True, slots=True)
class Value:
    """A trustworthy number."""

    value: float
    sampled_at: datetime
    """Time of the newest sample behind it, as far as the source can tell; else the time of evaluation."""


@dataclass(frozen=True, slots=True)
class NoData:
    """The source answered, and has nothing (`reason` NoSeries, NotANumber, StaleSample …)."""

    reason: str
    message: str
    empty: bool = False
    """True only for an empty vector: what a check's onNoData speaks of."""


@dataclass(frozen=True, slots=True)
class Error:
    """No answer, or one that must not be trusted (`reason` Timeout, HttpError, PartialAnswer, SeveralSeries …)."""

    reason: str
    message: str


Answer = Value | NoData | Error


@dataclass(frozen=True, slots=True)
class Sample:
    """One point of a range query."""

    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Memory:
    """What one check on one target remembers between two readings; it can be recovered from Prometheus' history.

    `breached_since` and `healthy_since`: start of the present stretch, None outside one. `seen_at`: last trustworthy
    reading.
    """

    unhealthy: bool = False
    breached_since: datetime | None = None
    healthy_since: datetime | None = None
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check says of one target."""

    check: str
    verdict: Verdict
    reason: str
    message: str
    query: str
    observed_at: datetime
    threshold: str = ""
    value: float | None = None
    since: datetime | None = None
    """Unhealthy: beyond the bound since. Healthy: clear since; None while a breach is pending."""
    sampled_at: datetime | None = None
    """Time of the newest sample behind the value."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment, StatefulSet or DaemonSet, reduced to what decisions need."""

    key: TargetKey
    uid: str
    generation: int
    observed_generation: int
    replicas: int
    """Asked for; for a DaemonSet the number it wants to schedule."""
    ready: int
    updated: int
    available: int
    total: int
    """Pods that exist, old and new."""
    release: str
    """SHA-256 of the pod template without `pod-template-hash` and `restartedAt`: a restart is not a release."""
    images: tuple[str, ...] = ()
    restarted_at: str = ""
    paused: bool = False
    update_strategy: str = "RollingUpdate"
    partition: int = 0
    """StatefulSet: pods below this number are left on an older template."""
    ordered: bool = False
    """StatefulSet: one pod after the other, each waits until the one before is ready."""
    history_limit: int = 10
    """How many of its old releases the workload's own controller keeps."""
    labels: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    """`Kind/name` of the controller that owns it, if any."""
    rolled_out_since: datetime | None = None
    """When the last rollout finished, as the workload's own status tells."""
    progressed_at: datetime | None = None
    """When the newest rollout last made progress, or finished."""
    replica_failure: str = ""
    """Message of the ReplicaFailure condition while pods cannot be created."""
    deleting: bool = False

    @property
    def rolled_out(self) -> bool:
        """Every replica runs the newest template and is available."""
        return (
            self.observed_generation >= self.generation
            and self.updated >= self.replicas
            and self.available >= self.replicas
            and self.total <= self.replicas
        )

    @property
    def rolling_out(self) -> bool:
        """A new template is on its way to the replicas; pods that are merely down do not count."""
        return self.observed_generation < self.generation or self.updated < self.replicas or self.total > self.replicas

    def facts(
        self,
        *,
        replicas: int | None = None,
        release: str | None = None,
        restarted_at: str | None = None,
        floor: int | None = None,
        images: Sequence[str] = (),
    ) -> Facts:
        """The allow-listed facts for a record, with what an action would make of them.

        `floor` is the minimum of the workload's autoscaler, for a change of that; `images` are those of `release`.
        """
        changed = release is not None and release != self.release
        return Facts(
            replicas=self.replicas if replicas is None else replicas,
            min_replicas=floor,
            release=self.release if release is None else release,
            restarted_at=self.restarted_at if restarted_at is None else restarted_at,
            generation=self.generation if (replicas, release, restarted_at) == (None, None, None) else None,
            images=tuple(image[:512] for image in (images if changed else self.images)[:20]),
        )


@dataclass(frozen=True, slots=True)
class Release:
    """A pod template worth knowing: kept because it was healthy, or because a rollback took it away."""

    name: str
    """Name of the KeptRelease."""
    hash: str
    template: Mapping[str, Any]
    healthy_at: datetime | None
    """When it was last known healthy; None if never."""
    quarantined_by: str = ""
    """The ChangeEvent that took it away."""
    rehearsed: bool = False
    """Only policies that observe have proven it healthy, whose authors need no right on the workload."""
    withdrawn_by: str = ""
    """The person who said that it must not come back."""
    kept_at: datetime | None = None
    orphaned_at: datetime | None = None
    """Since when the workload is gone; None while it is there."""
    seen: bool = True
    """Its status was written."""
    uid: str = ""

    @property
    def healthy(self) -> bool:
        """Known healthy, and not taken away since."""
        return self.healthy_at is not None and not self.quarantined_by

    @property
    def good(self) -> bool:
        """Worth going back to."""
        return self.healthy and not self.withdrawn_by


@dataclass(frozen=True, slots=True)
class Revision:
    """A line of a workload's own history: a ReplicaSet of a Deployment, a ControllerRevision of the other kinds."""

    number: int
    """As the workload counts; what comes back gets a new number."""
    release: str
    """Hash of its template; a restart is a revision of the same release."""
    made_at: datetime
    """When it was first made; what comes back keeps this."""
    name: str = ""
    """Name of the object; its pods carry what follows the workload's name in it as a label."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of the target, as far as it tells how its release fares."""

    name: str
    release: str
    """Hash of its template; empty where the workload's history does not know it."""
    node: str
    made_at: datetime
    failing: str = ""
    """Why it is of no use, in a phrase; empty for a pod that is ready, is going, or may still be starting."""


@dataclass(frozen=True, slots=True)
class NodeTrouble:
    """That a node is not as it should be."""

    node: str
    what: str
    """`NotReady`, `Cordoned`, or the name of a pressure condition."""
    since: datetime | None
    """None where the node does not tell."""


@dataclass(frozen=True, slots=True)
class Edit:
    """That someone changed an object beside the workload: which one, who and when, never what is in it."""

    kind: str
    name: str
    manager: str
    at: datetime
    used: bool = True
    """Whether the workload is known to use it."""


@dataclass(frozen=True, slots=True)
class SickBefore:
    """A check that was unhealthy already when the release began that one would suspect."""

    check: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What lies around a target that is unhealthy, and may be to blame; read only when somebody asks who is."""

    pods: tuple[Pod, ...] = ()
    troubles: tuple[NodeTrouble, ...] = ()
    """Of the nodes that host the pods."""
    edits: tuple[Edit, ...] = ()
    sick_before: tuple[SickBefore, ...] = ()
    unknown: tuple[str, ...] = ()
    """What could not be read, each with the reason."""


@dataclass(frozen=True, slots=True)
class ScalerKey:
    """One autoscaler of a namespace, by identity; also where it keeps its bounds."""

    kind: AutoscalerKind
    name: str
    uid: str = ""

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @property
    def floor_field(self) -> str:
        """The field of its spec that says how few replicas there may be."""
        return "minReplicas" if self.kind is AutoscalerKind.HPA else "minReplicaCount"

    @property
    def ceiling_field(self) -> str:
        """The field of its spec that says how many replicas there may be."""
        return "maxReplicas" if self.kind is AutoscalerKind.HPA else "maxReplicaCount"


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """An HPA or ScaledObject that owns the replicas of a target."""

    key: ScalerKey
    floor: int | None
    """The minimum as it is written; None where the field is absent."""
    max_replicas: int
    owner: str = ""
    """`Kind/name` of the controller that owns it, if any: KEDA makes an HPA of each ScaledObject."""
    paused: str = ""
    """Key of the annotation that keeps it from scaling out, if there is one."""
    managed_by: ManagedBy | None = None
    git_holds_floor: bool = False
    """The desired state that a GitOps tool applies names the minimum."""
    body: Body = field(default_factory=dict, compare=False, repr=False)
    """The object itself, to make patches for."""

    @property
    def min_replicas(self) -> int:
        """The minimum that holds: what is written, or 1 for an HPA and 0 for a ScaledObject."""
        if self.floor is not None:
            return self.floor
        return 1 if self.key.kind is AutoscalerKind.HPA else 0


@dataclass(frozen=True, slots=True)
class PastChange:
    """A ChangeEvent, reduced to what limits and verification need."""

    name: str
    uid: str
    sequence: int
    decision: str
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
    outcome: str = ""
    undoes: str = ""
    occurrences: int = 1
    message: str = ""
    note: str = ""
    """What the record says of how it goes, or went."""
    evidence: tuple[tuple[str, float | None], ...] = ()
    """(check, value) of what was unhealthy then."""
    before: Facts | None = None
    intended: Facts | None = None
    approval: str = ""
    """Approved, Denied or empty."""
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
        return self.decision in {"Act", "AwaitApproval"} and self.completed_at is None

    @property
    def waits(self) -> bool:
        """A person is asked, or has answered, and nothing came of it yet."""
        return self.decision == "AwaitApproval" and self.applied_at is None and self.completed_at is None

    @property
    def acted(self) -> bool:
        """A deed was meant on the workload, or done after an approval (a notification changes nothing)."""
        return (self.decision == "Act" or self.applied_at is not None) and self.action.writes

    @property
    def open(self) -> bool:
        """A deed, meant or approved, whose record is not finished yet."""
        meant = self.decision == "Act" or (self.decision == "AwaitApproval" and self.approval == "Approved")
        return meant and self.completed_at is None


PatchOps = tuple[Mapping[str, Any], ...]
"""Operations of RFC 6902, in order."""


@dataclass(frozen=True, slots=True)
class Action:
    """A remedy planned against the live target: everything a record needs before the deed."""

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


@dataclass(frozen=True, slots=True)
class Freeze:
    """A window in which nothing new is done: between two local times, or for a while after each firing of a cron."""

    name: str
    time_zone: str
    """IANA name, such as Europe/Berlin; everything else here is said in its local time."""
    begins: datetime | None = None
    """Naive; the first of the two where the clocks go back."""
    ends: datetime | None = None
    """Naive, not included; the second of the two where the clocks go back."""
    cron: str = ""
    lasts: timedelta = timedelta(0)
    """Elapsed time from each firing of `cron`."""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Budget:
    """At most so many actions in any window of this length: a number, or a share of the targets (at least one)."""

    actions: int | None = None
    percent: int | None = None
    per: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Brake:
    """While this share of at least so many targets is unhealthy, at most one action in `pause`."""

    percent: int = 55
    targets: int = 5
    pause: timedelta = timedelta(seconds=100)


@dataclass(frozen=True, slots=True)
class Switches:
    """What the operator's administrator has said, as of now."""

    kill_switch: bool = False
    kill_switch_message: str = ""
    freezes: tuple[Freeze, ...] = ()
    namespace_budget: Budget | None = None
    global_budget: Budget | None = None
    fleet_brake: Brake | None = None

    @property
    def stopped(self) -> str:
        """Why nothing new is done at all; empty while the kill switch is off."""
        return (self.kill_switch_message or "the operator's kill switch is on") if self.kill_switch else ""


@dataclass(frozen=True, slots=True)
class Sink:
    """Which records a place takes, as the operator's administrator has said; where it is, the adapter knows."""

    unasked: bool = True
    """Also those of policies that do not name it."""
    namespaces: frozenset[str] = frozenset()
    """Only of these; empty: of all."""
    actions: frozenset[ActionKind] = frozenset()
    """Only of these; empty: of all."""

    def serves(self, namespace: str) -> bool:
        """Whether policies of this namespace may send to it."""
        return not self.namespaces or namespace in self.namespaces

    def wants(self, action: ActionKind) -> bool:
        """Whether it takes records of this action."""
        return not self.actions or action in self.actions


@dataclass(frozen=True, slots=True)
class Deed:
    """An action that counts against budgets: done, or meant and not given up. Undos and notifications are none."""

    namespace: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Fleet:
    """All targets that count, as one tick saw them from the namespace of an action, and what was done to them of late.

    Each other namespace counts with a share that is capped (`core.fleet`).
    """

    targets: int = 0
    in_namespace: int = 0
    """Targets in the namespace of the action that is judged."""
    healthy: int = 0
    unhealthy: int = 0
    """Healthy and unhealthy; the rest is Unknown."""
    deeds: tuple[Deed, ...] = ()
    weights: Mapping[str, Fraction] = field(default_factory=dict)
    """How much a deed in a namespace counts against a share of the targets; 1 where nothing is said."""
    told: bool = False
    """Whether people were told already that the brake holds, since it came on."""


@dataclass(frozen=True, slots=True)
class Disruption:
    """A PodDisruptionBudget over the target's pods."""

    name: str
    allowed: int | None
    """Pods that may go now; None while its controller has not said."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What a ResourceQuota leaves free, by its own names (`pods`, `requests.cpu`, …)."""

    name: str
    free: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Room:
    """What more pods of the target would find."""

    quotas: tuple[Quota, ...] = ()
    pod: Mapping[str, Decimal] = field(default_factory=dict)
    """What one pod takes, by the names that quotas use; a name that is missing is asked for by nobody."""


@dataclass(frozen=True, slots=True)
class Right:
    """A verb on a kind of object, as RBAC grants it."""

    verb: str
    group: str
    """Empty for the core group."""
    resource: str
    """In the plural."""
    subresource: str = ""

    def __str__(self) -> str:
        """As `patch deployments.apps`."""
        kind = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return f"{self.verb} {kind}.{self.group}" if self.group else f"{self.verb} {kind}"


@dataclass(frozen=True, slots=True)
class Rights:
    """Whether the account of a policy may do what the policy's remedies do."""

    lacks: str = ""
    """ServiceAccountMissing or NotPermitted; empty: nothing is lacking."""
    message: str = ""
    """What is lacking, and the commands that would help."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything a guard may look at, gathered first so that judging is pure."""

    now: datetime
    workload: Workload
    findings: tuple[Finding, ...]
    body: Body = field(default_factory=dict, compare=False, repr=False)
    """The workload as the API server gives it, to make patches for; empty where it was not read."""
    changes: tuple[PastChange, ...] = ()
    """All records of this target, over all policies, oldest first."""
    newest: int = 0
    """The highest number among the records with the target's label, whosever they are, at the time of `changes`.

    The next record gets the number after it, which is free only if nobody has decided anything since.
    """
    autoscalers: tuple[Autoscaler, ...] | None = ()
    """What scales this target; None when it could not be read."""
    managed_by: ManagedBy | None = None
    git_holds_replicas: bool = False
    """The desired state that a GitOps tool applies names `spec.replicas`."""
    releases: tuple[Release, ...] = ()
    """Kept releases of this target, newest known healthy first."""
    history: tuple[Revision, ...] = ()
    """The workload's own history, as far as its controller keeps it, oldest first."""
    release_started_at: datetime | None = None
    """When the live release began, as far as the workload's own history tells."""
    surroundings: Surroundings = Surroundings()
    switches: Switches = Switches()
    fleet: Fleet | None = Fleet()
    """None when the records could not be read."""
    disruptions: tuple[Disruption, ...] | None = ()
    """None when they could not be read."""
    room: Room | None = Room()
    """None when it could not be read."""
    rights: Rights | None = Rights()
    """None when the API server did not say."""
    boldest: Mode = Mode.ENFORCE
    """No policy's mode counts as bolder than this."""
