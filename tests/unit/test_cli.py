"""The command line: options, words and exit statuses; what `validate` finds is in test_validate.py."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from salus import bootstrap
from salus.bootstrap import RunOptions
from salus.cli.app import app, called_as
from salus.settings import SettingsError
from salus.version import described

DATA = Path(__file__).with_name("data") / "validate"
EXAMPLES = Path(__file__).parents[2] / "examples"
FIRST = str(EXAMPLES / "policies" / "first.yaml")
SETTINGS = str(EXAMPLES / "operator.yaml")

HEAVY = {"aiohttp", "kopf", "kubernetes", "prometheus_client", "promql_parser", "pydantic", "requests", "yaml"}


def salus(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=text, prog_name="salus")


def run_program(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "COLUMNS": "100"},
    )


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[RunOptions]:
    """Remember what the operator would have been started with."""
    calls: list[RunOptions] = []

    def remember(options: RunOptions) -> int:
        calls.append(options)
        return 0

    monkeypatch.setattr(bootstrap, "run", remember)
    return calls


# --- the program


def test_help_as_a_program_lists_the_commands() -> None:
    ended = run_program("-m", "salus", "--help")

    assert ended.returncode == 0
    assert ended.stderr == ""
    assert ended.stdout.startswith("Usage: salus [OPTIONS] COMMAND")
    assert {"run", "validate"} <= set(ended.stdout.split())


def test_help_imports_nothing_that_takes_long() -> None:
    ended = run_program("-X", "importtime", "-m", "salus", "--help")

    imported = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert "typer" in imported
    assert not HEAVY & imported


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        pytest.param(["-f", FIRST], 0, id="0: all good"),
        pytest.param(["-f", str(DATA / "broken.yaml")], 1, id="1: problems found"),
        pytest.param(["-f", "nowhere.yaml"], 2, id="2: cannot be read"),
        pytest.param([], 2, id="2: nothing asked for"),
    ],
)
def test_the_exit_status_of_the_program(arguments: list[str], status: int) -> None:
    assert run_program("-m", "salus", "validate", *arguments).returncode == status


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("/usr/local/bin/salus", "salus"),
        ("/usr/local/bin/kubectl-salus", "kubectl salus"),
        ("operator/salus/__main__.py", "salus"),
    ],
)
def test_the_usage_says_what_the_person_typed(program: str, name: str) -> None:
    assert called_as(program) == name


@pytest.mark.parametrize("arguments", [["--version"], ["--version", "run"]])
def test_the_version(arguments: list[str]) -> None:
    assert salus(*arguments).stdout == f"salus {described()}\n"


# --- salus run


def test_run_needs_only_a_configuration(started: list[RunOptions]) -> None:
    assert salus("run", "--config", "operator.yaml").exit_code == 0
    assert started == [RunOptions(config=Path("operator.yaml"), log_level="info")]


def test_run_hands_every_option_on(started: list[RunOptions]) -> None:
    arguments = (
        f"--config operator.yaml --kubeconfig {SETTINGS} --context there -n shop --namespace bank --dry-run "
        "--metrics-address [::1]:0 --log-format text --log-level debug"
    )

    assert salus("run", *arguments.split()).exit_code == 0
    assert started == [
        RunOptions(
            config=Path("operator.yaml"),
            kubeconfig=Path(SETTINGS),
            context="there",
            namespaces=("shop", "bank"),
            metrics_address="[::1]:0",
            log_format="text",
            log_level="debug",
            dry_run=True,
        )
    ]


def test_run_ends_with_the_operators_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "run", lambda _: 1)

    assert salus("run", "--config", "operator.yaml").exit_code == 1


def test_run_refuses_a_bad_configuration_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: RunOptions) -> int:
        raise SettingsError("operator.yaml: sources.a.url: is required")

    monkeypatch.setattr(bootstrap, "run", refuse)

    ended = salus("run", "--config", "operator.yaml")

    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr == "salus: operator.yaml: sources.a.url: is required\n"


def test_run_really_reads_the_configuration(tmp_path: Path) -> None:
    ended = salus("run", "--config", str(tmp_path / "none.yaml"))

    assert (ended.exit_code, ended.stderr) == (2, f"salus: {tmp_path}/none.yaml: No such file or directory\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param([], "--config", id="no configuration"),
        pytest.param(["--config", "a", "-n", "Shop_1"], 'the name of a namespace, got "Shop_1"', id="a bad namespace"),
        pytest.param(["--config", "a", "--kubeconfig", "none"], "none", id="a kubeconfig that is not there"),
        pytest.param(["--config", "a", "--metrics-address", "8080"], "expected HOST:PORT", id="a port alone"),
        pytest.param(["--config", "a", "--metrics-address", ":70000"], "expected HOST:PORT", id="a port too high"),
        pytest.param(
            ["--config", "a", "--metrics-address", "::1:80"], "expected HOST:PORT", id="IPv6 without brackets"
        ),
        pytest.param(["--config", "a", "--log-format", "xml"], "xml", id="an unknown format"),
        pytest.param(["--config", "a", "--log-level", "loud"], "loud", id="an unknown level"),
    ],
)
def test_run_refuses_bad_options(arguments: list[str], words: str, started: list[RunOptions]) -> None:
    ended = salus("run", *arguments)

    assert ended.exit_code == 2
    assert words in ended.stderr
    assert started == []


# --- salus validate


def test_validate_says_that_all_is_good_and_what_was_not_checked() -> None:
    ended = salus("validate", "-f", FIRST)

    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.stdout == "1 policy in 1 file: all good; sources not checked (give --config or --source)\n"


def test_validate_prints_a_line_a_problem_and_a_summary() -> None:
    *problems, summary = salus("validate", "-f", str(DATA / "broken.yaml"), "--source", "default").stdout.splitlines()

    assert len(problems) == 6
    assert all(line.startswith(f"{DATA}/broken.yaml:") for line in problems)
    assert summary == "1 policy in 1 file: 6 problems"


def test_validate_prints_only_errors_to_stderr() -> None:
    ended = salus("validate", "-f", "nowhere.yaml", "-f", FIRST, "--source", "default")

    assert ended.stderr == "salus: nowhere.yaml: No such file or directory\n"
    assert ended.stdout == "1 policy in 1 file: 1 input unreadable\n"


def test_validate_reads_standard_input_once() -> None:
    text = Path(FIRST).read_text(encoding="utf-8").replace("Observe", "Bold")

    ended = salus("validate", "-f", "-", "-f", "-", text=text)

    assert ended.exit_code == 1
    assert ended.stdout.startswith("<stdin>:9 (shop/checkout-first): spec.mode: expected Observe, Approve or Enforce")
    assert "1 policy in 1 file: 1 problem" in ended.stdout


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        pytest.param([], 0, "sources not checked", id="nobody told the sources"),
        pytest.param(["--source", "eu"], 1, 'unknown source "default"; known: eu', id="a source by name"),
        pytest.param(["--source", "eu", "--source", "default"], 0, "all good\n", id="several sources by name"),
        pytest.param(["--config", SETTINGS], 0, "all good\n", id="sources of a configuration"),
    ],
)
def test_validate_checks_sources_only_where_they_are_told(options: list[str], status: int, words: str) -> None:
    ended = salus("validate", "-f", FIRST, *options)

    assert ended.exit_code == status
    assert words in ended.stdout


def test_validate_refuses_a_bad_configuration(tmp_path: Path) -> None:
    bad = tmp_path / "operator.yaml"
    bad.write_text("sources: {a: {}}", encoding="utf-8")

    ended = salus("validate", "-f", FIRST, "--config", str(bad))

    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr == f"salus: {bad}: sources.a: set exactly one of url and urlFile\n"


def report_of(*arguments: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(salus("validate", "-o", "json", *arguments).stdout)
    return report


def test_validate_writes_json_for_programs() -> None:
    listed = str(DATA / "list.json")

    assert report_of("-f", listed, "-f", "nowhere", "--source", "default") == {
        "ok": False,
        "sources": ["default"],
        "files": 1,
        "policies": 1,
        "others": 1,
        "findings": [
            {
                "file": listed,
                "line": 14,
                "document": 1,
                "namespace": "shop",
                "name": "second",
                "path": "spec.remedies[0].scale.to",
                "message": "to must not exceed max",
            }
        ],
        "notes": [],
        "unreadable": [{"file": "nowhere", "line": None, "message": "No such file or directory"}],
    }


def test_validate_says_in_json_that_sources_were_not_checked() -> None:
    report = report_of("-f", FIRST)

    assert report["ok"] is True
    assert report["sources"] is None
