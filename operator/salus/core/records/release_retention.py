"""Which kept releases may go: those that newer ones have replaced, and those whose time is over.

Never what a rollback of a workload that is there would go back to. What a person withdrew stays as long as the workload
does, as a sign that the same template must not be kept as a good one again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from salus.model.values.objects import Release

KEEP = 5
"""Newest good releases that are kept for a target; also newest rehearsed ones, and newest bad ones."""
KEEP_WITHDRAWN = 20


@dataclass(frozen=True, slots=True)
class ShelfLife:
    """How long releases are kept."""

    max_age: timedelta = timedelta(days=90)
    """Since they were last proven healthy, or were kept."""
    orphaned: timedelta = timedelta(days=7)
    """After their workload was deleted."""


def superfluous(releases: Sequence[Release]) -> tuple[Release, ...]:
    """Beyond the newest of each sort, so that none drives out another: proven, rehearsed, bad, withdrawn."""
    sorts: dict[str, list[Release]] = {}
    for release in releases:
        sorts.setdefault(_sort(release), []).append(release)
    return tuple(
        release for sort, found in sorts.items() for release in found[KEEP_WITHDRAWN if sort == "withdrawn" else KEEP :]
    )


def _sort(release: Release) -> str:
    if release.withdrawn_by:
        return "withdrawn"
    if not release.healthy:
        return "bad"
    return "rehearsed" if release.rehearsed else "good"


def outdated(releases: Sequence[Release], live: str, life: ShelfLife, now: datetime) -> tuple[Release, ...]:
    """Those of a workload that is there whose time is over; `live` is the release that it runs.

    The newest good one stays, and the newest that is not live: with a release just proven, the one before it was last
    *noted* as healthy when it was new, however long it ran, and is what a rollback would go back to.
    """
    needed = [*_goods(releases)[:1], *[release for release in _goods(releases) if release.hash != live][:1]]
    old = (r for r in releases if not r.withdrawn_by and now - _last_spoken_of(r, now) > life.max_age)
    return tuple(release for release in old if release not in needed)


def orphans_whose_time_is_over(releases: Iterable[Release], life: ShelfLife, now: datetime) -> tuple[Release, ...]:
    """Those of a workload that is gone, after the time that it has to come back."""
    return tuple(r for r in releases if r.orphaned_at is not None and now - r.orphaned_at > life.orphaned)


def _goods(releases: Sequence[Release]) -> list[Release]:
    """What an action would go back to, and where there is nothing of that, what a rehearsal would."""
    good = [release for release in releases if release.good]
    return [release for release in good if not release.rehearsed] or good


def _last_spoken_of(release: Release, now: datetime) -> datetime:
    return release.healthy_at or release.kept_at or now
