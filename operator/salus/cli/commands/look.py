"""The commands to look: how things stand, what is on record, and why."""

from typing import TYPE_CHECKING, Annotated

import typer

from salus.cli.app import app, imports
from salus.cli.options import duration, grouped

if TYPE_CHECKING:
    from salus.cli.metrics.wanted import Prometheus
    from salus.cli.person import Where
    from salus.cli.show import Look

_STATUS = """How policies stand, in words: what is ill, what is asked, what holds an action back.

With a name (NAME, deploy/NAME, sts/NAME, ds/NAME) in full. --wait-for makes a deployment gate of it: it waits for the
rollout of the newest generation, and then for health that was judged after it. The last 30 minutes of each check are
asked of your Prometheus, for two seconds at most; --no-metrics leaves them out.

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
    no_metrics: Annotated[bool, typer.Option("--no-metrics", help="Ask no Prometheus.")] = False,
    where: "Where",
    look: "Look",
    prometheus: "Prometheus",
) -> None:
    """See _STATUS."""
    lookback = None
    with imports():
        from salus.cli.contract import ends  # noqa: PLC0415 — see the package's docstring
        from salus.cli.look.status_command import Ask, run  # noqa: PLC0415

        if names and not no_metrics and not wait_for:
            from salus.cli.look.lookback import LastMinutes  # noqa: PLC0415 — half a second, for a policy in full alone

            lookback = LastMinutes(where, prometheus)
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
        lookback=lookback,
    )
    raise typer.Exit(ends(lambda: run(ask, where, look)))


_GET = """List what is on record, or what Salus brings along.

KIND is policies, incidents, changes, releases (of deploy/NAME, sts/NAME or ds/NAME), presets or reasons. The last two
need no cluster; presets --check asks a Prometheus which of them it can answer. -o json and yaml are the List that
kubectl would print; name and csv are there too.

Exit status: 0 told, 2 it could not be asked.

\b
Examples:
  salus get changes -n shop --since 24h --decision Refuse
  salus get releases deploy/checkout -n shop
  salus get presets --check --prometheus http://127.0.0.1:9090
"""


@app.command("get", help=_GET)
@grouped
def get_command(  # noqa: PLR0913 — a command's arguments are its options
    kind: Annotated[str, typer.Argument(metavar="KIND", help="What to list.")],
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Only these. Default: all.")] = None,
    *,
    labels: Annotated[
        list[str] | None,
        typer.Option("--selector", "-l", metavar="KEY=VALUE", help="With this label. Repeatable."),
    ] = None,
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="Only what began so long ago at most.")] = "",
    decision: Annotated[str, typer.Option("--decision", metavar="WORD", help="Of changes: Act, Refuse, …")] = "",
    reason: Annotated[str, typer.Option("--reason", metavar="WORD", help="Of changes: AboveThreshold, …")] = "",
    outcome: Annotated[str, typer.Option("--outcome", metavar="WORD", help="How it ended: Recovered, …")] = "",
    target: Annotated[str, typer.Option("--target", metavar="TYPE/NAME", help="Only of this workload.")] = "",
    check: Annotated[bool, typer.Option("--check", help="Of presets: which of them Prometheus can answer.")] = False,
    where: "Where",
    look: "Look",
    prometheus: "Prometheus",
) -> None:
    """See _GET."""
    with imports():
        from salus.cli.contract import ends  # noqa: PLC0415 — see the package's docstring
        from salus.cli.look.get_command import Ask, run  # noqa: PLC0415
        from salus.cli.look.objects import Wish  # noqa: PLC0415

    wish = Wish(
        names=tuple(names or ()),
        labels=_labels(labels or []),
        since=duration("--since", since) if since else None,
        decision=decision,
        reason=reason,
        outcome=outcome,
        target=target,
    )
    raise typer.Exit(ends(lambda: run(Ask(kind, wish, check), where, look, prometheus)))


def _labels(texts: list[str]) -> dict[str, str] | None:
    for text in texts:
        if "=" not in text:
            raise typer.BadParameter(f'--selector: expected KEY=VALUE, got "{text}"')
    return dict(text.split("=", 1) for text in texts) or None


_EXPLAIN = """Why something is done, or is not: in words, from status and records alone.

NAME is a policy, a workload (deploy/NAME, …), an incident (inc/NAME), a change (chev/NAME), or a reason in one word,
which needs no cluster. --now measures, decides and asks every guard afresh, with your rights, and writes nothing.

Exit status: 0 told, 2 it could not be asked.

\b
Examples:
  salus explain checkout -n shop
  salus explain deploy/checkout -n shop --now
  salus explain CooldownActive
"""


@app.command("explain", help=_EXPLAIN)
@grouped
def explain_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A policy, TYPE/NAME, or a reason.")],
    *,
    now: Annotated[bool, typer.Option("--now", help="Measure, decide and ask every guard afresh.")] = False,
    where: "Where",
    look: "Look",
    prometheus: "Prometheus",
) -> None:
    """See _EXPLAIN."""
    with imports():
        from salus.cli.contract import ends  # noqa: PLC0415 — see the package's docstring
        from salus.cli.look.explain_command import Ask, run  # noqa: PLC0415

    raise typer.Exit(ends(lambda: run(Ask(name, now, prometheus), where, look)))
