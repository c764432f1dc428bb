"""`salus get` of what lies on the API server: policies, incidents, changes; which of them, and their columns."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from salus.cli.contract import CannotBeAsked
from salus.cli.names import named, short_of
from salus.cli.person import Person
from salus.model.meta import WorkloadKind
from salus.model.scalars import Body, parse_time
from salus.ports import CHANGE_EVENTS, HEALTH_POLICIES, INCIDENTS, WORKLOADS, Resource


@dataclass(frozen=True, slots=True)
class Wish:
    """Which objects somebody wants to see."""

    names: Sequence[str] = ()
    labels: Mapping[str, str] | None = None
    since: timedelta | None = None
    decision: str = ""
    reason: str = ""
    outcome: str = ""
    target: str = ""
    """`deploy/checkout`."""


@dataclass(frozen=True, slots=True)
class Listed:
    """How one kind of object is listed."""

    resource: Resource
    at: Callable[[Body], str]
    """When it began, by which it is ordered and chosen."""
    titles: Sequence[str]
    row: Callable[[Body, datetime], Sequence[str]]


async def listed(person: Person, what: Listed, wish: Wish, now: datetime) -> list[Body]:
    """The objects that were wished for, oldest first. Raises CannotBeAsked for a name that is not there."""
    found = await person.objects(what.resource, labels=wish.labels)
    if wish.names:
        there = {body["metadata"]["name"] for body in found}
        for name in wish.names:
            if name not in there:
                raise await person.no_such(named(name, what.resource))
        found = [body for body in found if body["metadata"]["name"] in wish.names]
    chosen = [body for body in found if _is_wanted(body, what, wish, now)]
    return sorted(chosen, key=lambda body: (body["metadata"]["namespace"], what.at(body), body["metadata"]["name"]))


def _is_wanted(body: Body, what: Listed, wish: Wish, now: datetime) -> bool:
    spec, status = body.get("spec") or {}, body.get("status") or {}
    asked = {"decision": wish.decision, "reason": wish.reason}
    if any(word and str(spec.get(field, "")).lower() != word.lower() for field, word in asked.items()):
        return False
    if wish.outcome and str(status.get("outcome") or status.get("resolution") or "").lower() != wish.outcome.lower():
        return False
    if wish.target and not _is_of(spec, wish.target):
        return False
    began = what.at(body)
    return wish.since is None or not began or now - parse_time(began) <= wish.since


def _is_of(spec: Mapping[str, Any], target: str) -> bool:
    one = named(target, allowed=WORKLOADS.values())
    if one.workload is None:
        expected = [("expected", "deploy/NAME, sts/NAME or ds/NAME")]
        raise CannotBeAsked(f'--target "{target}" names no workload', expected)
    ref = spec.get("targetRef") or spec.get("target") or {}
    return (ref.get("kind"), ref.get("name")) == (one.workload.value, one.name)


def age(moment: str, now: datetime) -> str:
    """How long ago, by its largest unit; empty: nobody said."""
    if not moment:
        return ""
    seconds = max(int((now - parse_time(moment)).total_seconds()), 0)
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def target_of(ref: Mapping[str, Any]) -> str:
    """`deploy/checkout`."""
    return f"{short_of(WORKLOADS[WorkloadKind(ref['kind'])])}/{ref.get('name') or '(by labels)'}"


def _condition(body: Body, kind: str) -> Mapping[str, Any]:
    found = (one for one in (body.get("status") or {}).get("conditions") or () if one.get("type") == kind)
    return next(found, {})


def _policy(body: Body, now: datetime) -> Sequence[str]:
    health = _condition(body, "Healthy")
    return (
        body["metadata"]["name"],
        target_of(body["spec"]["target"]),
        str(body["spec"].get("mode", "Observe")),
        {"True": "Healthy", "False": "Unhealthy"}.get(str(health.get("status")), "Unknown"),
        str(health.get("reason", "")),
        age(str(body["metadata"].get("creationTimestamp", "")), now),
    )


def _incident(body: Body, now: datetime) -> Sequence[str]:
    spec, status = body["spec"], body.get("status") or {}
    return (
        body["metadata"]["name"],
        target_of(spec["targetRef"]),
        str(status.get("phase", "Open")),
        ",".join(status.get("checks") or ()),
        age(str(spec.get("openedAt", "")), now),
        str(status.get("resolution") or ""),
    )


def _change(body: Body, now: datetime) -> Sequence[str]:
    spec, status = body["spec"], body.get("status") or {}
    return (
        body["metadata"]["name"],
        target_of(spec["targetRef"]),
        str(spec["decision"]),
        str(spec["action"]),
        str(spec["reason"]),
        age(str(spec["decidedAt"]), now),
        str(status.get("outcome") or ""),
    )


KINDS: Mapping[str, Listed] = {
    "policies": Listed(
        HEALTH_POLICIES,
        lambda _: "",
        ("NAME", "TARGET", "MODE", "HEALTH", "REASON", "AGE"),
        _policy,
    ),
    "incidents": Listed(
        INCIDENTS,
        lambda body: str(body["spec"].get("openedAt") or ""),
        ("NAME", "TARGET", "PHASE", "CHECKS", "AGE", "RESOLUTION"),
        _incident,
    ),
    "changes": Listed(
        CHANGE_EVENTS,
        lambda body: str(body["spec"].get("decidedAt") or ""),
        ("NAME", "TARGET", "DECISION", "ACTION", "REASON", "AGE", "OUTCOME"),
        _change,
    ),
}


def rows(what: Listed, bodies: Iterable[Body], now: datetime, *, namespaces: bool) -> list[list[str]]:
    """Titles, and a row for each; `namespaces`: each says its own."""
    if not namespaces:
        return [list(what.titles), *(list(what.row(body, now)) for body in bodies)]
    found = [[body["metadata"]["namespace"], *what.row(body, now)] for body in bodies]
    return [["NAMESPACE", *what.titles], *found]
