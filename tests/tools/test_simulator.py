"""The simulator for kwok nodes: which pods it plays, how it spreads traffic, and what Prometheus gets from it."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import requests

from examples.shop.load import Tally
from examples.shop.model import Settings, ShopModel
from tools.devcluster.api import Object
from tools.devcluster.simulator import App, Pod, SimulatedShops, Simulator, metrics_path

CHECKOUT = App("shop", "checkout")
STARTED = "2026-01-02T03:04:05Z"


def pod_object(
    name: str = "a",
    *,
    ready: bool = True,
    env: dict[str, str] | None = None,
    metadata: Object | None = None,
    status: Object | None = None,
) -> Object:
    """Return a running pod; `metadata` and `status` replace fields of it."""
    usual_metadata = {"namespace": "shop", "name": name, "uid": f"uid-{name}", "labels": {"app": "checkout"}}
    usual_status = {
        "conditions": [{"type": "Ready", "status": str(ready)}],
        "containerStatuses": [{"restartCount": 0, "state": {"running": {"startedAt": STARTED}}}],
    }
    return {
        "metadata": usual_metadata | (metadata or {}),
        "spec": {"containers": [{"env": [{"name": key, "value": value} for key, value in (env or {}).items()]}]},
        "status": usual_status | (status or {}),
    }


GOOD = Pod(CHECKOUT, "a", process="uid-a/0", started=1767323045.0, ready=True, settings=Settings())


def waiting(reason: str) -> Object:
    return {"containerStatuses": [{"restartCount": 3, "state": {"waiting": {"reason": reason}}}]}


@pytest.mark.parametrize(
    ("item", "pod"),
    [
        pytest.param(pod_object(), GOOD, id="a ready pod is played"),
        pytest.param(pod_object(ready=False), replace(GOOD, ready=False), id="an unready pod is scraped, not called"),
        pytest.param(
            pod_object(metadata={"deletionTimestamp": STARTED}),
            replace(GOOD, ready=False),
            id="a deleted pod is scraped until it is gone",
        ),
        pytest.param(
            pod_object(env={"SHOP_ERROR_RATIO": "0.3"}),
            replace(GOOD, settings=Settings(error_ratio=0.3)),
            id="the container's environment is the release",
        ),
        pytest.param(pod_object(status=waiting("CrashLoopBackOff")), None, id="a crash loop runs nothing"),
        pytest.param(pod_object(status={"containerStatuses": []}), None, id="a pod not started runs nothing"),
        pytest.param(pod_object(env={"SHOP_CRASH": "true"}), None, id="a release that crashes runs nothing"),
        pytest.param(pod_object(metadata={"labels": {}}), None, id="a pod of no app is not played"),
    ],
)
def test_a_pod_is_read_as_the_api_server_gives_it(item: Object, pod: Pod | None) -> None:
    assert Pod.from_object(item) == pod


def shops(*pods: Pod, rate: float = 20, seconds: float = 10) -> SimulatedShops:
    played = SimulatedShops(ShopModel(patience=2))
    played.set_rate(CHECKOUT, rate)
    played.replace_pods(pods)
    advance(played, seconds)
    return played


def advance(played: SimulatedShops, seconds: float) -> None:
    for _ in range(round(seconds / 0.5)):
        played.advance(0.5)


def named(name: str, *, ready: bool = True, settings: Settings = GOOD.settings) -> Pod:
    return replace(GOOD, name=name, process=f"uid-{name}/0", ready=ready, settings=settings)


def sample(text: str | None, name: str) -> float:
    assert text is not None
    (value,) = [line.split()[-1] for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(value)


def answered(played: SimulatedShops, pod: str, code: int = 200) -> float:
    return sample(played.metrics("shop", pod), f'http_requests_total{{code="{code}"}}')


def test_traffic_is_spread_over_the_ready_pods() -> None:
    played = shops(named("a"), named("b"), named("c", ready=False))

    assert [answered(played, name) for name in "abc"] == [100, 100, 0]
    assert played.tally(CHECKOUT) == Tally(sent=200, ok=200)


def test_callers_are_refused_when_no_pod_is_ready() -> None:
    assert shops(named("a", ready=False)).tally(CHECKOUT) == Tally(sent=200, failed={"refused": 200})


def test_a_bad_release_shows_to_callers_and_to_prometheus_alike() -> None:
    played = shops(named("a", settings=Settings(error_ratio=0.3)))

    assert answered(played, "a", 500) == 60
    assert played.tally(CHECKOUT) == Tally(sent=200, ok=140, failed={"500": 60})


def test_more_pods_carry_a_surge() -> None:
    small = Settings(capacity=40)
    surged = shops(named("a", settings=small), rate=80)
    before = surged.tally(CHECKOUT)
    surged.replace_pods([named("a", settings=small), named("b", settings=small), named("c", settings=small)])
    advance(surged, 10)

    assert before.failed == {"503": 390}
    assert surged.tally(CHECKOUT).since(before).failures == 0


def test_a_wedge_is_gone_with_the_process() -> None:
    played = shops(named("a"))
    played.wedge("shop", "a")
    advance(played, 10)
    wedged = played.tally(CHECKOUT)
    played.replace_pods([named("b")])
    advance(played, 10)

    assert wedged == Tally(sent=400, ok=200, failed={"timeout": 160})
    assert played.tally(CHECKOUT) == Tally(sent=600, ok=400, failed={"timeout": 160, "reset": 40})
    assert played.metrics("shop", "a") is None


def test_a_restarted_container_counts_from_nothing() -> None:
    played = shops(named("a"))
    played.wedge("shop", "a")
    played.replace_pods([replace(GOOD, process="uid-a/1")])
    advance(played, 1)

    assert answered(played, "a") == 20


def test_wedging_a_pod_that_does_not_run_says_which_do() -> None:
    with pytest.raises(LookupError, match="no simulated process runs in pod shop/x; running: shop/a"):
        shops(named("a")).wedge("shop", "x")


@pytest.mark.parametrize("rate", [-1.0, float("nan"), float("inf")])
def test_an_impossible_rate_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="rate must be 0 or more"):
        shops(rate=rate)


class Cluster:
    """The pods of a cluster, as a test wants them to be; remembers what the simulator said."""

    def __init__(self, *pods: Object) -> None:
        self.pods = list(pods)
        self.said: list[str] = []

    def simulator(self) -> Simulator:
        return Simulator(lambda: list(self.pods), say=self.said.append)


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        threading.Event().wait(0.02)


def scrape(simulator: Simulator, path: str) -> requests.Response:
    return requests.get(f"http://{simulator.address}{path}", timeout=10)


def test_prometheus_gets_a_playing_pods_series_over_http() -> None:
    with Cluster(pod_object()).simulator() as simulator:
        simulator.set_rate("shop", "checkout", 100)
        path = metrics_path("shop", "a")
        eventually(lambda: simulator.tally("shop", "checkout").ok > 0)
        answer = scrape(simulator, path)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "# HELP http_requests_total Simulated:" in answer.text
    assert sample(answer.text, "process_start_time_seconds") == GOOD.started


@pytest.mark.parametrize("path", ["/namespaces/shop/pods/other/metrics", "/metrics", "/", "/namespaces/shop/pods/a"])
def test_a_path_of_no_running_pod_is_not_found(path: str) -> None:
    with Cluster(pod_object()).simulator() as simulator:
        answer = scrape(simulator, path)

    assert answer.status_code == 404
    assert answer.text.startswith("Simulator: no process would be running at")


def test_a_pod_can_be_wedged_the_moment_it_is_listed() -> None:
    with Cluster(pod_object()).simulator() as simulator:
        simulator.set_rate("shop", "checkout", 100)
        simulator.wedge("shop", "a")
        eventually(lambda: "timeout" in simulator.tally("shop", "checkout").failed)

        assert simulator.tally("shop", "checkout").ok == 0


def test_it_says_that_it_is_a_simulator() -> None:
    cluster = Cluster()
    with cluster.simulator():
        pass

    assert cluster.said[0].startswith("simulator: ")


def test_settings_that_the_service_would_refuse_are_said_once_and_the_others_play_on() -> None:
    cluster = Cluster(pod_object("bad", env={"SHOP_CAPACITY": "many"}), pod_object("good"))
    with cluster.simulator() as simulator:
        simulator.set_rate("shop", "checkout", 100)
        eventually(lambda: simulator.tally("shop", "checkout").ok > 80)  # two steps of half a second at least

    complaints = [line for line in cluster.said if "SHOP_CAPACITY" in line]
    assert len(complaints) == 1
    assert complaints[0].startswith("simulator: pod bad would exit at start: SHOP_CAPACITY: want a number")
