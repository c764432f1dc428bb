"""The one place that chooses adapters and joins them: from options and configuration to a running operator.

What runs: kopf feeding the store, the informer, the scheduler, a LIST that heals the store, a watch on the
configuration file, the relay to the sinks, the collector of old records, the part in an election if there is one, and
the server for metrics and probes. When one of them ends by itself, Salus ends, and says which.
"""

import asyncio
import os
import signal
import socket
import threading
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence, Set
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from salus.adapters import logging
from salus.adapters.api import Connection, Login, NoCredentials
from salus.adapters.clock import SystemClock
from salus.adapters.cluster import ApiCluster
from salus.adapters.dry_run import DryRunAccounts
from salus.adapters.exposition import Probes, TelemetryServer
from salus.adapters.informer import Informer, Watches, record_watches
from salus.adapters.lease import PATIENCE, Leadership
from salus.adapters.recorder import EventRecorder
from salus.adapters.sinks import HttpSinks, SinkSettings
from salus.adapters.telemetry import PrometheusTelemetry
from salus.adapters.workload_writes import ApiAccounts
from salus.contained import contained
from salus.core.policy.compile import Catalog, SpecError
from salus.core.policy.windows import Rules
from salus.garbage import set_apart
from salus.handlers import PolicyWatch
from salus.model.policy import Mode
from salus.model.scalars import Body
from salus.model.values.configuration import Bounds, Sink, Stamps, Switches
from salus.model.values.keys import PolicyKey
from salus.model.values.metrics import Answer, Error, Query, Rule, Sample
from salus.model.values.policies import Policy
from salus.ports import HEALTH_POLICIES, LEASES, Accounts, Cluster, ClusterError, NotFound, Ref
from salus.presets import load_presets
from salus.reconcile.context import Context
from salus.reconcile.deleted_policies import tell_what_stays
from salus.reconcile.records.relay import Relay
from salus.reconcile.records.release_retention import Expiry
from salus.reconcile.records.retention import Collector
from salus.reconcile.records.store import RecordStore
from salus.reconcile.scopes import each_scope
from salus.reconcile.tick import Reconciler
from salus.scheduler import Scheduler
from salus.settings import LeaderElection, Settings, SettingsError, read_settings
from salus.sources.clusters import Lookout
from salus.sources.history import PrometheusHistory
from salus.sources.prometheus import PrometheusSource
from salus.sources.router import Sources
from salus.sources.rules import PrometheusRules
from salus.sources.settings import SourceSettings
from salus.store import PolicyStore, bare, key_of
from salus.version import __version__, described

log = structlog.get_logger(__name__)

RELIST_EVERY = timedelta(minutes=10)
RELOAD_EVERY = timedelta(seconds=1)
COLLECT_ON = timedelta(seconds=1)
"""Before the next round of the collector where one has left something."""
LOOK_EVERY, LOOK_AGAIN = timedelta(minutes=10), timedelta(minutes=1)
"""At what the sources hold; again where one did not answer."""
DELIVER_EVERY = timedelta(seconds=1)
RETRY_EVERY = timedelta(seconds=2)
SETTLED = timedelta(seconds=30)
"""After the first ticks: what is there then stays."""
DEAD_AFTER = timedelta(minutes=5)
"""A watch that said nothing for so long (a bookmark comes each minute) will not heal by itself."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `salus run` was asked for."""

    config: Path
    kubeconfig: Path | None = None
    context: str | None = None
    namespaces: tuple[str, ...] = ()
    metrics_address: str = "127.0.0.1:8080"
    log_format: str = "json"
    log_level: str = "INFO"
    dry_run: bool = False


def run(options: RunOptions) -> int:
    """Run the operator until it is told to stop. Returns the exit status.

    Raises SettingsError for a bad configuration.
    """
    settings = read_settings(options.config)
    logging.configure(logging.LogFormat(options.log_format), options.log_level)
    try:
        return asyncio.run(_main(options, settings))
    except NoCredentials as error:
        log.error("no way to reach the API server", error=str(error))
        return 1


async def _main(options: RunOptions, settings: Settings) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        login = Login(options.kubeconfig, options.context)
        connection = await stack.enter_async_context(await Connection.open(login))
        leadership = None
        if settings.leader_election.enabled:
            # A connection of its own: a renewal never waits for the answers to other requests.
            apart = await stack.enter_async_context(await Connection.open(login, patience=PATIENCE))
            leadership = _leadership(settings.leader_election, ApiCluster(apart))
        fence = leadership.fence if leadership else _no_fence
        server = Server.over(connection, options.namespaces, fence, settings.releases.value())
        operator = Operator(options, settings, server, leadership)
        stack.push_async_callback(operator.metrics.close)
        stack.push_async_callback(operator.sinks.close)
        return await operator.run(stop)


def _instance() -> str:
    """This process among those of the same host or pod that are running."""
    return f"{socket.gethostname()}-{os.getpid()}"


def _leadership(settings: LeaderElection, cluster: Cluster) -> Leadership:
    """A part in the election, under a name that no other process has or had: a container's pid is always 1."""
    me = f"{_instance()}-{uuid.uuid4().hex[:8]}"
    return Leadership(cluster, Ref(LEASES, settings.namespace, settings.name), me, SystemClock())


@dataclass(slots=True)
class LiveMetrics:
    """The configured sources, exchanged as a whole when the configuration changes; both metric ports."""

    observe: Callable[[float, str], None]
    names: frozenset[str] = frozenset()
    _sources: dict[str, PrometheusSource] = field(default_factory=dict)
    _now: Sources = field(default_factory=lambda: Sources({}))
    _past: PrometheusHistory = field(default_factory=lambda: PrometheusHistory({}))
    _rules: PrometheusRules = field(default_factory=lambda: PrometheusRules({}))

    async def use(self, settings: Mapping[str, SourceSettings]) -> None:
        """Exchange the sources; questions under way end with the old ones."""
        old = list(self._sources.values())
        self._sources = {name: PrometheusSource(one, observe=self.observe) for name, one in settings.items()}
        self._now, self._past = Sources(self._sources), PrometheusHistory(settings)
        self._rules = PrometheusRules(settings)
        self.names = frozenset(settings)
        for source in old:
            await source.close()

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        """The port MetricSource."""
        return await self._now.ask(questions)

    async def samples(
        self, question: Query, start: datetime, end: datetime, step: timedelta
    ) -> Sequence[Sample] | Error:
        """The port MetricHistory."""
        return await self._past.samples(question, start, end, step)

    @property
    def sources(self) -> Mapping[str, PrometheusSource]:
        """The sources by name."""
        return dict(self._sources)

    async def rules(self, source: str) -> Sequence[Rule] | Error:
        """The port RuleBook."""
        return await self._rules.rules(source)

    async def close(self) -> None:
        """Close all connections."""
        await self.use({})


@dataclass(frozen=True, slots=True)
class Server:
    """The API server as this process reaches it: the ports to it, and what is watched there."""

    cluster: Cluster
    accounts: Accounts
    workloads: Informer
    records: RecordStore
    record_watches: Watches

    @classmethod
    def over(
        cls, connection: Connection, namespaces: Sequence[str], fence: Callable[[], None], stamps: Stamps
    ) -> "Server":
        """By one connection, in these namespaces (none: in all); every write asks the fence."""
        cluster, watched = ApiCluster(connection, fence), namespaces or None
        records = RecordStore(cluster)
        return cls(
            cluster=cluster,
            accounts=ApiAccounts(connection, fence),
            workloads=Informer(connection, watched, stamps=stamps),
            records=records,
            record_watches=record_watches(connection, records, watched),
        )


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether all is known that has to be known before this process is of use."""

    workloads: Watches
    records: Watches
    leadership: Leadership | None = None
    listed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the policies are listed."""
    watched: threading.Event = field(default_factory=threading.Event)
    """Set when they are watched."""

    def lacks(self) -> str | None:
        """What is not known yet, the first that is missing; None when ready."""
        if not self.listed.is_set():
            return "the policies are not listed yet"
        if not self.watched.is_set():
            return "the policies are not watched yet"
        if self.leadership is not None and not self.leadership.has_looked:
            return "the lease was not read yet"
        if not self.workloads.settled:
            return "the workloads are not listed yet"
        return None if self.records.settled else "the records are not listed yet"


class Operator:
    """One running Salus; with a `leadership`, it acts only while it leads."""

    def __init__(
        self, options: RunOptions, settings: Settings, server: Server, leadership: Leadership | None = None
    ) -> None:
        self._options, self.settings, self._leadership = options, settings, leadership
        self._server = server
        self._in_use: Settings | None = None
        self.telemetry = PrometheusTelemetry()
        self._clock = SystemClock()
        self.metrics = LiveMetrics(self.telemetry.queried)
        self._moved = asyncio.Event()
        """Set when the sources were exchanged."""
        instance = _instance()
        self._reconciler = Reconciler(
            Context(
                cluster=server.cluster,
                accounts=DryRunAccounts(server.accounts, server.cluster) if options.dry_run else server.accounts,
                workloads=server.workloads,
                metrics=self.metrics,
                history=self.metrics,
                recorder=EventRecorder(server.cluster, self._clock, instance),
                telemetry=self.telemetry,
                clock=self._clock,
                switches=self._switches,
                records=server.records,
                is_known=self._knows,
                is_measured=self._measures,
                operator=f"salus {__version__} {settings.cluster}/{instance}",
                default_service_account=self._default_service_account,
                approval_expiry=lambda: self.settings.defaults.approval_expiry,
                mode_cap=Mode.OBSERVE if options.dry_run else Mode.ENFORCE,
                namespaces=options.namespaces,
                sinks=self._sink_values,
                bounds=self._bounds,
                stamps=settings.releases.value(),
            ),
            self._soon,
        )
        self.sinks = HttpSinks()
        self._relay = Relay(self._reconciler.context, self.sinks, lambda: self.settings.cluster, self._leads)
        self.store = PolicyStore(Catalog(load_presets(), ()), self)
        self.scheduler = Scheduler(self._tick, self.store.policies)
        self._watch = PolicyWatch(self.store, Login(options.kubeconfig, options.context), options.namespaces)
        self._readiness = Readiness(server.workloads, server.record_watches, leadership, watched=self._watch.ready)
        self._unlisted: set[str | None] = set()
        """Namespaces whose policies may not be listed."""
        self._work: set[asyncio.Task[None]] = set()
        """Ticks and reports that are under way."""
        self.telemetry.watch("workloads", lambda: self._server.workloads.last_event_age)
        self.telemetry.watch("records", lambda: self._server.record_watches.last_event_age)
        self.telemetry.leads(self._leads)

    # --- what runs

    async def run(self, stop: asyncio.Event) -> int:
        """Run everything until `stop` is set (0) or a part ends by itself (1)."""
        await self.use(self.settings)
        probes = Probes(alive=self._not_alive, ready=self._readiness.lacks, role=self._role)
        server = TelemetryServer(self.telemetry.registry, probes)
        host, _, port = self._options.metrics_address.rpartition(":")
        bound = await server.start(host or "127.0.0.1", int(port))
        log.info("salus starts", version=described(), metrics=f"{host}:{bound}", dry_run=self._options.dry_run)
        try:
            return await self._run_parts(stop)
        finally:
            await server.stop()

    async def _run_parts(self, stop: asyncio.Event) -> int:
        stopping = asyncio.create_task(stop.wait())
        if not await self.policies_are_there(stopping):
            return 0
        parts: dict[asyncio.Task[Any], str] = {}

        def start(name: str, work: Coroutine[Any, Any, Any]) -> None:
            parts[asyncio.create_task(work, name=name)] = name

        start("watch of policies", self._watch.run())
        start("watch of workloads", self._server.workloads.run())
        start("watch of records", self._server.record_watches.run())
        start("list of policies", self._relist())
        start("watch of the configuration", self.follow_configuration())
        start("look at the sources", self._look_at_sources())
        start("scheduler", self.schedule())
        start("relay to the sinks", self._deliver())
        start("collector of old records", self._collect())
        if self._leadership is not None:
            start("leader election", self._leadership.run())
            start("leading", self._lead(self._leadership))
        done, _ = await asyncio.wait([stopping, *parts], return_when=asyncio.FIRST_COMPLETED)
        failed = [parts[task] for task in done if task in parts]
        for task in done - {stopping}:
            log.error("a part ended by itself, salus ends", part=parts[task], exc_info=task.exception())
        for task in (*parts, stopping):
            task.cancel()
        await asyncio.wait([*parts, stopping], timeout=10)
        if self._leadership is not None:
            await self._step_down(self._leadership)
        log.info("salus ends")
        return 1 if failed else 0

    async def schedule(self) -> None:
        """Call ticks once all is known; a first one that came to nothing would be missed for an interval."""
        await self._server.workloads.wait_synced()
        await self._server.record_watches.wait_synced()
        if self._leads():
            self._soon(self._sweep())
        self.scheduler.begin()
        asyncio.get_running_loop().call_later(SETTLED.total_seconds(), set_apart)
        await self.scheduler.run()

    async def policies_are_there(self, stopping: asyncio.Task[Any]) -> bool:
        """Wait for the CRDs, saying so once; False when told to stop meanwhile."""
        said = False
        while not stopping.done():
            try:
                await self.heal_store()
            except NotFound:
                if not said:
                    log.warning("HealthPolicy is not known to this cluster; waiting for `kubectl apply -f crds/`")
                said = True
            except ClusterError as error:
                log.warning("the policies cannot be listed yet", error=str(error))
            else:
                self._readiness.listed.set()
                return True
            await asyncio.wait([stopping], timeout=RETRY_EVERY.total_seconds())
        return False

    # --- who leads

    async def _lead(self, leadership: Leadership) -> None:
        """Take up one term after another."""
        while True:
            term = await leadership.next_term()
            while leadership.holds(term):
                try:
                    await self.take_up(leadership, term)
                    break
                except ClusterError as error:
                    self.telemetry.failed("lead")
                    log.warning("this process could lead, but not everything can be listed yet", error=str(error))
                await asyncio.sleep(RETRY_EVERY.total_seconds())

    async def take_up(self, leadership: Leadership, term: int) -> None:
        """Begin a term: what is under way ends, what is known is forgotten and read anew, then the fence opens."""
        while self._work:
            await asyncio.wait(self._work)
        await self.store.replace(())
        await self._reconciler.context.records.renew(self._options.namespaces)
        self._relay.outdated()
        await self._list_policies()
        if leadership.begin(term):
            log.info("this process leads", term=term)
            await self.store.use(self.store.catalog)
            self.scheduler.begin()
            self._soon(self._sweep())

    async def _sweep(self) -> None:
        try:
            await self._reconciler.sweep(self._listed_namespaces())
        except ClusterError as error:
            self.telemetry.failed("relist")
            log.warning("incidents of policies that are gone are not closed yet", error=str(error))

    async def _step_down(self, leadership: Leadership) -> None:
        """Give the Lease back, unless a write may still be under way: then it has to run out."""
        if self._work:
            log.warning("something is still under way, so the lease is not given back")
        else:
            await leadership.release()

    def _leads(self) -> bool:
        return self._leadership is None or self._leadership.leads

    def _role(self) -> str:
        if self._leadership is None:
            return "ok"
        leader = self._leadership.leader or "not known"
        return f"leader, as {leader}" if self._leadership.leads else f"standby, leader is {leader}"

    async def heal_store(self) -> None:
        """A full LIST, and what follows for policies that are gone."""
        await self._list_policies()
        if self._leads():
            await self._reconciler.sweep(self._listed_namespaces())

    async def _list_policies(self) -> None:
        before = self.store.keys()
        found = await each_scope(self._namespaces(), self._policies_of, "list the policies")
        self._unlisted = set(self._namespaces()) - found.keys()
        among = frozenset(key for key in before if key.namespace not in self._unlisted)
        await self.store.replace([body for bodies in found.values() for body in bodies], among)

    async def _policies_of(self, namespace: str | None) -> Sequence[Body]:
        return [bare(body) async for body in self._server.cluster.each(HEALTH_POLICIES, namespace)]

    def _listed_namespaces(self) -> Sequence[str | None]:
        """Where a policy that is not known is not there."""
        return [namespace for namespace in self._namespaces() if namespace not in self._unlisted]

    def _namespaces(self) -> Sequence[str | None]:
        return self._options.namespaces or (None,)

    async def _relist(self) -> None:
        """A watch may lose a deletion; a LIST does not."""
        while True:
            await asyncio.sleep(RELIST_EVERY.total_seconds())
            try:
                await self.heal_store()
            except ClusterError as error:
                self.telemetry.failed("relist")
                log.warning("the policies could not be listed", error=str(error))

    async def _deliver(self) -> None:
        """Send records to the sinks, while this process leads."""
        while True:
            await self._reconciler.context.outbox.wait(DELIVER_EVERY.total_seconds())
            if self._leads():
                await self._soon(self._relay.round())

    async def _collect(self) -> None:
        """Delete records whose time is over, while this process leads."""
        collector = Collector(self._reconciler.context, self.store.policies.values, self._knows_all)
        expiry = Expiry(self._reconciler.context)
        while True:
            pause = COLLECT_ON if collector.behind else self.settings.retention.interval
            await asyncio.sleep(pause.total_seconds())
            if self._leads():
                await self._soon(self._collect_once(collector, expiry))

    async def _collect_once(self, collector: Collector, expiry: Expiry) -> None:
        try:
            await collector.round(self.settings.retention.value())
            await expiry.round(self.settings.retention.releases.value())
        except ClusterError as error:
            self.telemetry.failed("retention")
            log.warning("old records are not deleted yet", error=str(error))

    async def follow_configuration(self) -> None:
        """Use the configuration file anew when it has changed; a bad one is refused and the old one stays."""
        seen = stamp_of(self._options.config)
        while True:
            await asyncio.sleep(RELOAD_EVERY.total_seconds())
            stamp = stamp_of(self._options.config)
            if stamp == seen:
                continue
            seen = stamp
            with contained(self._not_used):
                await self.use(read_settings(self._options.config))
                log.info("the configuration was read anew")

    def _not_used(self, error: BaseException) -> None:
        """What is wrong with a configuration must not end what runs with the one before it."""
        self.telemetry.failed("configuration")
        if isinstance(error, SettingsError):
            log.error("the new configuration is refused, the old one stays", error=str(error))
        else:
            log.error("a defect in Salus met the new configuration, please report it", exc_info=error)

    async def _look_at_sources(self) -> None:
        """See at start, after each change and now and then what rules a source has, and whether several clusters."""
        lookout = Lookout(self.telemetry.clusters)
        while True:
            self._moved.clear()
            known = False
            with contained(self._not_learnt):
                await self.learn_rules()
            with contained(self._not_learnt):
                known = await lookout.look(self.metrics.sources, self.settings.exporters(), self.settings.cluster)
            pause = LOOK_EVERY if known else LOOK_AGAIN
            with suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), pause.total_seconds())

    async def learn_rules(self) -> None:
        """Ask the sources that policies name; of one that does not tell, what was known stays."""
        sources, known = self.settings.sources, dict(self.store.catalog.rules)
        for name in sorted({policy.spec.source for policy in self.store.policies.values()} & self.metrics.names):
            told = await self.metrics.rules(name)
            if isinstance(told, Error):
                log.info("the rules of a source are not known", source=name, reason=told.reason, error=told.message)
            else:
                known[name] = Rules(tuple(told))
        if sources == self.settings.sources and known != self.store.catalog.rules:  # else they are of other sources
            await self.store.learn(known)

    def _not_learnt(self, error: BaseException) -> None:
        self.telemetry.failed("rules")
        log.error("a defect in Salus met the rules or the clusters of a source, please report it", exc_info=error)

    async def use(self, settings: Settings) -> None:
        """Exchange what has changed; at first, everything."""
        sinks = {name: SinkSettings(**sink.endpoint(name)) for name, sink in settings.sinks.items()}
        sources = {name: source.value(name) for name, source in settings.sources.items()}
        old, self.settings, self._in_use = self._in_use, settings, settings
        if old is not None and old.kill_switch != settings.kill_switch and self._leads():
            self._soon(self._reconciler.show_switches(list(self.store.policies.values())))
        moved = old is None or old.sources != settings.sources
        rewired = old is None or old.sinks != settings.sinks
        if moved:
            await self.metrics.use(sources)
            self._moved.set()
        if rewired:
            await self.sinks.use(sinks)
        if moved or rewired or old is None or old.minimums != settings.minimums:
            names, bound = self.metrics.names, settings.bindings()
            signals, known, least = self.store.catalog.signals, settings.sink_values(), settings.minimums.value()
            rules = {} if moved else self.store.catalog.rules
            await self.store.use(Catalog(signals, names, bound, known, settings.exporters(), least, rules))

    async def _tick(self, due: Sequence[Policy], late: float) -> None:
        if self._leads():
            await self._soon(self._reconciler.tick(due, late))

    # --- what the store tells

    def accepted(self, policy: Policy, body: Body) -> None:
        """A policy can be used."""
        self._reconciler.accept(policy, dict(body.get("status") or {}))
        self.scheduler.add(policy)

    def refused(self, body: Body, error: SpecError) -> None:
        """A policy cannot be used: its own status says why."""
        log.warning("a policy is refused", policy=str(key_of(body)), error=str(error))
        if self._leads():
            self._soon(self._reconciler.report_invalid(body, error, self._clock.now()))

    def removed(self, key: PolicyKey) -> None:
        """A policy is gone."""
        self._reconciler.forget(key)
        if self._leads():
            self._soon(tell_what_stays(self._reconciler.context, key))

    def escaped(self, about: str, error: BaseException) -> None:
        """A defect met this policy alone."""
        self.telemetry.failed("compile")
        log.error("a defect in Salus met a policy, please report it", policy=about, stage="compile", exc_info=error)

    @property
    def under_way(self) -> Set[asyncio.Task[None]]:
        """Ticks and reports that have not ended yet."""
        return frozenset(self._work)

    def _soon(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    # --- how it is

    def _knows(self, key: PolicyKey) -> bool:
        return self.store.knows(key)

    def _measures(self, key: PolicyKey) -> bool:
        """Whether a policy is usable, and within the caps of its namespace."""
        bounds = self._reconciler.context.bounds()
        return key in self.store.policies and self._reconciler.caps.why_not(key, bounds) is None

    def _knows_all(self) -> bool:
        return self._readiness.listed.is_set() and self._server.workloads.synced

    def _default_service_account(self) -> str:
        return self.settings.defaults.service_account_name

    def _switches(self) -> Switches:
        return self.settings.switches()

    def _bounds(self) -> Bounds:
        return self.settings.bounds()

    def _sink_values(self) -> Mapping[str, Sink]:
        return self.settings.sink_values()

    def _not_alive(self) -> str | None:
        watches: Sequence[Watches] = (self._server.workloads, self._server.record_watches)
        age = max(one.last_event_age if one.settled else 0.0 for one in watches)
        return f"the API server said nothing for {age:.0f}s" if age > DEAD_AFTER.total_seconds() else None


def _no_fence() -> None:
    """Without an election this process always acts."""


def stamp_of(path: Path) -> tuple[int, int] | None:
    """What changes when the file does; None while it is not there (a ConfigMap being exchanged)."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
