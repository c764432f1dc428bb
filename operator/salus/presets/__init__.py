"""The signal library: checks that Salus brings along, over the series of kube-state-metrics.

Each preset is one YAML file beside this one, pure data. What an empty answer means is part of its query: where "none"
is good news the query answers 0, but only as long as kube-state-metrics is there to say so; without it the answer stays
empty, and the check is Unknown. kube-state-metrics must be scraped with `honor_labels`, as its charts do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated

import yaml
from pydantic import Field

from salus.core.policy.compile import Signal
from salus.model.meta import WorkloadKind
from salus.model.policy import Threshold, Verdict
from salus.model.scalars import Duration, LongText, Resource, ShortText


@dataclass(frozen=True, slots=True)
class Preset(Signal):
    """A signal, and what a person wants to know of it."""

    summary: str
    docs: str
    needs: tuple[str, ...]
    """Names of the metrics without which it cannot answer."""


class _PresetFile(Resource):
    """One file of the library as it is written."""

    name: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]+$")]
    summary: ShortText
    queries: Annotated[Mapping[WorkloadKind, str], Field(min_length=1)]
    unhealthy: Threshold
    for_: Annotated[Duration, Field(alias="for")]
    on_no_data: Verdict = Verdict.UNKNOWN
    needs: Annotated[tuple[str, ...], Field(min_length=1)]
    docs: LongText


@cache
def load_presets() -> Mapping[str, Preset]:
    """All presets by name, read once."""
    texts = (
        entry.read_text(encoding="utf-8") for entry in files(__package__).iterdir() if entry.name.endswith(".yaml")
    )
    presets = (_preset(text) for text in texts)
    return MappingProxyType({preset.name: preset for preset in sorted(presets, key=lambda preset: preset.name)})


def _preset(text: str) -> Preset:
    written = _PresetFile.model_validate(yaml.safe_load(text))
    return Preset(
        name=written.name,
        queries=written.queries,
        unhealthy=written.unhealthy,
        hold=written.for_,
        on_no_data=written.on_no_data,
        summary=written.summary,
        docs=written.docs.strip(),
        needs=written.needs,
    )
