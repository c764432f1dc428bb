"""What `salus validate` says of policies: which line, which path, which words; its printing is in test_cli.py."""

import io
import json
import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml

from salus.bounded_yaml import UnreadableError
from salus.cli.documents import Document, read_documents
from salus.cli.findings import findings_in
from salus.cli.progress import Progress
from salus.cli.validate import Report, catalog_of, validate
from salus.core.policy.exporters import Exporter
from salus.presets import load_presets
from salus.settings import read_settings

DATA = Path(__file__).with_name("data") / "validate"
HOSTILE = DATA.with_name("hostile")
EXAMPLES = Path(__file__).parents[2] / "examples"

POLICY = """\
apiVersion: salus.dev/v1alpha1
kind: HealthPolicy
metadata: {name: checkout, namespace: shop}
spec:
  target: {kind: Deployment, name: checkout}
  checks:
    - name: up
      query: up{namespace="$namespace"}
      unhealthy: {below: "1"}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that the test stands in, so that names of files are short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def checked(*inputs: str | Path, sources: tuple[str, ...] | None = ("default",)) -> Report:
    return validate([str(one) for one in inputs], catalog_of(None, sources or ()), Progress(io.StringIO()))


def findings_of(text: str, sources: tuple[str, ...] | None = ("default",)) -> list[str]:
    Path("policy.yaml").write_text(dedent(text), encoding="utf-8")
    return [str(finding) for finding in checked("policy.yaml", sources=sources).findings]


POLICIES = [path for path in sorted((EXAMPLES / "policies").glob("*.yaml")) if not path.name.endswith(".test.yaml")]


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_an_example_is_sound_and_says_what_it_does(path: Path) -> None:
    report = checked(path)

    assert [str(finding) for finding in report.findings] == []
    assert (report.policies, report.others, report.exit_code) == (1, 0, 0)
    assert path.read_text(encoding="utf-8").startswith("# ")


def test_the_examples_name_only_what_the_example_configuration_has() -> None:
    catalog = catalog_of(read_settings(EXAMPLES / "operator.yaml"))

    report = validate([str(EXAMPLES)], catalog, Progress(io.StringIO()))

    assert [str(finding) for finding in report.findings] == []
    assert report.policies >= 10


def test_nothing_better_is_offered_for_an_example() -> None:
    """What is asked for an alert is told of each."""
    assert [str(note) for note in checked(EXAMPLES).notes if not note.path.endswith(".alert")] == []


def test_a_first_policy_takes_less_than_fifteen_lines() -> None:
    lines = (EXAMPLES / "policies" / "first.yaml").read_text(encoding="utf-8").splitlines()

    assert sum(not line.startswith("#") for line in lines) < 15


A_DECIMAL = 'expected a whole number, or a decimal in a string such as "0.05"'


def test_all_problems_of_a_policy_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DATA)

    told = [str(finding).removeprefix("broken.yaml:") for finding in checked("broken.yaml").findings]

    assert told == [
        '7 (shop/checkout): spec.mode: expected Observe, Approve or Enforce, got "Bold"',
        '8 (shop/checkout): spec.source: unknown source "nowhere"; known: default',
        f'13 (shop/checkout): spec.checks[0].unhealthy.above: {A_DECIMAL}, got "much"',
        "15 (shop/checkout): spec.checks[1].query: cannot be read as PromQL: unclosed left parenthesis",
        '19 (shop/checkout): spec.checks[2].preset: unknown preset "PodsCrashLoping"; known: '
        + ", ".join(load_presets()),
        "23 (shop/checkout): spec.remedies[0].retries: unknown field",
    ]


def test_a_policy_in_a_list_is_found_with_its_own_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DATA)

    report = checked("list.json")

    assert [str(finding) for finding in report.findings] == [
        "list.json:14 (shop/second): spec.remedies[0].scale.to: to must not exceed max"
    ]
    assert (report.policies, report.others) == (1, 1)


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        pytest.param(
            "v1alpha1",
            "v2",
            '1 (shop/checkout): apiVersion: expected salus.dev/v1alpha1, got "salus.dev/v2"',
            id="a version of tomorrow",
        ),
        pytest.param(
            "apiVersion: salus.dev/v1alpha1\n", "", "1 (shop/checkout): apiVersion: is required", id="no version"
        ),
        pytest.param(
            "HealthPolicy",
            "HealthPolcy",
            '2 (shop/checkout): kind: unknown kind "HealthPolcy"; known: HealthPolicy',
            id="a misspelt kind",
        ),
        pytest.param("kind: HealthPolicy\n", "", "1 (shop/checkout): kind: is required", id="no kind"),
        pytest.param("name: checkout, namespace", "namespace", "3 (shop): metadata.name: is required", id="no name"),
        pytest.param(
            "metadata: {name: checkout, namespace: shop}\n",
            "",
            "1 (document 1): metadata: is required",
            id="no metadata",
        ),
        pytest.param(
            "name: checkout, namespace",
            "name: [a], namespace",
            "3 (shop/['a']): metadata.name: expected text, got a list",
            id="a name that is a list",
        ),
        pytest.param(
            "namespace: shop",
            "namespace: Shop!",
            '3 (Shop!/checkout): metadata.namespace: expected lowercase letters, digits and "-", a ',
            id="a namespace that cannot be",
        ),
        pytest.param("spec:", "specs:", "1 (shop/checkout): spec: is required", id="a misspelt spec leaves none"),
        pytest.param(
            "  target",
            "  targetted: 1\n  target",
            "5 (shop/checkout): spec.targetted: unknown field",
            id="an unknown field",
        ),
        pytest.param(
            "name: checkout}",
            "name: checkout, selector: {matchLabels: {a: b}}}",
            "5 (shop/checkout): spec.target: set exactly one of name and selector",
            id="a rule of one object",
        ),
        pytest.param(
            "    - name",
            "    - for_: 1m\n      name",
            "7 (shop/checkout): spec.checks[0].for_: unknown field",
            id="a name that only Python knows",
        ),
        pytest.param(
            '{below: "1"}',
            "{below: 0.5}",
            f'9 (shop/checkout): spec.checks[0].unhealthy.below: {A_DECIMAL}, got 0.5; quote it: "0.5"',
            id="a fraction where a string is meant",
        ),
        pytest.param(
            '"$namespace"',
            "$namespace",
            "8 (shop/checkout): spec.checks[0].query: $namespace",
            id="a placeholder outside quotes",
        ),
        pytest.param(
            "up{",
            "up{{",
            "8 (shop/checkout): spec.checks[0].query: cannot be read as PromQL: ",
            id="a query that is no PromQL",
        ),
        pytest.param(
            "  target",
            "  source: eu\n  target",
            '5 (shop/checkout): spec.source: unknown source "eu"; known: default',
            id="an unknown source",
        ),
        pytest.param(
            "  target",
            "  mode: Observe\n  mode: Enforce\n  target",
            "6 (shop/checkout): spec.mode: this key stands here twice",
            id="a key that stands twice",
        ),
        pytest.param(
            "  checks:",
            "  remedies: [{name: a, checks: [none], restart: {}}]\n  checks:",
            "6 (shop/checkout): spec.remedies: remedies[].checks must name checks of ",
            id="a remedy for a check that is not there",
        ),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_problem_is_told_with_its_line_path_and_reason(old: str, new: str, finding: str) -> None:
    told = findings_of(POLICY.replace(old, new, 1))

    assert any(one.startswith(f"policy.yaml:{finding}") for one in told), told


BAD_BOUND = "unhealthy: {below: much}"
RATIO = "ratio: {of: 'sum(rate(x[5m]))', in: 'sum(rate(y[5m]))'}"


@pytest.mark.parametrize(
    ("check", "hidden"),
    [
        pytest.param(f"query: rate(x[5m\n      {BAD_BOUND}", "query: cannot be read as PromQL", id="broken PromQL"),
        pytest.param(
            f"ratio: {{of: 'rate(x[5m', in: x}}\n      {BAD_BOUND}",
            "ratio.of: cannot be read as PromQL",
            id="a broken part",
        ),
        pytest.param(
            f"query: x\n      volume: {{query: 'rate(x[5m', atLeast: 5%}}\n      {BAD_BOUND}",
            "volume.query: cannot be read as PromQL",
            id="a broken volume with a wrong bound of its own",
        ),
        pytest.param(
            f"preset: PodsCrash\n      {BAD_BOUND}", 'preset: unknown preset "PodsCrash"', id="an unknown preset"
        ),
        pytest.param(
            f'alert: {{name: A, matchLabels: {{b: "$targets"}}}}\n      {BAD_BOUND}',
            "alert: ",
            id="an alert that cannot be",
        ),
        pytest.param(
            f"query: up\n      preset: PodsCrash\n      {BAD_BOUND}", "preset: unknown", id="one preset too many"
        ),
        pytest.param("query: rate(x[5m\n      for: soon", "query: cannot be read as PromQL", id="a wrong duration"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_wrong_bound_hides_neither_the_query_of_its_check_nor_a_reference(check: str, hidden: str) -> None:
    text = POLICY.replace('query: up{namespace="$namespace"}\n      unhealthy: {below: "1"}', check, 1).replace(
        "  checks:", "  source: nowhere\n  remedies: [{name: a, checks: [none], restart: {}, mode: Bold}]\n  checks:"
    )

    told = "\n".join(findings_of(text))

    assert "checks[0]" in told
    assert f"spec.checks[0].{hidden}" in told
    assert 'spec.source: unknown source "nowhere"' in told
    assert "spec.remedies: remedies[].checks must name checks of this policy" in told
    assert "spec.remedies[0].mode: expected Observe" in told


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(f"{RATIO}\n      {BAD_BOUND}", id="a ratio"),
        pytest.param(
            f"{RATIO}\n      volume: {{atLeast: '5'}}\n      {BAD_BOUND}",
            id="a ratio with half a volume",
        ),
        pytest.param(f"query: x\n      volume: {{query: y, atLeast: '5'}}\n      {BAD_BOUND}", id="a volume"),
        pytest.param(f"preset: PodsCrashLooping\n      {BAD_BOUND}", id="a preset"),
        pytest.param(f'query: x{{a="$target"}}\n      {BAD_BOUND}', id="a query"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_wrong_bound_is_told_alone_where_all_else_is_sound(check: str) -> None:
    text = POLICY.replace('query: up{namespace="$namespace"}\n      unhealthy: {below: "1"}', check, 1).replace(
        "  checks:", "  remedies: [{name: a, checks: [up], restart: {}}]\n  checks:"
    )

    [told] = findings_of(text)

    assert "spec.checks[0].unhealthy.below: expected a whole number" in told


@pytest.mark.usefixtures("folder")
def test_a_sound_policy_has_no_problem() -> None:
    assert findings_of(POLICY) == []


@pytest.mark.usefixtures("folder")
def test_without_known_sources_any_source_will_do() -> None:
    assert findings_of(POLICY.replace("  target", "  source: eu\n  target"), sources=None) == []


CONFIGURATION = """
sources:
  default: {url: "http://prometheus:9090", enforceNamespace: true, matchLabels: {cluster: eu-1}}
sinks:
  audit: {url: "http://audit", namespaces: [shop]}
"""


FOREIGN = (
    'spec.checks[0].query: source "default": up{namespace="bank"} reads namespace "bank"; '
    "this policy may read shop only"
)
OF_ANOTHER_CLUSTER = (
    'spec.checks[0].query: source "default": up{cluster="us-1"} asks for cluster="us-1", and every query is sent with '
    'cluster="eu-1" (the source\'s matchLabels); leave that matcher out'
)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        pytest.param("", "", [], id="all is there"),
        pytest.param("  target", "  sinks: [audit]\n  target", [], id="a sink that is there"),
        pytest.param(
            "  target",
            "  sinks: [adit]\n  target",
            ['spec.sinks[0]: unknown sink "adit"; known: audit'],
            id="a sink that is not",
        ),
        pytest.param(
            "  target",
            "  sinks: [adit]\n  intervall: 5s\n  target",
            ['spec.sinks[0]: unknown sink "adit"; known: audit', "spec.intervall: unknown field"],
            id="a sink that is not, in a policy with another mistake",
        ),
        pytest.param(
            "namespace: shop",
            "namespace: bank",
            [],
            id="another namespace",
        ),
        pytest.param(
            'up{namespace="$namespace"}',
            'up{namespace="bank"}',
            [FOREIGN],
            id="a query that the source would refuse",
        ),
        pytest.param(
            'up{namespace="$namespace"}',
            'up{cluster="us-1"}',
            [OF_ANOTHER_CLUSTER],
            id="a query for another cluster",
        ),
    ],
)
def test_against_the_operators_configuration(old: str, new: str, found: list[str]) -> None:
    Path("operator.yaml").write_text(CONFIGURATION, encoding="utf-8")
    assert not old or old in POLICY
    Path("policy.yaml").write_text(POLICY.replace(old, new, 1) if old else POLICY, encoding="utf-8")

    report = validate(["policy.yaml"], catalog_of(read_settings(Path("operator.yaml"))), Progress(io.StringIO()))

    assert [f"{finding.path}: {finding.message}" for finding in report.findings] == found


@pytest.mark.usefixtures("folder")
def test_windows_that_the_operator_raises_are_told_and_are_no_problem() -> None:
    Path("operator.yaml").write_text(CONFIGURATION + "minimums: {interval: 1m, cooldown: 10m}\n", encoding="utf-8")
    text = POLICY.replace("  target", "  interval: 10s\n  target", 1)
    Path("policy.yaml").write_text(text, encoding="utf-8")

    report = validate(["policy.yaml"], catalog_of(read_settings(Path("operator.yaml"))), Progress(io.StringIO()))

    line = text[: text.index("interval")].count("\n") + 1
    assert (report.findings, report.exit_code) == ([], 0)
    assert (
        f"note: policy.yaml:{line} (shop/checkout): spec.interval: 10s is raised to 1m by the operator's minimums"
        in (report.to_text().splitlines())
    )
    assert [note["path"] for note in json.loads(report.to_json())["notes"]] == ["spec.limits.cooldown", "spec.interval"]


ALERT = POLICY.replace(
    """query: up{namespace="$namespace"}
      unhealthy: {below: "1"}""",
    "alert: {name: Down}",
)
ASKED = """count(ALERTS{alertname="Down",alertstate="firing",namespace="shop"}) or \
Inf * count(ALERTS{alertname="Down",alertstate="firing",namespace=~"shop|"}) or vector(0)"""


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("text", "configuration", "asked"),
    [
        pytest.param(ALERT, "sources: {default: {url: http://p}}", ASKED, id="as it is asked"),
        pytest.param(
            ALERT.replace("{name: checkout, namespace: shop}", "{name: checkout}"),
            "sources: {default: {url: http://p}}",
            ASKED.replace("shop", "$namespace"),
            id="of a namespace that is not told",
        ),
        pytest.param(
            ALERT,
            CONFIGURATION.replace(", matchLabels: {cluster: eu-1}", ""),
            f'{ASKED}; of a source that binds, as "default" does, no alert without namespace is seen',
            id="of a source that binds",
        ),
        pytest.param(
            ALERT,
            "sources: {default: {url: http://p, matchLabels: {cluster: eu-1}}}",
            ASKED.replace('="shop"', '="shop",cluster="eu-1"').replace('~"shop|"', '~"shop|",cluster=~"eu-1|"'),
            id="of a source of several clusters",
        ),
    ],
)
def test_what_an_alert_is_asked_for_is_told(text: str, configuration: str, asked: str) -> None:
    """Case 06."""
    assert text != POLICY
    Path("operator.yaml").write_text(configuration, encoding="utf-8")
    Path("policy.yaml").write_text(text, encoding="utf-8")

    report = validate(["policy.yaml"], catalog_of(read_settings(Path("operator.yaml"))), Progress(io.StringIO()))

    assert (report.findings, report.exit_code) == ([], 0)
    asks, window = ((note.path, note.message) for note in report.notes)
    assert asks == ("spec.checks[0].alert", f"asks {asked}")
    assert window[0] == "spec.checks[0].window"


@pytest.mark.usefixtures("folder")
def test_an_alert_of_another_cluster_is_said_though_its_namespace_is_not_known() -> None:
    alert = ALERT.replace("{name: Down}", "{name: Down, matchLabels: {cluster: us}}")
    Path("operator.yaml").write_text(
        "sources: {default: {url: http://p, matchLabels: {cluster: eu}}}", encoding="utf-8"
    )
    Path("policy.yaml").write_text(alert.replace(", namespace: shop", ""), encoding="utf-8")

    report = validate(["policy.yaml"], catalog_of(read_settings(Path("operator.yaml"))), Progress(io.StringIO()))

    said = [(one.path, one.message) for one in (*report.findings, *report.notes)]
    assert [path for path, message in said if "cluster" in message] == ["spec.checks[0].alert"]
    assert all("error of its own" not in message for _, message in said)


@pytest.mark.usefixtures("folder")
def test_what_is_empty_while_all_is_well_is_told_and_is_no_problem() -> None:
    """Case 28."""
    text = POLICY.replace("""up{namespace="$namespace"}""", """up{namespace="$namespace"} == 0""")
    Path("policy.yaml").write_text(text, encoding="utf-8")

    report = checked("policy.yaml")

    line = text[: text.index("query")].count("\n") + 1
    assert (report.findings, report.exit_code) == ([], 0)
    assert (
        f"note: policy.yaml:{line} (shop/checkout): spec.checks[0].query: gives nothing while its condition does not "
        'hold, which is Unknown, not Healthy: write up{namespace="$namespace"} == bool 0 with unhealthy: {above: "0"}, '
        "or say in onNoData what nothing means"
    ) in report.to_text().splitlines()


def test_presets_are_tied_to_the_exporters_of_the_operators_configuration() -> None:
    catalog = catalog_of(read_settings(EXAMPLES / "operator.yaml"))

    assert catalog.exporters["default"][Exporter.KUBE_STATE_METRICS] == {"job": "kube-state-metrics"}
    assert "fleet" not in catalog.exporters


@pytest.mark.usefixtures("folder")
def test_merge_keys_are_not_taken_for_repetition() -> None:
    text = POLICY.replace("  target", "  verify: &v {settle: 10s}\n  limits: {<<: *v, cooldown: 5m}\n  target")

    assert findings_of(text) == ["policy.yaml:5 (shop/checkout): spec.limits.settle: unknown field"]


@pytest.mark.usefixtures("folder")
def test_what_the_api_server_wrote_back_passes() -> None:
    listed = {
        "metadata: {": "metadata: {uid: abc, creationTimestamp: 2026-11-22T03:04:05Z, generation: 2, ",
        "spec:": "status: {observedGeneration: -1}\nspec:",
    }
    text = POLICY
    for old, new in listed.items():
        text = text.replace(old, new, 1)

    assert findings_of(text) == []


@pytest.mark.usefixtures("folder")
def test_a_date_without_quotes_is_text_as_for_kubernetes() -> None:
    assert findings_of(POLICY.replace("  target", "  change: {ticket: 2026-11-22}\n  target")) == []


@pytest.mark.parametrize(
    ("text", "policies", "others"),
    [
        pytest.param("", 0, 0, id="an empty file holds nothing"),
        pytest.param("# only words\n---\n---\n", 0, 0, id="empty documents are not counted"),
        pytest.param(f"---\n{POLICY}---\n{POLICY}", 2, 0, id="every document counts"),
        pytest.param("kind: Deployment\napiVersion: apps/v1\n", 0, 1, id="another kind is passed over"),
        pytest.param("replicas: 3\n", 0, 1, id="what is no Kubernetes object is passed over"),
        pytest.param("- 1\n- 2\n", 0, 1, id="so is a bare list"),
        pytest.param(
            "kind: HealthPolicy\napiVersion: example.com/v1\n", 0, 1, id="so is a HealthPolicy of somebody else"
        ),
        pytest.param("kind: Incident\napiVersion: salus.dev/v1alpha1\n", 0, 1, id="so are the operator's own records"),
        pytest.param(
            "kind: HealthPolicyList\napiVersion: salus.dev/v1alpha1\nitems: []\n",
            0,
            0,
            id="an empty list holds nothing",
        ),
    ],
)
@pytest.mark.usefixtures("folder")
def test_policies_and_others_are_counted(text: str, policies: int, others: int) -> None:
    Path("a.yaml").write_text(text, encoding="utf-8")

    report = checked("a.yaml")

    assert (report.policies, report.others, report.exit_code) == (policies, others, 0)


@pytest.mark.usefixtures("folder")
def test_items_of_a_typed_list_need_no_kind_of_their_own() -> None:
    body = "\n".join(f"  {line}" for line in POLICY.splitlines()[2:])
    text = f"kind: HealthPolicyList\napiVersion: salus.dev/v1alpha1\nitems:\n-{body[1:]}\n"

    assert findings_of(text) == []
    assert (
        findings_of(text.replace("checks:", "chekcs:"))[-1]
        == "policy.yaml:7 (shop/checkout): spec.chekcs: unknown field"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            b"a: [1\nb: 2\n", "a.yaml:2: not YAML: did not find expected ',' or ']'", id="an unclosed bracket"
        ),
        pytest.param(
            b"a: 1\n b: 2\n",
            "a.yaml:2: not YAML: mapping values are not allowed in this context",
            id="a wrong indentation",
        ),
        pytest.param(b"a: 1\nb: \xff\n", "a.yaml:2: not text in UTF-8", id="bytes that are no text"),
        pytest.param(
            b"\na: !secret b\n",
            "a.yaml:2: not YAML: could not determine a constructor for the tag '!secret'",
            id="a tag of another program",
        ),
        pytest.param(
            b"a: !!int words\n",
            "a.yaml: not YAML: invalid literal for int() with base 10: 'words'",
            id="a number in words",
        ),
        pytest.param(b"{[1]: 2}\n", "a.yaml:1: not YAML: found unhashable key", id="a list as a key"),
        pytest.param(b"[\n" * 100_000, "a.yaml:101: nested deeper than 100 levels", id="nested without end"),
    ],
)
def test_what_is_not_yaml_is_unreadable(text: bytes, message: str, folder: Path) -> None:
    (folder / "a.yaml").write_bytes(text)

    report = checked("a.yaml")

    assert [str(one) for one in report.unreadable] == [message]
    assert report.exit_code == 2


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"&a {kind: List, items: [*a]}", id="a list that contains itself"),
        pytest.param(
            b"&a {apiVersion: salus.dev/v1alpha1, kind: HealthPolicy, spec: *a}", id="a spec that contains itself"
        ),
        pytest.param(
            b'&a {apiVersion: salus.dev/v1alpha1, kind: HealthPolicy, spec: {checks: [*a], "": *a}}',
            id="a check that contains its policy",
        ),
    ],
)
def test_an_object_within_itself_is_no_endless_loop(text: bytes, folder: Path) -> None:
    (folder / "a.yaml").write_bytes(text)

    assert checked("a.yaml").exit_code in (0, 1)


def test_one_unreadable_file_does_not_hide_the_others(folder: Path) -> None:
    (folder / "bad.yaml").write_text("a: [", encoding="utf-8")
    (folder / "wrong.yaml").write_text(POLICY.replace("Deployment", "Pod"), encoding="utf-8")

    report = checked("missing.yaml", "bad.yaml", "wrong.yaml")

    assert [one.file for one in report.unreadable] == ["missing.yaml", "bad.yaml"]
    assert [one.path for one in report.findings] == ["spec.target.kind"]
    assert report.exit_code == 2


def test_a_folder_is_searched_in_depth_and_every_file_read_once(folder: Path) -> None:
    for name in ("a.yaml", "deep/b.yml", "deep/er/c.json", ".hidden/d.yaml", "readme.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(POLICY if not name.endswith(".json") else "{}", encoding="utf-8")

    report = checked("a.yaml", folder / "deep", folder / "deep", "a.yaml")

    assert (report.files, report.policies, report.others) == (3, 2, 1)
    assert checked(".").files == 3


def test_a_folder_without_yaml_is_a_mistake(folder: Path) -> None:
    assert [str(one) for one in checked(folder / ".").unreadable] == [
        f"{folder}: holds no file named *.yaml, *.yml, *.json"
    ]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        pytest.param("", 1, id="the object itself"),
        pytest.param("spec.labels.app.kubernetes.io/name", 4, id="a key with dots in it"),
        pytest.param("spec.labels.app", 3, id="the shorter of two keys"),
        pytest.param("spec.list[1].b", 7, id="a field of an item"),
        pytest.param("spec.list[7].b", 5, id="an item that is not there"),
        pytest.param("spec.absent.deeper", 2, id="a field that is not there"),
    ],
)
def test_a_path_leads_to_the_line_of_its_deepest_part(path: str, line: int) -> None:
    text = b"a: 1\nspec:\n  labels: {app: x,\n    app.kubernetes.io/name: y}\n  list:\n    - a: 1\n    - {b: 2}\n"
    (document,) = read_documents(text)

    assert document.line(path) == line


@pytest.mark.parametrize("file", ["pill.yaml", "evil.yaml"])
def test_a_query_that_stopped_salus_is_a_finding(file: str) -> None:
    report = checked(HOSTILE / file)

    assert [finding.path for finding in report.findings] == ["spec.checks[0].query"]
    assert report.exit_code == 1


def test_a_bomb_is_unreadable_and_the_other_files_are_checked(folder: Path) -> None:
    (folder / "good.yaml").write_text(POLICY, encoding="utf-8")
    report = checked(HOSTILE / "merge6.yaml", "good.yaml")

    assert [one.message for one in report.unreadable] == ["aliases that stand for more than 250000 values"]
    assert (report.policies, report.exit_code) == (1, 2)


def test_a_defect_at_one_policy_is_a_finding_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Panic(BaseException):
        """As pyo3 raises them: no Exception."""

    def look(document: Document, *rest: Any) -> Any:  # noqa: ANN401 — handed on
        if document.number == 2:
            raise Panic
        return findings_in(document, *rest)

    monkeypatch.setattr("salus.cli.validate.findings_in", look)
    (folder / "a.yaml").write_text("\n---\n".join([POLICY] * 3), encoding="utf-8")
    report = checked("a.yaml")

    (finding,) = report.findings
    assert (finding.document, finding.message) == (
        2,
        "salus met an error of its own at this (Panic): please report it, with this document",
    )
    assert report.policies == 3


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param("apiVersion: &a [x, x]\nkind: HealthPolicy", "", id="a version that is a list"),
        pytest.param(
            "apiVersion: salus.dev/v1alpha1\nkind: {a: [b, c]}",
            "kind: unknown kind an object; known: HealthPolicy",
            id="a kind",
        ),
        pytest.param(
            "apiVersion: salus.dev/v1alpha1\nkind: HealthPolicy\nmetadata: {name: [" + "x, " * 5_000 + "x]}",
            "metadata.name",
            id="a name that is a long list",
        ),
    ],
)
def test_odd_values_where_text_belongs_are_told_briefly(folder: Path, body: str, said: str) -> None:
    (folder / "a.yaml").write_text(body, encoding="utf-8")
    report = checked("a.yaml")

    assert any(said in str(finding) for finding in report.findings) or not said
    assert all(len(str(finding)) < 1_000 for finding in report.findings)


def test_checks_beyond_the_sixteenth_are_not_read_one_by_one(folder: Path) -> None:
    """That there are too many is told once; each of a hundred thousand would be parsed otherwise."""
    checks = "".join(f"  - {{name: c{n}, query: 'x(', unhealthy: {{above: '1'}}}}\n" for n in range(100))
    text = POLICY[: POLICY.index("spec:")] + "spec:\n  target: {kind: Deployment, name: x}\n  checks:\n" + checks
    (folder / "a.yaml").write_text(text, encoding="utf-8")

    assert len(checked("a.yaml").findings) == 17


def test_documents_before_a_mistake_are_read() -> None:
    documents = read_documents(b"a: 1\n---\na: !secret x\n")

    assert next(documents).body == {"a": 1}
    with pytest.raises(UnreadableError):
        next(documents)


class Terminal(io.StringIO):
    """Remembers what is written."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "written"),
    [
        pytest.param(
            io.StringIO(), "two seconds\na little more\n", id="a log gets a line, and the next ten seconds later"
        ),
        pytest.param(
            Terminal(),
            "\r\x1b[Ktwo seconds\r\x1b[Ka little more\r\x1b[Ktwelve\r\x1b[K",
            id="a terminal gets one line, drawn anew",
        ),
    ],
)
def test_progress_is_silent_for_two_seconds(stream: io.StringIO, written: str) -> None:
    times = [0.0, 1.9, 2.0, 2.1, 2.2, 12.0]
    clock, words = iter(times), iter(["two seconds", "a little more", "twelve"])
    progress = Progress(stream, lambda: next(clock))

    for _ in times:
        progress.say(lambda: next(words))
    progress.end()

    assert stream.getvalue() == written


@pytest.mark.parametrize(
    ("check", "noted"),
    [
        pytest.param({"query": 'sum(jobs{deployment="$target"})'}, ["query: jobs deployment"], id="an application's"),
        pytest.param({"query": 'x{daemonset="$target"} / x'}, ["query: x daemonset"], id="told once"),
        pytest.param(
            {
                "ratio": {
                    "of": 'sum(rate(e{deployment="$target"}[5m]))',
                    "in": 'sum(rate(r{deployment="$target"}[5m]))',
                },
                "volume": {"query": 'sum(v{deployment="$target"})', "atLeast": "1"},
            },
            ["ratio.of: e deployment", "ratio.in: r deployment", "volume.query: v deployment"],
            id="in each of its fields",
        ),
        pytest.param(
            {"query": 'http_request_duration_seconds_count{deployment="$target"}'},
            ["query: http_request_duration_seconds_count deployment"],
            id="one that is named almost as Linkerd's",
        ),
        pytest.param({"query": 'kube_deployment_spec_replicas{deployment="$target"}'}, [], id="kube-state-metrics'"),
        pytest.param({"query": 'sum(response_total{deployment="$target"})'}, [], id="Linkerd's"),
        pytest.param({"query": 'response_latency_ms_count{statefulset="$target"}'}, [], id="Linkerd's too"),
        pytest.param({"query": 'job:errors:rate5m{deployment="$target"}'}, [], id="a recorded series'"),
        pytest.param({"query": 'x{app="$target"}'}, [], id="another label"),
        pytest.param({"query": 'x{deployment!="$target"}'}, [], id="all but the workload's"),
        pytest.param({"query": 'x{pod=~"$pods"}'}, [], id="its pods'"),
    ],
)
def test_pods_are_offered_where_series_seldom_have_the_label(
    folder: Path, check: dict[str, Any], noted: list[str]
) -> None:
    whole = yaml.safe_load(POLICY)
    whole["spec"]["checks"] = [{"name": "it", "unhealthy": {"above": "0"}, **check}]
    (folder / "policy.yaml").write_text(yaml.safe_dump(whole), encoding="utf-8")

    report = checked("policy.yaml")

    offered = [note for note in report.notes if "$pods" in note.message]
    told = [f"{note.path.removeprefix('spec.checks[0].')}: {_metric_and_label(note.message)}" for note in offered]
    assert (report.findings, told) == ([], noted)


def _metric_and_label(message: str) -> str:
    """Of a note that offers `$pods`."""
    found = re.fullmatch(
        r'asks for (\w+)="\$target", and what is scraped from pods seldom has that label; '
        r'where (\w+) has none, write pod=~"\$pods", which stands for the names of its pods',
        message,
    )
    assert found is not None, message
    return f"{found[2]} {found[1]}"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("bound", "which"),
    [
        ("above", "is 0 where nothing was ever counted, and Quiet where there is little traffic"),
        ("below", "is Quiet where there is little traffic"),
    ],
)
def test_a_quotient_is_offered_as_a_ratio_and_is_no_problem(bound: str, which: str) -> None:
    quotient = 'sum(rate(e{n="$namespace"}[5m])) / sum(rate(r[5m]))'
    text = POLICY.replace("""up{namespace="$namespace"}""", quotient).replace("below", bound)
    assert text != POLICY
    Path("policy.yaml").write_text(text, encoding="utf-8")

    report = checked("policy.yaml")

    (note,) = report.notes
    assert (report.findings, report.exit_code, note.path) == ([], 0, "spec.checks[0].query")
    offered, _, said = note.message.partition("; write ")[2].partition(", which ")
    assert yaml.safe_load(offered) == {"ratio": dict(zip(("of", "in"), quotient.split(" / "), strict=True))}
    assert said == which


@pytest.mark.usefixtures("folder")
def test_what_becomes_of_successes_that_nobody_counted_is_told_and_is_no_problem() -> None:
    text = POLICY.replace("""query: up{namespace="$namespace"}""", "ratio: {of: sum(ok), in: sum(all)}")
    assert text != POLICY
    Path("policy.yaml").write_text(text, encoding="utf-8")

    report = checked("policy.yaml")

    (note,) = report.notes
    assert (report.findings, report.exit_code, note.path) == ([], 0, "spec.checks[0].ratio.of")
    assert "a part without series is no data, and never 0" in note.message
