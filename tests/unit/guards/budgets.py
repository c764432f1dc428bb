"""The budgets of a namespace and of all, and the brake."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from salus.model.values.configuration import Brake, Budget, Switches
from salus.model.values.fleet import CountedAction, Fleet
from tests.builders import ago
from tests.unit.guards.rows import RESTART, ROLLBACK, SCALE, USUAL, Row

BRAKED = Switches(fleet_brake=Brake())


def a_fleet(*, actions: Sequence[float] = (), namespace: str = "shop", **counts: Any) -> Fleet:  # noqa: ANN401 — handed on
    """`writes`: how many seconds ago each was done."""
    return Fleet(**counts, actions=tuple(CountedAction(namespace, ago(seconds)) for seconds in actions))


OBJECTS = [
    Row(
        "the budget of the namespace is spent",
        "NamespaceBudgetSpent",
        RESTART,
        says="shop: 2 actions in the last 1h, at most 2",
        seen=replace(USUAL, switches=Switches(namespace_budget=Budget(2)), fleet=a_fleet(actions=[3599, 10])),
    ),
    Row(
        "a share is rounded down",
        "NamespaceBudgetSpent",
        SCALE,
        says="shop: 1 actions in the last 1h, at most 1 (50 % of 3 targets)",
        seen=replace(
            USUAL, switches=Switches(namespace_budget=Budget(percent=50)), fleet=a_fleet(in_namespace=3, actions=[10])
        ),
    ),
    Row(
        "a share is never less than one",
        "NamespaceBudgetSpent",
        SCALE,
        says="shop: 1 actions in the last 1h, at most 1 (1 % of 3 targets)",
        seen=replace(
            USUAL, switches=Switches(namespace_budget=Budget(percent=1)), fleet=a_fleet(in_namespace=3, actions=[10])
        ),
    ),
    Row(
        "what other namespaces did counts for all together",
        "GlobalBudgetSpent",
        ROLLBACK,
        says="all namespaces: 5 actions in the last 1h, at most 5 (10 % of 50 targets)",
        seen=replace(
            USUAL,
            switches=Switches(global_budget=Budget(percent=10)),
            fleet=a_fleet(targets=50, actions=[1, 2, 3, 4, 5], namespace="other"),
        ),
    ),
    Row(
        "exactly the share of the targets is unhealthy",
        "FleetBrake",
        RESTART,
        says="11 of 20 targets are unhealthy, the cause may be a shared one: at most one action in 1m40s, "
        "the last was 1m39s ago",
        seen=replace(USUAL, switches=BRAKED, fleet=a_fleet(healthy=9, unhealthy=11, actions=[99])),
    ),
    Row(
        "Unknown targets are not counted, and clocks may go back",
        "FleetBrake",
        SCALE,
        says="5 of 5 targets are unhealthy, the cause may be a shared one: at most one action in 1m40s, "
        "the last was 0s ago",
        seen=replace(USUAL, switches=BRAKED, fleet=a_fleet(targets=50, healthy=0, unhealthy=5, actions=[-3])),
    ),
]

PASSES = [
    Row(
        "no budget for namespaces",
        "NamespaceBudgetSpent",
        RESTART,
        seen=replace(USUAL, fleet=a_fleet(actions=[1] * 99)),
    ),
    Row(
        "a write leaves the window at its end",
        "NamespaceBudgetSpent",
        RESTART,
        seen=replace(USUAL, switches=Switches(namespace_budget=Budget(2)), fleet=a_fleet(actions=[3600, 10])),
    ),
    Row(
        "what other namespaces did does not count",
        "NamespaceBudgetSpent",
        RESTART,
        seen=replace(
            USUAL, switches=Switches(namespace_budget=Budget(1)), fleet=a_fleet(actions=[10], namespace="other")
        ),
    ),
    Row(
        "one action of five is left",
        "GlobalBudgetSpent",
        RESTART,
        seen=replace(
            USUAL, switches=Switches(global_budget=Budget(percent=10)), fleet=a_fleet(targets=50, actions=[1, 2, 3, 4])
        ),
    ),
    Row(
        "less than the share is unhealthy",
        "FleetBrake",
        RESTART,
        seen=replace(USUAL, switches=BRAKED, fleet=a_fleet(healthy=10, unhealthy=11, actions=[1])),
    ),
    Row(
        "too few targets to speak of a fleet",
        "FleetBrake",
        RESTART,
        seen=replace(USUAL, switches=BRAKED, fleet=a_fleet(unhealthy=4, actions=[1])),
    ),
    Row(
        "one action after the pause",
        "FleetBrake",
        RESTART,
        seen=replace(USUAL, switches=BRAKED, fleet=a_fleet(unhealthy=9, actions=[100])),
    ),
    Row(
        "the brake was taken away", "FleetBrake", RESTART, seen=replace(USUAL, fleet=a_fleet(unhealthy=9, actions=[1]))
    ),
]

CANNOT_TELL = [
    Row(
        "records that could not be read, for a budget",
        "NamespaceBudgetSpent",
        RESTART,
        says="the records of what was done to other targets could not be read",
        seen=replace(USUAL, switches=Switches(namespace_budget=Budget(2)), fleet=None),
    ),
    Row(
        "records that could not be read, for the brake",
        "FleetBrake",
        RESTART,
        says="the records of what was done to other targets could not be read",
        seen=replace(USUAL, switches=BRAKED, fleet=None),
    ),
]
