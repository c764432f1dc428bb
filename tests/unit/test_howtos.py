"""What documents say to type, held to the program: each `salus …` is taken as it stands.

Those that ask no cluster are run, over the files that the page itself shows.
A block of YAML whose first line is a comment with a file's name is that file: `# checkout.yaml`. Whatever `salus init`
would have written is there.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.core import TyperGroup
from typer.testing import CliRunner

from salus.cli import commands  # noqa: F401 — the app has them once they are imported
from salus.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "charts/salus/README.md",
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page.parent.name != "decisions"),
]
PROGRAM = typer.main.get_command(app)
assert isinstance(PROGRAM, TyperGroup)
COMMANDS = PROGRAM.commands

_SHELL = re.compile(r"^ *```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^```yaml\n# ([\w./-]+\.yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CALL = re.compile(r"(?:^|[|;&] *)(?:kubectl )?salus (?P<words>[^|;&\n]*)", re.MULTILINE)
_SET = re.compile(r"--set[= ]'?([\w.-]+)=")
_ASKS_NOBODY = {"validate", "test", "demo", "completion", "version"}
_CATALOGS = {"presets", "reasons"}


@dataclass(frozen=True)
class Call:
    """One call of the program, as a page has it."""

    page: Path
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {shlex.join(self.words)}"

    @property
    def asks_nobody(self) -> bool:
        """It needs neither a cluster nor a Prometheus."""
        command, *rest = self.words
        if command in {"lint", "replay"}:
            return "--offline" in rest
        if command == "get":
            return bool(_CATALOGS & set(rest))
        if command == "explain":
            return bool(rest) and re.fullmatch(r"[A-Z]\w+", rest[0]) is not None
        return command in _ASKS_NOBODY and "--cluster" not in rest


def calls() -> Iterator[Call]:
    for page in PAGES:
        for block in _SHELL.findall(page.read_text(encoding="utf-8")):
            for found in _CALL.finditer(re.sub(r"\\\n *", "", block)):
                if words := shlex.split(re.sub(r"\d?>.*", "", found["words"]), comments=True):
                    yield Call(page, tuple(words))


CALLS = [call for call in calls() if not call.words[0].startswith("-")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a reader types: a checkout, with the files that the pages call FILE."""
    for name in ("examples", "charts", "crds"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "FILE").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("call", CALLS, ids=str)
@pytest.mark.usefixtures("folder")
def test_a_command_is_taken_as_it_stands(call: Call) -> None:
    name, *arguments = call.words

    assert name in COMMANDS, f"no command {name}"
    with COMMANDS[name].make_context(name, arguments) as context:
        assert context.params


@pytest.mark.parametrize("call", [call for call in CALLS if call.asks_nobody], ids=str)
def test_what_needs_no_cluster_works(call: Call, folder: Path) -> None:
    (folder / "checkout.salus.yaml").write_text((ROOT / "examples/policies/first.yaml").read_text(), encoding="utf-8")
    for name, text in _FILE.findall(call.page.read_text(encoding="utf-8")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")

    ended = CliRunner().invoke(app, in_no_time(call.words), input=(ROOT / "examples/policies/first.yaml").read_text())

    assert ended.exit_code == 0, ended.output


def in_no_time(words: Sequence[str]) -> list[str]:
    """The same, and nobody waits for what is played."""
    return [*words, "--speed", "100000"] if words[0] == "demo" else list(words)


def settings() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for block in _SHELL.findall(page.read_text(encoding="utf-8")):
            for command in re.findall("helm (?:install|upgrade) [^\n]*", block.replace("\\\n", " ")):
                for key in _SET.findall(command):
                    yield str(page.relative_to(ROOT)), key


@pytest.mark.parametrize("key", sorted({key for _, key in settings()}))
def test_a_value_that_is_set_is_one_of_the_chart(key: str) -> None:
    values: Any = yaml.safe_load((ROOT / "charts/salus/values.yaml").read_text(encoding="utf-8"))
    for part in key.split("."):
        assert not values or part in values, f"{key}: no {part}"
        values = (values or {}).get(part)


def test_there_is_something_to_run() -> None:
    assert any(call.asks_nobody for call in CALLS)
    assert any(not call.asks_nobody for call in CALLS)
