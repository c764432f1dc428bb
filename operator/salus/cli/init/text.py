"""`salus init` as text, from its document alone."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from rich.console import RenderableType

from salus.cli.init.drawing import drawing
from salus.cli.marks import State
from salus.cli.reports.proposal import (
    InitProposal,
    InitProposals,
    PastIncident,
    ProposedCheck,
    Rehearsal,
    Seen,
)
from salus.cli.show import Screen, facts, indented, left_out, plain, table
from salus.cli.spans import span
from salus.model.scalars import first_few, format_duration

_SHOWN = 8
_LABEL = 9
TO_BE_SCRAPED = (
    "with Prometheus Operator: a PodMonitor that selects these pods, and the port that serves /metrics",
    "with scrape annotations: prometheus.io/scrape, /port and /path on the pod template",
    "with OpenTelemetry: OTEL_EXPORTER_OTLP_ENDPOINT, and k8s.namespace.name and k8s.pod.name promoted to labels",
)


def text(report: InitProposal, screen: Screen) -> Iterator[RenderableType]:
    """What was found, what is proposed, and what comes next."""
    yield facts(_found(report), _LABEL)
    if not report.metrics:
        yield ""
        yield from _not_scraped(report, screen)
    if report.checks:
        yield ""
        yield _table(report, screen)
    yield from _beside(report, screen)
    if report.explained is not None:
        yield ""
        yield from drawing(report.explained, screen)
    if report.rehearsal is not None:
        yield ""
        yield from _rehearsed(report, report.rehearsal, screen)
    for warning in report.warnings:
        yield ""
        yield screen.mark(State.WARNING, plain(warning))
    yield ""
    yield from _next(report)
    yield from left_out(report)


def _found(report: InitProposal) -> Iterator[tuple[str, str]]:
    asked, workload = report.prometheus, report.workload
    who = f", as {report.person}" if report.person else ""
    yield "Cluster", f"{report.cluster or 'in a pod'}{who}"
    way = f" by {asked.way}" if asked.way else ""
    scraped = f"scraped every {format_duration(asked.scraped_every)}" if asked.scraped_every else ""
    kept = f"kept {span(asked.kept)}" if asked.kept else ""
    about = ", ".join(filter(None, (scraped, kept)))
    yield "Metrics", f"{asked.server or 'Prometheus'}, {asked.at}{way}{'; ' if about else ''}{about}"
    scaler = f", {workload.autoscaler}" if workload.autoscaler else ""
    holder = f"; {workload.holder} holds it" if workload.holder else ""
    yield "Workload", f"{workload.kind}/{workload.name}, {workload.replicas} replicas{scaler}{holder}"
    of = ", ".join(report.vocabularies) or "none that is known"
    none = f". Found none of {', '.join(report.none_of)}" if report.none_of else ""
    yield "Series", f"{report.series} of its pods: {of}{none}"


def _not_scraped(report: InitProposal, screen: Screen) -> Iterator[RenderableType]:
    """What it takes to know more than what the cluster knows."""
    workload = report.workload
    yield screen.mark(
        State.UNKNOWN, f"no series of its own: {workload.kind}/{workload.name} is not scraped by its pods"
    )
    if report.by_address:
        names = first_few(list(report.by_address), _SHOWN)
        yield plain(f"  {names}: tied to its pods by the label instance alone. Have the scrape")
        yield "  configuration keep the labels namespace and pod"
        return
    yield "  It could be:"
    yield from (f"  - {way}" for way in TO_BE_SCRAPED)


def _table(report: InitProposal, screen: Screen) -> RenderableType:
    rows = table("CHECK", "USUAL", "RECURS", "WORST ONCE", "BOUND", "FOR", "SURE")
    for one in report.checks:
        rows.add_row(
            one.name,
            _number(one.usual),
            _number(one.recurring.value if one.recurring else None),
            _once(one.once, screen),
            one.unhealthy,
            format_duration(one.hold),
            one.sure,
        )
    return rows


def _number(value: float | None) -> str:
    """Two digits are enough to argue about."""
    return "" if value is None else f"{value:.2g}" if abs(value) < 100 else f"{value:.0f}"


def _once(seen: Seen | None, screen: Screen) -> str:
    if seen is None:
        return ""
    return f"{_number(seen.value)}, {_day(seen.at, screen)}" if seen.value else "0"


def _day(moment: datetime, screen: Screen) -> str:
    local = screen.local(moment)
    return f"{local.day} {local:%b}"


def _beside(report: InitProposal, screen: Screen) -> Iterator[RenderableType]:
    """Why it is so, what is no habit, and what is not asked."""
    for one in report.checks:
        yield from (f"{one.name}: {plain(why)}" for why in (*_doubts(one), *one.doubts))
    if report.incidents:
        yield from _past_incidents(report.incidents, screen)
    told = [f"{one.name} ({one.message})" for one in report.left_out]
    if told:
        yield plain(f"left out: {'; '.join(told)}")
    if report.alerts:
        yield plain(f"alerts of yours for these pods: {', '.join(report.alerts)} (as comments in the file)")


def _doubts(check: ProposedCheck) -> Sequence[str]:
    if not check.why:
        return ()
    return (f"{'the preset' + chr(39) + 's own bound' if check.sure == 'no' else 'not quite sure'}: {check.why[0]}",)


def _past_incidents(incidents: Sequence[PastIncident], screen: Screen) -> Iterator[str]:
    said = [
        f"{_day(one.start, screen)} {screen.clock(one.start, '%H:%M')} to {screen.clock(one.end, '%H:%M')}"
        for one in incidents
        if not one.is_named
    ]
    if said:
        first = screen.local(next(one.start for one in incidents if not one.is_named))
        yield f"taken for past incidents: {first_few(said, _SHOWN)}"
        yield f"  (not one? --no-incident {first:%Y-%m-%dT%H:%M})"


def _rehearsed(report: InitProposal, rehearsal: Rehearsal, screen: Screen) -> Iterator[RenderableType]:
    """What it would have done, as if in mode Enforce."""
    over = rehearsal.ends - rehearsal.begins
    yield f"Rehearsed over {span(over)}, every {format_duration(rehearsal.every)}, in {_zone(rehearsal, screen)}:"
    for one in rehearsal.breaches:
        at = f"{_day(one.at, screen)} {screen.clock(one.at, '%H:%M')}"
        arrow = "→" if screen.signs else "->"
        did = f"{arrow} {'; '.join(one.did)} ({one.then})"
        yield indented(facts([(at, f"{one.because} for {span(one.lasted)}"), ("", did)], 0))
    more = f"and {rehearsal.more} times more" if rehearsal.more else "nothing else" if rehearsal.breaches else "nothing"
    yield f"  {more}{_quiet(report, over)}"
    if rehearsal.alarms:
        yield screen.mark(State.WARNING, f"{rehearsal.alarms} of these ended soon by themselves")
    yield from (f"  not known: {plain(one)}" for one in rehearsal.unknown)


def _zone(rehearsal: Rehearsal, screen: Screen) -> str:
    return screen.local(rehearsal.begins).tzname() or "local time"


def _quiet(report: InitProposal, over: timedelta) -> str:
    """How long the request checks would have said nothing."""
    quiet = max(report.checks, key=lambda one: one.quiet)
    if quiet.quiet < 0.01 or not quiet.volume or quiet.range is None:
        return ""
    hours, of = over / timedelta(hours=1) * quiet.quiet, over / timedelta(hours=1)
    below = f"below {quiet.volume} requests in {format_duration(quiet.range)}"
    return f". {quiet.name} is Quiet for {hours:.0f} of {of:.0f} hours: {below}"


def _next(report: InitProposal) -> Iterator[RenderableType]:
    if not report.checks:
        yield "Nothing is written: no question of Salus has an answer for this workload"
        return
    rungs = sum(not one.is_comment for one in report.remedies)
    what = f"{len(report.checks)} checks, {rungs} remedies, mode {report.mode}"
    if not report.file:
        yield f"Proposed: {what}"
        return
    yield plain(f"{'Written' if report.written else 'Not written:'} {report.file}: {what}")
    if report.written:
        workload = report.workload
        steps = (
            ("Next", plain(f"kubectl apply -f {report.file}")),
            ("", f"salus status {report.name} -n {workload.namespace} --watch"),
            ("", plain(f"salus replay -f {report.file}      what it would have done, check by check")),
        )
        rows = table("", "")
        for label, command in steps:
            rows.add_row(label, command)
        yield rows


def summary(report: InitProposals, screen: Screen) -> Iterator[RenderableType]:
    """One line for each workload."""
    rows = table("WORKLOAD", "CHECKS", "SURE", "FILE")
    for one in report.items:
        sure = [check.sure for check in one.checks]
        counts = ", ".join(f"{sure.count(word)} {word}" for word in ("yes", "some", "no", "fixed") if word in sure)
        file = one.file if one.written else f"{one.file} (not written)" if one.file else ""
        rows.add_row(f"{one.workload.kind}/{one.workload.name}", str(len(one.checks)), counts, plain(file))
    yield rows
    for one in report.items:
        for warning in one.warnings:
            yield screen.mark(State.WARNING, plain(f"{one.workload.name}: {warning}"))
        if not one.metrics:
            name = f"{one.workload.kind}/{one.workload.name}"
            yield screen.mark(State.UNKNOWN, f"{name} has no series of its own: salus init {name} says more")
    for failed in report.failed:
        yield screen.mark(State.BAD, plain(failed))
    yield from left_out(report)
