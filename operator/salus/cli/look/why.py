"""Why something is done about a policy's target, or is not: the answer from what the operator wrote.

The guards are asked in a fixed order and the first objection is the reason on record; so those before it passed, and
those after it were not asked.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from salus.cli.look.get_text import plain_text
from salus.cli.look.happening import doing
from salus.cli.look.situation import Situation, newest
from salus.cli.marks import State
from salus.cli.reports.explanation import Explanation, Fact, GuardLine
from salus.core.actions import kind_of
from salus.core.guards.chain import GUARDS
from salus.core.records.incidents import is_escalated, is_recovering
from salus.model.change import Decision
from salus.model.policy import HealthPolicySpec, Mode
from salus.model.scalars import Body, first_few, format_duration, parse_time
from salus.model.values.changes import Change
from salus.reasons import load_reasons

_ORDER = [guard.reason for guard in GUARDS]
_MOST = 3
"""Checks that are told one by one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Why, what it rests on, and what a person can do."""

    text: str
    facts: tuple[Fact, ...] = ()
    do: tuple[str, ...] = ()
    objection: tuple[str, str] | None = None
    """The guard that objects, and what it says; ("", "") where all were asked and none does."""


def why(found: Situation, now: datetime, cluster: str) -> Explanation:
    """Why things are as they are with this policy: the first answer that there is."""
    answers = (answer(found, now) for answer in _IN_ORDER)
    said = next((one for one in answers if one is not None), Answer("Nothing is known of it."))
    subject = _subject(found)
    return Explanation(
        cluster=cluster,
        at=now,
        about=f"{found.namespace}/{found.name}",
        question=f"Why is nothing done about {subject}?" if found.incidents else f"How is {subject}, and why?",
        answer=said.text,
        facts=said.facts,
        guards=guards_until(*said.objection) if said.objection else (),
        not_asked=not_asked_after(said.objection[0]) if said.objection else 0,
        do=said.do,
    )


def _subject(found: Situation) -> str:
    if found.incidents:
        ref = found.incidents[0]["spec"]["targetRef"]
        return f"{ref['kind']}/{ref['name']}"
    target = found.spec.target if found.spec else None
    return f"{target.kind.value}/{target.name}" if target and target.name else f"policy {found.name}"


def guards_until(reason: str, message: str) -> tuple[GuardLine, ...]:
    """Those that were asked; all of them, where none objects."""
    asked = _ORDER[: _ORDER.index(reason)] if reason in _ORDER else _ORDER
    passed = [GuardLine(reason=one, state=State.GOOD) for one in asked]
    return (*passed, *([GuardLine(reason=reason, state=State.HELD, message=message)] if reason in _ORDER else []))


def not_asked_after(reason: str) -> int:
    """How many guards come after the one that objects."""
    return len(_ORDER) - _ORDER.index(reason) - 1 if reason in _ORDER else 0


def _cannot_be_used(found: Situation, _: datetime) -> Answer | None:
    if not found.has("Stalled"):
        return None
    stalled = found.condition("Stalled")
    do = (f"kubectl edit hp {found.name} -n {found.namespace}",)
    return Answer(f"The policy cannot be used, {stalled['reason']}: {stalled['message']}", do=do)


def _not_judged(found: Situation, _: datetime) -> Answer | None:
    if found.is_judged and found.condition("Healthy"):
        return None
    answer = f"Salus has not judged generation {found.generation} of the policy yet."
    return Answer(answer, do=("see whether Salus runs, and watches this namespace",))


def _asked(found: Situation, now: datetime) -> Answer | None:
    question = newest(found.questions(now))
    if question is None:
        return None
    left = f", {format_duration(question.expires_at - now)} left" if question.expires_at else ""
    do = tuple(f"salus {verb} {question.name} -n {found.namespace}" for verb in ("approve", "deny"))
    answer = f"A person has to say yes first (mode Approve): {doing(question)}{left}. No guard objects."
    return Answer(answer, _facts(found, question), do, ("", ""))


def _under_way(found: Situation, now: datetime) -> Answer | None:
    acting = [one for one in found.changes if one.open and one.decision is Decision.ACT and one.action.writes]
    change = newest(acting)
    if change is None:
        return None
    if change.applied_at is None:
        answer = f"Something is done just now: {doing(change)}, decided {_ago(now, change.decided_at)} ago."
    else:
        done = _ago(now, change.applied_at)
        answer = f"{doing(change)} was done {done} ago, and has to prove that it helped before anything else is tried."
    return Answer(answer, _facts(found, change))


def _suspended(found: Situation, _: datetime) -> Answer | None:
    if found.spec is None or not found.spec.suspend:
        return None
    patch = '{"spec":{"suspend":false}}'
    do = (f"kubectl patch hp {found.name} -n {found.namespace} --type merge -p '{patch}'",)
    return Answer("The policy is suspended: it measures, and does nothing.", _facts(found), do)


def _held(found: Situation, _: datetime) -> Answer | None:
    throttled = found.condition("Throttled")
    reason, message = str(throttled.get("reason", "")), str(throttled.get("message", ""))
    if not found.incidents or not found.has("Throttled") or reason not in _ORDER:
        return None
    refusal = newest([one for one in found.changes if one.reason == reason and one.decision is Decision.REFUSE])
    answer = f"A guard holds it back, {reason}: {message}"
    return Answer(answer, _facts(found, refusal), tuple(_advice(reason)), (reason, message))


def _advice(reason: str) -> Iterator[str]:
    known = load_reasons().get(reason)
    if known is not None and known.do:
        yield plain_text(known.do)
    if known is not None:
        yield f"salus explain {reason}"


def _told(found: Situation, now: datetime) -> Answer | None:
    for incident in found.incidents:
        status = incident.get("status") or {}
        if is_escalated(incident):
            by = f" (by {status['toldBy']})" if status.get("toldBy") else ""
            do = (f"salus history {_workload_of(incident)} -n {found.namespace}",)
            return Answer(f"People were told{by}: {status.get('message', '')}", _facts(found), do)
        if is_recovering(incident):
            since = _ago(now, parse_time(status["healthySince"]))
            return Answer(
                f"It is healthy again for {since}. Its incident stays open until that has lasted.", _facts(found)
            )
    return None


def _rehearsed(found: Situation, _: datetime) -> Answer | None:
    if not found.incidents or found.spec is None or found.spec.mode is not Mode.OBSERVE:
        return None
    change = newest([one for one in found.changes if one.decision is Decision.DRY_RUN])
    would = f" It would have done: {doing(change)}." if change else ""
    return Answer(f"The policy observes: it decides and records, and does nothing.{would}", _facts(found, change))


def _open(found: Situation, _: datetime) -> Answer | None:
    if not found.incidents:
        return None
    message = str((found.incidents[0].get("status") or {}).get("message") or "the next tick decides")
    return Answer(f"An incident is open: {message}", _facts(found))


def _unknown(found: Situation, _: datetime) -> Answer | None:
    if found.health() != "Unknown":
        return None
    rows = [row for row in found.status.get("checks") or () if row["verdict"] == "Unknown"]
    facts = [Fact(label=str(row["name"]), text=f"{row['reason']}: {row['message']}") for row in rows[:_MOST]]
    queries = [Fact(label="asked", text=str(row["query"])) for row in rows[:1]]
    names = first_few([str(row["name"]) for row in rows], _MOST)
    answer = f"Nobody can tell: {names} has no trustworthy answer, and Unknown never acts."
    do = tuple(line for row in rows[:1] for line in _advice(str(row["reason"])))
    return Answer(answer, (*facts, *queries), do)


def _well(found: Situation, now: datetime) -> Answer | None:
    if found.health() not in {"Healthy", "Quiet"}:
        return None
    since, last = found.since("Healthy"), newest(found.changes)
    lasted = f" for {_ago(now, since)}" if since else ""
    record = f"The last record is {last.name}: {last.decision} {doing(last)}." if last else "No change is on record."
    return Answer(f"It is {found.health().lower()}{lasted}. {record}{_first(found.spec)}", _facts(found))


def _first(spec: HealthPolicySpec | None) -> str:
    if spec is None or not spec.remedies:
        return " Nothing would be done: the policy has no remedies."
    remedy = spec.remedies[0]
    return f" If it were not, {remedy.name} ({kind_of(remedy).name.value}) would be tried first."


def _facts(found: Situation, change: Change | None = None) -> tuple[Fact, ...]:
    """What was seen, what is to blame, what was chosen, and where that is on record."""
    rows = [row for row in found.status.get("checks") or () if row["verdict"] == "Unhealthy"]
    seen = [f"{row['name']} {row['message']}" for row in rows]
    status = (found.incidents[0].get("status") or {}) if found.incidents else {}
    blame = status.get("blame")
    known = [
        ("seen", first_few(seen, _MOST)),
        ("blame", f"{blame['message']} ({blame['confidence']})" if blame else ""),
        ("chosen", f"{change.remedy}: {doing(change)}" if change and change.remedy else ""),
        ("record", _record(change) if change else ""),
        ("incident", found.incidents[0]["metadata"]["name"] if found.incidents else ""),
    ]
    return tuple(Fact(label=label, text=text) for label, text in known if text)


def _record(change: Change) -> str:
    times = f", seen {change.occurrences} times" if change.occurrences > 1 else ""
    return f"{change.name} {change.decision} {change.action}{times}, {change.reason}"


def _workload_of(incident: Body) -> str:
    ref = incident["spec"]["targetRef"]
    short = {"Deployment": "deploy", "StatefulSet": "sts", "DaemonSet": "ds"}[ref["kind"]]
    return f"{short}/{ref['name']}"


def _ago(now: datetime, moment: datetime) -> str:
    return format_duration(now - moment)


_IN_ORDER: Sequence[Callable[[Situation, datetime], Answer | None]] = (
    _cannot_be_used,
    _not_judged,
    _asked,
    _under_way,
    _suspended,
    _held,
    _told,
    _rehearsed,
    _open,
    _unknown,
    _well,
)
