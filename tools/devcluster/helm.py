"""Helm against a devcluster, with its own caches and settings in the run's folder."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.devcluster.cluster import DevCluster
from tools.devcluster.programs import find

CHART = Path(__file__).parents[2] / "charts" / "salus"


class HelmError(RuntimeError):
    """Helm failed; the message is what it printed."""


@dataclass(frozen=True)
class Helm:
    """Helm as `user` of `cluster`."""

    cluster: DevCluster
    user: str = "admin"

    def __call__(self, *arguments: str) -> str:
        """Run helm and return what it prints.

        Raises:
            HelmError: It failed; the message is its own.

        """
        return run(arguments, self.cluster.run_dir / "helm", self.cluster.kubeconfig_for(self.user))


def run(arguments: Sequence[str], home: Path, kubeconfig: Path | None = None) -> str:
    """Run helm, with its own files in `home`, and return what it prints; without `kubeconfig` it reaches no cluster.

    Raises:
        HelmError: It failed; the message is its own.

    """
    folders = {f"HELM_{kind}_HOME": str(home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
    done = subprocess.run(
        [str(find(["helm"])["helm"]), *arguments],
        env={**os.environ, **folders, "KUBECONFIG": str(kubeconfig or os.devnull)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise HelmError(f"helm {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
