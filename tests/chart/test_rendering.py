"""The chart as its tools see it, and what it renders as the operator reads it. No cluster."""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from salus.settings import read_settings
from tests.chart.conftest import CI, Tools
from tools.devcluster.helm import HelmError
from tools.manifests.generated import CHART, NAMESPACE, ROOT, SORTS, Object, Sort, differing, rendered

pytestmark = pytest.mark.usefixtures("chart_tools")

ADMISSION = """\
# A comment alone is no object.
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: records.salus.dev, labels: {kept: "yes"}}
spec:
  matchConditions:
    - {name: other, expression: "request.userInfo.username != 'system:serviceaccount:salus-system:salus'"}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: records.salus.dev}
spec: {policyName: records.salus.dev, validationActions: [Deny]}
"""


NAMES = ("approvals", "records", "releases", "withdrawals", "revisions", "authors", "loans")
POLICIES = {f"{name}.salus.dev" for name in NAMES}


REGISTRY = "registry.example.com/platform"


def installing() -> Iterator[tuple[str, list[str]]]:
    """What documents say to type to install the chart, with the registry that they speak of."""
    for page in (ROOT / "README.md", CHART / "README.md", *(ROOT / "docs").rglob("*.md")):
        for block in re.findall(r"^```sh\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            for command in re.findall("^helm install .*", block.replace("\\\n", " "), re.MULTILINE):
                yield str(page.relative_to(ROOT)), shlex.split(command.replace("$REGISTRY", REGISTRY))


INSTALLING = dict(installing())


@pytest.mark.parametrize("page", INSTALLING)
def test_the_chart_is_rendered_by_what_documents_say_to_type(page: str, chart_tools: Tools) -> None:
    words = [word for word in INSTALLING[page][2:] if word != "--create-namespace"]

    objects = [one for one in yaml.safe_load_all(chart_tools("helm", "template", *words, cwd=ROOT)) if one]

    (operator,) = of_kind(objects, "Deployment")
    assert operator["spec"]["template"]["spec"]["containers"][0]["image"] == f"{REGISTRY}/salus:v1"


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    return [item for item in objects if item["kind"] in kinds]


@pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
def test_helm_finds_no_fault(values: Path, chart_tools: Tools) -> None:
    chart_tools("helm", "lint", "--strict", CHART, "--values", values)


def test_the_suites_pass_without_writing_a_snapshot_anew(chart_tools: Tools, copied: Path) -> None:
    """The tool writes a snapshot that is missing, and passes: so the snapshots have to be those in the repository."""
    chart_tools("helm-unittest", "--strict", copied)

    written = {path.name: path.read_text() for path in copied.glob("tests/__snapshot__/*")}
    assert written == {path.name: path.read_text() for path in CHART.glob("tests/__snapshot__/*")}


@pytest.mark.parametrize("sort", SORTS, ids=lambda sort: sort.make.__name__)
def test_generated_files_are_up_to_date(sort: Sort) -> None:
    assert list(differing(sort.make())) == []


@pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
def test_the_operator_accepts_the_configuration(values: Path, tmp_path: Path) -> None:
    (config,) = (item for item in of_kind(rendered(values), "ConfigMap") if "salus.yaml" in item["data"])
    path = tmp_path / "salus.yaml"
    path.write_text(config["data"]["salus.yaml"], encoding="utf-8")

    settings = read_settings(path)

    assert settings.leader_election.namespace == NAMESPACE
    if settings.leader_election.enabled:
        (role,) = (
            item
            for item in of_kind(rendered(values, settings=("rbac.create=true",)), "Role")
            if item["metadata"]["name"].endswith("-lease")
        )
        assert role["rules"][1]["resourceNames"] == [settings.leader_election.name]


def test_the_chart_brings_the_crds_as_they_are() -> None:
    ours = [yaml.safe_load(path.read_text("utf-8")) for path in sorted(ROOT.glob("crds/*.yaml"))]

    found = of_kind(rendered(settings=("clusterWide=true",)), "CustomResourceDefinition")

    assert [item["spec"] for item in found] == [item["spec"] for item in ours]
    assert [item["metadata"]["name"] for item in found] == [item["metadata"]["name"] for item in ours]


@pytest.mark.parametrize("cluster_wide", [True, False], ids=["a ClusterRole", "Roles"])
def test_the_rights_are_those_of_the_file(cluster_wide: bool) -> None:
    """One source for both, so that they cannot differ."""
    rules = yaml.safe_load((CHART / "files/rules.yaml").read_text("utf-8"))
    kind = "ClusterRole" if cluster_wide else "Role"
    settings = ("clusterWide=true",) if cluster_wide else ("watchNamespaces={shop,billing}",)

    found = {item["metadata"]["name"]: item["rules"] for item in of_kind(rendered(settings=settings + TENANTS), kind)}

    assert found["salus"] == rules["operator"]
    assert found["salus-remediator"] == rules["remediator"]
    assert found["salus-remediator-scale-restart"] == rules["remediatorScaleRestart"]
    assert found["salus-impersonator"] == rules["impersonator"]


TENANT = ("tenants={shop}",)
TENANTS = (*TENANT, "tenantsWithoutRollback={billing}")


def test_without_cluster_wide_nothing_but_crds_and_admission_is_of_the_cluster() -> None:
    objects = rendered(settings=("watchNamespaces={shop,billing}", *TENANT))

    of_the_cluster = {item["kind"] for item in objects if "namespace" not in item["metadata"]}

    assert of_the_cluster <= {
        "CustomResourceDefinition",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }


UMBRELLA = """
apiVersion: v2
name: platform
version: 1.0.0
dependencies:
  - {name: salus, version: 0.x, repository: "", condition: salus.enabled}
"""
ENABLED = """
x-registry: &registry {imageRegistry: mirror.example/hub, clusterName: eu-1, imagePullSecrets: [pull, {name: other}]}
global: *registry
salus:
  enabled: true
  clusterWide: true
  tenants: [shop]
  imagePullSecrets: [{name: own}]
  config:
    sources:
      default: {url: "http://prometheus-operated.monitoring:9090"}
"""


@pytest.fixture
def umbrella(copied: Path, tmp_path: Path) -> Path:
    """A chart that has this one as a dependency, on a condition."""
    chart = tmp_path / "platform"
    chart.mkdir()
    (chart / "Chart.yaml").write_text(UMBRELLA, encoding="utf-8")
    (chart / "values.yaml").write_text(ENABLED, encoding="utf-8")
    shutil.copytree(copied, chart / "charts/salus")
    return chart


def test_as_a_dependency_it_is_there_on_its_condition(umbrella: Path) -> None:
    """Case 10: Helm hands the condition's value and `global` on to it."""
    (deployment,) = of_kind(rendered(chart=umbrella), "Deployment")

    pod = deployment["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"].startswith("mirror.example/hub/salus:")
    assert pod["imagePullSecrets"] == [{"name": "own"}, {"name": "pull"}, {"name": "other"}]
    assert rendered(chart=umbrella, settings=("salus.enabled=false",)) == []


@pytest.mark.parametrize(
    ("repository", "image"),
    [
        pytest.param("salus", "mirror.example/salus", id="an image without a registry"),
        pytest.param("platform/salus", "mirror.example/platform/salus", id="its path stays"),
        pytest.param("ghcr.io/org/salus", "mirror.example/org/salus", id="a registry that is named"),
        pytest.param("localhost:5000/salus", "mirror.example/salus", id="a registry with a port"),
    ],
)
def test_the_parents_registry_takes_the_place_of_the_images_own(repository: str, image: str) -> None:
    settings = ("clusterWide=true", f"image.repository={repository}", "global.imageRegistry=mirror.example/")
    (deployment,) = of_kind(rendered(settings=settings), "Deployment")

    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"].rpartition(":")[0] == image


def admission(chart: Path, *options: str, namespace: str) -> list[Object]:
    """The admission policies of a chart that has `ADMISSION`."""
    (chart / "files/admission.yaml").write_text(ADMISSION, encoding="utf-8")
    objects = rendered(settings=options, namespace=namespace, chart=chart)
    return of_kind(objects, "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")


def test_admission_policies_name_the_release_s_own_account(copied: Path) -> None:
    policy, binding = admission(copied, "clusterWide=true", "fullnameOverride=healer", namespace="platform")

    assert "'system:serviceaccount:platform:healer'" in policy["spec"]["matchConditions"][0]["expression"]
    assert (
        policy["metadata"]["labels"] | {"kept": "yes", "app.kubernetes.io/name": "salus"}
        == (policy["metadata"]["labels"])
    )
    assert binding["spec"] == {"policyName": "records.salus.dev", "validationActions": ["Deny"]}


def test_admission_policies_keep_to_the_watched_namespaces(copied: Path) -> None:
    """Another release's records would be refused otherwise, as by somebody else."""
    policy, binding = admission(copied, "watchNamespaces={shop,billing}", namespace="platform")

    assert policy["metadata"]["name"] == binding["spec"]["policyName"] == "records.salus.dev-platform"
    assert binding["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"] == [
        {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["shop", "billing"]}
    ]


def test_the_policy_about_lent_accounts_can_be_left_out_alone() -> None:
    settings = ("clusterWide=true", "admission.loans=false")

    names = {item["metadata"]["name"] for item in of_kind(rendered(settings=settings), "ValidatingAdmissionPolicy")}

    assert names == POLICIES - {"loans.salus.dev"}


def test_the_user_whom_the_policies_name_is_the_release_s_in_every_expression() -> None:
    """Also where a policy asks the authorizer about the operator's account, by the parts of its name."""
    settings = ("clusterWide=true", "fullnameOverride=healer")
    objects = of_kind(rendered(settings=settings, namespace="platform"), "ValidatingAdmissionPolicy")

    assert {item["metadata"]["name"] for item in objects} == POLICIES
    assert "system:serviceaccount:platform:healer" in str(objects)
    assert "salus-system" not in str(objects)


def test_admission_policies_can_be_left_out(copied: Path) -> None:
    assert admission(copied, "clusterWide=true", "admission.enabled=false", namespace="platform") == []


def test_a_wrong_value_is_told_with_its_path() -> None:
    with pytest.raises(HelmError, match=r"at '/config/limits/fleetBrake/percent': maximum: got 200, want 100"):
        rendered(settings=("config.limits.fleetBrake.percent=200",))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        pytest.param((), "watchNamespaces: name the namespaces to watch", id="nothing said, which was its own once"),
        pytest.param(("watchNamespaces={shop}",), '"shop" is the namespace of Salus itself', id="watched"),
        pytest.param(("clusterWide=true", "tenants={shop}"), "edit there may act as Salus' account", id="a tenant"),
    ],
)
def test_salus_does_not_live_among_those_who_could_be_it(settings: tuple[str, ...], says: str) -> None:
    """In the namespace shop, whose team has Kubernetes' role edit there; told to, the chart does so."""
    with pytest.raises(HelmError, match=says):
        rendered(settings=settings, namespace="shop")

    assert rendered(settings=(*settings, "watchOwnNamespace=true"), namespace="shop")


def test_promtool_plays_the_alerts(chart_tools: Tools, tmp_path: Path) -> None:
    for file in (CHART / "files/alerts.yaml", Path(__file__).with_name("alerts_test.yaml")):
        shutil.copy(file, tmp_path)

    chart_tools("promtool", "check", "rules", tmp_path / "alerts.yaml")
    chart_tools("promtool", "test", "rules", tmp_path / "alerts_test.yaml")
