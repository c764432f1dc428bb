"""The signal library is complete, sound and readable; what its queries answer is a contract test with a real server."""

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import pytest
import yaml

from salus.core.policy import promql
from salus.core.policy.compile import Catalog, SpecError, compile_policy
from salus.core.policy.signals import Parameter
from salus.core.remedy.verify import Judgement, counts_from, judge
from salus.model.change import Outcome
from salus.model.meta import WorkloadKind
from salus.model.policy import Verdict, Verify
from salus.model.scalars import format_duration
from salus.presets import Preset, load_presets
from tests.builders import NOW, a_change, a_policy, a_policy_body, healthy, later
from tests.presets import QUESTIONS, Question, question
from tools.presets_page import presets_page

ROOT = Path(__file__).parents[2]

FILES = [file for file in files("salus.presets").iterdir() if file.name.endswith(".yaml")]
PRESETS = [pytest.param(preset, id=name) for name, preset in load_presets().items()]
ITS_OWN_NAMESPACE = re.compile(r'(?:exported_|k8s_|destination_workload_)?namespace(?:_name)?="shop"|[a-z]+=~?"shop-')
"""By a label that is the namespace, or by one that begins with it."""
NAMES_NO_NAMESPACE = {"envoy", "blackbox", "kafka", "kminion", "rabbitmq", "sqs"}
"""Variants whose series have none; which of them are asked for, the policy says."""
NODES = "kube_node_status_condition{"
"""They are nobody's; where every query is bound to the namespace, they are not seen."""


def test_the_library_holds_the_promised_presets() -> None:
    promised = {"ImagePullFailing", "PodsCrashLooping", "ReplicasMissing", "RolloutStuck", "Unavailable"}

    assert set(load_presets()) >= promised


def test_the_page_is_current() -> None:
    """Else: `python -m tools.presets_page > docs/reference/presets.md`."""
    assert (ROOT / "docs/reference/presets.md").read_text(encoding="utf-8") == presets_page()


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
            if not selector.text.startswith(NODES) and question.variant not in NAMES_NO_NAMESPACE:
                assert ITS_OWN_NAMESPACE.search(selector.text), selector.text


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_answer_falls_before_verification_gives_up_or_the_preset_says_so(question: Question) -> None:
    verify, window = Verify(), question.check().window
    needs = window + 2 * verify.stable

    said = f"verify.timeout has to be {format_duration(needs)} or more"
    assert needs <= verify.timeout or said in question.preset.docs + question.preset.doubts


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_it_needs_is_what_it_reads(question: Question) -> None:
    variant = question.preset.variants[question.variant]
    read = {
        name
        for kind in variant.asked
        for template in Question(question.preset, question.variant, kind).check().templates
        for name in promql.names(promql.tree(template))
    }

    needs, may_lack = question.preset.needs[question.variant], question.preset.may_lack[question.variant]
    assert sorted(read) == sorted((*needs, *may_lack))


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
        "share": "0.75",
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


def _problems(check: Mapping[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(SpecError) as error:
        compile_policy(a_policy_body(checks=[{"name": "it", **check}]), Catalog(load_presets(), ("default",)))
    return [(one.path, one.message) for one in error.value.problems]


@pytest.mark.parametrize(
    "check",
    [
        pytest.param({"preset": "Latency", "variant": "prometheus"}, id="how slow is too slow"),
        pytest.param({"preset": "QueueLag", "variant": "sqs", "with": {"queue": "q"}}, id="how much is too much"),
    ],
)
def test_a_bound_that_only_history_tells_has_to_be_given(check: Mapping[str, Any]) -> None:
    assert _problems(check) == [
        ("spec.checks[0].unhealthy", f"{check['preset']} has no bound of its own: set above or below")
    ]


@pytest.mark.parametrize("objective", ["99.9", "1", "0", "-0.5"])
def test_what_is_no_share_is_refused_and_not_reckoned_with(objective: str) -> None:
    """By 99.9 the budget would be negative, and never burn."""
    said = f'expected a share between 0 and 1, such as 0.99, got "{objective}"'

    assert _problems({"preset": "BurnRate", "variant": "istio", "with": {"objective": objective}}) == [
        ("spec.checks[0].with.objective", said)
    ]


def test_an_objective_has_to_be_given() -> None:
    said = "BurnRate needs objective: the share of the requests that has to succeed, such as 0.999"

    assert _problems({"preset": "BurnRate", "variant": "istio"}) == [("spec.checks[0].with", said)]


@pytest.mark.parametrize(
    ("preset", "variant", "counts"),
    [
        pytest.param("ErrorRatio", "istio", 120, id="its range"),
        pytest.param("BurnRate", "istio", 300, id="the shorter of two, with which a burn rate falls"),
        pytest.param("TrafficGone", "istio", 120, id="its range, and not the week that it is compared with"),
        pytest.param("JvmHeapFull", "otel", 30, id="at once, as the least of some minutes falls"),
        pytest.param("QueueLag", "sqs", 600, id="as old as what is seen may be"),
    ],
)
def test_samples_count_from_when_the_answer_may_have_fallen(preset: str, variant: str, counts: int) -> None:
    check = question(preset, WorkloadKind.DEPLOYMENT, variant).check()
    policy, change = a_policy(check, verify={"settle": "0s"}), a_change(decided_at=NOW, applied_at=NOW)

    assert counts_from(change, policy) == later(counts)


def test_a_burn_rate_that_fell_after_five_minutes_proves_a_recovery() -> None:
    policy = a_policy(
        question("BurnRate", WorkloadKind.DEPLOYMENT, "istio").check(),
        verify={"settle": "30s", "stable": "1m", "timeout": "7m"},
    )
    change = a_change(decided_at=NOW, applied_at=NOW, evidence=(("it", 30.0),))

    def judged(after: float, *, since: float) -> Judgement:
        return judge(change, policy, [healthy("it", since=later(since), sampled_at=later(after))], later(after))

    assert judged(200, since=100).outcome is None, "it still sees what was before"
    assert judged(400, since=100).outcome is Outcome.RECOVERED
    assert judged(410, since=345).outcome is Outcome.RECOVERED
