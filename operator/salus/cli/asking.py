"""Asking a person before something is written in their name: on a terminal, or by `--yes`, or not at all.

A pipe or a pipeline that nobody looks at must not answer for anybody.
"""

from typing import TextIO

import typer

from salus.cli.contract import CannotBeAsked


class NobodyToAsk(CannotBeAsked):
    """Nothing was written, since there is no terminal and nobody said `--yes`."""

    def __init__(self) -> None:
        super().__init__("nobody to ask: add --yes")


def somebody_agrees(stdin: TextIO | None, *, sure: bool) -> None:
    """See that there is somebody who says yes, or has said it. `stdin` is None where it is closed.

    Raises NobodyToAsk.
    """
    if not sure and (stdin is None or not stdin.isatty()):
        raise NobodyToAsk


def agrees(question: str, *, sure: bool) -> bool:
    """Whether the person says yes; the question goes beside what is printed for programs."""
    return sure or typer.confirm(question, err=True)
