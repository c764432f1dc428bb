"""`salus version`: what fits, what does not, and which fields are not there on either side."""

import copy
import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from salus.cli import commands
from salus.cli.app import app
from salus.cli.contract import Exit
from salus.cli.marks import State
from salus.cli.reports.version import OperatorLine
from salus.cli.version.fields import Difference, compared, node_of, own_fields
from salus.cli.version.fit import Version, fits, of_crds, of_operator
from salus.model.kinds import MODELS
from salus.version import __version__, commit
from tests.fakes.api import published
from tests.unit.cli.worlds import World, a_world
from tools.crds import KINDS

VOLUME = ("properties", "spec", "properties", "checks", "items", "properties", "volume")


def without(schemas: dict[str, Any], kind: str, path: Sequence[str]) -> dict[str, Any]:
    """The same without one field of one kind."""
    cut = copy.deepcopy(schemas)
    *above, last = path
    node = cut[kind]
    for key in above:
        node = node[key]
    del node[last]
    return cut


# --- fields


def test_the_kinds_are_those_that_have_crds() -> None:
    assert {kind.name: (kind.spec, kind.status) for kind in KINDS} == MODELS


@pytest.mark.parametrize("kind", MODELS)
def test_the_crds_have_the_very_fields_of_the_models(kind: str) -> None:
    """The same tree comes of a model and of the CRD that is made from it, so neither is read wrongly."""
    theirs = node_of(published()[kind])

    assert theirs == own_fields()[kind]
    assert theirs.fields["spec"].fields


def test_fields_that_older_crds_lack_are_named_as_kubectl_explain_takes_them() -> None:
    found = compared(without(published(), "HealthPolicy", VOLUME))

    assert found == Difference(lacking=("healthpolicy.spec.checks.volume",))


def test_fields_of_newer_crds_are_named() -> None:
    schemas = published()
    schemas["Incident"]["properties"]["status"]["properties"]["mood"] = {
        "type": "object",
        "properties": {"of": {"type": "string"}},
    }

    assert compared(schemas) == Difference(not_known=("incident.status.mood",))


def test_a_kind_that_is_not_there_is_named_alone() -> None:
    schemas = published()
    del schemas["KeptRelease"]

    assert compared({**schemas, "Freeze": schemas["Incident"]}) == Difference(("keptrelease",), ("freeze",))


def test_below_what_takes_any_field_nothing_is_missing() -> None:
    schemas = published()
    schemas["HealthPolicy"]["properties"]["spec"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}

    assert compared(schemas) == Difference()


def paths(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where each field stands."""
    for key, value in schema.items():
        if isinstance(value, dict):
            if path and path[-1] == "properties":
                yield (*path, key)
            yield from paths(value, (*path, key))


EVERY_FIELD = [(kind, path) for kind, schema in published().items() for path in paths(schema) if len(path) > 2]


@given(st.sampled_from(EVERY_FIELD))
def test_whichever_field_is_taken_away_is_the_one_that_is_named(field: tuple[str, tuple[str, ...]]) -> None:
    kind, path = field
    names = [word for before, word in pairwise(path) if before == "properties"]

    assert compared(without(published(), kind, path)).lacking == (".".join([kind.lower(), *names]),)


# --- versions


@pytest.mark.parametrize(
    ("text", "version"),
    [
        pytest.param("0.1.0.dev0", Version(0, 1, 0), id="a version of Python's, before its release"),
        pytest.param("v1.12.3", Version(1, 12, 3), id="a tag"),
        pytest.param("1.2.3-rc.1", Version(1, 2, 3), id="a version as charts have it"),
        pytest.param("latest", None, id="no version"),
        pytest.param("1.2", None, id="half a version"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_a_version_is_read(text: str, version: Version | None) -> None:
    assert Version.read(text) == version


def operator(version: str) -> OperatorLine:
    found = OperatorLine(namespace="salus-system", name="salus", version=version, image="salus:v", state=State.UNKNOWN)
    return of_operator("1.4.0", found)


@pytest.mark.parametrize(
    ("version", "state"),
    [
        pytest.param("1.4.0", State.GOOD, id="the same version fits"),
        pytest.param("1.4.7", State.GOOD, id="a patch fits"),
        pytest.param("1.3.9", State.GOOD, id="one minor older fits"),
        pytest.param("1.5.0", State.GOOD, id="one minor newer fits"),
        pytest.param("1.2.0", State.BAD, id="two minors older do not fit"),
        pytest.param("1.6.0", State.BAD, id="two minors newer do not fit"),
        pytest.param("2.4.0", State.BAD, id="another major does not fit"),
        pytest.param("", State.UNKNOWN, id="an operator that does not say is not known"),
    ],
)
def test_an_operator_fits_within_one_minor(version: str, state: State) -> None:
    assert operator(version).state is state


OLDER, NEWER = Difference(lacking=("a",)), Difference(not_known=("b", "c"))
BOTH = Difference(("a",), ("b",))


@pytest.mark.parametrize(
    ("operators", "difference", "state", "says"),
    [
        pytest.param([], Difference(), State.GOOD, "the very fields", id="the same fields fit, whoever is there"),
        pytest.param(["1.3.0"], OLDER, State.WARNING, "lack 1 field ", id="older CRDs of an older operator fit"),
        pytest.param(["1.5.0"], NEWER, State.WARNING, "have 2 fields ", id="newer CRDs of a newer operator fit"),
        pytest.param(["1.4.0"], OLDER, State.BAD, "update them", id="CRDs that were forgotten do not fit"),
        pytest.param(["1.5.0"], OLDER, State.BAD, "update them", id="CRDs older than program and operator do not fit"),
        pytest.param(["1.4.0"], NEWER, State.BAD, "get the program", id="CRDs beyond program and operator do not fit"),
        pytest.param(["1.3.0"], NEWER, State.BAD, "get the program", id="newer CRDs of an older operator do not fit"),
        pytest.param(["1.3.0"], BOTH, State.BAD, "and they have 1 field", id="what is apart both ways does not fit"),
        pytest.param(["1.2.0"], OLDER, State.BAD, "more than one minor", id="two minors apart do not fit"),
        pytest.param([], OLDER, State.UNKNOWN, "not known", id="nobody knows how far apart without an operator"),
        pytest.param([""], NEWER, State.UNKNOWN, "not known", id="nobody knows how far apart without its version"),
        pytest.param(["1.3.0", "1.5.0"], BOTH, State.WARNING, "one version apart", id="one operator on either side"),
    ],
)
def test_crds_fit_as_their_operator_does(operators: list[str], difference: Difference, state: State, says: str) -> None:
    found = of_crds("1.4.0", [operator(one) for one in operators], difference)

    assert (found.state, found.lacking, found.not_known) == (state, difference.lacking, difference.not_known)
    assert says in found.message


def test_the_worst_is_the_answer() -> None:
    good = of_crds("1.4.0", [], Difference())

    assert fits([], good) is State.GOOD
    assert fits([operator("1.4.0"), operator("")], good) is State.UNKNOWN
    assert fits([operator(""), operator("1.2.0")], good) is State.BAD


# --- the command


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as found:
        yield found


def version(world: World, *arguments: str) -> Result:
    assert commands.__all__
    return CliRunner().invoke(app, ["version", "--kubeconfig", str(world.kubeconfig), *arguments])


def test_what_fits_is_told_in_a_few_lines(world: World) -> None:
    world.install(__version__)

    ended = version(world)

    said = f" (commit {commit()})" if commit() else ""
    assert ended.exit_code == Exit.YES
    assert ended.stdout.splitlines() == [
        f"Program   {__version__}{said}",
        "Cluster   prod-eu",
        f"Operator  ✔ {__version__}",
        f"          salus-system/salus, registry.example.com/platform/salus:{__version__}",
        "CRDs      ✔ the very fields that this program knows",
        "",
        "✔ they fit",
    ]


def test_forgotten_crds_are_told_with_their_fields_and_the_way_to_update_them(world: World) -> None:
    world.install(__version__)
    world.api.schemas = without(published(), "HealthPolicy", VOLUME)

    ended = version(world)

    assert ended.exit_code == Exit.NO
    assert "          not in the CRDs:\n            healthpolicy.spec.checks.volume\n" in ended.stdout
    assert "kubectl apply --server-side -f crds/" in " ".join(ended.stdout.split())
    assert "✖ they do not fit" in ended.stdout


def test_many_fields_are_cut_short_but_in_the_document(world: World) -> None:
    world.api.schemas = {"HealthPolicy": {"properties": {"spec": {}, "status": {}}}}

    told, document = version(world), json.loads(version(world, "-o", "json").stdout)

    assert told.exit_code == Exit.UNKNOWN
    assert f"and {len(document['crds']['lacking']) - 12} more: -o json" in told.stdout
    assert document["fits"] == "Unknown"


def test_an_account_without_rights_is_told_of_the_crds_all_the_same(world: World) -> None:
    world.api.allowed = set()

    ended = version(world)

    assert ended.exit_code == Exit.YES
    assert "Operator  none was seen" in ended.stdout
    assert "Not looked at\n  deployments: needs list deployments.apps in all namespaces" in ended.stdout


def test_schemas_that_nobody_can_read_are_not_known(world: World) -> None:
    world.api.schemas = {"HealthPolicy": {"properties": {"spec": {"properties": "none"}}}}

    ended = version(world)

    assert ended.exit_code == Exit.UNKNOWN
    assert "cannot be read" in ended.stdout


def test_a_cluster_without_salus_says_so_beside_what_this_program_is(world: World) -> None:
    world.api.schemas = {}

    ended = version(world)

    assert (ended.exit_code, ended.stdout) == (Exit.CANNOT, "")
    assert ended.stderr.startswith(f"salus: error: Salus is not installed in prod-eu\n  program   {__version__}")
    assert ended.stderr.endswith("salus version --client\n")


def test_the_program_alone_asks_nobody(world: World) -> None:
    world.kubeconfig.unlink()
    ended = CliRunner().invoke(app, ["version", "--client", "-o", "json"])

    document = json.loads(ended.stdout)
    assert ended.exit_code == Exit.YES
    assert (document["program"]["version"], document["fits"], "crds" in document) == (__version__, "NotAsked", False)
