"""Policies as they are compiled."""

from dataclasses import dataclass
from datetime import timedelta

from salus.model.policy import HealthPolicySpec, Threshold, Verdict
from salus.model.problems import Problem
from salus.model.values.keys import PolicyKey
from salus.model.values.metrics import NoData


@dataclass(frozen=True, slots=True)
class CompiledVolume:
    """How much there must be for a check to say anything."""

    template: str
    at_least: float
    window: timedelta
    """Over which it is counted; 0 where the query does not tell."""

    def is_reached(self, counted: float) -> bool:
        """Whether so much is enough to say anything."""
        return counted >= self.at_least


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
    """How far back the answer looks: an action shows in full only after it."""
    hidden: tuple[str, ...] = ()
    """Series of rules whose windows nobody knows, so that `for` stands in for them."""
    infinite: NoData | None = None
    """What an infinite answer means, where it is no division by 0."""
    volume: CompiledVolume | None = None
    """None: any will do."""

    @property
    def templates(self) -> tuple[str, ...]:
        """Its query, and that of its volume."""
        return (self.template, self.volume.template) if self.volume else (self.template,)

    or_missing: bool = False
    """Salus has made its selectors: one may ask for a label of the source as for one that may be missing."""


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
    warnings: tuple[Problem, ...] = ()
    """What its author may not have meant, though it can be used."""
    created: str = ""
    """When it was made, as the API server writes it: the older ones of a namespace come first."""
