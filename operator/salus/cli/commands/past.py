"""The commands that tell what was: history, and reports of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from salus.cli.app import app, imports
from salus.cli.options import duration, grouped

if TYPE_CHECKING:
    from salus.cli.metrics.wanted import Prometheus
    from salus.cli.person import Where
    from salus.cli.show import Look

_HISTORY = """What happened to workloads, and who did it: releases, scalings, incidents, acts; the oldest first.

NAME is a policy or a workload (deploy/NAME, sts/NAME, ds/NAME); without one, all of the namespace. Refusals are counted
at the end. -o csv and md are there too. What others did is told as far as Kubernetes remembers it.

Exit status: 0 told, 2 it could not be asked.

\b
Examples:
  salus history deploy/checkout -n shop --since 7d
  salus history checkout -n shop --only release,act,undo
  salus history -A --from 2026-11-24 --to 2026-11-30 -o csv
"""


@app.command("history", help=_HISTORY)
@grouped
def history_command(  # noqa: PLR0913 — a command's arguments are its options
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="A policy, or TYPE/NAME.")] = None,
    *,
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="Not what is longer ago: 24h, 7d.")] = "",
    begins: Annotated[str, typer.Option("--from", metavar="WHEN", help="From this day or time on.")] = "",
    ends: Annotated[str, typer.Option("--to", metavar="WHEN", help="Until this day or time.")] = "",
    only: Annotated[str, typer.Option("--only", metavar="WORDS", help="Only these: release,scale,act,refuse,…")] = "",
    with_refusals: Annotated[bool, typer.Option("--with-refusals", help="Show each refusal.")] = False,
    where: "Where",
    look: "Look",
) -> None:
    """See _HISTORY."""
    with imports():
        from salus.cli.contract import ends as ends_with  # noqa: PLC0415 — see the package's docstring
        from salus.cli.past.history_command import Ask, run  # noqa: PLC0415
        from salus.cli.spans import moment  # noqa: PLC0415

    if since and begins:
        raise typer.BadParameter("--since and --from: one of them says when it begins")
    ago = duration("--since", since) if since else None

    def told() -> int:
        ask = Ask(
            names=tuple(names or ()),
            since=ago,
            begins=moment(begins, utc=look.utc) if begins else None,
            ends=moment(ends, utc=look.utc) if ends else None,
            only=tuple(word for word in only.split(",") if word),
            refusals=with_refusals,
        )
        return run(ask, where, look)

    raise typer.Exit(ends_with(told))


_REPORT = """A report of an incident (inc/NAME), or of some days (period), for those who were not there.

Of an incident: what was seen, blamed, tried, done and told, by whom, and how long it took. Of a period: how often, how
fast, and whether people did what policies in mode Observe have rehearsed, which is what speaks for Enforce.

The page (--html) of an incident shows its checks over that time, as far as your Prometheus still has it. --redact puts
letters in place of names, for whom they do not concern.

Exit status: 0 told, 2 it could not be asked.

\b
Examples:
  salus report inc/checkout-3d5f39f9-1 -n shop --md
  salus report inc/checkout-3d5f39f9-1 -n shop --redact --html incident.html
  salus report period -A --since 7d --html week.html
"""


@app.command("report", help=_REPORT)
@grouped
def report_command(  # noqa: PLR0913 — a command's arguments are its options
    about: Annotated[str, typer.Argument(metavar="WHAT", help="inc/NAME, or period.")],
    *,
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="How long a period is. Default: 7d.")] = "",
    begins: Annotated[str, typer.Option("--from", metavar="WHEN", help="A period from this day or time on.")] = "",
    ends: Annotated[str, typer.Option("--to", metavar="WHEN", help="A period until then. Default: now.")] = "",
    markdown: Annotated[bool, typer.Option("--md", help="As Markdown, for a document that is kept.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", dir_okay=False, help="Write a page to this file, too.")
    ] = None,
    redact: Annotated[bool, typer.Option("--redact", help="Letters in place of names.")] = False,
    no_metrics: Annotated[bool, typer.Option("--no-metrics", help="Ask no Prometheus.")] = False,
    where: "Where",
    look: "Look",
    prometheus: "Prometheus",
) -> None:
    """See _REPORT."""
    with imports():
        from salus.cli.contract import ends as ends_with  # noqa: PLC0415 — see the package's docstring
        from salus.cli.metrics.courses import Asker  # noqa: PLC0415
        from salus.cli.past.report_command import Ask, run  # noqa: PLC0415
        from salus.cli.spans import moment  # noqa: PLC0415

    if since and begins:
        raise typer.BadParameter("--since and --from: one of them says when it begins")
    ago = duration("--since", since) if since else None

    def told() -> int:
        ask = Ask(
            about=about,
            since=ago,
            begins=moment(begins, utc=look.utc) if begins else None,
            ends=moment(ends, utc=look.utc) if ends else None,
            markdown=markdown,
            html=html,
            asker=None if no_metrics else Asker(where, prometheus),
            redact=redact,
            commands=frozenset(command.name or "" for command in app.registered_commands),
        )
        return run(ask, where, look)

    raise typer.Exit(ends_with(told))
