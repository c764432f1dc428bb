"""Which queries are better asked as a ratio, and how: in the words of their author, cut at the `/`.

Errors by requests, say. Such a query is empty where no error was ever counted, and NaN where nothing was asked.
"""

import re
from collections.abc import Iterator
from typing import Any

import promql_parser as ast

from salus.core.policy import bounds, promql
from salus.core.policy.counting import counted

_TOKEN = re.compile(bounds.QUOTED + r"|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<word>\bor\b)|(?P<slash>/)", re.DOTALL)


def as_ratio(template: str) -> tuple[str, str] | None:
    """The part and the whole, for a query that divides a sum of rates by another one of the same labels and range."""
    try:
        return _parts(template)
    except ValueError:
        return None


@promql.readable
def _parts(template: str) -> tuple[str, str] | None:
    tree: Any = promql.tree(template)
    if not _divides(tree) or "#" in template:
        return None
    at = next(_places(template, "slash"))
    of, whole = _first(template[:at], tree.lhs), template[at + 1 :]
    part, all_of_it = counted(of), counted(whole)
    if part is None or all_of_it is None or part[1] != all_of_it[1]:
        return None
    if _labels(promql.tree(of)) != _labels(tree.rhs):
        return None
    return " ".join(of.split()), " ".join(whole.split())


def _divides(tree: Any) -> bool:  # noqa: ANN401 — any part of the tree
    """Whether it is one plain quotient, of parts that are no operations without brackets."""
    plain = isinstance(tree, ast.BinaryExpr) and str(tree.op) == "/" and tree.modifier is None
    return plain and not any(isinstance(part, ast.BinaryExpr | ast.UnaryExpr) for part in (tree.lhs, tree.rhs))


def _first(text: str, tree: Any) -> str:  # noqa: ANN401
    """What stands before the `or 0 * …` in brackets by which authors make nothing 0; else all of it."""
    inner = tree.expr if isinstance(tree, ast.ParenExpr) else None
    if not isinstance(inner, ast.BinaryExpr) or str(inner.op) != "or" or not _is_nothing(inner.rhs):
        return text
    within = text.strip()[1:-1]
    return within[: list(_places(within, "word"))[-1]]


def _is_nothing(tree: Any) -> bool:  # noqa: ANN401
    """`0 * …`, or `vector(0)`."""
    match tree:
        case ast.BinaryExpr(lhs=ast.NumberLiteral() as factor) | ast.BinaryExpr(rhs=ast.NumberLiteral() as factor):
            return str(tree.op) == "*" and factor.val == 0
        case ast.Call():
            return bool(tree.func.name == "vector")
        case _:
            return False


def _places(text: str, kind: str) -> Iterator[int]:
    """Where a token of this kind stands outside of all brackets and quotes."""
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += (token["open"] is not None) - (token["close"] is not None)
        if depth == 0 and token[kind] is not None:
            yield token.start()


def _labels(tree: Any) -> tuple[str, ...]:  # noqa: ANN401
    """What it is summed up by, as it is written."""
    while isinstance(tree, ast.ParenExpr | ast.BinaryExpr):
        tree = tree.expr if isinstance(tree, ast.ParenExpr) else tree.lhs
    by = tree.modifier if isinstance(tree, ast.AggregateExpr) else None
    return () if by is None else (str(by.type), *sorted(by.labels))
