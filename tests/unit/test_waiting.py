"""A target that only waits asks the API server for nothing; what it waits for is seen at once when it changes."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from salus.model.scalars import Body
from salus.model.values.configuration import Budget, Freeze, Switches
from salus.ports import CHANGE_EVENTS, DISRUPTION_BUDGETS, HEALTH_POLICIES, ClusterError, Forbidden, Invalid, Ref
from tests.fakes.cluster import FakeAccount, FakeCluster
from tests.unit.stage import KEY, NAME, NAMESPACE, TARGET, TICK, UNSCALED, Stage, a_stage

SCALE = {"name": "scale", "scale": {"by": "1", "max": 9}}
RESTART: dict[str, Any] = {"name": "restart", "restart": {}}


@dataclass
class Asked:
    """Reads of the API server, as they are made."""

    reads: list[str] = field(default_factory=list)

    def count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("get", "list", "list_metadata"):
            monkeypatch.setattr(FakeCluster, name, self._counted(getattr(FakeCluster, name)))

    def _counted(self, really: Callable[..., Any]) -> Callable[..., Any]:
        async def asked(cluster: FakeCluster, what: Any, *rest: Any) -> Any:  # noqa: ANN401 — handed on
            self.reads.append(f"{really.__name__} {what.resource.plural if isinstance(what, Ref) else what.plural}")
            return await really(cluster, what, *rest)

        return asked


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    found = Asked()
    found.count(monkeypatch)
    return found


def never(_: Body) -> bool:
    return False


def with_policy(stage: Stage, **spec: Any) -> None:  # noqa: ANN401 — handed on
    """People edit the policy."""
    ref = Ref(HEALTH_POLICIES, NAMESPACE, NAME)

    def edit(body: dict[str, Any]) -> None:
        body["spec"].update(spec)
        body["metadata"]["generation"] += 1

    stage.cluster.edit(ref, edit)
    stage.reconciler.accept(stage.policy, {})


@dataclass(frozen=True)
class Row:
    """What is waited for."""

    told: str
    reason: str
    spec: dict[str, Any] = field(default_factory=dict)
    switches: Switches = field(default_factory=Switches)
    remedies: tuple[dict[str, Any], ...] = (SCALE, RESTART)


YEAR = Freeze("all year", "UTC", cron="0 0 1 1 *", lasts=timedelta(days=366))
WAITS = (
    Row("the cooldown", "CooldownActive", {"limits": {"cooldown": "1h", "maxActions": 9}}),
    Row("the end of a suspension", "Suspended", {"suspend": True}),
    Row("the kill switch", "KillSwitch", switches=Switches(kill_switch=True)),
    Row("the end of a freeze", "FreezeWindow", switches=Switches(freezes=(YEAR,))),
    Row("the budget of all", "GlobalBudgetSpent", switches=Switches(global_budget=Budget(actions=1))),
    Row("the budget of its namespace", "NamespaceBudgetSpent", switches=Switches(namespace_budget=Budget(actions=1))),
    Row("an effect that is only rehearsed", "", {"mode": "Observe"}),
    Row("an answer", "", {"mode": "Approve"}),
    Row("people, who were called", "", remedies=()),
)


@pytest.mark.parametrize("row", WAITS, ids=lambda row: row.told)
async def test_who_only_waits_asks_for_nothing(row: Row, asked: Asked) -> None:
    stage = a_stage(never, *row.remedies, **row.spec)
    stage.reconciler.context = replace(stage.reconciler.context, switches=lambda: row.switches)
    await stage.ticks(20)
    case = next(iter(stage.reconciler.cases.values()))
    assert not row.reason or (case.refusal and case.refusal.reason == row.reason), "what it is held up by"
    before = len(stage.cluster.writes)
    asked.reads.clear()

    await stage.ticks(20)

    assert asked.reads == []
    counts = [write for write in stage.cluster.writes[before:] if write.ref.resource is CHANGE_EVENTS]
    assert len(counts) <= 1, "a refusal that repeats is written when its count has doubled"


async def test_when_the_wait_is_over_it_acts_at_the_next_tick(asked: Asked) -> None:
    stage = a_stage(never, SCALE)
    stop = [Switches(kill_switch=True)]
    stage.reconciler.context = replace(stage.reconciler.context, switches=lambda: stop[0])
    await stage.ticks(10)
    assert stage.remedial_writes == []

    stop[0] = Switches()
    asked.reads.clear()
    await stage.ticks(1)

    assert len(stage.remedial_writes) == 1
    assert asked.reads, "everything was read afresh before"


def _edit(stage: Stage) -> None:
    def edited(body: dict[str, Any]) -> None:
        body["spec"]["minReadySeconds"] = 1
        body["metadata"]["generation"] += 1

    stage.cluster.edit(TARGET, edited)


CHANGES: tuple[tuple[str, Callable[[Stage], None]], ...] = (
    ("the workload is edited", _edit),
    ("the policy is edited", lambda stage: with_policy(stage, bake="20s")),
)


@pytest.mark.parametrize(("told", "change"), CHANGES, ids=[told for told, _ in CHANGES])
async def test_a_wait_is_judged_anew_when_what_it_rests_on_changes(
    told: str,  # noqa: ARG001 — the id
    change: Callable[[Stage], None],
    asked: Asked,
) -> None:
    stage = a_stage(never, RESTART)
    stage.reconciler.context = replace(stage.reconciler.context, switches=lambda: Switches(kill_switch=True))
    await stage.ticks(10)
    asked.reads.clear()

    change(stage)
    await stage.ticks(5)

    assert "get deployments" in asked.reads


async def test_what_cannot_be_judged_is_tried_again_soon_and_then_less_often(asked: Asked) -> None:
    stage = a_stage(never, RESTART)
    stage.cluster.unreadable.add(DISRUPTION_BUDGETS)
    await stage.ticks(4)
    asked.reads.clear()
    per_tick: list[int] = []
    for _ in range(40):
        await stage.ticks(1)
        per_tick.append(len(asked.reads))
        asked.reads.clear()

    tries = [index for index, reads in enumerate(per_tick) if reads]
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert gaps == sorted(gaps), "less and less often"
    assert max(gaps) * TICK <= timedelta(minutes=1)
    assert stage.remedial_writes == []

    stage.cluster.unreadable.clear()
    await stage.ticks(13)

    assert len(stage.remedial_writes) >= 1, f"{KEY} is restarted once it can be judged"


class Reluctant:
    """An API server that does not take what is written to the workload."""

    def __init__(self, stage: Stage, monkeypatch: pytest.MonkeyPatch, error: ClusterError, takes: float = 0) -> None:
        self.asked: list[float] = []
        self.refuses = True
        really = FakeAccount.patch

        async def patch(account: FakeAccount, ref: Ref, edits: Any) -> Body:  # noqa: ANN401 — handed on
            if self.refuses:
                self.asked.append(stage.clock.now().timestamp())
                stage.clock.advance(timedelta(seconds=takes))
                raise error
            return await really(account, ref, edits)

        monkeypatch.setattr(FakeAccount, "patch", patch)

    @property
    def pauses(self) -> list[float]:
        """Seconds between two tries."""
        return [later - sooner for sooner, later in pairwise(self.asked)]


async def once_scaled(stage: Stage, api: Reluctant) -> None:
    """Nothing more is taken once the service was scaled."""
    api.refuses = False
    while len(stage.remedial_writes) < 1:
        await stage.ticks(1)
    api.refuses = True


async def test_what_is_refused_without_a_cause_is_tried_more_and_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = a_stage(never, RESTART)
    api = Reluctant(stage, monkeypatch, Invalid("the object is invalid"))

    await stage.ticks(240)

    assert api.pauses == [5, 10, 20, 40, 80, 160, 300, 300][: len(api.pauses)]
    assert len(api.pauses) >= 6


@pytest.mark.parametrize(
    ("remedies", "patch_takes"),
    [
        pytest.param((SCALE,), 0, id="the only remedy"),
        pytest.param((SCALE, RESTART), 0, id="another remedy has its turn after it"),
        pytest.param((SCALE, RESTART), 1.2, id="each refusal takes a while"),
    ],
)
async def test_an_undo_that_is_refused_is_tried_again_before_anything_else(
    remedies: tuple[dict[str, Any], ...], patch_takes: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = a_stage(never, *remedies)
    api = Reluctant(stage, monkeypatch, Forbidden("a webhook said no"), patch_takes)
    await once_scaled(stage, api)
    while len(api.asked) < 2:
        await stage.ticks(1)

    api.refuses = False
    await stage.ticks(60)

    assert stage.cluster.peek(TARGET.resource)[0]["spec"]["replicas"] == UNSCALED


async def test_an_undo_that_is_always_refused_is_tried_four_times(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = a_stage(never, SCALE)
    api = Reluctant(stage, monkeypatch, Forbidden("a webhook said no"))
    await once_scaled(stage, api)

    await stage.ticks(120)

    assert api.pauses == [5, 10, 20]


async def test_an_undo_that_was_refused_long_ago_is_not_tried_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs since then is how people want it."""
    stage = a_stage(never, SCALE)
    api = Reluctant(stage, monkeypatch, Forbidden("a webhook said no"))
    await once_scaled(stage, api)
    while len(api.asked) < 1:
        await stage.ticks(1)
    stage.clock.advance(timedelta(days=20))
    stage.restart()
    api.refuses = False

    await stage.ticks(1)

    assert stage.cluster.peek(TARGET.resource)[0]["spec"]["replicas"] == UNSCALED + 1


async def test_a_question_that_others_void_is_asked_anew_at_once() -> None:
    stage = a_stage(never, RESTART, mode="Approve")
    for _ in range(6):
        await stage.ticks(4)
        stage.cluster.edit(TARGET, _edited_by_people)
    await stage.ticks(4)

    asked = [change for change in stage.changes if change["spec"]["decision"] == "AwaitApproval"]
    assert len(asked) >= 6


def _edited_by_people(body: dict[str, Any]) -> None:
    body["spec"]["minReadySeconds"] = body["spec"].get("minReadySeconds", 0) + 1
    body["metadata"]["generation"] += 1
