"""What to change in Git, when a GitOps tool holds the field that a remedy would change.

Names what Salus knows: the release to go back to, where its template is kept, the images; the replicas, and how to take
them out of Git's hands for good.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from salus.core.workload import short
from salus.model.change import ActionKind, ManagedBy
from salus.model.values import Action, Observation

_IMAGES = 5
"""Images that a message names; one more is counted."""


def advice(action: Action, seen: Observation, owner: ManagedBy) -> str:
    """One sentence for the record: what to revert or to change, and how Git is made to leave the field alone."""
    return _scaled(action, owner) if action.kind is ActionKind.SCALE else _rolled_back(action, seen)


def _rolled_back(action: Action, seen: Observation) -> str:
    good, bad = action.intended.release, action.before.release
    release = next((kept for kept in seen.releases if kept.hash == good), None)
    revision = next((f", revision {known.number}" for known in reversed(seen.history) if known.release == good), "")
    back = f"revert the pod template to release {short(good)}{revision}, known healthy (live is {short(bad)})"
    if release is None:
        return back
    where = f"the whole template is kept in KeptRelease/{release.name}"
    return f"{back}: {_images(release.template, seen.workload.images)}; {where}"


def _images(template: Mapping[str, Any], live: Sequence[str]) -> str:
    """The images that differ; a release may also differ in its settings only."""
    spec = template.get("spec") or {}
    containers = (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    good = [container.get("image", "") for container in containers]
    wanted = [image for image in dict.fromkeys(good) if image not in live]
    unwanted = [image for image in dict.fromkeys(live) if image not in good]
    if not wanted and not unwanted:
        return f"its images are the live ones ({_listed(good)}), the change is elsewhere in the template"
    if not wanted:
        return f"take image {_listed(unwanted)} out"
    return f"image {_listed(wanted)}" + (f" instead of {_listed(unwanted)}" if unwanted else "")


def _listed(images: Sequence[str]) -> str:
    names = ", ".join(image[:128] for image in images[:_IMAGES])
    return f"{names} and {len(images) - _IMAGES} more" if len(images) > _IMAGES else names


def _scaled(action: Action, owner: ManagedBy) -> str:
    was, wanted = action.before.replicas, action.intended.replicas
    return f"set spec.replicas from {was} to {wanted}; or, so that Salus may scale, {_left_alone(owner)}"


def _left_alone(owner: ManagedBy) -> str:
    if owner.tool == "ArgoCD":
        where = f"Application {owner.ref}" if owner.ref else "the Application"
        return (
            f"give {where} ignoreDifferences with the jsonPointer /spec/replicas and the sync option "
            "RespectIgnoreDifferences=true (both: without the option a sync still writes them)"
        )
    if owner.ref.startswith("HelmRelease"):
        return (
            f"leave replicas out of the chart's values; with drift detection, give {owner.ref} "
            "spec.driftDetection.ignore with the path /spec/replicas"
        )
    return f"drop spec.replicas from the manifest that {owner.ref} applies"
