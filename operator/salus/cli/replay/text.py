"""`salus replay` for people; from its document alone."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from rich.console import RenderableType
from rich.text import Text

from salus.cli.plot import sparkline
from salus.cli.reports.replay import Breach, ReplayedCheck, ReplayReport, Sweep, WouldHave
from salus.cli.show import Screen, left_out, plain, table
from salus.cli.spans import span
from salus.model.scalars import format_duration

_BARS = 40
"""Columns of a line of bars."""
_NAME = 16
_MOST_CHECKS = 16
_MOST_POLICIES = 5
_MOST_GAPS = 5


def text(report: ReplayReport, screen: Screen) -> Iterator[RenderableType]:
    """The breaches, the checks over time, what is not known, and what it comes to."""
    yield from heading(report, screen)
    yield ""
    if report.comparison is not None:
        yield from _compared(report, screen)
    else:
        if report.breaches:
            yield _table(report, screen)
            yield ""
        yield from _bars(report.checks, screen)
    yield from unknown(report, screen)
    yield difference(report) if report.comparison is not None else summary(report)
    for sweep in report.sweeps:
        yield ""
        yield from swept(sweep, several=len(report.policies) > 1)
    yield from left_out(report)


def heading(report: ReplayReport, screen: Screen) -> Iterator[str]:
    """Which policies, and over which time."""
    for one in report.policies[:_MOST_POLICIES]:
        targets = ", ".join(one.targets[:3]) or "no workload"
        mode = f"as if mode {one.mode}"
        yield f"{one.namespace}/{one.name}, {targets}, every {format_duration(one.interval)}, {mode}"
    if (more := len(report.policies) - _MOST_POLICIES) > 0:
        yield f"and {more} policies more"
    yield f"{times(report.begins, report.ends, screen)}{_asked_for(report)}"


def times(begins: datetime, ends: datetime, screen: Screen) -> str:
    """`15 Nov 19:12 to 30 Nov 19:12 CET`."""
    return f"{day(begins, screen)} to {screen.heading(ends)}"


def day(moment: datetime, screen: Screen) -> str:
    """`15 Nov 19:12`."""
    local = screen.local(moment)
    return f"{local.day} {local:%b %H:%M}"


def _asked_for(report: ReplayReport) -> str:
    if report.asked_for - (report.ends - report.begins) < timedelta(minutes=1):
        return ""
    kept = report.prometheus.kept if report.prometheus is not None else None
    keeps = f"; Prometheus keeps {span(kept)}" if kept is not None else ""
    return f" (asked for {span(report.asked_for)}{keeps})"


# --- the breaches


def _table(report: ReplayReport, screen: Screen) -> RenderableType:
    several = len({(one.namespace, one.policy, one.target) for one in report.checks}) > 1
    found = table("#", "BEGAN", "BECAUSE", "IT WOULD HAVE", "WHAT HAPPENED THEN", folds=("BECAUSE", "IT WOULD HAVE"))
    for one in report.breaches:
        because = f"{one.policy}: {because_of(one)}" if several else because_of(one)
        told = Text("\n").join(did(one, screen))
        found.add_row(str(one.number), day(one.began, screen), plain(because), told, plain(then(one, screen)))
    return found


def because_of(breach: Breach) -> str:
    """`error-ratio 0.31 > 0.05`."""
    sign, _, bound = breach.bound.partition(" ")
    return f"{breach.check} {breach.value} {'>' if sign == 'above' else '<'} {bound}"


def did(breach: Breach, screen: Screen) -> Iterator[Text]:
    """Each decision, at its time of day; or why there is none."""
    if not breach.would_have:
        yield Text(f"nothing: {plain(breach.why_nothing)}")
    for one in breach.would_have:
        yield Text(f"{screen.clock(one.at, '%H:%M')} {plain(decided(one))}")


def decided(one: WouldHave) -> str:
    """`Rollback to fe9ea46d52`, `refused Rollback: ReleaseTooOld`."""
    times_ = f", {one.times} times" if one.times > 1 else ""
    match one.decision:
        case "Refuse":
            return f"refused {one.doing}: {one.reason}{times_}"
        case "Advise":
            return f"advised {one.doing}: {one.reason}{times_}"
        case "AwaitApproval":
            return f"asked for {one.doing}{times_}"
    return f"{one.doing}{times_}"


def then(breach: Breach, screen: Screen) -> str:
    """`ended by itself, 04:14`."""
    if breach.then_at is None:
        return breach.then
    form = "%H:%M" if screen.local(breach.then_at).date() == screen.local(breach.began).date() else "%d %b %H:%M"
    return f"{breach.then}, {screen.clock(breach.then_at, form)}"


def _bars(checks: Sequence[ReplayedCheck], screen: Screen) -> Iterator[str]:
    for one in checks[:_MOST_CHECKS]:
        tops = one.course.highs if one.above is not None else one.course.lows
        bars = f"{sparkline(tops, _BARS):<{_BARS}}  " if screen.signs else ""
        worst = f"max {one.highest}" if one.above is not None else f"min {one.lowest}"
        said = f"{worst}  bound {one.limit:.6g}" if one.highest else "no samples"
        yield f"{plain(one.check)[:_NAME]:<{_NAME}} {bars}{said}"
    if (more := len(checks) - _MOST_CHECKS) > 0:
        yield f"and {more} checks more (-o json)"
    if checks:
        yield ""


# --- what is not known, and what it comes to


def unknown(report: ReplayReport, screen: Screen) -> Iterator[str]:
    """What has to be read before the summary is believed."""
    said = [*report.unknown, *_gaps(report, screen)]
    if report.partial:
        yield f"This is not whole: {report.partial}."
    for one in said:
        yield f"Not known: {plain(one)}"
    if said or report.partial:
        yield ""


def _gaps(report: ReplayReport, screen: Screen) -> Iterator[str]:
    together: dict[tuple[datetime, datetime, str], list[str]] = {}
    for gap in report.gaps:
        together.setdefault((gap.begins, gap.ends, gap.why), []).append(gap.check)
    longest = sorted(together.items(), key=lambda one: one[0][0] - one[0][1])
    for (begins, ends, why), names in sorted(longest[:_MOST_GAPS]):
        who = f" of {names[0]}" if len(names) == 1 and len(report.checks) > 1 else ""
        yield f"{span(ends - begins)} on {day(begins, screen)}{who}, {why}; nothing would have been done then."
    if more := len(longest[_MOST_GAPS:]) + report.gaps_left_out:
        yield f"{more} gaps more, none of them longer (-o json)."


def summary(report: ReplayReport) -> str:
    """What it comes to, in sentences."""
    return " ".join(_sentences(report))


def _sentences(report: ReplayReport) -> Iterator[str]:
    if not report.breaches and not report.breaches_left_out:
        yield "Nothing was beyond its bound."
    yield f"{count(report.acts, 'act')}, {count(report.escalations, 'escalation')}."
    if report.acts and report.in_breach:
        yield (
            f"Of {span(report.in_breach)} of breach, {span(report.after_first_act)} came after the first act: "
            "so much at most could have been saved."
        )
    if report.alarms:
        numbers = [str(one.number) for one in report.breaches if any(would.is_alarm for would in one.would_have)]
        acts = count(report.alarms, "act")
        yield f"{acts} on a breach that ended by itself within verify.timeout (no. {', '.join(numbers)})."
    if report.breaches_left_out:
        more = count(report.breaches_left_out, "shorter breach", "shorter breaches")
        yield f"{more} led to nothing and are left out."


def count(number: int, word: str, many: str = "") -> str:
    """`2 acts`."""
    return f"{number} {word if number == 1 else many or f'{word}s'}"


# --- other bounds, and other policies


def swept(sweep: Sweep, *, several: bool) -> Iterator[RenderableType]:
    """By bound and for."""
    of = f" of {sweep.namespace}/{sweep.policy}" if several else ""
    yield f"{sweep.check}{of}: acts (of them on what ended by itself), by bound and for"
    yield "                                                  * = as the policy says"
    holds = [_starred(format_duration(one), is_own=one == sweep.hold) for one in sweep.holds]
    found = table("", *holds)
    for bound in sweep.bounds:
        row = [cell for cell in sweep.cells if cell.bound == bound]
        found.add_row(_starred(bound, is_own=bound == sweep.bound), *(f"{one.acts} ({one.by_itself})" for one in row))
    yield found


def _starred(words: str, *, is_own: bool) -> str:
    return f"{words}*" if is_own else words


def _compared(report: ReplayReport, screen: Screen) -> Iterator[RenderableType]:
    compared = report.comparison
    if compared is None or not compared.differences:
        return
    several = len(report.policies) > 1
    titles = ("TIME", *(("POLICY",) if several else ()), "HERE", compared.against.upper()[:_NAME])
    found = table(*titles, "WHAT HAPPENED THEN", folds=titles[1:])
    for one in compared.differences:
        cells = (*((one.policy,) if several else ()), one.here or "nothing", one.there or "nothing", one.then)
        found.add_row(day(one.at, screen), *(plain(cell) for cell in cells))
    yield found
    yield ""


def difference(report: ReplayReport) -> str:
    """As in: this change would have acted 2 times less in 14d, and missed nothing that lasted."""
    compared = report.comparison
    if compared is None:
        return ""
    fewer, days = compared.acts - report.acts, span(report.ends - report.begins)
    if not compared.differences:
        return f"No decision differs from those of {compared.against} in {days}."
    often = f"{count(abs(fewer), 'time')} {'less' if fewer > 0 else 'more'}" if fewer else "as often"
    missed = count(compared.missed, "breach", "breaches") if compared.missed else "nothing"
    alone = f" Not in {compared.against}: {', '.join(compared.only_here)}." if compared.only_here else ""
    return f"This change would have acted {often} in {days}, and missed {missed} that lasted.{alone}"
