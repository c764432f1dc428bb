"""The signal library: checks that Salus brings along.

Each preset is one YAML file beside this one, pure data; CONTRIBUTING.md says how one is written. Those that ask the
same of many exporters take their words from `vocabularies`. What an empty answer means is part of its query: where
"none" is good news the query answers 0, but only as long as its exporter is there to say so; without it the answer
stays empty, and the check is Unknown. kube-state-metrics must be scraped with `honor_labels`, as its charts do.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import Field

from salus.core.policy.signals import Asked, Parameter, ParameterType, Signal, Variant
from salus.model.meta import WorkloadKind
from salus.model.policy import Ratio, Threshold, Verdict, Volume
from salus.model.scalars import Decimal, Duration, LongText, Resource, Rule, ShortText, cel_exactly_one, exactly_one
from salus.presets.vocabularies import Declared, Words, vocabulary


@dataclass(frozen=True, slots=True)
class Learning:
    """How `salus init` finds a bound for a workload."""

    kind: str = "fixed"
    """Of `core.learn.kinds`, in one word."""
    floor: float | None = None
    """No bound below this is proposed; None: as the kind says."""
    unless: tuple[str, ...] = ()
    """Other presets that ask much the same, and are proposed instead where they can be."""


@dataclass(frozen=True, slots=True)
class Preset(Signal):
    """A signal, and what a person wants to know of it."""

    summary: str = ""
    """Its question."""
    unit: str = ""
    """What its number counts: pods, share, seconds."""
    helps: tuple[str, ...] = ()
    """Remedies that can mend what it tells, as a policy calls them."""
    docs: str = ""
    doubts: str = ""
    """When it says what is not so."""
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By variant, names of the metrics without which it cannot answer."""
    may_lack: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By variant, names of those that it reads besides: absent while all is well, or where they are not exported."""
    told_by: Mapping[str, str] = field(default_factory=dict)
    """By variant, whose series these are."""
    learn: Learning = field(default_factory=Learning)

    @property
    def kinds(self) -> tuple[WorkloadKind, ...]:
        """Kinds of workload that it speaks of, in some variant."""
        return tuple(kind for kind in WorkloadKind if any(kind in one.asked for one in self.variants.values()))


_ONE_OF = ("query", "queries", "ratio")


class _Variant(Resource):
    """The question in one vocabulary."""

    RULES: ClassVar = (
        Rule(cel_exactly_one(*_ONE_OF), "set exactly one of query, queries and ratio", exactly_one(*_ONE_OF)),
    )
    told_by: ShortText
    needs: Annotated[tuple[str, ...], Field(min_length=1)]
    may_lack: tuple[str, ...] = ()
    with_: Annotated[Mapping[str, Declared], Field(alias="with")] = {}
    """Parameters of this variant, or other defaults for those of all."""
    times: Mapping[str, float] = {}
    query: str | None = None
    """For all kinds of workload: $kind is the kind as labels spell it, $scaledToZero 0 while it wants no pods, and
    $onDeadNodes how many nodes that are not Ready have a pod of it, if any."""
    queries: Mapping[WorkloadKind, str] | None = None
    ratio: Ratio | None = None
    volume: Volume | None = None


class _Learning(Resource):
    """How a bound is found."""

    kind: Literal["failures", "slow", "latency", "saturation", "level", "fixed"]
    floor: Decimal | None = None
    unless: tuple[str, ...] = ()


_FROM = ("variants", "vocabulary")
_ASKS = ("variants", "query", "ratio")


class _PresetFile(Resource):
    """One file of the library as it is written."""

    RULES: ClassVar = (
        Rule(cel_exactly_one(*_FROM), "set exactly one of variants and vocabulary", exactly_one(*_FROM)),
        Rule(cel_exactly_one(*_ASKS), "set exactly one of variants, query and ratio", exactly_one(*_ASKS)),
    )
    name: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]+$")]
    summary: ShortText
    unit: ShortText
    unhealthy: Threshold | None = None
    """None: whoever names it says the bound."""
    for_: Annotated[Duration, Field(alias="for")]
    on_no_data: Verdict = Verdict.UNKNOWN
    helps: Annotated[tuple[Literal["rollback", "restart", "scale", "notify"], ...], Field(min_length=1)]
    clears_after: Duration | None = None
    docs: LongText
    doubts: LongText = ""
    learn: _Learning = _Learning(kind="fixed")
    with_: Annotated[Mapping[str, Declared], Field(alias="with")] = {}
    variants: Annotated[Mapping[str, _Variant], Field(min_length=1)] | None = None
    vocabulary: str | None = None
    """In the words of which exporters it asks what follows."""
    query: str | None = None
    ratio: Ratio | None = None
    volume: Volume | None = None
    differs: Mapping[str, Mapping[str, Declared]] = {}
    """By variant, parameters that have another default there."""


@cache
def load_presets() -> Mapping[str, Preset]:
    """All presets by name, read once."""
    texts = (
        entry.read_text(encoding="utf-8") for entry in files(__package__).iterdir() if entry.name.endswith(".yaml")
    )
    presets = (read_preset(text) for text in texts)
    return MappingProxyType({preset.name: preset for preset in sorted(presets, key=lambda preset: preset.name)})


def read_preset(text: str) -> Preset:
    """One preset. Raises ValidationError, or what YAML raises."""
    written = _PresetFile.model_validate(yaml.safe_load(text))
    variants = written.variants or _in_all_words(written)
    return Preset(
        name=written.name,
        variants={name: _variant(one, written.with_) for name, one in variants.items()},
        unhealthy=written.unhealthy,
        hold=written.for_,
        on_no_data=written.on_no_data,
        clears_after=written.clears_after,
        summary=written.summary,
        unit=written.unit,
        helps=written.helps,
        docs=_paragraphs(written.docs),
        doubts=_paragraphs(written.doubts),
        needs={name: one.needs for name, one in variants.items()},
        may_lack={name: one.may_lack for name, one in variants.items()},
        told_by={name: one.told_by for name, one in variants.items()},
        learn=Learning(written.learn.kind, written.learn.floor, written.learn.unless),
    )


def _paragraphs(text: str) -> str:
    """Each on one line."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))


def _in_all_words(written: _PresetFile) -> Mapping[str, _Variant]:
    """A variant for each exporter of its vocabulary."""
    return {
        name: _in_words(written, words, written.differs.get(name, {}))
        for name, words in vocabulary(written.vocabulary or "").items()
    }


def _in_words(written: _PresetFile, words: Words, other: Mapping[str, Declared]) -> _Variant:
    edges = [name for name, one in written.with_.items() if one.type is ParameterType.EDGE]
    return _Variant.model_construct(
        told_by=words.told_by,
        needs=words.needs,
        with_={**words.with_, **other},
        times=dict.fromkeys(edges, words.per_second),
        **_said(written, words.say),
    )


def _said(written: _PresetFile | _Variant, say: Callable[[str], str]) -> dict[str, Any]:
    """What is asked, its text said otherwise."""
    volume = written.volume
    return {
        "query": say(written.query) if written.query else None,
        "ratio": Ratio(of=say(written.ratio.of), in_=say(written.ratio.in_)) if written.ratio else None,
        "volume": volume.model_copy(update={"query": say(volume.query or "")}) if volume else None,
    }


def _variant(written: _Variant, of_all: Mapping[str, Declared]) -> Variant:
    kinds: Iterable[WorkloadKind] = written.queries or WorkloadKind
    return Variant(
        asked={kind: _asked(written, kind) for kind in kinds},
        parameters={
            name: Parameter(one.type, one.means, one.default) for name, one in {**of_all, **written.with_}.items()
        },
        times=written.times,
    )


_SCALED_TO_ZERO = {
    WorkloadKind.DEPLOYMENT: "kube_deployment_status_replicas",
    WorkloadKind.STATEFUL_SET: "kube_statefulset_status_replicas",
    WorkloadKind.DAEMON_SET: "kube_daemonset_status_current_number_scheduled",
}
_ON_DEAD_NODES = (
    'count(count by (node) (kube_pod_info{namespace="$namespace", pod=~"$pods", node!=""}'
    ' and on (node) kube_node_status_condition{condition="Ready", status="true"} == 0))'
)


def _asked(written: _Variant, kind: WorkloadKind) -> Asked:
    def of_kind(text: str) -> str:
        label = kind.lower()
        none = f'0 * max({_SCALED_TO_ZERO[kind]}{{namespace="$namespace", {label}="$target"}} == 0)'
        filled = text.replace("$scaledToZero", none).replace("$onDeadNodes", _ON_DEAD_NODES)
        return filled.replace("$kind", label)

    if written.queries:
        written = written.model_copy(update={"query": written.queries[kind]})
    return Asked(**_said(written, of_kind))
