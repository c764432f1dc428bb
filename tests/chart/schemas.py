"""JSON schemas for kubeconform, from what the API server itself publishes at /openapi/v2, so that no network is needed.

One file for each kind, with all that it refers to inside. In one thing they are stricter than what is published: a
field that a schema does not name is an error, as with `kubectl --validate=strict`.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Schema = dict[str, Any]
_PREFIX = "#/definitions/"
_KINDS = "x-kubernetes-group-version-kind"
_ANY_TYPE = ("io.k8s.apimachinery.pkg.api.resource.Quantity", "io.k8s.apimachinery.pkg.util.intstr.IntOrString")
"""Numbers or text, though the published type is text."""

LOCATION = "{{.ResourceKind}}{{.KindSuffix}}.json"
"""How kubeconform finds a file of `write`."""


def write(openapi: Schema, folder: Path) -> int:
    """Write the schema of each kind into `folder`, and return how many there are."""
    definitions = {name: _strict(name, schema) for name, schema in openapi["definitions"].items()}
    files = dict(_files(definitions))
    for name, schema in files.items():
        (folder / name).write_text(json.dumps(schema), encoding="utf-8")
    return len(files)


def _files(definitions: Mapping[str, Schema]) -> Iterator[tuple[str, Schema]]:
    for name, schema in definitions.items():
        for kind in schema.get(_KINDS, ()):
            group = f"{kind['group'].split('.')[0]}-" if kind["group"] else ""
            needed = {other: definitions[other] for other in _reached(name, definitions)}
            file = f"{kind['kind']}-{group}{kind['version']}.json".lower()
            yield file, {"$ref": f"{_PREFIX}{name}", "definitions": needed}


def _reached(name: str, definitions: Mapping[str, Schema]) -> set[str]:
    """The names of all definitions that one refers to, itself among them."""
    found, waiting = {name}, [name]
    while waiting:
        fresh = set(_references(definitions[waiting.pop()])) - found
        found |= fresh
        waiting += fresh
    return found


def _references(node: object) -> Iterator[str]:
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from _references(child)
    if isinstance(node, dict) and isinstance(target := node.get("$ref"), str):
        yield target.removeprefix(_PREFIX)


def _strict(name: str, schema: Schema) -> Schema:
    if name in _ANY_TYPE:
        return {"type": ["string", "number"]}
    strict: Schema = _closed(schema)
    return strict


def _closed(node: Any) -> Any:  # noqa: ANN401 — a node of JSON
    """No other fields than those that are named, wherever some are."""
    if isinstance(node, list):
        return [_closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    closed = {key: _fields(value) if key == "properties" else _closed(value) for key, value in node.items()}
    if closed.get("x-kubernetes-int-or-string"):
        closed.pop("type", None)
    if "properties" not in closed or closed.get("x-kubernetes-preserve-unknown-fields"):
        return closed
    return {"additionalProperties": False, **closed}


def _fields(properties: Mapping[str, Any]) -> dict[str, Any]:
    """A field may be called `properties` itself, as in the schema of a CRD."""
    return {name: _closed(field) for name, field in properties.items()}
