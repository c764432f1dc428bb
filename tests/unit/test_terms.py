"""What stood in the policy when a change was decided holds for the change to its end, in the whole loop.

The attacker may write the policy and nothing else: the API server lets her edit it as long as it then observes or is
suspended. Whatever she writes, Salus writes nothing to the workload; and when somebody with rights has it act again,
Salus goes by the record. The same on a real API server is in tests/cluster/test_attacks.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from salus.model.policy import Mode
from salus.model.scalars import Body
from salus.model.values.configuration import Switches
from salus.model.values.metrics import Answer, Query, Value
from salus.ports import DEPLOYMENTS, HEALTH_POLICIES, Ref, right
from salus.reconcile.deleted_policies import tell_what_stays
from tests.unit.stage import NAME, NAMESPACE, UNSCALED, Service, Stage, a_stage

LONG = 40
"""Ticks; enough for any story here to end."""
POLICY = Ref(HEALTH_POLICIES, NAMESPACE, NAME)
PACE = {"settle": "5s", "stable": "10s", "timeout": "30s"}
CHECK = {"name": "errors", "query": 'errors{t="$target"}', "unhealthy": {"above": "0.05"}, "for": "10s"}
ALWAYS_UNHEALTHY = {"name": "errors", "query": "vector(1)", "unhealthy": {"above": "0.05"}}
NO_TIME = {"settle": "0s", "stable": "0s", "timeout": "0s"}


def grow(**scale: Any) -> dict[str, Any]:  # noqa: ANN401 — fields of the remedy
    return {"name": "grow", "scale": {"to": 5, "max": 5, **scale}}


def has_five(body: Body) -> bool:
    return bool(body["spec"]["replicas"] == 5)


def never(_: Body) -> bool:
    return False


def edit(stage: Stage, **spec: Any) -> None:  # noqa: ANN401 — fields of the policy
    """Somebody edits the policy, and Salus sees it."""
    stage.cluster.edit(POLICY, lambda body: body["spec"].update(spec))
    stage.reconciler.accept(stage.policy, {})


async def until(stage: Stage, holds: Callable[[], bool]) -> Stage:
    """Ticks until this holds; a story that never gets there fails."""
    for _ in range(LONG):
        if holds():
            return stage
        await stage.ticks(1)
    raise AssertionError("it never came to that")


def outcomes(stage: Stage) -> list[str]:
    """How the writes ended, in order; `-` while one is under way."""
    writes = [c for c in stage.changes if c["spec"]["decision"] == "Act" and c["spec"]["action"] != "Notify"]
    return [c["status"].get("outcome") or "-" for c in writes]


def refusals(stage: Stage) -> list[str]:
    """Reasons of the refusals to take something back."""
    return [c["spec"]["reason"] for c in stage.changes if c["spec"]["decision"] == "Refuse" and c["spec"].get("undoes")]


def told(stage: Stage) -> list[str]:
    """Reasons of the Events at the workload."""
    posted = stage.reconciler.context.recorder.notices  # type: ignore[attr-defined]  # the fake remembers them
    return [notice.reason for notice in posted if notice.regarding["kind"] == "Deployment"]


def replicas(stage: Stage) -> int:
    return int(stage.deployment["spec"]["replicas"])


async def lent(**scale: Any) -> Stage:  # noqa: ANN401 — fields of the remedy
    """A scaling that helped, and is given back after a quarter of an hour."""
    stage = a_stage(has_five, grow(**{"revertAfter": "15m", **scale}))
    return await until(stage, lambda: outcomes(stage) == ["Recovered"])


async def in_vain(**spec: Any) -> Stage:  # noqa: ANN401 — fields of the policy
    """A scaling that is being verified and does not help."""
    stage = a_stage(never, grow(), **spec)
    return await until(stage, lambda: outcomes(stage) == ["-"] and replicas(stage) == 5)


IN_A_SECOND = [grow(revertAfter="1s")]


@pytest.mark.parametrize(
    "written",
    [
        pytest.param({"mode": "Observe", "remedies": IN_A_SECOND}, id="she has it observe"),
        pytest.param({"suspend": True, "remedies": IN_A_SECOND}, id="she suspends it"),
        pytest.param({"mode": "Observe", "remedies": IN_A_SECOND, "verify": NO_TIME}, id="she leaves no time either"),
    ],
)
async def test_a_scaling_is_not_given_back_sooner_than_was_on_record(written: dict[str, Any]) -> None:
    stage = await lent()

    edit(stage, **written)
    await stage.ticks(LONG)
    assert replicas(stage) == 5

    edit(stage, mode="Enforce", suspend=False)
    await stage.ticks(LONG)
    assert (replicas(stage), outcomes(stage)) == (5, ["Recovered"])


async def test_a_scaling_is_given_back_when_the_record_says_so_though_the_remedy_is_gone() -> None:
    stage = await lent(revertAfter="2m")
    stage.service.is_cured = lambda _: True

    edit(stage, remedies=[{"name": "restart", "restart": {}}])
    await stage.ticks(LONG)

    assert (replicas(stage), outcomes(stage)) == (UNSCALED, ["Recovered", "Undone"])


async def test_what_was_to_be_kept_is_kept() -> None:
    """It ended NotRecovered; she writes that it is to be undone, and later somebody has the policy act again."""
    stage = await in_vain(verify={**PACE, "onFailure": "Keep"})
    await until(stage, lambda: outcomes(stage) == ["NotRecovered"])

    edit(stage, mode="Observe", verify={**PACE, "onFailure": "Undo"})
    await stage.ticks(LONG)
    edit(stage, mode="Enforce", limits={"cooldown": "9h", "maxActions": 1, "per": "9h"})
    await stage.ticks(LONG)

    assert (replicas(stage), outcomes(stage)) == (5, ["NotRecovered"])


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(
            {"checks": [CHECK, {**ALWAYS_UNHEALTHY, "name": "more"}]},
            id="one more that turns unhealthy after the action",
        ),
        pytest.param({"verify": NO_TIME}, id="no time to recover"),
        pytest.param({"checks": [ALWAYS_UNHEALTHY], "verify": NO_TIME}, id="both"),
    ],
)
async def test_a_write_that_helps_is_not_called_a_failure(written: dict[str, Any]) -> None:
    """She edits while it is verified. Put back in time, it is proven; nothing was taken back in between or after."""
    stage = a_stage(has_five, grow())
    stage.service = AnswersAnything(stage.cluster, stage.clock, has_five)
    stage.restart()
    await until(stage, lambda: outcomes(stage) == ["-"] and replicas(stage) == 5)

    edit(stage, mode="Observe", **written)
    await stage.ticks(2)
    assert outcomes(stage) == ["-"]

    edit(stage, mode="Enforce", checks=[CHECK], verify=PACE)
    await stage.ticks(LONG)
    assert (replicas(stage), outcomes(stage)) == (5, ["Recovered"])


async def test_a_write_that_helps_is_not_undone_for_checks_that_are_always_unhealthy() -> None:
    """She has the policy observe, with other checks, until time is up; then somebody has it act again as before."""
    stage = a_stage(has_five, grow())
    stage.service = AnswersAnything(stage.cluster, stage.clock, has_five)
    stage.restart()
    await until(stage, lambda: outcomes(stage) == ["-"] and replicas(stage) == 5)

    edit(stage, mode="Observe", checks=[ALWAYS_UNHEALTHY])
    await stage.ticks(LONG)
    edit(stage, mode="Enforce", checks=[CHECK])
    await stage.ticks(LONG)

    assert (replicas(stage), outcomes(stage)) == (5, ["Inconclusive"])


async def test_by_other_checks_nothing_is_concluded() -> None:
    """Whoever edits the checks while a change is verified, and leaves it so: nobody can tell, so it stays."""
    stage = await in_vain()

    edit(stage, checks=[ALWAYS_UNHEALTHY], limits={"cooldown": "9h", "maxActions": 1, "per": "9h"})
    await stage.ticks(LONG)

    assert (replicas(stage), outcomes(stage)[0]) == (5, "Inconclusive")
    assert "has other checks than when this was decided" in stage.changes[0]["status"]["message"]


@dataclass(slots=True)
class AnswersAnything(Service):
    """As Prometheus does: `vector(1)` is 1, however the service fares."""

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        """The present value, or what was asked for."""
        real = await Service.ask(self, questions)
        now = self.clock.now()
        return [Value(1.0, now) if q.query == "vector(1)" else a for q, a in zip(questions, real, strict=True)]


# --- held back, told, and resumed


@dataclass(frozen=True)
class Hold:
    """Something that holds an undo or a revert back."""

    reason: str
    put: Callable[[Stage], None]
    lift: Callable[[Stage], None]


def switch(*, on: bool) -> Callable[[Stage], None]:
    def turn(stage: Stage) -> None:
        stage.reconciler.context = replace(stage.reconciler.context, switches=lambda: Switches(kill_switch=on))

    return turn


def only_look(mode_cap: Mode) -> Callable[[Stage], None]:
    def turn(stage: Stage) -> None:
        stage.reconciler.context = replace(stage.reconciler.context, mode_cap=mode_cap)

    return turn


PATCHING = (NAMESPACE, "salus-remediator", right("patch", DEPLOYMENTS))
HOLDS = [
    Hold("Suspended", lambda s: edit(s, suspend=True), lambda s: edit(s, suspend=False)),
    Hold("Observing", lambda s: edit(s, mode="Observe"), lambda s: edit(s, mode="Enforce")),
    Hold(
        "Observing",
        lambda s: edit(s, remedies=[{**grow(revertAfter="15s"), "mode": "Observe"}]),
        lambda s: edit(s, remedies=[grow(revertAfter="15s")]),
    ),
    Hold("Observing", only_look(Mode.OBSERVE), only_look(Mode.ENFORCE)),
    Hold("KillSwitch", switch(on=True), switch(on=False)),
    Hold("NotPermitted", lambda s: s.accounts.denied.add(PATCHING), lambda s: s.accounts.denied.discard(PATCHING)),
]
NAMES = ["suspend", "Observe", "the remedy observes", "--dry-run", "the kill switch", "patch is withdrawn"]


@pytest.mark.parametrize("restarted", [False, True], ids=["the same process", "a new process"])
@pytest.mark.parametrize("hold", HOLDS, ids=NAMES)
async def test_a_revert_that_is_held_back_is_told_once_and_resumed(hold: Hold, restarted: bool) -> None:
    stage = await lent(revertAfter="15s")
    stage.service.is_cured = lambda _: True

    hold.put(stage)
    await stage.ticks(LONG)
    assert (replicas(stage), outcomes(stage), refusals(stage)) == (5, ["Recovered"], [hold.reason])
    assert told(stage).count(hold.reason) == 1
    assert "is not taken back yet" in stage.changes[1]["spec"]["message"]

    if restarted:
        context = stage.reconciler.context
        stage.restart()
        stage.reconciler.context = replace(
            stage.reconciler.context, switches=context.switches, mode_cap=context.mode_cap
        )
        await stage.ticks(LONG)
        assert refusals(stage) == [hold.reason]
    hold.lift(stage)
    await stage.ticks(LONG)
    assert (replicas(stage), outcomes(stage)) == (UNSCALED, ["Recovered", "Undone"])


@pytest.mark.parametrize("restarted", [False, True], ids=["the same process", "a new process"])
@pytest.mark.parametrize("hold", HOLDS, ids=NAMES)
async def test_an_undo_that_is_held_back_is_told_once_and_resumed(hold: Hold, restarted: bool) -> None:
    stage = await in_vain(limits={"cooldown": "9h", "maxActions": 1, "per": "9h"})

    hold.put(stage)
    await stage.ticks(LONG)
    assert (replicas(stage), outcomes(stage), refusals(stage)) == (5, ["NotRecovered"], [hold.reason])

    if restarted:
        context = stage.reconciler.context
        stage.restart()
        stage.reconciler.context = replace(
            stage.reconciler.context, switches=context.switches, mode_cap=context.mode_cap
        )
        await stage.ticks(LONG)
        assert refusals(stage) == [hold.reason]
    hold.lift(stage)
    await stage.ticks(LONG)
    assert (replicas(stage), outcomes(stage)[:2]) == (UNSCALED, ["NotRecovered", "Undone"])


async def test_an_undo_that_is_held_back_stays_due_whatever_another_policy_does_meanwhile() -> None:
    stage = await in_vain(limits={"cooldown": "9h", "maxActions": 1, "per": "9h"})
    edit(stage, suspend=True)
    await stage.ticks(LONG)
    mine = stage.changes[0]
    spec = {key: value for key, value in mine["spec"].items() if key not in {"takeBack", "proof"}}
    others = {"sequence": 9, "action": "Restart", "policyRef": {"name": "other", "uid": "other", "generation": 1}}
    metadata = {**mine["metadata"], "name": mine["metadata"]["name"].rpartition("-")[0] + "-9", "uid": "nine"}
    status = {**mine["status"], "outcome": "Recovered"}
    stage.cluster.put({**mine, "metadata": metadata, "spec": {**spec, **others}, "status": status})

    edit(stage, suspend=False)
    await stage.ticks(LONG)

    assert (replicas(stage), "Undone" in outcomes(stage)) == (UNSCALED, True)


async def test_what_is_held_back_costs_a_look_a_minute() -> None:
    """Two minutes of twenty-four ticks: each look reads the target's records once, and a tick in between nothing."""
    stage = await lent(revertAfter="15s")
    edit(stage, suspend=True)
    await stage.ticks(6)
    held = stage.reconciler.cases[stage.policy.key, next(iter(stage.reconciler.cases))[1]]
    looks = []
    for _ in range(24):
        before = held.look_again
        await stage.ticks(1)
        looks.append(held.look_again != before)

    assert sum(looks) == 2


# --- a policy that was deleted


def made_again(stage: Stage, **spec: Any) -> None:  # noqa: ANN401 — fields of the policy
    """Somebody deletes the policy and makes one of the same name."""
    body = stage.cluster.objects(HEALTH_POLICIES)[0]
    stage.cluster.remove(POLICY)
    stage.reconciler.forget(stage_key := next(iter(stage.reconciler.cases))[0])
    stage.cluster.put(
        {
            **body,
            "metadata": {"name": stage_key.name, "namespace": stage_key.namespace},
            "spec": {**body["spec"], **spec},
        }
    )
    stage.reconciler.accept(stage.policy, {})


async def test_a_policy_of_the_same_name_takes_nothing_of_its_predecessor_back() -> None:
    stage = await lent()
    stage.service.is_cured = lambda _: True

    made_again(stage, remedies=IN_A_SECOND)
    await stage.ticks(LONG)

    assert (replicas(stage), outcomes(stage)) == (5, ["Recovered"])


async def helped_by(outcome: str) -> Stage:
    if outcome == "Recovered":
        return await lent()
    stage = await in_vain(verify={**PACE, "onFailure": "Undo" if outcome == "NotRecovered" else "Keep"})
    stage.reconciler.context = replace(stage.reconciler.context, switches=lambda: Switches(kill_switch=True))
    return await until(stage, lambda: outcomes(stage) == ["NotRecovered"])


@pytest.mark.parametrize(
    ("outcome", "stays"),
    [
        pytest.param("Recovered", True, id="lent, and not given back yet"),
        pytest.param("NotRecovered", True, id="in vain, and not undone yet"),
        pytest.param("kept", False, id="in vain, and to be kept"),
    ],
)
async def test_what_a_deleted_policy_leaves_behind_is_told_once(outcome: str, stays: bool) -> None:
    stage = await helped_by(outcome)

    for _ in range(2):
        await tell_what_stays(stage.reconciler.context, stage.policy.key)

    assert told(stage).count("NotTakenBack") == int(stays)
    message = stage.changes[0]["status"]["message"]
    assert message.count("policy checkout was deleted, so that this is not taken back any more") == int(stays)


async def test_of_what_was_given_back_nothing_is_told() -> None:
    stage = await lent(revertAfter="15s")
    stage.service.is_cured = lambda _: True
    await until(stage, lambda: outcomes(stage) == ["Recovered", "Undone"])

    await tell_what_stays(stage.reconciler.context, stage.policy.key)

    assert "NotTakenBack" not in told(stage)


async def test_a_policy_of_the_same_name_judges_no_change_of_its_predecessor() -> None:
    stage = await in_vain()

    made_again(stage, limits={"cooldown": "9h", "maxActions": 1, "per": "9h"})
    await stage.ticks(LONG)

    assert (replicas(stage), outcomes(stage)) == (5, ["Inconclusive"])
    assert "policy checkout is gone" in stage.changes[0]["status"]["message"]
