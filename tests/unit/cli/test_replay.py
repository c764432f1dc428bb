"""`salus replay`: what it says of a past, and how it tells what a workload was."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest

from salus.cli.contract import CannotBeAsked
from salus.cli.replay import forms
from salus.cli.replay.breaches import Spell, spells
from salus.cli.replay.play import play, told_already
from salus.cli.replay.report import Title, rehearse
from salus.cli.replay.report import report as made
from salus.cli.replay.text import text
from salus.cli.replay.told import Present, Scaler, Told, life, live_over_time
from salus.cli.replay.written import lines, rewritten
from salus.cli.reports.replay import ReplayReport
from salus.cli.show import Look, screen, show
from salus.cli.spans import moment
from salus.core.objects.workloads import images_of, restarted_at
from salus.model.policy import Mode, Verdict
from salus.model.values.metrics import Error, Sample
from salus.rehearsal.timeline import Said
from tests.builders import PAGE, RESTART, ROLLBACK, a_deployment_body, a_template
from tests.unit.cli.replays import (
    BAD_AT,
    BEGINS,
    ENDS,
    SICK_AT,
    TARGET,
    a_life,
    a_policy,
    a_wish,
    played,
    replayed,
    samples,
)

IN_UTC = Look(utc=True)
MINUTE = timedelta(minutes=1)


def shown(report: ReplayReport) -> str:
    out = StringIO()
    show(report, IN_UTC, text, out)
    return out.getvalue()


# --- the whole


async def test_a_replay_as_people_read_it() -> None:
    said = shown(await replayed())

    assert said.splitlines() == [
        "shop/checkout-health, Deployment/checkout, every 15s, as if mode Enforce",
        "20 Nov 00:00 to 21 Nov 00:00 UTC",
        "",
        "#  BEGAN         BECAUSE              IT WOULD HAVE        WHAT HAPPENED THEN",
        "1  20 Nov 05:01  error-ratio 0.31 >   05:02 Rollback to    back to 5ccc00ff7e,",
        "                 0.05                 5ccc00ff7e           05:31",
        "2  20 Nov 09:00  crashes 2 > 0        09:00 refused        ended by itself,",
        "                                      Rollback:            09:04",
        "                                      NoKnownGoodRelease",
        "                                      09:00 Restart",
        "3  20 Nov 12:00  error-ratio 0.2 >    nothing: 30s, for    ended by itself,",
        "                 0.05                 is 1m                12:00",
        "",
        "error-ratio      ▁▁▁▁▁▁▁▁██▁▁▁▁▁▁▁▁▁▁▆▁▁▁▁   ▁▁▁▁▁▁▁▁▁▁▁▁  max 0.31  bound 0.05",
        "crashes          ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁█▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁  max 2  bound 0",
        "",
        "Not known: 2h on 20 Nov 15:00 of error-ratio, no samples; nothing would have",
        "been done then.",
        "",
        "2 acts, 0 escalations. Of 35m of breach, 33m30s came after the first act: so",
        "much at most could have been saved. 1 act on a breach that ended by itself",
        "within verify.timeout (no. 2).",
    ]


async def test_nothing_is_told_where_nothing_was() -> None:
    report = await replayed(wish=a_wish(begins=BEGINS, ends=BEGINS + timedelta(hours=4)))

    assert (report.acts, report.breaches) == (0, ())
    assert shown(report).endswith("Nothing was beyond its bound. 0 acts, 0 escalations.\n")


async def test_in_observe_it_is_rehearsed() -> None:
    report = await replayed(wish=a_wish(mode=Mode.OBSERVE))

    acts = [would for one in report.breaches for would in one.would_have if would.is_act]
    assert report.policies[0].mode == "Observe"
    assert len(acts) == report.acts > 0
    assert {would.decision for would in acts} == {"DryRun"}


async def test_a_policy_that_is_suspended_is_replayed_as_if_it_were_not() -> None:
    assert (await replayed(a_policy(suspend=True))).acts == 2


async def test_a_step_takes_the_place_of_the_interval() -> None:
    report = await replayed(wish=a_wish(step=MINUTE))

    assert report.policies[0].interval == MINUTE
    assert [one.began for one in report.breaches[:2]] == [BAD_AT + MINUTE, SICK_AT]


async def test_people_are_called_where_nothing_fits() -> None:
    report = await replayed(a_policy(PAGE))

    assert (report.acts, report.escalations, report.alarms) == (0, 2, 0)
    assert report.after_first_act == timedelta(0)


async def test_what_was_not_answered_is_said_above_the_summary() -> None:
    policy, wish = a_policy(), a_wish()

    async def ask(queries: Mapping) -> Mapping:  # type: ignore[type-arg]
        said = Error("SeveralSeries", "expected one series, got 2")
        return {one: said if "crashes" in one.query else samples(one.query, BEGINS, ENDS) for one in queries}

    told = " ".join(shown(made([await play([policy], [a_life()], ask, wish)], Title(at=ENDS))).split())

    assert "Not known: shop/checkout-health, Deployment/checkout: crashes was not answered: expected one" in told
    assert told.index("expected one series") < told.index("0 acts")


async def test_a_history_that_is_at_hand_is_rehearsed_without_asking_anybody() -> None:
    """As `init` does: the same report."""
    before = await played()
    asked = [one for watched in before.watched for one in watched.asked]
    given = {one.query: samples(one.query.query, BEGINS - timedelta(hours=2), ENDS) for one in asked}

    report = await rehearse([a_policy()], [a_life()], given, a_wish(), Title(at=ENDS))

    assert report == await replayed()


async def test_what_was_not_told_beforehand_is_not_known() -> None:
    found = await play([a_policy()], [a_life()], told_already({}), a_wish())

    assert {said.verdict for said in [one[0] for one in found.rehearsed.said.values()]} == {Verdict.UNKNOWN}


async def test_two_policies_of_a_workload_are_told_apart() -> None:
    report = await replayed(a_policy(ROLLBACK), a_policy(RESTART, name="restarts"))

    assert {(one.policy, would.action) for one in report.breaches for would in one.would_have} >= {
        ("checkout-health", "Rollback"),
        ("restarts", "Restart"),
    }
    assert "restarts:" in shown(report)


async def test_who_has_enough_gets_what_is_done() -> None:
    """Ctrl-C: the loop is cancelled between two ticks."""

    def enough(now: datetime) -> None:
        task = asyncio.current_task()
        if now >= SICK_AT + MINUTE and task is not None and not task.cancelling():
            task.cancel()

    found = await played(wish=a_wish(heard=enough))

    said = made([found], Title(at=ENDS))
    assert found.cut is not None
    assert SICK_AT < said.ends < ENDS
    assert [one.check for one in said.breaches] == ["error-ratio", "crashes"]


# --- other forms


async def test_markdown_and_csv_hold_the_same_breaches() -> None:
    report, out = await replayed(), StringIO()
    marked = "\n".join(forms.markdown(report, screen(IN_UTC, StringIO())))
    forms.write_csv(report, out)

    assert "| 1 | 20 Nov 05:01 | checkout-health | error-ratio 0.31 \\> 0.05 | 05:02 Rollback to 5ccc00ff7e |" in marked
    rows = out.getvalue().splitlines()
    assert rows[0].split(",")[:3] == ["number", "began", "ended"]
    assert [row.split(",")[0] for row in rows[1:]] == ["1", "2", "2", "3"]
    assert {len(row.split(",")) for row in rows[:2]} == {len(forms.COLUMNS)}


# --- breaches


def a_said(minute: int, verdict: Verdict, reason: str = "") -> Said:
    return Said(BEGINS + minute * MINUTE, verdict, reason, "")


@pytest.mark.parametrize(
    ("said", "found"),
    [
        pytest.param([a_said(0, Verdict.HEALTHY)], [], id="none"),
        pytest.param(
            [a_said(1, Verdict.HEALTHY, "Pending"), a_said(2, Verdict.HEALTHY)], [(1, 2, False)], id="shorter than for"
        ),
        pytest.param(
            [a_said(1, Verdict.HEALTHY, "Pending"), a_said(2, Verdict.UNHEALTHY), a_said(5, Verdict.HEALTHY)],
            [(1, 5, True)],
            id="for that ran out",
        ),
        pytest.param(
            [a_said(1, Verdict.UNHEALTHY), a_said(2, Verdict.UNKNOWN), a_said(3, Verdict.HEALTHY)],
            [(1, 3, True)],
            id="Unknown ends nothing",
        ),
        pytest.param(
            [a_said(1, Verdict.UNHEALTHY), a_said(2, Verdict.QUIET)], [(1, None, True)], id="nor does Quiet; it lasts"
        ),
    ],
)
def test_when_a_check_was_beyond_its_bound(said: Sequence[Said], found: Sequence[tuple[int, int | None, bool]]) -> None:
    told = [(one.began, one.ended, one.was_unhealthy) for one in spells(said)]

    wanted = [(BEGINS + began * MINUTE, BEGINS + ended * MINUTE if ended else None, was) for began, ended, was in found]
    assert told == wanted
    assert all(isinstance(one, Spell) for one in spells(said))


# --- what a workload was, by kube-state-metrics


def course(*stretches: tuple[int, float | None]) -> list[Sample]:
    """So many minutes of a value; None: nothing."""
    values = [value for many, value in stretches for _ in range(many)]
    return [Sample(BEGINS + index * MINUTE, value) for index, value in enumerate(values) if value is not None]


V1, V2 = "checkout-aaa", "checkout-bbb"


def seen(minute: int) -> datetime:
    """What was seen then for the first time was there a second before."""
    return BEGINS + minute * MINUTE - timedelta(seconds=1)


@pytest.mark.parametrize(
    ("sizes", "found"),
    [
        pytest.param({V1: course((10, 3))}, [(0, V1)], id="one all along"),
        pytest.param({V1: course((5, 3), (5, 0)), V2: course((4, None), (6, 3))}, [(0, V1), (4, V2)], id="a rollout"),
        pytest.param(
            {V1: course((4, 3), (2, 2), (4, 3)), V2: course((4, None), (2, 1), (4, 0))},
            [(0, V1), (4, V2), (6, V1)],
            id="taken back midway",
        ),
        pytest.param(
            {V1: course((3, 3), (4, 0), (3, 3)), V2: course((3, 0), (4, 3), (3, 0))},
            [(0, V1), (3, V2), (7, V1)],
            id="back to one that was there before",
        ),
        pytest.param({V1: course((3, 3), (4, 9)), V2: course((7, 0))}, [(0, V1)], id="a scaling is no release"),
        pytest.param({V1: course((3, 3), (2, 0), (2, 3))}, [(0, V1)], id="scaled to zero and back"),
        pytest.param({V1: course((3, 3), (4, None), (3, 3))}, [(0, V1)], id="a gap is nothing"),
    ],
)
def test_which_replica_set_is_live(sizes: Mapping[str, Sequence[Sample]], found: Sequence[tuple[int, str]]) -> None:
    assert list(live_over_time(sizes, {})) == [(seen(minute), name) for minute, name in found]


def test_a_release_is_told_at_the_time_of_its_making() -> None:
    made = BEGINS + timedelta(seconds=210)
    sizes = {V1: course((5, 3), (5, 0)), V2: course((4, None), (6, 3))}

    assert list(live_over_time(sizes, {V2: made}))[1] == (made, V2)


RELEASED = Told(
    sizes={V1: course((5, 3), (5, 0)), V2: course((5, 0), (5, 3))},
    images={V1: {"app": "shop:v1"}, V2: {"app": "shop:v2"}},
    replicas=course((2, 3), (8, 4)),
)


def test_a_life_is_made_of_images_where_nothing_else_is_left() -> None:
    found = life(TARGET, RELEASED, Present())

    assert found is not None
    assert found.is_made_up
    assert list(found.turns()) == [
        (seen(2), "scale", "3 → 4"),
        (seen(5), "release", "shop:v2"),
    ]
    assert images_of(found.body["spec"]["template"]) == ("shop:v1",)


def test_templates_of_replica_sets_that_are_there_are_the_true_ones() -> None:
    templates = {V1: a_template("shop:v1"), V2: a_template("shop:v2")}

    found = life(TARGET, RELEASED, Present(a_deployment_body(), templates))

    assert found is not None
    assert not found.is_made_up
    assert [change.template for change in found.changes if change.template] == [templates[V2]]


def test_the_same_images_again_are_a_restart() -> None:
    """Nobody rolls a restart back."""
    found = life(TARGET, replace(RELEASED, images={V1: {"app": "shop:v1"}, V2: {"app": "shop:v1"}}), Present())

    assert found is not None
    (change,) = [change for change in found.changes if change.template]
    assert change.template is not None
    assert restarted_at(change.template)


def test_without_these_series_there_is_no_life() -> None:
    assert life(TARGET, Told(), Present(a_deployment_body())) is None


def test_sizes_alone_leave_the_releases_unknown() -> None:
    found = life(TARGET, Told(replicas=course((5, 3))), Present())

    assert found is not None
    assert "--releases" in found.unknown[0]


def test_an_autoscaler_has_the_minimum_of_its_time() -> None:
    scaler = Scaler("checkout", course((5, 2), (5, 4)), 8)

    found = life(TARGET, replace(RELEASED, scaler=scaler), Present())

    assert found is not None
    assert (found.around[0]["spec"]["minReplicas"], found.around[0]["spec"]["maxReplicas"]) == (2, 8)
    assert [(least.at, least.replicas) for least in found.minimums] == [(seen(5), 4)]


# --- what somebody has written down

WRITTEN = """
- {target: deploy/checkout, at: 2026-11-19T10:00:00Z, release: "shop:v1", replicas: 6}
- {at: 2026-11-20T05:00:00Z, release: "shop:v2"}
- {target: deploy/cart, at: 2026-11-20T06:00:00Z, release: "cart:v9"}
"""


def utc(said: str) -> datetime:
    return moment(said, utc=True)


def test_releases_that_are_written_down_take_the_place_of_what_is_known(tmp_path: Path) -> None:
    file = tmp_path / "releases.yaml"
    file.write_text(WRITTEN)

    found = rewritten(a_life(), lines(file, utc), BEGINS, alone=True)

    assert [(change.at, images_of(change.template or {})) for change in found.changes] == [(BAD_AT, ("shop:v2",))]
    assert images_of(found.body["spec"]["template"]) == ("shop:v1",)
    assert found.body["spec"]["replicas"] == 6


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("releases: []", id="no list"),
        pytest.param("- {release: v1}", id="no time"),
        pytest.param("- {at: yesterday, release: v1}", id="a time that is none"),
        pytest.param("- {at: 2026-11-20T05:00:00Z, replicas: many}", id="replicas that are no number"),
        pytest.param("- {at: 2026-11-20T05:00:00Z, image: v1}", id="a word that it does not know"),
        pytest.param("- [", id="no YAML"),
    ],
)
def test_a_file_of_releases_that_tells_none(written: str, tmp_path: Path) -> None:
    file = tmp_path / "releases.yaml"
    file.write_text(written)

    with pytest.raises(CannotBeAsked):
        lines(file, utc)


def test_a_life_names_what_it_goes_back_to() -> None:
    names = [detail.partition(" ")[0] for _, _, detail in a_life().turns()]

    assert names == ["aea5432c9f", "5ccc00ff7e"]


async def test_a_workload_that_is_made_later_is_judged_from_then_on() -> None:
    late = replace(a_life(), appears=BEGINS + timedelta(hours=7), changes=())

    report = await replayed(life=late)

    assert [one.began for one in report.breaches if one.is_incident] == [SICK_AT]
