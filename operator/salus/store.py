"""The policies in use: compiled once a generation, told apart from those that cannot be used.

Fed by watch events and healed by a full LIST, since a watch may lose a deletion. Knows nothing of how it is fed.
"""

from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from typing import Protocol

from salus.core.compile import Catalog, SpecError, compile_policy
from salus.model.types import Body
from salus.model.values import Policy, PolicyKey


class Listener(Protocol):
    """Who wants to know what becomes of policies."""

    def accepted(self, policy: Policy, body: Body) -> None:
        """A policy is new, or has a new generation, and can be used."""
        ...

    def refused(self, body: Body, error: SpecError) -> None:
        """A policy cannot be used until its author changes it."""
        ...

    def removed(self, key: PolicyKey) -> None:
        """A policy is gone."""
        ...


@dataclass(slots=True)
class PolicyStore:
    """All policies that this operator watches."""

    catalog: Catalog
    listener: Listener
    policies: dict[PolicyKey, Policy] = field(default_factory=dict)
    _bodies: dict[PolicyKey, Body] = field(default_factory=dict)

    def put(self, body: Body) -> None:
        """Take in an object as it was watched or listed; a generation that is known, or older, does nothing."""
        key = key_of(body)
        if body["metadata"].get("deletionTimestamp"):
            self.remove(key)
        elif not self._is_known(key, body):
            self._compile(key, body)

    def remove(self, key: PolicyKey) -> None:
        """Forget a policy."""
        self.policies.pop(key, None)
        if self._bodies.pop(key, None) is not None:
            self.listener.removed(key)

    def keys(self) -> frozenset[PolicyKey]:
        """All policies that exist, usable or not."""
        return frozenset(self._bodies)

    def replace(self, bodies: Iterable[Body], among: Set[PolicyKey] | None = None) -> None:
        """Take in a full LIST: what is not in it is gone, of those `among` that were known when it was asked for."""
        listed = {key_of(body): body for body in bodies}
        for key in (self.keys() if among is None else among) - listed.keys():
            self.remove(key)
        for body in listed.values():
            self.put(body)

    def use(self, catalog: Catalog) -> None:
        """Compile everything anew against another catalog: a source came or went."""
        self.catalog = catalog
        for key, body in list(self._bodies.items()):
            self._compile(key, body)

    def knows(self, key: PolicyKey) -> bool:
        """Whether a policy of this name exists, usable or not."""
        return key in self._bodies

    def _is_known(self, key: PolicyKey, body: Body) -> bool:
        known = self._bodies.get(key)
        if known is None:
            return False
        (old_uid, old_generation), (uid, generation) = _identity(known), _identity(body)
        return uid == old_uid and generation <= old_generation

    def _compile(self, key: PolicyKey, body: Body) -> None:
        self._bodies[key] = {field: body.get(field) for field in ("metadata", "spec", "status")}
        try:
            policy = compile_policy(body, self.catalog)
        except SpecError as error:
            self.policies.pop(key, None)
            self.listener.refused(body, error)
        else:
            self.policies[key] = policy
            self.listener.accepted(policy, body)


def key_of(body: Body) -> PolicyKey:
    """Namespace and name."""
    return PolicyKey(body["metadata"]["namespace"], body["metadata"]["name"])


def _identity(body: Body) -> tuple[str, int]:
    metadata = body["metadata"]
    return metadata.get("uid", ""), metadata.get("generation", 0)
