"""KeptRelease: a pod template that was healthy, or that a rollback took away, kept so that it can be put back.

A kind of its own, and not the ControllerRevisions that every StatefulSet and DaemonSet lives by: who may write those
may put any template under any controller (docs/decisions/0029). Only `spec.withdrawal` may be set later, once.
"""

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field

from salus.model.meta import WorkloadRef
from salus.model.scalars import Count, DnsName, Flag, Generation, LongText, Resource, Rule, ShortText, Time

FORMAT = 1
"""Of what is kept; what an older Salus kept is taken over into it."""


class ProvenBy(StrEnum):
    """Whose checks said that a release is healthy."""

    ACTING = "Acting"
    OBSERVE = "Observe"


class KeptWorkload(Resource):
    """What is kept of the workload."""

    spec: Annotated[Any, Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})]
    """Its spec as it was, with everything that stands in the pod template, environment included."""


class Withdrawal(Resource):
    """A person's word that this release must not come back."""

    by: Annotated[str, Field(min_length=1, max_length=256)]
    """The person's user name."""
    reason: Annotated[LongText, Field(min_length=1)]
    """Why, in a sentence."""
    at: Time | None = None
    """When."""


def _unchanged(name: str) -> Rule:
    return Rule(
        f"has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || self.{name} == oldSelf.{name})",
        f"{name} is part of what was kept and never changes",
        lambda _: True,
        field=f".{name}",
    )


class KeptReleaseSpec(Resource):
    """What was kept; never changes but for one withdrawal."""

    RULES: ClassVar = (
        *(_unchanged(name) for name in ("format", "targetRef", "release", "workload", "keptAt", "takenOver")),
        Rule(
            "!has(oldSelf.withdrawal) || (has(self.withdrawal) && self.withdrawal == oldSelf.withdrawal)",
            "a withdrawal is made once and never changes",
            lambda _: True,
            field=".withdrawal",
        ),
    )
    format: Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
    """Version of what is written here; what is newer than Salus knows is left alone."""
    target_ref: WorkloadRef
    """The workload that this is a release of."""
    release: Annotated[str, Field(min_length=64, max_length=64, pattern="^[0-9a-f]{64}$")]
    """SHA-256 of the pod template, without what a restart or a controller adds."""
    workload: KeptWorkload
    """The workload itself."""
    kept_at: Time
    """When it was kept."""
    taken_over: DnsName | None = None
    """The ControllerRevision in which an older Salus kept it."""
    withdrawal: Withdrawal | None = None
    """The one field that a person may set, once: no rollback, and no undo of one, brings this release back."""


class KeptReleaseStatus(Resource):
    """How the release fared."""

    observed_generation: Generation = -1
    """The spec generation that this status speaks of; -1 until it was seen."""
    healthy_at: Time | None = None
    """When it was last proven healthy; absent: never."""
    healthy_replicas: Count | None = None
    """How many replicas it had then; noted where a remedy may go back to them (scale.to: LastHealthy)."""
    git_holds_replicas: Flag = False
    """Git named them then; whoever scales by hand takes the sign of that away."""
    proven_by: ProvenBy | None = None
    """Acting: a policy that may act was among those that proved it. Observe: only rehearsals go back to it."""
    quarantined_by: ShortText = ""
    """The ChangeEvent that took it away."""
    orphaned_at: Time | None = None
    """Since when the workload is not there any more."""
