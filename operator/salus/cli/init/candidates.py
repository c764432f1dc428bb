"""Which presets may be asked of a workload, in which vocabulary, with which parameters.

Nothing here knows a preset by its name: what the library has, and some series may answer, is a candidate. Whether it is
answered is found out by asking.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime

from salus.cli.init.anchors import Anchor
from salus.cli.init.discovery import LATELY, Known
from salus.cli.init.probes import doubt
from salus.cli.init.surroundings import Surroundings
from salus.cli.init.vocabularies import Vocabulary, nearness, of_variant
from salus.cli.metrics.ask import Metrics, Window
from salus.core.learn.proposal import LeftOut
from salus.core.policy import promql
from salus.core.policy.signals import Parameter, ParameterType, Variant, written
from salus.model.meta import WorkloadKind
from salus.model.policy import Check
from salus.model.values.metrics import Error
from salus.presets import Preset
from salus.sources.reply import Labels

METRIC = "metric"
EDGE_LABEL = "le"
_STATUS = re.compile(r"[1-5]([0-9]{2}|xx|XX)")
_PREFERRED = ("failures", "slow", "latency", "fixed", "saturation", "level")
"""Kinds of learning, in the order of the checks of a policy."""
_LONGEST_NAME = 63
_NUMBERS = frozenset({ParameterType.NUMBER, ParameterType.EDGE, ParameterType.SHARE})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A preset in one of its variants."""

    preset: Preset
    variant: str
    vocabulary: Vocabulary
    anchor: Anchor
    names: Set[str]
    """Of metrics that are tied by this anchor."""
    given: Mapping[str, str] = field(default_factory=dict)
    """Parameters that are not as the preset has them."""
    doubts: Sequence[str] = ()
    """What a person should look at."""
    unusable: LeftOut | None = None
    """Why its series cannot answer."""

    @property
    def name(self) -> str:
        """Of the check."""
        return check_name(self.preset.name)

    @property
    def words(self) -> Variant:
        """What it asks."""
        return self.preset.variants[self.variant]

    def with_(self, **given: str) -> "Candidate":
        """The same with more parameters; such as are the default are not said, unless they are already."""
        parameters = self.words.parameters
        said = {key: one for key, one in given.items() if key in self.given or one != parameters[key].default}
        return replace(self, given={**self.given, **said})

    def saying(self, name: str, value: str) -> "Candidate":
        """The same with one more parameter, which is said even if it is the default."""
        return replace(self, given={**self.given, name: value})

    def check(self, **fields: object) -> dict[str, object]:
        """As a policy has it; `fields`: by their names in YAML."""
        said: dict[str, object] = {"name": self.name, "preset": self.preset.name}
        if len(self.preset.variants) > 1:
            said["variant"] = self.variant
        if self.given:
            said["with"] = dict(self.given)
        return {**said, **fields}

    def lacks(self) -> LeftOut | None:
        """Why it need not be asked: its series lack something, or nobody but the policy's author knows it."""
        if self.unusable is not None:
            return self.unusable
        for name, one in self.words.parameters.items():
            if one.default is None and name not in self.given:
                return LeftOut("NeedsParameter", f"needs {name}: {one.means}")
        return None


def check_name(preset: str) -> str:
    """PodsCrashLooping → `crash-looping`."""
    words = re.findall(r"[A-Z][a-z0-9]*", preset)
    return "-".join(words[1:] if words[0] == "Pods" and len(words) > 1 else words).lower()[:_LONGEST_NAME]


def order(candidate: Candidate) -> tuple[int, str, int]:
    """Requests first, each preset's nearest vocabulary before its others."""
    return (
        _PREFERRED.index(candidate.preset.learn.kind),
        candidate.preset.name,
        nearness(candidate.vocabulary),
    )


def candidates(presets: Mapping[str, Preset], known: Known, kind: WorkloadKind) -> list[Candidate]:
    """All that some series may answer, in the order of their checks."""
    found = [
        one
        for preset in presets.values()
        for variant in preset.variants
        if kind in preset.variants[variant].asked and (one := _candidate(preset, variant, known, kind)) is not None
    ]
    return sorted(found, key=order)


def _candidate(preset: Preset, variant: str, known: Known, kind: WorkloadKind) -> Candidate | None:
    words, vocabulary = preset.variants[variant], of_variant(variant)
    anchors = [anchor for anchor in vocabulary.anchors if known.at(anchor)]
    for anchor in anchors:
        labels = {key: label for key, label in anchor.labels.items() if key in words.parameters}
        names = known.at(anchor) if labels else {name for one in anchors for name in known.at(one)}
        candidate = Candidate(preset, variant, vocabulary, anchor, names)
        metric = _metric(candidate, words.parameters.get(METRIC))
        if metric is None:
            continue
        candidate = candidate.with_(**labels, **({METRIC: metric} if metric else {}))
        if any(name in names for name in metrics_of(candidate, kind)):
            return candidate
    return None


def _metric(candidate: Candidate, parameter: Parameter | None) -> str | None:
    """The metric, or the beginning of its names, that is there; empty: it is not asked for; None: there is none."""
    if parameter is None:
        return ""
    choices = candidate.vocabulary.instead_of(parameter.default or "")
    return next((one for one in choices if one and any(_begins(name, one) for name in candidate.names)), None)


def _begins(name: str, metric: str) -> bool:
    return name == metric or name.startswith(f"{metric}_")


def metrics_of(candidate: Candidate, kind: WorkloadKind) -> list[str]:
    """The names of the metrics that it reads."""
    return [name for text in _texts(candidate, kind) for name in promql.names(promql.tree(text))]


def _texts(candidate: Candidate, kind: WorkloadKind) -> Iterator[str]:
    """Its queries, of which a parameter that must be given is not yet known."""
    needed = {name: one.type for name, one in candidate.words.parameters.items() if one.default is None}
    blanks = {name: "0.5" if kind_ in _NUMBERS else "x" for name, kind_ in needed.items()}
    check = Check.parse(candidate.with_(**{**blanks, **candidate.given}).check(unhealthy={"above": 0}))
    meant = written(check, kind, candidate.preset, {})
    parts = (meant.query, meant.ratio.in_ if meant.ratio else None, meant.ratio.of if meant.ratio else None)
    yield from (text for text in parts if text)


@dataclass(frozen=True, slots=True)
class Details:
    """Fills in what only the labels of series tell."""

    metrics: Metrics
    around: Surroundings
    now: datetime
    _series: dict[tuple[str, str], "asyncio.Task[Sequence[Labels]]"] = field(default_factory=dict)

    async def of(self, candidate: Candidate) -> Candidate:
        """The candidate with all parameters that can be told."""
        parameters, vocabulary = candidate.words.parameters, candidate.vocabulary
        asked = {*vocabulary.labels, *vocabulary.values} & set(parameters)
        if not asked:
            return candidate
        series = await self._of_its_metric(candidate)
        given: dict[str, str] = {}
        for name in asked & set(vocabulary.labels):
            if not (label := _label(series, vocabulary.labels[name])):
                return replace(candidate, unusable=_no_status(series))
            given[name] = label
        doubts: list[str] = []
        for name in asked & set(vocabulary.values):
            value, others = self._value(candidate, series, name)
            given |= {name: value} if value else {}
            doubts += [f"{name}: also {', '.join(others)}"] if others else []
        if candidate.preset.learn.kind == "failures":
            doubts += filter(None, [await self._of_probes(candidate, series)])
        return replace(candidate.with_(**given), doubts=tuple(doubts))

    async def _of_probes(self, candidate: Candidate, series: Sequence[Labels]) -> str:
        return await doubt(self.metrics, self._metric(candidate), candidate.anchor.selector(self.around), series)

    def _metric(self, candidate: Candidate) -> str:
        return next(name for name in metrics_of(candidate, self.around.key.kind) if name in candidate.names)

    def _value(self, candidate: Candidate, series: Sequence[Labels], name: str) -> tuple[str, Sequence[str]]:
        """What a parameter is that is the value of a label, and what else it might be."""
        label, preferred = candidate.vocabulary.values[name]
        if label.startswith("$"):
            parameter = candidate.words.parameters[label[1:]]
            label = candidate.given.get(label[1:], parameter.default or "")
        there = sorted({one[label] for one in series if one.get(label)})
        if preferred:
            return next((one for one in preferred if one in there), ""), ()
        values = [self._bare(one) for one in there]
        return (values[0], values[1:]) if values else ("", ())

    def _bare(self, value: str) -> str:
        """As a preset takes it: Traefik's `shop-checkout-80@kubernetes` is `checkout-80`."""
        return value.partition("@")[0].removeprefix(f"{self.around.key.namespace}-") if "@" in value else value

    async def _of_its_metric(self, candidate: Candidate) -> Sequence[Labels]:
        metric = self._metric(candidate)
        key = metric, candidate.anchor.name
        if key not in self._series:
            self._series[key] = asyncio.ensure_future(self._ask(metric, candidate.anchor))
        return await self._series[key]

    async def _ask(self, metric: str, anchor: Anchor) -> Sequence[Labels]:
        found = await self.metrics.series(f"{metric}{anchor.selector(self.around)}", Window.before(self.now, LATELY))
        return () if isinstance(found, Error) else found.items


def _label(series: Sequence[Labels], choices: Sequence[str]) -> str:
    """The first of these labels whose values are statuses."""
    for label in choices:
        values = {one[label] for one in series if one.get(label)}
        if values and all(_STATUS.fullmatch(value) for value in values):
            return label
    return ""


def _no_status(series: Sequence[Labels]) -> LeftOut:
    there = ", ".join(sorted({label for one in series for label in one} - {"__name__"}))
    return LeftOut("NoStatus", f"no label of its requests is a status; there are {there or 'none'}")


def edge_of(candidate: Candidate) -> str:
    """Its parameter that is the edge of a bucket; empty: it has none."""
    return next(
        (name for name, one in candidate.words.parameters.items() if one.type is ParameterType.EDGE),
        "",
    )


def range_of(candidate: Candidate) -> str:
    """Its parameter that says how far back rates look; empty: it has none."""
    return next(
        (name for name, one in candidate.words.parameters.items() if one.type is ParameterType.RANGE),
        "",
    )
