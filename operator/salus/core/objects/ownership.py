"""Whether somebody else's desired state holds a field of a workload."""

import json
from typing import Any

from salus.core.objects.workloads import LAST_APPLIED
from salus.model.scalars import Body

GITOPS_MANAGERS = ("argocd", "kustomize-controller", "helm-controller")


def git_holds(body: Body, field: str = "replicas") -> bool:
    """Whether the desired state in Git names this field of `spec`: by managedFields, or by what was applied last."""
    managers = body["metadata"].get("managedFields") or ()
    owned = any(
        entry.get("manager", "").startswith(GITOPS_MANAGERS) and _holds(entry.get("fieldsV1") or {}, field)
        for entry in managers
    )
    return owned or _applied_with(field, (body["metadata"].get("annotations") or {}).get(LAST_APPLIED, ""))


def _holds(fields: dict[str, Any], field: str) -> bool:
    return f"f:{field}" in (fields.get("f:spec") or {})


def _applied_with(field: str, text: str) -> bool:
    """Unreadable is taken as held: the safer side."""
    if not text:
        return False
    try:
        return field in (json.loads(text).get("spec") or {})
    except (ValueError, AttributeError, TypeError, RecursionError):
        return True
