"""Why a release is not to blame for a breach that came after it: the fault was there before, or old pods have it too.

Only what is certain counts. A sign that cannot be had rules nothing out: the release is judged by its times.
What each of the two sees and does not see is in docs/decisions/0014.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from salus.core.objects.workloads import short
from salus.model.scalars import format_duration
from salus.model.values.changes import Infeasible
from salus.model.values.objects import Revision
from salus.model.values.observation import Observation
from salus.model.values.surroundings import Pod

CLOCK_SKEW = timedelta(seconds=5)
"""A breach may seem to begin this long before what caused it: two clocks, whole seconds."""
REASONS = frozenset({"FaultPredatesRelease", "OldPodsFailToo"})


def ruled_out(seen: Observation, breach: datetime, began: datetime, checks: Collection[str]) -> Infeasible | None:
    """Why the release that began then is not to blame for what these checks say; None where nothing speaks for it."""
    if breach < began - CLOCK_SKEW:
        early = format_duration(began - breach)
        return Infeasible(
            "FaultPredatesRelease", f"the breach began {early} before the release, which cannot be its cause"
        )
    if unhealthy := [before for before in seen.surroundings.unhealthy_before if before.check in checks]:
        check, long = unhealthy[0].check, format_duration(began - unhealthy[0].since)
        text = f"{check} was unhealthy already when the release began, for {long} by then"
        return Infeasible("FaultPredatesRelease", text)
    return _old_pods_fail_too(seen, began)


def newest_configuration(history: Sequence[Revision], release: str) -> tuple[Revision, Revision] | None:
    """The newest revision that gave this release another configuration, with the one before it, as checksums tell."""
    pairs = [(before, after) for before, after in pairwise(history) if before.release == after.release == release]
    return next((pair for pair in reversed(pairs) if pair[0].checksums != pair[1].checksums), None)


def _old_pods_fail_too(seen: Observation, began: datetime) -> Infeasible | None:
    """At least half of the old pods of known good releases fail, and no smaller a share than of the live one's.

    Pods of a release that was never known healthy prove nothing: they may have a fault of their own. Nor do pods that
    came after the release: they may still be starting.
    """
    good = {release.hash for release in seen.releases if release.healthy}
    live = seen.workload.release
    old = [p for p in seen.surroundings.pods if p.release in good - {live} and p.made_at < began]
    new = [pod for pod in seen.surroundings.pods if pod.release == live]
    old_failing, new_failing = _failing(old), _failing(new)
    if not old_failing or not new_failing or 2 * len(old_failing) < len(old):
        return None
    if len(old_failing) * len(new) < len(new_failing) * len(old):
        return None
    text = (
        f"{len(old_failing)} of {len(old)} pods of the good release {short(old_failing[0].release)} fail as well"
        f" ({old_failing[0].name}: {old_failing[0].failing}), beside {len(new_failing)} of {len(new)} of the live one"
    )
    return Infeasible("OldPodsFailToo", text)


def _failing(pods: list[Pod]) -> list[Pod]:
    return [pod for pod in pods if pod.failing]
