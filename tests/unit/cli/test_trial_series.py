"""`salus test` with series: what promtool says is read as a reply of Prometheus, and where there is none it is said.

What a real one says is tried in tests/contract/test_promtool.py.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from salus.cli.trial import promtool
from salus.cli.trial.promtool import PromtoolFailed, Written, asked, found, moved
from salus.model.values.metrics import Answer, Error, NoData, Query, Value
from tests.unit.cli.trials import PROMTOOL, a_folder, lines, tried, with_rules

FIVE = [timedelta(seconds=15 * number) for number in range(5)]
QUESTION = Query("default", 'errors{namespace="shop"}', timedelta(minutes=2))
THERE = Written([('errors{namespace="shop"}', "1x4")], timedelta(seconds=15))


def a_promtool(folder: Path, says: str, status: int = 1) -> Path:
    """A program that says this to whatever it is asked."""
    said, program = folder / "said.txt", folder / "promtool"
    said.write_text(dedent(says), encoding="utf-8")
    program.write_text(f"#!/bin/sh\ncat {said} >&2\nexit {status}\n", encoding="utf-8")
    program.chmod(0o755)
    return program


WORDS = [
    pytest.param("", 0, NoData("NoSeries", "the query gives no series"), id="nothing failed: there is nothing"),
    pytest.param(
        """
          FAILED:
            expr: "# 0\\nlabel_replace(…)", time: 0s,
                exp: nil
                got: {namespace="shop", salus_part="value"} 4.4E+01, {salus_part="0"} 0E+00
        """,
        1,
        Value(44.0, datetime.fromtimestamp(0, UTC)),
        id="one number, and when it was taken",
    ),
    pytest.param(
        """
            expr: "# 0\\nx{a=\\"b, err: c\\"}", time: 0s,
                exp: nil
                got:{__name__="x", pod="a\\"}, b"} 1E+00, y{pod="c"} 2E+00
        """,
        1,
        Error("SeveralSeries", "expected one series, got 2"),
        id="several, with quotes and braces in their labels",
    ),
    pytest.param(
        """
            expr: "# 0\\nx", time: 0s, err: many-to-many matching not allowed
        """,
        1,
        Error("QueryFailed", "promtool refused the query: many-to-many"),
        id="a query that fails",
    ),
    pytest.param(
        """
            expr: "# 0\\nx", time: 0s,
                exp: nil
                got: {} NaN
        """,
        1,
        NoData("NotANumber", "the query gives NaN"),
        id="no number",
    ),
    pytest.param(
        """
            expr: "# 0\\nx", time: 0s,
                exp: nil
                got: {} +Inf
        """,
        1,
        NoData("Infinite", "the query gives infinity"),
        id="a number without end",
    ),
]


@pytest.mark.parametrize(("says", "status", "means"), WORDS)
def test_what_promtool_says(says: str, status: int, means: Answer, tmp_path: Path) -> None:
    ((told, *_),) = asked(a_promtool(tmp_path, says, status), THERE, [QUESTION], FIVE)

    assert short(told, 19) == short(means, 19)


def short(told: Answer, most: int) -> tuple[object, ...]:
    """So much of a sentence; all of a value."""
    return (told,) if isinstance(told, Value) else (type(told), told.reason, told.message[:most])


@pytest.mark.parametrize(
    ("says", "status", "said"),
    [
        pytest.param("asked.yaml: yaml: what is this", 1, "what is this", id="it cannot read the series"),
        pytest.param("panic", 2, "panic", id="it falls over"),
        pytest.param(
            """
            expr: "# 0\\nx", time: 0s,
                exp: nil
                got: something else
            """,
            1,
            "cannot be read: something else",
            id="words that nobody knows",
        ),
    ],
)
def test_a_promtool_that_does_not_tell(says: str, status: int, said: str, tmp_path: Path) -> None:
    with pytest.raises(PromtoolFailed) as failed:
        asked(a_promtool(tmp_path, says, status), THERE, [QUESTION], FIVE)

    assert said in str(failed.value)


def test_a_test_that_asks_too_much_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PromtoolFailed, match="more than 50000 questions"):
        asked(a_promtool(tmp_path, ""), THERE, [QUESTION], FIVE * 20_000)


def test_answers_are_moved_to_the_time_of_the_test() -> None:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    none = NoData("NoSeries", "none", empty=True)

    assert moved(Value(1.0, datetime.fromtimestamp(30, UTC)), at) == Value(1.0, at + timedelta(seconds=30))
    assert moved(none, at) is none


def test_where_promtool_is_looked_for(tmp_path: Path) -> None:
    """In a folder that is named, then on PATH, then among what make cluster keeps."""
    named, on_path, kept = (tmp_path / name for name in ("named", "path", "kept"))
    built = kept / "promtool-1a2b"
    for folder in (named, on_path, built):
        folder.mkdir(parents=True)
        a_promtool(folder, "")
    everything = {"SALUS_TOOLS": str(named), "PATH": str(on_path), "SALUS_TESTBIN": str(kept)}

    def left(*names: str) -> Path | None:
        return found({name: everything[name] if name in names else str(tmp_path) for name in everything})

    assert found(everything) == named / "promtool"
    assert left("PATH", "SALUS_TESTBIN") == on_path / "promtool"
    assert left("SALUS_TESTBIN") == built / "promtool"
    assert left() is None


SICK = """
    - name: one sick pod of six is no breach
      series:
      - {series: 'errors{pod="checkout-7d9f8c6b5-x2x4z"}', values: 0.01x40}
      expect: none
"""


def test_without_promtool_a_test_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promtool, "found", lambda: None)
    folder = a_folder(tmp_path, SICK)

    ended, strict = tried(folder), tried(folder, "--strict")

    assert (ended.exit_code, strict.exit_code) == (0, 2)
    assert "– one sick pod of six is no breach" in ended.stdout  # noqa: RUF001 — the dash that is meant
    assert "skipped: no promtool on PATH; it comes with Prometheus" in " ".join(lines(ended.stdout))
    assert "1 test: 1 skipped" in ended.stdout
    assert "--strict: a test was skipped" in strict.stderr


def test_a_pod_that_cannot_be_is_no_series_of_the_workload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promtool, "found", lambda: a_promtool(tmp_path, "", 0))

    ended = tried(a_folder(tmp_path, SICK.replace("x2x4z", "abcde")))

    assert ended.exit_code == 2
    assert "pod checkout-7d9f8c6b5-abcde is none of Deployment/checkout" in ended.stderr


# --- files of promtool


@pytest.mark.parametrize(
    ("file", "said"),
    [
        pytest.param("tests: 5", "tests: expected a list", id="no tests"),
        pytest.param("- 1", "is no file of promtool test rules", id="another file"),
        pytest.param(PROMTOOL.replace("0x20 3x60", "many"), "expected values such as 0.3, 0.001x20", id="odd values"),
        pytest.param(
            PROMTOOL.replace("series: 'failed", "name: 'failed"), "expected series and values", id="no series"
        ),
    ],
)
def test_a_file_of_promtool_that_cannot_be_included(file: str, said: str, tmp_path: Path) -> None:
    ended = tried(with_rules(tmp_path, file) / "checkout.test.yaml")

    assert ended.exit_code == 2
    assert "promtool[0]: ../" in ended.stderr
    assert said in ended.stderr


def test_values_of_two_files_have_one_step(tmp_path: Path) -> None:
    folder = with_rules(tmp_path, PROMTOOL.replace("interval: 15s\n      input", "interval: 1m\n      input"))
    file = folder / "checkout.test.yaml"
    file.write_text(f"interval: 15s\n{file.read_text()}")

    ended = tried(file)

    assert ended.exit_code == 2
    assert "has a value every 1m; give the test the same interval" in ended.stderr


def test_a_program_that_is_not_executable_is_not_one(tmp_path: Path) -> None:
    program = a_promtool(tmp_path, "")
    program.chmod(0o644)

    assert os.access(program, os.R_OK)
    assert found({"SALUS_TOOLS": str(tmp_path), "PATH": "", "SALUS_TESTBIN": str(tmp_path / "none")}) is None
