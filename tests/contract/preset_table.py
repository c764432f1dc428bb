"""The table: every preset of the library, in each of its variants, well, ill, unseen and scaled to zero."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.contract.preset_series import Status, Who, durations, kube_state_metrics, requests, without_pods
from tests.contract.preset_states import Case, Labels, Place, Row, Rows

CRASHING, PULLING, UNMAKEABLE = "CrashLoopBackOff", "ImagePullBackOff", "CreateContainerConfigError"
FINE = kube_state_metrics()


def waiting(*reasons: str, init: bool = False) -> Rows:
    """Pods that wait, one for each reason."""
    return kube_state_metrics(waiting=tuple(enumerate(reasons)), init=init)


def _of_pods_that_wait(preset: str, reason: str, *others: str) -> Iterator[Case]:
    row = Row(preset)
    yield from row.in_all_states(
        well=(FINE, 0.0),
        ill=(waiting(reason), 1.0),
        blind=(without_pods(waiting(reason)), None),
        zero=(FINE, 0.0),
    )
    yield from row.also("both pods", waiting(reason, reason), 2.0)
    yield from row.also("an init container", waiting(reason, init=True), 1.0)
    yield from row.also("pods that only start", waiting("ContainerCreating", "PodInitializing"), 0.0)
    yield from row.also("a pod that is gone", kube_state_metrics(waiting=[(0, reason)], gone=[0]), 0.0)
    for other in others:
        yield from row.also(other, waiting(other), 1.0)
    for other in {CRASHING, PULLING, UNMAKEABLE} - {reason}:
        yield from row.also(f"{other} is another matter", waiting(other), 0.0)


def _of_replicas() -> Iterator[Case]:
    half, none = kube_state_metrics(available=1), kube_state_metrics(available=0)
    unavailable = Row("Unavailable")
    yield from unavailable.in_all_states(well=(FINE, 1.0), ill=(half, 0.5), zero=(FINE, 1.0))
    yield from unavailable.also("nothing is left", none, 0.0)
    missing = Row("ReplicasMissing")
    yield from missing.in_all_states(well=(FINE, 2.0), ill=(none, 0.0), zero=(FINE, 0.0))
    yield from missing.also("half is missing", half, 1.0)
    yield from missing.also("pods are not exported, and need not be", without_pods(FINE), 2.0)
    stuck = Row("RolloutStuck")
    yield from stuck.in_all_states(
        well=(FINE, 0.0), ill=(kube_state_metrics(progressing="false"), 1.0), zero=(FINE, 0.0)
    )
    yield from stuck.also("it is paused", kube_state_metrics(progressing="unknown"), 0.0)
    yield from stuck.also("no deadline is set", kube_state_metrics(progressing=""), None)


# --- requests


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


def _errors(words: Vocabulary) -> Iterator[Case]:
    def failing(share: float, per_second: float = 10.0) -> Rows:
        return requests(words.counter, words.who, words.status, share, per_second)

    row = Row("ErrorRatio", words.variant, words.given)
    yield from row.in_all_states(well=(failing(0), 0.0), ill=(failing(0.2), 0.2))
    yield from row.also("a few fail", failing(0.02), 0.02)
    yield from row.also("half of hardly any fail", failing(0.5, 0.05), None, quiet=True)


def _other_errors() -> Iterator[Case]:
    def counted(name: str, who: Who, labels: Labels, other: Labels) -> Rows:
        return requests(name, who, (labels, other), 0.2)

    http, istio = "http_requests_total", "istio_requests_total"
    prometheus = Row("ErrorRatio", "prometheus")
    for status in ("404", "499", "429"):
        yield from prometheus.also(
            f"{status} is the callers'", counted(http, of_pods, {"code": "200"}, {"code": status}), 0.0
        )
    for variant, name, who in (
        ("prometheus", http, of_pods),
        ("otel", "http_server_request_duration_seconds_count", by_otlp),
    ):
        elsewhere = counted(name, who, {"result": "200"}, {"result": "500"})
        yield from Row("ErrorRatio", variant).also("the status is in another label", elsewhere, None)
    renamed = Row("ErrorRatio", "prometheus", {"metric": "gin_requests_total", "label": "status"})
    yield from renamed.also(
        "by other names",
        counted("gin_requests_total", of_pods, {"status": "2xx"}, {"status": "5xx"}),
        0.2,
    )
    for code in ("NotFound", "Unauthenticated", "ResourceExhausted", "Canceled"):
        rows = counted("grpc_server_handled_total", of_pods, {"grpc_code": "OK"}, {"grpc_code": code})
        yield from Row("ErrorRatio", "grpc").also(f"{code} is the callers'", rows, 0.0)
    well = {"response_code": "200", "grpc_response_status": "0"}
    for status, value in {"14": 0.2, "5": 0.0}.items():
        rows = counted(istio, by_istio, well, {"response_code": "200", "grpc_response_status": status})
        yield from Row("ErrorRatio", "istio").also(f"gRPC status {status} within 200", rows, value)
    both = counted(istio, by_istio, well, {"response_code": "503", "grpc_response_status": "14"})
    yield from Row("ErrorRatio", "istio").also("503 and gRPC status 14 are one failure", both, 0.2)
    probes = counted(
        "http_server_requests_seconds_count",
        of_pods,
        {"outcome": "SUCCESS", "uri": "/orders"},
        {"outcome": "SERVER_ERROR", "uri": "/actuator/health"},
    )
    yield from Row("ErrorRatio", "spring").also("a probe that fails is no request", probes, 0.0)


def _slow(words: Vocabulary) -> Iterator[Case]:
    below, edge = words.edges

    def within(share: float, spelled: str = edge, per_second: float = 10.0) -> Rows:
        return durations(words.histogram, words.timed, {below: share / 2, spelled: share}, per_second)

    row = Row("SlowRequests", words.variant, words.given)
    yield from row.in_all_states(well=(within(0.99), 0.01), ill=(within(0.7), 0.3))
    yield from row.also("half of hardly any are slow", within(0.5, per_second=0.02), None, quiet=True)
    for spelled in (f"{edge}0",) if "." in edge else (f"{edge}.0",):
        yield from row.also(f"an edge that is spelled {spelled}", within(0.7, spelled), 0.3)
    yield from row.also("no bucket has that edge", within(0.7, "9"), None)


def _all() -> Iterable[Case]:
    yield from _of_pods_that_wait("PodsCrashLooping", CRASHING)
    yield from _of_pods_that_wait("ImagePullFailing", PULLING, "ErrImagePull", "InvalidImageName")
    yield from _of_pods_that_wait("ContainersNotStarting", UNMAKEABLE, "CreateContainerError", "RunContainerError")
    yield from _of_replicas()
    for words in VOCABULARIES:
        yield from _errors(words)
        yield from _slow(words)
    yield from _other_errors()


TABLE: Sequence[Case] = tuple(_all())
