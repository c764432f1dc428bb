"""`salus test` with series, asked of a real promtool."""

import re
from pathlib import Path

import pytest

from tests.unit.cli.trials import a_folder, tried, with_rules
from tools.devcluster.programs import find

PAGE = Path(__file__).parents[2] / "docs/how-to/test-in-ci.md"


@pytest.fixture(autouse=True)
def promtool(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that the chart's tests take, too."""
    monkeypatch.setenv("SALUS_TOOLS", str(find(["promtool"])["promtool"].parent))


RELEASE = """
    - name: a bad release is taken back
      series:
      - {series: 'errors{pod="checkout-7d9f8c6b5-x2x4z"}', values: 0.01x20 0.3x60}
      - {series: 'latency{pod="checkout-7d9f8c6b5-x2x4z"}', values: 0.1x80}
      after: {Rollback: {error-ratio: 0.01}}
      expect: [{at: 6m15s, record: Act Rollback, outcome: Recovered}]
    - name: what is gone is unknown
      series:
      - {series: 'errors{pod="checkout-7d9f8c6b5-x2x4z"}', values: 0.01x20 0.3 stale}
      - {series: 'latency{pod="checkout-7d9f8c6b5-x2x4z"}', values: 0.1x80}
      expect: none
    - name: series of two pods are no number
      series:
      - {series: 'errors{pod="checkout-7d9f8c6b5-x2x4z"}', values: 0.3x40}
      - {series: 'errors{pod="checkout-7d9f8c6b5-x2x5z"}', values: 0.3x40}
      expect: none
    - name: the pods of another
      series:
      - {series: 'errors{pod="checkout-api-7d9f8c6b5-x2x4z"}', values: 0.3x40}
      expect: none
"""


def test_promql_on_written_series(tmp_path: Path) -> None:
    ended = tried(a_folder(tmp_path, RELEASE), "--strict")

    assert ended.exit_code == 0, ended.output


def test_series_and_rules_of_promtool_need_not_be_written_twice(tmp_path: Path) -> None:
    ended = tried(with_rules(tmp_path), "--strict")

    assert ended.exit_code == 0, ended.output


def test_the_series_of_the_page_pass(tmp_path: Path) -> None:
    head, tests = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    policy = PAGE.parents[2] / "examples/policies/rollback.yaml"
    (tmp_path / policy.name).write_text(policy.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "rollback.test.yaml").write_text(head.partition("tests:")[0] + tests, encoding="utf-8")

    assert tried(tmp_path, "--strict").exit_code == 0
