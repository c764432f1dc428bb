"""How long something has lasted, measured by ticks that are never exactly an interval apart; and how long to wait."""

from datetime import datetime, timedelta

JITTER = timedelta(seconds=0.5)
"""Two readings of a 5 s interval may lie 4.9 s apart; without this slack `for: 5s` would take a third one."""


def has_lasted(since: datetime, now: datetime, wanted: timedelta) -> bool:
    """Whether what began at `since` has lasted as long as `wanted`, within the jitter of a tick."""
    return now - since >= wanted - min(JITTER, wanted / 10)


def backoff(first: timedelta, failures: int, longest: timedelta) -> timedelta:
    """How long to wait after so many failures in a row: `first`, then twice as long each time, up to `longest`."""
    return min(first * (1 << min(failures - 1, 10)), longest)
