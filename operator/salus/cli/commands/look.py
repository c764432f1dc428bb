"""The commands to look: how things stand, what is on record, and why."""

from typing import TYPE_CHECKING, Annotated

import typer

from salus.cli.app import app, imports
from salus.cli.options import duration, grouped

if TYPE_CHECKING:
    from salus.cli.person import Where
    from salus.cli.show import Look

_STATUS = """How policies stand, in words: what is ill, what is asked, what holds an action back.

With a name (NAME, deploy/NAME, sts/NAME, ds/NAME) in full. --wait-for makes a deployment gate of it: it waits for the
rollout of the newest generation, and then for health that was judged after it.

Exit status: 0; with --wait-for 0 it has come, 1 it will not, 3 not known in time; with --fail-on 1 if so.

\b
Examples:
  salus status -n shop
  salus status checkout -n shop --watch
  salus status deploy/checkout --wait-for healthy --stable 2m --timeout 15m
"""


@app.command("status", help=_STATUS)
@grouped
def status_command(  # noqa: PLR0913 — a command's arguments are its options
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="A policy, or TYPE/NAME.")] = None,
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again every two seconds.")] = False,
    unhealthy: Annotated[bool, typer.Option("--unhealthy", help="Only what is Unhealthy or Unknown.")] = False,
    wait_for: Annotated[
        str, typer.Option("--wait-for", metavar="WORD", help="healthy, resolved (no incident) or idle.")
    ] = "",
    stable: Annotated[str, typer.Option("--stable", metavar="TIME", help="For how long it has to be so.")] = "0s",
    timeout: Annotated[str, typer.Option("--timeout", metavar="TIME", help="How long to wait at most.")] = "10m",
    fail_on: Annotated[str, typer.Option("--fail-on", metavar="WORD", help="unhealthy: then the status is 1.")] = "",
    where: "Where",
    look: "Look",
) -> None:
    """See _STATUS."""
    with imports():
        from salus.cli.contract import ends  # noqa: PLC0415 — see the package's docstring
        from salus.cli.look.status_command import Ask, run  # noqa: PLC0415

    if fail_on not in {"", "unhealthy"}:
        raise typer.BadParameter(f'--fail-on: expected unhealthy, got "{fail_on}"')
    ask = Ask(
        names=tuple(names or ()),
        only_unhealthy=unhealthy,
        watch=watch,
        wait_for=wait_for,
        stable=duration("--stable", stable),
        timeout=duration("--timeout", timeout),
        fail_on=fail_on,
    )
    raise typer.Exit(ends(lambda: run(ask, where, look)))
