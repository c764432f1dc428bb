"""Whether an action helped: by the same checks, with samples newer than the action, for long enough."""

from dataclasses import replace
from typing import Any

import pytest

from salus.core.records.changes import proof_by, take_back_by
from salus.core.remedy.undo import terms, wants_undo
from salus.core.remedy.verify import Judgement, counts_from, judge
from salus.model.change import ActionKind, Outcome, TakeBack
from salus.model.policy import OnFailure
from salus.model.values.changes import Change
from salus.model.values.metrics import Finding
from salus.model.values.policies import Policy
from tests.builders import (
    NOW,
    a_change,
    a_check,
    a_finding,
    a_finished_change,
    a_policy,
    ago,
    healthy,
    later,
    quiet,
    seconds,
    unknown,
    without_data,
)

RESTART, SCALE, ROLLBACK, RESTORE = ActionKind.RESTART, ActionKind.SCALE, ActionKind.ROLLBACK, ActionKind.RESTORE
PACE = {"settle": "30s", "stable": "1m", "timeout": "5m"}
CHECKS = (a_check("error-ratio", above=0.05), a_check("latency", above=1.0))
THEN = (("error-ratio", 0.08),)
"""What was unhealthy when the change was decided."""


def the_policy(*, window: float = 0, on_failure: str = "Undo", **pace: str) -> Policy:
    checks = (a_check("error-ratio", above=0.05, window=window), CHECKS[1])
    return a_policy(*checks, verify={**PACE, **pace, "onFailure": on_failure})


def the_write(action: ActionKind = RESTART, evidence: tuple[tuple[str, float | None], ...] = THEN) -> Change:
    """Applied at NOW, not finished."""
    return a_change(action=action, decided_at=NOW, applied_at=NOW, evidence=evidence)


def well(since: float, sampled: float) -> list[Finding]:
    return [healthy(name, since=later(since), sampled_at=later(sampled)) for name in ("error-ratio", "latency")]


def unhealthy(value: float = 0.08, *, since: float = -60, sampled: float = 400, check: str = "error-ratio") -> Finding:
    return a_finding(check=check, value=value, since=later(since), sampled_at=later(sampled))


def judged(*findings: Finding, at: float, policy: Policy | None = None, change: Change | None = None) -> Judgement:
    return judge(change or the_write(), policy or the_policy(), findings, later(at))


@pytest.mark.parametrize(
    ("window", "settle", "expected"),
    [
        pytest.param(0, "30s", 30, id="settle, where queries look at the moment"),
        pytest.param(10, "30s", 30, id="settle, where windows are shorter"),
        pytest.param(120, "30s", 120, id="the widest window, where it is longer: a rate still sees the past"),
        pytest.param(0, "0s", 0, id="at once, where nothing has to settle"),
    ],
)
def test_samples_count_from(window: float, settle: str, expected: float) -> None:
    assert counts_from(the_write(), the_policy(window=window, settle=settle)) == later(expected)


def test_a_window_that_nobody_knows_is_said() -> None:
    """Case 07: while it settles, and where it is found wanting."""
    hiding = a_policy(a_check("burn", window=60, hidden=("slo:burn:ratio",)), verify=PACE)
    change = the_write(evidence=(("burn", 0.08),))
    settling = judged(at=30, policy=hiding, change=change)
    failed = judged(unhealthy(check="burn"), at=400, policy=hiding, change=change)

    assert settling.message.endswith(" UTC; how far back burn looks is not known, see its window")
    assert failed.outcome is Outcome.NOT_RECOVERED
    assert failed.message.endswith("; how far back burn looks is not known, see its window")
    assert "not known" not in judged(at=10).message


def test_samples_count_from_the_decision_when_the_write_has_no_time() -> None:
    assert counts_from(a_change(decided_at=ago(5)), the_policy()) == later(25)


@pytest.mark.parametrize(
    ("findings", "at", "expected"),
    [
        pytest.param(well(-600, 10), 10, None, id="settling: nothing is said, however healthy"),
        pytest.param([unhealthy(9.9, sampled=29)], 29, None, id="settling: nothing is said, however bad"),
        pytest.param(well(0, 89), 89, None, id="healthy, but not for long enough"),
        pytest.param(well(0, 90), 90, Outcome.RECOVERED, id="healthy for `stable` after settling"),
        pytest.param(well(-600, 90), 90, Outcome.RECOVERED, id="health before the write counts from settling only"),
        pytest.param(well(50, 109), 109, None, id="healthy since 50 s: not yet at 109 s"),
        pytest.param(well(50, 110), 110, Outcome.RECOVERED, id="healthy since 50 s: at 110 s"),
        pytest.param(
            [healthy(since=NOW, sampled_at=later(90)), healthy("latency", since=later(80), sampled_at=later(90))],
            90,
            None,
            id="the check that cleared last counts",
        ),
        pytest.param(
            [healthy(since=NOW, sampled_at=later(90)), unknown("latency")], 90, None, id="an Unknown check holds it up"
        ),
        pytest.param(
            [healthy(since=NOW, sampled_at=later(90)), healthy("latency", since=None, sampled_at=later(90))],
            90,
            None,
            id="a pending breach holds it up",
        ),
        pytest.param(well(-600, 29), 200, None, id="samples older than the settled write never count"),
        pytest.param([], 200, None, id="no findings prove nothing"),
        pytest.param([unhealthy()], 299, None, id="still unhealthy: there is time left"),
        pytest.param([unhealthy()], 300, Outcome.NOT_RECOVERED, id="still unhealthy when time is up"),
        pytest.param([unknown(), unknown("latency")], 299, None, id="no answer: there is time left"),
        pytest.param([unknown(), unknown("latency")], 300, Outcome.INCONCLUSIVE, id="no answer when time is up"),
        pytest.param(
            [healthy(since=NOW, sampled_at=later(300)), unknown("latency")],
            300,
            Outcome.INCONCLUSIVE,
            id="one check without an answer is no proof",
        ),
        pytest.param([unhealthy(), unknown("latency")], 300, Outcome.NOT_RECOVERED, id="Unhealthy outweighs Unknown"),
        pytest.param([], 300, Outcome.INCONCLUSIVE, id="no findings at all when time is up"),
        pytest.param(well(-600, 29), 300, Outcome.INCONCLUSIVE, id="only old samples when time is up"),
        pytest.param(
            [healthy(since=NOW, sampled_at=None), *well(0, 300)[1:]],
            300,
            Outcome.INCONCLUSIVE,
            id="a sample of unknown age is no proof",
        ),
        pytest.param(well(290, 300), 300, None, id="healthy just before time is up: it may prove it"),
        pytest.param(well(290, 350), 350, Outcome.RECOVERED, id="and does"),
        pytest.param(well(299, 359), 359, Outcome.RECOVERED, id="to the last second"),
        pytest.param(
            [healthy(since=None, sampled_at=later(360)), *well(0, 360)[1:]],
            360,
            Outcome.NOT_RECOVERED,
            id="a breach pending when time is up",
        ),
        pytest.param(well(310, 360), 360, Outcome.NOT_RECOVERED, id="flapping: healthy only now and then"),
    ],
)
def test_the_outcome(findings: list[Finding], at: float, expected: Outcome | None) -> None:
    assert judged(*findings, at=at).outcome is expected


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        pytest.param(599, None, id="not before the window has passed"),
        pytest.param(659, None, id="nor before it could have been stable"),
        pytest.param(660, Outcome.NOT_RECOVERED, id="then"),
    ],
)
def test_a_window_longer_than_the_timeout_extends_it(at: float, expected: Outcome | None) -> None:
    assert judged(unhealthy(sampled=at), at=at, policy=the_policy(window=600)).outcome is expected


@pytest.mark.parametrize(
    ("finding", "change", "expected"),
    [
        pytest.param(
            unhealthy(3, check="latency", since=40),
            the_write(),
            Outcome.WORSE,
            id="a check that was well turned unhealthy",
        ),
        pytest.param(
            unhealthy(3, check="latency", since=0), the_write(), Outcome.WORSE, id="at the very moment of the write"
        ),
        pytest.param(
            unhealthy(3, check="latency", since=-1),
            the_write(),
            None,
            id="a check that was unhealthy before is not worse",
        ),
        pytest.param(
            unhealthy(3, check="latency", since=40, sampled=29),
            the_write(),
            None,
            id="an old sample never makes it worse",
        ),
        pytest.param(unhealthy(0.11), the_write(), Outcome.WORSE, id="twice as far beyond its bound"),
        pytest.param(unhealthy(0.109), the_write(), None, id="less than twice as far"),
        pytest.param(unhealthy(0.11, sampled=29), the_write(), None, id="twice as far by an old sample"),
        pytest.param(unhealthy(0.11), the_write(ROLLBACK), Outcome.WORSE, id="a rollback can make it worse"),
        pytest.param(
            unhealthy(0.9), the_write(SCALE), None, id="growing load is no fault of the replicas that were added"
        ),
        pytest.param(
            unhealthy(3, check="latency", since=40),
            the_write(SCALE),
            Outcome.WORSE,
            id="another check is, after scaling too",
        ),
        pytest.param(
            unhealthy(9),
            the_write(evidence=(("error-ratio", None),)),
            None,
            id="without a value before nothing is compared",
        ),
        pytest.param(
            a_finding(check="error-ratio", value=None, sampled_at=later(40)),
            the_write(),
            None,
            id="without a value now nothing is compared",
        ),
        pytest.param(
            unhealthy(9, check="gone", since=-60),
            the_write(evidence=(("gone", 1.0),)),
            None,
            id="a check that the policy no longer has is not compared",
        ),
        pytest.param(unhealthy(0.03), the_write(), None, id="inside the bound again, though not clear, is not worse"),
        pytest.param(
            healthy("latency", since=later(40), sampled_at=later(40)),
            the_write(),
            None,
            id="a healthy check is not worse",
        ),
        pytest.param(unknown("latency"), the_write(), None, id="an Unknown check is not worse"),
    ],
)
def test_worse_is_told_at_once(finding: Finding, change: Change, expected: Outcome | None) -> None:
    assert judged(finding, at=40, change=change).outcome is expected


def test_worse_below_a_bound() -> None:
    policy = a_policy(a_check("ready", below=10), verify=PACE)
    change = the_write(evidence=(("ready", 8.0),))

    assert judged(unhealthy(6.0, check="ready"), at=40, policy=policy, change=change).outcome is Outcome.WORSE
    assert judged(unhealthy(6.1, check="ready"), at=40, policy=policy, change=change).outcome is None


@pytest.mark.parametrize(
    ("findings", "at", "message"),
    [
        pytest.param([], 10, "settling, samples count from 12:00:30 UTC", id="settling"),
        pytest.param([unhealthy()], 60, "not healthy yet, needs 1m", id="waiting for health"),
        pytest.param(well(0, 70), 70, "healthy for 40s, needs 1m", id="waiting for stability"),
        pytest.param(well(0, 90), 90, "all checks healthy for 1m", id="recovered"),
        pytest.param(
            [unhealthy(3, check="latency", since=40)],
            60,
            "latency turned unhealthy after the action: 3, above 0.05",
            id="worse by another check",
        ),
        pytest.param([unhealthy(0.5)], 60, "error-ratio was 0.08, is 0.5, above 0.05", id="worse by the same check"),
        pytest.param([unhealthy()], 300, "after 5m still error-ratio: 0.08, above 0.05", id="not recovered"),
        pytest.param([unknown()], 300, "after 5m no trustworthy answer: error-ratio: Timeout", id="inconclusive"),
        pytest.param([], 300, "after 5m no trustworthy answer: no findings", id="nothing to judge by"),
        pytest.param(well(0, 20), 300, "after 5m no sample newer than the action", id="only old samples"),
        pytest.param(well(350, 360), 360, "after 5m healthy only now and then", id="flapping"),
    ],
)
def test_the_message_says_why(findings: list[Finding], at: float, message: str) -> None:
    assert judged(*findings, at=at).message == message


def test_flapping_never_recovers() -> None:
    """Healthy for 45 s, unhealthy for 15 s, again and again: never stable for a minute, and over when time is up."""
    outcomes = []
    for at in range(0, 421, 15):
        beat = at % 60
        finding = unhealthy(sampled=at) if beat == 0 else healthy(since=later(at - beat + 15), sampled_at=later(at))
        outcomes.append(judged(finding, at=at).outcome)

    assert set(outcomes) == {None, Outcome.NOT_RECOVERED}
    assert outcomes.index(Outcome.NOT_RECOVERED) == 300 // 15


def test_ready_pods_prove_nothing() -> None:
    """The judgement does not even get the workload: without findings there is no success."""
    assert all(judged(at=at).outcome in {None, Outcome.INCONCLUSIVE} for at in range(0, 1000, 50))


@pytest.mark.parametrize("finished", [Outcome.NOT_RECOVERED, Outcome.WORSE])
def test_a_scaling_that_did_not_help_is_undone(finished: Outcome) -> None:
    assert wants_undo(a_finished_change(action=SCALE), finished, the_policy())


@pytest.mark.parametrize(
    ("action", "outcome", "expected"),
    [
        pytest.param(SCALE, Outcome.RECOVERED, False, id="a scaling that helped stays"),
        pytest.param(SCALE, Outcome.INCONCLUSIVE, False, id="Unknown never acts, not even to undo"),
        pytest.param(SCALE, Outcome.FAILED, False, id="what was refused is not there to be undone"),
        pytest.param(ROLLBACK, Outcome.WORSE, True, id="a rollback that made it worse is undone"),
        pytest.param(ROLLBACK, Outcome.NOT_RECOVERED, False, id="the suspected release does not come back"),
        pytest.param(ROLLBACK, Outcome.INCONCLUSIVE, False, id="a rollback nobody could judge stays"),
        pytest.param(RESTORE, Outcome.WORSE, True, id="a restore that made it worse is undone"),
        pytest.param(RESTORE, Outcome.NOT_RECOVERED, False, id="a restore that did not help stays"),
        pytest.param(RESTART, Outcome.WORSE, False, id="a restart cannot be taken back"),
        pytest.param(RESTART, Outcome.NOT_RECOVERED, False, id="nor when it did not help"),
        pytest.param(ActionKind.NOTIFY, Outcome.WORSE, False, id="a notification is not taken back"),
    ],
)
def test_what_is_undone(action: ActionKind, outcome: Outcome, expected: bool) -> None:
    assert wants_undo(a_finished_change(action=action), outcome, the_policy()) is expected


def test_an_undo_is_never_undone() -> None:
    assert not wants_undo(a_finished_change(action=SCALE, undoes="checkout-0a1b2c3d-1"), Outcome.WORSE, the_policy())


def test_a_policy_may_keep_what_did_not_help() -> None:
    assert not wants_undo(a_finished_change(action=SCALE), Outcome.WORSE, the_policy(on_failure="Keep"))


def test_every_verdict_of_every_check_is_looked_at() -> None:
    """One unhealthy check among many healthy ones is not recovery."""
    many = [healthy(f"check-{n}", since=NOW, sampled_at=later(200)) for n in range(15)]

    assert judged(*many, at=200).outcome is Outcome.RECOVERED
    for index in range(len(many)):
        spoiled = [*many[:index], unhealthy(check=f"check-{index}"), *many[index + 1 :]]
        assert judged(*spoiled, at=200).outcome is None


# --- what is without data


def lacking(*before: str, unjudged: tuple[str, ...] = ("latency",)) -> Change:
    """As `the_write`, when `latency` had no verdict; `before`: what had no data before the fault either."""
    proof = proof_by(the_policy()).model_copy(update={"unjudged": unjudged, "without_data": before})
    return replace(the_write(), format=1, proof=proof)


WELL = healthy(since=NOW, sampled_at=later(300))


@pytest.mark.parametrize(
    ("findings", "change", "at", "expected"),
    [
        pytest.param([WELL, without_data()], lacking("latency"), 90, Outcome.RECOVERED, id="as before the fault"),
        pytest.param([WELL, without_data()], lacking(), 300, Outcome.INCONCLUSIVE, id="unlike before the fault"),
        pytest.param([WELL, without_data()], the_write(), 300, Outcome.INCONCLUSIVE, id="a record that does not say"),
        pytest.param(
            [WELL, unknown("latency")], lacking("latency"), 300, Outcome.INCONCLUSIVE, id="an error is no lack of data"
        ),
        pytest.param(
            [without_data("error-ratio"), healthy("latency", since=NOW, sampled_at=later(300))],
            lacking("error-ratio"),
            300,
            Outcome.INCONCLUSIVE,
            id="the evidence itself has to answer",
        ),
        pytest.param(
            [WELL, unhealthy(3, check="latency", since=40)],
            lacking("latency"),
            60,
            None,
            id="what nobody knew before the action is not worse after it",
        ),
        pytest.param(
            [WELL, unhealthy(3, check="latency", since=40)],
            lacking("latency"),
            300,
            Outcome.NOT_RECOVERED,
            id="and no recovery either",
        ),
        pytest.param(
            [WELL, unhealthy(3, check="latency", since=40)],
            lacking("latency", unjudged=()),
            60,
            Outcome.WORSE,
            id="what was well then is",
        ),
        pytest.param([WELL, quiet()], lacking(), 90, Outcome.RECOVERED, id="a quiet one proves and blocks nothing"),
        pytest.param(
            [quiet("error-ratio"), healthy("latency", since=NOW, sampled_at=later(300))],
            lacking(),
            300,
            Outcome.INCONCLUSIVE,
            id="the evidence is quiet",
        ),
        pytest.param([quiet("error-ratio"), quiet()], lacking(), 300, Outcome.INCONCLUSIVE, id="all are quiet"),
    ],
)
def test_proof_beside_a_check_without_data(
    findings: list[Finding], change: Change, at: float, expected: Outcome | None
) -> None:
    assert judged(*findings, at=at, change=change).outcome is expected


def test_who_proved_it_is_told() -> None:
    message = judged(WELL, without_data(), at=300, change=lacking("latency")).message

    assert message == "error-ratio healthy for 4m30s"


# --- what the record fixes, whatever the policy says since

VECTOR = {"name": "error-ratio", "query": "vector(1)", "unhealthy": {"above": "0.05"}}


def edited(**spec: Any) -> Policy:  # noqa: ANN401 — handed on to the builder
    """The policy of a write of generation 1, edited since."""
    return a_policy(*CHECKS, generation=2, **{"verify": PACE, **spec})


def a_recorded_write(action: ActionKind = SCALE, **spec: Any) -> Change:  # noqa: ANN401
    """As `the_write`, in the format that says by what it is verified and when it is taken back."""
    policy = a_policy(*CHECKS, **{"verify": PACE, **spec})
    fixed = {"format": 1, "take_back": take_back_by(policy, "grow"), "proof": proof_by(policy)}
    return replace(the_write(action), remedy="grow", **fixed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "policy", "at", "expected"),
    [
        pytest.param(
            a_recorded_write(),
            edited(verify={"settle": "0s", "stable": "0s", "timeout": "0s"}),
            299,
            None,
            id="no time left by the policy: the record has its own",
        ),
        pytest.param(
            a_recorded_write(),
            edited(verify={**PACE, "timeout": "6h"}),
            300,
            Outcome.NOT_RECOVERED,
            id="nor more of it",
        ),
        pytest.param(
            a_recorded_write(), edited(mode="Observe", remedies=[]), 300, Outcome.NOT_RECOVERED, id="mode and remedies"
        ),
        pytest.param(
            a_recorded_write(), edited(checks=[VECTOR]), 299, None, id="other checks: they may be put back yet"
        ),
        pytest.param(
            a_recorded_write(), edited(checks=[VECTOR]), 300, Outcome.INCONCLUSIVE, id="other checks prove no failure"
        ),
        pytest.param(
            a_recorded_write(),
            edited(checks=[VECTOR], verify={"settle": "0s", "stable": "0s", "timeout": "0s"}),
            299,
            None,
            id="other checks and no time left",
        ),
        pytest.param(the_write(SCALE), edited(), 300, Outcome.INCONCLUSIVE, id="format 0: any edit"),
        pytest.param(
            the_write(SCALE),
            a_policy(*CHECKS, verify=PACE, uid="another"),
            300,
            Outcome.INCONCLUSIVE,
            id="format 0: made again",
        ),
        pytest.param(
            the_write(SCALE), a_policy(*CHECKS, verify=PACE), 300, Outcome.NOT_RECOVERED, id="format 0: as it was"
        ),
    ],
)
def test_an_edit_makes_no_failure(change: Change, policy: Policy, at: float, expected: Outcome | None) -> None:
    assert judged(unhealthy(sampled=at), at=at, policy=policy, change=change).outcome is expected


@pytest.mark.parametrize(
    "findings", [well(-600, 200), [unhealthy(3, check="latency", since=40)]], ids=["well", "worse"]
)
def test_other_checks_prove_neither_success_nor_harm(findings: list[Finding]) -> None:
    outcomes = [
        judged(*findings, at=at, policy=edited(checks=[VECTOR]), change=a_recorded_write()).outcome
        for at in (100, 200, 299, 300)
    ]

    assert outcomes == [None, None, None, Outcome.INCONCLUSIVE]


LENT = {"name": "grow", "scale": {"by": "50%", "max": 12, "revertAfter": "30m"}}
SECONDS = {"name": "grow", "scale": {"by": "50%", "max": 12, "revertAfter": "1s"}}
UNDO_AND_LEND = TakeBack(on_failure=OnFailure.UNDO, revert_after=seconds(1800))
KEEP = TakeBack(on_failure=OnFailure.KEEP)
KEPT = {"verify": {**PACE, "onFailure": "Keep"}}


@pytest.mark.parametrize(
    ("change", "policy", "expected"),
    [
        pytest.param(a_recorded_write(remedies=[LENT]), edited(remedies=[SECONDS]), UNDO_AND_LEND, id="lent for less"),
        pytest.param(a_recorded_write(remedies=[LENT]), edited(remedies=[]), UNDO_AND_LEND, id="the remedy is gone"),
        pytest.param(a_recorded_write(remedies=[LENT]), edited(**KEPT), UNDO_AND_LEND, id="to be kept by now"),
        pytest.param(
            a_recorded_write(verify=KEPT["verify"]), edited(remedies=[SECONDS]), KEEP, id="kept, by now to be undone"
        ),
        pytest.param(
            replace(a_recorded_write(), take_back=None), edited(remedies=[SECONDS]), KEEP, id="cannot be taken back"
        ),
        pytest.param(
            replace(the_write(SCALE), remedy="grow"),
            a_policy(*CHECKS, remedies=[LENT]),
            UNDO_AND_LEND,
            id="format 0: as the policy says, which was not edited since",
        ),
        pytest.param(
            replace(the_write(SCALE), remedy="grow"),
            edited(remedies=[SECONDS]),
            KEEP,
            id="format 0: nobody knows what an edited policy said",
        ),
        pytest.param(
            replace(the_write(SCALE), remedy="grow"),
            a_policy(*CHECKS, remedies=[LENT], uid="another"),
            KEEP,
            id="format 0: made again",
        ),
    ],
)
def test_when_a_change_is_taken_back_is_as_the_record_says(change: Change, policy: Policy, expected: TakeBack) -> None:
    assert terms(change, policy) == expected
    assert wants_undo(change, Outcome.NOT_RECOVERED, policy) is (expected.on_failure is OnFailure.UNDO)
