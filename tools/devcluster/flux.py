"""Flux on a devcluster: the real kustomize-controller, fed from a local Git repository.

source-controller, which clones repositories and serves what is in them, cannot be built as a Go module; its part is
played here by `Repository`: it serves an archive of the newest commit over HTTP and says so in the status of the
GitRepository, which is all that kustomize-controller asks of it.
"""

import hashlib
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests

from tools.devcluster.api import Api, Object
from tools.devcluster.cluster import DevCluster
from tools.devcluster.gomod import FLUX_KUSTOMIZE, FLUX_SOURCE
from tools.devcluster.processes import PATIENCE, Process, free_port, wait_until
from tools.devcluster.programs import find

SYSTEM = "flux-system"
_SOURCE_GROUP = "source.toolkit.fluxcd.io"
_KUSTOMIZE_GROUP = "kustomize.toolkit.fluxcd.io"
_AUTHOR = {
    "GIT_AUTHOR_NAME": "a person",
    "GIT_AUTHOR_EMAIL": "person@example.invalid",
    "GIT_COMMITTER_NAME": "a person",
    "GIT_COMMITTER_EMAIL": "person@example.invalid",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
}


def install_crds(cluster: DevCluster) -> None:
    """Apply Flux's own CRDs, of sources and of Kustomizations."""
    for module in (FLUX_SOURCE, FLUX_KUSTOMIZE):
        cluster.install_crds(module.folder() / "config" / "crd" / "bases")


@contextmanager
def kustomize_controller(cluster: DevCluster) -> Iterator[Process]:
    """Run kustomize-controller against this cluster, with every right, as it is usually installed."""
    install_crds(cluster)
    cluster.kubectl("create", "namespace", SYSTEM)
    health = f"127.0.0.1:{free_port()}"
    flags = [
        "--watch-all-namespaces=true",
        "--enable-leader-election=false",
        "--log-level=debug",
        f"--health-addr={health}",
        f"--metrics-addr=127.0.0.1:{free_port()}",
    ]
    program = find(["kustomize-controller"], cluster.say)["kustomize-controller"]
    process = Process.start(
        "kustomize-controller",
        [program, *flags],
        log=cluster.run_dir / "kustomize-controller.log",
        env={
            "KUBECONFIG": str(cluster.kubeconfig_for("flux", ["system:masters"])),
            "RUNTIME_NAMESPACE": SYSTEM,
            "TMPDIR": str(cluster.run_dir),
        },
    )
    try:
        process.wait_ready(lambda: _answers(f"http://{health}/readyz"), timeout=PATIENCE)
        yield process
    finally:
        process.stop()


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the name is the base class's
        """Say nothing."""


@dataclass
class Repository:
    """A Git repository on this machine that Flux follows; what is pushed to it is served at once."""

    api: Api
    folder: Path
    namespace: str
    name: str = "fleet"
    pushed: int = 0
    _url: str = field(default="", repr=False)

    @property
    def work(self) -> Path:
        """The work tree."""
        return self.folder / "work"

    @contextmanager
    def served(self) -> Iterator["Repository"]:
        """Make the repository and its GitRepository, and serve it until the end."""
        archives = self.folder / "archives"
        archives.mkdir(parents=True)
        self._git("init", "--quiet", "--initial-branch=main", str(self.work), cwd=self.folder)
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(archives)))
        self._url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, name="archives", daemon=True)
        thread.start()
        body = {
            "apiVersion": f"{_SOURCE_GROUP}/v1",
            "kind": "GitRepository",
            "metadata": {"name": self.name},
            "spec": {"interval": "1m", "url": "https://git.example.invalid/fleet.git"},
        }
        self.api.create(self._sources(), body)
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def push(self, files: Mapping[str, str]) -> str:
        """Commit these files (path → text) on top of what is there, have them served, and return the revision."""
        for path, text in files.items():
            target = self.work / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", f"--message=push {self.pushed}")
        self.pushed += 1
        commit = self._git("rev-parse", "HEAD").strip()
        archive = self.folder / "archives" / f"{commit}.tar.gz"
        self._git("archive", "--format=tar.gz", f"--output={archive}", "HEAD")
        revision = f"main@sha1:{commit}"
        self._publish(archive, revision)
        return revision

    def apply_path(self, path: str, **spec: object) -> None:
        """Create the Kustomization that applies what lies under `path`, named after it."""
        body = {
            "apiVersion": f"{_KUSTOMIZE_GROUP}/v1",
            "kind": "Kustomization",
            "metadata": {"name": path},
            "spec": {
                "interval": "10m",
                "prune": True,
                "path": f"./{path}",
                "sourceRef": {"kind": "GitRepository", "name": self.name},
                "targetNamespace": self.namespace,
                **spec,
            },
        }
        self.api.create(self._kustomizations(), body)

    def reconcile(self, path: str) -> None:
        """Have the Kustomization reconciled once more, as `flux reconcile` does, and wait until that is done."""
        asked = datetime.now(UTC).isoformat()
        mark = {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": asked}}}
        self.api.patch(f"{self._kustomizations()}/{path}", mark)
        wait_until(
            lambda: (
                self.kustomization(path).get("status", {}).get("lastHandledReconcileAt") == asked
                and self.is_ready(path)
            ),
            timeout=PATIENCE,
            what=f"Kustomization {path} is reconciled",
        )

    def wait_applied(self, path: str, revision: str) -> None:
        """Wait until the Kustomization is Ready at this revision."""
        wait_until(
            lambda: (
                self.kustomization(path).get("status", {}).get("lastAppliedRevision") == revision
                and self.is_ready(path)
            ),
            timeout=PATIENCE,
            what=f"Kustomization {path} is at {revision}",
        )

    def kustomization(self, path: str) -> Object:
        """The Kustomization as it is."""
        return self.api.get(f"{self._kustomizations()}/{path}")

    def is_ready(self, path: str) -> bool:
        """Whether its condition Ready is True for its newest generation."""
        body = self.kustomization(path)
        status = body.get("status", {})
        ready = {condition["type"]: condition["status"] for condition in status.get("conditions", ())}
        return ready.get("Ready") == "True" and status.get("observedGeneration") == body["metadata"]["generation"]

    def _publish(self, archive: Path, revision: str) -> None:
        artifact = {
            "url": f"{self._url}/{archive.name}",
            "path": archive.name,
            "revision": revision,
            "digest": f"sha256:{hashlib.sha256(archive.read_bytes()).hexdigest()}",
            "lastUpdateTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "size": archive.stat().st_size,
        }
        path = f"{self._sources()}/{self.name}"
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "Succeeded",
            "message": f"stored artifact for revision '{revision}'",
            "lastTransitionTime": artifact["lastUpdateTime"],
        }
        generation = self.api.get(path)["metadata"]["generation"]
        status = {"observedGeneration": generation, "artifact": artifact, "conditions": [ready]}
        self.api.patch(f"{path}/status", {"status": status})

    def _sources(self) -> str:
        return f"/apis/{_SOURCE_GROUP}/v1/namespaces/{self.namespace}/gitrepositories"

    def _kustomizations(self) -> str:
        return f"/apis/{_KUSTOMIZE_GROUP}/v1/namespaces/{self.namespace}/kustomizations"

    def _git(self, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=cwd or self.work,
            env={**os.environ, **_AUTHOR},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout
