"""The commands to learn Salus by."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from salus.cli.app import app, imports
from salus.cli.options import grouped

if TYPE_CHECKING:
    from salus.cli.person import Where
    from salus.cli.show import Look

_DEMO = """Five faults in forty seconds, without a cluster: a shop is played, and the operator's own code decides.

Exit status: 0 all went as told, 1 it did not.

\b
Examples:
  salus demo
  salus demo --speed 600 --html salus-demo.html
  salus demo --fault 1
"""


@app.command("demo", help=_DEMO)
@grouped
def demo_command(
    *,
    speed: Annotated[
        float, typer.Option("--speed", metavar="N", min=1, help="So many times as fast as time passes.")
    ] = 60.0,
    fault: Annotated[int, typer.Option("--fault", metavar="N", help="Only this one, from 1 to 5.")] = 0,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", dir_okay=False, help="Write a page with plots, too.")
    ] = None,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="On a real control plane, from a checkout: the same as make demo.")
    ] = False,
    look: "Look",
) -> None:
    """See _DEMO."""
    with imports():
        from salus.cli.contract import ends  # noqa: PLC0415 — see the package's docstring
        from salus.cli.demo.command import Ask, run  # noqa: PLC0415

    raise typer.Exit(ends(lambda: run(Ask(speed, fault, html, cluster), look)))


_VERSION = """Which program this is, which operator and CRDs are in the cluster, and whether they fit.

One minor version apart is fine, as with kubectl. Of the CRDs it is said which of their fields this program does not
know, and which of its own they lack: every account that may log in may see that. The operator is looked for in all
namespaces (-n: in one).

Exit status: 0 they fit, 1 they do not, 2 no cluster, or Salus is not installed there, 3 not known.

\b
Examples:
  salus version
  salus version --client
  salus version -n salus-system -o json
"""


@app.command("version", help=_VERSION)
@grouped
def version_command(
    *,
    client: Annotated[bool, typer.Option("--client", help="Only of this program: no cluster is asked.")] = False,
    where: "Where",
    look: "Look",
) -> None:
    """See _VERSION."""
    with imports():
        from salus.cli.contract import ends  # noqa: PLC0415 — see the package's docstring
        from salus.cli.version.command import run  # noqa: PLC0415

    raise typer.Exit(ends(lambda: run(where, look, client=client)))


_COMPLETION = """Print what makes a shell complete the line: commands, options, and the names of what there is.

Names in the cluster are offered if it answers within a second, or within as many as $SALUS_COMPLETION_TIMEOUT says.
kubectl is for `kubectl salus`: a program that it looks for in $PATH by the name of kubectl_complete-salus.

Exit status: 0 printed.

\b
Examples:
  salus completion bash | sudo tee /etc/bash_completion.d/salus
  salus completion fish | source
  salus completion kubectl | tee ~/.local/bin/kubectl_complete-salus
"""


@app.command("completion", help=_COMPLETION)
def completion_command(
    shell: Annotated[
        Literal["bash", "zsh", "fish", "powershell", "kubectl"], typer.Argument(metavar="SHELL", help="For which one.")
    ],
) -> None:
    """See _COMPLETION."""
    from importlib.resources import files  # noqa: PLC0415 — see the package's docstring

    typer.echo((files("salus.cli.complete") / "scripts" / f"salus.{shell}").read_text(encoding="utf-8"), nl=False)
