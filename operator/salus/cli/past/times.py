"""How long an incident took: to be seen, to be acted upon, to be well again; counted from the breach."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from salus.core.records.incidents import is_over
from salus.model.scalars import Body, parse_time


@dataclass(frozen=True, slots=True)
class Times:
    """The moments of one incident; None where it has not come, or nobody wrote it."""

    opened: datetime
    detected: datetime | None = None
    acted: datetime | None = None
    healthy: datetime | None = None
    """Since when it was healthy to stay so; while it is open, that is not known yet."""
    resolved: datetime | None = None

    def after(self, moment: datetime | None) -> timedelta | None:
        """So long after the breach."""
        return max(moment - self.opened, timedelta(0)) if moment is not None else None


def times_of(incident: Body) -> Times:
    """As the record has them."""
    status = incident.get("status") or {}
    resolved = _time(status, "resolvedAt")
    return Times(
        opened=parse_time(incident["spec"]["openedAt"]),
        detected=_time(status, "detectedAt"),
        acted=_time(status, "firstActionAt"),
        healthy=(_time(status, "healthySince") or resolved) if is_over(incident) else None,
        resolved=resolved,
    )


def _time(status: Any, field: str) -> datetime | None:  # noqa: ANN401 — as the API server gives it
    return parse_time(status[field]) if status.get(field) else None
