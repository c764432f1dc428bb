"""What a proposed policy would have done in the past that it was learned from, by the code of `salus replay`."""

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta

import yaml

from salus.cli import logs
from salus.cli.contract import CannotBeAsked
from salus.cli.metrics.opening import Found
from salus.cli.person import Person
from salus.cli.progress import Progress
from salus.cli.replay.asking import Archive
from salus.cli.replay.groups import grouped, lives_of
from salus.cli.replay.play import Wish, needs_heartbeat, play, with_heartbeat
from salus.cli.replay.report import Title, report
from salus.cli.replay.text import because_of, decided
from salus.cli.reports.proposal import InitProposal, Rehearsal, RehearsedBreach
from salus.cli.reports.replay import ReplayReport
from salus.core.policy.compile import Catalog
from salus.model.policy import Mode
from salus.model.scalars import Body

LEAST = timedelta(minutes=30)
"""Less than this tells nothing."""
_CLOSEST = timedelta(seconds=15)
MOST = 10
"""Breaches that are told."""


async def rehearsal(
    proposed: InitProposal, person: Person, found: Found, catalog: Catalog, now: datetime
) -> Rehearsal | None:
    """As if the policy had been there, in mode Enforce; None: there is hardly any past."""
    if proposed.learned < LEAST:
        return None
    logs.nothing()
    begins, ends = (at.replace(microsecond=0) for at in (now - proposed.learned, now))
    step = max(_CLOSEST, found.about.scraped_every or _CLOSEST)
    wish, progress = Wish(begins, ends, catalog, Mode.ENFORCE, step), Progress(sys.stderr)
    archive = Archive(found.metrics, begins, ends, progress.say)
    try:
        said = await _replayed(yaml.safe_load(proposed.policy), wish, archive, person)
    except CannotBeAsked as error:
        return Rehearsal(begins=begins, ends=ends, every=step, unknown=(" ".join(error.lines()),))
    finally:
        progress.end()
    return told(said, step)


async def _replayed(body: Body, wish: Wish, archive: Archive, person: Person) -> ReplayReport:
    lives = await lives_of([body], wish, archive, person, ())
    (group,) = grouped([body], lives, together=False)
    if needs_heartbeat(group.policies):
        step = wish.step or min(policy.spec.interval for policy in group.policies)
        wish = with_heartbeat(wish, await archive.heartbeat(step))
    said = report([await play(group.bodies, group.lives, archive.checks, wish)], Title(wish.ends))
    return said.model_copy(update={"unknown": (*lives.unknown, *said.unknown)})


def told(said: ReplayReport, step: timedelta) -> Rehearsal:
    """The replay, as far as a proposal shows it."""
    breaches = [*_breaches(said)]
    return Rehearsal(
        begins=said.begins,
        ends=said.ends,
        every=step,
        breaches=tuple(breaches[:MOST]),
        more=max(len(breaches) - MOST, 0),
        acts=said.acts,
        escalations=said.escalations,
        alarms=said.alarms,
        unknown=said.unknown,
    )


def _breaches(said: ReplayReport) -> Iterator[RehearsedBreach]:
    """Those that something would have come of."""
    for one in said.breaches:
        if one.is_incident:
            yield RehearsedBreach(
                at=one.began,
                because=because_of(one),
                lasted=one.lasted,
                did=tuple(decided(would) for would in one.would_have) or (f"nothing: {one.why_nothing}",),
                then=one.then,
                then_at=one.then_at,
            )
