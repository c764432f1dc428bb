"""Which of several is meant: asked on a terminal, told where there is none. Never chosen in silence."""

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import typer

from salus.cli.contract import CannotBeAsked

T = TypeVar("T")

Choose = Callable[[str, Sequence[str]], int]
"""Asks which of these texts is meant, and gives its index."""


def on_terminal() -> Choose | None:
    """How to ask whoever sits there; None: nobody does."""
    return _ask if sys.stdin.isatty() and sys.stderr.isatty() else None


def _ask(question: str, texts: Sequence[str]) -> int:
    typer.echo(question, err=True)
    for number, text in enumerate(texts, start=1):
        typer.echo(f"  {number}  {text}", err=True)
    chosen = 0
    while not 1 <= chosen <= len(texts):
        chosen = typer.prompt(f"Which one, 1 to {len(texts)}", err=True, type=int)
    return chosen - 1


def one_of(found: Sequence[T], texts: Sequence[str], choose: Choose | None, several: CannotBeAsked) -> T:
    """The one that is meant. Raises `several` where nobody can say."""
    if len(found) == 1:
        return found[0]
    if choose is None:
        raise several
    return found[choose(several.what, texts)]
