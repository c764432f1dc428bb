"""What every function of a step gets: the ports, the policy, and what is remembered of its target."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from salus.core import records
from salus.loop.world import Case, World
from salus.model.types import Body
from salus.model.values import PastChange, Policy, TargetKey, Workload
from salus.ports import Notice


@dataclass(frozen=True, slots=True)
class Step:
    """One policy on one target, at one tick. How they stand is read from the records, at every question anew."""

    world: World
    policy: Policy
    case: Case

    @property
    def now(self) -> datetime:
        """The time, from the one clock."""
        return self.world.clock.now()

    @property
    def namespace(self) -> str:
        """That of the policy, of its target, and of all their records."""
        return self.policy.key.namespace

    @property
    def target(self) -> TargetKey:
        """The workload, by identity."""
        return self.case.target

    @property
    def changes(self) -> tuple[PastChange, ...]:
        """The records of the target, over all policies, oldest first."""
        return self.world.records.changes_of(self.case.target)

    @property
    def incident(self) -> Body | None:
        """The open incident of this policy and target."""
        return max(
            self.world.records.open_incidents(self.policy.key, self.case.target),
            key=records.incident_number,
            default=None,
        )

    @property
    def of_incident(self) -> list[PastChange]:
        """The records of the open incident."""
        return records.of_incident(self.changes, self.incident)

    @property
    def of_breach(self) -> list[PastChange]:
        """What was decided in the breach that lasts, on record or not."""
        return [*self.of_incident, *self.case.unwritten]

    async def tell(self, reason: str, note: str, *, workload: Workload | None = None, warning: bool = False) -> None:
        """Post the Event regarding the workload, and the one regarding the policy."""
        policy, target = records.policy_reference(self.policy), _reference(self.target, workload)
        for regarding, related in ((target, policy), (policy, target)):
            await self.world.recorder.post(
                Notice(regarding=regarding, reason=reason, action="Heal", note=note, warning=warning, related=related)
            )


@dataclass(frozen=True, slots=True)
class Came:
    """What has come of the moves of a step so far, besides what is on record."""

    workload: Workload
    """The target, as it was seen last."""
    intended: str = ""
    """Name of the change whose intent was put on record just now."""
    ended: bool = False
    """A change has come to its end."""
    rests: bool = False
    """That was all for this step."""

    def at_rest(self) -> Self:
        """There is nothing more to do in this step."""
        return replace(self, rests=True)

    def at_end(self) -> Self:
        """A change has come to its end; what follows from that is still to be done."""
        return replace(self, intended="", ended=True)

    def meaning(self, change: PastChange) -> Self:
        """The intent of this change is on record, and nothing else of it."""
        return replace(self, intended=change.name)


def _reference(target: TargetKey, workload: Workload | None) -> Mapping[str, str]:
    """A workload, as an Event refers to it."""
    return {
        "apiVersion": "apps/v1",
        "kind": target.kind.value,
        "namespace": target.namespace,
        "name": target.name,
        "uid": workload.uid if workload else "",
    }
