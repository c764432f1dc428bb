"""Which sinks a record goes to, what they are told, and what is still to be sent: an outbox that lies in the records.

A record is told of twice, as it is made and as it ends; one that nothing can come of, once. Each telling is a
CloudEvent 1.0 (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md) whose `source` and `id` never
change, so that a receiver knows one that it has seen. What a sink has taken is written into the record's own status: a
process that starts reads there what is left.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from salus.core.records.changes import past_change
from salus.core.records.record_conditions import condition
from salus.model.change import ActionKind, Decision
from salus.model.scalars import GROUP, Body, format_time
from salus.model.values.changes import Change
from salus.model.values.configuration import Sink

DELIVERED = "Delivered"
"""Type of the condition that is True once all sinks took everything."""
TYPE = f"{'.'.join(reversed(GROUP.split('.')))}.change"
"""What the types of the events begin with: reverse DNS, as the specification recommends."""


class Milestone(StrEnum):
    """What a sink is told about a record."""

    STARTED = "Started"
    FINISHED = "Finished"


def recipients(sinks: Mapping[str, Sink], named: Iterable[str], namespace: str, action: ActionKind) -> tuple[str, ...]:
    """The sinks that a new record goes to; `named` are those that its policy names."""
    wanted = set(named)
    return tuple(
        name
        for name, sink in sorted(sinks.items())
        if (sink.unasked or name in wanted) and sink.serves(namespace) and sink.wants(action)
    )


def left(record: Body, change: Change | None = None) -> dict[str, Milestone]:
    """By sink, what it is to be told next; empty once all were told everything that there is to tell so far.

    `change`: the record, where it was read already.
    """
    sinks = record["spec"].get("sinks") or ()
    if not sinks:
        return {}
    taken, milestones = taken_by(record), _milestones(change or past_change(record))
    following = {sink: next((t for t in milestones if _after(t, taken.get(sink))), None) for sink in sinks}
    return {sink: milestone for sink, milestone in following.items() if milestone is not None}


def taken_by(record: Body) -> dict[str, Milestone]:
    """By sink, the last that it took."""
    lines = (record.get("status") or {}).get("deliveries") or ()
    return {line["sink"]: Milestone(line["told"]) for line in lines}


def is_delivered(record: Body) -> bool:
    """Nothing is left to tell anybody, now or later."""
    return not left(record) and (not record["spec"].get("sinks") or is_over(record))


def is_over(record: Body) -> bool:
    """Nothing more comes of it."""
    return not past_change(record).unfinished


def _milestones(change: Change) -> Sequence[Milestone]:
    """What there is to tell so far.

    Nothing comes of a refusal, a rehearsal or an advice, and a notification is its own end: those are told of once.
    """
    two = change.decision in {Decision.ACT, Decision.AWAIT_APPROVAL} and change.action.writes
    return (*((Milestone.STARTED,) if two else ()), *(() if change.unfinished else (Milestone.FINISHED,)))


def _after(milestone: Milestone, taken: Milestone | None) -> bool:
    return taken is None or (taken is Milestone.STARTED and milestone is Milestone.FINISHED)


def cloud_event(record: Body, milestone: Milestone, cluster: str) -> dict[str, Any]:
    """What is sent: the record as it is now, in an envelope that can be routed by without opening it."""
    metadata, spec = record["metadata"], record["spec"]
    change = past_change(record)
    told_at = change.decided_at if milestone is Milestone.STARTED else change.completed_at or change.decided_at
    incident = spec.get("incidentRef") or {}
    return {
        "specversion": "1.0",
        "id": f"{metadata['uid']}.{milestone.lower()}",
        "source": f"/clusters/{cluster}/salus",
        "type": f"{TYPE}.{milestone.lower()}",
        "subject": f"{metadata['namespace']}/{spec['targetRef']['kind']}/{spec['targetRef']['name']}",
        "time": format_time(told_at),
        "datacontenttype": "application/json",
        "decision": spec["decision"],
        "action": spec["action"],
        **({"outcome": change.outcome.value} if change.outcome and milestone is Milestone.FINISHED else {}),
        **({"correlationid": incident["uid"]} if incident.get("uid") else {}),
        "data": _bare(record),
    }


def _bare(record: Body) -> dict[str, Any]:
    """The record without what only the API server and this outbox need."""
    metadata = {name: value for name, value in record["metadata"].items() if name != "managedFields"}
    status = {name: value for name, value in (record.get("status") or {}).items() if name != "deliveries"}
    said = [one for one in status.get("conditions") or () if one["type"] != DELIVERED]
    return {**record, "metadata": metadata, "status": {**status, **({"conditions": said} if said else {})}}


def taken_patch(record: Body, sink: str, milestone: Milestone, at: datetime) -> list[dict[str, Any]]:
    """A JSON Patch of the record's status: `sink` took this, and with it everybody everything, if that is so."""
    status = record.get("status") or {}
    line = {"sink": sink, "told": milestone.value, "at": format_time(at)}
    lines = sorted(
        [*(one for one in status.get("deliveries") or () if one["sink"] != sink), line],
        key=lambda one: str(one["sink"]),
    )
    after = {**record, "status": {**status, "deliveries": lines}}
    taken = condition(DELIVERED, "True", "Taken", "taken by " + ", ".join(sorted(record["spec"]["sinks"])), at)
    return [
        *([] if status else [{"op": "add", "path": "/status", "value": {}}]),
        {"op": "add", "path": "/status/deliveries", "value": lines},
        *(with_condition(record, taken) if is_delivered(after) else []),
    ]


def not_delivered(sink: str, reason: str, message: str, now: datetime) -> dict[str, Any]:
    """The condition of a record that is over and that a sink did not take."""
    return condition(DELIVERED, "False", reason, f"sink {sink}: {message}"[:512], now)


def with_condition(record: Body, said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A JSON Patch that sets this condition, and leaves alone what others write meanwhile.

    Empty if the record says so already; another message alone is not worth a write.
    """
    there = (record.get("status") or {}).get("conditions") or []
    for index, one in enumerate(there):
        if one["type"] == said["type"]:
            if all(one.get(field) == said[field] for field in ("status", "reason")):
                return []
            path = f"/status/conditions/{index}"
            return [
                {"op": "test", "path": f"{path}/type", "value": said["type"]},
                {"op": "replace", "path": path, "value": dict(said)},
            ]
    if there:
        return [{"op": "add", "path": "/status/conditions/-", "value": dict(said)}]
    return [{"op": "add", "path": "/status/conditions", "value": [dict(said)]}]
