"""Disruption budgets and quotas."""

from dataclasses import replace
from decimal import Decimal

from salus.core.objects.workloads import short
from salus.model.values.objects import Admission, Disruption, Headroom, Quota
from salus.model.values.observation import Observation
from tests.builders import a_workload
from tests.unit.guards.rows import GOOD, RESTART, ROLLBACK, SCALE, USUAL, Row

NO_ROOM = Headroom((Quota("small", {"pods": Decimal(0)}),))
FULL = replace(NO_ROOM, quotas=(Quota("full", {"pods": Decimal(0)}, given_back=({"pods": Decimal(1)},)),))
PRIVILEGED = Admission("container app is privileged")


def admits(refused: str | None = "", headroom: Headroom | None = USUAL.admission.headroom) -> Observation:
    """What the namespace says to new pods of the live template."""
    return replace(USUAL, admission=Admission(refused, headroom))


def back(admission: Admission) -> Observation:
    """What it says to those of the release that comes back."""
    return replace(USUAL, releases=(GOOD,), comebacks={GOOD.name: admission})


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
        seen=admits(headroom=Headroom((Quota("small", {"pods": Decimal(-3)}),))),
    ),
    Row(
        "pods that the namespace forbids",
        "PodsRefused",
        RESTART,
        says="no new pod of Deployment/checkout is let in: container app is privileged",
        seen=admits("container app is privileged"),
    ),
    Row(
        "more of them",
        "PodsRefused",
        SCALE,
        says="no new pod of Deployment/checkout is let in: container app is privileged",
        seen=admits("container app is privileged"),
    ),
    Row(
        "a release whose pods the namespace forbids",
        "PodsRefused",
        ROLLBACK,
        says=f"no new pod of release {short(GOOD.hash)} of Deployment/checkout is let in: container app is privileged",
        seen=back(PRIVILEGED),
    ),
    Row(
        "a release whose pods find no room",
        "QuotaExceeded",
        ROLLBACK,
        says=f"release {short(GOOD.hash)} of Deployment/checkout: ResourceQuota/small leaves room for 0 pods, "
        "1 more are wanted, and none goes before it is there",
        seen=back(Admission(headroom=NO_ROOM)),
    ),
    Row(
        "more pods than the quota has room for",
        "QuotaExceeded",
        SCALE,
        says="ResourceQuota/small leaves room for 1 pods, 2 more are wanted",
        seen=admits(headroom=Headroom((Quota("small", {"pods": Decimal(1)}),))),
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
        seen=admits(headroom=Headroom((Quota("small", {"pods": Decimal(2)}),))),
    ),
    Row(
        "a restart adds no pods",
        "QuotaExceeded",
        RESTART,
        seen=admits(headroom=FULL),
    ),
    Row("another template is another question", "PodsRefused", ROLLBACK, seen=admits("it")),
    Row("another template has its own room", "QuotaExceeded", ROLLBACK, seen=admits(headroom=None)),
    Row(
        "a rollback for which no pod has to be made",
        "PodsRefused",
        ROLLBACK,
        seen=back(replace(PRIVILEGED, headroom=Headroom(comes=0))),
    ),
    Row(
        "a rollback is how a release ends whose pods cannot be created",
        "PodsRefused",
        ROLLBACK,
        seen=replace(back(Admission()), workload=replace(a_workload(), replica_failure="runs as root")),
    ),
]

CANNOT_TELL = [
    Row(
        "a namespace that could not be read",
        "PodsRefused",
        RESTART,
        says="the namespace or its LimitRanges could not be read",
        seen=admits(None),
    ),
    Row(
        "a namespace that could not be read before a rollback",
        "PodsRefused",
        ROLLBACK,
        says="the namespace or its LimitRanges could not be read",
        seen=back(Admission(None)),
    ),
    Row(
        "quotas that could not be read before a rollback",
        "QuotaExceeded",
        ROLLBACK,
        says="the ResourceQuotas, LimitRanges or pods of this namespace could not be read",
        seen=back(Admission(headroom=None)),
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
        says="the ResourceQuotas, LimitRanges or pods of this namespace could not be read",
        seen=admits(headroom=None),
    ),
    Row(
        "quotas that could not be read",
        "QuotaExceeded",
        SCALE,
        says="the ResourceQuotas, LimitRanges or pods of this namespace could not be read",
        seen=admits(headroom=None),
    ),
]
