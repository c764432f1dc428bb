"""A stage for one service.

A Deployment that kwok plays, gauges that the test sets, a policy, and what Salus made of it.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import requests

from tools.devcluster.audit import AuditEvent
from tools.devcluster.cluster import DevCluster
from tools.devcluster.processes import PATIENCE, wait_until
from tools.devcluster.prometheus import Prometheus
from tools.devcluster.remote_write import Series
from tools.devcluster.salus import ACCOUNT, Salus

Object = dict[str, Any]
_PUSH_EVERY = 0.5
_SALUS = "/apis/salus.dev/v1alpha1/namespaces"


@dataclass
class Pump:
    """Pushes the present value of every gauge into Prometheus, twice a second."""

    prometheus: Prometheus
    _gauges: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[float, float]] = field(default_factory=dict)
    """Value, and how old it is said to be."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def set(self, name: str, value: float | None, *, age: float = 0.0, **labels: str) -> None:
        """Set a gauge; None lets it fall silent, and with an `age` it is always so many seconds late."""
        key = (name, tuple(sorted(labels.items())))
        with self._lock:
            if value is None:
                self._gauges.pop(key, None)
            else:
                self._gauges[key] = value, age

    def forget(self, namespace: str) -> None:
        """Let all gauges of a namespace fall silent."""
        with self._lock:
            self._gauges = {key: v for key, v in self._gauges.items() if ("namespace", namespace) not in key[1]}

    def run(self) -> None:
        """Push until `stop`."""
        while not self._stopped.wait(_PUSH_EVERY):
            now = time.time()
            with self._lock:
                gauges = tuple(self._gauges.items())
            series = [Series(name, dict(labels), ((now - age, value),)) for (name, labels), (value, age) in gauges]
            if series:
                with suppress(
                    requests.RequestException
                ):  # a Prometheus that is stopped, or starting: the next push tells
                    self.prometheus.push(series)

    def stop(self) -> None:
        """End `run`."""
        self._stopped.set()


@dataclass
class Scene:
    """One namespace of the cluster with everything a test does there and sees there."""

    cluster: DevCluster
    pump: Pump
    namespace: str
    salus: Salus

    # What the test does

    def deploy(self, name: str = "web", *, release: str = "v1", replicas: int = 2, **metadata: Any) -> Object:  # noqa: ANN401
        """Create a Deployment and wait until it is available."""
        body = deployment(name, release=release, replicas=replicas, **metadata)
        self.cluster.api().create(self._apps(), body)
        self.wait_rolled_out(name)
        return self.deployment(name)

    def release(self, release: str, name: str = "web") -> None:
        """Roll out another release: a change of the template, as a person makes it."""
        patch = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": f"app:{release}"}]}}}}
        kind = "application/strategic-merge-patch+json"
        self.cluster.api().patch(f"{self._apps()}/{name}", patch, kind=kind)

    def restart(self, name: str = "web") -> None:
        """`kubectl rollout restart`."""
        self.cluster.kubectl("rollout", "restart", "-n", self.namespace, f"deployment/{name}")

    def delete(self, name: str = "web") -> None:
        """Delete the Deployment and wait until it is gone."""
        self.cluster.kubectl("delete", "-n", self.namespace, f"deployment/{name}", "--wait")

    def gauge(
        self, value: float | None, name: str = "error_ratio", target: str = "web", *, age: float = 0.0, **labels: str
    ) -> None:
        """Set a metric of the service."""
        self.pump.set(name, value, age=age, namespace=self.namespace, deployment=target, **labels)

    def apply(self, name: str = "web", **spec: Any) -> Object:  # noqa: ANN401
        """Create a policy; what `spec` does not say is as in `policy_spec`."""
        target = spec.pop("target", name)
        if isinstance(target, str):
            target = {"kind": "Deployment", "name": target}
        body = {
            "apiVersion": "salus.dev/v1alpha1",
            "kind": "HealthPolicy",
            "metadata": {"name": name},
            "spec": {**policy_spec(), **spec, "target": target},
        }
        return self.cluster.api().create(f"{_SALUS}/{self.namespace}/healthpolicies", body)

    # What the test sees

    def deployment(self, name: str = "web") -> Object:
        """The Deployment as it is."""
        return self.cluster.api().get(f"{self._apps()}/{name}")

    def policy(self, name: str = "web") -> Object:
        """The policy as it is."""
        return self.cluster.api().get(f"{_SALUS}/{self.namespace}/healthpolicies/{name}")

    def policies(self) -> list[Object]:
        """All policies of the namespace."""
        return self.cluster.api().items(f"{_SALUS}/{self.namespace}/healthpolicies")

    def condition(self, kind: str, policy: str = "web") -> Object:
        """One condition of a policy; empty while there is none."""
        conditions = self.policy(policy).get("status", {}).get("conditions", [])
        return next((condition for condition in conditions if condition["type"] == kind), {})

    def changes(self, **fields: str) -> list[Object]:
        """The ChangeEvents of the namespace in their order, that have these values in `spec`."""
        found = self.cluster.api().items(f"{_SALUS}/{self.namespace}/changeevents")
        matching = [c for c in found if all(c["spec"].get(field) == value for field, value in fields.items())]
        return sorted(matching, key=lambda change: (change["spec"]["targetRef"]["name"], change["spec"]["sequence"]))

    def incidents(self) -> list[Object]:
        """The Incidents of the namespace."""
        return self.cluster.api().items(f"{_SALUS}/{self.namespace}/incidents")

    def kept_releases(self) -> list[Object]:
        """The releases that Salus keeps."""
        return self.cluster.api().items(f"{_SALUS}/{self.namespace}/keptreleases")

    def writes(self, resource: str = "deployments", verb: str | None = None) -> list[AuditEvent]:
        """What Salus wrote to objects of this kind, from the API server's audit log."""
        return self.cluster.audit.writes(user="salus", resource=resource, verb=verb, namespace=self.namespace)

    @property
    def account(self) -> str:
        """The user name of the account that acts here."""
        return f"system:serviceaccount:{self.namespace}:{ACCOUNT}"

    def assert_nothing_was_written_as_itself(self) -> None:
        """Whatever Salus wrote here that is not its own, it wrote as the account of this namespace."""
        for kind in ("deployments", "statefulsets", "daemonsets", "pods", "horizontalpodautoscalers", "scaledobjects"):
            assert {event.impersonated for event in self.writes(kind)} <= {self.account}, kind

    # Waiting

    def wait(self, condition: Callable[[], bool], what: str, timeout: float = PATIENCE) -> None:
        """Wait for a condition."""
        wait_until(condition, timeout=timeout, what=what)

    def wait_change(self, timeout: float = PATIENCE, **fields: str) -> Object:
        """Wait for a ChangeEvent that has these values in `spec`, and return the newest."""
        found: list[Object] = []

        def there() -> bool:
            found[:] = self.changes(**fields)
            return bool(found)

        self.wait(there, f"a ChangeEvent with {fields}", timeout)
        return found[-1]

    def wait_outcome(self, outcome: str, timeout: float = PATIENCE, **fields: str) -> Object:
        """Wait until the newest ChangeEvent with these values in `spec` ended like this."""
        found: list[Object] = []

        def ended() -> bool:
            found[:] = self.changes(**fields)
            return bool(found) and found[-1].get("status", {}).get("outcome") == outcome

        self.wait(ended, f"outcome {outcome} of {fields}", timeout)
        return found[-1]

    def wait_condition(
        self, kind: str, status: str, policy: str = "web", timeout: float = PATIENCE, **fields: str
    ) -> Object:
        """Wait until a condition of the policy has this status, and these `fields` where the status alone is not it."""
        found: Object = {}
        wanted = {"status": status, **fields}

        def holds() -> bool:
            found.clear()
            found.update(self.condition(kind, policy))
            return wanted.items() <= found.items()

        self.wait(holds, f"{kind} of {policy} with {wanted}", timeout)
        return found

    def wait_written(self) -> None:
        """Wait until Salus has patched a Deployment: an Act is on record before it is done, and may yet be dropped."""
        self.wait(lambda: bool(self.writes(verb="patch")), "the write")

    def wait_rolled_out(self, name: str = "web") -> None:
        """Wait until every replica runs the newest template."""

        def done() -> bool:
            body = self.deployment(name)
            spec, status = body["spec"], body.get("status", {})
            counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
            return (
                status.get("observedGeneration") == body["metadata"]["generation"] and counts == [spec["replicas"]] * 3
            )

        self.wait(done, f"{name} is rolled out")

    def wait_kept(self, count: int = 1) -> None:
        """Wait until so many releases are on record as good."""

        def kept() -> bool:
            return sum("healthyAt" in one.get("status", {}) for one in self.kept_releases()) >= count

        self.wait(kept, f"{count} good release(s) on record")

    def wait_status_ticks(self, count: int) -> None:
        """Wait until Salus has ticked so often more; one tick is allowed for, as what it tells may be a second old."""
        before = self._ticks() + 1
        self.wait(lambda: self._ticks() >= before + count, f"{count} ticks")

    def measured(self, name: str, target: str = "web") -> float | None:
        """What Prometheus says of a metric of the service now; pushes may lag behind `gauge` on a busy machine."""
        found = self.cluster.prometheus.query(f'{name}{{namespace="{self.namespace}",deployment="{target}"}}')
        return float(found[0]["value"][1]) if found else None

    def wait_log(self, text: str) -> None:
        """Wait until the operator has logged this."""
        self.wait(lambda: text in self.salus.log.read_text(), f'"{text}" in the log')

    def tell(self) -> None:
        """Print how everything stands; pytest shows it with a test that fails."""
        for body in (*self.policies(), *self.incidents(), *self.changes()):
            print(body["metadata"]["name"], json.dumps({key: body.get(key) for key in ("spec", "status")}))  # noqa: T201

    def own_metric(self, name: str) -> float:
        """What Salus says of itself, summed up over all labels."""
        lines = requests.get(f"{self.salus.url}/metrics", timeout=30).text.splitlines()
        return sum(float(line.split()[1]) for line in lines if line.startswith(name))

    def _ticks(self) -> float:
        return self.own_metric("salus_tick_duration_seconds_count")

    def _apps(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments"


def deployment(
    name: str, *, release: str = "v1", replicas: int = 2, annotations: Mapping[str, str] | None = None
) -> Object:
    """A Deployment that kwok plays."""
    labels = {"app": name}
    return {
        "metadata": {"name": name, "labels": labels, "annotations": dict(annotations or {})},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "app", "image": f"app:{release}"}]},
            },
        },
    }


def policy_spec(target: str = "web") -> Object:
    """A policy with one check over the gauge `error_ratio`, quick enough for a test."""
    return {
        "mode": "Enforce",
        "target": {"kind": "Deployment", "name": target},
        "interval": "5s",
        "bake": "5s",
        "checks": [
            {
                "name": "errors",
                "query": 'error_ratio{namespace="$namespace",deployment="$target"}',
                "unhealthy": {"above": "0.05"},
                "for": "5s",
            }
        ],
        "limits": {"cooldown": "5s"},
        "verify": {"settle": "0s", "stable": "5s", "timeout": "40s"},
    }
