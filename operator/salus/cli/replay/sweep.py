"""The same past with other bounds and other values of `for`: one check after the other, all else as the policy says."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from salus.cli.contract import CannotBeAsked
from salus.cli.replay.play import Played, again, play
from salus.cli.replay.report import Title, report
from salus.cli.reports.replay import Cell, Sweep
from salus.core.policy.compile import SpecError
from salus.model.policy import Threshold
from salus.model.scalars import Body, format_decimal, format_duration
from salus.model.values.keys import PolicyKey
from salus.model.values.policies import CompiledCheck, Policy

EVERY = "*"
"""All checks."""
_HOLDS = tuple(timedelta(seconds=seconds) for seconds in (0, 30, 60, 120, 300))
_LADDER = (Decimal(1), Decimal(2), Decimal(5))
Say = Callable[[Callable[[], str]], None]


@dataclass(frozen=True, slots=True)
class Variant:
    """One bound and one `for` of a check."""

    bound: Threshold
    hold: timedelta


async def sweeps(played: Sequence[Played], check: str, say: Say) -> tuple[Sweep, ...]:
    """Those of the checks of this name, or of all. Raises CannotBeAsked where there is no such check."""
    chosen = [
        (one, policy, mine)
        for one in played
        for policy in dict.fromkeys(watched.policy for watched in one.watched)
        for mine in policy.checks
        if check in {EVERY, mine.name} and _has_a_bound(policy, mine)
    ]
    if not chosen:
        names = sorted({mine.name for one in played for watched in one.watched for mine in watched.policy.checks})
        raise CannotBeAsked(f"--sweep knows no check {check}", [("knows", ", ".join(names))])
    found = []
    for number, (one, policy, mine) in enumerate(chosen, start=1):
        say(lambda number=number, mine=mine: f"sweeping {mine.name}: {number} of {len(chosen)} checks")  # type: ignore[misc]
        found.append(await _of_check(one, policy, mine))
    return tuple(found)


def _has_a_bound(policy: Policy, mine: CompiledCheck) -> bool:
    """An alert has none of its own."""
    return next(one for one in policy.spec.checks if one.name == mine.name).alert is None


async def _of_check(played: Played, policy: Policy, check: CompiledCheck) -> Sweep:
    bounds, holds = bounds_around(check.unhealthy), sorted({*_HOLDS, check.hold})
    cells = []
    for bound in bounds:
        for hold in holds:
            found = await with_variant(played, policy.key, check, Variant(bound, hold))
            acts, alarms = found if found is not None else (0, 0)
            cells.append(Cell(bound=str(bound), hold=hold, acts=acts, by_itself=alarms))
    return Sweep(
        namespace=policy.key.namespace,
        policy=policy.key.name,
        check=check.name,
        bounds=tuple(map(str, bounds)),
        holds=tuple(holds),
        bound=str(check.unhealthy),
        hold=check.hold,
        cells=tuple(cells),
    )


async def with_variant(
    played: Played, key: PolicyKey, check: CompiledCheck, variant: Variant
) -> tuple[int, int] | None:
    """Acts, and those on what ended by itself; None: the policy could not be used so."""
    bodies, ask = again(played, {key: rewritten(played.bodies[key], check, variant)})
    try:
        found = await play(bodies, played.lives.values(), ask, played.wish)
    except SpecError:
        return None
    if found.cut is not None:
        raise found.cut
    said = report([found], Title(found.wish.ends))
    mine = [one for one in said.breaches if (one.namespace, one.policy) == (key.namespace, key.name)]
    acts = [would for one in mine for would in one.would_have if would.is_act]
    return len(acts), sum(would.is_alarm for would in acts)


def bounds_around(bound: Threshold) -> tuple[Threshold, ...]:
    """The next one below and above in steps of 1, 2 and 5, with the policy's own between."""
    side, value = ("above", bound.above) if bound.above is not None else ("below", bound.below)
    values = sorted({*_neighbours(Decimal(format_decimal(value or 0.0))), Decimal(format_decimal(value or 0.0))})
    return tuple(Threshold.model_validate({side: format_decimal(float(one))}) for one in values)


def _neighbours(value: Decimal) -> Iterator[Decimal]:
    if value <= 0:
        yield from (Decimal(1), Decimal(2)) if not value else ()
        return
    unit = Decimal(1).scaleb(value.adjusted())
    steps = [unit / 10 * one for one in _LADDER] + [unit * one for one in _LADDER] + [unit * 10]
    yield max(one for one in steps if one < value)
    yield min(one for one in steps if one > value)


def rewritten(body: Body, check: CompiledCheck, variant: Variant) -> Body:
    """The policy with this bound and this `for`; where it was healthy again moves along with the bound."""
    checks = [_of(one, check, variant) if one["name"] == check.name else one for one in body["spec"]["checks"]]
    return {**body, "spec": {**body["spec"], "checks": checks}}


def _of(written: Mapping[str, Any], check: CompiledCheck, variant: Variant) -> Mapping[str, Any]:
    found = {**written, "unhealthy": _spelt(variant.bound), "for": format_duration(variant.hold)}
    if check.healthy is not None:
        share = variant.bound.limit / check.unhealthy.limit if check.unhealthy.limit else 1.0
        side = "above" if check.healthy.above is not None else "below"
        found["healthy"] = {side: format_decimal(check.healthy.limit * share)}
    return found


def _spelt(bound: Threshold) -> Mapping[str, str]:
    return {"above" if bound.above is not None else "below": format_decimal(bound.limit)}
