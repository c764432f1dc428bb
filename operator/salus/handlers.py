"""Kopf, kept at the door: bodies come in, the store is updated, nothing is returned and nothing is patched.

Only `on.event`: timers, daemons and change handlers write to every object. The watch may lose a deletion after `410
Gone`, so the store is healed by a LIST of its own (`bootstrap`). Kopf gets a thread and an event loop to itself: in
ours it would take over the signals, and cancel our tasks as its own when it stops.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any

import kopf
import structlog

from salus.adapters.api import Access, Login, NoCredentials, access
from salus.contained import contained
from salus.model.scalars import GROUP, VERSION, Body
from salus.store import PolicyStore, bare

log = structlog.get_logger(__name__)

PAUSES = (1, 1, 2, 3, 5, 8, 13, 21, 30)
"""Seconds between attempts; the last one for ever. After so many of its own kopf would end, and Salus with it: one
namespace that forbids for a minute is enough."""
SAME_AGAIN = 5.0
"""Seconds before credentials that were just refused are tried once more, since no others are there."""


@dataclass(slots=True)
class Credentials:
    """What kopf logs in with: the same files, context and identity as the operator's own requests.

    Kopf asks again whenever the API server has answered 401. It never tries a second time what was refused once, and
    would end; so no two answers are equal, and it goes on as soon as the files say something new.
    """

    login: Login
    _given: Access | None = None
    _count: int = 0

    async def read(self) -> kopf.ConnectionInfo:
        """What the files say now."""
        try:
            found = await access(self.login)
        except NoCredentials as error:
            raise kopf.TemporaryError(str(error), delay=SAME_AGAIN) from error
        if found == self._given:
            await asyncio.sleep(SAME_AGAIN)
        self._given, self._count = found, self._count + 1
        return kopf.ConnectionInfo(
            server=found.server,
            ca_path=found.ca_path,
            insecure=found.insecure,
            scheme=found.scheme,
            token=found.token,
            certificate_path=found.certificate_path,
            private_key_path=found.private_key_path,
            proxy_url=found.proxy,
            trust_env=found.trust_env,
            priority=self._count,
        )


class Forever:
    """The pauses after failures in a row: as kopf takes them, to be begun anew with each request."""

    def __iter__(self) -> Iterator[float]:
        """Without an end."""
        return chain(PAUSES, repeat(PAUSES[-1]))


def registry_for(
    put: Callable[[Body], None], remove: Callable[[Body], None], credentials: Credentials
) -> kopf.OperatorRegistry:
    """The handlers of one operator, in a registry of their own."""
    registry = kopf.OperatorRegistry()

    @kopf.on.event(GROUP, VERSION, "healthpolicies", registry=registry)
    def health_policy(event: Mapping[str, Any], **_: object) -> None:
        (remove if event["type"] == "DELETED" else put)(bare(event["object"]))

    @kopf.on.login(registry=registry)
    async def log_in(**_: object) -> kopf.ConnectionInfo:
        return await credentials.read()

    return registry


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.networking.error_backoffs = Forever()
    settings.watching.chunk_size = 50  # whole objects, with whatever annotations their authors gave them
    return settings


@dataclass(slots=True)
class PolicyWatch:
    """Kopf watching HealthPolicies, for as long as `run` runs."""

    store: PolicyStore
    login: Login = field(default_factory=Login)
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
            lambda body: _call(ours, self.store.gone, body),
            Credentials(self.login),
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
        """Kopf, begun anew when it ends by itself: an error in one watch, any but 410 Gone, is the end of all to it."""
        for pause in Forever():
            with contained(self._broke_off):
                await self._until_it_ends(registry)
            if await asyncio.to_thread(self._stop.wait, pause):
                return

    def _broke_off(self, error: BaseException) -> None:
        log.warning("the watch of policies broke off, and begins anew", error=f"{type(error).__name__}: {error}")

    async def _until_it_ends(self, registry: kopf.OperatorRegistry) -> None:
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
