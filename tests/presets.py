"""Every question of the signal library, as a policy asks it: each preset, in each variant, of each kind of workload."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from salus.core.policy.compile import Catalog, compile_policy
from salus.core.policy.exporters import Trusted
from salus.core.policy.signals import ParameterType, Variant
from salus.model.meta import WorkloadKind
from salus.model.policy import Threshold
from salus.model.values.policies import CompiledCheck
from salus.presets import Preset, load_presets
from tests.builders import a_policy_body

_GIVEN: Mapping[ParameterType, str] = {
    ParameterType.TEXT: "orders",
    ParameterType.NUMBER: "0.5",
    ParameterType.SHARE: "0.9",
    ParameterType.EDGE: "0.5",
    ParameterType.METRIC: "asked_total",
    ParameterType.LABEL: "code",
    ParameterType.RANGE: "2m",
}
"""What is said where a parameter has no default."""
_ASKED: dict[Hashable, CompiledCheck] = {}
"""Compiled once: many tests ask the same."""
_BOUND = {"above": "1"}


@dataclass(frozen=True, slots=True)
class Question:
    """One preset in one variant, of one kind of workload."""

    preset: Preset
    variant: str
    kind: WorkloadKind

    def __str__(self) -> str:
        """`ErrorRatio istio, Deployment`."""
        return f"{self.preset.name} {self.variant}, {self.kind}"

    @property
    def bound(self) -> Threshold:
        """The preset's own, or what is said where it has none."""
        return self.preset.unhealthy or Threshold.model_validate(_BOUND)

    @property
    def _variant(self) -> Variant:
        return self.preset.variants[self.variant]

    def check(
        self,
        given: Mapping[str, str] | None = None,
        trusted: Trusted | None = None,
        **fields: Any,  # noqa: ANN401 — handed on
    ) -> CompiledCheck:
        """As it is asked; `given`: parameters; `fields`: of the check, by their names in YAML."""
        if trusted or fields:
            return self._compiled(given or {}, trusted, fields)
        key = (str(self), tuple(sorted((given or {}).items())))
        if key not in _ASKED:
            _ASKED[key] = self._compiled(given or {})
        return _ASKED[key]

    def _compiled(
        self, given: Mapping[str, str], trusted: Trusted | None = None, fields: Mapping[str, Any] | None = None
    ) -> CompiledCheck:
        needed = {name: one for name, one in self._variant.parameters.items() if one.default is None}
        values = {name: _GIVEN[one.type] for name, one in needed.items()} | dict(given)
        bound = {} if self.preset.unhealthy else {"unhealthy": _BOUND}
        check = {
            "name": "it",
            "preset": self.preset.name,
            "variant": self.variant,
            "with": values,
            **bound,
            **(fields or {}),
        }
        body = a_policy_body(target={"kind": self.kind, "name": "api"}, checks=[check])
        exporters = {"default": trusted} if trusted else {}
        return compile_policy(body, Catalog(load_presets(), ("default",), exporters=exporters)).checks[0]


def questions() -> Iterator[Question]:
    """All that the library asks."""
    for preset in load_presets().values():
        for name, variant in preset.variants.items():
            for kind in variant.asked:
                yield Question(preset, name, kind)


def question(preset: str, kind: WorkloadKind, variant: str = "") -> Question:
    """One of them; `variant`: where there are several."""
    found = load_presets()[preset]
    return Question(found, variant or next(iter(found.variants)), kind)


QUESTIONS = [pytest.param(one, id=str(one)) for one in questions()]
