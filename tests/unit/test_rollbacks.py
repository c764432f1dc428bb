"""Rollbacks from the first breach to the end, on fakes: the edge cases that have cost people their trust."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from salus.core.objects.stamps import KNOWN
from salus.core.objects.workloads import release_hash, short, template_hash, workload_from
from salus.core.records import changes as records
from salus.core.records import names
from salus.core.records.changes import Entry
from salus.model.change import ActionKind, Decision, Facts
from salus.model.meta import WorkloadKind
from salus.model.scalars import Body, format_time
from salus.model.values.configuration import Stamps, Switches
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Sample
from salus.model.values.policies import Policy
from salus.ports import (
    AUTOSCALERS,
    CHANGE_EVENTS,
    CONFIG_MAPS,
    HEALTH_POLICIES,
    KEPT_RELEASES,
    NODES,
    PODS,
    PRIORITY_CLASSES,
    REPLICA_SETS,
    SECRETS,
    SERVICE_ACCOUNTS,
    STATEFUL_SETS,
    VOLUME_CLAIMS,
    Forbidden,
    Ref,
    Resource,
    right,
)
from salus.reconcile import stuck_pod
from salus.reconcile.cases import Case
from salus.reconcile.context import Step
from salus.reconcile.step import heal
from salus.rehearsal.cluster import Write
from salus.rehearsal.ports import VirtualClock
from tests.builders import (
    NOW,
    RESTARTED_AT,
    a_deployment_body,
    a_policy,
    a_scaled_object_body,
    a_template,
    an_action,
    an_hpa_body,
)
from tests.unit.autoscalers.planning import OWNED_BY_KEDA
from tests.unit.stage import NAME, NAMESPACE, TARGET, Killed, MortalCluster, Service, Stage, a_stage, a_world

UNDO: Mapping[str, Any] = {"name": "undo", "rollback": {}}
POLICY = Ref(HEALTH_POLICIES, NAMESPACE, NAME)
GOOD_MARKS = {
    "argocd.argoproj.io/tracking-id": "another:apps/Deployment:shop/another",
    "kopf.zalando.org/last-handled-configuration": '{"spec": {}}\n',
    "example.com/owner": "team ☕",
}


def image(body: Body) -> str:
    return str(body["spec"]["template"]["spec"]["containers"][0]["image"])


def roll_out(stage: Stage, number: int, template: Mapping[str, Any]) -> None:
    """Someone puts another template there, and the Deployment controller makes its ReplicaSet."""
    stage.cluster.edit(TARGET, lambda body: body["spec"].update(template=deepcopy(dict(template))))
    metadata = {
        "name": f"{NAME}-{number}",
        "namespace": NAMESPACE,
        "labels": dict(stage.deployment["spec"]["selector"]["matchLabels"]),
        "annotations": {"deployment.kubernetes.io/revision": str(number)},
        "ownerReferences": [{"uid": stage.deployment["metadata"]["uid"], "controller": True}],
    }
    spec = {"template": deepcopy(dict(template))}
    stage.cluster.put({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": spec})


async def a_bad_release(cured_by: str = "v1") -> Stage:
    """v1 was healthy and is kept; v2 has just been put there, and is unhealthy."""
    stage = a_stage(lambda body: image(body) == cured_by, dict(UNDO))
    stage.cluster.edit(TARGET, lambda body: body["metadata"].update(annotations=dict(GOOD_MARKS)))
    roll_out(stage, 1, a_template("v1"))
    stage.service.is_cured = lambda body: image(body) in {"v1", cured_by}
    await stage.ticks(6)
    roll_out(stage, 2, a_template("v2"))
    stage.service.is_cured = lambda body: image(body) == cured_by
    return stage


async def test_edge_case_09_undo_after_restart() -> None:
    """v1, v2, restart, breach: the template is v1 again, not v2 without its annotation."""
    stage = await a_bad_release()
    roll_out(stage, 3, a_template("v2", restarted_at="2026-11-22T12:00:30Z"))
    await stage.ticks(20)

    assert stage.deployment["spec"]["template"] == a_template("v1")
    assert RESTARTED_AT not in str(stage.deployment["spec"]["template"])
    assert [c["status"].get("outcome") for c in stage.changes] == ["Recovered"]


async def test_edge_case_10_repeated_breach_after_rollback() -> None:
    """v1, v2 (bad), back to v1, still bad: no second rollback, people are called, v2 is quarantined."""
    stage = await a_bad_release(cured_by="nothing")
    await stage.ticks(40)

    assert [image(stage.deployment), len(stage.remedial_writes)] == ["v1", 1]
    assert stage.incidents[0]["status"]["phase"] == "Escalated"
    rollback = next(c for c in stage.changes if c["spec"]["decision"] == "Act" and c["spec"]["action"] == "Rollback")
    marks = [kept["status"] for kept in stage.cluster.objects(KEPT_RELEASES)]
    assert [mark["quarantinedBy"] for mark in marks if "quarantinedBy" in mark] == [rollback["metadata"]["name"]]


async def test_edge_case_11_annotations_survive() -> None:
    """A tracking id, Kopf's last-handled and a user's own key are byte for byte what they were."""
    stage = await a_bad_release()
    await stage.ticks(20)
    annotations = stage.deployment["metadata"]["annotations"]

    assert image(stage.deployment) == "v1"
    assert {key: value for key, value in annotations.items() if key != "salus.dev/change"} == GOOD_MARKS


async def test_the_incident_blames_the_release_and_keeps_to_it() -> None:
    """Said before the rollback, which is a change too."""
    stage = await a_bad_release()
    await stage.ticks(20)
    blamed = stage.incidents[0]["status"]["blame"]

    assert (blamed["kind"], blamed["revision"], blamed["confidence"]) == ("Release", "2", "High")
    assert stage.incidents[0]["status"]["phase"] == "Resolved"


async def test_a_fault_that_predates_the_release_is_not_blamed_on_it() -> None:
    """v1 falls ill by itself, and v2 is put there before the breach counts: no rollback, no blame for v2."""
    stage = await a_bad_release()
    roll_out(stage, 3, a_template("v1"))
    await stage.ticks(6)
    stage.service.is_cured = lambda _: False
    await stage.ticks(2)
    roll_out(stage, 4, a_template("v2"))
    await stage.ticks(12)
    blamed = stage.incidents[-1]["status"]["blame"]

    assert blamed["revision"] != "4"
    assert [c["spec"]["reason"] for c in stage.changes if c["spec"]["action"] == "Rollback"] == ["FaultPredatesRelease"]
    assert stage.remedial_writes == []


async def test_under_argo_cd_a_rollback_is_advised_with_exactly_what_to_revert() -> None:
    """One record, zero patches; the ladder goes on, and people are called."""
    stage = await a_bad_release()
    marks = {**GOOD_MARKS, "argocd.argoproj.io/tracking-id": f"shop-app:apps/Deployment:{NAMESPACE}/{NAME}"}
    stage.cluster.edit(TARGET, lambda body: body["metadata"].update(annotations=marks))
    good, bad = short(release_hash(a_template("v1"))), short(release_hash(a_template("v2")))
    await stage.ticks(20)
    (advised,) = [c["spec"] for c in stage.changes if c["spec"]["action"] == "Rollback"]

    assert (advised["decision"], advised["reason"]) == ("Advise", "GitOpsOwnsField")
    assert advised["managedBy"] == {"tool": "ArgoCD", "ref": "shop-app"}
    assert advised["message"].startswith(
        f"ArgoCD (shop-app) holds spec.template; in Git, revert the pod template to release {good}, revision 1, "
        f"known healthy (live is {bad}): image v1 instead of v2; the whole template is kept in "
        "KeptRelease/salus-"
    )
    assert stage.remedial_writes == []
    assert stage.incidents[0]["status"]["phase"] == "Escalated"


# --- what tools put into a template, and what no template brings back


def stamped(picture: str, key: str = "cattle.io/timestamp", value: str = "10:00") -> dict[str, Any]:
    template = a_template(picture)
    return {**template, "metadata": {**template["metadata"], "annotations": {key: value}}}


def of_rollbacks(stage: Stage, field: str) -> list[str]:
    return [
        str(c["spec"].get(field) or c["status"].get(field)) for c in stage.changes if c["spec"]["action"] == "Rollback"
    ]


async def redeployed(stage: Stage, *templates: dict[str, Any]) -> None:
    """One after the other, each until it has proven itself."""
    for number, template in enumerate(templates, start=1):
        roll_out(stage, number, template)
        await stage.ticks(6)


@pytest.mark.parametrize("key", ["cattle.io/timestamp", "flagger-id", "checksum/config", "rollme"])
async def test_redeploys_do_not_push_the_last_real_release_out(key: str) -> None:
    """Case 11: v1 good, v2 good, redeployed six times by a tool, then its leak is full: v1 it is, and never v2."""
    stage = a_stage(lambda _: True, dict(UNDO))
    await redeployed(
        stage, a_template("v1"), a_template("v2"), *(stamped("v2", key, f"{hour}:00") for hour in range(10, 16))
    )
    stage.service.is_cured = lambda body: image(body) == "v1"
    await stage.ticks(40)

    assert image(stage.deployment) == "v1"
    assert of_rollbacks(stage, "outcome") == ["Recovered"]
    assert {
        kept["spec"]["workload"]["spec"]["template"]["spec"]["containers"][0]["image"]
        for kept in stage.cluster.objects(KEPT_RELEASES)
    } == {"v1", "v2"}


async def test_a_redeploy_is_not_rolled_back_to_what_it_was() -> None:
    """v2 is all that there ever was: there is nothing to go back to, whatever stamps it had."""
    stage = a_stage(lambda _: True, dict(UNDO))
    await redeployed(stage, a_template("v2"), stamped("v2"), stamped("v2", value="11:00"))
    stage.service.is_cured = lambda _: False
    await stage.ticks(20)

    assert of_rollbacks(stage, "reason") == ["NoKnownGoodRelease"]
    assert stage.remedial_writes == []


async def test_a_configuration_that_changed_is_told_and_no_template_is_put_back_for_it() -> None:
    """v2 was known healthy; its checksum changes, and it breaks at once: v1 would run with the same configuration."""
    stage = a_stage(lambda _: True, dict(UNDO))
    await redeployed(stage, a_template("v1"), stamped("v2", "checksum/config", "9b1c"))
    roll_out(stage, 3, stamped("v2", "checksum/config", "77aa"))
    stage.service.is_cured = lambda _: False
    await stage.ticks(20)
    (refused,) = [c["spec"] for c in stage.changes if c["spec"]["action"] == "Rollback"]
    blamed = stage.incidents[0]["status"]["blame"]

    assert refused["reason"] == "ConfigurationChanged"
    assert "annotation checksum/config, revision 3" in refused["message"]
    assert (blamed["kind"], blamed["revision"]) == ("Configuration", "3")
    assert "annotation checksum/config" in blamed["message"]
    assert stage.remedial_writes == []


async def test_a_rollback_says_which_configuration_stays() -> None:
    """A release that came with a configuration of its own."""
    stage = a_stage(lambda _: True, dict(UNDO))
    await redeployed(stage, stamped("v1", "checksum/config", "9b1c"))
    roll_out(stage, 2, stamped("v2", "checksum/config", "77aa"))
    stage.service.is_cured = lambda body: image(body) == "v1"
    await stage.ticks(20)
    (done,) = [c["spec"] for c in stage.changes if c["spec"]["action"] == "Rollback"]

    assert image(stage.deployment) == "v1"
    assert done["message"].endswith(
        "what it is configured with has changed too (annotation checksum/config), and stays"
    )


async def test_what_a_tool_stamps_after_a_rollback_is_no_contest() -> None:
    """Reloader writes into the template that was just put back: it is the same release, and its proof goes on."""
    stage = await a_bad_release()
    await stage.ticks(6)
    assert image(stage.deployment) == "v1"
    roll_out(stage, 3, stamped("v1", "reloader.stakater.com/last-reloaded-from", "{}"))
    await stage.ticks(20)

    assert of_rollbacks(stage, "outcome") == ["Recovered"]


UNKNOWN_STAMPS = Stamps()
"""As Salus was before it knew any: each stamp was a release, by the hash of its whole template."""


async def before_the_upgrade(*templates: dict[str, Any]) -> Stage:
    stage = a_stage(lambda _: True, dict(UNDO))
    stage.stamps = UNKNOWN_STAMPS
    stage.restart()
    await redeployed(stage, *templates)
    return stage


def upgraded(stage: Stage) -> None:
    stage.stamps = KNOWN
    stage.restart()


async def test_releases_that_an_older_salus_kept_by_their_stamps_are_one_after_the_upgrade() -> None:
    """v2 is kept four times there: v1 is gone back to, and what is kept twice goes when v2 is proven anew."""
    stage = await before_the_upgrade(a_template("v1"), *(stamped("v2", value=f"{hour}:00") for hour in range(10, 14)))
    assert len(stage.cluster.objects(KEPT_RELEASES)) == 5
    upgraded(stage)
    await stage.ticks(6)
    stage.service.is_cured = lambda body: image(body) == "v1"
    await stage.ticks(40)

    assert image(stage.deployment) == "v1"
    assert of_rollbacks(stage, "outcome") == ["Recovered"]


async def test_a_quarantine_holds_for_all_that_is_the_same_release_after_the_upgrade() -> None:
    """v2 was taken away with one stamp, and had been good with another; v3 breaks: v1, not v2 again."""
    stage = await before_the_upgrade(a_template("v1"), stamped("v2", value="10:00"))
    roll_out(stage, 3, stamped("v2", value="11:00"))
    stage.service.is_cured = lambda body: "11:00" not in str(body["spec"]["template"])
    await stage.ticks(30)
    assert "10:00" in str(stage.deployment["spec"]["template"]), "an older Salus went from v2 to v2"
    roll_out(stage, 4, a_template("v3"))
    stage.service.is_cured = lambda body: image(body) == "v1"
    upgraded(stage)
    await stage.ticks(40)

    assert image(stage.deployment) == "v1"


@pytest.mark.parametrize("ticks", range(2, 12))
async def test_a_change_that_is_open_at_the_upgrade_goes_on(ticks: int) -> None:
    """Whatever has come of it by then: it is done once, proven, and nobody is taken to have put anything back."""
    stage = await before_the_upgrade(stamped("v1"), stamped("v1", value="11:00"))
    roll_out(stage, 3, stamped("v2", value="12:00"))
    stage.service.is_cured = lambda body: image(body) == "v1"
    await stage.ticks(ticks)
    upgraded(stage)
    await stage.ticks(40)

    assert image(stage.deployment) == "v1"
    assert of_rollbacks(stage, "outcome") == ["Recovered"]
    assert len(stage.remedial_writes) == 1
    taken_away = [kept for kept in stage.cluster.objects(KEPT_RELEASES) if kept["status"].get("quarantinedBy")]
    assert [kept["spec"]["release"] for kept in taken_away] == [template_hash(stamped("v2", value="12:00"))]


async def test_an_undo_that_is_owed_at_the_upgrade_is_done() -> None:
    """The rollback made it worse: the template that was there comes back, by the name that it had."""
    stage = await before_the_upgrade(stamped("v1"))
    roll_out(stage, 2, stamped("v2", value="12:00"))
    stage.service.is_cured = lambda _: False
    await stage.ticks(4)
    assert image(stage.deployment) == "v1"
    stage.service.value = 0.9
    upgraded(stage)
    await stage.ticks(20)

    assert stage.deployment["spec"]["template"] == stamped("v2", value="12:00")
    assert of_rollbacks(stage, "outcome")[:2] == ["Worse", "Undone"]


# --- what a template refers to has to be there


def configured(picture: str, name: str, *others: dict[str, Any], **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """With a ConfigMap of this name, and others' references beside it; `fields` of the first."""
    template = a_template(picture)
    refs = [{"configMapRef": {"name": f"checkout-{name}", **fields}}, *others]
    template["spec"]["containers"][0]["envFrom"] = refs
    return template


def put(stage: Stage, kind: str, *names: str) -> None:
    for name in names:
        stage.cluster.put({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}})


async def pruned(*templates: dict[str, Any], there: Sequence[str] = ("checkout-bbbb",)) -> Stage:
    """All of these were good but the last, which is unhealthy; what is not `there` was pruned when it came."""
    stage = a_stage(lambda _: True, dict(UNDO), {"name": "page", "notify": {"severity": "critical"}})
    await redeployed(stage, *templates[:-1])
    put(stage, "ConfigMap", *there)
    roll_out(stage, len(templates), templates[-1])
    stage.service.is_cured = lambda body: body["spec"]["template"] == templates[0]
    return stage


async def test_no_rollback_to_a_template_whose_config_map_was_pruned() -> None:
    """Case 12: v1 names a ConfigMap by its hash, which the GitOps tool pruned when v2 came."""
    stage = await pruned(configured("v1", "aaaa"), configured("v2", "bbbb"))
    await stage.ticks(20)
    (refused,) = [c["spec"] for c in stage.changes if c["spec"]["action"] == "Rollback"]

    assert (refused["decision"], refused["reason"]) == ("Refuse", "ReferencesGone")
    assert refused["message"].endswith("to ConfigMap checkout-aaaa")
    assert stage.remedial_writes == []
    assert stage.incidents[0]["status"]["phase"] == "Escalated"


async def test_the_next_good_release_whose_references_are_there_is_gone_back_to() -> None:
    stage = await pruned(configured("v0", "bbbb"), configured("v1", "aaaa"), configured("v2", "bbbb"))
    await stage.ticks(20)
    (done,) = [c["spec"] for c in stage.changes if c["spec"]["action"] == "Rollback"]

    assert image(stage.deployment) == "v0"
    assert "which refers to ConfigMap checkout-aaaa, and that is not there any more" in done["message"]


async def test_what_is_optional_need_not_be_there() -> None:
    stage = await pruned(configured("v1", "aaaa", optional=True), configured("v2", "bbbb"))
    await stage.ticks(20)

    assert image(stage.deployment) == "v1"


@pytest.mark.parametrize("unreadable", [False, True], ids=["no right to Secrets", "nor to ConfigMaps"])
async def test_what_may_not_be_read_is_said_and_refuses_nothing(unreadable: bool) -> None:
    """Whether it may, the API server is asked: nobody tries to read Secrets."""
    secret = {"secretRef": {"name": "db"}}
    stage = await pruned(configured("v1", "bbbb", secret), configured("v2", "bbbb", secret))
    stage.cluster.unreadable |= {SECRETS, *([CONFIG_MAPS] if unreadable else [])}
    await stage.ticks(20)
    (done,) = [c["spec"] for c in stage.changes if c["spec"]["action"] == "Rollback"]

    assert image(stage.deployment) == "v1"
    unseen = "ConfigMap checkout-bbbb, Secret db" if unreadable else "Secret db"
    assert done["message"].endswith(f"was not looked at, for lack of a right: {unseen}")


@pytest.mark.parametrize(
    ("kind", "resource", "spec"),
    [
        pytest.param("Secret", SECRETS, {"volumes": [{"name": "v", "secret": {"secretName": "it"}}]}, id="a Secret"),
        pytest.param(
            "PersistentVolumeClaim",
            VOLUME_CLAIMS,
            {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "it"}}]},
            id="a volume claim",
        ),
        pytest.param("PriorityClass", PRIORITY_CLASSES, {"priorityClassName": "it"}, id="a priority class"),
        pytest.param("ServiceAccount", SERVICE_ACCOUNTS, {"serviceAccountName": "it"}, id="a service account"),
    ],
)
@pytest.mark.parametrize("there", [True, False])
async def test_whoever_may_look_at_a_kind_does(
    kind: str, resource: Resource, spec: dict[str, Any], there: bool
) -> None:
    first, second = a_template("v1"), a_template("v2")
    for template in (first, second):
        template["spec"] |= spec
    stage = await pruned(first, second)
    stage.cluster.readable.add(right("list", resource))
    if there:
        namespace = NAMESPACE if resource.namespaced else ""
        group = resource.api_version
        stage.cluster.put({"apiVersion": group, "kind": kind, "metadata": {"name": "it", "namespace": namespace}})
    await stage.ticks(20)

    assert image(stage.deployment) == ("v1" if there else "v2")
    if not there:
        assert of_rollbacks(stage, "reason") == ["ReferencesGone"]


async def test_what_goes_between_the_decision_and_the_action_is_seen() -> None:
    """The ConfigMap is pruned as the intent is put on record: nothing is done, and nothing quarantined."""
    stage = await pruned(configured("v1", "aaaa"), configured("v2", "bbbb"), there=("checkout-aaaa", "checkout-bbbb"))

    def prune(write: Write) -> None:
        there = {body["metadata"]["name"] for body in stage.cluster.peek(CONFIG_MAPS)}
        meant = write.verb == "create" and write.body["spec"].get("decision") == "Act"
        if meant and "checkout-aaaa" in there:
            stage.cluster.remove(Ref(CONFIG_MAPS, NAMESPACE, "checkout-aaaa"))

    stage.cluster.on_write = prune
    await stage.ticks(20)

    assert of_rollbacks(stage, "outcome")[0] == "Abandoned"
    assert stage.remedial_writes == []
    assert not [kept for kept in stage.cluster.objects(KEPT_RELEASES) if kept["status"].get("quarantinedBy")]


def owned_by(kind: str, group: str) -> dict[str, Any]:
    return {"ownerReferences": [{"apiVersion": f"{group}/v1", "kind": kind, "name": "checkout", "controller": True}]}


async def test_what_an_argo_rollout_takes_from_the_workload_is_not_rolled_back() -> None:
    """A Rollout with `workloadRef` leaves no mark on the Deployment, but makes ReplicaSets that its selector finds."""
    stage = await a_bad_release()
    metadata = {
        "name": f"{NAME}-7d4b",
        "namespace": NAMESPACE,
        "labels": dict(stage.deployment["spec"]["selector"]["matchLabels"]),
        "annotations": {"rollout.argoproj.io/workload-generation": "2"},
        **owned_by("Rollout", "argoproj.io"),
    }
    stage.cluster.put({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": {}})
    await stage.ticks(20)

    assert "OperatorOwned" in {c["spec"]["reason"] for c in stage.changes}
    assert stage.remedial_writes == []


async def test_what_flagger_serves_a_copy_of_is_not_rolled_back() -> None:
    """It leaves no mark on its target either, but serves from a copy of it."""
    stage = await a_bad_release()
    copy = a_deployment_body(name=f"{NAME}-primary", uid="uid-of-primary")
    copy["metadata"].update(owned_by("Canary", "flagger.app"))
    stage.cluster.put(copy)
    await stage.ticks(20)

    assert "OperatorOwned" in {c["spec"]["reason"] for c in stage.changes}
    assert stage.remedial_writes == []


def put_pod(stage: Stage, revision: int, waits_for: str = "", node: str = "node1", *, by: str = "") -> None:
    """A pod of this revision, an hour old; `by`: a controller that is not the target's."""
    now, stage.clock.present = stage.clock.present, NOW - timedelta(hours=1)
    state = {"waiting": {"reason": waits_for}} if waits_for else {"running": {}}
    name, labels = f"{NAME}-{revision}-x{by}", {"app": NAME, "pod-template-hash": str(revision)}
    owners = {body["metadata"]["name"]: body["metadata"]["uid"] for body in stage.cluster.objects(REPLICA_SETS)}
    owner = {"uid": by or owners[f"{NAME}-{revision}"], "controller": True}
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels, "ownerReferences": [owner]},
        "spec": {"nodeName": node},
        "status": {"containerStatuses": [{"state": state}]},
    }
    stage.cluster.put(body)
    stage.clock.present = now


def rollbacks(stage: Stage) -> list[tuple[str, str]]:
    return [(c["spec"]["decision"], c["spec"]["reason"]) for c in stage.changes if c["spec"]["action"] == "Rollback"]


@pytest.mark.parametrize("selector", ["matchLabels", "matchExpressions"])
@pytest.mark.parametrize(
    ("old", "expected"),
    [
        pytest.param("CrashLoopBackOff", ("Refuse", "OldPodsFailToo"), id="the good release's pod fails as well"),
        pytest.param("", ("Act", "AboveThreshold"), id="the good release's pod is well"),
    ],
)
async def test_a_fault_that_hits_old_and_new_pods_alike_is_no_reason_to_roll_back(
    old: str, expected: tuple[str, str], selector: str
) -> None:
    """Its pods are those that its ReplicaSets made, however it selects them; another workload may select them too."""
    stage = await a_bad_release()
    if selector == "matchExpressions":
        by_expression = {selector: [{"key": "app", "operator": "In", "values": ["another", NAME]}]}
        stage.cluster.edit(TARGET, lambda body: body["spec"].update(selector=by_expression))
    put_pod(stage, 1, "CrashLoopBackOff", by="another")
    put_pod(stage, 1, old)
    put_pod(stage, 2, "CrashLoopBackOff")
    await stage.ticks(12)
    blamed = stage.incidents[-1]["status"]["blame"]

    assert rollbacks(stage) == [expected]
    assert len(stage.remedial_writes) == (expected[0] == "Act")
    assert blamed["kind"] == ("Release" if expected[0] == "Act" else "Unknown")


@pytest.mark.parametrize(
    ("unhealthy_until", "known_until", "expected"),
    [
        pytest.param(
            0, 0, ("Refuse", "FaultPredatesRelease"), id="unhealthy until it came, which hid the fault a while"
        ),
        pytest.param(-60, 0, ("Act", "AboveThreshold"), id="well again for a minute before it came"),
        pytest.param(0, -60, ("Act", "AboveThreshold"), id="of the minute before it came nothing is known"),
    ],
)
async def test_a_check_that_was_unhealthy_when_the_release_began(
    unhealthy_until: int, known_until: int, expected: tuple[str, str]
) -> None:
    """By Prometheus' history: of what was before a short calm, the process itself remembers nothing."""
    stage = await a_bad_release()
    came = stage.clock.now()
    moments = range(-300, known_until, 5)
    stage.service.past = [Sample(came + timedelta(seconds=n), 0.3 if n < unhealthy_until else 0.0) for n in moments]
    await stage.ticks(12)

    assert rollbacks(stage) == [expected]


async def test_what_must_not_be_read_is_said_to_be_unknown_and_stops_nothing() -> None:
    stage = await a_bad_release()
    put_pod(stage, 2)
    stage.cluster.unreadable = {AUTOSCALERS, CONFIG_MAPS, NODES}
    await stage.ticks(20)
    incident = stage.incidents[0]["status"]

    assert image(stage.deployment) == "v1"
    assert incident["phase"] == "Resolved"
    assert incident["blame"]["message"].endswith("; not known: ConfigMaps (Forbidden), autoscalers, nodes (Forbidden)")


async def test_everything_beside_the_release_is_told_too() -> None:
    """A ConfigMap and an HPA edited, the node not ready: the release, after a healthy one, is still the likeliest."""
    stage = await a_bad_release()
    stage.cluster.metadata_only = {CONFIG_MAPS}
    put_pod(stage, 2)
    now = format_time(stage.clock.now())
    edit = {"manager": "kubectl-edit", "time": now}
    scaled = {"kind": "Deployment", "name": NAME, "apiVersion": "apps/v1"}
    for body in (
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "settings", "managedFields": [{**edit, "fieldsV1": {"f:data": {}}}]},
            "data": {"secret": "never to be told"},
        },
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "hpa", "managedFields": [{**edit, "fieldsV1": {"f:spec": {}}}]},
            "spec": {"scaleTargetRef": scaled, "minReplicas": 3, "maxReplicas": 3},
        },
    ):
        stage.cluster.put({**body, "metadata": {**body["metadata"], "namespace": NAMESPACE}})  # type: ignore[dict-item]
    volume = {"name": "settings", "configMap": {"name": "settings"}}
    mounted = a_template("v2")
    mounted["spec"]["volumes"] = [volume]
    roll_out(stage, 3, mounted)
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"}}
    unready = {"type": "Ready", "status": "False", "lastTransitionTime": now}
    stage.cluster.put({**node, "status": {"conditions": [unready]}})
    await stage.ticks(6)
    blamed = stage.incidents[0]["status"]["blame"]

    assert "never to be told" not in str(stage.incidents)
    for told in (
        "kubectl-edit changed ConfigMap/settings 0s before",
        "kubectl-edit changed HorizontalPodAutoscaler/hpa 0s before",
        "Node/node1, which hosts 1 of 1 pods, is NotReady since",
        "(revision 3) began",
    ):
        assert told in blamed["message"]


async def test_a_scaled_object_is_told_of_and_not_the_hpa_that_keda_makes_of_it() -> None:
    stage = await a_bad_release()
    now = format_time(stage.clock.now())
    edits: list[Body] = [
        {"manager": name, "time": now, "fieldsV1": {"f:spec": {}}} for name in ("kubectl-edit", "keda-operator")
    ]
    stage.cluster.put(a_scaled_object_body(managedFields=edits[:1]))
    stage.cluster.put(an_hpa_body(name="keda-hpa-checkout", ownerReferences=OWNED_BY_KEDA, managedFields=edits[1:]))
    await stage.ticks(6)
    told = stage.incidents[0]["status"]["blame"]["message"]

    assert "kubectl-edit changed ScaledObject/checkout 0s before" in told
    assert "keda-operator" not in told


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        pytest.param({"paused": True}, "TargetPaused", id="paused"),
        pytest.param({"revisionHistoryLimit": 0}, "NoRevisionHistory", id="revisionHistoryLimit 0"),
    ],
)
async def test_edge_case_13_paused_or_no_history(spec: Mapping[str, Any], reason: str) -> None:
    """A refusal with its own reason, once; no patch, no storm of retries."""
    stage = await a_bad_release()
    stage.cluster.edit(TARGET, lambda body: body["spec"].update(spec))
    await stage.ticks(20)

    refusals = [c["spec"]["reason"] for c in stage.changes if c["spec"]["decision"] == "Refuse"]
    assert refusals == [reason]
    assert stage.remedial_writes == []


async def test_edge_case_15_git_ops_advises_by_default() -> None:
    """Argo CD's tracking-id on the Deployment: a proposal on record that says what to change in Git, and no patch."""
    stage = await a_bad_release()
    tracked = {"argocd.argoproj.io/tracking-id": f"shop:apps/Deployment:{NAMESPACE}/{NAME}"}
    stage.cluster.edit(TARGET, lambda body: body["metadata"].update(annotations=tracked))
    await stage.ticks(20)

    advice = next(c for c in stage.changes if c["spec"]["action"] == "Rollback")
    assert (advice["spec"]["decision"], advice["spec"]["reason"]) == ("Advise", "GitOpsOwnsField")
    assert "in Git, revert the pod template to release" in advice["spec"]["message"]
    assert advice["spec"]["managedBy"]["tool"] == "ArgoCD"
    assert stage.remedial_writes == []
    assert stage.incidents[0]["status"]["phase"] == "Escalated"


async def test_edge_case_15_git_ops_puts_the_bad_release_back() -> None:
    """Two seconds after our patch v2 is there again, every time: one attempt, `Contested`, no write for an hour."""
    stage = await a_bad_release()
    ladder = [UNDO, {"name": "restart", "restart": {}}]
    stage.cluster.edit(POLICY, lambda body: body["spec"].update(gitOps="Ignore", remedies=ladder))
    began = stage.clock.now()
    while stage.clock.now() - began < timedelta(hours=1):
        await stage.ticks(1)
        stage.clock.advance(timedelta(seconds=2))
        stage.cluster.edit(TARGET, lambda body: body["spec"].update(template=a_template("v2")))
        stage.clock.advance(timedelta(seconds=8))

    assert len(stage.remedial_writes) == 1
    done = [c["status"].get("outcome") for c in stage.changes if c["spec"]["decision"] == "Act"]
    assert done == ["Contested", None], "and people are told that it waits"
    refused = [c["spec"]["reason"] for c in stage.changes if c["spec"]["decision"] == "Refuse"]
    assert refused == ["RolledBackBefore", "Contested"]


# --- the history of releases is the cluster's, not a process'


def new_process(stage: Stage) -> None:
    """Salus starts again, or another replica leads: it knows nothing but what is on record."""
    stage.restart()


def new_policy(stage: Stage) -> None:
    """Someone deletes the policy and makes it again: another uid."""
    body = stage.cluster.objects(HEALTH_POLICIES)[0]
    stage.reconciler.forget(stage.policy.key)
    stage.cluster.remove(POLICY)
    stage.cluster.put({key: value for key, value in body.items() if key != "status"})


def new_workload(stage: Stage) -> None:
    """Someone deletes the Deployment and makes it again, with v2: another uid, and no old ReplicaSets."""
    for body in stage.cluster.objects(REPLICA_SETS):
        stage.cluster.remove(Ref(REPLICA_SETS, NAMESPACE, body["metadata"]["name"]))
    stage.cluster.remove(TARGET)
    stage.cluster.put(a_deployment_body(name=NAME))
    roll_out(stage, 1, a_template("v2"))


@pytest.mark.parametrize("happens", [new_process, new_policy, new_workload])
async def test_the_history_of_releases_is_the_same_after(happens: Callable[[Stage], None]) -> None:
    """v1 was kept before it, v2 is bad after it: back to v1, which nobody could have seen healthy since."""
    stage = await a_bad_release()
    kept = stage.cluster.objects(KEPT_RELEASES)
    happens(stage)
    await stage.ticks(20)

    assert image(stage.deployment) == "v1"
    assert [c["status"]["outcome"] for c in stage.changes if c["spec"]["decision"] == "Act"] == ["Recovered"]
    assert kept[0]["metadata"]["uid"] in {body["metadata"]["uid"] for body in stage.cluster.objects(KEPT_RELEASES)}


async def test_five_good_releases_are_kept() -> None:
    """The newest five of seven, none of which has an owner or another label than that of its target."""
    stage = a_stage(lambda _: True, dict(UNDO))
    for number in range(1, 8):
        roll_out(stage, number, a_template(f"v{number}"))
        await stage.ticks(6)

    kept = stage.cluster.objects(KEPT_RELEASES)
    images = sorted(image(body["spec"]["workload"]) for body in kept)
    assert images == ["v3", "v4", "v5", "v6", "v7"]
    assert all("ownerReferences" not in body["metadata"] for body in kept)
    assert {key for body in kept for key in body["metadata"]["labels"]} == {"salus.dev/target"}


# --- the stuck StatefulSet

DB = TargetKey(NAMESPACE, WorkloadKind.STATEFUL_SET, "db")
CHANGE = Ref(CHANGE_EVENTS, NAMESPACE, names.change_name(DB, 1))
DB_REF = Ref(STATEFUL_SETS, NAMESPACE, "db")


def a_rollback(uid: str, release: str, undoes: str = "") -> dict[str, Any]:
    """The record of a rollback to this release that was just done, or of an undo that put it back."""
    policy = a_policy(remedies=[UNDO])
    done = an_action(ActionKind.ROLLBACK, target=DB, target_uid=uid, intended=Facts(release=release), undoes=undoes)
    body = records.change_body(Entry(policy, done, Decision.ACT, "AboveThreshold", "roll back", NOW), 1, ())
    return {**body, "status": {"appliedAt": format_time(NOW)}}


class Stuck:
    """A StatefulSet that was rolled back while its pod db-2 waits for an image that is not there."""

    def __init__(self, undoes: str = "", **spec: Any) -> None:  # noqa: ANN401 — handed on
        self.clock = VirtualClock(NOW)
        self.cluster = MortalCluster(now=self.clock.now)
        body = self.cluster.put({**a_deployment_body(name="db", spec=spec), "kind": "StatefulSet"})
        uid = body["metadata"]["uid"]
        self.cluster.edit(DB_REF, lambda b: b["status"].update(observedGeneration=1, updateRevision="db-good"))
        for ordinal in range(3):
            self._pod(ordinal, uid, "db-bad" if ordinal == 2 else "db-good", ready=ordinal != 2)
        self.watched = workload_from(body)
        self.cluster.put(a_rollback(uid, self.watched.release, undoes))
        self.policy = a_policy(remedies=[UNDO])
        self.switches = Switches()

    def _pod(self, ordinal: int, uid: str, revision: str, *, ready: bool) -> None:
        metadata = {
            "name": f"db-{ordinal}",
            "namespace": NAMESPACE,
            "labels": {"app": "checkout", "controller-revision-hash": revision},
            "ownerReferences": [{"uid": uid, "controller": True}],
        }
        status = {"conditions": [{"type": "Ready", "status": str(ready)}]}
        self.cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})

    async def free(self, policy: Policy | None = None) -> str:
        """One tick's worth of it, from what is on record; the record's message then."""
        change = records.past_change(await self.cluster.get(CHANGE))
        freed = await stuck_pod.delete_stuck_pod(self._step(policy or self.policy), change)
        return freed.note

    async def pursue(self) -> Body:
        """One tick's worth of the whole change; its record's status then."""
        await heal(self._step(self.policy), self.watched, lambda *_: ())
        return dict((await self.cluster.get(CHANGE))["status"])

    @property
    def pods(self) -> list[str]:
        return [pod["metadata"]["name"] for pod in self.cluster.objects(PODS)]

    def _step(self, policy: Policy) -> Step:
        metrics = Service(self.cluster, self.clock, lambda _: True)
        context = a_world(self.cluster, metrics, self.clock, lambda: self.switches)
        return Step(context, policy, Case(policy.key, DB))


async def test_edge_case_14_stuck_stateful_set() -> None:
    """Only the pod of the bad release that is not ready is deleted, with its uid, and the record names it."""
    stuck = Stuck()
    uid = stuck.cluster.objects(PODS)[2]["metadata"]["uid"]
    note = await stuck.free()

    assert stuck.pods == ["db-0", "db-1"]
    assert note == f"deleting pod db-2 ({uid}), which is not ready and holds the rollout back"
    said, done = stuck.cluster.writes
    assert (said.ref, said.body) == (CHANGE, {"message": note})
    assert (done.verb, done.ref.name, done.body) == ("delete", "db-2", uid)
    assert await stuck.free() == note, "nothing is left to do, and nothing new to say"


@pytest.mark.parametrize("after", [pytest.param(False, id="before it"), pytest.param(True, id="after it")])
@pytest.mark.parametrize("number", [1, 2])
async def test_edge_case_14_stuck_stateful_set_killed_at_any_write(number: int, after: bool) -> None:
    """The record first, the pod then: after a restart the pod is deleted once, and told of once."""
    stuck = Stuck()
    stuck.cluster.dies_at, stuck.cluster.after = number, after
    with pytest.raises(Killed):
        await stuck.free()
    stuck.cluster.dies_at = 0
    note = await stuck.free()

    assert stuck.pods == ["db-0", "db-1"]
    assert note.count("pod db-2 ") == 1  # a uid may hold "db-2" by chance
    assert [write.verb for write in stuck.cluster.writes].count("delete") == 1


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"podManagementPolicy": "Parallel"}, id="Parallel waits for no pod"),
        pytest.param({"template": a_template("v3")}, id="someone has put another release there since"),
    ],
)
async def test_a_stateful_set_that_is_not_held_back_keeps_its_pods(spec: Mapping[str, Any]) -> None:
    stuck = Stuck()
    stuck.cluster.edit(DB_REF, lambda body: body["spec"].update(spec))
    stuck.cluster.edit(DB_REF, lambda body: body["status"].update(observedGeneration=2))

    assert (await stuck.free(), len(stuck.pods)) == ("", 3)


async def test_the_kill_switch_and_suspend_keep_the_pod() -> None:
    stuck = Stuck()

    assert await stuck.free(a_policy(remedies=[UNDO], suspend=True)) == ""
    stuck.switches = Switches(kill_switch=True)
    assert (await stuck.free(), len(stuck.pods)) == ("", 3)


async def test_a_deletion_that_is_forbidden_is_told_once() -> None:
    stuck = Stuck()

    def forbid(write: Write) -> None:
        if write.verb == "delete":
            stuck.cluster.fail_next(Forbidden("pods is forbidden"))

    stuck.cluster.on_write = forbid
    note = await stuck.free()

    assert note.endswith("; pod db-2 could not be deleted: pods is forbidden")
    assert (await stuck.free(), len(stuck.pods)) == (note, 3)


async def test_the_undo_of_a_stateful_set_s_rollback_frees_its_pod_too() -> None:
    """Only when the controller has seen it can anybody tell which pod is in the way; until then it is not finished."""
    stuck = Stuck(undoes="db-0a1b2c3d-7")
    stuck.cluster.edit(DB_REF, lambda body: body["status"].update(observedGeneration=0))
    early = await stuck.pursue()
    assert ("outcome" in early, len(stuck.pods)) == (False, 3)

    stuck.cluster.edit(DB_REF, lambda body: body["status"].update(observedGeneration=1))
    status = await stuck.pursue()

    assert stuck.pods == ["db-0", "db-1"]
    assert status["outcome"] == "Undone"
    assert status["message"].startswith("db-0a1b2c3d-7 was taken back; deleting pod db-2 (")


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("after", [pytest.param(False, id="before it"), pytest.param(True, id="after it")])
async def test_such_an_undo_killed_at_any_write(number: int, after: bool) -> None:
    stuck = Stuck(undoes="db-0a1b2c3d-7")
    stuck.cluster.dies_at, stuck.cluster.after = number, after
    with pytest.raises(Killed):
        await stuck.pursue()
    stuck.cluster.dies_at = 0
    status = (await stuck.cluster.get(CHANGE))["status"]
    if "outcome" not in status:
        status = await stuck.pursue()

    assert (status["outcome"], stuck.pods) == ("Undone", ["db-0", "db-1"])
    assert status["message"].count("pod db-2 ") == 1
    assert [write.verb for write in stuck.cluster.writes].count("delete") == 1


async def test_an_undo_does_not_wait_for_a_controller_for_ever() -> None:
    stuck = Stuck(undoes="db-0a1b2c3d-7")
    stuck.cluster.edit(DB_REF, lambda body: body["status"].update(observedGeneration=0))
    stuck.clock.advance(stuck.policy.spec.verify.timeout)

    assert ((await stuck.pursue())["outcome"], len(stuck.pods)) == ("Undone", 3)


async def test_an_undo_whose_target_is_gone_is_finished() -> None:
    stuck = Stuck(undoes="db-0a1b2c3d-7")
    stuck.cluster.remove(DB_REF)

    assert (await stuck.pursue())["outcome"] == "Undone"
