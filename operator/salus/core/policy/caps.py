"""Which policies of a namespace are measured, when there are more than one namespace may have.

The oldest are, by creation and then by name, so that nobody's policy is pushed out by one that comes after it, and the
choice is the same at every tick and after every restart. A policy that does not fit with all of its targets is left out
as a whole; a smaller one that is newer may still fit.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from salus.model.values.configuration import Bounds
from salus.model.values.keys import PolicyKey

TOO_MANY_POLICIES = "TooManyPolicies"
TOO_MANY_TARGETS = "TooManyTargets"


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
