"""The generated CRDs: up to date, structural, bounded, described. Whether an API server takes them: tests/contract."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from salus.model.scalars import Resource
from salus.presets import load_presets
from tools.crds import KINDS, Kind, main, manifest, object_schema, render, structural

Schema = dict[str, Any]
COMMITTED = Path(__file__).parents[2] / "crds"

each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def places(node: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every place of a schema: fields, items of lists, values of maps."""
    yield path, node
    for name, field in node.get("properties", {}).items():
        yield from places(field, f"{path}.{name}")
    for keyword, step in (("items", "[]"), ("additionalProperties", ".*")):
        if keyword in node:
            yield from places(node[keyword], path + step)


def is_bounded(node: Schema) -> bool:
    """Whether the cost of a rule over this place can be estimated."""
    if node.get("type") == "string":
        return "maxLength" in node or "enum" in node
    if node.get("type") == "array":
        return "maxItems" in node
    return "additionalProperties" not in node or "maxProperties" in node


def test_the_committed_files_are_what_the_models_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", str(COMMITTED)]) == 0, capsys.readouterr().err


def test_no_file_of_a_forgotten_kind_lies_about() -> None:
    assert {path.name for path in COMMITTED.iterdir()} == {kind.file for kind in KINDS}


def test_check_names_the_file_that_differs_and_the_one_that_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(tmp_path)])
    policies, incidents, *_ = (tmp_path / kind.file for kind in KINDS)
    policies.write_text("edited: by hand\n")
    incidents.unlink()

    assert main(["--check", str(tmp_path)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{policies}: differs from the models; run `make crds`",
        f"{incidents}: is missing; run `make crds`",
    ]
    assert policies.read_text() == "edited: by hand\n"


@each_kind
def test_the_file_says_where_it_comes_from_and_reads_back(kind: Kind) -> None:
    text = render(kind)

    assert text.startswith("# Generated from operator/salus/model by `make crds`. Do not edit.\n")
    assert yaml.safe_load(text) == manifest(kind)


@each_kind
def test_every_string_list_and_map_is_bounded(kind: Kind) -> None:
    assert [path for path, node in places(object_schema(kind)) if not is_bounded(node)] == []


MIXED = [
    ".spec.checks[].with.*",
    *(f".spec.checks[].{bound}.{side}" for bound in ("unhealthy", "healthy") for side in ("above", "below")),
    ".spec.checks[].volume.atLeast",
    ".spec.remedies[].scale.to",
    ".spec.remedies[].scale.perReplica",
]


@each_kind
def test_every_place_has_one_type(kind: Kind) -> None:
    """But for what is a number or a text: a size or its name, a whole number or a decimal."""
    untyped = [
        path for path, node in places(object_schema(kind)) if not {"type", "x-kubernetes-int-or-string"} & node.keys()
    ]

    assert [path for path, node in places(object_schema(kind)) if "x-kubernetes-int-or-string" in node] == (
        MIXED if kind.name == "HealthPolicy" else []
    )
    any_json = {"ChangeEvent": [".spec.patch[].value", ".spec.inverse[].value"], "KeptRelease": [".spec.workload.spec"]}
    assert untyped == any_json.get(kind.name, [])


@each_kind
def test_every_field_explains_itself(kind: Kind) -> None:
    fields = [(path, node) for path, node in places(object_schema(kind)) if not path.endswith(("[]", ".*"))]

    assert [path for path, node in fields if not node.get("description")] == []


def test_the_presets_are_named_where_one_is_asked_for() -> None:
    policy = next(kind for kind in KINDS if kind.name == "HealthPolicy")

    description = dict(places(object_schema(policy)))[".spec.checks[].preset"]["description"]

    assert description == f"Name of a check that Salus brings along. There are {', '.join(sorted(load_presets()))}."
    assert "PodsCrashLooping" in description


@each_kind
def test_a_field_with_a_default_is_not_required(kind: Kind) -> None:
    for path, node in places(object_schema(kind)):
        defaulted = {name for name, field in node.get("properties", {}).items() if "default" in field}

        assert not defaulted & set(node.get("required", [])), path


@pytest.mark.parametrize(
    ("kind", "columns", "wide"),
    [
        pytest.param(
            "HealthPolicy",
            "Ready, Healthy, Kind, Target, Targets, Mode, Held By, Last Change, Age",
            "Outcome, Open, Source, Message",
            id="a policy",
        ),
        pytest.param("Incident", "Policy, Target, Phase, Attempts, Blame, Opened, Age", "Message", id="an incident"),
        pytest.param(
            "ChangeEvent",
            "Decision, Action, Kind, Target, Reason, Outcome, Age",
            "Policy, Expires, Delivered, Message",
            id="a change",
        ),
    ],
)
def test_the_columns_of_a_kind(kind: str, columns: str, wide: str) -> None:
    shown = next(one.columns for one in KINDS if one.name == kind)

    assert ", ".join(column.name for column in shown if not column.wide) == columns
    assert ", ".join(column.name for column in shown if column.wide) == wide


@each_kind
def test_columns_and_selectable_fields_are_fields(kind: Kind) -> None:
    known = {path for path, _ in places(object_schema(kind))} | {".metadata.creationTimestamp"}
    columns = {column.path.partition("[")[0] for column in kind.columns}

    assert columns | set(kind.selectable) <= known
    assert len(kind.selectable) <= 8


@each_kind
def test_nothing_can_be_scaled_through_our_own_kinds(kind: Kind) -> None:
    [version] = manifest(kind)["spec"]["versions"]

    assert version["subresources"] == {"status": {}}


class _Either(Resource):
    """What a structural schema cannot express."""

    place: int | str
    """A number or a name."""


def test_what_a_structural_schema_cannot_say_is_refused_with_its_path() -> None:
    with pytest.raises(ValueError, match=r"_Either\.place: anyOf cannot be said in a structural schema"):
        structural(_Either)


class _Inner(Resource):
    """Has a default of its own."""

    size: str = "small"
    """A size."""


class _Outer(Resource):
    """Overrides it."""

    inner: _Inner = _Inner(size="large")
    """Larger than usual."""
    other: _Inner | None = None
    """Absent unless given."""


def test_a_default_is_written_in_full_and_absence_is_not_null() -> None:
    fields = structural(_Outer)["properties"]

    assert fields["inner"]["default"] == {"size": "large"}
    assert fields["inner"]["description"] == "Larger than usual."
    assert fields["inner"]["properties"]["size"]["default"] == "small"
    assert fields["other"]["type"] == "object"
    assert "default" not in fields["other"]
