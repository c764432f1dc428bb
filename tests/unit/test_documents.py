"""What the documents say, held to the code: links and paths, YAML, reasons, fields, metrics, targets of make.

The prose itself is for people to judge.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import pytest
import yaml

from salus.adapters.telemetry import PrometheusTelemetry
from salus.core.guards.chain import GUARDS, INFEASIBLE
from salus.core.policy.compile import Catalog, compile_policy
from salus.model.change import Decision, Outcome
from salus.model.incident import Phase
from salus.model.policy import HealthPolicySpec
from salus.model.scalars import Resource
from salus.presets import load_presets
from salus.settings import Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "examples/shop/README.md",
    ROOT / "charts/salus/README.md",
]
FIRST_POLICY = ROOT / "examples/policies/first.yaml"

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_PATH = re.compile(r"(?<![\w./~$:-])((?:[\w.*-]+/)+[\w.*-]*|[\w*-]+\.(?:md|yaml|toml|txt|py))(?![\w/-])")
_FOLDERS = ("", "operator/salus", "examples/shop", "examples/policies")
"""Where a path that a document names may begin, beside the document's own folder."""
_MADE_BY_RUNNING = {".run", ".venv", "dist"}
_KNOWN_ROOTS = {
    path.name for folder in _FOLDERS for path in (ROOT / folder).iterdir() if path.is_dir()
} - _MADE_BY_RUNNING
_NOT_HERE = {"salus.yaml", "policy.yaml", "operator/__init__.py"}
"""Files that a reader is to write, and the one that must never be."""
_SHOWN = re.compile(r"^```yaml\n# ([\w.-]+\.yaml)$", re.MULTILINE)
"""A file that the page itself shows, whole."""
_REASON = re.compile(r'(?:NoData|Error)\(\s*"([A-Z]\w+)"|reason ?= ?"([A-Z]\w+)"')


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def in_code(text: str) -> str:
    """Everything that the document sets as code."""
    return "\n".join([*(block for _, block in _FENCED.findall(text)), *re.findall(r"`([^`\n]+)`", text)])


def anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


@dataclass(frozen=True)
class Block:
    """A block of YAML in a document."""

    document: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"

    @property
    def value(self) -> Any:  # noqa: ANN401 - anything that YAML can say
        return yaml.safe_load(self.text)


def yaml_blocks() -> Iterator[Block]:
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for found in _FENCED.finditer(text):
            if found[1] == "yaml":
                yield Block(document, text.count("\n", 0, found.start()) + 1, found[2])


BLOCKS = tuple(block for block in yaml_blocks() if block.value is not None)  # one may be a comment alone
POLICIES = [block for block in BLOCKS if block.value.get("kind") == "HealthPolicy"]
SPEC_FIELDS = {field.alias or name for name, field in HealthPolicySpec.model_fields.items()}
PARTS = [block for block in BLOCKS if set(block.value) <= SPEC_FIELDS]
CONFIGURATIONS = [block for block in BLOCKS if "sources" in block.value]


def compiles(spec: dict[str, Any]) -> None:
    """Raise what the API server or the operator would say of this spec."""
    HealthPolicySpec.parse(spec)
    body = {"metadata": {"namespace": "shop", "name": "documented"}, "spec": spec}
    compile_policy(body, Catalog(load_presets(), ("default",)))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    for target in _LINK.findall(document.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        name, _, fragment = target.partition("#")
        file = (document.parent / name).resolve() if name else document
        assert file.exists(), f"{target} is not there"
        if fragment:
            headings = [anchor(heading) for heading in _HEADING.findall(file.read_text(encoding="utf-8"))]
            assert fragment in headings, f"{target}: no such heading"


def named_paths(document: Path) -> Iterator[str]:
    text = document.read_text(encoding="utf-8")
    written = {*_NOT_HERE, *_SHOWN.findall(text)}
    for path in _PATH.findall(in_code(text)):
        first, _, rest = path.partition("/")
        if path not in written and (not rest or first in _KNOWN_ROOTS):
            yield path


@pytest.mark.parametrize(
    "document",
    [one for one in DOCUMENTS if one.name != "cli.md"],  # whose examples make up names
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_path_that_is_named_is_there(document: Path) -> None:
    places = [document.parent, *(ROOT / folder for folder in _FOLDERS)]
    for path in named_paths(document):
        pattern = path.rstrip("/")
        assert any(next(place.glob(pattern), None) for place in places), f"{path} is not there"


@pytest.mark.parametrize("block", POLICIES, ids=str)
def test_every_policy_is_accepted(block: Block) -> None:
    compiles(block.value["spec"])


@pytest.mark.parametrize("block", PARTS, ids=str)
def test_every_piece_of_a_policy_fits_into_one(block: Block) -> None:
    check = {"name": "any", "query": "up", "unhealthy": {"below": "1"}}
    compiles({"target": {"kind": "Deployment", "name": "checkout"}, "checks": [check], **block.value})


@pytest.mark.parametrize("block", CONFIGURATIONS, ids=str)
def test_every_configuration_is_accepted(block: Block) -> None:
    Settings.parse(block.value)


GUIDES = [document for document in DOCUMENTS if document.parent.name != "decisions" and document.stem != "CHANGELOG"]
"""What people follow, step by step."""


@pytest.mark.parametrize("document", GUIDES, ids=lambda path: str(path.relative_to(ROOT)))
def test_whoever_is_told_to_use_the_plugin_is_told_how_to_get_it(document: Path) -> None:
    text = document.read_text(encoding="utf-8")

    assert "kubectl salus" not in text or re.search(
        r"install\.md#the-command-line|^## The command line$", text, re.MULTILINE
    )


@pytest.mark.parametrize("document", GUIDES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_chart_is_installed_with_an_image_that_is_there(document: Path) -> None:
    """None is published, so the default would wait in ImagePullBackOff."""
    for _, block in _FENCED.findall(document.read_text(encoding="utf-8")):
        for command in re.findall("^helm install .*", block.replace("\\\n", " "), re.MULTILINE):
            assert "image.repository=" in command
            assert "image.tag=" in command


def test_whoever_installs_is_told_how_kube_state_metrics_is_scraped() -> None:
    for page in ("README.md", "docs/how-to/install.md", "charts/salus/templates/NOTES.txt"):
        assert re.search("honor_?labels", read(page), re.IGNORECASE), page


def test_the_documents_hold_examples_of_each_sort() -> None:
    assert POLICIES
    assert PARTS
    assert CONFIGURATIONS


def test_the_first_policy_of_the_tutorial_is_the_example_and_short() -> None:
    lines = [line for line in FIRST_POLICY.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]

    assert len(lines) < 15
    assert "\n".join(lines) in read("docs/tutorials/first-policy.md")


def test_the_readme_can_be_read_in_five_minutes() -> None:
    assert len(read("README.md").splitlines()) <= 80


def test_every_page_stands_behind_a_door() -> None:
    """docs/index.md leads to each, but for decisions and what belongs to a page."""
    index = ROOT / "docs/index.md"
    led_to = {(index.parent / link.partition("#")[0]).resolve() for link in _LINK.findall(index.read_text("utf-8"))}
    pages = {page for page in (ROOT / "docs").rglob("*.md") if page.parent.name not in {"decisions", "argocd"}}

    assert sorted(page.name for page in pages - led_to - {index}) == [], "give it a link in docs/index.md"


def fields_of(model: type[Resource], path: str = "") -> Iterator[str]:
    """Dotted paths of all fields, with those of the models inside."""
    for name, field in model.model_fields.items():
        here = f"{path}{field.alias or name}"
        yield here
        for inner in _models_in(field.annotation):
            yield from fields_of(inner, f"{here}.")


def _models_in(annotation: Any) -> Iterator[type[Resource]]:  # noqa: ANN401 - a type as pydantic keeps it
    if get_origin(annotation) is Annotated:
        yield from _models_in(get_args(annotation)[0])
    elif isinstance(annotation, type) and issubclass(annotation, Resource):
        yield annotation
    else:
        for argument in get_args(annotation):
            yield from _models_in(argument)


def missing(names: Iterator[str] | list[str], text: str) -> list[str]:
    """The names that stand nowhere in the document as words in code."""
    words = set(re.findall(r"[\w$-]+", in_code(text)))
    return [name for name in names if name.rpartition(".")[2] not in words]


def emitted_metrics() -> list[str]:
    families = PrometheusTelemetry().registry.collect()
    names = (f"{one.name}_total" if one.type == "counter" else one.name for one in families)
    return [name for name in names if name.startswith("salus_")]


def check_reasons() -> list[str]:
    core = ("health/evaluate.py", "policy/pod_names.py")
    files = [*(ROOT / "operator/salus/sources").glob("*.py"), *(ROOT / "operator/salus/core" / one for one in core)]
    found = (_REASON.findall(file.read_text(encoding="utf-8")) for file in files)
    return sorted({one or other for reasons in found for one, other in reasons})


@pytest.mark.parametrize(
    ("names", "document"),
    [
        pytest.param(list(fields_of(HealthPolicySpec)), "docs/reference/policies.md", id="every field of a policy"),
        pytest.param(list(load_presets()), "docs/reference/policies.md", id="every preset"),
        pytest.param([guard.reason for guard in GUARDS], "docs/reference/records.md", id="every reason of a guard"),
        pytest.param(sorted(INFEASIBLE), "docs/reference/records.md", id="every reason why a remedy cannot be planned"),
        pytest.param(check_reasons(), "docs/reference/records.md", id="every reason of a check"),
        pytest.param(list(Decision), "docs/reference/records.md", id="every decision"),
        pytest.param(list(Outcome), "docs/reference/records.md", id="every outcome"),
        pytest.param(list(Phase), "docs/reference/records.md", id="every phase of an incident"),
        pytest.param(
            list(fields_of(Settings)), "docs/reference/configuration.md", id="every field of the configuration"
        ),
        pytest.param(emitted_metrics(), "docs/reference/configuration.md", id="every metric"),
    ],
)
def test_the_reference_is_whole(names: list[str], document: str) -> None:
    assert names
    assert missing(names, read(document)) == []


def test_the_guards_stand_in_the_order_in_which_they_are_asked() -> None:
    table = read("docs/reference/records.md").partition("### A guard objects")[2].partition("###")[0]

    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == [guard.reason for guard in GUARDS]


def test_no_metric_is_documented_that_is_not_there() -> None:
    assert set(re.findall(r"\bsalus_\w+", read("docs/reference/configuration.md"))) == set(emitted_metrics())


def test_every_make_target_that_is_named_is_there() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", read("Makefile"), re.MULTILINE))
    for document in DOCUMENTS:
        named = set(re.findall(r"^make ([a-z0-9-]+)|`make ([a-z0-9-]+)", document.read_text("utf-8"), re.MULTILINE))
        assert {one or other for one, other in named} <= targets, document.name
