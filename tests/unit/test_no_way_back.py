"""Pods that cannot come back: what is known beforehand refuses an action, what shows itself later ends it."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import pytest

from salus.model.scalars import Body
from salus.ports import NAMESPACES, PODS, RESOURCE_QUOTAS, Ref
from salus.rehearsal.cluster import Write
from tests.builders import a_template
from tests.unit.stage import NAME, NAMESPACE, TARGET, TICK, UNSCALED, Stage, a_stage
from tests.unit.test_rollbacks import POLICY, roll_out

RESTART = {"name": "restart", "restart": {}}
UNDO = {"name": "undo", "rollback": {}}
PAGE = {"name": "page", "notify": {"severity": "critical"}}
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


# --- a rollback


CPU: Mapping[str, str] = {"v1": "4", "v2": "1", "v3": "1"}
"""What a container of each release asks for: the older one needs more than the newer ones."""


def asking(version: str) -> dict[str, Any]:
    template = a_template(version)
    template["spec"]["containers"][0]["resources"] = {"requests": {"cpu": CPU[version]}}
    return template


def pods(stage: Stage, *versions: str) -> None:
    """The pods that there are, of the ReplicaSets that `roll_out` has made."""
    for body in stage.cluster.objects(PODS):
        stage.cluster.remove(Ref(PODS, NAMESPACE, body["metadata"]["name"]))
    owner = {"uid": stage.deployment["metadata"]["uid"], "controller": True}
    for place, version in enumerate(versions):
        labels = {"app": NAME, "pod-template-hash": version.removeprefix("v")}
        metadata = {"name": f"pod-{place}", "namespace": NAMESPACE, "labels": labels, "ownerReferences": [owner]}
        stage.cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": asking(version)["spec"]})


async def broken(*good: str, there: Sequence[str]) -> Stage:
    """These releases were good, v3 has just come and is unhealthy; the pods that are there are of these."""
    stage = a_stage(lambda _: True, UNDO, PAGE)
    for number, version in enumerate(good, 1):
        roll_out(stage, number, asking(version))
        await stage.ticks(6)
    roll_out(stage, 3, asking("v3"))
    pods(stage, *there)
    stage.service.is_cured = lambda body: "v3" not in str(body["spec"]["template"])
    return stage


def rollbacks(stage: Stage) -> list[Body]:
    return [change["spec"] for change in stage.changes if change["spec"]["action"] == "Rollback"]


def leaving(cpu: int) -> Body:
    """A quota that leaves so much beside three pods of v3."""
    status = {"hard": {"requests.cpu": str(3 + cpu)}, "used": {"requests.cpu": "3"}}
    return of_namespace("ResourceQuota", status, hard=status["hard"])


UP_TO_2 = of_namespace("LimitRange", limits=[{"type": "Container", "max": {"cpu": "2"}, "default": {"cpu": "1"}}])


@pytest.mark.parametrize("mode", ["Enforce", "Observe"])
@pytest.mark.parametrize(
    ("around", "reason", "says"),
    [
        pytest.param(
            leaving(5),
            "QuotaExceeded",
            "ResourceQuota/team leaves 5 of requests.cpu, 2 more pods want 8, and what goes before gives back 1",
            id="a quota",
        ),
        pytest.param(UP_TO_2, "PodsRefused", "container app", id="a LimitRange"),
        pytest.param(enforcing("restricted"), "PodsRefused", "allowPrivilegeEscalation", id="Pod Security"),
    ],
)
async def test_a_rollback_whose_pods_cannot_come_back_is_not_begun(
    around: Body, reason: str, says: str, mode: str
) -> None:
    stage = await broken("v1", there=("v3", "v3", "v3"))
    stage.cluster.edit(POLICY, lambda body: body["spec"].update(mode=mode))
    stage.cluster.put(deepcopy(dict(around)))
    await stage.ticks(12)

    (refused,) = rollbacks(stage)
    assert (refused["decision"], refused["reason"]) == ("Refuse", reason)
    assert says in refused["message"]
    assert stage.remedial_writes == []
    if mode == "Enforce":
        assert stage.incidents[0]["status"]["phase"] == "Escalated"


async def test_the_next_good_release_whose_pods_are_let_in_is_gone_back_to() -> None:
    """v1 was healthy last, and asks for more than the quota leaves: v2 it is."""
    stage = await broken("v2", "v1", there=("v3", "v3", "v3"))
    stage.cluster.put(leaving(5))
    await stage.ticks(12)

    (done,) = rollbacks(stage)
    assert done["decision"] == "Act"
    assert "whose pods would not come: ResourceQuota/team leaves 5 of requests.cpu" in done["message"]
    assert "v2" in str(stage.deployment["spec"]["template"])


@pytest.mark.parametrize("around", [enforcing("restricted"), leaving(0)], ids=["Pod Security", "a full quota"])
async def test_a_release_whose_pods_all_run_comes_back_whatever_the_namespace_says(around: Body) -> None:
    """The first pod of v3 never got ready, so that no pod of v1 has gone yet."""
    stage = await broken("v1", there=("v1", "v1", "v1", "v3"))
    stage.cluster.put(deepcopy(dict(around)))
    await stage.ticks(12)

    assert [spec["decision"] for spec in rollbacks(stage)] == ["Act"]
    assert "v1" in str(stage.deployment["spec"]["template"])


async def test_a_namespace_that_cannot_be_read_holds_a_rollback_back_until_it_can() -> None:
    stage = await broken("v1", there=("v3", "v3", "v3"))
    stage.cluster.unreadable.add(RESOURCE_QUOTAS)
    await stage.ticks(6)
    assert {spec["reason"] for spec in rollbacks(stage)} == {"GuardUnknown"}

    stage.cluster.unreadable.clear()
    await stage.ticks(12)

    assert "v1" in str(stage.deployment["spec"]["template"])


async def test_a_quota_that_comes_between_the_decision_and_the_action_is_seen() -> None:
    stage = await broken("v1", there=("v3", "v3", "v3"))

    def fill(write: Write) -> None:
        if write.verb == "create" and write.body["spec"].get("decision") == "Act":
            stage.cluster.put(leaving(5))

    stage.cluster.on_write = fill
    await stage.ticks(4)

    (first, *_) = [change for change in stage.changes if change["spec"]["action"] == "Rollback"]
    assert first["status"]["outcome"] == "Abandoned"
    assert "QuotaExceeded: release" in first["status"]["message"]
    assert stage.remedial_writes == []


# --- what shows itself later


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
