"""A restart whose pods cannot come back: what is known beforehand refuses it, what shows itself later ends it."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest

from salus.model.scalars import Body
from salus.ports import NAMESPACES
from tests.unit.stage import NAMESPACE, TARGET, TICK, UNSCALED, Stage, a_stage

RESTART = {"name": "restart", "restart": {}}
GROW = {"name": "grow", "scale": {"by": "1", "max": 9}}
HOOK = 'failed calling webhook "pods.example.com": connection refused'


def never(_: Body) -> bool:
    return False


def enforcing(level: str) -> dict[str, Any]:
    labels = {"pod-security.kubernetes.io/enforce": level}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}


def of_namespace(kind: str, status: Mapping[str, Any] | None = None, **spec: Any) -> dict[str, Any]:  # noqa: ANN401
    body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "team", "namespace": NAMESPACE}, "spec": spec}
    return {**body, "status": status} if status else body


NOTHING = of_namespace("ResourceQuota", {"hard": {"pods": "0"}, "used": {"pods": "3"}}, hard={"pods": "0"})
LIMITED = of_namespace("LimitRange", limits=[{"type": "Pod", "max": {"cpu": "1"}}])


@pytest.mark.parametrize("mode", ["Enforce", "Observe"])
@pytest.mark.parametrize(
    ("around", "reason", "says"),
    [
        pytest.param(NOTHING, "QuotaExceeded", "is overdrawn by 3 of pods", id="a quota of 0"),
        pytest.param(LIMITED, "PodsRefused", "has to be limited to 1 of cpu", id="a LimitRange"),
        pytest.param(enforcing("restricted"), "PodsRefused", "allowPrivilegeEscalation", id="Pod Security"),
    ],
)
async def test_it_is_not_begun(around: Body, reason: str, says: str, mode: str) -> None:
    """Nothing is written, and people are told; a rehearsal says the same."""
    stage = a_stage(never, RESTART, mode=mode)
    stage.cluster.put(deepcopy(dict(around)))
    await stage.ticks(6)

    refused = [change["spec"] for change in stage.changes if change["spec"]["decision"] == "Refuse"]
    assert [spec["reason"] for spec in refused] == [reason]
    assert says in refused[0]["message"]
    assert stage.remedial_writes == []
    if mode == "Enforce":
        assert stage.incidents[0]["status"]["phase"] == "Escalated"


async def test_a_namespace_that_cannot_be_read_holds_it_back() -> None:
    stage = a_stage(never, RESTART)
    stage.cluster.unreadable.add(NAMESPACES)
    await stage.ticks(6)

    assert {change["spec"]["reason"] for change in stage.changes} == {"GuardUnknown"}
    assert stage.remedial_writes == []


async def ticks(stage: Stage, count: int, **status: Any) -> None:  # noqa: ANN401 — as YAML has it
    """So many ticks during which the controllers say this of the Deployment."""
    for _ in range(count):
        stage.roll_out()
        stage.cluster.edit(TARGET, lambda body: body["status"].update(status))
        await stage.reconciler.tick([stage.policy])
        stage.clock.advance(TICK)


FAILED = {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": HOOK}]}
ONE_SHORT = {"replicas": UNSCALED - 1, "updatedReplicas": 0}
LONG = {"settle": "5s", "stable": "10s", "timeout": "30m"}


@pytest.mark.parametrize(
    ("status", "says"),
    [
        pytest.param(FAILED, HOOK, id="a Deployment's ReplicaSet tells"),
        pytest.param(ONE_SHORT, "only 2 of 3 pods of Deployment/checkout are there", id="a place stays empty"),
    ],
)
async def test_it_ends_when_its_first_pod_does_not_come(status: Mapping[str, Any], says: str) -> None:
    """Long before its time is up: it is not done again, and people are told with the reason."""
    stage = a_stage(never, RESTART, verify=LONG)
    await stage.ticks(4)
    assert len(stage.remedial_writes) == 1
    await ticks(stage, 12, **status)
    assert not stage.changes[0]["status"].get("outcome"), "a pod may be late"
    await ticks(stage, 15, **status)

    ended = stage.changes[0]["status"]
    assert (ended["outcome"], says in ended["message"]) == ("NotRecovered", True)
    assert len(stage.remedial_writes) == 1
    assert stage.incidents[0]["status"]["phase"] == "Escalated"


async def test_pods_that_come_late_end_nothing() -> None:
    """Each place is empty for a while, one after the other."""
    stage = a_stage(never, RESTART, verify=LONG)
    await stage.ticks(4)
    for _ in range(4):
        await ticks(stage, 12, **ONE_SHORT)
        await ticks(stage, 1)

    assert not stage.changes[0]["status"].get("outcome")


async def test_a_scaling_whose_pods_do_not_come_is_taken_back() -> None:
    stage = a_stage(never, GROW, verify=LONG)
    await stage.ticks(4)
    await ticks(stage, 30, **FAILED)

    assert [change["status"].get("outcome") for change in stage.changes[:2]] == ["NotRecovered", "Undone"]
    assert stage.deployment["spec"]["replicas"] == UNSCALED


async def test_what_helped_has_helped_whoever_is_missing() -> None:
    """The checks are the proof: one replica less is not a failure."""
    stage = a_stage(lambda body: "annotations" in body["spec"]["template"]["metadata"], RESTART, verify=LONG)
    await stage.ticks(4)
    await ticks(stage, 30, **FAILED)

    assert [change["status"]["outcome"] for change in stage.changes] == ["Recovered"]
