"""One step of one case: what is unfinished first, then the ladder, then the calm.

After an error or a restart the case is loaded again from the API server, so that every step starts from what is on
record.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from salus.core import incidents, records, verify
from salus.core.proof import Witness
from salus.loop.calm import Calm
from salus.loop.changes import Changes, revertible
from salus.loop.journal import Journal
from salus.loop.ladder import Ladder
from salus.loop.measure import Measurer
from salus.loop.questions import Questions
from salus.loop.world import Case, World
from salus.model.values import PastChange, Policy, PolicyKey, Workload


@dataclass(frozen=True, slots=True)
class Healer:
    """Heals cases, one step a tick. Raises ClusterError; the caller then has the case loaded again."""

    world: World
    measurer: Measurer
    others: Callable[[Case, Workload], Sequence[Witness]]
    """What other policies have to say of the same target."""

    async def step(self, policy: Policy, case: Case, workload: Workload) -> None:
        """Do what is next for this case."""
        journal = Journal(self.world)
        changes = Changes(self.world, journal, self.measurer)
        if not case.loaded:
            await self._load(policy, case, journal, changes)
        if case.change is None and case.look_again is not None and self.world.clock.now() >= case.look_again:
            await changes.undo_if_due(policy, case, await changes.of_target(case))
        if case.change is None and case.waiting:
            await Questions(self.world, changes).look(policy, case)
        if case.change is not None:
            await changes.pursue(policy, case, case.change)
        elif incidents.needs_incident(case.findings):
            await Ladder(self.world, journal, changes).climb(policy, case, workload)
        else:
            await Calm(self.world, changes, self.measurer, self.others).tidy(policy, case, workload)

    async def leave(self, policy: Policy, case: Case) -> None:
        """The target is gone: finish what is unfinished as it stands."""
        journal = Journal(self.world)
        changes = Changes(self.world, journal, self.measurer)
        if not case.loaded:
            await self._load(policy, case, journal, changes)
        if case.change is not None:
            await changes.let_go(policy, case, case.change)
        await changes.resolve(policy, case, await changes.of_target(case), "TargetGone")

    async def _load(self, policy: Policy, case: Case, journal: Journal, changes: Changes) -> None:
        """Learn from the API server what this process does not know or no longer trusts."""
        await self.world.records.refresh(case.target)
        known = await changes.of_target(case)
        await self._finish_orphans(policy, case, known, changes)
        open_incidents = self.world.records.open_incidents(policy.key, case.target)
        case.incident = max(open_incidents, key=records.incident_number, default=None)
        mine = [change for change in known if change.policy == policy.key.name]
        case.change = next((change for change in mine if change.open and records.belongs_to(change, policy)), None)
        case.unwritten = ()
        case.waiting = any(change.waits for change in mine)
        case.last_change = mine[-1] if mine else None
        case.revertible = revertible(policy, known)
        await journal.follow(case, known, self.world.clock.now())
        if case.change is not None and case.change.applied_at is not None:
            await self.measurer.recover(policy, case, self.world.clock.now() - case.change.applied_at)
        elif case.change is None:
            await changes.undo_if_due(policy, case, known)
        case.loaded = True

    async def _finish_orphans(self, policy: Policy, case: Case, known: Sequence[PastChange], changes: Changes) -> None:
        """A change that nobody carries on would hold its target for ever; a policy of the same name is another one."""
        for change in known:
            if change.open and self._is_orphan(change, policy):
                outcome, perhaps = await changes.as_it_stands(case, change)
                is_there = self.world.is_known(PolicyKey(policy.key.namespace, change.policy))
                why = "is not measured any more" if is_there and change.policy != policy.key.name else "is gone"
                text = f"policy {change.policy} {why}, nobody verifies this change"
                namespace, now = policy.key.namespace, self.world.clock.now()
                await changes.journal.finish(change, namespace, outcome, text, now, perhaps=perhaps)

    def _is_orphan(self, change: PastChange, policy: Policy) -> bool:
        if change.policy == policy.key.name:
            return not records.belongs_to(change, policy)
        key = PolicyKey(policy.key.namespace, change.policy)
        if not self.world.is_known(key):
            return True
        return not self.world.is_measured(key) and verify.is_overdue(change, self.world.clock.now())
