"""In a replay nothing changes what was: an act is put on record and then waits, as a rehearsal does."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from salus.model.policy import Mode
from salus.model.scalars import Body
from salus.model.values.configuration import Bounds, Freeze, Switches
from salus.ports import DEPLOYMENTS
from salus.rehearsal.engine import Rehearsed
from salus.rehearsal.world import Past, released, scaled
from tests.builders import PAGE, RESTART, ROLLBACK, a_template
from tests.unit.rehearsal.scenes import (
    BEFORE,
    CATALOG,
    REF,
    Scene,
    a_check,
    a_health_policy,
    a_history,
    a_shop,
    course,
    replayed,
    rows,
    tick,
)

WELL = course((BEFORE + 1000, 0.0))
GROW = {"name": "grow", "scale": {"by": "100%", "max": 12, "revertAfter": "2m"}}
ILL_AT, FOR = 40, 4
"""The tick at which the check is beyond its bound, and how many more it takes to be unhealthy."""


def ill(*stretches: tuple[int, int], value: float = 0.3) -> list[Any]:
    """Beyond the bound from one tick to another."""
    found: list[tuple[int, float | None]] = []
    at = -BEFORE
    for begins, ends in stretches:
        found += [(begins - at, 0.0), (ends - begins, value)]
        at = ends
    return course(*found, (1000, 0.0))


def a_policy_of(*remedies: Mapping[str, Any], **spec: Any) -> Body:  # noqa: ANN401 - fields of the spec
    """One check, and limits that two acts within minutes do not meet."""
    usual = {"limits": {"cooldown": "1m", "maxActions": 10, "per": "1h"}}
    return a_health_policy(checks=[a_check()], remedies=list(remedies), **{**usual, **spec})


def said(found: Rehearsed) -> list[tuple[str, str, str, float]]:
    """Decision, action, reason, and the tick, of every record."""
    begin = tick(0)
    return [(*row[:3], (row[4] - begin) / (tick(1) - begin)) for row in rows(found.changes)]


async def test_each_breach_gives_at_most_the_act_that_it_begins_with() -> None:
    """Live, a restart that does not help would be followed by a page; of a past nobody knows whether it had helped."""
    found = await replayed({"error-ratio": ill((40, 120), (140, 160))}, a_policy_of(RESTART, PAGE))

    assert said(found) == [("Act", "Restart", "AboveThreshold", 44), ("Act", "Restart", "AboveThreshold", 144)]
    assert [body["status"]["outcome"] for body in found.changes] == ["Inconclusive", "Inconclusive"]
    assert [body["status"]["resolution"] for body in found.incidents] == ["RecoveredByItself", "RecoveredByItself"]


async def test_it_waits_until_the_incident_is_over() -> None:
    """A relapse within the hold-down is of the same breach."""
    world = a_shop(Past)
    policy = world.policy(a_policy_of(RESTART, PAGE), CATALOG)
    history = a_history(world, [policy], {"error-ratio": ill((40, 60), (68, 80), (140, 160))})
    found = await Scene(world, [policy], history, history, bounds=Bounds(hold_down=timedelta(minutes=4))).play(220)

    assert said(found) == [("Act", "Restart", "AboveThreshold", 44), ("Act", "Restart", "AboveThreshold", 144)]
    assert len(found.incidents) == 2


async def test_the_past_is_as_it_was_right_after_an_act() -> None:
    """Whatever is decided later speaks of what there was."""
    world = a_shop(Past)
    before = world.cluster.now_at(REF)
    await replayed({"error-ratio": ill((40, 120))}, a_policy_of(RESTART, GROW), ticks=100, world=world)

    after = world.cluster.now_at(REF)
    assert [write.verb for write in world.cluster.writes if write.ref == REF] == ["patch"]
    assert (after["spec"], after["metadata"].get("annotations")) == (before["spec"], None)
    assert after["status"] == {**before["status"], "observedGeneration": after["metadata"]["generation"]}


async def test_what_is_put_back_is_not_contested() -> None:
    """Live, somebody who takes an act back within minutes keeps Salus from the next one for an hour."""
    found = await replayed({"error-ratio": ill((40, 50), (60, 80))}, a_policy_of(RESTART), ticks=100)

    assert [row[:2] for row in said(found)] == [("Act", "Restart"), ("Act", "Restart")]


async def test_limits_and_cooldown_are_those_of_the_policy() -> None:
    limits = {"cooldown": "10m", "maxActions": 2, "per": "2h"}
    breaches = ill((40, 50), (60, 70), (140, 150), (200, 210))
    found = await replayed({"error-ratio": breaches}, a_policy_of(RESTART, limits=limits), ticks=260)

    assert said(found) == [
        ("Act", "Restart", "AboveThreshold", 44),
        ("Refuse", "Restart", "CooldownActive", 64),
        ("Act", "Restart", "AboveThreshold", 144),
        ("Refuse", "Restart", "AttemptsExhausted", 204),
        ("Act", "Notify", "AttemptsExhausted", 204),
    ]


async def test_a_release_of_the_time_is_rolled_back_to_the_one_that_the_replay_has_proven() -> None:
    world = a_shop(Past)
    world.will(released(tick(39.5), REF, a_template("shop:v2")), released(tick(100.2), REF, a_template("shop:v1")))
    found = await replayed({"error-ratio": ill((41, 102))}, a_policy_of(ROLLBACK), world=world)

    good = found.changes[0]["spec"]["intended"]["images"]
    assert (said(found), good) == ([("Act", "Rollback", "AboveThreshold", 45)], ["shop:v1"])
    assert found.incidents[0]["status"]["blame"]["kind"] == "Release"


@pytest.mark.parametrize(
    ("at", "size", "ends"),
    [
        pytest.param(44.0, 6, ["Recovered", "Undone"], id="the same at the same tick"),
        pytest.param(46.5, 6, ["Recovered", "Undone"], id="the same half a minute later"),
        pytest.param(44.0, 5, ["Inconclusive"], id="something else"),
        pytest.param(60.0, 6, ["Inconclusive"], id="the same minutes later"),
    ],
)
async def test_what_the_past_shows_is_judged_as_it_was(at: float, size: int, ends: list[str]) -> None:
    """Whoever has scaled it then: what came of that is known, and it is taken back as it would have been."""
    world = a_shop(Past)
    world.will(scaled(tick(at), REF, size))
    found = await replayed({"error-ratio": ill((40, 50))}, a_policy_of(GROW), ticks=100, world=world)

    assert [body["status"]["outcome"] for body in found.changes] == ends


async def test_as_if_it_were_of_another_mode() -> None:
    async def run(mode: Mode | None) -> list[str]:
        world = a_shop(Past)
        policy = world.policy(a_policy_of(RESTART, mode="Observe"), CATALOG, mode)
        history = a_history(world, [policy], {"error-ratio": ill((40, 50))})
        return [row[0] for row in said(await Scene(world, [policy], history, history).play(100))]

    assert (await run(None), await run(Mode.ENFORCE)) == (["DryRun"], ["Act"])


async def test_a_freeze_holds_at_its_time() -> None:
    """Those of the configuration, as they were."""
    local = tick(0).astimezone(ZoneInfo("UTC")).replace(tzinfo=None)
    freeze = Freeze("night", "UTC", begins=local, ends=local + timedelta(minutes=14))
    world = a_shop(Past)
    policy = world.policy(a_policy_of(RESTART), CATALOG)
    history = a_history(world, [policy], {"error-ratio": ill((40, 70))})
    found = await Scene(world, [policy], history, history, Switches(freezes=(freeze,))).play(100)

    assert [row[:3] for row in said(found)] == [
        ("Refuse", "Restart", "FreezeWindow"),
        ("Act", "Notify", "FreezeWindow"),
        ("Act", "Restart", "AboveThreshold"),
    ]


async def test_the_deployment_is_what_happens_say() -> None:
    """A size and a release of the past, with their pods, at their times."""
    world = a_shop(Past)
    world.will(scaled(tick(10), REF, 5), released(tick(20), REF, a_template("shop:v2")))
    sizes: list[tuple[int, int]] = []

    def look(_: object) -> None:
        body = world.cluster.now_at(REF)
        sizes.append((body["spec"]["replicas"], body["status"]["updatedReplicas"]))

    policy = world.policy(a_policy_of(RESTART), CATALOG)
    history = a_history(world, [policy], {"error-ratio": WELL})
    await Scene(world, [policy], history, heard=look).play(30)

    assert (sizes[10], sizes[11], sizes[21]) == ((3, 3), (5, 5), (5, 5))
    assert len(world.cluster.peek(DEPLOYMENTS)) == 1
