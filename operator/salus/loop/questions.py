"""Asks people, and sees what they say: a record in decision AwaitApproval from its making to its deed or its end.

It is looked at in every tick while it waits, whether the service is sick or has recovered meanwhile. When a question is
over is decided in `core/approvals`; a deed that was approved is `changes`' own, like any other.
"""

from dataclasses import dataclass
from datetime import timedelta

from salus.core import approvals
from salus.loop import gather
from salus.loop.changes import Changes
from salus.loop.world import Case, World
from salus.model.types import format_duration
from salus.model.values import PastChange, Policy


@dataclass(frozen=True, slots=True)
class Questions:
    """The questions of one case; every method raises ClusterError, after which the case is loaded again."""

    world: World
    changes: Changes

    async def asked(self, policy: Policy, case: Case, question: PastChange) -> None:
        """The question is on record: tell people, and how long they have."""
        case.waiting = True
        left = (question.expires_at or question.decided_at) - self.world.clock.now()
        within = format_duration(max(left, timedelta(0)))
        note = (
            f"{question.message}? Answer within {within}: "
            f"kubectl salus approve {question.name} -n {policy.key.namespace} (or deny)"
        )
        await self.changes.journal.tell(policy, case, "ApprovalRequired", note, warning=True)

    async def look(self, policy: Policy, case: Case) -> None:
        """End what is over; what was approved and still stands becomes the change under way."""
        workload = gather.workload_of(await self.world.cluster.get(gather.workload_ref(case.target)))
        mine = [change for change in await self.changes.of_target(case) if change.policy == policy.key.name]
        for question in [change for change in mine if change.waits]:
            ended = approvals.end_of(question, policy, workload, self.world.boldest, self.world.clock.now())
            if ended is not None:
                await self.changes.finish(policy, case, question, ended.outcome, ended.message)
            elif question.open:
                note = f"{question.name} was approved by {question.approved_by}"
                await self.changes.journal.tell(policy, case, "Approved", note)
                case.change = question
            else:
                return
        case.waiting = False
