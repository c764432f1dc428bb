"""Which policies of a namespace are measured, when there are more than one namespace may have.

The oldest are, by creation and then by name, so that nobody's policy is pushed out by one that comes after it, and the
choice is the same at every tick and after every restart. A policy that does not fit with all of its targets is left out
as a whole; a smaller one that is newer may still fit.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from salus.model.scalars import Body
from salus.model.values.configuration import Bounds
from salus.model.values.keys import PolicyKey
from salus.model.values.policies import Policy

TOO_MANY_POLICIES = "TooManyPolicies"
TOO_MANY_TARGETS = "TooManyTargets"
_Known = Policy | Body


@dataclass(frozen=True, slots=True)
class Claim:
    """What a policy takes of its namespace's share; one that cannot be used takes a place, and no targets."""

    key: PolicyKey
    created: str
    """RFC 3339 in UTC, as the API server writes it, which sorts as it is."""
    targets: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why a policy is not measured, in one word and in a sentence."""

    reason: str
    message: str


def left_out(claims: Iterable[Claim], bounds: Bounds) -> dict[PolicyKey, LeftOut]:
    """Those of one namespace that are not measured, and why."""
    found: dict[PolicyKey, LeftOut] = {}
    taken = 0
    for place, claim in enumerate(sorted(claims, key=lambda one: (one.created, one.key.name)), start=1):
        if place > bounds.policies:
            found[claim.key] = _too_many_policies(claim, bounds)
        elif taken + claim.targets > bounds.targets:
            found[claim.key] = _too_many_targets(claim, taken, bounds)
        else:
            taken += claim.targets
    return found


def _too_many_policies(claim: Claim, bounds: Bounds) -> LeftOut:
    text = f"namespace {claim.key.namespace} has older policies, and {bounds.policies} are measured, the oldest first"
    return LeftOut(TOO_MANY_POLICIES, f"{text}; {_help('limits.policiesPerNamespace')}")


def _too_many_targets(claim: Claim, taken: int, bounds: Bounds) -> LeftOut:
    text = (
        f"its {claim.targets} targets do not fit: older policies of namespace {claim.key.namespace} have {taken}, "
        f"and {bounds.targets} are measured together"
    )
    return LeftOut(TOO_MANY_TARGETS, f"{text}; {_help('limits.targetsPerNamespace')}")


def _help(field: str) -> str:
    return f"delete policies that are not needed, or have the operator's administrator raise {field}"


@dataclass(slots=True)
class Caps:
    """Claims by namespace; the answer is kept until one of them changes.

    Targets are counted when their policy is due, and at first when anybody of the namespace is: after a restart the
    same policies are left out from the first tick on.
    """

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
