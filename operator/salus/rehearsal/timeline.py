"""What every check said over time: the moments at which its verdict, or the reason for it, became another."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from salus.model.policy import Verdict
from salus.model.values.keys import PolicyKey, TargetKey
from salus.reconcile.cases import Case


@dataclass(frozen=True, slots=True)
class Said:
    """From this moment on a check said this, until it says something else."""

    at: datetime
    verdict: Verdict
    reason: str
    message: str
    value: float | None = None
    since: datetime | None = None
    """Beyond the bound, or clear, since."""


Place = tuple[PolicyKey, TargetKey, str]
"""A policy, a target, and the name of a check."""


@dataclass(slots=True)
class Timeline:
    """What all checks said."""

    _said: dict[Place, list[Said]] = field(default_factory=dict)

    def note(self, cases: Iterable[Case], now: datetime) -> None:
        """What they say now."""
        for case in cases:
            for found in case.findings:
                said = self._said.setdefault((case.policy, case.target, found.check), [])
                if not said or (said[-1].verdict, said[-1].reason) != (found.verdict, found.reason):
                    said.append(Said(now, found.verdict, found.reason, found.message, found.value, found.since))

    @property
    def said(self) -> Mapping[Place, tuple[Said, ...]]:
        """By check, oldest first."""
        return {place: tuple(said) for place, said in self._said.items()}
