"""What comes of an answer, look by look, until it is known; time is a value."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from salus.cli.contract import Exit
from salus.cli.marks import state_of
from salus.cli.reports.question import Happened
from salus.core.records.changes import past_change
from salus.model.change import ApprovalDecision, Outcome
from salus.model.scalars import Body
from salus.model.values.changes import Change

GRACE = timedelta(minutes=5)
"""Beside the time that the proof may take: Salus acts at its next tick, and a rollout has to begin."""
UNPROVEN = timedelta(minutes=15)
"""How long a proof may take that the record says nothing of."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known by now."""

    happened: tuple[Happened, ...] = ()
    ends: Exit | None = None
    """None: it goes on."""
    outcome: str = ""


def look(body: Body, decision: ApprovalDecision) -> Seen:
    """What a record tells of what came of an answer."""
    change = past_change(body)
    ended = change.outcome is not None or change.completed_at is not None
    return Seen(
        happened=tuple(_happened(change)),
        ends=_end(change, decision) if ended else None,
        outcome=change.outcome.value if change.outcome else "",
    )


def _happened(change: Change) -> Iterator[Happened]:
    if change.applied_at is not None:
        yield Happened(at=change.applied_at, text="done; now it has to prove that it helped")
    if change.outcome is not None:
        said = f"{change.outcome.value}{f': {change.note}' if change.note else ''}"
        yield Happened(at=change.completed_at, text=said, state=state_of(change.outcome))


def _end(change: Change, decision: ApprovalDecision) -> Exit:
    """An approval is for recovery; a denial is for nothing being done."""
    wanted = Outcome.RECOVERED if decision is ApprovalDecision.APPROVED else Outcome.ABANDONED
    return Exit.YES if change.outcome is wanted else Exit.NO


def patience(body: Body, now: datetime) -> datetime:
    """Until when there is anything to wait for."""
    proof = past_change(body).proof
    return now + (proof.settle + proof.timeout if proof else UNPROVEN) + GRACE
