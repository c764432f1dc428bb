"""What `--help` says of every command: all of it, with examples that work."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from salus.cli import commands  # noqa: F401 — the app has them once they are imported
from salus.cli.app import app
from salus.cli.help import GROUPS
from tools.cli_page import cli_page

PROGRAM = typer.main.get_command(app)
assert isinstance(PROGRAM, TyperGroup)
COMMANDS = PROGRAM.commands
each_command = pytest.mark.parametrize("command", COMMANDS)
each_width = pytest.mark.parametrize("columns", ["50", "80", "200"])


def help_of(*command: str, columns: str = "80") -> str:
    ended = CliRunner().invoke(app, [*command, "--help"], prog_name="salus", env={"COLUMNS": columns})
    assert ended.exit_code == 0
    return ended.stdout


def words(text: str) -> str:
    return " ".join(text.replace("\b", "").split())


def examples(command: str) -> list[str]:
    _, _, after = (COMMANDS[command].help or "").partition("\b\nExamples:\n")
    return [line.strip() for line in after.splitlines()]


def test_the_commands_stand_in_groups_the_most_wanted_first() -> None:
    shown = [line.split() for line in help_of().splitlines() if line.partition(":")[0] in GROUPS]

    assert [line[0].rstrip(":") for line in shown] == [g for g, names in GROUPS.items() if set(names) & set(COMMANDS)]
    assert [name for line in shown for name in line[1:]] == [
        name for names in GROUPS.values() for name in names if name in COMMANDS
    ]


@each_command
def test_every_command_has_its_group(command: str) -> None:
    assert command in {name for names in GROUPS.values() for name in names}


@each_width
def test_the_help_of_the_program_is_never_cut(columns: str) -> None:
    told = words(help_of(columns=columns))

    assert "..." not in told.replace("COMMAND [ARGS]...", "")
    assert words(f"{PROGRAM.help}") in told
    assert words(f"{PROGRAM.epilog}") in told


@each_width
@each_command
def test_the_help_of_a_command_is_never_cut(command: str, columns: str) -> None:
    told = words(help_of(command, columns=columns))

    assert words(COMMANDS[command].help or "nothing") in told
    for parameter in COMMANDS[command].params:
        assert words(f"{getattr(parameter, 'help', '')}") in told


@each_command
def test_every_option_and_argument_says_what_it_is(command: str) -> None:
    silent = [parameter.name for parameter in COMMANDS[command].params if not getattr(parameter, "help", "")]

    assert silent == []


@each_command
def test_the_help_says_what_the_exit_status_means(command: str) -> None:
    assert "Exit status: 0" in (COMMANDS[command].help or "")


@each_command
def test_the_help_ends_with_two_or_three_examples(command: str) -> None:
    assert 2 <= len(examples(command)) <= 3
    assert all(len(example) <= 76 for example in examples(command)), "they fit into 80 columns, and can be copied"


def parts(example: str) -> Iterator[list[str]]:
    """The calls of a pipe."""
    for call in example.split(" | "):
        yield shlex.split(call)


@pytest.mark.parametrize(("command", "example"), [(name, one) for name in COMMANDS for one in examples(name)])
def test_an_example_is_taken(command: str, example: str) -> None:
    calls = [call for call in parts(example) if call[0] == "salus"]

    assert [call[1] for call in calls] == [command]
    for call in calls:
        with COMMANDS[command].make_context(command, call[2:]) as context:
            assert context.params


def test_the_page_of_commands_is_current() -> None:
    page = Path(__file__).parents[2] / "docs/reference/cli.md"

    assert page.read_text(encoding="utf-8") == cli_page(), "python -m tools.cli_page > docs/reference/cli.md"
