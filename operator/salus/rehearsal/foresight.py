"""Until when nothing can happen to a policy: the ticks before that may be left out.

A tick changes nothing where no check says anything else than at the one before, none is beyond its bound, no incident
or change is open or owed, no release or size waits for its proof, and nobody else touches the target. What a check will
say is known of a past alone. A test runs with and without, and compares.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from salus.core.actions.scale import goes_back
from salus.core.health.evaluate import Reading, evaluate
from salus.core.health.overall import overall
from salus.core.records import incidents, releases
from salus.model.policy import Verdict
from salus.model.values.changes import Change
from salus.model.values.keys import PolicyKey, TargetKey
from salus.model.values.metrics import Answer, CheckState, Error, Finding, NoData, Query, Value
from salus.model.values.policies import CompiledCheck, Policy
from salus.reconcile.cases import Case
from salus.reconcile.context import Context
from salus.reconcile.observe import measure
from salus.rehearsal.history import Asked, Course, asked

Answers = Callable[[Query], Course]


@dataclass(frozen=True, slots=True)
class Sign:
    """What a check says by one answer alone."""

    verdict: Verdict
    reason: str
    breached: bool


@dataclass(slots=True)
class Check:
    """A check of a target, and what it will be told."""

    check: CompiledCheck
    answers: Course
    volume: Course | None
    _signs: dict[object, Sign] = field(default_factory=dict)

    def sign(self, moment: datetime) -> Sign:
        """What it will say then."""
        answer = self.answers(moment)
        volume = self.volume(moment) if self.volume else None
        key = _sort(self.check, answer), _enough(self.check, volume)
        if key not in self._signs:
            self._signs[key] = _read(self.check, Reading("", answer, moment, volume))
        return self._signs[key]


@dataclass(slots=True)
class Foresight:
    """Knows what every query will answer."""

    context: Context
    answers: Answers
    _checks: dict[tuple[PolicyKey, TargetKey], tuple[Sequence[Query], tuple[Check, ...]]] = field(default_factory=dict)
    _finished: dict[TargetKey, tuple[Change, ...]] = field(default_factory=dict)
    """Records of a target that are known to be finished, all of them."""

    def quiet_until(self, policy: Policy, cases: Sequence[Case], now: datetime, end: datetime) -> datetime:
        """The next tick at which something may happen, when the one at `now` is over; not after `end`, or just so."""
        interval = policy.spec.interval
        due, end = now + interval, min((self._calm_until(policy, case, now, end) for case in cases), default=end)
        present = [(check, check.sign(now)) for case in cases if due <= end for check in self._of(policy, case)]
        found = [finding for case in cases for finding in case.findings]
        if not all(_is_steady(sign, said) for (_, sign), said in zip(present, found, strict=False)):
            return due
        while due <= end and all(check.sign(due) is sign for check, sign in present):
            due += interval
        return due

    def _of(self, policy: Policy, case: Case) -> tuple[Check, ...]:
        key, questions = (policy.key, case.target), measure.questions(self.context, policy, case)
        known = self._checks.get(key)
        if known is None or known[0] is not questions:
            known = self._checks[key] = questions, tuple(self._check(one) for one in asked(policy, questions))
        return known[1]

    def _check(self, one: Asked) -> Check:
        return Check(one.check, self._course(one.query), self._course(one.volume) if one.volume else None)

    def _course(self, question: Query) -> Course:
        """What is unclear is not asked."""
        unclear = question.unclear
        return self.answers(question) if unclear is None else lambda _: unclear

    def _calm_until(self, policy: Policy, case: Case, now: datetime, end: datetime) -> datetime:
        """Until when time alone brings nothing about: the tick at `now` found nothing to do, or is to wait."""
        changes = self.context.records.changes_of(case.target)
        is_in_doubt = case.doubted or case.refusal or case.unwritten or case.withheld or not case.begun
        if is_in_doubt or self.context.fleet.told_of_brake() or not self._are_over(case.target, changes):
            return now
        stands = case.stands(policy, changes)
        if stands.failed is not None or stands.to_revert is not None:
            return now
        if self.context.records.open_incident(policy.key, case.target) is not None:
            waits = stands.under_way is not None and overall(case.findings) is Verdict.UNHEALTHY
            return end if waits else now
        return self._unproven_until(policy, case, now, end)

    def _are_over(self, target: TargetKey, changes: tuple[Change, ...]) -> bool:
        """Whether nothing comes of any record of the target, but of those that wait for the past to be healthy."""
        if self._finished.get(target) is changes:
            return True
        open_ones = [change for change in changes if change.unfinished]
        if not open_ones:
            self._finished[target] = changes
        return all(self._waits(change) for change in open_ones)

    def _waits(self, change: Change) -> bool:
        return change.applied_at is not None and not change.undoes and not self.context.shows(change)

    def _unproven_until(self, policy: Policy, case: Case, now: datetime, end: datetime) -> datetime:
        """Until when the live release cannot be kept as a good one: it is on record, or was not there for long."""
        workload = self.context.workloads.get(case.target)
        if workload is None or workload.deleting:
            return now
        notes_size = goes_back(policy)
        is_noted = releases.is_noted(workload, case.good_release, case.good_size, notes_size=notes_size)
        if is_noted or not incidents.is_well(None, case.findings):
            return end
        if case.rolled_out is None or not case.knows_rollout_of(workload.proves):
            return now
        return min(case.rolled_out[1] + policy.spec.bake - policy.spec.interval, end)


def catch_up(cases: Iterable[Case], last: datetime, left_out: datetime) -> None:
    """Let it be as if the ticks after `last` had been, until this one: what was seen then was seen again."""
    for case in cases:
        for name, state in list(case.states.items()):
            if state.seen_at == last:
                case.remember(name, replace(state, seen_at=left_out))
        case.found(tuple(replace(found, observed_at=left_out) for found in case.findings))


def _is_steady(sign: Sign, said: Finding) -> bool:
    """Whether a check goes on to say what it says while it is answered the same; beyond its bound, once it counts."""
    if sign.breached:
        return said.verdict is Verdict.UNHEALTHY
    return (said.verdict, said.reason) == (sign.verdict, sign.reason)


def _read(check: CompiledCheck, reading: Reading) -> Sign:
    found, state = evaluate(check, reading, CheckState(), timedelta(0))
    return Sign(found.verdict, found.reason, state.breached_since is not None)


def _sort(check: CompiledCheck, answer: Answer) -> object:
    """What in an answer decides about the verdict."""
    match answer:
        case Value(value=value):
            return check.unhealthy.crossed_by(value)
        case NoData(reason=reason, empty=empty):
            return reason, empty
        case Error(reason=reason):
            return (reason,)


def _enough(check: CompiledCheck, volume: Answer | None) -> object:
    match volume:
        case Value(value=value):
            return check.volume is not None and check.volume.is_reached(value)
        case None:
            return None
        case _:
            return volume.reason
