"""Workloads and what belongs to them, reduced to what decisions need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from salus.model.change import Facts, ManagedBy
from salus.model.meta import AutoscalerKind, WorkloadKind
from salus.model.scalars import Body
from salus.model.values.keys import ScalerKey, TargetKey

JOINT = "+"
"""Between the two names of a release in a record."""


def _named(template: str, release: str) -> str:
    """A release as records name it: its template, and what that is without the stamps of tools, where it has any."""
    return release if template in {"", release} else f"{template}{JOINT}{release}"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that a label selector asks for."""

    key: str
    operator: str
    """In, NotIn, Exists, DoesNotExist."""
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selector:
    """A label selector; one that asks for nothing selects everything."""

    requirements: tuple[Requirement, ...] = ()


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
    """SHA-256 of what can be at fault in the pod template: a restart, or a stamp that a tool puts there, is none."""
    template_hash: str = ""
    """SHA-256 of the template itself, where that is another."""
    configuration: str = ""
    """One word for the checksums of configuration that the template carries; empty: it carries none."""
    images: tuple[str, ...] = ()
    restarted_at: str = ""
    paused: bool = False
    update_strategy: str = "RollingUpdate"
    partition: int = 0
    """StatefulSet: pods below this number are left on an older template."""
    tolerated: int = 0
    """StatefulSet, DaemonSet: pods that its own strategy lets be missing."""
    ordered: bool = False
    """StatefulSet: one pod after the other, each waits until the one before is ready."""
    history_limit: int = 10
    """How many of its old releases the workload's own controller keeps."""
    labels: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    """`Kind/name` of the controller that keeps it as it is, if any."""
    rolled_out_since: datetime | None = None
    """When the last rollout finished, as the workload's own status tells."""
    progressed_at: datetime | None = None
    """When the newest rollout last made progress, or finished."""
    replica_failure: str = ""
    """Message of the ReplicaFailure condition while pods cannot be created."""
    settled: bool = False
    """By its controller's own word no rollout is on its way: it has ended, was given up, or is left to people."""
    has_deadline: bool = False
    """Its controller gives up on a rollout that makes no progress, and says so."""
    deleting: bool = False

    @property
    def named(self) -> str:
        """The release, as records name it."""
        return _named(self.template_hash, self.release)

    @property
    def proves(self) -> str:
        """What its health proves to be good: this release, with this configuration."""
        return f"{self.release} {self.configuration}"

    @property
    def rolled_out(self) -> bool:
        """Every replica runs the newest template and is available, but for those that its strategy tolerates.

        What is missing may be of the older template: the pod of a dead node cannot be replaced. What serves may not.
        """
        return (
            self.observed_generation >= self.generation
            and self.available >= self.replicas - self.tolerated
            and self.updated >= min(self.available, self.replicas)
            and self.total <= self.replicas
        )

    @property
    def rolling_out(self) -> bool:
        """A new template is on its way to the replicas; pods that are merely down do not count.

        Nor do those that are left on an older template on purpose (`OnDelete`, `partition`), nor a rollout that
        Kubernetes has given up on. Of a DaemonSet only pods that are available count: one on a dead node stays.
        """
        if self.observed_generation < self.generation:
            return True
        if self.settled:
            return False
        if self.key.kind is WorkloadKind.DAEMON_SET:
            return self.updated < self.available
        return self.updated < self.replicas - self.partition or self.total > self.replicas

    @property
    def rollout(self) -> tuple[object, ...]:
        """What a rollout moves; while this stays the same it makes no progress."""
        return self.uid, self.generation, self.observed_generation, self.updated, self.ready, self.available, self.total

    def facts(
        self,
        *,
        replicas: int | None = None,
        release: str | None = None,
        restarted_at: str | None = None,
        minimum: int | None = None,
        images: Sequence[str] = (),
    ) -> Facts:
        """The allow-listed facts for a record, with what an action would make of them.

        `minimum` is the minimum of the workload's autoscaler, for a change of that; `images` are those of `release`.
        """
        changed = release is not None and release != self.named
        return Facts(
            replicas=self.replicas if replicas is None else replicas,
            min_replicas=minimum,
            release=self.named if release is None else release,
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
    """That of `Workload.release`."""
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
    healthy_replicas: int = 0
    """How many replicas it had when it was last healthy; 0: nobody has noted it."""
    git_holds_replicas: bool = False
    """Git named them then."""
    template_hash: str = ""
    """SHA-256 of the template itself: the name by which it is kept."""
    checksums: tuple[tuple[str, str], ...] = ()
    """What in it speaks for the content of configuration, by the place of each."""
    doubles: "tuple[Release, ...]" = ()
    """The same release with other stamps, kept before they were known for what they are."""

    @property
    def named(self) -> str:
        """As records name it."""
        return _named(self.template_hash, self.hash)

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
    uid: str = ""
    """Of the object; a ReplicaSet controls the pods that it made."""
    template_hash: str = ""
    """SHA-256 of the template itself, but for what a restart adds to it."""
    checksums: tuple[tuple[str, str], ...] = ()
    """What in it speaks for the content of configuration, by the place of each."""
    restarted_at: str = ""
    """What the restart that made it has added."""

    @property
    def named(self) -> str:
        """As records name it."""
        return _named(self.template_hash, self.release)


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """An HPA or ScaledObject that owns the replicas of a target."""

    key: ScalerKey
    minimum: int | None
    """The minimum as it is written; None where the field is absent."""
    max_replicas: int
    owner: str = ""
    """`Kind/name` of the controller that owns it, if any: KEDA makes an HPA of each ScaledObject."""
    paused: str = ""
    """Key of the annotation that keeps it from scaling out, if there is one."""
    managed_by: ManagedBy | None = None
    git_holds_minimum: bool = False
    """The desired state that a GitOps tool applies names the minimum."""
    body: Body = field(default_factory=dict, compare=False, repr=False)
    """The object itself, to make patches for."""

    @property
    def min_replicas(self) -> int:
        """The minimum that holds: what is written, or 1 for an HPA and 0 for a ScaledObject."""
        if self.minimum is not None:
            return self.minimum
        return 1 if self.key.kind is AutoscalerKind.HPA else 0


@dataclass(frozen=True, slots=True)
class Disruption:
    """A PodDisruptionBudget over the target's pods."""

    name: str
    allowed: int | None
    """Pods that may go now; None while its controller has not said."""
    beside: str = ""
    """Another one over the same pod: no pod that two of them guard is ever evicted."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What a ResourceQuota leaves free, by its own names (`pods`, `requests.cpu`, …); less than 0: overdrawn."""

    name: str
    free: Mapping[str, Decimal]
    unsaid: str = ""
    """What it counts and the pods do not say, so that none of them is let in."""
    given_back: tuple[Mapping[str, Decimal], ...] = ()
    """What each of the pods that go takes, as far as it counts that pod."""


@dataclass(frozen=True, slots=True)
class Headroom:
    """What new pods of one template would find."""

    quotas: tuple[Quota, ...] = ()
    pod: Mapping[str, Decimal] = field(default_factory=dict)
    """What one pod takes, by the names that quotas use; a name that is missing is asked for by nobody."""
    comes: int = 1
    """Pods of the template that have to be made, so that there are as many as are wanted."""
    goes_first: int = 1
    """Of those that go for them, how many go before any other has to be ready."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether the namespace of the target lets pods of one template in."""

    refused: str | None = ""
    """Why it would let none in, beside quotas; None when that cannot be told."""
    headroom: Headroom | None = field(default_factory=Headroom)
    """None when it could not be read."""
