"""`salus status` as text, from its document alone: at most 80 columns, and 24 lines for a policy in full."""

from collections.abc import Iterator
from datetime import datetime

from rich.console import RenderableType
from rich.text import Text

from salus.cli.marks import State, state_of
from salus.cli.plot import sparkline
from salus.cli.reports.status import CheckLine, Happening, PolicyDetail, PolicyLine, StatusReport
from salus.cli.show import Screen, facts, indented, left_out, plain, table
from salus.model.scalars import format_duration

_LAST = "LAST 30m"


def text(report: StatusReport, screen: Screen) -> Iterator[RenderableType]:
    """Each detail if there are some, else the list."""
    if report.details:
        for index, detail in enumerate(report.details):
            if index:
                yield ""
            yield from _detail(detail, report.at, screen)
    else:
        yield from _list(report, screen)
    yield from left_out(report)


def _list(report: StatusReport, screen: Screen) -> Iterator[RenderableType]:
    where = report.namespace or "all namespaces"
    on = f" on {report.cluster}" if report.cluster else ""
    yield f"{where}{on}, {screen.heading(report.at)}"
    if not report.policies:
        yield "no policies" + (": look in all namespaces with -A" if report.namespace else "")
        return
    yield _counts(report)
    yield ""
    everywhere = ["NAMESPACE"] if not report.namespace else []
    rows = table(*everywhere, "NAME", "TARGET", "HEALTH", "MODE", "SINCE", "NOW")
    for policy in report.policies:
        rows.add_row(*([policy.namespace] if not report.namespace else []), *_row(policy, report.at, screen))
    yield rows
    yield from _next(report)


def _counts(report: StatusReport) -> str:
    words = [f"{report.healthy} healthy", f"{report.unhealthy} unhealthy", f"{report.unknown} unknown"]
    quiet = [f"{report.quiet} quiet"] if report.quiet else []
    asked = f"; {report.questions} wait{'s' if report.questions == 1 else ''} for an answer" if report.questions else ""
    return f"{report.total} policies: {', '.join([*words, *quiet])}{asked}"


def _row(policy: PolicyLine, at: datetime, screen: Screen) -> Iterator[RenderableType]:
    yield policy.name
    yield policy.target
    yield _health(policy.health, screen)
    yield policy.mode
    yield format_age(at, policy.since)
    yield _happening(policy.now, screen)


def _health(word: str, screen: Screen) -> Text:
    state = state_of(word)
    return screen.mark(state, word) if state else screen.mark(State.UNKNOWN, "not judged")


def _happening(now: Happening, screen: Screen) -> Text:
    words = plain(now.text)
    return screen.mark(now.state, words) if now.state else Text(words)


def _next(report: StatusReport) -> Iterator[str]:
    """The commands that a person is likely to want next."""
    ill = next((one for one in report.policies if one.health in {"Unhealthy", "Unknown"}), None)
    if ill is not None:
        yield ""
        yield f"salus status {ill.name} -n {ill.namespace}"


def format_age(now: datetime, since: datetime | None) -> str:
    """How long ago, by its largest unit: `6d`, `4m`; empty: nobody knows."""
    if since is None:
        return ""
    seconds = max(int((now - since).total_seconds()), 0)
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _detail(detail: PolicyDetail, at: datetime, screen: Screen) -> Iterator[RenderableType]:
    yield facts(_head(detail, at, screen))
    yield _checks(detail, at, screen)
    if detail.recent_left_out:
        yield indented(f"{_LAST} is left out: {plain(detail.recent_left_out)}")
    if detail.ladder:
        yield "Ladder"
        yield _ladder(detail, screen)
    yield facts(
        [
            ("Limits", detail.limits),
            ("Held", detail.held),
            ("Says", detail.message),
            ("Blame", detail.blame),
            ("Last", detail.last),
        ]
    )


def _head(detail: PolicyDetail, at: datetime, screen: Screen) -> Iterator[tuple[str, RenderableType]]:
    one = detail.line
    how = f"mode {one.mode}, every {format_duration(detail.interval)}, source {detail.source}"
    yield "Policy", f"{one.namespace}/{one.name}, {how}, generation {detail.generation}"
    if detail.judged_generation < detail.generation:
        yield "", screen.mark(State.WARNING, f"Salus has not judged generation {detail.generation} yet")
    if detail.problem:
        yield "", screen.mark(State.BAD, plain(detail.problem))
    parts = [one.target, detail.targets, detail.replicas, f"release {detail.release}" if detail.release else ""]
    yield "Target", ", ".join(filter(None, parts))
    incident = f"   incident {detail.incident}, {detail.phase}" if detail.incident else ""
    lasted = f" for {format_age(at, one.since)}" if one.since else ""
    yield "Health", _health(one.health, screen) + f"{lasted}{incident}"


def _checks(detail: PolicyDetail, at: datetime, screen: Screen) -> RenderableType:
    rows = table("", "CHECK", "VALUE", "BOUND", "FOR", "SINCE", _LAST if _is_drawn(detail) else "WHY")
    for check in detail.checks:
        state = state_of(check.verdict)
        mark = screen.mark(state) if state else Text("")
        hold = format_duration(check.hold) if check.hold is not None else ""
        said = "\n".join(_said(check, is_drawn=_is_drawn(detail), screen=screen))
        rows.add_row(mark, check.name, check.value, check.bound, hold, format_age(at, check.since), said)
    return indented(rows)


def _is_drawn(detail: PolicyDetail) -> bool:
    return any(check.course is not None for check in detail.checks)


def _said(check: CheckLine, *, is_drawn: bool, screen: Screen) -> Iterator[str]:
    """How it came to be so, and why; where values are drawn, these say why a check is Unhealthy."""
    if check.course is not None:
        drawn = sparkline(check.course.tops or check.course.values, signs=screen.signs)
        yield drawn.rstrip() or "nothing"
    if check.verdict not in {"", "Healthy", *({"Unhealthy"} if is_drawn else ())}:
        yield plain(check.message)


def _ladder(detail: PolicyDetail, screen: Screen) -> RenderableType:
    rows = table("", "", "")
    for rung in detail.ladder:
        rows.add_row(rung.name, rung.action, _happening(rung.now, screen))
    return indented(rows)
