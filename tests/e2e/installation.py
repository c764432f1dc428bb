"""The scene of the install test: Salus in its namespace, a tenant's shop under traffic, and what is seen of both."""

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
import yaml

from examples.demo.pods import shop_image
from examples.demo.stage import SHOP
from examples.demo.traffic import RealTraffic
from tools.devcluster.api import ApiError, Object
from tools.devcluster.audit import AuditEvent
from tools.devcluster.cluster import DevCluster
from tools.devcluster.dockerfile import OperatorImage
from tools.devcluster.helm import CHART, Helm, HelmError
from tools.devcluster.processes import PATIENCE, wait_until
from tools.devcluster.salus import QUICK, are_served
from tools.devcluster.sandbox import NODE_ADDRESS

SYSTEM = "salus-system"
TENANT = "shop"
TARGET = "checkout"
REPLICAS = "checkout-replicas"
OPERATOR = f"system:serviceaccount:{SYSTEM}:salus"
REMEDIATOR = f"system:serviceaccount:{TENANT}:salus-remediator"

_GROUPS = ["system:serviceaccounts", f"system:serviceaccounts:{SYSTEM}", "system:authenticated"]
_RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
_SALUS = f"/apis/salus.dev/v1alpha1/namespaces/{TENANT}"
_DEPLOYMENT = f"/apis/apps/v1/namespaces/{TENANT}/deployments/{TARGET}"
_PODS = f"/api/v1/namespaces/{SYSTEM}/pods"
_HELM_WAITS = ("--wait", "--timeout=4m")
_PORT = 8080  # the chart's default
_RPS = 60
_HTTP_SECONDS = 5
SECONDS = 240.0
"""How long anything may take: a verification lasts two minutes by the presets' windows alone."""

POLICY: Object = {
    "apiVersion": "salus.dev/v1alpha1",
    "kind": "HealthPolicy",
    "metadata": {"name": TARGET, "namespace": TENANT},
    "spec": {
        "mode": "Enforce",
        "target": {"kind": "Deployment", "name": TARGET},
        "interval": "5s",
        "checks": [
            {"name": "image", "preset": "ImagePullFailing", "for": "15s"},
            {"name": "crash-looping", "preset": "PodsCrashLooping", "for": "5s"},
        ],
        "remedies": [{"name": "undo-release", "rollback": {"within": "30m"}}],
        "limits": {"cooldown": "10s", "maxActions": 10, "per": "10m"},
        "verify": {"settle": "5s", "stable": "5s", "timeout": "3m"},
        "bake": "20s",
    },
}


def replicas_policy(*remedies: Object) -> Object:
    """A second policy of the shop, that says how many pods there should be at least."""
    spec = {
        **POLICY["spec"],
        "checks": [
            {"name": "replicas", "preset": "ReplicasMissing", "unhealthy": {"below": "2"}, "for": "10s"},
            {"name": "available", "preset": "Unavailable"},
        ],
        "remedies": [*remedies, {"name": "page", "notify": {}}],
    }
    return {**POLICY, "metadata": {"name": REPLICAS, "namespace": TENANT}, "spec": spec}


@dataclass
class Installation:
    """Salus installed by Helm, and the tenant's shop beside it."""

    cluster: DevCluster
    image: OperatorImage
    source: str
    traffic: RealTraffic
    since: datetime = field(default_factory=lambda: datetime.now(UTC))

    # --- what people do

    def helm(self, *arguments: str) -> str:
        """Run helm on the release's namespace; on failure say what the operator logged last."""
        try:
            return Helm(self.cluster)(*arguments, f"--namespace={SYSTEM}")
        except HelmError as error:
            raise AssertionError(f"{error}\n{self.story()}") from error

    def install(self) -> None:
        """`helm install`, and wait until the pod is ready."""
        self.helm("install", "salus", str(CHART), *_HELM_WAITS, f"--values={self._values()}")
        wait_until(lambda: are_served(self.cluster), timeout=PATIENCE, what="the new kinds are served")

    def upgrade(self, **more: Any) -> None:  # noqa: ANN401 - any value of the chart
        """`helm upgrade` with `more` values on top, and wait until the new pod is ready."""
        self.helm("upgrade", "salus", str(CHART), *_HELM_WAITS, f"--values={self._values(**more)}")

    def roll_chart_back(self, revision: int) -> None:
        """`helm rollback` to a revision, and wait until its pod is ready."""
        self.helm("rollback", "salus", str(revision), *_HELM_WAITS)

    def uninstall(self) -> None:
        """`helm uninstall`, and wait until all is gone."""
        self.helm("uninstall", "salus", *_HELM_WAITS)

    def release(self, name: str) -> None:
        """Roll out a release of examples/shop/releases, as its team would."""
        patch = SHOP / "releases" / f"{name}.yaml"
        self.cluster.kubectl("patch", "-n", TENANT, f"deployment/{TARGET}", f"--patch-file={patch}")

    def apply(self, policy: Object) -> None:
        """`kubectl apply`, and wait until the policy is accepted and finds the shop healthy."""
        self.cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(policy))
        self.wait_ready(policy["metadata"]["name"])

    def scale(self, replicas: int) -> float:
        """`kubectl scale` the shop; answers when, by a clock that never goes back."""
        self.cluster.kubectl("scale", "-n", TENANT, f"deployment/{TARGET}", f"--replicas={replicas}")
        return time.monotonic()

    # --- what is seen

    def revisions(self) -> list[str]:
        """The status of each revision of the release, oldest first."""
        return [str(entry["status"]) for entry in json.loads(self.helm("history", "salus", "--output=json"))]

    def pods(self) -> list[Object]:
        """The operator's pods that are not on their way out."""
        found = self.cluster.api().items(_PODS, labelSelector="app.kubernetes.io/name=salus")
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def pod(self) -> Object:
        """The operator's one pod."""
        (pod,) = self.pods()
        return pod

    def python(self, code: str) -> str:
        """Run Python code in the operator's container, as its user, and return what it prints."""
        return self.exec("/opt/salus/bin/python", "-c", code)

    def exec(self, *command: str) -> str:
        """Run a command in the operator's container."""
        return self.cluster.kubectl("exec", "-n", SYSTEM, self.pod()["metadata"]["name"], "--", *command)

    def metric(self, name: str) -> float:
        """The sum over all series of a metric of the operator; 0 while it does not answer."""
        pods = [pod for pod in self.pods() if "podIP" in pod["status"]]
        return sum(_sum(_get(f"http://{pod['status']['podIP']}:{_PORT}/metrics"), name) for pod in pods)

    def may(self, question: Mapping[str, str]) -> bool:
        """Whether RBAC lets the operator's own account do what `question`, the attributes of a resource, describes."""
        review = {"spec": {"user": OPERATOR, "groups": _GROUPS, "resourceAttributes": dict(question)}}
        answer = self.cluster.api().create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    def policy_condition(self, kind: str, policy: str = TARGET) -> str:
        """The status of a condition of a policy as it is now; empty for none, and while it is an older one's."""
        body = self._policy(policy)
        status = body.get("status", {})
        is_of_now = status.get("observedGeneration") == body["metadata"]["generation"]
        conditions = status.get("conditions", []) if is_of_now else []
        return next((str(condition["status"]) for condition in conditions if condition["type"] == kind), "")

    def kept_releases(self) -> list[Object]:
        """The releases that Salus has found good."""
        found = self.cluster.api().items(f"/apis/salus.dev/v1alpha1/namespaces/{TENANT}/keptreleases")
        return [one for one in found if "healthyAt" in one.get("status", {})]

    def changes(self) -> list[Object]:
        """All ChangeEvents, in order."""
        found = self.cluster.api().items(f"{_SALUS}/changeevents")
        return sorted(found, key=lambda change: int(change["spec"]["sequence"]))

    def rollbacks(self) -> list[Object]:
        """The rollbacks that were meant to be done."""
        return [c for c in self.changes() if (c["spec"]["decision"], c["spec"]["action"]) == ("Act", "Rollback")]

    def open_incidents(self) -> list[Object]:
        """Those of the shop that are not over."""
        found = self.cluster.api().items(f"{_SALUS}/incidents")
        mine = [incident for incident in found if incident["spec"]["targetRef"]["name"] == TARGET]
        return [incident for incident in mine if incident.get("status", {}).get("phase") != "Resolved"]

    def of_replicas(self, action: str) -> list[Object]:
        """What the second policy had done, or told."""
        return [
            change
            for change in self.changes()
            if change["spec"]["policyRef"]["name"] == REPLICAS
            and (change["spec"]["decision"], change["spec"]["action"]) == ("Act", action)
        ]

    def replicas(self) -> int:
        """How many the shop is asked to have."""
        return int(self.cluster.api().get(_DEPLOYMENT)["spec"]["replicas"])

    def breached(self, change: Object) -> set[str]:
        """The checks whose values, on record with the change, were beyond their bounds: those of POLICY are counts."""
        return {str(one["check"]) for one in change["spec"]["evidence"] if float(one.get("value") or 0) > 0}

    def outcome(self, change: Object) -> str:
        """The outcome of a change, as of now; empty while it is under way."""
        return str(self._get_change(change).get("status", {}).get("outcome", ""))

    def environment(self) -> Mapping[str, str]:
        """What makes the live release: the environment of its template."""
        container = self._container()
        return {variable["name"]: variable.get("value", "") for variable in container["env"]}

    def image_of_target(self) -> str:
        """The image of the live release."""
        return str(self._container()["image"])

    def waits_and_ends(self) -> set[str]:
        """Why containers of the shop wait or ended, such as ImagePullBackOff and OOMKilled."""
        pods = self.cluster.api().items(f"/api/v1/namespaces/{TENANT}/pods", labelSelector=f"app={TARGET}")
        statuses = [status for pod in pods for status in pod["status"].get("containerStatuses", ())]
        states = [s.get(key, {}) for s in statuses for key in ("state", "lastState")]
        return {part["reason"] for state in states for part in state.values() if "reason" in part}

    def rolled_out(self) -> bool:
        """Whether every replica of the shop runs the live release, and is ready."""
        body = self.cluster.api().get(_DEPLOYMENT)
        status, wanted = body["status"], body["spec"]["replicas"]
        current = status.get("observedGeneration") == body["metadata"]["generation"]
        counts = {status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")}
        return bool(current) and counts == {wanted}

    def writes_to_target(self) -> list[AuditEvent]:
        """Writes to the shop's Deployment that the operator's account sent, and that were let through."""
        found = self.cluster.audit.writes(user=OPERATOR, resource="deployments", namespace=TENANT, since=self.since)
        return [event for event in found if event.code < 300]

    # --- waiting

    def wait_ready(self, policy: str = TARGET) -> None:
        """Wait until a policy is accepted and the service found healthy."""
        self.wait(lambda: self.policy_condition("Ready", policy) == "True", "the policy is Ready")
        self.wait(lambda: self.policy_condition("Healthy", policy) == "True", "the shop is found healthy")

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
        """Wait on a condition; on failure say what the operator logged last."""
        try:
            wait_until(condition, timeout=seconds, what=what)
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{self.story()}") from error

    def story(self) -> str:
        """What the operator says of itself, for a person who looks at a failure."""
        with contextlib.suppress(RuntimeError):
            log = self.cluster.kubectl("logs", "-n", SYSTEM, "deployment/salus", "--tail=40")
            records = self.cluster.kubectl("get", "salus,pods", "-n", TENANT)
            return f"{records}\n{log}"
        return ""

    def _values(self, **more: Any) -> Path:  # noqa: ANN401 - any value of the chart
        """A file with a platform team's values: one source, one tenant, and pods that Prometheus scrapes."""
        repository, tag = self.image.name.rsplit(":", 1)
        values = {
            "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
            "clusterWide": True,
            "tenants": [TENANT],
            "config": {"cluster": "e2e", "sources": {"default": {"url": self.source}}, **QUICK},
            "podAnnotations": {"prometheus.io/scrape": "true", "prometheus.io/port": str(_PORT)},
        }
        file = self.cluster.run_dir / "values.yaml"
        file.write_text(yaml.safe_dump({**values, **more}), encoding="utf-8")
        return file

    def _policy(self, name: str) -> Object:
        return self.cluster.api().get(f"{_SALUS}/healthpolicies/{name}")

    def _container(self) -> Object:
        containers: list[Object] = self.cluster.api().get(_DEPLOYMENT)["spec"]["template"]["spec"]["containers"]
        return containers[0]

    def _get_change(self, change: Object) -> Object:
        return self.cluster.api().get(f"{_SALUS}/changeevents/{change['metadata']['name']}")


@contextlib.contextmanager
def installed(cluster: DevCluster) -> Iterator[Installation]:
    """Install Salus, deploy the shop under traffic, and apply its policy."""
    image = OperatorImage.of_checkout()
    if not image.archive.exists():
        raise FileNotFoundError(
            f"no image of this checkout: `make e2e` builds it, if no file changes meanwhile ({image})"
        )
    cluster.node.load_archive(image.archive)
    cluster.node.load([shop_image(lambda _: None)])
    source = _publish_prometheus(cluster)
    _namespace(cluster, SYSTEM, _RESTRICTED)
    address = _deploy_shop(cluster)
    with RealTraffic(f"http://{address}/") as traffic:
        traffic.set_rate(_RPS)
        scene = Installation(cluster, image, source, traffic)
        scene.install()
        scene.wait(scene.rolled_out, "the shop is rolled out")
        cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(POLICY))
        yield scene


def cold_start(scene: Installation) -> float:
    """Seconds from asking for the operator's pod, with none there, to its first verdict."""
    cluster = scene.cluster
    cluster.kubectl("scale", "-n", SYSTEM, "deployment/salus", "--replicas=0")
    scene.wait(lambda: not cluster.api().items(_PODS), "the operator's pod is gone")
    began = time.monotonic()
    cluster.kubectl("scale", "-n", SYSTEM, "deployment/salus", "--replicas=1")
    scene.wait(lambda: scene.metric("salus_evaluations_total") > 0, "a first verdict")
    return time.monotonic() - began


def _publish_prometheus(cluster: DevCluster) -> str:
    """Give the devcluster's Prometheus, which runs on the node, a Service, and return the URL that pods use."""
    _namespace(cluster, "monitoring", {})
    ports = [{"name": "http", "port": cluster.prometheus.port}]
    service = {"metadata": {"name": "prometheus"}, "spec": {"ports": [{"name": "http", "port": 9090}]}}
    endpoints = {
        "metadata": {"name": "prometheus", "labels": {"kubernetes.io/service-name": "prometheus"}},
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": [{"addresses": [NODE_ADDRESS]}],
    }
    made = cluster.api().create("/api/v1/namespaces/monitoring/services", service)
    cluster.api().create("/apis/discovery.k8s.io/v1/namespaces/monitoring/endpointslices", endpoints)
    return f"http://{made['spec']['clusterIP']}:9090"  # by address: there is no DNS in the sandbox


def _deploy_shop(cluster: DevCluster) -> str:
    """Apply the shop's manifests, and return the address of its Service."""
    for name in ("namespace", "deployment", "service"):
        cluster.kubectl("apply", "-f", str(SHOP / "manifests" / f"{name}.yaml"))
    return str(cluster.api().get(f"/api/v1/namespaces/{TENANT}/services/{TARGET}")["spec"]["clusterIP"])


def _namespace(cluster: DevCluster, name: str, labels: Mapping[str, str]) -> None:
    with contextlib.suppress(ApiError):  # it is there
        cluster.api().create("/api/v1/namespaces", {"metadata": {"name": name, "labels": dict(labels)}})


def _get(url: str) -> str:
    with requests.Session() as session:
        session.trust_env = False
        try:
            return session.get(url, timeout=_HTTP_SECONDS).text
        except requests.RequestException:
            return ""


def _sum(exposition: str, name: str) -> float:
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", exposition, re.MULTILINE))
