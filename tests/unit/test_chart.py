"""What the chart says of Salus, held to the code: rights, metrics in alerts and dashboard, runbooks, generated files.

What takes Helm or a cluster is in `tests/chart`.
"""

import ipaddress
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from promql_parser import parse

from salus.adapters.telemetry import PrometheusTelemetry
from salus.core.policy.compile import Catalog, compile_policy
from salus.endpoints.addresses import NEVER_ASKED
from salus.model.scalars import VERSION
from salus.presets import load_presets
from salus.settings import Settings
from salus.version import __version__
from tools.crds import KINDS
from tools.manifests import generated
from tools.manifests.generated import CHART, ROOT, differing

CHANGING = {"create", "update", "patch", "delete", "deletecollection"}
OWN = {"salus.dev", "events.k8s.io"}
"""Groups in which the operator keeps records."""

Rule = dict[str, list[str]]


def load(name: str) -> Any:  # noqa: ANN401 — anything that YAML can say
    return yaml.safe_load((CHART / name).read_text("utf-8"))


RULES: dict[str, list[Rule]] = load("files/rules.yaml")
ALERTS: list[dict[str, Any]] = [rule for group in load("files/alerts.yaml")["groups"] for rule in group["rules"]]
PANELS = json.loads((CHART / "files/dashboard.json").read_text("utf-8"))["panels"]


@pytest.mark.parametrize("who", RULES)
def test_rights_have_no_wildcard_no_secret_no_exec(who: str) -> None:
    for rule in RULES[who]:
        said = [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
        assert not {"*", "secrets", "pods/exec", "bind", "escalate"} & set(said), rule


@pytest.mark.parametrize(
    ("role", "listed"),
    [
        ("salus", "operator"),
        ("salus-remediator", "remediator"),
        ("salus-remediator-scale-restart", "remediatorScaleRestart"),
        ("salus-impersonator", "impersonator"),
    ],
)
def test_the_chart_grants_what_the_plain_manifest_grants(role: str, listed: str) -> None:
    """The manifest's rights are held against the audit log of all cluster tests (`tools.devcluster.rights`)."""
    assert RULES[listed] == plain_roles()[role]


def test_the_roles_for_people_let_an_administrator_lend_as_the_plain_manifest_does() -> None:
    for_people = {body["metadata"]["name"]: body["rules"] for body in load_all("files/user-roles.yaml")}

    assert for_people["salus-lend"] == plain_roles()["salus-lend"]


def plain_roles() -> dict[str, Any]:
    documents = yaml.safe_load_all((ROOT / "examples/install/rbac.yaml").read_text("utf-8"))
    return {body["metadata"]["name"]: body["rules"] for body in documents if body["kind"] == "ClusterRole"}


def load_all(path: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((CHART / path).read_text("utf-8")))


def test_the_operator_s_own_account_writes_only_what_it_keeps() -> None:
    """Records, Events and the releases that it keeps: no workload, no pod, no autoscaler."""
    written = {
        (group, resource)
        for rule in RULES["operator"]
        if CHANGING & set(rule["verbs"])
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }

    assert {(group, resource) for group, resource in written if group not in OWN} == set()
    assert "impersonate" not in {verb for rule in RULES["operator"] for verb in rule["verbs"]}


@pytest.mark.parametrize("template", sorted(CHART.glob("templates/*.yaml")), ids=lambda path: path.stem)
def test_every_template_checks_the_kinds_of_the_values_first(template: Path) -> None:
    """Else Helm may render it first, and say of `tenants: shop` that range cannot iterate over it."""
    assert template.read_text("utf-8").startswith('{{- include "salus.checkKinds" . -}}\n')


def test_impersonation_is_of_one_account_by_name() -> None:
    (rule,) = RULES["impersonator"]

    assert rule["resources"] == ["serviceaccounts"]
    assert rule["resourceNames"] == [load("values.yaml")["config"]["defaults"]["serviceAccountName"]]


def series(registry: CollectorRegistry) -> dict[str, set[str]]:
    """Each series that Salus exposes, with its labels."""
    found: dict[str, set[str]] = {}
    for metric in registry.collect():
        labels = {label for sample in metric.samples for label in sample.labels}
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(metric.type, ("",))
        found |= {f"{metric.name}{suffix}": labels for suffix in suffixes}
    return found


def telemetry() -> dict[str, set[str]]:
    """Every series, after each label was used once."""
    salus = PrometheusTelemetry()
    for metric in vars(salus).values():
        if names := getattr(metric, "_labelnames", ()):
            metric.labels(*names)
    return series(salus.registry)


SERIES = telemetry()
SCRAPED = {"namespace", "job", "pod", "instance", "le"}
"""Labels that Prometheus adds, and the one of every histogram."""


def expressions() -> Iterator[tuple[str, str]]:
    for rule in ALERTS:
        yield rule["alert"], rule["expr"]
    for panel in PANELS:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def playable(expression: str) -> str:
    """As Grafana sends it."""
    return re.sub(r"\$__(rate_interval|range)", "5m", expression)


@pytest.mark.parametrize(("where", "expression"), tuple(expressions()))
def test_expressions_are_promql_over_series_that_salus_exposes(where: str, expression: str) -> None:
    parse(playable(expression))

    used = {name: set(re.findall(r"(\w+)\s*[=!]~?\"", inside)) for name, inside in SELECTOR.findall(expression)}
    assert used, where
    for name, labels in used.items():
        known = name in SERIES or name.startswith("process_")
        assert known, f"{where}: {name}"
        assert labels <= SERIES.get(name, set()) | SCRAPED, f"{where}: {name}"


SELECTOR = re.compile(r"\b((?:salus|process)_\w+)(\{[^}]*\})?")


def test_every_metric_of_salus_is_on_the_dashboard() -> None:
    shown = " ".join(expression for _, expression in expressions()) + (CHART / "files/dashboard.json").read_text(
        "utf-8"
    )

    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in SERIES if name.startswith("salus_")}
    assert {name for name in families if name not in shown} == set()


def test_each_alert_has_its_runbook_and_no_runbook_is_left_over() -> None:
    text = (ROOT / "docs/how-to/operate.md").read_text("utf-8")

    headings = set(re.findall(r"^### (Salus\w+)$", text, re.MULTILINE))

    assert headings == {rule["alert"] for rule in ALERTS}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_each_alert_says_how_bad_it_is_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"].endswith(f"See docs/how-to/operate.md, {rule['alert']}.")


@pytest.mark.parametrize("make", [generated.crds, generated.values_schema, generated.app_version])
def test_generated_files_are_up_to_date(make: Any) -> None:  # noqa: ANN401 — a function of `generated`
    assert list(differing(make())) == []


def test_a_file_that_was_edited_by_hand_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "edited.yaml").write_text("by hand")
    monkeypatch.setattr(generated, "ROOT", tmp_path)
    files = {tmp_path / "edited.yaml": "as made", tmp_path / "new.yaml": "as made"}

    faults = list(differing(files))

    assert faults == [
        "edited.yaml: is not what it is made from; run `make manifests`",
        "new.yaml: is missing; run `make manifests`",
    ]


def test_its_network_policy_leaves_out_what_the_operator_never_asks() -> None:
    text = (CHART / "templates/_helpers.tpl").read_text("utf-8")
    peers = text.partition('define "salus.peers"')[2].partition("{{- else -}}")[2].partition("{{- end }}")[0]
    blocks = [peer["ipBlock"] for peer in yaml.safe_load(peers) if "ipBlock" in peer]

    for block in blocks:
        everything = ipaddress.ip_network(block["cidr"])
        never = {str(network) for network in NEVER_ASKED if network.version == everything.version}
        assert (everything.prefixlen, set(block["except"])) == (0, never)
    assert {ipaddress.ip_network(block["cidr"]).version for block in blocks} == {4, 6}


def test_the_chart_is_of_this_version() -> None:
    assert load("Chart.yaml")["appVersion"] == __version__


def test_artifact_hub_is_told_of_each_kind_and_of_examples_that_are_accepted() -> None:
    annotations = load("Chart.yaml")["annotations"]
    crds = yaml.safe_load(annotations["artifacthub.io/crds"])
    examples = yaml.safe_load(annotations["artifacthub.io/crdsExamples"])

    assert [(crd["kind"], crd["name"], crd["version"]) for crd in crds] == [(k.name, k.crd, VERSION) for k in KINDS]
    assert examples
    for example in examples:
        compile_policy(example, Catalog(load_presets(), ("default",)))


def test_the_schema_and_the_values_speak_of_the_same() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))["properties"]
    values = load("values.yaml")

    assert set(schema) - {"enabled"} == set(values)
    for name, node in schema.items():
        for field in node.get("properties", {}) if name != "config" else ():
            assert field in values[name], f"{name}.{field} has no default"


def test_the_schema_takes_each_field_of_the_configuration() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))["properties"]["config"]

    assert set(schema["properties"]) == {field.alias or name for name, field in Settings.model_fields.items()}
    assert schema["additionalProperties"] is False
