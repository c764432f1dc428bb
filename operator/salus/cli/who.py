"""Who may do something in a namespace, by its bindings and roles: for a person who may not, and of an account.

Whoever asks has no right, and often none to see who has: then nobody is named, which says nothing.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from salus.adapters.reviews import groups_of, user_of
from salus.cli.person import Person
from salus.model.scalars import Body
from salus.model.values.permissions import Permission
from salus.ports import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    ClusterError,
    NotFound,
    Ref,
    Resource,
)


async def who_may(person: Person, namespace: str, wanted: Permission) -> list[str]:
    """Users and groups that are bound to a role with this right; those of Kubernetes itself are left out."""
    bindings = [
        *(await _listed(person, ROLE_BINDINGS, namespace) or ()),
        *(await _listed(person, CLUSTER_ROLE_BINDINGS, None) or ()),
    ]
    roles = await _roles(person, namespace, bindings)
    found = {
        named(subject)
        for body in bindings
        if grants(roles[_ref(body)] or (), wanted)
        for subject in body.get("subjects") or ()
        if not str(subject.get("name", "")).startswith("system:")
    }
    return sorted(found)


@dataclass(frozen=True, slots=True)
class Bound:
    """The rules that a service account is bound to."""

    rules: Sequence[Mapping[str, Any]]
    is_all: bool
    """Every binding and every role could be seen."""

    def may(self, wanted: Permission, name: str = "") -> bool | None:
        """None: not by what can be seen."""
        return True if grants(self.rules, wanted, name) else (False if self.is_all else None)


async def bound(person: Person, namespace: str, account: str) -> Bound:
    """What a service account of this namespace is bound to there."""
    listed = [await _listed(person, ROLE_BINDINGS, namespace), await _listed(person, CLUSTER_ROLE_BINDINGS, None)]
    bindings = [
        body
        for some in listed
        for body in some or ()
        if any(_is_account(subject, namespace, account) for subject in body.get("subjects") or ())
    ]
    roles = list((await _roles(person, namespace, bindings)).values())
    rules = tuple(rule for role in roles for rule in role or ())
    return Bound(rules, is_all=None not in listed and None not in roles)


def _is_account(subject: Mapping[str, Any], namespace: str, account: str) -> bool:
    match subject.get("kind"):
        case "ServiceAccount":
            return (subject.get("namespace"), subject.get("name")) == (namespace, account)
        case "Group":
            return subject.get("name") in groups_of(namespace)
        case _:
            return subject.get("name") == user_of(namespace, account)


async def _listed(person: Person, resource: Resource, namespace: str | None) -> list[Body] | None:
    """None: they cannot be seen."""
    try:
        return await person.cluster.list(resource, namespace)
    except ClusterError:
        return None


_Rules = Iterable[Mapping[str, Any]]


def _ref(binding: Body) -> tuple[str, str]:
    return str(binding["roleRef"]["kind"]), str(binding["roleRef"]["name"])


async def _roles(person: Person, namespace: str, bindings: Iterable[Body]) -> Mapping[tuple[str, str], _Rules | None]:
    refs = {_ref(body) for body in bindings}
    return dict(zip(refs, await asyncio.gather(*(_role(person, namespace, *ref) for ref in refs)), strict=True))


async def _role(person: Person, namespace: str, kind: str, name: str) -> _Rules | None:
    """Its rules, none if it is not there; None: it cannot be seen."""
    resource = ROLES if kind == ROLES.kind else CLUSTER_ROLES
    try:
        body = await person.cluster.get(Ref(resource, namespace if resource.namespaced else "", name))
    except NotFound:
        return ()
    except ClusterError:
        return None
    rules: _Rules = body.get("rules") or ()
    return rules


def grants(rules: Iterable[Mapping[str, Any]], wanted: Permission, name: str = "") -> bool:
    """Whether some rule gives this right, on the object of this name or on all of the kind."""
    return any(
        _has(rule.get("verbs"), wanted.verb)
        and _has(rule.get("apiGroups"), wanted.group)
        and _has(rule.get("resources"), wanted.resource)
        and (not rule.get("resourceNames") or name in rule["resourceNames"])
        for rule in rules
    )


def _has(words: Iterable[str] | None, word: str) -> bool:
    return bool({"*", word} & set(words or ()))


def named(subject: Mapping[str, Any]) -> str:
    """`ada`, `group oncall`, `account shop/deployer`."""
    match subject.get("kind"):
        case "Group":
            return f"group {subject['name']}"
        case "ServiceAccount":
            return f"account {subject.get('namespace', '')}/{subject['name']}"
        case _:
            return str(subject.get("name", ""))
