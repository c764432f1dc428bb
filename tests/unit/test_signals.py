"""A preset is a check that is written for its author: which variant, with which parameters, and what is wrong there."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from salus.core.policy.compile import Catalog, SpecError, compile_policy
from salus.core.policy.exporters import Exporter
from salus.core.policy.signals import Asked, Parameter, ParameterType, Signal, Variant
from salus.model.meta import WorkloadKind
from salus.model.policy import Ratio, Threshold, Verdict, Volume
from salus.model.values.policies import CompiledCheck, CompiledVolume
from tests.builders import a_policy_body

DEPLOYMENT, DAEMON_SET = WorkloadKind.DEPLOYMENT, WorkloadKind.DAEMON_SET
SLOWER = Parameter(ParameterType.EDGE, "seconds that a request may take", "0.5")
SLOW = Signal(
    name="Slow",
    variants={
        "seconds": Variant(
            {
                kind: Asked('1 - b{pod=~"$pods",le=~"$slowerThan"} / c', volume=Volume(query='c{pod=~"$pods"}'))
                for kind in WorkloadKind
            },
            {"slowerThan": SLOWER},
        ),
        "milliseconds": Variant(
            {DEPLOYMENT: Asked('1 - b_ms{a="$target",le=~"$slowerThan"} / c_ms')},
            {"slowerThan": SLOWER},
            {"slowerThan": 1000},
        ),
    },
    unhealthy=Threshold.parse({"above": "0.1"}),
    hold=timedelta(minutes=2),
)
LAG = Signal(
    name="Lag",
    variants={
        "kafka": Variant(
            {
                DEPLOYMENT: Asked(
                    "quantile($share, sum by ($label) "
                    '(delta(${metric}_lag{topic="$topic",group=~"$group-.+"}[$range])))'
                )
            },
            {
                "topic": Parameter(ParameterType.TEXT, "the topic that is read"),
                "group": Parameter(ParameterType.TEXT, "how the group's name begins", "$target"),
                "share": Parameter(ParameterType.NUMBER, "of the partitions", "0.5"),
                "metric": Parameter(ParameterType.METRIC, "how the metric's name begins", "kafka"),
                "label": Parameter(ParameterType.LABEL, "the label of a partition", "partition"),
                "range": Parameter(ParameterType.RANGE, "how far back", "1m"),
            },
        )
    },
    unhealthy=None,
    hold=timedelta(minutes=5),
    on_no_data=Verdict.HEALTHY,
    clears_after=timedelta(seconds=30),
)
ERRORS = Signal(
    name="Errors",
    variants={"any": Variant({DEPLOYMENT: Asked(ratio=Ratio(of="sum(rate(e[2m]))", in_="sum(rate(kube_r{}[2m]))"))})},
    unhealthy=Threshold.parse({"above": "0.05"}),
    hold=timedelta(minutes=1),
)
CATALOG = Catalog(
    {signal.name: signal for signal in (SLOW, LAG, ERRORS)},
    ("default", "bound"),
    exporters={"bound": {Exporter.KUBE_STATE_METRICS: {"job": "ksm"}}},
)


def compiled(check: Mapping[str, Any], **spec: Any) -> CompiledCheck:  # noqa: ANN401 — handed on
    (only,) = compile_policy(a_policy_body(checks=[{"name": "it", **check}], **spec), CATALOG).checks
    return only


def problems(check: Mapping[str, Any], **spec: Any) -> list[tuple[str, str]]:  # noqa: ANN401 — handed on
    with pytest.raises(SpecError) as error:
        compiled(check, **spec)
    return [(one.path.removeprefix("spec.checks[0]."), one.message) for one in error.value.problems]


UNKNOWN = "unknown placeholder $pod; known: $namespace, $target and $pods"
SECONDS = {"preset": "Slow", "variant": "seconds"}
KAFKA = {"preset": "Lag", "with": {"topic": "orders"}, "unhealthy": {"above": "100"}}


@pytest.mark.parametrize(
    ("check", "template"),
    [
        pytest.param(SECONDS, r'1 - b{pod=~"$pods",le=~"0\\.50*"} / c', id="the default, however a label spells it"),
        pytest.param(
            {**SECONDS, "with": {"slowerThan": "2.50"}}, r'1 - b{pod=~"$pods",le=~"2\\.50*"} / c', id="a value"
        ),
        pytest.param(
            {**SECONDS, "with": {"slowerThan": 1}}, r'1 - b{pod=~"$pods",le=~"1(?:\\.0+)?"} / c', id="a whole number"
        ),
        pytest.param(
            {"preset": "Slow", "variant": "milliseconds", "with": {"slowerThan": "0.25"}},
            r'1 - b_ms{a="$target",le=~"250(?:\\.0+)?"} / c_ms',
            id="in the unit of the variant",
        ),
        pytest.param(
            KAFKA,
            'quantile(0.5, sum by (partition) (delta(kafka_lag{topic="orders",group=~"$target-.+"}[1m])))',
            id="of the only variant, with the defaults of what is not said",
        ),
        pytest.param(
            {
                **KAFKA,
                "with": {
                    "topic": 'a"b',
                    "group": "a.b+$target",
                    "share": "0.9",
                    "metric": "k",
                    "label": "topic_name",
                    "range": "5m",
                },
            },
            r'quantile(0.9, sum by (topic_name) (delta(k_lag{topic="a\"b",group=~"a\\.b\\+$target-.+"}[5m])))',
            id="escaped for the quotes and the regex that it stands in, but for the target",
        ),
    ],
)
def test_what_is_asked(check: Mapping[str, Any], template: str) -> None:
    assert compiled(check).template == template


@pytest.mark.parametrize(
    ("check", "volume"),
    [
        pytest.param(SECONDS, CompiledVolume('c{pod=~"$pods"}', 30, timedelta(0)), id="for three failures"),
        pytest.param(
            {**SECONDS, "unhealthy": {"above": "0.01"}},
            CompiledVolume('c{pod=~"$pods"}', 300, timedelta(0)),
            id="for three failures by the policy's own bound",
        ),
        pytest.param(
            {**SECONDS, "volume": {"atLeast": "7"}},
            CompiledVolume('c{pod=~"$pods"}', 7, timedelta(0)),
            id="as many as the policy says",
        ),
        pytest.param({**SECONDS, "volume": {"atLeast": "0"}}, None, id="never quiet"),
        pytest.param(
            {**SECONDS, "volume": {"query": "up", "atLeast": "2"}}, CompiledVolume("up", 2, timedelta(0)), id="another"
        ),
        pytest.param(KAFKA, None, id="none, where nothing is counted"),
        pytest.param(
            {"preset": "Errors"},
            CompiledVolume("(\nsum(rate(kube_r{}[2m]))\n) * 120", 60, timedelta(minutes=2)),
            id="of a ratio its whole",
        ),
    ],
)
def test_how_much_there_has_to_be(check: Mapping[str, Any], volume: CompiledVolume | None) -> None:
    assert compiled(check).volume == volume


def test_what_a_preset_brings_along_and_a_check_has_of_its_own() -> None:
    brought, own = compiled(KAFKA), compiled({**KAFKA, "for": "0s", "onNoData": "Unknown", "window": "0s"})

    assert (brought.hold, brought.on_no_data, brought.window) == (
        timedelta(minutes=5),
        Verdict.HEALTHY,
        timedelta(seconds=30),
    )
    assert (own.hold, own.on_no_data, own.window) == (timedelta(0), Verdict.UNKNOWN, timedelta(0))


def test_both_parts_of_a_ratio_are_tied_to_the_exporter_of_the_source() -> None:
    template = compiled({"preset": "Errors"}, source="bound").template

    assert template.count('kube_r{job="ksm", }') == template.count("kube_r{") == 2


@pytest.mark.parametrize(
    ("check", "found"),
    [
        pytest.param(
            {"preset": "Slow"},
            [("variant", "Slow asks in several vocabularies, say in which: milliseconds, seconds")],
            id="which of several variants",
        ),
        pytest.param(
            {"preset": "Slow", "variant": "hours"},
            [("variant", 'unknown variant "hours" of Slow; known: milliseconds, seconds')],
            id="a variant that is not there",
        ),
        pytest.param(
            {**SECONDS, "with": {"fasterThan": "1"}},
            [("with.fasterThan", 'Slow takes slowerThan, and no "fasterThan"')],
            id="a parameter that is not there",
        ),
        pytest.param(
            {"preset": "Errors", "with": {"a": "b"}},
            [("with.a", 'Errors takes no parameter, and no "a"')],
            id="a preset without any",
        ),
        pytest.param(
            {**KAFKA, "with": None},
            [("with", "Lag needs topic: the topic that is read")],
            id="a parameter that is needed",
        ),
        pytest.param(
            {**KAFKA, "with": {"topic": ""}},
            [("with.topic", "expected the topic that is read, got nothing")],
            id="none",
        ),
        pytest.param(
            {**SECONDS, "with": {"slowerThan": "fast"}},
            [("with.slowerThan", 'expected a whole number, or a decimal in a string such as "0.05", got "fast"')],
            id="a word for a number",
        ),
        pytest.param(
            {**KAFKA, "with": {"topic": "x", "range": "soon"}},
            [("with.range", 'expected a duration such as 30s, 5m or 1h30m, got "soon"')],
            id="a range that is none",
        ),
        pytest.param(
            {**KAFKA, "with": {"topic": "x", "range": "0s"}},
            [("with.range", 'expected more than 0, got "0s"')],
            id="a range of nothing",
        ),
        pytest.param(
            {**SECONDS, "with": {"slowerThan": "0"}},
            [("with.slowerThan", 'expected more than 0, got "0"')],
            id="no edge of a bucket",
        ),
        pytest.param(
            {**KAFKA, "with": {"topic": "x", "share": "all", "metric": "a b", "label": 'a="",b'}},
            [
                ("with.share", 'expected a whole number, or a decimal in a string such as "0.05", got "all"'),
                ("with.metric", 'expected the name of a metric, got "a b"'),
                ("with.label", 'expected the name of a label, got "a=\\"\\",b"'),
            ],
            id="names that are none, all of them at once",
        ),
        pytest.param(
            {**KAFKA, "with": {"topic": "$pod"}},
            [
                ("with", f"with these values the preset cannot be asked: {UNKNOWN}"),
            ],
            id="a placeholder that is none, in a value",
        ),
        pytest.param(
            {**KAFKA, "unhealthy": None},
            [("unhealthy", "Lag has no bound of its own: set above or below")],
            id="a bound that nobody says",
        ),
        pytest.param(
            {**SECONDS, "healthy": {"above": "0.2"}},
            [("healthy", "must lie on the other side of the preset's own bound, above 0.1")],
            id="health on the wrong side",
        ),
        pytest.param(
            {**KAFKA, "volume": {"atLeast": "3"}},
            [("volume", "Lag counts nothing of itself: set query and atLeast")],
            id="how much, of nothing",
        ),
        pytest.param(
            {**SECONDS, "volume": {"query": "up"}},
            [("volume.atLeast", "is required beside a query of your own")],
            id="a volume without a bound",
        ),
        pytest.param(
            {**SECONDS, "volume": {"query": "up{", "atLeast": "1"}},
            [("volume.query", "cannot be read as PromQL: unexpected end of input inside braces")],
            id="a volume that cannot be read, told once",
        ),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(check: Mapping[str, Any], found: list[tuple[str, str]]) -> None:
    assert problems(check) == found


def test_a_variant_that_does_not_speak_of_the_kind() -> None:
    assert problems({"preset": "Slow", "variant": "milliseconds"}, target={"kind": "DaemonSet", "name": "agent"}) == [
        ("preset", "Slow does not speak of a DaemonSet")
    ]
