"""`salus get` of what Salus brings along: presets and reasons. Neither a cluster nor a network is needed."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from salus.cli.contract import CannotBeAsked
from salus.cli.names import resembling
from salus.cli.reports.listing import PresetLine, PresetList, ReasonLine, ReasonList
from salus.model.scalars import format_duration
from salus.presets import load_presets
from salus.reasons import load_reasons


def presets(names: Sequence[str], now: datetime) -> PresetList:
    """Those of these names, or all. Raises CannotBeAsked."""
    there = load_presets()
    items = [
        PresetLine(
            name=one.name,
            summary=one.summary,
            kinds=tuple(kind.value for kind in one.queries),
            bound=str(one.unhealthy),
            hold=format_duration(one.hold),
            docs=one.docs,
            needs=one.needs,
            queries={kind.value: query for kind, query in one.queries.items()},
        )
        for one in there.values()
    ]
    return PresetList(at=now, items=tuple(_chosen(names, items, "preset")))


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
