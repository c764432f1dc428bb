"""Every guard objecting and not objecting (rows by family, in `guards`), and the one order in which they are asked."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from salus.core.actions import KINDS
from salus.core.guards.chain import GUARDS, Guard, Review, review
from salus.model.change import ActionKind
from salus.model.values.changes import Change, Refusal, Then
from salus.model.values.configuration import Switches
from salus.model.values.keys import ScalerKey
from salus.model.values.objects import Admission, Autoscaler, Workload
from tests.builders import (
    NOW,
    a_change,
    a_finding,
    a_finished_change,
    a_policy,
    an_action,
    an_observation,
    seconds,
    unknown,
)
from tests.unit.guards import autoscalers, budgets, capacity, freezes, gitops, limits, reverted, switches, target
from tests.unit.guards.rows import (
    ARGO,
    GROWN,
    HALF,
    HPA,
    KEDA,
    LACKING,
    LIMITS,
    NOTIFY,
    OWNED,
    PAUSED,
    RESTART,
    ROLLBACK,
    SCALE,
    Row,
)
from tools.guards_page import guards_page

FAMILIES = (autoscalers, budgets, capacity, freezes, gitops, limits, reverted, switches, target)
OBJECTS = [row for family in FAMILIES for row in family.OBJECTS]
PASSES = [row for family in FAMILIES for row in family.PASSES]
CANNOT_TELL = [row for family in FAMILIES for row in getattr(family, "CANNOT_TELL", ())]


def sentence(row: Row) -> str:
    return row.case


@pytest.mark.parametrize("row", OBJECTS, ids=sentence)
def test_a_guard_objects(row: Row) -> None:
    refusal = row.asked()

    assert refusal is not None
    assert (refusal.reason, refusal.message) == (row.reason, row.says)


@pytest.mark.parametrize("row", PASSES, ids=sentence)
def test_a_guard_does_not_object(row: Row) -> None:
    assert row.asked() is None


@pytest.mark.parametrize("row", CANNOT_TELL, ids=sentence)
def test_a_guard_that_cannot_be_evaluated_refuses(row: Row) -> None:
    assert row.asked() == Refusal("GuardUnknown", f"{row.reason} cannot be judged: {row.says}", Then.WAIT)


def test_the_composed_order() -> None:
    """The first objection is the one that is told, so the order is part of what Salus says."""
    assert [(guard.reason, guard.then) for guard in GUARDS] == [
        ("Suspended", Then.WAIT),
        ("Observing", Then.WAIT),
        ("KillSwitch", Then.WAIT),
        ("FreezeWindow", Then.WAIT),
        ("MetricsUnavailable", Then.WAIT),
        ("NotPermitted", Then.WAIT),
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
        ("PodsRefused", Then.NEXT),
        ("QuotaExceeded", Then.NEXT),
    ]


def test_the_page_on_guards_is_current() -> None:
    """Else: `python -m tools.guards_page > docs/concepts/guards.md`."""
    page = Path(__file__).parents[2] / "docs/concepts/guards.md"

    assert page.read_text(encoding="utf-8") == guards_page()


def test_every_guard_has_a_row_that_it_objects_to() -> None:
    assert {guard.reason for guard in GUARDS} == {row.reason for row in OBJECTS}


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
    "admission": Admission(None, None),
    "changes": (a_finished_change(1), a_finished_change(2), a_finished_change(3), a_change(4)),
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
    powerless, uncertain = replace(calm, permissions=LACKING), replace(calm, permissions=None)
    assert (review(policy, undo, powerless) or Refusal("", "")).reason == "NotPermitted"
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
    against: Mapping[str, Any] = {
        **EVERYTHING_AGAINST,
        "changes": (a_finished_change(1), a_finished_change(2), a_finished_change(3)),
    }
    seen = an_observation(workload=OWNED, switches=Switches(True), **against)

    assert review(a_policy(**LIMITS), an_action(NOTIFY), seen) is None


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_limits_come_from_the_records_and_nothing_else(limit: int) -> None:
    """The same records give the same answer, however often and by whomever they are read."""
    policy = a_policy(limits={"cooldown": "0s", "maxActions": limit, "per": "1h"})
    records: list[Change] = []
    for number in range(1, 10):
        seen = an_observation(now=NOW + seconds(number), changes=tuple(records))
        if review(policy, an_action(), seen) is None:
            records.append(a_finished_change(number, done=seen.now))

    assert len(records) == limit
