"""Reads what there is of that to which kept templates refer: before one of them is put back, and at no other time.

Each kind is read as far as the operator's rights go, and the API server is asked for these first: whoever may not read
Secrets does not try. Names only; what is in an object is never asked for.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import replace

import structlog

from salus.core.objects.references import ACCOUNT, CLAIM, CONFIG_MAP, PRIORITY, SECRET, Reference, needed
from salus.model.values.observation import Observation
from salus.ports import (
    CONFIG_MAPS,
    PRIORITY_CLASSES,
    SECRETS,
    SERVICE_ACCOUNTS,
    VOLUME_CLAIMS,
    ClusterError,
    NotFound,
    Ref,
    right,
)
from salus.reconcile.context import Context

log = structlog.get_logger(__name__)

_LISTED = {CONFIG_MAP: CONFIG_MAPS, SECRET: SECRETS, CLAIM: VOLUME_CLAIMS, PRIORITY: PRIORITY_CLASSES}


async def what_exists(context: Context, seen: Observation) -> Observation:
    """The observation with what there is of that which the good releases, and those that were taken away, need."""
    wanted = {one for kept in seen.releases for each in (kept, *kept.doubles) for one in needed(each.template)}
    kinds = sorted({one.kind for one in wanted})
    found = await asyncio.gather(*(_names(context, seen, kind, wanted) for kind in kinds))
    return replace(seen, existing=dict(zip(kinds, found, strict=True)))


async def _names(context: Context, seen: Observation, kind: str, wanted: Iterable[Reference]) -> frozenset[str] | None:
    """The names that there are of this kind; None where nobody can tell."""
    namespace = seen.workload.key.namespace
    try:
        if kind == ACCOUNT:
            return await _accounts(context, namespace, {one.name for one in wanted if one.kind == ACCOUNT})
        resource = _LISTED[kind]
        scope = namespace if resource.namespaced else ""
        if not await context.cluster.may(right("list", resource), scope):
            return None
        there = await context.cluster.list_metadata(resource, scope or None)
        return frozenset(body["metadata"]["name"] for body in there)
    except ClusterError as error:
        log.warning("what a release refers to cannot be read", kind=kind, error=str(error))
        return None


async def _accounts(context: Context, namespace: str, names: Iterable[str]) -> frozenset[str] | None:
    """Service accounts are read one by one: that is the right which Salus has."""
    if not await context.cluster.may(right("get", SERVICE_ACCOUNTS), namespace):
        return None
    found = set()
    for name in sorted(names):
        try:
            await context.cluster.get(Ref(SERVICE_ACCOUNTS, namespace, name))
        except NotFound:
            continue
        found.add(name)
    return frozenset(found)
