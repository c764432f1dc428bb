"""YAML from files that anybody may have written, within bounds, for `salus validate` and for the configuration.

A few hundred bytes can stand for gigabytes: aliases of aliases, and merges (`<<`) of merges, which PyYAML copies out.
So what is written is bounded as it is parsed, by events, of which none is kept; and what it stands for is counted on
the tree, before a value is made of it. PyYAML raises whatever its constructors meet (KeyError for `!!bool x`); here
there is one error, which names the line where that is known.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import yaml

from salus.contained import contained

T = TypeVar("T")

LARGEST = 16 * 1024 * 1024
"""Bytes of a file."""
MOST_NODES = 250_000
"""Keys and values of one document, each counted as often as it is stood for."""
_DEEPEST = 100
"""No object is nested deeper; libyaml's own recursion would end the process."""
_LONGEST_NUMBER = 400
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Ten times faster where PyYAML was built with libyaml, as its wheels are."""
_NUMBER = re.compile(r"[-+.:_0-9a-fA-FxXoO]+")


class UnreadableError(Exception):
    """A file is not there, or is not YAML. `line` counts from 1; None where no line is to blame."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Tree:
    """One document: where everything stands, and what it comes to."""

    node: yaml.Node
    _construct: Callable[[yaml.Node], Any]

    def value(self) -> Any:  # noqa: ANN401 — whatever is written there
        """What is written. It copies what `<<` stands for into the tree. Raises UnreadableError."""
        return _tried(lambda: self._construct(self.node))


def read_bytes(path: Path) -> bytes:
    """What the file holds, as far as one byte beyond the bound. Raises OSError."""
    with path.open("rb") as file:
        return file.read(LARGEST + 1)


def trees(text: bytes, *, times: bool = True) -> Iterator[Tree]:
    """The documents of a file, one after the other. Raises UnreadableError, possibly after some of them.

    Without `times` an unquoted 2026-11-22 is text, as it is for Kubernetes.
    """
    if len(text) > LARGEST:
        raise UnreadableError(f"larger than {LARGEST // 1024 // 1024} MiB; split it")
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError("not text in UTF-8", text.count(b"\n", 0, error.start) + 1) from error
    has_aliases = _tried(lambda: _refuse_what_is_too_much(decoded))
    loader = _LOADER(decoded)
    if not times:
        loader.yaml_implicit_resolvers = _without_times(loader.yaml_implicit_resolvers)
    try:
        while (node := _tried(lambda: loader.get_node() if loader.check_node() else None)) is not None:
            if has_aliases:
                _refuse_what_stands_for_too_much(node)
            yield Tree(node, loader.construct_document)
    finally:
        loader.dispose()


def value_of(text: bytes) -> Any:  # noqa: ANN401 — whatever is written there
    """The value of a file that holds one document, or none. Raises UnreadableError."""
    found = trees(text)
    first = next(found, None)
    if next(found, None) is not None:
        raise UnreadableError("more than one document; one was expected")
    return None if first is None else first.value()


def line_of(node: yaml.Node) -> int:
    """Where it begins, from 1."""
    return node.start_mark.line + 1


def _tried(work: Callable[[], T]) -> T:
    escaped: list[BaseException] = []
    with contained(escaped.append):
        return work()
    raise _unreadable(escaped[0])


def _unreadable(error: BaseException) -> UnreadableError:
    match error:
        case UnreadableError():
            return error
        case yaml.MarkedYAMLError():
            return UnreadableError(f"not YAML: {error.problem}", _line_at(error.problem_mark))
        case yaml.YAMLError() | ValueError():
            return UnreadableError(f"not YAML: {' '.join(str(error).split())[:300]}")
        case _:
            return UnreadableError(f"not YAML: a value that does not fit its tag ({type(error).__name__})")


def _without_times(resolvers: Mapping[Any, list[Any]]) -> dict[Any, list[Any]]:
    return {
        first: [(tag, pattern) for tag, pattern in some if tag != "tag:yaml.org,2002:timestamp"]
        for first, some in resolvers.items()
    }


def _refuse_what_is_too_much(text: str) -> bool:
    """Depth, number, and numbers without end, before anything is kept. Whether there are aliases."""
    depth = nodes = 0
    has_aliases = False
    for event in yaml.parse(text, Loader=_LOADER):
        match event:
            case yaml.DocumentStartEvent():
                nodes = 0
            case yaml.CollectionStartEvent():
                depth, nodes = depth + 1, nodes + 1
            case yaml.CollectionEndEvent():
                depth -= 1
            case yaml.AliasEvent():
                has_aliases = True
            case yaml.ScalarEvent():
                nodes += 1
                _refuse_a_long_number(event)
        if depth > _DEEPEST:
            raise UnreadableError(f"nested deeper than {_DEEPEST} levels", _line_at(event.start_mark))
        if nodes > MOST_NODES:
            raise UnreadableError(f"a document of more than {MOST_NODES} values; split it", _line_at(event.start_mark))
    return has_aliases


def _refuse_a_long_number(scalar: yaml.ScalarEvent) -> None:
    if len(scalar.value) > _LONGEST_NUMBER and not scalar.style and _NUMBER.fullmatch(scalar.value):
        raise UnreadableError(f"a number of {len(scalar.value)} characters", _line_at(scalar.start_mark))


def _refuse_what_stands_for_too_much(root: yaml.Node) -> None:
    """Aliases and merges written out: how many values that is, and how deep. Each node is looked at once."""
    known: dict[int, tuple[int, int]] = {}
    under_way: set[int] = set()
    pending: list[yaml.Node] = [root]
    while pending:
        node = pending[-1]
        if id(node) in known:
            pending.pop()
        elif id(node) in under_way:
            pending.pop()
            known[id(node)] = _written_out(node, known)
        else:
            under_way.add(id(node))
            pending += [child for child in _below(node) if id(child) not in under_way]


def _written_out(node: yaml.Node, known: Mapping[int, tuple[int, int]]) -> tuple[int, int]:
    """Values and depth. What stands within itself is counted once: nothing copies it without end."""
    below = [known.get(id(child), (0, 0)) for child in _below(node)]
    values, depth = 1 + sum(count for count, _ in below), 1 + max((deep for _, deep in below), default=0)
    if values > MOST_NODES:
        raise UnreadableError(f"aliases that stand for more than {MOST_NODES} values", line_of(node))
    if depth > _DEEPEST + 1:
        raise UnreadableError(f"nested deeper than {_DEEPEST} levels, by aliases", line_of(node))
    return values, depth


def _below(node: yaml.Node) -> list[yaml.Node]:
    match node:
        case yaml.SequenceNode():
            return list(node.value)
        case yaml.MappingNode():
            return [one for pair in node.value for one in pair]
        case _:
            return []


class _Mark(Protocol):
    """Of either parser; counts from 0."""

    line: int


def _line_at(mark: _Mark | None) -> int | None:
    return None if mark is None else mark.line + 1
