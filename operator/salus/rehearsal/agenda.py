"""When each policy of a rehearsal is due, and whom it wakes that something of a workload has become another."""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from salus.model.meta import WorkloadKind
from salus.model.scalars import Body
from salus.model.values.keys import PolicyKey, TargetKey
from salus.model.values.policies import Policy
from salus.ports import CHANGE_EVENTS, INCIDENTS, KEPT_RELEASES, WORKLOADS

_RECORDS = frozenset({CHANGE_EVENTS.kind, INCIDENTS.kind, KEPT_RELEASES.kind})
Place = tuple[str, WorkloadKind]
"""A namespace, and a kind of workload in it."""


@dataclass(slots=True, weakref_slot=True)
class Touched:
    """What has become another since the tick began."""

    targets: set[TargetKey] = field(default_factory=set)
    """They themselves, or their records."""
    places: set[Place] = field(default_factory=set)
    """Where there are other workloads than before."""

    def saw(self, kind: str, body: Body) -> None:
        """The port Watcher."""
        namespace = body["metadata"].get("namespace", "")
        if body["kind"] in _RECORDS:
            ref = body["spec"]["targetRef"]
            self.targets.add(TargetKey(namespace, WorkloadKind(ref["kind"]), ref["name"]))
        elif body["kind"] in set(WORKLOADS):
            found = WorkloadKind(body["kind"])
            self.targets.add(TargetKey(namespace, found, body["metadata"]["name"]))
            if kind != "MODIFIED":
                self.places.add((namespace, found))

    def clear(self) -> None:
        """A tick begins."""
        self.targets.clear()
        self.places.clear()


class Agenda:
    """Of all policies of a rehearsal, in their order; each has its ticks at multiples of its interval."""

    def __init__(self, policies: Iterable[Policy], since: datetime) -> None:
        self._since = since
        self.policies = {policy.key: policy for policy in policies}
        self._order = {key: index for index, key in enumerate(self.policies)}
        self._due = dict.fromkeys(self.policies, since)
        self._heap = [(since, index, key) for key, index in self._order.items()]
        self._of_target: defaultdict[TargetKey, list[PolicyKey]] = defaultdict(list)
        self._of_place: defaultdict[Place, list[PolicyKey]] = defaultdict(list)
        self._selecting: defaultdict[Place, list[PolicyKey]] = defaultdict(list)
        for policy in self.policies.values():
            self._enter(policy)

    def _enter(self, policy: Policy) -> None:
        target, place = policy.spec.target, (policy.key.namespace, policy.spec.target.kind)
        self._of_place[place].append(policy.key)
        if target.name is None:
            self._selecting[place].append(policy.key)
        else:
            self._of_target[TargetKey(*place, target.name)].append(policy.key)

    def next_at(self) -> datetime | None:
        """When the next of them is due."""
        while self._heap and self._due[self._heap[0][2]] != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def at(self, now: datetime) -> Sequence[Policy]:
        """Those that are due then, which is when the next ones are."""
        found: dict[PolicyKey, None] = {}
        while self.next_at() == now:
            found[heapq.heappop(self._heap)[2]] = None
        return self.in_order(found)

    def in_order(self, keys: Iterable[PolicyKey]) -> Sequence[Policy]:
        """These policies, each once."""
        return [self.policies[key] for key in sorted(set(keys) & self.policies.keys(), key=self._order.__getitem__)]

    def due(self, policy: Policy) -> datetime:
        """When it is due."""
        return self._due[policy.key]

    def plan(self, policy: Policy, at: datetime) -> None:
        """Let it be due then."""
        self._due[policy.key] = at
        heapq.heappush(self._heap, (at, self._order[policy.key], policy.key))

    def wake(self, policy: Policy, now: datetime, at: datetime) -> None:
        """Let it be due at the first of its ticks that is after now, and not before that."""
        interval, since = policy.spec.interval, self._since
        passed = -(-(at - since) // interval) if at > now else (now - since) // interval + 1
        if (due := since + passed * interval) < self._due[policy.key]:
            self.plan(policy, due)

    def whom(self, touched: Touched) -> Iterator[PolicyKey]:
        """The policies that have to look again."""
        for target in touched.targets:
            yield from self._of_target.get(target, ())
            yield from self._selecting.get((target.namespace, target.kind), ())
        for place in touched.places:
            yield from self._of_place.get(place, ())
