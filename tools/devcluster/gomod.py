"""Files of a published Go module, such as the CRDs of a tool that lives beside Salus: fetched once, never built.

Go keeps what it has fetched in its own cache, outside the clone, and checks it against the sum that is pinned here.
"""

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tools.devcluster.gobuild import Go, environment


class ModuleMissingError(RuntimeError):
    """A module could not be had; the message says why."""


@dataclass(frozen=True)
class Published:
    """A version of a module, and the hash that Go's checksum database has for it."""

    path: str
    version: str
    sum: str

    def folder(self) -> Path:
        """Return where its files are, fetching them the first time.

        Raises:
            ModuleMissingError: There is no Go, the fetch failed, or what came is not what is pinned.

        """
        go = Go.find()
        if go is None:
            raise ModuleMissingError(f"{self.path}: Go is not on PATH")
        with tempfile.TemporaryDirectory() as nowhere:  # in a folder with a go.mod Go would look for the module there
            done = subprocess.run(
                [go.path, "mod", "download", "-json", f"{self.path}@{self.version}"],
                cwd=nowhere,
                env=environment(),
                capture_output=True,
                text=True,
                check=False,
            )
        told = json.loads(done.stdout or "{}")
        if done.returncode or told.get("Sum") != self.sum:
            why = told.get("Error") or done.stderr.strip() or f"sum {told.get('Sum')}, pinned {self.sum}"
            raise ModuleMissingError(f"{self.path}@{self.version}: {why}")
        return Path(told["Dir"])


FLUX_SOURCE = Published(
    "github.com/fluxcd/source-controller", "v1.9.0", "h1:5msg2yyjVYDULZos+2ve8MZzcSqTpusiXmrOeBhc9yY="
)
FLUX_KUSTOMIZE = Published(
    "github.com/fluxcd/kustomize-controller", "v1.9.5", "h1:/XY2zy3K7fntyppEXIHG7oRMzmfgIt50eJzUfaPX1Kc="
)
ARGO_CD = Published("github.com/argoproj/argo-cd/v3", "v3.4.2", "h1:S3j0K34uGW4geWiM88+0cHcCEtInn2Sa9U7/Sa18L7Y=")
PROMETHEUS_OPERATOR = Published(
    "github.com/prometheus-operator/prometheus-operator", "v0.85.0", "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s="
)
