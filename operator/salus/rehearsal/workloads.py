"""The port `Workloads` over a cluster of values, never behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from salus.core.objects.stamps import KNOWN
from salus.core.objects.workloads import watched, workload_from
from salus.model.meta import WorkloadKind
from salus.model.scalars import Body
from salus.model.values.configuration import Stamps
from salus.model.values.keys import TargetKey
from salus.model.values.objects import Workload
from salus.ports import WORKLOADS, NotFound, Ref
from salus.rehearsal.cluster import RehearsalCluster
from salus.rehearsal.server import copied


@dataclass(frozen=True, slots=True)
class RehearsalWorkloads:
    """A view of all workloads; each version of an object is read once."""

    cluster: RehearsalCluster
    stamps: Stamps = KNOWN
    _read: dict[str, tuple[str, Workload]] = field(default_factory=dict)
    """By uid, the newest version that was read, and what it says."""

    def get(self, key: TargetKey) -> Workload | None:
        """The workload, or None."""
        try:
            return self._workload(self.cluster.now_at(Ref(WORKLOADS[key.kind], key.namespace, key.name)))
        except NotFound:
            return None

    def select(self, namespace: str, kind: WorkloadKind, labels: Mapping[str, str]) -> Sequence[Workload]:
        """Workloads with these labels, by name."""
        return [found for found in self._all(kind, namespace) if labels.items() <= found.labels.items()]

    def _all(self, kind: WorkloadKind, namespace: str) -> list[Workload]:
        return [self._workload(body) for body in self.cluster.peek(WORKLOADS[kind], namespace)]

    def _workload(self, body: Body) -> Workload:
        uid, version = body["metadata"]["uid"], body["metadata"]["resourceVersion"]
        known = self._read.get(uid)
        if known is None or known[0] != version:
            known = self._read[uid] = version, watched(workload_from(copied(body), self.stamps))
        return known[1]
