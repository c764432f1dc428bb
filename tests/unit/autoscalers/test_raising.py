"""The minimum of an autoscaler is raised, never `replicas`; and where that cannot be planned."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from salus.core.actions.patch import applies
from salus.core.actions.stamp import CHANGE_ANNOTATION, stamped
from salus.core.guards.chain import INFEASIBLE
from salus.model.change import PatchOp
from salus.model.scalars import Body
from salus.model.values.changes import Infeasible
from tests.builders import GROW, a_scaled_object_body, an_hpa_body, autoscalers
from tests.rows import Row, sentence
from tests.unit.autoscalers.planning import OF_KEDA, OLD_HPA, PAUSED_AT, after, answer, planned, scaled


@dataclass(frozen=True, slots=True)
class Raise(Row):
    """A scaling by an autoscaler, and the minimum that it gives it."""

    wish: Mapping[str, Any]
    """As under `scale`, in YAML."""
    scalers: tuple[Body, ...]
    """The last one is written to."""
    minimum: int
    replicas: int = 3
    """There are now."""


RAISES = [
    Raise("to a number, from the HPA's minimum of 2", {"to": 6, "max": 12}, (an_hpa_body(),), 6),
    Raise("an HPA without a generation", {"to": 6, "max": 12}, (OLD_HPA,), 6),
    Raise("an HPA that says no minimum", {"to": 6, "max": 12}, (an_hpa_body(least=None),), 6),
    Raise("two more than the live size, not the minimum", {"by": "2", "max": 12}, (an_hpa_body(),), 5),
    Raise("no further than the HPA's maximum", {"by": "50%", "max": 12}, (an_hpa_body(),), 10, replicas=8),
    Raise("as far as the HPA lets it", {"to": 12, "max": 12}, (an_hpa_body(most=4),), 4),
    Raise("no further than the policy's own maximum", {"by": "5", "max": 6}, (an_hpa_body(),), 6),
    Raise("the policy's own minimum", {"to": 4, "max": 12, "min": 7}, (an_hpa_body(),), 7),
    Raise("… within the HPA's maximum", {"to": 4, "max": 12, "min": 11}, (an_hpa_body(),), 10),
    Raise("a ScaledObject without a minimum", {"to": 6, "max": 12}, (a_scaled_object_body(),), 6),
    Raise("a ScaledObject with a minimum", {"to": 6, "max": 12}, (a_scaled_object_body(least=2),), 6),
    Raise("KEDA's default maximum", {"to": 200, "max": 500}, (a_scaled_object_body(most=None),), 100),
    Raise("the ScaledObject, not its HPA", {"to": 6, "max": 12}, (OF_KEDA, a_scaled_object_body()), 6),
]


@pytest.mark.parametrize("row", RAISES, ids=sentence)
def test_the_minimum_is_raised_within_the_maximum(row: Raise) -> None:
    action, there = planned(scaled(**row.wish), *row.scalers, replicas=row.replicas), row.scalers[-1]
    field = "minReplicas" if there["kind"] == "HorizontalPodAutoscaler" else "minReplicaCount"
    changed = after(stamped(action.patch, there, "checkout-1"), there)

    assert action.patched == autoscalers(there)[0].key
    assert changed["spec"] == {**there["spec"], field: row.minimum}
    assert changed["metadata"].pop("annotations") == {CHANGE_ANNOTATION: "checkout-1"}
    assert changed["metadata"] == there["metadata"]
    assert (action.before.min_replicas, action.intended.min_replicas) == (there["spec"].get(field), row.minimum)
    assert (action.before.replicas, action.intended.replicas) == (row.replicas, row.minimum)
    assert all(PatchOp.parse(operation) for operation in (*action.patch, *action.inverse))
    assert "/spec/replicas" not in [edit["path"] for edit in action.patch]


def test_the_message_says_what_is_raised_and_how_far() -> None:
    action = planned(scaled(to=12, max=12), an_hpa_body(most=4))

    assert action.message == (
        "scale Deployment/checkout from 3 to at least 4 replicas (of 12: HorizontalPodAutoscaler/checkout allows no "
        "more) by HorizontalPodAutoscaler/checkout, whose minimum was 2"
    )


@dataclass(frozen=True, slots=True)
class NoRaise(Row):
    """A scaling that is not planned, and why."""

    wish: Mapping[str, Any]
    """As under `scale`, in YAML."""
    scalers: tuple[Body, ...]
    reason: str
    message: str
    replicas: int = 3
    """There are now."""


NO_RAISES = [
    NoRaise(
        "two autoscalers on one target",
        {"to": 6, "max": 12},
        (an_hpa_body(), a_scaled_object_body(name="queue")),
        "SeveralAutoscalers",
        "HorizontalPodAutoscaler/checkout and ScaledObject/queue scale Deployment/checkout, and only one of them "
        "can have its way",
    ),
    NoRaise(
        "the HPA's maximum is reached",
        {"to": 12, "max": 12},
        (an_hpa_body(most=4),),
        "AutoscalerAtMaximum",
        "4 replicas already, HorizontalPodAutoscaler/checkout allows at most 4",
        replicas=4,
    ),
    NoRaise(
        "paused at a number",
        {"to": 6, "max": 12},
        (a_scaled_object_body(annotations={PAUSED_AT: "3"}),),
        "AutoscalerPaused",
        "ScaledObject/checkout is paused by its annotation autoscaling.keda.sh/paused-replicas",
    ),
    NoRaise(
        "paused by a switch that KEDA cannot read: that means yes",
        {"to": 6, "max": 12},
        (a_scaled_object_body(annotations={"autoscaling.keda.sh/paused": "yes"}),),
        "AutoscalerPaused",
        "ScaledObject/checkout is paused by its annotation autoscaling.keda.sh/paused",
    ),
    NoRaise(
        "only scaling out is paused",
        {"to": 6, "max": 12},
        (a_scaled_object_body(annotations={"autoscaling.keda.sh/paused-scale-out": "true"}),),
        "AutoscalerPaused",
        "ScaledObject/checkout is paused by its annotation autoscaling.keda.sh/paused-scale-out",
    ),
    NoRaise(
        "an HPA at 0 replicas is switched off",
        {"to": 6, "max": 12},
        (an_hpa_body(),),
        "ScaledToZero",
        "Deployment/checkout was scaled to 0, which only people undo, and a remedy that says `to: LastHealthy`",
        replicas=0,
    ),
    NoRaise(
        "fewer than there are: an autoscaler is not told to shrink",
        {"to": 2, "max": 12},
        (an_hpa_body(),),
        "EnoughReplicas",
        "5 replicas and a minimum of 2 already, 2 are wanted; HorizontalPodAutoscaler/checkout is only ever given "
        "a higher minimum",
        replicas=5,
    ),
    NoRaise(
        "the minimum is higher already, its pods are on their way",
        {"to": 4, "max": 12},
        (an_hpa_body(least=6),),
        "EnoughReplicas",
        "3 replicas and a minimum of 6 already, 4 are wanted; HorizontalPodAutoscaler/checkout is only ever given "
        "a higher minimum",
    ),
    NoRaise(
        "the policy's own maximum is reached",
        {"by": "1", "max": 3},
        (an_hpa_body(),),
        "AtMaximum",
        "3 replicas already, spec.remedies[0].scale.max is 3",
    ),
]


@pytest.mark.parametrize("row", NO_RAISES, ids=sentence)
def test_what_cannot_be_had_from_an_autoscaler(row: NoRaise) -> None:
    assert answer(scaled(**row.wish), *row.scalers, replicas=row.replicas) == Infeasible(row.reason, row.message)
    assert row.reason in INFEASIBLE


@dataclass(frozen=True, slots=True)
class Switch(Row):
    """A switch of KEDA that does not hinder scaling out."""

    annotations: Mapping[str, str]


SWITCHES = [
    Switch("a switch that is off", {"autoscaling.keda.sh/paused": "false"}),
    Switch("only scaling in is paused", {"autoscaling.keda.sh/paused-scale-in": "true"}),
]


@pytest.mark.parametrize("row", SWITCHES, ids=sentence)
def test_a_scaled_object_that_may_scale_out_is_raised(row: Switch) -> None:
    assert planned(GROW, a_scaled_object_body(annotations=row.annotations)).patched


@dataclass(frozen=True, slots=True)
class Faster(Row):
    """What someone did to the autoscaler before the patch came."""

    scaler: Body
    path: str
    value: object


FASTER = [
    Faster("made again", an_hpa_body(), "/metadata/uid", "another"),
    Faster("its spec was changed", an_hpa_body(), "/metadata/generation", 4),
    Faster("its minimum, without a generation", OLD_HPA, "/spec/minReplicas", 3),
    Faster("its maximum, without a generation", OLD_HPA, "/spec/maxReplicas", 4),
    Faster("its target, without a generation", OLD_HPA, "/spec/scaleTargetRef/name", "other"),
    Faster(
        "anything, where there is neither a generation nor an old value",
        an_hpa_body(least=None, generation=0),
        "/metadata/resourceVersion",
        "12",
    ),
    Faster("a ScaledObject's spec", a_scaled_object_body(), "/metadata/generation", 6),
]


@pytest.mark.parametrize("row", FASTER, ids=sentence)
def test_the_patch_fails_where_someone_was_faster(row: Faster) -> None:
    patch = planned(scaled(to=6, max=12), row.scaler).patch

    assert applies(patch, row.scaler)
    assert not applies(patch, after(({"op": "replace", "path": row.path, "value": row.value},), row.scaler))


def test_the_status_of_an_hpa_moves_without_harm() -> None:
    """Its controller writes it every few seconds."""
    patch = planned(scaled(to=6, max=12), OLD_HPA).patch

    assert applies(patch, after(({"op": "replace", "path": "/metadata/resourceVersion", "value": "12"},), OLD_HPA))
