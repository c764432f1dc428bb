"""Promises of the pure core, over everything that hypothesis can think of; the same examples at every run."""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Any

import jsonpatch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from salus.core.actions import plan
from salus.core.actions.patch import resolved
from salus.core.guards.chain import review
from salus.core.health.evaluate import Reading, evaluate, stale_after
from salus.core.policy.promql import PART, with_sample_times
from salus.core.records.changes import decision_of, proof_by
from salus.core.remedy.ladder import Exhausted, Proposal, decide
from salus.core.remedy.verify import judge
from salus.model.change import ActionKind, Outcome
from salus.model.policy import Mode, Verdict
from salus.model.values.changes import Action, Change
from salus.model.values.configuration import Switches
from salus.model.values.metrics import Answer, CheckState, Error, Finding, Query, Value
from salus.model.values.policies import CompiledCheck
from salus.sources.reply import answer as answer_in
from salus.sources.reply import data_in, reply_in
from tests.builders import (
    GROW,
    INTERVAL,
    NOW,
    PAGE,
    RESTART,
    ROLLBACK,
    a_change,
    a_check,
    a_deployment_body,
    a_finding,
    a_finished_change,
    a_plan,
    a_policy,
    a_release,
    a_template,
    ago,
    an_action,
    an_observation,
    healthy,
    later,
    quiet,
    seconds,
    unknown,
    without_data,
)

deterministic = settings(derandomize=True, max_examples=200)

# --- Unknown never acts

QUERY = "errors"
PROBE = with_sample_times(QUERY)


def row(value: str, at: float, **labels: str) -> dict[str, Any]:
    return {"metric": {PART: "value", **labels}, "value": [at, value]}


def newest(sampled: float, at: float) -> dict[str, Any]:
    return {"metric": {PART: "0"}, "value": [at, str(sampled)]}


def success(*result: Mapping[str, Any], **more: object) -> bytes:
    document = {"status": "success", "data": {"resultType": "vector", "result": result}, **more}
    return json.dumps(document).encode()


Reply = Callable[[float], tuple[int, bytes]]
"""Status and body at a time, in Unix seconds."""

NO_NUMBERS: Mapping[str, Reply] = {
    "NaN": lambda at: (200, success(row("NaN", at), newest(at, at))),
    "plus infinity": lambda at: (200, success(row("+Inf", at), newest(at, at))),
    "minus infinity": lambda at: (200, success(row("-Inf", at), newest(at, at))),
    "an empty vector": lambda _: (200, success()),
    "a stale sample": lambda at: (200, success(row("1", at), newest(at - 121, at))),
    "two series": lambda at: (200, success(row("1", at, pod="a"), row("1", at, pod="b"), newest(at, at))),
    "a warning": lambda at: (200, success(row("1", at), newest(at, at), warnings=["a store did not answer"])),
    "a partial answer": lambda at: (200, success(row("1", at), newest(at, at), isPartial=True)),
    "HTTP 500": lambda at: (500, success(row("1", at), newest(at, at))),
    "a redirect": lambda at: (302, success(row("1", at), newest(at, at))),
    "an error": lambda _: (200, b'{"status":"error","errorType":"timeout","error":"query timed out"}'),
    "a page": lambda _: (200, b"<html>login</html>"),
    "half a body": lambda at: (200, success(row("1", at))[:-9]),
    "nothing at all": lambda _: (200, b""),
    "a string": lambda _: (200, b'{"status":"success","data":{"resultType":"string","result":[1,"1"]}}'),
    "a histogram": lambda _: (200, success({"metric": {}, "histogram": [1, {"count": "1"}]})),
    "a word for a number": lambda at: (200, success(row("many", at), newest(at, at))),
}


def understood(reply: Reply, now: datetime) -> Answer:
    """The answer as Salus' own source reads it."""
    data = data_in("prometheus", *reply(now.timestamp()))
    if isinstance(data, Error):
        return data
    read = reply_in("prometheus", data, PROBE)
    return read if isinstance(read, Error) else answer_in(read, Query("default", QUERY, stale_after(INTERVAL)))


def a_number(value: float) -> Reply:
    return lambda at: (200, success(row(str(value), at), newest(at, at)))


BOUNDS = st.sampled_from([a_check(above=0), a_check(above=0.05, hold=60), a_check(below=10), a_check(below=1e9)])


def test_a_number_is_understood_as_one() -> None:
    """Else the property below would hold for the wrong reason."""
    assert understood(a_number(0.5), NOW) == Value(0.5, NOW)
    assert all(not isinstance(understood(reply, NOW), Value) for reply in NO_NUMBERS.values())


@deterministic
@given(check=BOUNDS, replies=st.lists(st.sampled_from(sorted(NO_NUMBERS)), max_size=40), step=st.integers(1, 400))
def test_no_sequence_of_bad_answers_is_ever_unhealthy(check: CompiledCheck, replies: list[str], step: int) -> None:
    memory = CheckState()
    for count, name in enumerate(replies):
        now = NOW + seconds(count * step)
        finding, memory = evaluate(check, Reading(QUERY, understood(NO_NUMBERS[name], now), now), memory, INTERVAL)
        assert finding.verdict is Verdict.UNKNOWN, name
        assert memory == CheckState()


@deterministic
@given(
    check=BOUNDS,
    replies=st.lists(st.one_of(st.sampled_from(sorted(NO_NUMBERS)), st.floats(-100, 100)), max_size=40),
    step=st.integers(1, 400),
)
def test_only_a_number_beyond_its_bound_makes_a_check_unhealthy(
    check: CompiledCheck, replies: list[str | float], step: int
) -> None:
    memory, was = CheckState(), False
    for count, reply in enumerate(replies):
        now = NOW + seconds(count * step)
        asked = a_number(reply) if isinstance(reply, float) else NO_NUMBERS[reply]
        finding, memory = evaluate(check, Reading(QUERY, understood(asked, now), now), memory, INTERVAL)
        if finding.verdict is Verdict.UNHEALTHY and not was:
            assert isinstance(reply, float)
            assert check.unhealthy.crossed_by(reply)
        assert (finding.verdict is Verdict.UNKNOWN) == isinstance(reply, str)
        was = finding.verdict is Verdict.UNHEALTHY


NOTHING_THERE = ("NaN", "plus infinity", "minus infinity", "an empty vector", "a stale sample")


@deterministic
@given(check=BOUNDS, reply=st.sampled_from(sorted(NO_NUMBERS)))
def test_only_a_source_in_good_order_is_without_data(check: CompiledCheck, reply: str) -> None:
    finding, _ = evaluate(check, Reading(QUERY, understood(NO_NUMBERS[reply], NOW), NOW), CheckState(), INTERVAL)

    assert finding.without_data == (reply in NOTHING_THERE)


REPLIES = st.one_of(st.sampled_from(sorted(NO_NUMBERS)), st.floats(-100, 100))


@deterministic
@given(replies=st.lists(st.tuples(REPLIES, st.floats(0, 59.9)), max_size=40), step=st.integers(1, 400))
def test_too_little_traffic_begins_ends_and_teaches_nothing(
    replies: list[tuple[str | float, float]], step: int
) -> None:
    check, memory = a_check(above=0.05, at_least=60), CheckState()
    for count, (reply, much) in enumerate(replies):
        now = NOW + seconds(count * step)
        asked = a_number(reply) if isinstance(reply, float) else NO_NUMBERS[reply]
        reading = Reading(QUERY, understood(asked, now), now, Value(much, now))
        finding, memory = evaluate(check, reading, memory, INTERVAL)

        in_error = isinstance(reply, str) and reply not in NOTHING_THERE
        assert finding.verdict is (Verdict.UNKNOWN if in_error else Verdict.QUIET)
        assert memory == CheckState()


# --- only Unhealthy acts

CHECKS = (a_check("error-ratio"), a_check("latency"), a_check("ready"))
FINDINGS = st.tuples(
    *(
        st.one_of(
            st.builds(
                a_finding,
                st.sampled_from(Verdict),
                check=st.just(check.name),
                value=st.one_of(st.none(), st.floats(allow_nan=True)),
            ),
            st.just(without_data(check.name)),
        )
        for check in CHECKS
    )
)
REMEDIES = st.lists(
    st.builds(
        lambda rung, checks: {**rung, **({"checks": checks} if checks else {})},
        st.sampled_from([RESTART, ROLLBACK, GROW, PAGE]),
        st.lists(st.sampled_from([check.name for check in CHECKS]), max_size=3, unique=True),
    ),
    max_size=4,
    unique_by=lambda remedy: remedy["name"],
)
NAMES = ("restart", "undo-release", "grow", "page")
RECORDS = st.lists(
    st.builds(
        a_change,
        st.integers(1, 99),
        decision=st.sampled_from(["Act", "DryRun", "AwaitApproval", "Advise", "Refuse"]),
        outcome=st.sampled_from(["", "Recovered", "NotRecovered", "Abandoned", "Expired"]),
        remedy=st.sampled_from(NAMES),
        action=st.sampled_from(ActionKind),
        reason=st.sampled_from(["CooldownActive", "NoKnownGoodRelease", "AttemptsExhausted", "AboveThreshold"]),
        approval=st.sampled_from(["", "Approved", "Denied"]),
    ),
    max_size=6,
)


@deterministic
@given(findings=FINDINGS, remedies=REMEDIES, changes=RECORDS)
def test_an_action_is_only_ever_proposed_when_a_verdict_is_unhealthy(
    findings: tuple[Finding, ...], remedies: list[Mapping[str, Any]], changes: list[Change]
) -> None:
    decided = decide(a_policy(*CHECKS, remedies=remedies), findings, changes)
    unhealthy = [finding for finding in findings if finding.verdict is Verdict.UNHEALTHY]

    if isinstance(decided, Proposal):
        assert decided.because
        assert set(decided.because) <= set(unhealthy)
        assert not any(change.open for change in changes)
    if isinstance(decided, Exhausted):
        assert unhealthy


@deterministic
@given(findings=FINDINGS, remedies=REMEDIES)
def test_what_may_be_done_rests_on_a_breach_and_on_no_error_among_the_checks_of_its_remedy(
    findings: tuple[Finding, ...], remedies: list[Mapping[str, Any]]
) -> None:
    """Of whatever is without data beside the breach nothing follows, in either direction."""
    policy = a_policy(*CHECKS, remedies=remedies)
    for remedy in (remedy for remedy in remedies if "notify" not in remedy):
        named = remedy.get("checks") or [check.name for check in CHECKS]
        asked = [finding for finding in findings if finding.check in named]
        breach = any(finding.verdict is Verdict.UNHEALTHY for finding in asked)
        error = any(finding.verdict is Verdict.UNKNOWN and not finding.without_data for finding in asked)
        action = an_action(ActionKind.RESTART, remedy=remedy["name"])
        refusal = review(policy, action, an_observation(findings=findings))

        if refusal is None and not all(finding.verdict in {Verdict.HEALTHY, Verdict.QUIET} for finding in asked):
            assert breach
            assert not error
        if breach and not error:
            assert refusal is None


VERDICTS = ("healthy", "unhealthy", "in error", "without data", "quiet")


@deterministic
@given(
    said=st.tuples(*[st.sampled_from(VERDICTS)] * 3),
    evidence=st.sets(st.sampled_from([check.name for check in CHECKS]), min_size=1),
    before=st.sets(st.sampled_from([check.name for check in CHECKS])),
)
def test_a_proof_is_strict(said: tuple[str, ...], evidence: set[str], before: set[str]) -> None:
    """Recovered: the evidence is healthy, each other check healthy, quiet, or without data as before the fault."""
    made: Mapping[str, Callable[[str], Finding]] = {
        "healthy": lambda name: healthy(name, since=NOW, sampled_at=later(600)),
        "unhealthy": lambda name: a_finding(check=name, since=ago(60), sampled_at=later(600)),
        "in error": unknown,
        "without data": without_data,
        "quiet": quiet,
    }
    policy = a_policy(*CHECKS)
    proof = proof_by(policy).model_copy(update={"without_data": tuple(before)})
    change = a_change(applied_at=NOW, evidence=tuple((name, 0.3) for name in evidence), format=1, proof=proof)
    findings = [made[word](check.name) for word, check in zip(said, CHECKS, strict=True)]
    outcome = judge(change, policy, findings, later(600)).outcome

    proven = all(
        word == "healthy"
        or (word == "without data" and check.name in before - evidence)
        or (word == "quiet" and check.name not in evidence)
        for word, check in zip(said, CHECKS, strict=True)
    )
    assert (outcome is Outcome.RECOVERED) == (proven and "healthy" in said)
    assert (outcome is Outcome.NOT_RECOVERED) == ("unhealthy" in said)


@deterministic
@given(
    findings=FINDINGS, remedies=REMEDIES, outcomes=st.lists(st.sampled_from(["NotRecovered", "Inconclusive", "Worse"]))
)
def test_a_ladder_ends(findings: tuple[Finding, ...], remedies: list[Mapping[str, Any]], outcomes: list[str]) -> None:
    """However often it is asked, each rung is taken once, in order, and then people are called."""
    assume(any(finding.verdict is Verdict.UNHEALTHY for finding in findings))
    policy = a_policy(*CHECKS, remedies=remedies)
    taken: list[Change] = []
    while isinstance(decided := decide(policy, findings, taken), Proposal):
        outcome = outcomes[len(taken)] if len(taken) < len(outcomes) else "Failed"
        taken.append(a_finished_change(len(taken) + 1, remedy=decided.remedy.name, outcome=outcome))
        assert len(taken) <= len(remedies)
    order = [remedy["name"] for remedy in remedies]

    assert isinstance(decided, Exhausted)
    assert [change.remedy for change in taken] == [name for name in order if name in {c.remedy for c in taken}]


LIVE, OLD = a_deployment_body(template=a_template("shop:v2")), a_release(a_template("shop:v1"))


@deterministic
@given(findings=FINDINGS, remedies=REMEDIES, changes=RECORDS)
def test_observe_decides_as_enforce_does(
    findings: tuple[Finding, ...], remedies: list[Mapping[str, Any]], changes: list[Change]
) -> None:
    """Decision, plan and review are the same to the last byte; only what the record calls it differs."""

    def path(mode: Mode) -> object:
        policy = a_policy(*CHECKS, remedies=remedies, mode=mode.value)
        decided = decide(policy, findings, changes)
        if not isinstance(decided, Proposal):
            return decided
        rung = next(remedy for remedy in remedies if remedy["name"] == decided.remedy.name)
        planned = plan(a_plan(rung, LIVE, *decided.because, releases=(OLD,), release_started_at=ago(300)))
        refusal = review(policy, planned, an_observation(findings=findings)) if isinstance(planned, Action) else None
        return decided, planned, refusal

    assert path(Mode.OBSERVE) == path(Mode.ENFORCE) == path(Mode.APPROVE)
    assert len({decision_of(mode, ActionKind.RESTART) for mode in Mode}) == 3


@deterministic
@given(kind=st.sampled_from(sorted(set(ActionKind) - {ActionKind.NOTIFY})), findings=FINDINGS, undo=st.booleans())
def test_the_kill_switch_holds_every_write(kind: ActionKind, findings: tuple[Finding, ...], undo: bool) -> None:
    action = an_action(kind, undoes="checkout-0a1b2c3d-1" if undo else "")

    assert review(a_policy(), action, an_observation(findings=findings, switches=Switches(True))) is not None


# --- limits

MOMENTS = st.lists(
    st.tuples(
        st.integers(0, 900),
        st.sampled_from([ActionKind.RESTART, ActionKind.SCALE, ActionKind.ROLLBACK, ActionKind.NOTIFY]),
        st.integers(0, 30),
        st.sampled_from(["Recovered", "NotRecovered", "Failed", "Abandoned"]),
        st.sampled_from(["checkout-health", "another"]),
    ),
    max_size=60,
)


@deterministic
@given(moments=MOMENTS, most=st.integers(1, 5), per=st.integers(1, 60), cooldown=st.integers(0, 600))
def test_attempts_never_exceed_their_limit_in_any_window(
    moments: list[tuple[int, ActionKind, int, str, str]], most: int, per: int, cooldown: int
) -> None:
    """When every proposal passes the guards, however the proposals come; of each policy, and the pause over both."""
    records: list[Change] = []
    now = NOW
    for wait, kind, lag, outcome, name in moments:
        now += seconds(wait)
        policy = a_policy(name=name, limits={"cooldown": f"{cooldown}s", "maxActions": most, "per": f"{per}m"})
        if review(policy, an_action(kind), an_observation(now=now, changes=tuple(records))) is None:
            done = now + seconds(lag)
            write = a_finished_change(len(records) + 1, done=done, action=kind, outcome=outcome, policy=name)
            records.append(replace(write, decided_at=now))
            now = done
    acted = [c for c in records if c.action is not ActionKind.NOTIFY]
    times = [c.applied_at for c in acted if c.applied_at]

    assert all(later - earlier >= seconds(cooldown) for earlier, later in pairwise(times))
    for name in ("checkout-health", "another"):
        mine = [c.applied_at for c in acted if c.policy == name and c.outcome != "Abandoned" and c.applied_at]
        assert all(later - earlier >= seconds(60 * per) for earlier, later in zip(mine, mine[most:], strict=False)), (
            f"{most} in {per}m"
        )


# --- patches

AMOUNTS = st.one_of(
    st.builds(lambda to, most: {"to": min(to, most), "max": most}, st.integers(1, 60), st.integers(1, 60)),
    st.builds(lambda by, most: {"by": str(by), "max": most}, st.integers(1, 9999), st.integers(1, 10000)),
    st.builds(lambda by, most: {"by": f"{by}%", "max": most}, st.integers(1, 9999), st.integers(1, 10000)),
    st.builds(
        lambda each, most: {"perReplica": each, "max": most},
        st.sampled_from(["0.000000001", "0.5", "1", "100", "999999999999999"]),
        st.integers(1, 10000),
    ),
)


@deterministic
@given(
    wish=AMOUNTS,
    least=st.integers(1, 10000),
    live=st.integers(0, 12000),
    value=st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
)
@example(wish={"perReplica": "0.000000001", "max": 12}, least=1, live=3, value=1e308)
def test_a_scaling_stays_within_its_bounds_and_is_never_0(
    wish: dict[str, Any], least: int, live: int, value: float | None
) -> None:
    wish = {**wish, "min": min(least, wish["max"])}
    action = plan(
        a_plan({"name": "grow", "scale": wish}, a_deployment_body(replicas=live), a_finding(value=value, since=ago(60)))
    )

    if isinstance(action, Action):
        after = jsonpatch.JsonPatch(list(action.patch)).apply(a_deployment_body(replicas=live))["spec"]["replicas"]
        assert 0 < live <= wish["max"]
        assert 1 <= wish["min"] <= after <= wish["max"]
        assert after == action.intended.replicas != live


TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
KEYS = st.text("abc./~-0 ", min_size=1, max_size=6)
TEMPLATES = st.builds(
    lambda image, labels, annotations, env: {
        "metadata": {"labels": labels, **({"annotations": annotations} if annotations is not None else {})},
        "spec": {"containers": [{"image": image, "env": env}]},
    },
    TEXT,
    st.dictionaries(KEYS, TEXT, max_size=3),
    st.one_of(st.none(), st.dictionaries(KEYS, TEXT, max_size=3)),
    st.lists(st.fixed_dictionaries({"name": TEXT, "value": TEXT}), max_size=2),
)


@deterministic
@given(old=TEMPLATES, new=TEMPLATES, replicas=st.integers(1, 12), remedy=st.sampled_from([GROW, ROLLBACK]))
def test_a_patch_and_its_inverse_leave_the_spec_as_it_was(
    old: dict[str, Any], new: dict[str, Any], replicas: int, remedy: Mapping[str, Any]
) -> None:
    body = a_deployment_body(template=new, replicas=replicas)
    releases = (a_release(old), a_release(new, healthy_at=None))
    action = plan(a_plan(remedy, body, releases=releases, release_started_at=ago(300)))
    assume(isinstance(action, Action))
    assert isinstance(action, Action)
    templates = {release.hash: release.template for release in releases}

    there = jsonpatch.JsonPatch(list(resolved(action.patch, templates.__getitem__))).apply(deepcopy(body))
    back = jsonpatch.JsonPatch(list(resolved(action.inverse, templates.__getitem__))).apply(there)
    assert there != body
    assert back == body


@deterministic
@given(template=TEMPLATES)
def test_a_restart_changes_one_annotation_of_any_template(template: dict[str, Any]) -> None:
    body = a_deployment_body(template=template)
    action = plan(a_plan(RESTART, body))
    assert isinstance(action, Action)
    after = jsonpatch.JsonPatch(list(action.patch)).apply(deepcopy(body))
    annotations = after["spec"]["template"]["metadata"]["annotations"]

    assert annotations.pop("kubectl.kubernetes.io/restartedAt") == "2026-11-22T12:00:00Z"
    assert annotations == (template["metadata"].get("annotations") or {})
    after["spec"]["template"]["metadata"].pop("annotations")
    body["spec"]["template"]["metadata"].pop("annotations", None)
    assert after == body
