"""`salus version` as text."""

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from salus.cli.marks import State
from salus.cli.reports.version import CrdsLine, OperatorLine, VersionReport
from salus.cli.show import Screen, facts, indented, left_out, plain

_MOST = 12
"""Fields that are named; the document has them all."""
_ANSWERS = {
    "Yes": (State.GOOD, "they fit"),
    "No": (State.BAD, "they do not fit"),
    "Unknown": (State.UNKNOWN, "whether they fit is not known"),
}


def text(report: VersionReport, screen: Screen) -> Iterator[RenderableType]:
    """The program, what is in the cluster, and the answer."""
    commit = f" (commit {report.program.commit})" if report.program.commit else ""
    rows: list[tuple[str, RenderableType]] = [("Program", f"{report.program.version}{commit}")]
    if report.crds is not None:
        rows += [("Cluster", report.cluster), *_operators(report, screen), ("CRDs", _crds(report.crds, screen))]
    yield facts(rows)
    if answer := _ANSWERS.get(report.fits):
        yield ""
        yield screen.mark(*answer)
    yield from left_out(report)


def _operators(report: VersionReport, screen: Screen) -> Iterable[tuple[str, RenderableType]]:
    if not report.operators:
        return [("Operator", "none was seen")]
    return [("Operator", _operator(one, screen)) for one in report.operators]


def _operator(one: OperatorLine, screen: Screen) -> RenderableType:
    head = screen.mark(one.state, plain(one.version or "version unknown"))
    lines: list[RenderableType] = [head, plain(f"{one.namespace}/{one.name}, {one.image}")]
    return Group(*lines, *([Text(one.message)] if one.message else []))


def _crds(crds: CrdsLine, screen: Screen) -> RenderableType:
    lists = [*_named("not in the CRDs", crds.lacking), *_named("not in this program", crds.not_known)]
    return Group(screen.mark(crds.state, crds.message), *lists)


def _named(title: str, names: Sequence[str]) -> Iterator[RenderableType]:
    if names:
        yield f"{title}:"
        yield from (indented(plain(name)) for name in names[:_MOST])
    if len(names) > _MOST:
        yield indented(f"and {len(names) - _MOST} more: -o json")
