"""Salus' own history of releases: what was healthy, what was taken away, and when the live release began.

A release is kept as a ControllerRevision in the workload's namespace: labelled with its target, without workload
labels (a StatefulSet would adopt it) and without an owner (it must outlive a deleted Deployment). The API server
keeps its data immutable.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from salus.core.records import TARGET_LABEL, target_id
from salus.core.timing import has_lasted
from salus.core.workload import release_hash
from salus.model.types import GROUP, Body, format_time, parse_time, whole_number
from salus.model.values import Release, Revision, TargetKey, Workload

RELEASE_LABEL = f"{GROUP}/release"
HEALTHY_AT = f"{GROUP}/healthy-at"
QUARANTINED_BY = f"{GROUP}/quarantined-by"
REVISION = "deployment.kubernetes.io/revision"
KEEP = 5
"""Newest good releases that are kept for a target."""


def release_name(target: TargetKey, release: str) -> str:
    """Name of the ControllerRevision that keeps this release of this target."""
    return f"salus-{target_id(target)}-{release}"


def release_body(target: TargetKey, body: Body, release: str, number: int) -> dict[str, Any]:
    """A ControllerRevision that keeps the workload's spec; healthy or quarantined is said by its annotations."""
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": release_name(target, release),
            "namespace": target.namespace,
            "labels": {TARGET_LABEL: target_id(target), RELEASE_LABEL: release},
            "annotations": {},
        },
        "revision": number,
        "data": {"apiVersion": "apps/v1", "kind": target.kind.value, "spec": body["spec"]},
    }


def release_from(body: Body) -> Release | None:
    """A kept release; None for a ControllerRevision that someone has tampered with.

    Its template is then not what its label says, or its `healthy-at` is no time.
    """
    metadata, data = body["metadata"], body.get("data") or {}
    annotations = metadata.get("annotations") or {}
    named = (metadata.get("labels") or {}).get(RELEASE_LABEL, "")
    template = (data.get("spec") or {}).get("template") or {}
    if not named or release_hash(template) != named:
        return None
    try:
        healthy_at = parse_time(annotations[HEALTHY_AT]) if annotations.get(HEALTHY_AT) else None
    except ValueError:
        return None
    return Release(
        name=metadata["name"],
        hash=named,
        template=template,
        healthy_at=healthy_at,
        quarantined_by=annotations.get(QUARANTINED_BY, ""),
    )


def releases_from(bodies: Iterable[Body]) -> tuple[Release, ...]:
    """The kept releases of a target, newest known healthy first, the never healthy ones last."""
    kept = [release for release in map(release_from, bodies) if release is not None]
    return tuple(sorted(kept, key=lambda r: (r.healthy_at is not None, r.healthy_at or _NEVER), reverse=True))


_NEVER = parse_time("1970-01-01T00:00:00Z")


def is_newest_good(releases: Sequence[Release], release: str) -> bool:
    """Whether nothing is left to note about a healthy live release."""
    newest = next((kept for kept in releases if kept.healthy_at), None)
    return newest is not None and newest.hash == release and not newest.quarantined_by


def superfluous(releases: Sequence[Release]) -> tuple[Release, ...]:
    """Good releases beyond the newest five; the quarantined ones among them go too."""
    good = [release for release in releases if release.healthy_at and not release.quarantined_by]
    bad = [release for release in releases if not release.healthy_at or release.quarantined_by]
    return (*good[KEEP:], *bad[KEEP:])


def rollout_has_settled(workload: Workload, finished: datetime, bake: timedelta, now: datetime) -> bool:
    """Whether the live release is fully rolled out, and has been since at least `bake`."""
    return workload.rolled_out and not workload.paused and workload.replicas > 0 and has_lasted(finished, now, bake)


def good_annotations(now: datetime) -> dict[str, str | None]:
    """What a release that is worth going back to carries; it lifts a quarantine."""
    return {HEALTHY_AT: format_time(now), QUARANTINED_BY: None}


def history_from(bodies: Iterable[Body]) -> tuple[Revision, ...]:
    """A workload's own history, oldest first, from its ReplicaSets or from the ControllerRevisions that it owns.

    What carries no number is left out.
    """
    revisions = [_revision(body, number) for body in bodies if (number := _number(body)) is not None]
    return tuple(sorted(revisions, key=lambda revision: revision.number))


def release_started_at(history: Sequence[Revision], good: str | None) -> datetime | None:
    """When the suspect releases began: the first revision after the newest one that runs the release `good`.

    Restarts make revisions too, so neither the newest revision nor its age tells. Without `good` among them (a
    workload that was deleted and made again) it is the oldest revision of all.
    """
    good_ones = [index for index, revision in enumerate(history) if revision.release == good]
    suspects = history[good_ones[-1] + 1 :] if good_ones else history
    return min((revision.made_at for revision in suspects), default=None)


def _number(body: Body) -> int | None:
    """A ControllerRevision carries its number as a field, a ReplicaSet as an annotation."""
    written = body["revision"] if "revision" in body else (body["metadata"].get("annotations") or {}).get(REVISION)
    return whole_number(str(written))


def _revision(body: Body, number: int) -> Revision:
    """The template of a ControllerRevision is the patch that brings it back, and says so in its midst."""
    template = dict(((body.get("data") or body).get("spec") or {}).get("template") or {})
    template.pop("$patch", None)
    made_at = parse_time(body["metadata"]["creationTimestamp"])
    return Revision(number, release_hash(template), made_at, body["metadata"].get("name", ""))
