"""The person's own clock, with the days on which it is changed: habits of people follow it."""

import os
from datetime import UTC, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

_LOCAL = Path("/etc/localtime")


def zone(*, utc: bool) -> tzinfo:
    """By $TZ, else by what the machine is set to; UTC where neither tells."""
    if utc:
        return UTC
    try:
        if name := os.environ.get("TZ", "").removeprefix(":"):
            return ZoneInfo(name)
        with _LOCAL.open("rb") as file:
            return ZoneInfo.from_file(file, key="local")
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return UTC
