"""The ladder: which rung is next, when to wait, and when to call people."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from salus.core.guards.chain import GUARDS, INFEASIBLE, LASTING
from salus.core.health.overall import Needed, healthy_for, overall
from salus.core.remedy.ladder import Exhausted, Proposal, Wait, decide, grace, mode_of, still_relevant
from salus.model.change import ActionKind, Facts
from salus.model.policy import Mode, Verdict
from salus.model.values.changes import Change, Then
from salus.model.values.metrics import Finding
from tests.builders import (
    GROW,
    NOW,
    PAGE,
    RESTART,
    ROLLBACK,
    a_change,
    a_check,
    a_finding,
    a_finished_change,
    a_policy,
    a_refusal,
    a_remedy,
    a_workload,
    ago,
    healthy,
    quiet,
    seconds,
    unknown,
    without_data,
)

UNHEALTHY = a_finding()
LADDER = (ROLLBACK, RESTART, GROW, PAGE)
CHECKS = (a_check("error-ratio"), a_check("latency"))


def step(
    *changes: Change,
    findings: Sequence[Finding] = (UNHEALTHY,),
    remedies: Sequence[Mapping[str, Any]] = LADDER,
    mode: str = "Enforce",
) -> str:
    """What is decided: a remedy by name, or a reason."""
    match decide(a_policy(*CHECKS, remedies=remedies, mode=mode), findings, changes):
        case Proposal(remedy=remedy):
            return remedy.name
        case Wait(reason=reason):
            return f"Wait {reason}"
        case Exhausted(reason=reason):
            return f"Exhausted {reason}"


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        pytest.param([UNHEALTHY], "undo-release", id="an unhealthy check proposes the first rung"),
        pytest.param([UNHEALTHY, healthy("latency")], "undo-release", id="one unhealthy check is enough"),
        pytest.param(
            [UNHEALTHY, unknown("latency")], "undo-release", id="whether an Unknown holds back is for a guard to say"
        ),
        pytest.param([healthy()], "Wait NotUnhealthy", id="health proposes nothing"),
        pytest.param([unknown()], "Wait NotUnhealthy", id="Unknown proposes nothing"),
        pytest.param([unknown(), healthy("latency")], "Wait NotUnhealthy", id="Unknown and health propose nothing"),
        pytest.param([], "Wait NotUnhealthy", id="no findings propose nothing"),
    ],
)
def test_only_an_unhealthy_check_proposes(findings: list[Finding], expected: str) -> None:
    assert step(findings=findings) == expected


ROLLED_BACK = a_finished_change(1, remedy="undo-release", action=ActionKind.ROLLBACK)
RESTARTED = a_finished_change(2, remedy="restart")
GROWN = a_finished_change(3, remedy="grow", action=ActionKind.SCALE)
PAGED = a_change(4, remedy="page", action=ActionKind.NOTIFY, completed_at=NOW)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param([ROLLED_BACK], "restart", id="after the first rung the second"),
        pytest.param([ROLLED_BACK, RESTARTED], "grow", id="after the second the third"),
        pytest.param([ROLLED_BACK, RESTARTED, GROWN], "page", id="after the third the fourth"),
        pytest.param([ROLLED_BACK, RESTARTED, GROWN, PAGED], "Exhausted LadderExhausted", id="then nothing is left"),
        pytest.param([RESTARTED], "undo-release", id="the order is the ladder's, not the history's"),
        pytest.param([a_change(1, remedy="undo-release")], "Wait ChangeUnderWay", id="an open change is waited for"),
        pytest.param(
            [a_change(1, remedy="undo-release", applied_at=NOW)], "Wait ChangeUnderWay", id="one in verification too"
        ),
        pytest.param(
            [a_change(1, action=ActionKind.NOTIFY)], "Wait ChangeUnderWay", id="a notification on its way too"
        ),
    ],
)
def test_each_rung_has_one_turn_in_order(changes: list[Change], expected: str) -> None:
    assert step(*changes) == expected


@pytest.mark.parametrize("outcome", ["NotRecovered", "Inconclusive", "Worse", "Failed", "Contested"])
def test_a_rung_that_did_not_help_is_spent_whatever_came_of_it(outcome: str) -> None:
    assert step(a_finished_change(1, remedy="undo-release", outcome=outcome)) == "restart"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            [a_finished_change(1, remedy="restart", outcome="Recovered")],
            "undo-release",
            id="the order is the ladder's",
        ),
        pytest.param(
            [ROLLED_BACK, a_finished_change(2, remedy="restart", outcome="Recovered")],
            "restart",
            id="what helped may help again",
        ),
        pytest.param(
            [
                ROLLED_BACK,
                a_finished_change(2, remedy="restart", outcome="Recovered"),
                a_finished_change(3, remedy="restart"),
            ],
            "grow",
            id="what helped once and not again is spent",
        ),
    ],
)
def test_a_rung_that_helped_may_be_taken_again_in_a_relapse(changes: list[Change], expected: str) -> None:
    assert step(*changes) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param([a_change(1, outcome="Abandoned")], "restart", id="Abandoned may try again"),
        pytest.param(
            [a_change(1, outcome="Abandoned"), a_change(2, outcome="Abandoned")],
            "restart",
            id="Abandoned twice as well",
        ),
        pytest.param(
            [a_change(1, outcome="Abandoned"), a_finished_change(2)],
            "page",
            id="tried after it was Abandoned: it had its turn",
        ),
        pytest.param(
            [a_finished_change(1), a_change(2, outcome="Abandoned")],
            "page",
            id="Abandoned after it was tried: it had its turn",
        ),
        pytest.param(
            [a_finished_change(1, outcome="Undone", undoes="checkout-0a1b2c3d-9")],
            "restart",
            id="an undo is no turn of the rung",
        ),
        pytest.param(
            [
                a_finished_change(1, outcome="NotRecovered"),
                a_finished_change(2, outcome="Undone", undoes="checkout-0a1b2c3d-1"),
            ],
            "page",
            id="what was tried and undone had its turn",
        ),
        pytest.param(
            [a_change(1, decision="DryRun")], "Wait Rehearsed", id="a rehearsal waits: its effect is not known"
        ),
        pytest.param([a_change(1, decision="Advise")], "page", id="what was advised had its turn"),
        pytest.param([a_change(1, decision="AwaitApproval")], "Wait AwaitingApproval", id="an approval is waited for"),
        pytest.param(
            [a_change(1, decision="AwaitApproval", approval="Approved")],
            "Wait ChangeUnderWay",
            id="once approved it is a change under way",
        ),
        pytest.param([a_change(1, decision="AwaitApproval", approval="Denied")], "page", id="denied is spent"),
        pytest.param(
            [a_change(1, decision="AwaitApproval", approval="Denied", outcome="Abandoned")],
            "page",
            id="denied and finished is spent",
        ),
        pytest.param(
            [a_change(1, decision="AwaitApproval", approval="Denied", outcome="Abandoned", policy_generation=99)],
            "page",
            id="denied holds when the policy was edited since",
        ),
        pytest.param(
            [a_change(1, decision="AwaitApproval", outcome="Abandoned")],
            "restart",
            id="a question that became void is asked anew",
        ),
        pytest.param(
            [a_change(1, decision="AwaitApproval", approval="Approved", outcome="Abandoned")],
            "restart",
            id="approved, but not to be done just then: asked anew",
        ),
        pytest.param(
            [a_change(1, decision="AwaitApproval", outcome="Expired")],
            "page",
            id="an approval that never came is spent",
        ),
    ],
)
def test_what_a_record_means_for_its_rung(changes: list[Change], expected: str) -> None:
    assert step(*changes, remedies=(RESTART, PAGE)) == expected


WAITING = [guard.reason for guard in GUARDS if guard.then is Then.WAIT]


@pytest.mark.parametrize("reason", WAITING, ids=lambda reason: f"{reason} only waits")
def test_a_refusal_that_waits_does_not_spend_the_rung(reason: str) -> None:
    assert step(a_refusal(reason), remedies=(RESTART, PAGE)) == "restart"


@pytest.mark.parametrize("reason", sorted(LASTING), ids=lambda reason: f"{reason} lasts")
def test_a_refusal_that_lasts_spends_the_rung(reason: str) -> None:
    assert step(a_refusal(reason), remedies=(RESTART, PAGE)) == "page"


def test_which_refusals_last() -> None:
    assert {
        "HpaOwnsReplicas",
        "GitOpsOwnsField",
        "OperatorOwned",
        "AttemptsExhausted",
        "DisruptionBudget",
        "PodsRefused",
        "QuotaExceeded",
    } == LASTING - INFEASIBLE


def test_a_waiting_refusal_after_a_turn_gives_no_second_turn() -> None:
    assert step(a_finished_change(1), a_refusal("CooldownActive", 2), remedies=(RESTART, PAGE)) == "page"


FOR_LATENCY = {**RESTART, "name": "for-latency", "checks": ["latency"]}
FOR_ERRORS = {**RESTART, "name": "for-errors", "checks": ["error-ratio"]}
FOR_BOTH = {**RESTART, "name": "for-both", "checks": ["latency", "error-ratio"]}
LATE = a_finding(check="latency")


@pytest.mark.parametrize(
    ("findings", "remedies", "expected"),
    [
        pytest.param([UNHEALTHY], [FOR_LATENCY, PAGE], "page", id="a rung for another check is passed over"),
        pytest.param([LATE], [FOR_LATENCY, PAGE], "for-latency", id="a rung for this check is taken"),
        pytest.param([UNHEALTHY, LATE], [FOR_LATENCY, PAGE], "for-latency", id="one of the unhealthy checks is enough"),
        pytest.param([UNHEALTHY], [FOR_BOTH], "for-both", id="a rung for several checks needs one of them"),
        pytest.param([UNHEALTHY], [FOR_LATENCY], "Exhausted LadderExhausted", id="no rung fits"),
        pytest.param([UNHEALTHY], [], "Exhausted NoRemedies", id="a policy without remedies"),
        pytest.param(
            [a_finding(Verdict.UNKNOWN, check="latency"), UNHEALTHY],
            [FOR_LATENCY],
            "Exhausted LadderExhausted",
            id="an Unknown check is no reason for its rung",
        ),
    ],
)
def test_a_rung_for_certain_checks(findings: list[Finding], remedies: list[Mapping[str, Any]], expected: str) -> None:
    assert step(findings=findings, remedies=remedies) == expected


def test_a_rung_that_did_not_fit_then_has_its_turn_when_it_fits() -> None:
    changes = [a_finished_change(1, remedy="for-errors")]

    assert step(*changes, findings=[UNHEALTHY, LATE], remedies=[FOR_LATENCY, FOR_ERRORS]) == "for-latency"


def test_a_proposal_names_the_findings_that_speak_for_it() -> None:
    policy = a_policy(*CHECKS, remedies=[FOR_LATENCY])

    assert decide(policy, [UNHEALTHY, LATE], []) == Proposal(policy.spec.remedies[0], (LATE,))


def test_reasons_are_sentences_that_name_checks_and_records() -> None:
    policy = a_policy(*CHECKS, remedies=(RESTART,))

    assert decide(policy, [UNHEALTHY], [a_change(7)]) == Wait("ChangeUnderWay", "checkout-0a1b2c3d-7 is not finished")
    assert decide(policy, [UNHEALTHY, LATE], [a_finished_change(7)]) == Exhausted(
        "LadderExhausted", "error-ratio, latency: every remedy that fits was tried, advised or refused"
    )


@pytest.mark.parametrize("mode", ["Observe", "Approve", "Enforce"])
def test_the_mode_changes_nothing_in_what_is_decided(mode: str) -> None:
    assert step(ROLLED_BACK, mode=mode) == "restart"


# --- what still binds, when people change the policy or the release while an incident lasts

A, B, C = "release-a", "release-b", "release-c"


def at(release: str, *, becomes: str = "", generation: int = 1, sequence: int = 1, **fields: Any) -> Change:  # noqa: ANN401 — handed on
    """A finished write on a target of this release."""
    facts: Mapping[str, Any] = {"before": Facts(release=release), "intended": Facts(release=becomes or release)}
    return a_finished_change(sequence, policy_generation=generation, **facts, **fields)


def refusal_at(release: str, sequence: int = 2) -> Change:
    return a_refusal("OperatorOwned", sequence, before=Facts(release=release), intended=Facts(release=release))


@pytest.mark.parametrize(
    ("changes", "release", "bind"),
    [
        pytest.param([at(A)], A, 1, id="nothing changed"),
        pytest.param([at(A)], B, 0, id="another release: every rung may have its turn again"),
        pytest.param([at(A, becomes=B)], B, 1, id="the release that Salus itself put there"),
        pytest.param([at(A, becomes=B)], A, 0, id="the release that Salus took away came back"),
        pytest.param([at(A), at(B)], B, 1, id="a release in between: only what came after it binds"),
        pytest.param([at(A, becomes=B), at(B)], B, 2, id="a rollback in between is no release"),
        pytest.param([at(A, becomes=B), at(B, becomes=A, undoes="x")], A, 2, id="nor is its undo"),
        pytest.param([at(A), at(B), at(C)], C, 1, id="two releases in between"),
        pytest.param([at(A), refusal_at(A)], A, 2, id="a refusal tells the release too"),
        pytest.param([refusal_at(A), at(B)], B, 1, id="a release after a refusal"),
        pytest.param([at(A, generation=2)], A, 0, id="another generation of the policy"),
        pytest.param([at(A, generation=2), at(A)], A, 1, id="only what this generation did binds"),
        pytest.param([at(A, generation=0)], A, 1, id="a record that names no generation binds"),
        pytest.param([a_finished_change(1)], A, 1, id="a record that names no release binds"),
        pytest.param([at(A)], "", 1, id="when the live release is not known everything binds"),
        pytest.param([], A, 0, id="no records"),
    ],
)
def test_which_records_still_bind(changes: list[Change], release: str, bind: int) -> None:
    assert list(still_relevant(a_policy(), changes, release)) == changes[len(changes) - bind :]


def test_a_release_in_an_incident_gives_each_rung_its_turn_again() -> None:
    policy = a_policy(*CHECKS, remedies=(RESTART, PAGE))

    assert decide(policy, [UNHEALTHY], [at(A)], A) == Proposal(policy.spec.remedies[1], (UNHEALTHY,))
    assert decide(policy, [UNHEALTHY], [at(A)], B) == Proposal(policy.spec.remedies[0], (UNHEALTHY,))


def test_an_open_change_of_an_older_generation_is_still_waited_for() -> None:
    open_one = a_change(3, policy_generation=2)

    assert decide(a_policy(*CHECKS), [UNHEALTHY], [open_one]) == Wait(
        "ChangeUnderWay", "checkout-0a1b2c3d-3 is not finished"
    )


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        pytest.param([healthy(), healthy("latency")], Verdict.HEALTHY, id="all healthy"),
        pytest.param([healthy(), unknown("latency")], Verdict.UNKNOWN, id="Unknown outweighs health"),
        pytest.param([unknown(), UNHEALTHY, healthy()], Verdict.UNHEALTHY, id="Unhealthy outweighs all"),
        pytest.param([quiet(), healthy()], Verdict.HEALTHY, id="health outweighs Quiet"),
        pytest.param([quiet(), unknown()], Verdict.UNKNOWN, id="and so does Unknown"),
        pytest.param([quiet(), quiet("p99")], Verdict.QUIET, id="nothing but Quiet"),
        pytest.param([], Verdict.UNKNOWN, id="nothing to judge by is Unknown"),
    ],
)
def test_the_worst_check_speaks_for_the_target(findings: list[Finding], verdict: Verdict) -> None:
    assert overall(findings) is verdict


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        pytest.param([healthy(since=ago(60))], 60, id="since the check is clear"),
        pytest.param([healthy(since=ago(60)), healthy("latency", since=ago(20))], 20, id="the youngest check counts"),
        pytest.param([healthy(since=ago(60)), healthy("latency", since=None)], None, id="a pending breach breaks it"),
        pytest.param([healthy(since=ago(60)), unknown("latency")], None, id="an Unknown breaks it"),
        pytest.param([a_finding(since=ago(60))], None, id="an unhealthy check breaks it"),
        pytest.param([healthy(since=ago(60)), quiet("latency")], 60, id="a Quiet does not"),
        pytest.param([], None, id="nothing to judge by is not health"),
    ],
)
def test_healthy_for(findings: list[Finding], expected: float | None) -> None:
    assert healthy_for(findings, NOW) == (None if expected is None else seconds(expected))


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        pytest.param([healthy(since=ago(60)), without_data("p99")], 60, id="without data, as before"),
        pytest.param([healthy(since=ago(60)), without_data("other")], None, id="without data, unlike before"),
        pytest.param([healthy(since=ago(60)), unknown("p99")], None, id="an error is no lack of data"),
        pytest.param([without_data(), without_data("p99")], None, id="the check of the evidence without data"),
        pytest.param([without_data("p99")], None, id="nobody says that all is well"),
        pytest.param([healthy(since=ago(60)), quiet("p99"), quiet("other")], 60, id="quiet ones"),
        pytest.param([quiet(), healthy("p99", since=ago(60))], None, id="the check of the evidence is quiet"),
        pytest.param([quiet("p99"), quiet("other")], None, id="all of them are quiet"),
        pytest.param([healthy(since=ago(60)), a_finding(check="p99")], None, id="an unhealthy one"),
    ],
)
def test_what_was_without_data_when_all_was_well_need_not_answer(
    findings: list[Finding], expected: float | None
) -> None:
    needed = Needed({"error-ratio", "latency"}, ("p99", "latency"))

    assert healthy_for(findings, NOW, needed) == (None if expected is None else seconds(expected))


@pytest.mark.parametrize(
    ("of_policy", "of_remedy", "expected"),
    [
        pytest.param("Enforce", None, Mode.ENFORCE, id="the policy's, by default"),
        pytest.param("Enforce", "Observe", Mode.OBSERVE, id="the remedy's, where it is shyer"),
        pytest.param("Enforce", "Approve", Mode.APPROVE, id="the remedy's approval"),
        pytest.param("Approve", "Observe", Mode.OBSERVE, id="shyer than approval"),
        pytest.param("Observe", "Enforce", Mode.OBSERVE, id="never bolder than the policy's"),
        pytest.param("Approve", "Enforce", Mode.APPROVE, id="never bolder than approval"),
    ],
)
def test_the_mode_of_a_remedy(of_policy: str, of_remedy: str | None, expected: Mode) -> None:
    assert mode_of(a_policy(mode=of_policy), a_remedy({**RESTART, "mode": of_remedy})) is expected


@pytest.mark.parametrize("mode_cap", Mode)
def test_the_operator_may_be_shyer_than_every_policy(mode_cap: Mode) -> None:
    assert mode_of(a_policy(mode="Enforce"), a_remedy(), mode_cap) is mode_cap
    assert mode_of(a_policy(mode="Observe"), a_remedy(), mode_cap) is Mode.OBSERVE


class TestGrace:
    """A release that people put there during an incident is judged by what came after it."""

    TRIED = (a_finished_change(1, remedy="restart", before=Facts(release="known"), intended=Facts(release="known")),)

    @pytest.mark.parametrize(
        ("release", "arrived", "waits"),
        [
            pytest.param("another", 5, True, id="another release that has just arrived has its grace"),
            pytest.param("another", 29, True, id="as long as the checks look back"),
            pytest.param("another", 30, False, id="then it is judged"),
            pytest.param(None, 5, False, id="the release that the records know has none"),
            pytest.param("another", None, False, id="a workload that does not tell has none"),
        ],
    )
    def test_of_another_release(self, release: str | None, arrived: float | None, waits: bool) -> None:
        policy = a_policy(a_check(window=20))
        moment = None if arrived is None else ago(arrived)
        workload = dataclasses.replace(a_workload(), release=release or "known", progressed_at=moment)

        wait = grace(policy, self.TRIED, workload, NOW)

        assert (wait is not None) is waits
        assert wait is None or wait.reason == "ReleaseChanged"
