"""Whether somebody else's desired state holds a field of a workload."""

import json
from collections.abc import Mapping
from typing import Any

from salus.core.objects.workloads import LAST_APPLIED
from salus.model.scalars import Body

GITOPS_MANAGERS = ("argocd", "kustomize-controller", "helm-controller")
_DECLARERS = ("helm",)
"""Managers that write what they were given as a whole, whichever verb they use."""


def git_holds(body: Body, field: str = "replicas") -> bool:
    """Whether the desired state in Git names this field of `spec`: by managedFields, or by what was applied last."""
    managers = body["metadata"].get("managedFields") or ()
    owned = any(
        entry.get("manager", "").startswith(GITOPS_MANAGERS) and _holds(entry.get("fieldsV1") or {}, field)
        for entry in managers
    )
    applied = _applied(body)
    return owned or applied is None or field in applied


def declarer(body: Body) -> str:
    """Who has declared the replicas that are there; empty: nobody that shows.

    An applier that still owns the field, since whoever changes it by hand takes it away from its owner; or a manifest
    with this very number.
    """
    for entry in body["metadata"].get("managedFields") or ():
        manager = entry.get("manager", "")
        applies = entry.get("operation") == "Apply" or manager.startswith(_DECLARERS)
        if applies and _holds(entry.get("fieldsV1") or {}, "replicas"):
            return str(manager)
    applied = _applied(body)
    declared = applied is None or applied.get("replicas") == body["spec"].get("replicas", 1)
    return "kubectl apply" if declared else ""


def _holds(fields: dict[str, Any], field: str) -> bool:
    return f"f:{field}" in (fields.get("f:spec") or {})


def _applied(body: Body) -> Mapping[str, Any] | None:
    """The spec that was applied last; empty where none was, None where it cannot be read: then all may be in it."""
    text = (body["metadata"].get("annotations") or {}).get(LAST_APPLIED, "")
    if not text:
        return {}
    try:
        spec = json.loads(text).get("spec") or {}
    except (ValueError, AttributeError, TypeError, RecursionError):
        return None
    return spec if isinstance(spec, dict) else None
