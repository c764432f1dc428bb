"""Progress for a person who waits: silence for two seconds, then a line that says how far the work has come."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

_SILENT = 2.0
"""Seconds before the first word."""
_REDRAW, _REPEAT = 0.2, 10.0
"""Seconds between two words on a terminal, where one line is drawn anew, and in a log, where each stays."""
_CLEAR_LINE = "\r\x1b[K"


@dataclass(slots=True)
class Progress:
    """Says on `stream` what it is told, but rarely. Call `end` before anything else is printed."""

    stream: TextIO
    clock: Callable[[], float] = time.monotonic
    _due: float | None = None
    _drawn: bool = False

    def say(self, words: Callable[[], str]) -> None:
        """How far the work has come; `words` is called only when it is time to speak."""
        now = self.clock()
        if self._due is None:
            self._due = now + _SILENT
        if now < self._due:
            return
        terminal = self.stream.isatty()
        self.stream.write(f"{_CLEAR_LINE}{words()}" if terminal else f"{words()}\n")
        self.stream.flush()
        self._due = now + (_REDRAW if terminal else _REPEAT)
        self._drawn = terminal

    def end(self) -> None:
        """Leave a clean line behind."""
        if self._drawn:
            self.stream.write(_CLEAR_LINE)
            self._drawn = False
