"""The API server's audit log as a list of writes: who changed what, by which field manager, with which body.

The log is what proves that Salus wrote once, or not at all. What is logged is decided by audit-policy.yaml. Of what the
operator read, only the kinds are remembered (`Asked`), which `rights` holds against the RBAC rules.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tools.devcluster.processes import PATIENCE, wait_until

_READS = frozenset({"get", "list", "watch"})
_REVIEWS = frozenset({"authentication.k8s.io", "authorization.k8s.io"})


@dataclass(frozen=True)
class AuditEvent:
    """One write that the API server has answered."""

    user: str  # who sent it; with impersonation, the one who impersonates
    impersonated: str | None  # as whom, if as someone else
    verb: str  # create, update, patch, delete, deletecollection
    group: str
    resource: str  # plural, as in deployments
    subresource: str
    namespace: str
    name: str
    field_manager: str | None
    body: Any  # as parsed from JSON: an object, or the list of operations of a JSON Patch; None if there was none
    code: int  # HTTP status
    received: datetime
    completed: datetime
    audit_id: str


@dataclass(frozen=True, order=True)
class Asked:
    """That something of this sort was asked, once or often."""

    user: str
    as_account: bool
    """Impersonating someone."""
    verb: str
    group: str
    resource: str
    subresource: str


@dataclass
class AuditLog:
    """The audit log at `path`, which the API server goes on writing."""

    path: Path

    def __post_init__(self) -> None:
        self._offset = 0
        self._events: list[AuditEvent] = []
        self._asked: set[Asked] = set()

    def writes(  # noqa: PLR0913 — one for each thing to ask by, all named
        self,
        *,
        user: str | None = None,
        impersonated: str | None = None,
        resource: str | None = None,
        verb: str | None = None,
        namespace: str | None = None,
        name: str | None = None,
        since: datetime | None = None,
    ) -> list[AuditEvent]:
        """Return the writes logged so far, in the order of their completion, that fit everything given.

        `since` compares with the time at which the API server received the request.
        """
        self._read_on()
        wanted = {
            "user": user,
            "impersonated": impersonated,
            "resource": resource,
            "verb": verb,
            "namespace": namespace,
            "name": name,
        }
        given = {key: value for key, value in wanted.items() if value is not None}
        return [
            event
            for event in self._events
            if all(getattr(event, key) == value for key, value in given.items())
            and (since is None or event.received >= since)
        ]

    def asked(self, user: str) -> frozenset[Asked]:
        """Everything that this user asked of kinds of objects, whatever the answer was."""
        self._read_on()
        return frozenset(one for one in self._asked if one.user == user)

    def wait_for(self, condition: Callable[[AuditEvent], bool], *, what: str, timeout: float = PATIENCE) -> AuditEvent:
        """Wait until there is an event for which `condition` holds, and return the first such.

        An event is logged at about the time its request is answered, so a reader who has the answer may be too early.

        Raises:
            NotInTimeError: There was none within `timeout` seconds; the message says `what` was waited for.

        """
        wait_until(lambda: any(map(condition, self.writes())), timeout=timeout, what=what)
        return next(filter(condition, self.writes()))

    def _read_on(self) -> None:
        if not self.path.exists():
            return
        with self.path.open("rb") as log:
            log.seek(self._offset)
            content = log.read()
        complete, newline, _ = content.rpartition(b"\n")
        self._offset += len(complete) + len(newline)
        for event in parse(complete.decode().splitlines()):
            self._asked.update(_asked(event))
            if event.verb not in _READS and event.group not in _REVIEWS:
                self._events.append(event)


def parse(lines: Iterable[str]) -> list[AuditEvent]:
    """Return the answered requests among `lines`, each a JSON audit event."""
    events = (json.loads(line) for line in lines if line)
    return [_event(event) for event in events if event["stage"] == "ResponseComplete"]


def _asked(event: AuditEvent) -> Iterator[Asked]:
    """What it took: the thing itself, and to act as someone else the right to do so. What is no object is left out."""
    if event.resource:
        yield Asked(
            event.user, event.impersonated is not None, event.verb, event.group, event.resource, event.subresource
        )
    if event.impersonated is not None:
        yield Asked(event.user, False, "impersonate", "", "serviceaccounts", "")


def _event(event: dict[str, Any]) -> AuditEvent:
    reference = event.get("objectRef", {})
    query = parse_qs(urlsplit(event["requestURI"]).query)
    return AuditEvent(
        user=event["user"]["username"],
        impersonated=event.get("impersonatedUser", {}).get("username"),
        verb=event["verb"],
        group=reference.get("apiGroup", ""),
        resource=reference.get("resource", ""),
        subresource=reference.get("subresource", ""),
        namespace=reference.get("namespace", ""),
        name=reference.get("name", ""),
        field_manager=query.get("fieldManager", [None])[0],
        body=event.get("requestObject"),
        code=event.get("responseStatus", {}).get("code", 0),
        received=_time(event["requestReceivedTimestamp"]),
        completed=_time(event["stageTimestamp"]),
        audit_id=event["auditID"],
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
