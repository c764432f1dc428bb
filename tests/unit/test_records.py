"""How records are named and written: names that fit, numbers without a gap, bodies that stay small and read back."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from salus.core.records.changes import (
    Entry,
    action_of,
    attempt,
    belongs_to,
    change_body,
    checks_digest,
    decision_of,
    newest,
    of_incident,
    past_change,
    past_changes,
    proof_by,
)
from salus.core.records.entries import number_in
from salus.core.records.incidents import incident_body
from salus.core.records.names import change_name, incident_name, next_sequence, policy_id, target_id
from salus.core.records.releases import release_names
from salus.model.change import (
    ActionKind,
    ApprovalDecision,
    ChangeEventSpec,
    Decision,
    Facts,
    ManagedBy,
    Outcome,
    Proof,
    TakeBack,
)
from salus.model.incident import Attempt, IncidentSpec
from salus.model.meta import WorkloadKind
from salus.model.policy import Mode, OnFailure, Severity
from salus.model.scalars import LABEL_VALUE
from salus.model.values.changes import Change
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Finding
from salus.model.values.policies import Policy
from tests.builders import (
    GROW,
    NOW,
    PAGE,
    POLICY,
    RESTART,
    TARGET,
    UID,
    a_change,
    a_finding,
    a_finished_change,
    a_policy,
    a_workload,
    ago,
    an_action,
    later,
    seconds,
)

LONGEST = "x" * 252
NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", fullmatch=True)
RECORD = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def target(name: str, kind: WorkloadKind = WorkloadKind.DEPLOYMENT) -> TargetKey:
    return TargetKey("shop", kind, name)


@settings(derandomize=True)
@given(name=NAMES, kind=st.sampled_from(WorkloadKind), number=st.integers(1, 10**6), policy=NAMES)
@example(name="x" * 253, kind=WorkloadKind.STATEFUL_SET, number=10**6, policy="x" * 253)
@example(name="a" * 39 + ".b", kind=WorkloadKind.DAEMON_SET, number=1, policy="a" * 53 + ".b.c.d.e.f.g")
def test_every_name_fits_where_it_is_used(name: str, kind: WorkloadKind, number: int, policy: str) -> None:
    key = target(name, kind)

    for record in (
        change_name(key, number),
        incident_name(a_policy(name=policy), key, number),
        *release_names(key, "0" * 64),
    ):
        assert len(record) <= 253
        assert RECORD.fullmatch(record), record
    for label in (target_id(key), policy_id(policy)):
        assert len(label) <= 63
        assert re.fullmatch(LABEL_VALUE, label), label


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(target(LONGEST + "1"), target(LONGEST + "2"), id="names that differ after the cut"),
        pytest.param(target("a.b"), target("a-b"), id="a dot and a dash"),
        pytest.param(target("a"), target("a", WorkloadKind.STATEFUL_SET), id="two kinds of one name"),
    ],
)
def test_two_targets_never_share_a_name(one: TargetKey, other: TargetKey) -> None:
    assert target_id(one) != target_id(other)
    assert change_name(one, 1) != change_name(other, 1)
    assert incident_name(a_policy(), one, 1) != incident_name(a_policy(), other, 1)
    assert not {*release_names(one, "a" * 64)} & {*release_names(other, "a" * 64)}


def test_two_policies_share_the_names_of_changes_but_not_of_incidents() -> None:
    """The next change of a target is one for all; an incident is each policy's own."""
    assert incident_name(a_policy(name="one"), TARGET, 1) != incident_name(a_policy(name="two"), TARGET, 1)
    bodies = [change_body(an_entry(policy=a_policy(name=name)), 1, ()) for name in ("one", "two")]
    assert len({body["metadata"]["name"] for body in bodies}) == 1


def test_names_are_the_same_for_ever() -> None:
    """They are locks: another Salus, of another version, must come to the same."""
    assert change_name(TARGET, 7) == "checkout-f7524989-7"
    assert incident_name(a_policy(), TARGET, 7) == "checkout-e6582f00-7"
    short, long = release_names(TARGET, "0123456789" + "a" * 54)
    assert short == "salus-checkout-f7524989-0123456789"
    assert long == f"{short}{'a' * 54}"


@pytest.mark.parametrize(
    ("name", "label"),
    [
        pytest.param("checkout", "checkout", id="a short name as it is"),
        pytest.param("x" * 63, "x" * 63, id="as long as a label may be"),
    ],
)
def test_a_policy_as_a_label(name: str, label: str) -> None:
    assert policy_id(name) == label


def test_long_policy_names_stay_apart_as_labels() -> None:
    assert policy_id("x" * 64) != policy_id("x" * 65)


@pytest.mark.parametrize(
    ("sequences", "expected"),
    [
        pytest.param([], 1, id="the first is 1"),
        pytest.param([1, 2, 3], 4, id="the next one after the newest"),
        pytest.param([3, 1, 2], 4, id="in whatever order they are listed"),
        pytest.param([7], 8, id="older ones may have been collected"),
    ],
)
def test_the_sequence_is_gapless(sequences: list[int], expected: int) -> None:
    assert next_sequence(a_change(sequence) for sequence in sequences) == expected


@pytest.mark.parametrize(
    "decision",
    ["Act", "DryRun", "AwaitApproval", "Advise", "Refuse"],
    ids=lambda decision: f"{decision} takes a number",
)
def test_every_decision_counts_for_the_sequence(decision: str) -> None:
    assert next_sequence([a_change(4, decision=decision, policy="other", outcome="Abandoned")]) == 5


@pytest.mark.parametrize(
    ("mode", "decision"),
    [
        pytest.param(Mode.OBSERVE, Decision.DRY_RUN, id="Observe rehearses"),
        pytest.param(Mode.APPROVE, Decision.AWAIT_APPROVAL, id="Approve asks"),
        pytest.param(Mode.ENFORCE, Decision.ACT, id="Enforce acts"),
    ],
)
def test_what_a_mode_makes_of_a_decision(mode: Mode, decision: Decision) -> None:
    assert decision_of(mode, ActionKind.RESTART) is decision


# --- change events

PATCH = ({"op": "test", "path": "/metadata/uid", "value": UID}, {"op": "replace", "path": "/spec/replicas", "value": 5})
INCIDENT_BODY = {"metadata": {"name": "checkout-0a1b2c3d-1", "uid": "uid-of-incident"}}


def an_entry(*because: Finding, **fields: Any) -> Entry:  # noqa: ANN401 — handed on to the dataclass
    workload = a_workload()
    action = an_action(
        ActionKind.SCALE,
        remedy="grow",
        before=workload.facts(),
        intended=workload.facts(replicas=5),
        inverse=({"op": "replace", "path": "/spec/replicas", "value": 3},),
    )
    usual: dict[str, Any] = {
        "policy": a_policy(change={"type": "Standard", "model": "STD-0042", "service": "checkout"}),
        "action": action,
        "decision": Decision.ACT,
        "reason": "AboveThreshold",
        "message": action.message,
        "decided_at": NOW,
        "incident": INCIDENT_BODY,
        "because": because or (a_finding(since=ago(60)),),
        "operator": "salus 0.1.0 pod-1",
        "identity": "system:serviceaccount:shop:salus-remediator",
    }
    return Entry(**{**usual, **fields})


def test_a_change_event_has_the_schema_of_its_kind() -> None:
    body = change_body(an_entry(managed_by=ManagedBy(tool="Helm", ref="shop/checkout")), 7, PATCH)
    spec = ChangeEventSpec.parse(body["spec"])

    assert body["metadata"]["name"] == change_name(TARGET, 7)
    assert body["metadata"]["namespace"] == "shop"
    assert body["metadata"]["labels"] == {"salus.dev/target": target_id(TARGET), "salus.dev/policy": POLICY}
    assert (spec.sequence, spec.decision, spec.action) == (7, Decision.ACT, ActionKind.SCALE)
    assert [operation.op for operation in spec.patch] == ["test", "replace"]
    assert spec.evidence[0].value == "0.08"
    assert spec.managed_by is not None
    assert spec.managed_by.tool == "Helm"
    assert spec.incident_ref is not None
    assert spec.incident_ref.uid == "uid-of-incident"


def test_a_record_carries_no_labels_of_the_workload_and_no_owner() -> None:
    """GitOps tools would prune it, and the garbage collector take it away with the policy."""
    metadata = change_body(an_entry(), 7, PATCH)["metadata"]

    assert set(metadata) == {"name", "namespace", "labels"}
    assert all(label.startswith("salus.dev/") for label in metadata["labels"])


def written(entry: Entry, status: Mapping[str, Any] | None = None) -> dict[str, Any]:
    body = change_body(entry, 7, PATCH)
    return {**body, "metadata": {**body["metadata"], "uid": "uid-of-change"}, "status": dict(status or {})}


def test_a_change_event_reads_back() -> None:
    status = {"outcome": "Recovered", "appliedAt": "2026-11-22T12:00:01Z", "completedAt": "2026-11-22T12:02:00Z"}
    entry = an_entry()

    assert past_change(written(entry, status)) == Change(
        name=change_name(TARGET, 7),
        uid="uid-of-change",
        sequence=7,
        decision=Decision.ACT,
        action=ActionKind.SCALE,
        reason="AboveThreshold",
        policy=POLICY,
        policy_generation=1,
        incident="checkout-0a1b2c3d-1",
        remedy="grow",
        target_uid=UID,
        decided_at=NOW,
        applied_at=later(1),
        completed_at=later(120),
        outcome=Outcome.RECOVERED,
        message=entry.action.message,
        evidence=(("error-ratio", 0.08),),
        before=entry.action.before,
        intended=entry.action.intended,
        policy_uid="uid-of-policy",
        format=1,
        take_back=TakeBack(on_failure=OnFailure.UNDO),
        proof=proof_by(entry.policy),
    )


LENT = {"name": "grow", "scale": {"by": "50%", "max": 12, "revertAfter": "30m"}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"remedies": [LENT]}, TakeBack(on_failure=OnFailure.UNDO, revert_after=seconds(1800)), id="lent"),
        pytest.param(
            {"remedies": [LENT], "verify": {"onFailure": "Keep"}},
            TakeBack(on_failure=OnFailure.KEEP, revert_after=seconds(1800)),
            id="kept where it does not help",
        ),
        pytest.param({"remedies": [GROW]}, TakeBack(on_failure=OnFailure.UNDO), id="nothing said of giving it back"),
    ],
)
def test_a_record_says_when_it_is_taken_back(spec: Mapping[str, Any], expected: TakeBack) -> None:
    assert past_change(written(an_entry(policy=a_policy(**spec)))).take_back == expected


def test_a_record_says_by_what_it_is_verified() -> None:
    policy = a_policy(verify={"settle": "1s", "stable": "2s", "timeout": "3s"})
    proof = past_change(written(an_entry(policy=policy))).proof

    assert proof == Proof(settle=seconds(1), stable=seconds(2), timeout=seconds(3), checks=checks_digest(policy))


def test_what_cannot_be_taken_back_does_not_say_when() -> None:
    restart = past_change(written(an_entry(action=an_action())))

    assert restart.take_back is None
    assert restart.proof is not None


def test_an_undo_is_neither_verified_nor_taken_back() -> None:
    undo = past_change(written(an_entry(action=an_action(ActionKind.SCALE, undoes=change_name(TARGET, 6)))))

    assert (undo.take_back, undo.proof) == (None, None)


OTHER_CHECK = {"name": "error-ratio", "query": "vector(1)", "unhealthy": {"above": "0.05"}}
SAME_CHECK = {"name": "error-ratio", "query": "errors", "unhealthy": {"above": "0.05"}}


@pytest.mark.parametrize(
    ("spec", "same"),
    [
        pytest.param({"mode": "Observe", "suspend": True, "remedies": []}, True, id="mode, suspend and remedies"),
        pytest.param({"verify": {"timeout": "9m"}, "limits": {"maxActions": 9}}, True, id="windows and limits"),
        pytest.param({"source": "default", "interval": "15s"}, True, id="a default that is written out"),
        pytest.param({"checks": [OTHER_CHECK]}, False, id="another query"),
        pytest.param({"checks": [{**SAME_CHECK, "unhealthy": {"above": "0"}}]}, False, id="another threshold"),
        pytest.param({"checks": [{**SAME_CHECK, "for": "1m"}]}, False, id="another for"),
        pytest.param({"checks": [{**SAME_CHECK, "onNoData": "Unhealthy"}]}, False, id="another answer to no data"),
        pytest.param({"checks": [SAME_CHECK, {**OTHER_CHECK, "name": "more"}]}, False, id="one check more"),
        pytest.param({"source": "elsewhere"}, False, id="another source"),
        pytest.param({"interval": "1h"}, False, id="another interval, so that older samples would do"),
    ],
)
def test_the_digest_of_the_checks_is_of_all_that_an_answer_depends_on(spec: Mapping[str, Any], same: bool) -> None:
    assert (checks_digest(a_policy(**spec)) == checks_digest(a_policy())) is same


def test_the_order_of_the_checks_does_not_matter() -> None:
    both = [SAME_CHECK, {**OTHER_CHECK, "name": "more"}]

    assert checks_digest(a_policy(checks=both)) == checks_digest(a_policy(checks=both[::-1]))


def test_a_record_of_before_formats_were_counted_reads_back_as_format_0() -> None:
    body = written(an_entry())
    for field in ("format", "takeBack", "proof"):
        del body["spec"][field]

    change = past_change(body)

    assert (change.format, change.take_back, change.proof) == (0, None, None)


@pytest.mark.parametrize(
    ("policy", "mine"),
    [
        pytest.param(a_policy(), True, id="the policy that made it"),
        pytest.param(a_policy(generation=9), True, id="edited since"),
        pytest.param(a_policy(uid="another"), False, id="deleted, and made again under the same name"),
        pytest.param(a_policy(name="another"), False, id="another policy"),
    ],
)
def test_whose_record_it_is(policy: Policy, mine: bool) -> None:
    assert belongs_to(past_change(written(an_entry())), policy) is mine


def test_an_unfinished_change_event_reads_back_as_open() -> None:
    change = past_change(written(an_entry()))

    assert change.open
    assert (change.applied_at, change.completed_at, change.outcome) == (None, None, None)


def test_a_refusal_of_an_older_salus_is_read_by_the_word_of_today() -> None:
    body = written(an_entry())

    assert past_change({**body, "spec": {**body["spec"], "reason": "NotOwned"}}).reason == "NotPermitted"


def test_an_outcome_that_this_salus_does_not_know_is_over_and_proves_nothing() -> None:
    change = past_change(written(an_entry(), {"outcome": "Wonderful", "appliedAt": "2026-11-22T12:00:01Z"}))

    assert (change.outcome, change.applied_at) == (Outcome.INCONCLUSIVE, later(1))


@pytest.mark.parametrize(
    ("word", "said"),
    [
        pytest.param("Approved", ApprovalDecision.APPROVED, id="yes"),
        pytest.param("Denied", ApprovalDecision.DENIED, id="no"),
        pytest.param("Perhaps", None, id="neither a yes nor a no allows nothing"),
    ],
)
def test_what_a_person_said_reads_back(word: str, said: ApprovalDecision | None) -> None:
    body = written(an_entry())

    assert past_change({**body, "spec": {**body["spec"], "approval": {"decision": word, "by": "ada"}}}).approval is said


def test_a_decision_that_this_salus_does_not_know_cannot_be_read() -> None:
    body = written(an_entry())

    with pytest.raises(ValueError, match="Ponder"):
        past_change({**body, "spec": {**body["spec"], "decision": "Ponder"}})


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param(0.0, 0.0, id="zero is a value"),
        pytest.param(None, None, id="no value is none"),
        pytest.param(-2.5, -2.5, id="negative"),
        pytest.param(1.5e300, 1.5e300, id="very large"),
        pytest.param(0.123456789, 0.123457, id="six digits are kept"),
    ],
)
def test_evidence_reads_back(value: float | None, kept: float | None) -> None:
    assert past_change(written(an_entry(a_finding(value=value)))).evidence == (("error-ratio", kept),)


def test_an_undo_reads_back_with_what_it_undoes() -> None:
    undo = an_action(ActionKind.SCALE, undoes="checkout-0a1b2c3d-6", reason="Undo")

    assert past_change(written(an_entry(action=undo))).undoes == "checkout-0a1b2c3d-6"


@pytest.mark.parametrize("at", ["", "1970-01-01T00:00:00Z", "2999-12-31T23:59:59Z", "yesterday"])
def test_nothing_goes_by_when_a_person_says_that_they_approved(at: str) -> None:
    body = written(an_entry(decision=Decision.AWAIT_APPROVAL))
    body["spec"]["approval"] = {"decision": "Approved", "by": "ada", "at": NOW.isoformat()}
    honest = past_change(body)
    body["spec"]["approval"]["at"] = at

    assert past_change(body) == honest


def test_an_approval_reads_back() -> None:
    body = written(an_entry(decision=Decision.AWAIT_APPROVAL))
    body["spec"]["approval"] = {"decision": "Approved", "by": "ada", "ticket": "CHG-7"}

    assert past_change(body).approval == "Approved"
    assert past_change(body).approved_by == "ada (ticket CHG-7)"
    assert past_change(body).open
    assert past_change(body).waits


def test_a_record_without_an_incident_reads_back() -> None:
    """A revert belongs to none."""
    assert past_change(written(an_entry(incident=None))).incident == ""


def test_a_recorded_change_can_be_judged_again() -> None:
    body = written(an_entry())
    action = action_of(past_change(body), body, TARGET)

    assert (action.kind, action.target, action.target_uid) == (ActionKind.SCALE, TARGET, UID)
    assert action.patch == PATCH
    assert action.intended.replicas == 5


def test_records_are_read_oldest_first_by_their_numbers() -> None:
    bodies = [change_body(an_entry(), sequence, ()) for sequence in (10, 9, 11)]

    assert [change.sequence for change in past_changes(bodies)] == [9, 10, 11]


def size(body: Mapping[str, Any]) -> int:
    return len(json.dumps(body, ensure_ascii=False).encode())


def the_largest(letter: str) -> Entry:
    """Everything as long as its schema allows; what people or tenants write, in letters of one to four bytes."""
    text = letter * 256
    policy = a_policy(change={"model": text, "service": text, "ticket": text}, name="p" * 253, remedies=[RESTART])
    images = tuple(f"{n:02}{letter * 510}" for n in range(20))
    action = an_action(
        before=Facts(images=images, replicas=3, release="0123456789"),
        intended=Facts(images=images, replicas=5, release="0123456789"),
        target=target("t" * 253),
        remedy="r" * 63,
        undoes="u" * 253,
    )
    findings = [
        a_finding(check=f"{n:02}{'c' * 61}", query=letter * 4096, value=0.123456789, since=NOW) for n in range(16)
    ]
    return an_entry(
        *findings,
        policy=policy,
        action=action,
        message=letter * 5000,
        operator="o" * 256,
        identity="i" * 256,
        managed_by=ManagedBy(tool=text, ref=text),
    )


@pytest.mark.parametrize("letter", ["x", "é", "☕", "🩺"], ids=lambda letter: f"{len(letter.encode())} bytes a letter")
def test_the_largest_record_stays_within_16_kib(letter: str) -> None:
    body = change_body(the_largest(letter), 10**6, PATCH)

    assert size(body) <= 16 * 1024
    assert len(ChangeEventSpec.parse(body["spec"]).evidence) == 16


def test_what_is_long_is_cut_only_as_far_as_needed() -> None:
    query = "x" * 3000
    one = change_body(an_entry(a_finding(query=query)), 7, PATCH)
    many = change_body(an_entry(*[a_finding(check=f"check-{n}", query=query) for n in range(16)]), 7, PATCH)

    assert [len(row["query"]) for row in one["spec"]["evidence"]] == [2048]
    assert [len(row["query"]) for row in many["spec"]["evidence"]] == [512] * 16


def test_a_query_is_recorded_on_one_line() -> None:
    body = change_body(an_entry(a_finding(query="sum(\n  errors\n)\n")), 7, PATCH)

    assert body["spec"]["evidence"][0]["query"] == "sum( errors )"


# --- incidents


@pytest.mark.parametrize(
    ("remedies", "severity"),
    [
        pytest.param([RESTART], Severity.WARNING, id="a warning, by default"),
        pytest.param([RESTART, PAGE], Severity.CRITICAL, id="critical, where a remedy would page"),
        pytest.param([{"name": "tell", "notify": {}}], Severity.WARNING, id="a warning, where it only tells"),
    ],
)
def test_an_incident_has_the_schema_of_its_kind(remedies: list[Mapping[str, Any]], severity: Severity) -> None:
    body = incident_body(a_policy(remedies=remedies), a_workload(), ago(90), 3)
    spec = IncidentSpec.parse(body["spec"])

    assert body["metadata"]["name"] == incident_name(a_policy(), TARGET, 3)
    assert body["metadata"]["labels"] == {"salus.dev/target": target_id(TARGET), "salus.dev/policy": POLICY}
    assert (spec.severity, spec.opened_at, spec.target_ref.uid) == (severity, ago(90), UID)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(a_change(7), {}, id="under way: no outcome yet"),
        pytest.param(
            a_finished_change(7, outcome="Recovered"), {"outcome": "Recovered"}, id="finished: with its outcome"
        ),
    ],
)
def test_a_change_as_a_line_of_its_incident(change: Change, expected: Mapping[str, str]) -> None:
    line = attempt(change)

    assert line == {
        "remedy": "restart",
        "changeRef": "checkout-0a1b2c3d-7",
        "decision": "Act",
        "reason": "AboveThreshold",
        "at": "2026-11-22T12:00:00Z",
        **expected,
    }
    assert Attempt.parse(line).outcome == expected.get("outcome", "")


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_reads_back(outcome: Outcome) -> None:
    assert past_change(written(an_entry(), {"outcome": outcome.value})).outcome == outcome


def test_the_records_of_an_incident_are_its_own() -> None:
    changes = [a_change(1), a_change(2, incident="another"), a_change(3, incident=""), a_change(4)]

    assert [change.sequence for change in of_incident(changes, INCIDENT_BODY)] == [1, 4]
    assert of_incident(changes, None) == []


def test_the_newest_record_of_a_policy() -> None:
    changes = [a_change(1), a_change(2), a_change(3, policy="another")]

    assert newest(a_policy(), changes) == changes[1]
    assert newest(a_policy(), changes[2:]) is None


@pytest.mark.parametrize("written", [1, 9, 10, 123])
def test_an_incident_s_number_reads_back(written: int) -> None:
    body = incident_body(a_policy(), a_workload(), NOW, written)
    assert number_in(body) == written


@pytest.mark.parametrize(("status", "expected"), [({}, 1), ({"occurrences": 8}, 8)], ids=["said once", "said often"])
def test_how_often_a_refusal_was_given(status: Mapping[str, Any], expected: int) -> None:
    assert past_change(written(an_entry(decision=Decision.REFUSE), status)).occurrences == expected
