"""Shapes that the three resources share: conditions and references."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from salus.model.scalars import Count, DnsName, LongText, MapList, Reason, Resource, ShortText, Time


class ConditionStatus(StrEnum):
    """The three answers of a Kubernetes condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Resource):
    """One observation about the object, as metav1.Condition."""

    type: Annotated[str, Field(min_length=1, max_length=64)]
    """Name of the condition, CamelCase."""
    status: ConditionStatus
    """True, False or Unknown."""
    reason: Reason
    """Why, in one CamelCase word."""
    message: LongText
    """Why, in a sentence for a person."""
    last_transition_time: Time
    """When the status last changed."""
    observed_generation: Count | None = None
    """The spec generation that this condition speaks of."""


Conditions = Annotated[tuple[Condition, ...], Field(max_length=16), MapList("type")]


class WorkloadKind(StrEnum):
    """Kinds of workload that Salus heals."""

    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"
    DAEMON_SET = "DaemonSet"


class WorkloadRef(Resource):
    """One workload, by identity: a workload that was deleted and made again has another uid."""

    api_version: ShortText = "apps/v1"
    """API version of the workload."""
    kind: WorkloadKind
    """Kind of the workload."""
    name: DnsName
    """Name of the workload, in the namespace of this object."""
    uid: ShortText = ""
    """Identity of the workload when this was written."""


class AutoscalerKind(StrEnum):
    """Kinds of object that own the replicas of a workload."""

    HPA = "HorizontalPodAutoscaler"
    SCALED_OBJECT = "ScaledObject"


class AutoscalerRef(Resource):
    """One autoscaler, by identity."""

    api_version: ShortText = "autoscaling/v2"
    """API version of the autoscaler."""
    kind: AutoscalerKind
    """HorizontalPodAutoscaler, or KEDA's ScaledObject."""
    name: DnsName
    """Name of the autoscaler, in the namespace of this object."""
    uid: ShortText = ""
    """Identity of the autoscaler when this was written."""


class ObjectRef(Resource):
    """A Salus object in the same namespace."""

    name: DnsName
    """Name of the object."""
    uid: ShortText = ""
    """Identity of the object when this was written."""
    generation: Count | None = None
    """Generation of the object's spec when this was written."""
