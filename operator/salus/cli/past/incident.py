"""`salus report inc/NAME`: everything about one incident, from its records and what lies around. Pure."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from salus.cli.past.attempts import attempt, evidence, of_incident, told
from salus.cli.past.book import Known
from salus.cli.past.history import Window
from salus.cli.past.lines import lines_of, target, what_was_seen
from salus.cli.past.times import Times, times_of
from salus.cli.reports.history import HistoryLine, What
from salus.cli.reports.incident import AttemptLine, BlameLine, IncidentReport, Step
from salus.cli.spans import span
from salus.core.records.incidents import KEPT_ATTEMPTS, is_over
from salus.model.incident import Phase
from salus.model.scalars import Body, format_time

BEFORE, AFTER = timedelta(hours=1), timedelta(minutes=30)
"""What is told of the time around it."""
_OTHERS = frozenset(
    {What.RELEASE, What.CONFIG, What.RESTART, What.SCALE, What.EDIT, What.ANSWER, What.WITHDRAW, What.EVENT}
)


@dataclass(frozen=True, slots=True)
class Around:
    """Of what it is made, beside the incident itself."""

    known: Known
    cluster: str = ""
    commands: Container[str] = ()
    """Those that this program has."""


def report(body: Body, around: Around, now: datetime) -> IncidentReport:
    """The incident, as everybody may read it."""
    spec, status, name = body["spec"], body.get("status") or {}, body["metadata"]["name"]
    times, mine = times_of(body), of_incident(name, around.known.changes)
    attempts, blame = tuple(attempt(one) for one in mine), _blame(body)
    timeline = _timeline(around.known, times, now)
    return IncidentReport(
        cluster=around.cluster,
        at=now,
        name=name,
        namespace=body["metadata"]["namespace"],
        target=target(around.known),
        policy=spec["policyRef"]["name"],
        severity=str(spec.get("severity", "")),
        summary=" ".join(_summary(body, attempts, what_was_seen(body, around.known.changes), now)),
        phase=str(status.get("phase", "Open")),
        resolution=str(status.get("resolution", "")),
        message=str(status.get("message", "")),
        opened_at=times.opened,
        detected_at=times.detected,
        first_action_at=times.acted,
        healthy_at=times.healthy,
        resolved_at=times.resolved,
        detect=times.after(times.detected),
        act=times.after(times.acted),
        recover=times.after(times.healthy),
        relapses=int(status.get("relapses") or 0),
        blame=blame,
        evidence=tuple(evidence(mine)),
        attempts=attempts,
        told=tuple(told(mine)),
        people=tuple(line for line in timeline if line.what in _OTHERS),
        timeline=timeline,
        next_steps=tuple(step for command, step in _next_steps(body, around, times, now) if command in around.commands),
        notes=tuple(_notes(body, mine, around.known)),
    )


def _blame(body: Body) -> BlameLine | None:
    found = (body.get("status") or {}).get("blame")
    if not found:
        return None
    return BlameLine.parse(
        {
            "kind": found["kind"],
            "confidence": found["confidence"],
            "message": found["message"],
            **({"began": found["startedAt"]} if found.get("startedAt") else {}),
        }
    )


def _timeline(known: Known, times: Times, now: datetime) -> tuple[HistoryLine, ...]:
    window = Window(times.opened - BEFORE, (times.resolved + AFTER) if times.resolved else None)
    return tuple(line for line in lines_of(known, now) if window.has(line.at))


# --- in one paragraph


def _summary(body: Body, attempts: Sequence[AttemptLine], seen: str, now: datetime) -> Iterator[str]:
    spec, times = body["spec"], times_of(body)
    ref = spec["targetRef"]
    lasted = span((times.healthy or now) - times.opened)
    was = "was unhealthy for" if is_over(body) else "has been unhealthy for"
    yield f"{ref['kind']}/{ref['name']} in {body['metadata']['namespace']} {was} {lasted}: {seen}."
    if blame := _blame(body):
        yield _sentence(f"Likely cause ({blame.confidence}): {blame.message}")
    yield from _what_was_done(attempts, times)
    yield _how_it_ended(body, times)


def _what_was_done(attempts: Sequence[AttemptLine], times: Times) -> Iterator[str]:
    done = [one for one in attempts if one.applied_at is not None]
    for one in done:
        after = span(one.applied_at - times.opened) if one.applied_at else ""
        yield f"Salus did {one.doing} {after} after the breach: {one.outcome or 'not proven yet'}."
    if not done:
        yield _why_nothing(attempts)
    if calls := [one for one in attempts if one.decision == "Act" and one.doing == "Notify"]:
        yield f"People were told {span(calls[0].at - times.opened)} after the breach."


def _why_nothing(attempts: Sequence[AttemptLine]) -> str:
    rehearsed = [one.doing for one in attempts if one.decision == "DryRun" and one.doing != "Notify"]
    if rehearsed:
        return f"Salus did nothing, and would have done {', then '.join(rehearsed)}: it observes."
    held = [one.reason for one in attempts if one.decision in {"Refuse", "Advise"}]
    if held:
        return f"Salus did nothing: {', '.join(dict.fromkeys(held))}."
    if any(one.decision == "AwaitApproval" for one in attempts):
        return "Salus asked a person, and did nothing."
    return "Salus did nothing."


def _how_it_ended(body: Body, times: Times) -> str:
    status = body.get("status") or {}
    if not is_over(body):
        return _sentence(
            f"It is {status.get('phase', Phase.OPEN.value)}: {status.get('message') or 'the next tick decides'}"
        )
    return _sentence(f"It is over: {status.get('message', '')}") if times.resolved else "It is over."


def _sentence(text: str) -> str:
    return f"{text.rstrip('. ')}."


# --- afterwards


def _next_steps(body: Body, around: Around, times: Times, now: datetime) -> Iterator[tuple[str, Step]]:
    """By the command that each takes."""
    name, policy = body["metadata"]["name"], body["spec"]["policyRef"]["name"]
    where = f"-n {body['metadata']['namespace']}"
    window = f"\\\n  --from {format_time(times.opened - BEFORE)} --to {format_time((times.resolved or now) + AFTER)}"
    yield (
        "history",
        Step(
            command=f"salus history {target(around.known)} {where} {window} --with-refusals",
            what="all that happened, refusals too",
        ),
    )
    yield (
        "replay",
        Step(
            command=f"salus replay {policy} {where} {window} --sweep",
            what="the policy over this time, with other bounds",
        ),
    )
    yield (
        "test",
        Step(
            command=f"salus test --from-incident {name} {where}", what="a test that holds the policy to what was learnt"
        ),
    )
    yield "explain", Step(command=f"salus explain {policy} {where}", what="how it stands now, and why")


def _notes(body: Body, mine: Sequence[Body], known: Known) -> Iterator[str]:
    attempts = (body.get("status") or {}).get("attempts") or ()
    kept = {one["metadata"]["name"] for one in mine}
    gone = [one["changeRef"] for one in attempts if one["changeRef"] not in kept]
    if gone:
        yield f"{len(gone)} of its records are no longer kept: {', '.join(gone[:3])}; the log and the sinks have them."
    if len(attempts) >= KEPT_ATTEMPTS:
        yield f"An incident names its newest {KEPT_ATTEMPTS} attempts only."
    if known.traces is None:
        yield "The workload is gone or may not be read: what others did is not known."
