"""Whoever scales the target owns its replicas."""

from dataclasses import replace

from tests.unit.guards.rows import HPA, KEDA, RESTART, ROLLBACK, SCALE, USUAL, Row

OBJECTS = [
    Row(
        "an HPA owns the replicas",
        "HpaOwnsReplicas",
        SCALE,
        says="HorizontalPodAutoscaler/checkout owns the replicas of Deployment/checkout",
        seen=replace(USUAL, autoscalers=(HPA,)),
    ),
    Row(
        "every autoscaler is named",
        "HpaOwnsReplicas",
        SCALE,
        says="HorizontalPodAutoscaler/checkout, ScaledObject/queue owns the replicas of Deployment/checkout",
        seen=replace(USUAL, autoscalers=(HPA, KEDA)),
    ),
]

PASSES = [
    Row("nothing scales the target", "HpaOwnsReplicas", SCALE),
    Row("an HPA does not mind a restart", "HpaOwnsReplicas", RESTART, seen=replace(USUAL, autoscalers=(HPA,))),
    Row("an HPA does not mind a rollback", "HpaOwnsReplicas", ROLLBACK, seen=replace(USUAL, autoscalers=(HPA,))),
]

CANNOT_TELL = [
    Row(
        "autoscalers that could not be read",
        "HpaOwnsReplicas",
        SCALE,
        says="the autoscalers of this namespace could not be read",
        seen=replace(USUAL, autoscalers=None),
    ),
]
