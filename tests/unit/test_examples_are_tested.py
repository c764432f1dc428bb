"""Every rung of the example policies has its turn in a test beside it, and all of those tests pass."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from salus.cli.app import app

POLICIES = Path(__file__).parents[2] / "examples" / "policies"


def test_every_rung_of_the_examples_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(POLICIES.parents[1])

    ended = CliRunner().invoke(app, ["test", "examples/policies", "--min-coverage", "100", "-o", "json"])
    report = json.loads(ended.stdout)

    assert ended.exit_code == 0, ended.output
    assert (report["failed"], report["skipped"]) == (0, 0)
    remedies = report["coverage"]["remedies"]
    assert (remedies["reached"], remedies["missing"]) == (remedies["all"], [])


def test_each_example_has_its_tests_beside_it() -> None:
    policies = [path for path in POLICIES.glob("*.yaml") if not path.name.endswith(".test.yaml")]

    assert policies
    assert [path.name for path in policies if not path.with_suffix(".test.yaml").exists()] == []
