"""The CustomResourceDefinitions, made from the models: `python -m tools.crds [--check] [DIR]`.

Pydantic writes JSON schema; the API server wants a structural one: no references, no titles, one type a place.
What a schema cannot say stands in the models as `RULES` and arrives as `x-kubernetes-validations`. This module adds
only what is about a kind as a whole: its names, the columns of `kubectl get`, the fields to select by.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from pydantic import JsonValue
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from salus.model.change import ChangeEventSpec, ChangeEventStatus
from salus.model.incident import IncidentSpec, IncidentStatus
from salus.model.policy import HealthPolicySpec, HealthPolicyStatus
from salus.model.release import KeptReleaseSpec, KeptReleaseStatus
from salus.model.scalars import GROUP, VERSION, Resource, format_duration
from salus.presets import load_presets

Schema = dict[str, Any]

HEADER = "# Generated from operator/salus/model by `make crds`. Do not edit.\n"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`; a `wide` one shows with `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False

    def manifest(self) -> Schema:
        """An item of `additionalPrinterColumns`."""
        priority = {"priority": 1} if self.wide else {}
        return {"name": self.name, "type": self.type, "jsonPath": self.path, **priority}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of resource: its models and how `kubectl` shows and selects it."""

    name: str
    plural: str
    short: str
    description: str
    spec: type[Resource]
    status: type[Resource]
    columns: tuple[Column, ...]
    selectable: tuple[str, ...]

    @property
    def crd(self) -> str:
        """Name of the CustomResourceDefinition."""
        return f"{self.plural}.{GROUP}"

    @property
    def file(self) -> str:
        """Name of the file that holds it."""
        return f"{GROUP}_{self.plural}.yaml"


AGE = Column("Age", ".metadata.creationTimestamp", "date")


def _condition(name: str, field: str = "status") -> str:
    return f'.status.conditions[?(@.type=="{name}")].{field}'


KINDS = (
    Kind(
        "HealthPolicy",
        "healthpolicies",
        "hp",
        "What healthy means for a workload, in its own metrics, and what may be done when it is not.",
        HealthPolicySpec,
        HealthPolicyStatus,
        (
            Column("Ready", _condition("Ready")),
            Column("Healthy", _condition("Healthy")),
            Column("Kind", ".spec.target.kind"),
            Column("Target", ".spec.target.name"),
            Column("Targets", ".status.targets.summary"),
            Column("Mode", ".spec.mode"),
            Column("Held By", ".status.heldBy"),
            Column("Last Change", ".status.lastChange.action"),
            Column("Outcome", ".status.lastChange.outcome", wide=True),
            Column("Open", ".status.openIncident", wide=True),
            Column("Source", ".spec.source", wide=True),
            Column("Message", _condition("Ready", "message"), wide=True),
            AGE,
        ),
        (".spec.mode", ".spec.suspend", ".spec.source", ".spec.target.kind", ".spec.target.name"),
    ),
    Kind(
        "Incident",
        "incidents",
        "inc",
        "One workload being unhealthy by one policy, from the first breach to recovery or hand-over.",
        IncidentSpec,
        IncidentStatus,
        (
            Column("Policy", ".spec.policyRef.name"),
            Column("Target", ".spec.targetRef.name"),
            Column("Phase", ".status.phase"),
            Column("Attempts", ".status.attemptCount", "integer"),
            Column("Blame", ".status.blame.kind"),
            Column("Opened", ".spec.openedAt", "date"),
            Column("Message", ".status.message", wide=True),
            AGE,
        ),
        (".spec.policyRef.name", ".spec.targetRef.kind", ".spec.targetRef.name", ".spec.severity", ".status.phase"),
    ),
    Kind(
        "ChangeEvent",
        "changeevents",
        "chev",
        "The record of one decision of Salus, written before the action, with its evidence and how it went.",
        ChangeEventSpec,
        ChangeEventStatus,
        (
            Column("Decision", ".spec.decision"),
            Column("Action", ".spec.action"),
            Column("Kind", ".spec.targetRef.kind"),
            Column("Target", ".spec.targetRef.name"),
            Column("Reason", ".spec.reason"),
            Column("Outcome", ".status.outcome"),
            Column("Policy", ".spec.policyRef.name", wide=True),
            Column("Expires", ".spec.expiresAt", wide=True),
            Column("Delivered", _condition("Delivered"), wide=True),
            Column("Message", ".spec.message", wide=True),
            AGE,
        ),
        (
            ".spec.decision",
            ".spec.action",
            ".spec.targetRef.kind",
            ".spec.targetRef.name",
            ".spec.policyRef.name",
            ".spec.incidentRef.name",
            ".status.outcome",
        ),
    ),
    Kind(
        "KeptRelease",
        "keptreleases",
        "kept",
        "A release of a workload that was healthy, or that a rollback took away, kept so that it can be put back.",
        KeptReleaseSpec,
        KeptReleaseStatus,
        (
            Column("Kind", ".spec.targetRef.kind"),
            Column("Target", ".spec.targetRef.name"),
            Column("Healthy", ".status.healthyAt", "date"),
            Column("Proven By", ".status.provenBy"),
            Column("Quarantined By", ".status.quarantinedBy"),
            Column("Withdrawn By", ".spec.withdrawal.by"),
            Column("Release", ".spec.release", wide=True),
            Column("Reason", ".spec.withdrawal.reason", wide=True),
            AGE,
        ),
        (".spec.targetRef.kind", ".spec.targetRef.name", ".spec.release"),
    ),
)


def manifest(kind: Kind) -> Schema:
    """The CustomResourceDefinition of `kind`."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.crd},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": [kind.short],
                "categories": ["salus"],
            },
            "scope": "Namespaced",
            "versions": [_version(kind)],
        },
    }


def _version(kind: Kind) -> Schema:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [column.manifest() for column in kind.columns],
        "selectableFields": [{"jsonPath": path} for path in kind.selectable],
        "schema": {"openAPIV3Schema": object_schema(kind)},
    }


def object_schema(kind: Kind) -> Schema:
    """The structural schema of a whole object; the API server brings apiVersion, kind and metadata itself.

    An object that Salus has not seen yet says so, for tools that wait: `status.observedGeneration` is -1.
    """
    unseen = {"default": {"observedGeneration": -1}}
    properties = {"spec": structural(kind.spec), "status": {**structural(kind.status), **unseen}}
    return {"description": kind.description, "type": "object", "required": ["spec"], "properties": properties}


def structural(model: type[Resource]) -> Schema:
    """The structural schema of a model. Raises ValueError for what such a schema cannot express."""
    schema = model.model_json_schema(by_alias=True, schema_generator=_Generator)
    return _structural(schema, schema.get("$defs", {}), model.__name__)


class _Generator(GenerateJsonSchema):
    """JSON schema as the API server sees a resource: an optional field is absent, never null."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def encode_default(self, dft: object) -> JsonValue:
        if isinstance(dft, timedelta):
            return format_duration(dft)
        encoded: JsonValue = dft.to_dict() if isinstance(dft, Resource) else super().encode_default(dft)
        return encoded


_KEPT = (
    *("description", "type", "format", "default", "enum", "minimum", "maximum", "minLength", "maxLength", "pattern"),
    *("minItems", "maxItems", "minProperties", "maxProperties", "required"),
    *("x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-preserve-unknown-fields"),
    "x-kubernetes-int-or-string",
    "x-kubernetes-validations",
)
_OF_PRESETS = f"{HealthPolicySpec.__name__}.checks[].preset"
"""`kubectl explain` says which there are. No enum: a CRD may be older than the operator, and refuse what that knows."""
_NESTED = {"properties", "items", "additionalProperties"}
_DROPPED = {"$defs", "title"}


def _structural(node: Schema, definitions: Mapping[str, Schema], path: str) -> Schema:
    node = _inlined(node, definitions)
    if strange := node.keys() - {*_KEPT, *_NESTED, *_DROPPED}:
        raise ValueError(f"{path}: {', '.join(sorted(strange))} cannot be said in a structural schema")
    kept = {keyword: node[keyword] for keyword in _KEPT if node.get(keyword) is not None}
    if path == _OF_PRESETS:
        kept["description"] += f" There are {', '.join(sorted(load_presets()))}."
    return kept | dict(_nested(node, definitions, path))


def _inlined(node: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """What a reference points to, with what stands beside it (a field's own description, its default) on top."""
    name = node.get("$ref", "").removeprefix("#/$defs/")
    beside = {keyword: value for keyword, value in node.items() if keyword != "$ref"}
    return {**definitions[name], **beside} if name else beside


def _nested(node: Schema, definitions: Mapping[str, Schema], path: str) -> Iterator[tuple[str, Schema]]:
    if fields := node.get("properties"):
        yield "properties", {key: _structural(field, definitions, f"{path}.{key}") for key, field in fields.items()}
    if items := node.get("items"):
        yield "items", _structural(items, definitions, f"{path}[]")
    if values := node.get("additionalProperties"):
        yield "additionalProperties", _structural(values, definitions, f"{path}.*")


class _Dumper(yaml.SafeDumper):
    """Writes everything where it stands, nothing by reference."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 — the signature is PyYAML's
        return True


def render(kind: Kind) -> str:
    """The file of `kind`, always the same text for the same models."""
    return HEADER + yaml.dump(manifest(kind), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or with `--check` only compare them. Exit status 1: a file differs, and its name was printed."""
    parser = argparse.ArgumentParser(prog="python -m tools.crds", description="Write the CRDs from the models.")
    parser.add_argument("folder", metavar="DIR", nargs="?", type=Path, default=Path("crds"), help="default: crds")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file differs")
    options = parser.parse_args(arguments)
    files = {options.folder / kind.file: render(kind) for kind in KINDS}
    return _check(files) if options.check else _write(files)


def _write(files: Mapping[Path, str]) -> int:
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


def _check(files: Mapping[Path, str]) -> int:
    faults = [f"{path}: {fault}; run `make crds`" for path, text in files.items() if (fault := _fault(path, text))]
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def _fault(path: Path, text: str) -> str:
    if not path.exists():
        return "is missing"
    return "" if path.read_text(encoding="utf-8") == text else "differs from the models"


if __name__ == "__main__":
    sys.exit(main())
