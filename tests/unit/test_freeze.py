"""When a freeze is on, at both edges of daylight saving too.

Berlin's clocks go forward on 2026-03-29 at 02:00 (01:00 UTC) and back on 2026-10-25 at 03:00 (01:00 UTC).
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cronsim import CronSim

from salus.core.guards import freeze
from salus.core.guards.freeze import check_cron, frozen_until, zone_of
from salus.model.values.configuration import Freeze

NIGHT = Freeze("night", "Europe/Berlin", cron="30 2 * * *", lasts=timedelta(hours=1))
WEEKEND = Freeze("weekend", "Europe/Berlin", cron="0 18 * * 5", lasts=timedelta(hours=62))
BUSY = Freeze("busy", "UTC", cron="*/10 * * * *", lasts=timedelta(minutes=15))


def dates(begins: str, ends: str, zone: str = "Europe/Berlin") -> Freeze:
    return Freeze("dates", zone, datetime.fromisoformat(begins), datetime.fromisoformat(ends))


CHRISTMAS = dates("2026-12-24", "2026-12-28")
SPRING = dates("2026-03-29T02:30", "2026-03-29T04:00")
AUTUMN = dates("2026-10-25T02:15", "2026-10-25T02:45")
UNTIL_SKIPPED = dates("2026-03-29T00:00", "2026-03-29T02:30")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "now", "until"),
    [
        pytest.param(CHRISTMAS, "2026-12-23T22:59:59", None, id="a second before the first day, local time"),
        pytest.param(CHRISTMAS, "2026-12-23T23:00:00", "2026-12-27T23:00", id="the first day begins at local midnight"),
        pytest.param(CHRISTMAS, "2026-12-27T22:59:59", "2026-12-27T23:00", id="the last second"),
        pytest.param(CHRISTMAS, "2026-12-27T23:00:00", None, id="the end is outside"),
        pytest.param(
            dates("2026-12-24", "2026-12-28", "Asia/Tokyo"), "2026-12-23T15:00", "2026-12-27T15:00", id="Tokyo"
        ),
        pytest.param(SPRING, "2026-03-29T01:29:59", None, id="spring: the skipped time is half past three"),
        pytest.param(SPRING, "2026-03-29T01:30:00", "2026-03-29T02:00", id="spring: from the skipped time on"),
        pytest.param(UNTIL_SKIPPED, "2026-03-29T00:29:59", "2026-03-29T00:30", id="spring: up to the skipped time"),
        pytest.param(AUTUMN, "2026-10-25T00:14:59", None, id="autumn: before the first quarter past two"),
        pytest.param(AUTUMN, "2026-10-25T00:15:00", "2026-10-25T01:45", id="autumn: from its first coming"),
        pytest.param(AUTUMN, "2026-10-25T01:00:00", "2026-10-25T01:45", id="autumn: between the two comings"),
        pytest.param(AUTUMN, "2026-10-25T01:45:00", None, id="autumn: to its second coming"),
        pytest.param(NIGHT, "2026-03-28T01:30:00", "2026-03-28T02:30", id="cron: an ordinary night"),
        pytest.param(NIGHT, "2026-03-28T01:29:59", None, id="cron: a second before it fires"),
        pytest.param(NIGHT, "2026-03-28T02:30:00", None, id="cron: the end is outside"),
        pytest.param(NIGHT, "2026-03-29T00:59:59", None, id="cron, spring: the clocks have not moved yet"),
        pytest.param(NIGHT, "2026-03-29T01:00:00", "2026-03-29T02:00", id="cron, spring: fires when they have"),
        pytest.param(NIGHT, "2026-03-29T02:00:00", None, id="cron, spring: lasts an hour all the same"),
        pytest.param(NIGHT, "2026-10-25T00:30:00", "2026-10-25T01:30", id="cron, autumn: fires the first time"),
        pytest.param(NIGHT, "2026-10-25T01:29:59", "2026-10-25T01:30", id="cron, autumn: elapsed time counts"),
        pytest.param(NIGHT, "2026-10-25T01:30:00", None, id="cron, autumn: not a second time"),
        pytest.param(NIGHT, "2026-10-25T02:15:00", None, id="cron, autumn: nor is the first one remembered wrongly"),
        pytest.param(WEEKEND, "2026-03-27T17:00:00", "2026-03-30T07:00", id="a weekend in which an hour is lost"),
        pytest.param(WEEKEND, "2026-10-23T16:00:00", "2026-10-26T06:00", id="a weekend in which an hour is won"),
        pytest.param(WEEKEND, "2026-11-25T12:00:00", None, id="midweek"),
        pytest.param(BUSY, "2026-11-25T12:09:00", "2026-11-25T12:15", id="windows that overlap end with the last"),
    ],
)
def test_a_freeze(window: Freeze, now: str, until: str | None) -> None:
    assert frozen_until(window, at(now)) == (at(until) if until else None)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        pytest.param("0 22 * *", "expected five fields", id="a field is missing"),
        pytest.param("0 0 0 22 * *", "expected five fields", id="with seconds"),
        pytest.param("61 * * * *", "is no cron expression: Bad minute", id="no such minute"),
        pytest.param("0 0 30 2 *", "is no cron expression: Bad day-of-month", id="the 30th of February"),
        pytest.param("", "expected five fields", id="nothing"),
    ],
)
def test_what_is_no_cron(expression: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_cron(expression)


@pytest.mark.parametrize("name", ["Europe/Berln", "", "../etc/passwd", "/etc/passwd", "Europe"])
def test_what_is_no_time_zone(name: str) -> None:
    with pytest.raises(ValueError, match="is not known"):
        zone_of(name)


def test_a_freeze_that_says_nothing_cannot_be_judged() -> None:
    with pytest.raises(ValueError, match="neither cron nor dates"):
        frozen_until(Freeze("empty", "UTC"), at("2026-11-25T12:00"))


def test_the_newest_firing_is_found_without_a_walk_through_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every minute, for a year each: half a million firings would hold the event loop longer than the Lease lasts."""
    fired: list[datetime] = []

    def counted(cron: str, since: datetime) -> Iterator[datetime]:
        for moment in CronSim(cron, since):
            fired.append(moment)
            yield moment

    monkeypatch.setattr(freeze, "CronSim", counted)
    monkeypatch.setattr(freeze, "check_cron", lambda _: None)
    always = Freeze("always", "UTC", cron="* * * * *", lasts=timedelta(days=365))

    assert frozen_until(always, at("2026-06-01T12:00:30")) == at("2027-06-01T12:00:00")
    assert len(fired) <= 61
