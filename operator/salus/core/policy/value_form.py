"""Which queries give nothing while all is well, and how to write them so that they give a number.

The expression of an alert filters: `x > 5` has no series until it fires. Asked by a check that is no data, which is
Unknown, as if `x` were gone. With `bool` it is 0 or 1, and nothing only where `x` itself is gone. What is proposed here
says 1 where the filter gives a series, in each of its labels, and 0 where it does not though there are data.
"""

from dataclasses import dataclass
from typing import Any

import promql_parser as ast

from salus.core.policy import promql
from salus.model.policy import Threshold

_MIRRORED = {"==": "==", "!=": "!=", ">": "<", "<": ">", ">=": "<=", "<=": ">="}
_SELECTING = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
"""Aggregations that give some of their series as they are."""
_ABSENT = frozenset({"absent", "absent_over_time"})
_RELABELLING = frozenset({"label_replace", "label_join", "sort", "sort_desc", "sort_by_label", "sort_by_label_desc"})
"""Functions of as many series as they give, with the same values."""
_LONGEST = 4_096
"""Characters that a check's query may have."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What to write in place of a query that is empty while all is well."""

    text: str = ""
    """The query as a number; empty where nobody can tell."""
    keeps_bound: bool = False
    """Its numbers are those of the query, which has the policy's bound; else it is 0 or more."""
    superfluous: str = ""
    """The comparison that could be left out, since the policy's bound says as much."""

    def __str__(self) -> str:
        """A sentence for its author."""
        zero = "" if self.keeps_bound else ' with unhealthy: {above: "0"}'
        written = (f"write {self.text}{zero}",) if self.text else ()
        left_out = (f"leave out {self.superfluous}, which unhealthy says already",) if self.superfluous else ()
        ways = ", or ".join((*left_out, *written, "say in onNoData what nothing means"))
        return f"gives nothing while its condition does not hold, which is Unknown, not Healthy: {ways}"


def advice(template: str, bound: Threshold) -> Advice | None:
    """For a query that is empty while all is well; None for every other one, and for what nobody can read."""
    try:
        return _advice(template, bound)
    except ValueError:
        return None


@promql.readable
def _advice(template: str, bound: Threshold) -> Advice | None:
    tree = promql.tree(template)
    try:
        found = _form(tree)
    except _UnwritableError:
        return Advice()
    if found is None:
        return None
    superfluous, narrower = _superfluous(_bare(tree), bound)
    text = "" if narrower or promql.problems_in(found.text) else found.text
    return Advice(text, found.counts, superfluous)


class _UnwritableError(Exception):
    """It is a filter, and too odd a one to be written as a number."""


@dataclass(frozen=True, slots=True)
class _Form:
    """A filter as a number."""

    text: str
    counts: bool = False
    """The number is the query's own, and not 0 or 1."""

    def __post_init__(self) -> None:
        if len(self.text) > _LONGEST:  # some ways double what they are made of
            raise _UnwritableError

    @property
    def zero_or_one(self) -> str:
        """For one side of an operator."""
        return f"(({self.text}) > bool 0)" if self.counts else f"({self.text})"


def _superfluous(node: Any, bound: Threshold) -> tuple[str, bool]:  # noqa: ANN401 — the parser types its nodes as Any
    """The comparison with a number that the bound holds as well, and whether the bound is the narrower one."""
    if not promql.is_filter(node):
        return "", False
    op, number, value = str(node.op), node.rhs, node.lhs
    shown = f"{op} {promql.one_line(number)}"
    if isinstance(node.lhs, ast.NumberLiteral):
        shown, op, number, value = f"{promql.one_line(node.lhs)} {op}", _MIRRORED[op], node.lhs, node.rhs
    if not isinstance(number, ast.NumberLiteral) or _form(value) is not None:
        return "", False
    if op in {">", ">="} and bound.above is not None and bound.above >= number.val:
        return shown, bound.above > number.val
    if op in {"<", "<="} and bound.below is not None and bound.below <= number.val:
        return shown, bound.below < number.val
    return "", False


def _form(node: Any) -> _Form | None:  # noqa: ANN401
    """The node as a number if it is a filter, None if it is none."""
    match node:
        case ast.ParenExpr():
            return _form(node.expr)
        case ast.BinaryExpr():
            return _of_operator(node)
        case ast.AggregateExpr():
            return _of_aggregation(node)
        case ast.Call() if node.func.name in _ABSENT:
            return _Form(f"count({promql.one_line(node)}) or vector(0)")
        case ast.Call() if node.func.name in _RELABELLING:
            inner, rest = _form(node.args[0]), [promql.one_line(argument) for argument in node.args[1:]]
            return inner and _Form(f"{node.func.name}({', '.join([inner.text, *rest])})", inner.counts)
    return None


def _of_operator(node: ast.BinaryExpr) -> _Form | None:
    if promql.is_filter(node):
        return _of_comparison(node)
    left, right = _form(node.lhs), _form(node.rhs)
    match str(node.op):
        case "and" if left or right:
            return _of_both(node, left, right)
        case "or" if left and right:
            one, other = left.zero_or_one, right.zero_or_one
            return _Form(f"({other} > 0) or {one} or {other}")
        case "unless" if left:
            one = left.zero_or_one
            return _Form(f"({one} unless{_modifier(node)} {promql.one_line(node.rhs)}) or 0 * {one}")
    return None


def _of_comparison(node: ast.BinaryExpr) -> _Form:
    sides = [(side, _form(side)) for side in (node.lhs, node.rhs)]
    filters = [form.zero_or_one for _, form in sides if form and not form.counts]
    if filters and _modifier(node):
        raise _UnwritableError
    one, other = (_compared(side, form) for side, form in sides)
    compared = f"{one} {node.op} bool{_modifier(node)} {other}"
    return _Form(" * ".join((f"({compared})", *filters)) if filters else compared)


def _compared(side: Any, form: _Form | None) -> str:  # noqa: ANN401
    if form is None:
        return promql.one_line(side)
    return f"({form.text})" if form.counts else f"({promql.one_line(_unfiltered(side))})"


def _of_both(node: ast.BinaryExpr, left: _Form | None, right: _Form | None) -> _Form:
    """`and` joins many series with many; a product wants one on the right."""
    one, keeps = (left.zero_or_one, False) if left else (_side(node.lhs), True)
    if right is None:
        return _Form(f"{one} and{_modifier(node)} {promql.one_line(node.rhs)}", keeps)
    matching = node.modifier.matching if node.modifier is not None else None
    if matching is None:
        return _Form(f"{one} * {right.zero_or_one}", keeps)
    kept = "by" if matching.type == ast.LabelModifierType.Include else "without"
    grouped = f"max {kept} ({', '.join(matching.labels)}) {right.zero_or_one}"
    return _Form(f"{one} *{_modifier(node)} group_left () {grouped}", keeps)


def _of_aggregation(node: ast.AggregateExpr) -> _Form | None:
    inner, op = _form(node.expr), str(node.op)
    if inner is None or op in _SELECTING:
        return inner
    by = f" {node.modifier} " if node.modifier is not None else ""
    return _Form(f"{'sum' if op == 'count' else 'max'}{by}{inner.zero_or_one}", counts=op == "count")


def _unfiltered(node: Any) -> Any:  # noqa: ANN401
    """What a filter gives some series of."""
    node = _bare(node)
    if promql.is_filter(node):
        return _unfiltered(node.rhs if promql.is_scalar(node.lhs) else node.lhs)
    if isinstance(node, ast.BinaryExpr) and str(node.op) in {"and", "unless"}:
        return _unfiltered(node.lhs)
    if _form(node) is None:
        return node
    raise _UnwritableError


def _bare(node: Any) -> Any:  # noqa: ANN401
    while isinstance(node, ast.ParenExpr):
        node = node.expr
    return node


def _side(node: Any) -> str:  # noqa: ANN401
    return f"({promql.one_line(node)})" if isinstance(node, ast.BinaryExpr) else promql.one_line(node)


def _modifier(node: ast.BinaryExpr) -> str:
    """Which labels have to match, with a space before it."""
    written = str(node.modifier) if node.modifier is not None else ""
    return written and f" {written}"
