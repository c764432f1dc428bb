"""Kubernetes objects as they stand in YAML files, each of their fields with its line.

An editor can jump to a line, not to `spec.checks[2].query`, so the tree of the text is kept beside its values. What the
objects mean is left to others, and bounds and errors to `bounded_yaml`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from salus.bounded_yaml import line_of, trees

_INDEX = re.compile(r"\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class RepeatedKey:
    """A key that stands twice in one mapping; YAML readers silently take the last."""

    path: str
    line: int


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a file; the items of a list are objects of their own."""

    number: int
    """Of the YAML document in its file, from 1."""
    body: Any
    node: yaml.Node
    repeated: tuple[RepeatedKey, ...]

    def line(self, path: str) -> int:
        """The line, from 1, of the deepest part of `path` that is written: a missing field is at its parent's."""
        return self.place(path)[0]

    def place(self, path: str) -> tuple[int, int]:
        """Line and column of the same, from 1."""
        found = _deepest(self.node, path)
        return line_of(found), found.start_mark.column + 1

    def text(self, path: str) -> str | None:
        """A plain value as it is written, before 0x60 becomes a number; None where there is none."""
        node = self.value_at(path)
        return str(node.value) if isinstance(node, yaml.ScalarNode) else None

    def value_at(self, path: str) -> yaml.Node | None:
        """The node of what stands at `path` itself; None where nothing does."""
        node = self.node
        while path:
            step = _step(node, path)
            if step is None:
                return None
            _, node, path = step
        return node


def read_documents(text: bytes) -> Iterator[Document]:
    """The objects of one file, one after the other. Raises UnreadableError, possibly after some of them."""
    for number, tree in enumerate(trees(text, times=False), 1):
        repeated = tuple(_repeated(tree.node))  # now, since the value copies what `<<` stands for into the tree
        yield from _objects(Document(number, tree.value(), tree.node, repeated))


def _repeated(root: yaml.Node) -> Iterator[RepeatedKey]:
    for path, node in _nodes(root):
        seen: set[str] = set()
        for key, _ in _pairs(node):
            if key.value in seen:
                yield RepeatedKey(_below(path, key.value), line_of(key))
            seen.add(key.value)


def _objects(document: Document) -> Iterator[Document]:
    """The document, or its items if it is a list such as `kubectl get -o yaml` writes."""
    items = _child(document.node, "items")
    if not _is_list(document.body) or not isinstance(items, yaml.SequenceNode):
        yield document
        return
    for index, (body, node) in enumerate(zip(document.body["items"], items.value, strict=True)):
        repeated = tuple(_relative(document.repeated, f"items[{index}]."))
        yield Document(document.number, _with_kind_of(document.body, body), node, repeated)


def _relative(repeated: Iterable[RepeatedKey], prefix: str) -> Iterator[RepeatedKey]:
    for key in repeated:
        if key.path.startswith(prefix):
            yield RepeatedKey(key.path.removeprefix(prefix), key.line)


def _is_list(body: object) -> bool:
    return isinstance(body, Mapping) and str(body.get("kind")).endswith("List") and isinstance(body.get("items"), list)


def _with_kind_of(listing: Mapping[str, Any], item: object) -> object:
    """The API server leaves kind and version out of the items of a typed list."""
    kind = str(listing["kind"]).removesuffix("List")
    if not kind or not isinstance(item, Mapping):
        return item
    return {"apiVersion": listing.get("apiVersion"), "kind": kind, **item}


def _deepest(node: yaml.Node, path: str) -> yaml.Node:
    """The key, or the item, at the end of as much of `path` as there is."""
    found = node
    while path:
        step = _step(node, path)
        if step is None:
            return found
        found, node, path = step
    return found


def _step(node: yaml.Node, path: str) -> tuple[yaml.Node, yaml.Node, str] | None:
    """What to point at, where to go on, and the rest of the path; a key may contain dots, so the longest fits."""
    if isinstance(node, yaml.SequenceNode):
        index = _INDEX.match(path)
        if index is None or int(index[1]) >= len(node.value):
            return None
        item = node.value[int(index[1])]
        return item, item, path[index.end() :].removeprefix(".")
    fitting = [pair for pair in _pairs(node) if _begins(path, pair[0].value)]
    if not fitting:
        return None
    key, value = max(fitting, key=lambda pair: len(pair[0].value))
    return key, value, path[len(key.value) :].removeprefix(".")


def _begins(path: str, key: str) -> bool:
    return bool(key) and (path == key or path.startswith((f"{key}.", f"{key}[")))


def _nodes(root: yaml.Node) -> Iterator[tuple[str, yaml.Node]]:
    """Every node from `root` down with its path, once each: an anchor may be used twice, or within itself."""
    pending: list[tuple[str, yaml.Node]] = [("", root)]
    seen: set[int] = set()
    while pending:
        path, node = pending.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield path, node
            pending += reversed(_children(path, node))


def _children(path: str, node: yaml.Node) -> list[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.SequenceNode):
        return [(f"{path}[{index}]", item) for index, item in enumerate(node.value)]
    return [(_below(path, key.value), value) for key, value in _pairs(node)]


def _pairs(node: yaml.Node) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        return []
    return [(key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)]


def _child(node: yaml.Node, name: str) -> yaml.Node | None:
    return next((value for key, value in _pairs(node) if key.value == name), None)


def _below(path: str, key: str) -> str:
    return f"{path}.{key}".removeprefix(".")
