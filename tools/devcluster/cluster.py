"""A whole cluster as a context manager: control plane, nodes, Prometheus and what feeds it, in order.

    with DevCluster() as cluster:
        cluster.kubectl("create", "deployment", "web", "--image=web")

This is what the fixtures, the demo and `make cluster` use. What the parts do is in the modules they come from.
"""

import contextlib
import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeVar

from tools.devcluster import kubelet, rights
from tools.devcluster.api import Api, ApiError, Object
from tools.devcluster.audit import AuditLog
from tools.devcluster.controlplane import ControlPlane, Settings
from tools.devcluster.discovery import Discovery
from tools.devcluster.kwok import Kwok
from tools.devcluster.processes import PATIENCE, Process, wait_until
from tools.devcluster.programs import CONTROL_PLANE, find, find_e2e
from tools.devcluster.progress import Say, silence
from tools.devcluster.prometheus import Alertmanager, Prometheus
from tools.devcluster.rundir import RunFolder
from tools.devcluster.state_metrics import StateMetrics

_Part = TypeVar("_Part")
Nodes = Literal["kwok", "kubelet", "none"]
_NODE_PROGRAMS: dict[Nodes, tuple[str, ...]] = {"kwok": ("kwok",), "kubelet": ("kubelet", "kube-proxy"), "none": ()}


class KubectlError(RuntimeError):
    """kubectl failed; the message is what it printed."""


class DevCluster:
    """A cluster on loopback, or with `nodes="kubelet"` in the sandbox that this process runs in."""

    def __init__(  # noqa: PLR0913 — what there is to choose, all named, each with its default
        self,
        *,
        nodes: Nodes = "kwok",
        node_count: int = 3,
        prometheus: bool = True,
        alertmanager: bool = False,
        scrape_interval: str = "1s",
        rule_files: Sequence[Path] = (),
        keep: bool = False,
        say: Say = silence,
    ) -> None:
        """Describe the cluster; `start` starts it.

        `node_count` is for kwok, since a sandbox has one kubelet. `keep` leaves the run's folder (logs, audit log) at
        the end, as does an error.
        """
        self.nodes = nodes
        self.say = say
        self._node_count = node_count
        self._with_prometheus = prometheus
        self._with_alertmanager = alertmanager
        self._scrape_interval = scrape_interval
        self._rule_files = tuple(rule_files)
        self._keep = keep
        self._teardown = contextlib.ExitStack()
        self._plane: ControlPlane | None = None
        self._audit: AuditLog | None = None
        self._kwok: Kwok | None = None
        self._node: kubelet.Node | None = None
        self._prometheus: Prometheus | None = None
        self._alertmanager: Alertmanager | None = None
        self._discovery: Discovery | None = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop; keep the run's folder if there was an error."""
        self.stop(failed=kind is not None and issubclass(kind, Exception))

    def start(self) -> None:
        """Find or build the programs, start everything and wait until it works (5 to 9 seconds with kwok).

        Raises:
            ProgramMissingError: A program is nowhere to be found.
            ProcessFailedError: A part did not start; its log is kept.

        """
        programs = find(self._program_names(), self.say) | (find_e2e(self.say) if self.nodes == "kubelet" else {})
        self._folder = RunFolder.create()
        try:
            self._start_plane(programs)
            self._start_nodes(programs)
            self._start_metrics(programs)
        except BaseException as error:
            self.stop(failed=isinstance(error, Exception))
            raise

    def stop(self, *, failed: bool = False) -> None:
        """Stop everything and remove the run's folder, unless it is to be kept."""
        try:
            self._teardown.close()
            if self._audit is not None:
                rights.note(self._audit)
        finally:
            if self._keep or failed:
                self._folder.keep()
                self.say(f"Logs are kept in {self.run_dir}")
            else:
                self._folder.remove()

    @property
    def plane(self) -> ControlPlane:
        """The control plane."""
        return _started(self._plane, "control plane")

    @property
    def run_dir(self) -> Path:
        """Where logs, kubeconfigs and data are."""
        return self._folder.path

    @property
    def url(self) -> str:
        """Where the API server is."""
        return self.plane.url

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of `admin`, who may do anything."""
        return self.kubeconfig_for("admin")

    def kubeconfig_for(self, user: str, groups: Sequence[str] | None = None) -> Path:
        """Return the kubeconfig of `user`: one of `controlplane.USERS`, or a new one in `groups`."""
        return self.plane.kubeconfig(user, groups)

    def api(self, user: str = "tests") -> Api:
        """Return the API server as `user` sees it."""
        return self.plane.api(user)

    @property
    def audit(self) -> AuditLog:
        """The audit log."""
        return _started(self._audit, "control plane")

    @property
    def has_prometheus(self) -> bool:
        """Whether there is a Prometheus."""
        return self._prometheus is not None

    @property
    def prometheus(self) -> Prometheus:
        """Prometheus, which may be stopped and started again."""
        return _started(self._prometheus, "Prometheus")

    @property
    def prometheus_url(self) -> str:
        """Where Prometheus is."""
        return self.prometheus.url

    @property
    def alertmanager_url(self) -> str:
        """Where Alertmanager is."""
        return _started(self._alertmanager, "Alertmanager").url

    @property
    def node(self) -> kubelet.Node:
        """The real node; images are loaded into it."""
        return _started(self._node, "kubelet")

    def pods(self) -> list[Object]:
        """Return all pods as last seen by the watch that feeds Prometheus' targets."""
        return _started(self._discovery, "Prometheus").pods()

    def use_simulator(self, address: str | None) -> None:
        """Have the pods that kwok plays scraped from the simulator at `address` (host:port)."""
        _started(self._discovery, "Prometheus").use_simulator(address)

    def kubectl(self, *arguments: str, stdin: str | None = None, user: str = "admin") -> str:
        """Run kubectl as `user`, with `stdin` as its input, and return what it prints.

        Raises:
            KubectlError: It failed; the message is its own.

        """
        command = [
            str(self.plane.programs["kubectl"]),
            f"--kubeconfig={self.kubeconfig_for(user)}",
            f"--cache-dir={self.run_dir / 'kubectl'}",
            *arguments,
        ]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def install_crds(self, path: Path) -> None:
        """Apply the CRDs in a file or folder, and wait until the API server serves them.

        `kubectl wait` would do, were it not for the moment in which a CRD has no conditions yet: then it fails. And a
        kind that is established may still answer for a while that its storage is being initialized.
        """
        self.kubectl("apply", "--server-side", "-f", str(path))
        wait_until(lambda: self._are_served(path), timeout=PATIENCE, what=f"the CRDs of {path}")

    def _are_served(self, path: Path) -> bool:
        found = json.loads(self.kubectl("get", "-o", "json", "-f", str(path)))
        return all(_is_established(body) and self._lists(body) for body in found.get("items", [found]))

    def _lists(self, body: Object) -> bool:
        """Whether there is an answer to what objects there are of this CRD's kind; anything else is no CRD."""
        if body["kind"] != "CustomResourceDefinition":
            return True
        group, plural = body["spec"]["group"], body["spec"]["names"]["plural"]
        version = next(version["name"] for version in body["spec"]["versions"] if version["served"])
        try:
            self.api("admin").get(f"/apis/{group}/{version}/{plural}")
        except ApiError:
            return False
        return True

    def processes(self) -> list[Process]:
        """Return every process that this cluster runs."""
        kwok = [self._kwok.process] if self._kwok else []
        others = [part for part in (self._node, self._prometheus, self._alertmanager) if part is not None]
        return [*self.plane.processes(), *kwok, *(process for part in others for process in part.processes())]

    def _program_names(self) -> list[str]:
        names = [*CONTROL_PLANE, *_NODE_PROGRAMS[self.nodes]]
        names += ["prometheus"] if self._with_prometheus else []
        names += ["alertmanager"] if self._with_alertmanager else []
        return names

    def _start_plane(self, programs: dict[str, Path]) -> None:
        settings = kubelet.SETTINGS if self.nodes == "kubelet" else Settings()
        self._plane = ControlPlane(programs, self.run_dir, settings, self.say)
        self._audit = AuditLog(self._plane.audit_log)
        self._stop_later(self._plane.stop)
        self._plane.start()

    def _start_nodes(self, programs: dict[str, Path]) -> None:
        if self.nodes == "kwok":
            self._kwok = Kwok.start(self.plane, nodes=self._node_count)
            self._stop_later(self._kwok.stop)
            self.say(f"{self._node_count} nodes ready, played by kwok")
        elif self.nodes == "kubelet":
            self._node = kubelet.start_node(self.plane, programs, say=self.say)
            self._stop_later(self._node.stop)

    def _start_metrics(self, programs: dict[str, Path]) -> None:
        if self._with_alertmanager:
            self._alertmanager = Alertmanager(programs["alertmanager"], self.run_dir)
            self._stop_later(self._alertmanager.stop)
            self._alertmanager.start()
        if self._with_prometheus:
            self._start_prometheus(programs["prometheus"])

    def _start_prometheus(self, program: Path) -> None:
        self._prometheus = Prometheus(
            program,
            self.run_dir,
            scrape_interval=self._scrape_interval,
            rule_files=self._rule_files,
            alertmanager_url=self._alertmanager.url if self._alertmanager else None,
            listen_address=kubelet.SETTINGS.bind_address if self.nodes == "kubelet" else "127.0.0.1",  # for pods to ask
        )
        self._discovery = Discovery(
            self.api("admin"), self._prometheus.targets / "pods.json", real_pods=self.nodes == "kubelet"
        )
        exporter = StateMetrics(self.api("admin"))
        for part in (exporter, self._discovery, self._prometheus):
            self._stop_later(part.stop)
            part.start()
        self._prometheus.add_target("kube-state-metrics", exporter.address)
        self.say("Prometheus ready")

    def _stop_later(self, stop: Callable[[], None]) -> None:
        self._teardown.callback(stop)


def _is_established(body: Object) -> bool:
    """Whether this CRD is served; what else lies beside CRDs needs no waiting for."""
    if body["kind"] != "CustomResourceDefinition":
        return True
    conditions = body.get("status", {}).get("conditions") or ()
    return any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions)


def _started(part: _Part | None, name: str) -> _Part:
    if part is None:
        raise RuntimeError(f"this cluster has no {name}, or is not started")
    return part
