"""Times as people say them: how long something lasted, by its two largest units, and moments that they type."""

from datetime import UTC, datetime, timedelta

from salus.cli.contract import CannotBeAsked

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def span(value: timedelta) -> str:
    """`6d5h`, `1h30m`, `45s`; what is below an hour is told to the second."""
    left, parts = max(round(value.total_seconds()), 0), []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2]) or "0s"


def moment(text: str, *, utc: bool = False) -> datetime:
    """A day or a time that a person typed, in their zone where it does not say its own. Raises CannotBeAsked."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        expected = [("expected", "2026-11-30, 2026-11-30T15:02 or 2026-11-30T14:02:10Z")]
        raise CannotBeAsked(f'"{text}" is no time', expected) from error
    if found.tzinfo is not None:
        return found.astimezone(UTC)
    return found.replace(tzinfo=UTC) if utc else found.astimezone(UTC)
