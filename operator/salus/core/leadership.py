"""Who leads, by one Lease: what a replica that has just looked at it should do, and how long it may act.

The clocks of two replicas need not agree: how long a Lease has stood still is measured by whoever watches it, on its
own monotonic clock. The times in the Lease are for people.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from salus.model.scalars import Body


@dataclass(frozen=True, slots=True)
class Timing:
    """The durations of an election; `deadline` before `duration`, so that one stops before another begins."""

    duration: timedelta = timedelta(seconds=15)
    """A Lease that stood still for so long may be taken."""
    deadline: timedelta = timedelta(seconds=10)
    """A holder that could not renew for so long stops acting."""
    retry: timedelta = timedelta(seconds=2)
    """Between two looks."""


class Move(StrEnum):
    """What to do about the Lease."""

    CREATE = "Create"
    TAKE = "Take"
    RENEW = "Renew"
    WAIT = "Wait"


@dataclass(frozen=True, slots=True)
class Lease:
    """A Lease as the API server has it."""

    version: str
    """Its resourceVersion."""
    duration: timedelta
    holder: str = ""
    """Empty: nobody's."""
    renewed: str = ""
    """renewTime as it was written; only ever compared with itself."""
    acquired: str = ""
    """acquireTime."""
    transitions: int = 0


@dataclass(frozen=True, slots=True)
class Sighting:
    """A Lease, and since when it has looked like this."""

    lease: Lease | None
    """None: there is none."""
    since: float
    """Seconds on the watcher's monotonic clock."""


def lease_from(body: Body, default: timedelta) -> Lease:
    """Read a Lease; one that names no duration lasts `default`."""
    spec: Mapping[str, Any] = body.get("spec") or {}
    seconds = spec.get("leaseDurationSeconds")
    return Lease(
        version=body["metadata"]["resourceVersion"],
        holder=spec.get("holderIdentity") or "",
        renewed=spec.get("renewTime") or "",
        acquired=spec.get("acquireTime") or "",
        duration=timedelta(seconds=seconds) if seconds else default,
        transitions=spec.get("leaseTransitions") or 0,
    )


def sighted(before: Sighting | None, lease: Lease | None, now: float) -> Sighting:
    """What is known after another look: the same holder and the same renewal have stood since they were first seen."""
    known = before.lease if before else None
    if before and known and lease and (known.holder, known.renewed) == (lease.holder, lease.renewed):
        return Sighting(lease, before.since)
    return Sighting(lease, now)


def next_move(seen: Sighting, me: str, now: float) -> Move:
    """What `me` does next. `me` is one process' own: nobody else, and no earlier self, ever has that name."""
    lease = seen.lease
    if lease is None:
        return Move.CREATE
    if lease.holder == me:
        return Move.RENEW
    if not lease.holder or now - seen.since >= lease.duration.total_seconds():
        return Move.TAKE
    return Move.WAIT


def may_act(renewed: float | None, now: float, deadline: timedelta) -> bool:
    """Whether a holder may act that asked for its last successful renewal at `renewed`, by its own monotonic clock."""
    return renewed is not None and now - renewed < deadline.total_seconds()


def held_spec(seen: Sighting, me: str, now: datetime, timing: Timing) -> Body:
    """The Lease's spec with `me` as the holder, renewed at `now`."""
    lease, at = seen.lease, _micro_time(now)
    stays = lease is not None and lease.holder == me
    return {
        "holderIdentity": me,
        "leaseDurationSeconds": int(timing.duration.total_seconds()),
        "acquireTime": lease.acquired if lease and stays and lease.acquired else at,
        "renewTime": at,
        "leaseTransitions": 0 if lease is None else lease.transitions + (0 if stays else 1),
    }


def released_spec(lease: Lease, now: datetime) -> Body:
    """The Lease's spec with no holder: whoever looks next takes it."""
    return {"leaseDurationSeconds": 1, "renewTime": _micro_time(now), "leaseTransitions": lease.transitions}


def _micro_time(value: datetime) -> str:
    """As metav1.MicroTime."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
