"""The commands by which people say something, in their own name: approve, deny, withdraw."""

from typing import TYPE_CHECKING, Annotated

import typer

from salus.cli.app import app, imports
from salus.cli.options import grouped

if TYPE_CHECKING:
    from salus.cli.answer import Wish
    from salus.cli.person import Where
    from salus.cli.show import Look

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The ChangeEvent that waits. Default: choose one.")]
_Ticket = Annotated[str, typer.Option("--ticket", metavar="TEXT", help="A ticket to refer to; kept in the record.")]
_Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the record.")]
_Yes = Annotated[
    bool, typer.Option("--yes", "-y", help="Do not ask. Without a terminal it is needed: nobody could be asked.")
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what is asked.")]
_Wait = Annotated[bool | None, typer.Option("--wait/--no-wait", "-w", help="See how it ends. Default: on a terminal.")]


def _run(wish: "Wish", where: "Where", look: "Look") -> int:
    from salus.cli.answer import run  # noqa: PLC0415 — see the package's docstring
    from salus.cli.contract import ends  # noqa: PLC0415

    return ends(lambda: run(wish, where, look))


_APPROVE = """Show a change that awaits approval, and approve it as yourself.

Salus then judges everything anew, and does it once. Without a name the open questions are shown (-A: all that you may
see), and on a terminal you choose one by its number. --wait follows it to its end.

Exit status: 0 approved, with --wait Recovered; 1 you stepped back, or it ended otherwise; 2 it cannot be; 3 not known.

\b
Examples:
  salus approve checkout-f7524989-7 -n shop
  salus approve checkout-f7524989-7 -n shop --ticket CHG-2219 --yes
  salus approve -A --dry-run
"""


@app.command("approve", help=_APPROVE)
@grouped
def approve_command(  # noqa: PLR0913 — a command's arguments are its options
    name: _Name = "",
    *,
    ticket: _Ticket = "",
    reason: _Reason = "",
    yes: _Yes = False,
    dry_run: _DryRun = False,
    wait: _Wait = None,
    where: "Where",
    look: "Look",
) -> None:
    """See _APPROVE."""
    with imports():
        from salus.cli.answer import Wish  # noqa: PLC0415 — see the package's docstring
        from salus.model.change import ApprovalDecision  # noqa: PLC0415

    raise typer.Exit(_run(Wish(name, ApprovalDecision.APPROVED, ticket, reason, dry_run, yes, wait), where, look))


_DENY = """Show a change that awaits approval, and deny it as yourself; it is not tried again in this incident.

Without a name the open questions are shown (-A: all that you may see), and on a terminal you choose one by its number.

Exit status: 0 denied; 1 you stepped back, or it was done all the same; 2 it cannot be; 3 not known with --wait.

\b
Examples:
  salus deny checkout-f7524989-7 -n shop
  salus deny checkout-f7524989-7 -n shop --reason "we are testing" --yes
"""


@app.command("deny", help=_DENY)
@grouped
def deny_command(  # noqa: PLR0913 — a command's arguments are its options
    name: _Name = "",
    *,
    ticket: _Ticket = "",
    reason: _Reason = "",
    yes: _Yes = False,
    dry_run: _DryRun = False,
    wait: _Wait = None,
    where: "Where",
    look: "Look",
) -> None:
    """See _DENY."""
    with imports():
        from salus.cli.answer import Wish  # noqa: PLC0415 — see the package's docstring
        from salus.model.change import ApprovalDecision  # noqa: PLC0415

    raise typer.Exit(_run(Wish(name, ApprovalDecision.DENIED, ticket, reason, dry_run, yes, wait), where, look))


_WITHDRAW = """Withdraw a kept release as yourself: no rollback and no undo brings it back, for good.

Exit status: 0 withdrawn, 1 you stepped back, 2 it cannot be.

\b
Examples:
  salus withdraw salus-checkout-f7524989-1f0c2d9ab4 --reason CVE-2026-1234
  salus withdraw salus-checkout-f7524989-1f0c2d9ab4 -n shop --reason leaks -y
"""


@app.command("withdraw", help=_WITHDRAW)
@grouped
def withdraw_command(  # noqa: PLR0913 — a command's arguments are its options
    name: Annotated[str, typer.Argument(metavar="NAME", help="The KeptRelease that must not come back.")],
    *,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept on record.")],
    yes: _Yes = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the release.")] = False,
    where: "Where",
    look: "Look",
) -> None:
    """See _WITHDRAW."""
    with imports():
        from salus.cli.contract import ends  # noqa: PLC0415 — see the package's docstring
        from salus.cli.withdraw import Wish, run  # noqa: PLC0415

    raise typer.Exit(ends(lambda: run(Wish(name, reason, dry_run, yes), where, look)))
