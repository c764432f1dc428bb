"""What the tests of the chart stand on: its tools, and a devcluster with the namespaces that its ci files name."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.devcluster.cluster import DevCluster
from tools.devcluster.gomod import PROMETHEUS_OPERATOR
from tools.devcluster.helm import Helm
from tools.devcluster.processes import PATIENCE
from tools.devcluster.programs import TIERS, find
from tools.manifests.generated import CHART, NAMESPACE

CI = sorted((CHART / "ci").glob("*-values.yaml"))
CRDS = tuple(f"{kind}.salus.dev" for kind in ("healthpolicies", "incidents", "changeevents", "keptreleases"))
_TIMEOUT = f"--timeout={PATIENCE:g}s"
_KINDS = ("servicemonitors", "podmonitors", "prometheusrules")
_MONITORING = "example/prometheus-operator-crd/monitoring.coreos.com_{}.yaml"


@dataclass(frozen=True)
class Tools:
    """The programs that judge a chart."""

    paths: dict[str, Path]

    def __call__(self, program: str, *arguments: str | Path, cwd: Path | None = None) -> str:
        """Run a program and return what it prints; the test fails with its output if it does."""
        command: Sequence[str | Path] = [self.paths[program], *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="session")
def chart_tools() -> Tools:
    """Helm, helm-unittest, helm-docs, kubeconform and promtool."""
    return Tools(find(TIERS["chart"]))


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The chart, to be changed."""
    return Path(shutil.copytree(CHART, tmp_path / "salus"))


@pytest.fixture(scope="session")
def monitoring_crds() -> list[Path]:
    """The CRDs of Prometheus Operator that the chart makes objects of, from its pinned Go module."""
    folder = PROMETHEUS_OPERATOR.folder()
    return [folder / _MONITORING.format(kind) for kind in _KINDS]


@pytest.fixture(scope="session")
def stage(chart_tools: Tools, devcluster: DevCluster, monitoring_crds: list[Path]) -> DevCluster:
    """The devcluster as the ci files expect it: namespaces, an account, labelled nodes, Prometheus Operator's CRDs."""
    del chart_tools
    for namespace in ("salus-system", "shop", "billing"):
        devcluster.kubectl("create", "namespace", namespace)
    devcluster.kubectl("label", "namespace", "salus-system", "pod-security.kubernetes.io/enforce=restricted")
    devcluster.kubectl("create", "serviceaccount", "own-account", "-n", "salus-system")
    devcluster.kubectl("label", "nodes", "--all", "kubernetes.io/os=linux")
    for crd in monitoring_crds:
        devcluster.install_crds(crd)
    return devcluster


@pytest.fixture
def helm(stage: DevCluster) -> Iterator[Helm]:
    """Helm on the stage; the release of a test is gone before the next one, and leaves the CRDs, as it does."""
    helm = Helm(stage)
    yield helm
    helm("uninstall", "salus", "-n", NAMESPACE, "--ignore-not-found", "--wait")


def without_crds(stage: DevCluster) -> None:
    """Make it a cluster that never saw Salus. The API server may take minutes to let go of a kind: do it rarely."""
    stage.kubectl("delete", "crd", "--ignore-not-found", *CRDS)


def install(helm: Helm, *options: str, chart: Path = CHART) -> str:
    """Install or upgrade the release `salus`, wait until its pods are ready, and return what Helm says."""
    return helm("upgrade", "--install", "salus", str(chart), "-n", NAMESPACE, "--wait", _TIMEOUT, *options)
