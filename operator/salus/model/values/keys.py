"""Names of what a policy is about."""

from dataclasses import dataclass

from salus.model.meta import AutoscalerKind, WorkloadKind


@dataclass(frozen=True, slots=True, order=True)
class PolicyKey:
    """Namespace and name of a policy."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class TargetKey:
    """One workload by name."""

    namespace: str
    kind: WorkloadKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class ScalerKey:
    """One autoscaler of a namespace, by identity; also where it keeps its bounds."""

    kind: AutoscalerKind
    name: str
    uid: str = ""

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @property
    def min_field(self) -> str:
        """The field of its spec that says how few replicas there may be."""
        return "minReplicas" if self.kind is AutoscalerKind.HPA else "minReplicaCount"

    @property
    def max_field(self) -> str:
        """The field of its spec that says how many replicas there may be."""
        return "maxReplicas" if self.kind is AutoscalerKind.HPA else "maxReplicaCount"
