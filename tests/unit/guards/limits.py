"""What is under way, the cooldown, and the attempts."""

from dataclasses import replace

from tests.builders import NOW, a_change, a_finished_change, ago, later
from tests.unit.guards.rows import LIMITS, NOTIFY, RESTART, SCALE, USUAL, Row

TWO_HOURS = [a_finished_change(1, done=ago(7100)), a_finished_change(2, done=ago(3700))]
BUSY = [a_finished_change(1, done=ago(3500)), a_finished_change(2, done=ago(400))]

OBJECTS = [
    Row(
        "an open change of another policy",
        "ChangeInFlight",
        RESTART,
        says="checkout-0a1b2c3d-3 of policy other is not finished",
        seen=replace(USUAL, changes=(a_change(3, policy="other"),)),
    ),
    Row(
        "an open change holds a notification",
        "ChangeInFlight",
        NOTIFY,
        says="checkout-0a1b2c3d-3 of policy checkout-health is not finished",
        seen=replace(USUAL, changes=(a_change(3),)),
    ),
    Row(
        "an approved change is in flight",
        "ChangeInFlight",
        SCALE,
        says="checkout-0a1b2c3d-3 of policy checkout-health is not finished",
        seen=replace(USUAL, changes=(a_change(3, decision="AwaitApproval", approval="Approved"),)),
    ),
    Row(
        "an action 40 seconds ago",
        "CooldownActive",
        RESTART,
        says="the last action was 40s ago, cooldown 5m",
        spec=LIMITS,
        seen=replace(USUAL, changes=(a_finished_change(1, done=ago(40)),)),
    ),
    Row(
        "a second before the cooldown ends",
        "CooldownActive",
        RESTART,
        says="the last action was 4m59s ago, cooldown 5m",
        spec=LIMITS,
        seen=replace(USUAL, changes=(a_finished_change(1, done=ago(299)),)),
    ),
    Row(
        "an action of another policy cools down too",
        "CooldownActive",
        RESTART,
        says="the last action was 40s ago, cooldown 5m",
        spec=LIMITS,
        seen=replace(USUAL, changes=(a_finished_change(1, done=ago(40), policy="other"),)),
    ),
    Row(
        "an undo cools down too",
        "CooldownActive",
        RESTART,
        says="the last action was 40s ago, cooldown 5m",
        spec=LIMITS,
        seen=replace(
            USUAL,
            changes=(
                a_finished_change(1, done=ago(600)),
                a_finished_change(2, done=ago(40), undoes="x", outcome="Undone"),
            ),
        ),
    ),
    Row(
        "a clock that went back",
        "CooldownActive",
        RESTART,
        says="the last action was 0s ago, cooldown 5m",
        spec=LIMITS,
        seen=replace(USUAL, changes=(a_finished_change(1, done=later(30)),)),
    ),
    Row(
        "as many actions as are allowed",
        "AttemptsExhausted",
        RESTART,
        says="2 actions in the last 1h, at most 2",
        spec=LIMITS,
        seen=replace(USUAL, changes=tuple(BUSY)),
    ),
    Row(
        "recovered or not, an action counts",
        "AttemptsExhausted",
        RESTART,
        says="3 actions in the last 1h, at most 2",
        spec=LIMITS,
        seen=replace(USUAL, changes=(a_finished_change(1, done=ago(3599), outcome="Recovered"), *BUSY)),
    ),
    Row(
        "one that failed counts",
        "AttemptsExhausted",
        RESTART,
        says="2 actions in the last 1h, at most 2",
        spec=LIMITS,
        seen=replace(USUAL, changes=(BUSY[0], a_change(2, decided_at=ago(60), outcome="Failed"))),
    ),
    Row(
        "one that waited long for approval counts from the write",
        "AttemptsExhausted",
        SCALE,
        says="2 actions in the last 1h, at most 2",
        spec=LIMITS,
        seen=replace(
            USUAL,
            changes=(
                BUSY[0],
                a_change(
                    2,
                    decision="AwaitApproval",
                    approval="Approved",
                    decided_at=ago(9000),
                    applied_at=ago(60),
                    completed_at=ago(1),
                    outcome="Recovered",
                ),
            ),
        ),
    ),
]

PASSES = [
    Row("no records at all", "ChangeInFlight", RESTART),
    Row("finished changes are not in flight", "ChangeInFlight", RESTART, seen=replace(USUAL, changes=tuple(TWO_HOURS))),
    Row(
        "a rehearsal is not in flight",
        "ChangeInFlight",
        RESTART,
        seen=replace(USUAL, changes=(a_change(decision="DryRun", completed_at=None),)),
    ),
    Row(
        "waiting for approval is not in flight",
        "ChangeInFlight",
        RESTART,
        seen=replace(USUAL, changes=(a_change(decision="AwaitApproval"),)),
    ),
    Row(
        "the cooldown ends at its time",
        "CooldownActive",
        RESTART,
        spec=LIMITS,
        seen=replace(USUAL, changes=(a_finished_change(1, done=ago(300)),)),
    ),
    Row(
        "what was never done needs no cooldown",
        "CooldownActive",
        RESTART,
        spec=LIMITS,
        seen=replace(USUAL, changes=(a_change(1, outcome="Abandoned"),)),
    ),
    Row(
        "a rehearsal needs no cooldown",
        "CooldownActive",
        RESTART,
        spec=LIMITS,
        seen=replace(USUAL, changes=(a_change(1, decision="DryRun"),)),
    ),
    Row(
        "a notification needs no cooldown",
        "CooldownActive",
        RESTART,
        spec=LIMITS,
        seen=replace(USUAL, changes=(a_finished_change(1, done=NOW, action=NOTIFY),)),
    ),
    Row(
        "people are told during a cooldown",
        "CooldownActive",
        NOTIFY,
        spec=LIMITS,
        seen=replace(USUAL, changes=(a_finished_change(1, done=NOW),)),
    ),
    Row(
        "one action of two is left", "AttemptsExhausted", RESTART, spec=LIMITS, seen=replace(USUAL, changes=(BUSY[0],))
    ),
    Row(
        "old actions do not count",
        "AttemptsExhausted",
        RESTART,
        spec=LIMITS,
        seen=replace(USUAL, changes=tuple(TWO_HOURS)),
    ),
    Row(
        "an action leaves the window at its end",
        "AttemptsExhausted",
        RESTART,
        spec=LIMITS,
        seen=replace(USUAL, changes=(a_finished_change(1, done=ago(3600)), BUSY[1])),
    ),
    Row(
        "actions of another policy do not count",
        "AttemptsExhausted",
        RESTART,
        spec=LIMITS,
        seen=replace(USUAL, changes=(BUSY[0], a_finished_change(2, policy="other"))),
    ),
    Row(
        "an undo does not count",
        "AttemptsExhausted",
        RESTART,
        spec=LIMITS,
        seen=replace(USUAL, changes=(BUSY[0], a_finished_change(2, outcome="Undone", undoes="checkout-0a1b2c3d-1"))),
    ),
    Row(
        "an abandoned change does not count",
        "AttemptsExhausted",
        RESTART,
        spec=LIMITS,
        seen=replace(USUAL, changes=(BUSY[0], a_change(2, outcome="Abandoned"))),
    ),
    Row(
        "refusals do not count",
        "AttemptsExhausted",
        RESTART,
        spec=LIMITS,
        seen=replace(USUAL, changes=(BUSY[0], *(a_change(n, decision="Refuse") for n in range(2, 9)))),
    ),
    Row(
        "notifications do not count",
        "AttemptsExhausted",
        RESTART,
        spec=LIMITS,
        seen=replace(USUAL, changes=(BUSY[0], a_finished_change(2, action=NOTIFY))),
    ),
    Row(
        "people are told when the attempts are spent",
        "AttemptsExhausted",
        NOTIFY,
        spec=LIMITS,
        seen=replace(USUAL, changes=tuple(BUSY)),
    ),
]
