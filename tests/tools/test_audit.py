"""The audit log as the tests read it: who wrote as whom, and what the operator asked at all."""

import json
from pathlib import Path
from typing import Any

from tests.chaos.books import from_audit, reconcile
from tools.devcluster.audit import Asked, AuditLog
from tools.devcluster.rights import note, noted

ACCOUNT = "system:serviceaccount:shop:salus-remediator"
STAMP = [{"op": "add", "path": "/metadata/annotations/salus.dev~1change", "value": "web-1"}]
RECORD = {
    "metadata": {"name": "web-1", "namespace": "shop"},
    "spec": {"targetRef": {"name": "web"}, "sequence": 1, "decision": "Act", "action": "Restart"},
    "status": {"appliedAt": "2026-11-27T12:00:00Z", "completedAt": "2026-11-27T12:01:00Z", "outcome": "Recovered"},
}


def line(
    verb: str, resource: str, *, group: str = "apps", as_user: str = "", user: str = "salus", body: object = None
) -> str:
    event = {
        "stage": "ResponseComplete",
        "auditID": "x",
        "verb": verb,
        "requestURI": "/x?fieldManager=salus",
        "user": {"username": user},
        "objectRef": {"apiGroup": group, "resource": resource, "namespace": "shop", "name": "web"},
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": "2026-11-27T12:00:01Z",
        "stageTimestamp": "2026-11-27T12:00:02Z",
        **({"impersonatedUser": {"username": as_user}} if as_user else {}),
        **({"requestObject": body} if body is not None else {}),
    }
    return json.dumps(event)


def log_of(path: Path, *lines: str) -> AuditLog:
    path.write_text("".join(f"{one}\n" for one in lines), encoding="utf-8")
    return AuditLog(path)


def test_reads_and_reviews_are_no_writes_and_are_remembered_by_kind(tmp_path: Path) -> None:
    log = log_of(
        tmp_path / "audit.log",
        line("list", "deployments"),
        line("list", "deployments"),
        line("patch", "deployments", as_user=ACCOUNT, body=STAMP),
        line("create", "selfsubjectaccessreviews", group="authorization.k8s.io"),
        line("get", "deployments", user="tests"),
    )

    assert [(event.verb, event.user, event.impersonated) for event in log.writes()] == [("patch", "salus", ACCOUNT)]
    assert log.writes(impersonated="somebody else") == []
    assert log.asked("salus") == {
        Asked("salus", False, "list", "apps", "deployments", ""),
        Asked("salus", True, "patch", "apps", "deployments", ""),
        Asked("salus", False, "impersonate", "", "serviceaccounts", ""),
        Asked("salus", False, "create", "authorization.k8s.io", "selfsubjectaccessreviews", ""),
    }


def test_what_clusters_leave_behind_is_gathered_without_what_everyone_may_ask(
    tmp_path: Path,
    monkeypatch: Any,  # noqa: ANN401
) -> None:
    monkeypatch.setenv("SALUS_RIGHTS", str(tmp_path / "rights"))
    note(log_of(tmp_path / "a.log", line("list", "deployments")))
    note(
        log_of(
            tmp_path / "b.log",
            line("list", "pods", group=""),
            line("create", "selfsubjectreviews", group="authentication.k8s.io"),
        )
    )

    assert {one.resource for one in noted(tmp_path / "rights")} == {"deployments", "pods"}


def test_the_books_want_every_effect_to_be_the_accounts(tmp_path: Path) -> None:
    created = line("create", "changeevents", group="salus.dev", body={"metadata": {"name": "web-1"}})
    lent = log_of(tmp_path / "lent.log", created, line("patch", "deployments", as_user=ACCOUNT, body=STAMP))
    own = log_of(tmp_path / "own.log", created, line("patch", "deployments", body=STAMP))

    assert reconcile(from_audit(lent.writes(), [RECORD], "salus", ACCOUNT)) == []
    assert reconcile(from_audit(own.writes(), [RECORD], "salus", ACCOUNT)) == [
        "shop/web was written to by somebody else than the account of its namespace"
    ]
