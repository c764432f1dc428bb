"""Everything that a guard may look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from salus.model.change import ManagedBy
from salus.model.policy import Mode
from salus.model.scalars import Body
from salus.model.values.changes import Change
from salus.model.values.configuration import Switches
from salus.model.values.fleet import Fleet
from salus.model.values.metrics import Finding
from salus.model.values.objects import Admission, Autoscaler, Disruption, Release, Revision, Workload
from salus.model.values.permissions import Permissions
from salus.model.values.surroundings import Existing, Surroundings


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything a guard may look at, gathered first so that judging is pure."""

    now: datetime
    workload: Workload
    findings: tuple[Finding, ...]
    body: Body = field(default_factory=dict, compare=False, repr=False)
    """The workload as the API server gives it, to make patches for; empty where it was not read."""
    changes: tuple[Change, ...] = ()
    """All records of this target, over all policies, oldest first."""
    unseen: frozenset[str] = frozenset()
    """Names of those whose effect the world does not show: in a replay the past is what it was."""
    newest: int = 0
    """The highest number among the records with the target's label, whosever they are, at the time of `changes`.

    The next record gets the number after it, which is free only if nobody has decided anything since.
    """
    autoscalers: tuple[Autoscaler, ...] | None = ()
    """What scales this target; None when it could not be read."""
    managed_by: ManagedBy | None = None
    follower: str = ""
    """`Kind/name` of what takes the target's template and rolls it out itself, if any."""
    git_holds_replicas: bool = False
    """The desired state that a GitOps tool applies names `spec.replicas`."""
    releases: tuple[Release, ...] = ()
    """Kept releases of this target, newest known healthy first."""
    history: tuple[Revision, ...] = ()
    """The workload's own history, as far as its controller keeps it, oldest first."""
    moved_at: datetime | None = None
    """When the pods of a rollout were last seen to move; None where nobody has looked."""
    release_started_at: datetime | None = None
    """When the live release began, as far as the workload's own history tells."""
    existing: Existing = field(default_factory=dict)
    """What there is of that to which the kept templates refer; read where one of them may be put back."""
    surroundings: Surroundings = field(default_factory=Surroundings)
    switches: Switches = field(default_factory=Switches)
    fleet: Fleet | None = field(default_factory=Fleet)
    """None when the records could not be read."""
    disruptions: tuple[Disruption, ...] | None = ()
    """None when they could not be read."""
    admission: Admission = field(default_factory=Admission)
    """Whether new pods of the live template are let in."""
    comebacks: Mapping[str, Admission] = field(default_factory=dict)
    """The same of the good releases, by the name of the KeptRelease."""
    permissions: Permissions | None = field(default_factory=Permissions)
    """None when the API server did not say."""
    mode_cap: Mode = Mode.ENFORCE
    """No policy's mode counts as bolder than this."""
