"""Salus' own history of releases: what was healthy, what was taken away, and when the live release began.

A release is kept as a KeptRelease in the workload's namespace, without an owner (it must outlive a deleted Deployment).
Its spec never changes, and names the target and the SHA-256 of the pod template: what does not fit its own name is not
read. What counts as proof is in `core/records/release_proof`; how long a release is kept, in
`core/records/release_retention`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from salus.core.health.timing import has_lasted
from salus.core.objects.stamps import KNOWN
from salus.core.objects.workloads import identity, restarted_at, short, template_hash
from salus.core.records.names import TARGET_LABEL, target_id, target_ref
from salus.model.meta import WorkloadKind
from salus.model.release import FORMAT, ProvenBy
from salus.model.scalars import API_VERSION, MOST_REPLICAS, Body, format_time, parse_time, whole_number
from salus.model.values.configuration import Stamps
from salus.model.values.keys import TargetKey
from salus.model.values.objects import Release, Revision, Workload

REVISION = "deployment.kubernetes.io/revision"
_NEVER = parse_time("1970-01-01T00:00:00Z")


@dataclass(frozen=True, slots=True)
class Noted:
    """How many replicas a release has had for as long as it was proven healthy; 0: that is not noted."""

    replicas: int = 0
    in_git: bool = False
    """Git names them."""


NOT_NOTED = Noted()


def release_names(target: TargetKey, release: str) -> tuple[str, str]:
    """Names of a KeptRelease: a short one for people, and one that no other release has, if that is taken."""
    start = f"salus-{target_id(target)}"
    return f"{start}-{short(release)}", f"{start}-{release}"


def release_body(
    target: TargetKey, spec: Body, now: datetime, *, uid: str = "", taken_over: str = ""
) -> dict[str, Any]:
    """A KeptRelease, under its short name, that keeps this spec of the target; how it fared its status says."""
    release = template_hash(spec["template"])
    kept = {
        "format": FORMAT,
        "targetRef": target_ref(target, uid),
        "release": release,
        "workload": {"spec": spec},
        "keptAt": format_time(now),
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "KeptRelease",
        "metadata": {
            "name": release_names(target, release)[0],
            "namespace": target.namespace,
            "labels": {TARGET_LABEL: target_id(target)},
        },
        "spec": {**kept, **({"takenOver": taken_over} if taken_over else {})},
    }


def proven(now: datetime, *, rehearsed: bool, size: Noted = NOT_NOTED) -> dict[str, Any]:
    """The status of a release that all policies have proven; only a proof that counts lifts a quarantine."""
    by = ProvenBy.OBSERVE if rehearsed else ProvenBy.ACTING
    lifted = {} if rehearsed else {"quarantinedBy": None}
    noted = {"healthyReplicas": size.replicas, "gitHoldsReplicas": size.in_git} if size.replicas else {}
    told = {"observedGeneration": 1, "healthyAt": format_time(now), "provenBy": by.value, "orphanedAt": None}
    return {**told, **lifted, **noted}


def quarantined(change: str) -> dict[str, Any]:
    """The status of a release that this change takes away."""
    return {"observedGeneration": 1, "quarantinedBy": change}


def orphaned(now: datetime) -> dict[str, Any]:
    """The status of a release whose workload is gone."""
    return {"orphanedAt": format_time(now)}


def release_from(body: Body, target: TargetKey, stamps: Stamps = KNOWN) -> Release | None:
    """A kept release of this target; None for one of another target, one that is not what it says, and a newer format.

    Its template is hashed anew: what comes back is what was kept under that name, as a whole.
    """
    try:
        return _release_from(body, target, stamps)
    except (KeyError, TypeError, AttributeError, ValueError):  # somebody's own idea of a kept release
        return None


def _release_from(body: Body, target: TargetKey, stamps: Stamps) -> Release | None:
    metadata, spec, status = body["metadata"], body["spec"], body.get("status") or {}
    ref, template = spec["targetRef"], spec["workload"]["spec"]["template"]
    if spec["format"] > FORMAT or (ref["kind"], ref["name"]) != (target.kind, target.name):
        return None
    named = identity(template, stamps)
    if named.template != spec["release"]:
        return None
    return Release(
        name=metadata["name"],
        hash=named.release,
        template_hash=named.template,
        checksums=named.checksums,
        template=template,
        healthy_at=_time(status.get("healthyAt")),
        quarantined_by=status.get("quarantinedBy") or "",
        rehearsed=status.get("provenBy") == ProvenBy.OBSERVE,
        withdrawn_by=(spec.get("withdrawal") or {}).get("by", ""),
        kept_at=parse_time(spec["keptAt"]),
        orphaned_at=_time(status.get("orphanedAt")),
        seen=status.get("observedGeneration", -1) >= 0,
        uid=metadata.get("uid", ""),
        healthy_replicas=_replicas(status.get("healthyReplicas")),
        git_holds_replicas=status.get("gitHoldsReplicas") is True,
    )


def _replicas(noted: object) -> int:
    return noted if isinstance(noted, int) and not isinstance(noted, bool) and 0 < noted <= MOST_REPLICAS else 0


def _time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None


def target_of(body: Body) -> TargetKey | None:
    """The workload that a kept release is of; None where nobody can tell."""
    try:
        ref = body["spec"]["targetRef"]
        return TargetKey(body["metadata"]["namespace"], WorkloadKind(ref["kind"]), str(ref["name"]))
    except (KeyError, TypeError, ValueError):
        return None


def releases_from(bodies: Iterable[Body], target: TargetKey, stamps: Stamps = KNOWN) -> tuple[Release, ...]:
    """The kept releases of a target, newest known healthy first, the never healthy ones last.

    What differs in stamps only is one release: what was said against one of them is said against it.
    """
    same: dict[str, list[Release]] = {}
    found = (release for body in bodies if (release := release_from(body, target, stamps)) is not None)
    for release in newest_first(found):
        same.setdefault(release.hash, []).append(release)
    return newest_first(_as_one(*alike) for alike in same.values())


def _as_one(newest: Release, *others: Release) -> Release:
    """A release that is kept more than once."""
    if not others:
        return newest
    return replace(
        newest,
        quarantined_by=next((one.quarantined_by for one in (newest, *others) if one.quarantined_by), ""),
        withdrawn_by=next((one.withdrawn_by for one in (newest, *others) if one.withdrawn_by), ""),
        doubles=others,
    )


def newest_first(releases: Iterable[Release]) -> tuple[Release, ...]:
    """In the order in which a rollback looks at them."""
    return tuple(sorted(releases, key=lambda r: (r.healthy_at is not None, r.healthy_at or _NEVER), reverse=True))


def trusted(releases: Iterable[Release], *, rehearsal: bool) -> tuple[Release, ...]:
    """The releases as a policy may take them: what was only rehearsed proves nothing to one that acts."""
    return newest_first(replace(r, healthy_at=None) if r.rehearsed and not rehearsal else r for r in releases)


def nothing_to_note(
    releases: Sequence[Release],
    release: str,
    *,
    rehearsed: bool,
    size: Noted = NOT_NOTED,
    reconfigured: datetime | None = None,
) -> bool:
    """Whether a proof of the live release, and of its size where that is noted, changes nothing on record.

    `reconfigured`: since when it runs with another configuration than that with which it was kept.

    A rehearsed proof neither lifts a quarantine nor touches what a better one has proven; and what a person withdrew
    stays withdrawn.
    """
    mine = next((kept for kept in releases if kept.hash == release), None)
    if mine is None:
        return False
    if mine.withdrawn_by or (rehearsed and (mine.quarantined_by or (mine.healthy and not mine.rehearsed))):
        return True
    if reconfigured is not None and mine.healthy_at is not None and mine.healthy_at < reconfigured:
        return False
    alike = [kept for kept in releases if kept.healthy_at and kept.rehearsed == rehearsed and not kept.withdrawn_by]
    is_noted = not size.replicas or size == Noted(mine.healthy_replicas, mine.git_holds_replicas)
    return mine.healthy and mine.orphaned_at is None and alike[:1] == [mine] and is_noted


def git_held(releases: Iterable[Release], live: str) -> bool:
    """Whether Git named the replicas of the live release when they were last noted."""
    return any(release.git_holds_replicas for release in releases if release.hash == live)


def is_noted(workload: Workload, release: str, size: int, *, notes_size: bool) -> bool:
    """Whether the live release is the good one on record, with as many replicas where that is worth noting."""
    return release == workload.proves and (not notes_size or size == workload.replicas)


def proof_begins(workload: Workload, release: str, rolled_out: datetime, sized: datetime) -> datetime:
    """Since when there is something to prove: of the good release that is on record only its size is new."""
    return max(rolled_out, sized) if release == workload.proves else rolled_out


def size_to_note(workload: Workload, sized: datetime, bake: timedelta, now: datetime, *, notes_size: bool) -> int:
    """How many replicas a proof speaks for; 0: of those that it has, it has not seen enough, or nobody asks."""
    return workload.replicas if notes_size and has_lasted(sized, now, bake) else 0


def rollout_has_settled(workload: Workload, finished: datetime, bake: timedelta, now: datetime) -> bool:
    """Whether the live release is fully rolled out, and has been since at least `bake`."""
    return workload.rolled_out and not workload.paused and workload.replicas > 0 and has_lasted(finished, now, bake)


def history_from(bodies: Iterable[Body], stamps: Stamps = KNOWN) -> tuple[Revision, ...]:
    """A workload's own history, oldest first, from its ReplicaSets or from the ControllerRevisions that it owns.

    What carries no number is left out.
    """
    revisions = [_revision(body, number, stamps) for body in bodies if (number := _number(body)) is not None]
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


def _revision(body: Body, number: int, stamps: Stamps) -> Revision:
    """The template of a ControllerRevision is the patch that brings it back, and says so in its midst."""
    template = dict(((body.get("data") or body).get("spec") or {}).get("template") or {})
    template.pop("$patch", None)
    made_at = parse_time(body["metadata"]["creationTimestamp"])
    named, metadata = identity(template, stamps), body["metadata"]
    return Revision(
        number=number,
        release=named.release,
        made_at=made_at,
        name=metadata.get("name", ""),
        uid=metadata.get("uid", ""),
        template_hash=named.template,
        checksums=named.checksums,
        restarted_at=restarted_at(template),
    )
