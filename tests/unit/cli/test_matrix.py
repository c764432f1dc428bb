"""Every command, by how it may end and in which form: one table. And what all of them keep to, whatever they say.

Whole commands are run, over HTTP against an API server of values; those that take a terminal have one below.
"""

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from salus.cli import commands, following
from salus.cli.app import app
from salus.cli.contract import Exit
from tests.unit.cli.worlds import World, a_world

ROOT = Path(__file__).parents[3]
YES, NO, CANNOT, UNKNOWN = Exit.YES, Exit.NO, Exit.CANNOT, Exit.UNKNOWN
FORMS = ("text", "json")
COMMANDS = sorted(str(one.name) for one in app.registered_commands)


def as_it_is(_: World) -> None:
    """The world needs nothing more."""


@dataclass(frozen=True)
class Row:
    """One cell of the table."""

    command: str
    ends: Exit
    arguments: Sequence[str] = ()
    """Words in braces are names of the world."""
    given: Callable[[World], object] = as_it_is
    asks_a_cluster: bool = True

    def __str__(self) -> str:
        return f"{' '.join([self.command, *self.arguments])} → {self.ends.name.lower()}"


def outcome(word: str) -> Callable[[World], object]:
    return lambda world: world.will_end(word)


def not_scraped(world: World) -> None:
    for where, names in world.shop.names.items():
        world.shop.names[where] = [name for name in names if name.startswith("kube_")]


BY = ["--prometheus", "{shop}", "--window", "6h"]
HALF_AN_HOUR = ["--match", "cluster=eu", "--from", "2026-11-22T12:01:00Z", "--to", "2026-11-22T12:31:00Z"]
GOOD, BAD, NOT_THERE = "examples/policies/first.yaml", "{bad}", "nowhere.yaml"
ROWS = [
    Row("status", YES),
    Row("status", YES, ["checkout"]),
    Row("status", YES, ["checkout", "--no-metrics"]),
    Row("status", NO, ["--fail-on", "unhealthy"]),
    Row("status", CANNOT, ["nothing"]),
    Row("status", UNKNOWN, ["checkout", "--wait-for", "resolved", "--timeout", "0s"]),
    Row("get", YES, ["presets", "--check", "--prometheus", "{prometheus}/well", "--match", "cluster=eu"]),
    Row("get", YES, ["changes"]),
    Row("get", YES, ["releases", "deploy/checkout"]),
    Row("get", CANNOT, ["incidents", "nothing"]),
    Row("explain", YES, ["checkout"]),
    Row("explain", YES, ["inc/{incident}"]),
    Row("explain", YES, ["chev/{question}"]),
    Row("explain", CANNOT, ["nothing"]),
    Row("explain", CANNOT, ["checkout", "--now", "--prometheus", "http://127.0.0.1:1"]),
    Row("history", YES),
    Row("history", YES, ["deploy/checkout", "--with-refusals"]),
    Row("history", CANNOT, ["deploy/cart"]),
    Row("report", YES, ["inc/{incident}"]),
    Row("report", YES, ["period", "--from", "2026-11-22", "--to", "2026-11-23"]),
    Row("report", CANNOT, ["inc/nothing"]),
    Row("approve", YES, ["{question}", "--dry-run"]),
    Row("approve", YES, ["{question}", "--yes"]),
    Row("approve", YES, ["{question}", "--yes", "--wait"], outcome("Recovered")),
    Row("approve", YES, ["--dry-run", "-A"]),
    Row("approve", NO, ["{question}", "--yes", "--wait"], outcome("NotRecovered")),
    Row("approve", CANNOT, ["nothing", "--yes"]),
    Row("approve", CANNOT, ["--yes"]),
    Row("approve", UNKNOWN, ["{question}", "--yes", "--wait"]),
    Row("deny", YES, ["{question}", "--yes", "--reason", "we are testing"]),
    Row("deny", YES, ["{question}", "--yes", "--wait"], outcome("Abandoned")),
    Row("deny", NO, ["{question}", "--yes", "--wait"], outcome("Recovered")),
    Row("deny", CANNOT, ["nothing", "--yes"]),
    Row("deny", UNKNOWN, ["{question}", "--yes", "--wait"]),
    Row("withdraw", YES, ["{kept}", "--reason", "CVE-2026-1234", "--yes"]),
    Row("withdraw", YES, ["{kept}", "--reason", "CVE-2026-1234", "--dry-run"]),
    Row("withdraw", CANNOT, ["nothing", "--reason", "CVE-2026-1234", "--yes"]),
    Row("init", YES, ["deploy/checkout", "--explain", "error-ratio", *BY]),
    Row("init", YES, ["deploy/checkout", "--yes", "--to", "{folder}/", *BY]),
    Row("init", YES, ["--all", "--yes", "--to", "{folder}/", *BY]),
    Row("init", NO, ["deploy/checkout", "--yes", "--to", "{folder}/", *BY], not_scraped),
    Row("init", CANNOT, ["deploy/chekout", "--yes", *BY]),
    Row("validate", YES, ["-f", GOOD], asks_a_cluster=False),
    Row("validate", NO, ["-f", BAD], asks_a_cluster=False),
    Row("validate", CANNOT, ["-f", NOT_THERE], asks_a_cluster=False),
    Row("lint", YES, ["--offline", "-f", GOOD]),
    Row("lint", NO, ["--offline", "-f", BAD]),
    Row("lint", CANNOT, ["--offline", "-f", NOT_THERE]),
    Row("test", YES, ["examples/policies/rollback.test.yaml"], asks_a_cluster=False),
    Row(
        "test",
        NO,
        ["examples/policies/rollback.test.yaml", "--filter", "freeze", "--min-coverage", "50"],
        asks_a_cluster=False,
    ),
    Row("test", CANNOT, [NOT_THERE], asks_a_cluster=False),
    Row("version", YES),
    Row("version", NO, given=lambda world: world.install("0.9.0")),
    Row("version", CANNOT, ["--context", "nowhere"]),
    Row("version", UNKNOWN, given=lambda world: setattr(world.api, "schemas", None)),
    Row("version", YES, ["--client"], asks_a_cluster=False),
    Row("replay", YES, ["-f", GOOD, "--prometheus", "{prometheus}/ill", *HALF_AN_HOUR]),
    Row("replay", YES, ["checkout", "--prometheus", "{prometheus}/well", *HALF_AN_HOUR]),
    Row(
        "replay",
        NO,
        [
            "-f",
            "examples/policies/restart.yaml",
            "--prometheus",
            "{prometheus}/ill",
            *HALF_AN_HOUR,
            "--fail-on",
            "acts",
        ],
    ),
    Row("replay", CANNOT, ["nothing", "--prometheus", "{prometheus}/well", *HALF_AN_HOUR]),
    Row("replay", CANNOT, ["-f", BAD, "--prometheus", "{prometheus}/well", *HALF_AN_HOUR]),
    Row("demo", YES, ["--fault", "1", "--speed", "100000"], asks_a_cluster=False),
    Row("demo", CANNOT, ["--fault", "9"], asks_a_cluster=False),
]
NEVER = {
    ("get", NO): "it lists",
    ("get", UNKNOWN): "it lists",
    ("explain", NO): "it tells",
    ("explain", UNKNOWN): "it tells, also that nobody knows",
    ("history", NO): "it tells",
    ("history", UNKNOWN): "it tells",
    ("report", NO): "it tells",
    ("report", UNKNOWN): "it tells",
    ("withdraw", NO): "on a terminal alone, below",
    ("withdraw", UNKNOWN): "it waits for nobody",
    ("init", UNKNOWN): "of what it does not know it says so, and proposes the preset's own bound",
    ("validate", UNKNOWN): "it asks nobody",
    ("lint", UNKNOWN): "what cannot be asked is 2",
    ("test", UNKNOWN): "it asks nobody",
    ("replay", UNKNOWN): "what is not known stands in it",
    ("demo", NO): "Salus itself would have to be at fault",
    ("demo", UNKNOWN): "it asks nobody",
}
OF_OTHERS = {"run", "completion"}
"""What the operator runs, and what prints a program for shells (tests/unit/cli/test_shells.py): people ask neither."""
each_row = pytest.mark.parametrize("row", ROWS, ids=str)
each_form = pytest.mark.parametrize("form", FORMS)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all who only look."""
    with a_world(tmp_path_factory.mktemp("world")) as found:
        yield found


@pytest.fixture
def its_world(row: Row, request: pytest.FixtureRequest) -> World:
    """The row's: one of its own, where it writes, or has to be another one."""
    is_its_own = "--yes" in row.arguments or row.given is not as_it_is
    found: World = request.getfixturevalue("world" if is_its_own else "looked_at")
    return found


def test_the_table_is_whole() -> None:
    told = {(row.command, row.ends) for row in ROWS} | set(NEVER)

    assert commands.__all__
    assert told == {(name, ends) for name in {*COMMANDS} - OF_OTHERS for ends in (YES, NO, CANNOT, UNKNOWN)}


def asked(row: Row, form: str, world: World) -> list[str]:
    bad = world.kubeconfig.parent / "bad.yaml"
    bad.write_text((ROOT / GOOD).read_text().replace("PodsCrashLooping", "PodsCrashLoping"))
    names = {"question": world.question, "incident": world.incident, "kept": world.kept, "bad": str(bad)}
    names |= {"prometheus": world.prometheus, "shop": world.shop_url, "folder": str(world.kubeconfig.parent)}
    words = [word.format(**names) for word in row.arguments]
    where = ["--kubeconfig", str(world.kubeconfig)] if row.asks_a_cluster else []
    return [row.command, *words, *where, "-o", form]


def run(arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(following, "GRACE", -timedelta(hours=1))  # nobody waits in a test
    return CliRunner().invoke(app, list(arguments), prog_name="salus", env={"COLUMNS": "80"})


@each_form
@each_row
def test_how_a_command_ends(row: Row, form: str, its_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    row.given(its_world)

    ended = run(asked(row, form, its_world), monkeypatch)

    assert ended.exit_code == row.ends, ended.output
    assert ended.exception is None or isinstance(ended.exception, SystemExit)
    assert not any(word in ended.output for word in ("Traceback", "a defect in Salus", "\x1b"))
    holds_to_its_form(row, form, ended)


def holds_to_its_form(row: Row, form: str, ended: Result) -> None:
    if form == "json" and (row.ends is not CANNOT or ended.stdout):
        assert json.loads(ended.stdout), "one document, and nothing beside it"
    if form == "text" and row.command != "validate":  # which names files, and what is wrong in their own words
        assert max(map(len, ended.stdout.splitlines()), default=0) <= 80
    if row.ends is CANNOT:
        assert ended.stderr.startswith(("salus: ", "Usage: ")) or "nowhere.yaml" in ended.output
    else:
        assert ended.stdout.strip()


ONE_EACH = {row.command: row for row in ROWS if row.asks_a_cluster and row.command != "lint" and row.ends is YES}
one_each = pytest.mark.parametrize("row", ONE_EACH.values(), ids=ONE_EACH)


@each_form
@one_each
def test_a_cluster_that_does_not_answer(row: Row, form: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = asked(row, form, world)
    world.api.answers = False

    ended = run(arguments, monkeypatch)

    assert (ended.exit_code, ended.stdout) == (CANNOT, ""), ended.output
    assert ended.stderr.startswith("salus: error: prod-eu does not answer\n")


@one_each
def test_no_way_to_a_cluster(row: Row, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.kubeconfig.write_text("apiVersion: v1\nkind: Config\n")

    ended = run(asked(row, "text", world), monkeypatch)

    assert (ended.exit_code, ended.stdout) == (CANNOT, ""), ended.output
    assert ended.stderr.startswith("salus: error: no way to the cluster\n")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("", "it holds no kubeconfig", id="empty"),
        pytest.param("- a\n", "it holds no kubeconfig", id="a list"),
        pytest.param("contexts: 3\n", "it holds no kubeconfig", id="contexts that are a number"),
        pytest.param("contexts: [{name: a}]\ncurrent-context: a\n", "Expected key context", id="a context of nothing"),
        pytest.param("{", "while parsing", id="no YAML"),
    ],
)
def test_what_is_no_kubeconfig(text: str, why: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.kubeconfig.write_text(text)

    ended = run(["status", "--kubeconfig", str(world.kubeconfig)], monkeypatch)

    assert ended.exit_code == CANNOT
    assert ended.stderr.startswith("salus: error: no way to the cluster\n")
    assert f"cannot use {world.kubeconfig}: " in ended.stderr
    assert why in ended.stderr


# --- on a terminal

PATIENCE = 60.0
ON_A_TERMINAL = """
import fcntl, runpy, signal, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("salus", run_name="__main__")
"""
"""Standard input becomes the terminal that Ctrl-C is typed on; who runs the tests in the background ignores it, and so
would what they start."""


class Terminal:
    """A command on a terminal, with somebody before it who reads and types."""

    def __init__(self, world: World, *arguments: str) -> None:
        self._mine, theirs = pty.openpty()
        command = [sys.executable, "-c", ON_A_TERMINAL, *arguments, "--kubeconfig", str(world.kubeconfig)]
        environ = {**os.environ, "PYTHONPATH": str(ROOT / "operator"), "TERM": "xterm", "NO_COLOR": ""}
        self._process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ, start_new_session=True
        )
        os.close(theirs)
        self.said = ""

    def until(self, words: str) -> None:
        """Read until this stands there."""
        deadline = time.monotonic() + PATIENCE
        while words not in self.said:
            ready, _, _ = select.select([self._mine], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"never said {words!r}: {self.said}"
            if not self._read():
                break
        assert words in self.said, self.said

    def type(self, words: str) -> None:
        """Type this."""
        os.write(self._mine, words.encode())

    def end(self) -> int:
        """Read what is left; how it ended."""
        deadline = time.monotonic() + PATIENCE
        while select.select([self._mine], [], [], max(deadline - time.monotonic(), 0))[0] and self._read():
            pass
        os.close(self._mine)
        try:
            return self._process.wait(max(deadline - time.monotonic(), 1.0))
        finally:
            self._process.kill()

    def _read(self) -> bool:
        try:
            self.said += os.read(self._mine, 65_536).decode()
        except OSError:  # EIO: the other side is closed
            return False
        return True


@pytest.mark.parametrize(
    ("arguments", "question"),
    [
        pytest.param(["approve", "{question}"], "Approve this as ada? [y/N]:", id="approve"),
        pytest.param(["deny", "{question}"], "Deny this as ada? [y/N]:", id="deny"),
        pytest.param(["withdraw", "{kept}", "--reason", "CVE"], "Withdraw this as yourself?", id="withdraw"),
    ],
)
def test_who_steps_back_writes_nothing(arguments: Sequence[str], question: str, world: World) -> None:
    names = {"question": world.question, "kept": world.kept}
    there = Terminal(world, *(word.format(**names) for word in arguments))
    there.until(question)
    there.type("n\n")

    assert there.end() == NO
    assert not [write for write in world.stage.cluster.writes if write.verb == "patch" and write.act_as == ""]


def test_an_answer_on_a_terminal_is_followed_to_its_end(world: World) -> None:
    world.will_end("Recovered")
    there = Terminal(world, "approve", "--utc")
    there.until("Approve this as ada? [y/N]:")
    there.type("y\n")

    assert there.end() == YES
    assert f"changeevent/{world.question} approved" in there.said
    assert "12:11:00 UTC  Recovered: so it ended" in there.said


def test_ctrl_c_leaves_the_terminal_whole(world: World) -> None:
    there = Terminal(world, "status", "--watch")
    there.until("deploy/checkout")
    there.type("\x03")

    assert there.end() == Exit.INTERRUPTED
    assert "Traceback" not in there.said
    assert there.said.count("\x1b[?25l") == there.said.count("\x1b[?25h") > 0, "the cursor is shown again"
