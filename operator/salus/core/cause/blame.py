"""What changed just before a breach, with the evidence and how sure one can be.

A release, a scaling, an edit of an autoscaler or of a ConfigMap that the pods use, trouble on a node that hosts them.
Blame is told to people in the incident and decides nothing: whether a rollback is allowed is for its own planner, which
asks the same function what is ruled out. What began after the breach is never its cause.
What could not be read is said to be unknown.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from salus.core.cause.ruled_out import CLOCK_SKEW, newest_configuration, ruled_out
from salus.core.objects.edits import writers_of
from salus.core.objects.stamps import differing
from salus.core.objects.workloads import short
from salus.model.change import Facts
from salus.model.incident import Blame, BlameKind, Confidence
from salus.model.meta import WorkloadKind
from salus.model.scalars import Body, format_duration
from salus.model.values.changes import Change, Infeasible
from salus.model.values.objects import Revision
from salus.model.values.observation import Observation
from salus.model.values.surroundings import Edit, NodeTrouble, Pod

LOOK_BACK = timedelta(hours=1)
"""What changed longer before the breach is not blamed."""
SOON = timedelta(minutes=10)
"""What changed so shortly before the breach is suspected more."""
NODE_NOTICED = timedelta(minutes=1)
"""A node is gone this long before it counts as NotReady (node-monitor-grace-period: 50 s, 40 s before 1.32)."""
_LESS = {Confidence.HIGH: Confidence.MEDIUM, Confidence.MEDIUM: Confidence.LOW, Confidence.LOW: Confidence.LOW}


_SURE = (Confidence.LOW, Confidence.MEDIUM, Confidence.HIGH)
_MESSAGE = 1024
_PLACES = 5
"""Checksums that are named."""


@dataclass(frozen=True, slots=True)
class _Suspect:
    kind: BlameKind
    at: datetime
    confidence: Confidence
    message: str
    revision: str = ""
    used: bool = True
    """False for what the workload is not known to have to do with."""


def blame(seen: Observation, body: Body, breach: datetime) -> Blame:
    """The likeliest cause, the newest among equals; where there were several, it is less sure which one it was."""
    release, suspects = _release(seen, breach), list(_beside_the_release(seen, body, breach))
    if isinstance(release, _Suspect):
        suspects.append(release)
    # What the workload is not known to use is told only where there is nothing else to tell.
    suspects = [suspect for suspect in suspects if suspect.used] or suspects
    suspects.sort(key=lambda suspect: (_SURE.index(suspect.confidence), suspect.at))
    not_to_blame = [release.message] if isinstance(release, Infeasible) else []
    if not suspects:
        text = _said([_nothing_known(seen.history, breach), *not_to_blame], seen)
        return Blame(kind=BlameKind.UNKNOWN, confidence=Confidence.LOW, message=text)
    *others, first = suspects
    return Blame(
        kind=first.kind,
        revision=first.revision,
        started_at=first.at,
        confidence=_LESS[first.confidence] if others else first.confidence,
        message=_said([suspect.message for suspect in (first, *reversed(others))] + not_to_blame, seen),
    )


def _said(sentences: Iterable[str], seen: Observation) -> str:
    """One message; what is not known is never what is cut off."""
    unknown = seen.surroundings.unknown
    tail = f"; not known: {', '.join(unknown)}"[:_MESSAGE] if unknown else ""
    return "; ".join(sentences)[: _MESSAGE - len(tail)] + tail


def _beside_the_release(seen: Observation, body: Body, breach: datetime) -> Iterator[_Suspect]:
    scalings = [found for found in _scalings(seen.changes, body, breach) if _just_before(found.at, breach)]
    if scalings:
        yield max(scalings, key=lambda suspect: suspect.at)
    elif seen.workload.replicas == 0 and seen.workload.key.kind is not WorkloadKind.DAEMON_SET:
        text = f"{seen.workload.key} was scaled to 0; by whom and when, the API server does not tell"
        yield _Suspect(BlameKind.SCALE, breach, Confidence.HIGH, text)  # as after `kubectl scale`
    around = seen.surroundings
    if (found := _reconfigured(seen, breach)) is not None:
        yield found
    for edit in around.edits:
        if _just_before(edit.at, breach):
            yield _edited(edit, breach)
    for trouble in around.troubles:
        if (suspect := _on_node(trouble, around.pods, breach)) is not None:
            yield suspect


def _reconfigured(seen: Observation, breach: datetime) -> _Suspect | None:
    """Another configuration under the same release, as the checksums in its template tell.

    Where the edit itself is known, that is what is told: this is only its trace.
    """
    pair = newest_configuration(seen.history, seen.workload.release)
    if pair is None or not _just_before(pair[1].made_at, breach):
        return None
    edits = seen.surroundings.edits
    if any(edit.used and edit.kind == "ConfigMap" and _just_before(edit.at, breach) for edit in edits):
        return None
    before, after = pair
    what = ", ".join(place[:128] for place in differing(before.checksums, after.checksums)[:_PLACES])
    text = f"the configuration of release {short(after.named)} changed ({what}; revision {after.number})"
    confidence = Confidence.MEDIUM if breach - after.made_at <= SOON else Confidence.LOW
    told = f"{text} {_before(breach, after.made_at)}; no rollback of the template brings back what it was"
    return _Suspect(BlameKind.CONFIGURATION, after.made_at, confidence, told, str(after.number))


def _just_before(moment: datetime, breach: datetime) -> bool:
    return breach - LOOK_BACK <= moment <= breach + CLOCK_SKEW


def _release(seen: Observation, breach: datetime) -> _Suspect | Infeasible | None:
    """The release that was the newest at the breach, if it began just before; where it is ruled out, that instead."""
    earlier = [step for step in _releases(seen.history) if step[1].made_at <= breach + CLOCK_SKEW]
    if not earlier:
        return None
    before, began = earlier[-1]
    came_back = before is not None and began.made_at < before.made_at
    if came_back or not _just_before(began.made_at, breach):
        return None
    healthy = {release.hash for release in seen.releases if release.healthy}
    proven = before is not None and before.release in healthy
    soon = breach - began.made_at <= SOON
    text = f"release {short(began.named)} (revision {began.number}) began {_before(breach, began.made_at)}"
    if not_to_blame := ruled_out(seen, breach, began.made_at, {finding.check for finding in seen.findings}):
        return Infeasible(not_to_blame.reason, f"{text}, but is not blamed: {not_to_blame.message}")
    if began.release in healthy:
        return _Suspect(
            BlameKind.RELEASE, began.made_at, Confidence.LOW, f"{text}, but was healthy since", str(began.number)
        )
    if proven and before is not None:
        text = f"{text}; release {short(before.named)} before it was healthy"
    confidence = Confidence.HIGH if proven and soon else Confidence.MEDIUM if proven or soon else Confidence.LOW
    return _Suspect(BlameKind.RELEASE, began.made_at, confidence, text, str(began.number))


def _releases(history: Sequence[Revision]) -> list[tuple[Revision | None, Revision]]:
    """Each revision that brought another release, with the one before it; a restart brings none."""
    changed = [(before, after) for before, after in pairwise(history) if before.release != after.release]
    return [(None, history[0]), *changed] if history else []


def _scalings(changes: Sequence[Change], body: Body, breach: datetime) -> Iterator[_Suspect]:
    for change in changes:
        if change.applied_at and change.before and change.intended and _size(change.before) != _size(change.intended):
            text = f"Salus scaled from {change.before.replicas} to {change.intended.replicas} replicas ({change.name})"
            yield _scaling(text, change.applied_at, breach)
    for one in writers_of(body, "replicas", without="template"):  # who writes both has released, not scaled
        yield _scaling(f"{one.manager} set the replicas", one.at, breach)


def _size(facts: Facts) -> tuple[int | None, int | None]:
    return facts.replicas, facts.min_replicas


def _scaling(text: str, at: datetime, breach: datetime) -> _Suspect:
    confidence = Confidence.MEDIUM if breach - at <= SOON else Confidence.LOW
    return _Suspect(BlameKind.SCALE, at, confidence, f"{text} {_before(breach, at)}")


def _edited(edit: Edit, breach: datetime) -> _Suspect:
    """An autoscaler or a ConfigMap; what is in it is not looked at, so it is never more than likely."""
    kind = BlameKind.CONFIG_MAP if edit.kind == "ConfigMap" else BlameKind.AUTOSCALER
    unused = "" if edit.used else ", which the pod template does not name,"
    text = f"{edit.manager} changed {edit.kind}/{edit.name}{unused} {_before(breach, edit.at)}"
    soon = edit.used and breach - edit.at <= SOON
    return _Suspect(kind, edit.at, Confidence.MEDIUM if soon else Confidence.LOW, text, used=edit.used)


def _on_node(trouble: NodeTrouble, pods: Sequence[Pod], breach: datetime) -> _Suspect | None:
    """A node that is NotReady is looked at whenever that began; pressure and a cordon only just before the breach.

    A node is the likelier cause the more of the pods are on it. To be cordoned alone does no pod any harm.
    """
    at = trouble.since or breach
    late = at > breach + NODE_NOTICED
    if late or (trouble.what != "NotReady" and at < breach - LOOK_BACK):
        return None
    hosted = sum(pod.node == trouble.node for pod in pods)
    share = f"{hosted} of {len(pods)} pods"
    when = _before(breach, trouble.since) if trouble.since else "nobody knows when"
    text = f"Node/{trouble.node}, which hosts {share}, is {trouble.what} since {when}"
    soon = trouble.since is not None and breach - at <= SOON
    return _Suspect(BlameKind.NODE, at, _of_node(trouble.what, soon=soon, most=2 * hosted >= len(pods)), text)


def _of_node(what: str, *, soon: bool, most: bool) -> Confidence:
    if what == "Cordoned" or not soon:
        return Confidence.LOW
    return Confidence.HIGH if what == "NotReady" and most else Confidence.MEDIUM


def _nothing_known(history: Sequence[Revision], breach: datetime) -> str:
    text = f"nothing is known to have changed in the {format_duration(LOOK_BACK)} before the breach"
    late = [after for _, after in _releases(history) if after.made_at > breach + CLOCK_SKEW]
    if not late:
        return text
    gap = format_duration(late[0].made_at - breach)
    return f"{text}; release {short(late[0].named)} began {gap} after it, so it is not its cause"


def _before(breach: datetime, moment: datetime) -> str:
    return f"{format_duration(max(breach - moment, timedelta(0)))} before the breach"
