"""Each command with exactly the rights of the table, and with one fewer each; on values, and so for all of the table.

tests/cluster/test_peoples_rights.py tries the commands that people use most on a real API server.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from salus.cli import commands
from salus.cli.app import app
from salus.cli.contract import Exit
from salus.cli.rights import RIGHTS
from salus.model.values.permissions import Permission
from tests.peoples_commands import CALLS, ELSEWHERE
from tests.unit.cli.worlds import World, a_world
from tools.rights_page import rights_page

ROOT = Path(__file__).parents[3]
WRITING = [name for name, call in CALLS.items() if call.looks]
NEEDS = [(name, one) for name in CALLS for one in sorted(RIGHTS[name].needs, key=str)]
HELPS = [(name, one) for name in CALLS for one in sorted(RIGHTS[name].helps, key=str)]


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all who only look."""
    with a_world(tmp_path_factory.mktemp("world")) as found:
        yield found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as found:
        yield found


def run(name: str, world: World, without: Permission | None = None, *, looks: bool = False) -> Result:
    rights, call = RIGHTS[name], CALLS[name]
    world.api.allowed = (rights.needs | rights.helps) - {without}
    names = {"policy": "checkout", "workload": "checkout", "question": world.question, "incident": world.incident}
    words = [word.format(**names, kept=world.kept, prometheus=world.prometheus) for word in call.arguments]
    looking = call.looks if looks else ()
    ended = CliRunner().invoke(app, [*words, *looking, "--kubeconfig", str(world.kubeconfig)])
    world.api.allowed = None
    return ended


def test_the_page_is_current() -> None:
    """Else: `python -m tools.rights_page > docs/reference/rights.md`."""
    assert (ROOT / "docs/reference/rights.md").read_text(encoding="utf-8") == rights_page()


def test_each_command_of_the_table_is_tried() -> None:
    assert commands.__all__
    assert set(CALLS) | ELSEWHERE == set(RIGHTS)


@pytest.mark.parametrize("name", CALLS)
def test_with_exactly_these_rights_nothing_is_left_out(name: str, world: World) -> None:
    ended = run(name, world)

    assert ended.exit_code == Exit.YES, ended.output
    assert "Not looked at" not in ended.output


@pytest.mark.parametrize(("name", "lacking"), NEEDS, ids=str)
def test_without_one_that_it_needs_it_says_which(name: str, lacking: Permission, looked_at: World) -> None:
    ended = run(name, looked_at, lacking)

    assert (ended.exit_code, "Not looked at" in ended.output) == (Exit.CANNOT, False), ended.output
    assert f"may not {lacking.verb} {lacking.resource} in namespace shop" in ended.stderr


@pytest.mark.parametrize(("name", "lacking"), HELPS, ids=str)
def test_without_one_that_helps_it_names_what_it_left_out(name: str, lacking: Permission, looked_at: World) -> None:
    ended = run(name, looked_at, lacking, looks=True)

    assert ended.exit_code == Exit.YES, ended.output
    _, _, left_out = ended.stdout.partition("Not looked at\n")
    assert " ".join(left_out.split()) == f"{lacking.resource}: needs {lacking} in shop"
