"""Real shells load what `salus completion` prints, and complete a line; those that are not here are left out.

A line is typed on a terminal, and the key is pressed: what bash and zsh make of it stands there. fish tells by itself.
"""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from salus.cli import commands
from salus.cli.app import app
from salus.cli.contract import Exit
from tests.unit.cli.worlds import World, a_world

ROOT = Path(__file__).parents[3]
PATIENCE = 60.0
SHELLS = ("bash", "zsh", "fish", "powershell", "kubectl")
INTERACTIVE = {"bash": ["bash", "--noprofile", "--norc", "-i"], "zsh": ["zsh", "-f", "-i"]}
FIRST = {
    "bash": ["bind 'set enable-bracketed-paste off'", "bind 'set bell-style none'"],
    "zsh": ["unset zle_bracketed_paste", "setopt no_beep", "autoload -Uz compinit", "compinit -D -u"],
}


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"no {shell} on this machine")


def script(shell: str) -> str:
    assert commands.__all__
    ended = CliRunner().invoke(app, ["completion", shell])
    assert ended.exit_code == Exit.YES
    return ended.stdout


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `salus`, `kubectl-salus` and what kubectl calls, as of this commit."""
    folder = tmp_path_factory.mktemp("bin")
    for name in ("salus", "kubectl-salus"):
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m salus "$@"\n')
    (folder / "kubectl_complete-salus").write_text(script("kubectl"))
    for path in folder.iterdir():
        path.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("world")) as found:
        yield found


@pytest.fixture
def environ(programs: Path, world: World) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "operator"),
        "KUBECONFIG": str(world.kubeconfig),
        "SALUS_COMPLETION_TIMEOUT": "60",
        "TERM": "dumb",
        "HOME": str(world.kubeconfig.parent),
        "INPUTRC": os.devnull,
    }


class Terminal:
    """An interactive shell that has loaded its script, with somebody who types."""

    def __init__(self, shell: str, environ: dict[str, str], folder: Path) -> None:
        (folder / "script").write_text(script(shell))
        self._mine, theirs = pty.openpty()
        self._process = subprocess.Popen(
            INTERACTIVE[shell],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environ,
            cwd=folder,
            start_new_session=True,
        )
        os.close(theirs)
        self.said = ""
        for line in [*FIRST[shell], "source ./script"]:
            self.type(f"{line}\n")
        self.type("echo loa''ded\n")
        self.until("loaded\r\n")

    def completes(self, line: str, becomes: str) -> None:
        """Type the line, press the key, and see what stands there."""
        self.said = ""
        self.type(f"{line}\t")
        self.until(becomes)
        self.type("\x15")  # Ctrl-U: take it back

    def type(self, words: str) -> None:
        """Type this."""
        os.write(self._mine, words.encode())

    def until(self, words: str) -> None:
        """Read until this stands there."""
        deadline = time.monotonic() + PATIENCE
        while words not in self.said:
            ready, _, _ = select.select([self._mine], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"never said {words!r}: {self.said!r}"
            self.said += os.read(self._mine, 65_536).decode(errors="replace")

    def end(self) -> None:
        """Close it."""
        self._process.kill()
        self._process.wait()
        os.close(self._mine)


@pytest.fixture(params=[pytest.param(shell, marks=needs(shell)) for shell in INTERACTIVE])
def terminal(request: pytest.FixtureRequest, environ: dict[str, str], tmp_path: Path) -> Iterator[Terminal]:
    there = Terminal(request.param, environ, tmp_path)
    yield there
    there.end()


def test_a_line_on_a_terminal_is_completed(terminal: Terminal, world: World, tmp_path: Path) -> None:
    (tmp_path / "a file.yaml").write_text("")

    terminal.completes("salus statu", "salus status ")
    terminal.completes("salus status --unh", "salus status --unhealthy ")
    terminal.completes("salus status --wait-for=he", "salus status --wait-for=healthy")
    terminal.completes("salus explain Cooldown", "salus explain CooldownActive ")
    terminal.completes("salus approve ch", f"salus approve {world.question} ")
    terminal.completes("salus report inc/", f"salus report inc/{world.incident} ")
    terminal.completes("salus validate -f a", "salus validate -f a\\ file.yaml ")


@needs("bash")
def test_bash_puts_together_what_it_has_parted(environ: dict[str, str], tmp_path: Path) -> None:
    """`http://…` and `--option=value` are several words to it."""
    (tmp_path / "salus").write_text('#!/bin/sh\nshift; for word; do printf "%s|" "$word" >> said; done; echo :4\n')
    (tmp_path / "salus").chmod(0o755)
    words = ["./salus", "lint", "--prometheus", "http", ":", "//a", ":", "1", "--match", "=", "a", "=", "b"]
    quoted = " ".join(f"'{word}'" for word in words)
    code = f"{script('bash')}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _salus ./salus b ="
    subprocess.run(["bash", "-c", code], cwd=tmp_path, env=environ, check=True)

    assert (tmp_path / "said").read_text() == "lint|--prometheus|http://a:1|--match=a=b|"


@needs("fish")
@pytest.mark.parametrize(
    ("line", "candidates"),
    [
        ("salus statu", ["status\tHow policies stand, in words"]),
        ("salus status --wait-for=he", ["--wait-for=healthy"]),
        ("salus explain Cooldown", ["CooldownActive\tthe last action on this workload"]),
        ("salus report inc/", ["inc/"]),
    ],
    ids=str,
)
def test_fish_offers(line: str, candidates: Sequence[str], environ: dict[str, str]) -> None:
    code = f"{script('fish')}\ncomplete -C '{line}'"
    ended = subprocess.run(["fish", "--no-config", "-c", code], env=environ, capture_output=True, text=True, check=True)

    offered = ended.stdout.splitlines()
    assert len(offered) == len(candidates)
    assert all(one.startswith(candidate) for one, candidate in zip(offered, candidates, strict=True))


def test_kubectl_gets_its_answer(environ: dict[str, str], world: World) -> None:
    command = ["kubectl_complete-salus", "approve", ""]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)

    assert ended.stdout == f"{world.question}\tAwaitApproval Rollback, deploy/checkout\n:4\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_each_script_asks_the_one_command_and_says_how_it_is_loaded(shell: str) -> None:
    said = script(shell)

    assert said.count("__complete ") + said.count("'__complete'") == 1
    assert f"salus completion {shell}" in said


@needs("kubectl")
def test_kubectl_asks_for_its_plugin(environ: dict[str, str], world: World) -> None:
    command = ["kubectl", "__complete", "salus", "report", "inc/"]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)

    assert ended.stdout == f"inc/{world.incident}\tAwaitingApproval, deploy/checkout\n:4\n"
