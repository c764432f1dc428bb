"""Kubernetes Events (events.k8s.io/v1): what `kubectl describe` shows to people who look at their workload.

A courtesy that the API server forgets within hours, so a failure is only logged; the record is the ChangeEvent. For the
same reason there are so many of a namespace in a minute and no more: the last of them says so.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog

from salus.model.scalars import Body
from salus.ports import EVENTS, Clock, Cluster, ClusterError, Notice

CONTROLLER = "salus.dev/operator"
QUIET = timedelta(minutes=5)
"""The same said of the same object within this time is said once."""

A_MINUTE = 120
"""Events of one namespace in one minute of the clock; what is beyond is in the records, or counted there."""

_LONGEST_NOTE = 1024
_LONGEST_WORD = 128
_LONGEST_NAME = 253
_log = structlog.get_logger(__name__)


class EventRecorder:
    """The port `Recorder`: posts Events in the name of `instance`, the pod or host that this Salus runs as."""

    def __init__(self, cluster: Cluster, clock: Clock, instance: str) -> None:
        self._cluster = cluster
        self._clock = clock
        self._instance = instance
        self._said: dict[tuple[str, ...], datetime] = {}
        """The oldest first, so that nobody looks through all to forget a few."""
        self._minute = datetime.min.replace(tzinfo=UTC)
        self._posted: Counter[str] = Counter()
        """Namespace → Events of this minute."""

    @property
    def remembered(self) -> int:
        """How many notices are known to have been posted lately, so that they are not posted again."""
        return len(self._said)

    async def post(self, notice: Notice) -> None:
        """Post one Event, unless the same was posted within QUIET; never raises a ClusterError."""
        now = self._clock.now()
        if self._is_full(notice, now) or self._repeats(notice, now):
            return
        namespace = _namespace(notice)
        self._posted[namespace] += 1
        if self._posted[namespace] == A_MINUTE:
            _log.warning("no more Events in this minute", namespace=namespace, events=A_MINUTE)
            notice = replace(notice, note=f"the last Event of this minute in {namespace}: {notice.note}")
        try:
            await self._cluster.create(EVENTS, event_body(notice, now, self._instance))
        except ClusterError as error:
            _log.warning("An Event could not be posted", reason=notice.reason, note=notice.note, error=str(error))

    def _is_full(self, notice: Notice, now: datetime) -> bool:
        minute = now.replace(second=0, microsecond=0)
        if minute != self._minute:
            self._minute = minute
            self._posted.clear()
        return self._posted[_namespace(notice)] >= A_MINUTE

    def _repeats(self, notice: Notice, now: datetime) -> bool:
        """Whether this was said lately; if not, it is remembered as said now, whatever becomes of it."""
        while self._said and not timedelta(0) <= now - next(iter(self._said.values())) < QUIET:
            del self._said[next(iter(self._said))]
        key = (*sorted(f"{name}={value}" for name, value in notice.regarding.items()), notice.reason, notice.note)
        if key in self._said:
            return True
        self._said[key] = now
        return False


def event_body(notice: Notice, now: datetime, instance: str) -> Body:
    """The Event for a notice, within the API server's limits (in bytes of UTF-8)."""
    namespace = _namespace(notice)
    return {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.kind,
        "metadata": {"namespace": namespace, "name": _name(notice, now, instance)},
        "eventTime": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": CONTROLLER,
        "reportingInstance": _cut(instance, _LONGEST_WORD),
        "type": "Warning" if notice.warning else "Normal",
        "reason": _cut(notice.reason, _LONGEST_WORD),
        "action": _cut(notice.action, _LONGEST_WORD),
        "note": _cut(notice.note, _LONGEST_NOTE),
        "regarding": _reference(notice.regarding),
        **({"related": _reference(notice.related)} if notice.related else {}),
    }


def _namespace(notice: Notice) -> str:
    return notice.regarding.get("namespace") or "default"


def _name(notice: Notice, now: datetime, instance: str) -> str:
    """Unique, and beginning with the object's name, as people expect of Events."""
    facts = (*sorted(notice.regarding.values()), notice.reason, notice.action, notice.note, now.isoformat(), instance)
    digest = hashlib.sha256("\0".join(facts).encode()).hexdigest()[:16]
    return f"{notice.regarding.get('name', 'salus')[: _LONGEST_NAME - 17].rstrip('.-')}.{digest}"


def _reference(ref: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in ref.items() if value}


def _cut(text: str, limit: int) -> str:
    raw = text.encode()
    return text if len(raw) <= limit else raw[: limit - 3].decode(errors="ignore") + "…"
