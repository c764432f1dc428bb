"""What Salus must know about a PromQL query besides its answer: whether it is sound, and what it reads.

Placeholders are filled in as text, since a query is kept and shown as its author wrote it; everything else is read
off the tree that promql-parser builds. Asking a server is the business of `salus.sources`.

The parser prints label values without escaping them, so selectors are printed here. It is native code, so nothing comes
to it that is not within `bounds`, and what it panics about is an error like any other.
"""

import re
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import promql_parser as ast

from salus.contained import contained
from salus.core.policy import bounds
from salus.core.policy.pod_names import LONGEST, literal
from salus.core.policy.remembered import Remembered

PODS = "pods"
PLACEHOLDERS = ("namespace", "target", PODS)

PART = "salus_part"
"""Label that `with_sample_times` adds: which part of the answer a series belongs to."""
VALUE_PART = "value"
"""`PART` of the series that the query itself gave; the others bear the index of their selector."""

_LONGEST_NAMES = {"namespace": "n" * 63, "target": "a." * 126 + "a", PODS: LONGEST}
"""What may come in the place of placeholders, at most."""
_PODS_ALONE = f"${PODS}"
_MENU = f"{', '.join(f'${name}' for name in PLACEHOLDERS[:-1])} and ${PLACEHOLDERS[-1]}"
_MATCHES = ("=~", "!~")
_NOTHING = timedelta(0)
_TOKEN = re.compile(bounds.QUOTED + r"|(?P<bare>\$(?:\{\w*\}?|\w*))", re.DOTALL)
_REFERENCE = re.compile(r"\$(?P<brace>\{?)(?P<name>[A-Za-z_]\w*)")
_PLACEHOLDER = re.compile(rf"(\$(?:{'|'.join(PLACEHOLDERS)})\b)")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN_METRIC = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9_:/-]*")
"""What means itself in every regular expression."""

_NAMESPACE = "namespace"
COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
_KEYWORDS = frozenset({"and", "or", "unless", "atan2", "bool", "offset", "Inf", "NaN"})
_STRING = r'"(?:\\.|[^"\\])*"'
_CANONICAL = re.compile(
    rf"""
    (?P<space> \s+ )
    | (?P<other> {_STRING}
      | \b(?:by|without|on|ignoring|group_left|group_right) \s* \((?:{_STRING}|[^()"])*\)   # lists of labels
      | \[ [^\]]* \]                                                                         # ranges
      | \d [\w.]*                                                                            # numbers, durations
      | [A-Za-z_] \w* (?= \s* \( | \s+ (?:by|without) \s* \( )                              # functions, aggregations
    )
    | (?P<name> [A-Za-z_:][\w:]* ) (?P<braces> \{{ (?:{_STRING}|[^{{}}"])* \}} )?
    | (?P<nameless> \{{ (?:{_STRING}|[^{{}}"])* \}} )
    """,
    re.VERBOSE,
)
"""The tokens of a query as the parser prints it: what is a selector, and what only looks like one."""
_SPACES = re.compile(r'(?P<string>"(?:\\.|[^"\\])*")|(?<=\()\s+|\s+(?=\))|(?P<space>\s+)')
"""Between the words of a query as the parser prints it over several lines."""

_OPERATORS = (  # pairs, as the parser's enums cannot be hashed
    (ast.MatchOp.Equal, "="),
    (ast.MatchOp.NotEqual, "!="),
    (ast.MatchOp.Re, "=~"),
    (ast.MatchOp.NotRe, "!~"),
)


@dataclass(frozen=True, slots=True)
class Selector:
    """A place where a query reads series."""

    text: str
    """As PromQL, without the range and without any `@`."""
    offset: timedelta
    """How far its `offset` shifts it into the past; negative into the future."""
    ranged: bool
    """Inside a range or a subquery, which bounds the age of its samples; else it takes the newest, however old."""


@dataclass(frozen=True, slots=True)
class Matching:
    """One condition of a selector: `pod=~"checkout-.*"`."""

    label: str
    operator: str
    value: str

    @property
    def text(self) -> str:
        """As PromQL."""
        label = self.label if _PLAIN_NAME.fullmatch(self.label) else quote(self.label)
        return f"{label}{self.operator}{quote(self.value)}"


@dataclass(frozen=True, slots=True)
class Selection:
    """A selector taken apart."""

    metric: str
    """Empty: of any name."""
    matchers: tuple[Matching, ...]
    offset: timedelta = timedelta(0)

    @property
    def text(self) -> str:
        """As PromQL."""
        return f"{self.present}{_offset(self.offset)}"

    @property
    def present(self) -> str:
        """The same series as they are now."""
        plain = _PLAIN_METRIC.fullmatch(self.metric)
        named = () if plain or not self.metric else (Matching("__name__", "=", self.metric),)
        return f"{self.metric if plain else ''}{{{','.join(one.text for one in (*named, *self.matchers))}}}"


@dataclass(frozen=True, slots=True)
class Probe:
    """A query that answers with its value and, beside it, with the times of the samples behind it."""

    text: str
    selectors: tuple[Selector, ...]
    """By index, which is their `PART` in the answer."""


_P = ParamSpec("_P")
_R = TypeVar("_R")


def readable(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Have it raise nothing but ValueError: the parser panics about what it did not think of."""

    @wraps(function)
    def reading(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        escaped: list[BaseException] = []
        with contained(escaped.append):
            return function(*args, **kwargs)
        raise _as_value_error(escaped[0])

    return reading


def _as_value_error(error: BaseException) -> ValueError:
    return error if isinstance(error, ValueError) else ValueError(f"the parser gave it up ({type(error).__name__})")


def quote(text: str, mark: str = '"') -> str:
    r"""`text` as a PromQL string: `a"b` → `"a\"b"`."""
    return mark + _escaped(text, mark) + mark


def matching(labels: Mapping[str, str], *, or_missing: bool = False) -> str:
    """Matchers for these labels, placeholders and all; `or_missing`: a label may be missing as well."""
    return ",".join(f"{label}{_matched(value, or_missing=or_missing)}" for label, value in labels.items())


def _matched(value: str, *, or_missing: bool) -> str:
    if or_missing and value:
        return f"=~{quote(_escaped_for_regex(value) + '|')}"
    return f"=~{quote(value)}" if value == _PODS_ALONE else f"={quote(value)}"


def _escaped_for_regex(template: str) -> str:
    """All but the placeholders, which `render` escapes."""
    parts = _PLACEHOLDER.split(template)
    return "".join(part if _PLACEHOLDER.fullmatch(part) else literal(part) for part in parts)


def problems_in(template: str) -> str | None:
    """What is wrong with a check's query, for its author, or None: placeholders, bounds, syntax, the answer's type."""
    try:
        return _problem(template)
    except ValueError as error:
        return f"cannot be read as PromQL: {error}"


@readable
def _problem(template: str) -> str | None:
    if wrong := next(_misplaced(template), None) or bounds.exceeded(template):
        return wrong
    filled = _fill(template, _LONGEST_NAMES)
    if len(filled) > bounds.LONGEST_FILLED:
        return (
            f"{len(filled)} characters long with the longest names that may stand for {_MENU}, "
            f"at most {bounds.LONGEST_FILLED}; write them less often"
        )
    if wrong := bounds.exceeded(filled):
        return f"with the longest names that may stand for {_MENU}: {wrong}"
    return _examine(template).problem


def render(template: str, namespace: str, target: str, pods: str | None = None) -> str:
    """The query with its placeholders filled in, escaped for the quotes (and the regex) that they stand in.

    `pods`: the regular expression for the names of the target's pods (`pod_names.pods`), where they are asked for.

    Raises ValueError for a placeholder outside quotes, an unknown one, or one whose value nobody gives.
    """
    if misplaced := next(_misplaced(template), None):
        raise ValueError(misplaced)
    if pods is None and names_pods(template):
        raise ValueError(f"nobody says which pods {_PODS_ALONE} are")
    return _fill(template, {"namespace": namespace, "target": target, PODS: pods or ""})


@dataclass(frozen=True, slots=True)
class Insert:
    """What stands for a parameter of a preset."""

    text: str
    """A name or a number, where the parameter stands outside quotes: whoever gives it has looked at it."""
    is_regex: bool = False


def with_parameters(template: str, values: Mapping[str, Insert]) -> str:
    """A preset's text with the values of its parameters, escaped for the quotes (and the regex) that they stand in.

    The other placeholders stay, those within a value too.
    """

    def fill(token: re.Match[str]) -> str:
        if token["bare"] is not None:
            found = values.get(token["bare"].strip("${}"))
            return found.text if found else token[0]
        if token["string"] is None or "$" not in token[0]:
            return token[0]
        in_regex = _follows_match(template, token)
        return _REFERENCE.sub(lambda found: _inserted(found, values, in_regex=in_regex), token[0])

    return _TOKEN.sub(fill, template)


def _inserted(found: re.Match[str], values: Mapping[str, Insert], *, in_regex: bool) -> str:
    value, mark = values.get(found["name"]), found.string[0]
    if value is None or found["brace"]:
        return found[0]
    if value.is_regex:
        return _escaped(value.text, mark)
    return _escaped(_escaped_for_regex(value.text) if in_regex else value.text, mark)


def names_pods(template: str) -> bool:
    """Whether it asks for the target's pods by their names."""
    return _PODS_ALONE in template


def _fill(template: str, values: Mapping[str, str]) -> str:
    def fill(token: re.Match[str]) -> str:
        text = token["string"]
        if text is None or "$" not in text:
            return token[0]
        in_regex = _follows_match(template, token)
        return _REFERENCE.sub(lambda found: _filled(found, values, text[0], in_regex=in_regex), text)

    return _TOKEN.sub(fill, template)


def _follows_match(template: str, token: re.Match[str]) -> bool:
    return template[: token.start()].rstrip().endswith(_MATCHES)


def window(query: str) -> timedelta:
    """How far back the query looks: its widest range, with the subqueries and offsets around it.

    Raises ValueError if it cannot be read.
    """
    return max((reach for _, reach in reads(query)), default=_NOTHING)


def reads(query: str) -> tuple[tuple[str, timedelta], ...]:
    """The names of the series that it reads, and how far back: ranges, with the subqueries and offsets around them.

    Raises ValueError if it cannot be read.
    """
    return _examine(query).reads


@readable
def tree(query: str) -> ast.Expr:
    """What the parser makes of it. Raises ValueError if it cannot be read."""
    return _read(query).tree


@readable
def places(query: str) -> tuple[ast.VectorSelector, ...]:
    """Each place where it reads series, as the parser has it. Raises ValueError if the query cannot be read."""
    return tuple(leaf.node for leaf in _read(query).leaves)


def names(tree: ast.Expr) -> tuple[str, ...]:
    """Of the series that it reads, each once; empty for one that has none."""
    return tuple(dict.fromkeys(metric_name(leaf.node) or "" for leaf in _leaves(tree)))


def is_scalar(tree: ast.Expr) -> bool:
    """Whether it answers with a number, and not with series."""
    return _value_type(tree) == "scalar"


@readable
def selectors(query: str) -> tuple[Selector, ...]:
    """Where the query reads series, each place once; without those that `@` pins to a moment of its own.

    Raises ValueError if the query cannot be read.
    """
    return _read(query).selectors()


@readable
def selections(query: str) -> tuple[Selection, ...]:
    """The places where the query reads series, taken apart, each once; without those of which that cannot be done.

    These are such as name no metric, hold alternatives, or are pinned to a moment by `@`.

    Raises ValueError if the query cannot be read.
    """
    nodes = [leaf.node for leaf in _read(query).leaves if not leaf.pinned and not leaf.node.matchers.or_matchers]
    return tuple(dict.fromkeys(one for one in map(_selection, nodes) if one.metric))


def with_sample_times(query: str, label: str = "") -> Probe:
    """The query, to be asked together with the time of the newest sample under each of its selectors, in Unix seconds.

    One request, so that value and times belong to the same moment. The query's own text is taken over as it is. With
    `label` the times come once per value of that label. An offset is added back: a time tells how far the samples are
    behind the moment that the offset points at.

    Raises ValueError if the query cannot be read, or answers with something else than a vector or a scalar.
    """
    return PROBES.get((query, label), lambda: _probe(query, label))


@readable
def _probe(query: str, label: str) -> Probe:
    reading = _read(query)
    if wrong := _wrong_type(reading.tree):
        raise ValueError(wrong)
    read = reading.selectors()
    value = f"vector(\n{query}\n)" if _value_type(reading.tree) == "scalar" else query
    times = (_part(_newest(selector, label), str(index)) for index, selector in enumerate(read))
    return Probe("\nor ".join((_part(value, VALUE_PART), *times)), read)


@readable
def where_empty(query: str, label: str = "") -> str:
    """A query that answers wherever this one gives nothing, although its source took samples at the time.

    Samples of what it reads, whatever it filters away; or of anything that is scraped in its namespace, since a counter
    of what never happened is not there at all. `label`: where an answer is for all targets, that of `$target` counts.

    Raises ValueError if the query cannot be read.
    """
    reading = _read(query)
    value = f"vector(\n{query}\n)" if _value_type(reading.tree) == "scalar" else query
    if label:
        value = f'(\n{value}\n) and on ({label}) label_replace(vector(1), "{label}", "$target", "", "")'
    taken = (*(_newest(selector, "") for selector in reading.selectors()), f'up{{{_NAMESPACE}="$namespace"}}')
    return f"count(\n{' or '.join(taken)}\n) unless on () (\n{value}\n)"


class Foreign(ValueError):
    """A query asks for other series than those that it is bound to, or cannot be bound."""

    reason = "ForeignLabel"


class ForeignNamespace(Foreign):
    """They are of another namespace."""

    reason = "ForeignNamespace"


def bound_to(query: str, labels: Mapping[str, str], *, or_missing: Iterable[str] = ()) -> str:
    """The query with these labels in every selector, so that it sees no other series.

    `or_missing`: those of them that a selector may ask for as `matching` writes it, with the label or without.

    What is sent is printed from the tree, so that no server reads the author's text in another way than it was read
    here: no comments, one kind of quotes. The matchers are put into that text by its tokens, and the tree of the result
    has to show that every selector has them, and that nothing else has changed.

    Raises Foreign if a selector can only mean other values of these labels or the query cannot be bound, ValueError if
    it cannot be read.
    """
    if not labels:
        return query
    added = _Added(tuple(labels.items()), frozenset(or_missing))
    return BOUND.get((query, added), lambda: _bind(query, labels, added))


@dataclass(frozen=True, slots=True)
class _Added:
    """The matchers that a selector is to have besides its own."""

    labels: tuple[tuple[str, str], ...]
    or_missing: frozenset[str] = frozenset()

    def to(self, has: Container[str]) -> list[str]:
        """All but those of labels that may be missing, where it `has` one which says so."""
        return [f"{label}={quote(value)}" for label, value in self.labels if not self._said(label, value, has)]

    def _said(self, label: str, value: str, has: Container[str]) -> bool:
        return label in self.or_missing and matching({label: value}, or_missing=True) in has


@readable
def _bind(query: str, labels: Mapping[str, str], added: _Added) -> str:
    reading = _read(query)
    for leaf in reading.leaves:
        for named in leaf.node.matchers.matchers:
            if named.name in labels and _contradicts(named, labels[named.name]):
                raise _foreign(leaf.node, named, labels[named.name])
    bound = _CANONICAL.sub(lambda token: _bound(token, added), reading.tree.prettify()).strip()
    intended = [_shape(leaf, added) for leaf in reading.leaves]
    if not labels.get(_NAMESPACE, "any") or [*map(_shape, _read(bound).leaves)] != intended:
        refusal = ForeignNamespace if _NAMESPACE in labels else Foreign
        raise refusal(f"the query cannot be bound to {','.join(added.to(()))}; write that into every selector")
    return bound


def _contradicts(named: ast.Matcher, value: str) -> bool:
    """Whether no series with this value is meant, as far as that can be told without reading a regular expression."""
    if named.op in (ast.MatchOp.Equal, ast.MatchOp.NotEqual):
        return (named.value == value) is (named.op == ast.MatchOp.NotEqual)
    alternatives = named.value.split("|")
    if not all(map(_PLAIN_VALUE.fullmatch, alternatives)):
        return False  # joined with the matcher, it can only narrow
    return (value in alternatives) is (named.op == ast.MatchOp.NotRe)


def _foreign(node: ast.VectorSelector, named: ast.Matcher, value: str) -> Foreign:
    if named.name != _NAMESPACE:
        return Foreign(
            f"{_printed(node)} asks for {_printed_matcher(named)}, and every query is sent with "
            f"{named.name}={quote(value)} (the source's matchLabels); leave that matcher out"
        )
    read = f"namespace {quote(named.value)}" if named.op == ast.MatchOp.Equal else _printed_matcher(named)
    return ForeignNamespace(f"{_printed(node)} reads {read}; this policy may read {value} only")


def _bound(token: re.Match[str], added: _Added) -> str:
    name, braces = token["name"] or "", token["braces"] or token["nameless"]
    if token["space"] is not None:
        return " "  # the indentation of something deeply nested would be most of it
    if token["other"] is not None or (name in _KEYWORDS and braces is None):
        return token[0]
    inside = (braces or "{}")[1:-1]
    return f"{name}{{{','.join(filter(None, (*added.to(inside), inside)))}}}"


def _shape(leaf: "_Leaf", added: _Added = _Added(())) -> tuple[object, ...]:
    """What a selector reads, with what it is to have besides."""
    node = leaf.node
    own = {*map(_printed_matcher, node.matchers.matchers)}
    matchers = {*added.to(own), *own}
    alternatives = [[_printed_matcher(m) for m in some] for some in node.matchers.or_matchers]
    return node.name, matchers, alternatives, leaf.offset, leaf.reach, leaf.ranged, leaf.pinned


def _part(query: str, name: str) -> str:
    return f'label_replace(\n{query}\n, "{PART}", "{name}", "", "")'


def _newest(selector: Selector, label: str) -> str:
    newest = f"max by ({label}) (timestamp({selector.text}))"
    return f"{newest} + {selector.offset.total_seconds():.3f}" if selector.offset else newest


def _misplaced(template: str) -> Iterator[str]:
    for token in _TOKEN.finditer(template):
        if token["bare"] is not None:
            yield f"{token['bare']} stands outside quotes; {_MENU} are replaced inside \"…\" and '…' only"
        elif token["comment"] is None:
            in_regex = "$" in token[0] and _follows_match(template, token)
            yield from _wrong_references(token[0], raw=token["raw"] is not None, in_regex=in_regex)


def _wrong_references(text: str, *, raw: bool, in_regex: bool) -> Iterator[str]:
    for found in _REFERENCE.finditer(text):
        known = found["name"] in PLACEHOLDERS
        if found["brace"] and known:
            yield f"${{{found['name']}}} is not replaced; write ${found['name']}"
        elif raw and known:
            yield f"${found['name']} stands in a raw string (`…`), which cannot be escaped; use double quotes"
        elif not found["brace"] and not known:
            yield f"unknown placeholder ${found['name']}; known: {_MENU}"
        elif found["name"] == PODS and not in_regex:
            yield f'{_PODS_ALONE} is a regular expression, and stands behind =~ or !~ only; write pod=~"{_PODS_ALONE}"'


def _filled(found: re.Match[str], values: Mapping[str, str], mark: str, *, in_regex: bool) -> str:
    if found["brace"]:
        return found[0]  # a named group of a regular expression, for label_replace
    value = values[found["name"]]
    if found["name"] == PODS:
        alone = found.string == f"{mark}{_PODS_ALONE}{mark}"
        return _escaped(value if alone else f"(?:{value})", mark)
    return _escaped(literal(value) if in_regex else value, mark)


def _escaped(text: str, mark: str) -> str:
    return text.replace("\\", "\\\\").replace(mark, "\\" + mark).replace("\n", "\\n")


def _wrong_type(tree: ast.Expr) -> str | None:
    found = _value_type(tree)
    if found in {"vector", "scalar"}:
        return None
    return f"answers with a {found}, and a check needs a number"


def _value_type(tree: ast.Expr) -> str:
    """`vector`, `scalar`, `range vector` or `string`; arithmetic is scalar as long as all of it is."""
    pending: list[ast.Expr] = [tree]
    while pending:
        match pending.pop():
            case ast.ParenExpr() | ast.UnaryExpr() as inner:
                pending.append(inner.expr)
            case ast.BinaryExpr() as binary:
                pending += [binary.lhs, binary.rhs]
            case ast.NumberLiteral():
                pass
            case ast.Call() as call if call.func.return_type == ast.ValueType.Scalar:
                pass
            case ast.MatrixSelector() | ast.SubqueryExpr():
                return "range vector"
            case ast.StringLiteral():
                return "string"
            case _:
                return "vector"
    return "scalar"


def _nameless(leaves: Iterable["_Leaf"]) -> str | None:
    """Series of several names cannot be asked for their samples' times: `timestamp` drops the name, so they clash."""
    for leaf in leaves:
        if not metric_name(leaf.node):
            return (
                f"{_printed(leaf.node)} names no metric, so the age of its samples cannot be told; "
                "write one selector per metric, joined by `or`"
            )
    return None


@dataclass(frozen=True, slots=True)
class _Reading:
    tree: ast.Expr
    leaves: "tuple[_Leaf, ...]"

    def selectors(self) -> tuple[Selector, ...]:
        return tuple(dict.fromkeys(leaf.selector() for leaf in self.leaves if not leaf.pinned))


def _read(query: str) -> _Reading:
    """The only way to the parser."""
    if wrong := bounds.exceeded(query):
        raise ValueError(wrong)
    tree = ast.parse(query)
    leaves = tuple(_leaves(tree))
    if len(leaves) > bounds.MOST_PLACES:
        raise ValueError(f"it reads series in {len(leaves)} places, at most {bounds.MOST_PLACES}; use several checks")
    return _Reading(tree, leaves)


@dataclass(frozen=True, slots=True)
class _Examined:
    """What compiling asks of a query."""

    problem: str | None
    reads: tuple[tuple[str, timedelta], ...]


def _examine(query: str) -> _Examined:
    return EXAMINED.get(query, lambda: _examined(query))


@readable
def _examined(query: str) -> _Examined:
    reading = _read(query)
    problem = _wrong_type(reading.tree) or _nameless(reading.leaves)
    reads = dict.fromkeys((metric_name(leaf.node) or "", leaf.reach) for leaf in reading.leaves)
    return _Examined(problem, tuple(reads))


@dataclass(frozen=True, slots=True)
class _Leaf:
    node: ast.VectorSelector
    offset: timedelta
    reach: timedelta
    ranged: bool
    pinned: bool

    def selector(self) -> Selector:
        return Selector(_printed(self.node), self.offset, self.ranged)


@dataclass(frozen=True, slots=True)
class _Around:
    """What the ranges and offsets outside a node add to it."""

    reach: timedelta = _NOTHING
    ranged: bool = False
    pinned: bool = False

    def widened(self, node: ast.SubqueryExpr | ast.VectorSelector, span: timedelta | None = None) -> "_Around":
        reach = self.reach + (span or _NOTHING) + max(node.offset or _NOTHING, _NOTHING)
        shifted = isinstance(node, ast.SubqueryExpr) and bool(node.offset)
        return _Around(reach, self.ranged or span is not None, self.pinned or shifted or _pins(node.at))


def _leaves(tree: ast.Expr) -> Iterator[_Leaf]:
    pending: list[tuple[Any, _Around]] = [(tree, _Around())]
    while pending:
        node, around = pending.pop()
        match node:
            case ast.VectorSelector():
                yield _leaf(node, around.widened(node))
            case ast.MatrixSelector(vector_selector=inner):
                yield _leaf(inner, around.widened(inner, node.range))
            case ast.SubqueryExpr():
                pending.append((node.expr, around.widened(node, node.range)))
            case _:
                pending += [(child, around) for child in reversed(children(node))]


def _leaf(node: ast.VectorSelector, around: _Around) -> _Leaf:
    return _Leaf(node, node.offset or _NOTHING, around.reach, around.ranged, around.pinned)


def is_filter(node: Any) -> bool:  # noqa: ANN401 — as below
    """Whether it is a comparison without `bool`, which gives nothing where it does not hold."""
    compares = isinstance(node, ast.BinaryExpr) and str(node.op) in COMPARISONS
    return compares and not (node.modifier is not None and node.modifier.return_bool)


def one_line(node: Any) -> str:  # noqa: ANN401 — the parser types its nodes as Any
    """A part of a query as PromQL, on one line."""
    return _SPACES.sub(lambda found: found["string"] or (" " if found["space"] else ""), node.prettify().strip())


def children(node: Any) -> list[Any]:  # noqa: ANN401 — the parser types its own children as Any
    """What it is made of; ranges and subqueries are for the caller to see."""
    match node:
        case ast.ParenExpr() | ast.UnaryExpr():
            return [node.expr]
        case ast.BinaryExpr():
            return [node.lhs, node.rhs]
        case ast.AggregateExpr():
            return [node.param, node.expr]
        case ast.Call():
            return list(node.args)
        case _:
            return []


def _pins(at: ast.AtModifier | None) -> bool:
    """`@ 1700000000` reads the past for ever; `@ end()` of an instant query is now."""
    return at is not None and at.at is not None


def metric_name(node: ast.VectorSelector) -> str | None:
    """The name that a selector asks for, in front of its braces or inside."""
    if node.name:
        return node.name
    named = (m.value for m in node.matchers.matchers if m.name == "__name__" and m.op == ast.MatchOp.Equal)
    return next(named, None)


def _printed(node: ast.VectorSelector) -> str:
    alternatives = [node.matchers.matchers, *node.matchers.or_matchers]
    matchers = " or ".join(",".join(map(_printed_matcher, some)) for some in alternatives if some)
    return f"{node.name or ''}{{{matchers}}}{_offset(node.offset)}"


def _offset(offset: timedelta | None) -> str:
    return f" offset {offset / timedelta(milliseconds=1):.0f}ms" if offset else ""


def _selection(node: ast.VectorSelector) -> Selection:
    name = metric_name(node) or ""
    named = [one for one in map(_matching, node.matchers.matchers) if one != Matching("__name__", "=", name)]
    return Selection(name, tuple(named), node.offset or _NOTHING)


def _matching(matcher: ast.Matcher) -> Matching:
    return Matching(matcher.name, _operator(matcher.op), matcher.value)


def _printed_matcher(matcher: ast.Matcher) -> str:
    return _matching(matcher).text


def _operator(op: ast.MatchOp) -> str:
    return next(spelling for candidate, spelling in _OPERATORS if op == candidate)


_MIB = 1024 * 1024
EXAMINED: Remembered[str, _Examined] = Remembered(
    4 * _MIB, lambda query, examined: _bytes(query, examined.problem or "", *(name for name, _ in examined.reads))
)
BOUND: Remembered[tuple[str, _Added], str] = Remembered(
    16 * _MIB, lambda key, bound: _bytes(key[0], bound, *(text for label in key[1].labels for text in label))
)
PROBES: Remembered[tuple[str, str], Probe] = Remembered(
    32 * _MIB, lambda key, probe: _bytes(*key, probe.text, *(selector.text for selector in probe.selectors))
)
"""What every tick asks again. `MOST_PLACES` selectors and the texts themselves are all that an entry holds."""


def _bytes(*texts: str) -> int:
    """Of these texts, and about what is around each."""
    return sum(sys.getsizeof(text) + 150 for text in texts)
