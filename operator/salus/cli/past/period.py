"""`salus report period`: how all went in some days, in numbers, from records alone. Pure."""

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from salus.cli.past.book import Book, Known
from salus.cli.past.compared import compared
from salus.cli.past.history import Window, counted, gaps
from salus.cli.past.lines import target, what_was_seen
from salus.cli.past.times import Times, times_of
from salus.cli.reports.history import Counted
from salus.cli.reports.period import IncidentLine, PeriodReport, Spread
from salus.core.records.changes import past_change
from salus.core.records.incidents import is_over, people_know
from salus.model.change import Decision, Outcome
from salus.model.policy import Mode
from salus.model.scalars import Body, parse_time
from salus.model.values.changes import Change

MOST_INCIDENTS = 400
"""That are told, one line each."""
MOST_WORKLOADS = 3


def report(book: Book, window: Window, now: datetime, **where: Any) -> PeriodReport:  # noqa: ANN401 — fields of it
    """The period of this window, which has both ends."""
    begins, ends = window.begins or now, window.ends or now
    pairs = _incidents(book, window)
    changes = [change for change in _changes(book) if window.has(change.decided_at)]
    ordered = sorted(pairs, key=lambda pair: str(pair[1]["spec"]["openedAt"]), reverse=True)
    return PeriodReport(
        at=now,
        begins=begins,
        ends=ends,
        policies=len(book.policies),
        workloads=len(book.workloads),
        modes=_modes(book.policies),
        **_of_incidents([body for _, body in pairs]),
        **_of_changes(changes),
        most=counted(f"{known.key.namespace}/{known.key.name}" for known, _ in pairs)[:MOST_WORKLOADS],
        items=tuple(_line(known, body, now) for known, body in ordered[:MOST_INCIDENTS]),
        items_left_out=max(len(pairs) - MOST_INCIDENTS, 0),
        compared=compared(book, window, now),
        gaps=gaps(book, window),
        **where,
    )


def _modes(policies: Iterable[Body]) -> tuple[Counted, ...]:
    """In the order of what they may do."""
    words = [body["spec"].get("mode") or Mode.OBSERVE.value for body in policies]
    return tuple(Counted(word=mode.value, count=words.count(mode.value)) for mode in Mode if mode.value in words)


def _incidents(book: Book, window: Window) -> list[tuple[Known, Body]]:
    return [
        (known, body)
        for known in book.workloads
        for body in known.incidents
        if known.asks_for(body) and window.has(parse_time(body["spec"]["openedAt"]))
    ]


def _changes(book: Book) -> list[Change]:
    return [past_change(body) for known in book.workloads for body in known.changes if known.asks_for(body)]


def _of_incidents(incidents: Sequence[Body]) -> dict[str, Any]:
    times = [times_of(body) for body in incidents]
    return {
        "incidents": len(incidents),
        "resolved": sum(map(is_over, incidents)),
        "still_open": sum(not is_over(body) for body in incidents),
        "escalated": sum(map(people_know, incidents)),
        "detect": spread(times, lambda one: one.detected),
        "act": spread(times, lambda one: one.acted),
        "recover": spread(times, lambda one: one.healthy),
    }


def _of_changes(changes: Sequence[Change]) -> dict[str, Any]:
    acts = [change for change in changes if change.acted and not change.undoes]
    asked = [change for change in changes if change.decision is Decision.AWAIT_APPROVAL]
    refused = [change for change in changes if change.decision is Decision.REFUSE]
    return {
        "acts": len(acts),
        "outcomes": counted(change.outcome.value if change.outcome else "under way" for change in acts),
        "undone": sum(bool(change.undoes) and change.outcome is Outcome.UNDONE for change in changes),
        "asked": len(asked),
        "answers": counted(_answer(change) for change in asked),
        "rehearsed": sum(change.decision is Decision.DRY_RUN and change.action.writes for change in changes),
        "advised": sum(change.decision is Decision.ADVISE for change in changes),
        "refused": len(refused),
        "refusals": counted(change.reason for change in refused),
    }


def _answer(change: Change) -> str:
    if change.approval is not None:
        return change.approval.value
    return change.outcome.value if change.outcome else "open"


def spread(times: Iterable[Times], moment: Callable[[Times], datetime | None]) -> Spread | None:
    """How long after the breach, where that is known: the median, and what nine in ten did not exceed."""
    found = sorted(after for one in times if (after := one.after(moment(one))) is not None)
    if not found:
        return None
    return Spread(count=len(found), p50=_percentile(found, 0.5), p90=_percentile(found, 0.9))


def _percentile(ordered: Sequence[timedelta], share: float) -> timedelta:
    """The smallest that at least this share does not exceed: always one that was there."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def _line(known: Known, body: Body, now: datetime) -> IncidentLine:
    status, times = body.get("status") or {}, times_of(body)
    return IncidentLine(
        name=body["metadata"]["name"],
        namespace=known.key.namespace,
        target=target(known),
        policy=body["spec"]["policyRef"]["name"],
        opened_at=times.opened,
        lasted=times.after(times.healthy or now) or timedelta(0),
        phase=str(status.get("phase", "Open")),
        resolution=str(status.get("resolution", "")),
        seen=what_was_seen(body, known.changes),
    )
