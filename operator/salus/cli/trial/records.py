"""What is on record after a run, as expectations speak of it, and what happened in it, in the words of a person."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from salus.cli.reports.trial import Moment
from salus.cli.trial.model import format_offset
from salus.cli.trial.stage import Stage
from salus.core.records.changes import past_change
from salus.model.change import ActionKind, Decision, Outcome
from salus.model.policy import Verdict
from salus.model.scalars import format_decimal
from salus.model.values.changes import Change
from salus.rehearsal.engine import Rehearsed
from salus.rehearsal.timeline import Place, Said


@dataclass(frozen=True, slots=True)
class Row:
    """A ChangeEvent."""

    at: timedelta
    decision: Decision
    action: ActionKind
    reason: str
    remedy: str
    policy: str
    to: str
    """The release, by its name in the test, or the number of replicas; empty: neither becomes another."""
    outcome: Outcome | None = None
    ended: timedelta | None = None
    is_undo: bool = False

    @property
    def words(self) -> str:
        """`Act Rollback`."""
        return f"{self.decision} {self.action}"

    def __str__(self) -> str:
        """With where it leads, and why it was refused."""
        why = f" {self.reason}" if self.decision in {Decision.REFUSE, Decision.ADVISE} else ""
        undo = ", an undo" if self.is_undo else ""
        where = f"to {self.to}" if self.to and not why else ""
        more = f" ({where}{undo})".replace("(, ", "(") if where or undo else ""
        return f"{self.words}{why}{more}"


def rows_of(stage: Stage, found: Rehearsed) -> list[Row]:
    """All that is on record, by the time of the decision."""
    return [_row(stage, past_change(body)) for body in found.changes]


def _row(stage: Stage, change: Change) -> Row:
    begins = stage.setting.since
    return Row(
        at=change.decided_at - begins,
        decision=change.decision,
        action=change.action,
        reason=change.reason,
        remedy=change.remedy,
        policy=change.policy,
        to=_to(stage, change),
        outcome=change.outcome,
        ended=change.completed_at - begins if change.completed_at else None,
        is_undo=bool(change.undoes),
    )


def _to(stage: Stage, change: Change) -> str:
    before, after = change.before, change.intended
    if before is None or after is None:
        return ""
    if after.release != before.release:
        return stage.workload.name_of(after.release)
    if after.min_replicas != before.min_replicas:
        return str(after.min_replicas)
    return str(after.replicas) if after.replicas != before.replicas else ""


# --- the run


def run_of(stage: Stage, found: Rehearsed, rows: Iterable[Row]) -> tuple[Moment, ...]:
    """What happened, in its order; what happens at one time, in the order of its causes."""
    begins = stage.setting.since
    several = len({place[0] for place in found.said}) > 1
    told: list[tuple[timedelta, int, str]] = [
        (timedelta(0), 0, "healthy") for _ in [None] if _all_well(found.said.values())
    ]
    for place, said in found.said.items():
        name = f"{place[0].name}/{place[2]}" if several else place[2]
        told += [(one.at - begins, 0, f"{name} {_says(one, before)}") for before, one in _told(said)]
    for row in rows:
        told.append((row.at, 1, str(row)))
        if row.outcome is not None and row.ended is not None:
            told.append((row.ended, 2, row.outcome.value))
    return tuple(Moment(at=format_offset(at), text=text) for at, _, text in sorted(told, key=lambda one: one[:2]))


def _all_well(courses: Iterable[Sequence[Said]]) -> bool:
    return all(said[0].reason == "WithinThreshold" for said in courses)


def _told(said: Sequence[Said]) -> Iterator[tuple[Said | None, Said]]:
    """What is worth telling; that a check began well is told once for all."""
    before: Said | None = None
    for one in said:
        if before is not None or one.reason != "WithinThreshold":
            yield before, one
        before = one


def _says(one: Said, before: Said | None) -> str:
    if one.reason == "Pending":
        return one.message.partition(" for ")[0]
    if one.verdict is Verdict.UNHEALTHY:
        return "unhealthy" if before is not None and before.reason == "Pending" else f"unhealthy, {one.message}"
    if one.verdict is Verdict.HEALTHY:
        value = f", {format_decimal(one.value)}" if one.value is not None else ""
        return f"healthy{value}"
    return f"{one.verdict.lower()} ({one.reason})"


def unknown_since(found: Rehearsed, begins: datetime) -> Iterator[tuple[Place, timedelta, str]]:
    """The checks that nobody could judge, since when first, and why."""
    for place, said in found.said.items():
        first = next((one for one in said if one.verdict is Verdict.UNKNOWN), None)
        if first is not None:
            yield place, first.at - begins, first.reason
