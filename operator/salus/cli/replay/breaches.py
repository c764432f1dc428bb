"""Each time that something was beyond its bound, what would have been done, and what came then. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from salus.cli.look.happening import doing
from salus.cli.marks import State, state_of
from salus.cli.past.attempts import images, of_incident, replicas, shown_patch
from salus.cli.past.times import Times, times_of
from salus.cli.replay.courses import around, within, worst
from salus.cli.replay.lives import Life
from salus.cli.replay.play import Played, Watched
from salus.cli.reports.replay import Breach, Turn, WouldHave
from salus.core.records.changes import past_change
from salus.model.change import Decision
from salus.model.meta import WorkloadKind
from salus.model.policy import Verdict
from salus.model.scalars import Body, format_decimal, format_duration
from salus.model.values.changes import Change
from salus.model.values.keys import PolicyKey, TargetKey
from salus.rehearsal.history import Asked
from salus.rehearsal.timeline import Said

MOST_IN_FULL = 50
"""Breaches that are drawn by themselves."""
MOST_SHORT = 20
"""Breaches that led to nothing since they were short: the longest are told."""
SHOWN = timedelta(minutes=2)
"""So soon after a breach has ended what somebody did may still be why."""
_WOULD = frozenset({Decision.ACT, Decision.DRY_RUN, Decision.AWAIT_APPROVAL})


@dataclass(frozen=True, slots=True)
class Spell:
    """A check beyond its bound, from one moment to another."""

    began: datetime
    ended: datetime | None
    was_unhealthy: bool


@dataclass(frozen=True, slots=True)
class Then:
    """What the past shows after a breach began."""

    words: str
    at: datetime | None = None
    by_itself: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """All that would be told, and how much of it is not."""

    breaches: tuple[Breach, ...]
    left_out: int


def turns_of(lives: Iterable[Life], begins: datetime) -> Iterator[Turn]:
    """What others did, as far as it is known, from then on."""
    for life in lives:
        for at, what, detail in life.turns():
            if at >= begins:
                target = f"{life.key.kind}/{life.key.name}"
                yield Turn(at=at, namespace=life.key.namespace, target=target, what=what, detail=detail)


def spells(said: Iterable[Said]) -> Iterator[Spell]:
    """When a check was beyond its bound; what is Unknown or Quiet meanwhile neither begins nor ends it."""
    began: datetime | None = None
    unhealthy = False
    for one in said:
        is_ill = one.verdict is Verdict.UNHEALTHY or one.reason == "Pending"
        if is_ill:
            began = began or one.at
            unhealthy = unhealthy or one.verdict is Verdict.UNHEALTHY
        elif one.verdict is Verdict.HEALTHY and began is not None:
            yield Spell(began, one.at, unhealthy)
            began, unhealthy = None, False
    if began is not None:
        yield Spell(began, None, unhealthy)


def breaches(played: Played) -> Found:
    """All of them, by the time at which they began."""
    incidents = [_of_incident(played, body) for body in played.rehearsed.incidents]
    short = sorted(_short(played), key=lambda one: one.lasted, reverse=True)
    told = sorted([*incidents, *short[:MOST_SHORT]], key=lambda one: (one.began, one.namespace, one.policy))
    return Found(tuple(told), len(short) - len(short[:MOST_SHORT]))


def numbered(found: Iterable[Breach]) -> tuple[Breach, ...]:
    """In the order of their times; the first of those that matter most keep what is drawn of them."""
    ordered = sorted(found, key=lambda one: one.began)
    drawn = sorted(ordered, key=lambda one: (not one.would_have, not one.is_incident))[:MOST_IN_FULL]
    kept = {id(one) for one in drawn}
    return tuple(
        one.model_copy(update={"number": number, **({} if id(one) in kept else {"course": None})})
        for number, one in enumerate(ordered, start=1)
    )


# --- incidents


def _of_incident(played: Played, body: Body) -> Breach:
    spec, times = body["spec"], times_of(body)
    ref = spec["targetRef"]
    target = TargetKey(body["metadata"]["namespace"], WorkloadKind(ref["kind"]), ref["name"])
    watched = _watched(played, PolicyKey(target.namespace, spec["policyRef"]["name"]), target)
    changes = _with_what_takes_them_back(of_incident(body["metadata"]["name"], played.rehearsed.changes), played)
    one, ended = _ill(played, watched, times)
    then = _then(played, target, times.opened, ended)
    alarm_from = ended - watched.policy.spec.verify.timeout if ended is not None and then.by_itself else None
    would = tuple(_would(change, played.lives.get(target), alarm_from) for change in changes)
    return Breach(
        number=0,
        namespace=target.namespace,
        policy=watched.policy.key.name,
        target=f"{target.kind}/{target.name}",
        began=times.opened,
        ended=ended,
        lasted=(ended or played.wish.ends) - times.opened,
        check=one.check.name,
        value=_worst(played, one, times.opened, ended),
        bound=str(one.check.unhealthy),
        why_nothing="" if would else _why_nothing(watched),
        would_have=would,
        then=then.words,
        then_at=then.at,
        by_itself=then.by_itself,
        course=around(played, one, times.opened, ended),
    )


def _with_what_takes_them_back(mine: Sequence[Body], played: Played) -> Sequence[Body]:
    """What helped and was only lent is taken back when the incident is over."""
    names = {one["metadata"]["name"] for one in mine}
    later = [one for one in played.rehearsed.changes if one["spec"].get("undoes") in names]
    return [*mine, *(one for one in later if one["metadata"]["name"] not in names)]


def _why_nothing(watched: Watched) -> str:
    return "no remedy fits" if watched.policy.spec.remedies else "it has no remedies"


def _watched(played: Played, policy: PolicyKey, target: TargetKey) -> Watched:
    return next(one for one in played.watched if (one.policy.key, one.target) == (policy, target))


def _ill(played: Played, watched: Watched, times: Times) -> tuple[Asked, datetime | None]:
    """The check that was unhealthy first in this incident, and when the last one was well again."""
    found: list[tuple[datetime, int, datetime | None]] = []
    for index, one in enumerate(watched.asked):
        said = played.rehearsed.said.get((watched.policy.key, watched.target, one.check.name), ())
        for spell in spells(said):
            overlaps = (spell.ended is None or spell.ended > times.opened) and (
                times.resolved is None or spell.began < times.resolved
            )
            if spell.was_unhealthy and overlaps:
                found.append((max(spell.began, times.opened), index, spell.ended))
    ended = [end for _, _, end in found if end is not None]
    is_over = times.resolved is not None and ended and len(ended) == len(found)
    return watched.asked[min(found)[1] if found else 0], max(ended) if is_over else times.healthy


def is_act(change: Change) -> bool:
    """Whether something would have been done to the workload, by Salus or after a person's word; no undo is."""
    return change.decision in _WOULD and change.action.writes and not change.undoes


def is_call(change: Change) -> bool:
    """Whether people would have been told."""
    return change.decision in {Decision.ACT, Decision.DRY_RUN} and not change.action.writes


def _would(body: Body, life: Life | None, alarm_from: datetime | None) -> WouldHave:
    change = past_change(body)
    shown = images(change.before, change.intended)
    said = doing(change)
    if life is not None and life.is_made_up and shown:
        said = f"{change.action.value} to {shown.partition(' → ')[2]}"
    return WouldHave(
        at=change.decided_at,
        decision=change.decision.value,
        action=change.action.value,
        doing=said,
        reason=change.reason,
        message=change.message,
        images=shown,
        replicas=replicas(change.before, change.intended),
        patch=shown_patch(body),
        state=State.WARNING if is_call(change) else state_of(change.decision),
        times=change.occurrences,
        is_act=is_act(change),
        is_call=is_call(change),
        outcome=change.outcome.value if change.outcome and is_act(change) else "",
        is_alarm=is_act(change) and alarm_from is not None and change.decided_at >= alarm_from,
    )


# --- what led to nothing


def _short(played: Played) -> Iterator[Breach]:
    for watched in played.watched:
        for one in watched.asked:
            said = played.rehearsed.said.get((watched.policy.key, watched.target, one.check.name), ())
            yield from (_of_spell(played, watched, one, spell) for spell in spells(said) if not spell.was_unhealthy)


def _of_spell(played: Played, watched: Watched, one: Asked, spell: Spell) -> Breach:
    then = _then(played, watched.target, spell.began, spell.ended)
    lasted = (spell.ended or played.wish.ends) - spell.began
    return Breach(
        number=0,
        namespace=watched.target.namespace,
        policy=watched.policy.key.name,
        target=f"{watched.target.kind}/{watched.target.name}",
        began=spell.began,
        ended=spell.ended,
        lasted=lasted,
        check=one.check.name,
        value=_worst(played, one, spell.began, spell.ended),
        bound=str(one.check.unhealthy),
        is_incident=False,
        why_nothing=f"{format_duration(lasted)}, for is {format_duration(one.check.hold)}",
        then=then.words,
        then_at=then.at,
        by_itself=then.by_itself,
        course=around(played, one, spell.began, spell.ended),
    )


# --- what the past shows


def _then(played: Played, target: TargetKey, began: datetime, ended: datetime | None) -> Then:
    """What somebody did before it was over, or how it ended."""
    life = played.lives.get(target)
    until = (ended or played.wish.ends) + SHOWN
    done = [(at, words) for at, words in _deeds(life) if began < at <= until] if life is not None else []
    if done:
        at, words = done[-1]
        return Then(words, at)
    return Then("ended by itself", ended, by_itself=True) if ended is not None else Then("it lasts")


def _deeds(life: Life) -> Iterator[tuple[datetime, str]]:
    seen = [life.named(life.body["spec"]["template"])]
    for at, what, detail in life.turns():
        if what == "scale":
            yield at, f"scaled to {detail.rpartition(' ')[2]}"
        else:
            came_back = detail in seen
            name = detail if life.is_made_up else detail.partition(" ")[0]
            yield at, f"{'back to' if came_back else 'released'} {name}"
            seen.append(detail)


def _worst(played: Played, one: Asked, began: datetime, ended: datetime | None) -> str:
    inside = within(played.history.samples_of(one.query) or (), began, ended)
    return format_decimal(worst(inside, one.check.unhealthy)) if inside else "no data"
