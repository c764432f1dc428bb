"""The command `salus demo`."""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from salus.cli import logs
from salus.cli.contract import CannotBeAsked, Exit
from salus.cli.demo import text
from salus.cli.demo.play import TICK, Play
from salus.cli.demo.story import FAULTS, Fault
from salus.cli.pages import page
from salus.cli.plot import CheckPlot, Kind, Lane, Moment, check_svg, lanes_svg
from salus.cli.reports.demo import DemoReport
from salus.cli.show import Form, Look, screen, show
from salus.model.scalars import format_duration

_CHECKS = {"error-ratio": 0.05, "hanging": 0.05, "utilisation": 0.9, "slow": 0.7}
"""The checks of the demo's policies, and where each is unhealthy."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a person typed."""

    speed: float = 60.0
    fault: int = 0
    """Its number; 0: all of them."""
    html: Path | None = None
    cluster: bool = False


def run(ask: Ask, look: Look) -> int:
    """The command. Returns the exit status. Raises CannotBeAsked."""
    if ask.cluster:
        return _on_a_cluster()
    faults = _chosen(ask.fault)
    logs.nothing()
    report = asyncio.run(_play(ask, faults, look))
    as_told = all(one.became == one.expected for one in report.faults)
    if ask.html is not None:
        ask.html.write_text(page("demo.html.j2", report, None, **_drawn(report)), encoding="utf-8")
    if look.form in {Form.JSON, Form.YAML}:
        show(report, look, lambda *_: ())
    else:
        screen(look).write(text.tail(report, str(ask.html or "")))
    return Exit.YES if as_told else Exit.NO


def _chosen(number: int) -> Sequence[Fault]:
    if number == 0:
        return FAULTS
    if not 1 <= number <= len(FAULTS):
        raise CannotBeAsked(f"there is no fault {number}", [("faults", text.menu(FAULTS))])
    return [FAULTS[number - 1]]


def _on_a_cluster() -> int:
    """The same on a real control plane, which a checkout of the repository builds."""
    root = Path(__file__).parents[4]
    if not (root / "examples" / "demo").is_dir():
        tries = ["a checkout of the repository, and there: make demo"]
        raise CannotBeAsked("the demo on a real control plane is not part of this package", tries=tries)
    os.execvp("make", ["make", "-C", str(root), "demo"])  # noqa: S606, S607 — a program of the person's own machine


async def _play(ask: Ask, faults: Sequence[Fault], look: Look) -> DemoReport:
    """Tick by tick, at the speed that was asked for; what is read by programs is not waited for."""
    play, shown = Play(faults), screen(look)
    is_told = look.form not in {Form.JSON, Form.YAML}
    if is_told:
        shown.write(text.head(ask.speed))
    async for lines in play.ticks():
        if is_told:
            shown.write(text.line(one, shown) for one in lines)
            sys.stdout.flush()
            await asyncio.sleep(TICK.total_seconds() / ask.speed)
    return play.report()


def _drawn(report: DemoReport) -> dict[str, object]:
    """The plots of its page."""
    end = report.points[-1].at if report.points else report.began
    moments = [
        Moment(report.began + one.after, Kind.RELEASE if one.is_turn else Kind.ACT, one.text[:40])
        for one in report.lines
        if one.is_turn or one.text.startswith("Act ")
    ]
    lanes = [
        Lane("done to it", [one for one in moments if one.kind is Kind.RELEASE]),
        Lane("by Salus", [one for one in moments if one.kind is Kind.ACT]),
    ]
    return {
        "plots": [_plot(report, check, bound, end) for check, bound in _CHECKS.items()],
        "lanes": lanes_svg(lanes, report.began, end, "what happened", zone=report.began.tzinfo),
    }


def _plot(report: DemoReport, check: str, bound: float, end: datetime) -> str:
    points = [(one.at, one.values[check]) for one in report.points if check in one.values]
    beyond = timedelta(seconds=TICK.total_seconds() * sum(value > bound for _, value in points))
    sentence = f"{check} was above {bound:g} for {format_duration(beyond)} of {format_duration(end - report.began)}"
    return check_svg(CheckPlot(check, sentence, report.began, end, points, TICK, bound), report.began.tzinfo)
