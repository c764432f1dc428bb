"""Each rehearsal beside what people then did, policy by policy: what speaks for letting it act, or against. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from salus.cli.look.happening import doing
from salus.cli.past.book import Book, Known
from salus.cli.past.history import Window
from salus.cli.past.lines import deeds, said, target
from salus.cli.past.times import times_of
from salus.cli.reports.period import ComparedLine, PolicyCompared
from salus.core.objects.workloads import workload_from
from salus.core.records.changes import past_changes
from salus.core.records.rehearsed import Compared, Seen, Then, argued, compare, is_rehearsal, seen_after
from salus.model.policy import Mode
from salus.model.values.changes import Change

MOST_REHEARSALS = 50
"""Of a policy that are told one by one, the newest."""


def compared(book: Book, window: Window, now: datetime) -> tuple[PolicyCompared, ...]:
    """For each policy that has rehearsed something in the window; those that are ready first."""
    found: dict[tuple[str, str], list[tuple[Known, Compared]]] = {}
    for known in book.workloads:
        for one in _of_workload(known, window, now):
            found.setdefault((known.key.namespace, one.change.policy), []).append((known, one))
    modes = {(body["metadata"]["namespace"], body["metadata"]["name"]): _mode(body) for body in book.policies}
    policies = [_policy(key, pairs, modes.get(key, "")) for key, pairs in found.items()]
    return tuple(sorted(policies, key=lambda one: (not one.ready, -one.rehearsals, one.namespace, one.policy)))


def _mode(policy: Mapping[str, Mapping[str, str]]) -> str:
    return policy["spec"].get("mode") or Mode.OBSERVE.value


def _of_workload(known: Known, window: Window, now: datetime) -> Iterator[Compared]:
    changes, done = past_changes(known.changes), deeds(known)
    live, ended = _live(known, now), _ends(known)
    for change in changes:
        if is_rehearsal(change) and window.has(change.decided_at):
            yield compare(change, done, seen_after(change, changes, live), ended.get(change.incident))


def _live(known: Known, now: datetime) -> Seen | None:
    if known.traces is None:
        return None
    try:
        return Seen(now, workload_from(known.traces.body).facts())
    except ValueError:  # somebody's own idea of a workload
        return None


def _ends(known: Known) -> Mapping[str, datetime]:
    """When each incident was over: healthy to stay so, or closed."""
    times = {body["metadata"]["name"]: times_of(body) for body in known.incidents}
    return {name: one.healthy for name, one in times.items() if one.healthy is not None}


def _policy(key: tuple[str, str], pairs: Iterable[tuple[Known, Compared]], mode: str) -> PolicyCompared:
    rows = sorted(pairs, key=lambda pair: pair[1].change.decided_at)
    verdict = argued([one for _, one in rows])
    return PolicyCompared(
        namespace=key[0],
        policy=key[1],
        mode=mode,
        rehearsals=len(rows),
        same=verdict.counts[Then.SAME],
        other=verdict.counts[Then.OTHER],
        nothing=verdict.counts[Then.NOTHING],
        unknown=verdict.counts[Then.UNKNOWN],
        ready=verdict.ready and mode == Mode.OBSERVE,
        why=verdict.why,
        items=tuple(_line(known, one, _ends(known)) for known, one in rows[-MOST_REHEARSALS:]),
        items_left_out=max(len(rows) - MOST_REHEARSALS, 0),
    )


def _line(known: Known, one: Compared, ends: Mapping[str, datetime]) -> ComparedLine:
    change, deed = one.change, one.deed
    ended = ends.get(change.incident)
    return ComparedLine(
        record=change.name,
        at=change.decided_at,
        target=target(known),
        rehearsed=doing(change),
        then=one.then.value,
        did=f"{deed.kind.value} {said(deed)}" if deed else "",
        by=deed.by if deed else "",
        after=deed.at - change.decided_at if deed and deed.by_then is None else None,
        ended_after=_after(change, ended),
    )


def _after(change: Change, ended: datetime | None) -> timedelta | None:
    return ended - change.decided_at if ended is not None and ended >= change.decided_at else None
