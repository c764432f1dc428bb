"""What a rule is, and what it is given: a policy, and what was answered about it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from salus.cli.findings import written
from salus.cli.metrics.about import Cost
from salus.cli.reports.lint import Level
from salus.core.policy.absence import Absence
from salus.core.policy.compile import Catalog
from salus.core.policy.pod_names import pods
from salus.core.policy.promql import Matching
from salus.core.policy.windows import Rules
from salus.model.policy import Check
from salus.model.problems import Problem
from salus.model.scalars import Body
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Answer, Error, Past, Sample
from salus.model.values.objects import Autoscaler, Workload
from salus.model.values.permissions import Permissions
from salus.model.values.policies import CompiledCheck, Policy


@dataclass(frozen=True, slots=True)
class Read:
    """A metric that a query reads, and what the source says of its series."""

    metric: str
    selector: str
    type: str = ""
    """counter, gauge, …; empty: not known."""
    unit: str = ""
    """As its metadata has it; empty: not known."""
    scraped_every: timedelta | None = None
    series: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Lack:
    """A selector of one field of a check that finds nothing, and why."""

    field: str
    absence: Absence
    is_all: bool = True
    """The check has no answer at all."""


@dataclass(frozen=True, slots=True)
class Window:
    """The stretch of the past that was looked at."""

    start: datetime
    end: datetime
    step: timedelta

    @property
    def span(self) -> timedelta:
        """How long it is."""
        return self.end - self.start

    @property
    def points(self) -> int:
        """How many samples a query without gaps gives."""
        return self.span // self.step + 1


@dataclass(frozen=True, slots=True)
class Heard:
    """What was answered about one check of one target."""

    index: int
    """Of the check."""
    target: TargetKey
    query: str
    answer: Answer
    volume: Answer | None = None
    asked_at: datetime | None = None
    several: tuple[Mapping[str, str], ...] = ()
    """The labels of the series, where there is more than one."""
    lacks: tuple[Lack, ...] = ()
    reads: tuple[Read, ...] = ()
    window: Window | None = None
    samples: Sequence[Sample] | Error = ()
    """All that the query gave over the window."""
    past: Past | Error | None = None
    """What of it counts: where there was enough of what is judged; None: nobody looked."""
    cost: Cost | None = None
    """None: the source does not say."""


@dataclass(frozen=True, slots=True)
class Around:
    """What the cluster holds of a target; a list that could not be read is empty."""

    target: TargetKey
    is_there: bool = True
    workload: Workload | None = None
    """None: it is not there, or could not be read."""
    body: Body | None = None
    autoscalers: tuple[Autoscaler, ...] = ()
    budgets: tuple[str, ...] = ()
    """Names of PodDisruptionBudgets that never let a pod go."""
    rivals: tuple[str, ...] = ()
    """Other policies with the same target."""


@dataclass(frozen=True, slots=True)
class Linted:
    """A policy, and what is known of it."""

    policy: Policy
    bound: bool = False
    """Its source is bound to the namespace, whatever a query says."""
    heard: tuple[Heard, ...] = ()
    around: tuple[Around, ...] = ()
    kept: timedelta | None = None
    """How long the source keeps samples; None: not known."""
    rules: Rules | None = None
    """Of the source; None: not known."""
    permissions: Permissions | None = None
    """Of the acting account; None: not known, or nothing is done."""
    operator: Catalog | None = None
    """What the operator's configuration in the cluster knows; None: it is not at hand."""


Finds = Callable[[Linted], Iterator[Problem]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is looked for."""

    code: str
    level: Level
    says: str
    """For the reference: what is found."""
    finds: Finds
    is_offline: bool = False
    """It needs neither Prometheus nor a cluster."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A query that an author wrote."""

    index: int
    field: str
    template: str
    check: Check
    compiled: CompiledCheck

    @property
    def path(self) -> str:
        """Where it stands."""
        return f"spec.checks[{self.index}].{self.field}"

    @property
    def is_judged(self) -> bool:
        """It is compared with the bound, by itself or as part of a ratio; a volume is not."""
        return not self.field.startswith("volume")


def written_queries(policy: Policy) -> Iterator[Asked]:
    """Every query of a policy that its author wrote; presets and alerts have none."""
    for index, (check, compiled) in enumerate(zip(policy.spec.checks, policy.checks, strict=True)):
        for name, template in written(check).items():
            yield Asked(index, name, template, check, compiled)


def path_of(policy: Policy, index: int) -> str:
    """Where a check says what it asks."""
    check = policy.spec.checks[index]
    fields = {"query": check.query, "ratio": check.ratio, "preset": check.preset, "alert": check.alert}
    return f"spec.checks[{index}].{next(name for name, value in fields.items() if value is not None)}"


def series_of(target: TargetKey) -> Sequence[Matching]:
    """What the series of a workload's pods have in common."""
    return [Matching("namespace", "=", target.namespace), Matching("pod", "=~", pods(target.kind, target.name))]
