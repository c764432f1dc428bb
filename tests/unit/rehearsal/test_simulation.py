"""In a simulation the world answers: pods follow what was written, and metrics what was done."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from salus.core.objects.pods import pods_from, told_by_pods
from salus.core.objects.workloads import workload_from
from salus.core.records.releases import history_from
from salus.model.change import ActionKind
from salus.model.scalars import Body
from salus.ports import (
    AUTOSCALERS,
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    DEPLOYMENTS,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
    Ref,
    Resource,
)
from salus.rehearsal.answers import AnsweringMetrics, Replies
from salus.rehearsal.engine import Rehearsed
from salus.rehearsal.world import World, appeared, edited, gone, released, scaled
from tests.builders import NAMESPACE, PAGE, RESTART, ROLLBACK, TARGET, a_template, an_hpa_body
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
    questions,
    rows,
    tick,
)

GROW = {"name": "grow", "scale": {"by": "100%", "max": 12, "revertAfter": "2m"}}
ILL_FROM_40 = course((BEFORE + 40, 0.0), (1000, 0.3))


async def simulated(*remedies: dict[str, Any], after: dict[ActionKind, float], world: World | None = None) -> Rehearsed:
    """A check that is beyond its bound from tick 40 on, until something is done that helps."""
    world = world or a_shop()
    limits = {"cooldown": "15s", "maxActions": 10}
    policy = world.policy(a_health_policy(checks=[a_check()], remedies=list(remedies), limits=limits), CATALOG)
    query = questions(world, policy)["error-ratio"]
    replies: Replies = {kind: {query: value} for kind, value in after.items()}
    metrics = AnsweringMetrics(world, a_history(world, [policy], {"error-ratio": ILL_FROM_40}), replies)
    return await Scene(world, [policy], metrics).play(140)


def told(found: Rehearsed) -> list[tuple[str, str, str]]:
    """Decision, action and outcome."""
    outcomes = [(body.get("status") or {}).get("outcome", "") for body in found.changes]
    return [(*row[:2], outcome) for row, outcome in zip(rows(found.changes), outcomes, strict=True)]


async def test_a_release_is_taken_back_and_that_helps() -> None:
    world = a_shop()
    world.will(released(tick(39.5), REF, a_template("shop:v2")))
    found = await simulated(dict(ROLLBACK), after={ActionKind.ROLLBACK: 0.0}, world=world)

    assert told(found) == [("Act", "Rollback", "Recovered")]
    assert world.cluster.now_at(REF)["spec"]["template"] == a_template()


async def test_what_does_not_help_is_undone_and_the_next_rung_taken() -> None:
    world = a_shop()
    found = await simulated(GROW, dict(RESTART), dict(PAGE), after={ActionKind.RESTART: 0.0}, world=world)

    expected = [("Act", "Scale", "NotRecovered"), ("Act", "Scale", "Undone"), ("Act", "Restart", "Recovered")]
    assert (told(found), world.cluster.now_at(REF)["spec"]["replicas"]) == (expected, 3)


async def test_what_is_given_back_helps_no_more() -> None:
    """The metrics answer to what is there: after the revert all is as it was before."""
    found = await simulated(GROW, after={ActionKind.SCALE: 0.0})

    assert told(found)[:3] == [("Act", "Scale", "Recovered"), ("Act", "Scale", "Undone"), ("Act", "Scale", "Recovered")]


async def test_nothing_helps() -> None:
    assert told(await simulated(dict(RESTART), dict(PAGE), after={})) == [
        ("Act", "Restart", "NotRecovered"),
        ("Act", "Notify", ""),
    ]


# --- what controllers make of it


def a_workload(resource: Resource, **spec: Any) -> Body:  # noqa: ANN401 - fields of the spec
    """One without a status, as people apply it."""
    selector = {"matchLabels": {"app": TARGET.name}}
    sized = {} if resource == DAEMON_SETS else {"replicas": 3}
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": TARGET.name, "namespace": NAMESPACE},
        "spec": {"selector": selector, "template": a_template(), **sized, **spec},
    }


def a_world_with(resource: Resource, takes: float = 0, *more: Body) -> tuple[World, Ref]:
    world = World(tick(0), timedelta(seconds=takes))
    world.put(a_workload(resource), *more)
    return world, Ref(resource, NAMESPACE, TARGET.name)


KINDS = [
    pytest.param(DEPLOYMENTS, REPLICA_SETS, id="Deployment"),
    pytest.param(STATEFUL_SETS, CONTROLLER_REVISIONS, id="StatefulSet"),
    pytest.param(DAEMON_SETS, CONTROLLER_REVISIONS, id="DaemonSet"),
]


@pytest.mark.parametrize(("resource", "made"), KINDS)
def test_pods_follow_the_template(resource: Resource, made: Resource) -> None:
    """By what decisions read of the workload, of its revisions and of its pods."""
    world, ref = a_world_with(resource)
    world.will(released(tick(10), ref, a_template("shop:v2")), released(tick(20), ref, a_template()))
    world.turn(tick(15))

    body = world.cluster.now_at(ref)
    workload, history = workload_from(body), history_from(world.cluster.peek(made))
    pods = pods_from(world.cluster.peek(PODS), TARGET.name, history, tick(15))
    assert (workload.rolled_out, workload.rolling_out, workload.release) == (True, False, history[-1].release)
    assert [revision.number for revision in history] == [1, 2]
    assert {(pod.release, pod.made_at, pod.failing) for pod in pods} == {(workload.release, tick(10), "")}
    assert len(pods) == workload.replicas
    since = workload.rolled_out_since or _told(body, workload, world)
    assert since == tick(10)

    world.turn(tick(25))
    back = history_from(world.cluster.peek(made))
    assert [(one.number, one.release, one.made_at) for one in back] == [
        (2, history[1].release, tick(10)),
        (3, history[0].release, tick(0)),
    ]


def _told(body: Body, workload: Any, world: World) -> Any:  # noqa: ANN401 - as the core has them
    found = told_by_pods(workload, body, world.cluster.peek(PODS))
    return found.rolled_out_since if found else None


@pytest.mark.parametrize(("resource", "made"), KINDS)
def test_pods_take_their_time(resource: Resource, made: Resource) -> None:  # noqa: ARG001 - of the table
    world, ref = a_world_with(resource, 40)
    world.turn(tick(10))
    world.will(released(tick(20), ref, a_template("shop:v2")))

    world.turn(tick(21))
    assert (workload_from(world.cluster.now_at(ref)).rolling_out, world.next_at()) == (
        True,
        tick(20) + timedelta(seconds=40),
    )
    world.turn(tick(23))
    assert (workload_from(world.cluster.now_at(ref)).rolled_out, world.next_at()) == (True, None)


def test_more_pods_are_no_rollout() -> None:
    world, ref = a_world_with(DEPLOYMENTS, 40)
    world.turn(tick(10))
    world.will(scaled(tick(20), ref, 5))

    world.turn(tick(21))
    growing = workload_from(world.cluster.now_at(ref))
    world.turn(tick(30))
    grown = workload_from(world.cluster.now_at(ref))
    assert (growing.rolling_out, growing.available, grown.available, len(world.cluster.peek(PODS))) == (False, 3, 5, 5)
    assert grown.rolled_out_since == growing.rolled_out_since == tick(0) + timedelta(seconds=40)


def test_an_autoscaler_keeps_to_its_minimum() -> None:
    """One that sees no load, and finds pods."""
    world, ref = a_world_with(DEPLOYMENTS, 0, an_hpa_body(least=4))
    scaler = Ref(AUTOSCALERS, NAMESPACE, TARGET.name)
    sizes = [world.cluster.now_at(ref)["spec"]["replicas"]]
    for at, least in ((10, 6), (20, 2)):
        world.will(edited(tick(at), scaler, partial(_least, least)))
        world.turn(tick(at + 1))
        sizes.append(world.cluster.now_at(ref)["spec"]["replicas"])
    world.will(scaled(tick(30), ref, 0))
    world.turn(tick(31))

    assert (*sizes, world.cluster.now_at(ref)["spec"]["replicas"]) == (4, 6, 3, 0)


def _least(replicas: int, body: dict[str, Any]) -> None:
    body["spec"]["minReplicas"] = replicas


def test_what_happens_sees_its_own_time() -> None:
    """Things come and go in their order; who looks at that very time does not see it yet."""
    world, ref = a_world_with(DEPLOYMENTS)
    pod = Ref(PODS, NAMESPACE, "lonely")
    lonely = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "lonely", "namespace": NAMESPACE}}
    world.will(gone(tick(20), ref), appeared(tick(10), lonely), gone(tick(30), pod))

    world.turn(tick(10))
    assert pod.name not in [body["metadata"]["name"] for body in world.cluster.peek(PODS)]
    world.turn(tick(25))
    assert world.cluster.now_at(pod)["metadata"]["creationTimestamp"] == "2026-11-22T12:02:30Z"
    assert (world.cluster.peek(DEPLOYMENTS), world.next_at()) == ([], tick(30))
    world.turn(tick(31))
    assert pod.name not in [body["metadata"]["name"] for body in world.cluster.peek(PODS)]


def test_what_another_server_has_keeps_its_identity() -> None:
    """Its uid, its generation and its age; controllers leave alone what they have seen."""
    world, ref = a_world_with(DEPLOYMENTS)
    other = World(tick(100))
    other.adopt(*world.cluster.peek(REPLICA_SETS), *world.cluster.peek(PODS), world.cluster.now_at(ref))

    for resource in (DEPLOYMENTS, REPLICA_SETS, PODS):
        [mine, theirs] = [_known(found.cluster.peek(resource)) for found in (other, world)]
        assert mine == theirs


def _known(bodies: Any) -> list[Any]:  # noqa: ANN401 - bodies
    return [{**body, "metadata": {**body["metadata"], "resourceVersion": ""}} for body in bodies]
