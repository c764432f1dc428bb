"""A condition, as Incidents and ChangeEvents have them."""

from datetime import datetime
from typing import Any

from salus.model.scalars import format_time


def condition(kind: str, status: str, reason: str, message: str, now: datetime) -> dict[str, Any]:
    """One condition of an Incident or a ChangeEvent, changed now."""
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message[:1024],
        "lastTransitionTime": format_time(now),
    }
