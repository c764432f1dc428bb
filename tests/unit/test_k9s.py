"""The plugins for k9s: each of their commands is there, with these options, for what its scopes have selected."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.core import TyperGroup
from typer.testing import CliRunner

from salus.cli import commands  # noqa: F401 — the app has them once they are imported
from salus.cli.app import app
from salus.cli.contract import Exit
from tests.unit.cli.worlds import World, a_world
from tools.crds import KINDS

PLUGINS = yaml.safe_load((Path(__file__).parents[2] / "contrib/k9s/plugins.yaml").read_text())["plugins"]
PROGRAM = typer.main.get_command(app)
assert isinstance(PROGRAM, TyperGroup)
COMMANDS = PROGRAM.commands
KNOWN_TO_K9S = {"shortCut", "description", "scopes", "command", "background", "confirm", "dangerous", "args"}
FIELDS = {"NAME": "checkout", "NAMESPACE": "shop", "CONTEXT": "prod eu"}
"""What k9s puts in the place of `$NAME`; of `$RESOURCE_NAME` the scope."""
WRITES = {"approve", "deny", "withdraw", "suspend", "resume", "freeze", "stop"}

each_plugin = pytest.mark.parametrize("plugin", PLUGINS.values(), ids=PLUGINS)


def call(plugin: Mapping[str, Any], scope: str, fields: Mapping[str, str] = FIELDS) -> list[str]:
    """What is run in the end for an object of this scope; a pipe to a pager is left out."""
    known = {**fields, "RESOURCE_NAME": scope}
    filled = [re.sub(r"\$([A-Z_]+)", lambda found: known[found[1]], one) for one in plugin["args"]]
    if plugin["command"] == "sh":
        assert filled[0] == "-c"
        return shlex.split(filled[1].partition(" 2>&1 | ")[0])
    return [plugin["command"], *filled]


CASES = [
    pytest.param(plugin, scope, id=f"{name} of {scope}")
    for name, plugin in PLUGINS.items()
    for scope in plugin["scopes"]
]


@pytest.mark.parametrize(("plugin", "scope"), CASES)
def test_its_command_is_taken(plugin: Mapping[str, Any], scope: str) -> None:
    program, command, *arguments = call(plugin, scope)

    assert program == "salus"
    with COMMANDS[command].make_context(command, arguments) as context:
        assert (context.params["namespace"], context.params["context"]) == ("shop", "prod eu")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("world")) as found:
        yield found


@pytest.mark.parametrize(("plugin", "scope"), CASES)
def test_it_does_what_it_says(plugin: Mapping[str, Any], scope: str, world: World) -> None:
    """What writes would ask on a terminal, and a replay would ask a Prometheus: here they say that there is none."""
    names = {"incidents": world.incident, "changeevents": world.question}
    if scope in {"statefulsets", "daemonsets"}:
        pytest.skip(f"the cluster that is played has no {scope}")
    fields = {"NAME": names.get(scope, "checkout"), "NAMESPACE": "shop", "CONTEXT": "prod-eu"}

    ended = CliRunner().invoke(app, [*call(plugin, scope, fields)[1:], "--kubeconfig", str(world.kubeconfig)])

    if plugin.get("dangerous"):
        assert "nobody to ask" in ended.stderr
    elif "replay" in plugin["args"][-1]:
        assert ended.stderr.startswith("salus: error: no Prometheus")
    else:
        assert (ended.exit_code, ended.stderr) == (Exit.YES, "")


@each_plugin
def test_k9s_knows_its_fields(plugin: Mapping[str, Any]) -> None:
    kinds = {"deployments", "statefulsets", "daemonsets", *(kind.plural for kind in KINDS)}

    assert plugin.keys() <= KNOWN_TO_K9S
    assert set(plugin["scopes"]) <= kinds
    assert not plugin["background"], "what it says is read"


@each_plugin
def test_what_writes_is_confirmed_and_not_done_from_where_k9s_only_reads(plugin: Mapping[str, Any]) -> None:
    writes = call(plugin, plugin["scopes"][0])[1] in WRITES

    assert (plugin.get("confirm", False), plugin.get("dangerous", False)) == (writes, writes)
    assert "--yes" not in call(plugin, plugin["scopes"][0]), "the command asks once more, by itself"


def test_no_key_means_two_things_in_one_place() -> None:
    keys = [(plugin["shortCut"], scope) for plugin in PLUGINS.values() for scope in plugin["scopes"]]

    assert len(keys) == len(set(keys))
