"""Files of the chart and of `config/` that are made from others, so that nothing is said twice.

- the CRDs in the chart are copies of `crds/`, which come from the models;
- the schema of the value `config` is that of the operator's configuration;
- the chart's `appVersion` is the version of the package;
- `config/`, for kustomize, is what the chart renders;
- the chart's README is written by helm-docs;
- the snapshots of its suites are written by helm-unittest.

The first three need Python only. The others need programs that are built with Go.
"""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from salus.settings import Settings
from salus.version import __version__
from tools.devcluster import helm
from tools.devcluster.programs import find

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "salus"
CONFIG = ROOT / "config"
NAMESPACE = "salus-system"
TENANT = "tenant-namespace"
"""Stands in `config/tenant` until kustomize puts the tenant's own in its place."""

HEADER = "# Rendered from charts/salus by `make manifests`. Do not edit: overlay it, or change the chart.\n"

Files = Mapping[Path, str]
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sort:
    """Some generated files, and the programs that it takes to make them."""

    make: Callable[[], Files]
    programs: tuple[str, ...] = ()


def crds() -> Files:
    """The CRDs in the chart."""
    return {CHART / "files/crds" / file.name: file.read_text("utf-8") for file in sorted(ROOT.glob("crds/*.yaml"))}


def values_schema() -> Files:
    """The schema of the values, with that of the operator's configuration in its place."""
    path = CHART / "values.schema.json"
    schema = json.loads(path.read_text("utf-8"))
    settings = Settings.model_json_schema(by_alias=True)
    schema["$defs"] = {name: _plain(definition) for name, definition in settings.pop("$defs").items()}
    for chosen_by_the_chart in ("namespace", "name"):
        del schema["$defs"]["LeaderElection"]["properties"][chosen_by_the_chart]
    schema["properties"]["config"] = _plain(settings) | {
        "description": "The operator's configuration, as in docs/reference/configuration.md. "
        "The chart says where the Lease is."
    }
    found: dict[str, list[str]] = {"durations": [], "lists": [], "texts": []}
    for kind, where in _softened(schema, schema["$defs"]):
        found[kind].append(where)
    kinds = KINDS + _dumped({kind: sorted(set(paths)) for kind, paths in found.items()})
    return {path: json.dumps(schema, indent=2, ensure_ascii=False) + "\n", CHART / "files/kinds.yaml": kinds}


KINDS = (
    "# Made from values.schema.json by `make manifests`: values whose kind the templates check, to say what to do.\n"
)
_NUMBER, _DURATION = "123", "30s"
_TEXT = ["string", "number", "boolean"]
_LIST = ["array", "string"]


def _softened(node: Object, defs: Mapping[str, Object], path: str = "") -> Iterator[tuple[str, str]]:
    """The paths of texts that a number in quotes would be, of durations, and of lists; the schema lets all pass."""
    if "$ref" in node:
        node = defs[node["$ref"].rpartition("/")[2]]
    for name, inner in _inside(node):
        if path or name != "*":
            yield from _softened(inner, defs, f"{path}.{name}".removeprefix(".") if name else path)
    if kind := _kind(node):
        node["type"] = _LIST if kind == "lists" else _TEXT
        yield kind, path


def _inside(node: Object) -> Iterator[tuple[str, Object]]:
    """The schemas of what is in a value, by name (`*`: by any), and its own by other words."""
    yield from node.get("properties", {}).items()
    others = (*node.get("patternProperties", {}).values(), node.get("additionalProperties"), node.get("items"))
    yield from (("*", inner) for inner in others if isinstance(inner, dict))
    choices = node.get("anyOf", ())
    if not any(choice.get("type") in ("integer", "number", "boolean") for choice in choices):
        yield from (("", choice) for choice in choices)


def _kind(node: Object) -> str:
    if node.get("type") in ("array", _LIST):
        return "lists" if node.get("items", {}).get("type") in ("string", _TEXT) else ""
    if node.get("type") not in ("string", _TEXT) or "enum" in node:
        return ""
    fits = {"texts": _NUMBER, "durations": _DURATION}
    return next((kind for kind, example in fits.items() if re.search(node.get("pattern", ""), example)), "")


_ONLY_OURS = ("title", "default", "x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys")


def _plain(node: Any) -> Any:  # noqa: ANN401 — a node of JSON
    """JSON schema as people's editors read it: no titles made of names, no defaults in Python's notation."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _named(value) if key == "properties" else _plain(value) for key, value in node.items()}
    kept = {key: value for key, value in plain.items() if key not in _ONLY_OURS}
    return {**kept, "additionalProperties": False} if "patternProperties" in kept else kept


def _named(properties: Mapping[str, Any]) -> dict[str, Any]:
    """A field may be called `title` or `default`."""
    return {name: _plain(field) for name, field in properties.items()}


def app_version() -> Files:
    """Chart.yaml, with the package's version."""
    path = CHART / "Chart.yaml"
    lines = path.read_text("utf-8").splitlines(keepends=True)
    return {path: "".join(f"appVersion: {__version__}\n" if line.startswith("appVersion:") else line for line in lines)}


def readme() -> Files:
    """The chart's README, by helm-docs from the comments of values.yaml."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(CHART, Path(folder, "salus")))
        helm_docs = str(find(["helm-docs"])["helm-docs"])
        command = [helm_docs, f"--chart-search-root={copy}", "--sort-values-order=file"]
        subprocess.run(command, capture_output=True, check=True)
        return {CHART / "README.md": Path(copy, "README.md").read_text("utf-8").rstrip("\n") + "\n"}


def snapshots() -> Files:
    """What helm-unittest compares whole objects with."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(CHART, Path(folder, "salus"), ignore=shutil.ignore_patterns("__snapshot__")))
        subprocess.run([find(["helm-unittest"])["helm-unittest"], copy], capture_output=True, check=False)
        files = sorted(copy.glob("tests/__snapshot__/*.snap"))
        return {CHART / file.relative_to(copy): file.read_text("utf-8") for file in files}


def manifests() -> Files:
    """`config/`: the objects of an install for the whole cluster, and those of one tenant."""
    objects = [_unmarked(item) for item in rendered(CONFIG / "values.yaml")]
    tenant = [item for item in objects if item["metadata"].get("namespace") == TENANT]
    rest = [item for item in objects if item not in tenant]
    files = {CONFIG / f"{_file_of(item)}.yaml": "" for item in rest}
    for item in rest:
        files[CONFIG / f"{_file_of(item)}.yaml"] += f"---\n{_dumped(item)}"
    return {
        **{path: HEADER + text for path, text in files.items()},
        CONFIG / "kustomization.yaml": _kustomization(sorted(path.name for path in files)),
        CONFIG / "tenant/rights.yaml": HEADER + "".join(f"---\n{_dumped(_anywhere(item))}" for item in tenant),
    }


def _kustomization(files: list[str]) -> str:
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "namespace": NAMESPACE}
    return HEADER + _dumped({**head, "resources": ["namespace.yaml", *files]})


def rendered(
    *values: Path, settings: tuple[str, ...] = (), namespace: str = NAMESPACE, chart: Path = CHART
) -> list[Object]:
    """What `helm template` makes of the chart with these files of values and these `--set`. Raises HelmError."""
    options = [option for file in values for option in ("--values", str(file))]
    options += [option for setting in settings for option in ("--set", setting)]
    with tempfile.TemporaryDirectory() as home:
        text = helm.run(["template", "salus", str(chart), "--namespace", namespace, *options], Path(home))
    return [item for item in yaml.load_all(text, yaml.CSafeLoader) if item]


_FILES = {"CustomResourceDefinition": "crds", "ValidatingAdmissionPolicy": "admission"}
_RIGHTS = ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "ServiceAccount")


def _file_of(item: Object) -> str:
    kind = item["kind"].removesuffix("Binding")
    return _FILES.get(kind) or ("rights" if item["kind"] in _RIGHTS else kind.lower())


def _unmarked(item: Object) -> Object:
    """Without what only Helm's own releases carry: others read these marks as `managed by Helm`."""
    metadata = item["metadata"]
    for name in ("helm.sh/chart", "app.kubernetes.io/managed-by"):
        metadata["labels"].pop(name, None)
    metadata.get("annotations", {}).pop("helm.sh/resource-policy", None)
    if not metadata.get("annotations"):
        metadata.pop("annotations", None)
    return item


def _anywhere(item: Object) -> Object:
    """Without the tenant's namespace, also in a binding's subjects: kustomize puts its own there."""
    metadata = {key: value for key, value in item["metadata"].items() if key != "namespace"}
    subjects = [{key: value for key, value in one.items() if value != TENANT} for one in item.get("subjects", ())]
    return {**item, "metadata": metadata, **({"subjects": subjects} if subjects else {})}


class _Dumper(yaml.CSafeDumper):
    """Writes text of several lines as such."""


def _text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _dumped(item: Object) -> str:
    return yaml.dump(item, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


SORTS = (
    Sort(crds),
    Sort(values_schema),
    Sort(app_version),
    Sort(manifests, ("helm",)),
    Sort(readme, ("helm-docs",)),
    Sort(snapshots, ("helm-unittest",)),
)


def differing(files: Files) -> Iterator[str]:
    """What is wrong with each file that is not as it would be made now."""
    for path, text in files.items():
        name = path.relative_to(ROOT)
        if not path.exists():
            yield f"{name}: is missing; run `make manifests`"
        elif path.read_text("utf-8") != text:
            yield f"{name}: is not what it is made from; run `make manifests`"
    yield from strangers(files)


_WRITTEN = {CONFIG / "namespace.yaml", CONFIG / "values.yaml"}
"""What people write in a folder of generated files."""


def strangers(files: Files) -> Iterator[str]:
    """Files of a generated folder that nothing makes any more."""
    for folder in {path.parent for path in files} & {CHART / "files/crds", CONFIG}:
        for path in sorted(set(folder.glob("*.yaml")) - set(files) - _WRITTEN):
            yield f"{path.relative_to(ROOT)}: is made from nothing; delete it"
