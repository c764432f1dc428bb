"""Which kept releases may go: by number, by age, and with their workload; never what a rollback needs."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.core.objects.workloads import release_hash
from salus.core.records.release_retention import (
    KEEP_WITHDRAWN,
    ShelfLife,
    orphans_whose_time_is_over,
    outdated,
    superfluous,
)
from salus.core.records.releases import newest_first
from salus.model.values.objects import Release
from tests.builders import NOW, a_release, a_template, ago

LIFE = ShelfLife(timedelta(days=90), timedelta(days=7))
DAY = 86400


def many(count: int, **fields: Any) -> list[Release]:  # noqa: ANN401 — handed on
    return [replace(a_release(a_template(f"shop:{n}-{fields}")), **fields) for n in range(count)]


@pytest.mark.parametrize(
    ("good", "bad", "dropped"),
    [
        pytest.param(many(5), [], 0, id="five good ones are kept"),
        pytest.param(many(6), [], 1, id="the sixth good one goes"),
        pytest.param(many(9), [], 4, id="all beyond the fifth go"),
        pytest.param(many(5), many(5, quarantined_by="x"), 0, id="bad ones take no good one's place"),
        pytest.param([], many(7, quarantined_by="x"), 2, id="of the bad ones, too, the newest five are kept"),
        pytest.param([], many(3, healthy_at=None) + many(3, quarantined_by="x"), 1, id="never healthy or taken away"),
        pytest.param(many(5), many(9, rehearsed=True), 4, id="rehearsed ones drive out no good one, but each other"),
        pytest.param(many(5), many(5, withdrawn_by="ada"), 0, id="withdrawn ones take no good one's place"),
        pytest.param([], many(KEEP_WITHDRAWN + 2, withdrawn_by="ada"), 2, id="even they are bounded"),
        pytest.param([], [], 0, id="nothing to drop"),
    ],
)
def test_what_is_superfluous(good: list[Release], bad: list[Release], dropped: int) -> None:
    gone = superfluous([*bad, *good])

    assert len(gone) == dropped
    assert not {release.hash for release in good[:5]} & {release.hash for release in gone}


def test_the_newest_five_good_ones_stay() -> None:
    releases = newest_first(a_release(a_template(f"shop:{n}"), healthy_at=ago(3600 - n)) for n in range(9))

    assert [release.template for release in superfluous(releases)] == [a_template(f"shop:{n}") for n in (3, 2, 1, 0)]


def aged(name: str, days: float, **fields: Any) -> Release:  # noqa: ANN401 — handed on
    """A release that was healthy so many days ago."""
    return replace(a_release(a_template(name), healthy_at=ago(days * DAY)), name=name, **fields)


@pytest.mark.parametrize(
    ("releases", "live", "gone"),
    [
        pytest.param([aged("v1", 89)], "", [], id="younger than the age"),
        pytest.param([aged("v1", 400)], "v1", [], id="the only good one stays, however old"),
        pytest.param(
            [aged("v2", 1), aged("v1", 400)], "v2", [], id="the one before the live one is what would come back"
        ),
        pytest.param([aged("v3", 1), aged("v2", 91), aged("v1", 92)], "v3", ["v1"], id="the one before that goes"),
        pytest.param([aged("v2", 91), aged("v1", 92)], "v3", ["v1"], id="live is one that is not proven yet"),
        pytest.param(
            [aged("v2", 91, quarantined_by="x"), aged("v1", 92)], "v1", ["v2"], id="a bad one goes by its age"
        ),
        pytest.param(
            [aged("v2", 91, rehearsed=True), aged("v1", 92)], "v3", ["v2"], id="a rehearsed one goes before a good one"
        ),
        pytest.param([aged("v2", 91, withdrawn_by="ada")], "v1", [], id="a withdrawn one stays as a sign"),
        pytest.param(
            [replace(aged("v1", 0), healthy_at=None, kept_at=ago(91 * DAY))],
            "v2",
            ["v1"],
            id="never healthy, kept long ago",
        ),
        pytest.param(
            [replace(aged("v1", 0), healthy_at=None, kept_at=ago(89 * DAY))], "v2", [], id="never healthy, kept of late"
        ),
    ],
)
def test_what_is_outdated(releases: list[Release], live: str, gone: list[str]) -> None:
    running = release_hash(a_template(live))

    assert [release.name for release in outdated(releases, running, LIFE, NOW)] == gone


@pytest.mark.parametrize(
    ("orphaned_for", "goes"),
    [
        pytest.param(None, False, id="its workload is there"),
        pytest.param(6 * DAY, False, id="it may come back yet"),
        pytest.param(8 * DAY, True, id="it did not come back"),
    ],
)
def test_releases_end_with_their_workload(orphaned_for: float | None, goes: bool) -> None:
    release = replace(
        aged("v1", 0), orphaned_at=None if orphaned_for is None else ago(orphaned_for), withdrawn_by="ada"
    )

    assert orphans_whose_time_is_over([release], LIFE, NOW) == ((release,) if goes else ())


RELEASES = st.lists(
    st.builds(
        aged,
        name=st.integers(0, 30).map(lambda n: f"v{n}"),
        days=st.integers(0, 400),
        quarantined_by=st.sampled_from(["", "", "x"]),
        rehearsed=st.booleans(),
        withdrawn_by=st.sampled_from(["", "", "ada"]),
    ),
    max_size=30,
    unique_by=lambda release: release.name,
)


@settings(derandomize=True)
@given(RELEASES.map(newest_first), st.integers(0, 30))
def test_what_a_rollback_would_go_back_to_is_never_dropped(releases: tuple[Release, ...], live: int) -> None:
    running = release_hash(a_template(f"v{live}"))
    back = next((r for r in releases if r.good and not r.rehearsed and r.hash != running), None)

    assert back not in superfluous(releases)
    assert back not in outdated(releases, running, LIFE, NOW)
