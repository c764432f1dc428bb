"""From candidates to checks: each is asked for its past, and core.learn says what bound that past carries."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

from salus.cli.contract import CannotBeAsked
from salus.cli.init.asking import KINDS, Asking, Heard
from salus.cli.init.candidates import Candidate, check_name, range_of
from salus.core.learn.history import Span
from salus.core.learn.proposal import Learned, LeftOut
from salus.core.learn.propose import propose
from salus.model.scalars import format_duration
from salus.presets import load_presets

MOST_CHECKS = 16
"""Of a policy."""
_A_WHILE = timedelta(minutes=30)
_NOTHING_THERE = frozenset({"NoSamples", "NoBuckets", "NoStatus", "NotAskable"})
"""Why another vocabulary is tried."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one question."""

    candidate: Candidate
    found: Learned | LeftOut
    others: Sequence[str] = ()
    """Other vocabularies in which it could be asked."""

    @property
    def name(self) -> str:
        """Of the check."""
        return self.candidate.name


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person wants of the checks."""

    only: Sequence[str] = ()
    without: Sequence[str] = ()
    not_incidents: Sequence[datetime] = ()
    """Moments of which they say that they lie in no incident."""

    def refuse_unknown(self) -> None:
        """What names no check. Raises CannotBeAsked."""
        known = {check_name(preset) for preset in load_presets()}
        for one in (*self.only, *self.without):
            if one not in known:
                raise CannotBeAsked(f'there is no check "{one}"', [("knows", ", ".join(sorted(known)))])

    def takes(self, candidate: Candidate) -> bool:
        """Whether it is to be looked at."""
        return candidate.name not in self.without and (not self.only or candidate.name in self.only)


async def outcomes(asking: Asking, candidates: Sequence[Candidate], choice: Choice) -> list[Outcome]:
    """One for each question that some series may answer, in the order of the checks."""
    groups = [list(group) for _, group in groupby(filter(choice.takes, candidates), key=lambda one: one.preset.name)]
    counting = [group for group in groups if KINDS[group[0].preset.learn.kind].counts]
    others = [group for group in groups if group not in counting]
    found = await asyncio.gather(*(_first_that_answers(asking, group, choice) for group in counting))
    found += await asyncio.gather(*(_first_that_answers(asking, group, choice) for group in others))
    return _without_too_many(_without_twins(found, choice))


async def _first_that_answers(asking: Asking, group: Sequence[Candidate], choice: Choice) -> Outcome:
    told: list[Outcome] = []
    for index, candidate in enumerate(group):
        heard = await asking.of(candidate)
        one = Outcome(candidate, heard) if isinstance(heard, LeftOut) else _judged(heard, choice)
        if isinstance(one.found, Learned):
            return replace(one, others=[each.vocabulary.title or each.variant for each in group[index + 1 :]])
        told.append(one)
        if one.found.reason not in _NOTHING_THERE:
            break
    return told[-1]


def _judged(heard: Heard, choice: Choice) -> Outcome:
    found = propose(heard.question, heard.history)
    if isinstance(found, Learned) and (normal := [*_spans(found, choice.not_incidents)]):
        normal += heard.history.normal
        found = propose(heard.question, replace(heard.history, normal=normal))
    candidate, name = heard.candidate, range_of(heard.candidate)
    if isinstance(found, Learned) and name and found.window:
        candidate = candidate.with_(**{name: format_duration(found.window)})
    return Outcome(candidate, found)


def _spans(found: Learned, moments: Iterable[datetime]) -> Iterable[Span]:
    """The incidents that these moments lie in."""
    for moment in moments:
        mine = [cut.left_out for cut in found.cut if cut.left_out.start <= moment < cut.left_out.end]
        yield mine[0] if mine else Span(moment, moment + _A_WHILE)


def _without_twins(found: Sequence[Outcome], choice: Choice) -> list[Outcome]:
    """A question that another asks as well is left out, unless it was asked for."""
    there = {one.candidate.preset.name for one in found if isinstance(one.found, Learned)}
    return [
        replace(one, found=LeftOut("AskedByAnother", f"{check_name(twin)} asks much the same"))
        if isinstance(one.found, Learned)
        and one.name not in choice.only
        and (twin := next((each for each in one.candidate.preset.learn.unless if each in there), ""))
        else one
        for one in found
    ]


def _without_too_many(found: Sequence[Outcome]) -> list[Outcome]:
    left, kept = MOST_CHECKS, []
    for one in found:
        left -= isinstance(one.found, Learned)
        too_many = LeftOut("TooManyChecks", f"a policy has at most {MOST_CHECKS} checks")
        kept.append(replace(one, found=too_many) if left < 0 and isinstance(one.found, Learned) else one)
    return kept
