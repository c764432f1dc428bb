"""The devcluster does what the other tests build on: pods live the lives they are told to, and writes are on record."""

import contextlib
import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tools.devcluster import rundir
from tools.devcluster.api import ApiError, Object
from tools.devcluster.cluster import DevCluster
from tools.devcluster.kwok import LIFE, READY_AFTER, Life
from tools.devcluster.processes import PATIENCE, Process, ProcessFailedError, free_port, wait_until
from tools.devcluster.remote_write import Series

_REPOSITORY = Path(__file__).parents[2]


def pod_path(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/pods" + (f"/{name}" if name else "")


def deployment_path(namespace: str, name: str = "") -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments" + (f"/{name}" if name else "")


def template(life: Life = "ready", annotations: Mapping[str, str] | None = None) -> Object:
    return {
        "metadata": {"labels": {"app": "web"}, "annotations": {LIFE: life, **(annotations or {})}},
        "spec": {"containers": [{"name": "web", "image": "web"}]},
    }


def create_deployment(cluster: DevCluster, namespace: str, template: Object) -> None:
    spec = {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    cluster.api().create(deployment_path(namespace), {"metadata": {"name": "web"}, "spec": spec})


def create_pod(cluster: DevCluster, namespace: str, template: Object) -> None:
    cluster.api().create(pod_path(namespace), {**template, "metadata": {**template["metadata"], "name": "web"}})


def wait_available(cluster: DevCluster, namespace: str) -> None:
    def available() -> bool:
        status = cluster.api().get(deployment_path(namespace, "web"))["status"]
        return [status.get(key, 0) for key in ("availableReplicas", "updatedReplicas", "replicas")] == [3, 3, 3]

    wait_until(available, timeout=PATIENCE, what="the Deployment is available")


def condition(pod: Object, kind: str) -> Object:
    return next((found for found in pod["status"].get("conditions", ()) if found["type"] == kind), {})


def is_ready(pod: Object) -> bool:
    return condition(pod, "Ready").get("status") == "True"


def container(pod: Object) -> Object:
    statuses: list[Object] = pod["status"].get("containerStatuses", [{}])
    return statuses[0]


def waits_for(reason: str) -> Callable[[Object], bool]:
    return lambda pod: container(pod).get("state", {}).get("waiting", {}).get("reason") == reason


def ended(reason: str, code: int) -> Callable[[Object], bool]:
    def holds(pod: Object) -> bool:
        last = container(pod).get("lastState", {}).get("terminated", {})
        return (last.get("reason"), last.get("exitCode")) == (reason, code) and container(pod)["restartCount"] >= 2

    return holds


@pytest.mark.parametrize(
    ("life", "reached"),
    [
        pytest.param("ready", is_ready, id="ready is ready"),
        pytest.param("unready", lambda pod: "running" in container(pod).get("state", {}), id="unready runs"),
        pytest.param("crash", waits_for("CrashLoopBackOff"), id="crash waits in CrashLoopBackOff"),
        pytest.param("crash", ended("Error", 1), id="crash goes on crashing"),
        pytest.param("oom", ended("OOMKilled", 137), id="oom goes on being killed for its memory"),
        pytest.param("pull", waits_for("ImagePullBackOff"), id="pull waits in ImagePullBackOff"),
        pytest.param("slow", is_ready, id="slow is ready in the end"),
    ],
)
def test_pod_lives_as_told(
    devcluster: DevCluster, namespace: str, life: Life, reached: Callable[[Object], bool]
) -> None:
    """The annotation on a pod decides what kwok plays."""
    create_pod(devcluster, namespace, template(life, {READY_AFTER: "2s"}))

    wait_until(lambda: reached(devcluster.api().get(pod_path(namespace, "web"))), timeout=PATIENCE, what=life)

    assert is_ready(devcluster.api().get(pod_path(namespace, "web"))) == (life in {"ready", "slow"})


def test_slow_pod_is_not_ready_at_first(devcluster: DevCluster, namespace: str) -> None:
    """A slow start runs without being ready for as long as it is told to."""
    create_pod(devcluster, namespace, template("slow", {READY_AFTER: "1h"}))

    def runs() -> bool:
        return "running" in container(devcluster.api().get(pod_path(namespace, "web"))).get("state", {})

    wait_until(runs, timeout=PATIENCE, what="the container runs")

    assert not is_ready(devcluster.api().get(pod_path(namespace, "web")))


def test_pod_that_no_node_fits_is_unschedulable(devcluster: DevCluster, namespace: str) -> None:
    """A node selector that no node has needs no Stage: the real scheduler says no."""
    pod = template()
    pod["spec"]["nodeSelector"] = {"disk": "none-has-this"}
    create_pod(devcluster, namespace, pod)

    def refused() -> bool:
        scheduled = condition(devcluster.api().get(pod_path(namespace, "web")), "PodScheduled")
        return scheduled.get("reason") == "Unschedulable"

    wait_until(refused, timeout=PATIENCE, what="PodScheduled is False")


def test_bad_release_is_a_change_of_the_template(devcluster: DevCluster, namespace: str) -> None:
    """A template with another life rolls out, fails, and is healed by going back."""
    create_deployment(devcluster, namespace, template())
    wait_available(devcluster, namespace)

    def release(life: Life) -> None:
        patch = {"spec": {"template": {"metadata": {"annotations": {LIFE: life}}}}}
        devcluster.api().patch(deployment_path(namespace, "web"), patch)

    release("crash")
    crashes = waits_for("CrashLoopBackOff")
    wait_until(
        lambda: any(map(crashes, devcluster.api().items(pod_path(namespace)))), timeout=PATIENCE, what="a pod crashes"
    )
    release("ready")

    wait_available(devcluster, namespace)


def test_flipped_pod_keeps_its_restart_count(devcluster: DevCluster, namespace: str) -> None:
    """Annotating a living pod changes its life, and its history stays."""
    create_pod(devcluster, namespace, template("crash"))
    crashed_twice = ended("Error", 1)
    wait_until(
        lambda: crashed_twice(devcluster.api().get(pod_path(namespace, "web"))), timeout=PATIENCE, what="two crashes"
    )

    devcluster.api().patch(pod_path(namespace, "web"), {"metadata": {"annotations": {LIFE: "ready"}}})
    wait_until(lambda: is_ready(devcluster.api().get(pod_path(namespace, "web"))), timeout=PATIENCE, what="ready again")

    assert container(devcluster.api().get(pod_path(namespace, "web")))["restartCount"] >= 2


def test_audit_log_names_user_field_manager_and_patch(devcluster: DevCluster, namespace: str) -> None:
    """One PATCH is one event, told apart from every other user's writes."""
    create_deployment(devcluster, namespace, template())
    body = [{"op": "replace", "path": "/spec/replicas", "value": 2}]
    path = deployment_path(namespace, "web")
    devcluster.api().patch(path, body, kind="application/json-patch+json", fieldManager="somebody")

    devcluster.audit.wait_for(
        lambda event: event.verb == "patch" and event.namespace == namespace, what="the patch in the audit log"
    )

    writes = devcluster.audit.writes(user="tests", resource="deployments", verb="patch", namespace=namespace)
    assert [(write.name, write.field_manager, write.body, write.code) for write in writes] == [
        ("web", "somebody", body, 200)
    ]


def test_audit_log_has_no_reads_and_no_controllers(devcluster: DevCluster, namespace: str) -> None:
    """What the control plane and kwok do to follow is not logged, nor is reading."""
    create_deployment(devcluster, namespace, template())
    wait_available(devcluster, namespace)

    users = {write.user for write in devcluster.audit.writes(namespace=namespace)}
    verbs = {write.verb for write in devcluster.audit.writes()}

    assert users == {"tests"}
    assert not verbs & {"get", "list", "watch"}


def test_a_user_has_no_rights_but_those_of_roles(devcluster: DevCluster, namespace: str) -> None:
    """RBAC is on: whom no role names may do nothing; `salus` has roles once another test has installed it."""
    with pytest.raises(ApiError, match="forbidden") as refusal:
        devcluster.api("stranger").items(pod_path(namespace))

    assert refusal.value.status == 403


def test_prometheus_answers_a_pushed_series(devcluster: DevCluster, namespace: str) -> None:
    """A sample pushed by remote write can be asked for at once, and so can one of yesterday."""
    now = time.time()
    labels = {"namespace": namespace, "text": 'quotes " and ü'}
    devcluster.prometheus.push([Series("pushed", labels, ((now - 86_400, 1.0), (now, 2.5)))])

    [today] = devcluster.prometheus.query(f'pushed{{namespace="{namespace}"}}')
    [yesterday] = devcluster.prometheus.query(f'pushed{{namespace="{namespace}"}} offset 1d')

    assert today["metric"] == {"__name__": "pushed", **labels}
    assert (today["value"][1], yesterday["value"][1]) == ("2.5", "1")


def test_state_metrics_are_scraped_under_their_real_names(devcluster: DevCluster, namespace: str) -> None:
    """What the presets ask for is there, about a live Deployment."""
    create_deployment(devcluster, namespace, template("crash"))

    def value(series: str) -> list[str]:
        return sorted({sample["value"][1] for sample in devcluster.prometheus.query(series)})

    selector = f'namespace="{namespace}"'
    wait_until(
        lambda: (
            value(f"kube_deployment_spec_replicas{{{selector}}}") == ["3"]
            and value(f'kube_pod_container_status_waiting_reason{{{selector},reason="CrashLoopBackOff"}}') == ["1"]
            and value(f"kube_deployment_status_replicas_available{{{selector}}}") == ["0"]
            and value(f'kube_pod_owner{{{selector},owner_kind="ReplicaSet"}}') == ["1"]
            and value(f'kube_pod_info{{{selector},node!="",pod_ip!=""}}') == ["1"]
        ),
        timeout=PATIENCE,
        what="kube-state-metrics' series of the Deployment",
    )


@contextlib.contextmanager
def metrics_server(seen: set[str]) -> Iterator[str]:
    """Serve one series under every path, and note the paths asked for."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.add(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"played_series 7\n")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_played_pods_are_scraped_from_the_simulator(devcluster: DevCluster, namespace: str) -> None:
    """Series of an annotated pod carry its namespace and name, and come from the simulator's path for it."""
    annotations = {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"}
    create_deployment(devcluster, namespace, template(annotations=annotations))
    wait_available(devcluster, namespace)
    names = {pod["metadata"]["name"] for pod in devcluster.api().items(pod_path(namespace))}
    seen: set[str] = set()

    def scraped() -> set[str]:
        samples = devcluster.prometheus.query(f'played_series{{namespace="{namespace}"}}')
        assert all(set(sample["metric"]) <= {"__name__", "namespace", "pod", "job", "instance"} for sample in samples)
        return {sample["metric"]["pod"] for sample in samples}

    with metrics_server(seen) as address:
        devcluster.use_simulator(address)
        wait_until(lambda: scraped() == names, timeout=PATIENCE, what="all pods scraped")
        devcluster.use_simulator(None)

    assert seen == {f"/namespaces/{namespace}/pods/{name}/metrics" for name in names}


def children_of(parent: int) -> set[int]:
    return {
        int(word) for tasks in Path(f"/proc/{parent}/task").glob("*/children") for word in tasks.read_text().split()
    }


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def cluster_command(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run `python -m tools.devcluster` until it is up, with its temporary files in `folder`."""
    with subprocess.Popen(
        [sys.executable, "-m", "tools.devcluster", "--alertmanager"],
        cwd=_REPOSITORY,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    ) as command:
        try:
            assert any("Ctrl-C" in line for line in command.stdout or ())
            yield command
        finally:
            command.kill()


@pytest.mark.parametrize(
    ("number", "status"),
    [
        pytest.param(signal.SIGINT, 0, id="Ctrl-C leaves nothing"),
        pytest.param(signal.SIGTERM, 0, id="TERM leaves nothing"),
        pytest.param(
            signal.SIGKILL, -signal.SIGKILL, id="KILL leaves no process, and a folder for the next run to sweep"
        ),
    ],
)
def test_nothing_outlives_the_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, status: int
) -> None:
    """However the command ends, the processes it started end with it."""
    with cluster_command(tmp_path) as command:
        children = children_of(command.pid)
        command.send_signal(number)

        assert command.wait(PATIENCE) == status

    assert len(children) == 7
    wait_until(lambda: not any(map(is_alive, children)), timeout=PATIENCE, what="all processes are gone")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    rundir.sweep()
    assert list(tmp_path.iterdir()) == []


def test_error_stops_everything_and_keeps_the_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person can look at why it went wrong; the next run does not sweep that away."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    said: list[str] = []
    with pytest.raises(LookupError), DevCluster(nodes="none", prometheus=False, say=said.append) as cluster:  # noqa: PT012
        processes = cluster.processes()
        raise LookupError("something went wrong")

    rundir.sweep()

    assert [process.name for process in processes if process.alive] == []
    assert (cluster.run_dir / "kube-apiserver.log").exists()
    assert said[-1] == f"Logs are kept in {cluster.run_dir}"


def test_failed_start_shows_command_and_log(tmp_path: Path) -> None:
    """A program that ends at once is an error that says what it said."""
    process = Process.start("greeter", ["/bin/sh", "-c", "echo no such luck; exit 3"], log=tmp_path / "log")

    with pytest.raises(ProcessFailedError, match=r"(?s)ended with status 3.*exit 3.*no such luck"):
        process.wait_ready(lambda: False, timeout=PATIENCE)


def test_free_ports_can_be_bound() -> None:
    """A port handed out lies outside the ranges that others take ports from."""
    assert all(20_000 <= free_port() < 30_000 for _ in range(20))
