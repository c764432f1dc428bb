"""Which release a rollback puts back, and when it puts back none."""

# ruff: noqa: ANN401 — remedies and observations are handed on to builders, as they are written

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from salus.core.actions import plan
from salus.core.actions.patch import resolved
from salus.core.guards.chain import review
from salus.core.objects.workloads import images_of, release_hash, short
from salus.model.change import ActionKind
from salus.model.meta import WorkloadKind
from salus.model.values.changes import Action, Change, Infeasible, Refusal
from salus.model.values.objects import Release
from tests.builders import (
    INCIDENT,
    RESTART,
    ROLLBACK,
    a_change,
    a_deployment_body,
    a_finding,
    a_finished_change,
    a_plan,
    a_policy,
    a_release,
    a_template,
    ago,
)
from tests.rows import Row, sentence
from tests.unit.actions.planning import ROLLED_BACK_TO_V1, TEMPLATES, V1, V2, V3, after, live, planned, refused


def rolled_back_to(*releases: Release, template: Mapping[str, Any] = V2, **around: Any) -> str:
    """The image that a rollback puts back, or the reason why there is none."""
    body = a_deployment_body(template=template)
    asked = a_plan(ROLLBACK, body, releases=releases, **{"release_started_at": ago(300), **around})
    answer = plan(asked)
    if isinstance(answer, Infeasible):
        return answer.reason
    templates = {release.hash: release.template for release in releases}
    image: str = after(resolved(answer.patch, templates.__getitem__), body)["spec"]["template"]["spec"]["containers"][
        0
    ]["image"]
    return image


GOOD_V1 = a_release(V1, healthy_at=ago(7200))
GOOD_V2 = a_release(V2, healthy_at=ago(3600))
NEVER_HEALTHY = a_release(V1, healthy_at=None)
TAKEN_AWAY = a_release(V2, healthy_at=ago(3600), quarantined_by="checkout-0a1b2c3d-1")


@dataclass(frozen=True, slots=True)
class Way(Row):
    """The releases that are kept, the live one, and which is put back."""

    releases: tuple[Release, ...]
    """The newest first."""
    template: Mapping[str, Any]
    """The live one."""
    expected: str
    """Its image, or the reason why there is none."""


WAYS_BACK = [
    Way("to the one known good", (GOOD_V1,), V2, "shop:v1"),
    Way("to the newest known good", (GOOD_V2, GOOD_V1), V3, "shop:v2"),
    Way("never to one that was taken away", (TAKEN_AWAY, GOOD_V1), V3, "shop:v1"),
    Way("never to the live one", (GOOD_V2, GOOD_V1), V2, "shop:v1"),
    Way("only the live one is known good", (GOOD_V2,), V2, "NoKnownGoodRelease"),
    Way("nothing is known", (), V2, "NoKnownGoodRelease"),
    Way("one that was never healthy is not good", (NEVER_HEALTHY,), V2, "NoKnownGoodRelease"),
    Way("only one that was taken away", (TAKEN_AWAY,), V3, "NoKnownGoodRelease"),
    Way(
        "undo after restart: not to the same release before the restart",
        (GOOD_V1,),
        a_template("shop:v2", restarted_at="2026-11-22T11:00:00Z"),
        "shop:v1",
    ),
    Way(
        "a restarted good release is still the live one",
        (GOOD_V1,),
        a_template("shop:v1", restarted_at="2026-11-22T11:00:00Z"),
        "NoKnownGoodRelease",
    ),
    Way("undo twice: not back to the bad one", (TAKEN_AWAY, GOOD_V1), V1, "NoKnownGoodRelease"),
]


@pytest.mark.parametrize("row", WAYS_BACK, ids=sentence)
def test_where_a_rollback_goes(row: Way) -> None:
    assert rolled_back_to(*row.releases, template=row.template) == row.expected


def test_what_was_scaled_to_0_is_not_rolled_back() -> None:
    """No template is at fault where no pod is wanted, and none would bring a pod."""
    answer = refused(ROLLBACK, a_deployment_body(template=V2, replicas=0), **ROLLED_BACK_TO_V1)

    assert answer == Infeasible("ScaledToZero", "Deployment/checkout was scaled to 0, which is no fault of its release")


def test_a_daemon_set_that_finds_no_node_may_owe_that_to_its_template() -> None:
    asked = a_plan(ROLLBACK, a_deployment_body(template=V2, replicas=0), **ROLLED_BACK_TO_V1)
    workload = asked.seen.workload
    key = replace(workload.key, kind=WorkloadKind.DAEMON_SET)

    assert isinstance(plan(replace(asked, seen=replace(asked.seen, workload=replace(workload, key=key)))), Action)


def test_a_rollback_brings_no_secret_along_and_says_which() -> None:
    """The release before had one of its own: no loan covers that, and a person is told what differs."""
    stolen = a_template("shop:v1")
    stolen["spec"] |= {"serviceAccountName": "deployer", "imagePullSecrets": [{"name": "payroll"}]}
    good = a_release(stolen, healthy_at=ago(7200))

    answer = refused(ROLLBACK, a_deployment_body(template=V2), releases=(good,), release_started_at=ago(300))

    assert answer.reason == "MoreThanLent"
    assert (
        f"release {short(good.hash)} has what the live one of Deployment/checkout has not: Secret payroll, "
        in answer.message
    )
    assert "serviceAccountName; no loan covers that" in answer.message


@dataclass(frozen=True, slots=True)
class Times(Row):
    """When the release and the breach began, in seconds before now."""

    started: float | None
    breach: float
    expected: str
    """The image that is put back, or the reason why there is none."""


TIMES = [
    Times("the breach began minutes after the release", started=300, breach=60, expected="shop:v1"),
    Times("with the release", started=60, breach=60, expected="shop:v1"),
    Times("seconds before it, by another clock", started=60, breach=65, expected="shop:v1"),
    Times("before it, so it is not the cause", started=60, breach=66, expected="FaultPredatesRelease"),
    Times("as long after as is allowed", started=1860, breach=60, expected="shop:v1"),
    Times("longer after it than is allowed", started=1861, breach=60, expected="ReleaseTooOld"),
    Times("nobody knows when the release began", started=None, breach=60, expected="ReleaseTooOld"),
]


@pytest.mark.parametrize("row", TIMES, ids=sentence)
def test_when_a_release_is_to_blame(row: Times) -> None:
    body = a_deployment_body(template=V2)
    began = None if row.started is None else ago(row.started)
    answer = plan(
        a_plan(ROLLBACK, body, a_finding(since=ago(row.breach)), releases=(GOOD_V1,), release_started_at=began)
    )

    assert (answer.reason if isinstance(answer, Infeasible) else "shop:v1") == row.expected


def test_the_earliest_breach_counts() -> None:
    findings = [a_finding(since=ago(10)), a_finding(check="latency", since=ago(400))]
    body = a_deployment_body(template=V2)

    assert refused(ROLLBACK, body, *findings, releases=(GOOD_V1,), release_started_at=ago(300)).message == (
        "the breach began 1m40s before the release, which cannot be its cause"
    )


def test_the_record_names_releases_and_copies_no_template() -> None:
    action = planned(ROLLBACK, live(), **ROLLED_BACK_TO_V1)

    assert action.patch[-1] == {"op": "replace", "path": "/spec/template", "value": f"release:{release_hash(V1)}"}
    assert action.inverse == ({"op": "replace", "path": "/spec/template", "value": f"release:{release_hash(V2)}"},)
    assert action.release == f"salus-{release_hash(V1)}"
    assert (action.before.release, action.intended.release) == (release_hash(V2), release_hash(V1))
    assert (action.before.images, action.intended.images) == (images_of(V2), images_of(V1))


def test_a_rollback_and_its_inverse_leave_the_spec_as_it_was() -> None:
    body = live()
    action = planned(ROLLBACK, body, **ROLLED_BACK_TO_V1)
    rolled_back = after(resolved(action.patch, TEMPLATES.__getitem__), body)

    assert rolled_back["spec"]["template"] == V1
    assert json.dumps(after(resolved(action.inverse, TEMPLATES.__getitem__), rolled_back)) == json.dumps(body)


ROLLED_BACK: Mapping[str, Any] = {"action": ActionKind.ROLLBACK, "remedy": "undo-release"}


@dataclass(frozen=True, slots=True)
class Earlier(Row):
    """A change that is on record already."""

    change: Change
    incident: str
    """The one that is open now."""
    expected: str
    """The image that is put back, or the reason why there is none."""


EARLIER = [
    Earlier("one rollback is all an incident gets", a_finished_change(1, **ROLLED_BACK), INCIDENT, "RolledBackBefore"),
    Earlier("another incident has its own", a_finished_change(1, **ROLLED_BACK), "another", "shop:v1"),
    Earlier("one that was not done", a_change(1, outcome="Abandoned", **ROLLED_BACK), INCIDENT, "shop:v1"),
    Earlier("one that was refused", a_change(1, decision="Refuse", **ROLLED_BACK), INCIDENT, "shop:v1"),
    Earlier("a restart is no rollback", a_finished_change(1), INCIDENT, "shop:v1"),
    Earlier(
        "an undo is no rollback", a_finished_change(2, undoes="checkout-0a1b2c3d-1", **ROLLED_BACK), INCIDENT, "shop:v1"
    ),
]


@pytest.mark.parametrize("row", EARLIER, ids=sentence)
def test_one_rollback_per_incident(row: Earlier) -> None:
    body = a_deployment_body(template=V2)
    asked = a_plan(ROLLBACK, body, changes=(row.change,), releases=(GOOD_V1,), release_started_at=ago(300))
    answer = plan(replace(asked, incident=row.incident))

    assert (answer.reason if isinstance(answer, Infeasible) else "shop:v1") == row.expected


PARTITION = {"updateStrategy": {"rollingUpdate": {"partition": 3}}}
ON_DELETE = {"updateStrategy": {"type": "OnDelete"}}


@dataclass(frozen=True, slots=True)
class NoRollout(Row):
    """A workload that would not put a new template into its pods."""

    remedy: Mapping[str, Any]
    kind: str
    spec: Mapping[str, Any]
    reason: str


NO_ROLLOUTS = [
    NoRollout("stuck StatefulSet: OnDelete refuses", ROLLBACK, "StatefulSet", ON_DELETE, "OnDeleteStrategy"),
    NoRollout("stuck StatefulSet: so does partition=3", ROLLBACK, "StatefulSet", PARTITION, "PartitionedRollout"),
    NoRollout("a restart would not reach every pod", RESTART, "StatefulSet", PARTITION, "PartitionedRollout"),
    NoRollout("a DaemonSet with OnDelete", ROLLBACK, "DaemonSet", ON_DELETE, "OnDeleteStrategy"),
    NoRollout(
        "no history: revisionHistoryLimit 0", ROLLBACK, "Deployment", {"revisionHistoryLimit": 0}, "NoRevisionHistory"
    ),
]


@pytest.mark.parametrize("row", NO_ROLLOUTS, ids=sentence)
def test_refused_where_it_would_not_work(row: NoRollout) -> None:
    body = {**a_deployment_body(template=V2, spec=row.spec), "kind": row.kind}
    body["status"]["desiredNumberScheduled"] = 3

    assert refused(row.remedy, body, **ROLLED_BACK_TO_V1).reason == row.reason


def test_no_history_one_revision() -> None:
    """The only revision is the live one, and good: there is nothing to go back to."""
    answer = refused(ROLLBACK, live(), releases=(a_release(V2),), release_started_at=ago(60))

    assert answer.reason == "NoKnownGoodRelease"


def test_paused_is_for_its_guard_to_say() -> None:
    """The controller makes no revision of a paused Deployment's new template, so when it began is not known."""
    body = a_deployment_body(template=V2, spec={"paused": True})
    asked = a_plan(ROLLBACK, body, releases=(a_release(V1),), release_started_at=None)
    action = plan(asked)

    assert isinstance(action, Action)
    assert review(a_policy(remedies=[ROLLBACK]), action, asked.seen) == Refusal(
        "TargetPaused", "Deployment/checkout is paused"
    )
