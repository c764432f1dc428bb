"""What can be seen of the shop and of Salus through the API server, and what of it is new.

All of it is read from mirrors, so that looking costs nothing; `look` tells each thing once.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from examples.demo.story import (
    Change,
    ChangeSeen,
    ConditionSeen,
    Happening,
    Incident,
    IncidentSeen,
    Told,
    Transition,
    time_of,
)
from tools.devcluster.api import Api, Mirror, Object

_CONDITIONS = ("Ready", "Healthy", "MetricsAvailable")


class Watch:
    """Mirrors of one namespace; a context manager."""

    def __init__(self, api: Api, namespace: str, tell: Callable[[Happening], None]) -> None:
        salus, apps = f"/apis/salus.dev/v1alpha1/namespaces/{namespace}", f"/apis/apps/v1/namespaces/{namespace}"
        self._tell = tell
        self._policies = Mirror(api, f"{salus}/healthpolicies")
        self._incidents = Mirror(api, f"{salus}/incidents")
        self._changes = Mirror(api, f"{salus}/changeevents")
        self._deployments = Mirror(api, f"{apps}/deployments")
        self._releases = Mirror(api, f"{salus}/keptreleases")
        self._told: dict[tuple[str, ...], object] = {}
        self._stack = ExitStack()
        self.transitions: list[Transition] = []

    def __enter__(self) -> Self:
        for mirror in (self._policies, self._incidents, self._changes, self._deployments, self._releases):
            self._stack.callback(mirror.start().stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def changes(self) -> list[Change]:
        """All ChangeEvents, oldest first."""
        found = sorted(self._changes.objects(), key=lambda item: int(item["spec"]["sequence"]))
        return [Change.from_object(item) for item in found]

    def incidents(self) -> list[Incident]:
        """All Incidents, oldest first."""
        found = [Incident.from_object(item) for item in self._incidents.objects()]
        return sorted(found, key=lambda incident: (incident.opened_at, incident.name))

    def condition(self, policy: str, kind: str) -> str:
        """The status of a condition of a policy; empty while there is none."""
        return str(self._conditions(policy).get(kind, {}).get("status", ""))

    def deployment(self, name: str) -> Object:
        """A Deployment as last seen; empty while there is none."""
        return next((item for item in self._deployments.objects() if item["metadata"]["name"] == name), {})

    def good_releases(self) -> list[str]:
        """Names of the releases that are on record as healthy."""
        return [name_of(item) for item in self._releases.objects() if "healthyAt" in item.get("status", {})]

    def look(self) -> None:
        """Tell what is new."""
        for policy in sorted(name_of(item) for item in self._policies.objects()):
            self._look_at_conditions(policy)
        for incident in self.incidents():
            if incident.phase != self._told.get(("incident", incident.name)):
                self._told["incident", incident.name] = incident.phase
                self._tell(IncidentSeen(incident))
        for change in self.changes():
            self._look_at_change(change)
        for name in self.good_releases():
            if ("release", name) not in self._told:
                self._told["release", name] = True
                self._tell(Told(f"Release on record as healthy: KeptRelease {name}"))

    def _look_at_change(self, change: Change) -> None:
        for step in change.steps:
            if ("change", change.name, step.value) not in self._told:
                self._told["change", change.name, step.value] = True
                self._tell(ChangeSeen(change, step))

    def _look_at_conditions(self, policy: str) -> None:
        conditions = self._conditions(policy)
        for kind in _CONDITIONS:
            condition = conditions.get(kind)
            key = ("condition", policy, kind)
            if condition is None or condition["status"] == self._told.get(key):
                continue
            self._told[key] = condition["status"]
            at = time_of(condition.get("lastTransitionTime"))
            self.transitions.append(Transition(policy, kind, condition["status"], at))
            self._tell(ConditionSeen(policy, kind, condition["status"], condition.get("reason", "")))

    def _conditions(self, policy: str) -> Mapping[str, Object]:
        found = next((item for item in self._policies.objects() if name_of(item) == policy), {})
        return {condition["type"]: condition for condition in found.get("status", {}).get("conditions", ())}


def name_of(item: Object) -> str:
    """The name of an object."""
    return str(item["metadata"]["name"])
