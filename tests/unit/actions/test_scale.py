"""How far a scaling goes, and where it does not."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from salus.core.actions import plan
from salus.core.actions.patch import applies
from salus.core.guards.chain import review
from salus.core.objects.workloads import LAST_APPLIED
from salus.model.meta import WorkloadKind
from salus.model.scalars import Body
from salus.model.values.changes import Action, Infeasible, Then
from salus.model.values.objects import Release
from tests.builders import (
    GROW,
    a_deployment_body,
    a_finding,
    a_plan,
    a_policy,
    a_release,
    a_scaled_object_body,
    ago,
    an_hpa_body,
    autoscalers,
)
from tests.rows import Row, sentence
from tests.unit.actions.planning import V1, V2, after, live, planned, refused, scaled
from tests.unit.autoscalers.planning import PAUSED_AT


def load(value: float | None) -> list[Any]:
    return [a_finding(check="load", value=value)]


@dataclass(frozen=True, slots=True)
class Size(Row):
    """A scaling, and how many replicas come of it."""

    wish: Mapping[str, Any]
    """As under `scale`, in YAML."""
    expected: int
    """There will be so many replicas."""
    replicas: int = 3
    """There are now."""
    value: float = 1
    """Of the check."""


SIZES = [
    Size("two more", {"by": "2", "max": 12}, 5),
    Size("two more, within the maximum", {"by": "2", "max": 4}, 4),
    Size("half as many more", {"by": "50%", "max": 12}, 6, replicas=4),
    Size("half as many more, rounded up", {"by": "50%", "max": 12}, 5),
    Size("a share is never nothing", {"by": "1%", "max": 12}, 2, replicas=1),
    Size("twice as many", {"by": "100%", "max": 12}, 10, replicas=5),
    Size("many more, within the maximum", {"by": "300%", "max": 12}, 12, replicas=5),
    Size("to a number", {"to": 6, "max": 12}, 6),
    Size("to a smaller number, where that is what was written", {"to": 2, "max": 12}, 2),
    Size("to a smaller number, not below the minimum", {"to": 2, "max": 12, "min": 4}, 4, replicas=6),
    Size("one replica for each hundred", {"perReplica": "100", "max": 12}, 5, value=500),
    Size("for each hundred begun", {"perReplica": "100", "max": 12}, 5, value=401),
    Size("for each hundred, within the maximum", {"perReplica": "100", "max": 12}, 12, value=5000),
    Size("more than a tenth too many is more", {"perReplica": "100", "max": 12}, 12, replicas=10, value=1111),
    Size("a value beyond counting", {"perReplica": "0.000000001", "max": 12}, 12, value=1e308),
    Size("below the minimum is raised to it", {"perReplica": "100", "max": 12, "min": 5}, 5, value=290),
    Size("the largest size there is", {"by": "1", "max": 10000}, 10000, replicas=9999),
]


@pytest.mark.parametrize("row", SIZES, ids=sentence)
def test_how_far_to_scale(row: Size) -> None:
    action = planned(scaled(**row.wish), a_deployment_body(replicas=row.replicas), *load(row.value))

    assert action.intended.replicas == row.expected
    assert action.message == f"scale Deployment/checkout from {row.replicas} to {row.expected} replicas"


@dataclass(frozen=True, slots=True)
class NoScaling(Row):
    """A scaling that is not planned, and why."""

    wish: Mapping[str, Any]
    """As under `scale`, in YAML."""
    reason: str
    message: str
    replicas: int = 3
    """There are now."""
    value: float | None = 1
    """Of the check."""


NO_SCALINGS = [
    NoScaling(
        "at the maximum already",
        {"by": "1", "max": 3},
        "AtMaximum",
        "3 replicas already, spec.remedies[2].scale.max is 3",
    ),
    NoScaling(
        "above the maximum already: it is never scaled down to it",
        {"by": "1", "max": 3},
        "AboveMaximum",
        "spec.remedies[2].scale.max: 3 is below the current size 5",
        replicas=5,
    ),
    NoScaling(
        "scaled to 0 on purpose",
        {"by": "1", "max": 3},
        "ScaledToZero",
        "Deployment/checkout was scaled to 0, which only people undo, and a remedy that says `to: LastHealthy`",
        replicas=0,
    ),
    NoScaling(
        "as many as wanted already",
        {"to": 4, "max": 9},
        "EnoughReplicas",
        "4 replicas already, as the remedy wants",
        replicas=4,
    ),
    NoScaling(
        "a tenth too many is tolerated",
        {"perReplica": "100", "max": 12},
        "EnoughReplicas",
        "10 replicas already, as the remedy wants",
        replicas=10,
        value=1100,
    ),
    NoScaling(
        "a tenth too few is tolerated",
        {"perReplica": "100", "max": 12},
        "EnoughReplicas",
        "10 replicas already, as the remedy wants",
        replicas=10,
        value=900,
    ),
    NoScaling(
        "far too few: a remedy never scales down by load",
        {"perReplica": "100", "max": 12},
        "EnoughReplicas",
        "300 at 100 a replica needs 3 of 10",
        replicas=10,
        value=300,
    ),
    NoScaling(
        "a negative value needs no replicas",
        {"perReplica": "100", "max": 12},
        "EnoughReplicas",
        "-5 at 100 a replica needs 0 of 10",
        replicas=10,
        value=-5,
    ),
    NoScaling(
        "no value to go by",
        {"perReplica": "100", "max": 12},
        "NoValue",
        "perReplica needs the check's value, and there is none",
        value=None,
    ),
]


@pytest.mark.parametrize("row", NO_SCALINGS, ids=sentence)
def test_a_scaling_is_refused(row: NoScaling) -> None:
    body = a_deployment_body(replicas=row.replicas)

    assert refused(scaled(**row.wish), body, *load(row.value), index=2) == Infeasible(row.reason, row.message)


LAST_HEALTHY = {"to": "LastHealthy", "max": 12}
GOOD = replace(a_release(V2, healthy_at=ago(600)), healthy_replicas=6)


@dataclass(frozen=True, slots=True)
class Back(Row):
    """A target with v2, and how far it goes back up, or why it does not."""

    replicas: int
    """There are now."""
    kept: tuple[Release, ...]
    """The newest first."""
    expected: int | str
    """There will be so many replicas; or the reason."""
    wish: Mapping[str, Any] = field(default_factory=lambda: LAST_HEALTHY)
    annotations: Mapping[str, str] = field(default_factory=dict)


BACKS = [
    Back("from 0", 0, (GOOD,), 6),
    Back("from what was left", 1, (GOOD,), 6),
    Back("within the maximum", 0, (GOOD,), 4, wish={"to": "LastHealthy", "max": 4}),
    Back("not below the minimum", 0, (GOOD,), 8, wish={"to": "LastHealthy", "max": 9, "min": 8}),
    Back("never down to it", 9, (GOOD,), "EnoughReplicas"),
    Back("it has that size", 6, (GOOD,), "EnoughReplicas"),
    Back("above the maximum already", 13, (GOOD,), "AboveMaximum"),
    Back("nothing was ever well", 0, (), "NoHealthySize"),
    Back("well, but nobody noted its size", 0, (replace(GOOD, healthy_replicas=0),), "NoHealthySize"),
    Back("only another release was well", 0, (replace(a_release(V1), healthy_replicas=6),), "NoHealthySize"),
    Back("the live one was taken away", 0, (replace(GOOD, quarantined_by="checkout-0a1b2c3d-1"),), "NoHealthySize"),
    Back("the live one was withdrawn", 0, (replace(GOOD, withdrawn_by="ada"),), "NoHealthySize"),
    Back("well for rehearsals only", 0, (replace(GOOD, healthy_at=None, rehearsed=True),), "NoHealthySize"),
    Back("asleep by kube-downscaler", 0, (GOOD,), "ScaledToZero", annotations={"downscaler/original-replicas": "6"}),
    Back(
        "idled by `oc idle`",
        0,
        (GOOD,),
        "ScaledToZero",
        annotations={"idling.alpha.openshift.io/previous-scale": "6"},
    ),
    Back("a manifest that says 0", 0, (GOOD,), "ScaledToZero", annotations={LAST_APPLIED: '{"spec":{"replicas":0}}'}),
    Back("a manifest that says 6", 0, (GOOD,), 6, annotations={LAST_APPLIED: '{"spec":{"replicas":6}}'}),
    Back("an old mark on what is awake", 1, (GOOD,), 6, annotations={"downscaler/original-replicas": "6"}),
]


@pytest.mark.parametrize("row", BACKS, ids=sentence)
def test_how_far_back_to_the_last_healthy_size(row: Back) -> None:
    body = a_deployment_body(replicas=row.replicas, template=V2, annotations=row.annotations)
    answer = plan(a_plan(scaled(**row.wish), body, releases=row.kept))

    assert (answer.reason if isinstance(answer, Infeasible) else answer.intended.replicas) == row.expected


def test_a_way_back_up_says_so_and_leads_down_again() -> None:
    body = a_deployment_body(replicas=0, template=V2)
    action = planned(scaled(**LAST_HEALTHY), body, releases=(GOOD,))

    assert action.message == "scale Deployment/checkout from 0 to 6 replicas, back up to its last healthy size"
    assert after(action.inverse, after(action.patch, body)) == body


AUTOSCALED = [
    pytest.param(an_hpa_body(), id="an HPA, which a 0 switches off"),
    pytest.param(a_scaled_object_body(), id="a ScaledObject that may idle at 0"),
    pytest.param(a_scaled_object_body(annotations={PAUSED_AT: "0"}), id="a ScaledObject that is paused at 0"),
]


@pytest.mark.parametrize("scaler", AUTOSCALED)
@pytest.mark.parametrize("replicas", [0, 1])
def test_who_owns_the_replicas_has_its_way(scaler: Body, replicas: int) -> None:
    """Neither is the size of another day made the minimum of an autoscaler, nor is one that is at 0 woken up."""
    asked = a_plan(scaled(**LAST_HEALTHY), a_deployment_body(replicas=replicas, template=V2), releases=(GOOD,))
    seen = replace(asked.seen, autoscalers=autoscalers(scaler))
    action = plan(replace(asked, seen=seen))

    assert isinstance(action, Action)
    refusal = review(a_policy(), action, seen)
    assert refusal is not None
    assert (refusal.reason, refusal.then) == ("HpaOwnsReplicas", Then.NEXT)


def test_the_largest_value_of_the_checks_counts() -> None:
    findings = [a_finding(check=f"load-{value}", value=value) for value in (300, 700, None, 500)]

    assert planned(scaled(perReplica="100", max=12), a_deployment_body(), *findings).intended.replicas == 7


def test_a_daemon_set_is_not_scaled() -> None:
    asked = a_plan(GROW, a_deployment_body())
    workload = asked.seen.workload
    key = replace(workload.key, kind=WorkloadKind.DAEMON_SET)
    answer = plan(replace(asked, seen=replace(asked.seen, workload=replace(workload, key=key))))

    assert isinstance(answer, Infeasible)
    assert answer.reason == "NotScalable"


def test_a_scaling_and_its_inverse_leave_the_spec_as_it_was() -> None:
    body = live()
    action = planned(GROW, body)

    assert after(action.inverse, after(action.patch, body)) == body


def test_the_inverse_fails_where_someone_scaled_since() -> None:
    body = live()
    action = planned(GROW, body)
    other = after(action.patch, body)
    other["spec"]["replicas"] = 9

    assert not applies(action.inverse, other)
