"""The demo as text: a line for each thing that happens, as it happens."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from rich.console import RenderableType
from rich.text import Text

from salus.cli.demo.story import Fault
from salus.cli.reports.demo import DemoFault, DemoLine, DemoReport
from salus.cli.show import Screen, facts, plain


def head(speed: float) -> Iterator[RenderableType]:
    """What is played, and how fast."""
    yield "Played: a shop, its callers, its metrics, its cluster. Real: everything that decides."
    yield f"One second is {_span(speed)}." if speed < 1e5 else "As fast as it goes."
    yield ""


def _span(speed: float) -> str:
    return "one minute" if speed == 60 else f"{speed / 60:.3g} minutes"


def line(one: DemoLine, screen: Screen) -> RenderableType:
    """Its time, and what happened; what was done to the shop stands out."""
    minutes, seconds = divmod(int(one.after / timedelta(seconds=1)), 60)
    words: RenderableType
    if one.is_turn:
        words = Text(f"── {plain(one.text)}", style="bold")
    elif one.state is not None:
        words = screen.mark(one.state, plain(one.text))
    else:
        words = plain(one.text)
    return facts([(f" {minutes:02}:{seconds:02}", words)])


def tail(report: DemoReport, page: str) -> Iterator[RenderableType]:
    """How it went, and where to go on."""
    yield ""
    yield _counted(report.faults)
    callers = [one for one in report.faults if one.failed_without]
    for one in callers:
        yield f"  {one.name}: {one.failed:,} requests failed; {one.failed_without:,}, had nobody done anything"
    yield ""
    if page:
        yield f"See it: {page}"
    yield "Try yours: salus init deploy/NAME -n NAMESPACE"


def _counted(faults: Sequence[DemoFault]) -> str:
    words = {
        "healed": "healed",
        "refused": "rightly left alone (nobody could know)",
        "rehearsed": "rehearsed",
    }
    counts = [(sum(one.became == word for one in faults), text) for word, text in words.items()]
    odd = [f"{one.name}: {one.became}" for one in faults if one.became != one.expected]
    told = ", ".join(f"{count} {text}" for count, text in counts if count)
    other = f"; not as told: {'; '.join(odd)}" if odd else ""
    return f"{len(faults)} fault{'s' if len(faults) != 1 else ''}: {told}{other}"


def menu(faults: Sequence[Fault]) -> str:
    """The faults by number."""
    return ", ".join(f"{number} {fault.name}" for number, fault in enumerate(faults, 1))
