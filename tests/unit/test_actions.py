"""What every planner plans, tried on the object itself: the patch, its tests, its inverse, and what it leaves alone."""

# ruff: noqa: ANN401 — remedies and observations are handed on to builders, as they are written

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import jsonpatch
import pytest
from jsonpointer import JsonPointerException

from salus.core.actions import KINDS, kind_of, plan, undo
from salus.core.actions.patch import applies, diff, guarded, resolved
from salus.core.actions.stamp import CHANGE_ANNOTATION, stamped
from salus.core.guards.chain import review
from salus.core.objects.workloads import images_of, release_hash, short, workload_from
from salus.model.change import ActionKind, PatchOp
from salus.model.meta import WorkloadKind
from salus.model.policy import Remedy
from salus.model.scalars import Body, format_time
from salus.model.values.changes import Action, Change, Infeasible, PatchOps, Refusal
from salus.model.values.objects import Release
from tests.builders import (
    GROW,
    INCIDENT,
    NOW,
    PAGE,
    RESTART,
    RESTARTED_AT,
    ROLLBACK,
    UID,
    a_change,
    a_deed,
    a_deployment_body,
    a_finding,
    a_plan,
    a_policy,
    a_release,
    a_remedy,
    a_template,
    ago,
)

CHANGE = "checkout-0a1b2c3d-1"
MARKS = {
    "deployment.kubernetes.io/revision": "8",
    "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/checkout",
    "kopf.zalando.org/last-handled-configuration": '{"spec": {}}\n',
    "example.com/owner": "team ☕",
}
V1, V2, V3 = a_template("shop:v1"), a_template("shop:v2"), a_template("shop:v3")


def planned(remedy: Mapping[str, Any], body: Body, *findings: Any, **around: Any) -> Action:
    action = plan(a_plan(remedy, body, *findings, **around))
    assert isinstance(action, Action), action
    return action


def refused(remedy: Mapping[str, Any], body: Body, *findings: Any, **around: Any) -> Infeasible:
    answer = plan(a_plan(remedy, body, *findings, **around))
    assert isinstance(answer, Infeasible), answer
    return answer


def after(patch: PatchOps, body: Body) -> dict[str, Any]:
    """The object as the API server would make it. Raises JsonPatchTestFailed."""
    changed: dict[str, Any] = jsonpatch.JsonPatch(list(patch)).apply(deepcopy(body))
    return changed


def moved_on(body: Body) -> dict[str, Any]:
    """What the API server does to the metadata when a spec changes."""
    changed = deepcopy(dict(body))
    changed["metadata"]["generation"] += 1
    return changed


def scaled(**wish: Any) -> dict[str, Any]:
    return {"name": "grow", "scale": wish}


# --- all kinds

ROLLED_BACK_TO_V1: Mapping[str, Any] = {"releases": (a_release(V1),), "release_started_at": ago(300)}
CHANGES = [
    pytest.param(RESTART, {}, id="restart"),
    pytest.param(GROW, {}, id="scale"),
    pytest.param(ROLLBACK, ROLLED_BACK_TO_V1, id="rollback"),
]
TEMPLATES = {release.hash: release.template for release in map(a_release, (V1, V2, V3))}


def live(annotations: Mapping[str, str] | None = None) -> dict[str, Any]:
    return a_deployment_body(template=V2, annotations=MARKS if annotations is None else annotations)


@pytest.mark.parametrize(("remedy", "around"), CHANGES)
def test_the_patch_applies_and_gives_what_was_intended(remedy: Mapping[str, Any], around: Mapping[str, Any]) -> None:
    action = planned(remedy, live(), **around)
    changed = workload_from(after(resolved(action.patch, TEMPLATES.__getitem__), live()))

    assert changed.replicas == action.intended.replicas
    assert changed.release == action.intended.release
    assert changed.restarted_at == action.intended.restarted_at


@pytest.mark.parametrize(("remedy", "around"), CHANGES)
def test_before_is_the_live_object(remedy: Mapping[str, Any], around: Mapping[str, Any]) -> None:
    action = planned(remedy, live(), **around)

    assert action.before == workload_from(live()).facts()
    assert action.before != action.intended
    assert (action.target, action.target_uid) == (workload_from(live()).key, UID)


@pytest.mark.parametrize(("remedy", "around"), CHANGES)
def test_nothing_but_the_stamp_and_the_action_s_own_field_changes(
    remedy: Mapping[str, Any], around: Mapping[str, Any]
) -> None:
    action = planned(remedy, live(), **around)
    changed = after(stamped(resolved(action.patch, TEMPLATES.__getitem__), live(), CHANGE), live())
    annotations = changed["metadata"].pop("annotations")
    untouched = live()["metadata"]
    untouched.pop("annotations")

    assert annotations.pop(CHANGE_ANNOTATION) == CHANGE
    assert json.dumps(annotations) == json.dumps(MARKS)
    assert changed["metadata"] == untouched
    assert changed["status"] == live()["status"]
    own = {"restart": "template", "scale": "replicas", "rollback": "template"}[kind_of(a_remedy(remedy)).field]
    assert [field for field in changed["spec"] if changed["spec"][field] != live()["spec"][field]] == [own]


SOMEONE_ELSE = [
    pytest.param("/metadata/uid", "uid-of-another", id="the object was deleted and made again"),
    pytest.param("/metadata/generation", 8, id="someone changed the spec in between"),
]


@pytest.mark.parametrize(("path", "value"), SOMEONE_ELSE)
@pytest.mark.parametrize(("remedy", "around"), CHANGES)
def test_the_patch_fails_on_another_object(
    remedy: Mapping[str, Any], around: Mapping[str, Any], path: str, value: object
) -> None:
    patch = resolved(planned(remedy, live(), **around).patch, TEMPLATES.__getitem__)
    other = after(({"op": "replace", "path": path, "value": value},), live())

    assert applies(patch, live())
    assert not applies(patch, other)


@pytest.mark.parametrize(("remedy", "around"), CHANGES)
def test_planning_changes_nothing(remedy: Mapping[str, Any], around: Mapping[str, Any]) -> None:
    body = live()
    planned(remedy, body, **around)

    assert body == live()


@pytest.mark.parametrize(("remedy", "around"), [*CHANGES, pytest.param(PAGE, {}, id="notify")])
def test_patch_and_inverse_fit_into_the_record(remedy: Mapping[str, Any], around: Mapping[str, Any]) -> None:
    """The record's schema takes them; no template and no environment is copied into it."""
    action = planned(remedy, live(), **around)

    for operations in (stamped(action.patch, live(), CHANGE), action.inverse):
        assert len(operations) <= 16
        assert all(PatchOp.parse(operation) for operation in operations)
        assert "containers" not in json.dumps(operations)


def test_every_remedy_has_a_kind_and_every_kind_a_remedy() -> None:
    """But Restore, which no remedy asks for yet."""
    assert {kind.field for kind in KINDS.values() if kind.field} == set(Remedy.model_fields) - {
        "name",
        "checks",
        "mode",
    }
    assert [name for name in ActionKind if not KINDS[name].field] == [ActionKind.RESTORE]


def test_every_action_that_is_on_record_has_its_kind() -> None:
    assert {name: kind.name for name, kind in KINDS.items()} == {name: name for name in ActionKind}


def test_an_unknown_kind_answers_with_the_menu() -> None:
    nothing = Remedy.model_construct(name="reboot", rollback=None, restart=None, scale=None, notify=None)

    with pytest.raises(KeyError, match="reboot holds no known action; known: rollback, restart, scale, notify"):
        kind_of(nothing)


# --- patches


def test_a_guarded_patch_tests_before_it_writes() -> None:
    edits = ({"op": "replace", "path": "/spec/replicas", "value": 5},)

    assert guarded(live(), edits) == (
        {"op": "test", "path": "/metadata/uid", "value": UID},
        {"op": "test", "path": "/metadata/generation", "value": 7},
        {"op": "test", "path": "/spec/replicas", "value": 3},
        *edits,
    )


def test_a_guarded_patch_fails_where_only_the_old_value_differs() -> None:
    patch = guarded(live(), ({"op": "replace", "path": "/spec/replicas", "value": 5},))
    other = live()
    other["spec"]["replicas"] = 4

    assert not applies(patch, other)


def test_a_guarded_patch_of_what_is_not_there_cannot_be_made() -> None:
    with pytest.raises(JsonPointerException):
        guarded(live(), ({"op": "replace", "path": "/spec/nothing", "value": 5},))


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param(MARKS, {**MARKS, CHANGE_ANNOTATION: CHANGE}, id="beside others"),
        pytest.param({}, {CHANGE_ANNOTATION: CHANGE}, id="among none"),
        pytest.param(None, {CHANGE_ANNOTATION: CHANGE}, id="where there are none at all"),
        pytest.param({CHANGE_ANNOTATION: "checkout-0a1b2c3d-0"}, {CHANGE_ANNOTATION: CHANGE}, id="over an older one"),
    ],
)
def test_the_stamp(annotations: dict[str, str] | None, expected: Mapping[str, str]) -> None:
    body = a_deployment_body(annotations=annotations)
    edit = ({"op": "replace", "path": "/spec/replicas", "value": 5},)
    changed = after(stamped(edit, body, CHANGE), body)

    assert changed["metadata"]["annotations"] == expected
    assert changed["spec"]["replicas"] == 5


def test_an_empty_patch_is_not_stamped() -> None:
    """A notification writes nothing, so it leaves no mark on the workload either."""
    assert stamped((), live(), CHANGE) == ()


def test_a_release_in_a_patch_becomes_its_template() -> None:
    patch: PatchOps = (
        {"op": "test", "path": "/metadata/uid", "value": UID},
        {"op": "replace", "path": "/spec/template", "value": f"release:{release_hash(V1)}"},
    )
    sent = resolved(patch, TEMPLATES.__getitem__)

    assert sent == (patch[0], {"op": "replace", "path": "/spec/template", "value": V1})
    template: Any = sent[1]["value"]
    template["spec"]["containers"][0]["image"] = "spoiled"
    assert TEMPLATES[release_hash(V1)] == V1 == a_template("shop:v1")


def test_a_release_that_is_not_kept_is_an_error() -> None:
    with pytest.raises(KeyError):
        resolved(({"op": "replace", "path": "/spec/template", "value": "release:gone"},), TEMPLATES.__getitem__)


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param({"op": "replace", "path": "/spec/replicas", "value": 3}, id="a number"),
        pytest.param({"op": "add", "path": "/spec/strategy", "value": "release:abc"}, id="another path"),
        pytest.param({"op": "replace", "path": "/spec/template", "value": {"spec": {}}}, id="a template itself"),
        pytest.param({"op": "remove", "path": "/spec/template"}, id="an edit without a value"),
    ],
)
def test_other_edits_are_sent_as_they_are(edit: Mapping[str, Any]) -> None:
    assert resolved((edit,), TEMPLATES.__getitem__) == (edit,)


def test_the_edits_between_two_values() -> None:
    assert diff({"a": 1, "b": 2}, {"a": 1, "b": 3}) == ({"op": "replace", "path": "/b", "value": 3},)


# --- restart


@pytest.mark.parametrize(
    "template",
    [
        pytest.param(a_template(), id="the first restart"),
        pytest.param(a_template(restarted_at="2026-11-01T00:00:00Z"), id="after another restart"),
        pytest.param(a_template(annotations={"a/b": "c"}), id="beside other annotations"),
        pytest.param({"spec": {"containers": []}}, id="a template without metadata"),
    ],
)
def test_a_restart_changes_restarted_at_and_nothing_else(template: Mapping[str, Any]) -> None:
    body = a_deployment_body(template=template)
    changed = after(planned(RESTART, body).patch, body)
    stamp = changed["spec"]["template"]["metadata"]["annotations"].pop(RESTARTED_AT)
    before = deepcopy(body)
    before["spec"]["template"].setdefault("metadata", {}).setdefault("annotations", {}).pop(RESTARTED_AT, None)

    assert stamp == format_time(NOW)
    assert changed == before


def test_a_restart_is_no_release() -> None:
    action = planned(RESTART, live())

    assert action.intended.release == action.before.release
    assert action.intended.restarted_at == "2026-11-22T12:00:00Z"


def test_a_restart_cannot_be_taken_back() -> None:
    assert planned(RESTART, live()).inverse == ()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(a_deployment_body(replicas=0), "ScaledToZero", id="no replicas to restart"),
        pytest.param(
            a_deployment_body(
                status={"conditions": [{"type": "ReplicaFailure", "status": "True", "message": "quota exceeded"}]}
            ),
            "PodsCannotBeCreated",
            id="new pods could not be created",
        ),
        pytest.param(
            {**a_deployment_body(spec={"updateStrategy": {"type": "OnDelete"}}), "kind": "StatefulSet"},
            "OnDeleteStrategy",
            id="a strategy that replaces no pods",
        ),
    ],
)
def test_a_restart_is_refused(body: Body, reason: str) -> None:
    assert refused(RESTART, body).reason == reason


# --- scale


def load(value: float | None) -> list[Any]:
    return [a_finding(check="load", value=value)]


@pytest.mark.parametrize(
    ("wish", "replicas", "value", "expected"),
    [
        pytest.param({"by": "2", "max": 12}, 3, 1, 5, id="two more"),
        pytest.param({"by": "2", "max": 4}, 3, 1, 4, id="two more, within the maximum"),
        pytest.param({"by": "50%", "max": 12}, 4, 1, 6, id="half as many more"),
        pytest.param({"by": "50%", "max": 12}, 3, 1, 5, id="half as many more, rounded up"),
        pytest.param({"by": "1%", "max": 12}, 1, 1, 2, id="a share is never nothing"),
        pytest.param({"by": "100%", "max": 12}, 5, 1, 10, id="twice as many"),
        pytest.param({"by": "300%", "max": 12}, 5, 1, 12, id="many more, within the maximum"),
        pytest.param({"to": 6, "max": 12}, 3, 1, 6, id="to a number"),
        pytest.param({"to": 2, "max": 12}, 3, 1, 2, id="to a smaller number, where that is what was written"),
        pytest.param({"to": 2, "max": 12, "min": 4}, 6, 1, 4, id="to a smaller number, not below the minimum"),
        pytest.param({"perReplica": "100", "max": 12}, 3, 500, 5, id="one replica for each hundred"),
        pytest.param({"perReplica": "100", "max": 12}, 3, 401, 5, id="for each hundred begun"),
        pytest.param({"perReplica": "100", "max": 12}, 3, 5000, 12, id="for each hundred, within the maximum"),
        pytest.param({"perReplica": "100", "max": 12}, 10, 1111, 12, id="more than a tenth too many is more"),
        pytest.param({"perReplica": "0.000000001", "max": 12}, 3, 1e308, 12, id="a value beyond counting"),
        pytest.param({"perReplica": "100", "max": 12, "min": 5}, 3, 290, 5, id="below the minimum is raised to it"),
        pytest.param({"by": "1", "max": 10000}, 9999, 1, 10000, id="the largest size there is"),
    ],
)
def test_how_far_to_scale(wish: Mapping[str, Any], replicas: int, value: float, expected: int) -> None:
    action = planned(scaled(**wish), a_deployment_body(replicas=replicas), *load(value))

    assert action.intended.replicas == expected
    assert action.message == f"scale Deployment/checkout from {replicas} to {expected} replicas"


@pytest.mark.parametrize(
    ("wish", "replicas", "value", "reason", "message"),
    [
        pytest.param(
            {"by": "1", "max": 3},
            3,
            1,
            "AtMaximum",
            "3 replicas already, spec.remedies[2].scale.max is 3",
            id="at the maximum already",
        ),
        pytest.param(
            {"by": "1", "max": 3},
            5,
            1,
            "AboveMaximum",
            "spec.remedies[2].scale.max: 3 is below the current size 5",
            id="above the maximum already: it is never scaled down to it",
        ),
        pytest.param(
            {"by": "1", "max": 3},
            0,
            1,
            "ScaledToZero",
            "Deployment/checkout was scaled to 0, which only people undo",
            id="scaled to 0 on purpose",
        ),
        pytest.param(
            {"to": 4, "max": 9},
            4,
            1,
            "EnoughReplicas",
            "4 replicas already, as the remedy wants",
            id="as many as wanted already",
        ),
        pytest.param(
            {"perReplica": "100", "max": 12},
            10,
            1100,
            "EnoughReplicas",
            "10 replicas already, as the remedy wants",
            id="a tenth too many is tolerated",
        ),
        pytest.param(
            {"perReplica": "100", "max": 12},
            10,
            900,
            "EnoughReplicas",
            "10 replicas already, as the remedy wants",
            id="a tenth too few is tolerated",
        ),
        pytest.param(
            {"perReplica": "100", "max": 12},
            10,
            300,
            "EnoughReplicas",
            "300 at 100 a replica needs 3 of 10",
            id="far too few: a remedy never scales down by load",
        ),
        pytest.param(
            {"perReplica": "100", "max": 12},
            10,
            -5,
            "EnoughReplicas",
            "-5 at 100 a replica needs 0 of 10",
            id="a negative value needs no replicas",
        ),
        pytest.param(
            {"perReplica": "100", "max": 12},
            3,
            None,
            "NoValue",
            "perReplica needs the check's value, and there is none",
            id="no value to go by",
        ),
    ],
)
def test_a_scaling_is_refused(
    wish: Mapping[str, Any], replicas: int, value: float | None, reason: str, message: str
) -> None:
    body = a_deployment_body(replicas=replicas)

    assert refused(scaled(**wish), body, *load(value), index=2) == Infeasible(reason, message)


def test_the_largest_value_of_the_checks_counts() -> None:
    findings = [a_finding(check=f"load-{value}", value=value) for value in (300, 700, None, 500)]

    assert planned(scaled(perReplica="100", max=12), a_deployment_body(), *findings).intended.replicas == 7


def test_a_daemon_set_is_not_scaled() -> None:
    asked = a_plan(GROW, a_deployment_body())
    workload = asked.seen.workload
    key = replace(workload.key, kind=WorkloadKind.DAEMON_SET)
    answer = plan(replace(asked, seen=replace(asked.seen, workload=replace(workload, key=key))))

    assert isinstance(answer, Infeasible)
    assert answer.reason == "NotScalable"


def test_a_scaling_and_its_inverse_leave_the_spec_as_it_was() -> None:
    body = live()
    action = planned(GROW, body)

    assert after(action.inverse, after(action.patch, body)) == body


def test_the_inverse_fails_where_someone_scaled_since() -> None:
    body = live()
    action = planned(GROW, body)
    other = after(action.patch, body)
    other["spec"]["replicas"] = 9

    assert not applies(action.inverse, other)


# --- rollback


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


@pytest.mark.parametrize(
    ("releases", "template", "expected"),
    [
        pytest.param([GOOD_V1], V2, "shop:v1", id="to the one known good"),
        pytest.param([GOOD_V2, GOOD_V1], V3, "shop:v2", id="to the newest known good"),
        pytest.param([TAKEN_AWAY, GOOD_V1], V3, "shop:v1", id="never to one that was taken away"),
        pytest.param([GOOD_V2, GOOD_V1], V2, "shop:v1", id="never to the live one"),
        pytest.param([GOOD_V2], V2, "NoKnownGoodRelease", id="only the live one is known good"),
        pytest.param([], V2, "NoKnownGoodRelease", id="nothing is known"),
        pytest.param([NEVER_HEALTHY], V2, "NoKnownGoodRelease", id="one that was never healthy is not good"),
        pytest.param([TAKEN_AWAY], V3, "NoKnownGoodRelease", id="only one that was taken away"),
        pytest.param(
            [GOOD_V1],
            a_template("shop:v2", restarted_at="2026-11-22T11:00:00Z"),
            "shop:v1",
            id="undo after restart: not to the same release before the restart",
        ),
        pytest.param(
            [GOOD_V1],
            a_template("shop:v1", restarted_at="2026-11-22T11:00:00Z"),
            "NoKnownGoodRelease",
            id="a restarted good release is still the live one",
        ),
        pytest.param([TAKEN_AWAY, GOOD_V1], V1, "NoKnownGoodRelease", id="undo twice: not back to the bad one"),
    ],
)
def test_where_a_rollback_goes(releases: list[Release], template: Mapping[str, Any], expected: str) -> None:
    assert rolled_back_to(*releases, template=template) == expected


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


@pytest.mark.parametrize(
    ("started", "breach", "expected"),
    [
        pytest.param(300, 60, "shop:v1", id="the breach began minutes after the release"),
        pytest.param(60, 60, "shop:v1", id="with the release"),
        pytest.param(60, 65, "shop:v1", id="seconds before it, by another clock"),
        pytest.param(60, 66, "FaultPredatesRelease", id="before it, so it is not the cause"),
        pytest.param(1860, 60, "shop:v1", id="as long after as is allowed"),
        pytest.param(1861, 60, "ReleaseTooOld", id="longer after it than is allowed"),
        pytest.param(None, 60, "ReleaseTooOld", id="nobody knows when the release began"),
    ],
)
def test_when_a_release_is_to_blame(started: float | None, breach: float, expected: str) -> None:
    body = a_deployment_body(template=V2)
    began = None if started is None else ago(started)
    answer = plan(a_plan(ROLLBACK, body, a_finding(since=ago(breach)), releases=(GOOD_V1,), release_started_at=began))

    assert (answer.reason if isinstance(answer, Infeasible) else "shop:v1") == expected


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


@pytest.mark.parametrize(
    ("change", "incident", "expected"),
    [
        pytest.param(a_deed(1, **ROLLED_BACK), INCIDENT, "RolledBackBefore", id="one rollback is all an incident gets"),
        pytest.param(a_deed(1, **ROLLED_BACK), "another", "shop:v1", id="another incident has its own"),
        pytest.param(a_change(1, outcome="Abandoned", **ROLLED_BACK), INCIDENT, "shop:v1", id="one that was not done"),
        pytest.param(a_change(1, decision="Refuse", **ROLLED_BACK), INCIDENT, "shop:v1", id="one that was refused"),
        pytest.param(a_deed(1), INCIDENT, "shop:v1", id="a restart is no rollback"),
        pytest.param(
            a_deed(2, undoes="checkout-0a1b2c3d-1", **ROLLED_BACK), INCIDENT, "shop:v1", id="an undo is no rollback"
        ),
    ],
)
def test_one_rollback_per_incident(change: Change, incident: str, expected: str) -> None:
    body = a_deployment_body(template=V2)
    asked = a_plan(ROLLBACK, body, changes=(change,), releases=(GOOD_V1,), release_started_at=ago(300))
    answer = plan(replace(asked, incident=incident))

    assert (answer.reason if isinstance(answer, Infeasible) else "shop:v1") == expected


PARTITION = {"updateStrategy": {"rollingUpdate": {"partition": 3}}}
ON_DELETE = {"updateStrategy": {"type": "OnDelete"}}


@pytest.mark.parametrize(
    ("remedy", "kind", "spec", "reason"),
    [
        pytest.param(ROLLBACK, "StatefulSet", ON_DELETE, "OnDeleteStrategy", id="stuck StatefulSet: OnDelete refuses"),
        pytest.param(
            ROLLBACK, "StatefulSet", PARTITION, "PartitionedRollout", id="stuck StatefulSet: so does partition=3"
        ),
        pytest.param(RESTART, "StatefulSet", PARTITION, "PartitionedRollout", id="a restart would not reach every pod"),
        pytest.param(ROLLBACK, "DaemonSet", ON_DELETE, "OnDeleteStrategy", id="a DaemonSet with OnDelete"),
        pytest.param(
            ROLLBACK,
            "Deployment",
            {"revisionHistoryLimit": 0},
            "NoRevisionHistory",
            id="no history: revisionHistoryLimit 0",
        ),
    ],
)
def test_refused_where_it_would_not_work(
    remedy: Mapping[str, Any], kind: str, spec: Mapping[str, Any], reason: str
) -> None:
    body = {**a_deployment_body(template=V2, spec=spec), "kind": kind}
    body["status"]["desiredNumberScheduled"] = 3

    assert refused(remedy, body, **ROLLED_BACK_TO_V1).reason == reason


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


# --- notify


def test_a_notification_changes_nothing_and_names_every_check() -> None:
    action = planned(PAGE, live(), a_finding(), a_finding(check="latency", value=3))

    assert (action.patch, action.inverse) == ((), ())
    assert action.before == action.intended
    assert action.message == (
        "critical: Deployment/checkout is unhealthy: error-ratio: 0.08, above 0.05; latency: 3, above 0.05"
    )


# --- undo


def undone(action: Action, now_there: Body, **change: Any) -> Action | Infeasible:
    """What taking this action back is planned as, on the object as it is now."""
    record = a_deed(
        1, action=action.kind, remedy=action.remedy, before=action.before, intended=action.intended, **change
    )
    return undo.plan(record, action.inverse, undo.Live(workload_from(now_there), now_there), undo.UNDO, "outcome Worse")


def test_undoing_a_scaling_puts_back_what_was_there() -> None:
    action = planned(GROW, live())
    there = moved_on(after(action.patch, live()))
    back = undone(action, there)

    assert isinstance(back, Action)
    assert after(back.patch, there)["spec"] == live()["spec"]
    assert (back.undoes, back.reason, back.inverse) == (CHANGE, "Undo", ())
    assert back.message == f"take back {CHANGE}: outcome Worse"
    assert (back.before.replicas, back.intended.replicas) == (5, 3)


def test_undoing_a_rollback_puts_back_what_was_there() -> None:
    action = planned(ROLLBACK, live(), **ROLLED_BACK_TO_V1)
    there = moved_on(after(resolved(action.patch, TEMPLATES.__getitem__), live()))
    back = undone(action, there)

    assert isinstance(back, Action)
    assert after(resolved(back.patch, TEMPLATES.__getitem__), there)["spec"] == live()["spec"]
    assert (back.intended.release, back.intended.images) == (release_hash(V2), images_of(V2))


def test_an_undo_is_guarded_too() -> None:
    action = planned(GROW, live())
    there = moved_on(after(action.patch, live()))
    back = undone(action, there)

    assert isinstance(back, Action)
    assert applies(back.patch, there)
    assert not applies(back.patch, moved_on(there))


@pytest.mark.parametrize(
    ("remedy", "around", "edit", "reason", "message"),
    [
        pytest.param(
            GROW,
            {},
            {"op": "replace", "path": "/spec/replicas", "value": 9},
            "UndoSkipped",
            "someone set 9 replicas since, the change had set 5",
            id="someone scaled since",
        ),
        pytest.param(
            GROW,
            {},
            {"op": "replace", "path": "/spec/replicas", "value": 3},
            "UndoSkipped",
            "someone set 3 replicas since, the change had set 5",
            id="it was taken back already: undo twice is one undo",
        ),
        pytest.param(
            GROW,
            {},
            {"op": "replace", "path": "/metadata/uid", "value": "another"},
            "UndoSkipped",
            "Deployment/checkout was deleted and made again since",
            id="the target is another one by now",
        ),
        pytest.param(
            ROLLBACK,
            ROLLED_BACK_TO_V1,
            {"op": "replace", "path": "/spec/template", "value": V3},
            "UndoSkipped",
            f"release {short(release_hash(V3))} was put there since, the change had put {short(release_hash(V1))}",
            id="someone released since",
        ),
        pytest.param(
            RESTART,
            {},
            {"op": "replace", "path": "/spec/replicas", "value": 3},
            "Irreversible",
            "Restart cannot be taken back",
            id="a restart cannot be taken back",
        ),
    ],
)
def test_hands_off(
    remedy: Mapping[str, Any], around: Mapping[str, Any], edit: Mapping[str, Any], reason: str, message: str
) -> None:
    action = planned(remedy, live(), **around)
    there = after((*resolved(action.patch, TEMPLATES.__getitem__), edit), live())

    assert undone(action, there) == Infeasible(reason, message)


@pytest.mark.parametrize("field", ["before", "intended"])
def test_a_record_without_facts_cannot_be_taken_back(field: str) -> None:
    action = planned(GROW, live())
    facts: Mapping[str, Any] = {"before": action.before, "intended": action.intended, field: None}
    record = a_deed(1, action=action.kind, **facts)

    assert undo.plan(record, action.inverse, undo.Live(workload_from(live()), live()), undo.UNDO, "") == Infeasible(
        "Irreversible", "Scale cannot be taken back"
    )


def test_a_restart_in_between_does_not_hinder_the_undo_of_a_rollback() -> None:
    """A restart is no release: what the rollback put there is still there."""
    action = planned(ROLLBACK, live(), **ROLLED_BACK_TO_V1)
    there = moved_on(after(resolved(action.patch, TEMPLATES.__getitem__), live()))
    restarted = moved_on(after(planned(RESTART, there).patch, there))

    assert isinstance(undone(action, restarted), Action)


def test_the_path_of_a_remedy_s_field() -> None:
    assert a_plan(GROW, live(), index=2).path("scale.max") == "spec.remedies[2].scale.max"
