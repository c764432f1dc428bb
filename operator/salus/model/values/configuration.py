"""What the operator's administrator says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from salus.model.change import ActionKind


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
class Binding:
    """What every selector that is sent to a source has to ask for, whoever wrote it."""

    namespace: bool = False
    """The namespace of the policy."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The same ones for all: the cluster's own label, in a source that holds several clusters."""

    def matchers(self, namespace: str) -> dict[str, str]:
        """As labels with their values; none: queries are sent as they are."""
        return {**({"namespace": namespace} if self.namespace else {}), **self.labels}


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
class Marks:
    """Patterns for names of annotations, labels and environment variables of a pod template."""

    annotations: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    env: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stamps:
    """What in a pod template makes no release."""

    stamps: Marks = Marks()
    """What a redeploy leaves there."""
    checksums: Marks = Marks()
    """What speaks for the content of ConfigMaps and Secrets."""
    moments: bool = False
    """Whether what has a name for the time of a redeployment, and a moment as its value, is a stamp as well."""


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
