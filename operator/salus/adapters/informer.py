"""Views of all workloads and of all records, kept current by LIST and watch; what stays of them in memory they say.

One reflector follows one kind in one namespace (or in all) and shows it to a mirror. A watch that ends is taken up
where it was; when the server has forgotten that place, the kind is listed again and what vanished meanwhile is dropped
with it. A view may be a moment old: an action reads afresh through the port `Cluster`.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple, NoReturn

import structlog

from salus.adapters.api import SILENCE_TIMEOUT, Connection, Gone
from salus.adapters.paths import collection_path
from salus.contained import contained
from salus.core.health.timing import backoff
from salus.core.objects.stamps import KNOWN
from salus.core.objects.workloads import watched, workload_from
from salus.model.meta import WorkloadKind
from salus.model.scalars import Body
from salus.model.values.configuration import Stamps
from salus.model.values.keys import TargetKey
from salus.model.values.objects import Workload
from salus.ports import CHANGE_EVENTS, INCIDENTS, WORKLOADS, ClusterError, Forbidden, Mirror, Resource, Unavailable
from salus.reconcile.records.store import RecordStore

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
        longest = backoff(self.first_pause, failures, self.longest_pause).total_seconds()
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret


class Watches:
    """Reflectors that run together. Until `synced`, what is missing may only not have been seen yet."""

    def __init__(self, reflectors: Sequence["Reflector"], monotonic: Callable[[], float] = time.monotonic) -> None:
        """`monotonic` gives the seconds that ages are measured in."""
        self._reflectors = reflectors
        self._monotonic = monotonic

    async def run(self) -> NoReturn:
        """Follow all until cancelled; trouble with the API server is logged and survived."""
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


class Informer(Watches):
    """The port `Workloads`."""

    def __init__(
        self,
        connection: Connection,
        namespaces: Iterable[str] | None = None,
        patience: Patience | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        stamps: Stamps = KNOWN,
    ) -> None:
        """Follow these namespaces (None: all)."""
        self._mirrors, reflectors = [], []
        for kind in WORKLOADS:
            for scope in _scopes(namespaces):
                mirror = WorkloadMirror(kind, stamps)
                self._mirrors.append(mirror)
                reflectors.append(Reflector(connection, Place(WORKLOADS[kind], scope), mirror, patience, monotonic))
        super().__init__(reflectors, monotonic)

    def get(self, key: TargetKey) -> Workload | None:
        """The workload as last seen, or None."""
        return self._seen(key.namespace, key.kind).get(key.name)

    def select(self, namespace: str, kind: WorkloadKind, labels: Mapping[str, str]) -> Sequence[Workload]:
        """Workloads with all these labels, by name."""
        found = self._seen(namespace, kind)
        return [found[name] for name in sorted(found) if labels.items() <= found[name].labels.items()]

    def _seen(self, namespace: str, kind: WorkloadKind) -> Mapping[str, Workload]:
        """One kind in one namespace, by name."""
        for mirror in self._mirrors:
            if mirror.kind is kind and namespace in mirror.workloads:
                return mirror.workloads[namespace]
        return {}


class WorkloadMirror:
    """The port `Mirror`: the workloads of one kind, by namespace and name, as far as decisions need them."""

    def __init__(self, kind: WorkloadKind, stamps: Stamps = KNOWN) -> None:
        self.kind = kind
        self.stamps = stamps
        self.workloads: dict[str, dict[str, Workload]] = {}

    def begin(self) -> "WorkloadList":
        """A list is about to be asked for."""
        return WorkloadList(self)

    def changed(self, body: Body) -> None:
        """Keep it; better not known than known wrongly."""
        workload = self.read(body)
        if workload:
            self.workloads.setdefault(workload.key.namespace, {})[workload.key.name] = workload
        else:
            self.deleted(body)

    def deleted(self, body: Body) -> None:
        """Forget it."""
        metadata = body.get("metadata") or {}
        namespace = metadata.get("namespace", "")
        kept = self.workloads.get(namespace, {})
        kept.pop(metadata.get("name", ""), None)
        if not kept:
            self.workloads.pop(namespace, None)

    def heard(self) -> None:
        """Ages are asked of the reflector."""

    def forbidden(self) -> None:
        """What was seen stays."""

    def read(self, body: Body) -> Workload | None:
        """The workload; None, and a line in the log, for what cannot be read."""
        escaped: list[BaseException] = []
        with contained(escaped.append):
            return watched(workload_from({"kind": self.kind.value, **body}, self.stamps))
        metadata = body.get("metadata") or {}
        where = f"{metadata.get('namespace')}/{metadata.get('name')}"
        _log.warning("A workload cannot be read, and is left out", workload=where, error=_words(escaped[0]))
        return None


class WorkloadList:
    """The port `MirrorList`."""

    def __init__(self, mirror: WorkloadMirror) -> None:
        self._mirror = mirror
        self._found: dict[str, dict[str, Workload]] = {}

    def add(self, body: Body) -> None:
        """Keep it for the end."""
        if workload := self._mirror.read(body):
            self._found.setdefault(workload.key.namespace, {})[workload.key.name] = workload

    def complete(self, version: str) -> None:  # noqa: ARG002 - nobody else shows workloads
        """Exchange everything."""
        self._mirror.workloads = self._found

    def give_up(self) -> None:
        """Nothing was exchanged yet."""


def record_watches(
    connection: Connection,
    store: RecordStore,
    namespaces: Iterable[str] | None = None,
    patience: Patience | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Watches:
    """What keeps a store of records current, in these namespaces (None: in all)."""
    places = [Place(resource, scope) for resource in (CHANGE_EVENTS, INCIDENTS) for scope in _scopes(namespaces)]
    reflectors = [Reflector(connection, place, store.feed(*place), patience, monotonic) for place in places]
    return Watches(reflectors, monotonic)


def _scopes(namespaces: Iterable[str] | None) -> Sequence[str | None]:
    return (None,) if namespaces is None else sorted(set(namespaces))


class Place(NamedTuple):
    """What one watch follows: a kind, in one namespace or (None) in all."""

    resource: Resource
    namespace: str | None


class Reflector:
    """Shows what is in one place to a mirror."""

    def __init__(
        self,
        connection: Connection,
        place: Place,
        mirror: Mirror,
        patience: Patience | None,
        monotonic: Callable[[], float],
    ) -> None:
        self.name = f"{place.resource.plural} in {place.namespace or 'all namespaces'}"
        self.listed = asyncio.Event()
        self.answered = asyncio.Event()
        """Set when it was listed, or the API server said that it may not be."""
        self.heard_at = monotonic()
        self._connection = connection
        self._resource, self._mirror = place.resource, mirror
        self._path = collection_path(*place)
        self._patience = patience or Patience()
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
        version, listing = "", self._mirror.begin()
        try:
            async for page in self._connection.pages(self._path, {}):
                self._heard()
                version = page.version
                for item in page.items:
                    listing.add({**item, "kind": self._resource.kind})
            listing.complete(version)
        finally:
            listing.give_up()
        self._version = version
        self.listed.set()
        self.answered.set()

    def _take(self, event: Body) -> None:
        body = event["object"]
        self._version = (body.get("metadata") or {}).get("resourceVersion") or self._version
        if event["type"] == "DELETED":
            self._mirror.deleted(body)
        elif event["type"] != "BOOKMARK":
            self._mirror.changed(body)

    def _heard(self) -> None:
        self.heard_at = self._monotonic()
        self._mirror.heard()

    def _note(self, error: ClusterError) -> None:
        """Go on from where the watch was if only the network failed, and not again and again."""
        if type(error) is Forbidden:  # an answer; who is not known at all (401, a subclass) got none
            self._heard()
            self._mirror.forbidden()
            self.answered.set()
        if not isinstance(error, Unavailable) or self._failures >= _FAILURES_BEFORE_RELIST:
            self._version = ""
        _log.warning("A watch failed, and is tried again", watch=self.name, failures=self._failures, error=str(error))


def _words(error: BaseException) -> str:
    """What a ValueError of ours says; of anything else, also what it is."""
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
