"""Someone puts back what Salus changes, as Git does: one attempt, `Contested`, and hands off for an hour."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

import pytest

from salus.core.policy.compile import Catalog, compile_policy
from salus.model.scalars import Body
from salus.ports import HEALTH_POLICIES
from tests.fakes.cluster import FakeCluster
from tests.unit.stage import TARGET, TICK, Stage, a_reconciler, a_stage

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

    assert len(stage.remedial_writes) == 1
    assert outcomes(stage) == ["Contested", ""], "and people are told that it waits"
    refusals = [body for body in stage.changes if body["spec"]["decision"] == "Refuse"]
    assert [body["spec"]["reason"] for body in refusals] == ["Contested"]
    assert refusals[0]["status"]["occurrences"] == 32


async def test_after_the_hour_the_next_rung_has_its_turn() -> None:
    stage = a_stage(never, GROW, RESTART)
    await contested_ticks(stage, 10)

    stage.clock.advance(timedelta(hours=1))
    await contested_ticks(stage, 10)

    assert len(stage.remedial_writes) == 2


async def test_the_hour_survives_a_restart_of_the_operator() -> None:
    stage = a_stage(never, GROW, RESTART)
    await contested_ticks(stage, 10)

    stage.restart()
    stage.clock.advance(timedelta(minutes=58))
    await contested_ticks(stage, 10)

    assert len(stage.remedial_writes) == 1


_Asked = ParamSpec("_Asked")
_Answer = TypeVar("_Answer")


class Interrupted:
    """Requests to a fake cluster, after one of which somebody else has a turn."""

    def __init__(self, after: int, turn: Callable[[], Awaitable[None]]) -> None:
        self.left, self.turn = after, turn

    def __call__(self, request: Callable[_Asked, Awaitable[_Answer]]) -> Callable[_Asked, Awaitable[_Answer]]:
        async def asking(*arguments: _Asked.args, **more: _Asked.kwargs) -> _Answer:
            answer = await request(*arguments, **more)
            self.left -= 1
            if self.left == 0:
                await self.turn()
            return answer

        return asking


@pytest.mark.parametrize(
    "remedies",
    [
        pytest.param((RESTART,), id="the first rung"),
        pytest.param(
            ({"name": "back", "rollback": {}}, RESTART), id="the second rung, since there is nothing to go back to"
        ),
    ],
)
async def test_another_policys_write_is_no_contest_wherever_it_falls_among_the_requests_of_a_tick(
    remedies: tuple[dict[str, Any], ...],
) -> None:
    """What was read before it and what was read after it do not fit together, and must not be taken for a revert."""
    for after in range(1, 1_000):
        stage = a_stage(never, *remedies)
        body = stage.cluster.objects(HEALTH_POLICIES)[0]
        body = stage.cluster.put({**body, "metadata": {"name": "second", "namespace": body["metadata"]["namespace"]}})
        second = compile_policy(body, Catalog({}, ["default"]))
        reconciler = a_reconciler(stage.cluster, stage.service, stage.clock, accounts=stage.accounts)
        for _ in range(2):
            await reconciler.tick([second])
            await stage.ticks(1)

        async def write(stage: Stage = stage) -> None:
            await stage.reconciler.tick([stage.policy])

        interrupted = Interrupted(after, write)
        with pytest.MonkeyPatch.context() as patch:
            for name in ("get", "list", "create"):
                patch.setattr(FakeCluster, name, interrupted(getattr(FakeCluster, name)))
            await reconciler.tick([second])
        if interrupted.left > 0:
            assert after > 10, "that tick hardly asked anything"
            return
        for _ in range(3):
            stage.clock.advance(TICK)
            await reconciler.tick([second])

        assert [c["spec"]["reason"] for c in stage.changes if c["spec"]["reason"] == "Contested"] == [], after
        assert len(stage.remedial_writes) == 1
    pytest.fail("that tick never ended")
