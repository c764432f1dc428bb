"""What someone took back is left alone."""

from dataclasses import replace

from salus.model.change import Outcome
from tests.builders import a_finished_change, a_refusal, ago
from tests.unit.guards.rows import GROWN, RESTART, ROLLBACK, SCALE, USUAL, Row, facts

OBJECTS = [
    Row(
        "a scaling that someone took back",
        "Contested",
        SCALE,
        says="checkout-0a1b2c3d-1 was taken back by someone else; hands off for 1h",
        seen=replace(USUAL, changes=(GROWN,)),
    ),
    Row(
        "a restart that someone took back",
        "Contested",
        RESTART,
        says="checkout-0a1b2c3d-1 was taken back by someone else; hands off for 1h",
        seen=replace(
            USUAL,
            changes=(
                a_finished_change(1, done=ago(500), before=facts(restarted_at=""), intended=facts(restarted_at="now")),
            ),
        ),
    ),
    Row(
        "the outcome keeps it for an hour",
        "Contested",
        ROLLBACK,
        says="checkout-0a1b2c3d-1 was taken back by someone else, seen 40m ago; hands off for 1h",
        seen=replace(
            USUAL, changes=(replace(GROWN, outcome=Outcome.CONTESTED, applied_at=ago(3000), completed_at=ago(2400)),)
        ),
    ),
    Row(
        "a refusal on record keeps it for an hour",
        "Contested",
        RESTART,
        says="checkout-0a1b2c3d-1 was taken back by someone else, seen 59m59s ago; hands off for 1h",
        seen=replace(
            USUAL, changes=(replace(GROWN, applied_at=ago(4000)), a_refusal("Contested", 2, decided_at=ago(3599)))
        ),
    ),
]

PASSES = [
    Row(
        "what a replay has done, since its past shows nothing of it",
        "Contested",
        RESTART,
        seen=replace(USUAL, changes=(GROWN,), unseen=frozenset({GROWN.name})),
    ),
    Row("taken back later", "Contested", RESTART, seen=replace(USUAL, changes=(replace(GROWN, applied_at=ago(601)),))),
    Row(
        "an hour after it was contested",
        "Contested",
        RESTART,
        seen=replace(
            USUAL, changes=(replace(GROWN, outcome=Outcome.CONTESTED, applied_at=ago(4000), completed_at=ago(3600)),)
        ),
    ),
    Row(
        "a third value is a person's",
        "Contested",
        RESTART,
        seen=replace(USUAL, changes=(replace(GROWN, before=facts(replicas=2)),)),
    ),
    Row(
        "the change still stands",
        "Contested",
        RESTART,
        seen=replace(USUAL, changes=(replace(GROWN, intended=facts(replicas=3)),)),
    ),
    Row(
        "a target that was made again",
        "Contested",
        RESTART,
        seen=replace(USUAL, changes=(replace(GROWN, target_uid="another"),)),
    ),
    Row(
        "taken back by Salus itself",
        "Contested",
        RESTART,
        seen=replace(
            USUAL,
            changes=(GROWN, a_finished_change(2, action=SCALE, done=ago(60), undoes=GROWN.name, outcome="Undone")),
        ),
    ),
    Row(
        "a refusal about an older write",
        "Contested",
        RESTART,
        seen=replace(USUAL, changes=(a_refusal("Contested", 1), replace(GROWN, sequence=2, applied_at=ago(700)))),
    ),
    Row(
        "a restart that went with the old release",
        "Contested",
        RESTART,
        seen=replace(
            USUAL,
            changes=(
                a_finished_change(
                    1,
                    before=facts(restarted_at="", release="old"),
                    intended=facts(restarted_at="now", release="old"),
                ),
            ),
        ),
    ),
]
