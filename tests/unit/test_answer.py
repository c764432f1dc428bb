"""`approve` and `deny` on a fake cluster: what is shown, what is written, and why an answer is refused."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from salus.adapters.api import Login, default_namespace
from salus.cli.answer import ANSWERING, CannotAnswer, Wish, answer, closed, lacking, question, shown
from salus.core.records.changes import question_digest
from salus.model.scalars import Body, format_time
from salus.ports import CHANGE_EVENTS, Conflict, Forbidden, Invalid, Ref
from tests.builders import NOW, later
from tests.fakes.cluster import FakeCluster

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


def test_a_person_sees_what_would_be_done_to_what_why_and_by_when() -> None:
    assert shown(a_record(), later(1200)).splitlines() == [
        "Change    checkout-5f3a91c2-7 of policy checkout-health",
        "Target    Deployment/checkout in shop, generation 7",
        "Action    Scale: scale Deployment/checkout from 4 to 6 replicas",
        "Patch     replace /spec/replicas 6",
        "Because   error-ratio is 0.081 (above 0.05), since 2026-11-22T11:59:00Z",
        "Done by   system:serviceaccount:shop:salus-remediator",
        "Expires   2026-11-22T13:00:00Z, in 40m",
    ]


@pytest.mark.parametrize(
    ("before", "intended", "expected"),
    [
        pytest.param(
            {"release": "bad", "images": ["shop:v2"]},
            {"release": "good", "images": ["shop:v1", "sidecar:v7"]},
            ["Images    shop:v1, sidecar:v7, instead of shop:v2"],
            id="those of the release that comes back",
        ),
        pytest.param(
            {"release": "bad", "images": ["shop:v2"]},
            {"release": "good"},
            ["Images    not on record, instead of shop:v2"],
            id="a record of before they were said, or too many to say",
        ),
        pytest.param({"release": "r", "images": ["a"]}, {"release": "r", "images": ["a"]}, [], id="no other release"),
    ],
)
def test_a_person_sees_the_images_that_come_back(before: Body, intended: Body, expected: list[str]) -> None:
    lines = shown(a_record(action="Rollback", before=before, intended=intended), NOW).splitlines()

    assert [line for line in lines if line.startswith("Images")] == expected


def test_a_record_cannot_play_with_the_terminal() -> None:
    assert "\x1b" not in shown(a_record(message="harmless\x1b[2Kdeadly\r"), NOW)


@pytest.mark.parametrize("decision", ["Approved", "Denied"])
async def test_the_answer_is_bound_to_the_record_that_was_shown(cluster: FakeCluster, decision: Any) -> None:  # noqa: ANN401
    body = await question(cluster, REF, "ada", NOW)

    await answer(cluster, body, Wish(REF.name, decision, ticket="CHG-7"), "ada", later(60))

    assert (await cluster.get(REF))["spec"]["approval"] == {
        "decision": decision,
        "by": "ada",
        "at": "2026-11-22T12:01:00Z",
        "digest": body["spec"]["digest"],
        "ticket": "CHG-7",
    }


async def test_a_record_that_was_made_again_meanwhile_is_not_answered(cluster: FakeCluster) -> None:
    body = await question(cluster, REF, "ada", NOW)
    cluster.remove(REF)
    cluster.put(a_record())

    with pytest.raises(CannotAnswer, match="the answer was not taken"):
        await answer(cluster, body, Wish(REF.name, "Approved"), "ada", NOW)

    assert "approval" not in (await cluster.get(REF))["spec"]


async def test_who_was_faster_is_named(cluster: FakeCluster) -> None:
    body = await question(cluster, REF, "ada", NOW)
    other = {"decision": "Denied", "by": "bob", "digest": body["spec"]["digest"], "at": "2026-11-22T12:00:01Z"}
    cluster.edit(REF, lambda found: found["spec"].update(approval=other))
    cluster.fail_next(Invalid("refused", (("spec.approval", "approval is given once and never changes"),)))

    with pytest.raises(CannotAnswer, match="was answered already: Denied by bob at 2026-11-22T12:00:01Z"):
        await answer(cluster, body, Wish(REF.name, "Approved"), "ada", NOW)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        pytest.param(
            Forbidden("PATCH /x: 403 ValidatingAdmissionPolicy 'a' with binding 'a' denied request: a person approves"),
            "^a person approves$",
            id="the words of an admission policy, without what stands before them",
        ),
        pytest.param(Forbidden("PATCH /x: 403 cannot patch"), "cannot patch", id="the server's own words"),
        pytest.param(Conflict("modified"), "the answer was not taken: modified", id="something else in between"),
    ],
)
async def test_a_refusal_by_the_server_is_told(cluster: FakeCluster, error: Exception, told: str) -> None:
    body = await question(cluster, REF, "ada", NOW)
    cluster.fail_next(error)  # type: ignore[arg-type]  # all of them are ClusterErrors

    with pytest.raises(CannotAnswer, match=told):
        await answer(cluster, body, Wish(REF.name, "Approved"), "ada", NOW)


async def test_there_is_no_such_record(cluster: FakeCluster) -> None:
    with pytest.raises(CannotAnswer, match="there is no changeevent other in namespace shop"):
        await question(cluster, Ref(CHANGE_EVENTS, "shop", "other"), "ada", NOW)


def test_what_is_missing_is_named_with_what_grants_it() -> None:
    assert lacking("approve", REF, "ada") == (
        "ada may not approve changeevents in namespace shop; ClusterRole salus-approver has that right.\n"
        "An administrator can grant it: kubectl create rolebinding salus-approvers --clusterrole=salus-approver "
        "--user='ada' -n shop"
    )


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
