"""All commands with their parameters, as the line is read by them; from what Typer has been told."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

import typer

from salus.cli.complete.line import PROGRAM, Command, Parameter


def commands(app: typer.Typer) -> Mapping[str, Command]:
    """By their names; without those that are hidden."""
    group: Any = typer.main.get_command(app)
    return {name: _command(one) for name, one in group.commands.items() if not one.hidden}


def _command(one: Any) -> Command:  # noqa: ANN401 — Typer keeps its classes to itself
    first_line, _, _ = (one.help or "").partition("\n")
    parameters = [_parameter(parameter) for parameter in one.params if not getattr(parameter, "hidden", False)]
    help_option = PROGRAM.options[0]
    return Command(
        help=first_line,
        options=(*(parameter for parameter in parameters if parameter.flags), help_option),
        arguments=tuple(parameter for parameter in parameters if not parameter.flags),
    )


def _parameter(one: Any) -> Parameter:  # noqa: ANN401 — likewise
    is_option = one.param_type_name == "option"
    descriptor = getattr(one, "type_descriptor", None)
    return Parameter(
        name=one.name,
        metavar=one.metavar or "",
        choices=tuple(_literals(getattr(descriptor, "annotation", None))),
        help=getattr(one, "help", "") or "",
        flags=(*one.opts, *one.secondary_opts) if is_option else (),
        takes_value=not getattr(one, "is_flag", False),
        is_repeatable=one.nargs == -1 or bool(getattr(one, "multiple", False)),
        is_required=bool(one.required),
    )


def _literals(annotation: object) -> Iterator[str]:
    """The texts of a Literal, however deep it lies."""
    for one in get_args(annotation):
        if isinstance(one, str):
            yield one
        else:
            yield from _literals(one)
