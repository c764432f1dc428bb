"""A target at which nothing is unhealthy: close the incident, keep the release, give back what was lent."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from salus.actions import undo
from salus.core import releases
from salus.core.decide import healthy_for, overall
from salus.core.timing import has_lasted
from salus.core.verify import terms
from salus.loop import keeping
from salus.loop.changes import Changes
from salus.loop.measure import Measurer
from salus.loop.world import Case, World
from salus.model.policy import Verdict
from salus.model.values import Policy, Workload

SETTLES = 10
"""After this part of the hold-down an incident says that its target is healthy; faster swings are not written."""


@dataclass(frozen=True, slots=True)
class Calm:
    """What is left to do when all is well."""

    world: World
    changes: Changes
    measurer: Measurer
    neighbours: Callable[[Case], Sequence[Case]]
    """The cases of other policies on the same target."""

    async def tidy(self, policy: Policy, case: Case, workload: Workload) -> None:
        """One tick of calm; Unknown checks leave everything as it is."""
        now = self.world.clock.now()
        clear = healthy_for(case.findings, now)
        settled = max(policy.spec.verify.stable, self.world.bounds().hold_down / SETTLES)
        if case.incident is not None and clear is not None and has_lasted(now - clear, now, settled):
            await self.changes.close_or_hold(policy, case, clear)
        if overall(case.findings) is Verdict.HEALTHY:
            if case.incident is None:
                case.unwritten, case.withheld = (), False
                case.refusal = None if case.look_again is None else case.refusal
                await self._keep_release(policy, case, workload, now)
            await self._revert_if_due(policy, case, now)

    async def _keep_release(self, policy: Policy, case: Case, workload: Workload, now: datetime) -> None:
        """A release that was fully rolled out and healthy for `bake`, by every policy, is worth going back to."""
        release, bake = workload.release, policy.spec.bake
        if case.good_release == release:
            return
        if not workload.rolled_out:
            case.rolled_out = None
            return
        if case.rolled_out is None or case.rolled_out[0] != release:
            case.rolled_out = (release, workload.rolled_out_since or now)
        if not releases.rollout_has_settled(workload, case.rolled_out[1], bake, now):
            return
        if any(other.incident or overall(other.findings) is not Verdict.HEALTHY for other in self.neighbours(case)):
            return
        if await self._healthy_for(policy, case, release, bake, now) and await keeping.keep(
            self.world, case, release, now
        ):
            case.good_release = release

    async def _healthy_for(self, policy: Policy, case: Case, release: str, bake: timedelta, now: datetime) -> bool:
        """Whether all checks were clear for so long; what this process did not see is asked of Prometheus, once."""
        clear = healthy_for(case.findings, now)
        if clear is not None and has_lasted(now - clear, now, bake):
            return True
        if case.looked_back != release:
            case.looked_back = release
            await self.measurer.recover(policy, case, bake)
        starts = [case.memories[check.name].healthy_since for check in policy.checks if check.name in case.memories]
        return all(start is not None and has_lasted(start, now, bake) for start in starts)

    async def _revert_if_due(self, policy: Policy, case: Case, now: datetime) -> None:
        """What was scaled up goes back after `revertAfter` of health."""
        change = case.revertible
        if change is None or case.incident is not None or change.completed_at is None or case.look_again:
            return
        lent_for, clear = terms(change, policy).revert_after, healthy_for(case.findings, now)
        if lent_for is None or clear is None:
            return
        if has_lasted(max(now - clear, change.completed_at), now, lent_for):
            await self.changes.take_back(policy, case, change, undo.REVERT, "its time is over")
