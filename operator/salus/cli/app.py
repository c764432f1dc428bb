"""The commands and their options, nothing more.

What a command needs is imported when it runs: Kubernetes' client alone takes longer than `--help` may.
"""

import gc
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from salus.cli.help import EPILOG, Commands
from salus.version import described

app = typer.Typer(
    cls=Commands,
    help="Salus heals services on Kubernetes: it measures, decides, records, acts, and proves that it helped.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


_ADDRESS = re.compile(r"([^:]*|\[[0-9a-fA-F:.]+\]):(?P<port>[0-9]{1,5})")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


_COMPLETE = "__complete"
"""What shells ask, and no person: its words are of any kind, so that they are taken before Typer reads them."""


def main() -> None:
    """The programs `salus` and `kubectl-salus`, which kubectl runs as `kubectl salus`."""
    if sys.argv[1:2] == [_COMPLETE]:
        from salus.cli.complete.command import run  # noqa: PLC0415 — see the module's docstring
        from salus.cli.complete.tree import commands  # noqa: PLC0415

        run(commands(app), sys.argv[2:])
    else:
        app(prog_name=called_as(sys.argv[0]))


@contextmanager
def imports() -> Iterator[None]:
    """Do not search for garbage while modules are loaded, nor later in what they made: there is none."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def called_as(program: str) -> str:
    """What the person typed, for the usage text."""
    return "kubectl salus" if Path(program).name.startswith("kubectl-salus") else "salus"


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"salus {described()}")
        raise typer.Exit


@app.callback()
def _common(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print version and commit."),
    ] = False,
) -> None: ...


def _checked_address(address: str) -> str:
    found = _ADDRESS.fullmatch(address)
    if found is None or int(found["port"]) > 65535:
        raise typer.BadParameter(f'expected HOST:PORT, such as 127.0.0.1:8080, got "{address}"')
    return address


def _checked_namespaces(namespaces: list[str] | None) -> list[str] | None:
    for namespace in namespaces or ():
        if not _NAMESPACE.fullmatch(namespace):
            raise typer.BadParameter(f'expected the name of a namespace, got "{namespace}"')
    return namespaces


_RUN = """Run the operator until it is told to stop (SIGTERM or Ctrl-C).

Exit status: 0 it was told to stop, 1 it could not go on, 2 its configuration cannot be used.

\b
Examples:
  salus run --config salus.yaml
  salus run --config salus.yaml --context prod-eu --dry-run
  salus run --config salus.yaml -n shop -n bank --log-format text
"""


@app.command("run", help=_RUN)
def run_command(  # noqa: PLR0913 — a command's arguments are its options
    *,
    config: Annotated[
        Path, typer.Option("--config", metavar="FILE", help="The operator's configuration; read again when it changes.")
    ],
    kubeconfig: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, help="Default: $KUBECONFIG, the pod's account, ~/.kube/config."
        ),
    ] = None,
    context: Annotated[str | None, typer.Option(metavar="NAME", help="Context of the kubeconfig.")] = None,
    namespaces: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace",
            "-n",
            metavar="NAME",
            callback=_checked_namespaces,
            help="Repeatable. Default: all namespaces.",
        ),
    ] = None,
    metrics_address: Annotated[
        str,
        typer.Option(metavar="HOST:PORT", callback=_checked_address, help="Serves /metrics, /healthz and /readyz."),
    ] = "127.0.0.1:8080",
    log_format: Annotated[Literal["json", "text"], typer.Option(help="How a line of the log looks.")] = "json",
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], typer.Option(help="From which level on lines are written.")
    ] = "info",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Treat every policy as Observe: decide and record, write to no workload.")
    ] = False,
) -> None:
    """See _RUN."""
    with imports():
        from salus import bootstrap  # noqa: PLC0415 — see the module's docstring
        from salus.settings import SettingsError  # noqa: PLC0415

    options = bootstrap.RunOptions(
        config=config,
        kubeconfig=kubeconfig,
        context=context,
        namespaces=tuple(namespaces or ()),
        metrics_address=metrics_address,
        log_format=log_format,
        log_level=log_level,
        dry_run=dry_run,
    )
    try:
        raise typer.Exit(bootstrap.run(options))
    except SettingsError as error:
        typer.echo(f"salus: {error}", err=True)
        raise typer.Exit(2) from error


_VALIDATE = """Check policies offline: schema, PromQL, references.

Exit status: 0 all good, 1 problems found, 2 something could not be read.

\b
Examples:
  salus validate -f policy.yaml
  salus validate -f deploy --config salus.yaml
  kustomize build deploy | salus validate -f - -o json
"""


@app.command("validate", help=_VALIDATE)
def validate_command(
    *,
    inputs: Annotated[
        list[str],
        typer.Option("-f", "--filename", metavar="FILE", help="A file, a folder, or - for standard input. Repeatable."),
    ],
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="The operator's configuration: checked as well.")
    ] = None,
    sources: Annotated[
        list[str] | None, typer.Option("--source", metavar="NAME", help="A source that policies may use. Repeatable.")
    ] = None,
    output: Annotated[Literal["text", "json"], typer.Option("-o", "--output", help="For people or for programs.")] = (
        "text"
    ),
) -> None:
    """See _VALIDATE."""
    with imports():
        from salus.cli.validate import run  # noqa: PLC0415 — see the module's docstring

    raise typer.Exit(run(inputs, config, sources, as_json=output == "json"))
