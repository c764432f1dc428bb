"""What the shell holds: the ports, and per policy and target what it remembers between two ticks."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from salus.core.approvals import DEFAULT_EXPIRY
from salus.core.lifecycle import Standing
from salus.core.rights import REMEDIATOR
from salus.core.waiting import Held
from salus.loop.ledger import Ledger
from salus.loop.outbox import Outbox
from salus.loop.records import RecordStore
from salus.model.policy import Mode
from salus.model.values import (
    Bounds,
    Finding,
    Memory,
    PastChange,
    Policy,
    PolicyKey,
    Question,
    Refusal,
    Rights,
    SickBefore,
    Sink,
    Switches,
    TargetKey,
)
from salus.ports import Account, Accounts, Clock, Cluster, MetricHistory, MetricSource, Recorder, Telemetry, Workloads


@dataclass(frozen=True, slots=True)
class World:
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
    boldest: Mode = Mode.ENFORCE
    """No policy's mode counts as bolder than this."""
    namespaces: tuple[str, ...] = ()
    """The namespaces that are watched; empty: all."""
    is_measured: Callable[[PolicyKey], bool] = lambda _: True
    """Whether a policy that is known can be used, and is within the caps of its namespace."""
    sinks: Callable[[], Mapping[str, Sink]] = dict
    """Places that records are sent to, by name."""
    bounds: Callable[[], Bounds] = Bounds
    """How much of Salus one namespace may take, and how long an incident stays open."""
    taken_over: set[TargetKey] = field(default_factory=set)
    """Targets of which nothing is left to be taken over from an older Salus."""
    ledger: Ledger = field(default_factory=Ledger)
    outbox: Outbox = field(default_factory=Outbox)
    defects: dict[tuple[str, PolicyKey, type[BaseException]], datetime] = field(default_factory=dict)
    """When a defect was logged last, by its stage, the policy that met it, and its kind."""

    def __post_init__(self) -> None:
        self.records.follow(self.ledger)
        self.records.follow(self.outbox)


@dataclass(slots=True)
class Case:
    """One policy on one target. Everything here can be had again from the API server and Prometheus' history."""

    policy: PolicyKey
    target: TargetKey
    asked: Policy | None = None
    """The policy as it was when its checks were last asked."""
    questions: tuple[Policy, tuple[Question, ...]] | None = None
    """The policy's checks as they are asked of this target, and which wording of it they are of."""
    memories: dict[str, Memory] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    doubted: bool = False
    """Something failed: before the next step the records of the target are read anew."""
    followed: bool = False
    """The incident was brought up to its records, since this process knows of it."""
    standing: tuple[Policy, tuple[PastChange, ...], Standing] | None = None
    """How the target stands, and by which policy and records; computed once for the same ones."""
    look_again: datetime | None = None
    """When the undo or revert that something holds back is looked at again; None: nothing is held back."""
    counts: bool = False
    """The target is one of the fleet by this policy: it has pods, and the policy may act."""
    refusal: Refusal | None = None
    held: Held | None = None
    """The refusal that is waited out."""
    rights: Rights | None = None
    """What the policy's account may do, as far as it was found lately."""
    unwritten: tuple[PastChange, ...] = ()
    """What was decided and is not on record, since the namespace has had its records of this hour."""
    withheld: bool = False
    """The incident itself is not, and was counted."""
    counted: dict[str, int] = field(default_factory=dict)
    """Refusal record → how often it was given since."""
    good_release: str = ""
    """The release that is on record as the newest good one."""
    rolled_out: tuple[str, datetime] | None = None
    """The live release, and since when it is rolled out."""
    looked_back_for: str = ""
    """The change whose time since its deed this process has seen, or has asked Prometheus' history about."""
    looked_back: str = ""
    """The release for which Prometheus' history was asked already."""
    before_release: tuple[datetime, frozenset[str], tuple[SickBefore, ...]] | None = None
    """When the suspect release began, the checks that were asked about, and those that were unhealthy then already."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the step that runs."""
    leaves: bool = False
    """The policy is gone, or beyond the caps, and the case is dropped when its step is finished."""


def account_of(world: World, policy: Policy) -> str:
    """Name of the service account that acts for this policy, in the policy's own namespace."""
    return policy.spec.service_account_name or world.default_service_account()


def identity_of(world: World, policy: Policy) -> str:
    """The user name that acts for this policy, for the records."""
    return f"system:serviceaccount:{policy.key.namespace}:{account_of(world, policy)}"


def client_for(world: World, policy: Policy) -> Account:
    """The one way in which anything is written for this policy that is not Salus' own."""
    return world.accounts.of(policy.key.namespace, account_of(world, policy))
