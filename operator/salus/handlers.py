"""Kopf, kept at the door: bodies come in, the store is updated, nothing is returned and nothing is patched.

Only `on.event`: timers, daemons and change handlers write to every object. The watch may lose a deletion after `410
Gone`, so the store is healed by a LIST of its own (`bootstrap`). Kopf gets a thread and an event loop to itself: in
ours it would take over the signals, and cancel our tasks as its own when it stops.
"""

import asyncio
import dataclasses
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import kopf

from salus.model.types import GROUP, VERSION, Body
from salus.store import PolicyStore, key_of


def registry_for(put: Callable[[Body], None], remove: Callable[[Body], None]) -> kopf.OperatorRegistry:
    """The handlers of one operator, in a registry of their own."""
    registry = kopf.OperatorRegistry()

    @kopf.on.event(GROUP, VERSION, "healthpolicies", registry=registry)
    def health_policy(event: Mapping[str, Any], **_: object) -> None:
        (remove if event["type"] == "DELETED" else put)(event["object"])

    kopf.on.login(registry=registry)(_login)
    return registry


def _login(**kwargs: Any) -> kopf.ConnectionInfo | None:  # noqa: ANN401 — kopf's own signature
    """The pod's account, else the kubeconfig; both are read again when a token has run out."""
    account = kopf.login_with_service_account(**kwargs)
    return _by_address(account, os.environ) if account else kopf.login_with_kubeconfig(**kwargs)


def _by_address(account: kopf.ConnectionInfo, env: Mapping[str, str]) -> kopf.ConnectionInfo:
    """The same account at the address that the kubelet names, as the rest of Salus has it: kopf would ask the DNS."""
    host, port = env.get("KUBERNETES_SERVICE_HOST"), env.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        return account
    return dataclasses.replace(account, server=f"https://{f'[{host}]' if ':' in host else host}:{port}")


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.watching.chunk_size = 500
    return settings


@dataclass(slots=True)
class PolicyWatch:
    """Kopf watching HealthPolicies, for as long as `run` runs."""

    store: PolicyStore
    namespaces: Sequence[str] = ()
    """Empty: all."""
    ready: threading.Event = field(default_factory=threading.Event)
    """Set when kopf watches."""
    _stop: threading.Event = field(default_factory=threading.Event)

    async def run(self) -> None:
        """Feed the store until cancelled."""
        ours = asyncio.get_running_loop()
        registry = registry_for(
            lambda body: _call(ours, self.store.put, body),
            lambda body: _call(ours, lambda gone: self.store.remove(key_of(gone)), body),
        )
        ended = asyncio.Event()

        def work() -> None:
            try:
                asyncio.run(self._operator(registry))
            finally:
                _call(ours, lambda _: ended.set(), {})

        thread = threading.Thread(target=work, name="kopf", daemon=True)
        thread.start()
        try:
            await ended.wait()
        finally:
            self._stop.set()

    async def _operator(self, registry: kopf.OperatorRegistry) -> None:
        name: Any = "salus"  # else kopf looks up the user's name, and in a container the user is but a number
        await kopf.operator(
            identity=name,
            registry=registry,
            settings=_settings(),
            clusterwide=not self.namespaces,
            namespaces=self.namespaces,
            standalone=True,
            ready_flag=self.ready,
            stop_flag=self._stop,
        )


def _call(loop: asyncio.AbstractEventLoop, function: Callable[[Body], None], body: Body) -> None:
    """Call in the operator's own event loop; once that is closed nobody listens any more."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, body)
