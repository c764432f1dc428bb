"""A Prometheus is believed when it knows a pod of the cluster; and what is said of one that does not, or is closed."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from salus.cli.contract import CannotBeAsked
from salus.cli.logs import only_warnings
from salus.cli.metrics.opening import Found, prometheus_of
from salus.cli.metrics.proof import Proof, Witness, proven, witnesses_among
from salus.cli.metrics.wanted import Prometheus
from salus.cli.person import Where, person_at
from salus.cli.reports.metrics import AskedPrometheus
from tests.builders import ago
from tests.unit.cli.played import (
    ME,
    MONITORING,
    PlayedCluster,
    PlayedPrometheus,
    a_config_map,
    a_pod,
    a_service,
    by_url,
    kubeconfig_of,
    vector,
)

DNS = "kube-system/coredns-7d9f8c6b5-x2x4z"
CHECKOUT = Witness("shop", "checkout-1", "uid-1", "10.0.0.7", ago(3600))
QUERY = "/api/v1/query"
UNNAMED = Prometheus()


def info(title: str, **labels: str) -> dict[str, str]:
    """A series of kube_pod_info."""
    namespace, name = title.split("/")
    return {"__name__": "kube_pod_info", "namespace": namespace, "pod": name, **labels}


# --- what a series proves


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param(info("shop/checkout-1", uid="uid-1"), Proof("shop/checkout-1"), id="the same uid"),
        pytest.param(info("shop/checkout-1", uid="uid-2"), None, id="a pod of this name in another cluster"),
        pytest.param(info("shop/checkout-1", pod_ip="10.0.0.7"), Proof("shop/checkout-1"), id="no uid, its address"),
        pytest.param(info("shop/checkout-1", pod_ip="10.9.9.9"), None, id="no uid, another address"),
        pytest.param(info("shop/checkout-1"), Proof("shop/checkout-1"), id="its name alone"),
        pytest.param(info("bank/checkout-1", uid="uid-1"), None, id="another namespace"),
        pytest.param(
            info("shop/checkout-1", uid="uid-1", k8s_cluster="eu"),
            Proof("shop/checkout-1", ("k8s_cluster", "eu")),
            id="the label that tells clusters apart",
        ),
        pytest.param(
            info("monitoring/ksm-0", exported_namespace="shop", exported_pod="checkout-1", uid="uid-1"),
            Proof("shop/checkout-1", honors_labels=False),
            id="kube-state-metrics is scraped without honor_labels",
        ),
    ],
)
def test_what_a_series_proves(labels: Mapping[str, str], expected: Proof | None) -> None:
    assert proven([labels], [CHECKOUT]) == expected


def test_one_that_honors_labels_is_enough() -> None:
    exported = info("monitoring/ksm-0", exported_namespace="shop", exported_pod="checkout-1")

    assert proven([exported, info("shop/checkout-1")], [CHECKOUT]) == Proof("shop/checkout-1")


def test_the_best_witnesses_run_bear_a_name_of_their_own_and_are_old() -> None:
    deleted = a_pod("shop/deleted")
    deleted["metadata"]["deletionTimestamp"] = "2026-11-02T00:00:00Z"
    pods = [
        a_pod("shop/db-0", "2026-01-01T00:00:00Z", "StatefulSet"),
        a_pod("shop/new-x2x4z", "2026-11-03T00:00:00Z"),
        a_pod("shop/old-x2x4z", "2026-11-01T00:00:00Z"),
        a_pod("shop/pending", phase="Pending"),
        deleted,
    ]

    assert [one.name for one in witnesses_among(pods)] == ["old-x2x4z", "new-x2x4z", "db-0"]


# --- on a cluster and a Prometheus that are played


@dataclass
class Scene:
    cluster: PlayedCluster = field(default_factory=PlayedCluster)
    prometheus: PlayedPrometheus = field(default_factory=PlayedPrometheus)

    def __post_init__(self) -> None:
        self.cluster.objects += [
            a_service("monitoring/prometheus-operated", {"operated-prometheus": "true"}),
            a_pod(DNS),
        ]
        self.cluster.proxied[MONITORING] = self.prometheus
        self.prometheus.say("/api/v1/status/buildinfo", {"version": "3.7.0", "revision": "x"})
        self.prometheus.say("/api/v1/status/runtimeinfo", {"storageRetention": "15d"})

    def knows(self, *series: Mapping[str, str], fragment: str = "kube_pod_info{") -> None:
        self.prometheus.say(QUERY, vector(*series), fragment)


@pytest.fixture
def scene() -> Scene:
    return Scene()


@asynccontextmanager
async def opened(
    scene: Scene,
    folder: Path,
    wanted: Prometheus = UNNAMED,
    **where: Any,  # noqa: ANN401
) -> AsyncIterator[Found]:
    async with kubeconfig_of(scene.cluster, folder) as kubeconfig:
        asked = Where("shop", kubeconfig=kubeconfig, **where)
        async with person_at(asked) as person, prometheus_of(wanted, asked, person) as found:
            yield replace(found)


async def refused(scene: Scene, folder: Path, wanted: Prometheus = UNNAMED, **where: Any) -> Sequence[str]:  # noqa: ANN401
    with pytest.raises(CannotBeAsked) as caught:
        async with opened(scene, folder, wanted, **where):
            pass
    return list(caught.value.lines())


async def test_one_that_knows_a_pod_of_the_cluster_is_believed(tmp_path: Path, scene: Scene) -> None:
    scene.knows(info(DNS, uid="uid-of-coredns-7d9f8c6b5-x2x4z", cluster="eu-1"))

    async with opened(scene, tmp_path) as found:
        assert found.title == "Prometheus 3.7, monitoring/prometheus-operated:9090 by the API server's proxy"
        assert found.proof == Proof(DNS, ("cluster", "eu-1"))
        assert found.report() == AskedPrometheus(
            server="Prometheus 3.7",
            at="monitoring/prometheus-operated:9090",
            way="the API server's proxy",
            found_by="label operated-prometheus=true",
            kept=timedelta(days=15),
            proven_by=DNS,
            cluster={"cluster": "eu-1"},
        )


async def test_pods_of_the_persons_own_namespace_are_asked_for_first(tmp_path: Path, scene: Scene) -> None:
    scene.cluster.objects.append(a_pod("shop/checkout-x2x4z"))
    scene.knows(info("shop/checkout-x2x4z"))

    async with opened(scene, tmp_path) as found:
        assert found.proof == Proof("shop/checkout-x2x4z")


async def test_one_that_does_not_know_the_cluster_is_not_believed(tmp_path: Path, scene: Scene) -> None:
    """The mock-up of the specification."""
    scene.knows({"cluster": "us-2"}, {"cluster": "eu-1"}, fragment="count by")
    async with by_url(scene.prometheus) as url:
        lines = await refused(scene, tmp_path, Prometheus(at=url))

    assert lines == [
        "salus: error: this Prometheus does not know this cluster",
        f"  asked     {url} (Prometheus 3.7)",
        f"  looked    for pod {DNS}, which runs in devcluster: no kube_pod_info",
        '  it knows  clusters eu-1, us-2 by label "cluster"',
        "  try       another context (now: devcluster), or --prometheus; or --match cluster=eu-1",
    ]


async def test_one_that_knows_no_clusters_either(tmp_path: Path, scene: Scene) -> None:
    lines = await refused(scene, tmp_path)

    assert lines[3:] == [
        "  it knows  no label that tells clusters apart; is kube-state-metrics scraped into it?",
        "  try       another context (now: devcluster), or --prometheus",
    ]


async def test_a_pod_of_the_same_name_is_not_this_one(tmp_path: Path, scene: Scene) -> None:
    scene.knows(info(DNS, uid="another"))

    assert "kube_pod_info is of another pod of this name" in (await refused(scene, tmp_path))[2]


async def test_match_binds_every_question_to_the_cluster(tmp_path: Path, scene: Scene) -> None:
    scene.knows(info(DNS), fragment='kube_pod_info{cluster="eu-1",')
    async with opened(scene, tmp_path, Prometheus(match={"cluster": "eu-1"})) as found:
        await found.metrics.instant("up")

    assert 'up{cluster="eu-1"}' in scene.prometheus.queries()


async def test_match_is_taken_at_its_word_where_no_pod_is_known(tmp_path: Path, scene: Scene) -> None:
    scene.knows({}, fragment='count(up{cluster="eu-1"})')
    async with opened(scene, tmp_path, Prometheus(match={"cluster": "eu-1"})) as found:
        assert found.proof == Proof(cluster=("cluster", "eu-1"))


async def test_match_is_not_believed_where_nothing_has_that_label(tmp_path: Path, scene: Scene) -> None:
    scene.knows({"cluster": "us-2"}, fragment="count by")
    lines = await refused(scene, tmp_path, Prometheus(match={"cluster": "eu-1"}))

    assert lines[0] == "salus: error: this Prometheus does not know the cluster that --match names"
    assert "  looked    for series with cluster=eu-1: there are none" in lines
    assert '  it knows  cluster us-2 by label "cluster"' in lines


async def test_match_does_not_speak_against_the_proof(tmp_path: Path, scene: Scene) -> None:
    scene.knows(info(DNS, cluster="us-2"), fragment='kube_pod_info{namespace="kube-system"')
    lines = await refused(scene, tmp_path, Prometheus(match={"cluster": "eu-1"}))

    assert lines[0] == "salus: error: --match names another cluster than this one"
    assert lines[-2:] == ["  but       --match cluster=eu-1", "  try       --match cluster=us-2"]


async def test_without_a_pod_to_ask_for_nothing_is_proven(tmp_path: Path, scene: Scene) -> None:
    scene.cluster.forbidden.add(("pods", "*"))
    lines = await refused(scene, tmp_path)

    assert lines[0] == "salus: error: it cannot be told whether this Prometheus knows this cluster"
    assert "  right     list pods, in a namespace with pods" in lines


async def test_what_may_not_be_asked_is_told_with_the_right_and_the_way_around(tmp_path: Path, scene: Scene) -> None:
    """The mock-up of the specification; only `get` is needed."""
    scene.cluster.refusals[MONITORING] = (403, "services is forbidden")
    lines = await refused(scene, tmp_path, Prometheus(command="salus lint -f ."))

    assert lines == [
        "salus: error: Prometheus cannot be asked",
        "  found     service monitoring/prometheus-operated, port 9090, by label operated-prometheus=true",
        "  way       the API server's proxy",
        f"  why       {ME} may not get services/proxy in namespace monitoring",
        "  try       kubectl -n monitoring port-forward svc/prometheus-operated 9090 &",
        "            salus lint -f . --prometheus http://127.0.0.1:9090",
        "  or        ask for get on services/proxy, name prometheus-operated:9090, in monitoring",
    ]


async def test_a_service_that_cannot_be_reached_is_told_with_what_the_api_server_says(
    tmp_path: Path, scene: Scene
) -> None:
    scene.cluster.refusals[MONITORING] = (503, 'no endpoints available for service "prometheus-operated"')
    lines = await refused(scene, tmp_path, context="devcluster")

    assert "no endpoints available" in lines[3]
    assert lines[4].startswith("  try       kubectl --context devcluster -n monitoring port-forward")


@pytest.mark.parametrize(
    ("status", "tries"),
    [
        pytest.param(401, "--prometheus-token-file FILE, or --prometheus-header", id="not let in"),
        pytest.param(500, "another --prometheus", id="broken"),
    ],
)
async def test_a_url_that_does_not_answer_is_told_with_what_helps(
    tmp_path: Path, scene: Scene, status: int, tries: str
) -> None:
    scene.prometheus.say(QUERY, status)
    async with by_url(scene.prometheus) as url:
        lines = await refused(scene, tmp_path, Prometheus(at=url))

    assert lines[:3] == [
        "salus: error: Prometheus cannot be asked",
        f"  asked     {url}",
        "  named by  --prometheus",
    ]
    assert tries in lines[-1]


async def test_a_url_of_inside_the_cluster_is_told_as_the_service_that_it_means(tmp_path: Path, scene: Scene) -> None:
    lines = await refused(scene, tmp_path, Prometheus(at="http://prometheus.invalid:9090"))

    assert lines[-1] == (
        "  try       --prometheus invalid/prometheus:9090, which is asked through the API server's proxy"
    )


async def test_without_a_cluster_nothing_is_to_be_proven(scene: Scene) -> None:
    async with by_url(scene.prometheus) as url, prometheus_of(Prometheus(at=url), Where(), None) as found:
        assert found.proof is None
        assert found.title == f"Prometheus 3.7, {url}"


async def test_each_request_is_told_when_asked_for(
    tmp_path: Path, scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.knows(info(DNS))
    async with by_url(scene.prometheus) as url, opened(scene, tmp_path, Prometheus(at=url), verbose=True):
        said = capsys.readouterr()

    assert "/api/v1/query " in said.err
    assert said.out == ""


HEADERS = "Authorization: Bearer x, Impersonate-User: admin, X-Scope-OrgID: shop"


async def test_no_header_of_a_configuration_says_who_asks_the_api_server(tmp_path: Path, scene: Scene) -> None:
    url = "http://prometheus-operated.monitoring:9090"
    source = f"sources: {{default: {{url: '{url}', headers: {{{HEADERS}}}}}}}"
    scene.cluster.objects.append(a_config_map("salus-system/salus", source))
    scene.knows(info(DNS))

    async with opened(scene, tmp_path):
        pass

    assert {one.get("X-Scope-OrgID") for one in scene.prometheus.headers} == {"shop"}
    assert not any({"Authorization", "Impersonate-User"} & one.keys() for one in scene.prometheus.headers)


async def test_no_path_of_a_configuration_leads_out_of_the_proxy(tmp_path: Path, scene: Scene) -> None:
    url = "http://prometheus-operated.monitoring:9090/../../../secrets"
    scene.cluster.objects.append(a_config_map("salus-system/salus", f"sources: {{default: {{url: '{url}'}}}}"))
    lines = await refused(scene, tmp_path)

    assert "is no port and path of a Service" in "\n".join(lines)
    assert not any("secrets" in path for path in scene.cluster.asked)


def test_warnings_alone_are_logged_and_not_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    configured = structlog.get_config()
    structlog.reset_defaults()
    try:
        only_warnings()
        structlog.get_logger().debug("the particulars of a failure")
        structlog.get_logger().warning("the API server asks for a pause")
    finally:
        structlog.configure(**configured)
    said = capsys.readouterr()

    assert said.out == ""
    assert "particulars" not in said.err
    assert "asks for a pause" in said.err
