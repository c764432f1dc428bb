"""`salus get presets --check`: which presets a source can answer, by the names of the metrics that it has.

A name is there or not within the last hour, whoever's it is: whether a workload has such series too only its policy
shows. Parameters are taken as they are by default.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta

from rich.console import RenderableType

from salus.cli.contract import CannotBeAsked
from salus.cli.marks import State
from salus.cli.metrics.ask import Metrics, Window
from salus.cli.metrics.opening import Found
from salus.cli.reports.listing import PresetLine, PresetList, VariantLine
from salus.cli.show import Screen, table
from salus.model.values.metrics import Error

LATELY = timedelta(hours=1)


async def answered(report: PresetList, found: Found) -> PresetList:
    """The same list, with what each preset lacks. Raises CannotBeAsked."""
    needed = {name for one in report.items for variant in one.variants for name in variant.needs}
    there = await _there(found.metrics, needed, Window.before(report.at, LATELY))
    items = tuple(
        one.model_copy(update={"variants": tuple(_checked(variant, there) for variant in one.variants)})
        for one in report.items
    )
    return report.model_copy(update={"items": items, "prometheus": found.report()})


async def _there(metrics: Metrics, needed: Collection[str], window: Window) -> Collection[str]:
    """Which of these names the source has; one request."""
    selector = f'{{__name__=~"{"|".join(sorted(needed))}"}}'
    given = await metrics.label_values("__name__", selector, window, limit=len(needed))
    if isinstance(given, Error):
        raise CannotBeAsked("Prometheus does not say which metrics it has", [("why", given.message)])
    return given.items


def _checked(variant: VariantLine, there: Collection[str]) -> VariantLine:
    lacks = {
        kind: tuple(name for name in _needs_of(variant, query) if name not in there)
        for kind, query in variant.queries.items()
    }
    return variant.model_copy(update={"lacks": lacks})


def _needs_of(variant: VariantLine, query: str) -> Iterator[str]:
    """What the query of one kind reads of the needs; a name that no query spells is made of a parameter."""
    for name in variant.needs:
        spelled = [text for text in variant.queries.values() if re.search(rf"\b{re.escape(name)}\b", text)]
        if query in spelled or not spelled:
            yield name


# --- as text


def text(report: PresetList, screen: Screen) -> Iterator[RenderableType]:
    """Whether each can be answered, and by what, or why not."""
    asked = report.prometheus
    assert asked is not None  # noqa: S101 — whoever calls has asked
    yield f"{asked.server or 'Prometheus'} at {asked.at}"
    if not asked.honors_labels:
        yield screen.mark(
            State.WARNING, "kube-state-metrics is scraped without honor_labels: its presets find no series"
        )
    yield ""
    found = table("NAME", "ANSWERS")
    for one in report.items:
        state, answers, lacks = _told(one)
        found.add_row(one.name, screen.mark(state, answers).append(f"\n  {lacks}" if lacks else ""))
    yield found


def _told(one: PresetLine) -> tuple[State, str, str]:
    whole = [variant for variant in one.variants if not any(_lacks(variant).values())]
    if whole:
        return State.GOOD, "yes" if len(one.variants) == 1 else f"as {', '.join(each.name for each in whole)}", ""
    part = [variant for variant in one.variants if not all(_lacks(variant).values())]
    if part:
        kinds = [kind for kind, lacks in _lacks(part[0]).items() if not lacks]
        return State.WARNING, f"of a {' or '.join(kinds)}", _words(part[0])
    return State.BAD, "no", _words(one.variants[0]) if len(one.variants) == 1 else "each variant lacks metrics"


def _lacks(variant: VariantLine) -> Mapping[str, tuple[str, ...]]:
    return variant.lacks or {}


def _words(variant: VariantLine) -> str:
    """The first of them; the document has all."""
    names = list(dict.fromkeys(name for lacks in _lacks(variant).values() for name in lacks))
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"without {names[0]}{more}"
