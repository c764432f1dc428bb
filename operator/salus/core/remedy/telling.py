"""When people are told of an incident, and by which words.

Waiting never keeps them from being told: at once of what they must lift, and of what passes by itself when the
incident has lasted for `spec.escalateAfter` with no change under way. An incident is told once; what one thing holds
back of many targets (the fleet brake, a freeze, the kill switch) is told once for that, and what a missing right or a
guard that cannot be evaluated holds back of the targets of one policy once for those.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from salus.core.actions import notify
from salus.core.actions.kind import PlanRequest
from salus.core.guards.budgets import BRAKE
from salus.core.guards.chain import BY_PEOPLE, OF_MANY, OF_POLICY, UNKNOWN
from salus.core.health.timing import has_lasted
from salus.core.records import incidents
from salus.core.records.changes import notification
from salus.core.records.fleet import Hearer
from salus.core.remedy.ladder import Proposal, mode_of, rehearses_all, still_relevant, was_told, were_notified
from salus.model.change import Decision
from salus.model.policy import Mode, Verdict
from salus.model.scalars import Body
from salus.model.values.changes import Action, Change, Refusal, Then
from salus.model.values.metrics import Finding
from salus.model.values.objects import Workload
from salus.model.values.observation import Observation
from salus.model.values.policies import Policy

LASTS = timedelta(minutes=1)
"""A guard that could not be evaluated for so long is for people: a shorter hiccup passes by itself."""


@dataclass(frozen=True, slots=True)
class Matter:
    """An unhealthy target for which nothing is done just now, and why."""

    policy: Policy
    workload: Workload
    findings: Sequence[Finding]
    incident: Body | None
    changes: Sequence[Change]
    """All records of the target, over all policies."""
    mine: Sequence[Change]
    """What was decided in the breach that lasts."""
    why: Refusal
    now: datetime
    mode_cap: Mode = Mode.ENFORCE
    brake_holds: bool = False
    """People were told of the fleet brake, and it has not lifted since."""


def is_due(matter: Matter) -> bool:
    """Whether people have to know by now."""
    if matter.why.then is Then.ESCALATE or matter.why.reason in BY_PEOPLE:
        return True
    wanted, since = matter.policy.spec.escalate_after, _since(matter)
    if since is not None and has_lasted(since, matter.now, wanted):
        return True
    unknown = [c.decided_at for c in matter.mine if c.reason == UNKNOWN and matter.why.reason == UNKNOWN]
    return bool(unknown) and has_lasted(min(unknown), matter.now, min(LASTS, wanted))


def _since(matter: Matter) -> datetime | None:
    """Since when the target is unhealthy with no change under way, whosever it is; None while there is one."""
    done = [change for change in matter.changes if change.applied_at is not None]
    if any(change.open for change in done):
        return None
    begun = incidents.unhealthy_since(matter.incident) if matter.incident else None
    ends = (change.completed_at for change in done if change.completed_at is not None)
    return max([begun or incidents.began(matter.findings, matter.now), *ends])


class Word(StrEnum):
    """How people are to hear of an incident."""

    NOT_YET = "NotYet"
    RECORD = "Record"
    """By a notification of its own; in a rehearsal by a record that nobody is sent."""
    OF_MANY = "OfMany"
    """They were told of what holds it back, and with it many others."""
    STANDS = "Stands"
    """They were told already; the incident says why it still waits."""
    INCIDENT = "Incident"
    """By what stands in the incident and in the policy's status, and by nothing else."""


def word(matter: Matter, *, told_of_many: bool) -> Word:
    """How people are to hear of it. `told_of_many`: they were told already of what holds back many, if that is why."""
    if not is_due(matter):
        brakes = matter.why.reason == BRAKE and not told_of_many
        if brakes and _tells(matter):
            return Word.RECORD
        return Word.STANDS if matter.incident and incidents.told_by(matter.incident) else Word.NOT_YET
    if matter.why.reason in OF_MANY and told_of_many and not _carries(matter):
        return Word.STANDS if _is_told(matter) else Word.OF_MANY
    return _own_word(matter)


def _own_word(matter: Matter) -> Word:
    ended, own = matter.why.then is Then.ESCALATE, _own(matter)
    if rung(matter) is not None and (own or ended or not _is_told(matter)):
        return Word.RECORD
    if own or (_is_told(matter) and not ended):
        return Word.STANDS
    if _tells(matter):
        return Word.RECORD
    if not ended or matter.policy.spec.suspend:
        return Word.INCIDENT
    relevant = still_relevant(matter.policy, matter.mine, matter.workload.named)
    return Word.STANDS if were_notified(relevant) else Word.RECORD


def rung(matter: Matter) -> Proposal | None:
    """The first `notify` of the ladder that fits and was not told in this incident, wherever it stands.

    That the brake holds is told in words of its own, by a policy that acts.
    """
    if matter.why.reason == BRAKE and _tells(matter):
        return None
    evidence = _evidence(matter)
    for remedy in matter.policy.spec.remedies:
        because = tuple(f for f in evidence if remedy.checks is None or f.check in remedy.checks)
        if remedy.notify is None or not because or was_told(matter.mine, remedy.name):
            continue
        if mode_of(matter.policy, remedy, matter.mode_cap) is Mode.ENFORCE:
            return Proposal(remedy, because)
    return None


def _evidence(matter: Matter) -> list[Finding]:
    """What is unhealthy; or, where nobody can tell any more, what was in this incident."""
    unhealthy = [finding for finding in matter.findings if finding.verdict is Verdict.UNHEALTHY]
    if unhealthy or matter.incident is None:
        return unhealthy
    known = incidents.unhealthy_checks(matter.incident)
    return [finding for finding in matter.findings if finding.check in known]


@dataclass(frozen=True, slots=True)
class Doubt:
    """Nobody can tell any more how a target is that was unhealthy."""

    why: Refusal
    since: datetime
    is_news: bool
    """The incident says that its target is healthy again."""


def doubt(incident: Body | None, findings: Sequence[Finding], since: datetime | None, now: datetime) -> Doubt | None:
    """What is to be said of the checks of which nobody can tell since then; None: nothing, or nothing yet.

    Of a target that was healthy of late it is said when it lasts.
    """
    if incident is None or since is None:
        return None
    recovering = incidents.is_recovering(incident)
    if recovering and not has_lasted(since, now, LASTS):
        return None
    unknown = ", ".join(f"{finding.check} ({finding.reason})" for finding in findings)
    why = Refusal(incidents.DOUBT, f"it was unhealthy, and there is no trustworthy answer for {unknown}")
    return Doubt(why, since, recovering)


def has_rung(policy: Policy) -> bool:
    """Whether the policy says itself how people are to be told."""
    return any(remedy.notify is not None for remedy in policy.spec.remedies)


def holds_many(policy: Policy, why: Refusal) -> bool:
    """Whether this holds back more than one target: what is told of a policy's rights is of all of its targets."""
    return why.reason in OF_MANY and not (why.reason in OF_POLICY and policy.spec.target.name is not None)


def hearer(policy: Policy, workload: Workload, why: Refusal) -> Hearer:
    """Which notifications of what holds back many speak for a target of this policy.

    A policy with words of its own uses those. What its rights hold back is of its other targets too, and of no other
    policy: another account may have them.
    """
    of_policy = why.reason in OF_POLICY
    own = policy.key.name if of_policy or has_rung(policy) else ""
    return Hearer(policy.key.namespace, workload.uid, own, of_other_targets=of_policy)


def told_by(matter: Matter) -> str:
    """The record by which people were told of this incident, or the reason of what holds it back; empty: nobody was."""
    own = next((change.name for change in _own(matter)), "")
    return own or (incidents.told_by(matter.incident) if matter.incident else "")


def _is_told(matter: Matter) -> bool:
    """Whether people were told of this incident; what held it back with many others tells of that alone.

    A brake that still holds also tells of what passes by itself, since it paces all: a spent budget only hides it.
    """
    by, reason = told_by(matter), matter.why.reason
    if by == BRAKE and matter.brake_holds and reason not in BY_PEOPLE:
        return True
    return bool(by) and (by not in OF_MANY or by == reason)


def sentence(matter: Matter) -> str:
    """What people are told, where no rung has words of its own."""
    why = matter.why
    if why.then is Then.ESCALATE:
        return why.message
    if why.reason == BRAKE:
        return f"{why.message}. This is the one notification for all targets"
    unhealthy = "; ".join(f"{finding.check}: {finding.message}" for finding in _evidence(matter))
    return f"{matter.workload.key} is unhealthy: {unhealthy}; {why.reason}: {why.message}{_once(matter)}"


def _once(matter: Matter) -> str:
    """That others will not be told of; a policy of one target has none."""
    if matter.why.reason not in OF_MANY or (matter.why.reason in OF_POLICY and matter.policy.spec.target.name):
        return ""
    of_policy = " of this policy" if matter.why.reason in OF_POLICY else ""
    return f". This is told once for all{of_policy} that it holds back"


def decision(matter: Matter) -> Decision:
    """Whether they are told, or what they would be told is put on record alone."""
    rehearsal = rehearses_all(matter.policy, matter.mode_cap) and rung(matter) is None
    return Decision.DRY_RUN if rehearsal else Decision.ACT


def is_worth_an_event(incident: Body, why: Refusal, by: str) -> bool:
    """Whether it is news for this incident alone, and not what holds back many."""
    return not incidents.people_know(incident) and by != why.reason


def notice(matter: Matter, seen: Observation) -> Action:
    """What they are told: in the words of the policy's own rung, and why it waits; else in general ones."""
    why, own = matter.why, rung(matter)
    if own is None:
        return notification(seen.workload, replace(why, message=sentence(matter)))
    place = matter.policy.spec.remedies.index(own.remedy)
    planned = notify.plan(PlanRequest(own.remedy, place, own.because, seen, seen.body))
    reason = "" if why.reason == BRAKE else why.reason
    return replace(planned, message=f"{planned.message}; {why.reason}: {why.message}", reason=reason)


def _tells(matter: Matter) -> bool:
    """Whether people are told of a policy that has no words for them: one that acts, and is not suspended."""
    return not rehearses_all(matter.policy, matter.mode_cap) and not matter.policy.spec.suspend


def _own(matter: Matter) -> list[Change]:
    """The records by which people were told of this very incident."""
    return [change for change in matter.mine if was_told([change]) and change.reason != BRAKE]


def _carries(matter: Matter) -> bool:
    """Whether what is told for many is told by a record of this very incident."""
    return any(change.reason == matter.why.reason for change in _own(matter))
