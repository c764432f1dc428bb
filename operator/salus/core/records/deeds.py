"""What others did to a workload: releases and restarts by its own history, scalings by who wrote the replicas.

Kubernetes keeps no log: a ReplicaSet or a ControllerRevision says when a template was first there, `managedFields` who
wrote a field last, an Event is gone within hours. So what is told did happen; what is not told may have happened too.
What Salus did is in its records and not told here.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from salus.core.objects.edits import Written, scaler_of, writers_of
from salus.core.objects.selectors import controlled_by
from salus.core.objects.stamps import KNOWN
from salus.core.objects.workloads import images_of, same_release, workload_from
from salus.core.records.releases import history_from
from salus.model.scalars import Body, parse_time, whole_number
from salus.model.values.changes import Change
from salus.model.values.configuration import Stamps
from salus.model.values.deeds import Deed, DeedKind
from salus.model.values.objects import Revision, Workload

AT_ONCE = timedelta(minutes=1)
"""So soon after a template or a number was written its controller has answered: both are one deed."""
ROLLING = timedelta(minutes=2)
"""What happens to two ReplicaSets so close together is a rollout."""
CONTROLLER = "kube-controller-manager"
"""By whose hand the autoscalers of Kubernetes write."""
_EARLIER = "deployment.kubernetes.io/revision-history"
_RESIZED = re.compile(
    r"replica set (?P<name>\S+) (?:from (?P<from>\d+) to (?P<to>\d+)|to (?P<to_>\d+) from (?P<from_>\d+))$"
)
_NEW_SIZE = re.compile(r"^New size: (\d+)")


@dataclass(frozen=True, slots=True)
class Traces:
    """What Kubernetes still knows of a workload."""

    body: Body
    owned: Sequence[Body] = ()
    """ReplicaSets or ControllerRevisions; those of other workloads may be among them."""
    events: Sequence[Body] = ()
    """Of the namespace, of the core API: those that people may read."""
    hpa: Body | None = None
    """The HorizontalPodAutoscaler that scales it, if one does."""

    @property
    def scaler(self) -> str:
        """`hpa/NAME`, or nothing."""
        return f"hpa/{self.hpa['metadata']['name']}" if self.hpa is not None else ""


@dataclass(frozen=True, slots=True)
class _Rescaled:
    """What an Event of the workload, or its autoscaler, tells of a scaling."""

    at: datetime
    replicas: int
    before: int | None = None
    replica_set: str = ""
    """Of which; empty where the autoscaler tells."""


def deeds_of(traces: Traces, changes: Iterable[Change] = (), stamps: Stamps = KNOWN) -> tuple[Deed, ...]:
    """What others did to it, oldest first. `changes`: the records of this very workload. Raises ValueError."""
    workload = workload_from(traces.body, stamps)
    done = [change for change in changes if change.applied_at is not None]
    found = [*_releases(workload, traces, done, stamps), *_scalings(workload, traces, _moments(done))]
    return tuple(sorted(found, key=lambda deed: deed.at))


def _moments(done: Iterable[Change]) -> list[datetime]:
    return [change.applied_at for change in done if change.applied_at is not None]


# --- releases and restarts


@dataclass(frozen=True, slots=True)
class _Step:
    """A template took the place of another one."""

    revision: Revision
    before: Revision | None
    again: bool = False
    """It had been there already; then it was after `at`, and before `until`."""
    at: datetime | None = None
    until: datetime | None = None
    """None: nothing else came since."""


def _releases(workload: Workload, traces: Traces, done: Sequence[Change], stamps: Stamps) -> Iterator[Deed]:
    owned = controlled_by(traces.owned, {workload.uid})
    images = {body["metadata"]["name"]: images_of(_template(body)) for body in owned}
    history, writers = history_from(owned, stamps), list(writers_of(traces.body, "template"))
    by_salus = {name for at in _moments(done) if (name := _made_by(at, history))}
    brought = {name: one.manager for one in writers if (name := _made_by(one.at, history))}
    for step in _steps(history, {body["metadata"]["name"]: _numbers(body) for body in owned}):
        named, shown = step.revision.named, images[step.revision.name]
        if step.again:
            if (again := _came_back(step, workload, writers, done)) is not None:
                yield replace(again, release=named, images=shown)
        elif step.revision.name not in by_salus:
            by = brought.get(step.revision.name, "")
            yield Deed(_kind(step), step.revision.made_at, by, release=named, images=shown)


def _template(body: Body) -> Body:
    spec = (body.get("data") or body).get("spec") or {}
    return dict(spec.get("template") or {})


def _numbers(body: Body) -> list[int]:
    """The numbers that a ReplicaSet has had before its present one; each time it came back it got another."""
    text = (body["metadata"].get("annotations") or {}).get(_EARLIER, "")
    return [number for part in text.split(",") if (number := whole_number(part)) is not None]


def _steps(history: Sequence[Revision], earlier: Mapping[str, Sequence[int]]) -> Iterator[_Step]:
    """In the order of their numbers. A ControllerRevision that came back keeps none of its first arrival."""
    numbered = sorted(
        ((number, one) for one in history for number in (*earlier[one.name], one.number)), key=lambda pair: pair[0]
    )
    there = [one for _, one in numbered]
    for index, one in enumerate(there):
        before, after = there[:index], there[index + 1 :]
        latest = max((other.made_at for other in before), default=one.made_at)
        if one.made_at >= latest and one not in before:
            yield _Step(one, before[-1] if before else None)
            continue
        if one not in before:
            older = [other for other in history if other.made_at < one.made_at]
            yield _Step(one, max(older, key=lambda other: other.made_at, default=None))
        until = min((other.made_at for other in after if other.made_at >= latest), default=None)
        yield _Step(one, before[-1], again=True, at=latest, until=until)


def _kind(step: _Step) -> DeedKind:
    before, after = step.before, step.revision
    if before is None or before.release != after.release:
        return DeedKind.RELEASE
    return DeedKind.RESTART if before.checksums == after.checksums else DeedKind.CONFIGURATION


def _came_back(step: _Step, workload: Workload, writers: Sequence[Written], done: Sequence[Change]) -> Deed | None:
    """Somebody put an older release back; when, who wrote the template last tells, or the rollout, of the newest."""
    if step.at is None or _kind(step) is not DeedKind.RELEASE or _by_salus(step, done):
        return None
    if step.until is not None:
        return Deed(DeedKind.RELEASE, step.at, came_back=True, by_then=step.until)
    wrote = max((one for one in writers if one.at > step.at), key=lambda one: one.at, default=None)
    at = wrote.at if wrote else workload.rolled_out_since
    return Deed(DeedKind.RELEASE, at, wrote.manager if wrote else "", came_back=True) if at is not None else None


def _by_salus(step: _Step, done: Iterable[Change]) -> bool:
    """Whether a record says that Salus put this release there, in the time in which it came back."""
    return any(
        step.at is not None
        and step.at <= change.applied_at <= (step.until or change.applied_at)
        and same_release(change.intended.release, step.revision.named)
        for change in done
        if change.applied_at is not None and change.intended is not None
    )


# --- scalings


def _scalings(workload: Workload, traces: Traces, done: Sequence[datetime]) -> Iterator[Deed]:
    """As Events tell them, and where none is left, as those say who wrote the number."""
    by_scaler = [one for one in _by_scaler(traces) if not _near(one.at, done)]
    wrote = [one for one in writers_of(traces.body, "replicas", without="template") if not _near(one.at, done)]
    seen = [one for one in _resized(workload, traces) if not _near(one.at, done)]
    for index, one in enumerate(seen):
        by = _by(one.at, traces, by_scaler, wrote) or (_holder(traces) if index == len(seen) - 1 else "")
        yield Deed(DeedKind.SCALE, one.at, by, replicas=one.replicas, before=one.before)
    told = [one.at for one in seen]
    for one in by_scaler:
        if not _near(one.at, told):
            yield Deed(DeedKind.SCALE, one.at, traces.scaler, replicas=one.replicas)
    told += [one.at for one in by_scaler]
    newest = max([*told, *done, *(one.at for one in wrote)], default=None)
    for write in wrote:
        if not _near(write.at, told):
            replicas = workload.replicas if write.at == newest else None
            yield Deed(DeedKind.SCALE, write.at, _program(write.manager, traces), replicas=replicas)


def _resized(workload: Workload, traces: Traces) -> list[_Rescaled]:
    """What the Deployment's Events tell of its size, oldest first; nothing of its rollouts."""
    told = [one for event in traces.events if (one := _of_deployment(event, workload.uid)) is not None]
    made = [revision.made_at for revision in history_from(controlled_by(traces.owned, {workload.uid}))]
    found = [one for one in told if _is_scaling(one, told) and not (one.before == 0 and _near(one.at, made))]
    return sorted(found, key=lambda one: one.at)


def _by(at: datetime, traces: Traces, by_scaler: Iterable[_Rescaled], wrote: Iterable[Written]) -> str:
    if _near(at, [one.at for one in by_scaler]):
        return traces.scaler
    return next((_program(one.manager, traces) for one in wrote if _near(at, [one.at])), "")


def _holder(traces: Traces) -> str:
    manager = scaler_of(traces.body)
    return _program(manager, traces) if manager else ""


def _program(manager: str, traces: Traces) -> str:
    return traces.scaler if manager == CONTROLLER and traces.scaler else manager


def _is_scaling(one: _Rescaled, told: Iterable[_Rescaled]) -> bool:
    """Whether another ReplicaSet was left alone meanwhile: a rollout shrinks one while it lets another grow."""
    return all(other.replica_set == one.replica_set or abs(other.at - one.at) > ROLLING for other in told)


def _of_deployment(event: Body, uid: str) -> _Rescaled | None:
    """`Scaled up replica set web-6fcbd97455 from 2 to 4`; before Kubernetes 1.31 `to 4 from 2`."""
    if (event.get("involvedObject") or {}).get("uid") != uid or event.get("reason") != "ScalingReplicaSet":
        return None
    resized, at = _RESIZED.search(str(event.get("message", ""))), event_time(event)
    if resized is None or at is None:
        return None
    after, before = resized["to"] or resized["to_"], resized["from"] or resized["from_"]
    return _Rescaled(at, int(after), int(before), resized["name"])


def _by_scaler(traces: Traces) -> Iterator[_Rescaled]:
    """What the autoscaler says itself: each time by an Event, the last time also in its status."""
    if traces.hpa is None:
        return
    told = []
    for event in traces.events:
        about, size, at = (
            event.get("involvedObject") or {},
            _NEW_SIZE.match(str(event.get("message", ""))),
            event_time(event),
        )
        if about.get("uid") == traces.hpa["metadata"].get("uid") and size is not None and at is not None:
            told.append(_Rescaled(at, int(size[1])))
    yield from told
    status = traces.hpa.get("status") or {}
    last, size_now = status.get("lastScaleTime"), status.get("desiredReplicas")
    if last and isinstance(size_now, int) and not _near(parse_time(last), [one.at for one in told]):
        yield _Rescaled(parse_time(last), size_now)


def event_time(event: Mapping[str, object]) -> datetime | None:
    """When an Event was last seen, by whichever of its fields its author has written."""
    series, metadata = event.get("series"), event.get("metadata")
    last = series.get("lastObservedTime") if isinstance(series, Mapping) else None
    made = metadata.get("creationTimestamp") if isinstance(metadata, Mapping) else None
    for text in (last, event.get("lastTimestamp"), event.get("eventTime"), made):
        try:
            if text:
                return parse_time(text)
        except ValueError:
            continue
    return None


# --- what is one deed


def _near(at: datetime, moments: Iterable[datetime]) -> bool:
    return any(abs(at - moment) <= AT_ONCE for moment in moments)


def _made_by(at: datetime, history: Iterable[Revision]) -> str:
    """Name of the revision that was made when the template was written; empty: none that is kept."""
    near = [one for one in history if abs(at - one.made_at) <= AT_ONCE]
    return min(near, key=lambda one: abs(at - one.made_at)).name if near else ""
