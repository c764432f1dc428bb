"""Nodes played by kwok: no kubelet, no container, no root, and thousands of pods in a minute.

What a pod lives through is told by our Stages in `stages/` and chosen by an annotation in its template, so a bad
release is a change of the template; annotating a living pod flips it. A pod that cannot be scheduled needs no
Stage, only a node selector that no node has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tools.devcluster.api import Api, Object
from tools.devcluster.controlplane import ControlPlane
from tools.devcluster.processes import PATIENCE, Process

LIFE = "sim.salus.dev/pod"  # the annotation of a pod, or of a pod template, that chooses its life
READY_AFTER = "sim.salus.dev/ready-after"  # with `slow`: how long the start takes, as in 5s
Life = Literal["ready", "unready", "crash", "oom", "pull", "slow"]

_STAGES = Path(__file__).with_name("stages")


@dataclass(frozen=True)
class Kwok:
    """A running kwok."""

    process: Process

    @classmethod
    def start(cls, plane: ControlPlane, *, nodes: int) -> "Kwok":
        """Start kwok and wait for `nodes` nodes, named node-1, node-2 …, to be ready for pods (about a second)."""
        stages = plane.run_dir / "stages.yaml"
        stages.write_text("---\n".join(path.read_text() for path in sorted(_STAGES.glob("*.yaml"))))
        flags = [
            f"--kubeconfig={plane.kubeconfig('kwok')}",
            "--manage-all-nodes=true",
            f"--config={stages}",
            "--cidr=10.250.0.0/16",
            "--node-ip=10.249.0.1",
            "--node-lease-duration-seconds=8",  # as the node monitor's grace; with the default of 40 nodes flap
        ]
        process = Process.start("kwok", [plane.programs["kwok"], *flags], log=plane.run_dir / "kwok.log")
        api = plane.api()
        names = [f"node-{number}" for number in range(1, nodes + 1)]
        for name in names:
            api.create("/api/v1/nodes", _node(name))
        process.wait_ready(lambda: _all_take_pods(api, names), timeout=PATIENCE)
        return cls(process)

    def stop(self) -> None:
        """Stop playing; nodes turn NotReady when the lease runs out."""
        self.process.stop()


def _node(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}}


def _all_take_pods(api: Api, names: Sequence[str]) -> bool:
    ready = {node["metadata"]["name"] for node in api.items("/api/v1/nodes") if _takes_pods(node)}
    return ready >= set(names)


def _takes_pods(node: Object) -> bool:
    conditions = {condition["type"]: condition["status"] for condition in node["status"].get("conditions", ())}
    return conditions.get("Ready") == "True" and not node["spec"].get("taints")
