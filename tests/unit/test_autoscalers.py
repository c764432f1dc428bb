"""Scaling where an autoscaler owns the replicas: its minimum is raised, never `replicas`, and given back exactly."""

# ruff: noqa: ANN401 — objects and remedies are handed on to builders, as they are written

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.core.actions import plan, undo
from salus.core.actions.patch import applies
from salus.core.actions.stamp import CHANGE_ANNOTATION, stamped
from salus.core.guards.chain import INFEASIBLE, review
from salus.core.guards.reverted import is_reverted
from salus.core.objects.autoscalers import read_alone
from salus.core.objects.workloads import workload_from
from salus.core.records.changes import past_change
from salus.model.change import ActionKind, ManagedBy, PatchOp
from salus.model.scalars import Body
from salus.model.values.changes import Action, Change, Infeasible, PatchOps, Refusal
from salus.ports import AUTOSCALERS, SCALED_OBJECTS, Forbidden, Ref, Resource, Unavailable
from tests.builders import (
    GROW,
    a_deed,
    a_deployment_body,
    a_finding,
    a_plan,
    a_policy,
    a_scaled_object_body,
    an_hpa_body,
    an_observation,
    autoscalers,
    later,
)
from tests.fakes.cluster import Write
from tests.unit.stage import NAME, NAMESPACE, TARGET, TICK, MortalCluster, Stage, a_stage

OWNED_BY_KEDA = [{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "checkout", "controller": True}]
OF_KEDA = an_hpa_body(name="keda-hpa-checkout", uid="uid-of-keda-hpa", ownerReferences=OWNED_BY_KEDA)
OF_OTHERS = an_hpa_body(ownerReferences=[{"kind": "PodAutoscaler", "name": "checkout", "controller": True}])
OLD_HPA = an_hpa_body(generation=0)
"""As before Kubernetes 1.37: no generation."""
PAUSED_AT = "autoscaling.keda.sh/paused-replicas"


def scaled(**wish: Any) -> dict[str, Any]:
    return {"name": "grow", "scale": wish}


def answer(remedy: Mapping[str, Any], *scalers: Body, replicas: int = 3, value: float = 0.08) -> Action | Infeasible:
    asked = a_plan(
        remedy, a_deployment_body(replicas=replicas), a_finding(value=value), autoscalers=autoscalers(*scalers)
    )
    return plan(asked)


def planned(remedy: Mapping[str, Any], *scalers: Body, replicas: int = 3, value: float = 0.08) -> Action:
    action = answer(remedy, *scalers, replicas=replicas, value=value)
    assert isinstance(action, Action), action
    return action


def after(patch: PatchOps, body: Body) -> dict[str, Any]:
    """The object as the API server would make it. Raises JsonPatchTestFailed."""
    changed: dict[str, Any] = jsonpatch.JsonPatch(list(patch)).apply(deepcopy(body))
    return changed


def bounds(body: Body) -> Mapping[str, Any]:
    return {key: value for key, value in body["spec"].items() if key.startswith(("min", "max"))}


# --- planning


@pytest.mark.parametrize(
    ("wish", "scalers", "replicas", "minimum"),
    [
        pytest.param({"to": 6, "max": 12}, [an_hpa_body()], 3, 6, id="to a number, from the HPA's minimum of 2"),
        pytest.param({"to": 6, "max": 12}, [OLD_HPA], 3, 6, id="an HPA without a generation"),
        pytest.param({"to": 6, "max": 12}, [an_hpa_body(least=None)], 3, 6, id="an HPA that says no minimum"),
        pytest.param({"by": "2", "max": 12}, [an_hpa_body()], 3, 5, id="two more than the live size, not the minimum"),
        pytest.param({"by": "50%", "max": 12}, [an_hpa_body()], 8, 10, id="no further than the HPA's maximum"),
        pytest.param({"to": 12, "max": 12}, [an_hpa_body(most=4)], 3, 4, id="as far as the HPA lets it"),
        pytest.param({"by": "5", "max": 6}, [an_hpa_body()], 3, 6, id="no further than the policy's own maximum"),
        pytest.param({"to": 4, "max": 12, "min": 7}, [an_hpa_body()], 3, 7, id="the policy's own minimum"),
        pytest.param({"to": 4, "max": 12, "min": 11}, [an_hpa_body()], 3, 10, id="… within the HPA's maximum"),
        pytest.param({"to": 6, "max": 12}, [a_scaled_object_body()], 3, 6, id="a ScaledObject without a minimum"),
        pytest.param({"to": 6, "max": 12}, [a_scaled_object_body(least=2)], 3, 6, id="a ScaledObject with a minimum"),
        pytest.param({"to": 200, "max": 500}, [a_scaled_object_body(most=None)], 3, 100, id="KEDA's default maximum"),
        pytest.param({"to": 6, "max": 12}, [OF_KEDA, a_scaled_object_body()], 3, 6, id="the ScaledObject, not its HPA"),
    ],
)
def test_the_minimum_is_raised_within_the_maximum(
    wish: Mapping[str, Any], scalers: list[Body], replicas: int, minimum: int
) -> None:
    action, there = planned(scaled(**wish), *scalers, replicas=replicas), scalers[-1]
    field = "minReplicas" if there["kind"] == "HorizontalPodAutoscaler" else "minReplicaCount"
    changed = after(stamped(action.patch, there, "checkout-1"), there)

    assert action.patched == autoscalers(there)[0].key
    assert changed["spec"] == {**there["spec"], field: minimum}
    assert changed["metadata"].pop("annotations") == {CHANGE_ANNOTATION: "checkout-1"}
    assert changed["metadata"] == there["metadata"]
    assert (action.before.min_replicas, action.intended.min_replicas) == (there["spec"].get(field), minimum)
    assert (action.before.replicas, action.intended.replicas) == (replicas, minimum)
    assert all(PatchOp.parse(operation) for operation in (*action.patch, *action.inverse))
    assert "/spec/replicas" not in [edit["path"] for edit in action.patch]


def test_the_message_says_what_is_raised_and_how_far() -> None:
    action = planned(scaled(to=12, max=12), an_hpa_body(most=4))

    assert action.message == (
        "scale Deployment/checkout from 3 to at least 4 replicas (of 12: HorizontalPodAutoscaler/checkout allows no "
        "more) by HorizontalPodAutoscaler/checkout, whose minimum was 2"
    )


@pytest.mark.parametrize(
    ("wish", "scalers", "replicas", "reason", "message"),
    [
        pytest.param(
            {"to": 6, "max": 12},
            [an_hpa_body(), a_scaled_object_body(name="queue")],
            3,
            "SeveralAutoscalers",
            "HorizontalPodAutoscaler/checkout and ScaledObject/queue scale Deployment/checkout, and only one of them "
            "can have its way",
            id="two autoscalers on one target",
        ),
        pytest.param(
            {"to": 12, "max": 12},
            [an_hpa_body(most=4)],
            4,
            "AutoscalerAtMaximum",
            "4 replicas already, HorizontalPodAutoscaler/checkout allows at most 4",
            id="the HPA's maximum is reached",
        ),
        pytest.param(
            {"to": 6, "max": 12},
            [a_scaled_object_body(annotations={PAUSED_AT: "3"})],
            3,
            "AutoscalerPaused",
            "ScaledObject/checkout is paused by its annotation autoscaling.keda.sh/paused-replicas",
            id="paused at a number",
        ),
        pytest.param(
            {"to": 6, "max": 12},
            [a_scaled_object_body(annotations={"autoscaling.keda.sh/paused": "yes"})],
            3,
            "AutoscalerPaused",
            "ScaledObject/checkout is paused by its annotation autoscaling.keda.sh/paused",
            id="paused by a switch that KEDA cannot read: that means yes",
        ),
        pytest.param(
            {"to": 6, "max": 12},
            [a_scaled_object_body(annotations={"autoscaling.keda.sh/paused-scale-out": "true"})],
            3,
            "AutoscalerPaused",
            "ScaledObject/checkout is paused by its annotation autoscaling.keda.sh/paused-scale-out",
            id="only scaling out is paused",
        ),
        pytest.param(
            {"to": 6, "max": 12},
            [an_hpa_body()],
            0,
            "ScaledToZero",
            "Deployment/checkout was scaled to 0, which only people undo",
            id="an HPA at 0 replicas is switched off",
        ),
        pytest.param(
            {"to": 2, "max": 12},
            [an_hpa_body()],
            5,
            "EnoughReplicas",
            "5 replicas and a minimum of 2 already, 2 are wanted; HorizontalPodAutoscaler/checkout is only ever given "
            "a higher minimum",
            id="fewer than there are: an autoscaler is not told to shrink",
        ),
        pytest.param(
            {"to": 4, "max": 12},
            [an_hpa_body(least=6)],
            3,
            "EnoughReplicas",
            "3 replicas and a minimum of 6 already, 4 are wanted; HorizontalPodAutoscaler/checkout is only ever given "
            "a higher minimum",
            id="the minimum is higher already, its pods are on their way",
        ),
        pytest.param(
            {"by": "1", "max": 3},
            [an_hpa_body()],
            3,
            "AtMaximum",
            "3 replicas already, spec.remedies[0].scale.max is 3",
            id="the policy's own maximum is reached",
        ),
    ],
)
def test_what_cannot_be_had_from_an_autoscaler(
    wish: Mapping[str, Any], scalers: list[Body], replicas: int, reason: str, message: str
) -> None:
    assert answer(scaled(**wish), *scalers, replicas=replicas) == Infeasible(reason, message)
    assert reason in INFEASIBLE


@pytest.mark.parametrize(
    "annotations",
    [
        pytest.param({"autoscaling.keda.sh/paused": "false"}, id="a switch that is off"),
        pytest.param({"autoscaling.keda.sh/paused-scale-in": "true"}, id="only scaling in is paused"),
    ],
)
def test_a_scaled_object_that_may_scale_out_is_raised(annotations: Mapping[str, str]) -> None:
    assert planned(GROW, a_scaled_object_body(annotations=annotations)).patched


@pytest.mark.parametrize(
    ("scaler", "edit"),
    [
        pytest.param(an_hpa_body(), {"path": "/metadata/uid", "value": "another"}, id="made again"),
        pytest.param(an_hpa_body(), {"path": "/metadata/generation", "value": 4}, id="its spec was changed"),
        pytest.param(OLD_HPA, {"path": "/spec/minReplicas", "value": 3}, id="its minimum, without a generation"),
        pytest.param(OLD_HPA, {"path": "/spec/maxReplicas", "value": 4}, id="its maximum, without a generation"),
        pytest.param(
            OLD_HPA, {"path": "/spec/scaleTargetRef/name", "value": "other"}, id="its target, without a generation"
        ),
        pytest.param(
            an_hpa_body(least=None, generation=0),
            {"path": "/metadata/resourceVersion", "value": "12"},
            id="anything, where there is neither a generation nor an old value",
        ),
        pytest.param(a_scaled_object_body(), {"path": "/metadata/generation", "value": 6}, id="a ScaledObject's spec"),
    ],
)
def test_the_patch_fails_where_someone_was_faster(scaler: Body, edit: Mapping[str, Any]) -> None:
    patch = planned(scaled(to=6, max=12), scaler).patch

    assert applies(patch, scaler)
    assert not applies(patch, after(({"op": "replace", **edit},), scaler))


def test_the_status_of_an_hpa_moves_without_harm() -> None:
    """Its controller writes it every few seconds."""
    patch = planned(scaled(to=6, max=12), OLD_HPA).patch

    assert applies(patch, after(({"op": "replace", "path": "/metadata/resourceVersion", "value": "12"},), OLD_HPA))


# --- guards


def judged(action: Action, *scalers: Body, unreadable: bool = False) -> Refusal | None:
    return review(
        a_policy(remedies=[GROW]), action, an_observation(autoscalers=None if unreadable else autoscalers(*scalers))
    )


RAISED = planned(scaled(to=6, max=12), an_hpa_body())
PLAIN = replace(RAISED, patched=None)


@pytest.mark.parametrize(
    ("action", "scalers", "message"),
    [
        pytest.param(RAISED, [an_hpa_body()], None, id="as it was planned"),
        pytest.param(
            PLAIN,
            [an_hpa_body()],
            "HorizontalPodAutoscaler/checkout owns the replicas of Deployment/checkout",
            id="an HPA has come since",
        ),
        pytest.param(
            RAISED,
            [],
            "HorizontalPodAutoscaler/checkout does not scale Deployment/checkout any more",
            id="the HPA has gone since",
        ),
        pytest.param(
            RAISED,
            [an_hpa_body(uid="another")],
            "HorizontalPodAutoscaler/checkout owns the replicas of Deployment/checkout",
            id="another HPA by the same name",
        ),
        pytest.param(
            RAISED,
            [an_hpa_body(), a_scaled_object_body(name="queue")],
            "ScaledObject/queue owns the replicas of Deployment/checkout",
            id="a second one has come since",
        ),
        pytest.param(
            planned(GROW, OF_OTHERS),
            [OF_OTHERS],
            "PodAutoscaler/checkout controls HorizontalPodAutoscaler/checkout, and would put its minimum back",
            id="an HPA that another controller makes",
        ),
        pytest.param(
            planned(GROW, OF_KEDA),
            [OF_KEDA],
            "ScaledObject/checkout controls HorizontalPodAutoscaler/keda-hpa-checkout, and would put its minimum back",
            id="KEDA's HPA, without its ScaledObject",
        ),
        pytest.param(
            planned(GROW, a_scaled_object_body()),
            [a_scaled_object_body(annotations={PAUSED_AT: "0"})],
            "ScaledObject/checkout is paused by autoscaling.keda.sh/paused-replicas",
            id="paused since",
        ),
        pytest.param(planned(GROW, a_scaled_object_body()), [a_scaled_object_body(), OF_KEDA], None, id="KEDA at work"),
    ],
)
def test_what_the_guard_says_right_before_the_deed(action: Action, scalers: list[Body], message: str | None) -> None:
    refusal = judged(action, *scalers)

    assert (refusal.message if refusal else None) == message
    assert refusal is None or refusal.reason == "HpaOwnsReplicas"


def test_autoscalers_that_cannot_be_read_hold_a_scaling_back() -> None:
    refusal = judged(RAISED, unreadable=True)

    assert refusal is not None
    assert refusal.reason == "GuardUnknown"


HELD_BY_GIT = {"manager": "kustomize-controller", "fieldsV1": {"f:spec": {"f:minReplicas": {}}}}
BY_FLUX = {
    "kustomize.toolkit.fluxcd.io/name": "shop",
    "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
}


@pytest.mark.parametrize(
    ("metadata", "advised"),
    [
        pytest.param({"labels": BY_FLUX, "managedFields": [HELD_BY_GIT]}, True, id="Git holds the HPA's minimum"),
        pytest.param({"labels": BY_FLUX}, False, id="Git leaves the minimum out"),
    ],
)
def test_a_minimum_that_git_holds_is_advised(metadata: Mapping[str, Any], advised: bool) -> None:
    """It is the HPA that counts: that Git holds the Deployment, replicas and all, does not matter then."""
    hpa = an_hpa_body(**metadata)
    deployment = ManagedBy(tool="Flux", ref="Kustomization flux-system/shop")
    seen = an_observation(autoscalers=autoscalers(hpa), managed_by=deployment, git_holds_replicas=True)
    refusal = review(a_policy(), planned(scaled(to=6, max=12), hpa), seen)

    assert (refusal is not None) == advised
    if refusal:
        assert refusal.reason == "GitOpsOwnsField"
        assert refusal.message.startswith(
            "Flux (Kustomization flux-system/shop) holds spec.minReplicas of HorizontalPodAutoscaler/checkout; "
            "in Git, make this change: "
        )


# --- contested, taken back


def deed(action: Action, **fields: Any) -> Change:
    return a_deed(
        1, action=ActionKind.SCALE, before=action.before, intended=action.intended, patched=action.patched, **fields
    )


@pytest.mark.parametrize(
    ("there", "now", "reverted"),
    [
        pytest.param([an_hpa_body(least=2)], later(60), True, id="the minimum is what it was"),
        pytest.param([an_hpa_body(least=2)], later(601), False, id="… after more than ten minutes"),
        pytest.param([an_hpa_body(least=6)], later(60), False, id="it is what it was made"),
        pytest.param([an_hpa_body(least=4)], later(60), False, id="a third value is a person at work"),
        pytest.param([an_hpa_body(least=2, uid="another")], later(60), False, id="another HPA"),
        pytest.param([], later(60), False, id="the HPA is gone"),
    ],
)
def test_whether_a_minimum_was_put_back(there: list[Body], now: Any, reverted: bool) -> None:
    """Whatever the number of replicas is, and whoever made the Deployment again."""
    workload = workload_from(a_deployment_body(replicas=3, uid="made-again"))

    assert is_reverted(deed(RAISED), workload, now, autoscalers(*there)) is reverted


def taken_back(action: Action, there: Body | None, **deployment: Any) -> Action | Infeasible:
    body = a_deployment_body(**deployment)
    live = undo.Live(workload_from(body), body, read_alone(there) if there else None)
    return undo.plan(deed(action), action.inverse, live, undo.REVERT, "its time is over")


@pytest.mark.parametrize(
    "scaler",
    [
        pytest.param(an_hpa_body(), id="an HPA"),
        pytest.param(an_hpa_body(least=None), id="an HPA that said no minimum"),
        pytest.param(OLD_HPA, id="an HPA without a generation"),
        pytest.param(a_scaled_object_body(least=2), id="a ScaledObject"),
        pytest.param(a_scaled_object_body(), id="a ScaledObject that said no minimum"),
    ],
)
def test_what_was_there_is_given_back_exactly(scaler: Body) -> None:
    action = planned(scaled(to=6, max=12), scaler)
    there = after(action.patch, scaler)
    back = taken_back(action, there, replicas=9)

    assert isinstance(back, Action)
    assert after(back.patch, there) == scaler
    assert (back.patched, back.undoes) == (action.patched, "checkout-0a1b2c3d-1")
    assert (back.before.min_replicas, back.intended.min_replicas) == (6, scaler["spec"].get(action_field(action)))
    assert back.intended.replicas == 9, "how many there will be is the autoscaler's to say"


def action_field(action: Action) -> str:
    assert action.patched
    return action.patched.min_field


def test_a_minimum_is_given_back_although_the_workload_was_made_again() -> None:
    there = after(RAISED.patch, an_hpa_body())

    assert isinstance(taken_back(RAISED, there, uid="made-again"), Action)


@pytest.mark.parametrize(
    ("there", "message"),
    [
        pytest.param(an_hpa_body(least=5), "someone set a minimum of 5 since, the change had set 6", id="another one"),
        pytest.param(an_hpa_body(least=2), "someone set a minimum of 2 since, the change had set 6", id="put back"),
        pytest.param(None, "HorizontalPodAutoscaler/checkout was deleted since", id="gone"),
        pytest.param(
            an_hpa_body(least=6, uid="another"), "HorizontalPodAutoscaler/checkout was deleted since", id="made again"
        ),
    ],
)
def test_hands_off_what_someone_else_has_set(there: Body | None, message: str) -> None:
    assert taken_back(RAISED, there) == Infeasible("UndoSkipped", message)


# --- for any sizes at all

WISHES = st.one_of(
    st.builds(lambda to: {"to": to}, st.integers(1, 40)),
    st.builds(lambda by: {"by": str(by)}, st.integers(1, 40)),
    st.builds(lambda share: {"by": f"{share}%"}, st.integers(1, 400)),
    st.builds(lambda each: {"perReplica": str(each)}, st.integers(1, 40)),
)


@given(
    wish=WISHES,
    most=st.integers(1, 40),
    own=st.tuples(st.integers(1, 40), st.integers(1, 40)).map(sorted),
    least=st.none() | st.integers(0, 40),
    live=st.tuples(st.integers(0, 40), st.floats(0, 1000)),
    body=st.sampled_from([an_hpa_body, a_scaled_object_body]),
)
def test_the_floor_is_never_above_any_maximum_and_is_given_back_exactly(
    wish: dict[str, Any],
    most: int,
    own: list[int],
    least: int | None,
    live: tuple[int, float],
    body: Callable[..., dict[str, Any]],
) -> None:
    replicas, value = live
    scaler = body(most=most, least=None if least is None else min(least, most))
    bounded = {**wish, "min": own[0], "max": max(own[1], wish.get("to", 1))}
    action = answer(scaled(**bounded), scaler, replicas=replicas, value=value)
    if isinstance(action, Infeasible):
        assert action.reason in INFEASIBLE
        return
    raised = after(action.patch, scaler)
    minimum = raised["spec"][action_field(action)]
    back = taken_back(action, raised, replicas=replicas)

    assert max(replicas, scaler["spec"].get(action_field(action), 0)) < minimum <= min(most, bounded["max"])
    assert isinstance(back, Action)
    assert after(back.patch, raised) == scaler


# --- the whole loop

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
    assert {write.ref for write in stage.deeds} == {HPA_REF}


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
    assert len(stage.deeds) == 1


@pytest.mark.parametrize(
    ("scaler", "ref", "put_back"),
    [
        pytest.param(an_hpa_body(), HPA_REF, lambda spec: spec.update(minReplicas=2), id="an HPA"),
        pytest.param(a_scaled_object_body(), KEDA_REF, lambda spec: spec.pop("minReplicaCount", None), id="KEDA"),
    ],
)
async def test_a_minimum_that_is_put_back_is_contested(
    scaler: Body, ref: Ref, put_back: Callable[[dict[str, Any]], Any]
) -> None:
    stage = a_surge(scaler, needs=99)
    for _ in range(20):
        await stage.ticks(1)
        stage.cluster.edit(ref, lambda body: put_back(body["spec"]))
    stage.clock.advance(timedelta(minutes=50))
    await stage.ticks(10)

    assert len(stage.deeds) == 1
    assert outcomes(stage)[0] == "Contested"


async def test_a_person_who_is_faster_than_the_deed_wins() -> None:
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


async def test_an_autoscaler_that_is_deleted_before_the_deed_ends_the_record() -> None:
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

    assert [write.ref for write in stage.deeds] == [TARGET]


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

    assert stage.deeds == []
    assert {body["spec"]["reason"] for body in stage.changes} == {"GuardUnknown"}


async def test_an_autoscaler_that_nobody_can_read_holds_a_scaling_back() -> None:
    broken = a_scaled_object_body()
    broken["spec"]["minReplicaCount"] = "two"
    stage = a_surge(broken)
    for _ in range(6):
        await stage.reconciler.tick([stage.policy])
        stage.clock.advance(TICK)

    assert stage.deeds == []
    assert {body["spec"]["reason"] for body in stage.changes} == {"GuardUnknown"}


async def test_a_scaling_that_an_hpa_has_come_for_is_not_taken_back() -> None:
    """The replicas are the HPA's now; the undo is refused, on record."""
    stage = a_stage(lambda body: body["spec"]["replicas"] == 6, LENT)
    await stage.ticks(9)
    assert outcomes(stage) == ["Recovered"]
    stage.cluster.put(an_hpa_body(least=6))
    await stage.ticks(20)

    assert [write.ref for write in stage.deeds] == [TARGET]
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
