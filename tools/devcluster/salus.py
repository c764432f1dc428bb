"""Salus itself on a devcluster: its CRDs and rights, its configuration file, and the process, which may be killed.

The operator runs from this checkout as `python -m salus run`, as the user `salus`, whom only RBAC gives rights.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import yaml

from tools.devcluster.api import APPLY_PATCH
from tools.devcluster.cluster import DevCluster, KubectlError
from tools.devcluster.nursery import Nursery
from tools.devcluster.processes import PATIENCE, Process, ProcessFailedError, free_port, wait_until

REPOSITORY = Path(__file__).parents[2]
ACCOUNT = "salus-remediator"
"""The service account of every tenant's namespace that acts for its policies."""
PYTHONPATH = {"PYTHONPATH": f"{REPOSITORY / 'operator'}:{REPOSITORY}"}
_ITSELF = ("-m", "salus")
QUICK: Mapping[str, Any] = {"holdDown": "0s", "minimums": dict.fromkeys(("cooldown", "stable", "bake"), "0s")}
"""What lets incidents begin and end within seconds; in production it takes minutes."""
_COLLECTIONS = {
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
}


def install(cluster: DevCluster) -> None:
    """Apply the CRDs and the rights; a second time changes nothing."""
    cluster.install_crds(REPOSITORY / "crds")
    cluster.kubectl("apply", "-f", str(REPOSITORY / "examples" / "install" / "rbac.yaml"))
    wait_until(lambda: are_served(cluster), timeout=PATIENCE, what="the new kinds are served")


def lend_account(cluster: DevCluster, namespace: str) -> None:
    """Do in a namespace what a tenant does to be healed: examples/install/tenant.yaml, for this namespace."""
    example = (REPOSITORY / "examples" / "install" / "tenant.yaml").read_text(encoding="utf-8")
    for document in yaml.safe_load_all(example):
        path = f"{_COLLECTIONS[document['kind']].format(namespace)}/{document['metadata']['name']}"
        cluster.api().patch(path, _moved(document, namespace), kind=APPLY_PATCH, fieldManager="tenant")


def _moved(document: dict[str, Any], namespace: str) -> dict[str, Any]:
    document["metadata"]["namespace"] = namespace
    for subject in document.get("subjects", ()):
        if "namespace" in subject:
            subject["namespace"] = namespace
    return document


def are_served(cluster: DevCluster) -> bool:
    """Whether lists work: for a second or two after a CRD is established they are answered 429."""
    try:
        cluster.kubectl("get", "healthpolicies,incidents,changeevents,keptreleases", "--all-namespaces")
    except KubectlError:
        return False
    return True


@dataclass
class Salus:
    """One operator; `start` it again after a `kill` to see what it makes of what it left."""

    cluster: DevCluster
    name: str = "salus"
    namespaces: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: Sequence[str] = ()
    program: Sequence[str] = _ITSELF
    """What Python runs; tests put one here that crashes where they want it."""

    env: Mapping[str, str] = field(default_factory=dict)
    user: str = "salus"
    """Whom the API server knows it as."""
    nursery: Nursery | None = None
    """Where it is forked, if it is to be Salus itself, since most of a start is importing."""

    def __post_init__(self) -> None:
        self.config = self.cluster.run_dir / f"{self.name}.yaml"
        self.log = self.cluster.run_dir / f"{self.name}.log"
        self.port = free_port()
        self.process: Process | None = None
        self.configure(self.settings)

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Write the operator's configuration; a running one reads it within a second."""
        sources = (
            {"default": {"url": self.cluster.prometheus_url, "timeout": "2s"}} if self.cluster.has_prometheus else {}
        )
        text = yaml.safe_dump({"cluster": "devcluster", "sources": sources, **QUICK, **settings})
        temporary = self.config.with_suffix(".new")
        temporary.write_text(text)
        temporary.rename(self.config)

    @property
    def url(self) -> str:
        """Where its metrics and probes are."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "Salus":
        """Start it and wait until it is ready."""
        self.process = self._process()
        self.process.wait_ready(self._is_ready, timeout=PATIENCE)
        return self

    def stop(self) -> None:
        """End it cleanly."""
        if self.process is not None:
            self.process.stop(grace=10)

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self.process is None:
            raise ProcessFailedError(f"{self.name} was never started")
        self.process.kill()

    def __enter__(self) -> "Salus":
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _process(self) -> Process:
        arguments = ["run", *self._arguments()]
        if self.nursery and self.program == _ITSELF:
            return self.nursery.start(self.name, arguments, log=self.log, cwd=self.cluster.run_dir, env=self.env)
        argv = [sys.executable, *self.program, *arguments]
        return Process.start(self.name, argv, log=self.log, cwd=self.cluster.run_dir, env={**PYTHONPATH, **self.env})

    def _arguments(self) -> list[str]:
        arguments = [
            f"--kubeconfig={self._kubeconfig()}",
            f"--config={self.config}",
            f"--metrics-address=127.0.0.1:{self.port}",
            *self.options,
        ]
        return arguments + [f"--namespace={namespace}" for namespace in self.namespaces]

    def _kubeconfig(self) -> Path:
        return self.cluster.kubeconfig_for(self.user)

    def _is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/readyz", timeout=2).ok
        except requests.RequestException:
            return False
