"""The folder that one run keeps its files in, and the removal of folders whose run was killed.

A folder in use holds a locked file. The kernel drops the lock with the process, so a folder with a lock that can be
had is rubbish, and one without a lock file was kept on purpose.
"""

import fcntl
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_PREFIX = "salus-devcluster-"
_LOCK = "in-use"


@dataclass(frozen=True)
class RunFolder:
    """A new folder under the system's folder for temporary files."""

    path: Path
    _lock: IO[str]

    @classmethod
    def create(cls) -> "RunFolder":
        """Make a folder of our own, after removing those that killed runs have left."""
        sweep()
        path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        lock = (path / "draft").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        (path / "draft").rename(path / _LOCK)  # never to be seen unlocked while we live
        return cls(path, lock)

    def remove(self) -> None:
        """Remove the folder and all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()

    def keep(self) -> None:
        """Leave the folder for a person to look at."""
        (self.path / _LOCK).unlink(missing_ok=True)
        self._lock.close()


def sweep() -> list[Path]:
    """Remove the folders of killed runs, and return them."""
    folders = Path(tempfile.gettempdir()).glob(f"{_PREFIX}*")
    rubbish = [folder for folder in folders if _is_abandoned(folder)]
    for folder in rubbish:
        shutil.rmtree(folder, ignore_errors=True)
    return rubbish


def _is_abandoned(folder: Path) -> bool:
    try:
        with (folder / _LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # in use, kept, or another user's
        return False
    return True
