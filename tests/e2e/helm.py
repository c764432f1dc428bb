"""Helm on the devcluster, and the chart's values for the image of this checkout."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.devcluster.cluster import DevCluster
from tests.devcluster.dockerfile import OperatorImage
from tests.devcluster.programs import find

CHART = Path(__file__).parents[2] / "charts" / "salus"
PORT = 8080
_WAIT = ("--wait", "--timeout=4m")


class HelmError(RuntimeError):
    """Helm failed; the message is its own."""


@dataclass(frozen=True)
class Helm:
    """The release `salus` in `namespace`."""

    cluster: DevCluster
    namespace: str
    release: str = "salus"

    def install(self, values: dict[str, Any]) -> None:
        """`helm install --wait`."""
        self._run("install", self.release, str(CHART), *_WAIT, "--values=-", stdin=yaml.safe_dump(values))

    def upgrade(self, values: dict[str, Any]) -> None:
        """`helm upgrade --wait`."""
        self._run("upgrade", self.release, str(CHART), *_WAIT, "--values=-", stdin=yaml.safe_dump(values))

    def rollback(self, revision: int) -> None:
        """`helm rollback --wait`."""
        self._run("rollback", self.release, str(revision), *_WAIT)

    def uninstall(self) -> None:
        """`helm uninstall --wait`."""
        self._run("uninstall", self.release, *_WAIT)

    def revisions(self) -> list[str]:
        """The status of each revision, oldest first."""
        return [str(entry["status"]) for entry in json.loads(self._run("history", self.release, "--output=json"))]

    def _run(self, *arguments: str, stdin: str | None = None) -> str:
        folder = self.cluster.run_dir / "helm"
        own_folders = {f"HELM_{name}_HOME": str(folder / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
        done = subprocess.run(
            [
                str(find(["helm"])["helm"]),
                f"--kubeconfig={self.cluster.kubeconfig}",
                f"--namespace={self.namespace}",
                *arguments,
            ],
            env={**os.environ, **own_folders},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise HelmError(f"helm {' '.join(arguments[:2])}: {done.stderr.strip()}")
        return done.stdout


def values(image: OperatorImage, source: str, tenant: str) -> dict[str, Any]:
    """A platform team's values: one source, one tenant, and Prometheus told to scrape the pods."""
    repository, tag = image.name.rsplit(":", 1)
    return {
        "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
        "clusterWide": True,
        "tenants": [tenant],
        "config": {"cluster": "e2e", "sources": {"default": {"url": source}}},
        "podAnnotations": {"prometheus.io/scrape": "true", "prometheus.io/port": str(PORT)},
    }
