"""`make test` runs every part, whatever becomes of the others, and tells which failed."""

import re
from pathlib import Path

import pytest

from tools.suite import LANES, Part, Suite

ROOT = Path(__file__).parents[2]


def shell(name: str, script: str, needs: str = "") -> Part:
    return Part(name, ("sh", "-c", script), needs)


def a_suite(folder: Path, *lanes: tuple[Part, ...], said: list[str] | None = None) -> Suite:
    return Suite(lanes, folder / "logs", (said if said is not None else []).append, say_every=0.0)


def statuses(suite: Suite) -> dict[str, int]:
    return {name: outcome.status for name, outcome in suite.outcomes.items()}


def test_all_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = a_suite(tmp_path, (shell("a", "echo 1 passed"), shell("b", "true")), (shell("c", "true", needs="a"),))

    assert suite.run() == 0
    assert statuses(suite) == {"a": 0, "b": 0, "c": 0}
    assert re.search(r"^a +passed +0 s +0 CPU-s +1 passed$", capsys.readouterr().out, re.MULTILINE)


def test_one_that_fails_is_told_with_its_output_and_the_others_go_on(tmp_path: Path) -> None:
    said: list[str] = []
    suite = a_suite(tmp_path, (shell("a", "echo why; exit 3"), shell("b", "true")), (shell("c", "true"),), said=said)

    assert suite.run() == 1
    assert statuses(suite) == {"a": 3, "b": 0, "c": 0}
    assert any(line.startswith("a FAILED") and line.endswith("\nwhy") for line in said)


def test_what_needs_one_that_fails_is_left_out_and_what_needs_that_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lanes = (shell("a", "false"), shell("b", "true")), (shell("c", "true", needs="a"), shell("d", "true", needs="c"))
    suite = a_suite(tmp_path, *lanes)

    assert suite.run() == 1
    assert statuses(suite) == {"a": 1, "b": 0, "c": -1, "d": -1}
    assert re.search(r"^c +left out +0 s +0 CPU-s +needs a, which failed$", capsys.readouterr().out, re.MULTILINE)


def test_one_waits_for_what_it_needs(tmp_path: Path) -> None:
    made = tmp_path / "made"
    first = shell("a", f"sleep 0.3; touch {made}")

    assert a_suite(tmp_path, (first,), (shell("b", f"test -e {made}", needs="a"),)).run() == 0


def test_how_far_it_is_is_told_while_it_runs(tmp_path: Path) -> None:
    said: list[str] = []
    lanes = (shell("a", "echo '.... [ 41%]'; sleep 1"),), (shell("b", "echo 'building, ten minutes more'; sleep 1"),)
    a_suite(tmp_path, *lanes, said=said).run()

    assert {"a 41 %", "b building, ten minutes more"} <= {
        part for line in said if line.startswith("running: ") for part in line.removeprefix("running: ").split("; ")
    }


def test_the_parts_are_targets_of_the_makefile_and_what_they_need_is_there() -> None:
    parts = {part.name: part for lane in LANES for part in lane}
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    assert parts.keys() <= set(targets)
    assert {part.needs for part in parts.values() if part.needs} <= parts.keys()
    for tier in ("check", "unit", "pythons", "package", "sbom", "contract", "chart", "cluster-test", "e2e", "shop"):
        assert tier in parts
