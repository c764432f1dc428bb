"""The books: what the API server saw done against what the records say, as one pure function.

`reconcile` takes plain rows and answers with sentences, one for each thing that does not fit; none means that nothing
was done twice and nothing lost. Rows come from an audit log (`from_audit`) or from a fake's list of writes.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from salus.core.actions.stamp import CHANGE_ANNOTATION
from tools.devcluster.audit import AuditEvent

WORKLOADS = frozenset({"deployments", "statefulsets", "daemonsets"})
_STAMP = CHANGE_ANNOTATION.replace("/", "~1")
_UNDONE = frozenset({"Abandoned", "Expired", "UndoSkipped", "Failed"})
"""Outcomes that say: the workload was not written to."""


@dataclass(frozen=True, slots=True)
class Effect:
    """A write to a workload that the server took."""

    target: str
    """`namespace/name`."""
    change: str
    """The change that the write names; empty where it names none."""
    at: float
    """When the server received it; seconds, or any number that grows."""
    certain: bool = True
    """False for a 5xx: the server itself did not know whether it took effect."""
    as_account: bool = True
    """Whether it was done as the account that the namespace lends; nothing else may write there."""


@dataclass(frozen=True, slots=True)
class Intent:
    """The creation of a record."""

    change: str
    at: float
    """When the server received it. A client may read the answer before the server has logged that it is sent."""


@dataclass(frozen=True, slots=True)
class Record:
    """A ChangeEvent as it is at the end."""

    change: str
    target: str
    sequence: int
    acts: bool
    """Whether it stands for a write on a workload."""
    applied: bool = False
    outcome: str = ""
    finished: bool = True


@dataclass(frozen=True, slots=True)
class Books:
    """Everything there is to compare."""

    effects: Sequence[Effect] = ()
    intents: Sequence[Intent] = ()
    records: Sequence[Record] = ()
    ends: Mapping[str, int] = field(default_factory=dict)
    """Change → how often its last line was written; empty where nobody counted."""


def reconcile(books: Books) -> list[str]:
    """What does not fit, in sentences; empty when the books balance."""
    return list(chain(_effects(books), _records(books), _kept(books), _sequences(books)))


def _effects(books: Books) -> Iterator[str]:
    """Every effect has exactly one intent, which precedes it, and no intent has two effects."""
    began = {intent.change: intent.at for intent in books.intents}
    for effect in books.effects:
        if not effect.as_account:
            yield f"{effect.target} was written to by somebody else than the account of its namespace"
        if effect.change not in began:
            yield f"{effect.target} was written to without an intent ({effect.change or 'no change is named'})"
        elif began[effect.change] > effect.at:
            yield f"{effect.change} was done before its intent was on record"
    for change, count in Counter(effect.change for effect in books.effects if effect.certain).items():
        if change and count > 1:
            yield f"{change} took effect {count} times"


def _records(books: Books) -> Iterator[str]:
    """Every intent to act has one finished record, which says of the effect what was seen of it."""
    seen = {effect.change for effect in books.effects if effect.certain}
    perhaps = {effect.change for effect in books.effects}
    for record in (record for record in books.records if record.acts):
        if not record.finished:
            yield f"{record.change} is not finished"
        if books.ends.get(record.change, 1) > 1:
            yield f"{record.change} was finished {books.ends[record.change]} times"
        if record.change in seen and record.outcome in _UNDONE:
            yield f"{record.change} took effect, its record says {record.outcome}"
        if record.change not in perhaps and (record.applied or (record.finished and record.outcome not in _UNDONE)):
            yield f"{record.change} is recorded as done ({record.outcome or 'applied'}), nobody saw its effect"


def _kept(books: Books) -> Iterator[str]:
    """Every record that was ever created is still there, and was created once."""
    kept = {record.change for record in books.records}
    for change, count in Counter(intent.change for intent in books.intents).items():
        if change not in kept:
            yield f"{change} is missing"
        if count > 1:
            yield f"{change} was created {count} times"


def _sequences(books: Books) -> Iterator[str]:
    """The numbers of a target's records run from 1 without a gap."""
    for target in sorted({record.target for record in books.records}):
        numbers = sorted(record.sequence for record in books.records if record.target == target)
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"{target} has a gap in its numbers: {numbers}"


def from_audit(events: Iterable[AuditEvent], bodies: Iterable[Mapping[str, Any]], operator: str, account: str) -> Books:
    """The books of an operator that acts as this account, from the audit log and from the ChangeEvents as they are."""
    ours = [event for event in events if event.user == operator]
    ends = Counter(event.name for event in ours if _is_end(event))
    effects = [effect for event in ours if (effect := _effect(event, account)) is not None]
    intents = [
        Intent(event.body["metadata"]["name"], event.received.timestamp())
        for event in ours
        if event.resource == "changeevents" and event.verb == "create" and 200 <= event.code < 300
    ]
    return Books(effects, intents, [record_of(body) for body in bodies], ends)


def _effect(event: AuditEvent, account: str) -> Effect | None:
    if event.resource not in WORKLOADS or not (200 <= event.code < 300 or event.code >= 500):
        return None
    target = f"{event.namespace}/{event.name}"
    return Effect(
        target,
        stamp_in(event.body),
        event.received.timestamp(),
        certain=event.code < 300,
        as_account=event.impersonated == account,
    )


def _is_end(event: AuditEvent) -> bool:
    """Whether a write put the last line into a record."""
    if event.resource != "changeevents" or event.subresource != "status" or not 200 <= event.code < 300:
        return False
    return isinstance(event.body, dict) and bool((event.body.get("status") or {}).get("completedAt"))


def stamp_in(patch: object) -> str:
    """The change that a JSON Patch writes on the object; empty if it writes none."""
    for edit in patch if isinstance(patch, list) else ():
        if edit["path"].endswith(_STAMP):
            return str(edit["value"])
        if edit["path"] == "/metadata/annotations" and edit["op"] == "add":
            return str(edit["value"].get(CHANGE_ANNOTATION, ""))
    return ""


def record_of(body: Mapping[str, Any]) -> Record:
    """A ChangeEvent as a row."""
    metadata, spec, status = body["metadata"], body["spec"], body.get("status") or {}
    return Record(
        change=metadata["name"],
        target=f"{metadata['namespace']}/{spec['targetRef']['name']}",
        sequence=spec["sequence"],
        acts=spec["decision"] == "Act" and spec["action"] != "Notify",
        applied=bool(status.get("appliedAt")),
        outcome=status.get("outcome") or "",
        finished=bool(status.get("completedAt")),
    )
