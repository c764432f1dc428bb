"""Options that many commands have, declared once: a parameter `where: Where` of a command becomes those of WHERE.

Typer reads a signature. `grouped` gives it one in which such a parameter is replaced by its options, and puts them
together again before the command is called.
"""

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
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


_GROUPS: Mapping[str, tuple[Mapping[str, tuple[Any, Any]], Callable[[Mapping[str, Any]], Any]]] = {
    "where": (_WHERE, _where),
    "look": (_LOOK, _look),
}


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of its groups (`where`, `look`) in their place, at the end."""
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
