"""Which records a namespace may run out of, and how what is beyond the budget is counted in one.

What was done, what people are asked and told, and everything about an undo is recorded in any case; so is that somebody
took a change back, since that is remembered by its record. Refusals, advice, rehearsals and incidents are not worth
more than etcd: beyond `limits.recordsPerHour` they are counted in a single refusal of the namespace.
"""

from dataclasses import replace
from datetime import timedelta

from salus.core.guards.reverted import REASON as CONTESTED
from salus.core.records.changes import Entry
from salus.model.change import ActionKind, Decision
from salus.model.values.changes import Change

REASON = "RecordBudgetSpent"
WINDOW = timedelta(hours=1)
_BUDGETED = frozenset({Decision.REFUSE, Decision.ADVISE, Decision.DRY_RUN})


def is_budgeted(record: Change) -> bool:
    """Whether a record counts against the budget of its namespace."""
    return record.decision in _BUDGETED and not record.undoes and record.reason not in {CONTESTED, REASON}


def may_be_withheld(entry: Entry) -> bool:
    """The same, before there is a record."""
    return entry.decision in _BUDGETED and not entry.action.undoes and entry.reason != CONTESTED


def sentence(namespace: str, most: int) -> str:
    """Why something is not on record."""
    return (
        f"namespace {namespace} has had {most} refusals, rehearsals and incidents within an hour "
        "(limits.recordsPerHour of the operator's configuration)"
    )


def tally(entry: Entry, most: int) -> Entry:
    """The one record in which those are counted that follow."""
    said = f"{sentence(entry.action.target.namespace, most)}: the next are counted here, and not written"
    action = replace(entry.action, kind=ActionKind.NOTIFY, remedy="", message=said, patch=(), inverse=())
    return replace(entry, action=action, decision=Decision.REFUSE, reason=REASON, message=said, because=())
