"""The page on presets, written from their files: `python -m tools.presets_page > docs/reference/presets.md`.

A test holds the page to what this says.
"""

import sys
from collections.abc import Iterator
from textwrap import wrap

from salus.cli.look.catalogs import line_of
from salus.cli.reports.listing import ParameterLine, PresetLine, VariantLine
from salus.presets import load_presets

_HEAD = """# Presets

<!-- Written from the files of presets by `python -m tools.presets_page`; a test fails when it is not current. -->

Checks that Salus brings along. A policy names one (`preset: NotReady`), its `variant` where there are several, and in
`with` what the preset cannot know; `unhealthy`, `for` and the like may be set to override it
([how](policies.md#presets)). `salus get presets NAME` shows the same, `salus get presets --check` which of them your
Prometheus can answer.

*Helps* are the remedies that can mend what it tells; `notify` is always one. *Needs* are the metrics without which
there is no answer, for those kinds of workload that ask for them; *reads also* are such as may be absent. In queries
`$namespace`, `$target` and `$pods` are the workload, and other words with `$` are parameters.

| preset | question | kinds | unhealthy | for | helps |
| --- | --- | --- | --- | --- | --- |
"""
_ALL_KINDS = 3


def presets_page() -> str:
    """All of it."""
    lines = [line_of(preset) for preset in load_presets().values()]
    return _HEAD + "".join(f"{row}\n" for row in map(_row, lines)) + "\n" + "\n".join(map(_section, lines))


def _row(one: PresetLine) -> str:
    kinds = "all" if len(one.kinds) == _ALL_KINDS else ", ".join(one.kinds)
    cells = (
        f"[{one.name}](#{one.name.lower()})",
        one.summary,
        kinds,
        one.bound or "the policy says it",
        one.hold,
        ", ".join(one.helps),
    )
    return f"| {' | '.join(cells)} |"


def _section(one: PresetLine) -> str:
    return "\n".join(_lines(one)) + "\n"


def _lines(one: PresetLine) -> Iterator[str]:
    yield from (f"## {one.name}", "", f"{one.summary}. In: {one.unit}.", "", *_prose(one.docs))
    if one.doubts:
        yield from ("", *_prose(f"**Doubts.** {one.doubts}"))
    if one.clears_after:
        yield from ("", f"It falls within {one.clears_after} of an action that replaces the pods.")
    for variant in one.variants:
        yield from _variant(variant, is_only=len(one.variants) == 1)


def _prose(text: str) -> Iterator[str]:
    """In lines of a document."""
    for index, paragraph in enumerate(text.split("\n\n")):
        yield from [""] if index else []
        yield from wrap(paragraph, 120, break_long_words=False, break_on_hyphens=False)


def _variant(one: VariantLine, *, is_only: bool) -> Iterator[str]:
    if not is_only:
        yield from ("", f"### {one.name}")
    yield from ("", f"Told by {one.told_by}.", "", *_prose(f"Needs {_code(one.needs)}.{_also(one)}"))
    if one.parameters:
        yield from (
            "",
            "| with | type | default | means |",
            "| --- | --- | --- | --- |",
            *map(_parameter, one.parameters),
        )
    for query, kinds in one.kinds_of().items():
        of_kinds = "" if len(kinds) == _ALL_KINDS else f"{', '.join(kinds)}:\n\n"
        yield from ("", f"{of_kinds}```promql\n{query}\n```")


def _also(one: VariantLine) -> str:
    return f" Reads also {_code(one.may_lack)}." if one.may_lack else ""


def _parameter(one: ParameterLine) -> str:
    default = "*needed*" if one.default is None else f"`{one.default}`"
    means = one.means.replace("|", "\\|")
    return f"| `{one.name}` | {one.type} | {default} | {means} |"


def _code(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    sys.stdout.write(presets_page())
