"""Freezes of the calendar."""

from dataclasses import replace
from datetime import datetime

from salus.model.values.configuration import Freeze, Switches
from tests.unit.guards.rows import NOTIFY, RESTART, ROLLBACK, USUAL, Row

FROZEN = Freeze(
    "audit",
    "UTC",
    datetime.fromisoformat("2026-11-22"),
    datetime.fromisoformat("2026-11-23"),
    message="the books are closed",
)
OVER = Freeze("over", "UTC", datetime.fromisoformat("2026-11-20"), datetime.fromisoformat("2026-11-22"))

OBJECTS = [
    Row(
        "a freeze says how long and why",
        "FreezeWindow",
        RESTART,
        says="freeze audit lasts until 2026-11-23T00:00:00Z: the books are closed",
        seen=replace(USUAL, switches=Switches(freezes=(OVER, FROZEN))),
    ),
    Row(
        "a freeze holds a rollback",
        "FreezeWindow",
        ROLLBACK,
        says="freeze audit lasts until 2026-11-23T00:00:00Z",
        seen=replace(USUAL, switches=Switches(freezes=(replace(FROZEN, message=""),))),
    ),
]

PASSES = [
    Row("a freeze that is over", "FreezeWindow", RESTART, seen=replace(USUAL, switches=Switches(freezes=(OVER,)))),
    Row(
        "a freeze lets people be told",
        "FreezeWindow",
        NOTIFY,
        seen=replace(USUAL, switches=Switches(freezes=(FROZEN,))),
    ),
]

CANNOT_TELL = [
    Row(
        "a calendar that nobody can read",
        "FreezeWindow",
        RESTART,
        says='freeze audit: time zone "Mars/Base" is not known',
        seen=replace(USUAL, switches=Switches(freezes=(replace(FROZEN, time_zone="Mars/Base"),))),
    ),
]
