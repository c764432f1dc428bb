"""What guards say of a scaling by an autoscaler, when it is judged again before the write."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from salus.core.guards.chain import review
from salus.model.change import ManagedBy
from salus.model.scalars import Body
from salus.model.values.changes import Action, Refusal
from tests.builders import GROW, a_policy, a_scaled_object_body, an_hpa_body, an_observation, autoscalers
from tests.rows import Row, sentence
from tests.unit.autoscalers.planning import OF_KEDA, OF_OTHERS, PAUSED_AT, RAISED, planned, scaled


def judged(action: Action, *scalers: Body, unreadable: bool = False) -> Refusal | None:
    return review(
        a_policy(remedies=[GROW]), action, an_observation(autoscalers=None if unreadable else autoscalers(*scalers))
    )


PLAIN = replace(RAISED, patched=None)


@dataclass(frozen=True, slots=True)
class Now(Row):
    """An action, and the autoscalers that are there when it is done."""

    action: Action
    scalers: tuple[Body, ...]
    message: str | None = None
    """The objection, if there is one."""


RIGHT_BEFORE = [
    Now("as it was planned", RAISED, (an_hpa_body(),)),
    Now(
        "an HPA has come since",
        PLAIN,
        (an_hpa_body(),),
        "HorizontalPodAutoscaler/checkout owns the replicas of Deployment/checkout",
    ),
    Now(
        "the HPA has gone since",
        RAISED,
        (),
        "HorizontalPodAutoscaler/checkout does not scale Deployment/checkout any more",
    ),
    Now(
        "another HPA by the same name",
        RAISED,
        (an_hpa_body(uid="another"),),
        "HorizontalPodAutoscaler/checkout owns the replicas of Deployment/checkout",
    ),
    Now(
        "a second one has come since",
        RAISED,
        (an_hpa_body(), a_scaled_object_body(name="queue")),
        "ScaledObject/queue owns the replicas of Deployment/checkout",
    ),
    Now(
        "an HPA that another controller makes",
        planned(GROW, OF_OTHERS),
        (OF_OTHERS,),
        "PodAutoscaler/checkout controls HorizontalPodAutoscaler/checkout, and would put its minimum back",
    ),
    Now(
        "KEDA's HPA, without its ScaledObject",
        planned(GROW, OF_KEDA),
        (OF_KEDA,),
        "ScaledObject/checkout controls HorizontalPodAutoscaler/keda-hpa-checkout, and would put its minimum back",
    ),
    Now(
        "paused since",
        planned(GROW, a_scaled_object_body()),
        (a_scaled_object_body(annotations={PAUSED_AT: "0"}),),
        "ScaledObject/checkout is paused by autoscaling.keda.sh/paused-replicas",
    ),
    Now("KEDA at work", planned(GROW, a_scaled_object_body()), (a_scaled_object_body(), OF_KEDA)),
]


@pytest.mark.parametrize("row", RIGHT_BEFORE, ids=sentence)
def test_what_the_guard_says_right_before_the_write(row: Now) -> None:
    refusal = judged(row.action, *row.scalers)

    assert (refusal.message if refusal else None) == row.message
    assert refusal is None or refusal.reason == "HpaOwnsReplicas"


def test_autoscalers_that_cannot_be_read_hold_a_scaling_back() -> None:
    refusal = judged(RAISED, unreadable=True)

    assert refusal is not None
    assert refusal.reason == "GuardUnknown"


HELD_BY_GIT = {"manager": "kustomize-controller", "fieldsV1": {"f:spec": {"f:minReplicas": {}}}}
BY_FLUX = {"kustomize.toolkit.fluxcd.io/name": "shop", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}


@dataclass(frozen=True, slots=True)
class HeldByGit(Row):
    """What is known of who wrote the HPA."""

    metadata: Mapping[str, Any]
    advised: bool


WRITERS = [
    HeldByGit("Git holds the HPA's minimum", {"labels": BY_FLUX, "managedFields": [HELD_BY_GIT]}, advised=True),
    HeldByGit("Git leaves the minimum out", {"labels": BY_FLUX}, advised=False),
]


@pytest.mark.parametrize("row", WRITERS, ids=sentence)
def test_a_minimum_that_git_holds_is_advised(row: HeldByGit) -> None:
    """It is the HPA that counts: that Git holds the Deployment, replicas and all, does not matter then."""
    hpa = an_hpa_body(**row.metadata)
    deployment = ManagedBy(tool="Flux", ref="Kustomization flux-system/shop")
    seen = an_observation(autoscalers=autoscalers(hpa), managed_by=deployment, git_holds_replicas=True)
    refusal = review(a_policy(), planned(scaled(to=6, max=12), hpa), seen)

    assert (refusal is not None) == row.advised
    if refusal:
        assert refusal.reason == "GitOpsOwnsField"
        assert refusal.message.startswith(
            "Flux (Kustomization flux-system/shop) holds spec.minReplicas of HorizontalPodAutoscaler/checkout; "
            "in Git, make this change: "
        )
