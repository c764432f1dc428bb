"""Who may do something in a namespace, by its bindings and roles, for a person who may not.

Whoever asks has no right, and often none to see who has: then nobody is named, which says nothing.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from salus.cli.person import Person
from salus.model.scalars import Body
from salus.model.values.permissions import Permission
from salus.ports import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES, ClusterError, Ref, Resource


async def who_may(person: Person, namespace: str, wanted: Permission) -> list[str]:
    """Users and groups that are bound to a role with this right; those of Kubernetes itself are left out."""
    bindings = [
        *await _listed(person, ROLE_BINDINGS, namespace),
        *await _listed(person, CLUSTER_ROLE_BINDINGS, None),
    ]
    refs = {(str(body["roleRef"]["kind"]), str(body["roleRef"]["name"])) for body in bindings}
    roles = dict(zip(refs, await asyncio.gather(*(_role(person, namespace, *ref) for ref in refs)), strict=True))
    found = {
        named(subject)
        for body in bindings
        if grants(roles[str(body["roleRef"]["kind"]), str(body["roleRef"]["name"])], wanted)
        for subject in body.get("subjects") or ()
        if not str(subject.get("name", "")).startswith("system:")
    }
    return sorted(found)


async def _listed(person: Person, resource: Resource, namespace: str | None) -> list[Body]:
    try:
        return await person.cluster.list(resource, namespace)
    except ClusterError:
        return []


async def _role(person: Person, namespace: str, kind: str, name: str) -> Iterable[Mapping[str, Any]]:
    resource = ROLES if kind == ROLES.kind else CLUSTER_ROLES
    try:
        body = await person.cluster.get(Ref(resource, namespace if resource.namespaced else "", name))
    except ClusterError:
        return ()
    rules: Iterable[Mapping[str, Any]] = body.get("rules") or ()
    return rules


def grants(rules: Iterable[Mapping[str, Any]], wanted: Permission) -> bool:
    """Whether some rule gives this right on all objects of the kind."""
    return any(
        _has(rule.get("verbs"), wanted.verb)
        and _has(rule.get("apiGroups"), wanted.group)
        and _has(rule.get("resources"), wanted.resource)
        and not rule.get("resourceNames")
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
