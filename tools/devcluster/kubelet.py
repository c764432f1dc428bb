"""One real node: containerd, kubelet and kube-proxy, in the sandbox, for a control plane that runs there too.

What the node keeps, it keeps in folders that end with the sandbox; so there is one node per sandbox, and `stop` leaves
the containers to the sandbox's end. Only the daemons' logs are in the control plane's `run_dir`. The settings that look
odd make a kubelet content with a machine that is not its own.
"""

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tools.devcluster.controlplane import ControlPlane, Settings
from tools.devcluster.images import PAUSE, Image, load, load_archive, pause_image
from tools.devcluster.processes import PATIENCE, Process, free_port, stop_together
from tools.devcluster.progress import Say, silence
from tools.devcluster.sandbox import NODE_ADDRESS, POD_RANGE, SandboxUnavailableError, inside

NODE = "node1"
SETTINGS = Settings(
    bind_address="0.0.0.0",  # noqa: S104 - all addresses of a network that is the sandbox's own
    advertise_address=NODE_ADDRESS,
    extra_sans=(NODE_ADDRESS,),
    reaches_kubelets=True,
    publishes_endpoint=True,
)

_CONTAINERD_STATE = Path("/run/containerd")  # cAdvisor looks for the socket there, or its `container` labels stay empty
_SOCKET = _CONTAINERD_STATE / "containerd.sock"
_FOLDER = Path("/run/salus-node")

# 0 leaves the kernel's own value alone, which is the whole machine's.
_CONNTRACK_LIMITS = ("max-per-core", "min", "tcp-timeout-established", "tcp-timeout-close-wait")

_POD_NETWORK = {
    "cniVersion": "0.4.0",
    "name": "pods",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "slxpods",
            "isGateway": True,
            "hairpinMode": True,  # a pod may reach itself through its Service
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": POD_RANGE}]],
                "routes": [{"dst": "0.0.0.0/0"}],
                "dataDir": str(_FOLDER / "addresses"),
            },
        }
    ],
}


@dataclass
class Node:
    """The node `node1` of `plane`."""

    plane: ControlPlane
    programs: Mapping[str, Path]
    say: Say = silence
    _processes: list[Process] = field(default_factory=list)

    def start(self) -> None:
        """Start everything and wait until the node is Ready."""
        if not inside():
            raise SandboxUnavailableError("a kubelet is started in the sandbox only: see tools/devcluster/sandbox.py")
        if _FOLDER.exists():
            raise SandboxUnavailableError("this sandbox has had a node already, and it has room for one")
        _FOLDER.mkdir()
        self._start("containerd", f"--config={self._containerd_config()}").wait_ready(
            self._containerd_answers, timeout=PATIENCE
        )
        self.load([pause_image(self.programs["busybox"])])
        kubelet = self._start("kubelet", *self._kubelet_flags())
        self._start("kube-proxy", *self._kube_proxy_flags())
        kubelet.wait_ready(self._is_ready, timeout=PATIENCE)
        self.say(f"{NODE} Ready")

    def load(self, images: Iterable[Image]) -> None:
        """Make `images` known to the node. Pods need `imagePullPolicy: Never` (or IfNotPresent) to use them."""
        load(self.programs["ctr"], images)

    def load_archive(self, archive: Path) -> None:
        """Make the images in a docker-archive known to the node, as `load` does."""
        load_archive(self.programs["ctr"], archive)

    def processes(self) -> list[Process]:
        """Return what runs, but for the containers."""
        return list(self._processes)

    def stop(self) -> None:
        """Stop the daemons; containerd, the first, last, since the others talk to it."""
        stop_together(self._processes[1:])
        stop_together(self._processes[:1])
        self._processes = []

    def _start(self, program: str, *flags: str) -> Process:
        process = Process.start(
            program,
            [self.programs[program], *flags],
            log=self.plane.run_dir / f"{program}.log",
            env={"PATH": self._search_path()},
        )
        self._processes.append(process)
        return process

    def _search_path(self) -> str:
        """Let containerd find its shim and runc, and kube-proxy nft, wherever they were found."""
        folders = dict.fromkeys(str(path.parent) for path in self.programs.values())
        return os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)])

    def _containerd_answers(self) -> bool:
        asked = subprocess.run([self.programs["ctr"], "version"], capture_output=True, check=False)
        return asked.returncode == 0

    def _is_ready(self) -> bool:
        nodes = self.plane.api().items("/api/v1/nodes")
        conditions = [condition for node in nodes for condition in node["status"].get("conditions", [])]
        return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)

    def _containerd_config(self) -> Path:
        networks = _FOLDER / "cni"
        networks.mkdir()
        (networks / "10-pods.conflist").write_text(json.dumps(_POD_NETWORK))
        path = _FOLDER / "containerd.toml"
        path.write_text(_containerd_toml(networks, plugins=self.programs["bridge"].parent))
        return path

    def _kubelet_flags(self) -> list[str]:
        kubeconfig = self.plane.kubeconfig(f"system:node:{NODE}", ("system:nodes",))
        config = _FOLDER / "kubelet.yaml"
        config.write_text(yaml.safe_dump(_kubelet_configuration(self.plane)))
        return [
            f"--config={config}",
            f"--kubeconfig={kubeconfig}",
            "--root-dir=/var/lib/kubelet",
            f"--cert-dir={_FOLDER / 'kubelet-certificates'}",
            f"--hostname-override={NODE}",
            f"--node-ip={NODE_ADDRESS}",
        ]

    def _kube_proxy_flags(self) -> list[str]:
        return [
            f"--kubeconfig={self.plane.kubeconfig('system:kube-proxy')}",
            "--proxy-mode=nftables",
            f"--hostname-override={NODE}",
            f"--cluster-cidr={POD_RANGE}",
            *(f"--conntrack-{limit}=0" for limit in _CONNTRACK_LIMITS),
        ]


def start_node(plane: ControlPlane, programs: Mapping[str, Path], *, say: Say = silence) -> Node:
    """Start a node for `plane`, which is up with `SETTINGS`, and return it when it is Ready (about 4 seconds).

    `programs` are those of the tier `e2e` and of `find_e2e`.

    Raises:
        SandboxUnavailableError: This process is not in a sandbox, or not the first to ask there.
        ProcessFailedError: A daemon ended or was not ready in time.

    """
    node = Node(plane, programs, say)
    try:
        node.start()
    except BaseException:
        node.stop()
        raise
    return node


def _containerd_toml(networks: Path, plugins: Path) -> str:
    return f"""\
version = 2
root = "{_FOLDER / "containerd"}"
state = "{_CONTAINERD_STATE}"

[grpc]
address = "{_SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
restrict_oom_score_adj = true  # what the kubelet asks for is below what this process may set

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{networks}"
"""


def _kubelet_configuration(plane: ControlPlane) -> dict[str, object]:
    serving = plane.authority.issue("kubelet", f"system:node:{NODE}", sans=(NODE_ADDRESS, NODE))
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "port": free_port(),
        "readOnlyPort": 0,
        "healthzPort": 0,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(plane.ca)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(serving.cert),
        "tlsPrivateKeyFile": str(serving.key),
        "containerRuntimeEndpoint": f"unix://{_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "maxOpenFiles": 20_000,
        "makeIPTablesUtilChains": False,
        "resolvConf": "",  # there is no DNS inside
        "volumePluginDir": str(_FOLDER / "volume-plugins"),
        "podLogsDir": str(_FOLDER / "pod-logs"),
        "imageGCHighThresholdPercent": 100,  # never drop an image for want of room: it cannot be pulled again
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {"memory.available": "100Mi"},
        "nodeStatusUpdateFrequency": "2s",
        "nodeLeaseDurationSeconds": 6,
        "syncFrequency": "5s",
    }
