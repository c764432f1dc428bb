"""What Salus says of itself: counters for Prometheus. `exposition` serves them, in a thread of its own.

Names begin with `salus_` and end with their unit. Whoever reads them needs no authentication, so no names of workloads
are shown.
"""

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from salus.model.change import ActionKind
from salus.version import __version__

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class PrometheusTelemetry:
    """The port `Telemetry`, counted in a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._evaluations = Counter(
            "salus_evaluations_total", "Verdicts that checks gave on targets.", ["verdict"], registry=registry
        )
        self._verdicts: dict[str, Counter] = {}
        """The counters of `_evaluations`: looking them up is most of what counting costs."""
        self._decisions = Counter(
            "salus_decisions_total",
            "Change events written, refusals among them.",
            ["decision", "action", "reason"],
            registry=registry,
        )
        self._outcomes = Counter(
            "salus_changes_finished_total", "Changes whose outcome is known.", ["action", "outcome"], registry=registry
        )
        self._collected = Counter(
            "salus_records_collected_total",
            "Records deleted by retention, after they were exported to the log.",
            ["kind"],
            registry=registry,
        )
        self._withheld = Counter(
            "salus_records_withheld_total",
            "Refusals, rehearsals and incidents that were counted and not written, beyond limits.recordsPerHour.",
            ["policy_namespace"],
            registry=registry,
        )
        self._deliveries = Counter(
            "salus_sink_deliveries_total",
            "Events that were sent to sinks; the outcome is Taken or why one was not.",
            ["sink", "outcome"],
            registry=registry,
        )
        self._waiting = Gauge(
            "salus_sink_waiting_events", "Events that wait until a sink takes them.", ["sink"], registry=registry
        )
        self._errors = Counter(
            "salus_errors_total", "Errors that a stage of the loop recovered from.", ["stage"], registry=registry
        )
        self._lag = Histogram("salus_tick_lag_seconds", "How late a tick began.", buckets=_SECONDS, registry=registry)
        self._duration = Histogram(
            "salus_tick_duration_seconds", "How long a tick took.", buckets=_SECONDS, registry=registry
        )
        self._targets = Counter(
            "salus_targets_judged_total",
            "Targets judged in ticks, each of one namespace and source.",
            registry=registry,
        )
        self._queries = Histogram(
            "salus_query_duration_seconds",
            "How long metric sources took to answer.",
            ["outcome"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._clusters = Gauge(
            "salus_source_clusters",
            "Clusters whose series of kube-state-metrics a source holds; more than 1 need its matchLabels.",
            ["source"],
            registry=registry,
        )
        self._watch_age = Gauge(
            "salus_watch_last_event_age_seconds",
            "Time since a watch on the API server last said anything; bookmarks come once a minute.",
            ["watch"],
            registry=registry,
        )
        self._leader = Gauge("salus_leader", "1 in the replica that acts, 0 in one that stands by.", registry=registry)
        Gauge("salus_build_info", "Always 1; the label tells the version.", ["version"], registry=registry).labels(
            __version__
        ).set(1)

    def evaluated(self, verdict: str) -> None:
        """A check gave a verdict."""
        counter = self._verdicts.get(verdict)
        if counter is None:
            counter = self._verdicts[verdict] = self._evaluations.labels(verdict)
        counter.inc()

    def decided(self, decision: str, action: ActionKind, reason: str) -> None:
        """A change event was written."""
        self._decisions.labels(decision, action.value, reason).inc()

    def finished(self, action: ActionKind, outcome: str) -> None:
        """A change has its outcome."""
        self._outcomes.labels(action.value, outcome).inc()

    def ticked(self, lag: float, duration: float, targets: int) -> None:
        """One tick of the loop: seconds late, seconds long, targets judged."""
        self._lag.observe(lag)
        self._duration.observe(duration)
        self._targets.inc(targets)

    def sent(self, sink: str, outcome: str) -> None:
        """A sink was sent an event: `Taken`, or the reason why it was not."""
        self._deliveries.labels(sink, outcome).inc()

    def waiting(self, sink: str, events: int) -> None:
        """So many events wait for a sink."""
        self._waiting.labels(sink).set(events)

    def collected(self, kind: str) -> None:
        """A record whose time was over was deleted."""
        self._collected.labels(kind).inc()

    def withheld(self, namespace: str) -> None:
        """A record was counted and not written."""
        self._withheld.labels(namespace).inc()

    def failed(self, stage: str) -> None:
        """A stage of the loop met an error that it recovered from."""
        self._errors.labels(stage).inc()

    def queried(self, seconds: float, outcome: str) -> None:
        """A metric source answered, or did not, after so long."""
        self._queries.labels(outcome).observe(seconds)

    def clusters(self, found: Mapping[str, int]) -> None:
        """So many clusters were found in each source; of others nothing is known."""
        self._clusters.clear()
        for source, clusters in found.items():
            self._clusters.labels(source).set(clusters)

    def leads(self, leads: Callable[[], bool]) -> None:
        """Show what `leads` gives, asked at each encoding, in another thread."""
        self._leader.set_function(lambda: float(leads()))

    def watch(self, name: str, age: Callable[[], float]) -> None:
        """Show the seconds that `age` gives, asked at each encoding, in another thread, as those without a word."""
        self._watch_age.labels(name).set_function(age)
