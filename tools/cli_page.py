"""The page on commands, written from what they say of themselves: `python -m tools.cli_page > docs/reference/cli.md`.

A test holds the page to what this says.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import typer
from typer.core import TyperGroup

from salus.cli import commands  # noqa: F401 — the app has them once they are imported
from salus.cli.app import app
from salus.cli.help import GROUPS

_HEAD = """# Commands

<!-- Written from the program by `python -m tools.cli_page`; a test fails when it is not current. -->

What `salus COMMAND --help` says, of all commands. `kubectl salus` is the same program as a plugin of kubectl:
[how to get it](../how-to/install.md#the-command-line). Every command ends with 0 for yes, 1 for no, 2 when it could
not, 3 when it is not known. Text is made from the document that `-o json` prints. [What each asks for](rights.md)
of others.

"""
_SHARED = """## Options that many have

| option | |
| --- | --- |
"""
_MANY = 4
"""Commands that have an option in the same words; it is then explained once."""
_EXAMPLES = "\b\nExamples:\n"

Row = tuple[str, str]


@dataclass(frozen=True)
class Command:
    """What a command says of itself."""

    name: str
    text: str
    examples: str
    arguments: tuple[Row, ...]
    options: tuple[Row, ...]


def cli_page() -> str:
    """All of it."""
    found = {one.name: one for one in _commands()}
    counted = Counter(row for one in found.values() for row in one.options)
    shared = [row for row, count in counted.items() if count >= _MANY]
    groups = [(group, [found[name] for name in names if name in found]) for group, names in GROUPS.items()]
    links = [f"- **{group}**: {_links(ones)}\n" for group, ones in groups if ones]
    parts = ["\n".join(_section(one, shared)) for _, ones in groups for one in ones]
    return f"{_HEAD}{''.join(links)}\n{chr(10).join(parts)}\n{_SHARED}{_table(shared)}\n"


def _commands() -> Iterator[Command]:
    program = typer.main.get_command(app)
    assert isinstance(program, TyperGroup)  # noqa: S101 — it has more commands than one
    for name, command in program.commands.items():
        with command.make_context(name, [], resilient_parsing=True) as context:
            said = [(one.param_type_name, one.get_help_record(context)) for one in command.get_params(context)]
        text, _, examples = (command.help or "").partition(_EXAMPLES)
        rows = [(kind, row) for kind, row in said if row is not None and not row[0].endswith("--help")]
        yield Command(
            name,
            text.strip(),
            "\n".join(line.strip() for line in examples.strip().splitlines()),
            tuple(row for kind, row in rows if kind == "argument"),
            tuple(row for kind, row in rows if kind == "option"),
        )


def _links(ones: Iterable[Command]) -> str:
    return " · ".join(f"[{one.name}](#{one.name})" for one in ones)


def _section(one: Command, shared: list[Row]) -> Iterator[str]:
    yield f"## {one.name}\n"
    yield f"{_in_lines(one.text)}\n"
    yield f"```\n{one.examples}\n```\n"
    own = [row for row in (*one.arguments, *one.options) if row not in shared]
    if own:
        yield f"| | |\n| --- | --- |\n{_table(own)}\n"
    if others := [row for row in one.options if row in shared]:
        yield f"And {', '.join(f'`{_short(names)}`' for names, _ in others)}: [below](#options-that-many-have).\n"


def _in_lines(text: str) -> str:
    """As Markdown, which would take `<…>` and `*` for its own."""
    return text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


def _table(rows: Iterable[Row]) -> str:
    return "\n".join(f"| `{_called(names)}` | {_cell(said)} |" for names, said in rows)


def _called(names: str) -> str:
    """An argument's type is told by its name."""
    return names.replace(" <list[str]>", " …").replace(" <str>", "").replace("|", "\\|")


def _cell(said: str) -> str:
    return _in_lines(" ".join(said.split())).replace("|", "\\|")


def _short(names: str) -> str:
    """`-n` of `-n, --namespace NAME`."""
    return names.split(maxsplit=1)[0].rstrip(",")


if __name__ == "__main__":
    sys.stdout.write(cli_page())
