"""`salus get` of what Salus brings along: presets and reasons. Neither a cluster nor a network is needed."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from salus.cli.contract import CannotBeAsked
from salus.cli.names import resembling
from salus.cli.reports.listing import (
    ParameterLine,
    PresetLine,
    PresetList,
    ReasonLine,
    ReasonList,
    VariantLine,
)
from salus.core.policy.signals import Asked
from salus.model.scalars import format_duration
from salus.presets import Preset, load_presets
from salus.reasons import load_reasons


def presets(names: Sequence[str], now: datetime) -> PresetList:
    """Those of these names, or all. Raises CannotBeAsked."""
    items = [line_of(one) for one in load_presets().values()]
    return PresetList(at=now, items=tuple(_chosen(names, items, "preset")))


def line_of(one: Preset) -> PresetLine:
    """All that people may want to know of a preset."""
    return PresetLine(
        name=one.name,
        summary=one.summary,
        unit=one.unit,
        kinds=tuple(kind.value for kind in one.kinds),
        bound=str(one.unhealthy) if one.unhealthy else None,
        hold=format_duration(one.hold),
        helps=one.helps,
        clears_after=format_duration(one.clears_after) if one.clears_after else "",
        docs=one.docs,
        doubts=one.doubts,
        variants=tuple(_variant(one, name) for name in one.variants),
    )


def _variant(preset: Preset, name: str) -> VariantLine:
    variant = preset.variants[name]
    parameters = variant.parameters.items()
    return VariantLine(
        name=name,
        told_by=preset.told_by[name],
        needs=preset.needs[name],
        may_lack=preset.may_lack[name],
        parameters=tuple(
            ParameterLine(name=key, type=one.type, means=one.means, default=one.default) for key, one in parameters
        ),
        queries={kind.value: _text(asked) for kind, asked in variant.asked.items()},
    )


def _text(asked: Asked) -> str:
    """As its author wrote it."""
    parts = {"of": asked.ratio.of, "in": asked.ratio.in_} if asked.ratio else {"": asked.query or ""}
    if asked.volume is not None and asked.volume.query:
        parts["volume"] = asked.volume.query
    return "\n".join(f"# {name}\n{text.strip()}" if name else text.strip() for name, text in parts.items())


def reasons(names: Sequence[str], now: datetime) -> ReasonList:
    """Those of these names, or all. Raises CannotBeAsked."""
    items = [
        ReasonLine(name=name, group=one.group.value, means=one.means, then=one.then, do=one.do, of=one.of)
        for name, one in load_reasons().items()
    ]
    return ReasonList(at=now, items=tuple(_chosen(names, items, "reason")))


T = TypeVar("T", PresetLine, ReasonLine)


def _chosen(names: Sequence[str], items: Sequence[T], kind: str) -> list[T]:
    there = {item.name: item for item in items}
    for name in names:
        if name not in there:
            near = resembling(name, there)
            facts = [("like it", ", ".join(near))] if near else []
            raise CannotBeAsked(f'there is no {kind} "{name}"', facts, [f"salus get {kind}s"])
    return [there[name] for name in names] if names else list(items)
