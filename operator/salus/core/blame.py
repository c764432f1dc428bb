"""What changed just before a breach: a release or a scaling, with the evidence and how sure one can be.

Blame is told to people in the incident and decides nothing: whether a rollback is allowed is for its own planner. What
began after the breach is never its cause. Only what the workload itself tells is looked at: its history of revisions,
the managers of its fields, and Salus' own records.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from salus.model.change import ActionKind
from salus.model.incident import Blame, BlameKind, Confidence
from salus.model.types import Body, format_duration, parse_time
from salus.model.values import Observation, PastChange, Revision

LOOK_BACK = timedelta(hours=1)
"""What changed longer before the breach is not blamed."""
SOON = timedelta(minutes=10)
"""What changed so shortly before the breach is suspected more."""
CLOCK_SKEW = timedelta(seconds=5)
"""A breach may seem to begin this long before what caused it: two clocks, whole seconds."""
OWN_MANAGER = "salus"
"""Field manager of Salus; its own scalings are told by its records."""
_LESS = {Confidence.HIGH: Confidence.MEDIUM, Confidence.MEDIUM: Confidence.LOW, Confidence.LOW: Confidence.LOW}


@dataclass(frozen=True, slots=True)
class _Suspect:
    kind: BlameKind
    at: datetime
    confidence: Confidence
    message: str
    revision: str = ""


def blame(seen: Observation, body: Body, breach: datetime) -> Blame:
    """The newest change in the hour before the breach; where there were several, it is less sure which one it was."""
    suspects = sorted(_suspects(seen, body, breach), key=lambda suspect: suspect.at)
    if not suspects:
        return Blame(kind=BlameKind.UNKNOWN, confidence=Confidence.LOW, message=_nothing_known(seen.history, breach))
    *others, newest = suspects
    messages = [suspect.message for suspect in (newest, *reversed(others))]
    return Blame(
        kind=newest.kind,
        revision=newest.revision,
        started_at=newest.at,
        confidence=_LESS[newest.confidence] if others else newest.confidence,
        message="; ".join(messages)[:1024],
    )


def _suspects(seen: Observation, body: Body, breach: datetime) -> Iterator[_Suspect]:
    release = _release(seen, breach)
    if release is not None:
        yield release
    scalings = [found for found in _scalings(seen.changes, body, breach) if _just_before(found.at, breach)]
    if scalings:
        yield max(scalings, key=lambda suspect: suspect.at)


def _just_before(moment: datetime, breach: datetime) -> bool:
    return breach - LOOK_BACK <= moment <= breach + CLOCK_SKEW


def _release(seen: Observation, breach: datetime) -> _Suspect | None:
    """The release that was the newest at the breach, if it began just before."""
    earlier = [step for step in _releases(seen.history) if step[1].made_at <= breach + CLOCK_SKEW]
    if not earlier:
        return None
    before, began = earlier[-1]
    came_back = before is not None and began.made_at < before.made_at
    if came_back or not _just_before(began.made_at, breach):
        return None
    healthy = {release.hash for release in seen.releases if release.healthy_at and not release.quarantined_by}
    proven = before is not None and before.release in healthy
    soon = breach - began.made_at <= SOON
    text = f"release {began.release} (revision {began.number}) began {_before(breach, began.made_at)}"
    if began.release in healthy:
        return _Suspect(
            BlameKind.RELEASE, began.made_at, Confidence.LOW, f"{text}, but was healthy since", str(began.number)
        )
    if proven and before is not None:
        text = f"{text}; release {before.release} before it was healthy"
    confidence = Confidence.HIGH if proven and soon else Confidence.MEDIUM if proven or soon else Confidence.LOW
    return _Suspect(BlameKind.RELEASE, began.made_at, confidence, text, str(began.number))


def _releases(history: Sequence[Revision]) -> list[tuple[Revision | None, Revision]]:
    """Each revision that brought another release, with the one before it; a restart brings none."""
    changed = [(before, after) for before, after in pairwise(history) if before.release != after.release]
    return [(None, history[0]), *changed] if history else []


def _scalings(changes: Sequence[PastChange], body: Body, breach: datetime) -> Iterator[_Suspect]:
    for change in changes:
        if change.action is ActionKind.SCALE and change.applied_at and change.before and change.intended:
            text = f"Salus scaled from {change.before.replicas} to {change.intended.replicas} replicas ({change.name})"
            yield _scaling(text, change.applied_at, breach)
    for manager, at in _scaled_by_others(body):
        yield _scaling(f"{manager} set the replicas", at, breach)


def _scaling(text: str, at: datetime, breach: datetime) -> _Suspect:
    confidence = Confidence.MEDIUM if breach - at <= SOON else Confidence.LOW
    return _Suspect(BlameKind.SCALE, at, confidence, f"{text} {_before(breach, at)}")


def _scaled_by_others(body: Body) -> Iterator[tuple[str, datetime]]:
    """Who wrote the replicas without the template, and when last; who writes both has released, not scaled."""
    for entry in body["metadata"].get("managedFields") or ():
        spec: dict[str, Any] = (entry.get("fieldsV1") or {}).get("f:spec") or {}
        manager, at = entry.get("manager", ""), _time(entry.get("time"))
        if at is not None and manager != OWN_MANAGER and "f:replicas" in spec and "f:template" not in spec:
            yield manager, at


def _time(text: str | None) -> datetime | None:
    try:
        return parse_time(text) if text else None
    except ValueError:
        return None


def _nothing_known(history: Sequence[Revision], breach: datetime) -> str:
    text = f"nothing is known to have changed in the {format_duration(LOOK_BACK)} before the breach"
    late = [after for _, after in _releases(history) if after.made_at > breach + CLOCK_SKEW]
    if not late:
        return text
    gap = format_duration(late[0].made_at - breach)
    return f"{text}; release {late[0].release} began {gap} after it, so it is not its cause"


def _before(breach: datetime, moment: datetime) -> str:
    return f"{format_duration(max(breach - moment, timedelta(0)))} before the breach"
