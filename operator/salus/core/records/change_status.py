"""What the record of a change says of how it goes and how it ended, as its status."""

from datetime import datetime
from typing import Any

from salus.core.records.delivery import DELIVERED
from salus.core.records.record_conditions import condition
from salus.model.change import Facts, Outcome
from salus.model.scalars import format_time
from salus.model.values.changes import Change

_PROVEN = {
    Outcome.RECOVERED: "True",
    Outcome.NOT_RECOVERED: "False",
    Outcome.WORSE: "False",
    Outcome.INCONCLUSIVE: "Unknown",
}
_TAKEN = "the API server took the patch"


def applied_status(after: Facts, now: datetime) -> dict[str, Any]:
    """It was done: what the object is after it."""
    return {
        "observedGeneration": 1,
        "appliedAt": format_time(now),
        "after": after.to_dict(),
        "conditions": [condition("Applied", "True", "Patched", _TAKEN, now)],
    }


def finished_status(
    change: Change, outcome: Outcome | None, message: str, now: datetime, *, perhaps: bool = False
) -> dict[str, Any]:
    """How the change ended; a notification has no outcome: it is delivered, by its sinks if any.

    `perhaps`: nobody can tell whether it was done. It counts as done by now, since limits have to hold in any case.
    """
    return {
        "observedGeneration": 1,
        "outcome": outcome.value if outcome else None,
        "completedAt": format_time(now),
        "message": message[:1024],
        "conditions": _conditions(change, outcome, message, now, perhaps=perhaps),
        **({"appliedAt": format_time(now)} if perhaps else {}),
    }


def _conditions(
    change: Change, outcome: Outcome | None, message: str, now: datetime, *, perhaps: bool
) -> list[dict[str, Any]]:
    if outcome is None:
        return [] if change.sinks else [condition(DELIVERED, "True", "Posted", message, now)]
    if perhaps:
        done = condition("Applied", "Unknown", outcome.value, message, now)
    elif change.applied_at:
        done = condition("Applied", "True", "Patched", _TAKEN, change.applied_at)
    else:
        done = condition("Applied", "False", outcome.value, message, now)
    if outcome not in _PROVEN:
        return [done]
    return [done, condition("Verified", _PROVEN[outcome], outcome.value, message, now)]
