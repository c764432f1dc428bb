"""What happens to a policy, its records or its releases while something is under way, or held back."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from salus.core.policy.compile import Catalog, compile_policy
from salus.model.scalars import Body
from salus.model.values.metrics import Answer, Query
from salus.model.values.policies import Policy
from salus.ports import CHANGE_EVENTS, HEALTH_POLICIES, KEPT_RELEASES, Ref
from tests.fakes.cluster import FakeAccount
from tests.unit.stage import NAMESPACE, TICK, UNSCALED, Stage, a_stage
from tests.unit.test_rollbacks import a_bad_release
from tests.unit.test_terms import LONG, POLICY, grow, has_five, lent, replicas, switch

CALM = {"name": "e", "query": "vector(0)", "unhealthy": {"above": "9"}}


@dataclass
class Held:
    """Patches that wait on their way to the API server."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    def hold(self, monkeypatch: pytest.MonkeyPatch) -> None:
        really = FakeAccount.patch

        async def patch(account: FakeAccount, ref: Ref, operations: Sequence[Any]) -> Body:
            self.begun.set()
            await self.goes_on.wait()
            return await really(account, ref, operations)

        monkeypatch.setattr(FakeAccount, "patch", patch)


async def until_begun(stage: Stage, held: Held, policies: Sequence[Policy]) -> None:
    while not held.begun.is_set():
        stage.roll_out()
        await stage.reconciler.tick(policies)
        stage.clock.advance(TICK)


async def test_what_is_under_way_is_ended_by_nobody_else_though_its_policy_is_deleted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another policy of the same target has its tick between the intent and the answer to the patch."""
    stage, held = a_stage(has_five, grow()), Held()
    held.hold(monkeypatch)
    mine = stage.policy
    written = stage.cluster.peek(HEALTH_POLICIES)[0]
    metadata = {"name": "other", "namespace": NAMESPACE}
    calm = stage.cluster.put(
        {**written, "metadata": metadata, "spec": {**written["spec"], "checks": [CALM], "mode": "Observe"}}
    )
    other = compile_policy(calm, Catalog({}, ["default"]))
    known, reconciler = {mine.key, other.key}, stage.reconciler
    reconciler.context = replace(reconciler.context, is_known=lambda key: key in known)
    for policy in (mine, other):
        reconciler.accept(policy, {})
    working = asyncio.create_task(until_begun(stage, held, [other, mine]))
    await asyncio.wait_for(held.begun.wait(), 20)

    known.discard(mine.key)
    reconciler.forget(mine.key)
    await reconciler.tick([other])
    await reconciler.sweep([None])
    held.goes_on.set()
    await working

    (record,) = [change for change in stage.changes if change["spec"]["decision"] == "Act"]
    assert replicas(stage) > UNSCALED
    assert record["status"].get("outcome") != "Abandoned", "what was done counts"


async def test_a_policy_that_is_edited_while_its_checks_are_asked_does_nothing_by_its_old_text() -> None:
    checks = [{"name": "errors", "query": "vector(1)", "unhealthy": {"above": "0.05"}}]
    stage = a_stage(has_five, grow(), checks=checks)
    stage.reconciler.accept(stage.policy, {})
    switch(on=True)(stage)
    await stage.ticks(8)
    switch(on=False)(stage)
    reconciler, really = stage.reconciler, stage.service.ask

    def suspend() -> None:
        stage.cluster.edit(POLICY, lambda body: body["spec"].update(suspend=True))
        reconciler.accept(stage.policy, {})

    class Slow:
        samples = stage.service.samples

        async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
            if not stage.policy.spec.suspend:
                suspend()
            return await really(questions)

    reconciler.context = replace(reconciler.context, metrics=Slow())
    await reconciler.tick([stage.policy])

    assert replicas(stage) == UNSCALED


async def test_an_undo_whose_release_is_not_kept_any_more_is_skipped_once() -> None:
    stage = await a_bad_release(cured_by="v1x")
    for _ in range(60):
        if stage.remedial_writes:
            stage.service.value = 5.0
        await stage.ticks(1)
        for kept in stage.cluster.objects(KEPT_RELEASES) if stage.remedial_writes else ():
            if (kept.get("status") or {}).get("quarantinedBy"):
                stage.cluster.remove(Ref(KEPT_RELEASES, NAMESPACE, kept["metadata"]["name"]))

    undos = [change["status"]["outcome"] for change in stage.changes if change["spec"].get("undoes")]
    assert undos == ["UndoSkipped"]


async def test_what_is_not_owed_any_more_holds_up_nothing() -> None:
    stage = await lent(revertAfter="15s")
    stage.service.is_cured = lambda _: True
    switch(on=True)(stage)
    await stage.ticks(LONG)
    case = next(iter(stage.reconciler.cases.values()))
    assert case.refusal is not None
    assert case.refusal.reason == "KillSwitch"
    switch(on=False)(stage)
    for change in stage.changes:
        stage.cluster.remove(Ref(CHANGE_EVENTS, NAMESPACE, change["metadata"]["name"]))

    await stage.ticks(2)

    assert case.refusal is None


async def test_a_second_process_leaves_to_the_first_what_that_is_about_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it takes: while it may come yet, whoever called it off would have it done and not counted."""
    stage, held = a_stage(has_five, grow()), Held()
    held.hold(monkeypatch)
    first, policy = stage.reconciler, stage.policy
    stage.restart()
    second = stage.reconciler
    await second.tick([policy])
    stage.reconciler = first
    working = asyncio.create_task(until_begun(stage, held, [policy]))
    await asyncio.wait_for(held.begun.wait(), 20)

    for _ in range(12):
        await second.tick([policy])
        stage.clock.advance(TICK)
    (meant,) = [change for change in stage.changes if change["spec"]["decision"] == "Act"]
    assert "outcome" not in (meant.get("status") or {})
    held.goes_on.set()
    await working

    acts = [change for change in stage.changes if change["spec"]["decision"] == "Act"]
    assert len(acts) == len(stage.remedial_writes) == 1
    assert acts[0]["status"]["appliedAt"]
