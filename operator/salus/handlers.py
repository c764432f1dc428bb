"""Kopf, kept at the door: bodies come in, the store is updated, nothing is returned and nothing is patched.

Only `on.event`: timers, daemons and change handlers write to every object. The watch may lose a deletion after `410
Gone`, so the store is healed by a LIST of its own (`bootstrap`).
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import kopf

from salus.model.types import GROUP, VERSION
from salus.store import PolicyStore, key_of


def registry_for(store: PolicyStore) -> kopf.OperatorRegistry:
    """The handlers of one operator, in a registry of their own."""
    registry = kopf.OperatorRegistry()

    @kopf.on.event(GROUP, VERSION, "healthpolicies", registry=registry)
    def health_policy(event: Mapping[str, Any], **_: object) -> None:
        body = event["object"]
        if event["type"] == "DELETED":
            store.remove(key_of(body))
        else:
            store.put(body)

    kopf.on.login(registry=registry)(_login)
    return registry


def _login(**kwargs: Any) -> kopf.ConnectionInfo | None:  # noqa: ANN401 — kopf's own signature
    """The pod's account, else the kubeconfig; both are read again when a token has run out."""
    return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.watching.chunk_size = 500
    settings.process.ultimate_exiting_timeout = None
    return settings


async def watch_policies(
    store: PolicyStore, namespaces: Sequence[str], ready: asyncio.Event, stop: asyncio.Event
) -> None:
    """Feed the store until `stop` is set. `ready` is set when kopf watches."""
    await kopf.operator(
        registry=registry_for(store),
        settings=_settings(),
        clusterwide=not namespaces,
        namespaces=namespaces,
        standalone=True,
        ready_flag=ready,
        stop_flag=stop,
    )
