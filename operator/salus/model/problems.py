"""What is wrong with a resource, in the words of its author: a path as in the YAML, and a plain sentence.

For `salus validate` and the condition Stalled, which say offline what the API server says online.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from salus.model.scalars import CAMEL_CASE, DNS_LABEL, DNS_NAME, LABEL_VALUE, METRIC_LABEL, quote


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend: `spec.checks[2].query`, and what is wrong there."""

    path: str
    message: str

    def __str__(self) -> str:
        """`spec.checks[2].query: expected text, got 5`."""
        return f"{self.path}: {self.message}"


def problems(error: ValidationError, prefix: str = "spec") -> tuple[Problem, ...]:
    """Every problem that pydantic found, its paths under `prefix`."""
    return tuple(_problem(detail, prefix) for detail in error.errors(include_url=False) if not _is_echo(detail))


def _is_echo(detail: ErrorDetails) -> bool:
    """Whether a list is said to be too short only because its items are wrong, each of which is reported by itself."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail.get("ctx", {}).get("min_length", 0)


def _problem(detail: ErrorDetails, prefix: str) -> Problem:
    say = _WORDS.get(detail["type"], _as_it_is)
    return Problem(_path(detail["loc"], prefix), say(detail, detail.get("ctx", {})))


def _path(places: tuple[int | str, ...], prefix: str) -> str:
    named = (place for place in places if place != "[key]")  # what is wrong with a name stands at the name
    steps = (f"[{place}]" if isinstance(place, int) else f".{place}" for place in named)
    return (prefix + "".join(steps)).removeprefix(".")


Context = Mapping[str, Any]
Words = Callable[[ErrorDetails, Context], str]

_SHAPES = {
    DNS_LABEL: 'lowercase letters, digits and "-", a letter or digit at both ends',
    DNS_NAME: 'lowercase letters, digits, "-" and ".", a letter or digit at both ends',
    LABEL_VALUE: 'letters, digits, "-", "_" and ".", a letter or digit at both ends',
    METRIC_LABEL: 'the name of a Prometheus label: letters, digits and "_", no digit first',
    CAMEL_CASE: "one CamelCase word",
    r"^[1-9][0-9]{0,3}%?$": 'a number such as "2" or a share such as "50%"',
}


def _as_it_is(detail: ErrorDetails, _: Context) -> str:
    return detail["msg"]


def _always(message: str) -> Words:
    return lambda _, __: message


def _expected(what: str) -> Words:
    return lambda detail, _: f"expected {what}, got {quote(detail['input'])}"


def _bound(words: str, key: str) -> Words:
    return lambda detail, context: f"expected {words} {context[key]}, got {quote(detail['input'])}"


def _size(words: str, key: str, unit: str) -> Words:
    def say(detail: ErrorDetails, context: Context) -> str:
        bound = context[key]
        return f"expected {words} {bound} {unit if bound == 1 else unit + 's'}, got {len(detail['input'])}"

    return say


def _choice(detail: ErrorDetails, context: Context) -> str:
    return f"expected {context['expected'].replace(chr(39), '')}, got {quote(detail['input'])}"


def _shape(detail: ErrorDetails, context: Context) -> str:
    pattern = context["pattern"]
    return f"expected {_SHAPES.get(pattern, f'to match {pattern}')}, got {quote(detail['input'])}"


def _own_words(_: ErrorDetails, context: Context) -> str:
    return str(context["error"])


def _text(detail: ErrorDetails, _: Context) -> str:
    """A number or a switch is mostly a text that lacks its quotes."""
    given = detail["input"]
    written = quote(given)
    unquoted = f"; quote it: {quote(written)}" if isinstance(given, int | float) else ""
    return f"expected text, got {written}{unquoted}"


_BOOL = _expected("true or false")
_OBJECT = _expected("an object")
_LIST = _expected("a list")
_WORDS: Mapping[str, Words] = {
    "missing": _always("is required"),
    "extra_forbidden": _always("unknown field"),
    "value_error": _own_words,
    "enum": _choice,
    "literal_error": _choice,
    "string_pattern_mismatch": _shape,
    "string_type": _text,
    "bool_type": _BOOL,
    "bool_parsing": _BOOL,
    "int_type": _expected("a whole number"),
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "mapping_type": _OBJECT,
    "dict_type": _OBJECT,
    "tuple_type": _LIST,
    "greater_than_equal": _bound("at least", "ge"),
    "less_than_equal": _bound("at most", "le"),
    "string_too_short": _size("at least", "min_length", "character"),
    "string_too_long": _size("at most", "max_length", "character"),
    "too_short": _size("at least", "min_length", "item"),
    "too_long": _size("at most", "max_length", "item"),
}
