"""The policies in use: compiled once a generation, told apart from those that cannot be used.

Fed by watch events and healed by a full LIST, since a watch may lose a deletion. Knows nothing of how it is fed. What
escapes while one policy is taken in costs the others nothing; it is not tried again before the policy or the catalog
changes. A full LIST and another catalog are worked off policy by policy, and the event loop has its turn after each.
"""

import asyncio
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Protocol

from salus.contained import INTERNAL_ERROR, apology, contained
from salus.core.policy.compile import Catalog, SpecError, compile_policy, identity
from salus.core.policy.windows import Rules
from salus.model.problems import Problem
from salus.model.scalars import Body
from salus.model.values.keys import PolicyKey
from salus.model.values.policies import Policy

NAMELESS = "an object without a name"


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

    def escaped(self, about: str, error: BaseException) -> None:
        """Something that nobody expected went wrong with this policy."""
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
        with self._contained(NAMELESS):
            key = key_of(body)
            if (noted := self._note(key, body)) is not None:
                self._compile(key, noted)

    def gone(self, body: Body) -> None:
        """Forget the policy that this object was."""
        with self._contained(NAMELESS):
            self.remove(key_of(body))

    def remove(self, key: PolicyKey) -> None:
        """Forget a policy."""
        self.policies.pop(key, None)
        if self._bodies.pop(key, None) is not None:
            with self._contained(str(key)):
                self.listener.removed(key)

    def keys(self) -> frozenset[PolicyKey]:
        """All policies that exist, usable or not."""
        return frozenset(self._bodies)

    async def replace(self, bodies: Iterable[Body], among: Set[PolicyKey] | None = None) -> None:
        """Take in a full LIST: what is not in it is gone, of those `among` that were known when it was asked for."""
        listed: dict[PolicyKey, Body] = {}
        for body in bodies:
            with self._contained(NAMELESS):
                listed[key_of(body)] = body
        for key in (self.keys() if among is None else among) - listed.keys():
            self.remove(key)
        noted: list[tuple[PolicyKey, Body]] = []
        for key, body in listed.items():
            with self._contained(str(key)):
                if (new := self._note(key, body)) is not None:
                    noted.append((key, new))
        await self._compile_all(noted)

    async def use(self, catalog: Catalog) -> None:
        """Compile everything anew against another catalog: a source came or went."""
        self.catalog = catalog
        await self._compile_all(list(self._bodies.items()))

    async def learn(self, rules: Mapping[str, Rules]) -> None:
        """What sources tell of their rules; only a policy that says something else by that is accepted anew."""
        self.catalog = replace(self.catalog, rules=rules)
        for key, body in list(self._bodies.items()):
            if key in self.policies and self._bodies.get(key) is body:
                self._compile(key, body, unless=self.policies[key])
            await asyncio.sleep(0)

    async def _compile_all(self, noted: Iterable[tuple[PolicyKey, Body]]) -> None:
        """One after the other; what was changed or removed meanwhile is no longer this work's."""
        for key, body in noted:
            if self._bodies.get(key) is body:
                self._compile(key, body)
            await asyncio.sleep(0)

    def knows(self, key: PolicyKey) -> bool:
        """Whether a policy of this name exists, usable or not."""
        return key in self._bodies

    def _note(self, key: PolicyKey, body: Body) -> Body | None:
        """What is to be compiled, if there is something new in this object."""
        metadata = body["metadata"]
        if metadata.get("deletionTimestamp"):
            self.remove(key)
            return None
        if (known := self._bodies.get(key)) is not None:
            (old_uid, old_generation), (uid, generation) = identity(known), identity(body)
            if uid == old_uid and generation <= old_generation:
                return None
        noted = bare(body)
        self._bodies[key] = noted
        return noted

    def _compile(self, key: PolicyKey, body: Body, unless: Policy | None = None) -> None:
        with contained(lambda error: self._refuse(key, body, self._defect(key, error))):
            try:
                policy = compile_policy(body, self.catalog)
            except SpecError as error:
                self._refuse(key, body, error)
            else:
                if policy != unless:
                    self.policies[key] = policy
                    self.listener.accepted(policy, body)

    def _refuse(self, key: PolicyKey, body: Body, error: SpecError) -> None:
        self.policies.pop(key, None)
        with self._contained(str(key)):
            self.listener.refused(body, error)

    def _defect(self, key: PolicyKey, error: BaseException) -> SpecError:
        self.listener.escaped(str(key), error)
        again = "; it is read again when the policy or the operator's configuration changes"
        return SpecError((Problem("spec", apology("read this policy", error) + again),), INTERNAL_ERROR)

    def _contained(self, about: str) -> contained:
        return contained(lambda error: self.listener.escaped(about, error))


_METADATA = ("namespace", "name", "uid", "generation", "creationTimestamp", "deletionTimestamp")


def bare(body: Body) -> Body:
    """A policy without what nobody asks of it: annotations and managed fields are as long as their authors like."""
    metadata = body.get("metadata")
    known = metadata if isinstance(metadata, Mapping) else {}
    return {
        "metadata": {field: known[field] for field in _METADATA if field in known},
        "spec": body.get("spec"),
        "status": body.get("status"),
    }


def key_of(body: Body) -> PolicyKey:
    """Namespace and name. Raises what an object raises that has none."""
    namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
    if not (isinstance(namespace, str) and isinstance(name, str)):
        raise TypeError("metadata.namespace and metadata.name must be text")
    return PolicyKey(namespace, name)
