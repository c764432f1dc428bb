"""Every guard objecting and not objecting, and the one order in which they are asked."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from salus.core.guards import GUARDS, Guard, Review, review
from salus.model.change import ActionKind, ManagedBy
from salus.model.values import Autoscaler, PastChange, Refusal, Switches, Then, Workload
from tests.builders import (
    NOW,
    a_change,
    a_deed,
    a_finding,
    a_policy,
    a_workload,
    ago,
    an_action,
    an_observation,
    later,
    seconds,
    unknown,
)

RESTART, SCALE, ROLLBACK, NOTIFY = ActionKind.RESTART, ActionKind.SCALE, ActionKind.ROLLBACK, ActionKind.NOTIFY
HPA = Autoscaler("HorizontalPodAutoscaler", "checkout", 2, 10)
ARGO, FLUX = ManagedBy(tool="ArgoCD", ref="shop"), ManagedBy(tool="Flux", ref="Kustomization flux-system/shop")
HELM = ManagedBy(tool="Helm", ref="shop/checkout")


def asked(reason: str, kind: ActionKind, case: Mapping[str, Any]) -> Refusal | None:
    """What the guard of this reason says, alone. `case`: `spec` for the policy, the rest for the observation."""
    guards = [guard for guard in GUARDS if guard.reason == reason]
    assert guards, f"there is no guard {reason}"
    around = {field: value for field, value in case.items() if field != "spec"}
    return review(a_policy(**case.get("spec", {})), an_action(kind), an_observation(**around), guards)


PAUSED = a_workload(spec={"paused": True})
HALF = a_workload(status={"updatedReplicas": 1})
SURGING = a_workload(status={"replicas": 4})
UNSEEN = a_workload(status={"observedGeneration": 6})
PODS_DOWN = a_workload(status={"readyReplicas": 0, "availableReplicas": 0})


OWNED = replace(a_workload(), owner="Shop/checkout")
LIMITS: Mapping[str, Any] = {"limits": {"cooldown": "5m", "maxActions": 2, "per": "1h"}}
TWO_HOURS = [a_deed(1, done=ago(7100)), a_deed(2, done=ago(3700))]
BUSY = [a_deed(1, done=ago(3500)), a_deed(2, done=ago(400))]

OBJECTIONS = [
    pytest.param("Suspended", RESTART, {"spec": {"suspend": True}}, "spec.suspend is true", id="a suspended policy"),
    pytest.param(
        "Suspended", NOTIFY, {"spec": {"suspend": True}}, "spec.suspend is true", id="suspended, even to tell"
    ),
    pytest.param(
        "KillSwitch",
        RESTART,
        {"switches": Switches(kill_switch=True)},
        "the operator's kill switch is on",
        id="the kill switch",
    ),
    pytest.param(
        "KillSwitch",
        SCALE,
        {"switches": Switches(True, "until the audit is over")},
        "until the audit is over",
        id="the kill switch in its administrator's words",
    ),
    pytest.param(
        "MetricsUnavailable",
        RESTART,
        {"findings": (a_finding(), unknown("latency"))},
        "no trustworthy answer for latency (Timeout)",
        id="a check without an answer",
    ),
    pytest.param(
        "MetricsUnavailable",
        ROLLBACK,
        {"findings": (unknown("a"), a_finding(), unknown("b", "HttpError"))},
        "no trustworthy answer for a (Timeout), b (HttpError)",
        id="all checks without an answer are named",
    ),
    pytest.param(
        "TargetPaused", ROLLBACK, {"workload": PAUSED}, "Deployment/checkout is paused", id="a paused Deployment"
    ),
    pytest.param(
        "RolloutInProgress",
        RESTART,
        {"workload": HALF},
        "Deployment/checkout is rolling out: 1 of 3 replicas updated",
        id="a rollout under way holds a restart",
    ),
    pytest.param(
        "RolloutInProgress",
        SCALE,
        {"workload": HALF},
        "Deployment/checkout is rolling out: 1 of 3 replicas updated",
        id="a rollout under way holds a scaling",
    ),
    pytest.param(
        "RolloutInProgress",
        RESTART,
        {"workload": SURGING},
        "Deployment/checkout is rolling out: 3 of 3 replicas updated",
        id="old pods are still going",
    ),
    pytest.param(
        "RolloutInProgress",
        RESTART,
        {"workload": UNSEEN},
        "Deployment/checkout is rolling out: 3 of 3 replicas updated",
        id="a spec its controller has not seen",
    ),
    pytest.param(
        "GuardUnknown",
        SCALE,
        {"autoscalers": None},
        "the autoscalers of this namespace could not be read",
        id="autoscalers that could not be read",
    ),
    pytest.param(
        "HpaOwnsReplicas",
        SCALE,
        {"autoscalers": (HPA,)},
        "HorizontalPodAutoscaler/checkout owns the replicas of Deployment/checkout",
        id="an HPA owns the replicas",
    ),
    pytest.param(
        "HpaOwnsReplicas",
        SCALE,
        {"autoscalers": (HPA, Autoscaler("ScaledObject", "queue", 0, 9))},
        "HorizontalPodAutoscaler/checkout, ScaledObject/queue owns the replicas of Deployment/checkout",
        id="every autoscaler is named",
    ),
    pytest.param(
        "GitOpsOwnsField",
        ROLLBACK,
        {"managed_by": ARGO},
        "ArgoCD (shop) holds spec.template: make this change in Git: restart the 3 replicas of Deployment/checkout",
        id="Argo CD holds the template",
    ),
    pytest.param(
        "GitOpsOwnsField",
        ROLLBACK,
        {"managed_by": FLUX},
        "Flux (Kustomization flux-system/shop) holds spec.template: make this change in Git: "
        "restart the 3 replicas of Deployment/checkout",
        id="Flux holds the template",
    ),
    pytest.param(
        "GitOpsOwnsField",
        SCALE,
        {"managed_by": ARGO, "git_holds_replicas": True},
        "ArgoCD (shop) holds spec.replicas: make this change in Git: restart the 3 replicas of Deployment/checkout",
        id="Git holds the replicas",
    ),
    pytest.param(
        "OperatorOwned",
        RESTART,
        {"workload": OWNED},
        "Shop/checkout controls Deployment/checkout",
        id="another controller owns the workload",
    ),
    pytest.param(
        "ChangeInFlight",
        RESTART,
        {"changes": (a_change(3, policy="other"),)},
        "checkout-0a1b2c3d-3 of policy other is not finished",
        id="an open change of another policy",
    ),
    pytest.param(
        "ChangeInFlight",
        NOTIFY,
        {"changes": (a_change(3),)},
        "checkout-0a1b2c3d-3 of policy checkout-health is not finished",
        id="an open change holds a notification",
    ),
    pytest.param(
        "ChangeInFlight",
        SCALE,
        {"changes": (a_change(3, decision="AwaitApproval", approval="Approved"),)},
        "checkout-0a1b2c3d-3 of policy checkout-health is not finished",
        id="an approved change is in flight",
    ),
    pytest.param(
        "CooldownActive",
        RESTART,
        {"spec": LIMITS, "changes": (a_deed(1, done=ago(40)),)},
        "the last action was 40s ago, cooldown 5m",
        id="an action 40 seconds ago",
    ),
    pytest.param(
        "CooldownActive",
        RESTART,
        {"spec": LIMITS, "changes": (a_deed(1, done=ago(299)),)},
        "the last action was 4m59s ago, cooldown 5m",
        id="a second before the cooldown ends",
    ),
    pytest.param(
        "CooldownActive",
        RESTART,
        {"spec": LIMITS, "changes": (a_deed(1, done=ago(40), policy="other"),)},
        "the last action was 40s ago, cooldown 5m",
        id="an action of another policy cools down too",
    ),
    pytest.param(
        "CooldownActive",
        RESTART,
        {"spec": LIMITS, "changes": (a_deed(1, done=ago(600)), a_deed(2, done=ago(40), undoes="x", outcome="Undone"))},
        "the last action was 40s ago, cooldown 5m",
        id="an undo cools down too",
    ),
    pytest.param(
        "CooldownActive",
        RESTART,
        {"spec": LIMITS, "changes": (a_deed(1, done=later(30)),)},
        "the last action was 0s ago, cooldown 5m",
        id="a clock that went back",
    ),
    pytest.param(
        "AttemptsExhausted",
        RESTART,
        {"spec": LIMITS, "changes": tuple(BUSY)},
        "2 actions in the last 1h, at most 2",
        id="as many actions as are allowed",
    ),
    pytest.param(
        "AttemptsExhausted",
        RESTART,
        {"spec": LIMITS, "changes": (a_deed(1, done=ago(3599), outcome="Recovered"), *BUSY)},
        "3 actions in the last 1h, at most 2",
        id="recovered or not, an action counts",
    ),
    pytest.param(
        "AttemptsExhausted",
        RESTART,
        {"spec": LIMITS, "changes": (BUSY[0], a_change(2, decided_at=ago(60), outcome="Failed"))},
        "2 actions in the last 1h, at most 2",
        id="one that failed counts",
    ),
    pytest.param(
        "AttemptsExhausted",
        SCALE,
        {
            "spec": LIMITS,
            "changes": (
                BUSY[0],
                a_change(
                    2,
                    decision="AwaitApproval",
                    approval="Approved",
                    decided_at=ago(9000),
                    applied_at=ago(60),
                    completed_at=ago(1),
                    outcome="Recovered",
                ),
            ),
        },
        "2 actions in the last 1h, at most 2",
        id="one that waited long for approval counts from the deed",
    ),
]


@pytest.mark.parametrize(("reason", "kind", "case", "message"), OBJECTIONS)
def test_a_guard_objects(reason: str, kind: ActionKind, case: Mapping[str, Any], message: str) -> None:
    refusal = asked(reason, kind, case)

    assert refusal is not None
    assert (refusal.reason, refusal.message) == (reason, message)


@pytest.mark.parametrize(
    ("reason", "kind", "case"),
    [
        pytest.param("Suspended", RESTART, {}, id="a policy in use is not suspended"),
        pytest.param("KillSwitch", RESTART, {"switches": Switches(False, "text")}, id="the kill switch is off"),
        pytest.param("KillSwitch", NOTIFY, {"switches": Switches(True)}, id="the kill switch lets people be told"),
        pytest.param("MetricsUnavailable", RESTART, {}, id="all checks have an answer"),
        pytest.param("MetricsUnavailable", NOTIFY, {"findings": (unknown(),)}, id="people are told without metrics"),
        pytest.param("TargetPaused", RESTART, {}, id="a target that is not paused"),
        pytest.param("TargetPaused", NOTIFY, {"workload": PAUSED}, id="people are told of a paused target"),
        pytest.param("RolloutInProgress", RESTART, {}, id="nothing rolls out"),
        pytest.param("RolloutInProgress", RESTART, {"workload": PODS_DOWN}, id="pods that are down are no rollout"),
        pytest.param("RolloutInProgress", ROLLBACK, {"workload": HALF}, id="a rollback is how a bad rollout ends"),
        pytest.param("GuardUnknown", RESTART, {"autoscalers": None}, id="a restart needs no autoscalers"),
        pytest.param("GuardUnknown", SCALE, {"autoscalers": ()}, id="no autoscalers is an answer"),
        pytest.param("HpaOwnsReplicas", SCALE, {}, id="nothing scales the target"),
        pytest.param("HpaOwnsReplicas", RESTART, {"autoscalers": (HPA,)}, id="an HPA does not mind a restart"),
        pytest.param("HpaOwnsReplicas", ROLLBACK, {"autoscalers": (HPA,)}, id="an HPA does not mind a rollback"),
        pytest.param("GitOpsOwnsField", RESTART, {"managed_by": ARGO}, id="Git does not hold restartedAt"),
        pytest.param("GitOpsOwnsField", SCALE, {"managed_by": ARGO}, id="Git leaves the replicas out"),
        pytest.param("GitOpsOwnsField", ROLLBACK, {"managed_by": HELM}, id="Helm does not come back by itself"),
        pytest.param("GitOpsOwnsField", ROLLBACK, {}, id="nobody manages the target"),
        pytest.param(
            "GitOpsOwnsField",
            ROLLBACK,
            {"spec": {"gitOps": "Ignore"}, "managed_by": ARGO},
            id="the policy says that Git is to be ignored",
        ),
        pytest.param("OperatorOwned", RESTART, {}, id="nobody owns the target"),
        pytest.param("OperatorOwned", NOTIFY, {"workload": OWNED}, id="people are told of an owned target"),
        pytest.param("ChangeInFlight", RESTART, {}, id="no records at all"),
        pytest.param("ChangeInFlight", RESTART, {"changes": tuple(TWO_HOURS)}, id="finished changes are not in flight"),
        pytest.param(
            "ChangeInFlight",
            RESTART,
            {"changes": (a_change(decision="DryRun", completed_at=None),)},
            id="a rehearsal is not in flight",
        ),
        pytest.param(
            "ChangeInFlight",
            RESTART,
            {"changes": (a_change(decision="AwaitApproval"),)},
            id="waiting for approval is not in flight",
        ),
        pytest.param(
            "CooldownActive",
            RESTART,
            {"spec": LIMITS, "changes": (a_deed(1, done=ago(300)),)},
            id="the cooldown ends at its time",
        ),
        pytest.param(
            "CooldownActive",
            RESTART,
            {"spec": LIMITS, "changes": (a_change(1, outcome="Abandoned"),)},
            id="what was never done needs no cooldown",
        ),
        pytest.param(
            "CooldownActive",
            RESTART,
            {"spec": LIMITS, "changes": (a_change(1, decision="DryRun"),)},
            id="a rehearsal needs no cooldown",
        ),
        pytest.param(
            "CooldownActive",
            RESTART,
            {"spec": LIMITS, "changes": (a_deed(1, done=NOW, action=NOTIFY),)},
            id="a notification needs no cooldown",
        ),
        pytest.param(
            "CooldownActive",
            NOTIFY,
            {"spec": LIMITS, "changes": (a_deed(1, done=NOW),)},
            id="people are told during a cooldown",
        ),
        pytest.param(
            "AttemptsExhausted", RESTART, {"spec": LIMITS, "changes": (BUSY[0],)}, id="one action of two is left"
        ),
        pytest.param(
            "AttemptsExhausted", RESTART, {"spec": LIMITS, "changes": tuple(TWO_HOURS)}, id="old actions do not count"
        ),
        pytest.param(
            "AttemptsExhausted",
            RESTART,
            {"spec": LIMITS, "changes": (a_deed(1, done=ago(3600)), BUSY[1])},
            id="an action leaves the window at its end",
        ),
        pytest.param(
            "AttemptsExhausted",
            RESTART,
            {"spec": LIMITS, "changes": (BUSY[0], a_deed(2, policy="other"))},
            id="actions of another policy do not count",
        ),
        pytest.param(
            "AttemptsExhausted",
            RESTART,
            {"spec": LIMITS, "changes": (BUSY[0], a_deed(2, outcome="Undone", undoes="checkout-0a1b2c3d-1"))},
            id="an undo does not count",
        ),
        pytest.param(
            "AttemptsExhausted",
            RESTART,
            {"spec": LIMITS, "changes": (BUSY[0], a_change(2, outcome="Abandoned"))},
            id="an abandoned change does not count",
        ),
        pytest.param(
            "AttemptsExhausted",
            RESTART,
            {"spec": LIMITS, "changes": (BUSY[0], *(a_change(n, decision="Refuse") for n in range(2, 9)))},
            id="refusals do not count",
        ),
        pytest.param(
            "AttemptsExhausted",
            RESTART,
            {"spec": LIMITS, "changes": (BUSY[0], a_deed(2, action=NOTIFY))},
            id="notifications do not count",
        ),
        pytest.param(
            "AttemptsExhausted",
            NOTIFY,
            {"spec": LIMITS, "changes": tuple(BUSY)},
            id="people are told when the attempts are spent",
        ),
    ],
)
def test_a_guard_does_not_object(reason: str, kind: ActionKind, case: Mapping[str, Any]) -> None:
    assert asked(reason, kind, case) is None


def test_the_composed_order() -> None:
    """The first objection is the one that is told, so the order is part of what Salus says."""
    assert [(guard.reason, guard.then) for guard in GUARDS] == [
        ("Suspended", Then.WAIT),
        ("KillSwitch", Then.WAIT),
        ("MetricsUnavailable", Then.WAIT),
        ("TargetPaused", Then.WAIT),
        ("RolloutInProgress", Then.WAIT),
        ("GuardUnknown", Then.WAIT),
        ("HpaOwnsReplicas", Then.NEXT),
        ("GitOpsOwnsField", Then.ADVISE),
        ("OperatorOwned", Then.NEXT),
        ("ChangeInFlight", Then.WAIT),
        ("CooldownActive", Then.WAIT),
        ("AttemptsExhausted", Then.ESCALATE),
    ]


def test_every_guard_has_a_row_that_it_objects_to() -> None:
    assert {guard.reason for guard in GUARDS} == {row.values[0] for row in OBJECTIONS}


def always(reason: str, then: Then = Then.WAIT) -> Guard:
    def objects(_: Review) -> str:
        return f"{reason} objects"

    return Guard(reason, objects, then)


def test_the_first_objection_is_told_with_what_follows_from_it() -> None:
    guards = [always("Second", Then.NEXT), always("Third")]

    assert review(a_policy(), an_action(), an_observation(), guards) == Refusal("Second", "Second objects", Then.NEXT)


def test_an_ordinary_case_passes_all_guards() -> None:
    for kind in ActionKind:
        assert review(a_policy(), an_action(kind), an_observation()) is None


EVERYTHING_AGAINST: Mapping[str, Any] = {
    "findings": (a_finding(), unknown("latency")),
    "autoscalers": None,
    "managed_by": ARGO,
    "git_holds_replicas": True,
    "changes": (a_deed(1), a_deed(2), a_deed(3), a_change(4)),
}


@pytest.mark.parametrize("kind", [SCALE, ROLLBACK, RESTART])
@pytest.mark.parametrize("workload", [PAUSED, HALF, OWNED], ids=["paused", "rolling out", "owned"])
def test_an_undo_passes_everything_but_the_kill_switch(kind: ActionKind, workload: Workload) -> None:
    policy = a_policy(suspend=True, **LIMITS)
    undo = an_action(kind, undoes="checkout-0a1b2c3d-1")
    calm = an_observation(workload=workload, **EVERYTHING_AGAINST)
    stopped = an_observation(workload=workload, switches=Switches(True), **EVERYTHING_AGAINST)

    assert review(policy, an_action(kind), calm) is not None
    assert review(policy, undo, calm) is None
    assert review(policy, undo, stopped) == Refusal("KillSwitch", "the operator's kill switch is on")


def test_a_notification_is_held_by_suspension_and_by_a_change_in_flight_only() -> None:
    assert {guard.reason for guard in GUARDS if NOTIFY in guard.kinds} == {"Suspended", "ChangeInFlight"}
    against: Mapping[str, Any] = {**EVERYTHING_AGAINST, "changes": (a_deed(1), a_deed(2), a_deed(3))}
    seen = an_observation(workload=OWNED, switches=Switches(True), **against)

    assert review(a_policy(**LIMITS), an_action(NOTIFY), seen) is None


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_limits_come_from_the_records_and_nothing_else(limit: int) -> None:
    """The same records give the same answer, however often and by whomever they are read."""
    policy = a_policy(limits={"cooldown": "0s", "maxActions": limit, "per": "1h"})
    records: list[PastChange] = []
    for number in range(1, 10):
        seen = an_observation(now=NOW + seconds(number), changes=tuple(records))
        if review(policy, an_action(), seen) is None:
            records.append(a_deed(number, done=seen.now))

    assert len(records) == limit
