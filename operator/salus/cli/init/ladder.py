"""The remedies that a first policy has: by what the presets of its checks say that helps, the safest first.

A rollback can be taken back, a restart loses what is in memory, more replicas cost, and people are called last, always.
"""

from collections.abc import Iterable, Mapping, Sequence

from salus.cli.init.surroundings import Surroundings
from salus.cli.reports.proposal import ProposedCheck, ProposedRemedy
from salus.model.meta import WorkloadKind

_BACK_AFTER = "30m"
UNKNOWN_MAXIMUM = 10
"""Stands in a comment, to be thought about."""


def ladder(checks: Sequence[ProposedCheck], around: Surroundings) -> list[ProposedRemedy]:
    """The rungs, in order; one that is only a comment is not done."""
    rungs = (("rollback", _rollback), ("restart", _restart), ("scale", _scale))
    found = [rung for helps, made in rungs if (mine := _helped(checks, helps)) and (rung := made(mine, around))]
    return [*(_for_all(one, checks) for one in found), ProposedRemedy(name="tell-people", action="notify")]


def _helped(checks: Iterable[ProposedCheck], remedy: str) -> tuple[str, ...]:
    return tuple(one.name for one in checks if remedy in one.helps)


def _for_all(rung: ProposedRemedy, checks: Sequence[ProposedCheck]) -> ProposedRemedy:
    """Of a rung for all checks none is said."""
    return rung.model_copy(update={"checks": ()}) if len(rung.checks) == len(checks) else rung


def _rollback(mine: tuple[str, ...], _: Surroundings) -> ProposedRemedy:
    return ProposedRemedy(name="undo-release", action="rollback", checks=mine)


def _restart(mine: tuple[str, ...], _: Surroundings) -> ProposedRemedy:
    return ProposedRemedy(name="restart", action="restart", checks=mine)


def _scale(mine: tuple[str, ...], around: Surroundings) -> ProposedRemedy | None:
    if around.key.kind is WorkloadKind.DAEMON_SET:
        return None
    most = around.most_replicas
    fields: Mapping[str, str] = {"by": '"50%"', "max": str(most or UNKNOWN_MAXIMUM), "revertAfter": _BACK_AFTER}
    because = (
        f"max is that of {around.autoscalers[0].key}"
        if most
        else "nobody has said how many there may be: write max, and take the rung in"
    )
    return ProposedRemedy(
        name="more-replicas", action="scale", checks=mine, fields=fields, is_comment=not most, because=because
    )
