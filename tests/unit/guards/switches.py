"""What people stop: a policy, a mode, everything."""

from dataclasses import replace

from salus.model.policy import Mode
from salus.model.values.configuration import Switches
from tests.unit.guards.rows import NOTIFY, REHEARSING, RESTART, SCALE, USUAL, Row

UNDONE = "checkout-0a1b2c3d-1"

OBJECTS = [
    Row("a suspended policy", "Suspended", RESTART, says="spec.suspend is true", spec={"suspend": True}),
    Row("suspended, even to tell", "Suspended", NOTIFY, says="spec.suspend is true", spec={"suspend": True}),
    Row(
        "suspended, even to take back",
        "Suspended",
        RESTART,
        says="spec.suspend is true",
        spec={"suspend": True},
        undoes=UNDONE,
    ),
    Row(
        "an undo, by a policy that observes now",
        "Observing",
        RESTART,
        says="the mode is Observe by now",
        spec={"mode": "Observe"},
        undoes=UNDONE,
    ),
    Row(
        "an undo, whose remedy observes now",
        "Observing",
        RESTART,
        says="the mode is Observe by now",
        spec=REHEARSING,
        undoes=UNDONE,
    ),
    Row(
        "an undo, by an operator that only looks",
        "Observing",
        RESTART,
        says="the operator runs with --dry-run",
        undoes=UNDONE,
        seen=replace(USUAL, mode_cap=Mode.OBSERVE),
    ),
    Row(
        "the kill switch",
        "KillSwitch",
        RESTART,
        says="the operator's kill switch is on",
        seen=replace(USUAL, switches=Switches(kill_switch=True)),
    ),
    Row(
        "the kill switch in its administrator's words",
        "KillSwitch",
        SCALE,
        says="until the audit is over",
        seen=replace(USUAL, switches=Switches(True, "until the audit is over")),
    ),
]

PASSES = [
    Row("a policy in use is not suspended", "Suspended", RESTART),
    Row("a rehearsal is a decision of its own", "Observing", RESTART, spec={"mode": "Observe"}),
    Row("an undo under Enforce", "Observing", RESTART, undoes=UNDONE),
    Row(
        "an undo where people are asked: the way back needs no leave",
        "Observing",
        RESTART,
        spec={"mode": "Approve"},
        undoes=UNDONE,
        seen=replace(USUAL, mode_cap=Mode.APPROVE),
    ),
    Row("an undo whose remedy is gone", "Observing", RESTART, spec={"remedies": []}, undoes=UNDONE),
    Row("the kill switch is off", "KillSwitch", RESTART, seen=replace(USUAL, switches=Switches(False, "text"))),
    Row("the kill switch lets people be told", "KillSwitch", NOTIFY, seen=replace(USUAL, switches=Switches(True))),
]
