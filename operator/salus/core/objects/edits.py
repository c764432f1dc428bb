"""What lies beside a workload: who edited an autoscaler or a ConfigMap and when, and nodes that are not well.

Reads Kubernetes' objects into values, from `managedFields`, conditions and taints; never what a ConfigMap holds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from salus.core.objects.references import CONFIG_MAP, references_of
from salus.model.scalars import FIELD_MANAGER, Body, parse_time
from salus.model.values.surroundings import Edit, NodeTrouble

UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_PRESSURE = {"MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"}
_CONTENT = {"f:spec", "f:data", "f:binaryData"}
"""Where the meaning of an autoscaler and of a ConfigMap lies; labels and status are none of it."""


def edits_of(body: Body, *, used: bool) -> Iterator[Edit]:
    """Who changed this object: for each manager of its fields when that was last.

    What nobody is known to use changes nothing by coming into being, as `kube-root-ca.crt` does in a new namespace.
    """
    made = None if used else _time(body["metadata"].get("creationTimestamp"))
    for entry in body["metadata"].get("managedFields") or ():
        at, manager = _time(entry.get("time")), entry.get("manager", "")
        changed = _CONTENT & set(entry.get("fieldsV1") or ())
        if at is not None and at != made and changed and manager != FIELD_MANAGER and not entry.get("subresource"):
            yield Edit(body["kind"], body["metadata"]["name"], manager, at, used)


@dataclass(frozen=True, slots=True)
class Written:
    """That a program has written a field of `spec`: when it last wrote anything beside it."""

    manager: str
    at: datetime
    subresource: str = ""


def writers_of(body: Body, field: str, *, without: str = "") -> Iterator[Written]:
    """Who has written this field of `spec` and still answers for it, Salus apart; `without`: and not that one too."""
    for entry in body["metadata"].get("managedFields") or ():
        spec = (entry.get("fieldsV1") or {}).get("f:spec") or {}
        at, manager = _time(entry.get("time")), entry.get("manager", "")
        if at is not None and manager != FIELD_MANAGER and f"f:{field}" in spec and f"f:{without}" not in spec:
            yield Written(manager, at, entry.get("subresource", ""))


def scaler_of(body: Body) -> str:
    """Who wrote the replicas through the subresource for that, as `kubectl scale` does; when, nobody notes."""
    for entry in body["metadata"].get("managedFields") or ():
        if entry.get("subresource") == "scale" and entry.get("manager") != FIELD_MANAGER:
            return str(entry.get("manager", ""))
    return ""


def config_maps_of(template: Body) -> frozenset[str]:
    """Names of the ConfigMaps that a pod template refers to."""
    return frozenset(one.name for one in references_of(template) if one.kind == CONFIG_MAP)


def troubles_of(node: Body) -> Iterator[NodeTrouble]:
    """What is wrong with a node now, and since when."""
    name, spec = node["metadata"]["name"], node.get("spec") or {}
    for condition in (node.get("status") or {}).get("conditions") or ():
        kind, since = condition.get("type"), _time(condition.get("lastTransitionTime"))
        if kind == "Ready" and condition.get("status") != "True":
            yield NodeTrouble(name, "NotReady", since)
        elif kind in _PRESSURE and condition.get("status") == "True":
            yield NodeTrouble(name, kind, since)
    if spec.get("unschedulable"):
        yield NodeTrouble(name, "Cordoned", _cordoned_at(node))


def _cordoned_at(node: Body) -> datetime | None:
    """The taint that the cordon brings says when; without it, who wrote the field."""
    taints = [taint for taint in node["spec"].get("taints") or () if taint.get("key") == UNSCHEDULABLE]
    entries = node["metadata"].get("managedFields") or ()
    writers = [e for e in entries if "f:unschedulable" in ((e.get("fieldsV1") or {}).get("f:spec") or {})]
    moments = (_time(text) for text in (*(t.get("timeAdded") for t in taints), *(e.get("time") for e in writers)))
    return next((moment for moment in moments if moment is not None), None)


def _time(text: str | None) -> datetime | None:
    try:
        return parse_time(text) if text else None
    except ValueError:
        return None
