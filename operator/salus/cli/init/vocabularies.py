"""Whose series tell of a workload, as a table: by what each is known, and how presets have to be told to ask in it.

Which questions can be asked in a vocabulary is told by the presets, whose variants bear its name. A variant without a
row here asks for series of pods, or of the workload, under the names that it gives itself.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from salus.cli.init.anchors import (
    BY_POD,
    DESTINATION,
    ENVOY,
    EXPORTED_SERVICE,
    OTEL_POD,
    POD,
    SERVICE,
    TRAEFIK,
    WORKLOAD,
    Anchor,
)

NOT_ITS_OWN = ("kube_", "container_", "kubelet_", "machine_", "ALERTS", "scrape_", "promhttp_")
"""How names begin that tell nothing of what a service does: exporters beside it, and the scraping itself."""
_STATUS = ("code", "status", "status_code", "http_status", "http_status_code")
_REQUESTS = (
    "http_requests_total",
    "http_requests_received_total",
    "http_request_duration_seconds_count",
    "flask_http_request_total",
    "gin_requests_total",
    "django_http_responses_total_by_status_total",
    "starlette_requests_total",
)
_DURATIONS = (
    "http_request_duration_seconds",
    "flask_http_request_duration_seconds",
    "starlette_request_duration_seconds",
    "gin_request_duration_seconds",
)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of one kind of exporter."""

    title: str
    told_by: Sequence[str]
    """Names of metrics, any of which shows that it is there."""
    variant: str = ""
    """As presets call it; empty: they have several words for it."""
    anchors: Sequence[Anchor] = (POD,)
    """How its series may be tied to the workload, the surest first."""
    metrics: Sequence[Sequence[str]] = ()
    """Names that stand for one another, where a preset has one of them as its default; the first that is there."""
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By parameter, which label it may be; the first that the series have."""
    values: Mapping[str, tuple[str, Sequence[str]]] = field(default_factory=dict)
    """By parameter, whose value it is and in which order of preference; none: whatever is there."""
    is_gateway: bool = False
    """It counts what comes through it alone, for a Service."""

    def instead_of(self, metric: str) -> Sequence[str]:
        """The names that a metric may have, in the order in which they are looked for."""
        return next((names for names in self.metrics if metric in names), (metric,))

    def is_told_by(self, names: Set[str]) -> bool:
        """Whether these names of metrics show it."""
        return not names.isdisjoint(self.told_by)


VOCABULARIES: Sequence[Vocabulary] = (
    Vocabulary(
        "ingress-nginx",
        ("nginx_ingress_controller_requests",),
        "nginx-ingress",
        (EXPORTED_SERVICE, SERVICE),
        values={"service": ("$serviceLabel", ())},
        is_gateway=True,
    ),
    Vocabulary(
        "Traefik",
        ("traefik_service_requests_total",),
        "traefik",
        (TRAEFIK,),
        values={"service": ("service", ())},
        is_gateway=True,
    ),
    Vocabulary(
        "Envoy gateway",
        ("envoy_cluster_upstream_rq_xx",),
        "envoy",
        (ENVOY,),
        values={"cluster": ("envoy_cluster_name", ())},
        is_gateway=True,
    ),
    Vocabulary(
        "Istio",
        ("istio_requests_total",),
        "istio",
        (DESTINATION,),
        values={"reporter": ("reporter", ("destination", "waypoint"))},
    ),
    Vocabulary("Linkerd", ("response_total",), "linkerd", (WORKLOAD,)),
    Vocabulary(
        "OpenTelemetry",
        ("http_server_request_duration_seconds_count", "http_server_duration_milliseconds_count"),
        "otel",
        (OTEL_POD, *BY_POD),
        metrics=(("http_server_request_duration_seconds_count", "http_server_duration_milliseconds_count"),),
        labels={"label": ("http_response_status_code", "http_status_code")},
    ),
    Vocabulary("Spring", ("http_server_requests_seconds_count",), "spring", BY_POD),
    Vocabulary("gRPC", ("grpc_server_handled_total",), "grpc", BY_POD),
    Vocabulary(
        "HTTP of a Prometheus client",
        (*_REQUESTS, *(f"{name}_count" for name in _DURATIONS)),
        "prometheus",
        BY_POD,
        metrics=(_REQUESTS, _DURATIONS),
        labels={"label": _STATUS},
    ),
    Vocabulary("Go runtime", ("go_goroutines",)),
    Vocabulary("JVM", ("jvm_memory_used_bytes", "jvm_memory_bytes_used"), anchors=BY_POD),
    Vocabulary("Node.js", ("nodejs_eventloop_lag_p99_seconds", "nodejs_eventloop_delay_p99_seconds")),
    Vocabulary("Kafka client", ("kafka_consumer_fetch_manager_records_lag_max",)),
    Vocabulary("cAdvisor", ("container_cpu_usage_seconds_total", "container_memory_working_set_bytes"), "cadvisor"),
    Vocabulary("kube-state-metrics", ("kube_pod_info",), "kube-state-metrics", (WORKLOAD, POD)),
)
"""Nearest to the callers first: of two that answer the same question the first is proposed."""
USUAL = Vocabulary("", (), anchors=(*BY_POD, WORKLOAD))
"""Of a variant that has no row."""


def of_variant(variant: str) -> Vocabulary:
    """The row of a preset's variant."""
    return next((one for one in VOCABULARIES if one.variant == variant), USUAL)


def nearness(vocabulary: Vocabulary) -> int:
    """0 is nearest to the callers; what has no row is farthest."""
    return VOCABULARIES.index(vocabulary) if vocabulary in VOCABULARIES else len(VOCABULARIES)


def is_its_own(name: str) -> bool:
    """Whether a metric tells of what the service does."""
    return name != "up" and not name.startswith(NOT_ITS_OWN)
