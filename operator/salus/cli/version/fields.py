"""Which fields the CRDs of a cluster have and this program does not know, and the other way round. Pure.

The program's half is in the models, of which the CRDs are made; the cluster's is in the schemas that its API server
publishes. Only names of fields are compared: what may be in them, the API server itself says when it refuses.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from salus.model.kinds import MODELS
from salus.model.scalars import Resource

_DEEPEST = 64
"""Levels; what lies below is not looked at."""
_ANYTHING = "x-kubernetes-preserve-unknown-fields"


@dataclass(frozen=True, slots=True)
class Node:
    """The fields of an object; those of a list's or a map's items are the list's or the map's."""

    fields: Mapping[str, "Node"] = field(default_factory=dict)
    is_open: bool = False
    """It takes any field."""
    is_map: bool = False
    """Its keys are anybody's; the fields are those of its values."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Fields as `kubectl explain` names them, `healthpolicy.spec.checks.volume`; of a kind that is not there, its name.

    Where a whole object is missing, its own fields are not named one by one.
    """

    lacking: tuple[str, ...] = ()
    """This program knows them, and the CRDs do not have them."""
    not_known: tuple[str, ...] = ()
    """The CRDs have them, and this program does not know them."""


def compared(schemas: Mapping[str, Any]) -> Difference:
    """The difference between the models and these schemas, by kind. Raises MALFORMED for what are no schemas."""
    theirs = {kind.lower(): node_of(schema) for kind, schema in schemas.items()}
    mine = {kind.lower(): node for kind, node in own_fields().items()}
    return Difference(tuple(_missing(mine, theirs)), tuple(_missing(theirs, mine)))


def own_fields() -> Mapping[str, Node]:
    """What this program knows of each kind."""
    return {kind: fields_of(kind) for kind in MODELS}


@cache
def fields_of(kind: str) -> Node:
    """What this program knows of this kind."""
    spec, status = MODELS[kind]
    return Node({"spec": _of_model(spec), "status": _of_model(status)})


def node_of(schema: Mapping[str, Any]) -> Node:
    """What a published schema has of `spec` and `status`; the rest is the API server's own."""
    parts = schema["properties"]
    return Node({name: _node(parts[name], {}) for name in ("spec", "status") if name in parts})


def _of_model(model: type[Resource]) -> Node:
    schema = model.model_json_schema(by_alias=True)
    return _node(schema, schema.get("$defs", {}))


def _node(schema: Mapping[str, Any], definitions: Mapping[str, Any], depth: int = 0) -> Node:
    schema = _inlined(schema, definitions)
    if depth > _DEEPEST or "$ref" in schema:
        return Node(is_open=True)
    if items := schema.get("items"):
        return _node(items, definitions, depth + 1)
    values = schema.get("additionalProperties")
    if isinstance(values, Mapping):
        return replace(_node(values, definitions, depth + 1), is_map=True)
    fields = {name: _node(one, definitions, depth + 1) for name, one in (schema.get("properties") or {}).items()}
    return Node(fields, is_open=bool(schema.get(_ANYTHING)))


def _inlined(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is meant where a reference stands, or one that may be null."""
    schema = next((one for one in schema.get("anyOf") or () if one.get("type") != "null"), schema)
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    found: Mapping[str, Any] = definitions.get(name, schema)
    return found


def _missing(mine: Mapping[str, Node], theirs: Mapping[str, Node], path: str = "") -> Iterator[str]:
    for name, node in mine.items():
        there = theirs.get(name)
        if there is None:
            yield f"{path}{name}"
        elif not there.is_open:
            yield from _missing(node.fields, there.fields, f"{path}{name}.")
