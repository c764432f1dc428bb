"""What every function of a step gets: the ports, the policy, and what is remembered of its target."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Self

from salus.core.guards.permissions import REMEDIATOR
from salus.core.objects.stamps import KNOWN
from salus.core.records import changes as records
from salus.core.records import names
from salus.core.records.fleet import FleetView
from salus.core.remedy.approvals import DEFAULT_EXPIRY
from salus.model.policy import Mode
from salus.model.scalars import Body
from salus.model.values.changes import Change
from salus.model.values.configuration import Bounds, Sink, Stamps, Switches
from salus.model.values.keys import PolicyKey, TargetKey
from salus.model.values.objects import Workload
from salus.model.values.policies import Policy
from salus.ports import (
    Account,
    Accounts,
    Clock,
    Cluster,
    MetricHistory,
    MetricSource,
    Notice,
    Recorder,
    Telemetry,
    Workloads,
)
from salus.reconcile.cases import Case
from salus.reconcile.records.outbox import Outbox
from salus.reconcile.records.store import RecordStore


@dataclass(frozen=True, slots=True)
class Context:
    """Every port of the loop, chosen by `bootstrap`."""

    cluster: Cluster
    """What the operator reads and records as itself."""
    accounts: Accounts
    """Who writes to workloads."""
    workloads: Workloads
    metrics: MetricSource
    history: MetricHistory
    recorder: Recorder
    telemetry: Telemetry
    clock: Clock
    switches: Callable[[], Switches]
    records: RecordStore
    """What is on record."""
    is_known: Callable[[PolicyKey], bool]
    """Whether a policy of this name is in use; a change of one that is not is finished as it stands."""
    operator: str = "salus"
    """Version and instance, for the records."""
    default_service_account: Callable[[], str] = lambda: REMEDIATOR
    """The account that acts where a policy names none."""
    approval_expiry: Callable[[], timedelta] = lambda: DEFAULT_EXPIRY
    """How long a person may take to answer."""
    mode_cap: Mode = Mode.ENFORCE
    """No policy's mode counts as bolder than this."""
    namespaces: tuple[str, ...] = ()
    """The namespaces that are watched; empty: all."""
    worked_at: set[tuple[PolicyKey, TargetKey]] = field(default_factory=set)
    """Where a step of a policy on a target runs now: it ends its own change, whatever becomes of the policy."""
    is_measured: Callable[[PolicyKey], bool] = lambda _: True
    """Whether a policy that is known can be used, and is within the caps of its namespace."""
    sinks: Callable[[], Mapping[str, Sink]] = dict
    """Places that records are sent to, by name."""
    bounds: Callable[[], Bounds] = Bounds
    """How much of Salus one namespace may take, and how long an incident stays open."""
    stamps: Stamps = KNOWN
    """What in a pod template makes no release. Read at start only: it is in what is watched."""
    shows: Callable[[Change], bool] = lambda _: True
    """Whether the world shows what a change has done to it; the past of a replay shows what was done then, alone."""
    taken_over: set[TargetKey] = field(default_factory=set)
    """Targets of which nothing is left to be taken over from an older Salus."""
    fleet: FleetView = field(default_factory=FleetView)
    outbox: Outbox = field(default_factory=Outbox)
    defects: dict[tuple[str, PolicyKey, type[BaseException]], datetime] = field(default_factory=dict)
    """When a defect was logged last, by its stage, the policy that met it, and its kind."""

    def __post_init__(self) -> None:
        self.records.follow(self.fleet)
        self.records.follow(self.outbox)


def account_of(context: Context, policy: Policy) -> str:
    """Name of the service account that acts for this policy, in the policy's own namespace."""
    return policy.spec.service_account_name or context.default_service_account()


def identity_of(context: Context, policy: Policy) -> str:
    """The user name that acts for this policy, for the records."""
    return f"system:serviceaccount:{policy.key.namespace}:{account_of(context, policy)}"


def client_for(context: Context, policy: Policy) -> Account:
    """The one way in which anything is written for this policy that is not Salus' own."""
    return context.accounts.of(policy.key.namespace, account_of(context, policy))


@dataclass(frozen=True, slots=True)
class Step:
    """One policy on one target, at one tick. How they stand is read from the records, at every question anew."""

    context: Context
    policy: Policy
    case: Case

    @property
    def now(self) -> datetime:
        """The time, from the one clock."""
        return self.context.clock.now()

    @property
    def namespace(self) -> str:
        """That of the policy, of its target, and of all their records."""
        return self.policy.key.namespace

    @property
    def target(self) -> TargetKey:
        """The workload, by identity."""
        return self.case.target

    @property
    def changes(self) -> tuple[Change, ...]:
        """The records of the target, over all policies, oldest first."""
        return self.context.records.changes_of(self.case.target)

    @property
    def incident(self) -> Body | None:
        """The open incident of this policy and target."""
        return self.context.records.open_incident(self.policy.key, self.case.target)

    @property
    def of_incident(self) -> list[Change]:
        """The records of the open incident."""
        return records.of_incident(self.changes, self.incident)

    @property
    def of_breach(self) -> list[Change]:
        """What was decided in the breach that lasts, on record or not."""
        return [*self.of_incident, *self.case.unwritten]

    async def tell(self, reason: str, note: str, *, workload: Workload | None = None, warning: bool = False) -> None:
        """Post the Event regarding the workload, and the one regarding the policy."""
        policy, target = names.policy_reference(self.policy), _reference(self.target, workload)
        for regarding, related in ((target, policy), (policy, target)):
            await self.context.recorder.post(
                Notice(regarding=regarding, reason=reason, action="Heal", note=note, warning=warning, related=related)
            )


@dataclass(frozen=True, slots=True)
class Came:
    """What has come of the moves of a step so far, besides what is on record."""

    workload: Workload
    """The target, as it was seen last."""
    intended: str = ""
    """Name of the change whose intent was put on record just now."""
    ended: bool = False
    """A change has come to its end."""
    rests: bool = False
    """That was all for this step."""

    def at_rest(self) -> Self:
        """There is nothing more to do in this step."""
        return replace(self, rests=True)

    def at_end(self) -> Self:
        """A change has come to its end; what follows from that is still to be done."""
        return replace(self, intended="", ended=True)

    def meaning(self, change: Change) -> Self:
        """The intent of this change is on record, and nothing else of it."""
        return replace(self, intended=change.name)


def _reference(target: TargetKey, workload: Workload | None) -> Mapping[str, str]:
    """A workload, as an Event refers to it."""
    return {
        "apiVersion": "apps/v1",
        "kind": target.kind.value,
        "namespace": target.namespace,
        "name": target.name,
        "uid": workload.uid if workload else "",
    }
