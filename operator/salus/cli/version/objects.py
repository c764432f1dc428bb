"""What an object of a newer Salus has that this program does not know: it is told, and the rest is read. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from salus.cli.version.fields import Node, fields_of
from salus.model.kinds import MODELS
from salus.model.scalars import Body

_PARTS = ("spec", "status")


def not_known(body: Body) -> Iterator[str]:
    """Fields as `kubectl explain` names them, `healthpolicy.spec.checks.volume`; none of objects that are not ours."""
    kind = str(body.get("kind"))
    if kind in MODELS:
        node = fields_of(kind)
        for part in _PARTS:
            yield from _strange(node.fields[part], body.get(part), f"{kind.lower()}.{part}")


def known(body: Body) -> Body:
    """The object with what this program knows, and nothing else."""
    if body.get("kind") not in MODELS:
        return body
    node = fields_of(str(body["kind"]))
    return {**body, **{part: _kept(node.fields[part], body[part]) for part in _PARTS if part in body}}


def _is_of_any_form(node: Node) -> bool:
    return node.is_open or node.is_map or not node.fields


def _strange(node: Node, value: object, path: str) -> Iterator[str]:
    if _is_of_any_form(node):
        return
    if isinstance(value, list):
        for one in value:
            yield from _strange(node, one, path)
    elif isinstance(value, Mapping):
        for name, one in value.items():
            if name in node.fields:
                yield from _strange(node.fields[name], one, f"{path}.{name}")
            else:
                yield f"{path}.{name}"


def _kept(node: Node, value: Any) -> Any:  # noqa: ANN401 — a part of an object
    if _is_of_any_form(node):
        return value
    if isinstance(value, list):
        return [_kept(node, one) for one in value]
    if not isinstance(value, Mapping):
        return value
    return {name: _kept(node.fields[name], one) for name, one in value.items() if name in node.fields}
