"""Disruption budgets and quotas."""

from dataclasses import replace
from decimal import Decimal

from salus.model.values.objects import Disruption, Headroom, Quota
from tests.unit.guards.rows import RESTART, ROLLBACK, SCALE, USUAL, Row

OBJECTS = [
    Row(
        "one of two budgets allows none",
        "DisruptionBudget",
        RESTART,
        says="PodDisruptionBudget/strict allows no disruption of Deployment/checkout",
        seen=replace(USUAL, disruptions=(Disruption("loose", 1), Disruption("strict", 0))),
    ),
    Row(
        "two budgets over one pod",
        "DisruptionBudget",
        RESTART,
        says="PodDisruptionBudget/a and b both select a pod of Deployment/checkout, "
        "and of such a pod Kubernetes allows no disruption at all",
        seen=replace(USUAL, disruptions=(Disruption("a", 0, "b"),)),
    ),
    Row(
        "a restart whose pods would not come back",
        "QuotaExceeded",
        RESTART,
        says="ResourceQuota/small is overdrawn by 3 of pods: what goes does not come back",
        seen=replace(USUAL, headroom=Headroom((Quota("small", {"pods": Decimal(-3)}),))),
    ),
    Row(
        "pods that the namespace forbids",
        "PodsRefused",
        RESTART,
        says="no new pod of Deployment/checkout is let in: container app is privileged",
        seen=replace(USUAL, pods_refused="container app is privileged"),
    ),
    Row(
        "more of them",
        "PodsRefused",
        SCALE,
        says="no new pod of Deployment/checkout is let in: container app is privileged",
        seen=replace(USUAL, pods_refused="container app is privileged"),
    ),
    Row(
        "more pods than the quota has room for",
        "QuotaExceeded",
        SCALE,
        says="ResourceQuota/small leaves room for 1 pods, 2 more are wanted",
        seen=replace(USUAL, headroom=Headroom((Quota("small", {"pods": Decimal(1)}),))),
    ),
]

PASSES = [
    Row("one pod may go", "DisruptionBudget", RESTART, seen=replace(USUAL, disruptions=(Disruption("a", 1),))),
    Row("a rollback may", "DisruptionBudget", ROLLBACK, seen=replace(USUAL, disruptions=(Disruption("a", 0),))),
    Row("a scaling disrupts nothing", "DisruptionBudget", SCALE, seen=replace(USUAL, disruptions=None)),
    Row(
        "just enough room",
        "QuotaExceeded",
        SCALE,
        seen=replace(USUAL, headroom=Headroom((Quota("small", {"pods": Decimal(2)}),))),
    ),
    Row(
        "a restart adds no pods",
        "QuotaExceeded",
        RESTART,
        seen=replace(USUAL, headroom=Headroom((Quota("full", {"pods": Decimal(0)}),))),
    ),
    Row("another template is another question", "PodsRefused", ROLLBACK, seen=replace(USUAL, pods_refused="it")),
    Row("a rollback is how a bad release ends", "QuotaExceeded", ROLLBACK, seen=replace(USUAL, headroom=None)),
]

CANNOT_TELL = [
    Row(
        "a namespace that could not be read",
        "PodsRefused",
        RESTART,
        says="the namespace or its LimitRanges could not be read",
        seen=replace(USUAL, pods_refused=None),
    ),
    Row(
        "disruption budgets that could not be read",
        "DisruptionBudget",
        RESTART,
        says="the PodDisruptionBudgets of this namespace could not be read",
        seen=replace(USUAL, disruptions=None),
    ),
    Row(
        "a disruption budget that is not counted yet",
        "DisruptionBudget",
        RESTART,
        says="PodDisruptionBudget/new does not say yet what it allows",
        seen=replace(USUAL, disruptions=(Disruption("new", None),)),
    ),
    Row(
        "quotas that could not be read before a restart",
        "QuotaExceeded",
        RESTART,
        says="the ResourceQuotas and LimitRanges of this namespace could not be read",
        seen=replace(USUAL, headroom=None),
    ),
    Row(
        "quotas that could not be read",
        "QuotaExceeded",
        SCALE,
        says="the ResourceQuotas and LimitRanges of this namespace could not be read",
        seen=replace(USUAL, headroom=None),
    ),
]
