"""Tests of policies for tests: a policy, and files about it, in a folder."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent

from typer.testing import CliRunner, Result

from salus.cli.app import app

POLICY = """
    apiVersion: salus.dev/v1alpha1
    kind: HealthPolicy
    metadata: {name: checkout, namespace: shop}
    spec:
      mode: Enforce
      target: {kind: Deployment, name: checkout}
      checks:
        - {name: error-ratio, query: 'errors{pod=~"$pods"}', unhealthy: {above: "0.05"}, for: 1m}
        - {name: slow, query: 'latency{pod=~"$pods"}', unhealthy: {above: "0.8"}, for: 1m}
      remedies:
        - {name: undo-release, checks: [error-ratio], rollback: {}}
        - {name: restart, checks: [slow], restart: {}}
"""
HEAD = """
    apiVersion: cli.salus.dev/v1alpha1
    kind: PolicyTest
    policies: [checkout.yaml]
    workload:
      replicas: 6
      releases: [{name: v1, at: -2d, good: true}, {name: v2, at: -5m}]
    tests:
"""


def a_folder(folder: Path, *tests: str, head: str = HEAD, policy: str = POLICY) -> Path:
    """With a policy, and tests of it: each as it stands below `tests:`."""
    (folder / "checkout.yaml").write_text(dedent(policy), encoding="utf-8")
    text = dedent(head).lstrip() + "".join(dedent(one).lstrip("\n") for one in tests)
    (folder / "checkout.test.yaml").write_text(text, encoding="utf-8")
    return folder


def tried(folder: Path, *arguments: str) -> Result:
    """`salus test` of this folder."""
    return CliRunner().invoke(app, ["test", str(folder), *arguments], prog_name="salus", env={"COLUMNS": "80"})


def lines(text: str) -> Sequence[str]:
    """Without times, which differ, and without blanks at their ends."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


RULES = """
    groups:
    - name: shop
      rules:
      - {record: errors, expr: 'sum by (pod) (failed) / sum by (pod) (served)'}
"""
PROMTOOL = """
    rule_files: [rules.yaml]
    evaluation_interval: 15s
    tests:
    - interval: 15s
      input_series:
      - {series: 'failed{pod="checkout-7d9f8c6b5-x2x4z"}', values: 0x20 3x60}
      - {series: 'served{pod="checkout-7d9f8c6b5-x2x4z"}', values: 10x80}
      - {series: 'latency{pod="checkout-7d9f8c6b5-x2x4z"}', values: 0.1x80}
"""
INCLUDED = """
    - name: by a rule that the team has, on series that it has written
      expect: [{at: 6m15s, record: Act Rollback, to: v1}]
"""


def with_rules(folder: Path, promtool_file: str = PROMTOOL, *tests: str) -> Path:
    (folder / "rules.yaml").write_text(dedent(RULES), encoding="utf-8")
    (folder / "rules.test.yaml").write_text(dedent(promtool_file), encoding="utf-8")
    head = HEAD.replace("policies:", "promtool: [../" + folder.name + "/rules.test.yaml]\n    policies:")
    return a_folder(folder, *(tests or [INCLUDED]), head=head)
