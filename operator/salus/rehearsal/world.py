"""The world of a rehearsal: its cluster and its clock, what happens in it, and how it answers to what Salus does.

In a simulation (`World`) pods follow their template, whoever wrote it. In a replay (`Past`) nothing changes what was:
right after the operator has looked, the past is put back, and a change of which it shows no effect waits until the past
is healthy by itself.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from salus.core.actions import KINDS
from salus.core.objects.autoscalers import read_alone
from salus.core.objects.stamps import KNOWN
from salus.core.objects.workloads import workload_from
from salus.core.policy.compile import Catalog, compile_policy
from salus.model.change import Facts
from salus.model.policy import Mode, Target
from salus.model.scalars import Body
from salus.model.values.changes import Change
from salus.model.values.configuration import Stamps
from salus.model.values.keys import TargetKey
from salus.model.values.policies import Policy
from salus.ports import SCALERS, WORKLOADS, Ref
from salus.reconcile.observe import measure
from salus.rehearsal.cluster import RehearsalCluster, Write
from salus.rehearsal.controllers import Controllers
from salus.rehearsal.history import Asked, asked
from salus.rehearsal.ports import VirtualClock
from salus.rehearsal.server import copied, ref_of
from salus.rehearsal.workloads import RehearsalWorkloads

_PATCHED = (*WORKLOADS.values(), *SCALERS.values())
AT_ONCE = timedelta(minutes=2)
"""What the past shows so soon after a change that it is the same deed."""


@dataclass(frozen=True, slots=True)
class Happening:
    """What others do at a time; who looks at that very time does not see it yet."""

    at: datetime
    do: Callable[[RehearsalCluster], object]
    to: TargetKey | str = ""
    """The workload that it concerns, or the namespace; empty: it may be any."""


def released(at: datetime, ref: Ref, template: Mapping[str, Any]) -> Happening:
    """A workload gets another pod template."""
    return edited(at, ref, lambda body: body["spec"].update(template=copied(dict(template))))


def scaled(at: datetime, ref: Ref, replicas: int) -> Happening:
    """A workload gets another size."""
    return edited(at, ref, lambda body: body["spec"].update(replicas=replicas))


def edited(at: datetime, ref: Ref, change: Callable[[dict[str, Any]], object]) -> Happening:
    """An object is changed; `change` alters it in place."""
    return Happening(at, lambda cluster: cluster.edit(ref, change), _concerned(ref))


def appeared(at: datetime, body: Body) -> Happening:
    """There is a new object."""
    return Happening(at, lambda cluster: cluster.put(body), ref_of(body).namespace)


def gone(at: datetime, ref: Ref) -> Happening:
    """An object is deleted."""
    return Happening(at, lambda cluster: cluster.remove(ref), ref.namespace)


def _concerned(ref: Ref) -> TargetKey | str:
    kind = next((kind for kind, resource in WORKLOADS.items() if resource == ref.resource), None)
    return TargetKey(ref.namespace, kind, ref.name) if kind is not None else ref.namespace


class World:
    """A simulation."""

    def __init__(self, begins: datetime, takes: timedelta = timedelta(0), stamps: Stamps = KNOWN) -> None:
        """`begins`: before anything happens. `takes`: from another template or size until all pods are ready."""
        self.begins, self.stamps, self.clock = begins, stamps, VirtualClock(begins)
        self.cluster = self._cluster()
        self.workloads = RehearsalWorkloads(self.cluster, stamps)
        self.controllers = Controllers(self.cluster, takes)
        self._ahead: list[tuple[datetime, int, Happening]] = []
        self._told = 0
        self._coming: defaultdict[TargetKey | str, list[datetime]] = defaultdict(list)
        """Heaps of the times at which something will happen, by whom it concerns."""

    def _cluster(self) -> RehearsalCluster:
        return RehearsalCluster(self.clock.now)

    def put(self, *bodies: Body) -> None:
        """Have these objects from now on; the pods of a workload without a status are made."""
        for body in bodies:
            self.cluster.put(body)
        self._follow()

    def adopt(self, *bodies: Body) -> None:
        """Have these objects as another API server has them."""
        for body in bodies:
            self.cluster.adopt(body)
        self._follow()

    def policy(self, body: Body, catalog: Catalog, mode: Mode | None = None) -> Policy:
        """Have a policy as it is written, or as if it were of this mode. Raises SpecError."""
        as_if = {**body["spec"], **({"mode": mode.value} if mode else {})}
        compile_policy({**body, "metadata": {"uid": "-", "generation": 1, **body["metadata"]}, "spec": as_if}, catalog)
        return compile_policy(self.cluster.put({**body, "spec": as_if}), catalog)

    def asked(self, policy: Policy, target: TargetKey) -> tuple[Asked, ...]:
        """All that a policy asks of a target, as things are, for whoever has to have the answers."""
        return asked(policy, measure.wording(self.workloads, policy, target))

    def will(self, *happenings: Happening) -> None:
        """Let this happen, each at its time; what is of one time, in this order."""
        for happening in happenings:
            self._told += 1
            heapq.heappush(self._ahead, (happening.at, self._told, happening))
            heapq.heappush(self._coming[happening.to], happening.at)

    def next_at(self) -> datetime | None:
        """When something is next to happen that does not follow from what Salus does."""
        coming = (self._ahead[0][0] if self._ahead else None, self.controllers.next_at())
        return min((at for at in coming if at is not None), default=None)

    def next_for(self, namespace: str, target: Target) -> datetime | None:
        """When something is next to happen that may concern these workloads."""
        if target.name is not None:
            concerned: Iterable[TargetKey | str] = ("", namespace, TargetKey(namespace, target.kind, target.name))
        else:
            concerned = [to for to in self._coming if isinstance(to, str) or to.namespace == namespace]
        coming = [self._coming[to][0] for to in concerned if self._coming.get(to)]
        ends = self.controllers.next_of(WORKLOADS[target.kind], namespace, target.name)
        return min([*coming, *([ends] if ends is not None else [])], default=None)

    def turn(self, now: datetime) -> None:
        """Let all happen that was before this moment; each thing sees its own time."""
        while self._ahead and self._ahead[0][0] < now:
            self._pass_to(self._ahead[0][0])
            happening = heapq.heappop(self._ahead)[2]
            heapq.heappop(self._coming[happening.to])
            self._do(happening)
            self._follow()
        self._pass_to(now)

    def looked_at(self) -> None:
        """The operator has looked at the world, and perhaps done something: its controllers see that at once."""
        self._follow()

    def shows(self, change: Change) -> bool:  # noqa: ARG002 - here all is as it was done
        """Whether the world shows what a change has done."""
        return True

    def _do(self, happening: Happening) -> None:
        happening.do(self.cluster)

    def _pass_to(self, moment: datetime) -> None:
        """Rollouts end on the way, each at its time."""
        while (end := self.controllers.next_at()) is not None and end <= moment:
            self.clock.present = max(end, self.clock.present)
            self.controllers.follow(self.clock.present)
        self.clock.present = max(moment, self.clock.present)
        self._follow()

    def _follow(self) -> None:
        self.controllers.follow(self.clock.present)


@dataclass(slots=True)
class _Unchanged(RehearsalCluster):
    """It remembers how things were that an account writes to."""

    before: dict[Ref, Body] = field(default_factory=dict)

    def perform(self, write: Write, effect: Callable[[], Body]) -> Body:
        """Do it, for now."""
        if write.act_as and write.ref not in self.before:
            self.before[write.ref] = self.now_at(write.ref)
        return RehearsalCluster.perform(self, write, effect)


class Past(World):
    """A replay."""

    cluster: _Unchanged

    def __init__(self, begins: datetime, takes: timedelta = timedelta(0), stamps: Stamps = KNOWN) -> None:
        """As that of a `World`. How large a workload is, and what runs there, is told by what happens alone."""
        super().__init__(begins, takes, stamps)
        self.controllers.autoscale = False
        self._shown: defaultdict[str, list[tuple[datetime, Facts]]] = defaultdict(list)
        """By uid, what the past has made of an object, and when."""

    def _cluster(self) -> RehearsalCluster:
        return _Unchanged(self.clock.now)

    def looked_at(self) -> None:
        """Put the past back."""
        for ref, was in self.cluster.before.items():
            self.cluster.edit(ref, partial(_put_back, was))
        self.cluster.before.clear()
        super().looked_at()

    def shows(self, change: Change) -> bool:
        """Whether the past itself did the same at about the same time: then what came of it is known."""
        done, meant = change.applied_at, change.intended
        if done is None or meant is None or done < self.begins:
            return True
        shown = self._shown.get(change.patched.uid if change.patched else change.target_uid, ())
        return any(done <= at <= done + AT_ONCE and _is_the_same(change, facts, meant) for at, facts in shown)

    def _do(self, happening: Happening) -> None:
        before = self._versions()
        super()._do(happening)
        for ref, version in self._versions().items():
            if before.get(ref) != version:
                body = self.cluster.now_at(ref)
                self._shown[body["metadata"]["uid"]].append((happening.at, self._facts(body)))

    def _versions(self) -> dict[Ref, str]:
        found = (body for resource in _PATCHED for body in self.cluster.peek(resource))
        return {ref_of(body): body["metadata"]["resourceVersion"] for body in found}

    def _facts(self, body: Body) -> Facts:
        if body["kind"] in {resource.kind for resource in SCALERS.values()}:
            scaler = read_alone(body)
            return Facts(min_replicas=scaler.minimum if scaler else None)
        return workload_from(body, self.stamps).facts()


def _is_the_same(change: Change, shown: Facts, meant: Facts) -> bool:
    written = KINDS[change.action].written
    if change.patched is not None or written is None:
        return shown.min_replicas == meant.min_replicas
    return written.differs(shown, meant) is None


def _put_back(was: Body, found: dict[str, Any]) -> None:
    """As it was, in a generation that its controllers have seen: to them nothing has happened."""
    generation = found["metadata"].get("generation")
    found.clear()
    found.update(copied(dict(was)))
    if generation is not None and "observedGeneration" in (found.get("status") or {}):
        found["status"]["observedGeneration"] = generation + 1
