"""A person's Prometheus, a real one, by its URL and through the proxy of a real API server: the same comes of both."""

import asyncio
import socket
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from salus.adapters.api import Connection, Login
from salus.adapters.service_proxy import Service, ServiceProxy
from salus.cli.contract import CannotBeAsked
from salus.cli.metrics.ask import Line, Metrics, Window
from salus.cli.metrics.causes import Past, absences
from salus.cli.metrics.opening import Found, prometheus_of
from salus.cli.metrics.place import Settings, at_service
from salus.cli.metrics.proof import Proof
from salus.cli.metrics.wanted import RIGHTS, THE_PROXY, Prometheus, Way
from salus.cli.metrics.ways import ByProxy, ByUrl
from salus.cli.person import Where, person_at
from salus.core.policy.absence import Kind
from salus.core.policy.promql import Matching
from salus.model.values.metrics import Error
from salus.model.values.permissions import Permission
from salus.ports import Unavailable
from salus.sources.reply import Series
from tests.compat.servers import Server, started
from tests.contract.conftest import Proxy, kubeconfig
from tests.contract.source_prometheus import metric_name
from tests.contract.source_server import ODD_REPLIES, Handler, serving, url
from tools.devcluster import remote_write
from tools.devcluster.api import Api
from tools.devcluster.cluster import DevCluster
from tools.devcluster.namespaces import fresh_namespace

WAYS = ["by URL", "through the API server"]
LABEL = {"operated-prometheus": "true"}
PATIENCE = timedelta(seconds=10)
UNNAMED = Prometheus()
_PATIENCE_SECONDS = 120.0
SHOP = {"namespace": "shop", "pod": "checkout-1", "code": "200"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = started(tmp_path_factory.mktemp("prometheus"))
    yield running
    running.stop()


def own_address() -> str:
    """An address of this machine to which an API server may proxy, as it may not to loopback. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback, to which no API server proxies")
        return str(probe.getsockname()[0])


@pytest.fixture
async def service(devcluster: DevCluster, connection: Connection, server: Server) -> AsyncIterator[Service]:
    """The Prometheus as a Service of the cluster, which takes a pod at its address: the API server asks pods alone."""
    proxy = Proxy(("127.0.0.1", urlsplit(server.url).port or 0), own_address())
    await proxy.start()
    api = devcluster.api()
    with fresh_namespace(devcluster, "monitoring") as namespace:
        found = Service(namespace, f"prometheus-{uuid.uuid4().hex[:6]}", "9090")
        port = {"name": "web", "port": 9090, "targetPort": proxy.port}
        services = f"/api/v1/namespaces/{namespace}/services"
        api.create(services, {"metadata": {"name": found.name, "labels": LABEL}, "spec": {"ports": [port]}})
        put_behind(api, found, proxy)
        await is_reached(ServiceProxy(connection, found))
        yield found
        api.delete(f"{services}/{found.name}")
    await proxy.stop()


def put_behind(api: Api, service: Service, proxy: Proxy) -> None:
    """Have a pod at this address, which nobody runs, behind a Service."""
    core = f"/api/v1/namespaces/{service.namespace}/pods"
    spec = {"schedulerName": "nobody", "containers": [{"name": "prometheus", "image": "prometheus"}]}
    api.create(core, {"metadata": {"name": service.name}, "spec": spec})
    status = {"podIP": proxy.address, "podIPs": [{"ip": proxy.address}]}
    api.patch(f"{core}/{service.name}/status", {"status": status})
    target = {"kind": "Pod", "namespace": service.namespace, "name": service.name}
    endpoint = {"addresses": [proxy.address], "conditions": {"ready": True}, "targetRef": target}
    body = {
        "metadata": {"name": service.name, "labels": {"kubernetes.io/service-name": service.name}},
        "addressType": "IPv4",
        "endpoints": [endpoint],
        "ports": [{"name": "web", "port": proxy.port}],
    }
    api.create(f"/apis/discovery.k8s.io/v1/namespaces/{service.namespace}/endpointslices", body)


async def is_reached(proxy: ServiceProxy) -> None:
    """Wait until the API server has seen what is behind a Service."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            try:
                await proxy.get("/api/v1/query", {"query": "1"}, {}, 1000)
            except Unavailable:
                await asyncio.sleep(0.02)
            else:
                return


@pytest.fixture(params=WAYS)
async def metrics(
    request: pytest.FixtureRequest, server: Server, service: Service, connection: Connection
) -> AsyncIterator[Metrics]:
    """The same Prometheus, both ways."""
    if request.param == "by URL":
        settings = Settings(name=server.url, url=server.url, timeout=PATIENCE)
        way = ByUrl(settings)
        yield Metrics(settings, Line(way), "shop")
        await way.close()
        return
    place = at_service(service, "")
    yield Metrics(place.settings, Line(ByProxy(ServiceProxy(connection, service), place.settings)), "shop")


def push(server: Server, name: str, labels: Mapping[str, str], samples: Mapping[float, float] | None = None) -> None:
    """Write samples by their age in seconds; by default a fresh one."""
    now = time.time()
    points = sorted((now - age, value) for age, value in (samples or {1: 1}).items())
    server.push([remote_write.Series(name, labels, tuple(points))])


# --- what is asked


async def test_an_instant_query(metrics: Metrics, server: Server) -> None:
    name = metric_name()
    push(server, name, SHOP, {1: 0.5})

    assert await metrics.instant(name) == (Series({"__name__": name, **SHOP}, 0.5),)
    assert await metrics.instant("1 + 1") == (Series({}, 2),)


async def test_a_query_that_is_refused_says_why(metrics: Metrics) -> None:
    found = await metrics.instant('label_replace(up, "a", "b", "c", "(")')

    assert isinstance(found, Error)
    assert found.reason == "QueryFailed"
    assert "invalid regular expression" in found.message


async def test_two_weeks_of_history_come_whole(metrics: Metrics) -> None:
    end = datetime.now(UTC).replace(microsecond=0)
    found = await metrics.over("vector(1)", end - timedelta(days=14), end, timedelta(seconds=15))
    assert not isinstance(found, Error)
    ((labels, samples),) = [(course.labels, course.samples) for course in found]

    assert labels == {}
    assert [sample.at for sample in samples] == [end - timedelta(seconds=15 * one) for one in range(80_640, -1, -1)]


async def test_a_gap_in_history_stays_one(metrics: Metrics, server: Server) -> None:
    name, now = metric_name(), datetime.now(UTC)
    push(server, name, SHOP, {7200: 1, 60: 1})
    found = await metrics.over(f"{name}", now - timedelta(hours=3), now, timedelta(minutes=1))
    assert not isinstance(found, Error)
    (course,) = found

    ages = [round((now - sample.at) / timedelta(minutes=1)) for sample in course.samples]
    assert ages == sorted(ages, reverse=True)
    assert not set(range(10, 110)) & set(ages)


async def test_series_labels_and_values(metrics: Metrics, server: Server) -> None:
    name, lately = metric_name(), Window.before(datetime.now(UTC), timedelta(hours=1))
    for code in ("200", "404"):
        push(server, name, {**SHOP, "code": code})

    series = await metrics.series(name, lately)
    cut = await metrics.series(name, lately, limit=1)
    labels = await metrics.label_names(name, lately)
    values = await metrics.label_values("code", f'{name}{{namespace="shop"}}', lately)

    assert not isinstance(series, Error)
    assert sorted(one["code"] for one in series.items) == ["200", "404"]
    assert not isinstance(cut, Error)
    assert (len(cut.items), cut.cut) == (1, True)
    assert not isinstance(labels, Error)
    assert labels.items == ("__name__", "code", "namespace", "pod")
    assert not isinstance(values, Error)
    assert values.items == ("200", "404")


async def test_what_it_says_of_itself(metrics: Metrics, server: Server) -> None:
    name = metric_name()
    push(server, name, SHOP, {float(age): 1 for age in range(1, 302, 30)})
    about = await metrics.about()

    assert about.server.startswith("Prometheus ")
    assert about.retention == timedelta(days=15)
    assert await metrics.scraped_every(name) == timedelta(seconds=30)
    assert await metrics.metadata("never_scraped") is None


async def test_why_there_is_no_data(metrics: Metrics, server: Server) -> None:
    name, gone, now = metric_name(), metric_name(), datetime.now(UTC)
    push(server, name, SHOP)
    push(server, gone, SHOP, {7200: 1})
    among = (Matching("namespace", "=", "shop"), Matching("pod", "=~", "checkout-.*"))
    past = Past(now, timedelta(days=1))

    async def cause(query: str) -> tuple[Kind, Sequence[str]]:
        (found,) = await absences(metrics, query, past, among)
        return found.kind, found.instead

    assert await cause(name) == (Kind.THERE, ())
    assert await cause(f"{name}_total") == (Kind.NEVER, ())
    never, instead = await cause(f'{name}s{{namespace="shop"}}')
    assert never is Kind.NEVER
    assert name in instead
    assert (await cause(gone))[0] is Kind.GONE
    assert await cause(f'{name}{{deployment="checkout"}}') == (Kind.NO_LABEL, ("code", "namespace", "pod"))
    assert await cause(f'rate({name}{{namespace="shop",code=~"5.."}}[5m])') == (Kind.NO_VALUE, ("200",))


# --- a server that misbehaves


@asynccontextmanager
async def misbehaving(
    way: str, handler: Handler, folder: Path, patience: timedelta = PATIENCE
) -> AsyncIterator[Metrics]:
    async with serving(handler, "/{path:.*}") as played:
        settings = Settings(name="it", url=url(played), timeout=patience)
        if way == "by URL":
            by_url = ByUrl(settings)
            yield Metrics(settings, Line(by_url), "shop")
            await by_url.close()
            return
        login = Login(kubeconfig(folder / "kubeconfig", url(played).rstrip("/")))
        async with await Connection.open(login, patience=patience) as connection:
            service = Service("monitoring", "it", "9090")
            in_time = replace(at_service(service, "").settings, timeout=patience)
            yield Metrics(in_time, Line(ByProxy(ServiceProxy(connection, service), in_time)), "shop")


REASONS_OF_THE_PROXY = {"Timeout": "Unreachable"}
"""What the connection to the API server does not tell apart."""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("handler", "reason", "says"), ODD_REPLIES)
async def test_an_odd_reply_is_an_error(way: str, handler: Handler, reason: str, says: str, tmp_path: Path) -> None:
    patience = timedelta(seconds=0.2) if "0.2s" in says else PATIENCE
    async with misbehaving(way, handler, tmp_path, patience) as metrics:
        now, step = datetime.now(UTC), timedelta(seconds=15)
        given = [await metrics.instant("x"), await metrics.over("x", now - step, now, step)]

    allowed = {reason, *([REASONS_OF_THE_PROXY.get(reason)] if way != "by URL" else [])}
    for one in given:
        assert isinstance(one, Error)
        assert one.reason in allowed
        assert says in one.message or one.reason != reason or "proxy" in way


async def test_what_the_api_server_says_is_not_taken_for_prometheus_answer(tmp_path: Path) -> None:
    """And what a Prometheus says, however refused, is not taken for the API server's."""

    async def forbidden(_: web.Request) -> web.Response:
        return web.json_response({"kind": "Status", "message": "no, thank you", "code": 403}, status=403)

    async def its_own(_: web.Request) -> web.Response:
        return web.json_response({"status": "error", "errorType": "forbidden", "error": "not you"}, status=403)

    async with misbehaving(WAYS[1], forbidden, tmp_path) as metrics:
        closed = await metrics.instant("x")
    async with misbehaving(WAYS[1], its_own, tmp_path) as metrics:
        refused = await metrics.instant("x")

    assert isinstance(closed, Error)
    assert isinstance(refused, Error)
    assert (closed.reason, refused.reason) == ("ProxyForbidden", "HttpError")


# --- found, proven, and with no more rights than the constants say


@dataclass
class Scene:
    """Somebody with these rights, whose pod the Prometheus knows."""

    cluster: DevCluster
    service: Service
    namespace: str
    pod: str
    uid: str

    @property
    def labels(self) -> Mapping[str, str]:
        """Of the pod in kube_pod_info."""
        return {"namespace": self.namespace, "pod": self.pod, "uid": self.uid, "cluster": "eu-1"}

    def kubeconfig(self, rights: frozenset[Permission]) -> Path:
        user, api = f"ines-{uuid.uuid4().hex[:6]}", self.cluster.api()
        rules = [
            {
                "apiGroups": [one.group],
                "resources": [f"{one.resource}/{one.subresource}" if one.subresource else one.resource],
                "verbs": [one.verb],
                **({"resourceNames": [self.service.address]} if one in THE_PROXY else {}),
            }
            for one in rights
        ]
        rbac = "/apis/rbac.authorization.k8s.io/v1"
        subject = {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
        role = {"kind": "ClusterRole", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
        api.create(f"{rbac}/clusterroles", {"metadata": {"name": user}, "rules": rules})
        api.create(f"{rbac}/clusterrolebindings", {"metadata": {"name": user}, "roleRef": role, "subjects": [subject]})
        return self.cluster.kubeconfig_for(user, ())

    @asynccontextmanager
    async def opened(self, rights: frozenset[Permission], wanted: Prometheus = UNNAMED) -> AsyncIterator[Found]:
        where = Where(self.namespace, kubeconfig=self.kubeconfig(rights))
        async with person_at(where) as person, prometheus_of(wanted, where, person) as found:
            yield found


@pytest.fixture
def scene(devcluster: DevCluster, service: Service, namespace: str) -> Scene:
    api, name = devcluster.api(), f"checkout-7d9f8c6b5-{uuid.uuid4().hex[:5]}"
    container = {"name": "app", "image": "app"}
    path = f"/api/v1/namespaces/{namespace}/pods"
    made = api.create(path, {"metadata": {"name": name}, "spec": {"containers": [container]}})
    devcluster.kubectl(
        "wait", f"pod/{name}", "-n", namespace, "--for=jsonpath={.status.phase}=Running", "--timeout=60s"
    )
    return Scene(devcluster, service, namespace, name, made["metadata"]["uid"])


EVERYTHING = RIGHTS[Way.LABEL] | RIGHTS[Way.CONFIG_MAP]


async def test_a_service_is_found_by_its_label_and_proven(scene: Scene, server: Server) -> None:
    push(server, "kube_pod_info", scene.labels)

    async with scene.opened(EVERYTHING) as found:
        assert found.proof == Proof(f"{scene.namespace}/{scene.pod}", ("cluster", "eu-1"))
        assert found.title.endswith(f"{scene.service} by the API server's proxy")
        assert found.place.by == "label operated-prometheus=true"


async def test_the_operators_config_map_is_followed(scene: Scene, server: Server) -> None:
    push(server, "kube_pod_info", scene.labels)
    with fresh_namespace(scene.cluster, "salus") as namespace:
        service = scene.service
        config_maps = f"/api/v1/namespaces/{namespace}/configmaps"
        text = f"sources: {{default: {{url: 'http://{service.name}.{service.namespace}.svc:9090'}}}}"
        labels = {"app.kubernetes.io/name": "salus"}
        body = {"metadata": {"name": "salus", "labels": labels}, "data": {"salus.yaml": text}}
        scene.cluster.api().create(config_maps, body)
        async with scene.opened(RIGHTS[Way.CONFIG_MAP]) as found:
            assert found.place.by == f"ConfigMap {namespace}/salus, source default"
            assert found.proof is not None
        scene.cluster.api().delete(f"{config_maps}/salus")


@pytest.mark.parametrize("lacking", sorted(RIGHTS[Way.LABEL], key=str), ids=str)
async def test_each_right_is_needed_and_named(scene: Scene, server: Server, lacking: Permission) -> None:
    push(server, "kube_pod_info", scene.labels)
    with pytest.raises(CannotBeAsked) as caught:
        async with scene.opened(RIGHTS[Way.LABEL] - {lacking}):
            pass
    said = "\n".join(caught.value.lines())

    assert str(lacking).split(" ")[1] in said


async def test_a_prometheus_of_another_cluster_is_not_believed(scene: Scene, server: Server) -> None:
    """Though it knows a pod of this very name."""
    push(server, "kube_pod_info", {**scene.labels, "uid": "another", "cluster": "us-2"})
    with pytest.raises(CannotBeAsked, match="this Prometheus does not know this cluster") as caught:
        async with scene.opened(EVERYTHING):
            pass

    assert any("us-2" in value for label, value in caught.value.facts if label == "it knows")
