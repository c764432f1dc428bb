"""The tenant that does everything at once: whatever the findings on Salus know how to do from within one namespace.

Policies of which the parser dies, or takes all the memory; queries that hang; services that flap, with records for each
swing; dummies that look like a fleet on fire; objects as fat as the API server takes them; policies edited without a
pause; forged stamps. All of it by somebody who may write policies and workloads in that one namespace.
"""

import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.cluster.scene import Object, deployment
from tools.devcluster.api import Api, ApiError

NAMESPACE = "mallory"
USER = "mallory-the-tenant"
_EDIT_EVERY = 0.2
_MERGE = "application/merge-patch+json"
_AT_ONCE = {"settle": "0s", "stable": "0s", "timeout": "0s"}
FLAPS = "vector(time() % 10 < bool 5)"
POISON = {
    "panic": "x @ -1",
    "long-range": "rate(x[1000000000d])",
    "fat-regexes": "up{" + ",".join(['a=~"\\\\w{200}"'] * 60) + "}",
    "deep": "(" * 2000 + "x" + ")" * 2000,
    "minus": "-" * 4000 + "x",
    "huge-offset": "x offset 999999999y",
}
"""By name of the policy; each is taken by the API server, being a string."""


@dataclass
class Mallory:
    """Sets it all up, and then edits and forges until told to stop."""

    api: Api
    dummies: int = 130
    fat: int = 200
    hanging: int = 16
    edits: int = 0
    refused: int = 0
    """Requests that the API server has refused."""
    _stopped: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> None:
        """Everything that is there to stay."""
        for body in self._workloads():
            self._create(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments", body)
        for body in self._policies():
            self._create(_POLICIES, body)

    def run(self) -> None:
        """Edit and forge, until `stop`."""
        for count in itertools.count(1):
            if self._stopped.wait(_EDIT_EVERY):
                return
            self.edits = count
            self._patch(f"{_POLICIES}/flapping", {"spec": {"limits": {"maxActions": count % 100 + 1}}})
            stamp = {"metadata": {"annotations": {"salus.dev/change": f"dummy-0-{count}", "n": str(count)}}}
            self._patch(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/dummy-{count % self.dummies}", stamp)

    def stop(self) -> None:
        """End `run`."""
        self._stopped.set()

    def _workloads(self) -> Iterator[Object]:
        for number in range(self.dummies):
            yield deployment(f"dummy-{number}", replicas=0)
        for number in range(self.fat):
            yield deployment(f"fat-{number}", replicas=0, annotations={"fat": "😀" + "x" * 250_000})

    def _policies(self) -> Iterator[Object]:
        for name, query in POISON.items():
            yield _policy(name, {"kind": "Deployment", "name": "dummy-0"}, [_check("c", query)])
        for number in range(self.dummies):
            target = {"kind": "Deployment", "name": f"dummy-{number}"}
            yield _policy(f"on-fire-{number}", target, [_check("c", "vector(1)", above="0")], limits={"per": "9999h"})
        hanging = [_check(f"c{n}", f'hangs{{n="{n}"}}') for n in range(16)]
        for number in range(self.hanging):
            yield _policy(f"hanging-{number}", {"kind": "Deployment", "name": f"dummy-{number}"}, hanging)
        flapping = [_check("c", FLAPS, above="0")]
        remedies = [{"name": "again", "restart": {}}]
        yield _policy("flapping", {"kind": "Deployment", "name": "dummy-1"}, flapping, remedies=remedies)
        for number in range(30):
            target = {"kind": "Deployment", "name": f"dummy-{number}"}
            yield _policy(f"flaps-{number}", target, flapping, remedies=remedies, verify=_AT_ONCE)

    def _create(self, path: str, body: Object) -> None:
        try:
            self.api.create(path, body)
        except ApiError:
            self.refused += 1

    def _patch(self, path: str, body: Object) -> None:
        try:
            self.api.patch(path, body, kind=_MERGE)
        except ApiError:
            self.refused += 1


_POLICIES = f"/apis/salus.dev/v1alpha1/namespaces/{NAMESPACE}/healthpolicies"


def _check(name: str, query: str, above: str = "1") -> Object:
    return {"name": name, "query": query, "unhealthy": {"above": above}}


def _policy(name: str, target: Object, checks: list[Object], **spec: Any) -> Object:  # noqa: ANN401 — handed on
    return {
        "apiVersion": "salus.dev/v1alpha1",
        "kind": "HealthPolicy",
        "metadata": {"name": name},
        "spec": {"mode": "Observe", "interval": "5s", "target": target, "checks": checks, **spec},
    }
