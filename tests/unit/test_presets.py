"""The signal library is complete, sound and readable; what its queries answer is a contract test with a real server."""

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

import pytest
import yaml

from salus.core.policy import promql
from salus.core.policy.signals import Parameter
from salus.model.policy import Verdict
from salus.presets import Preset, load_presets
from tests.presets import QUESTIONS, Question

_INIT_CONTAINERS = "kube_pod_init_container_status_waiting_reason"  # absent where no pod has one
FILES = [file for file in files("salus.presets").iterdir() if file.name.endswith(".yaml")]
PRESETS = [pytest.param(preset, id=name) for name, preset in load_presets().items()]
ITS_OWN_NAMESPACE = re.compile(r'(?:exported_|k8s_|destination_workload_)?namespace(?:_name)?="shop"|[a-z]+=~?"shop-')
"""By a label that is the namespace, or by one that begins with it."""
NAMES_NO_NAMESPACE = {"envoy"}
"""Variants whose series have none; which of them are asked for, the policy says."""


def test_the_library_holds_the_promised_presets() -> None:
    promised = {"ImagePullFailing", "PodsCrashLooping", "ReplicasMissing", "RolloutStuck", "Unavailable"}

    assert set(load_presets()) >= promised


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_in_its_file_is_cut_off(file: Traversable) -> None:
    """As YAML does with a comma within braces: what follows is a key without a value."""

    def values(node: object) -> Iterator[object]:
        inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        yield node
        for one in inner:
            yield from values(one)

    assert None not in list(values(yaml.safe_load(file.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_query_is_sound(question: Question) -> None:
    for template in question.check().templates:
        assert promql.problems_in(template) is None


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_selector_stays_in_the_policys_namespace(question: Question) -> None:
    for template in question.check().templates:
        for selector in promql.selectors(promql.render(template, "shop", "api", "api-0")):
            assert ITS_OWN_NAMESPACE.search(selector.text) or question.variant in NAMES_NO_NAMESPACE, selector.text


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_answer_falls_before_verification_gives_up(question: Question) -> None:
    assert question.check().window.total_seconds() <= 120


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_it_needs_is_what_it_reads(question: Question) -> None:
    variant = question.preset.variants[question.variant]
    read = {
        name
        for kind in variant.asked
        for template in Question(question.preset, question.variant, kind).check().templates
        for name in promql.names(promql.tree(template))
    }

    assert read - {_INIT_CONTAINERS} == set(question.preset.needs[question.variant])


@pytest.mark.parametrize("preset", PRESETS)
def test_missing_data_is_never_declared_to_mean_something(preset: Preset) -> None:
    assert preset.on_no_data is Verdict.UNKNOWN


@pytest.mark.parametrize("question", QUESTIONS)
def test_it_can_be_used_by_name(question: Question) -> None:
    check = question.check()

    assert check.hold == question.preset.hold
    assert question.preset.unhealthy in {None, check.unhealthy}


@pytest.mark.parametrize("preset", PRESETS)
def test_it_says_what_a_person_wants_to_know(preset: Preset) -> None:
    assert all((preset.summary, preset.unit, preset.docs, preset.helps, preset.kinds))


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_is_said_of_it_is_asked(question: Question) -> None:
    """Each parameter is in the query, and changes it."""
    variant = question.preset.variants[question.variant]
    usual = question.check()

    for name, parameter in variant.parameters.items():
        changed = question.check({name: _another(parameter)})
        assert changed.templates != usual.templates, name


def _another(parameter: Parameter) -> str:
    return {
        "number": "0.75",
        "edge": "0.75",
        "metric": "other_total",
        "label": "another",
        "text": "another",
        "range": "1m",
    }[parameter.type]


def test_it_says_how_a_bound_is_learned() -> None:
    presets = load_presets()

    assert presets["ErrorRatio"].learn.kind == "failures"
    assert presets["PodsCrashLooping"].learn.kind == "fixed"


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_not_learned_has_a_bound_of_its_own(preset: Preset) -> None:
    assert preset.unhealthy is not None or preset.learn.kind != "fixed"
    assert set(preset.learn.unless) <= set(load_presets())
