"""Which policies speak of a workload, and what each has to say of it: also those that say nothing.

A policy that was not measured yet, or that cannot be used, is a witness without a word, and no release is kept as good
without all of them: it may look at just what the others do not. Found by place, since all policies are asked about each
other's targets when Salus starts.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from salus.core.objects.parts import part
from salus.core.records.release_proof import Witness
from salus.model.scalars import Body
from salus.model.values.keys import PolicyKey, TargetKey
from salus.model.values.objects import Workload
from salus.model.values.policies import Policy

_Place = tuple[str, str, str | None]
"""Namespace, kind and name of a target; no name: a selector."""
Heard = Callable[[Policy, TargetKey], Witness]
"""What a policy that can be used has to say of a target."""


@dataclass(slots=True)
class Speakers:
    """All policies that are there, usable or not, by what they speak of."""

    _about: dict[PolicyKey, Policy | Body] = field(default_factory=dict)
    _at: defaultdict[_Place, set[PolicyKey]] = field(default_factory=lambda: defaultdict(set))

    def note(self, key: PolicyKey, about: Policy | Body) -> None:
        """A policy is there, as it is compiled, or, where it cannot be used, as it is."""
        if self._about.get(key) is not about:
            self.forget(key)
            self._about[key] = about
            self._at[_place(key, about)].add(key)

    def forget(self, key: PolicyKey) -> None:
        """A policy is gone."""
        about = self._about.pop(key, None)
        if about is not None:
            place = _place(key, about)
            self._at[place].discard(key)
            if not self._at[place]:
                del self._at[place]

    def others(self, asking: PolicyKey, workload: Workload, heard: Heard) -> list[Witness]:
        """What the policies of this workload have to say of it, but for the one that is asking."""
        found = ((key, about) for key, about in self._of(workload) if key != asking)
        return [heard(about, workload.key) if isinstance(about, Policy) else Witness(key.name) for key, about in found]

    def _of(self, workload: Workload) -> Iterator[tuple[PolicyKey, Policy | Body]]:
        namespace, kind, name = workload.key.namespace, workload.key.kind, workload.key.name
        for place in ((namespace, kind, name), (namespace, kind, None)):
            for key in self._at.get(place, ()):
                about = self._about[key]
                if place[2] is not None or _labels(about).items() <= workload.labels.items():
                    yield key, about


def _place(key: PolicyKey, about: Policy | Body) -> _Place:
    if isinstance(about, Policy):
        return key.namespace, about.spec.target.kind, about.spec.target.name
    target = _raw_target(about)
    name = target.get("name")
    return key.namespace, str(target.get("kind", "")), None if name is None else str(name)


def _labels(about: Policy | Body) -> Mapping[str, Any]:
    """The labels that a selector asks for. Of a policy that cannot be used, whatever stands there."""
    if isinstance(about, Policy):
        selector = about.spec.target.selector
        return selector.match_labels if selector else {}
    return part(part(_raw_target(about), "selector"), "matchLabels")


def _raw_target(body: Body) -> Mapping[str, Any]:
    return part(part(body, "spec"), "target")
