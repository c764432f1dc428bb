"""Objects of a newer Salus: what this program does not know is told, and the rest is read."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from salus.cli import commands
from salus.cli.app import app
from salus.cli.contract import Exit
from salus.cli.version import objects
from salus.cli.version.fields import node_of
from salus.cli.version.objects import known, not_known
from salus.ports import CHANGE_EVENTS, HEALTH_POLICIES, INCIDENTS, Ref
from tests.contract.crd_cases import BY_NAME, valid
from tests.unit.cli.worlds import World, a_world
from tests.unit.stage import NAMESPACE

POLICY = valid("HealthPolicy")


def changed(body: dict[str, Any], path: list[str | int], value: object) -> dict[str, Any]:
    """The same with this value there."""
    new = copy.deepcopy(body)
    node: Any = new
    for key in path[:-1]:
        node = node[key] if isinstance(key, int) else node.setdefault(key, {})
    node[path[-1]] = value
    return new


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        pytest.param(["spec", "mood"], 1, ["healthpolicy.spec.mood"], id="a field of the spec"),
        pytest.param(["status", "mood"], {"a": 1}, ["healthpolicy.status.mood"], id="a field of the status, once"),
        pytest.param(["spec", "checks", 0, "mood"], 1, ["healthpolicy.spec.checks.mood"], id="a field in a list"),
        pytest.param(["spec", "target", "mood"], 1, ["healthpolicy.spec.target.mood"], id="a field of an object"),
        pytest.param(["spec", "target", "selector"], {"matchLabels": {"a": "b"}}, [], id="keys that are anybody's"),
        pytest.param(["spec", "checks", 0, "with"], {"range": "5m"}, [], id="parameters of a preset"),
        pytest.param(["spec", "checks"], "none", [], id="a value of another form is for others to say"),
        pytest.param(["metadata", "mood"], 1, [], id="what is the API server's own"),
        pytest.param(["kind"], "Deployment", [], id="objects of others"),
    ],
)
def test_what_is_not_known_is_named(path: list[str | int], value: object, told: list[str]) -> None:
    assert list(not_known(changed(POLICY, path, value))) == told


def test_keys_of_a_map_are_anybodys_whatever_its_values_are(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"type": "object", "properties": {"size": {"type": "integer"}}}
    spec = {"properties": {"sizes": {"type": "object", "additionalProperties": values}}}
    monkeypatch.setattr(objects, "fields_of", lambda _: node_of({"properties": {"spec": spec, "status": {}}}))
    body = {"kind": "Incident", "spec": {"sizes": {"small": {"size": 1}}}}

    assert (list(not_known(body)), known(body)) == ([], body)


@pytest.mark.parametrize("kind", BY_NAME)
def test_an_object_of_this_commit_is_known_and_kept_as_it_is(kind: str) -> None:
    body = valid(kind)

    assert (list(not_known(body)), known(body)) == ([], body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["checks", "name", "target", "x"]), inner, max_size=3)
    ),
)


@given(JSON, JSON, st.sampled_from([*BY_NAME, "Pod"]))
def test_of_what_is_kept_all_is_known(spec: object, status: object, kind: str) -> None:
    body = {"kind": kind, "metadata": {}, "spec": spec, "status": status}

    assert list(not_known(known(body))) == []


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A newer Salus has been at work: its objects have more fields."""
    with a_world(tmp_path) as found:
        policies = [Ref(HEALTH_POLICIES, NAMESPACE, "checkout")]
        records = [Ref(INCIDENTS, NAMESPACE, found.incident), Ref(CHANGE_EVENTS, NAMESPACE, found.question)]
        for ref in [*policies, *records]:
            found.edit(ref, lambda body: body["spec"].update(mood={"a": 1}))
        yield found


def run(world: World, *words: str) -> Result:
    assert commands.__all__
    return CliRunner().invoke(app, [*words, "--kubeconfig", str(world.kubeconfig)])


@pytest.mark.parametrize("words", [["status"], ["explain", "checkout"], ["history"], ["report", "period"]], ids=str)
def test_commands_go_on_reading_and_warn(words: list[str], world: World) -> None:
    ended = run(world, *words)

    assert ended.exit_code == Exit.YES
    assert ended.stdout
    assert ended.stderr.startswith("salus: warning: prod-eu has fields that this program does not know: ")
    assert "healthpolicy.spec.mood" in ended.stderr
    assert ended.stderr.endswith("  try       salus version, which says which program goes with it\n")


def test_a_policy_is_shown_by_what_is_known_of_it(world: World) -> None:
    (policy,) = json.loads(run(world, "status", "-o", "json").stdout)["policies"]

    assert (policy["target"], policy["mode"]) == ("deploy/checkout", "Approve")


def test_objects_that_are_printed_are_whole(world: World) -> None:
    (policy,) = json.loads(run(world, "get", "policies", "-o", "json").stdout)["items"]

    assert policy["spec"]["mood"] == {"a": 1}
