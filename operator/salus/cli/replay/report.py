"""What came of a replay as a document. Pure.

`rehearse` is the whole of it for who has a history at hand already: the policies, their workloads, what was answered.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from salus.cli.replay.breaches import breaches, is_act, is_call, numbered, turns_of
from salus.cli.replay.courses import MOST_GAPS, checks, gaps
from salus.cli.replay.lives import Life
from salus.cli.replay.play import Given, Played, Wish, play, told_already
from salus.cli.reports.replay import Breach, ReplayedPolicy, ReplayReport
from salus.core.records.changes import past_change
from salus.model.policy import Mode
from salus.model.scalars import Body

MOST_TURNS = 500
MOST_BREACHES = 500
ASSUMED = (
    "What an act would have changed is not known: after one, the incident waits until the past is healthy by itself.",
    "A release is rolled out at once. Every account is there and may do what it is lent for.",
    "Limits and cooldowns count from the beginning of the replay.",
)


@dataclass(frozen=True, slots=True)
class Title:
    """What else a report says of itself."""

    at: datetime
    cluster: str = ""
    asked_for: timedelta | None = None
    """None: as long as it is."""


async def rehearse(
    bodies: Sequence[Body], lives: Iterable[Life], given: Given, wish: Wish, title: Title
) -> ReplayReport:
    """These policies over this history. Raises SpecError."""
    return report([await play(bodies, lives, told_already(given), wish)], title)


def report(played: Sequence[Played], title: Title) -> ReplayReport:
    """All of them, which had one time and one wish."""
    wish = played[0].wish
    found = [breaches(one) for one in played]
    all_of_them = numbered(breach for one in found for breach in one.breaches)
    changes = [past_change(body) for one in played for body in one.rehearsed.changes]
    unknown = sorted((gap for one in played for gap in gaps(one)), key=lambda gap: gap.begins - gap.ends)
    turns = sorted((turn for one in played for turn in turns_of(one.lives.values(), wish.begins)), key=lambda t: t.at)
    incidents = [breach for breach in all_of_them if breach.is_incident]
    return ReplayReport(
        cluster=title.cluster,
        at=title.at,
        begins=wish.begins,
        ends=wish.ends,
        asked_for=title.asked_for or wish.ends - wish.begins,
        policies=tuple(policy for one in played for policy in _policies(one)),
        breaches=all_of_them[:MOST_BREACHES],
        breaches_left_out=sum(one.left_out for one in found) + len(all_of_them[MOST_BREACHES:]),
        checks=tuple(check for one in played for check in checks(one)),
        turns=tuple(turns[:MOST_TURNS]),
        turns_left_out=len(turns[MOST_TURNS:]),
        acts=sum(map(is_act, changes)),
        escalations=sum(map(is_call, changes)),
        alarms=sum(would.is_alarm for breach in incidents for would in breach.would_have),
        in_breach=sum((breach.lasted for breach in incidents), timedelta(0)),
        after_first_act=sum((_after_first_act(breach, wish) for breach in incidents), timedelta(0)),
        gaps=tuple(sorted(unknown[:MOST_GAPS], key=lambda gap: gap.begins)),
        gaps_left_out=len(unknown[MOST_GAPS:]),
        unknown=tuple(dict.fromkeys(text for one in played for text in _unknown(one))),
        assumed=ASSUMED,
    )


def _policies(played: Played) -> Iterator[ReplayedPolicy]:
    for key, body in played.bodies.items():
        mine = [one for one in played.watched if one.policy.key == key]
        spec = body["spec"]
        wish = played.wish
        yield ReplayedPolicy(
            namespace=key.namespace,
            name=key.name,
            generation=int(body["metadata"].get("generation") or 0),
            digest=hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest(),
            targets=tuple(f"{one.target.kind}/{one.target.name}" for one in mine),
            mode=(wish.mode or Mode(spec.get("mode") or Mode.OBSERVE)).value,
            interval=mine[0].policy.spec.interval if mine else wish.step or timedelta(seconds=15),
        )


def _after_first_act(breach: Breach, wish: Wish) -> timedelta:
    first = min((one.at for one in breach.would_have if one.is_act), default=None)
    return max((breach.ended or wish.ends) - first, timedelta(0)) if first is not None else timedelta(0)


def _unknown(played: Played) -> Iterator[str]:
    for life in played.lives.values():
        yield from life.unknown
    for watched in played.watched:
        for one in watched.asked:
            for query in filter(None, (one.query, one.volume)):
                if (error := played.refused.get(query)) is not None:
                    where = f"{watched.policy.key}, {watched.target}"
                    yield f"{where}: {one.check.name} was not answered: {error.message}."
