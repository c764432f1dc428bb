"""How far back the answer to a query looks, when a part of that is not in its text.

A series that a rule records carries the window of the rule's own expression, and so does an alert. Where the name of
the series tells it, as `job:http_errors:rate5m` and `slo:sli_error:ratio_rate1h` do, it is believed, and so is what
somebody told of the rules of the source. Of every other series of a rule the window is not known, and that is said.

An alert on the rate at which a budget burns asks the same of a short window and of a long one, and ends with the short.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from salus.core.policy import promql
from salus.model.values.metrics import Rule

ALERTS = "ALERTS"
"""The series of alerts that fire or are pending."""
DEEPEST = 16
"""Rules upon rules; what lies deeper is not known."""

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}
_LONGEST = timedelta(days=366)
_SPAN = r"(?P<span>(?:[1-9][0-9]{0,4}[smhdwy])+)"
_RECORDED = re.compile(rf"(?<![0-9]){_SPAN}(?![A-Za-z0-9])")
"""In a name with colons, which are for rules: wherever a span ends a word."""
_PLAIN = re.compile(rf"(?:_|rate|increase|delta|avg|min|max|sum){_SPAN}$")
"""In any other name: at its end, after a word that has spans."""
_NO_MATTER = re.compile(rf"{_SPAN}|\s")
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

    def recorded(self, name: str) -> timedelta | None:
        """How far back a recorded series looks; None for one that no rule records, or whose rule hides it too."""
        return self._of((name, False), DEEPEST)

    def alert(self, name: str) -> timedelta | None:
        """How far back an alert looks, with its `for`."""
        return self._of((name, True), DEEPEST)

    def _of(self, key: tuple[str, bool], deeper: int) -> timedelta | None:
        """The widest of the rules of one name."""
        if key not in self._windows:
            self._windows[key] = None  # so that a series which is made from itself has an end
            found = [self._of_rule(rule, deeper - 1) for rule in self._by_name.get(key, ())]
            widest = None if None in found else max((one for one in found if one is not None), default=None)
            self._windows[key] = widest
        return self._windows[key]

    def _of_rule(self, rule: Rule, deeper: int) -> timedelta | None:
        try:
            found = _window(rule.query, lambda name: self._of((name, False), deeper) if deeper else None)
        except ValueError:
            return None
        return None if found.hidden else min(found.known + rule.lasts, _LONGEST)


def window(query: str, rules: Rules | None = None, alert: str = "") -> Window:
    """The widest stretch of the past behind an answer; `alert`: the name of the only alert that the query reads.

    Raises ValueError if the query cannot be read.
    """
    if rules is None:
        return _window(query, lambda _: None)
    return _window(query, lambda name: rules.alert(alert) if name == ALERTS else rules.recorded(name))


def _window(query: str, told: Callable[[str], timedelta | None]) -> Window:
    if both := promql.sides(query, "and"):
        if len({_NO_MATTER.sub("", side) for side in both}) == 1:
            return min((_window(side, told) for side in both), key=lambda one: (bool(one.hidden), one.known))
    elif either := promql.sides(query, "or"):
        one, other = (_window(side, told) for side in either)
        return Window(max(one.known, other.known), tuple(dict.fromkeys((*one.hidden, *other.hidden))))
    widest, hidden = _NOTHING, []
    for name, reach in promql.reads(query):
        own = told(name)
        own = in_name(name) if own is None else own
        if own is None and (":" in name or name == ALERTS):
            hidden.append(name)
        widest = max(widest, reach + (own or _NOTHING))
    return Window(min(widest, _LONGEST), tuple(dict.fromkeys(hidden)))


def in_name(name: str) -> timedelta | None:
    """The window that the name of a series tells: `…:rate5m` → 5m; several stand one around the other."""
    found = _RECORDED.finditer(name) if ":" in name else _PLAIN.finditer(name)
    spans = [_span(one["span"]) for one in found]
    return min(sum(spans, _NOTHING), _LONGEST) if spans else None


def _span(text: str) -> timedelta:
    return min(sum((timedelta(seconds=int(n) * _SECONDS[unit]) for n, unit in _PART.findall(text)), _NOTHING), _LONGEST)
