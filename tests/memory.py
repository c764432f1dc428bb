"""How much memory a process takes, as Linux tells in `/proc`.

Not by `getrusage`: what that says of a child begins with the most that the process had which started it.
"""

from pathlib import Path


def peak() -> int:
    """The most that this process has had, in bytes."""
    return _told("VmHWM", "self")


def resident(pid: int) -> int:
    """What a process has now, in bytes."""
    return _told("VmRSS", str(pid))


def _told(field: str, process: str) -> int:
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) * 1024
