"""The page on guards, written from their registry: `python -m tools.guards_page > docs/concepts/guards.md`.

A test holds the page to what this says, so that neither order nor meaning can drift from the code.
"""

import inspect
import sys

from salus.core.actions import KINDS
from salus.core.guards.chain import GUARDS, OF_MANY, UNKNOWN, Guard, every_change, everything
from salus.model.values.changes import Then

_HEAD = f"""# Guards

<!-- Written from the registry by `python -m tools.guards_page`; a test fails when it is not current. -->

A guard is a reason not to act now. They are asked in this order, once before the intent is put on record and once
more, with everything read anew, right before the action; the first that objects is the reason on record. Each is a pure
function of what was observed, in `operator/salus/core/guards/chain.py`. What to do about each:
[records](../reference/records.md#a-guard-objects).

A guard that cannot be evaluated, since something could not be read, refuses: the reason is `{UNKNOWN}`, the message
says which guard and what it lacks, and it is asked again at the next tick.

| reason | what it means | asked of | then | undo |
| --- | --- | --- | --- | --- |
"""
_TAIL = """
*asked of*: the kinds of action. *then*: **waits** asks again at every tick, for it passes by itself; **waits for
people** too, but they must lift it; **next rung** gives the remedy up for this incident; **advises** records what to
change in Git and goes on; **calls people** ends the ladder. *undo*: whether the guard holds an undo or a revert as
well; all others let these pass, since the way back must stay open.

Waiting keeps nobody from being told ([how](../reference/policies.md#when-people-are-told)): of what people must lift at
once, of what passes by itself after `spec.escalateAfter`. What holds back many targets (*one telling*) is told once,
and not once a target. That a guard cannot be evaluated is for people when it has lasted for a minute, and is told once
a policy for each such guard. No guard waits for something that does not pass by itself: a rollout is in progress while
it makes progress, which Kubernetes itself says of a Deployment; of the other kinds one whose pods have not moved for
ten minutes does not, as far as this process has looked.

The mode Approve is no guard: what passes them all is recorded and waits for a person, and the guards are asked again
when they have said yes. Right before any action the mode is looked at once more: what was meant under Enforce is not
done when the policy asks a person by now (the record then ends as `Abandoned`, `ApprovalRequired`). What `NotPermitted`
lets pass, the API server still judges: what the acting account may not do, it refuses, and the change ends as `Failed`
with its words.

## What is counted, and from what

Cooldowns, attempts, budgets, the brake and Contested are computed from ChangeEvents, so a restart forgets nothing.
Budgets count from the intent on, all policies together, without undos, reverts, notifications and what was abandoned.
The records of all targets are watched, and the operator enters its own writes as it makes them, the intent before its
first byte: a watch alone would lag behind what was just written, and fifty targets that fail in one tick would all find
the budget unspent. A watch that says nothing for two minutes is not trusted with it (`GuardUnknown`). An operator that
watches some namespaces only counts what is in those.

The fleet brake compares Unhealthy with Healthy targets; Unknown ones count for neither. It looks at targets that this
process has measured, so for the first interval after a start it may not see enough of them to be on; the budgets are
whole from the start. When it lifts, nothing is replayed: each target is judged by how it is then.

A target counts for the brake, and for a budget in percent, when it has replicas and a policy may act on it: neither
suspended, nor in mode Observe, nor one that only tells people. Seen from the namespace of an action, its own targets
count in full, and those of each other namespace as a sample of at most a third as many (of at most one, for fewer than
six). So no other namespace alone puts the brake on or takes it off, whatever its policies say and however many targets
it has; against a budget in percent, what is done there weighs as much less
([why so](../decisions/0030-what-flaps-and-what-is-made-up.md)).

When the brake first holds an action back there is one notification for the whole fleet: a Notify of that target, with
the reason `FleetBrake`. It is found again on record, so neither other targets nor a restart make another one
([how](../decisions/0015-one-notification-for-a-fleet.md)). A freeze and the kill switch are told once a namespace, with
their reason, and with its own `notify` once a policy; what its rights, or a guard that cannot be evaluated, hold back
of the targets of one policy is told once for those. What falls ill more than an hour later is told anew.

A freeze says its times in its time zone. Where the clocks go back, `from` means the first and `to` the second of the
two equal times; a time that the clocks skip means as much after they have moved on. A cron fires once in a repeated
hour, and right after a skipped one; `duration` is elapsed time.
"""
_THEN = {
    Then.WAIT: "waits",
    Then.NEXT: "next rung",
    Then.ADVISE: "advises, next rung",
    Then.ESCALATE: "calls people",
}


def guards_page() -> str:
    """The whole page."""
    return _HEAD + "".join(map(_row, GUARDS)) + _TAIL


def _row(guard: Guard) -> str:
    meaning = " ".join((inspect.getdoc(guard.objects) or "").split())
    held = "held" if guard.undo_too else "passes"
    return f"| `{guard.reason}` | {meaning} | {_kinds(guard)} | {_then(guard)} | {held} |\n"


def _then(guard: Guard) -> str:
    then = "waits for people" if guard.by_people else _THEN[guard.then]
    return f"{then}, one telling{' a policy' if guard.of_policy else ''}" if guard.reason in OF_MANY else then


def _kinds(guard: Guard) -> str:
    if guard.kinds is everything:
        return "everything"
    if guard.kinds is every_change:
        return "every change"
    return ", ".join(sorted(kind.field for kind in KINDS.values() if kind.field and guard.kinds(kind)))


if __name__ == "__main__":
    sys.stdout.write(guards_page())
