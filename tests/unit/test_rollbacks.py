"""Rollbacks from the first breach to the end, on fakes: the edge cases that have cost people their trust."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest

from salus.core import records
from salus.core.records import Entry
from salus.core.workload import workload_from
from salus.loop import unsticking
from salus.loop.world import Case, World
from salus.model.change import ActionKind, Decision, Facts
from salus.model.meta import WorkloadKind
from salus.model.types import Body, format_time
from salus.model.values import Policy, PolicyKey, Switches, TargetKey
from salus.ports import CHANGE_EVENTS, CONTROLLER_REVISIONS, PODS, STATEFUL_SETS, Forbidden, Ref
from tests.builders import NOW, RESTARTED_AT, a_deployment_body, a_policy, a_template, an_action
from tests.fakes.cluster import FakeAccounts, FakeWorkloads, Write
from tests.fakes.loop import FakeClock, NullTelemetry, RecordingRecorder
from tests.unit.stage import NAME, NAMESPACE, TARGET, Killed, MortalCluster, Service, Stage, a_stage

UNDO: Mapping[str, Any] = {"name": "undo", "rollback": {}}
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
        "ownerReferences": [{"uid": stage.deployment["metadata"]["uid"]}],
    }
    spec = {"template": deepcopy(dict(template))}
    stage.cluster.put({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": spec})


async def a_bad_release(cured_by: str = "v1") -> Stage:
    """v1 was healthy and is kept; v2 has just been put there, and is sick."""
    stage = a_stage(lambda body: image(body) == cured_by, dict(UNDO))
    stage.cluster.edit(TARGET, lambda body: body["metadata"].update(annotations=dict(GOOD_MARKS)))
    roll_out(stage, 1, a_template("v1"))
    stage.service.is_cured = lambda body: image(body) in {"v1", cured_by}
    await stage.ticks(6)
    roll_out(stage, 2, a_template("v2"))
    stage.service.is_cured = lambda body: image(body) == cured_by
    return stage


async def test_undo_after_restart() -> None:
    """v1, v2, restart, breach: the template is v1 again, not v2 without its annotation."""
    stage = await a_bad_release()
    roll_out(stage, 3, a_template("v2", restarted_at="2026-11-22T12:00:30Z"))
    await stage.ticks(20)

    assert stage.deployment["spec"]["template"] == a_template("v1")
    assert RESTARTED_AT not in str(stage.deployment["spec"]["template"])
    assert [c["status"].get("outcome") for c in stage.changes] == ["Recovered"]


async def test_repeated_breach_after_rollback() -> None:
    """v1, v2 (bad), back to v1, still bad: no second rollback, people are called, v2 is quarantined."""
    stage = await a_bad_release(cured_by="nothing")
    await stage.ticks(40)

    assert [image(stage.deployment), len(stage.deeds)] == ["v1", 1]
    assert stage.incidents[0]["status"]["phase"] == "Escalated"
    rollback = next(c for c in stage.changes if c["spec"]["decision"] == "Act" and c["spec"]["action"] == "Rollback")
    marks = [kept["metadata"]["annotations"] for kept in stage.cluster.objects(CONTROLLER_REVISIONS)]
    assert [m["salus.dev/quarantined-by"] for m in marks if "salus.dev/quarantined-by" in m] == [
        rollback["metadata"]["name"]
    ]


async def test_annotations_survive() -> None:
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
    assert [c["spec"]["reason"] for c in stage.changes if c["spec"]["action"] == "Rollback"] == ["ReleaseTooOld"]
    assert stage.deeds == []


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        pytest.param({"paused": True}, "TargetPaused", id="paused"),
        pytest.param({"revisionHistoryLimit": 0}, "NoRevisionHistory", id="revisionHistoryLimit 0"),
    ],
)
async def test_paused_or_no_history(spec: Mapping[str, Any], reason: str) -> None:
    """A refusal with its own reason, once; no patch, no storm of retries."""
    stage = await a_bad_release()
    stage.cluster.edit(TARGET, lambda body: body["spec"].update(spec))
    await stage.ticks(20)

    refusals = [c["spec"]["reason"] for c in stage.changes if c["spec"]["decision"] == "Refuse"]
    assert refusals == [reason]
    assert stage.deeds == []


# --- the stuck StatefulSet

DB = TargetKey(NAMESPACE, WorkloadKind.STATEFUL_SET, "db")
CHANGE = Ref(CHANGE_EVENTS, NAMESPACE, records.change_name(DB, 1))
DB_REF = Ref(STATEFUL_SETS, NAMESPACE, "db")


def a_rollback(uid: str, release: str) -> dict[str, Any]:
    """The record of a rollback to this release that was just done."""
    policy = a_policy(remedies=[UNDO])
    done = an_action(ActionKind.ROLLBACK, target=DB, target_uid=uid, intended=Facts(release=release))
    body = records.change_body(Entry(policy, done, Decision.ACT, "AboveThreshold", "roll back", NOW), 1, ())
    return {**body, "status": {"appliedAt": format_time(NOW)}}


class Stuck:
    """A StatefulSet that was rolled back while its pod db-2 waits for an image that is not there."""

    def __init__(self, **spec: Any) -> None:  # noqa: ANN401 — handed on
        self.clock = FakeClock(NOW)
        self.cluster = MortalCluster(now=self.clock.now)
        body = self.cluster.put({**a_deployment_body(name="db", spec=spec), "kind": "StatefulSet"})
        uid = body["metadata"]["uid"]
        self.cluster.edit(DB_REF, lambda b: b["status"].update(observedGeneration=1, updateRevision="db-good"))
        for ordinal in range(3):
            self._pod(ordinal, uid, "db-bad" if ordinal == 2 else "db-good", ready=ordinal != 2)
        self.cluster.put(a_rollback(uid, workload_from(body).release))
        self.policy = a_policy(remedies=[UNDO])
        self.switches = Switches()

    def _pod(self, ordinal: int, uid: str, revision: str, *, ready: bool) -> None:
        metadata = {
            "name": f"db-{ordinal}",
            "namespace": NAMESPACE,
            "labels": {"app": "checkout", "controller-revision-hash": revision},
            "ownerReferences": [{"uid": uid}],
        }
        status = {"conditions": [{"type": "Ready", "status": str(ready)}]}
        self.cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})

    async def free(self, policy: Policy | None = None) -> str:
        """One tick's worth of it, from what is on record; the record's message then."""
        change = records.past_change(await self.cluster.get(CHANGE))
        case = Case(PolicyKey(NAMESPACE, "checkout"), DB)
        freed = await unsticking.free_rollout(self._world(), policy or self.policy, case, change)
        return freed.note

    @property
    def pods(self) -> list[str]:
        return [pod["metadata"]["name"] for pod in self.cluster.objects(PODS)]

    def _world(self) -> World:
        metrics = Service(self.cluster, self.clock, lambda _: True)
        return World(
            cluster=self.cluster,
            accounts=FakeAccounts(self.cluster),
            workloads=FakeWorkloads(self.cluster),
            metrics=metrics,
            history=metrics,
            recorder=RecordingRecorder(),
            telemetry=NullTelemetry(),
            clock=self.clock,
            switches=lambda: self.switches,
            is_known=lambda _: True,
        )


async def test_stuck_stateful_set() -> None:
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
async def test_stuck_stateful_set_killed_at_any_write(number: int, after: bool) -> None:
    """The record first, the pod then: after a restart the pod is deleted once, and told of once."""
    stuck = Stuck()
    stuck.cluster.dies_at, stuck.cluster.after = number, after
    with pytest.raises(Killed):
        await stuck.free()
    stuck.cluster.dies_at = 0
    note = await stuck.free()

    assert stuck.pods == ["db-0", "db-1"]
    assert note.count("db-2") == 1
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
