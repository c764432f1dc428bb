"""When nothing new is to be done, by the calendar of the people who keep it.

Everything is said in a time zone's local time, so both edges of daylight saving are decided here: a local time that
comes twice freezes from its first to its second coming; one that is skipped counts as the hour after it. A cron fires
as Debian's does: a skipped firing comes when the clocks have moved on, a repeated hour fires once.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from salus.model.values.configuration import Freeze

_FIRST_LOOK = timedelta(hours=1)


def frozen_until(freeze: Freeze, now: datetime) -> datetime | None:
    """The end (UTC) of the window in which `now` lies; None outside. Raises ValueError if nobody can tell."""
    zone = zone_of(freeze.time_zone)
    if freeze.cron:
        return _until_after_firing(freeze, now, zone)
    begins, ends = _utc(freeze.begins, zone, fold=0), _utc(freeze.ends, zone, fold=1)
    if begins is None or ends is None:
        raise ValueError(f"freeze {freeze.name} has neither cron nor dates")
    return ends if begins <= now < ends else None


def zone_of(name: str) -> ZoneInfo:
    """A time zone by its IANA name. Raises ValueError for one that this machine does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError) as error:
        raise ValueError(f'time zone "{name}" is not known') from error


def check_cron(expression: str) -> None:
    """Raise ValueError for what is no cron expression of five fields, or never fires."""
    if len(expression.split()) != 5:
        raise ValueError(f'expected five fields such as "0 22 * * 5", got "{expression}"')
    try:
        next(CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        raise ValueError(f'"{expression}" is no cron expression: {error}') from error
    except StopIteration:
        raise ValueError(f'"{expression}" never fires') from None


def _until_after_firing(freeze: Freeze, now: datetime, zone: ZoneInfo) -> datetime | None:
    """Every window begins less than `lasts` ago: the newest firing since then decides, for it ends last.

    It is looked for in an hour first, and then in twice as long: what fires each minute for a year fires 60 times here.
    """
    check_cron(freeze.cron)
    span = min(_FIRST_LOOK, freeze.lasts)
    while (fired := _newest_firing(freeze.cron, now - span, now, zone)) is None and span < freeze.lasts:
        span = min(2 * span, freeze.lasts)
    end = fired + freeze.lasts if fired is not None else None
    return end if end is not None and now < end else None


def _newest_firing(cron: str, since: datetime, now: datetime, zone: ZoneInfo) -> datetime | None:
    newest = None
    for fired in CronSim(cron, since.astimezone(zone)):
        if fired > now:
            break
        newest = fired.astimezone(UTC)
    return newest


def _utc(local: datetime | None, zone: ZoneInfo, fold: int) -> datetime | None:
    return None if local is None else local.replace(tzinfo=zone, fold=fold).astimezone(UTC)
