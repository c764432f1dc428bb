"""A view of all workloads, kept current by LIST and watch; only what decisions need of them stays in memory.

One reflector follows one kind in one namespace (or in all). A watch that ends is taken up where it was; when the server
has forgotten that place, the kind is listed again and what vanished meanwhile is dropped with it. The view may be a
moment old: a deed reads afresh through the port `Cluster`.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NoReturn

import structlog

from salus.adapters.api import SILENCE_TIMEOUT, Connection, Gone
from salus.adapters.paths import collection_path
from salus.contained import contained
from salus.core.workload import watched, workload_from
from salus.model.meta import WorkloadKind
from salus.model.types import Body
from salus.model.values import TargetKey, Workload
from salus.ports import WORKLOADS, ClusterError, Forbidden, Resource, Unavailable

_WATCH_SECONDS = 300
_FAILURES_BEFORE_RELIST = 3
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the informer waits for what."""

    silence: timedelta = SILENCE_TIMEOUT
    """A watch without a line for this long is dead, and opened again."""
    first_pause: timedelta = timedelta(seconds=1)
    """The pause after a failure; it doubles with each further one, and half of it is chance."""
    longest_pause: timedelta = timedelta(seconds=30)

    def pause(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row."""
        doubled = self.first_pause * (1 << min(failures - 1, 10))
        longest = min(self.longest_pause, doubled).total_seconds()
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret


class Informer:
    """The port `Workloads`. `run` does the work; until `synced`, what is missing may only not have been seen yet."""

    def __init__(
        self,
        connection: Connection,
        namespaces: Iterable[str] | None = None,
        patience: Patience | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Follow these namespaces (None: all); `monotonic` gives the seconds that ages are measured in."""
        scopes: Sequence[str | None] = (None,) if namespaces is None else sorted(set(namespaces))
        self._monotonic = monotonic
        self._reflectors = [
            Reflector(connection, kind, namespace, patience or Patience(), monotonic)
            for kind in WORKLOADS
            for namespace in scopes
        ]

    async def run(self) -> NoReturn:
        """Follow the workloads until cancelled; trouble with the API server is logged and survived."""
        async with asyncio.TaskGroup() as tasks:
            for reflector in self._reflectors:
                tasks.create_task(reflector.run(), name=f"watch {reflector.name}")
        raise AssertionError("reflectors run until they are cancelled")

    async def wait_synced(self) -> None:
        """Return once everything was listed, but for what may not be: a namespace that is gone holds up no other."""
        for reflector in self._reflectors:
            await reflector.answered.wait()

    @property
    def synced(self) -> bool:
        """Whether everything was listed at least once."""
        return all(reflector.listed.is_set() for reflector in self._reflectors)

    @property
    def settled(self) -> bool:
        """Whether everything was listed at least once, or may not be; nothing listed at all is no beginning."""
        answered = all(reflector.answered.is_set() for reflector in self._reflectors)
        return answered and any(reflector.listed.is_set() for reflector in self._reflectors)

    @property
    def last_event_ages(self) -> Mapping[str, float]:
        """Seconds since each watch last said anything, bookmarks included; above two minutes something is wrong."""
        now = self._monotonic()
        return {reflector.name: now - reflector.heard_at for reflector in self._reflectors}

    @property
    def last_event_age(self) -> float:
        """The greatest of `last_event_ages`."""
        return max(self.last_event_ages.values())

    def get(self, key: TargetKey) -> Workload | None:
        """The workload as last seen, or None."""
        return self._seen(key.namespace, key.kind).get(key.name)

    def select(self, namespace: str, kind: WorkloadKind, labels: Mapping[str, str]) -> Sequence[Workload]:
        """Workloads with all these labels, by name."""
        found = self._seen(namespace, kind)
        return [found[name] for name in sorted(found) if labels.items() <= found[name].labels.items()]

    def _seen(self, namespace: str, kind: WorkloadKind) -> Mapping[str, Workload]:
        """One kind in one namespace, by name."""
        for reflector in self._reflectors:
            if reflector.kind is kind and namespace in reflector.workloads:
                return reflector.workloads[namespace]
        return {}


class Reflector:
    """One kind in one namespace, or in all: a copy of its collection, by namespace and name."""

    def __init__(
        self,
        connection: Connection,
        kind: WorkloadKind,
        namespace: str | None,
        patience: Patience,
        monotonic: Callable[[], float],
    ) -> None:
        self.kind = kind
        self.name = f"{WORKLOADS[kind].plural} in {namespace or 'all namespaces'}"
        self.workloads: dict[str, dict[str, Workload]] = {}
        self.listed = asyncio.Event()
        self.answered = asyncio.Event()
        """Set when it was listed, or the API server said that it may not be."""
        self.heard_at = monotonic()
        self._connection = connection
        self._resource: Resource = WORKLOADS[kind]
        self._path = collection_path(self._resource, namespace)
        self._patience = patience
        self._monotonic = monotonic
        self._version = ""
        self._failures = 0

    async def run(self) -> NoReturn:
        """List once, then watch, for ever."""
        while True:
            self._failures += 1  # taken back by the first line of the watch: one that ends at once is a failure too
            try:
                await self._follow()
            except Gone:
                _log.info("Listing again: the server has forgotten where the watch was", watch=self.name)
                self._version = ""
            except ClusterError as error:
                self._note(error)
            if self._failures:
                await asyncio.sleep(self._patience.pause(self._failures))

    async def _follow(self) -> None:
        """One list, if it is needed, and one watch to its end."""
        if not self._version:
            await self._list()
        query = {"resourceVersion": self._version, "timeoutSeconds": str(_WATCH_SECONDS)}
        async for event in self._connection.watch(self._path, query, self._patience.silence):
            self._failures = 0
            self._heard()
            self._take(event)

    async def _list(self) -> None:
        found: dict[str, dict[str, Workload]] = {}
        version = ""
        async for page in self._connection.pages(self._path, {}):
            self._heard()
            version = page.version
            for item in page.items:
                if workload := self._read(item):
                    found.setdefault(workload.key.namespace, {})[workload.key.name] = workload
        self.workloads, self._version = found, version
        self.listed.set()
        self.answered.set()

    def _take(self, event: Body) -> None:
        body = event["object"]
        metadata = body.get("metadata") or {}
        self._version = metadata.get("resourceVersion") or self._version
        if event["type"] == "BOOKMARK":
            return
        namespace, name = metadata.get("namespace", ""), metadata.get("name", "")
        workload = None if event["type"] == "DELETED" else self._read(body)
        if workload:
            self.workloads.setdefault(namespace, {})[name] = workload
        else:
            self._forget(namespace, name)

    def _forget(self, namespace: str, name: str) -> None:
        kept = self.workloads.get(namespace, {})
        kept.pop(name, None)
        if not kept:
            self.workloads.pop(namespace, None)

    def _read(self, body: Body) -> Workload | None:
        """The workload; None, and a line in the log, for what cannot be read: better not known than known wrongly."""
        escaped: list[BaseException] = []
        with contained(escaped.append):
            return watched(workload_from({"kind": self._resource.kind, **body}))
        metadata = body.get("metadata") or {}
        where = f"{metadata.get('namespace')}/{metadata.get('name')}"
        _log.warning("A workload cannot be read, and is left out", workload=where, error=_words(escaped[0]))
        return None

    def _heard(self) -> None:
        self.heard_at = self._monotonic()

    def _note(self, error: ClusterError) -> None:
        """Go on from where the watch was if only the network failed, and not again and again."""
        if type(error) is Forbidden:  # an answer; who is not known at all (401, a subclass) got none
            self._heard()
            self.answered.set()
        if not isinstance(error, Unavailable) or self._failures >= _FAILURES_BEFORE_RELIST:
            self._version = ""
        _log.warning("A watch failed, and is tried again", watch=self.name, failures=self._failures, error=str(error))


def _words(error: BaseException) -> str:
    """What a ValueError of ours says; of anything else, also what it is."""
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
