"""The command that looks at policies over a past."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from salus.cli.app import app, imports
from salus.cli.options import duration, grouped, may_be_bare

if TYPE_CHECKING:
    from salus.cli.metrics.wanted import Prometheus
    from salus.cli.person import Where
    from salus.cli.show import Look

_REPLAY = """What policies would have done in a past, by the operator's own code; nothing is written anywhere.

NAME is a policy or a workload (deploy/NAME, …); with -f those of files. Releases and sizes of that time are told by
kube-state-metrics and by what the cluster still has, or by --releases. --sweep and --html need no value. -o csv and md
are there too.

Exit status: 0; with --fail-on 1 if so; 2 it could not be asked.

\b
Examples:
  salus replay checkout -n shop --sweep error-ratio --html
  salus replay -f deploy --against live --since 30d -o md
  salus replay -f new.yaml --from 2026-11-21 --fail-on false-alarms
"""


@app.command("replay", help=_REPLAY, cls=may_be_bare({"--sweep": "*", "--html": ""}))
@grouped
def replay_command(  # noqa: PLR0913 — a command's arguments are its options
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="A policy, or TYPE/NAME.")] = None,
    *,
    inputs: Annotated[
        list[str] | None,
        typer.Option("-f", "--filename", metavar="FILE", help="A file, a folder, or - for standard input. Repeatable."),
    ] = None,
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="How far back. Default: 14d.")] = "",
    begins: Annotated[str, typer.Option("--from", metavar="WHEN", help="From this day or time on.")] = "",
    ends: Annotated[str, typer.Option("--to", metavar="WHEN", help="Until then. Default: now.")] = "",
    mode: Annotated[
        str, typer.Option("--mode", metavar="MODE", help="As if every policy were of this mode.")
    ] = "Enforce",
    step: Annotated[
        str, typer.Option("--step", metavar="TIME", help="Measure so often. Default: each policy's interval.")
    ] = "",
    sweep: Annotated[
        str, typer.Option("--sweep", metavar="[CHECK]", help="With other bounds and for as well; of all checks.")
    ] = "",
    against: Annotated[
        str, typer.Option("--against", metavar="live|FILE", help="Show only where these policies would differ.")
    ] = "",
    html: Annotated[
        str | None, typer.Option("--html", metavar="[FILE]", help="Write a page, too. Default: one of its name.")
    ] = None,
    releases: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, help="Releases and sizes of that time, in YAML."),
    ] = None,
    fail_on: Annotated[
        str, typer.Option("--fail-on", metavar="WORD", help="acts or false-alarms: then the status is 1.")
    ] = "",
    where: "Where",
    look: "Look",
    prometheus: "Prometheus",
) -> None:
    """See _REPLAY."""
    with imports():
        from salus.cli.contract import ends as ends_with  # noqa: PLC0415 — see the package's docstring
        from salus.cli.replay.command import Ask, run  # noqa: PLC0415
        from salus.cli.spans import moment  # noqa: PLC0415

    if since and begins:
        raise typer.BadParameter("--since and --from: one of them says when it begins")
    ago, every = duration("--since", since) if since else None, duration("--step", step) if step else None

    def told() -> int:
        ask = Ask(
            inputs=tuple(inputs or ()),
            names=tuple(names or ()),
            since=ago,
            begins=moment(begins, utc=look.utc) if begins else None,
            ends=moment(ends, utc=look.utc) if ends else None,
            mode=mode,
            step=every,
            releases=releases,
            fail_on=fail_on,
            sweep=sweep,
            against=against,
            html=html,
        )
        return run(ask, where, look, prometheus)

    raise typer.Exit(ends_with(told))
