"""A report without names, for people whom they do not concern: each becomes a word and a letter, the same all through.

Which names there are is known from the fields that hold nothing else, and from `Kind/name` in sentences; they are then
replaced wherever they stand. What an author or a person wrote freely is left out: nobody knows which names are in it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

import orjson

from salus.cli.reports.document import Document

T = TypeVar("T", bound=Document)

LEFT_OUT = "(left out)"
_STRUCTURE = frozenset(
    {"apiVersion", "kind", "what", "state", "severity", "phase", "resolution", "decision", "outcome", "confidence"}
    | {"mode", "then", "judged", "reason", "at", "begins", "ends", "start", "end", "since", "began"}
)
"""Fields that hold words of Salus, or times."""
_FREE = frozenset({"query", "answered", "noCourses", "missing"})
"""Fields that hold what somebody wrote, or an address."""
_WORDS: Mapping[str, str] = {
    "cluster": "cluster",
    "namespace": "namespace",
    "policy": "policy",
    "check": "check",
    "remedy": "remedy",
    "record": "record",
    "name": "record",
    "identity": "account",
    "sinks": "sink",
}
"""Fields that hold one name, and what such a name is called instead."""
_OURS = frozenset({"", "salus"})
_KINDS = re.compile(r"\b(?:[A-Z][A-Za-z]+|deploy|sts|ds|hp|inc|chev)/([a-z0-9][a-z0-9.-]*[a-z0-9])")
"""`Deployment/checkout`, `deploy/checkout`."""
_RECORDS = re.compile(r"\b[a-z0-9][a-z0-9.-]*-[0-9a-f]{8}-[0-9]+\b")
"""Of a change or an incident."""
_CHECKS = re.compile(r"(?:^|; )([a-z0-9-]+) \S*, (?:above|below) ")
"""`error-ratio 0.31, above 0.05; …`."""
_ONLY_CHECKS = re.compile(r"[a-z0-9-]+(?:, [a-z0-9-]+)*")
_A_LETTER = re.compile(r"[A-Za-z]")


def redacted(document: T) -> T:
    """The same without names."""
    said = orjson.loads(document.to_json())
    names = _letters(_names(said))
    return type(document).from_json(orjson.dumps(_replaced(said, names)))


def _letters(found: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """By name: what stands in its place; in the order of the names, so that it is the same each time."""
    words: dict[str, str] = {}
    for name, word in sorted(found, key=lambda one: one[1] != "workload"):  # policies are called after them
        words.setdefault(name, word)
    given: dict[str, str] = {}
    counts: dict[str, int] = {}
    for name, word in sorted(words.items()):
        counts[word] = counts.get(word, 0) + 1
        given[name] = f"{word}-{_letter(counts[word])}"
    return given


def _letter(number: int) -> str:
    """First A to Z, then AA, AB, and so on."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _names(said: object) -> Iterator[tuple[str, str]]:
    """Each name with its word; those of fields of their own come before those of sentences."""
    texts = list(_texts(said, ""))
    found = [one for field, text in texts for one in _of_field(field, text)]
    found += [(name, "record") for _, text in texts for name in _RECORDS.findall(text)]
    found += [(name, "object") for _, text in texts for name in _KINDS.findall(text)]
    return ((name, word) for name, word in found if name not in _OURS and _A_LETTER.search(name))


def _of_field(field: str, text: str) -> Iterator[tuple[str, str]]:
    match field:
        case "target":
            yield text.rpartition("/")[2], "workload"
        case "by":
            name, _, ticket = text.removeprefix("policy ").partition(" (")
            yield name, "policy" if text.startswith("policy ") else "someone"
            yield ticket.rstrip(")"), "ticket"
        case "images" | "detail" | "did" | "seen":
            yield from ((one.strip(","), "image") for one in text.split() if ":" in one.rstrip(":,"))
            yield from ((name, "check") for name in _CHECKS.findall(text))
            if field == "seen" and _ONLY_CHECKS.fullmatch(text):
                yield from ((name, "check") for name in text.split(", "))
        case _ if field in _WORDS:
            yield text.rpartition("/")[2], _WORDS[field]


def _texts(said: object, field: str) -> Iterator[tuple[str, str]]:
    if isinstance(said, dict):
        for key, value in said.items():
            if key not in _STRUCTURE | _FREE:
                yield from _texts(value, key)
    elif isinstance(said, list):
        for one in said:
            yield from _texts(one, field)
    elif isinstance(said, str) and said:
        yield field, said


def _replaced(said: Any, names: Mapping[str, str]) -> Any:  # noqa: ANN401 — JSON
    pattern = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    found = re.compile(rf"(?<![A-Za-z0-9])(?:{pattern or '(?!)'})(?![A-Za-z0-9])")

    def walk(value: Any, field: str = "") -> Any:  # noqa: ANN401
        if field in _STRUCTURE or not value:
            return value
        if field in _FREE:
            return LEFT_OUT
        if field == "patch":
            return [" ".join(one.split(" ")[:2]) for one in value]
        if isinstance(value, dict):
            return {key: walk(one, key) for key, one in value.items()}
        if isinstance(value, list):
            return [walk(one, field) for one in value]
        return found.sub(lambda one: names[one[0]], value) if isinstance(value, str) else value

    return walk(said)
