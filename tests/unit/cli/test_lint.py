"""`salus lint` without a cluster: which rule finds what, where it stands, which exceptions hold, how it is printed."""

import json
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from typer.testing import CliRunner

from salus.cli.app import app
from salus.cli.lint.exceptions import Ignored, Illegible, exceptions_in
from salus.cli.lint.finding import Wish, found_in
from salus.cli.lint.registry import CODES, RULES
from salus.cli.lint.rule import Linted
from salus.cli.lint.subjects import from_files
from salus.cli.reports.lint import Level, LintFinding
from salus.cli.validate import catalog_of
from tools.lint_page import lint_page

ROOT = Path(__file__).parents[3]
TODAY = date(2026, 11, 30)
MINE = 'namespace="$namespace",pod=~"$pods"'
REQUESTS = f"sum(rate(http_requests_total{{{MINE}}}[5m]))"
ERRORS = f'sum(rate(http_requests_total{{{MINE},code=~"5.."}}[5m]))'
RESTART = {"name": "restart", "restart": {}}
PAGE = {"name": "page", "notify": {}}
POOL = {"name": "pool", "preset": "ConnectionPoolExhausted", "variant": "micrometer"}
CRASH = {"name": "crash", "preset": "PodsCrashLooping"}


def a_policy(*checks: Mapping[str, Any], **spec: Any) -> str:  # noqa: ANN401 — fields of a spec
    body = {
        "apiVersion": "salus.dev/v1alpha1",
        "kind": "HealthPolicy",
        "metadata": {"name": "checkout", "namespace": "shop"},
        "spec": {
            "mode": "Enforce",
            "target": {"kind": "Deployment", "name": "checkout"},
            "checks": list(checks),
            "remedies": [RESTART],
            "verify": {"timeout": "30m"},
            **spec,
        },
    }
    return yaml.safe_dump(body, sort_keys=False, width=1000)


def a_check(query: str = "", above: str = "400", **more: Any) -> dict[str, Any]:  # noqa: ANN401 — fields of a check
    asked = {"query": query} if query else {}
    return {"name": "check", **asked, "unhealthy": {"above": above}, "for": "2m", **more}


def found(text: str, tmp_path: Path) -> list[LintFinding]:
    file = tmp_path / "policy.yaml"
    file.write_text(text, encoding="utf-8")
    catalog = catalog_of(None)
    read = from_files([str(file)], catalog, "default")
    known = {index: Linted(one.policy) for index, one in enumerate(read.subjects) if one.policy}
    told = found_in(read, known, catalog, Wish(offline=True), TODAY)
    return [finding for one in told.shown(Level.INFO) for finding in one.findings]


def codes(text: str, tmp_path: Path) -> set[str]:
    return {one.code for one in found(text, tmp_path)}


QUERIES = [
    ("SL101", f"http_queue{{{MINE}}} > 5", "an alert's expression", True),
    ("SL101", f"sum(http_queue{{{MINE}}} > bool 5)", "a comparison that answers 0 or 1", False),
    ("SL102", f"{ERRORS} / {REQUESTS}", "a quotient of rates", True),
    ("SL102", f"{ERRORS} / ({REQUESTS} > 0)", "a denominator that filters what is 0", False),
    ("SL102", f"{ERRORS} / clamp_min({REQUESTS}, 1)", "a denominator that is never 0", False),
    ("SL102", f"sum(memory_bytes{{{MINE}}}) / sum(limit_bytes{{{MINE}}})", "a denominator that stays", False),
    ("SL102", f"avg(rate(a_sum{{{MINE}}}[5m]) / rate(a_count{{{MINE}}}[5m]))", "an average of quotients", True),
    ("SL103", ERRORS, "failures by their code", True),
    ("SL103", f"sum(rate(http_errors_total{{{MINE}}}[5m]))", "failures by their name", True),
    ("SL103", f"({ERRORS} or 0 * {REQUESTS}) / ({REQUESTS} > 0)", "failures that are 0 where there are none", False),
    ("SL103", REQUESTS, "all requests", False),
    ("SL104", f"sum(http_requests_total{{{MINE}}})", "a counter's height", True),
    ("SL104", REQUESTS, "a counter's rate", False),
    ("SL104", f"sum(up{{{MINE}}}) or 0 * sum(x_total{{{MINE}}})", "a counter multiplied away", False),
    ("SL104", f"count(x_total{{{MINE}}})", "how many counters there are", False),
    ("SL104", f"sum(x_total{{{MINE}}}) - sum(x_total{{{MINE}}} offset 5m)", "a counter by its own past", False),
    ("SL105", "sum(rate(http_requests_total[5m]))", "requests of everybody", True),
    ("SL105", 'sum(queue_length{queue!="mail"})', "a matcher that ties to nothing", True),
    ("SL105", 'sum(rate(http_requests_total{service="checkout"}[5m]))', "the workload by its name", False),
    ("SL105", 'sum(queue_length{namespace="shop"})', "a namespace by its name", False),
    ("SL107", f'avg(latency_seconds{{{MINE},quantile="0.99"}})', "an average of quantiles", True),
    ("SL107", f"topk(1, http_queue{{{MINE}}})", "topk", True),
    ("SL107", f"absent(up{{{MINE}}})", "absent()", True),
    ("SL107", f"sum(up{{{MINE}}}) or vector(0)", "or vector(0)", True),
    ("SL107", f"avg(http_queue{{{MINE}}})", "an average of values", False),
]


@pytest.mark.parametrize(
    ("code", "query", "is_found"),
    [
        pytest.param(code, query, bad, id=f"{code} {'finds' if bad else 'leaves'} {says}")
        for code, query, says, bad in QUERIES
    ],
)
def test_what_a_query_says(code: str, query: str, is_found: bool, tmp_path: Path) -> None:
    assert (code in codes(a_policy(a_check(query)), tmp_path)) is is_found


GOOD = a_check(f"sum(http_queue{{{MINE}}})")
SHARE: dict[str, Any] = {"ratio": {"of": ERRORS, "in": REQUESTS}}
OTHER = {**GOOD, "name": "other"}
WIDE = a_check(f"sum(rate(http_requests_total{{{MINE}}}[1h]))")
OBSERVED = {"name": "rehearsed", "mode": "Observe", "restart": {}}
POLICIES = [
    ("SL102", [a_check(f"{ERRORS} / {REQUESTS}", volume={"query": REQUESTS, "atLeast": "1"})], {}, "a volume", False),
    ("SL103", [a_check(ERRORS, onNoData="Healthy")], {}, "an empty answer that is declared", False),
    ("SL106", [{**GOOD, "for": "20s"}], {}, "for below two intervals", True),
    ("SL106", [{**GOOD, "for": "30s"}], {}, "for of two intervals", False),
    ("SL106", [{**GOOD, "for": "0s"}], {"remedies": [PAGE]}, "a check by which people are told", False),
    ("SL106", [a_check(above="5", **SHARE)], {}, "a share in percent", True),
    ("SL106", [a_check(above="0.05", **SHARE)], {}, "a share", False),
    ("SL401", [WIDE], {"verify": {"timeout": "5m"}}, "a range of 1h in a timeout of 5m", True),
    ("SL401", [WIDE], {"verify": {"timeout": "60m"}}, "a timeout without room for stable", True),
    ("SL401", [WIDE], {"verify": {"timeout": "61m"}}, "a timeout that holds range and stable", False),
    ("SL401", [WIDE], {"verify": {"timeout": "5m"}, "remedies": [PAGE]}, "what has nothing to verify", False),
    ("SL402", [GOOD], {"remedies": [OBSERVED, RESTART]}, "a rung behind one that is only rehearsed", True),
    ("SL402", [GOOD], {"remedies": [OBSERVED, PAGE]}, "a notify, which waits behind nothing", False),
    ("SL402", [GOOD], {"remedies": [PAGE, RESTART]}, "a rung behind a notify", False),
    ("SL402", [GOOD], {"remedies": [{"name": n, "rollback": {}} for n in ("one", "two")]}, "a second rollback", True),
    ("SL402", [GOOD, OTHER], {"remedies": [{**RESTART, "checks": ["check"]}]}, "a check without remedy", True),
    ("SL402", [GOOD], {"remedies": []}, "a policy that only measures", False),
    ("SL406", [POOL], {"remedies": [RESTART, PAGE]}, "a restart where only people help", True),
    (
        "SL406",
        [POOL, GOOD],
        {"remedies": [{**RESTART, "checks": ["check"]}, PAGE]},
        "a restart of another check",
        False,
    ),
    ("SL406", [CRASH], {"remedies": [{**RESTART, "checks": ["crash"]}]}, "a remedy for what it cannot mend", True),
    ("SL406", [CRASH, GOOD], {"remedies": [RESTART]}, "a ladder for all that may be", False),
    ("SL406", [POOL], {"remedies": [PAGE]}, "a notify", False),
]


@pytest.mark.parametrize(
    ("code", "checks", "spec", "is_found"),
    [
        pytest.param(code, checks, spec, bad, id=f"{code} {'finds' if bad else 'leaves'} {says}")
        for code, checks, spec, says, bad in POLICIES
    ],
)
def test_what_a_policy_says(
    code: str,
    checks: list[dict[str, Any]],
    spec: dict[str, Any],
    is_found: bool,
    tmp_path: Path,
) -> None:
    assert (code in codes(a_policy(*checks, **spec), tmp_path)) is is_found


def test_a_finding_stands_at_its_line_and_column(tmp_path: Path) -> None:
    text = a_policy(GOOD, a_check(f"sum(x_total{{{MINE}}})", name="counter"))

    (one,) = found(text, tmp_path)

    line = text.splitlines()[one.line - 1]
    assert line[one.column - 1 :].startswith("query: sum(x_total")
    assert (one.path, one.check, one.policy) == ("spec.checks[1].query", "counter", "shop/checkout")


def test_what_validate_reports_comes_first_and_alone(tmp_path: Path) -> None:
    text = a_policy(a_check("sum(x_total{"), a_check("sum(y_total)", name="other"))

    assert codes(text, tmp_path) == {"SL010"}


def test_no_rule_is_found_in_a_good_policy(tmp_path: Path) -> None:
    assert codes(a_policy(GOOD, {"name": "pods", "preset": "PodsCrashLooping"}), tmp_path) == set()


def test_every_offline_rule_is_tried_both_ways() -> None:
    tried = [(code, bad) for code, *_, bad in QUERIES] + [(code, bad) for code, *_, bad in POLICIES]

    assert {(rule.code, bad) for rule in RULES if rule.is_offline for bad in (True, False)} <= set(tried)


# --- exceptions

LINES = """\
spec:
  checks:
    # salus:ignore SL104 until 2026-12-31 because of the migration
    - name: a
      query: sum(a_total)

    - name: b
      query: sum(b_total)  # salus:ignore SL104,SL105 until 2026-12-31 because it is so
      for: 1m
"""


def test_an_exception_is_for_what_follows_or_for_its_own_line() -> None:
    above, beside = (one for one in exceptions_in(LINES) if isinstance(one, Ignored))

    assert (above.first, above.last, above.codes) == (4, 6, ("SL104",))
    assert (beside.first, beside.last, beside.codes) == (8, 8, ("SL104", "SL105"))


def test_an_exception_that_is_not_indented_is_for_its_document() -> None:
    text = "a: 1\n---\n# salus:ignore SL105 until 2026-12-31 because all is shared\nb: 2\nc:\n  d: 3\n---\ne: 4\n"
    (one,) = (one for one in exceptions_in(text) if isinstance(one, Ignored))

    assert [one.covers("SL105", line, TODAY) for line in (1, 3, 4, 6, 8)] == [False, True, True, True, False]


@pytest.mark.parametrize(
    ("day", "holds"),
    [pytest.param("2026-11-30", True, id="its last day"), pytest.param("2026-11-29", False, id="past")],
)
def test_an_exception_has_an_end(day: str, holds: bool, tmp_path: Path) -> None:
    text = a_policy(a_check(f"sum(x_total{{{MINE}}})"))
    exception = f"# salus:ignore SL104 until {day} because of the migration\n"

    assert codes(exception + text, tmp_path) == (set() if holds else {"SL001", "SL104"})


@pytest.mark.parametrize(
    "comment",
    [
        pytest.param("SL104", id="neither end nor reason"),
        pytest.param("SL104 until 2027-01-31", id="no reason"),
        pytest.param("SL104 until soon because of this", id="no day"),
        pytest.param("everything until 2027-01-31 because of this", id="no code"),
    ],
)
def test_an_exception_that_lacks_something_is_a_finding(comment: str, tmp_path: Path) -> None:
    (one,) = exceptions_in(f"# salus:ignore {comment}\n")

    assert isinstance(one, Illegible)
    assert codes(f"# salus:ignore {comment}\n{a_policy(GOOD)}", tmp_path) == {"SL002"}


# --- the command


def lint(*arguments: str) -> tuple[int, str, str]:
    ended = CliRunner().invoke(app, ["lint", "--offline", *arguments], prog_name="salus")
    return ended.exit_code, ended.stdout, ended.stderr


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(a_policy(GOOD), encoding="utf-8")
    (tmp_path / "bad.yaml").write_text(a_policy(a_check(f"sum(x_total{{{MINE}}})")), encoding="utf-8")
    (tmp_path / "odd.yaml").write_text(a_policy({**GOOD, "for": "15s"}), encoding="utf-8")
    (tmp_path / "other.yaml").write_text("kind: Service\n", encoding="utf-8")
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_findings_are_printed_beside_their_places() -> None:
    status, shown, _ = lint("-f", ".")

    assert status == 1
    assert shown.splitlines() == [
        "bad.yaml",
        "  13:5  error  SL104  check: x_total is a counter: its height tells how long the",
        "                      process runs; take rate(x_total[…]) or increase()",
        "good.yaml",
        "  no findings",
        "odd.yaml",
        "  16:5  warning  SL106  check: for: 15s is less than two intervals of 15s; take",
        "                        30s or more",
        "",
        "3 policies in 3 files, offline: 1 error, 1 warning",
    ]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        pytest.param(["-f", "good.yaml"], 0, id="nothing is found"),
        pytest.param(["-f", "bad.yaml"], 1, id="an error"),
        pytest.param(["-f", "odd.yaml"], 0, id="a warning is no failure"),
        pytest.param(["-f", "odd.yaml", "--fail-on", "warning"], 1, id="unless it is to be one"),
        pytest.param(["-f", "bad.yaml", "--ignore", "SL104"], 0, id="what is ignored does not count"),
        pytest.param(["-f", "nowhere.yaml"], 2, id="a file that is not there"),
        pytest.param(["-f", "good.yaml", "--ignore", "SL999"], 2, id="a code that is not there"),
        pytest.param(["-f", "good.yaml", "-o", "csv"], 2, id="a form that is not there"),
        pytest.param(["-f", "good.yaml", "checkout"], 2, id="files and a name"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_how_it_ends(arguments: list[str], status: int) -> None:
    assert lint(*arguments)[0] == status


@pytest.mark.usefixtures("folder")
def test_a_level_hides_what_is_below_it() -> None:
    _, shown, _ = lint("-f", "odd.yaml", "--level", "error")

    assert "SL106" not in shown


@pytest.mark.usefixtures("folder")
def test_the_document_holds_all_that_is_printed() -> None:
    status, shown, _ = lint("-f", "bad.yaml", "-o", "json")
    document = json.loads(shown)

    assert status == 1
    assert (document["kind"], document["errors"], document["policies"]) == ("LintReport", 1, 1)
    (one,) = document["files"][0]["findings"]
    assert (one["code"], one["line"], one["column"], one["path"]) == ("SL104", 13, 5, "spec.checks[0].query")


@pytest.mark.usefixtures("folder")
def test_sarif_names_rule_and_place() -> None:
    run = json.loads(lint("-f", "bad.yaml", "-o", "sarif")[1])["runs"][0]

    (result,) = run["results"]
    place = result["locations"][0]["physicalLocation"]
    assert (result["ruleId"], result["level"]) == ("SL104", "error")
    assert (place["artifactLocation"]["uri"], place["region"]) == ("bad.yaml", {"startLine": 13, "startColumn": 5})
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["SL104"]


@pytest.mark.usefixtures("folder")
def test_github_is_given_annotations() -> None:
    shown = lint("-f", "bad.yaml", "-o", "github")[1]

    assert shown.startswith("::error file=bad.yaml,line=13,col=5,title=SL104::check: x_total is a counter")


@pytest.mark.usefixtures("folder")
def test_junit_has_a_suite_a_file() -> None:
    root = ET.fromstring(lint("-f", ".", "-o", "junit")[1])  # noqa: S314 — what was written just now

    assert [(suite.get("name"), suite.get("failures")) for suite in root] == [
        ("bad.yaml", "1"),
        ("good.yaml", "0"),
        ("odd.yaml", "1"),
    ]


def test_the_examples_have_no_errors() -> None:
    status, shown, _ = lint("-f", str(ROOT / "examples"), "--level", "error")

    assert status == 0, shown


def test_the_page_is_current() -> None:
    """Else: `python -m tools.lint_page > docs/reference/lint.md`."""
    assert (ROOT / "docs/reference/lint.md").read_text(encoding="utf-8") == lint_page()


def test_codes_are_unique_and_of_one_form() -> None:
    assert len(CODES) == len(RULES) + 4
    assert all(re.fullmatch(r"SL\d{3}", code) for code in CODES)
