"""What is going on with a policy just now, in the few words that a person needs at a glance; the most urgent first."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from salus.cli.look.situation import Situation, newest
from salus.cli.marks import State
from salus.cli.reports.status import Happening
from salus.core.records.incidents import is_escalated, is_recovering
from salus.model.change import Decision, Outcome
from salus.model.scalars import Body, format_duration, parse_time
from salus.model.values.changes import Change

DAY = timedelta(hours=24)
SILENCE = Happening()


def happening(found: Situation, now: datetime) -> Happening:
    """The first of these that there is something to say of."""
    return next((said for say in _IN_ORDER if (said := say(found, now)) != SILENCE), SILENCE)


def _unusable(found: Situation, _: datetime) -> Happening:
    if found.has("Stalled"):
        return Happening(state=State.BAD, text=f"{found.condition('Stalled')['reason']}: see its details")
    if not found.status:
        return Happening(state=State.UNKNOWN, text="never judged: is Salus running?")
    if not found.is_judged:
        return Happening(state=State.UNKNOWN, text=f"generation {found.generation} is not judged yet")
    return SILENCE


def _question(found: Situation, now: datetime) -> Happening:
    asked = newest(found.questions(now))
    if asked is None:
        return SILENCE
    left = f", {format_duration(asked.expires_at - now)} left" if asked.expires_at else ""
    return Happening(state=State.ASKS, text=f"asks: {doing(asked)}{left}")


def _under_way(found: Situation, _: datetime) -> Happening:
    change = newest([one for one in found.changes if one.open and one.decision is Decision.ACT and one.action.writes])
    if change is None:
        return SILENCE
    word = "proving" if change.applied_at else "about to do"
    return Happening(text=f"{word}: {doing(change)}")


def _suspended(found: Situation, _: datetime) -> Happening:
    suspended = found.spec is not None and found.spec.suspend
    return Happening(state=State.HELD, text="suspended") if suspended else SILENCE


def _held(found: Situation, _: datetime) -> Happening:
    if not found.has("Throttled"):
        return SILENCE
    told = "; people were told" if any(map(is_escalated, found.incidents)) else ""
    return Happening(state=State.HELD, text=f"held back: {found.condition('Throttled')['reason']}{told}")


def _incident(found: Situation, now: datetime) -> Happening:
    for incident in found.incidents:
        if is_escalated(incident):
            return Happening(state=State.WARNING, text=f"people were told: {_first_word(incident)}")
        if is_recovering(incident):
            since = format_duration(now - parse_time(incident["status"]["healthySince"]))
            return Happening(state=State.GOOD, text=f"healthy again for {since}, its incident is still open")
    return SILENCE


def _lent(found: Situation, _: datetime) -> Happening:
    """Replicas that will be given back."""
    taken_back = {change.undoes for change in found.changes}
    for change in reversed(found.changes):
        after = change.take_back.revert_after if change.take_back else None
        if after and change.outcome is Outcome.RECOVERED and change.name not in taken_back:
            return Happening(text=f"gives {_lent_replicas(change)} back after {format_duration(after)} of health")
    return SILENCE


def _lent_replicas(change: Change) -> str:
    before, after = (facts.replicas if facts else None for facts in (change.before, change.intended))
    count = after - before if before is not None and after is not None else 0
    return f"{count} replicas" if count > 0 else "replicas"


def _unknown(found: Situation, _: datetime) -> Happening:
    if found.condition("MetricsAvailable").get("status") != "False":
        return SILENCE
    return Happening(state=State.UNKNOWN, text=str(found.condition("MetricsAvailable")["message"]))


def _rehearsals(found: Situation, now: datetime) -> Happening:
    recent = [one for one in found.changes if one.decision is Decision.DRY_RUN and now - one.decided_at <= DAY]
    count = f"{len(recent)} rehearsal{'s' if len(recent) > 1 else ''} in 24h"
    return Happening(state=State.REHEARSED, text=count) if recent else SILENCE


_IN_ORDER: Sequence[Callable[[Situation, datetime], Happening]] = (
    _unusable,
    _question,
    _under_way,
    _suspended,
    _held,
    _incident,
    _unknown,
    _lent,
    _rehearsals,
)


def doing(change: Change) -> str:
    """What a change does, in a few words: `Rollback to fe9ea46d52`, `Scale to 6`."""
    if change.undoes:
        return f"taking {change.undoes} back"
    before, after, word = change.before, change.intended, change.action.value
    if before is None or after is None:
        return word
    if after.release and after.release != before.release:
        return f"{word} to {after.release[:10]}"
    return f"{word} to {after.replicas}" if after.replicas not in {None, before.replicas} else word


def _first_word(incident: Body) -> str:
    return str((incident.get("status") or {}).get("message") or "see its incident").partition(":")[0]
