"""What is kept in memory of a record: what somebody reads of it; whole bodies only of incidents that are open.

A record that cannot be read costs nobody anything: it is said once, and nothing is known of it but its number, which is
taken all the same.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from sys import intern
from typing import Any

from salus.contained import contained
from salus.core.guards.chain import holder_in
from salus.core.records import delivery, incidents
from salus.core.records.changes import past_change
from salus.core.records.names import TARGET_LABEL
from salus.model.change import Facts
from salus.model.scalars import Body, parse_time
from salus.model.values.changes import Change

Key = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class Record:
    """What every record has."""

    namespace: str
    name: str
    uid: str
    """Empty while its creation is under way."""
    version: int
    """Its resourceVersion: the greater one is the newer."""
    label: str
    """That of its target, which two workloads may share."""
    kind: str
    target: str
    """Kind and name of its target."""

    @property
    def key(self) -> Key:
        """Its address."""
        return self.namespace, self.name


@dataclass(frozen=True, slots=True)
class ChangeRecord(Record):
    """A ChangeEvent."""

    sequence: int
    change: Change | None
    """None: it cannot be read. Then all that counts is that its number is taken."""
    waiting: tuple[str, ...] = ()
    """The sinks that have something to be told yet."""
    delivered: bool = False
    """Nothing is left to tell anybody, now or later."""
    unreadable: str = ""
    """Why it cannot be read; empty: it can."""


@dataclass(frozen=True, slots=True)
class IncidentRecord(Record):
    """An Incident."""

    number: int
    policy: str = ""
    made: datetime | None = None
    moment: datetime | None = None
    """When it last spoke of something; None: it cannot be read."""
    body: Body | None = None
    """The whole of it, while it is open."""
    unreadable: str = ""
    """Why it cannot be read; empty: it can."""

    @property
    def stem(self) -> str:
        """What the incidents of its policy and target begin with."""
        return stem_of(self.name)


AnyRecord = ChangeRecord | IncidentRecord


def change_record(body: Body) -> ChangeRecord:
    """What is kept of a ChangeEvent; of one that cannot be read, its number."""
    escaped: list[BaseException] = []
    with contained(escaped.append):
        change = past_change(body)
        waiting = tuple(map(intern, delivery.left(body, change)))
        return ChangeRecord(
            *_identity(body),
            sequence=change.sequence,
            change=_thrifty(change),
            waiting=waiting,
            delivered=not waiting and not (change.sinks and change.unfinished),
        )
    return ChangeRecord(*_identity(body), sequence=number_in(body), change=None, unreadable=repr(escaped[0]))


def incident_record(body: Body) -> IncidentRecord:
    """What is kept of an Incident; of one that cannot be read, its number."""
    escaped: list[BaseException] = []
    with contained(escaped.append):
        spec, status, over = body["spec"], body.get("status") or {}, incidents.is_over(body)
        made = body["metadata"].get("creationTimestamp")
        return IncidentRecord(
            *_identity(body),
            number=number_in(body),
            policy=intern(spec["policyRef"]["name"]),
            made=parse_time(made) if made else None,
            moment=parse_time(status.get("resolvedAt") or spec["openedAt"]),
            body=None if over else _without_managed_fields(body),
        )
    return IncidentRecord(*_identity(body), number=number_in(body), unreadable=repr(escaped[0]))


def _identity(body: Body) -> tuple[str, str, str, int, str, str, str]:
    """What is the same in both kinds, in its order; it can be told of everything that has a name."""
    metadata = body["metadata"]
    labels, spec = metadata.get("labels"), body.get("spec")
    target = spec.get("targetRef") if isinstance(spec, Mapping) else None
    reference = target if isinstance(target, Mapping) else {}
    label = labels.get(TARGET_LABEL, "") if isinstance(labels, Mapping) else ""
    namespace, name = key_of(body)
    kind, named = (intern(str(reference.get(part, ""))) for part in ("kind", "name"))
    return (intern(namespace), name, metadata.get("uid", ""), version_of(metadata), intern(str(label)), kind, named)


def _thrifty(change: Change) -> Change:
    """The same; what is the same in many records is kept once, and what nobody reads of what is finished not at all."""
    shared: dict[str, Any] = {name: intern(getattr(change, name)) for name in _TEXTS}
    shared |= {name: _once(getattr(change, name)) for name in _VALUES}
    shared |= {name: _once(_thrifty_facts(getattr(change, name), change)) for name in ("before", "intended")}
    if not change.unfinished:
        holder = "" if change.action.writes else holder_in(change.reason, change.message)
        shared |= {"message": intern(holder), "note": ""}
    if _is_only_counted(change):
        shared |= {"evidence": (), "intended": None, "proof": None, "take_back": None}
    return replace(change, **shared)


_TEXTS = ("reason", "policy", "incident", "remedy", "target_uid", "policy_uid", "approved_by")
_VALUES = ("sinks", "evidence", "take_back", "proof", "patched")


def _thrifty_facts(facts: Facts | None, change: Change) -> Facts | None:
    if facts is None:
        return None
    images = () if _is_only_counted(change) else tuple(map(intern, facts.images))
    return facts.model_copy(update={"release": intern(facts.release), "images": images})


def _is_only_counted(change: Change) -> bool:
    """A refusal, a rehearsal, an answer to a question: nothing comes of it, and nothing is verified or taken back."""
    return not change.unfinished and not change.acted


@lru_cache(maxsize=4096)
def _once(value: Hashable) -> Hashable:
    """One of all values that are equal, as far as they were met of late."""
    return value


def _without_managed_fields(body: Body) -> Body:
    metadata = {name: value for name, value in body["metadata"].items() if name != "managedFields"}
    return {**body, "metadata": metadata}


def key_of(body: Body) -> Key:
    """Namespace and name. Raises what an object raises that has none."""
    metadata = body["metadata"]
    return metadata["namespace"], metadata["name"]


def version_of(metadata: Body) -> int:
    """The resourceVersion in an object's metadata: of two that an object had, the greater is the newer."""
    return number(metadata.get("resourceVersion"))


def number(text: object) -> int:
    """A resourceVersion; 0, older than all, for what is none."""
    return int(text) if isinstance(text, str) and text.isdecimal() and text.isascii() else 0


def number_in(body: Body) -> int:
    """The n of the n-th incident of a policy and a target; 0 for a name that does not end in a number."""
    return number(body["metadata"]["name"].rpartition("-")[2])


def stem_of(name: str) -> str:
    """What the names begin with that share their numbers."""
    return name[: name.rfind("-") + 1]
