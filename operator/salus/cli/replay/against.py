"""Two versions of the same policies over one past: where their decisions differ. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from salus.cli.replay.text import decided
from salus.cli.reports.replay import Breach, Comparison, Difference, ReplayReport, WouldHave

Whose = tuple[str, str, str]
"""Namespace, policy and target."""


def compared(here: ReplayReport, there: ReplayReport, against: str) -> Comparison:
    """What the policies of `there` would have done otherwise; a decision that is made later is the same."""
    of_both = {(one.namespace, one.name) for one in there.policies}
    alone = [f"{one.namespace}/{one.name}" for one in here.policies if (one.namespace, one.name) not in of_both]
    pairs = list(_pairs(here, there, of_both))
    return Comparison(
        against=against,
        acts=there.acts,
        escalations=there.escalations,
        alarms=there.alarms,
        missed=sum(_is_missed(mine, other) for mine, other in pairs),
        differences=tuple(one for mine, other in pairs if (one := _difference(mine, other)) is not None),
        only_here=tuple(alone),
    )


def _pairs(
    here: ReplayReport, there: ReplayReport, of_both: Iterable[tuple[str, str]]
) -> Iterator[tuple[Sequence[Breach], Sequence[Breach]]]:
    """Breaches of each side that are about one time of one target, oldest first."""
    mine, others, known = _by_target(here), _by_target(there), set(of_both)
    found = []
    for whose in sorted({*mine, *others}):
        if whose[:2] in known:
            found += _together(mine.get(whose, ()), others.get(whose, ()))
    yield from sorted(found, key=lambda pair: min(one.began for side in pair for one in side))


def _by_target(report: ReplayReport) -> Mapping[Whose, list[Breach]]:
    found: dict[Whose, list[Breach]] = {}
    for one in report.breaches:
        found.setdefault((one.namespace, one.policy, one.target), []).append(one)
    return found


def _together(mine: Iterable[Breach], others: Iterable[Breach]) -> list[tuple[list[Breach], list[Breach]]]:
    """What overlaps is one."""
    found: list[tuple[list[Breach], list[Breach]]] = []
    until: datetime | None = None
    sides = [*((one, 0) for one in mine), *((one, 1) for one in others)]
    for one, side in sorted(sides, key=lambda pair: pair[0].began):
        ends = one.began + one.lasted
        if until is None or one.began > until:
            found.append(([], []))
            until = ends
        found[-1][side].append(one)
        until = max(until, ends)
    return found


def _difference(mine: Sequence[Breach], others: Sequence[Breach]) -> Difference | None:
    here, there = _decisions(mine), _decisions(others)
    if [decided(one) for one in here] == [decided(one) for one in there]:
        return None
    first = min((*mine, *others), key=lambda one: one.began)
    return Difference(
        at=first.began,
        namespace=first.namespace,
        policy=first.policy,
        target=first.target,
        here="; ".join(map(decided, here)),
        there="; ".join(map(decided, there)),
        then=first.then,
    )


def _decisions(breaches: Iterable[Breach]) -> list[WouldHave]:
    return [would for one in breaches for would in one.would_have]


def _is_missed(mine: Sequence[Breach], others: Sequence[Breach]) -> bool:
    """It would have been acted upon there, not here, and did not end by itself soon after."""
    there = [would for would in _decisions(others) if would.is_act]
    return not any(would.is_act for would in _decisions(mine)) and any(not would.is_alarm for would in there)
