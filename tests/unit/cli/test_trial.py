"""`salus test`: what policies decide on values, and what is said where that, or a file, is not as it should be."""

import json
import re
import shlex
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from salus.cli.app import app
from salus.cli.reports.trial import TestReport
from tests.unit.cli.trials import HEAD, POLICY, a_folder, lines, tried

TAKEN_BACK = """
    - name: a bad release is taken back once
      values: {error-ratio: 0.001x19 0.3x100}
      after: {Rollback: {error-ratio: 0.001}}
      expect:
      - {at: 6m, record: Act Rollback, to: v1, remedy: undo-release, policy: checkout, times: 1}
      - {by: 9m, outcome: Recovered}
      never: [Act Restart, Act Scale]
"""
VANISHED = """
    - name: metrics that vanish lead to nothing
      values: {error-ratio: 0.001x20 _x40, slow: 0x60}
      expect: none
"""
FREEZE = """
    - name: nothing is done in the freeze
      values: {error-ratio: 0.001x19 0.3x40}
      after: {Rollback: {error-ratio: 0.001}}
      expect: [{at: 6m, record: Refuse Rollback, reason: FreezeWindow}]
"""


def test_what_passes(tmp_path: Path) -> None:
    ended = tried(a_folder(tmp_path, TAKEN_BACK, VANISHED))

    assert ended.exit_code == 0, ended.output
    assert "✔ a bad release is taken back once" in ended.stdout
    assert lines(ended.stdout)[-3:] == [
        "2 tests: 2 passed",
        "coverage of 1 policy: 1 of 2 remedies, 1 of 2 checks, 0 of 21 reasons not to act",
        "never reached: checkout/restart, checkout/slow (list: -o json)",
    ]


def test_what_fails_is_told_on_one_screen(tmp_path: Path) -> None:
    """As the page about tests shows it: expected, got, the run, and what may have been meant."""
    ended = tried(a_folder(tmp_path, FREEZE))

    assert ended.exit_code == 1
    told = ended.stdout.partition("  ✖ nothing is done in the freeze")[2].splitlines()
    assert told[1:7] == [
        "      at 6m      expected  Refuse Rollback FreezeWindow",
        "                 got       Act Rollback (to v1), AboveThreshold",
        "      the run    0s healthy · 5m error-ratio 0.3, above 0.05 · 6m error-ratio",
        "                 unhealthy · 6m Act Rollback (to v1) · 6m15s error-ratio",
        "                 healthy, 0.001 · 7m30s Recovered",
        "      hint       the test names no freezes; add them under config",
    ]
    assert "1 test: 1 failed" in told


def expecting(expect: str, *, values: str = "error-ratio: 0.001x19 0.3x60", more: str = "") -> str:
    return f"""
    - name: one
      values: {{{values}}}
      after: {{Rollback: {{error-ratio: 0.001}}}}
      expect: {expect}
      {more}
"""


WAYS = [
    pytest.param(expecting("[{record: Act Rollback}]"), [], id="at any time"),
    pytest.param(expecting("[{record: Act}]"), [], id="by the decision alone"),
    pytest.param(expecting("[{by: 6m, record: Act Rollback}]"), [], id="by then"),
    pytest.param(expecting("[{at: 5m50s, record: Act Rollback}]"), [], id="within an interval"),
    pytest.param(expecting("[{at: 7m30s, outcome: Recovered}]"), [], id="how it ended, and when"),
    pytest.param(expecting("[{reason: AboveThreshold}]"), [], id="why"),
    pytest.param(expecting("[{at: 5m, record: Act Rollback}]"), ["got Act Rollback (to v1), at 6m"], id="too early"),
    pytest.param(
        expecting("[{by: 5m, record: Act Rollback}]"),
        ["by 5m expected Act Rollback", "got Act Rollback (to v1), at 6m"],
        id="not by then",
    ),
    pytest.param(
        expecting("[{record: Act Rollback, to: v2}]"),
        ["ever expected Act Rollback (to v2)", "got Act Rollback (to v1)"],
        id="another release",
    ),
    pytest.param(
        expecting("[{record: Act Rollback}, {record: Act Rollback}]"), ["got Act Rollback"], id="a record counts once"
    ),
    pytest.param(
        expecting("[{record: Act Rollback, times: 2}]"),
        ["expected Act Rollback, 2 times", "got 1 times: at 6m"],
        id="not so often",
    ),
    pytest.param(expecting("[{record: Act Restart}]", values="slow: 0x60"), ["got nothing"], id="nothing at all"),
    pytest.param(expecting("none"), ["at 6m expected none", "got Act Rollback (to v1)"], id="where nothing is to be"),
    pytest.param(
        expecting("[{record: Act Rollback}]", more="never: [Act Rollback]"),
        ["at 6m expected never Act Rollback"],
        id="what must never be",
    ),
]


@pytest.mark.parametrize(("test", "said"), WAYS)
def test_what_may_be_expected(test: str, said: list[str], tmp_path: Path) -> None:
    ended = tried(a_folder(tmp_path, test))

    assert ended.exit_code == bool(said), ended.output
    told = " ".join(lines(ended.stdout))
    assert [words for words in said if words not in told] == []


HINTS = [
    pytest.param(
        expecting("[{at: 6m15s, record: Act Rollback}]"),
        "15s apart: AxN is A and N times A after it",
        id="one value off",
    ),
    pytest.param(
        expecting("[{by: 30m, record: Act Restart}]"), "the run ends at 20m: give more values, or lasts", id="the end"
    ),
    pytest.param(
        expecting("[{record: Act Rollback}]", values="error-ratio: 0.001x19 _x40"),
        "error-ratio is unknown from 5m on (NoSeries): no values are written from there",
        id="no values",
    ),
    pytest.param(
        expecting("[{record: Act Rollback}]", more="workload: {releases: [{name: v2, at: -5m}]}"),
        "no release before the live one is good: true under workload.releases",
        id="no way back",
    ),
    pytest.param(
        expecting("[{record: Refuse Rollback, reason: KillSwitch}]"), "the kill switch is off", id="the kill switch"
    ),
]


@pytest.mark.parametrize(("test", "hint"), HINTS)
def test_what_may_have_been_meant(test: str, hint: str, tmp_path: Path) -> None:
    ended = tried(a_folder(tmp_path, test))

    assert ended.exit_code == 1, ended.output
    assert hint in " ".join(lines(ended.stdout))


def test_a_policy_that_observes_rehearses(tmp_path: Path) -> None:
    policy = POLICY.replace("mode: Enforce", "mode: Observe")

    ended = tried(a_folder(tmp_path, expecting("[{record: Act Rollback}]"), policy=policy))

    assert "the mode is Observe: it rehearses; expect DryRun Rollback" in " ".join(lines(ended.stdout))


WRONG = [
    pytest.param("- {name: a}", 'checkout.test.yaml:8: tests[0]: "a" has no expect', id="no expectation"),
    pytest.param("- {name: a, expect: []}", ":8: tests[0].expect: expected none, or a list", id="an empty one"),
    pytest.param(
        "- {name: a, values: {errors: 1x3}, expect: none}",
        ':8: tests[0].values.errors: there is no check "errors"; there are: error-ratio, slow',
        id="no such check",
    ),
    pytest.param(
        "- {name: a, after: {Restart: {errors: 1}}, expect: none}",
        ':8: tests[0].after.Restart.errors: there is no check "errors"',
        id="no such check after a deed",
    ),
    pytest.param(
        "- {name: a, expect: [{record: Act Scale, remedy: grow}]}",
        ':8: tests[0].expect[0].remedy: there is no remedy "grow"; there are: undo-release, restart',
        id="no such remedy",
    ),
    pytest.param(
        "- {name: a, expect: [{record: Act Rollback, to: v0}]}",
        ':8: tests[0].expect[0].to: there is no release "v0"; there are: v1, v2',
        id="no such release",
    ),
    pytest.param(
        "- {name: a, expect: [{record: Do Rollback}]}",
        "expected Act, DryRun, AwaitApproval, Advise, Refuse, and perhaps an action",
        id="no such decision",
    ),
    pytest.param(
        "- {name: a, never: [Act Reboot], expect: none}",
        "expected one of Scale, Restart, Rollback, Restore, Notify after Act",
        id="no such action",
    ),
    pytest.param("- {name: a, expect: [{at: soon, record: Act}]}", "a time from the beginning", id="no time"),
    pytest.param("- {name: a, expect: [{at: -5m, record: Act}]}", "from the beginning on", id="a time before"),
    pytest.param("- {name: a, expect: [{by: 5m}]}", "set one of record, outcome", id="a time alone"),
    pytest.param(
        "- {name: a, values: {slow: 5 times}, expect: none}",
        ":8: tests[0].values.slow: expected values such as 0.3, 0.001x20",
        id="other notation",
    ),
    pytest.param(
        "- {name: a, config: {freezes: [{name: x}]}, expect: none}",
        ":8: tests[0].config.freezes[0]: set either from and to, or cron and duration",
        id="a configuration that cannot be",
    ),
    pytest.param("- {name: a, expect: none, extra: 1}", "tests[0].extra: unknown field", id="a field of nobody"),
    pytest.param(
        "- {name: a, objects: [{kind: Pod}], expect: none}",
        "tests[0].objects[0]: expected an object with apiVersion, kind and metadata.name",
        id="an object that is none",
    ),
    pytest.param(
        "- {name: a, workload: {name: cart}, expect: none}",
        ":8: tests[0]: checkout is of Deployment/checkout, and the workload of this test is Deployment/cart",
        id="another workload",
    ),
    pytest.param(
        "- {name: a, expect: none, objects: [{apiVersion: v1, kind: Pod, metadata: {name: x}}, {apiVersion: v1, "
        "kind: Pod, metadata: {name: x}}]}",
        ":8: tests[0]: objects: pods 'x' exists already",
        id="an object that is there already",
    ),
]


@pytest.mark.parametrize(("test", "said"), WRONG)
def test_what_is_wrong_is_said_with_file_and_line(test: str, said: str, tmp_path: Path) -> None:
    ended = tried(a_folder(tmp_path, f"    {test}\n"))

    assert ended.exit_code == 2, ended.output
    assert said in " ".join(ended.stderr.split())
    assert "Traceback" not in ended.output


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        pytest.param("nowhere.yaml", ":3: policies[0]: nowhere.yaml: No such file or directory", id="not there"),
        pytest.param("empty.yaml", "policies[0]: empty.yaml: holds no HealthPolicy", id="no policy"),
        pytest.param("broken.yaml", "policies[0]: broken.yaml: cannot be used: spec.checks[0]", id="a broken one"),
    ],
)
def test_policies_that_cannot_be_read(policies: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("kind: ConfigMap\n")
    head = HEAD.replace("checkout.yaml", policies)
    folder = a_folder(tmp_path, VANISHED, head=head)
    (folder / "broken.yaml").write_text((folder / "checkout.yaml").read_text().replace('above: "0.05"', ""))

    ended = tried(folder / "checkout.test.yaml")

    assert ended.exit_code == 2
    assert said in ended.stderr


def test_there_have_to_be_tests(tmp_path: Path) -> None:
    (tmp_path / "checkout.yaml").write_text("kind: ConfigMap\n")

    none, other = tried(tmp_path), tried(a_folder(tmp_path, VANISHED), "--filter", "bad release")

    assert (none.exit_code, other.exit_code) == (2, 2)
    assert "there are no tests" in none.stderr
    assert "metrics that vanish lead to nothing" in other.stderr


def test_some_by_their_words(tmp_path: Path) -> None:
    ended = tried(a_folder(tmp_path, TAKEN_BACK, FREEZE), "--filter", "release BAD")

    assert ended.exit_code == 0
    assert "1 test: 1 passed" in ended.stdout


@pytest.mark.parametrize(("least", "status"), [("50", 0), ("51", 1)])
def test_a_share_of_the_rungs_may_be_asked_for(least: str, status: int, tmp_path: Path) -> None:
    ended = tried(a_folder(tmp_path, TAKEN_BACK), "--min-coverage", least)

    assert ended.exit_code == status
    assert ("too little: 50 % of remedies, at least 51 % are asked for" in ended.stdout) == bool(status)


def test_policies_without_tests_count(tmp_path: Path) -> None:
    folder = a_folder(tmp_path, TAKEN_BACK)
    (folder / "other.yaml").write_text((folder / "checkout.yaml").read_text().replace("name: checkout,", "name: pay,"))

    report = TestReport.from_json(tried(folder, "-o", "json").stdout.encode())

    assert (report.coverage.policies, report.coverage.remedies.missing) == (
        2,
        ("checkout/restart", "pay/undo-release", "pay/restart"),
    )


def test_refusals_are_counted_by_their_guard(tmp_path: Path) -> None:
    frozen = FREEZE + "      config: {freezes: [{name: holidays, from: 2026-01-01, to: 2026-01-10}]}\n"

    report = json.loads(tried(a_folder(tmp_path, frozen), "-o", "json").stdout)

    assert (report["passed"], report["coverage"]["reasons"]["reached"]) == (1, 1)
    assert "FreezeWindow" not in report["coverage"]["reasons"]["missing"]


def test_two_policies_of_one_workload(tmp_path: Path) -> None:
    """Each by its own name, where checks are called the same."""
    second = "    ---\n" + POLICY.replace("name: checkout,", "name: second,").replace("rollback: {}", "restart: {}")
    second = second.replace("errors{", "failures{").replace("latency{", "duration{")
    tests = """
    - name: one of two
      values: {second/error-ratio: 0x5 0.3x60, error-ratio: 0x65}
      expect: [{record: Act Restart, policy: second}]
      never: [Act Rollback]
    """

    ended = tried(a_folder(tmp_path, tests, policy=POLICY + second))

    assert ended.exit_code == 0, ended.output


def test_two_policies_that_ask_the_same_are_told_the_same(tmp_path: Path) -> None:
    second = "    ---\n" + POLICY.replace("name: checkout,", "name: second,")
    test = "    - {name: a, values: {second/slow: 0x5, checkout/slow: 1x5}, expect: none}\n"

    ended = tried(a_folder(tmp_path, test, policy=POLICY + second))

    assert ended.exit_code == 2
    assert "checkout/slow and second/slow ask the same, and are told different values" in ended.stderr


def test_for_pipelines(tmp_path: Path) -> None:
    root = ET.fromstring(tried(a_folder(tmp_path, TAKEN_BACK, FREEZE), "-o", "junit").stdout)  # noqa: S314 — our own

    assert (root.get("tests"), root.get("failures")) == ("2", "1")
    failure = root.find(".//failure")
    assert failure is not None
    assert failure.get("message", "").startswith("at 6m: expected Refuse Rollback FreezeWindow, got Act Rollback")
    assert "hint: the test names no freezes" in (failure.text or "")


# --- --update

UNFINISHED = """
    - name: not known yet
      values: {slow: 0x19 2x60}
      after: {Restart: {slow: 0}}
    # a comment
"""


def test_what_is_on_record_becomes_what_is_expected(tmp_path: Path) -> None:
    folder = a_folder(tmp_path, FREEZE, UNFINISHED, VANISHED)
    before = (folder / "checkout.test.yaml").read_text()

    asked = tried(folder, "--update")
    assert (asked.exit_code, (folder / "checkout.test.yaml").read_text()) == (2, before)
    assert "-  expect: [{at: 6m, record: Refuse Rollback, reason: FreezeWindow}]" in asked.stdout
    assert "nobody to ask: add --yes" in asked.stderr

    done = tried(folder, "--update", "--yes")
    after = (folder / "checkout.test.yaml").read_text()
    assert done.exit_code == 0
    assert "  expect:\n  - {at: 6m, record: Act Rollback, to: v1, outcome: Recovered}\n- name: not" in after
    assert "  - {at: 6m, record: Act Restart, outcome: Recovered}\n# a comment\n- name: metrics" in after
    assert tried(folder).exit_code == 0
    assert "nothing to update" in tried(folder, "--update").stdout


def test_what_is_written_in_braces_is_left_to_its_author(tmp_path: Path) -> None:
    ended = tried(a_folder(tmp_path, "    - {name: one, values: {slow: 0x5}}\n"), "--update", "--yes")

    assert ended.exit_code == 2
    assert '"one" is written in braces' in ended.stderr


# --- the page about them

PAGE = Path(__file__).parents[3] / "docs/how-to/test-in-ci.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("command", [line for block in blocks("sh") for line in block.splitlines()])
def test_the_commands_of_the_page_work(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PAGE.parents[2])
    program, *arguments = shlex.split(command)

    ended = CliRunner().invoke(app, arguments, prog_name=program)

    assert (program, ended.exit_code) == ("salus", 0), ended.output


def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    text, _ = blocks("yaml")
    policy = PAGE.parents[2] / "examples/policies/rollback.yaml"
    (tmp_path / policy.name).write_text(policy.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "rollback.test.yaml").write_text(text, encoding="utf-8")

    assert tried(tmp_path).exit_code == 0
