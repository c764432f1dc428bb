"""By what a series is tied to a workload: the rows of a table, in the order in which they are tried.

A label that is the workload comes first, then the name of the pod, then the Service before it. What is tied by the
address of a pod alone is only told, with what to do about it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from salus.cli.init.surroundings import Surroundings
from salus.core.policy.pod_names import literal
from salus.core.policy.promql import Matching

Matchers = Sequence[Matching]


def _is(label: str, value: str) -> Matching:
    return Matching(label, "=", value)


def _any(label: str, values: Iterable[str]) -> Matching:
    return Matching(label, "=~", "|".join(map(literal, values)))


@dataclass(frozen=True, slots=True)
class Anchor:
    """One way in which series are a workload's."""

    name: str
    matchers: Callable[[Surroundings], Matchers]
    """None: it does not apply."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Parameters of presets that follow: which labels they have."""

    def selector(self, around: Surroundings) -> str:
        """As PromQL; empty: it does not apply."""
        return f"{{{','.join(one.text for one in found)}}}" if (found := self.matchers(around)) else ""


def _pods(namespace: str, pod: str) -> Callable[[Surroundings], Matchers]:
    return lambda around: (_is(namespace, around.key.namespace), Matching(pod, "=~", around.pods))


def _services(namespace: str, service: str, *also: Matching) -> Callable[[Surroundings], Matchers]:
    def matchers(around: Surroundings) -> Matchers:
        return (_is(namespace, around.key.namespace), _any(service, around.services), *also) if around.services else ()

    return matchers


def _traefik(around: Surroundings) -> Matchers:
    names = "|".join(map(literal, around.services))
    return (Matching("service", "=~", f"{literal(around.key.namespace)}-(?:{names})-.+@.+"),) if names else ()


def _envoy(around: Surroundings) -> Matchers:
    names, namespace = "|".join(map(literal, around.services)), literal(around.key.namespace)
    return (Matching("envoy_cluster_name", "=~", f"(?:.+[/_])?{namespace}[/_](?:{names})[/_].+"),) if names else ()


WORKLOAD = Anchor(
    "workload", lambda around: (_is("namespace", around.key.namespace), _is(around.key.kind.lower(), around.key.name))
)
DESTINATION = Anchor(
    "destination_workload",
    lambda around: (
        _is("destination_workload_namespace", around.key.namespace),
        _is("destination_workload", around.key.name),
    ),
)
POD = Anchor("pod", _pods("namespace", "pod"), {"namespaceLabel": "namespace", "podLabel": "pod"})
OTEL_POD = Anchor(
    "k8s_pod_name",
    _pods("k8s_namespace_name", "k8s_pod_name"),
    {"namespaceLabel": "k8s_namespace_name", "podLabel": "k8s_pod_name"},
)
ANNOTATED_POD = Anchor(
    "kubernetes_pod_name",
    _pods("kubernetes_namespace", "kubernetes_pod_name"),
    {"namespaceLabel": "kubernetes_namespace", "podLabel": "kubernetes_pod_name"},
)
EXPORTED_POD = Anchor(
    "exported_pod",
    _pods("exported_namespace", "exported_pod"),
    {"namespaceLabel": "exported_namespace", "podLabel": "exported_pod"},
)
EXPORTED_SERVICE = Anchor(
    "exported_service",
    _services("exported_namespace", "exported_service"),
    {"namespaceLabel": "exported_namespace", "serviceLabel": "exported_service"},
)
SERVICE = Anchor(
    "service",
    _services("namespace", "service", Matching("ingress", "!=", "")),
    {"namespaceLabel": "namespace", "serviceLabel": "service"},
)
TRAEFIK = Anchor("service of Traefik", _traefik)
ENVOY = Anchor("envoy_cluster_name", _envoy)
ADDRESS = Anchor(
    "instance",
    lambda around: (
        (Matching("instance", "=~", f"(?:{'|'.join(map(literal, around.addresses))}):[0-9]+"),)
        if around.addresses
        else ()
    ),
)
ANCHORS = (
    WORKLOAD,
    DESTINATION,
    POD,
    OTEL_POD,
    ANNOTATED_POD,
    EXPORTED_POD,
    EXPORTED_SERVICE,
    SERVICE,
    TRAEFIK,
    ENVOY,
)
BY_POD = (POD, OTEL_POD, ANNOTATED_POD, EXPORTED_POD)
