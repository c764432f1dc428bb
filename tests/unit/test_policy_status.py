"""What a policy's status says, and that it is written on transitions only."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from salus.core.policy.caps import LeftOut
from salus.core.policy.compile import SpecError
from salus.core.records.policy_status import (
    Allowed,
    TargetReport,
    changes_anything,
    left_out_status,
    policy_status,
    stalled_status,
)
from salus.core.records.record_conditions import condition
from salus.model.meta import Condition, WorkloadKind
from salus.model.policy import HealthPolicyStatus, Verdict
from salus.model.problems import Problem
from salus.model.scalars import format_time
from salus.model.values.changes import Change, Refusal
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Finding
from tests.builders import (
    NOW,
    TARGET,
    a_change,
    a_finding,
    a_finished_change,
    a_policy,
    a_policy_body,
    ago,
    healthy,
    later,
    unknown,
)

OTHER = TargetKey("shop", WorkloadKind.DEPLOYMENT, "cart")
COOLING = Refusal("CooldownActive", "the last action was 40s ago, cooldown 5m")
SELECTOR = {"kind": "Deployment", "selector": {"matchLabels": {"app": "x"}}}


def report(
    *findings: Finding, target: TargetKey = TARGET, refusal: Refusal | None = None, last: Change | None = None
) -> TargetReport:
    return TargetReport(target, findings, refusal, last)


def status(
    *reports: TargetReport,
    written: Mapping[str, Any] | None = None,
    now: datetime = NOW,
    **spec: Any,  # noqa: ANN401 — handed on
) -> dict[str, Any]:
    said = policy_status(a_policy(generation=4, **spec), reports, written or {}, now)
    HealthPolicyStatus.parse(said)
    return said


def conditions(said: Mapping[str, Any]) -> dict[str, tuple[str, str, str]]:
    return {c["type"]: (c["status"], c["reason"], c["message"]) for c in said["conditions"]}


def stalled(written: Mapping[str, Any]) -> dict[str, Any]:
    error = SpecError((Problem("spec.source", 'unknown source "eu"'),))
    return stalled_status({"metadata": {"generation": 4}, "status": written}, error, NOW)


def left_out(written: Mapping[str, Any]) -> dict[str, Any]:
    return left_out_status(a_policy(), LeftOut("TooManyPolicies", "the namespace has 51"), written, NOW)


WELL = report(healthy())
UNHEALTHY = report(a_finding(since=ago(60)))
LOST = report(unknown())


@pytest.mark.parametrize(
    ("reports", "kind", "expected"),
    [
        pytest.param([WELL], "Ready", ("True", "Accepted", "the spec is accepted, 1 target(s)"), id="accepted"),
        pytest.param(
            [UNHEALTHY], "Ready", ("True", "Accepted", "the spec is accepted, 1 target(s)"), id="ready though unhealthy"
        ),
        pytest.param(
            [LOST], "Ready", ("True", "Accepted", "the spec is accepted, 1 target(s)"), id="ready though lost"
        ),
        pytest.param(
            [],
            "Ready",
            ("False", "TargetNotFound", "spec.target.name: there is no Deployment checkout"),
            id="no target",
        ),
        pytest.param([WELL], "Stalled", ("False", "Settled", "the spec is in use"), id="nothing stalls"),
        pytest.param([WELL], "Reconciling", ("False", "Settled", "the spec is in use"), id="nothing is under way"),
        pytest.param(
            [WELL], "Healthy", ("True", "AllChecksHealthy", "all checks of all targets are healthy"), id="healthy"
        ),
        pytest.param(
            [UNHEALTHY],
            "Healthy",
            ("False", "AboveThreshold", "Deployment/checkout error-ratio AboveThreshold"),
            id="unhealthy",
        ),
        pytest.param(
            [LOST], "Healthy", ("Unknown", "Timeout", "Deployment/checkout error-ratio Timeout"), id="nobody knows"
        ),
        pytest.param([], "Healthy", ("Unknown", "NoTarget", "nothing to judge by"), id="nothing to judge by"),
        pytest.param(
            [WELL, report(unknown("latency"), target=OTHER), report(a_finding(), target=OTHER)],
            "Healthy",
            ("False", "AboveThreshold", "Deployment/cart error-ratio AboveThreshold"),
            id="the worst counts",
        ),
        pytest.param(
            [WELL], "MetricsAvailable", ("True", "Answered", "every check has a trustworthy answer"), id="answered"
        ),
        pytest.param(
            [report(a_finding(), unknown("latency"))],
            "MetricsAvailable",
            ("False", "Timeout", "Deployment/checkout latency Timeout"),
            id="one check has no answer",
        ),
        pytest.param([], "MetricsAvailable", ("Unknown", "NoTarget", "nothing was asked"), id="nothing was asked"),
        pytest.param(
            [UNHEALTHY], "Throttled", ("False", "NotThrottled", "nothing holds an action back"), id="nothing holds back"
        ),
        pytest.param(
            [WELL, report(a_finding(), refusal=COOLING)],
            "Throttled",
            ("True", "CooldownActive", "Deployment/checkout: the last action was 40s ago, cooldown 5m"),
            id="held back",
        ),
        pytest.param(
            [WELL],
            "Overlapping",
            ("False", "NoOverlap", "no other policy has a target of this one"),
            id="alone with its target",
        ),
        pytest.param(
            [WELL, replace(UNHEALTHY, target=OTHER, others=("cart-a", "cart-b"))],
            "Overlapping",
            ("True", "SharedTarget", "Deployment/cart is also a target of cart-a, cart-b"),
            id="not alone with one of two",
        ),
    ],
)
def test_a_condition(reports: list[TargetReport], kind: str, expected: tuple[str, str, str]) -> None:
    assert conditions(status(*reports))[kind] == expected


def test_a_selector_that_matches_nothing() -> None:
    checks = [{"name": "error-ratio", "query": 'errors{deployment="$target"}', "unhealthy": {"above": "0.05"}}]
    said = status(target=SELECTOR, checks=checks)

    assert conditions(said)["Ready"] == ("False", "NoTarget", "spec.target.selector: no Deployment matches app=x")


def test_what_its_author_may_not_have_meant_stands_where_it_is_accepted() -> None:
    """Cases 07 and 28."""
    policy = replace(a_policy(), warnings=(Problem("spec.checks[0].query", "gives nothing"),))

    said = policy_status(policy, [WELL], {}, NOW)

    accepted = "the spec is accepted, 1 target(s); spec.checks[0].query: gives nothing"
    assert conditions(said)["Ready"] == ("True", "Accepted", accepted)


def test_many_targets_are_counted_and_some_are_named() -> None:
    targets = [TargetKey("shop", WorkloadKind.DEPLOYMENT, f"t{n}") for n in range(7)]
    said = status(*[report(a_finding(), target=target) for target in targets], WELL, LOST)

    assert said["targets"] == {"total": 9, "healthy": 1, "unhealthy": 7, "unknown": 1, "quiet": 0, "summary": "9/7"}
    message = conditions(said)["Healthy"][2]
    assert message.startswith("Deployment/t0 error-ratio AboveThreshold; Deployment/t1")
    assert message.endswith("Deployment/t4 error-ratio AboveThreshold and 2 more")


def test_the_checks_are_those_of_the_worst_target() -> None:
    said = status(WELL, report(a_finding(since=ago(60)), target=OTHER), LOST)

    assert said["checks"] == [
        {
            "name": "error-ratio",
            "verdict": "Unhealthy",
            "reason": "AboveThreshold",
            "message": "0.08, above 0.05",
            "query": "errors",
            "value": "0.08",
            "since": format_time(ago(60)),
        }
    ]


COOLING_REPORT = report(a_finding(), refusal=COOLING)


@pytest.mark.parametrize(
    ("reports", "allowed", "held_by"),
    [
        pytest.param([UNHEALTHY], Allowed(), None, id="nothing"),
        pytest.param([WELL, COOLING_REPORT], Allowed(), "CooldownActive", id="the cooldown of one of two"),
        pytest.param([COOLING_REPORT], Allowed(stopped="by ada"), "KillSwitch", id="the kill switch before all else"),
        pytest.param([], Allowed(), None, id="no target, and so nothing to hold"),
    ],
)
def test_what_holds_an_action_back_in_one_word(
    reports: list[TargetReport], allowed: Allowed, held_by: str | None
) -> None:
    assert policy_status(a_policy(), reports, {}, NOW, allowed)["heldBy"] == held_by


@pytest.mark.parametrize(
    ("reports", "incident"),
    [
        pytest.param([UNHEALTHY], None, id="none is open"),
        pytest.param([replace(UNHEALTHY, incident="cart-1")], "cart-1", id="one is open"),
        pytest.param(
            [replace(LOST, incident="cart-1"), replace(UNHEALTHY, incident="cart-2")],
            "cart-2",
            id="of two that of the worst target",
        ),
        pytest.param(
            [replace(WELL, incident="cart-1"), UNHEALTHY],
            "cart-1",
            id="of a target that recovers, where the worst has none",
        ),
    ],
)
def test_which_incident_is_open(reports: list[TargetReport], incident: str | None) -> None:
    assert status(*reports)["openIncident"] == incident


@pytest.mark.parametrize("made", [stalled, left_out], ids=["cannot be used", "is left out"])
def test_of_a_policy_that_is_not_measured_nothing_is_said_of_targets(
    made: Callable[[Mapping[str, Any]], dict[str, Any]],
) -> None:
    written = policy_status(a_policy(), [replace(COOLING_REPORT, incident="cart-1")], {}, NOW)

    said = made(written)

    assert [said[field] for field in ("targets", "heldBy", "openIncident")] == [None, None, None]
    assert changes_anything(said, written)


@pytest.mark.parametrize(
    ("reports", "verdict"),
    [
        pytest.param([WELL, LOST], "Unknown", id="Unknown is worse than health"),
        pytest.param([LOST, WELL], "Unknown", id="in whatever order"),
        pytest.param([LOST, UNHEALTHY], "Unhealthy", id="Unhealthy is worse than Unknown"),
    ],
)
def test_which_target_is_the_worst(reports: list[TargetReport], verdict: str) -> None:
    assert [row["verdict"] for row in status(*reports)["checks"]] == [verdict]


# --- written on transitions only


def after_a_tick(*reports: TargetReport, written: Mapping[str, Any], seconds_later: float = 15) -> dict[str, Any]:
    return status(*reports, written=written, now=later(seconds_later))


def silent(before: TargetReport, now: TargetReport) -> bool:
    """Whether the second tick writes nothing."""
    written = status(before)
    return not changes_anything(after_a_tick(now, written=written), written)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        pytest.param(WELL, WELL, id="nothing changed at all"),
        pytest.param(UNHEALTHY, report(a_finding(value=0.5, since=ago(60))), id="another value"),
        pytest.param(WELL, report(healthy(since=later(15))), id="another since"),
        pytest.param(LOST, LOST, id="no answer, again"),
        pytest.param(
            report(a_finding(), refusal=COOLING),
            report(a_finding(), refusal=Refusal("CooldownActive", "the last action was 55s ago, cooldown 5m")),
            id="another second of the same cooldown",
        ),
        pytest.param(
            report(healthy(), last=a_finished_change(3)),
            report(healthy(), last=a_finished_change(3)),
            id="the same last change",
        ),
    ],
)
def test_a_tick_that_is_no_transition_writes_nothing(before: TargetReport, now: TargetReport) -> None:
    assert silent(before, now)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        pytest.param(WELL, UNHEALTHY, id="health is lost"),
        pytest.param(UNHEALTHY, WELL, id="health is back"),
        pytest.param(UNHEALTHY, LOST, id="the metrics are lost"),
        pytest.param(LOST, report(unknown(reason="HttpError")), id="the metrics are lost for another reason"),
        pytest.param(WELL, report(a_finding(Verdict.HEALTHY, reason="Pending")), id="a breach is pending"),
        pytest.param(WELL, report(replace(healthy(), query="errors > 1")), id="something else is asked"),
        pytest.param(UNHEALTHY, replace(UNHEALTHY, incident="cart-1"), id="an incident was opened"),
        pytest.param(WELL, report(healthy(), last=a_change(3)), id="a change began"),
        pytest.param(
            report(healthy(), last=a_change(3)),
            report(healthy(), last=a_finished_change(3)),
            id="a change has its outcome",
        ),
        pytest.param(
            report(healthy(), last=a_finished_change(3)),
            report(healthy(), last=a_finished_change(4)),
            id="there is a newer change",
        ),
        pytest.param(report(a_finding()), report(a_finding(), refusal=COOLING), id="something holds an action back"),
        pytest.param(report(a_finding(), refusal=COOLING), report(a_finding()), id="nothing holds it back any more"),
        pytest.param(
            report(a_finding(), refusal=COOLING),
            report(a_finding(), refusal=Refusal("AttemptsExhausted", "3 actions")),
            id="another reason holds it back",
        ),
        pytest.param(
            report(a_finding(), refusal=COOLING),
            report(a_finding(), target=OTHER, refusal=COOLING),
            id="another target is held back",
        ),
    ],
)
def test_a_transition_is_written(before: TargetReport, now: TargetReport) -> None:
    assert not silent(before, now)


def test_a_new_generation_is_written() -> None:
    written = status(WELL)
    said = policy_status(a_policy(generation=5), [WELL], written, NOW)

    assert changes_anything(said, written)
    assert {c["observedGeneration"] for c in said["conditions"]} == {said["observedGeneration"]} == {5}


def transition_times(said: Mapping[str, Any]) -> dict[str, str]:
    return {c["type"]: c["lastTransitionTime"] for c in said["conditions"]}


def test_transition_times_move_with_the_status_of_their_condition_only() -> None:
    written = status(WELL)
    said = after_a_tick(UNHEALTHY, written=written)

    assert {kind for kind, at in transition_times(said).items() if at != format_time(NOW)} == {"Healthy"}
    assert transition_times(said)["Healthy"] == format_time(later(15))


def test_a_transition_time_survives_another_reason() -> None:
    written = status(LOST)
    said = after_a_tick(report(unknown(reason="HttpError")), written=written)

    assert conditions(said)["MetricsAvailable"][1] == "HttpError"
    assert transition_times(said)["MetricsAvailable"] == format_time(NOW)


def test_a_check_keeps_the_value_of_its_last_transition() -> None:
    written = status(UNHEALTHY)
    said = after_a_tick(report(a_finding(value=0.5, since=ago(60))), written=written)

    assert said["checks"] == written["checks"]
    assert after_a_tick(WELL, written=written)["checks"] != written["checks"]


@pytest.mark.parametrize("seen", [WELL, UNHEALTHY, LOST, report(a_finding(), refusal=COOLING)])
def test_the_kill_switch_is_shown_whatever_the_policy_sees(seen: TargetReport) -> None:
    """Whoever looks at any policy while it is on learns it there, and not from the next incident."""
    said = policy_status(a_policy(), [seen], {}, NOW, Allowed(stopped="maintenance"))

    HealthPolicyStatus.parse(said)
    assert conditions(said)["Throttled"] == ("True", "KillSwitch", "maintenance")


def test_the_kill_switch_is_shown_no_longer_when_it_is_off() -> None:
    written = policy_status(a_policy(), [WELL], {}, NOW, Allowed(stopped="maintenance"))

    assert conditions(after_a_tick(WELL, written=written))["Throttled"][:2] == ("False", "NotThrottled")


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        pytest.param([a_finished_change(3), None], "checkout-0a1b2c3d-3", id="the only one"),
        pytest.param(
            [a_finished_change(9, done=ago(60)), a_finished_change(3, done=NOW)],
            "checkout-0a1b2c3d-3",
            id="the latest, by time",
        ),
        pytest.param(
            [a_finished_change(3), a_finished_change(4)],
            "checkout-0a1b2c3d-4",
            id="the latest, by number within a second",
        ),
    ],
)
def test_the_last_change_is_the_newest_over_all_targets(changes: Sequence[Change | None], name: str) -> None:
    assert status(*[report(healthy(), last=change) for change in changes])["lastChange"]["name"] == name


def test_a_policy_without_changes_says_nothing_of_them() -> None:
    assert "lastChange" not in status(WELL)


def test_what_is_no_longer_there_is_written_away() -> None:
    assert changes_anything({"checks": []}, {"checks": [{"name": "gone"}]})
    assert not changes_anything({"checks": [], "targets": None}, {})


# --- a spec that cannot be used

PROBLEMS = SpecError(
    (
        Problem("spec.checks[2].query", "cannot be read as PromQL: unexpected end"),
        Problem("spec.source", 'unknown source "prod"; known: default'),
    )
)


def test_a_stalled_policy_names_every_path() -> None:
    said = stalled_status(a_policy_body(generation=3), PROBLEMS, NOW)
    message = (
        "spec.checks[2].query: cannot be read as PromQL: unexpected end; "
        'spec.source: unknown source "prod"; known: default'
    )

    HealthPolicyStatus.parse(said)
    assert said["observedGeneration"] == 3
    assert conditions(said) == {
        "Ready": ("False", "InvalidSpec", message),
        "Reconciling": ("False", "InvalidSpec", "waits for a change of the spec"),
        "Stalled": ("True", "InvalidSpec", message),
    }


def test_a_stalled_policy_is_written_once() -> None:
    body = a_policy_body()
    written = stalled_status(body, PROBLEMS, NOW)

    assert not changes_anything(stalled_status({**body, "status": written}, PROBLEMS, later(60)), written)


def test_a_stalled_policy_with_very_many_problems_stays_within_bounds() -> None:
    error = SpecError(tuple(Problem(f"spec.checks[{n}].query", "x" * 200) for n in range(16)))

    HealthPolicyStatus.parse(stalled_status(a_policy_body(), error, NOW))


def test_a_stalled_policy_that_is_mended_is_ready_again() -> None:
    written = stalled_status(a_policy_body(), PROBLEMS, NOW)
    said = after_a_tick(WELL, written=written)

    assert conditions(said)["Stalled"][0] == "False"
    assert conditions(said)["Ready"][0] == "True"
    assert transition_times(said)["Stalled"] == format_time(later(15))
    assert transition_times(said)["Reconciling"] == format_time(NOW)


def test_a_condition_of_a_record_is_cut_to_its_bound() -> None:
    row = condition("Verified", "True", "Recovered", "x" * 5000, NOW)

    assert Condition.parse(row).last_transition_time == NOW
    assert len(row["message"]) == 1024


def test_the_kill_switch_is_shown_where_nothing_else_would_hold_back() -> None:
    said = policy_status(a_policy(), [report(a_finding(), refusal=COOLING)], {}, NOW, Allowed(stopped="see CHG-7"))

    assert conditions(said)["Throttled"] == ("True", "KillSwitch", "see CHG-7")


def test_many_overlaps_fit_into_the_status() -> None:
    crowd = tuple(f"policy-{'x' * 240}-{number}" for number in range(9))
    said = status(*[replace(WELL, others=crowd)] * 40)

    assert conditions(said)["Overlapping"][2].endswith("; and 35 more targets")


def test_an_overlap_does_not_block_ready() -> None:
    said = conditions(status(replace(WELL, others=("another",))))

    assert (said["Ready"][0], said["Stalled"][0], said["Reconciling"][0]) == ("True", "False", "False")
