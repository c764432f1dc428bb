"""Whether a person is asked before something is written in their name, and what follows where nobody can be."""

import io
from typing import TextIO

import pytest
import typer
from typer.testing import CliRunner

from salus.cli.app import app
from salus.cli.asking import NobodyToAsk, agrees, somebody_agrees

RUNNER = CliRunner()
"""Its standard input is no terminal."""


class Terminal(io.StringIO):
    """Somebody sits there."""

    def isatty(self) -> bool:
        return True


WRITING = [
    pytest.param(["approve", "checkout-5f3a91c2-7"], id="approve"),
    pytest.param(["deny", "checkout-5f3a91c2-7"], id="deny"),
    pytest.param(["withdraw", "salus-checkout-f7524989-1", "--reason", "CVE-2026-1234"], id="withdraw"),
]


@pytest.mark.parametrize("command", WRITING)
def test_without_a_terminal_nothing_is_even_looked_up_until_somebody_says_yes(command: list[str]) -> None:
    ended = RUNNER.invoke(app, command, env={"KUBECONFIG": "/nowhere"}, input="y\n")

    assert (ended.exit_code, ended.stdout, ended.stderr) == (2, "", "salus: error: nobody to ask: add --yes\n")


@pytest.mark.parametrize("command", WRITING)
@pytest.mark.parametrize(
    "option", [pytest.param("--yes", id="who is sure"), pytest.param("--dry-run", id="who only looks")]
)
def test_without_a_terminal_somebody_goes_on(command: list[str], option: str) -> None:
    ended = RUNNER.invoke(app, [*command, option], env={"KUBECONFIG": "/nowhere"})

    assert ended.exit_code == 2
    assert "nobody to ask" not in ended.stderr


@pytest.mark.parametrize(
    "stdin", [pytest.param(io.StringIO("y\n"), id="a pipe, whatever it says"), pytest.param(None, id="closed")]
)
def test_there_is_nobody_to_ask(stdin: TextIO | None) -> None:
    with pytest.raises(NobodyToAsk):
        somebody_agrees(stdin, sure=False)


@pytest.mark.parametrize(
    ("stdin", "sure"),
    [
        pytest.param(Terminal(), False, id="a terminal"),
        pytest.param(io.StringIO(), True, id="nobody, who has said yes"),
        pytest.param(None, True, id="closed, and yes was said"),
    ],
)
def test_there_is_somebody(stdin: TextIO | None, *, sure: bool) -> None:
    somebody_agrees(stdin, sure=sure)


@pytest.mark.parametrize(
    ("words", "sure", "status"),
    [
        pytest.param("y\n", False, 0, id="yes"),
        pytest.param("n\n", False, 1, id="no"),
        pytest.param("\n", False, 1, id="nothing is no"),
        pytest.param("", True, 0, id="who is sure is not asked"),
    ],
)
def test_the_answer_of_a_person(words: str, status: int, *, sure: bool) -> None:
    command = typer.Typer()

    @command.command()
    def ask() -> None:
        raise typer.Exit(0 if agrees("Approve?", sure=sure) else 1)

    ended = RUNNER.invoke(command, input=words)

    assert ended.exit_code == status
    assert ("Approve? [y/N]:" in ended.stderr) == (not sure)
    assert "Approve?" not in ended.stdout
