"""The chart on a real API server: every ci file, what outlives a release, and whose rights are whose."""

import json
import re
import textwrap
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from tests.chart import schemas
from tests.chart.conftest import CI, CRDS, Tools, install, without_crds
from tools.devcluster.admission import IN_A_POD
from tools.devcluster.cluster import DevCluster, KubectlError
from tools.devcluster.helm import Helm, HelmError
from tools.devcluster.processes import PATIENCE, NotInTimeError, wait_until
from tools.manifests.generated import CHART, CONFIG, NAMESPACE, ROOT

pytestmark = pytest.mark.timeout(600)

OPERATOR = f"system:serviceaccount:{NAMESPACE}:salus"
REMEDIATOR = "system:serviceaccount:{}:salus-remediator"
DATA = ROOT / "tests/contract/data"
WIDE = "--set=clusterWide=true"
LARGEST_RELEASE = 1024 * 1024
"""Bytes; what a Secret may hold, and Helm keeps a release in one."""


def may(stage: DevCluster, user: str, verb: str, resource: str, namespace: str) -> bool:
    """What the API server says to `kubectl auth can-i`."""
    try:
        stage.kubectl("auth", "can-i", verb, *resource.split(), f"--as={user}", "-n", namespace)
    except KubectlError:
        return False
    return True


@pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
def test_each_ci_file_installs(values: Path, stage: DevCluster, helm: Helm) -> None:
    """Under restricted pod security; kwok plays the pods, so `--wait` ends when they would be ready."""
    install(helm, "--values", str(values))

    (release,) = json.loads(helm("list", "-n", NAMESPACE, "-o", "json"))
    secret = json.loads(stage.kubectl("get", "secret", "sh.helm.release.v1.salus.v1", "-n", NAMESPACE, "-o", "json"))
    assert release["status"] == "deployed"
    assert len(secret["data"]["release"]) < LARGEST_RELEASE


def test_a_tenant_that_is_not_there_is_named(helm: Helm) -> None:
    """The chart makes an account in each, and makes no namespace; the documents say so."""
    with pytest.raises(HelmError, match='namespaces "nowhere" not found'):
        install(helm, WIDE, "--set", "tenants={nowhere}")


def record(stage: DevCluster) -> dict[str, str]:
    """Make a policy, and records as the operator; return their uids."""
    for kind in ("healthpolicy", "incident", "changeevent"):
        body = yaml.safe_load((DATA / f"{kind}.yaml").read_text("utf-8"))
        body.pop("status", None)
        body["metadata"] = {"name": "kept", "namespace": "shop"}
        options = [] if kind == "healthpolicy" else [f"--as={OPERATOR}", f"--as-user-extra={IN_A_POD}=salus"]
        stage.kubectl("create", "-f", "-", *options, stdin=yaml.safe_dump(body))
    return uids(stage)


def uids(stage: DevCluster) -> dict[str, str]:
    found = json.loads(stage.kubectl("get", "hp,inc,chev", "-n", "shop", "-o", "json"))
    return {item["kind"]: item["metadata"]["uid"] for item in found["items"]}


def previous(chart: Path) -> Path:
    """A chart as the one before this might have been: older by a column and a field of a CRD."""
    manifest = chart / "Chart.yaml"
    manifest.write_text(manifest.read_text().replace("version: 0.1.0\n", "version: 0.0.1\n"))
    path = chart / "files/crds/salus.dev_healthpolicies.yaml"
    crd = yaml.safe_load(path.read_text())
    (version,) = crd["spec"]["versions"]
    del version["additionalPrinterColumns"][-2]
    del version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["change"]
    path.write_text(yaml.safe_dump(crd, sort_keys=False))
    return chart


def has_field(stage: DevCluster, field: str) -> bool:
    crd = json.loads(stage.kubectl("get", "crd", CRDS[0], "-o", "json"))
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return field in schema["properties"]["spec"]["properties"]


def test_crds_and_records_outlive_upgrade_rollback_and_uninstall(stage: DevCluster, helm: Helm, copied: Path) -> None:
    without_crds(stage)
    install(helm, WIDE, chart=previous(copied))
    assert not has_field(stage, "change")
    before = record(stage)

    install(helm, WIDE)
    assert has_field(stage, "change"), "an upgrade brings the CRDs along"
    assert uids(stage) == before

    helm("rollback", "salus", "1", "-n", NAMESPACE, "--wait")
    assert uids(stage) == before

    helm("uninstall", "salus", "-n", NAMESPACE, "--wait")
    assert uids(stage) == before

    install(helm, WIDE)
    assert has_field(stage, "change"), "the release took up the CRDs that it had left"
    assert uids(stage) == before


def test_crds_go_with_the_release_when_told_to(stage: DevCluster, helm: Helm) -> None:
    install(helm, WIDE, "--set=crds.keep=false")
    helm("uninstall", "salus", "-n", NAMESPACE, "--wait")

    with pytest.raises(KubectlError, match="not found"):
        stage.kubectl("get", "crd", *CRDS)


SHOP = REMEDIATOR.format("shop")
BILLING = REMEDIATOR.format("billing")
RIGHTS = [
    # The operator's own account reads, and keeps records.
    (OPERATOR, "list", "healthpolicies.salus.dev", "shop", True),
    (OPERATOR, "create", "changeevents.salus.dev", "shop", True),
    (OPERATOR, "patch", "changeevents.salus.dev --subresource=status", "shop", True),
    # It acts as the tenant's account, as no other, and nowhere else.
    (OPERATOR, "impersonate", "serviceaccounts/salus-remediator", "shop", True),
    (OPERATOR, "impersonate", "serviceaccounts/default", "shop", False),
    (OPERATOR, "impersonate", "serviceaccounts/salus-remediator", "billing", False),
    # It writes to no workload, reads no Secret, and runs nothing in a pod.
    (OPERATOR, "patch", "deployments.apps", "shop", False),
    (OPERATOR, "delete", "pods", "shop", False),
    (OPERATOR, "get", "secrets", "shop", False),
    (OPERATOR, "get", "secrets", NAMESPACE, False),
    (OPERATOR, "create", "pods --subresource=exec", "shop", False),
    # The tenant's account acts at home only.
    (SHOP, "patch", "deployments.apps", "shop", True),
    (SHOP, "delete", "pods", "shop", True),
    (SHOP, "patch", "deployments.apps", "billing", False),
    (SHOP, "get", "secrets", "shop", False),
    (BILLING, "patch", "deployments.apps", "billing", False),
]


@pytest.mark.parametrize("way", ["cluster-wide", "namespaces", "kustomize", "notes"])
def test_rights_are_the_same_whichever_way_salus_comes(way: str, stage: DevCluster, helm: Helm, tmp_path: Path) -> None:
    WAYS[way](stage, helm, tmp_path)
    given = [asked for *asked, allowed in RIGHTS if allowed]
    with suppress(NotInTimeError):  # the assertion says better what is lacking
        wait_until(lambda: all(may(stage, *one) for one in given), timeout=PATIENCE, what="the new bindings are known")

    found = [(*asked, may(stage, *asked)) for *asked, _ in RIGHTS]

    assert found == RIGHTS
    if way == "kustomize":
        stage.kubectl("delete", "-k", str(tmp_path))
        for file in yaml.safe_load((CONFIG / "kustomization.yaml").read_text("utf-8"))["resources"][1:]:
            stage.kubectl("delete", "-f", str(CONFIG / file))
    if way == "notes":
        stage.kubectl("delete", "-n", "shop", "serviceaccount/salus-remediator", *BINDINGS)


BINDINGS = ("rolebinding/salus-remediator", "rolebinding/salus-impersonator")


def _with_helm(values: str) -> Callable[[DevCluster, Helm, Path], None]:
    def come(_: DevCluster, helm: Helm, __: Path) -> None:
        install(helm, "--values", str(CHART / f"ci/{values}-values.yaml"))

    return come


def _with_kustomize(stage: DevCluster, _: Helm, tmp_path: Path) -> None:
    relative = Path("../" * len(tmp_path.parts[1:])) / (CONFIG / "tenant").relative_to("/")
    overlay = {"namespace": "shop", "resources": [str(relative)]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    without_crds(stage)
    stage.kubectl("apply", "--server-side", "-k", str(CONFIG))
    stage.kubectl("apply", "--server-side", "-k", str(tmp_path))
    stage.kubectl("rollout", "status", "deployment/salus", "-n", NAMESPACE, f"--timeout={PATIENCE:g}s")


def _by_the_notes(stage: DevCluster, helm: Helm, _: Path) -> None:
    """As NOTES.txt tells a tenant to, word by word."""
    notes = install(helm, WIDE).replace("\\\n", " ").replace("NAMESPACE", "shop")
    commands = [line.split()[1:] for line in notes.splitlines() if line.strip().startswith("kubectl -n shop create")]
    assert len(commands) == 3
    for command in commands:
        stage.kubectl(*command)
    policy = re.search(r"<<'EOF'\n(.*?)\n *EOF\n", notes, re.DOTALL)
    assert policy
    body = textwrap.dedent(policy[1]).replace("DEPLOYMENT", "checkout")
    stage.kubectl("apply", "-n", "shop", "--dry-run=server", "-f", "-", stdin=body)


WAYS = {
    "cluster-wide": _with_helm("cluster-wide"),
    "namespaces": _with_helm("namespaces"),
    "kustomize": _with_kustomize,
    "notes": _by_the_notes,
}


def test_kubeconform_finds_no_fault(stage: DevCluster, chart_tools: Tools, helm: Helm, tmp_path: Path) -> None:
    """Against the schemas of this very API server, strictly; `helm` and the stage bring the CRDs of others."""
    assert schemas.write(stage.api().get("/openapi/v2"), tmp_path) > 100
    for values in CI:
        objects = tmp_path / "objects.yaml"
        objects.write_text(helm("template", "salus", str(CHART), "-n", NAMESPACE, "--values", str(values)))
        chart_tools("kubeconform", "-strict", "-schema-location", f"{tmp_path}/{schemas.LOCATION}", objects)


def test_kubeconform_would_find_a_fault(stage: DevCluster, chart_tools: Tools, helm: Helm, tmp_path: Path) -> None:
    schemas.write(stage.api().get("/openapi/v2"), tmp_path)
    objects = tmp_path / "objects.yaml"
    good = helm("template", "salus", str(CHART), "-n", NAMESPACE, WIDE, "--set=crds.install=false")
    objects.write_text(good.replace("terminationGracePeriodSeconds:", "terminationGraceSeconds:"))

    with pytest.raises(AssertionError, match="terminationGraceSeconds"):
        chart_tools("kubeconform", "-strict", "-schema-location", f"{tmp_path}/{schemas.LOCATION}", objects)


def test_pods_take_up_what_is_read_at_start_only(stage: DevCluster, helm: Helm) -> None:
    """A source is read by the running operator; the account that acts by default needs new pods."""
    install(helm, WIDE)
    first = generation(stage)

    install(helm, WIDE, "--set=config.sources.default.url=http://prometheus:9090")
    assert generation(stage) == first
    assert "http://prometheus:9090" in stage.kubectl("get", "cm", "salus", "-n", NAMESPACE, "-o", "yaml")

    install(helm, WIDE, "--set=config.defaults.serviceAccountName=healer")
    wait_until(lambda: generation(stage) > first, timeout=PATIENCE, what="new pods")


def generation(stage: DevCluster) -> int:
    found = stage.kubectl("get", "deployment", "salus", "-n", NAMESPACE, "-o", "jsonpath={.metadata.generation}")
    return int(found)
