"""Lines that tell a waiting person what is happening, with the seconds since the start.

Everything in devcluster that may take over two seconds takes a `Say` and calls it; where the lines go is the
caller's choice.
"""

import sys
import time
from collections.abc import Callable

Say = Callable[[str], None]


def say_on_stderr() -> Say:
    """Return a `Say` which prints to standard error, each line led by the seconds since this call."""
    started = time.monotonic()

    def say(message: str) -> None:
        print(f"{time.monotonic() - started:7.1f}s  {message}", file=sys.stderr, flush=True)

    return say


def silence(message: str) -> None:
    """Be a `Say` that says nothing."""
    del message
