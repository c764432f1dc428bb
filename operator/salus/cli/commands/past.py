"""The commands that tell what was: history, and reports of it."""

from typing import TYPE_CHECKING, Annotated

import typer

from salus.cli.app import app, imports
from salus.cli.options import duration, grouped

if TYPE_CHECKING:
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
