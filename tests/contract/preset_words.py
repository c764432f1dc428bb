"""How exporters count requests, and how long these took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.contract.preset_series import Status, Who
from tests.contract.preset_states import Labels, Place


def of_pods(place: Place) -> Sequence[Labels]:
    """What is scraped from pods."""
    return place.of_pods


def by_otlp(place: Place) -> Sequence[Labels]:
    """OpenTelemetry, with promoted attributes."""
    return [{"k8s_namespace_name": place.namespace, "k8s_pod_name": one["pod"]} for one in place.of_pods]


def by_istio(place: Place) -> Sequence[Labels]:
    """Counted where the requests arrive; what was sent is counted elsewhere and is nobody's business here."""
    arrives = {"destination_workload": place.name, "destination_workload_namespace": place.namespace}
    return [{**one, **arrives, "reporter": "destination"} for one in place.of_pods]


def by_linkerd(place: Place) -> Sequence[Labels]:
    """Likewise."""
    return [{**one, **place.label, "direction": "inbound"} for one in place.of_pods]


def by_nginx(place: Place) -> Sequence[Labels]:
    """Scraped from the controller's own pod."""
    controller = {"namespace": "ingress-nginx", "pod": "controller-x"}
    return [{**controller, "exported_namespace": place.namespace, "exported_service": place.name, "ingress": "shop"}]


def by_traefik(place: Place) -> Sequence[Labels]:
    """One label for all of it."""
    return [{"service": f"{place.namespace}-{place.name}-80@kubernetes", "protocol": "http"}]


def by_envoy(place: Place) -> Sequence[Labels]:
    """One cluster a Service."""
    return [{"envoy_cluster_name": f"{place.namespace}/{place.name}/80"}]


def _of_status(label: str) -> Status:
    return {label: "200"}, {label: "503"}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """How one exporter counts requests, and how long they took."""

    variant: str
    who: Who
    counter: str
    status: Status
    histogram: str
    of_durations: Mapping[str, str] = field(default_factory=dict)
    """Labels that its histogram has besides."""
    given: Mapping[str, str] = field(default_factory=dict)
    edges: tuple[str, str] = ("0.25", "0.5")
    """Two of its buckets: the latter is what a request may take."""

    def timed(self, place: Place) -> Sequence[Labels]:
        """The labels of its histogram."""
        return [{**one, **self.of_durations} for one in self.who(place)]


MILLISECONDS = ("250", "500")
VOCABULARIES = (
    Vocabulary("prometheus", of_pods, "http_requests_total", _of_status("code"), "http_request_duration_seconds"),
    Vocabulary(
        "otel",
        by_otlp,
        "http_server_request_duration_seconds_count",
        _of_status("http_response_status_code"),
        "http_server_request_duration_seconds",
    ),
    Vocabulary(
        "spring",
        of_pods,
        "http_server_requests_seconds_count",
        ({"outcome": "SUCCESS", "uri": "/orders"}, {"outcome": "SERVER_ERROR", "uri": "/orders"}),
        "http_server_requests_seconds",
        of_durations={"uri": "/orders"},
    ),
    Vocabulary(
        "grpc",
        of_pods,
        "grpc_server_handled_total",
        ({"grpc_code": "OK"}, {"grpc_code": "Internal"}),
        "grpc_server_handling_seconds",
        of_durations={"grpc_type": "unary"},
    ),
    Vocabulary(
        "istio",
        by_istio,
        "istio_requests_total",
        _of_status("response_code"),
        "istio_request_duration_milliseconds",
        edges=MILLISECONDS,
    ),
    Vocabulary(
        "linkerd",
        by_linkerd,
        "response_total",
        ({"classification": "success"}, {"classification": "failure"}),
        "response_latency_ms",
        edges=MILLISECONDS,
    ),
    Vocabulary(
        "nginx-ingress",
        by_nginx,
        "nginx_ingress_controller_requests",
        _of_status("status"),
        "nginx_ingress_controller_request_duration_seconds",
    ),
    Vocabulary(
        "traefik",
        by_traefik,
        "traefik_service_requests_total",
        _of_status("code"),
        "traefik_service_request_duration_seconds",
        given={"service": "api-80"},
        edges=("0.3", "1.2"),
    ),
    Vocabulary(
        "envoy",
        by_envoy,
        "envoy_cluster_upstream_rq_xx",
        ({"envoy_response_code_class": "2"}, {"envoy_response_code_class": "5"}),
        "envoy_cluster_upstream_rq_time",
        given={"cluster": "$namespace/$target/80"},
        edges=MILLISECONDS,
    ),
)
