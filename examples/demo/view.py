"""Two ways to show the same events, lines above a live panel or plain lines, and the table at the end."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol, Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from examples.demo.story import (
    ChangeSeen,
    ConditionSeen,
    Event,
    FaultBegan,
    FaultEnded,
    Happening,
    IncidentSeen,
    Report,
    Story,
    Vitals,
    VitalsTaken,
)

_QUIET_SECONDS = 10.0
_WIDTH_WITHOUT_TERMINAL = 120
_ALARMING_RATIO = 0.05


class View(Protocol):
    """Somebody who is shown the events."""

    def show(self, event: Event) -> None:
        """Show one event."""
        ...

    def close(self) -> None:
        """Show nothing more that moves; a second time changes nothing."""
        ...


class PlainView:
    """A line for everything that happens, and one now and then for how the service is."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._vitals = Vitals()
        self._printed_at = 0.0

    def show(self, event: Event) -> None:
        """Print the event, unless it would only repeat what was printed a moment ago."""
        if isinstance(event.what, VitalsTaken):
            vitals = event.what.vitals
            quiet = event.at - self._printed_at >= _QUIET_SECONDS
            if not quiet and not vitals.differs_visibly_from(self._vitals):
                return
            self._vitals = vitals
        self._printed_at = event.at
        for line in event.lines():
            self._console.print(Text(line), soft_wrap=True)

    def close(self) -> None:
        """Nothing moves."""


class LiveView:
    """What happens scrolls by; how the service is stays in sight below it."""

    def __init__(self, console: Console) -> None:
        self._story = Story()
        self._live = Live(console=console, get_renderable=self._panel, refresh_per_second=4)

    def open(self) -> Self:
        """Begin."""
        self._live.start()
        return self

    def show(self, event: Event) -> None:
        """Print the event and bring the panel up to date."""
        self._story = self._story.after(event)
        if not isinstance(event.what, VitalsTaken):
            for line in event.lines():
                self._live.console.print(Text(line, style=_style(event.what)))

    def close(self) -> None:
        """Leave the panel as it is."""
        self._live.stop()

    def _panel(self) -> RenderableType:
        return panel(self._story)


def panel(story: Story) -> RenderableType:
    """How the service is at this moment."""
    vitals, fault = story.vitals, story.fault
    alarming = vitals.error_ratio is not None and vitals.error_ratio > _ALARMING_RATIO
    grid = Table.grid(padding=(0, 2))
    rows = (
        ("fault", Text(f"{fault.number} of {fault.count}: {fault.title}" if fault else "none", style="bold")),
        ("error ratio", Text(vitals.ratio_text, style="bold red" if alarming else "green")),
        ("replicas ready", Text(vitals.replicas_text, style="yellow" if vitals.ready != vitals.asked else "")),
        ("release", Text(vitals.release_text)),
        ("incident", Text(vitals.phase or "none", style="yellow" if vitals.phase else "")),
        ("callers", Text(f"{vitals.callers.sent} requests, {vitals.callers.failures} failed")),
    )
    for name, value in rows:
        grid.add_row(Text(name, style="dim"), value)
    return Panel(grid, title="shop/checkout", title_align="left", subtitle=f"{story.at:.0f} s", width=72)


def _style(what: Happening) -> str:
    match what:
        case FaultBegan():
            return "bold"
        case FaultEnded(report):
            return "bold green" if report.as_told else "bold red"
        case ChangeSeen():
            return "cyan"
        case IncidentSeen() | ConditionSeen():
            return "yellow"
    return ""


def table(reports: Sequence[Report]) -> Table:
    """The whole demo in one table; times after the fault in seconds."""
    found = Table(title="What happened", title_justify="left")
    for heading in ("fault", "fault at", "detected", "acted", "recovered"):
        found.add_column(heading, no_wrap=True)
    found.add_column("callers' failed requests", justify="right")
    found.add_column("as told?")
    for report in reports:
        found.add_row(*row(report))
    return found


def row(report: Report) -> tuple[str, ...]:
    """One fault of the table, as text."""
    acted = f"{report.action}, {_after(report.at, report.acted)}" if report.acted else report.action
    return (
        report.fault,
        f"{report.at:%H:%M:%S}",
        _after(report.at, report.detected),
        acted,
        _after(report.at, report.recovered),
        str(report.failed),
        "yes" if report.as_told else "NO",
    )


def _after(fault: datetime, moment: datetime | None) -> str:
    """Records have whole seconds, so what follows at once may seem to lie before the fault."""
    if moment is None:
        return "-"
    return f"+{max(moment - fault, timedelta(0)).total_seconds():.0f} s"


def open_view(console: Console) -> View:
    """The live view in a terminal, plain lines elsewhere."""
    return LiveView(console).open() if console.is_terminal else PlainView(console)


def console_for(*, plain: bool) -> Console:
    """The console that the table, and the live view, are printed on."""
    console = Console(highlight=False)
    if plain or not console.is_terminal:
        return Console(highlight=False, width=_WIDTH_WITHOUT_TERMINAL, no_color=True, force_terminal=False)
    return console
