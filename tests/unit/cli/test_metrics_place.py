"""Which Service a URL means, which Services look like a Prometheus, and what a server says of itself."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from salus.adapters.service_proxy import Service
from salus.cli.metrics.about import age_in, interval_of, server_in
from salus.cli.metrics.place import SIGNS, Sign, candidates, service_of
from salus.model.values.metrics import Sample
from tests.builders import later
from tests.unit.cli.played import a_service

PLAIN = Sign({"app": "prometheus"})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param("http://prom.monitoring:9090", "monitoring/prom:9090", id="name and namespace"),
        pytest.param("http://prom.monitoring.svc:9090/", "monitoring/prom:9090", id="with svc"),
        pytest.param("http://prom.monitoring.svc.cluster.local.:9090", "monitoring/prom:9090", id="in full"),
        pytest.param("http://prom:9090", "salus-system/prom:9090", id="the name alone: of the operator's namespace"),
        pytest.param("http://prom.monitoring", "monitoring/prom:80", id="no port"),
        pytest.param("http://mimir.obs/prometheus", "obs/mimir:80/prometheus", id="a path"),
        pytest.param("https://prom.example.com", None, id="a host outside"),
        pytest.param("http://10.0.0.1:9090", None, id="an IPv4 address"),
        pytest.param("http://[fd00::1]:9090", None, id="an IPv6 address"),
        pytest.param("http://localhost:9090", None, id="the operator's own pod"),
    ],
)
def test_which_service_a_url_means(url: str, expected: str | None) -> None:
    found = service_of(url, "salus-system")

    assert (str(found) if found else None) == expected


def test_tls_shows_in_the_address_that_a_role_names() -> None:
    found = service_of("https://prom.monitoring", "x")

    assert found == Service("monitoring", "prom", "443", tls=True)
    assert found.address == "https:prom:443"


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        pytest.param([a_service("m/p", {})], ["m/p:9090"], id="one"),
        pytest.param(
            [a_service("b/p", {}), a_service("a/q", {})], ["a/q:9090", "b/p:9090"], id="two, by namespace and name"
        ),
        pytest.param(
            [a_service("m/p", {}, selector={"x": "y"}), a_service("m/p-headless", {}, selector={"x": "y"})],
            ["m/p:9090"],
            id="two before the same pods are one",
        ),
        pytest.param(
            [a_service("m/p", {}, selector={"x": "y"}), a_service("n/p", {}, selector={"x": "y"})],
            ["m/p:9090", "n/p:9090"],
            id="two that choose alike, in two namespaces",
        ),
        pytest.param(
            [a_service("m/p", {}, {"name": "reloader-web", "port": 8080}, {"name": "http-web", "port": 9090})],
            ["m/p:9090"],
            id="the port by its name",
        ),
        pytest.param(
            [a_service("m/p", {}, {"name": "grpc", "port": 10901}, {"port": 10902})], ["m/p:10902"], id="by its number"
        ),
        pytest.param(
            [a_service("m/p", {}, {"port": 53, "protocol": "UDP"}, {"port": 7})], ["m/p:7"], id="never one of UDP"
        ),
        pytest.param([a_service("m/p", {}, type="ExternalName")], [], id="nothing is behind it"),
        pytest.param([a_service("m/p", {}, {"name": "https", "port": 9091})], ["m/p:9091"], id="TLS"),
    ],
)
def test_which_services_may_be_meant(services: list[Mapping[str, Any]], expected: list[str]) -> None:
    assert [str(one) for one in candidates(services, PLAIN)] == expected


def test_what_stores_many_has_the_api_below_a_path() -> None:
    by_name = {str(sign): sign.prefix for sign in SIGNS if sign.prefix}

    assert by_name == {
        "app.kubernetes.io/name=vmselect": "/select/0/prometheus",
        "app.kubernetes.io/name=mimir,app.kubernetes.io/component=query-frontend": "/prometheus",
    }


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        pytest.param({"version": "3.7.1", "revision": "a", "goVersion": "go1"}, "Prometheus 3.7", id="Prometheus"),
        pytest.param({"version": "0.39.2", "revision": "a"}, "Thanos 0.39", id="Thanos"),
        pytest.param({"version": "2.24.0"}, "VictoriaMetrics", id="VictoriaMetrics says no more"),
        pytest.param({"application": "Grafana Mimir", "version": "2.17.0"}, "Grafana Mimir 2.17", id="Mimir"),
        pytest.param({}, "", id="nothing"),
        pytest.param({"version": 3}, "", id="no text"),
        pytest.param({"version": "3.7\x1b[2J"}, "", id="what a terminal would obey"),
    ],
)
def test_what_a_server_is(build: Mapping[str, Any], expected: str) -> None:
    assert server_in(build) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("15d", timedelta(days=15), id="days"),
        pytest.param("1y2w", timedelta(days=379), id="several units"),
        pytest.param("15d or 50GiB", timedelta(days=15), id="what comes first"),
        pytest.param("50GiB", None, id="a size alone"),
        pytest.param("0s", None, id="nothing"),
        pytest.param("99999999999999y", None, id="longer than time"),
        pytest.param(None, None, id="not said"),
    ],
)
def test_how_long_samples_are_kept(text: object, expected: timedelta | None) -> None:
    assert age_in(text) == expected


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        pytest.param([0, 30, 60, 90], timedelta(seconds=30), id="evenly"),
        pytest.param([0, 30, 60, 150, 180], timedelta(seconds=30), id="with a gap"),
        pytest.param([0, 29.998, 60.001], timedelta(seconds=30), id="not quite"),
        pytest.param([0, 0.5, 1], timedelta(milliseconds=500), id="faster than each second"),
        pytest.param([0], None, id="too few"),
    ],
)
def test_how_often_samples_come(at: list[float], expected: timedelta | None) -> None:
    assert interval_of([Sample(later(one), 1) for one in at]) == expected
