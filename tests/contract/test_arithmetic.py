"""What the core computes as Kubernetes does, asked of the real API server: by dry runs of pods and of evictions."""

import pytest

from salus.core.objects.disruptions import disruptions_from
from salus.core.objects.pod_security import forbidden_by
from tests.contract.pod_cases import CASES, EVICTIONS, Case, Eviction
from tests.contract.pod_security_cases import SECURITY
from tools.devcluster.api import Api, ApiError, Object
from tools.devcluster.cluster import DevCluster
from tools.devcluster.processes import wait_until

_PATIENCE = 60.0


def refusal(api: Api, path: str, body: Object) -> str:
    """What the server objects with when this is tried; nothing: it lets it be."""
    try:
        api.create(path, body, dryRun="All")
    except ApiError as error:
        if error.status == 404:
            raise
        return str(error)
    return ""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.case)
def test_whether_a_pod_is_let_in(devcluster: DevCluster, namespace: str, case: Case) -> None:
    api, path = devcluster.api(), f"/api/v1/namespaces/{namespace}"
    for body in case.ranges():
        api.create(f"{path}/limitranges", body)
    for body in case.quotas():
        api.create(f"{path}/resourcequotas", body)
    wait_until(
        lambda: all("used" in body.get("status", {}) for body in api.items(f"{path}/resourcequotas")),
        timeout=_PATIENCE,
        what="the quota is counted",
    )
    body = {"metadata": {"name": "web"}, "spec": dict(case.spec)}
    said: list[str] = []

    def is_judged() -> bool:
        """Admission sees the quota as it was a moment ago, and then whether it is counted is not known to it."""
        said.append(refusal(api, f"{path}/pods", body))
        return "status unknown for quota" not in said[-1]

    wait_until(is_judged, timeout=_PATIENCE, what="the server's judgement")

    assert bool(said[-1]) == bool(case.says), said[-1]


@pytest.mark.parametrize("level", ["baseline", "restricted", "privileged"])
def test_pod_security(devcluster: DevCluster, namespace: str, level: str) -> None:
    """Each rule of the standards, in a namespace that enforces them."""
    api, path = devcluster.api(), f"/api/v1/namespaces/{namespace}"
    api.patch(path, {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": level}}})
    canary = {"metadata": {"name": "canary"}, "spec": {**SECURITY[0].template()["spec"], "hostPID": True}}
    if level != "privileged":
        wait_until(lambda: bool(refusal(api, f"{path}/pods", canary)), timeout=_PATIENCE, what="the label is known")
    labels = api.get(path)["metadata"]["labels"]

    for case in SECURITY:
        template = case.template()
        body = {**template, "metadata": {**template["metadata"], "name": "web"}}
        said = refusal(api, f"{path}/pods", body)
        assert "PodSecurity" in said or not said, f"{case.case}: {said}"
        lets_in = {"baseline": case.baseline, "restricted": case.restricted}.get(level, True)
        assert (not said, not forbidden_by(labels, template)) == (lets_in, lets_in), f"{case.case}: {said}"


def put_pod(api: Api, path: str, name: str, letter: str) -> None:
    """A pod that no kubelet has, as a letter of an `Eviction` says."""
    spec = {"schedulerName": "nobody", "containers": [{"name": "app", "image": "app:v1"}]}
    body = {"metadata": {"name": name, "labels": {"app": "web"}, "finalizers": ["example.com/kept"]}, "spec": spec}
    api.create(f"{path}/pods", body)
    phase = {"P": "Pending", "S": "Succeeded"}.get(letter, "Running")
    ready = {"type": "Ready", "status": str(letter in "RD")}
    api.patch(f"{path}/pods/{name}/status", {"status": {"phase": phase, "conditions": [ready]}})
    if letter == "D":
        api.delete(f"{path}/pods/{name}")


@pytest.mark.parametrize("case", EVICTIONS, ids=lambda case: case.case)
def test_which_pods_may_go(devcluster: DevCluster, namespace: str, case: Eviction) -> None:
    """The core, given what is really there, says what the eviction API does."""
    api, path = devcluster.api(), f"/api/v1/namespaces/{namespace}"
    names = [f"web-{index}" for index in range(len(case.pods))]
    for name, letter in zip(names, case.pods, strict=True):
        put_pod(api, path, name, letter)
    budgets = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"
    spec = {"minAvailable": case.at_least, "selector": {"matchLabels": {"app": "web"}}}
    policy = {"unhealthyPodEvictionPolicy": case.policy} if case.policy else {}
    for number in range(case.budgets):
        api.create(budgets, {"metadata": {"name": f"keep-{number}"}, "spec": {**spec, **policy}})
    ready = case.pods.count("R")

    def are_counted() -> bool:
        seen = [body.get("status", {}) for body in api.items(budgets)]
        return all(s.get("observedGeneration") == 1 and s.get("currentHealthy") == ready for s in seen)

    wait_until(are_counted, timeout=_PATIENCE, what="the budgets are counted")
    allowed = {name: not refusal(api, f"{path}/pods/{name}/eviction", eviction(name)) for name in names}
    found = {name: disruptions_from(api.items(budgets), [api.get(f"{path}/pods/{name}")]) for name in names}
    for name in names:
        api.patch(f"{path}/pods/{name}", {"metadata": {"finalizers": None}})

    assert allowed == {name: all(one.allowed for one in said) for name, said in found.items()}
    assert "".join("y" if allowed[name] else "n" for name in names) == case.goes


def eviction(name: str) -> Object:
    """The wish to have a pod go."""
    return {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
