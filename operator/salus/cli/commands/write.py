"""The commands that help to write policies."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from salus.cli.app import app, imports
from salus.cli.options import duration, grouped

if TYPE_CHECKING:
    from salus.cli.metrics.wanted import Prometheus
    from salus.cli.person import Where
    from salus.cli.show import Look

_INIT = """Propose a policy for a workload, from what its Prometheus knows, with a reason beside each number.

It reads, proposes, and writes NAME.salus.yaml; it never applies anything. Without a terminal it needs --yes, or --to -.

Exit status: 0 proposed, 1 its pods have no series of their own, or you stepped back, 2 it could not be asked.

\b
Examples:
  salus init deploy/checkout -n shop
  salus init sts/orders --window 28d --no-incident 2026-11-21T15:00
  salus init --all -n shop --yes
"""


@app.command("init", help=_INIT)
@grouped
def init_command(  # noqa: PLR0913 — a command's arguments are its options
    name: Annotated[str, typer.Argument(metavar="[TYPE/NAME]", help="A workload. Default: asked for.")] = "",
    *,
    every: Annotated[bool, typer.Option("--all", help="One file for each workload of the namespace.")] = False,
    window: Annotated[str, typer.Option("--window", metavar="TIME", help="How far back to learn from.")] = "14d",
    incident: Annotated[
        list[str] | None,
        typer.Option("--incident", metavar="FROM/TO", help="A time not to learn from. Repeatable."),
    ] = None,
    no_incident: Annotated[
        list[str] | None,
        typer.Option("--no-incident", metavar="FROM[/TO]", help="A time that was as it is at times. Repeatable."),
    ] = None,
    only: Annotated[list[str] | None, typer.Option("--only", metavar="CHECK", help="Only this. Repeatable.")] = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", metavar="CHECK", help="Not this one. Repeatable.")
    ] = None,
    explain: Annotated[
        str, typer.Option("--explain", metavar="CHECK", help="Draw its past by half hours, and write nothing.")
    ] = "",
    mode: Annotated[Literal["Observe", "Approve"], typer.Option("--mode", help="Of the policy.")] = "Observe",
    no_replay: Annotated[
        bool, typer.Option("--no-replay", help="Do not rehearse it over the past. --all never does.")
    ] = False,
    to: Annotated[str, typer.Option("--to", metavar="FILE", help="A file, a folder, or - for standard output.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before writing.")] = False,
    where: "Where",
    look: "Look",
    prometheus: "Prometheus",
) -> None:
    """See _INIT."""
    with imports():
        from salus.cli.contract import ends  # noqa: PLC0415 — see the package's docstring
        from salus.cli.init.command import Ask, run  # noqa: PLC0415
        from salus.cli.init.wishes import Said, wish  # noqa: PLC0415

    said = Said(
        window=duration("--window", window),
        incidents=tuple(incident or ()),
        not_incidents=tuple(no_incident or ()),
        only=tuple(only or ()),
        without=tuple(without or ()),
        explain=explain,
        mode=mode,
        source=prometheus.source,
        utc=look.utc,
        rehearse=not (no_replay or every),
    )
    raise typer.Exit(ends(lambda: run(Ask(name, every, wish(said), to, force, yes), where, look, prometheus)))


_LINT = """Everything of validate, and what is odd about policies that can be used.

Without -f it lints what is in the cluster: NAME is a policy or a workload (deploy/NAME, …). An exception stands in the
file: # salus:ignore SL301 until 2027-01-31 because of the migration. -o sarif, github and junit are there too.

Exit status: 0 no finding of --fail-on, 1 findings, 2 something could not be read or asked.

\b
Examples:
  salus lint -f deploy --prometheus http://127.0.0.1:9090
  salus lint checkout -n shop --since 14d --level warning
  kustomize build deploy | salus lint -f - --offline -o sarif
"""


@app.command("lint", help=_LINT)
@grouped
def lint_command(  # noqa: PLR0913 — a command's arguments are its options
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="A policy, or TYPE/NAME.")] = None,
    *,
    inputs: Annotated[
        list[str] | None,
        typer.Option("-f", "--filename", metavar="FILE", help="A file, a folder, or - for standard input. Repeatable."),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no Prometheus, nor about workloads.")] = False,
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="How far back to look.")] = "7d",
    level: Annotated[
        Literal["error", "warning", "info"], typer.Option("--level", help="Show these, and what is worse.")
    ] = "info",
    fail_on: Annotated[
        Literal["error", "warning"], typer.Option("--fail-on", help="Which findings make the exit status 1.")
    ] = "error",
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", metavar="CODE", help="Not this rule. Repeatable.")
    ] = None,
    where: "Where",
    look: "Look",
    prometheus: "Prometheus",
) -> None:
    """See _LINT."""
    with imports():
        from salus.cli.contract import ends  # noqa: PLC0415 — see the package's docstring
        from salus.cli.lint.command import Ask, run  # noqa: PLC0415
        from salus.cli.lint.finding import Wish  # noqa: PLC0415
        from salus.cli.reports.lint import Level  # noqa: PLC0415

    wish = Wish(Level(level), frozenset(ignore or ()), offline)
    ask = Ask(tuple(inputs or ()), tuple(names or ()), wish, Level(fail_on), duration("--since", since))
    raise typer.Exit(ends(lambda: run(ask, where, look, prometheus)))


_TEST = """Try what policies would decide, on values that a file *.test.yaml tells of; the operator's own code decides.

Without a file: all of this folder. --update writes what is on record as what is expected, after it has shown that.
--from-incident makes a test of what happened, by the records and by Prometheus' past, into the folder that is named.

Exit status: 0 all passed, 1 not so, or --min-coverage is not reached, 2 files are wrong or (--strict) a test skipped.

\b
Examples:
  salus test deploy --filter "bad release" --min-coverage 80
  salus test deploy --strict -o junit > salus.xml
  salus test deploy --from-incident checkout-3d5f39f9-1 -n shop
"""


@app.command("test", help=_TEST)
@grouped
def try_command(  # noqa: PLR0913 — a command's arguments are its options
    inputs: Annotated[list[str] | None, typer.Argument(metavar="FILE", help="Files or folders.")] = None,
    *,
    words: Annotated[
        str, typer.Option("--filter", metavar="WORDS", help="Only tests with all of these in their name.")
    ] = "",
    strict: Annotated[bool, typer.Option("--strict", help="A test that is skipped is an error.")] = False,
    update: Annotated[bool, typer.Option("--update", help="Rewrite what is expected. Shows it first.")] = False,
    sure: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking.")] = False,
    min_coverage: Annotated[
        float, typer.Option("--min-coverage", metavar="PERCENT", min=0, max=100, help="Of all remedies.")
    ] = 0.0,
    from_incident: Annotated[
        str, typer.Option("--from-incident", metavar="NAME", help="Write a test of this incident, and run it.")
    ] = "",
    where: "Where",
    look: "Look",
    prometheus: "Prometheus",
) -> None:
    """See _TEST."""
    with imports():
        from salus.cli.contract import ends  # noqa: PLC0415 — see the package's docstring
        from salus.cli.trial.command import Ask, run  # noqa: PLC0415

    ask = Ask(tuple(inputs or (".",)), words, strict, update, sure, min_coverage)
    if not from_incident:
        raise typer.Exit(ends(lambda: run(ask, look)))
    with imports():
        from salus.cli.trial import from_incident as made  # noqa: PLC0415 — it talks to a cluster

    folder = Path(ask.inputs[0])
    of_it = made.Ask(from_incident, folder, where, prometheus)
    raise typer.Exit(ends(lambda: run(replace(ask, inputs=made.write(of_it)), look)))
