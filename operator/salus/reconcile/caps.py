"""How many policies and targets each namespace has, so that what is beyond the caps is known at every tick.

The choice itself is `core.policy.caps`'. Targets are counted when their policy is due, and at first when anybody of the
namespace is: after a restart the same policies are left out from the first tick on.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from salus.core.policy.caps import Claim, LeftOut, left_out
from salus.model.scalars import Body
from salus.model.values.configuration import Bounds
from salus.model.values.keys import PolicyKey
from salus.model.values.policies import Policy

_Known = Policy | Body


@dataclass(slots=True)
class Caps:
    """Claims by namespace; the answer is kept until one of them changes."""

    count: Callable[[Policy], int]
    """Targets that a policy has now."""
    _policies: defaultdict[str, dict[PolicyKey, _Known]] = field(default_factory=lambda: defaultdict(dict))
    _targets: dict[PolicyKey, int] = field(default_factory=dict)
    _answers: dict[str, tuple[Bounds, Mapping[PolicyKey, LeftOut]]] = field(default_factory=dict)

    def put(self, key: PolicyKey, known: _Known) -> None:
        """A policy is there, as it is compiled or, where it cannot be used, as it is."""
        self._policies[key.namespace][key] = known
        self._targets.pop(key, None)
        self._answers.pop(key.namespace, None)

    def forget(self, key: PolicyKey) -> None:
        """A policy is gone."""
        self._policies[key.namespace].pop(key, None)
        self._targets.pop(key, None)
        self._answers.pop(key.namespace, None)
        if not self._policies[key.namespace]:
            del self._policies[key.namespace]

    def counted(self, key: PolicyKey, targets: int) -> None:
        """A policy has so many targets now."""
        if self._targets.get(key) != targets:
            self._targets[key] = targets
            self._answers.pop(key.namespace, None)

    def why_not(self, key: PolicyKey, bounds: Bounds) -> LeftOut | None:
        """Why a policy is not measured; None where it is."""
        kept, answer = self._answers.get(key.namespace, (None, {}))
        if kept != bounds:
            claims = [self._claim(one, known) for one, known in self._policies.get(key.namespace, {}).items()]
            answer = left_out(claims, bounds)
            self._answers[key.namespace] = (bounds, answer)
        return answer.get(key)

    def _claim(self, key: PolicyKey, known: _Known) -> Claim:
        if not isinstance(known, Policy):
            return Claim(key, str(known["metadata"].get("creationTimestamp") or ""), 0)
        if key not in self._targets:
            self._targets[key] = self.count(known)
        return Claim(key, known.created, self._targets[key])
