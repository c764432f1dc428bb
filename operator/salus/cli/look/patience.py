"""`status --wait-for`: whether what is waited for has come, from one look after the other; time is a value.

A deployment gate: the rollout of the newest generation, then health that was judged after it, without a break.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from salus.cli.contract import Exit
from salus.cli.reports.status import PolicyDetail
from salus.model.scalars import format_duration


class Wanted(StrEnum):
    """What one may wait for."""

    HEALTHY = "healthy"
    RESOLVED = "resolved"
    """No incident is open."""
    IDLE = "idle"
    """Nothing is under way, asked or held back."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at a policy and its workload."""

    at: datetime
    detail: PolicyDetail


@dataclass(frozen=True, slots=True)
class Patience:
    """What is known by now."""

    wanted: Wanted
    stable: timedelta
    rolled_out: datetime | None = None
    """Since when this has seen the newest generation rolled out."""
    held: datetime | None = None
    """Since when what is wanted holds, without a break."""
    said: str = ""
    """What was said last; news alone are said."""
    ends: Exit | None = None
    """None: it goes on."""


def look(before: Patience, seen: Seen) -> Patience:
    """What is known after one more look."""
    if before.wanted is Wanted.HEALTHY and seen.detail.rolling:
        return replace(before, rolled_out=None, held=None, said=f"rolling out: {seen.detail.rolling}")
    here = before if before.rolled_out else replace(before, rolled_out=seen.at)
    return _HOLDS[before.wanted](here, seen)


def _healthy(known: Patience, seen: Seen) -> Patience:
    """Judged after the rollout: a status is written when it changes, within an interval of the samples that did it."""
    line, rolled_out = seen.detail.line, known.rolled_out or seen.at
    is_new = seen.at - rolled_out >= 2 * seen.detail.interval or (line.since is not None and line.since > rolled_out)
    if seen.detail.judged_generation < seen.detail.generation:
        return replace(known, held=None, said=f"generation {seen.detail.generation} of the policy is not judged yet")
    if line.health == "Healthy":
        return _lasting(known, seen, "healthy")
    if line.health == "Unhealthy" and is_new:
        after = format_duration(seen.at - rolled_out)
        return replace(known, held=None, said=f"no: {_why(seen.detail)}, {after} after the rollout", ends=Exit.NO)
    return replace(known, held=None, said=f"{line.health or 'not judged'}: {_why(seen.detail)}")


def _why(detail: PolicyDetail) -> str:
    checks = detail.checks
    ill = [f"{one.name} is {one.value or one.verdict}, {one.bound}" for one in checks if one.verdict == "Unhealthy"]
    unknown = [f"{one.name} {one.verdict}" for one in checks if one.verdict not in {"Healthy", "Unhealthy"}]
    return "; ".join(ill or unknown) or "its checks have not answered yet"


def _resolved(known: Patience, seen: Seen) -> Patience:
    if seen.detail.incident:
        return replace(known, held=None, said=f"incident {seen.detail.incident} is {seen.detail.phase}")
    return _lasting(known, seen, "no incident")


def _idle(known: Patience, seen: Seen) -> Patience:
    now = seen.detail.line.now
    if now.text:
        return replace(known, held=None, said=now.text)
    return _lasting(known, seen, "idle")


def _lasting(known: Patience, seen: Seen, word: str) -> Patience:
    """What is wanted holds; whether for long enough."""
    since = known.held or seen.at
    left = known.stable - (seen.at - since)
    if left <= timedelta(0):
        return replace(known, held=since, said=f"yes: {word} for {format_duration(seen.at - since)}", ends=Exit.YES)
    said = known.said if known.held else f"{word}; {format_duration(left)} to go"
    return replace(known, held=since, said=said)


_HOLDS: Mapping[Wanted, Callable[[Patience, Seen], Patience]] = {
    Wanted.HEALTHY: _healthy,
    Wanted.RESOLVED: _resolved,
    Wanted.IDLE: _idle,
}
