"""What an account that a namespace has lent to Salus may do there: loans.salus.dev on a real API server.

RBAC can say that it may patch a Deployment, and not which field. So whoever rules the operator, and whoever else may
speak as the account, is held to what remedies do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
import yaml

from tests.contract.loan_cases import CASES, LIVE, Case
from tools.devcluster.admission import FILES, OPERATOR, install_admission, rule
from tools.devcluster.api import JSON_PATCH, ApiError
from tools.devcluster.cluster import DevCluster, KubectlError
from tools.devcluster.namespaces import fresh_namespace
from tools.devcluster.processes import PATIENCE, wait_until

pytestmark = pytest.mark.usefixtures("our_kinds", "keda")

Object = dict[str, Any]
RULES = yaml.safe_load((FILES / "rules.yaml").read_text(encoding="utf-8"))
SUFFIX = "-of-an-account"
NARROW = "system:serviceaccount:elsewhere:salus-remediator"
"""A lent account that may restart and scale here, and not roll back."""
NUMBERS = count()
RESTART = {
    "op": "add",
    "path": "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt",
    "value": "2026-11-22T03:04:05Z",
}
STAMP = {"op": "add", "path": "/metadata/annotations/salus.dev~1change", "value": "checkout-5f3a91c2-7"}
IMAGE = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "evil.example/miner:1"}
PATHS = {
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "DaemonSet": "/apis/apps/v1/namespaces/{}/daemonsets",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers",
    "ScaledObject": "/apis/keda.sh/v1alpha1/namespaces/{}/scaledobjects",
}
SPECS: dict[str, Object] = {
    "Deployment": {"replicas": 2, "strategy": {"type": "Recreate"}},
    "StatefulSet": {"replicas": 2, "serviceName": "checkout"},
    "DaemonSet": {},
    "HorizontalPodAutoscaler": {"minReplicas": 2, "maxReplicas": 5},
    "ScaledObject": {"minReplicaCount": 2, "triggers": [{"type": "cron", "metadata": {"timezone": "UTC"}}]},
}


@dataclass(frozen=True)
class Tenant:
    """A namespace with lent accounts, in which the admission policies hold."""

    cluster: DevCluster
    namespace: str

    @property
    def account(self) -> str:
        """The account that may do every remedy."""
        return f"system:serviceaccount:{self.namespace}:salus-remediator"

    def grant(self, user: str, rules: list[Object]) -> None:
        """Give a user rights here, and wait until they are in force."""
        root, name = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}", user.replace(":", "-")
        admin = self.cluster.api()
        admin.create(f"{root}/roles", {"metadata": {"name": name}, "rules": rules})
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
        body = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
        admin.create(f"{root}/rolebindings", body)
        wait_until(lambda: self._may(user, rules[0]), timeout=PATIENCE, what=f"the rights of {user}")

    def _may(self, user: str, rule: Object) -> bool:
        asked = {"verb": rule["verbs"][0], "group": rule["apiGroups"][0], "resource": rule["resources"][0]}
        asked |= {"namespace": self.namespace, "name": rule.get("resourceNames", [""])[0]}
        body = {"spec": {"user": user, "resourceAttributes": asked}}
        answer = self.cluster.api().create("/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
        return bool(answer["status"]["allowed"])

    def make(self, kind: str = "Deployment") -> str:
        """A new object of this kind, as its team makes it; its path."""
        name = f"checkout-{next(NUMBERS)}"
        spec = dict(SPECS[kind])
        if kind in ("HorizontalPodAutoscaler", "ScaledObject"):
            spec["scaleTargetRef"] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
        else:
            spec |= {"selector": {"matchLabels": {"app": "checkout"}}, "template": LIVE}
        version = PATHS[kind].removeprefix("/apis/").partition("/namespaces")[0]
        metadata = {"name": name, "labels": {"app": "checkout"}, "annotations": {"team": "shop"}}
        body = {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
        path = PATHS[kind].format(self.namespace)
        self.cluster.api().create(path, body)
        return f"{path}/{name}"

    def patch(self, user: str, path: str, *operations: Object) -> Object:
        """Change the object as this user, as Salus would."""
        return self.cluster.api(user).patch(path, list(operations), kind=JSON_PATCH)


@pytest.fixture(scope="module")
def tenant(devcluster: DevCluster, our_kinds: None, keda: None) -> Iterator[Tenant]:
    del our_kinds, keda
    install_admission(devcluster, operator=OPERATOR, suffix=SUFFIX)
    with fresh_namespace(devcluster) as name:
        rule(devcluster, name, operator=OPERATOR, suffix=SUFFIX)
        tenant = Tenant(devcluster, name)
        tenant.grant(tenant.account, RULES["remediator"])
        tenant.grant(NARROW, RULES["remediatorScaleRestart"])
        yield tenant


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.told)
def test_what_a_rollback_may_put_back(tenant: Tenant, case: Case) -> None:
    """The very table that Salus' own judgement is held to."""
    path = tenant.make()
    operations = ({"op": "replace", "path": "/spec/template", "value": case.template}, STAMP)

    if case.said:
        with pytest.raises(ApiError) as refused:
            tenant.patch(tenant.account, path, *operations)
        assert refused.value.status == 403
        assert f"{tenant.account}, an account that is lent to Salus, {case.said}" in str(refused.value)
    else:
        assert tenant.patch(tenant.account, path, *operations)["metadata"]["annotations"]["salus.dev/change"]


@pytest.mark.parametrize(
    ("kind", "operations"),
    [
        pytest.param("Deployment", [RESTART, STAMP], id="a restart"),
        pytest.param("DaemonSet", [RESTART, STAMP], id="a restart of a DaemonSet"),
        pytest.param("Deployment", [{"op": "replace", "path": "/spec/replicas", "value": 5}, STAMP], id="a scaling"),
        pytest.param(
            "StatefulSet", [{"op": "replace", "path": "/spec/replicas", "value": 3}, STAMP], id="a StatefulSet scaled"
        ),
        pytest.param(
            "HorizontalPodAutoscaler",
            [{"op": "replace", "path": "/spec/minReplicas", "value": 4}, STAMP],
            id="the minimum of an HPA",
        ),
        pytest.param(
            "HorizontalPodAutoscaler", [{"op": "remove", "path": "/spec/minReplicas"}, STAMP], id="a minimum given back"
        ),
        pytest.param(
            "ScaledObject",
            [{"op": "replace", "path": "/spec/minReplicaCount", "value": 4}, STAMP],
            id="the minimum of a ScaledObject",
        ),
    ],
)
def test_a_remedy_takes_no_more_than_the_narrow_role(tenant: Tenant, kind: str, operations: Sequence[Object]) -> None:
    assert tenant.patch(NARROW, tenant.make(kind), *operations)


@pytest.mark.parametrize(
    ("kind", "operation", "said"),
    [
        pytest.param(
            "Deployment",
            IMAGE,
            "may restart and scale checkout-{number}, and may not put another pod template there: the verb rollback on "
            "deployments.apps is missing; ClusterRole salus-remediator has it",
            id="another image, without leave to roll back",
        ),
        pytest.param("StatefulSet", IMAGE, "the verb rollback on statefulsets.apps is missing", id="of a StatefulSet"),
        pytest.param("DaemonSet", IMAGE, "the verb rollback on daemonsets.apps is missing", id="of a DaemonSet"),
        pytest.param(
            "Deployment",
            {"op": "add", "path": "/spec/template/metadata/annotations/sidecar.istio.io~1inject", "value": "false"},
            "the verb rollback on deployments.apps is missing",
            id="another annotation of the template",
        ),
        pytest.param(
            "Deployment",
            {"op": "add", "path": "/spec/template/metadata/labels/app.kubernetes.io~1name", "value": "bank"},
            "the verb rollback on deployments.apps is missing",
            id="another label of the template",
        ),
        pytest.param(
            "Deployment",
            {"op": "add", "path": "/metadata/labels/app", "value": "bank"},
            "may not change metadata but its own mark, salus.dev/change",
            id="a label",
        ),
        pytest.param(
            "Deployment",
            {"op": "remove", "path": "/metadata/annotations/team"},
            "may not change metadata but its own mark",
            id="an annotation that is another's",
        ),
        pytest.param(
            "Deployment",
            {"op": "add", "path": "/metadata/finalizers", "value": ["example.com/forever"]},
            "may not change metadata but its own mark",
            id="a finalizer",
        ),
        pytest.param(
            "Deployment",
            {"op": "add", "path": "/spec/paused", "value": True},
            "may change spec.replicas and spec.template of deployments, and nothing else",
            id="a pause",
        ),
        pytest.param(
            "StatefulSet",
            {"op": "replace", "path": "/spec/updateStrategy", "value": {"type": "OnDelete"}},
            "may change spec.replicas and spec.template of statefulsets, and nothing else",
            id="a strategy",
        ),
        pytest.param(
            "Deployment", {"op": "replace", "path": "/spec/replicas", "value": 0}, "may not scale to 0", id="to zero"
        ),
        pytest.param(
            "HorizontalPodAutoscaler",
            {"op": "replace", "path": "/spec/maxReplicas", "value": 50},
            "may change spec.minReplicas of horizontalpodautoscalers, and nothing else",
            id="the maximum of an HPA",
        ),
        pytest.param(
            "ScaledObject",
            {"op": "replace", "path": "/spec/triggers/0/metadata", "value": {"timezone": "evil"}},
            "may change spec.minReplicaCount of scaledobjects, and nothing else",
            id="what a ScaledObject listens to",
        ),
    ],
)
def test_more_than_a_remedy_is_refused(tenant: Tenant, kind: str, operation: Object, said: str) -> None:
    path = tenant.make(kind)

    with pytest.raises(ApiError) as refused:
        tenant.patch(NARROW, path, operation)

    assert refused.value.status == 403
    assert f"{NARROW}, an account that is lent to Salus, " in str(refused.value)
    assert said.format(number=path.rpartition("-")[2]) in str(refused.value)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_scale_is_held_as_the_replicas_are(tenant: Tenant, kind: str) -> None:
    """No role of Salus has the right, but the account that a policy names may have others than its own."""
    account = f"system:serviceaccount:{kind.lower()}:salus-remediator"
    plural = PATHS[kind].rpartition("/")[2]
    tenant.grant(account, [{"apiGroups": ["apps"], "resources": [f"{plural}/scale"], "verbs": ["patch"]}])
    scale = f"{tenant.make(kind)}/scale"

    with pytest.raises(ApiError, match="an account that is lent to Salus, may not scale to 0"):
        tenant.patch(account, scale, {"op": "replace", "path": "/spec/replicas", "value": 0})
    assert (
        tenant.patch(account, scale, {"op": "replace", "path": "/spec/replicas", "value": 3})["spec"]["replicas"] == 3
    )

    tenant.patch("tests", scale, {"op": "replace", "path": "/spec/replicas", "value": 0})
    assert tenant.patch(account, scale, {"op": "add", "path": "/spec/replicas", "value": 1})["spec"]["replicas"] == 1


def test_whoever_acts_as_the_account_is_held_as_well(tenant: Tenant) -> None:
    """Kubernetes' role edit may impersonate every service account of the namespace."""
    namespace, name = tenant.namespace, tenant.make().rpartition("/")[2]
    tenant.cluster.kubectl("create", "rolebinding", "eve", "-n", namespace, "--clusterrole=edit", "--user=eve")
    stolen = '{"spec":{"template":{"spec":{"volumes":[{"name":"s","secret":{"secretName":"payroll"}}]}}}}'

    def attempt() -> str:
        options = ("-n", namespace, "deployment", name, "--patch", stolen, f"--as={tenant.account}")
        with pytest.raises(KubectlError) as refused:
            tenant.cluster.kubectl("patch", *options, user="eve")
        return str(refused.value)

    wait_until(lambda: "cannot impersonate" not in attempt(), timeout=PATIENCE, what="the rights of eve")
    assert "may not bring Secrets along that the live one has not: payroll" in attempt()


def test_an_account_of_another_name_is_held_once_it_is_lent(tenant: Tenant) -> None:
    """Lent is what Salus may act as; until then the account is the namespace's own business."""
    healer = f"system:serviceaccount:{tenant.namespace}:healer"
    tenant.grant(healer, RULES["remediator"])
    path = tenant.make()
    tenant.patch(healer, path, {"op": "add", "path": "/metadata/labels/app", "value": "bank"})

    impersonate = {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"]}
    tenant.grant(OPERATOR, [{**impersonate, "resourceNames": ["healer"]}])

    with pytest.raises(ApiError, match="healer, an account that is lent to Salus, may not change metadata"):
        tenant.patch(healer, path, {"op": "add", "path": "/metadata/labels/app", "value": "shop"})
    assert tenant.patch(healer, path, IMAGE, STAMP)


def test_people_are_not_held(tenant: Tenant) -> None:
    path = tenant.make()

    assert tenant.patch("tests", path, IMAGE, {"op": "add", "path": "/metadata/labels/app", "value": "bank"})
