"""Where a Prometheus may be, as values: a URL, a Service that the operator's configuration means, one with a label."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar
from urllib.parse import urlsplit

from salus.adapters.service_proxy import Service
from salus.core.policy.exporters import Trusted
from salus.model.scalars import Body
from salus.sources.settings import SourceSettings

_HOSTS_OF_A_SERVICE = 2
"""Parts of `NAME.NAMESPACE`; what follows may only be `svc` and the cluster's domain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(SourceSettings):
    """A Prometheus as a person reaches it; messages call it so."""

    KIND: ClassVar = "Prometheus"


@dataclass(frozen=True, slots=True)
class Place:
    """Where it is, how it is asked, and what told so."""

    settings: SourceSettings
    by: str
    """`label operated-prometheus=true`."""
    service: Service | None = None
    """It is asked through the API server's proxy."""
    exporters: Trusted = field(default_factory=dict)
    """Whose series presets believe, where the operator's configuration says so."""

    @property
    def title(self) -> str:
        """For a person."""
        return str(self.service) if self.service else self.settings.url or str(self.settings.url_file)

    @property
    def way(self) -> str:
        """`the API server's proxy`; empty for a URL."""
        return "the API server's proxy" if self.service else ""

    def bound(self, labels: Mapping[str, str]) -> "Place":
        """The same, with these labels in every selector."""
        binding = self.settings.binding
        both = replace(binding, labels={**binding.labels, **labels})
        return replace(self, settings=replace(self.settings, binding=both))


def at_service(service: Service, by: str, like: SourceSettings | None = None) -> Place:
    """A Service, asked as the settings of a source say, but for credentials: the API server passes none on."""
    url = f"{'https' if service.tls else 'http'}://{service.name}.{service.namespace}:{_number(service.port)}"
    given = like or Settings(name=str(service), url=url)
    settings = Settings(
        name=str(service),
        url=given.url,
        timeout=given.timeout,
        headers=given.headers,
        tenant_header=given.tenant_header,
        binding=given.binding,
        method="GET",
    )
    return Place(settings, by, service)


def _number(port: str) -> str:
    return port if port.isdecimal() else "80"


def service_of(url: str, own_namespace: str) -> Service | None:
    """The Service that a URL means inside the cluster, for somebody in this namespace; None: it means none."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".").split(".")
    if host in ([""], ["localhost"]) or _address(parts.hostname or "") is not None:
        return None
    if len(host) > _HOSTS_OF_A_SERVICE and host[_HOSTS_OF_A_SERVICE] != "svc":
        return None
    namespace = host[1] if len(host) > 1 else own_namespace
    tls = parts.scheme == "https"
    return Service(namespace, host[0], str(parts.port or (443 if tls else 80)), tls, parts.path.rstrip("/"))


def is_of_its_pod(settings: SourceSettings) -> bool:
    """Whether it takes what is in the operator's pod alone: a proxy beside it, or files that are mounted there."""
    address = _address(urlsplit(settings.url).hostname or "")
    files = (settings.bearer_token_file, settings.basic_auth, settings.ca_file, settings.cert_file)
    here = urlsplit(settings.url).hostname == "localhost" or (address is not None and address.is_loopback)
    return here or bool(settings.header_files) or any(one is not None for one in files)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Sign:
    """Labels by which a Service is taken for one that answers PromQL."""

    labels: Mapping[str, str]
    prefix: str = ""
    """The path below which such a Service has the API."""

    def __str__(self) -> str:
        return ",".join(f"{key}={value}" for key, value in self.labels.items())


_NAME, _COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"
SIGNS = (
    Sign({"operated-prometheus": "true"}),
    Sign({_NAME: "prometheus"}),
    Sign({"app": "kube-prometheus-stack-prometheus"}),
    Sign({"app": "prometheus", "component": "server"}),
    Sign({_NAME: "thanos-query"}),
    Sign({_NAME: "vmselect"}, "/select/0/prometheus"),
    Sign({_NAME: "vmsingle"}),
    Sign({_NAME: "mimir", _COMPONENT: "query-frontend"}, "/prometheus"),
)
"""The first that any Service has decides."""

_PORT_NAMES = ("web", "http-web", "http", "https", "http-query", "http-metrics")
_PORT_NUMBERS = (9090, 10902, 8481, 8428, 8429, 8080)


def candidates(services: Sequence[Body], sign: Sign) -> list[Service]:
    """The Services that may be meant, by namespace and name; of several before the same pods, the first."""
    found: dict[tuple[str, str], Service] = {}
    for body in sorted(services, key=lambda one: (one["metadata"]["namespace"], one["metadata"]["name"])):
        if service := in_service(body, sign.prefix):
            spec = body["spec"]
            pods = str(sorted((spec.get("selector") or {}).items())) or service.name
            found.setdefault((service.namespace, pods), service)
    return list(found.values())


def in_service(body: Body, prefix: str = "") -> Service | None:
    """The port of a Service at which a Prometheus is most likely; None: there is none behind it."""
    spec = body.get("spec") or {}
    ports = [one for one in spec.get("ports") or () if one.get("protocol", "TCP") == "TCP"]
    if not ports or spec.get("type") == "ExternalName":
        return None
    port = min(ports, key=_likeliness)
    tls = str(port.get("name", "")).startswith("https") or port.get("appProtocol") == "https" or port["port"] == 443
    metadata = body["metadata"]
    return Service(metadata["namespace"], metadata["name"], str(port["port"]), tls, prefix)


def _likeliness(port: Mapping[str, Any]) -> tuple[int, int]:
    """By name, then by number."""
    return _place(port.get("name"), _PORT_NAMES), _place(port["port"], _PORT_NUMBERS)


def _place(one: object, among: Sequence[object]) -> int:
    return among.index(one) if one in among else len(among)
