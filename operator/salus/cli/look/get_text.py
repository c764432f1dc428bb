"""`salus get` as text."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from rich.console import RenderableType

from salus.cli.look import preset_answers
from salus.cli.reports.listing import PresetLine, PresetList, ReasonLine, ReasonList, ReleaseList, VariantLine
from salus.cli.show import Screen, facts, left_out, table
from salus.model.scalars import format_duration

_LINK = re.compile(r"\[([^]]+)\]\(([^)#]*)(#[^)]*)?\)")


def cells(rows: Iterable[Iterable[str]]) -> RenderableType:
    """A table whose first row has the titles."""
    titles, *rest = (list(row) for row in rows)
    found = table(*titles)
    for row in rest:
        found.add_row(*row)
    return found


def releases(report: ReleaseList, screen: Screen) -> Iterator[RenderableType]:
    """Newest first; the zone stands in the title."""
    found = table("RELEASE", "IMAGE", f"BEGAN {screen.local(report.at).tzname()}", "HEALTHY", "STATE")
    for one in report.items:
        began = _day(one.began, screen) if one.began else ""
        healthy = f"{format_duration(report.at - one.healthy_at)} ago" if one.healthy_at else ""
        stands = screen.mark(one.state, one.stands) if one.state else one.stands
        found.add_row(one.release, "\n".join(_short_image(image) for image in one.images), began, healthy, stands)
    yield found
    yield from left_out(report)


def _day(moment: datetime, screen: Screen) -> str:
    local = screen.local(moment)
    return f"{local.day} {local:%b %H:%M}"


def _short_image(image: str) -> str:
    """Without its registry, and with the beginning of a digest."""
    name, _, digest = image.rpartition("/")[2].partition("@sha256:")
    return f"{name}@{digest[:10]}" if digest else name


def presets(report: PresetList, screen: Screen) -> Iterator[RenderableType]:
    """One in full, or one line each."""
    if report.prometheus is not None:
        yield from preset_answers.text(report, screen)
    if len(report.items) == 1:
        yield from _preset(report.items[0])
    if report.prometheus is not None or len(report.items) == 1:
        return
    rows = [(one.name, one.bound or "yours", one.hold, one.summary) for one in report.items]
    yield cells([("NAME", "UNHEALTHY", "FOR", "QUESTION"), *rows])


def _preset(one: PresetLine) -> Iterator[RenderableType]:
    yield facts(
        [
            ("Preset", f"{one.name}: {one.summary}"),
            ("Kinds", ", ".join(one.kinds)),
            ("Unit", one.unit),
            ("Bound", f"unhealthy {one.bound or '(the policy says it)'} for {one.hold}"),
            ("Helps", ", ".join(one.helps)),
        ]
    )
    yield ""
    yield one.docs
    if one.doubts:
        yield ""
        yield f"Doubts: {one.doubts}"
    for variant in one.variants:
        yield from _variant(variant)


def _variant(one: VariantLine) -> Iterator[RenderableType]:
    yield ""
    told = [("Variant", f"{one.name}: {one.told_by}"), ("Needs", ", ".join(one.needs))]
    yield facts([*told, ("Reads", ", ".join(one.may_lack)), *_parameters(one)])
    for query, kinds in one.kinds_of().items():
        yield ""
        yield f"{', '.join(kinds)}:"
        yield query


def _parameters(one: VariantLine) -> Iterator[tuple[str, str]]:
    for index, told in enumerate(one.parameters):
        default = "needed" if told.default is None else f"default {told.default}"
        yield ("With" if index == 0 else ""), f"{told.name} ({told.type}, {default}): {told.means}"


_GROUPS: Mapping[str, str] = {
    "guard": "a guard objects",
    "plan": "a remedy cannot be planned",
    "check": "of a check",
}


def reasons(report: ReasonList, screen: Screen) -> Iterator[RenderableType]:
    """One in full, or one line each."""
    if len(report.items) == 1:
        yield from reason(report.items[0], screen)
        return
    yield cells([("REASON", "THEN", "MEANS"), *((one.name, one.then, plain_text(one.means)) for one in report.items)])


def reason(one: ReasonLine, _: Screen) -> Iterator[RenderableType]:
    """What a word means, what follows, and what to do."""
    anchor = {"guard": "a-guard-objects", "plan": "a-remedy-cannot-be-planned", "check": "reasons-of-a-check"}
    yield facts(
        [
            (one.name, f"{_GROUPS[one.group]}{f' ({one.of})' if one.of else ''}"),
            ("Means", plain_text(one.means)),
            ("Then", plain_text(one.then)),
            ("Do", plain_text(one.do)),
            ("Read", f"docs/reference/records.md#{anchor[one.group]}"),
        ]
    )


def plain_text(markdown: str) -> str:
    """A sentence of a document without its marks."""
    return _LINK.sub(r"\1", markdown).replace("`", "")
