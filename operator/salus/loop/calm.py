"""A target at which nothing is unhealthy: close the incident, keep the release, give back what was lent."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from salus.core import releases
from salus.core.actions import undo
from salus.core.decide import healthy_for, overall
from salus.core.proof import NotProven, Witness, longest_bake, prove
from salus.core.timing import has_lasted
from salus.core.verify import terms
from salus.loop import keeping
from salus.loop.changes import Changes
from salus.loop.measure import Measurer
from salus.loop.witnesses import witness_of
from salus.loop.world import Case, World
from salus.model.policy import Verdict
from salus.model.values import Finding, Memory, Policy, Workload

log = structlog.get_logger(__name__)

SETTLES = 10
"""After this part of the hold-down an incident says that its target is healthy; faster swings are not written."""


@dataclass(frozen=True, slots=True)
class Calm:
    """What is left to do when all is well."""

    world: World
    changes: Changes
    measurer: Measurer
    others: Callable[[Case, Workload], Sequence[Witness]]
    """What the other policies of the same target have to say of it."""

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
        """A release that all policies of the target have proven healthy is worth going back to."""
        release = workload.release
        if case.good_release == release:
            return
        if not workload.rolled_out:
            case.rolled_out = None
            return
        if case.rolled_out is None or case.rolled_out[0] != release:
            case.rolled_out = (release, workload.rolled_out_since or now)
        since, witnesses = case.rolled_out[1], [witness_of(policy, case), *self.others(case, workload)]
        bake = longest_bake(witnesses)
        if not releases.rollout_has_settled(workload, since, bake, now):
            return
        if isinstance(prove(witnesses[:1], since, bake), NotProven):
            await self._look_back(policy, case, release, bake)
            witnesses[0] = witness_of(policy, case)
        proof = prove(witnesses, since, bake)
        if isinstance(proof, NotProven):
            log.debug("the release is not kept yet", release=release, why=proof.message)
        elif await keeping.keep(self.world, case, release, proof, now):
            case.good_release = release

    async def _look_back(self, policy: Policy, case: Case, release: str, bake: timedelta) -> None:
        """What this process did not see of how long all was well is asked of Prometheus, once a release."""
        if case.looked_back == release:
            return
        case.looked_back = release
        await self.measurer.recover(policy, case, bake)
        case.findings = tuple(_as_remembered(finding, case.memories.get(finding.check)) for finding in case.findings)

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


def _as_remembered(finding: Finding, memory: Memory | None) -> Finding:
    """A healthy finding with what a look back has taught of how long it has been so."""
    if memory is None or finding.since is None or memory.healthy_since is None:
        return finding
    return replace(finding, since=min(finding.since, memory.healthy_since))
