"""The shop on a cluster with Salus at work: the hands that do harm to it, and the eyes that see what follows.

Every wait looks and tells while it lasts, so that the audience sees each thing as it happens. What is done, and whether
it went as told, is the business of `faults` and `judging`.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from examples.demo.judging import Evidence, Write
from examples.demo.story import Change, Happening, Vitals, VitalsTaken
from examples.demo.traffic import Traffic
from examples.demo.watch import Watch
from examples.shop.load import Tally
from tools.devcluster.api import Object
from tools.devcluster.audit import AuditEvent
from tools.devcluster.cluster import DevCluster
from tools.devcluster.processes import NotInTimeError
from tools.devcluster.salus import ACCOUNT, Salus

SHOP = Path(__file__).parents[2] / "examples" / "shop"
NAMESPACE = "shop"
SERVICE = "checkout"
POLICY = "checkout"
REHEARSING_POLICY = "checkout-latency"
ORDINARY_RPS = 60
SURGE_RPS = 180
COOLDOWN_SECONDS = 10  # as in examples/shop/policies

_DEADLINE_SECONDS = 120.0
_LOOK_SECONDS = 0.25
_VITALS_SECONDS = 1.0
_CHANGE = "salus.dev/change"
_OF_THE_SHOP = f'namespace="{NAMESPACE}",pod=~"{SERVICE}-.+"'
_ERROR_RATIO = (
    f'sum(rate(http_requests_total{{{_OF_THE_SHOP},code!="200"}}[10s])) '
    f"/ sum(rate(http_requests_total{{{_OF_THE_SHOP}}}[10s]))"
)


@dataclass(frozen=True)
class Mark:
    """How things stood when a fault was done."""

    at: datetime
    known: frozenset[str]  # names of records
    transitions: int
    tally: Tally


@dataclass
class Stage:
    """Everything that a fault needs."""

    cluster: DevCluster
    salus: Salus
    traffic: Traffic
    watch: Watch
    tell: Callable[[Happening], None]

    def __post_init__(self) -> None:
        self._vitals_due = 0.0

    # --- harm

    def release(self, name: str) -> None:
        """Roll out a release of examples/shop/releases."""
        patch = SHOP / "releases" / f"{name}.yaml"
        self._kubectl("patch", "deployment", SERVICE, f"--patch-file={patch}")

    def undo_release(self) -> None:
        """Put the release before the live one back, as a person would."""
        self._kubectl("rollout", "undo", f"deployment/{SERVICE}")

    def wedge_one(self) -> None:
        """Wedge the process of one ready pod."""
        self.traffic.wedge(next(pod for pod in self.cluster.pods() if _serves(pod)))

    # --- sight

    def mark(self) -> Mark:
        """How things stand now."""
        names = {change.name for change in self.watch.changes()} | {i.name for i in self.watch.incidents()}
        return Mark(datetime.now(UTC), frozenset(names), len(self.watch.transitions), self.traffic.tally)

    def evidence(self, mark: Mark) -> Evidence:
        """What happened since."""
        return Evidence(
            at=mark.at,
            changes=self.changes_since(mark),
            incidents=[i for i in self.watch.incidents() if i.name not in mark.known],
            transitions=self.watch.transitions[mark.transitions :],
            writes=[Write(event.verb, change_named_by(event.body)) for event in self._writes_since(mark.at)],
            release=_release(self._deployment()),
            replicas=int(self._deployment()["spec"]["replicas"]),
            failed=self.traffic.tally.since(mark.tally).failures,
        )

    def changes_since(self, mark: Mark) -> list[Change]:
        """The ChangeEvents that are new since."""
        return [change for change in self.watch.changes() if change.name not in mark.known]

    def rolled_out(self) -> bool:
        """Whether every replica runs the newest template, and is ready."""
        body = self._deployment()
        status = body.get("status", {})
        counts = {status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")}
        current = body and status.get("observedGeneration") == body["metadata"]["generation"]
        return bool(current) and counts == {body["spec"]["replicas"]}

    def healthy(self) -> bool:
        """Whether both policies find the service healthy, and no incident is open."""
        policies = (POLICY, REHEARSING_POLICY)
        return all(self.watch.condition(policy, "Healthy") == "True" for policy in policies) and self.calm()

    def calm(self) -> bool:
        """Whether no incident is open."""
        return all(incident.is_over for incident in self.watch.incidents())

    def cool(self) -> bool:
        """Whether Salus may act again."""
        applied = [change.applied_at for change in self.watch.changes() if change.applied_at]
        return not applied or (datetime.now(UTC) - max(applied)).total_seconds() > COOLDOWN_SECONDS

    # --- time

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = _DEADLINE_SECONDS) -> None:
        """Wait until `condition` holds, telling what is seen meanwhile.

        Raises:
            NotInTimeError: It did not hold within `seconds`; the message says `what` was waited for.
            ProcessFailedError: A part of the cluster, or Salus, has ended by itself.

        """
        deadline = time.monotonic() + seconds
        while True:
            self.look()
            if condition():
                return
            if time.monotonic() > deadline:
                raise NotInTimeError(f"{what}: not within {seconds:g} s")
            time.sleep(_LOOK_SECONDS)

    def stay(self, seconds: float) -> None:
        """Look on for a while: what should not happen has to be given time to happen."""
        end = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() >= end, "the end of a wait", seconds * 2)

    def settle(self) -> None:
        """Wait until the service is healthy again and Salus free to act."""
        self.wait(lambda: self.rolled_out() and self.healthy() and self.cool(), f"{SERVICE} healthy again")

    def look(self) -> None:
        """Tell what is new; about each second, how the service is."""
        self.check_alive()
        self.watch.look()
        if time.monotonic() >= self._vitals_due:
            self._vitals_due = time.monotonic() + _VITALS_SECONDS
            self.tell(VitalsTaken(self._vitals()))

    def check_alive(self) -> None:
        """Raise ProcessFailedError if a part of the cluster, or Salus, has ended by itself."""
        for process in self.cluster.processes():
            process.check_alive()
        if self.salus.process is not None:
            self.salus.process.check_alive()

    # --- how it is seen

    def _vitals(self) -> Vitals:
        body = self._deployment()
        open_incidents = [incident for incident in self.watch.incidents() if not incident.is_over]
        return Vitals(
            error_ratio=self._error_ratio(),
            ready=body.get("status", {}).get("readyReplicas", 0),
            asked=body["spec"]["replicas"] if body else 0,
            revision=_annotations(body).get("deployment.kubernetes.io/revision", ""),
            release=_release(body) if body else "",
            phase=open_incidents[-1].phase if open_incidents else "",
            callers=self.traffic.tally,
        )

    def _error_ratio(self) -> float | None:
        try:
            found = self.cluster.prometheus.query(_ERROR_RATIO)
        except requests.RequestException:
            return None
        value = float(found[0]["value"][1]) if found else math.nan
        return value if math.isfinite(value) else None

    def _deployment(self) -> Object:
        return self.watch.deployment(SERVICE)

    def _writes_since(self, at: datetime) -> list[AuditEvent]:
        account = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
        found = self.cluster.audit.writes(
            user="salus", impersonated=account, resource="deployments", namespace=NAMESPACE, since=at
        )
        return [event for event in found if event.code < 300]

    def _kubectl(self, *arguments: str) -> None:
        self.cluster.kubectl(f"--namespace={NAMESPACE}", *arguments)


def _release(deployment: Object) -> str:
    variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    return next((str(v["value"]) for v in variables if v["name"] == "SHOP_RELEASE"), "")


def _annotations(item: Object) -> dict[str, str]:
    return item.get("metadata", {}).get("annotations") or {}


def _serves(pod: Object) -> bool:
    conditions = {condition["type"]: condition["status"] for condition in pod["status"].get("conditions", ())}
    ours = pod["metadata"].get("labels", {}).get("app") == SERVICE
    return ours and conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def change_named_by(patch: object) -> str:
    """The ChangeEvent that a JSON Patch writes into the annotations of its object; empty for none."""
    operations = patch if isinstance(patch, list) else []
    return next((name for operation in operations if (name := _named_by_operation(operation))), "")


def _named_by_operation(operation: dict[str, Any]) -> str:
    path, value = str(operation["path"]), operation.get("value")
    if operation["op"] == "test":
        return ""
    if path.endswith(_CHANGE.replace("/", "~1")):
        return str(value)
    return str(value.get(_CHANGE, "")) if path == "/metadata/annotations" and isinstance(value, dict) else ""
