"""How far back the answer to a query looks, when a part of that is not in its text.

A series that a rule records carries the window of the rule's own expression, and so does an alert. Where the name of
the series tells it, as `job:http_errors:rate5m` and `slo:sli_error:ratio_rate1h` do, it is believed, and so is what
somebody told of the rules of the source. Of every other series of a rule the window is not known, and that is said.

An alert on the rate at which a budget burns asks the same of a short window and of a long one, and ends with the short.

Whoever may make a rule could stretch the windows of others with it, so what a rule or a name tells is believed up to a
bound, and rules of one name are read up to a bound. What is beyond either is not known.
"""

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import promql_parser as ast

from salus.core.policy import bounds, promql
from salus.model.values.metrics import Rule

ALERTS = "ALERTS"
"""The series of alerts that fire or are pending."""
DEEPEST = 16
"""Rules upon rules; what lies deeper is not known."""
MOST_OF_A_NAME = 64
"""Rules of one name that are read; of more of them nothing is known."""
LARGEST_OF_A_NAME = bounds.LONGEST_FILLED
"""Characters of all rules of one name."""
MOST_OF_A_QUERY = 4 * LARGEST_OF_A_NAME
"""Characters of rules that are read for one query, of all names that it reads and that nobody has asked about yet."""
BELIEVED = timedelta(hours=1)
"""What a rule or a name tells at most, unless a policy waits longer than that anyway."""

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}
_LONGEST = timedelta(days=366)
_SPAN = r"(?P<span>(?:[1-9][0-9]{0,4}[smhdwy])+)"
_SPAN_BY_NAME = re.compile(rf"(?<![0-9]){_SPAN}(?![A-Za-z0-9])")
"""In a name with colons, which are for rules: wherever a span ends a word."""
_PLAIN = re.compile(rf"(?:_|rate|increase|delta|avg|min|max|sum){_SPAN}$")
"""In any other name: at its end, after a word that has spans."""
_NO_MATTER = re.compile(_SPAN)
"""What may differ between a short window and a long one of the same."""
_PART = re.compile(r"([0-9]+)([smhdwy])")
_NOTHING = timedelta(0)


@dataclass(frozen=True, slots=True)
class Window:
    """How far back an answer looks, as far as anybody knows."""

    known: timedelta
    hidden: tuple[str, ...] = ()
    """Names of the series whose own windows nobody knows."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the rules of a source tell; each is read when it is asked for first."""

    known: tuple[Rule, ...] = ()
    _by_name: dict[tuple[str, bool], list[Rule]] = field(init=False, repr=False, compare=False)
    _windows: dict[tuple[str, bool], timedelta | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_name: dict[tuple[str, bool], list[Rule]] = {}
        for rule in self.known:
            by_name.setdefault((rule.name, rule.alert), []).append(rule)
        object.__setattr__(self, "_by_name", by_name)
        object.__setattr__(self, "_windows", {})

    def recorded(self, name: str, left: "_Left | None" = None) -> timedelta | None:
        """How far back a recorded series looks; None for one that no rule records, or whose rule hides it too."""
        return self._told((name, False), left or _Left())

    def alert(self, name: str, left: "_Left | None" = None) -> timedelta | None:
        """How far back an alert looks, with its `for`."""
        return self._told((name, True), left or _Left())

    def _told(self, key: tuple[str, bool], left: "_Left") -> timedelta | None:
        try:
            return self._of(key, DEEPEST, left)
        except _TooMuchError:
            return None

    def _of(self, key: tuple[str, bool], deeper: int, left: "_Left") -> timedelta | None:
        """The widest of the rules of one name. What was not read for want of room is not remembered as unknown."""
        if key not in self._windows:
            rules = self._readable(key)
            left.take(sum(len(rule.query) for rule in rules))
            self._windows[key] = None  # so that a series which is made from itself has an end
            try:
                found = [self._of_rule(rule, deeper - 1, left) for rule in rules]
            except _TooMuchError:
                del self._windows[key]
                raise
            widest = None if None in found else max((one for one in found if one is not None), default=None)
            self._windows[key] = widest
        return self._windows[key]

    def _readable(self, key: tuple[str, bool]) -> Sequence[Rule]:
        """The rules of one name; none where they are too many."""
        found = self._by_name.get(key, ())
        few = len(found) <= MOST_OF_A_NAME and sum(len(rule.query) for rule in found) <= LARGEST_OF_A_NAME
        return found if few else ()

    def _of_rule(self, rule: Rule, deeper: int, left: "_Left") -> timedelta | None:
        try:
            found = _window(rule.query, lambda name: self._of((name, False), deeper, left) if deeper else None)
        except ValueError:
            return None
        return None if found.hidden else min(found.known + rule.lasts, _LONGEST)


class _TooMuchError(Exception):
    """The rules behind a query are more than are read for one."""


@dataclass(slots=True)
class _Left:
    """How much is read yet for one query."""

    characters: int = MOST_OF_A_QUERY

    def take(self, characters: int) -> None:
        """So many are read now. Raises _TooMuchError."""
        if characters > self.characters:
            raise _TooMuchError
        self.characters -= characters


def window(query: str, rules: Rules | None = None, alert: str = "", believed: timedelta = BELIEVED) -> Window:
    """The widest stretch of the past behind an answer; `alert`: the name of the only alert that the query reads.

    What a rule or a name tells is not known if it is wider than `believed`. The query's own ranges always count.

    Raises ValueError if the query cannot be read.
    """
    if rules is None:
        return _window(query, lambda _: None, believed)
    left = _Left()
    return _window(
        query, lambda name: rules.alert(alert, left) if name == ALERTS else rules.recorded(name, left), believed
    )


def _window(query: str, told: Callable[[str], timedelta | None], believed: timedelta = _LONGEST) -> Window:
    tree = promql.tree(query)
    series = {name: _series(name, told(name), believed) for name in promql.names(tree)}
    return _walked(tree, series)


def _series(name: str, told: timedelta | None, believed: timedelta) -> Window:
    """Of one series, by itself."""
    own = in_name(name) if told is None else told
    if own is None:
        return Window(_NOTHING, (name,) if ":" in name or name == ALERTS else ())
    return Window(own) if own <= believed else Window(_NOTHING, (name,))


@promql.readable
def _walked(tree: ast.Expr, series: Mapping[str, Window]) -> Window:
    return _Walk(series).part(tree, _NOTHING).window


@dataclass(frozen=True, slots=True)
class _Part:
    """What a part of a query comes to."""

    window: Window
    shape: int
    """The same for parts that differ in nothing but spans and brackets."""
    filters: bool
    """Whether it gives nothing while a condition does not hold."""


@dataclass(frozen=True, slots=True)
class _Walk:
    """Once through a tree, each node once."""

    series: Mapping[str, Window]
    _shapes: dict[Hashable, int] = field(default_factory=dict)

    def part(self, node: Any, reach: timedelta) -> _Part:  # noqa: ANN401 — the parser types its nodes as Any
        """`reach`: what the ranges and offsets around the node add up to."""
        match node:
            case ast.ParenExpr():
                return self.part(node.expr, reach)
            case ast.VectorSelector():
                return self._selector(node, reach, ranged=False)
            case ast.MatrixSelector(vector_selector=selector):
                return self._selector(selector, reach + node.range, ranged=True)
            case ast.SubqueryExpr():
                inner = self.part(node.expr, reach + (node.range or _NOTHING) + max(node.offset or _NOTHING, _NOTHING))
                return _Part(inner.window, self._shape("[:]", _shifted(node), inner.shape), filters=False)
        parts = [self.part(child, reach) for child in promql.children(node)]
        shape = self._shape(type(node).__name__, _said(node), *(part.shape for part in parts))
        return _Part(_joined(node, parts), shape, _filters(node, parts))

    def _selector(self, node: ast.VectorSelector, reach: timedelta, *, ranged: bool) -> _Part:
        name = promql.metric_name(node) or ""
        own = self.series[name]
        alternatives = [node.matchers.matchers, *node.matchers.or_matchers]
        matchers = tuple(
            tuple((str(one.op), one.name, _NO_MATTER.sub("", one.value)) for one in some) for some in alternatives
        )
        shape = self._shape(_NO_MATTER.sub("", name), matchers, ranged, _shifted(node))
        far = reach + max(node.offset or _NOTHING, _NOTHING) + own.known
        return _Part(Window(min(far, _LONGEST), own.hidden), shape, filters=False)

    def _shape(self, *what: Hashable) -> int:
        return self._shapes.setdefault(what, len(self._shapes))


def _shifted(node: Any) -> Hashable:  # noqa: ANN401
    moment = node.at and (str(node.at.type), str(node.at.at))
    return (node.offset or _NOTHING) > _NOTHING, (node.offset or _NOTHING) < _NOTHING, moment


def _said(node: Any) -> Hashable:  # noqa: ANN401
    """What a node says besides its parts."""
    match node:
        case ast.BinaryExpr() | ast.AggregateExpr():
            return str(node.op), str(node.modifier)
        case ast.Call():
            return str(node.func.name)
        case ast.NumberLiteral():
            return repr(node.val)
        case ast.StringLiteral():
            return _NO_MATTER.sub("", node.val)
    return None


def _joined(node: Any, parts: Sequence[_Part]) -> Window:  # noqa: ANN401
    """The widest of the parts, but for an `and` of the same with two spans: it has the values of the first.

    Where both filter, it also ends with either.
    """
    if isinstance(node, ast.BinaryExpr) and str(node.op) == "and":
        one, other = parts
        if one.shape == other.shape:
            both = (one.window, other.window)
            return min(both, key=lambda side: (bool(side.hidden), side.known)) if one.filters else one.window
    hidden = dict.fromkeys(name for part in parts for name in part.window.hidden)
    return Window(max((part.window.known for part in parts), default=_NOTHING), tuple(hidden))


def _filters(node: Any, parts: Sequence[_Part]) -> bool:  # noqa: ANN401
    filtering = [part.filters for part in parts]
    match str(node.op) if isinstance(node, ast.BinaryExpr) else "":
        case "or":
            return all(filtering)
        case "unless":
            return filtering[0]
    return promql.is_filter(node) or any(filtering)


def in_name(name: str) -> timedelta | None:
    """The window that the name of a series tells: `…:rate5m` → 5m; several stand one around the other."""
    found = _SPAN_BY_NAME.finditer(name) if ":" in name else _PLAIN.finditer(name)
    spans = [_span(one["span"]) for one in found]
    return min(sum(spans, _NOTHING), _LONGEST) if spans else None


def _span(text: str) -> timedelta:
    return min(sum((timedelta(seconds=int(n) * _SECONDS[unit]) for n, unit in _PART.findall(text)), _NOTHING), _LONGEST)
