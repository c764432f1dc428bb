"""What is odd about a PromQL expression by itself, in sentences for its author.

Each function is given the text of a query and yields what it finds; of a query that nobody can read, nothing: that is
told elsewhere.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import wraps
from itertools import pairwise
from typing import Any

import promql_parser as ast

from salus.core.policy import promql

Node = Any
"""The parser types its nodes as Any."""
Above = tuple[Node, ...]
"""What is around a node, the innermost last."""
RATES = frozenset({"rate", "irate", "increase", "delta", "idelta", "deriv"})
_OF_COUNTERS = frozenset({"rate", "irate", "increase"})
_PRESENCE = frozenset({"count", "group", "count_values"})
"""Aggregations that do not look at values."""
_OF_NO_VALUE = frozenset({"absent", "timestamp"})
_MEANS = frozenset({"avg", "sum", "stddev", "stdvar"})
_ABSENT = frozenset({"absent", "absent_over_time"})
_TOP = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
_BY_NAME = re.compile(r".*(_total|_bucket)")
_FAILING_NAME = re.compile(r"(?i)error|fail|exception|timeout|reject|panic")
_STATUS = re.compile(r"(?i)(?:.*_)?(?:code|status|status_code|status_class|response_code)")
_OUTCOME = re.compile(r"(?i)(?:.*_)?(?:outcome|result|state|type|code|status|grpc_status|classification)")
_BAD_CODE = re.compile(r"[(^]*\[?[45]")
_GOOD_CODE = re.compile(r"[(^]*\[?[23]")
_BAD_WORD = re.compile(r"(?i)error|fail|exception|internal|unavailable")
_SCOPES = re.compile(r"(?:.*_)?(?:namespace|k8s_ns|k8s_namespace_name)")


def readable(finds: Callable[..., Iterator[str]]) -> Callable[..., list[str]]:
    """Nothing, where the query cannot be read."""

    @wraps(finds)
    def found(template: str, *more: Any) -> list[str]:  # noqa: ANN401 — whatever else it takes
        try:
            return list(dict.fromkeys(promql.readable(lambda: list(finds(promql.tree(template), *more)))()))
        except ValueError:
            return []

    return found


def walk(node: Node, above: Above = ()) -> Iterator[tuple[Node, Above]]:
    """Every node with what is around it."""
    yield node, above
    for child in _inside(node):
        yield from walk(child, (*above, node))


def _inside(node: Node) -> list[Node]:
    match node:
        case ast.MatrixSelector():
            return [node.vector_selector]
        case ast.SubqueryExpr():
            return [node.expr]
    return [child for child in promql.children(node) if child is not None]


def bare(node: Node) -> Node:
    """Without the brackets around it."""
    while isinstance(node, ast.ParenExpr):
        node = node.expr
    return node


def is_operator(node: Node, *operators: str) -> bool:
    """Whether it is one of these."""
    return isinstance(node, ast.BinaryExpr) and str(node.op) in operators


def _calls(node: Node) -> str:
    return str(node.func.name) if isinstance(node, ast.Call) else ""


def _aggregates(node: Node) -> str:
    return str(node.op) if isinstance(node, ast.AggregateExpr) else ""


def _is_number(node: Node, *values: float) -> bool:
    node = bare(node)
    return isinstance(node, ast.NumberLiteral) and (not values or node.val in values)


@readable
def divides_by_nothing(tree: Node) -> Iterator[str]:
    """Quotients that are NaN where nothing happens."""
    for node, above in walk(tree):
        if is_operator(node, "/") and _may_be_nothing(node.rhs) and not _mean_around(above):
            names = ", ".join(promql.names(node.rhs))
            yield f"it divides by what is 0 where nothing happens ({names}); the quotient is NaN then, which is Unknown"


@readable
def mean_of_quotients(tree: Node) -> Iterator[str]:
    """Quotients that are summed or averaged: one idle pod makes NaN of all, and a busy one counts like any other."""
    for node, above in walk(tree):
        if is_operator(node, "/") and _may_be_nothing(node.rhs) and (mean := _mean_around(above)):
            yield (
                f"{mean} of quotients: one that divides by 0 makes NaN of all, and each counts the same whatever its "
                f"traffic; divide {mean}s instead"
            )


def _mean_around(above: Above) -> str:
    return next((_aggregates(one) for one in reversed(above) if _aggregates(one) in _MEANS), "")


def _may_be_nothing(node: Node) -> bool:
    """Whether a rate that falls to 0 makes a denominator 0."""
    node = bare(node)
    if promql.is_filter(node) or (_calls(node) == "clamp_min" and _is_number(node.args[1]) and node.args[1].val > 0):
        return False
    if is_operator(node, "+") and (_is_number(node.lhs) or _is_number(node.rhs)):
        return False
    return any(_calls(one) in RATES or _is_recorded_rate(one) for one, _ in walk(node))


def _is_recorded_rate(node: Node) -> bool:
    return isinstance(node, ast.VectorSelector) and bool(re.search(r":.*(?:rate|increase)", node.name or ""))


@readable
def failures_alone(tree: Node) -> Iterator[str]:
    """Counts of failures that are not there before the first one."""
    for node, above in walk(tree):
        if isinstance(node, ast.VectorSelector) and _fails(node) and _is_counted(above) and not _has_fallback(above):
            whole = next((one for one in reversed(above) if is_operator(one, "/")), None)
            instead = f"({promql.one_line(bare(whole.lhs))} or 0 * {promql.one_line(bare(whole.rhs))})" if whole else ""
            way = f"write {instead} as what is divided" if whole else "add `or 0 *` of what is there from the start"
            yield f"{promql.one_line(node)} is absent until the first failure, which is Unknown and not Healthy: {way}"
            return


def _is_counted(above: Above) -> bool:
    return any(_calls(one) in RATES for one in above)


def _has_fallback(above: Above) -> bool:
    return any(is_operator(one, "or", "and", "unless") for one in above)


def _fails(node: ast.VectorSelector) -> bool:
    return bool(_FAILING_NAME.search(promql.metric_name(node) or "")) or any(
        map(_asks_failures, node.matchers.matchers)
    )


def _asks_failures(matcher: ast.Matcher) -> bool:
    if matcher.op in (ast.MatchOp.Equal, ast.MatchOp.Re):
        coded = _STATUS.fullmatch(matcher.name) and _BAD_CODE.match(matcher.value)
        return bool(coded or (_OUTCOME.fullmatch(matcher.name) and _BAD_WORD.search(matcher.value)))
    return bool(_STATUS.fullmatch(matcher.name) and _GOOD_CODE.match(matcher.value))


@readable
def counters_as_they_are(tree: Node, types: Mapping[str, str]) -> Iterator[str]:
    """Counters whose height is taken for something, gauges of which a rate is taken; `types`: as the source says."""
    for node, above in walk(tree):
        if not isinstance(node, ast.VectorSelector):
            continue
        name = promql.metric_name(node) or ""
        said = types.get(_family(name, types), "")
        over = next((_calls(one) for one in reversed(above) if _calls(one) in _OF_COUNTERS), "")
        if over and said == "gauge":
            yield f"{name} is a gauge, and {over}() takes its falls for restarts; use deriv() or delta(), or its height"
        if _is_counter(name, said) and not _is_ranged(above) and not _only_presence(node, above):
            yield f"{name} is a counter: its height tells how long the process runs; take rate({name}[…]) or increase()"


def _family(name: str, types: Mapping[str, str]) -> str:
    """The name by which metadata knows it: a histogram's without `_bucket`."""
    return name if name in types else re.sub(r"_(bucket|count|sum|total)$", "", name)


def _is_counter(name: str, said: str) -> bool:
    if said in {"gauge", "info", "stateset"}:
        return False
    return bool(_BY_NAME.fullmatch(name)) or said == "counter"


def _is_ranged(above: Above) -> bool:
    return any(isinstance(one, ast.MatrixSelector | ast.SubqueryExpr) for one in above)


def _only_presence(node: Node, above: Above) -> bool:
    """Its value is multiplied away, compared with its own past, or never looked at."""
    path = (*above, node)
    for outer, inner in pairwise(path):
        if _aggregates(outer) in _PRESENCE or _calls(outer) in _OF_NO_VALUE:
            return True
        if is_operator(outer, "*") and (_is_number(outer.lhs, 0.0) or _is_number(outer.rhs, 0.0)):
            return True
        if is_operator(outer, "and", "unless") and inner is outer.rhs:
            return True
        if is_operator(outer, "-") and promql.names(outer.lhs) == promql.names(outer.rhs):
            return True
    return False


@readable
def untied(tree: Node, names: Collection[str]) -> Iterator[str]:
    """Queries that read the series of everybody; `names`: by which the target is known."""
    leaves = [node for node, _ in walk(tree) if isinstance(node, ast.VectorSelector)]
    if leaves and not any(_is_tied(one, names) for leaf in leaves for one in leaf.matchers.matchers):
        yield (
            f"nothing ties {promql.one_line(leaves[0])} to the workload or its namespace: it has the series of all; "
            'write namespace="$namespace", and pod=~"$pods" where the series have it'
        )


def _is_tied(matcher: ast.Matcher, names: Collection[str]) -> bool:
    if matcher.op in (ast.MatchOp.NotEqual, ast.MatchOp.NotRe):
        return False
    said = any(f"${name}" in matcher.value for name in promql.PLACEHOLDERS)
    return said or bool(_SCOPES.fullmatch(matcher.name)) or any(name in matcher.value for name in names)


@readable
def misleading(tree: Node) -> Iterator[str]:
    """What gives a number that means something else."""
    for node, above in walk(tree):
        if _aggregates(node) in {"avg", "sum"} and any(_is_quantile(one) for one, _ in walk(node.expr)):
            yield (
                f"{_aggregates(node)} of quantiles is no quantile of anything; sum the buckets by (le) first, "
                "and take histogram_quantile of that"
            )
        if _aggregates(node) in _TOP and not _mean_around(above):
            yield f"{_aggregates(node)} gives other series from one time to the next: none is judged for long"
        if _calls(node) in _ABSENT:
            yield f"{_calls(node)}() cannot tell what is gone from what was never scraped: a failing scrape looks ill"
        if is_operator(node, "or") and _calls(bare(node.rhs)) == "vector" and _is_number(bare(node.rhs).args[0], 0.0):
            yield (
                "or vector(0) makes 0 also of a metric that is gone, or mistyped, which reads as healthy; "
                "write or 0 * of a series that is there as long as the workload is"
            )


def _is_quantile(node: Node) -> bool:
    if _calls(node) in {"histogram_quantile", "quantile_over_time"}:
        return True
    return isinstance(node, ast.VectorSelector) and any(one.name == "quantile" for one in node.matchers.matchers)


def ranges(template: str) -> list[tuple[str, str, Any]]:
    """Function, metric and range of everything that takes a rate. Empty for what nobody can read."""
    try:
        tree = promql.tree(template)
    except ValueError:
        return []
    found = []
    for node, above in walk(tree):
        if isinstance(node, ast.MatrixSelector) and above and _calls(above[-1]) in RATES:
            found.append((_calls(above[-1]), promql.metric_name(node.vector_selector) or "", node.range))
    return found


def coarse_subqueries(template: str) -> list[str]:
    """Subqueries whose step leaves fewer than two points in their range."""
    try:
        tree = promql.tree(template)
    except ValueError:
        return []
    subqueries = [node for node, _ in walk(tree) if isinstance(node, ast.SubqueryExpr)]
    return [promql.one_line(node) for node in subqueries if node.step and node.range and node.step * 2 > node.range]


def is_quantile(template: str) -> bool:
    """Whether the answer is a quantile of a histogram."""
    try:
        return _calls(bare(promql.tree(template))) == "histogram_quantile"
    except ValueError:
        return False
