"""What one record says, in words: an incident, or a change."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from salus.cli.look.get_text import plain_text
from salus.cli.look.happening import doing
from salus.cli.reports.explanation import Explanation, Fact
from salus.core.records.changes import past_change
from salus.model.scalars import Body, format_duration, parse_time
from salus.reasons import load_reasons


def of_incident(body: Body, now: datetime) -> Explanation:
    """What it is about, what was tried, and how it stands or ended."""
    spec, status, name = body["spec"], body.get("status") or {}, body["metadata"]["name"]
    ref, phase = spec["targetRef"], str(status.get("phase", "Open"))
    began = parse_time(spec["openedAt"])
    end = parse_time(status["resolvedAt"]) if status.get("resolvedAt") else now
    how = f"It is over, {status.get('resolution', '')}" if status.get("resolvedAt") else f"It is {phase}"
    said = f": {status['message']}" if status.get("message") else ""
    return Explanation(
        at=now,
        about=name,
        question=f"What is {name}?",
        answer=f"{ref['kind']}/{ref['name']} was unhealthy for {format_duration(end - began)}. {how}{said}",
        facts=tuple(_of_incident(spec, status)),
        do=(f"salus explain {spec['policyRef']['name']} -n {body['metadata']['namespace']}",),
        basis="Known from the record alone.",
    )


def _of_incident(spec: Any, status: Any) -> Iterator[Fact]:  # noqa: ANN401 — as the API server gives them
    yield Fact(label="policy", text=spec["policyRef"]["name"])
    yield Fact(label="began", text=str(spec["openedAt"]))
    if status.get("checks"):
        yield Fact(label="checks", text=", ".join(status["checks"]))
    if blame := status.get("blame"):
        yield Fact(label="blame", text=f"{blame['message']} ({blame['confidence']})")
    for attempt in status.get("attempts") or ():
        outcome = f", {attempt['outcome']}" if attempt.get("outcome") else ""
        what = f"{attempt['decision']} {attempt.get('remedy') or 'notify'}: {attempt.get('reason', '')}{outcome}"
        yield Fact(label="tried", text=f"{attempt['changeRef']} {what}")


def of_change(body: Body, now: datetime) -> Explanation:
    """What was decided, why, and what came of it."""
    spec, status, name = body["spec"], body.get("status") or {}, body["metadata"]["name"]
    change, known = past_change(body), load_reasons().get(str(spec["reason"]))
    meaning = f" {spec['reason']}: {plain_text(known.means)}." if known else ""
    return Explanation(
        at=now,
        about=name,
        question=f"What is {name}?",
        answer=f"{spec['decision']} {doing(change)}: {spec['message']}.{meaning}",
        facts=tuple(_of_change(spec, status)),
        do=(plain_text(known.do),) if known and known.do else (),
        basis="Known from the record alone.",
    )


def _of_change(spec: Any, status: Any) -> Iterator[Fact]:  # noqa: ANN401 — as the API server gives them
    ref = spec["targetRef"]
    yield Fact(label="target", text=f"{ref['kind']}/{ref['name']}")
    yield Fact(label="policy", text=spec["policyRef"]["name"])
    if spec.get("incidentRef"):
        yield Fact(label="incident", text=spec["incidentRef"]["name"])
    yield Fact(label="decided", text=str(spec["decidedAt"]))
    for found in spec.get("evidence") or ():
        since = f", since {found['since']}" if found.get("since") else ""
        said = f"{found['check']} is {found.get('value') or 'unknown'} ({found.get('threshold', '')})"
        yield Fact(label="because", text=f"{said}{since}")
    if status.get("appliedAt"):
        yield Fact(label="done", text=str(status["appliedAt"]))
    if status.get("outcome"):
        yield Fact(label="outcome", text=f"{status['outcome']}: {status.get('message', '')}")
    elif status.get("message"):
        yield Fact(label="says", text=str(status["message"]))
    if status.get("occurrences"):
        yield Fact(label="given", text=f"{status['occurrences']} times")
