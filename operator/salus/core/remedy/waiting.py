"""What an unhealthy target waits for, and for how long nothing needs to be read to say so again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile

from salus.core.guards.chain import ENDING, UNKNOWN, again
from salus.core.remedy.change_lifecycle import retry
from salus.core.remedy.ladder import Exhausted, Proposal, Step, Wait, decide, grace, still_relevant
from salus.model.change import Decision, Outcome
from salus.model.values.changes import Action, Change, Refusal, Then
from salus.model.values.metrics import Finding
from salus.model.values.objects import Workload
from salus.model.values.observation import Observation
from salus.model.values.policies import Policy

OBSERVE_AGAIN = timedelta(minutes=10)
"""Whatever is waited for, the target and all around it are read again so often."""
LONGEST_PAUSE = timedelta(minutes=1)
"""What could not be read is read again at the latest after this."""


@dataclass(frozen=True, slots=True)
class Held:
    """A refusal, and what it rests on: while that is the same, nothing needs to be read to say it again."""

    action: Action
    refusal: Refusal
    rests_on: tuple[object, ...]
    since: datetime
    good_for: timedelta = OBSERVE_AGAIN
    """After this it is judged anew in any case."""

    def holds(self, rests_on: tuple[object, ...], now: datetime) -> bool:
        """Whether nothing that it rests on has changed, and its time is not over."""
        return self.rests_on == rests_on and now < self.since + self.good_for

    def after(self, before: "Held | None", interval: timedelta) -> "Held":
        """What could not be judged is tried again after an interval, and each time in vain after twice as long."""
        if self.refusal.reason != UNKNOWN:
            return self
        same = before is not None and before.refusal.reason == UNKNOWN and before.rests_on == self.rests_on
        pause = 2 * before.good_for if before is not None and same else interval
        return replace(self, good_for=min(pause, LONGEST_PAUSE))

    def said_again(self, policy: Policy, seen: Observation) -> Refusal | None:
        """The refusal as of now, by what is known without reading anything; None: everything has to be judged anew.

        What could not be judged is not judged now either.
        """
        if self.refusal.reason == UNKNOWN:
            return self.refusal
        return again(policy, self.action, seen, self.refusal.reason)


def rests_on(
    policy: Policy, workload: Workload, changes: Iterable[Change], findings: Iterable[Finding]
) -> tuple[object, ...]:
    """What a refusal rests on that is known at every tick; it is judged anew when any of it is another."""
    writes = (change for change in changes if change.action.writes)  # to tell people changes nothing
    known = tuple((change.name, change.applied_at, change.completed_at, change.approval) for change in writes)
    verdicts = tuple((finding.check, finding.verdict) for finding in findings)
    return policy, workload.uid, workload.generation, workload.release, known, verdicts


def next_step(
    policy: Policy, findings: Sequence[Finding], mine: Sequence[Change], workload: Workload, now: datetime
) -> Step:
    """The next rung, unless people have just put another release there, or it was begun in vain a moment ago.

    `mine`: what was decided in the breach that lasts.
    """
    if (wait := grace(policy, mine, workload, now)) is not None:
        return wait
    proposed = decide(policy, findings, mine, workload.named)
    if isinstance(proposed, Proposal):
        relevant = still_relevant(policy, mine, workload.named)
        return _in_vain(policy, proposed.remedy.name, relevant, now) or proposed
    return proposed


def _in_vain(policy: Policy, remedy: str, changes: Sequence[Change], now: datetime) -> Wait | None:
    """A remedy that was recorded and then not done, again and again, has to wait before it is recorded again."""
    tries = [change for change in reversed(changes) if change.remedy == remedy and change.acted and not change.undoes]
    vain = list(takewhile(lambda change: change.outcome is Outcome.ABANDONED, tries))
    again = retry(policy, [change.completed_at for change in reversed(vain) if change.completed_at])
    if again is None or again.is_due(now):
        return None
    return Wait("NotDone", f"{vain[0].name} was not done ({len(vain)} in a row); {again}")


def refusal(why: Wait | Exhausted) -> Refusal:
    """Why there is nothing to do now; of a ladder that is at its end people are told at once."""
    return Refusal(why.reason, why.message, Then.ESCALATE if isinstance(why, Exhausted) else Then.WAIT)


def is_over(policy: Policy, mine: Sequence[Change], workload: Workload) -> Refusal | None:
    """The refusal that has ended the ladder, if that is still how things are: nothing more is tried."""
    relevant = still_relevant(policy, mine, workload.named)
    ended = next((c for c in relevant if c.reason in ENDING and c.decision is Decision.REFUSE), None)
    return Refusal(ended.reason, f"see {ended.name}", Then.ESCALATE) if ended else None
