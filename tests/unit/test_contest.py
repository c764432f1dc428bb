"""Someone puts back what Salus changes, as Git does: one attempt, `Contested`, and hands off for an hour."""

from datetime import timedelta
from typing import Any

import pytest

from salus.model.types import Body
from tests.unit.stage import TARGET, Stage, a_stage

GROW = {"name": "grow", "scale": {"by": "1", "max": 9}}
RESTART = {"name": "restart", "restart": {}}
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


def never(_: Body) -> bool:
    return False


def put_back(body: dict[str, Any]) -> None:
    """As a tool that knows three replicas and no restarts."""
    body["spec"]["replicas"] = 3
    (body["spec"]["template"]["metadata"].get("annotations") or {}).pop(RESTARTED_AT, None)


async def contested_ticks(stage: Stage, count: int) -> None:
    """Ticks between which the other one puts everything back."""
    for _ in range(count):
        await stage.ticks(1)
        stage.cluster.edit(TARGET, put_back)


def outcomes(stage: Stage) -> list[str]:
    return [body["status"].get("outcome", "") for body in stage.changes if body["spec"]["decision"] == "Act"]


@pytest.mark.parametrize("remedy", [GROW, RESTART], ids=["a scaling", "a restart"])
async def test_a_change_that_is_put_back_is_contested_and_left_alone_for_an_hour(remedy: dict[str, Any]) -> None:
    stage = a_stage(never, remedy, RESTART | {"name": "again"})

    await contested_ticks(stage, 20)
    stage.clock.advance(timedelta(minutes=55))
    await contested_ticks(stage, 20)

    assert len(stage.deeds) == 1
    assert outcomes(stage) == ["Contested"]
    refusals = [body for body in stage.changes if body["spec"]["decision"] == "Refuse"]
    assert [body["spec"]["reason"] for body in refusals] == ["Contested"]
    assert refusals[0]["status"]["occurrences"] == 32


async def test_after_the_hour_the_next_rung_has_its_turn() -> None:
    stage = a_stage(never, GROW, RESTART)
    await contested_ticks(stage, 10)

    stage.clock.advance(timedelta(hours=1))
    await contested_ticks(stage, 10)

    assert len(stage.deeds) == 2


async def test_the_hour_survives_a_restart_of_the_operator() -> None:
    stage = a_stage(never, GROW, RESTART)
    await contested_ticks(stage, 10)

    stage.restart()
    stage.clock.advance(timedelta(minutes=58))
    await contested_ticks(stage, 10)

    assert len(stage.deeds) == 1
