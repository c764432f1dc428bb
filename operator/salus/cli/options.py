"""Options that many commands have, declared once: a parameter `where: Where` of a command becomes those of WHERE.

Typer reads a signature. `grouped` gives it one in which such a parameter is replaced by its options, and puts them
together again before the command is called.
"""

import functools
import inspect
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from salus.cli.metrics.wanted import Prometheus
    from salus.cli.person import Where
    from salus.cli.show import Look

_NAMESPACE = typer.Option("--namespace", "-n", metavar="NAME", help="Default: the kubeconfig's, as kubectl.")
_ALL = typer.Option("--all-namespaces", "-A", help="Look in all namespaces.")
_KUBECONFIG = typer.Option(metavar="FILE", exists=True, dir_okay=False, help="Default: $KUBECONFIG, ~/.kube/config.")
_CONTEXT = typer.Option(metavar="NAME", help="Context of the kubeconfig. Default: the current one.")
_AS = typer.Option("--as", metavar="USER", help="Be somebody else, if you may impersonate them.")
_TIMEOUT = typer.Option("--request-timeout", metavar="TIME", help="How long one request may take.")
_VERBOSE = typer.Option("--verbose", "-v", help="Say each request, and how long it took.")
_OUTPUT = typer.Option("--output", "-o", metavar="FORM", help="text, wide (the terminal's width), json or yaml.")
_COLOR = typer.Option("--color", metavar="WHEN", help="auto, always or never.")
_UTC = typer.Option("--utc", help="Times in UTC. Default: the local zone.")

_DAYS = re.compile(r"([0-9]{1,4})d")
_URL = typer.Option(
    "--prometheus",
    metavar="URL",
    envvar="SALUS_PROMETHEUS",
    help="Or NAMESPACE/SERVICE:PORT, through the API server's proxy. Default: it is looked for.",
)
_TOKEN = typer.Option(metavar="FILE", exists=True, dir_okay=False, help="Holds a bearer token for --prometheus.")
_HEADER = typer.Option(metavar="'NAME: VALUE'", help="Of each request to --prometheus. Repeatable.")
_CA = typer.Option(metavar="FILE", exists=True, dir_okay=False, help="Authorities that --prometheus is trusted by.")
_CONFIG = typer.Option("--config", metavar="FILE", exists=True, dir_okay=False, help="The operator's configuration.")
_SOURCE = typer.Option("--source", metavar="NAME", help="One of the operator's sources. Default: default.")
_MATCH = typer.Option("--match", metavar="LABEL=VALUE", help="Of all series that are asked for. Repeatable.")

_WHERE: Mapping[str, tuple[Any, Any]] = {
    "namespace": (Annotated[str | None, _NAMESPACE], None),
    "all_namespaces": (Annotated[bool, _ALL], False),
    "kubeconfig": (Annotated[Path | None, _KUBECONFIG], None),
    "context": (Annotated[str | None, _CONTEXT], None),
    "as_user": (Annotated[str, _AS], ""),
    "request_timeout": (Annotated[str, _TIMEOUT], "10s"),
    "verbose": (Annotated[bool, _VERBOSE], False),
}
_LOOK: Mapping[str, tuple[Any, Any]] = {
    "form": (Annotated[str, _OUTPUT], "text"),
    "color": (Annotated[str, _COLOR], "auto"),
    "utc": (Annotated[bool, _UTC], False),
}
_PROMETHEUS: Mapping[str, tuple[Any, Any]] = {
    "at": (Annotated[str, _URL], ""),
    "prometheus_token_file": (Annotated[Path | None, _TOKEN], None),
    "prometheus_header": (Annotated[list[str] | None, _HEADER], None),
    "prometheus_ca": (Annotated[Path | None, _CA], None),
    "config": (Annotated[Path | None, _CONFIG], None),
    "source": (Annotated[str, _SOURCE], ""),
    "match": (Annotated[list[str] | None, _MATCH], None),
}


def duration(option: str, text: str) -> timedelta:
    """What an option says of time; people also count in days. Raises BadParameter."""
    from salus.model.scalars import parse_duration  # noqa: PLC0415 — see `_where`

    found = _DAYS.match(text)
    days, rest = (int(found[1]), text[found.end() :]) if found else (0, text)
    try:
        return timedelta(days=days) + (parse_duration(rest) if rest or not found else timedelta(0))
    except ValueError as error:
        raise typer.BadParameter(f"{option}: {error}") from error


def _where(said: Mapping[str, Any]) -> "Where":
    from salus.cli.person import Where  # noqa: PLC0415 — what talks to a cluster is imported when it is called

    return Where(**{**said, "request_timeout": duration("--request-timeout", said["request_timeout"])})


def _look(said: Mapping[str, Any]) -> "Look":
    from salus.cli.show import Color, Look  # noqa: PLC0415

    if said["color"] not in set(Color):
        raise typer.BadParameter(f'--color: expected auto, always or never, got "{said["color"]}"')
    return Look(said["form"], Color(said["color"]), utc=said["utc"])


def _prometheus(said: Mapping[str, Any]) -> "Prometheus":
    from salus.cli.contract import without_secrets  # noqa: PLC0415
    from salus.cli.metrics.wanted import Prometheus  # noqa: PLC0415

    goes_along = {f"--{one.replace('_', '-')}": said[one] for one in _PROMETHEUS if one.startswith("prometheus_")}
    for option, given in goes_along.items():
        if given and not said["at"]:
            raise typer.BadParameter(f"{option} goes with --prometheus URL")
    return Prometheus(
        at=said["at"],
        token_file=said["prometheus_token_file"],
        headers=_pairs("--prometheus-header", said["prometheus_header"], ":", "'NAME: VALUE'"),
        ca=said["prometheus_ca"],
        config=said["config"],
        source=said["source"],
        match=_pairs("--match", said["match"], "=", "LABEL=VALUE"),
        command=without_secrets(shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])),
    )


def _pairs(option: str, texts: list[str] | None, between: str, form: str) -> Mapping[str, str]:
    pairs = [text.partition(between) for text in texts or ()]
    for name, _, value in pairs:
        if not name.strip() or not value.strip():
            raise typer.BadParameter(f"{option}: expected {form}")
    return {name.strip(): value.strip() for name, _, value in pairs}


_GROUPS: Mapping[str, tuple[Mapping[str, tuple[Any, Any]], Callable[[Mapping[str, Any]], Any]]] = {
    "where": (_WHERE, _where),
    "look": (_LOOK, _look),
    "prometheus": (_PROMETHEUS, _prometheus),
}


def may_be_bare(values: Mapping[str, str]) -> type[TyperCommand]:
    """A command whose options of these names need no value: they have this one where none follows."""

    class Command(TyperCommand):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 — Typer keeps the class to itself
            """With the values that were left out."""
            following = [*args, "-"][1:]
            pairs = zip(args, following, strict=True)
            whole = [[one, values[one]] if one in values and after.startswith("-") else [one] for one, after in pairs]
            return super().parse_args(ctx, [word for words in whole for word in words])

    return Command


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of its groups (`where`, `look`, `prometheus`) in their place, at the end."""
    signature = inspect.signature(command, eval_str=False)
    groups = {name: _GROUPS[name] for name in signature.parameters if name in _GROUPS}
    own = [parameter for name, parameter in signature.parameters.items() if name not in groups]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for options, _ in groups.values()
        for name, (annotation, default) in options.items()
    ]

    @functools.wraps(command)
    def called(**said: Any) -> None:  # noqa: ANN401 — whatever the options are
        made = {group: make({name: said.pop(name) for name in options}) for group, (options, make) in groups.items()}
        command(**said, **made)

    called.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in [*own, *added]}
    return called
