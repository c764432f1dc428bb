"""What the objects of a cluster say of a policy: its own status, its incidents, and the records of its changes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from salus.cli.version.objects import known
from salus.core.policy.compile import SpecError, parse_spec
from salus.core.records.changes import past_changes
from salus.core.records.incidents import is_over
from salus.model.change import Decision
from salus.model.policy import HealthPolicySpec
from salus.model.scalars import Body, parse_time
from salus.model.values.changes import Change


@dataclass(frozen=True, slots=True)
class Situation:
    """One policy and what is on record of it."""

    body: Body
    spec: HealthPolicySpec | None
    """None: it cannot be read by this program."""
    incidents: tuple[Body, ...]
    """Those that are open, newest first."""
    changes: tuple[Change, ...]
    """Of this policy, over all of its targets, oldest first."""

    @property
    def namespace(self) -> str:
        """Of all of it."""
        return str(self.body["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """The policy's."""
        return str(self.body["metadata"]["name"])

    @property
    def status(self) -> Mapping[str, Any]:
        """As the operator wrote it; empty: never."""
        return self.body.get("status") or {}

    @property
    def generation(self) -> int:
        """Of the spec as it is."""
        return int(self.body["metadata"].get("generation") or 0)

    @property
    def is_judged(self) -> bool:
        """Whether the status speaks of the spec as it is."""
        return bool(self.status.get("observedGeneration", -1) >= self.generation)

    def condition(self, kind: str) -> Mapping[str, Any]:
        """A condition by its type; empty: it was never written."""
        found = (one for one in self.status.get("conditions") or () if one.get("type") == kind)
        return next(found, {})

    def has(self, kind: str) -> bool:
        """Whether a condition is True."""
        return self.condition(kind).get("status") == "True"

    def since(self, kind: str) -> datetime | None:
        """Since when a condition is as it is."""
        moment = self.condition(kind).get("lastTransitionTime")
        return parse_time(moment) if moment else None

    def health(self) -> str:
        """In one word; empty: it was not judged yet."""
        targets = self.status.get("targets") or {}
        if not self.condition("Healthy"):
            return ""
        if targets.get("unhealthy"):
            return "Unhealthy"
        if targets.get("unknown") or not targets.get("total"):
            return "Unknown"
        return "Healthy" if targets.get("healthy") else "Quiet"

    def questions(self, now: datetime) -> list[Change]:
        """What waits for a person."""
        return [change for change in self.changes if is_question(change, now)]


def is_question(change: Change, now: datetime) -> bool:
    """Whether this still waits for a person."""
    asks = change.decision is Decision.AWAIT_APPROVAL and change.approval is None and change.outcome is None
    return asks and (change.expires_at is None or change.expires_at > now)


def situations(policies: Iterable[Body], incidents: Iterable[Body], changes: Iterable[Body]) -> list[Situation]:
    """One for each policy, by namespace and name."""
    open_ones, records = _by_policy(one for one in incidents if not is_over(one)), _by_policy(changes)
    found = [_situation(body, open_ones, records) for body in policies]
    return sorted(found, key=lambda one: (one.namespace, one.name))


_Key = tuple[str, str]


def _by_policy(bodies: Iterable[Body]) -> Mapping[_Key, list[Body]]:
    found: defaultdict[_Key, list[Body]] = defaultdict(list)
    for body in bodies:
        found[body["metadata"]["namespace"], body["spec"]["policyRef"]["name"]].append(body)
    return found


def _situation(body: Body, incidents: Mapping[_Key, list[Body]], changes: Mapping[_Key, list[Body]]) -> Situation:
    key = body["metadata"]["namespace"], body["metadata"]["name"]
    newest = sorted(incidents.get(key, ()), key=lambda one: str(one["spec"].get("openedAt")), reverse=True)
    return Situation(body, _spec(body), tuple(newest), past_changes(changes.get(key, ())))


def _spec(body: Body) -> HealthPolicySpec | None:
    """As far as this program knows its fields; None where it could not be used."""
    try:
        return parse_spec(body)
    except SpecError:
        return _spec_of_newer(body)


def _spec_of_newer(body: Body) -> HealthPolicySpec | None:
    try:
        return parse_spec(known(body))
    except SpecError:
        return None


def newest(changes: Sequence[Change]) -> Change | None:
    """The one that was decided last."""
    return max(changes, key=lambda change: (change.decided_at, change.sequence), default=None)
