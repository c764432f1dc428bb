"""What every command keeps to: how it ends, and how it says that it cannot; no trace ever reaches a person.

`kubectl diff` made scripts read more than 1 as an error; so here. What a command could not ask is told in one shape:
what, then indented facts, then what to try.
"""

import os
import re
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from typing import TextIO

_WIDTH = 10
_SECRETS = re.compile(r"(?i)(bearer|basic)\s+\S+|(?<=://)[^/@\s]+@|(?<=token=)\S+")
"""What a message of a library may hold and a file that people send around may not."""


class Exit(IntEnum):
    """The exit status of every command."""

    YES = 0
    """Asked, and the answer is yes."""
    NO = 1
    CANNOT = 2
    """It could not be asked: usage, an unreadable file, no connection, no such object, no right."""
    UNKNOWN = 3
    """Asked, and nobody knows."""
    INTERRUPTED = 130


class CannotBeAsked(Exception):
    """A command cannot do what was wanted; `facts` are (label, sentence), `tries` what a person may do about it."""

    def __init__(self, what: str, facts: Sequence[tuple[str, str]] = (), tries: Sequence[str] = ()) -> None:
        super().__init__(what)
        self.what = what
        self.facts = tuple(facts)
        self.tries = tuple(tries)

    def lines(self) -> Iterator[str]:
        """As a person reads it."""
        yield f"salus: error: {self.what}"
        tries = [("try" if index == 0 else "or", text) for index, text in enumerate(self.tries)]
        for label, text in (*self.facts, *tries):
            first, *rest = text.splitlines() or [""]
            yield f"  {label:<{_WIDTH}}{first}".rstrip()
            yield from (f"  {'':<{_WIDTH}}{line}".rstrip() for line in rest)


def ends(command: Callable[[], int], stderr: TextIO | None = None) -> int:
    """The exit status of a command; what it cannot do is said on stderr, and a defect is put into a file."""
    said = stderr or sys.stderr
    try:
        return command()
    except CannotBeAsked as error:
        said.write("\n".join(error.lines()) + "\n")
        return Exit.CANNOT
    except KeyboardInterrupt:
        said.write("\n")
        return Exit.INTERRUPTED
    except BrokenPipeError:  # `salus get … | head`: who reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.YES
    except Exception as error:  # noqa: BLE001 — a defect of ours: people get a sentence, and a file to send
        said.write("\n".join(_defect(error).lines()) + "\n")
        return Exit.CANNOT


def _defect(error: Exception) -> CannotBeAsked:
    trace = without_secrets("".join(traceback.format_exception(error)))
    kind = type(error).__name__
    try:
        with tempfile.NamedTemporaryFile("w", prefix="salus-defect-", suffix=".txt", delete=False) as file:
            file.write(f"{' '.join(sys.argv[:2])}\n{trace}")
    except OSError:
        return CannotBeAsked("a defect in Salus, please report it", [("kind", kind)])
    return CannotBeAsked("a defect in Salus, please report it", [("kind", kind), ("trace", file.name)])


def without_secrets(text: str) -> str:
    """The text without credentials."""
    return _SECRETS.sub("…", text)
