"""Two policies on one target, and what an administrator says to all: what their status shows, on fakes."""

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from salus.core.policy.compile import Catalog, compile_policy
from salus.model.values.configuration import Switches
from salus.model.values.policies import Policy
from salus.ports import CHANGE_EVENTS, HEALTH_POLICIES, Ref
from salus.rehearsal.ports import NullTelemetry
from tests.builders import a_deployment_body
from tests.unit.stage import NAME, NAMESPACE, TARGET, TICK, Stage, a_reconciler, a_stage

BY_NAME = {"kind": "Deployment", "name": NAME}
BY_LABEL = {"kind": "Deployment", "selector": {"matchLabels": {"tier": "web"}}}
SECOND = Ref(HEALTH_POLICIES, NAMESPACE, "second")
RESTART: dict[str, Any] = {"name": "restart", "restart": {}}


def two_policies(target: Any = BY_NAME, *, unhealthy: bool = False) -> Stage:  # noqa: ANN401 — as YAML has it
    """The policy of the stage, and one more with this target; a check each, so that a selector may stand."""
    stage = a_stage(lambda _: not unhealthy, dict(RESTART))
    stage.cluster.edit(TARGET, lambda body: body["metadata"].update(labels={"tier": "web"}))
    first = stage.cluster.objects(HEALTH_POLICIES)[0]
    spec = {**deepcopy(first["spec"]), "target": target}
    metadata = {"name": SECOND.name, "namespace": NAMESPACE}
    stage.cluster.put({"apiVersion": first["apiVersion"], "kind": first["kind"], "metadata": metadata, "spec": spec})
    return stage


def policies(stage: Stage) -> list[Policy]:
    return [compile_policy(body, Catalog({}, ["default"])) for body in stage.cluster.objects(HEALTH_POLICIES)]


async def ticks(stage: Stage, count: int = 1) -> None:
    for _ in range(count):
        await stage.reconciler.tick(policies(stage))
        stage.clock.advance(TICK)


def shown(stage: Stage, kind: str, policy: str) -> tuple[str, str, str]:
    body = next(b for b in stage.cluster.objects(HEALTH_POLICIES) if b["metadata"]["name"] == policy)
    found = next(c for c in body["status"]["conditions"] if c["type"] == kind)
    return found["status"], found["reason"], found["message"]


@pytest.mark.parametrize("target", [pytest.param(BY_NAME, id="by name"), pytest.param(BY_LABEL, id="by a selector")])
async def test_an_overlap_is_shown_in_both_policies(target: Any) -> None:  # noqa: ANN401 — as YAML has it
    stage = two_policies(target)
    await ticks(stage)

    assert shown(stage, "Overlapping", NAME)[2] == f"Deployment/{NAME} is also a target of second"
    assert shown(stage, "Overlapping", "second")[2] == f"Deployment/{NAME} is also a target of {NAME}"
    assert {shown(stage, "Ready", policy)[0] for policy in (NAME, "second")} == {"True"}


def look_elsewhere(stage: Stage) -> None:
    stage.cluster.put(a_deployment_body(name="cart"))
    stage.cluster.edit(SECOND, lambda body: body["spec"].update(target={"kind": "Deployment", "name": "cart"}))


def delete_it(stage: Stage) -> None:
    stage.cluster.remove(SECOND)
    stage.reconciler.forget(policies(two_policies())[1].key)


def unlabel(stage: Stage) -> None:
    stage.cluster.edit(TARGET, lambda body: body["metadata"].update(labels={}))


@pytest.mark.parametrize(
    ("target", "part"),
    [
        pytest.param(BY_NAME, look_elsewhere, id="the other policy is given another target"),
        pytest.param(BY_NAME, delete_it, id="the other policy is deleted"),
        pytest.param(BY_LABEL, unlabel, id="the target no longer has the label"),
    ],
)
async def test_an_overlap_goes_as_it_came(target: Any, part: Any) -> None:  # noqa: ANN401 — handed on
    stage = two_policies(target)
    await ticks(stage)
    part(stage)
    await ticks(stage, 2)

    assert shown(stage, "Overlapping", NAME)[:2] == ("False", "NoOverlap")


async def test_the_refused_one_is_told_which_change_it_waits_for() -> None:
    """Both find the target unhealthy in the same tick; one has its change, the other one waits for it by name."""
    stage = two_policies(unhealthy=True)
    await ticks(stage, 4)
    records = stage.cluster.objects(CHANGE_EVENTS)
    (done,) = [body for body in records if body["spec"]["decision"] == "Act"]
    (refused,) = [body for body in records if body["spec"]["decision"] == "Refuse"]
    name, winner = done["metadata"]["name"], done["spec"]["policyRef"]["name"]
    loser = refused["spec"]["policyRef"]["name"]

    assert {winner, loser} == {NAME, "second"}
    assert refused["spec"]["reason"] == "ChangeInFlight"
    assert refused["spec"]["message"] == f"{name} of policy {winner} is not finished"
    assert shown(stage, "Throttled", loser) == (
        "True",
        "ChangeInFlight",
        f"Deployment/{NAME}: {name} of policy {winner} is not finished",
    )
    assert len(stage.remedial_writes) == 1


async def test_the_kill_switch_is_shown_by_every_policy_without_a_tick() -> None:
    """A policy may be asked once an hour only; it says so at once, well or not, and takes it back."""
    stage = two_policies()
    switches = [Switches()]
    stage.reconciler = a_reconciler(stage.cluster, stage.service, stage.clock, lambda: switches[0])
    await ticks(stage)
    for switch, expected in (
        (Switches(kill_switch=True), ("True", "KillSwitch", "the operator's kill switch is on")),
        (Switches(), ("False", "NotThrottled", "nothing holds an action back")),
    ):
        switches[0] = switch
        await stage.reconciler.show_switches(policies(stage))

        assert {shown(stage, "Throttled", policy) for policy in (NAME, "second")} == {expected}


class Failures(NullTelemetry):
    """Counts what went wrong."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def failed(self, stage: str) -> None:
        """Keep it."""
        self.stages.append(stage)


async def test_a_policy_that_was_not_measured_yet_is_left_as_it_is() -> None:
    stage, failures = two_policies(), Failures()
    stage.reconciler.context = replace(stage.reconciler.context, telemetry=failures)
    await stage.reconciler.show_switches(policies(stage))

    assert failures.stages == []
    assert all(body["status"] == {"observedGeneration": -1} for body in stage.cluster.objects(HEALTH_POLICIES))


async def test_a_change_whose_policy_cannot_be_used_any_more_holds_its_target_for_a_while_only() -> None:
    """An edit that makes a policy unusable needs no right on the workload; the other policy goes on in the end."""
    stage = two_policies(unhealthy=True)
    await ticks(stage, 4)
    (done,) = [body for body in stage.cluster.objects(CHANGE_EVENTS) if body["spec"]["decision"] == "Act"]
    winner = done["spec"]["policyRef"]["name"]
    stage.reconciler.context = replace(stage.reconciler.context, is_measured=lambda key: key.name != winner)
    (other,) = [policy for policy in policies(stage) if policy.key.name != winner]

    async def others_ticks(span: timedelta) -> None:
        end = stage.clock.now() + span
        while stage.clock.now() < end:
            await stage.reconciler.tick([other])
            stage.clock.advance(TICK)

    def ended() -> Any:  # noqa: ANN401 — as YAML has it
        found = next(
            b for b in stage.cluster.objects(CHANGE_EVENTS) if b["metadata"]["name"] == done["metadata"]["name"]
        )
        return found.get("status", {}).get("outcome"), found.get("status", {}).get("message", "")

    await others_ticks(timedelta(minutes=10))
    assert ended()[0] is None, "it may come back, and verify"
    await others_ticks(timedelta(minutes=15))

    assert ended() == ("Inconclusive", f"policy {winner} is not measured any more, nobody verifies this change")
    assert len(stage.remedial_writes) == 2, "the other policy acts"
