"""One process at a time, across processes: for what must be made once and is used by many."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from tools.devcluster.progress import Say


@contextlib.contextmanager
def exclusive(path: Path, what: str, say: Say) -> Iterator[None]:
    """Hold the lock on the file `path`, made if need be; while another process holds it, say that it makes `what`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Another process is making {what}; waiting for it …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
