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
    return merged([_of_group(one, title) for one in played])


def merged(reports: Sequence[ReplayReport]) -> ReplayReport:
    """One of all: of one time and one wish, and of other policies each. There is at least one."""
    breached = numbered(breach for one in reports for breach in one.breaches)
    turns = sorted((turn for one in reports for turn in one.turns), key=lambda turn: turn.at)
    gaps_ = sorted((gap for one in reports for gap in one.gaps), key=lambda gap: gap.begins - gap.ends)
    nothing = timedelta(0)
    return reports[-1].model_copy(
        update={
            "policies": tuple(policy for one in reports for policy in one.policies),
            "breaches": breached[:MOST_BREACHES],
            "breaches_left_out": sum(one.breaches_left_out for one in reports) + len(breached[MOST_BREACHES:]),
            "checks": tuple(check for one in reports for check in one.checks),
            "turns": tuple(turns[:MOST_TURNS]),
            "turns_left_out": sum(one.turns_left_out for one in reports) + len(turns[MOST_TURNS:]),
            "acts": sum(one.acts for one in reports),
            "escalations": sum(one.escalations for one in reports),
            "alarms": sum(one.alarms for one in reports),
            "in_breach": sum((one.in_breach for one in reports), nothing),
            "after_first_act": sum((one.after_first_act for one in reports), nothing),
            "gaps": tuple(sorted(gaps_[:MOST_GAPS], key=lambda gap: gap.begins)),
            "gaps_left_out": sum(one.gaps_left_out for one in reports) + len(gaps_[MOST_GAPS:]),
            "unknown": tuple(dict.fromkeys(text for one in reports for text in one.unknown)),
        }
    )


def _of_group(played: Played, title: Title) -> ReplayReport:
    wish, found = played.wish, breaches(played)
    changes = [past_change(body) for body in played.rehearsed.changes]
    incidents = [breach for breach in found.breaches if breach.is_incident]
    return ReplayReport(
        cluster=title.cluster,
        at=title.at,
        begins=wish.begins,
        ends=wish.ends,
        asked_for=title.asked_for or wish.ends - wish.begins,
        policies=tuple(_policies(played)),
        breaches=found.breaches,
        breaches_left_out=found.left_out,
        checks=tuple(checks(played)),
        turns=tuple(turns_of(played.lives.values(), wish.begins)),
        acts=sum(map(is_act, changes)),
        escalations=sum(map(is_call, changes)),
        alarms=sum(would.is_alarm for breach in incidents for would in breach.would_have),
        in_breach=sum((breach.lasted for breach in incidents), timedelta(0)),
        after_first_act=sum((_after_first_act(breach, wish) for breach in incidents), timedelta(0)),
        gaps=tuple(gaps(played)),
        unknown=tuple(_unknown(played)),
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
