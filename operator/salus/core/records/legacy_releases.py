"""What an older Salus kept, as ControllerRevisions by ten characters of a hash, made into KeptReleases.

Their templates are hashed anew. What is done by halves is done again: a target is through with it once Salus has kept
a release of its own there, which it does not do before all of the old ones are taken over. The old objects stay where
they are, for whoever administers the cluster to delete: Salus has no right to write to them any more.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from salus.core.objects.workloads import short, template_hash
from salus.core.records.release_retention import superfluous
from salus.core.records.releases import newest_first, release_body, release_from
from salus.model.release import ProvenBy
from salus.model.scalars import GROUP, Body, parse_time
from salus.model.values.keys import TargetKey
from salus.model.values.objects import Release

RELEASE_LABEL = f"{GROUP}/release"
HEALTHY_AT = f"{GROUP}/healthy-at"
QUARANTINED_BY = f"{GROUP}/quarantined-by"


@dataclass(frozen=True, slots=True)
class Taken:
    """A KeptRelease to be, and its status."""

    body: Body
    status: Body


def is_through(kept: Iterable[Body]) -> bool:
    """Whether Salus has kept a release of its own here, and so need not look for older ones."""
    return any("takenOver" not in (body.get("spec") or {}) for body in kept)


def still_to_take(revisions: Iterable[Body], kept: Sequence[Body], target: TargetKey) -> list[Taken]:
    """The old releases that are not kept yet, or not with all that was known of them, the newest first."""
    there = {release.template_hash for body in kept if (release := release_from(body, target)) and release.seen}
    old = {release.name: (release, body) for body in revisions if (release := _old_release(body, target))}
    ordered = newest_first(release for release, _ in old.values())
    useless = {release.name for release in superfluous(ordered)}
    return [
        _taken(*old[release.name], target)
        for release in ordered
        if release.hash not in there and release.name not in useless
    ]


def _old_release(body: Body, target: TargetKey) -> Release | None:
    """An old release of the target; None for one that somebody has tampered with, or that is no such thing."""
    try:
        metadata, data = body["metadata"], body["data"]
        marks, template = metadata.get("annotations") or {}, data["spec"]["template"]
        release = template_hash(template)
        if data["kind"] != target.kind or metadata["labels"][RELEASE_LABEL] != short(release):
            return None
        healthy_at = parse_time(marks[HEALTHY_AT]) if marks.get(HEALTHY_AT) else None
        by = marks.get(QUARANTINED_BY, "")
        return Release(metadata["name"], release, template, healthy_at, by)
    except (KeyError, TypeError, AttributeError, ValueError):
        return None


def _taken(release: Release, body: Body, target: TargetKey) -> Taken:
    made = parse_time(body["metadata"]["creationTimestamp"])
    status: dict[str, Any] = {"observedGeneration": 1}
    if release.healthy_at:
        status |= {"healthyAt": body["metadata"]["annotations"][HEALTHY_AT], "provenBy": ProvenBy.ACTING.value}
    if release.quarantined_by:
        status["quarantinedBy"] = release.quarantined_by
    return Taken(release_body(target, body["data"]["spec"], made, taken_over=release.name), status)
