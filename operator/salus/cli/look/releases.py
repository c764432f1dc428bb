"""`salus get releases`: what a workload ran, what of it is good to go back to, and what was taken away."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from salus.cli.contract import CannotBeAsked
from salus.cli.marks import State
from salus.cli.names import named, short_of
from salus.cli.person import Person
from salus.cli.reports.listing import ReleaseLine, ReleaseList
from salus.core.objects.selectors import controlled_by
from salus.core.objects.workloads import images_of, same_release, short, workload_from
from salus.core.records.releases import history_from, release_from
from salus.model.meta import WorkloadKind
from salus.model.scalars import Body
from salus.model.values.keys import TargetKey
from salus.model.values.objects import Release, Workload
from salus.ports import CONTROLLER_REVISIONS, KEPT_RELEASES, REPLICA_SETS, WORKLOADS, Ref


async def releases(person: Person, name: str, now: datetime) -> ReleaseList:
    """All that is known of the releases of a workload. Raises CannotBeAsked."""
    one = named(name, allowed=WORKLOADS.values())
    if one.workload is None or person.namespace is None:
        tries = ["salus get releases deploy/NAME -n NAMESPACE"]
        raise CannotBeAsked("releases are those of one workload in one namespace", tries=tries)
    body = await person.get(Ref(one.resource, person.namespace, one.name))
    key = TargetKey(person.namespace, one.workload, one.name)
    kept = [release_from(each, key) for each in await person.around(KEPT_RELEASES)]
    kind = REPLICA_SETS if one.workload is WorkloadKind.DEPLOYMENT else CONTROLLER_REVISIONS
    owned = controlled_by(await person.around(kind), {body["metadata"]["uid"]})
    lines = _lines(workload_from(body), [each for each in kept if each is not None], owned)
    return ReleaseList(
        cluster=person.context,
        at=now,
        workload=f"{short_of(one.resource)}/{one.name}",
        namespace=person.namespace,
        items=tuple(lines),
        not_looked_at=tuple(person.not_looked_at),
    )


def _lines(workload: Workload, kept: Sequence[Release], owned: Sequence[Body]) -> list[ReleaseLine]:
    """Newest first: the live one, then by when each began, or was kept."""
    templates = {body["metadata"]["name"]: _template(body) for body in owned}
    revisions = {revision.release: revision for revision in history_from(owned)}
    known = {release.hash: release for release in kept}
    goes_to = _next_back(workload, kept)
    found = []
    for hash_ in dict.fromkeys([workload.release, *revisions, *known]):
        release, revision = known.get(hash_), revisions.get(hash_)
        state, stands = _stands(hash_, workload, release, goes_to)
        line = ReleaseLine(release=short(hash_), state=state, stands=stands)
        if revision is not None:
            images = images_of(templates.get(revision.name, {}))
            line = line.model_copy(update={"images": images, "began": revision.made_at})
        if release is not None:
            began = line.began or release.kept_at
            update = {"images": images_of(release.template), "began": began, "healthy_at": release.healthy_at}
            line = line.model_copy(update=update)
        found.append(line)
    live = found[0].model_copy(update={"images": workload.images})
    return [live, *sorted(found[1:], key=_began, reverse=True)]


def _began(line: ReleaseLine) -> float:
    return line.began.timestamp() if line.began else 0.0


def _template(body: Body) -> Body:
    spec = (body.get("data") or body).get("spec") or {}
    return dict(spec.get("template") or {})


def _next_back(workload: Workload, kept: Iterable[Release]) -> str:
    """Where a rollback would go by what is on record; what it refers to is looked at only then."""
    good = [(one.healthy_at, one.hash) for one in kept if one.good and one.healthy_at and one.hash != workload.release]
    return max(good)[1] if good else ""


def _stands(hash_: str, workload: Workload, release: Release | None, goes_to: str) -> tuple[State | None, str]:
    live = "live" if same_release(hash_, workload.release) else ""
    if release is None:
        return None, live
    if release.withdrawn_by:
        return State.BAD, f"withdrawn by {release.withdrawn_by}"
    if release.quarantined_by:
        return State.BAD, f"{live + ', ' if live else ''}taken away by {release.quarantined_by}"
    if not release.healthy:
        return None, live or "not proven"
    word = "good: a rollback goes here" if hash_ == goes_to else "good"
    rehearsed = ", for rehearsals" if release.rehearsed else ""
    return State.GOOD, f"{live + ', ' if live else ''}{word}{rehearsed}"
