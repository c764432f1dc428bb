"""Telling people why nothing is done for an unhealthy target; when, and how, is `core.remedy.telling`'s to say.

The record by which they are told comes first, then the incident says so: a process that starts in between finds the
record, and tells nobody twice. Nothing is read for it, so that people are told as well of what cannot be read.
"""

from salus.core.guards.budgets import BRAKE
from salus.core.records import incidents
from salus.core.remedy import telling
from salus.core.remedy.telling import Matter, Word
from salus.model.change import Decision
from salus.model.values.changes import Refusal, Then
from salus.reconcile.context import Came, Step
from salus.reconcile.observe import target
from salus.reconcile.records import journal


async def hear(step: Step, came: Came, why: Refusal) -> Came:
    """Nothing is done for this target, and why: people are told, once, as soon as they have to know."""
    if why.then is Then.ESCALATE:
        step.case.refuse(why)
    matter = _matter(step, came, why)
    match telling.word(matter, told_of_many=_is_told_of(step, came, why)):
        case Word.RECORD:
            return await _call(step, came, matter)
        case Word.OF_MANY:
            await _escalate(step, came, why, why.reason)
        case Word.STANDS:
            await _escalate(step, came, why, telling.told_by(matter))
        case Word.INCIDENT:
            await _say(step, why)
    return came.at_rest()


async def hear_of_doubt(step: Step, came: Came) -> Came:
    """Nobody can tell how a target is that was unhealthy: its incident goes on, and is told of like any other."""
    doubted = incidents.in_doubt(step.incident, step.case.findings)
    since = step.case.in_doubt(bool(doubted), step.now)
    doubt = telling.doubt(step.incident, doubted, since, step.now)
    if doubt is None or step.incident is None:
        return came.at_rest()
    if doubt.is_news:
        status = incidents.progress(step.incident, step.of_incident, step.case.findings, step.now)
        await journal.write_incident(step, incidents.doubted(status, doubt.since, doubt.why))
    return await hear(step, came, doubt.why)


def _matter(step: Step, came: Came, why: Refusal) -> Matter:
    return Matter(
        policy=step.policy,
        workload=came.workload,
        findings=step.case.findings,
        incident=step.incident,
        changes=step.changes,
        mine=step.of_breach,
        why=why,
        now=step.now,
        mode_cap=step.context.mode_cap,
        brake_holds=step.context.fleet.told_of_brake(),
    )


def _is_told_of(step: Step, came: Came, why: Refusal) -> bool:
    """Whether people were told already of what holds back many."""
    fleet = step.context.fleet
    if why.reason == BRAKE:
        return fleet.told_of_brake()
    hearer = telling.hearer(step.policy, came.workload, why)
    return telling.holds_many(step.policy, why) and fleet.told_of(why, hearer, step.now)


async def _call(step: Step, came: Came, matter: Matter) -> Came:
    """Put the notification on record, unless another target's step was first; it is posted as the next move."""
    why, decision = matter.why, telling.decision(matter)
    if decision is Decision.ACT:
        await journal.open_incident(step, came.workload, needed=True)
    seen = target.known(step, came.workload)
    matter = _matter(step, came, why)
    if telling.word(matter, told_of_many=_is_told_of(step, came, why)) is not Word.RECORD:
        return came.at_rest()  # the next tick says by what they were told
    rung = telling.rung(matter)
    made = journal.entry(step, telling.notice(matter, seen), rung.because if rung else (), decision, seen)
    change = await journal.enter(step, made, seen, seen.body)
    if decision is not Decision.ACT:
        await _escalate(step, came, why, "")
        return came.at_rest()
    if change.reason != BRAKE:
        await _escalate(step, came, why, change.name)
    return came.meaning(change)


async def _escalate(step: Step, came: Came, why: Refusal, told_by: str) -> None:
    """The incident says that people were told, and why it still waits; a reason that it gives is not written again."""
    if (incident := step.incident) is None:
        return
    if incidents.says_who_told(incident, why.reason, told_by):
        return
    status = incidents.progress(incident, step.of_incident, step.case.findings, step.now)
    await journal.write_incident(step, incidents.escalated(status, f"{why.reason}: {why.message}", told_by))
    if telling.is_worth_an_event(incident, why, told_by):
        await step.tell("Escalated", why.message, workload=came.workload, warning=True)


async def _say(step: Step, why: Refusal) -> None:
    """The incident says why nothing is done, and nobody is sent anything."""
    if (incident := step.incident) is None or incidents.says(incident, why.reason):
        return
    status = incidents.progress(incident, step.of_incident, step.case.findings, step.now)
    await journal.write_incident(step, incidents.waiting(status, f"{why.reason}: {why.message}"))
