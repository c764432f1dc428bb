"""Who keeps a workload as it is: a row for each controller of the table, and for those that a reference tells."""

from pathlib import Path
from typing import Any

import pytest

from salus.core.objects.owners import MARKS, follower_of
from salus.core.objects.workloads import managed_by, workload_from
from salus.model.change import ManagedBy
from tests.builders import a_deployment_body

POLICIES = Path(__file__).parents[2] / "docs/reference/policies.md"


def reference(group: str, kind: str, name: str = "web", **more: Any) -> dict[str, Any]:  # noqa: ANN401 — handed on
    return {"ownerReferences": [{"apiVersion": f"{group}/v1", "kind": kind, "name": name, "uid": "u", **more}]}


BY_MARK = [
    pytest.param(
        "olm.owner.kind",
        {"labels": {"olm.owner": "web.v1.2.0", "olm.owner.kind": "ClusterServiceVersion"}},
        "ClusterServiceVersion/web.v1.2.0",
        id="OLM",
    ),
    pytest.param(
        "olm.operatorframework.io/owner-kind",
        {
            "labels": {
                "olm.operatorframework.io/owner-kind": "ClusterExtension",
                "olm.operatorframework.io/owner-name": "web",
            }
        },
        "ClusterExtension/web",
        id="OLM v1",
    ),
    pytest.param(
        "operator-sdk/primary-resource",
        {
            "annotations": {
                "operator-sdk/primary-resource": "shop/web",
                "operator-sdk/primary-resource-type": "Web.x.io",
            }
        },
        "Operator SDK/shop/web",
        id="Operator SDK, by Helm or Ansible, from another namespace",
    ),
    pytest.param(
        "app.kubernetes.io/managed-by",
        {"labels": {"app.kubernetes.io/managed-by": "strimzi-cluster-operator", "strimzi.io/cluster": "events"}},
        "Strimzi/events",
        id="Strimzi",
    ),
    pytest.param(
        "application",
        {"labels": {"application": "spilo", "cluster-name": "orders"}},
        "postgresql/orders",
        id="Zalando's Postgres operator",
    ),
    pytest.param("app.oam.dev/name", {"labels": {"app.oam.dev/name": "shop"}}, "Application/shop", id="KubeVela"),
    pytest.param(
        "crossplane.io/composite",
        {"labels": {"crossplane.io/composite": "xshop-7"}},
        "Composite/xshop-7",
        id="Crossplane",
    ),
    pytest.param(
        "provider-kubernetes*",
        {"managedFields": [{"manager": "provider-kubernetes/web", "operation": "Apply"}]},
        "Crossplane",
        id="Crossplane's provider-kubernetes",
    ),
    pytest.param(
        "rollouts.kruise.io/in-progressing",
        {"annotations": {"rollouts.kruise.io/in-progressing": '{"rolloutName":"web"}'}},
        "OpenKruise Rollout",
        id="OpenKruise, in a rollout",
    ),
    pytest.param(
        "rollouts.kruise.io/controlled-by-advanced-deployment-controller",
        {"labels": {"rollouts.kruise.io/controlled-by-advanced-deployment-controller": "true"}},
        "OpenKruise Rollout",
        id="OpenKruise, in place of the Deployment controller",
    ),
    pytest.param(
        "rollouts.kruise.io/canary-deployment",
        {"labels": {"rollouts.kruise.io/canary-deployment": "web"}},
        "OpenKruise Rollout",
        id="a canary of OpenKruise",
    ),
    pytest.param(
        "objectset.rio.cattle.io/owner-gvk",
        {
            "annotations": {
                "objectset.rio.cattle.io/id": "",
                "objectset.rio.cattle.io/owner-gvk": "k3s.cattle.io/v1, Kind=Addon",
                "objectset.rio.cattle.io/owner-name": "coredns",
            }
        },
        "K3s, RKE2, Rancher/coredns",
        id="an add-on of K3s",
    ),
    pytest.param(
        "objectset.rio.cattle.io/id",
        {"annotations": {"objectset.rio.cattle.io/id": "default-shop"}},
        "Fleet/default-shop",
        id="a bundle of Rancher Fleet",
    ),
    pytest.param(
        "configmanagement.gke.io/managed",
        {"annotations": {"configmanagement.gke.io/managed": "enabled", "configsync.gke.io/manager": ":root"}},
        "Config Sync/:root",
        id="Config Sync",
    ),
    pytest.param(
        "karmada.io/managed",
        {"labels": {"karmada.io/managed": "true"}, "annotations": {"work.karmada.io/name": "web-6b9f"}},
        "Karmada/web-6b9f",
        id="Karmada",
    ),
    pytest.param("kubefed.io/managed", {"labels": {"kubefed.io/managed": "true"}}, "KubeFed", id="KubeFed"),
    pytest.param(
        "projectsveltos.io/reference-kind",
        {
            "labels": {
                "projectsveltos.io/reference-kind": "ConfigMap",
                "projectsveltos.io/reference-name": "shop",
            }
        },
        "Sveltos/shop",
        id="Sveltos",
    ),
    pytest.param(
        "resources.gardener.cloud/origin",
        {"annotations": {"resources.gardener.cloud/origin": "shoot--a:kube-system/web"}},
        "Gardener/shoot--a:kube-system/web",
        id="Gardener",
    ),
    pytest.param(
        "metacontroller.k8s.io/last-applied-configuration",
        {"annotations": {"metacontroller.k8s.io/last-applied-configuration": "{}"}},
        "Metacontroller",
        id="Metacontroller",
    ),
    pytest.param(
        "addonmanager.kubernetes.io/mode",
        {"labels": {"addonmanager.kubernetes.io/mode": "Reconcile"}},
        "addon manager",
        id="the addon manager",
    ),
    pytest.param(
        "eks", {"managedFields": [{"manager": "eks", "operation": "Apply"}]}, "EKS add-on", id="an add-on of EKS"
    ),
    pytest.param(
        "operator.istio.io/managed",
        {"labels": {"operator.istio.io/managed": "Reconcile", "install.operator.istio.io/owning-resource": "mesh"}},
        "IstioOperator/mesh",
        id="the Istio operator",
    ),
]
BY_REFERENCE = [
    pytest.param(reference("argoproj.io", "Rollout", controller=True), "Rollout/web", id="Argo Rollouts"),
    pytest.param(reference("flagger.app", "Canary", controller=True), "Canary/web", id="a primary of Flagger"),
    pytest.param(reference("apps.kruise.io", "UnitedDeployment", controller=True), "UnitedDeployment/web", id="Kruise"),
    pytest.param(reference("serving.knative.dev", "Revision", controller=True), "Revision/web", id="Knative"),
    pytest.param(
        reference("elasticsearch.k8s.elastic.co", "Elasticsearch", controller=True), "Elasticsearch/web", id="ECK"
    ),
    pytest.param(reference("monitoring.coreos.com", "Prometheus", controller=True), "Prometheus/web", id="Prometheus"),
    pytest.param(
        reference("config.openshift.io", "ClusterVersion", controller=True), "ClusterVersion/web", id="OpenShift"
    ),
    pytest.param(
        reference("operator.cluster.x-k8s.io", "CoreProvider", controller=True), "CoreProvider/web", id="Cluster API"
    ),
    pytest.param(reference("kafka.strimzi.io", "KafkaConnect", controller=False), "KafkaConnect/web", id="Strimzi"),
    pytest.param(reference("k8s.keycloak.org", "Keycloak"), "Keycloak/web", id="an operator that names no controller"),
    pytest.param(
        reference("operators.coreos.com", "ClusterServiceVersion", controller=False),
        "ClusterServiceVersion/web",
        id="OLM",
    ),
    pytest.param(
        reference("work.open-cluster-management.io", "AppliedManifestWork"),
        "AppliedManifestWork/web",
        id="Open Cluster Management",
    ),
]
NOBODY = [
    pytest.param({}, id="no mark"),
    pytest.param({"labels": None, "annotations": None, "ownerReferences": None, "managedFields": None}, id="nulls"),
    pytest.param(reference("app.k8s.io", "Application"), id="an Application that is deleted with it, and no more"),
    pytest.param({"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "web"}]}, id="a ConfigMap"),
    pytest.param({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, id="Helm, which puts nothing back by itself"),
    pytest.param({"labels": {"addonmanager.kubernetes.io/mode": "EnsureExists"}}, id="an add-on that is only made"),
    pytest.param({"labels": {"olm.owner.kind": "OperatorGroup"}}, id="what OLM does not keep"),
    pytest.param({"annotations": {"configmanagement.gke.io/managed": "disabled"}}, id="Config Sync, told to leave it"),
    pytest.param({"annotations": {"objectset.rio.cattle.io/id": ""}}, id="an empty id"),
    pytest.param(
        {"labels": {"operator.istio.io/managed": "Reconcile", "install.operator.istio.io/owning-resource": "unknown"}},
        id="istioctl install, which comes back for nothing",
    ),
    pytest.param({"managedFields": [{"manager": "eksctl"}]}, id="a manager of a similar name"),
]


def with_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    body = a_deployment_body()
    body["metadata"].update(metadata)
    return body


@pytest.mark.parametrize(("key", "metadata", "owner"), BY_MARK)
def test_a_controller_is_known_by_its_mark(key: str, metadata: dict[str, Any], owner: str) -> None:
    """Which the row of the table makes out, and the page on policies names."""
    assert key in {mark.key for mark in MARKS}
    assert workload_from(with_metadata(metadata)).owner == owner
    assert managed_by(with_metadata(metadata)) == ManagedBy(tool="Operator", ref=owner)


def test_every_row_of_the_table_has_one_here_and_in_the_page_on_policies() -> None:
    page = POLICIES.read_text(encoding="utf-8")

    assert {mark.key for mark in MARKS} == {str(row.values[0]) for row in BY_MARK}
    assert not [mark.key for mark in MARKS if f"`{mark.key}" not in page]


@pytest.mark.parametrize(("metadata", "owner"), BY_REFERENCE)
def test_an_owner_that_is_a_custom_resource_keeps_the_workload(metadata: dict[str, Any], owner: str) -> None:
    """Many operators never set `controller`."""
    assert workload_from(with_metadata(metadata)).owner == owner


@pytest.mark.parametrize("metadata", NOBODY)
def test_other_marks_mean_nothing(metadata: dict[str, Any]) -> None:
    assert workload_from(with_metadata(metadata)).owner == ""


def test_who_says_that_it_controls_comes_before_who_only_owns() -> None:
    owners = [
        *reference("x.io", "Tenant")["ownerReferences"],
        *reference("y.io", "Shop", controller=True)["ownerReferences"],
    ]

    assert workload_from(with_metadata({"ownerReferences": owners})).owner == "Shop/web"


def test_a_name_that_is_a_page_long_is_cut() -> None:
    owner = workload_from(with_metadata({"annotations": {"resources.gardener.cloud/origin": "x" * 250_000}})).owner

    assert len(owner) < 200


REPLICA_SET: dict[str, Any] = {
    "metadata": {
        "name": "web-6b9f",
        "annotations": {"rollout.argoproj.io/workload-generation": "4"},
        **reference("argoproj.io", "Rollout", controller=True),
    }
}
COPY: dict[str, Any] = {"kind": "Deployment", "metadata": {"name": "web-primary", **reference("flagger.app", "Canary")}}


@pytest.mark.parametrize(
    ("made", "follower"),
    [
        pytest.param([], "", id="nothing of that kind"),
        pytest.param([REPLICA_SET], "Rollout/web", id="an Argo Rollout with workloadRef"),
        pytest.param([COPY], "Canary/web", id="the target of a Canary of Flagger"),
        pytest.param(
            [{"metadata": {**REPLICA_SET["metadata"], "annotations": None}}], "", id="a Rollout with its own template"
        ),
        pytest.param(
            [{**COPY, "metadata": {"name": "web-primary"}}], "", id="a workload that happens to have that name"
        ),
        pytest.param(
            [{**COPY, "metadata": {**COPY["metadata"], "name": "shop-primary"}}],
            "",
            id="the copy of another",
        ),
    ],
)
def test_who_takes_the_template_of_a_workload(made: list[dict[str, Any]], follower: str) -> None:
    assert follower_of("Deployment", "web", made) == follower
