"""How much there has to be for a check to say anything, and how much there was of what a query gives a rate of.

Of a recorded series its name alone tells that it is a rate, as `job:http_requests:rate5m` does: the name is what the
author chose. A rule that the source tells of may be anybody's, and must not have a say in which breaches are too small.
"""

import math
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import promql_parser as ast

from salus.core.policy import promql, windows
from salus.model.policy import Check, Threshold, Volume
from salus.model.values.policies import CompiledVolume

FAILURES = 3
"""So many cross the bound of a ratio, and fewer are chance."""

_NOTHING = timedelta(0)
_RATE_BY_NAME = re.compile(r":(?:sum_)?(?P<function>rate|increase)(?:[0-9]+[smhdwy])+$")
"""The last word of a name with colons, which are for rules: the function and its range."""

_AMOUNT = re.compile(r"_(seconds|bytes|joules|celsius)(_sum|_total)?$")
"""Of a counter that does not count events: Prometheus' own rule is that the unit is the end of a name."""


def volume_of(check: Check) -> CompiledVolume | None:
    """How much there must be, as the check says; by default a ratio of rates counts its whole."""
    said = check.volume or Volume()
    least = _least(check) if said.at_least is None else said.at_least
    counts = (said.query, _over(said.query)) if said.query else _whole(check)
    return CompiledVolume(counts[0], least, counts[1]) if counts and least else None


def _over(query: str) -> timedelta:
    """Over which it counts: its range, however long ago, and else how far back it looks."""
    told = counted(query)
    return told[1] if told else promql.window(query)


def uncounted(check: Check) -> str:
    """What is told of a ratio that is never Quiet, since nobody counts its traffic; nothing where that may be meant."""
    if check.ratio is None or _whole(check) is not None:
        return ""
    if check.volume is not None:
        return "has no effect without query: nothing tells how to count ratio.in" if check.volume.at_least else ""
    least, names = _least(check), ", ".join(_recorded(check.ratio.in_))
    if not least or not names:
        return ""
    nobody = f"no traffic is counted, since a rule makes {names}: one failure of two requests is a half"
    example = f'volume: {{query: "(…) * 300", atLeast: "{least}"}}'
    return f'{nobody}. Say how much is enough, such as {example} of a rate over 5m, or atLeast: "0"'


def _whole(check: Check) -> tuple[str, timedelta] | None:
    """What counts the whole of a ratio; seconds and bytes are no requests."""
    if check.ratio is None or any(_AMOUNT.search(name) for name in promql.names(promql.tree(check.ratio.in_))):
        return None
    return counted(check.ratio.in_)


def _least(check: Check) -> int:
    return three_failures(check.unhealthy) if check.ratio is not None else 0


def three_failures(bound: Threshold | None) -> int:
    """So many that three failures are needed to cross the bound, and not one; 0 where a single one is meant to."""
    if bound is None:
        return 0
    failing = bound.above if bound.above is not None else 1 - (bound.below or 0)
    return math.ceil(round(FAILURES / failing, 6)) if 0 < failing <= 1 else 0  # 1 - 0.9 is a little less than 0.1


@promql.readable
def counted(query: str) -> tuple[str, timedelta] | None:
    """The query with its rates counted over their range, and that range: how many there were; None if it does not tell.

    It tells where it does nothing but sum up rates, or increases, over one range.

    Raises ValueError if it cannot be read.
    """
    found = set(_summed(promql.tree(query)))
    if len(found) != 1:
        return None
    ((function, span),) = found
    if function == "increase":
        return query, span
    return (f"(\n{query}\n) * {span.total_seconds():g}", span) if function == "rate" else None


def _recorded(query: str) -> tuple[str, ...]:
    """The series of rules that it reads, by their names.

    Raises ValueError if it cannot be read.
    """
    return tuple(name for name in promql.names(promql.tree(query)) if ":" in name)


def _summed(tree: ast.Expr) -> Iterator[tuple[str, timedelta]]:
    """Function and range of all that is summed up; one that has no name where anything else is done."""
    pending: list[Any] = [tree]
    while pending:
        match pending.pop():
            case ast.ParenExpr(expr=inner):
                pending.append(inner)
            case ast.AggregateExpr(expr=inner) as sum_ if str(sum_.op) == "sum":
                pending.append(inner)
            case ast.BinaryExpr() as both if str(both.op) in {"+", "or"}:
                pending += [both.lhs, both.rhs]
            case ast.BinaryExpr(lhs=inner, rhs=ast.NumberLiteral()) as filter_ if _filters(filter_):
                pending.append(inner)
            case ast.Call(args=[ast.MatrixSelector() as over]) as call:
                yield call.func.name, over.range
            case ast.VectorSelector() as series:
                yield _by_name(promql.metric_name(series) or "")
            case _:
                yield "", _NOTHING


def _by_name(name: str) -> tuple[str, timedelta]:
    """Of a series that a rule records."""
    told = _RATE_BY_NAME.search(name)
    span = windows.in_name(told[0]) if told else None
    return (told["function"], span) if told and span else ("", _NOTHING)


def _filters(node: ast.BinaryExpr) -> bool:
    """A comparison that lets the number itself through."""
    return str(node.op) in {">", ">=", "!="} and promql.is_filter(node)
