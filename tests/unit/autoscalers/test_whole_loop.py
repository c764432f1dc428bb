"""A minimum that is raised and given back, tick by tick, among people and autoscalers that come and go."""

# ruff: noqa: ANN401 — objects and remedies are handed on to builders, as they are written

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from salus.core.records.changes import past_change
from salus.model.scalars import Body
from salus.ports import AUTOSCALERS, SCALED_OBJECTS, Forbidden, Ref, Resource, Unavailable
from salus.rehearsal.cluster import Write
from tests.builders import a_scaled_object_body, an_hpa_body
from tests.rows import Row, sentence
from tests.unit.autoscalers.planning import OLD_HPA
from tests.unit.stage import NAME, NAMESPACE, TARGET, TICK, MortalCluster, Stage, a_stage

LENT = {"name": "grow", "scale": {"to": 6, "max": 12, "revertAfter": "1m"}}
HPA_REF, KEDA_REF = Ref(AUTOSCALERS, NAMESPACE, NAME), Ref(SCALED_OBJECTS, NAMESPACE, NAME)


def a_surge(scaler: Body, *remedies: dict[str, Any], needs: int = 6, **spec: Any) -> Stage:
    """A service that is well for good once it had so many replicas."""
    had: list[int] = []

    def is_cured(body: Body) -> bool:
        had.append(body["spec"]["replicas"])
        return max(had) >= needs

    stage = a_stage(is_cured, *(remedies or (LENT,)), **spec)
    stage.cluster.put(scaler)
    return stage


def floor_of(stage: Stage) -> Any:
    spec = stage.scaler["spec"]
    return spec.get("minReplicas", spec.get("minReplicaCount"))


def outcomes(stage: Stage) -> list[str]:
    return [body["status"].get("outcome", "") for body in stage.changes if body["spec"]["decision"] != "DryRun"]


async def test_the_record_alone_tells_what_was_patched() -> None:
    stage = a_surge(an_hpa_body())
    await stage.ticks(40)
    raised, back = stage.changes
    uid = stage.scaler["metadata"]["uid"]
    ref = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": NAME, "uid": uid}

    assert raised["spec"]["patchedRef"] == back["spec"]["patchedRef"] == ref
    assert (raised["spec"]["before"]["minReplicas"], raised["spec"]["intended"]["minReplicas"]) == (2, 6)
    assert raised["status"]["after"] == {"minReplicas": 6, "release": "", "restartedAt": "", "images": []}
    assert back["status"]["after"]["minReplicas"] == 2
    assert outcomes(stage) == ["Recovered", "Undone"]
    assert {write.ref for write in stage.remedial_writes} == {HPA_REF}


async def test_two_raises_are_given_back_one_after_the_other_to_the_very_first() -> None:
    by_three = {"name": "grow", "scale": {"by": "3", "max": 12, "revertAfter": "2m"}}
    stage = a_surge(an_hpa_body(), by_three, needs=99)
    stage.service.is_cured = lambda body: body["spec"]["replicas"] >= 6
    await stage.ticks(14)
    assert floor_of(stage) == 6
    stage.service.is_cured = lambda body: body["spec"]["replicas"] >= 9
    await stage.ticks(14)
    assert floor_of(stage) == 9
    stage.service.is_cured = lambda _: True
    await stage.ticks(40)

    assert outcomes(stage) == ["Recovered", "Recovered", "Undone", "Undone"]
    assert floor_of(stage) == 2


async def test_a_minimum_that_someone_changed_meanwhile_is_left_to_them() -> None:
    stage = a_surge(an_hpa_body())
    await stage.ticks(9)
    assert outcomes(stage) == ["Recovered"]
    stage.cluster.edit(HPA_REF, lambda body: body["spec"].update(minReplicas=4))
    await stage.ticks(20)

    assert floor_of(stage) == 4
    assert outcomes(stage) == ["Recovered", "UndoSkipped"]
    assert stage.changes[1]["status"]["message"] == "someone set a minimum of 4 since, the change had set 6"
    assert len(stage.remedial_writes) == 1


@dataclass(frozen=True, slots=True)
class Contested(Row):
    """How someone puts the minimum back."""

    scaler: Body
    ref: Ref
    put_back: Callable[[dict[str, Any]], object]
    """Edits the autoscaler's spec."""


CONTESTED = [
    Contested("an HPA", an_hpa_body(), HPA_REF, lambda spec: spec.update(minReplicas=2)),
    Contested("KEDA", a_scaled_object_body(), KEDA_REF, lambda spec: spec.pop("minReplicaCount", None)),
]


@pytest.mark.parametrize("row", CONTESTED, ids=sentence)
async def test_a_minimum_that_is_put_back_is_contested(row: Contested) -> None:
    stage = a_surge(row.scaler, needs=99)
    for _ in range(20):
        await stage.ticks(1)
        stage.cluster.edit(row.ref, lambda body: row.put_back(body["spec"]))
    stage.clock.advance(timedelta(minutes=50))
    await stage.ticks(10)

    assert len(stage.remedial_writes) == 1
    assert outcomes(stage)[0] == "Contested"


async def test_a_person_who_is_faster_than_the_write_wins() -> None:
    """The tests of the patch fail, the record says so, and everything is judged anew."""
    stage = a_surge(OLD_HPA, needs=99)
    stage.cluster.forget_generation(HPA_REF)
    hands: list[int] = []

    def hurry(write: Write) -> None:
        if write.ref == HPA_REF and not hands:
            hands.append(3)
            stage.cluster.edit(HPA_REF, lambda body: body["spec"].update(maxReplicas=5))

    stage.cluster.on_write = hurry
    await stage.ticks(6)

    assert outcomes(stage)[0] == "Abandoned"
    assert "HorizontalPodAutoscaler/checkout was changed by someone else" in stage.changes[0]["status"]["message"]
    assert floor_of(stage) == 5


async def test_an_autoscaler_that_is_deleted_before_the_write_ends_the_record() -> None:
    stage = a_surge(an_hpa_body(), needs=99)

    def lose(write: Write) -> None:
        if write.ref == HPA_REF:
            stage.cluster.remove(HPA_REF)

    stage.cluster.on_write = lose
    await stage.ticks(4)

    assert stage.changes[0]["status"]["outcome"] == "Failed"


async def test_keda_that_is_not_installed_hinders_nothing() -> None:
    stage = a_stage(lambda body: body["spec"]["replicas"] == 6, LENT)
    await stage.ticks(5)

    assert [write.ref for write in stage.remedial_writes] == [TARGET]


def unlistable(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """From now on the API server answers a list of ScaledObjects so."""
    listed = MortalCluster.list

    async def refuse(cluster: MortalCluster, resource: Resource, *args: Any) -> Any:
        if resource == SCALED_OBJECTS:
            raise error
        return await listed(cluster, resource, *args)

    monkeypatch.setattr(MortalCluster, "list", refuse)


@pytest.mark.parametrize("error", [Forbidden("no"), Unavailable("no answer")], ids=["no right", "no answer"])
async def test_scaled_objects_that_cannot_be_listed_hold_a_scaling_back(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a 404 means that there are none."""
    stage = a_stage(lambda _: False, LENT)
    unlistable(monkeypatch, error)
    await stage.ticks(6)

    assert stage.remedial_writes == []
    assert {body["spec"]["reason"] for body in stage.changes} == {"GuardUnknown"}


async def test_an_autoscaler_that_nobody_can_read_holds_a_scaling_back() -> None:
    broken = a_scaled_object_body()
    broken["spec"]["minReplicaCount"] = "two"
    stage = a_surge(broken)
    for _ in range(6):
        await stage.reconciler.tick([stage.policy])
        stage.clock.advance(TICK)

    assert stage.remedial_writes == []
    assert {body["spec"]["reason"] for body in stage.changes} == {"GuardUnknown"}


async def test_a_scaling_that_an_hpa_has_come_for_is_not_taken_back() -> None:
    """The replicas are the HPA's now; the undo is refused, on record."""
    stage = a_stage(lambda body: body["spec"]["replicas"] == 6, LENT)
    await stage.ticks(9)
    assert outcomes(stage) == ["Recovered"]
    stage.cluster.put(an_hpa_body(least=6))
    await stage.ticks(20)

    assert [write.ref for write in stage.remedial_writes] == [TARGET]
    assert [(body["spec"]["decision"], body["spec"]["reason"]) for body in stage.changes[1:]] == [
        ("Refuse", "HpaOwnsReplicas")
    ]


async def test_an_undo_that_nobody_can_judge_is_on_record_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = a_stage(lambda body: body["spec"]["replicas"] == 6, {"name": "grow", "scale": {"to": 5, "max": 5}})
    with monkeypatch.context() as broken:
        await stage.ticks(5)
        unlistable(broken, Unavailable("no answer"))
        await stage.ticks(8)
        assert stage.deployment["spec"]["replicas"] == 5
        refused = [body["spec"] for body in stage.changes if body["spec"]["decision"] == "Refuse"]
        assert [(spec["reason"], spec["undoes"]) for spec in refused] == [
            ("GuardUnknown", stage.changes[0]["metadata"]["name"])
        ]
    await stage.ticks(2)

    assert stage.deployment["spec"]["replicas"] == 3
    assert [body["status"].get("outcome") for body in stage.changes[:3]] == ["NotRecovered", None, "Undone"]


def test_a_record_of_before_is_read_as_a_change_of_the_workload() -> None:
    """Records of an older Salus have no patchedRef."""
    ref = {"name": "p"}
    spec = {"decision": "Act", "action": "Scale", "reason": "R", "message": "", "policyRef": ref, "sequence": 1}
    spec |= {"targetRef": {"kind": "Deployment", "name": NAME}, "decidedAt": "2026-11-22T12:00:00Z"}

    assert past_change({"metadata": {"name": "c"}, "spec": spec}).patched is None
