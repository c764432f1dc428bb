"""Every guard objecting and not objecting, and the one order in which they are asked."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from salus.core.actions import KINDS
from salus.core.guards import GUARDS, Guard, Review, review
from salus.core.workload import short
from salus.model.change import ActionKind, Facts, ManagedBy
from salus.model.meta import AutoscalerKind
from salus.model.policy import Mode
from salus.model.values import (
    Autoscaler,
    Brake,
    Budget,
    Deed,
    Disruption,
    Fleet,
    Freeze,
    PastChange,
    Quota,
    Refusal,
    Rights,
    Room,
    ScalerKey,
    Switches,
    Then,
    Workload,
)
from tests.builders import (
    NOW,
    a_change,
    a_deed,
    a_finding,
    a_policy,
    a_refusal,
    a_workload,
    ago,
    an_action,
    an_observation,
    later,
    seconds,
    unknown,
)
from tools.guards_page import guards_page

RESTART, SCALE, ROLLBACK, NOTIFY = ActionKind.RESTART, ActionKind.SCALE, ActionKind.ROLLBACK, ActionKind.NOTIFY
HPA = Autoscaler(ScalerKey(AutoscalerKind.HPA, "checkout", "uid-of-hpa"), 2, 10)
KEDA = Autoscaler(ScalerKey(AutoscalerKind.SCALED_OBJECT, "queue", "uid-of-keda"), 0, 9)
ARGO, FLUX = ManagedBy(tool="ArgoCD", ref="shop"), ManagedBy(tool="Flux", ref="Kustomization flux-system/shop")
HELM = ManagedBy(tool="Helm", ref="shop/checkout")
KUBECTL = ManagedBy(tool="kubectl", ref="apply")
RELEASE = a_workload().release


def asked(reason: str, kind: ActionKind, case: Mapping[str, Any]) -> Refusal | None:
    """What the guard of this reason says, alone.

    `case`: `spec` for the policy, `undoes` for the action, the rest for the observation.
    """
    guards = [guard for guard in GUARDS if guard.reason == reason]
    assert guards, f"there is no guard {reason}"
    around = {field: value for field, value in case.items() if field not in {"spec", "undoes"}}
    growing = {"intended": a_workload().facts(replicas=5)} if kind is SCALE else {}
    action = an_action(kind, undoes=case.get("undoes", ""), **growing)
    return review(a_policy(**case.get("spec", {})), action, an_observation(**around), guards)


PAUSED = a_workload(spec={"paused": True})
HALF = a_workload(status={"updatedReplicas": 1})
SURGING = a_workload(status={"replicas": 4})
UNSEEN = a_workload(status={"observedGeneration": 6})
PODS_DOWN = a_workload(status={"readyReplicas": 0, "availableReplicas": 0})


TAKING_BACK: Mapping[str, Any] = {"undoes": "checkout-0a1b2c3d-1"}
REHEARSING = {"mode": "Enforce", "remedies": [{"name": "restart", "restart": {}, "mode": "Observe"}]}
LACKING = Rights("NotPermitted", "shop/healer may not")
OWNED = replace(a_workload(), owner="Shop/checkout")
LIMITS: Mapping[str, Any] = {"limits": {"cooldown": "5m", "maxActions": 2, "per": "1h"}}
TWO_HOURS = [a_deed(1, done=ago(7100)), a_deed(2, done=ago(3700))]
FROZEN = Freeze(
    "audit",
    "UTC",
    datetime.fromisoformat("2026-11-22"),
    datetime.fromisoformat("2026-11-23"),
    message="the books are closed",
)
OVER = Freeze("over", "UTC", datetime.fromisoformat("2026-11-20"), datetime.fromisoformat("2026-11-22"))
BRAKED = Switches(fleet_brake=Brake())


def facts(**fields: Any) -> Facts:  # noqa: ANN401 — the dataclass knows the types
    return a_workload().facts().model_copy(update=fields)


def a_fleet(*, deeds: Sequence[float] = (), namespace: str = "shop", **counts: Any) -> Fleet:  # noqa: ANN401 — handed on
    """`deeds`: how many seconds ago each was done."""
    return Fleet(**counts, deeds=tuple(Deed(namespace, ago(seconds)) for seconds in deeds))


GROWN = a_deed(1, action=SCALE, done=ago(600), before=facts(replicas=3), intended=facts(replicas=5))
BUSY = [a_deed(1, done=ago(3500)), a_deed(2, done=ago(400))]

OBJECTIONS = [
    pytest.param("Suspended", RESTART, {"spec": {"suspend": True}}, "spec.suspend is true", id="a suspended policy"),
    pytest.param(
        "Suspended", NOTIFY, {"spec": {"suspend": True}}, "spec.suspend is true", id="suspended, even to tell"
    ),
    pytest.param(
        "Suspended",
        RESTART,
        {"spec": {"suspend": True}, **TAKING_BACK},
        "spec.suspend is true",
        id="suspended, even to take back",
    ),
    pytest.param(
        "Observing",
        RESTART,
        {"spec": {"mode": "Observe"}, **TAKING_BACK},
        "the mode is Observe by now",
        id="an undo, by a policy that observes now",
    ),
    pytest.param(
        "Observing",
        RESTART,
        {"spec": REHEARSING, **TAKING_BACK},
        "the mode is Observe by now",
        id="an undo, whose remedy observes now",
    ),
    pytest.param(
        "Observing",
        RESTART,
        {"boldest": Mode.OBSERVE, **TAKING_BACK},
        "the operator runs with --dry-run",
        id="an undo, by an operator that only looks",
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
        "NotOwned",
        RESTART,
        {"spec": {"mode": "Enforce"}, "rights": LACKING},
        "shop/healer may not",
        id="an account without the rights",
    ),
    pytest.param(
        "NotOwned",
        ROLLBACK,
        {"spec": {"mode": "Approve"}, "rights": LACKING},
        "shop/healer may not",
        id="nor after an approval",
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
        "FreezeWindow",
        RESTART,
        {"switches": Switches(freezes=(OVER, FROZEN))},
        "freeze audit lasts until 2026-11-23T00:00:00Z: the books are closed",
        id="a freeze says how long and why",
    ),
    pytest.param(
        "FreezeWindow",
        ROLLBACK,
        {"switches": Switches(freezes=(replace(FROZEN, message=""),))},
        "freeze audit lasts until 2026-11-23T00:00:00Z",
        id="a freeze holds a rollback",
    ),
    pytest.param(
        "Contested",
        SCALE,
        {"changes": (GROWN,)},
        "checkout-0a1b2c3d-1 was taken back by someone else; hands off for 1h",
        id="a scaling that someone took back",
    ),
    pytest.param(
        "Contested",
        RESTART,
        {"changes": (a_deed(1, done=ago(500), before=facts(restarted_at=""), intended=facts(restarted_at="now")),)},
        "checkout-0a1b2c3d-1 was taken back by someone else; hands off for 1h",
        id="a restart that someone took back",
    ),
    pytest.param(
        "Contested",
        ROLLBACK,
        {"changes": (replace(GROWN, outcome="Contested", applied_at=ago(3000), completed_at=ago(2400)),)},
        "checkout-0a1b2c3d-1 was taken back by someone else, seen 40m ago; hands off for 1h",
        id="the outcome keeps it for an hour",
    ),
    pytest.param(
        "Contested",
        RESTART,
        {"changes": (replace(GROWN, applied_at=ago(4000)), a_refusal("Contested", 2, decided_at=ago(3599)))},
        "checkout-0a1b2c3d-1 was taken back by someone else, seen 59m59s ago; hands off for 1h",
        id="a refusal on record keeps it for an hour",
    ),
    pytest.param(
        "NamespaceBudgetSpent",
        RESTART,
        {"switches": Switches(namespace_budget=Budget(2)), "fleet": a_fleet(deeds=[3599, 10])},
        "shop: 2 actions in the last 1h, at most 2",
        id="the budget of the namespace is spent",
    ),
    pytest.param(
        "NamespaceBudgetSpent",
        SCALE,
        {"switches": Switches(namespace_budget=Budget(percent=50)), "fleet": a_fleet(in_namespace=3, deeds=[10])},
        "shop: 1 actions in the last 1h, at most 1 (50 % of 3 targets)",
        id="a share is rounded down",
    ),
    pytest.param(
        "NamespaceBudgetSpent",
        SCALE,
        {"switches": Switches(namespace_budget=Budget(percent=1)), "fleet": a_fleet(in_namespace=3, deeds=[10])},
        "shop: 1 actions in the last 1h, at most 1 (1 % of 3 targets)",
        id="a share is never less than one",
    ),
    pytest.param(
        "GlobalBudgetSpent",
        ROLLBACK,
        {
            "switches": Switches(global_budget=Budget(percent=10)),
            "fleet": a_fleet(targets=50, deeds=[1, 2, 3, 4, 5], namespace="other"),
        },
        "all namespaces: 5 actions in the last 1h, at most 5 (10 % of 50 targets)",
        id="what other namespaces did counts for all together",
    ),
    pytest.param(
        "FleetBrake",
        RESTART,
        {"switches": BRAKED, "fleet": a_fleet(healthy=9, unhealthy=11, deeds=[99])},
        "11 of 20 targets are unhealthy, the cause may be a shared one: at most one action in 1m40s, "
        "the last was 1m39s ago",
        id="exactly the share of the targets is unhealthy",
    ),
    pytest.param(
        "FleetBrake",
        SCALE,
        {"switches": BRAKED, "fleet": a_fleet(targets=50, healthy=0, unhealthy=5, deeds=[-3])},
        "5 of 5 targets are unhealthy, the cause may be a shared one: at most one action in 1m40s, the last was 0s ago",
        id="Unknown targets are not counted, and clocks may go back",
    ),
    pytest.param(
        "DisruptionBudget",
        RESTART,
        {"disruptions": (Disruption("loose", 1), Disruption("strict", 0))},
        "PodDisruptionBudget/strict allows no disruption of Deployment/checkout",
        id="one of two budgets allows none",
    ),
    pytest.param(
        "QuotaExceeded",
        SCALE,
        {"room": Room((Quota("small", {"pods": Decimal(1)}),))},
        "ResourceQuota/small leaves room for 1 pods, 2 more are wanted",
        id="more pods than the quota has room for",
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
        {"autoscalers": (HPA, KEDA)},
        "HorizontalPodAutoscaler/checkout, ScaledObject/queue owns the replicas of Deployment/checkout",
        id="every autoscaler is named",
    ),
    pytest.param(
        "GitOpsOwnsField",
        ROLLBACK,
        {"managed_by": ARGO},
        f"ArgoCD (shop) holds spec.template; in Git, revert the pod template to release {short(RELEASE)}, "
        f"known healthy (live is {short(RELEASE)})",
        id="Argo CD holds the template",
    ),
    pytest.param(
        "GitOpsOwnsField",
        ROLLBACK,
        {"managed_by": FLUX},
        "Flux (Kustomization flux-system/shop) holds spec.template; in Git, revert the pod template to release "
        f"{short(RELEASE)}, known healthy (live is {short(RELEASE)})",
        id="Flux holds the template",
    ),
    pytest.param(
        "GitOpsOwnsField",
        SCALE,
        {"managed_by": ARGO, "git_holds_replicas": True},
        "ArgoCD (shop) holds spec.replicas; in Git, set spec.replicas from 3 to 5; or, so that Salus may scale, give "
        "Application shop ignoreDifferences with the jsonPointer /spec/replicas and the sync option "
        "RespectIgnoreDifferences=true (both: without the option a sync still writes them)",
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
        pytest.param("Observing", RESTART, {"spec": {"mode": "Observe"}}, id="a rehearsal is a decision of its own"),
        pytest.param("Observing", RESTART, TAKING_BACK, id="an undo under Enforce"),
        pytest.param(
            "Observing",
            RESTART,
            {"spec": {"mode": "Approve"}, "boldest": Mode.APPROVE, **TAKING_BACK},
            id="an undo where people are asked: the way back needs no leave",
        ),
        pytest.param(
            "Observing", RESTART, {"spec": {"remedies": []}, **TAKING_BACK}, id="an undo whose remedy is gone"
        ),
        pytest.param("KillSwitch", RESTART, {"switches": Switches(False, "text")}, id="the kill switch is off"),
        pytest.param("KillSwitch", NOTIFY, {"switches": Switches(True)}, id="the kill switch lets people be told"),
        pytest.param("MetricsUnavailable", RESTART, {}, id="all checks have an answer"),
        pytest.param("MetricsUnavailable", NOTIFY, {"findings": (unknown(),)}, id="people are told without metrics"),
        pytest.param("NotOwned", RESTART, {"spec": {"mode": "Enforce"}}, id="an account that has the rights"),
        pytest.param(
            "NotOwned", RESTART, {"spec": {"mode": "Observe"}, "rights": LACKING}, id="rehearsed without rights"
        ),
        pytest.param("NotOwned", RESTART, {"spec": REHEARSING, "rights": None}, id="a remedy that is rehearsed"),
        pytest.param(
            "NotOwned", NOTIFY, {"spec": {"mode": "Enforce"}, "rights": LACKING}, id="telling takes no rights"
        ),
        pytest.param("TargetPaused", RESTART, {}, id="a target that is not paused"),
        pytest.param("TargetPaused", NOTIFY, {"workload": PAUSED}, id="people are told of a paused target"),
        pytest.param("RolloutInProgress", RESTART, {}, id="nothing rolls out"),
        pytest.param("RolloutInProgress", RESTART, {"workload": PODS_DOWN}, id="pods that are down are no rollout"),
        pytest.param("RolloutInProgress", ROLLBACK, {"workload": HALF}, id="a rollback is how a bad rollout ends"),
        pytest.param("FreezeWindow", RESTART, {"switches": Switches(freezes=(OVER,))}, id="a freeze that is over"),
        pytest.param(
            "FreezeWindow", NOTIFY, {"switches": Switches(freezes=(FROZEN,))}, id="a freeze lets people be told"
        ),
        pytest.param("Contested", RESTART, {"changes": (replace(GROWN, applied_at=ago(601)),)}, id="taken back later"),
        pytest.param(
            "Contested",
            RESTART,
            {"changes": (replace(GROWN, outcome="Contested", applied_at=ago(4000), completed_at=ago(3600)),)},
            id="an hour after it was contested",
        ),
        pytest.param(
            "Contested",
            RESTART,
            {"changes": (replace(GROWN, before=facts(replicas=2)),)},
            id="a third value is a person's",
        ),
        pytest.param(
            "Contested",
            RESTART,
            {"changes": (replace(GROWN, intended=facts(replicas=3)),)},
            id="the change still stands",
        ),
        pytest.param(
            "Contested",
            RESTART,
            {"changes": (replace(GROWN, target_uid="another"),)},
            id="a target that was made again",
        ),
        pytest.param(
            "Contested",
            RESTART,
            {"changes": (GROWN, a_deed(2, action=SCALE, done=ago(60), undoes=GROWN.name, outcome="Undone"))},
            id="taken back by Salus itself",
        ),
        pytest.param(
            "Contested",
            RESTART,
            {"changes": (a_refusal("Contested", 1), replace(GROWN, sequence=2, applied_at=ago(700)))},
            id="a refusal about an older deed",
        ),
        pytest.param(
            "Contested",
            RESTART,
            {
                "changes": (
                    a_deed(
                        1,
                        before=facts(restarted_at="", release="old"),
                        intended=facts(restarted_at="now", release="old"),
                    ),
                )
            },
            id="a restart that went with the old release",
        ),
        pytest.param(
            "NamespaceBudgetSpent", RESTART, {"fleet": a_fleet(deeds=[1] * 99)}, id="no budget for namespaces"
        ),
        pytest.param(
            "NamespaceBudgetSpent",
            RESTART,
            {"switches": Switches(namespace_budget=Budget(2)), "fleet": a_fleet(deeds=[3600, 10])},
            id="a deed leaves the window at its end",
        ),
        pytest.param(
            "NamespaceBudgetSpent",
            RESTART,
            {"switches": Switches(namespace_budget=Budget(1)), "fleet": a_fleet(deeds=[10], namespace="other")},
            id="what other namespaces did does not count",
        ),
        pytest.param(
            "GlobalBudgetSpent",
            RESTART,
            {"switches": Switches(global_budget=Budget(percent=10)), "fleet": a_fleet(targets=50, deeds=[1, 2, 3, 4])},
            id="one action of five is left",
        ),
        pytest.param(
            "FleetBrake",
            RESTART,
            {"switches": BRAKED, "fleet": a_fleet(healthy=10, unhealthy=11, deeds=[1])},
            id="less than the share is unhealthy",
        ),
        pytest.param(
            "FleetBrake",
            RESTART,
            {"switches": BRAKED, "fleet": a_fleet(unhealthy=4, deeds=[1])},
            id="too few targets to speak of a fleet",
        ),
        pytest.param(
            "FleetBrake",
            RESTART,
            {"switches": BRAKED, "fleet": a_fleet(unhealthy=9, deeds=[100])},
            id="one action after the pause",
        ),
        pytest.param("FleetBrake", RESTART, {"fleet": a_fleet(unhealthy=9, deeds=[1])}, id="the brake was taken away"),
        pytest.param("DisruptionBudget", RESTART, {"disruptions": (Disruption("a", 1),)}, id="one pod may go"),
        pytest.param("DisruptionBudget", ROLLBACK, {"disruptions": (Disruption("a", 0),)}, id="a rollback may"),
        pytest.param("DisruptionBudget", SCALE, {"disruptions": None}, id="a scaling disrupts nothing"),
        pytest.param(
            "QuotaExceeded", SCALE, {"room": Room((Quota("small", {"pods": Decimal(2)}),))}, id="just enough room"
        ),
        pytest.param("QuotaExceeded", RESTART, {"room": None}, id="a restart adds no pods"),
        pytest.param("HpaOwnsReplicas", SCALE, {}, id="nothing scales the target"),
        pytest.param("HpaOwnsReplicas", RESTART, {"autoscalers": (HPA,)}, id="an HPA does not mind a restart"),
        pytest.param("HpaOwnsReplicas", ROLLBACK, {"autoscalers": (HPA,)}, id="an HPA does not mind a rollback"),
        pytest.param("GitOpsOwnsField", RESTART, {"managed_by": ARGO}, id="Git does not hold restartedAt"),
        pytest.param("GitOpsOwnsField", SCALE, {"managed_by": ARGO}, id="Git leaves the replicas out"),
        pytest.param("GitOpsOwnsField", ROLLBACK, {"managed_by": HELM}, id="Helm does not come back by itself"),
        pytest.param("GitOpsOwnsField", ROLLBACK, {}, id="nobody manages the target"),
        pytest.param(
            "GitOpsOwnsField",
            SCALE,
            {"managed_by": KUBECTL, "git_holds_replicas": True},
            id="nobody runs kubectl apply again by itself",
        ),
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
        ("Observing", Then.WAIT),
        ("KillSwitch", Then.WAIT),
        ("FreezeWindow", Then.WAIT),
        ("MetricsUnavailable", Then.WAIT),
        ("NotOwned", Then.WAIT),
        ("TargetPaused", Then.WAIT),
        ("RolloutInProgress", Then.WAIT),
        ("HpaOwnsReplicas", Then.NEXT),
        ("GitOpsOwnsField", Then.ADVISE),
        ("OperatorOwned", Then.NEXT),
        ("Contested", Then.WAIT),
        ("ChangeInFlight", Then.WAIT),
        ("CooldownActive", Then.WAIT),
        ("AttemptsExhausted", Then.ESCALATE),
        ("NamespaceBudgetSpent", Then.WAIT),
        ("GlobalBudgetSpent", Then.WAIT),
        ("FleetBrake", Then.WAIT),
        ("DisruptionBudget", Then.NEXT),
        ("QuotaExceeded", Then.NEXT),
    ]


@pytest.mark.parametrize(
    ("reason", "kind", "case", "lack"),
    [
        pytest.param(
            "NotOwned",
            RESTART,
            {"spec": {"mode": "Enforce"}, "rights": None},
            "the API server did not say what the service account may do",
            id="an account of which nobody could ask",
        ),
        pytest.param(
            "HpaOwnsReplicas",
            SCALE,
            {"autoscalers": None},
            "the autoscalers of this namespace could not be read",
            id="autoscalers that could not be read",
        ),
        pytest.param(
            "FreezeWindow",
            RESTART,
            {"switches": Switches(freezes=(replace(FROZEN, time_zone="Mars/Base"),))},
            'freeze audit: time zone "Mars/Base" is not known',
            id="a calendar that nobody can read",
        ),
        pytest.param(
            "NamespaceBudgetSpent",
            RESTART,
            {"switches": Switches(namespace_budget=Budget(2)), "fleet": None},
            "the records of what was done to other targets could not be read",
            id="records that could not be read, for a budget",
        ),
        pytest.param(
            "FleetBrake",
            RESTART,
            {"switches": BRAKED, "fleet": None},
            "the records of what was done to other targets could not be read",
            id="records that could not be read, for the brake",
        ),
        pytest.param(
            "DisruptionBudget",
            RESTART,
            {"disruptions": None},
            "the PodDisruptionBudgets of this namespace could not be read",
            id="disruption budgets that could not be read",
        ),
        pytest.param(
            "DisruptionBudget",
            RESTART,
            {"disruptions": (Disruption("new", None),)},
            "PodDisruptionBudget/new does not say yet what it allows",
            id="a disruption budget that is not counted yet",
        ),
        pytest.param(
            "QuotaExceeded",
            SCALE,
            {"room": None},
            "the ResourceQuotas and LimitRanges of this namespace could not be read",
            id="quotas that could not be read",
        ),
    ],
)
def test_a_guard_that_cannot_be_evaluated_refuses(
    reason: str, kind: ActionKind, case: Mapping[str, Any], lack: str
) -> None:
    assert asked(reason, kind, case) == Refusal("GuardUnknown", f"{reason} cannot be judged: {lack}", Then.WAIT)


def test_the_page_on_guards_is_current() -> None:
    """Else: `python -m tools.guards_page > docs/guards.md`."""
    page = Path(__file__).parents[2] / "docs" / "guards.md"

    assert page.read_text(encoding="utf-8") == guards_page()


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
    "fleet": None,
    "disruptions": None,
    "room": None,
    "changes": (a_deed(1), a_deed(2), a_deed(3), a_change(4)),
}


@pytest.mark.parametrize("kind", [SCALE, ROLLBACK, RESTART])
@pytest.mark.parametrize("workload", [PAUSED, HALF, OWNED], ids=["paused", "rolling out", "owned"])
def test_an_undo_passes_all_but_what_people_stop_missing_rights_an_autoscaler_and_a_contest(
    kind: ActionKind, workload: Workload
) -> None:
    policy = a_policy(**LIMITS)
    undo = an_action(kind, undoes="checkout-0a1b2c3d-1")
    against = {**EVERYTHING_AGAINST, "autoscalers": ()}
    calm = an_observation(workload=workload, **against)
    stopped = an_observation(workload=workload, switches=Switches(True), **against)

    assert review(policy, an_action(kind), calm) is not None
    assert review(policy, undo, calm) is None
    assert review(policy, undo, stopped) == Refusal("KillSwitch", "the operator's kill switch is on")
    assert review(a_policy(suspend=True), undo, calm) == Refusal("Suspended", "spec.suspend is true")
    assert review(a_policy(mode="Observe"), undo, calm) == Refusal("Observing", "the mode is Observe by now")
    powerless, uncertain = replace(calm, rights=LACKING), replace(calm, rights=None)
    assert (review(policy, undo, powerless) or Refusal("", "")).reason == "NotOwned"
    assert (review(policy, undo, uncertain) or Refusal("", "")).reason == "GuardUnknown"
    contested = replace(calm, changes=(GROWN,))
    assert (review(policy, undo, contested) or Refusal("", "")).reason == "Contested"


@pytest.mark.parametrize(
    ("patched", "scalers", "reason"),
    [
        pytest.param(None, (HPA,), "HpaOwnsReplicas", id="replicas that an autoscaler owns by now"),
        pytest.param(None, None, "GuardUnknown", id="replicas that an autoscaler may own by now"),
        pytest.param(HPA.key, (HPA,), "", id="a minimum is given back"),
        pytest.param(HPA.key, (HPA, KEDA), "", id="a minimum is given back, whoever has come since"),
        pytest.param(HPA.key, (replace(HPA, paused="p", owner="A/b"),), "", id="a minimum is given back when paused"),
        pytest.param(HPA.key, None, "", id="a minimum is given back when the others cannot be read"),
    ],
)
def test_an_undo_never_writes_replicas_under_an_autoscaler(
    patched: ScalerKey | None, scalers: tuple[Autoscaler, ...] | None, reason: str
) -> None:
    undo = an_action(SCALE, undoes="checkout-0a1b2c3d-1", patched=patched)
    refusal = review(a_policy(), undo, an_observation(autoscalers=scalers))

    assert (refusal.reason if refusal else "") == reason


def test_a_notification_is_held_by_suspension_and_by_a_change_in_flight_only() -> None:
    assert {guard.reason for guard in GUARDS if guard.kinds(KINDS[NOTIFY])} == {"Suspended", "ChangeInFlight"}
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
