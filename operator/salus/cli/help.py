"""What `salus --help` says: the commands by what people want of them, the most wanted first."""

from collections.abc import Mapping, Sequence
from typing import Any

from typer.core import TyperGroup

GROUPS: Mapping[str, Sequence[str]] = {
    "Look": ("status", "get", "explain", "history", "report", "console"),
    "Write": ("init", "validate", "lint", "test", "replay"),
    "Answer": ("approve", "deny", "withdraw"),
    "Hold": ("suspend", "resume", "freeze", "stop"),
    "Operate": ("doctor", "run"),
    "Learn": ("demo", "completion", "version"),
}
"""Each command has its place here, also one that is not there yet."""
EPILOG = "COMMAND --help has examples. Exit: 0 yes, 1 no, 2 could not, 3 not known."


class Commands(TyperGroup):
    """The commands in groups, by their names alone: a sentence about each would be cut, or fill the screen."""

    def format_help_text(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 — Typer keeps both classes to itself
        """What Salus is, and what there is to call."""
        super().format_help_text(ctx, formatter)
        there = self.list_commands(ctx)
        rows = [(f"{group}:", "  ".join(name for name in names if name in there)) for group, names in GROUPS.items()]
        formatter.write_paragraph()
        formatter.write_dl([row for row in rows if row[1]])

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 — likewise
        """Nothing more: they stand above."""
