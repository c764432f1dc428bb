"""`approve` and `deny` on a fake cluster: what is shown, what is written, and why an answer is refused."""

import io
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from salus.adapters.api import Login, default_namespace
from salus.cli import answer_text
from salus.cli.answer import (
    ANSWER,
    ANSWERING,
    Wish,
    answer,
    follow,
    listed,
    one,
    open_questions,
    still_open,
    the_question,
)
from salus.cli.contract import CannotBeAsked, Exit
from salus.cli.following import look, patience
from salus.cli.questions import closed
from salus.cli.reports.question import Answer, Happened, Questions
from salus.cli.show import Look, show
from salus.cli.who import grants, named
from salus.cli.word import lacking
from salus.core.records.changes import question_digest
from salus.model.change import ApprovalDecision
from salus.model.scalars import Body, format_time
from salus.ports import (
    CHANGE_EVENTS,
    DEPLOYMENTS,
    HEALTH_POLICIES,
    INCIDENTS,
    KEPT_RELEASES,
    Conflict,
    Forbidden,
    Invalid,
    Ref,
    Resource,
    right,
)
from tests.builders import NOW, a_policy_body, ago, later
from tests.fakes.cluster import FakeCluster
from tests.unit.cli.people import person

REF = Ref(CHANGE_EVENTS, "shop", "checkout-5f3a91c2-7")
SPEC: dict[str, Any] = {
    "decision": "AwaitApproval",
    "action": "Scale",
    "reason": "AboveThreshold",
    "message": "scale Deployment/checkout from 4 to 6 replicas",
    "policyRef": {"name": "checkout-health", "uid": "uid-of-policy", "generation": 4},
    "targetRef": {"kind": "Deployment", "name": "checkout", "uid": "uid-1"},
    "sequence": 7,
    "decidedAt": format_time(NOW),
    "expiresAt": format_time(later(3600)),
    "evidence": [
        {
            "check": "error-ratio",
            "query": "errors",
            "value": "0.081",
            "threshold": "above 0.05",
            "since": "2026-11-22T11:59:00Z",
            "observedAt": format_time(NOW),
        }
    ],
    "before": {"replicas": 4, "generation": 7},
    "intended": {"replicas": 6},
    "patch": [
        {"op": "test", "path": "/metadata/uid", "value": "uid-1"},
        {"op": "replace", "path": "/spec/replicas", "value": 6},
    ],
    "actor": {"identity": "system:serviceaccount:shop:salus-remediator"},
}


def a_record(**fields: Any) -> dict[str, Any]:  # noqa: ANN401
    spec = {**SPEC, **fields}
    return {
        "apiVersion": "salus.dev/v1alpha1",
        "kind": "ChangeEvent",
        "metadata": {"name": REF.name, "namespace": REF.namespace},
        "spec": {"digest": question_digest(REF.namespace, spec), **spec},
    }


@pytest.fixture
def cluster() -> FakeCluster:
    cluster = FakeCluster(now=lambda: NOW, rights=ANSWERING)
    cluster.put(a_record())
    return cluster


APPROVED, DENIED = ApprovalDecision.APPROVED, ApprovalDecision.DENIED


def text(report: Questions) -> list[str]:
    out = io.StringIO()
    show(report, Look(utc=True), answer_text.text, out)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    return lines


async def shown(body: Body, seconds: float = 0, *others: Body) -> list[str]:
    cluster = FakeCluster(now=lambda: NOW, rights=ANSWERING)
    for other in (body, *others):
        cluster.put(other)
    return text(await one(person(cluster), body, later(seconds)))


async def test_a_person_sees_what_would_be_done_to_what_why_and_by_when() -> None:
    assert await shown(a_record(), 1200) == [
        "Change     checkout-5f3a91c2-7 of policy checkout-health, asked 20m ago",
        "Target     Deployment/checkout in shop, generation 7",
        "Action     Scale: scale Deployment/checkout from 4 to 6 replicas",
        "Patch      replace /spec/replicas 6",
        "Replicas   4 → 6",
        "Because    error-ratio is 0.081 (above 0.05), since 2026-11-22T11:59:00Z",
        "Guards     none objected when it was asked; all are asked again before it is",
        "           done",
        "Done by    system:serviceaccount:shop:salus-remediator",
        "Expires    2026-11-22T13:00:00Z, in 40m",
    ]


@pytest.mark.parametrize(
    ("before", "intended", "expected"),
    [
        pytest.param(
            {"release": "bad", "images": ["shop:v2"]},
            {"release": "good", "images": ["shop:v1", "sidecar:v7"]},
            ["Images     shop:v1, sidecar:v7, instead of shop:v2"],
            id="those of the release that comes back",
        ),
        pytest.param(
            {"release": "bad", "images": ["shop:v2"]},
            {"release": "good"},
            ["Images     not on record, instead of shop:v2"],
            id="a record of before they were said, or too many to say",
        ),
        pytest.param({"release": "r", "images": ["a"]}, {"release": "r", "images": ["a"]}, [], id="no other release"),
    ],
)
async def test_a_person_sees_the_images_that_come_back(before: Body, intended: Body, expected: list[str]) -> None:
    lines = await shown(a_record(action="Rollback", before=before, intended=intended))

    assert [line for line in lines if line.startswith("Images")] == expected


async def test_a_record_cannot_play_with_the_terminal() -> None:
    assert not any("\x1b" in line for line in await shown(a_record(message="harmless\x1b[2Kdeadly\r")))


# --- what lies around

INCIDENT = "checkout-0a1b2c3d-1"
BLAMED = {"kind": "Release", "confidence": "High", "message": "a release", "startedAt": format_time(ago(600))}
ROLLBACK = {
    "action": "Rollback",
    "remedy": "undo",
    "policyRef": {"name": "checkout-health", "uid": "uid-of-policy", "generation": 1},
    "incidentRef": {"name": INCIDENT, "uid": "uid-of-incident"},
    "before": {"release": "bad" * 4, "generation": 7},
    "intended": {"release": "good" * 4},
}


def an_incident(**status: Any) -> Body:  # noqa: ANN401 — fields of a status
    spec = {"policyRef": {"name": "checkout-health"}, "targetRef": SPEC["targetRef"], "openedAt": format_time(ago(60))}
    metadata = {"name": INCIDENT, "namespace": "shop"}
    return {
        "apiVersion": "salus.dev/v1alpha1",
        "kind": "Incident",
        "metadata": metadata,
        "spec": spec,
        "status": status,
    }


def a_policy_with(*remedies: Body, mode: str = "Approve") -> Body:
    checks = [{"name": name, "query": "q", "unhealthy": {"above": 1}} for name in ("error-ratio", "latency")]
    body = a_policy_body(name="checkout-health", mode=mode, remedies=list(remedies), checks=checks)
    return {"apiVersion": "salus.dev/v1alpha1", "kind": "HealthPolicy", **body}


async def test_the_age_of_the_release_that_is_blamed() -> None:
    lines = await shown(a_record(**ROLLBACK), 0, an_incident(blame=BLAMED))

    assert "Release    badbadbadb for 10m → goodgoodgo" in lines


UNDO, PAGE = {"name": "undo", "rollback": {}}, {"name": "page", "notify": {"severity": "critical"}}
RESTART, GROW = {"name": "restart", "restart": {}}, {"name": "grow", "scale": {"by": "50%", "max": 12}}


@pytest.mark.parametrize(
    ("remedies", "mode", "expected"),
    [
        pytest.param([UNDO, RESTART], "Approve", "Salus asks about the next remedy: restart (Restart)", id="asked too"),
        pytest.param(
            [UNDO, {**RESTART, "mode": "Observe"}],
            "Approve",
            "Salus rehearses the next remedy: restart (Restart)",
            id="only rehearsed",
        ),
        pytest.param([UNDO, PAGE, RESTART], "Approve", "people are told (page)", id="people are told"),
        pytest.param([UNDO], "Approve", "no other remedy is left: people are told", id="the end of the ladder"),
        pytest.param(
            [UNDO, {**RESTART, "checks": ["latency"]}, GROW],
            "Approve",
            "Salus asks about the next remedy: grow (Scale)",
            id="one that does not fit is passed over",
        ),
    ],
)
async def test_what_happens_if_nobody_answers(remedies: Sequence[Body], mode: str, expected: str) -> None:
    policy = a_policy_with(*remedies, mode=mode)

    lines = await shown(a_record(**ROLLBACK), 0, an_incident(), policy)

    assert f"Otherwise  {expected}" in lines


@pytest.mark.parametrize(
    "lacking", [HEALTH_POLICIES, INCIDENTS, DEPLOYMENTS, KEPT_RELEASES], ids=lambda kind: kind.plural
)
async def test_who_may_only_answer_still_sees_the_question(cluster: FakeCluster, lacking: Resource) -> None:
    body = cluster.put(a_record(**ROLLBACK) | {"metadata": {"name": "checkout-5f3a91c2-8", "namespace": "shop"}})
    cluster.unreadable.add(lacking)

    said = await one(person(cluster), body, NOW)

    assert [left.what for left in said.not_looked_at] == [lacking.plural]
    assert said.items[0].doing == "Rollback to goodgoodgo"


# --- the answer


@pytest.mark.parametrize("decision", [APPROVED, DENIED])
async def test_the_answer_is_bound_to_the_record_that_was_shown(
    cluster: FakeCluster, decision: ApprovalDecision
) -> None:
    body = await still_open(person(cluster), REF, "ada", NOW)

    await answer(person(cluster), body, Wish(REF.name, decision, "CHG-7", "it is night"), "ada", later(60))

    assert (await cluster.get(REF))["spec"]["approval"] == {
        "decision": decision,
        "by": "ada",
        "at": "2026-11-22T12:01:00Z",
        "digest": body["spec"]["digest"],
        "ticket": "CHG-7",
        "reason": "it is night",
    }


async def test_a_record_that_was_made_again_meanwhile_is_not_answered(cluster: FakeCluster) -> None:
    body = await still_open(person(cluster), REF, "ada", NOW)
    cluster.remove(REF)
    cluster.put(a_record())

    with pytest.raises(CannotBeAsked, match="the approval was not taken"):
        await answer(person(cluster), body, Wish(REF.name, APPROVED), "ada", NOW)

    assert "approval" not in (await cluster.get(REF))["spec"]


async def test_who_was_faster_is_named(cluster: FakeCluster) -> None:
    body = await still_open(person(cluster), REF, "ada", NOW)
    other = {"decision": "Denied", "by": "bob", "digest": body["spec"]["digest"], "at": "2026-11-22T12:00:01Z"}
    cluster.edit(REF, lambda found: found["spec"].update(approval=other))
    cluster.fail_next(Invalid("refused", (("spec.approval", "approval is given once and never changes"),)))

    with pytest.raises(CannotBeAsked, match="was answered already: Denied by bob at 2026-11-22T12:00:01Z"):
        await answer(person(cluster), body, Wish(REF.name, APPROVED), "ada", NOW)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        pytest.param(
            Forbidden("PATCH /x: 403 ValidatingAdmissionPolicy 'a' with binding 'a' denied request: a person approves"),
            "^a person approves$",
            id="the words of an admission policy, without what stands before them",
        ),
        pytest.param(Forbidden("PATCH /x: 403 cannot patch"), "cannot patch", id="the server's own words"),
        pytest.param(Conflict("modified"), "the approval was not taken: modified", id="something else in between"),
    ],
)
async def test_a_refusal_by_the_server_is_told(cluster: FakeCluster, error: Exception, told: str) -> None:
    body = await still_open(person(cluster), REF, "ada", NOW)
    cluster.fail_next(error)  # type: ignore[arg-type]  # all of them are ClusterErrors

    with pytest.raises(CannotBeAsked, match=told):
        await answer(person(cluster), body, Wish(REF.name, APPROVED), "ada", NOW)


async def test_there_is_no_such_record(cluster: FakeCluster) -> None:
    with pytest.raises(CannotBeAsked, match="there is no ChangeEvent other in namespace shop"):
        await the_question(person(cluster), "other", "ada", NOW)


# --- which question


def another(number: int, **fields: Any) -> Body:  # noqa: ANN401 — fields of a spec
    return a_record(**fields) | {"metadata": {"name": f"checkout-5f3a91c2-{number}", "namespace": "shop"}}


async def test_the_open_questions_the_most_urgent_first(cluster: FakeCluster) -> None:
    cluster.put(another(8, expiresAt=format_time(later(600))))
    cluster.put(another(9, decision="Act"))
    cluster.put(another(10, expiresAt=format_time(NOW)))

    found = await open_questions(person(cluster), NOW)

    assert text(await listed(person(cluster), found, NOW)) == [
        "   CHANGE               TARGET               WOULD DO    ASKED  LEFT",
        "1  checkout-5f3a91c2-8  Deployment/checkout  Scale to 6  0s     10m",
        "2  checkout-5f3a91c2-7  Deployment/checkout  Scale to 6  0s     1h",
    ]


async def test_one_by_its_name_in_all_namespaces(cluster: FakeCluster) -> None:
    everywhere = person(cluster, None)

    assert (await the_question(everywhere, REF.name, "ada", NOW))["metadata"]["namespace"] == "shop"
    with pytest.raises(CannotBeAsked, match="0 open questions have the name other"):
        await the_question(everywhere, "other", "ada", NOW)


# --- who may


async def test_what_is_missing_is_named_with_what_grants_it_and_who_has_it(cluster: FakeCluster) -> None:
    bind(cluster, "salus-approver", {"kind": "User", "name": "bob"}, {"kind": "Group", "name": "oncall"})
    bind(cluster, "view", {"kind": "User", "name": "carol"})

    said = await lacking(person(cluster), ANSWER, "approve", "shop", "ada")

    grant = "kubectl create rolebinding salus-approvers --clusterrole=salus-approver --user='ada' -n shop"
    assert list(said.lines()) == [
        "salus: error: ada may not approve changeevents in namespace shop; ClusterRole salus-approver has that right.",
        "  who may   bob, group oncall",
        f"  try       an administrator can grant it: {grant}",
    ]


def bind(cluster: FakeCluster, role: str, *subjects: Body) -> None:
    version = "rbac.authorization.k8s.io/v1"
    verbs = ["patch", "approve"] if role == "salus-approver" else ["get", "list"]
    rules = [{"apiGroups": ["salus.dev"], "resources": ["changeevents"], "verbs": verbs}]
    cluster.put({"apiVersion": version, "kind": "ClusterRole", "metadata": {"name": role}, "rules": rules})
    metadata, ref = {"name": f"{role}s", "namespace": "shop"}, {"kind": "ClusterRole", "name": role}
    body = {"apiVersion": version, "kind": "RoleBinding", "metadata": metadata, "roleRef": ref}
    cluster.put({**body, "subjects": list(subjects)})


APPROVE = right("approve", CHANGE_EVENTS)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        pytest.param({}, True, id="the very right"),
        pytest.param({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, True, id="everything"),
        pytest.param({"verbs": ["patch"]}, False, id="another verb"),
        pytest.param({"apiGroups": ["apps"]}, False, id="another group"),
        pytest.param({"resourceNames": ["checkout-5f3a91c2-7"]}, False, id="on one of them alone"),
    ],
)
def test_what_a_role_grants(rule: Body, *, expected: bool) -> None:
    usual = {"verbs": ["approve"], "apiGroups": ["salus.dev"], "resources": ["changeevents"]}

    assert grants([{**usual, **rule}], APPROVE) is expected


def test_what_people_and_programs_are_called() -> None:
    account = {"kind": "ServiceAccount", "name": "deployer", "namespace": "shop"}

    assert [named({"kind": "User", "name": "ada"}), named(account)] == ["ada", "account shop/deployer"]


# --- what comes of it


def done(outcome: str = "", **status: Any) -> Body:  # noqa: ANN401 — fields of a status
    applied = {"appliedAt": format_time(later(5))}
    ended = {"outcome": outcome, "completedAt": format_time(later(65)), "message": "all checks healthy for 1m"}
    return {**a_record(), "status": {**applied, **(ended if outcome else {}), **status}}


DONE = "done; now it has to prove that it helped"


@pytest.mark.parametrize(
    ("body", "decision", "happened", "ends"),
    [
        pytest.param(a_record(), APPROVED, [], None, id="nothing yet"),
        pytest.param(done(), APPROVED, [DONE], None, id="it is done"),
        pytest.param(
            done("Recovered"), APPROVED, [DONE, "Recovered: all checks healthy for 1m"], Exit.YES, id="it helped"
        ),
        pytest.param(
            done("NotRecovered"), APPROVED, [DONE, "NotRecovered: all checks healthy for 1m"], Exit.NO, id="it did not"
        ),
        pytest.param(
            done("Abandoned", appliedAt=None),
            APPROVED,
            ["Abandoned: all checks healthy for 1m"],
            Exit.NO,
            id="a guard objected",
        ),
        pytest.param(
            done("Abandoned", appliedAt=None), DENIED, ["Abandoned: all checks healthy for 1m"], Exit.YES, id="denied"
        ),
    ],
)
def test_what_comes_of_an_answer(
    body: Body, decision: ApprovalDecision, happened: Sequence[str], ends: Exit | None
) -> None:
    seen = look(body, decision)

    assert ([one.text for one in seen.happened], seen.ends) == (happened, ends)


async def test_who_waits_is_told_each_thing_once(cluster: FakeCluster) -> None:
    said: list[Happened] = []
    found = (await one(person(cluster), a_record(), NOW)).items[0]
    given = Answer(at=NOW, question=found, decision="Approved", by="ada", answered_at=NOW)
    follow_up = iter([done(), done(), done("Recovered")])

    class Changing(FakeCluster):
        async def get(self, ref: Ref) -> Body:  # noqa: ARG002 — of one record
            return next(follow_up)

    seen = await follow(person(Changing(now=lambda: NOW)), given, later(10**9), said.append, again=0)

    assert ([one.text for one in said], seen.ends) == ([DONE, "Recovered: all checks healthy for 1m"], Exit.YES)


async def test_who_has_waited_long_enough_does_not_know(cluster: FakeCluster) -> None:
    found = (await one(person(cluster), a_record(), NOW)).items[0]
    given = Answer(at=NOW, question=found, decision="Approved", by="ada", answered_at=NOW)

    assert (await follow(person(cluster), given, ago(10**9), print, again=0)).ends is None


@pytest.mark.parametrize(
    ("proof", "minutes"),
    [
        pytest.param({"settle": "30s", "stable": "1m", "timeout": "4m30s", "checks": "0" * 64}, 10, id="by its proof"),
        pytest.param(None, 20, id="a record that says nothing of one"),
    ],
)
def test_how_long_there_is_anything_to_wait_for(proof: Body | None, minutes: int) -> None:
    body = a_record(**({"proof": proof} if proof else {}))

    assert patience(body, NOW) == NOW + timedelta(minutes=minutes)


# --- what can be answered


def _ended(body: dict[str, Any]) -> Body:
    return {**body, "status": {"outcome": "Abandoned", "message": "Deployment/checkout was changed"}}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(a_record, None, id="it waits"),
        pytest.param(lambda: a_record(decision="Act"), "asks nobody: its decision is Act", id="not a question"),
        pytest.param(
            lambda: a_record(approval={"decision": "Approved", "by": "bob", "digest": "x"}),
            "was answered already: Approved by bob",
            id="answered",
        ),
        pytest.param(
            lambda: _ended(a_record()), "is over: Abandoned, Deployment/checkout was changed", id="it became void"
        ),
        pytest.param(
            lambda: a_record(expiresAt=format_time(NOW)),
            "expired at 2026-11-22T12:00:00Z; if the service is still unhealthy, Salus goes on with the next remedy",
            id="its time is over, though Salus has not said so yet",
        ),
        pytest.param(
            lambda: a_record(digest="0b77"),
            "is not what Salus wrote: its digest does not fit its patch; do not approve it",
            id="a record that somebody forged",
        ),
    ],
)
def test_what_can_be_answered(make: Callable[[], Body], said: str | None) -> None:
    assert closed(make(), NOW) == said


def test_a_second_before_its_end_it_can_be_answered() -> None:
    assert closed(a_record(), later(3600) - timedelta(seconds=1)) is None


CONTEXTS = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://192.0.2.1"}}]
users: [{name: u, user: {}}]
contexts:
- {name: one, context: {cluster: c, user: u, namespace: shop}}
- {name: two, context: {cluster: c, user: u}}
current-context: one
"""


@pytest.mark.parametrize(
    ("context", "namespace"),
    [
        pytest.param(None, "shop", id="that of the current context"),
        pytest.param("one", "shop", id="that of the context that was asked for"),
        pytest.param("two", "default", id="one that names none"),
    ],
)
def test_the_namespace_is_the_one_that_kubectl_would_take(tmp_path: Path, context: str | None, namespace: str) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(CONTEXTS)

    assert default_namespace(Login(kubeconfig, context)) == namespace
