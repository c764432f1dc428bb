"""Questions to people: when they are over, what an answer is bound to, and what the whole loop makes of them."""

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from salus.core.objects.workloads import RESTARTED_AT
from salus.core.records.changes import question_digest
from salus.core.remedy.approvals import Ended, end_of, is_what_was_approved, not_allowed_by_mode
from salus.model.policy import Mode
from salus.model.scalars import Body, parse_time
from salus.model.values.changes import Change
from salus.model.values.configuration import Switches
from salus.model.values.keys import PolicyKey
from salus.model.values.objects import Workload
from salus.model.values.policies import Policy
from salus.ports import CHANGE_EVENTS, HEALTH_POLICIES, Ref
from tests.builders import NOW, RESTART, a_change, a_policy, a_workload, ago, later
from tests.unit.stage import NAME, NAMESPACE, TARGET, TICK, Stage, a_stage

LONG = 40
"""Ticks; enough for any story here to end."""
ASKING = a_policy(mode="Approve")
HOUR = timedelta(hours=1)


def a_question(**fields: Any) -> Change:  # noqa: ANN401
    """A restart of the present workload that waits for a person, asked a minute ago."""
    usual: dict[str, Any] = {
        "decision": "AwaitApproval",
        "decided_at": ago(60),
        "expires_at": later(3540),
        "policy_uid": ASKING.uid,
        "policy_generation": ASKING.generation,
        "before": a_workload().facts(),
    }
    return a_change(**{**usual, **fields})


APPROVED = {"approval": "Approved", "approved_by": "ada (ticket CHG-7)"}


@pytest.mark.parametrize(
    ("question", "policy", "workload", "mode_cap"),
    [
        pytest.param(a_question(), ASKING, a_workload(), Mode.ENFORCE, id="nobody has answered yet"),
        pytest.param(a_question(**APPROVED), ASKING, a_workload(), Mode.ENFORCE, id="approved, and nothing changed"),
        pytest.param(a_question(expires_at=later(1)), ASKING, a_workload(), Mode.ENFORCE, id="a second is left"),
        pytest.param(a_question(), ASKING, a_workload(), Mode.APPROVE, id="the operator is no bolder either"),
        pytest.param(
            a_question(), a_policy(mode="Enforce"), a_workload(), Mode.ENFORCE, id="a rung of a bolder policy asks"
        ),
    ],
)
def test_a_question_stands(question: Change, policy: Policy, workload: Workload, mode_cap: Mode) -> None:
    assert end_of(question, policy, workload, mode_cap, NOW) is None


@pytest.mark.parametrize(
    ("question", "policy", "workload", "expected"),
    [
        pytest.param(
            a_question(approval="Denied", approved_by="ada"),
            ASKING,
            a_workload(),
            "Abandoned: denied by ada; this holds for the rest of the incident",
            id="a no is the end",
        ),
        pytest.param(
            a_question(approval="Denied", approved_by="ada", expires_at=NOW),
            ASKING,
            a_workload(),
            "Abandoned: denied by ada; this holds for the rest of the incident",
            id="a no that came in time is no expiry, however late it is read",
        ),
        pytest.param(
            a_question(expires_at=NOW),
            ASKING,
            a_workload(),
            "Expired: nobody answered before 2026-11-22T12:00:00Z",
            id="its time is over, to the second",
        ),
        pytest.param(
            a_question(expires_at=ago(1), **APPROVED),
            ASKING,
            a_workload(),
            "Expired: approved by ada (ticket CHG-7), but not done before 2026-11-22T11:59:59Z",
            id="approved, but too late to be done",
        ),
        pytest.param(
            a_question(expires_at=None, decided_at=NOW - HOUR),
            ASKING,
            a_workload(),
            "Expired: nobody answered before 2026-11-22T12:00:00Z",
            id="a record of an older Salus, which says no time, waits an hour",
        ),
        pytest.param(
            a_question(**APPROVED),
            ASKING,
            a_workload(generation=8),
            "Abandoned: Deployment/checkout was changed since people were asked (generation 7, now 8)",
            id="approved, but there is another release by now",
        ),
        pytest.param(
            a_question(**APPROVED),
            ASKING,
            a_workload(uid="another"),
            "Abandoned: Deployment/checkout was deleted and made again",
            id="approved, but the workload is another one of the same name",
        ),
        pytest.param(
            a_question(**APPROVED, before=None),
            ASKING,
            a_workload(),
            "Abandoned: Deployment/checkout was changed since people were asked (generation None, now 7)",
            id="approved, but the record does not say of which generation",
        ),
        pytest.param(
            a_question(**APPROVED),
            a_policy(mode="Approve", generation=2),
            a_workload(),
            "Abandoned: policy checkout-health was edited since people were asked",
            id="approved, but the policy is another one by now",
        ),
        pytest.param(
            a_question(**APPROVED),
            a_policy(mode="Approve", uid="another"),
            a_workload(),
            "Abandoned: policy checkout-health was deleted and made again since people were asked",
            id="approved, but the policy was made again",
        ),
        pytest.param(
            a_question(**APPROVED),
            a_policy(mode="Approve", remedies=({"name": "other", "restart": {}},)),
            a_workload(),
            "Abandoned: policy checkout-health has no remedy restart any more",
            id="approved, but the remedy is gone",
        ),
        pytest.param(
            a_question(**APPROVED),
            a_policy(mode="Observe"),
            a_workload(),
            "Abandoned: the mode of restart is Observe by now",
            id="approved, but nothing may be done any more",
        ),
    ],
)
def test_a_question_is_over(question: Change, policy: Policy, workload: Workload, expected: str) -> None:
    ended = end_of(question, policy, workload, Mode.ENFORCE, NOW)

    assert isinstance(ended, Ended)
    assert f"{ended.outcome}: {ended.message}" == expected


def test_an_operator_in_dry_run_ends_what_was_approved() -> None:
    ended = end_of(a_question(**APPROVED), ASKING, a_workload(), Mode.OBSERVE, NOW)

    assert ended is not None
    assert ended.message == "the mode of restart is Observe by now"


@pytest.mark.parametrize(
    ("change", "mode", "expected"),
    [
        pytest.param(a_change(), "Enforce", None, id="meant under Enforce, and it still is"),
        pytest.param(
            a_change(),
            "Approve",
            "ApprovalRequired: the mode of restart is Approve by now",
            id="meant under Enforce, but people are asked first by now",
        ),
        pytest.param(
            a_change(), "Observe", "the mode of restart is Observe by now", id="meant under Enforce, only observed now"
        ),
        pytest.param(a_change(undoes="checkout-0a1b2c3d-1"), "Observe", None, id="the way back stays open"),
    ],
)
def test_a_write_needs_its_leave_until_the_last_moment(change: Change, mode: str, expected: str | None) -> None:
    assert not_allowed_by_mode(change, a_policy(mode=mode), Mode.ENFORCE) == expected


def spec_of(body: Body) -> dict[str, Any]:
    spec: dict[str, Any] = body["spec"]
    return spec


TAMPERED: dict[str, Callable[[dict[str, Any]], object]] = {
    "another target": lambda spec: spec["targetRef"].update(name="other"),
    "another workload of the same name": lambda spec: spec["targetRef"].update(uid="other"),
    "another kind": lambda spec: spec["targetRef"].update(kind="StatefulSet"),
    "another generation": lambda spec: spec["before"].update(generation=99),
    "another action": lambda spec: spec.update(action="Scale"),
    "the patch to an autoscaler": lambda spec: spec.update(patchedRef={"kind": "ScaledObject", "name": "other"}),
    "another value in the patch": lambda spec: spec["patch"][-1].update(value="other"),
    "another order of the patch": lambda spec: spec["patch"].reverse(),
    "one operation less": lambda spec: spec["patch"].pop(),
}


async def asked() -> Stage:
    """A service whose restart waits for a person."""
    stage = a_stage(was_restarted, dict(RESTART), mode="Approve")
    await stage.ticks(8)
    return stage


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED)
async def test_the_digest_speaks_of_the_target_and_the_patch(tamper: Callable[[dict[str, Any]], object]) -> None:
    body = (await asked()).changes[0]
    spec = copy.deepcopy(spec_of(body))
    assert question_digest(NAMESPACE, spec) == spec["digest"]

    tamper(spec)

    assert question_digest(NAMESPACE, spec) != body["spec"]["digest"]
    spec["approval"] = {"decision": "Approved", "by": "ada", "digest": body["spec"]["digest"]}
    assert not is_what_was_approved({"metadata": body["metadata"], "spec": spec})


async def test_the_digest_is_of_one_namespace() -> None:
    spec = spec_of((await asked()).changes[0])

    assert question_digest("other", spec) != spec["digest"]


# --- the whole loop


def was_restarted(body: Body) -> bool:
    """Whether the template carries a restart."""
    return RESTARTED_AT in (body["spec"]["template"].get("metadata", {}).get("annotations") or {})


def question(stage: Stage) -> Body:
    """The newest question."""
    return [change for change in stage.changes if change["spec"]["decision"] == "AwaitApproval"][-1]


def answer(stage: Stage, decision: str, **fields: str) -> None:
    """A person answers the newest question."""
    body = question(stage)
    given = {"decision": decision, "by": "ada", "digest": body["spec"]["digest"], **fields}
    ref = Ref(CHANGE_EVENTS, NAMESPACE, body["metadata"]["name"])
    stage.cluster.edit(ref, lambda body: body["spec"].update(approval=given))


def notices(stage: Stage) -> list[tuple[str, str]]:
    """Reason and note of what people were told at the workload."""
    posted = stage.reconciler.context.recorder.notices  # type: ignore[attr-defined]  # the fake remembers them
    return [(notice.reason, notice.note) for notice in posted if notice.regarding["kind"] == "Deployment"]


def ends(stage: Stage) -> list[str]:
    """Decision and outcome of every record, in order."""
    return [f"{c['spec']['decision']} {c['status'].get('outcome', '')}".strip() for c in stage.changes]


def release(stage: Stage, name: str) -> None:
    """A person rolls out another release."""
    template = ("spec", "template", "spec", "containers")

    def change(body: dict[str, Any]) -> None:
        part: Any = body
        for key in template:
            part = part[key]
        part[0]["image"] = name

    stage.cluster.edit(TARGET, change)


def edit_policy(stage: Stage, **spec: Any) -> None:  # noqa: ANN401
    """A person edits the policy, and Salus sees it."""
    stage.cluster.edit(Ref(HEALTH_POLICIES, NAMESPACE, NAME), lambda body: body["spec"].update(spec))
    stage.reconciler.accept(stage.policy, {})


async def test_a_question_says_what_and_until_when_and_people_are_told() -> None:
    stage = await asked()

    assert stage.remedial_writes == []
    assert ends(stage) == ["AwaitApproval"]
    spec = spec_of(question(stage))
    assert parse_time(spec["expiresAt"]) - parse_time(spec["decidedAt"]) == HOUR
    assert [i["status"]["phase"] for i in stage.incidents] == ["AwaitingApproval"]
    told = [note for reason, note in notices(stage) if reason == "ApprovalRequired"]
    name = question(stage)["metadata"]["name"]
    how = f"kubectl salus approve {name} -n shop (or deny)"
    assert told == [f"restart the 3 replicas of Deployment/checkout? Answer within 1h: {how}"]


async def test_an_approval_is_done_once_and_proven() -> None:
    stage = await asked()

    answer(stage, "Approved", ticket="CHG-7")
    await stage.ticks(LONG)

    assert len(stage.remedial_writes) == 1
    assert ends(stage) == ["AwaitApproval Recovered"]
    assert [i["status"]["phase"] for i in stage.incidents] == ["Resolved"]
    assert ("Approved", f"{question(stage)['metadata']['name']} was approved by ada (ticket CHG-7)") in notices(stage)


async def dies_and_goes_on(write: int, *, after: bool) -> Stage:
    """Salus is killed at its n-th write since the answer."""
    stage = await asked()
    answer(stage, "Approved")
    stage.cluster.begun, stage.cluster.dies_at, stage.cluster.after = 0, write, after
    await stage.ticks(LONG)
    assert stage.cluster.dies_at == 0
    return stage


@pytest.mark.parametrize(
    ("write", "after"),
    [
        pytest.param(1, True, id="right after the action"),
        pytest.param(2, False, id="before it is noted"),
        pytest.param(2, True, id="after it is noted"),
        pytest.param(3, False, id="while it verifies"),
    ],
)
async def test_an_approval_is_done_once_though_salus_dies(write: int, after: bool) -> None:
    stage = await dies_and_goes_on(write, after=after)

    assert len(stage.remedial_writes) == 1
    assert ends(stage) == ["AwaitApproval Recovered"]


async def test_salus_dies_before_the_write() -> None:
    """A new process that cannot tell how long the breach has lasted does nothing, and asks anew when it can."""
    stage = await dies_and_goes_on(1, after=False)

    assert stage.remedial_writes == []
    assert ends(stage) == ["AwaitApproval Abandoned", "AwaitApproval"]


async def test_a_no_is_the_end_of_that_remedy() -> None:
    stage = await asked()

    answer(stage, "Denied")
    await stage.ticks(LONG)

    assert stage.remedial_writes == []
    assert ends(stage)[0] == "AwaitApproval Abandoned"
    assert stage.changes[0]["status"]["message"] == "denied by ada; this holds for the rest of the incident"
    assert [i["status"]["phase"] for i in stage.incidents] == ["Escalated"]


async def test_a_no_holds_for_the_incident_whatever_people_change_meanwhile() -> None:
    """Another release frees the ladder, and a bolder policy too; what was denied stays denied, and is told once."""
    stage = await asked()
    answer(stage, "Denied")
    await stage.ticks(5)

    release(stage, "v2")
    edit_policy(stage, mode="Enforce")
    await stage.ticks(LONG)

    assert stage.remedial_writes == []
    assert [c["spec"]["action"] for c in stage.changes] == ["Restart", "Notify"]


async def test_nobody_answers() -> None:
    """After an hour the record has expired, people are called, and a late yes does nothing."""
    stage = await asked()
    stage.clock.advance(HOUR)

    await stage.ticks(3)
    late = Ref(CHANGE_EVENTS, NAMESPACE, question(stage)["metadata"]["name"])
    given = {"decision": "Approved", "by": "ada", "digest": question(stage)["spec"]["digest"]}
    stage.cluster.edit(late, lambda body: body["spec"].update(approval=given))
    await stage.ticks(LONG)

    assert stage.remedial_writes == []
    assert ends(stage)[0] == "AwaitApproval Expired"
    assert [i["status"]["phase"] for i in stage.incidents] == ["Escalated"]


async def test_an_approval_that_salus_reads_too_late_is_not_done() -> None:
    """Approved in time, but Salus was away for an hour."""
    stage = await asked()
    answer(stage, "Approved")
    stage.clock.advance(HOUR)
    stage.restart()

    await stage.ticks(3)

    assert stage.remedial_writes == []
    assert ends(stage)[0] == "AwaitApproval Expired"


async def test_an_approval_does_not_carry_over_to_another_release() -> None:
    """The release changes while it waits: void at once, and asked anew when the new release is unhealthy too."""
    stage = await asked()
    release(stage, "v2")

    await stage.ticks(1)
    assert ends(stage)[0] == "AwaitApproval Abandoned"
    await stage.ticks(LONG)

    assert stage.remedial_writes == []
    assert ends(stage) == ["AwaitApproval Abandoned", "AwaitApproval"]
    first, second = (change["spec"]["digest"] for change in stage.changes)
    assert first != second


async def test_approved_and_released_in_the_same_moment() -> None:
    """The yes and the new release come between two ticks: nothing is done."""
    stage = await asked()
    answer(stage, "Approved")
    release(stage, "v2")

    await stage.ticks(2)

    assert stage.remedial_writes == []
    assert ends(stage)[0] == "AwaitApproval Abandoned"
    assert "was changed since people were asked" in stage.changes[0]["status"]["message"]


async def test_an_approval_of_another_digest_is_not_done() -> None:
    """The API server refuses it, and where it did not, Salus would."""
    stage = await asked()
    ref = Ref(CHANGE_EVENTS, NAMESPACE, question(stage)["metadata"]["name"])
    given = {"decision": "Approved", "by": "ada", "digest": "0b77"}
    stage.cluster.edit(ref, lambda body: body["spec"].update(approval=given))

    await stage.ticks(2)

    assert stage.remedial_writes == []
    assert "its digest is not that of this record" in stage.changes[0]["status"]["message"]


@pytest.mark.parametrize(
    ("answered", "outcome", "message"),
    [
        pytest.param("", "Expired", "the incident was over before a person answered", id="nobody answered"),
        pytest.param("Approved", "Abandoned", "no check is unhealthy any more", id="approved after it was well again"),
    ],
)
async def test_the_service_recovers_while_people_think(answered: str, outcome: str, message: str) -> None:
    stage = await asked()
    stage.service.is_cured = lambda _: True
    await stage.ticks(1)

    if answered:
        answer(stage, answered)
    await stage.ticks(LONG)

    assert stage.remedial_writes == []
    assert ends(stage) == [f"AwaitApproval {outcome}"]
    assert stage.changes[0]["status"]["message"] == message
    assert [i["status"]["phase"] for i in stage.incidents] == ["Resolved"]


@pytest.mark.parametrize(
    ("mode", "after"),
    [
        pytest.param("Observe", ["AwaitApproval Abandoned", "DryRun"], id="to Observe: rehearsed instead"),
        pytest.param("Enforce", ["AwaitApproval Abandoned", "Act Recovered"], id="to Enforce: done without asking"),
    ],
)
async def test_the_policys_mode_changes_while_people_think(mode: str, after: list[str]) -> None:
    stage = await asked()

    edit_policy(stage, mode=mode)
    await stage.ticks(LONG)

    assert ends(stage) == after


async def test_a_guard_objects_to_what_was_approved() -> None:
    """The kill switch is thrown before the answer: not done, and asked anew when nothing objects any more."""
    stage = await asked()
    stage.reconciler.context = replace(stage.reconciler.context, switches=lambda: Switches(kill_switch=True))
    answer(stage, "Approved")

    await stage.ticks(5)

    assert stage.remedial_writes == []
    assert ends(stage)[0] == "AwaitApproval Abandoned"
    assert stage.changes[0]["status"]["message"].startswith("KillSwitch: ")
    stage.restart()
    await stage.ticks(5)
    assert ends(stage)[-1] == "AwaitApproval"


async def test_a_policy_that_is_deleted_leaves_no_question_open() -> None:
    stage = await asked()
    answer(stage, "Approved")
    stage.reconciler.context = replace(stage.reconciler.context, is_known=lambda _: False)
    stage.reconciler.forget(PolicyKey(NAMESPACE, NAME))

    await stage.reconciler.sweep([None])

    assert stage.remedial_writes == []
    assert ends(stage) == ["AwaitApproval Abandoned"]
    assert [i["status"]["resolution"] for i in stage.incidents] == ["PolicyGone"]


async def test_a_target_that_is_deleted_leaves_no_question_open() -> None:
    stage = await asked()
    policy = stage.policy
    stage.cluster.remove(TARGET)

    for _ in range(3):
        await stage.reconciler.tick([policy])
        stage.clock.advance(TICK)

    assert ends(stage) == ["AwaitApproval Expired"]
