"""The rule on units: a bound that fits what was seen only if it is read in another unit than the metric has.

The unit of an answer is that of its metric, by the name or the metadata, as long as the query keeps it; where it does
not, nothing is said. A name alone makes no finding: the values have to be far from the bound, and near to what it
would be in the other unit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import promql_parser as ast

from salus.cli.lint import expressions
from salus.cli.lint.expressions import bare
from salus.cli.lint.rule import Heard, Linted
from salus.cli.spans import span
from salus.core.policy import promql
from salus.model.policy import Threshold
from salus.model.problems import Problem
from salus.model.scalars import format_decimal
from salus.model.values.metrics import Error

_Node = Any
_KEEP = frozenset({"sum", "avg", "min", "max", "quantile", "topk", "bottomk"})
_OVER_TIME = frozenset({f"{one}_over_time" for one in ("avg", "min", "max", "quantile", "last", "sum")})
_AS_THEY_ARE = _OVER_TIME | {"histogram_quantile", "clamp_min", "clamp_max", "clamp", "abs", "sort", "sort_desc"}
_RATES = frozenset({"rate", "irate", "increase"})
_FAMILY = ("_bucket", "_sum", "_total")
_SUFFIXES: Mapping[str, str] = {
    "milliseconds": "milliseconds",
    "millis": "milliseconds",
    "ms": "milliseconds",
    "seconds": "seconds",
    "bytes": "bytes",
    "ratio": "a share of 1",
    "percent": "percent",
    "percentage": "percent",
}
_FACTORS: Mapping[tuple[str, float], str] = {
    ("seconds", 1e3): "milliseconds",
    ("milliseconds", 1e-3): "seconds",
    ("a share of 1", 1e2): "percent",
    ("percent", 1e-2): "a share of 1",
}
"""What becomes of a unit by a factor."""
_MANY = 20
"""Samples from which on it is known where values lie."""
_FAR, _NEAR = 10, 20
"""How far beyond all values a bound is odd; how far beyond the highest, in the other unit, it is none."""


@dataclass(frozen=True, slots=True)
class _Other:
    """How an author may have meant a bound."""

    unit: str
    factor: float
    """By which it becomes one in the unit of the metric."""


_OTHERS: Mapping[str, Sequence[_Other]] = {
    "seconds": (_Other("milliseconds", 1e-3),),
    "milliseconds": (_Other("seconds", 1e3),),
    "bytes": (_Other("Mi", 2**20), _Other("Gi", 2**30)),
    "a share of 1": (_Other("percent", 1e-2),),
    "percent": (_Other("a share of 1", 1e2),),
}


def other_units(linted: Linted) -> Iterator[Problem]:
    """SL203."""
    for heard in linted.heard:
        check = linted.policy.spec.checks[heard.index]
        if check.query is None:
            continue
        unit = unit_of(check.query, {read.metric: read.unit for read in heard.reads})
        bound = linted.policy.checks[heard.index].unhealthy
        if unit is not None and (said := _said(bound, unit, heard)):
            yield Problem(f"spec.checks[{heard.index}].unhealthy", said)


def _said(bound: Threshold, unit: str, heard: Heard) -> str:
    """What is odd about the bound; empty: nothing."""
    values = [] if isinstance(heard.samples, Error) else [one.value for one in heard.samples]
    limit = bound.limit
    if len(values) < _MANY or min(values) < 0:
        return ""
    for other in _OTHERS[unit]:
        meant = limit * other.factor
        if _fits_only(limit, meant, values, is_above=bound.above is not None):
            seen = f"{format_decimal(min(values))} to {format_decimal(max(values))}"
            over = f" in {span(heard.window.span)}" if heard.window else ""
            return (
                f"{format_decimal(limit)} against a metric in {unit}, which was {seen}{over}: "
                f"if {other.unit} was meant, that is {_exact(meant)}"
            )
    return ""


def _exact(number: float) -> str:
    """As one may write it in its place: bytes to the last one."""
    return f"{number:.0f}" if number.is_integer() else format_decimal(number)


def _fits_only(limit: float, meant: float, values: Sequence[float], *, is_above: bool) -> bool:
    """Whether a bound lies far from all values as it is written, and where a bound lies as it may be meant."""
    lowest, usual, highest = min(values), median(values), max(values)
    if lowest / _FAR <= limit <= highest * _FAR or not usual:
        return False
    return usual <= meant <= highest * _NEAR if is_above else lowest / _NEAR <= meant <= usual


def unit_of(query: str, units: Mapping[str, str]) -> str | None:
    """Of what a query answers; None: not known. `units`: of metrics, as their metadata says."""
    try:
        return _unit(promql.tree(query), units)
    except ValueError:
        return None


def _unit(node: _Node, units: Mapping[str, str]) -> str | None:
    node = bare(node)
    match node:
        case ast.VectorSelector():
            return _named(promql.metric_name(node) or "", units)
        case ast.MatrixSelector():
            return _unit(node.vector_selector, units)
        case ast.SubqueryExpr() | ast.AggregateExpr():
            keeps = isinstance(node, ast.SubqueryExpr) or str(node.op) in _KEEP
            return _unit(node.expr, units) if keeps else None
        case ast.Call():
            return _of_call(node, units)
        case ast.BinaryExpr():
            return _of_operator(node, units)
    return None


def _named(name: str, units: Mapping[str, str]) -> str | None:
    """By its last word, without what a histogram adds; else by its metadata."""
    if name.endswith("_count"):
        return None
    family = next((name.removesuffix(end) for end in _FAMILY if name.endswith(end)), name)
    return _SUFFIXES.get(family.rpartition("_")[2]) or _SUFFIXES.get(units.get(name, ""))


def _of_call(node: ast.Call, units: Mapping[str, str]) -> str | None:
    called = str(node.func.name)
    if called == "histogram_quantile":
        return next((_named(one, units) for one in promql.names(node) if one.endswith("_bucket")), None)
    if called not in _AS_THEY_ARE:
        return None
    return next((unit for one in node.args if (unit := _unit(one, units)) is not None), None)


def _of_operator(node: ast.BinaryExpr, units: Mapping[str, str]) -> str | None:
    operator, left, right = str(node.op), bare(node.lhs), bare(node.rhs)
    if operator == "/" and (mean := _mean(left, right)) is not None:
        return _named(mean, units)
    if operator in {"*", "/"} and isinstance(right, ast.NumberLiteral) and right.val:
        return _scaled(_unit(left, units), right.val if operator == "*" else 1 / right.val)
    if operator == "*" and isinstance(left, ast.NumberLiteral):
        return _scaled(_unit(right, units), left.val)
    if operator in {"or", "and", "unless"} or promql.is_filter(node):
        return _unit(left, units)
    both = {_unit(left, units), _unit(right, units)}
    return both.pop() if operator in {"+", "-"} and len(both) == 1 else None


def _scaled(unit: str | None, factor: float) -> str | None:
    return next((to for (of, by), to in _FACTORS.items() if of == unit and abs(by / factor - 1) < 1e-9), None)


def _mean(left: _Node, right: _Node) -> str | None:
    """The metric of whose observations this is the mean, as rate(x_sum) / rate(x_count); None: it is no mean."""
    sums, counts = promql.names(left), promql.names(right)
    if len(sums) != 1 or len(counts) != 1 or not sums[0].endswith("_sum"):
        return None
    is_rated = all(any(_calls(one) in _RATES for one, _ in expressions.walk(side)) for side in (left, right))
    return sums[0] if is_rated and counts[0] == f"{sums[0].removesuffix('_sum')}_count" else None


def _calls(node: _Node) -> str:
    return str(node.func.name) if isinstance(node, ast.Call) else ""
