"""A real node runs pods, routes Services and reports what kills a container."""

from pathlib import Path

import pytest
import requests

from tests.e2e.pods import container, pod, web, web_service
from tools.devcluster.api import Object
from tools.devcluster.cluster import DevCluster
from tools.devcluster.controlplane import SERVICE_ADDRESS
from tools.devcluster.images import go_image
from tools.devcluster.processes import wait_until

_SECONDS = 60
_SHOP = Path(__file__).parents[2] / "examples" / "shop" / "service"


@pytest.fixture
def web_address(devcluster: DevCluster, namespace: str) -> str:
    """Return the address of a Service with two probed pods behind it, both Ready."""
    api = devcluster.api()
    api.create(f"/apis/apps/v1/namespaces/{namespace}/deployments", web(replicas=2))
    service = api.create(f"/api/v1/namespaces/{namespace}/services", web_service())
    deployment = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    wait_until(lambda: api.get(deployment)["status"].get("readyReplicas") == 2, timeout=_SECONDS, what="two pods Ready")
    return str(service["spec"]["clusterIP"])


def test_a_service_routes_to_both_of_two_probed_pods(devcluster: DevCluster, namespace: str, web_address: str) -> None:
    pods = devcluster.api().items(f"/api/v1/namespaces/{namespace}/pods")
    expected = {item["metadata"]["name"] for item in pods}
    seen: set[str] = set()

    def both_answered() -> bool:
        seen.update(_answers(web_address))
        return seen >= expected

    wait_until(both_answered, timeout=_SECONDS, what=f"answers of {expected} at {web_address}")

    assert seen == expected


def test_a_pod_reaches_the_api_server_at_its_service_address(
    devcluster: DevCluster, namespace: str, web_address: str
) -> None:
    del web_address  # the pods that it stands for are what is needed
    ask = rf"printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 5 {SERVICE_ADDRESS} 443"

    answer = devcluster.kubectl("exec", "--namespace", namespace, "deployment/web", "--", "sh", "-c", ask)

    assert "Client sent an HTTP request to an HTTPS server" in answer


def test_logs_of_a_container_can_be_read(devcluster: DevCluster, namespace: str) -> None:
    _create(devcluster, namespace, pod("talker", container("echo hello from a container; sleep 600")))

    def log() -> str:
        return devcluster.kubectl("logs", "--namespace", namespace, "talker")

    wait_until(lambda: _state(devcluster, namespace, "talker").get("running") is not None, timeout=_SECONDS, what="run")
    wait_until(lambda: bool(log()), timeout=_SECONDS, what="a log line")

    assert log() == "hello from a container\n"


_LITTLE_MEMORY = {"limits": {"memory": "32Mi"}}


def test_a_container_over_its_memory_limit_is_oom_killed(devcluster: DevCluster, namespace: str) -> None:
    hungry = container("exec dd if=/dev/zero of=/dev/null bs=128M", resources=_LITTLE_MEMORY)
    _create(devcluster, namespace, pod("hungry", hungry))

    # The kernel's message about the memory may reach containerd after the exit, which is an "Error" until it does.
    wait_until(
        lambda: _last_end(devcluster, namespace, "hungry") == ("OOMKilled", 137), timeout=_SECONDS, what="OOMKilled"
    )


def test_a_container_that_keeps_failing_waits_in_crash_loop_back_off(devcluster: DevCluster, namespace: str) -> None:
    _create(devcluster, namespace, pod("broken", container("exit 3")))

    def reason() -> str | None:
        waiting = _state(devcluster, namespace, "broken").get("waiting") or {}
        return waiting.get("reason")

    wait_until(lambda: reason() == "CrashLoopBackOff", timeout=_SECONDS, what="CrashLoopBackOff")

    assert _last_end(devcluster, namespace, "broken") == ("Error", 3)


def test_a_go_program_runs_as_an_image_of_one_file(devcluster: DevCluster, namespace: str) -> None:
    image = go_image(_SHOP, "salus.dev/shop:dev", ports=(8080,))
    devcluster.node.load([image])
    shop = {"name": "main", "image": image.name, "imagePullPolicy": "Never"}
    _create(devcluster, namespace, pod("shop", shop))

    def answers() -> bool:
        address = _pod(devcluster, namespace, "shop")["status"].get("podIP")
        return address is not None and "http_requests_total" in _text(f"http://{address}:8080/metrics")

    wait_until(answers, timeout=_SECONDS, what="/metrics of the shop")


def _create(cluster: DevCluster, namespace: str, body: Object) -> None:
    cluster.api().create(f"/api/v1/namespaces/{namespace}/pods", body)


def _pod(cluster: DevCluster, namespace: str, name: str) -> Object:
    return cluster.api().get(f"/api/v1/namespaces/{namespace}/pods/{name}")


def _container_status(cluster: DevCluster, namespace: str, name: str) -> Object:
    statuses = _pod(cluster, namespace, name)["status"].get("containerStatuses") or [{}]
    status: Object = statuses[0]
    return status


def _state(cluster: DevCluster, namespace: str, name: str) -> Object:
    return _container_status(cluster, namespace, name).get("state") or {}


def _last_end(cluster: DevCluster, namespace: str, name: str) -> tuple[str, int] | None:
    """Return the reason and the exit code of the latest end of the pod's container."""
    status = _container_status(cluster, namespace, name)
    ends = [(status.get(state) or {}).get("terminated") for state in ("state", "lastState")]
    return next(((end["reason"], end["exitCode"]) for end in ends if end), None)


def _answers(address: str) -> set[str]:
    """Ask `address` a few times, each time over a new connection, and return the different answers."""
    return {answer for _ in range(4) if (answer := _text(f"http://{address}/").strip())}


def _text(url: str) -> str:
    """GET `url`; nothing while nobody answers there."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            return session.get(url, timeout=5).text
        except requests.ConnectionError:
            return ""
