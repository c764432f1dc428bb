"""The kinds of objects that Salus brings along, and the models of what is in them."""

from collections.abc import Mapping

from salus.model.change import ChangeEventSpec, ChangeEventStatus
from salus.model.incident import IncidentSpec, IncidentStatus
from salus.model.policy import HealthPolicySpec, HealthPolicyStatus
from salus.model.release import KeptReleaseSpec, KeptReleaseStatus
from salus.model.scalars import Resource

MODELS: Mapping[str, tuple[type[Resource], type[Resource]]] = {
    "HealthPolicy": (HealthPolicySpec, HealthPolicyStatus),
    "Incident": (IncidentSpec, IncidentStatus),
    "ChangeEvent": (ChangeEventSpec, ChangeEventStatus),
    "KeptRelease": (KeptReleaseSpec, KeptReleaseStatus),
}
"""By kind: its `spec` and its `status`."""
