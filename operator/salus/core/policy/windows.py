"""How far back the answer to a query looks, when a part of that is not in its text.

A series that a rule records carries the window of the rule's own expression, and so does an alert. Where the name of
the series tells it, as `job:http_errors:rate5m` and `slo:sli_error:ratio_rate1h` do, it is believed, and so is what
somebody told of the rules of the source. Of every other series of a rule the window is not known, and that is said.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from salus.core.policy import promql

ALERTS = "ALERTS"
"""The series of alerts that fire or are pending."""

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}
_LONGEST = timedelta(days=366)
_SPAN = r"(?P<span>(?:[1-9][0-9]{0,4}[smhdwy])+)"
_RECORDED = re.compile(rf"(?<![0-9]){_SPAN}(?![A-Za-z0-9])")
"""In a name with colons, which are for rules: wherever a span ends a word."""
_PLAIN = re.compile(rf"(?:_|rate|increase|delta|avg|min|max|sum){_SPAN}$")
"""In any other name: at its end, after a word that has spans."""
_PART = re.compile(r"([0-9]+)([smhdwy])")
_NOTHING = timedelta(0)


@dataclass(frozen=True, slots=True)
class Window:
    """How far back an answer looks, as far as anybody knows."""

    known: timedelta
    hidden: tuple[str, ...] = ()
    """Names of the series whose own windows nobody knows."""


def window(query: str, told: Mapping[str, timedelta] | None = None) -> Window:
    """The widest stretch of the past behind an answer; `told`: the windows of series whose rules are known.

    Raises ValueError if the query cannot be read.
    """
    widest, hidden = _NOTHING, []
    for name, reach in promql.reads(query):
        own = in_name(name) if told is None or name not in told else told[name]
        if own is None and (":" in name or name == ALERTS):
            hidden.append(name)
        widest = max(widest, reach + (own or _NOTHING))
    return Window(widest, tuple(dict.fromkeys(hidden)))


def in_name(name: str) -> timedelta | None:
    """The window that the name of a series tells: `…:rate5m` → 5m; several stand one around the other."""
    found = _RECORDED.finditer(name) if ":" in name else _PLAIN.finditer(name)
    spans = [_span(one["span"]) for one in found]
    return min(sum(spans, _NOTHING), _LONGEST) if spans else None


def _span(text: str) -> timedelta:
    return min(sum((timedelta(seconds=int(n) * _SECONDS[unit]) for n, unit in _PART.findall(text)), _NOTHING), _LONGEST)
