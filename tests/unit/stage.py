"""The whole loop on fakes: a service whose health follows from what was done to it, and an operator that may die.

Time passes only when the stage says so; a tick is five seconds. `Stage.restart` is a new process: a new Reconciler
over the same cluster.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from salus.core.objects.autoscalers import autoscalers_of
from salus.core.objects.stamps import KNOWN
from salus.core.policy.compile import Catalog, compile_policy
from salus.model.meta import WorkloadKind
from salus.model.scalars import API_VERSION, Body
from salus.model.values.configuration import Bounds, Sink, Stamps, Switches
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Answer, Query, Sample, Value
from salus.model.values.policies import Policy
from salus.ports import (
    CHANGE_EVENTS,
    DEPLOYMENTS,
    HEALTH_POLICIES,
    INCIDENTS,
    SCALERS,
    MetricHistory,
    MetricSource,
    Ref,
)
from salus.reconcile.context import Context
from salus.reconcile.tick import Reconciler
from salus.rehearsal.cluster import Write
from salus.rehearsal.ports import NullTelemetry, RecordingRecorder, VirtualClock
from salus.rehearsal.workloads import RehearsalWorkloads
from tests.builders import NOW, a_deployment_body
from tests.fakes.cluster import FakeAccounts, FakeCluster
from tests.fakes.records import WatchedStore

TICK = timedelta(seconds=5)
NAMESPACE, NAME = "shop", "checkout"
TARGET = Ref(DEPLOYMENTS, NAMESPACE, NAME)
KEY = TargetKey(NAMESPACE, WorkloadKind.DEPLOYMENT, NAME)
A_BUSY_MACHINE = 300.0
"""Seconds: a tick on fakes is waited for to its end, however slow the machine; `test_ticks` is about who is slow."""
UNSCALED = 3
"""Replicas of the Deployment before anybody scales it."""


class Killed(GeneratorExit):
    """The process is gone; nothing may catch this, as little as the end of a coroutine."""


@dataclass(slots=True)
class MortalCluster(FakeCluster):
    """A FakeCluster under which the operator dies at the n-th write, before or after it took effect."""

    dies_at: int = 0
    """Number of the write, from 1; 0: never."""
    after: bool = False
    on_write: Callable[[Write], None] = lambda _: None
    """Called before each write: other people's hands."""
    begun: int = 0
    """Writes, since this was last set to 0."""

    def perform(self, write: Write, effect: Callable[[], Body]) -> Body:
        self.on_write(write)
        self.begun += 1
        if self.begun == self.dies_at and not self.after:
            raise Killed
        body = FakeCluster.perform(self, write, effect)
        if self.begun == self.dies_at:
            raise Killed
        return body


@dataclass(slots=True)
class Service:
    """The metric: unhealthy until `is_cured` says that the Deployment is as it should be."""

    cluster: FakeCluster
    clock: VirtualClock
    is_cured: Callable[[Body], bool]
    value: float = 0.3
    past: Sequence[Sample] = ()
    """What Prometheus remembers."""

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        """The present value, fresh."""
        now = self.clock.now()
        return [Value(self._at(), now) for _ in questions]

    async def samples(self, question: Query, start: Any, end: Any, step: timedelta) -> Sequence[Sample]:  # noqa: ANN401, ARG002
        """No past, unless told otherwise: this Prometheus is new."""
        return [sample for sample in self.past if start <= sample.at <= end]

    def _at(self) -> float:
        return 0.0 if self.is_cured(self.cluster.peek(DEPLOYMENTS)[0]) else self.value


class Metrics(MetricSource, MetricHistory, Protocol):
    """Both metric ports in one."""


def a_reconciler(
    cluster: FakeCluster,
    metrics: Metrics,
    clock: VirtualClock,
    switches: Callable[[], Switches] = Switches,
    *,
    accounts: FakeAccounts | None = None,
    sinks: Callable[[], Mapping[str, Sink]] = dict,
    bounds: Callable[[], Bounds] = Bounds,
    stamps: Stamps = KNOWN,
) -> Reconciler:
    """A new process that knows nothing but what is on record."""
    context = a_world(cluster, metrics, clock, switches, accounts=accounts, sinks=sinks, bounds=bounds, stamps=stamps)
    return Reconciler(context, patience=A_BUSY_MACHINE)


def a_world(
    cluster: FakeCluster,
    metrics: Metrics,
    clock: VirtualClock,
    switches: Callable[[], Switches] = Switches,
    *,
    accounts: FakeAccounts | None = None,
    sinks: Callable[[], Mapping[str, Sink]] = dict,
    bounds: Callable[[], Bounds] = Bounds,
    stamps: Stamps = KNOWN,
) -> Context:
    """The ports of a new process, all of them fakes."""
    return Context(
        records=WatchedStore(cluster),
        cluster=cluster,
        accounts=accounts or FakeAccounts(cluster),
        workloads=RehearsalWorkloads(cluster, stamps),
        metrics=metrics,
        history=metrics,
        recorder=RecordingRecorder(),
        telemetry=NullTelemetry(),
        clock=clock,
        switches=switches,
        is_known=lambda _: True,
        sinks=sinks,
        bounds=bounds,
        stamps=stamps,
    )


@dataclass(slots=True)
class Stage:
    """One policy, one Deployment, one operator."""

    cluster: MortalCluster
    clock: VirtualClock
    service: Service
    bounds: Bounds = field(default_factory=Bounds)
    stamps: Stamps = KNOWN
    """Before it knew any, Salus took each for a release: none is what an older one did."""
    accounts: FakeAccounts = field(init=False)
    reconciler: Reconciler = field(init=False)
    _compiled: dict[str, Policy] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.accounts = FakeAccounts(self.cluster)
        self.restart()

    def restart(self) -> None:
        """Start a new process that knows nothing but what is on record."""
        self.reconciler = a_reconciler(
            self.cluster,
            self.service,
            self.clock,
            accounts=self.accounts,
            bounds=lambda: self.bounds,
            stamps=self.stamps,
        )

    @property
    def policy(self) -> Policy:
        """The policy as it is now; like the store, it compiles what has changed."""
        body = self.cluster.peek(HEALTH_POLICIES)[0]
        version = body["metadata"]["resourceVersion"]
        if version not in self._compiled:
            self._compiled[version] = compile_policy(body, Catalog({}, ["default"]))
        return self._compiled[version]

    async def ticks(self, count: int) -> None:
        """So many ticks; pods follow their template at once. Where the process dies, a new one goes on."""
        for _ in range(count):
            self.roll_out()
            try:
                await self.reconciler.tick([self.policy])
            except Killed:
                self.cluster.dies_at = 0
                self.restart()
            self.clock.advance(TICK)

    @property
    def scaler(self) -> Body:
        """The autoscaler as it is."""
        return next(body for resource in SCALERS.values() for body in self.cluster.objects(resource))

    def roll_out(self) -> None:
        """Pods follow their template at once; an autoscaler that sees no load keeps to its minimum, from 3 on."""
        scalers = [body for resource in SCALERS.values() for body in self.cluster.objects(resource)]
        minimum = max((scaler.min_replicas for scaler in autoscalers_of(KEY, scalers)), default=None)

        def follow(body: dict[str, Any]) -> None:
            if minimum is not None and body["spec"]["replicas"]:  # a 0 switches it off
                body["spec"]["replicas"] = max(minimum, UNSCALED)
            replicas = body["spec"]["replicas"]
            counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), replicas)
            body["status"] = {"observedGeneration": body["metadata"]["generation"], **counts}

        self.cluster.edit(TARGET, follow)

    @property
    def changes(self) -> list[Body]:
        """All change events by sequence."""
        return sorted(self.cluster.objects(CHANGE_EVENTS), key=lambda body: body["spec"]["sequence"])

    @property
    def incidents(self) -> Sequence[Body]:
        """All incidents."""
        return self.cluster.objects(INCIDENTS)

    @property
    def deployment(self) -> Body:
        """The Deployment as it is."""
        return self.cluster.objects(DEPLOYMENTS)[0]

    @property
    def remedial_writes(self) -> list[Write]:
        """What Salus did to the Deployment, or to what scales it, in order."""
        return [w for w in self.cluster.writes if w.ref == TARGET or w.ref.resource in SCALERS.values()]


def a_stage(is_cured: Callable[[Body], bool], *remedies: dict[str, Any], **spec: Any) -> Stage:  # noqa: ANN401
    """A service and a policy with these remedies; windows of a few ticks."""
    clock = VirtualClock(NOW)
    cluster = MortalCluster(now=clock.now)
    cluster.put(a_deployment_body(name=NAME, replicas=UNSCALED))
    quick = {
        "mode": "Enforce",
        "target": {"kind": "Deployment", "name": NAME},
        "interval": "5s",
        "bake": "10s",
        "checks": [{"name": "errors", "query": 'errors{t="$target"}', "unhealthy": {"above": "0.05"}, "for": "10s"}],
        "remedies": list(remedies),
        "limits": {"cooldown": "5s", "maxActions": 10},
        "verify": {"settle": "5s", "stable": "10s", "timeout": "30s"},
    }
    metadata = {"name": NAME, "namespace": NAMESPACE}
    kind = {"apiVersion": API_VERSION, "kind": "HealthPolicy"}
    cluster.put({**kind, "metadata": metadata, "spec": {**quick, **spec}})
    return Stage(cluster, clock, Service(cluster, clock, is_cured))
