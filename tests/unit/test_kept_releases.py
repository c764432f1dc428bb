"""What is kept of releases, on fakes: by whose word, under which name, how long, and what an older Salus has left."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from salus.core.objects.workloads import release_hash, short
from salus.core.policy.compile import Catalog, SpecError, compile_policy
from salus.core.records import legacy_releases, releases
from salus.core.records.names import target_id
from salus.core.records.release_retention import ShelfLife
from salus.model.scalars import API_VERSION, Body, format_time
from salus.model.values.metrics import Answer, Error, NoData, Query, Sample, Value
from salus.model.values.policies import Policy
from salus.ports import CONTROLLER_REVISIONS, HEALTH_POLICIES, KEPT_RELEASES, Ref
from salus.reconcile.records.release_retention import Expiry
from salus.rehearsal.workloads import RehearsalWorkloads
from tests.builders import a_deployment_body, a_template
from tests.fakes.cluster import FakeCluster
from tests.unit.stage import KEY, NAME, NAMESPACE, TARGET, TICK, Stage, a_reconciler, a_stage
from tests.unit.test_rollbacks import UNDO, a_bad_release, image, roll_out

WEEK, QUARTER = timedelta(days=7), timedelta(days=90)
HOUR = timedelta(hours=1)
LIFE = ShelfLife(QUARTER, WEEK)
WITHDRAWAL = {"by": "ada", "reason": "CVE-2026-1"}


def kept(stage: Stage) -> dict[str, Body]:
    """What is on record, by image."""
    return {image(body["spec"]["workload"]): body for body in stage.cluster.objects(KEPT_RELEASES)}


def good(stage: Stage) -> dict[str, str]:
    """Image → by whom it was proven healthy."""
    found = {name: body["status"] for name, body in kept(stage).items()}
    return {name: status["provenBy"] for name, status in found.items() if "healthyAt" in status}


def ref_of(body: Body) -> Ref:
    return Ref(KEPT_RELEASES, NAMESPACE, body["metadata"]["name"])


# --- by whose word

ALWAYS_WELL = {"name": "well", "query": "vector(0)", "unhealthy": {"above": "1"}}


def beside(stage: Stage, name: str = "mallory", **spec: Any) -> None:  # noqa: ANN401 — as YAML has it
    """Somebody puts a second policy on the same target: nothing is wrong with it, and at once."""
    first = stage.cluster.objects(HEALTH_POLICIES)[0]["spec"]
    whole = {**first, "mode": "Observe", "bake": "0s", "checks": [ALWAYS_WELL], "remedies": [], **spec}
    metadata = {"name": name, "namespace": NAMESPACE}
    stage.cluster.put({"apiVersion": API_VERSION, "kind": "HealthPolicy", "metadata": metadata, "spec": whole})


class Many:
    """The policies of a stage, compiled as the store does, and told to the loop as the store tells it."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.known = stage, dict[str, Policy]()

    async def ticks(self, count: int, *, only: str = "") -> None:
        for _ in range(count):
            self.stage.roll_out()
            await self.stage.reconciler.tick([p for p in await self.policies() if not only or p.key.name == only])
            self.stage.clock.advance(TICK)

    async def policies(self) -> list[Policy]:
        for body in self.stage.cluster.objects(HEALTH_POLICIES):
            name, generation = body["metadata"]["name"], body["metadata"]["generation"]
            if name not in self.known or self.known[name].generation != generation:
                try:
                    policy = compile_policy(body, Catalog({}, ["default"]))
                except SpecError as error:
                    await self.stage.reconciler.report_invalid(body, error, self.stage.clock.now())
                    continue
                self.known[name] = policy
                self.stage.reconciler.accept(policy, dict(body.get("status") or {}))
        return list(self.known.values())


class Unhealthy:
    """The owner's check answers by the image that runs; mallory's own is always 0."""

    def __init__(self, stage: Stage, **values: float) -> None:
        self._stage, self._values, self._past = stage, values, stage.service
        self.samples = stage.service.samples

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        """The present value, fresh."""
        value, now = self._values.get(image(self._stage.deployment), 0.0), self._stage.clock.now()
        return [Value(0.0 if "vector" in question.query else value, now) for question in questions]


async def test_nobody_proves_a_release_that_is_unhealthy_but_not_long_enough_yet() -> None:
    """S12: v2 is beyond its bound, within the `for` of its owner's policy; a bystander says that all is well."""
    stage = a_stage(lambda _: True, dict(UNDO), checks=[_slow_check()])
    roll_out(stage, 1, a_template("v1"))
    many = Many(stage)
    await many.ticks(8)
    assert good(stage) == {"v1": "Acting"}
    stage.reconciler = a_reconciler(stage.cluster, Unhealthy(stage, v2=0.3), stage.clock, accounts=stage.accounts)
    many = Many(stage)
    beside(stage)
    roll_out(stage, 2, a_template("v2"))
    await many.ticks(10)

    assert good(stage) == {"v1": "Acting"}


def _slow_check() -> Body:
    return {"name": "errors", "query": 'errors{t="$target"}', "unhealthy": {"above": "0.05"}, "for": "10m"}


async def test_a_bystander_alone_proves_for_rehearsals_only_and_the_owner_makes_it_good() -> None:
    stage = a_stage(lambda _: True, mode="Observe")
    many = Many(stage)
    await many.ticks(5)
    assert set(good(stage).values()) == {"Observe"}

    stage.cluster.edit(Ref(HEALTH_POLICIES, NAMESPACE, NAME), lambda body: body["spec"].update(mode="Enforce"))
    await many.ticks(5)

    assert set(good(stage).values()) == {"Acting"}


async def test_what_only_bystanders_have_proven_drives_no_good_release_out() -> None:
    """S12: six releases that nobody but mallory has seen healthy, and the owner's good one is there."""
    stage = a_stage(lambda _: True, dict(UNDO))
    roll_out(stage, 1, a_template("v1"))
    await stage.ticks(6)
    assert good(stage) == {"v1": "Acting"}
    stage.cluster.edit(Ref(HEALTH_POLICIES, NAMESPACE, NAME), lambda body: body["spec"].update(mode="Observe"))
    for number in range(2, 9):
        roll_out(stage, number, a_template(f"v{number}"))
        await stage.ticks(5)

    assert good(stage) == {"v1": "Acting", **{f"v{number}": "Observe" for number in range(4, 9)}}


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        pytest.param({"checks": [{**ALWAYS_WELL, "query": "sum("}]}, "it is Stalled", id="another policy is broken"),
        pytest.param({"interval": "1h"}, "it was not measured", id="another policy was not measured yet"),
        pytest.param({"bake": "1h"}, "its bake is longer", id="another policy wants to see it longer"),
    ],
)
async def test_a_release_waits_for_every_policy(spec: Mapping[str, Any], why: str) -> None:
    stage = a_stage(lambda _: True, dict(UNDO))
    beside(stage, **spec)
    many = Many(stage)
    await many.ticks(12, only="" if "longer" in why else NAME)
    assert good(stage) == {}, why

    stage.cluster.remove(Ref(HEALTH_POLICIES, NAMESPACE, "mallory"))
    stage.reconciler.forget(next(key for key in stage.reconciler.newest if key.name == "mallory"))
    many.known.pop("mallory", None)
    await many.ticks(3)
    assert set(good(stage).values()) == {"Acting"}


async def test_a_broken_policy_of_another_target_holds_nothing_back() -> None:
    stage = a_stage(lambda _: True, dict(UNDO))
    beside(stage, target={"kind": "Deployment", "name": "cart"}, checks=[{**ALWAYS_WELL, "query": "sum("}])
    beside(
        stage,
        "odd",
        target={"kind": "Deployment", "selector": {"matchLabels": {"app": "cart"}}},
        checks=[{**ALWAYS_WELL, "query": "sum($target"}],
    )
    await Many(stage).ticks(6)

    assert set(good(stage).values()) == {"Acting"}


# --- under which name


async def test_a_twin_by_ten_characters_never_comes_back_under_the_name_of_the_reviewed_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """S18: two templates whose names are the same to the last character; each has an object of its own."""
    monkeypatch.setattr(releases, "short", lambda _: "cb65e3d2fb")
    stage = await a_bad_release()
    twins = {name: body["metadata"]["name"] for name, body in kept(stage).items()}
    await stage.ticks(20)
    name = f"salus-{target_id(KEY)}"

    assert twins == {"v1": f"{name}-cb65e3d2fb"}
    assert image(stage.deployment) == "v1"
    assert {one: body["metadata"]["name"] for one, body in kept(stage).items()} == {
        "v1": f"{name}-cb65e3d2fb",
        "v2": f"{name}-{release_hash(a_template('v2'))}",
    }


async def test_a_template_that_is_not_what_its_name_says_does_not_come_back() -> None:
    """Whoever could write to the kept release, etcd's owner among them: its hash is taken anew."""
    stage = await a_bad_release()
    pod = {"containers": [{"name": "app", "image": "evil:latest"}]}
    stage.cluster.edit(
        ref_of(kept(stage)["v1"]), lambda body: body["spec"]["workload"]["spec"]["template"].update(spec=pod)
    )
    await stage.ticks(12)

    assert stage.remedial_writes == []
    assert [c["spec"]["reason"] for c in stage.changes if c["spec"]["action"] == "Rollback"] == ["NoKnownGoodRelease"]


# --- withdrawn


def withdraw(stage: Stage, name: str) -> None:
    stage.cluster.edit(ref_of(kept(stage)[name]), lambda body: body["spec"].update(withdrawal=WITHDRAWAL))


async def test_no_rollback_goes_to_a_release_that_a_person_withdrew() -> None:
    stage = await a_bad_release()
    withdraw(stage, "v1")
    await stage.ticks(12)
    refusal = next(c["spec"] for c in stage.changes if c["spec"]["action"] == "Rollback")

    assert stage.remedial_writes == []
    assert refusal["reason"] == "NoKnownGoodRelease"
    assert "1 that were healthy were withdrawn by people (salus-checkout-" in refusal["message"]


async def test_a_release_that_is_withdrawn_between_record_and_write_is_left_alone() -> None:
    stage = await a_bad_release()
    stage.cluster.on_write = lambda write: (
        withdraw(stage, "v1") if write.verb == "create" and write.body["kind"] == "ChangeEvent" else None
    )
    await stage.ticks(4)
    stage.cluster.on_write = lambda _: None
    rollback = next(c for c in stage.changes if c["spec"]["action"] == "Rollback")

    assert stage.remedial_writes == []
    assert rollback["status"]["outcome"] == "Abandoned"
    assert "NoKnownGoodRelease" in rollback["status"]["message"] or "withdrawn by ada" in rollback["status"]["message"]


async def test_an_undo_that_would_bring_a_withdrawn_release_back_is_refused() -> None:
    """v1 makes it worse, and would be taken back; but v2, which the undo would bring back, was withdrawn meanwhile."""
    stage = await a_bad_release(cured_by="nothing")
    stage.service.is_cured = lambda _: False
    while not any(c["status"].get("appliedAt") for c in stage.changes if c["spec"]["action"] == "Rollback"):
        await stage.ticks(1)
    stage.service.value = 3.0
    withdraw(stage, "v2")
    await stage.ticks(12)
    undo = next(c for c in stage.changes if c["spec"].get("undoes"))

    assert (undo["spec"]["decision"], undo["spec"]["reason"]) == ("Refuse", "ReleaseWithdrawn")
    assert undo["status"]["outcome"] == "UndoSkipped"
    assert "was withdrawn by ada" in undo["spec"]["message"]
    assert image(stage.deployment) == "v1"


async def test_a_withdrawn_release_is_not_kept_as_good_again() -> None:
    stage = a_stage(lambda _: True, dict(UNDO))
    await stage.ticks(6)
    [(name, body)] = kept(stage).items()
    withdraw(stage, name)
    stage.restart()
    await stage.ticks(10)

    assert [one["metadata"]["uid"] for one in kept(stage).values()] == [body["metadata"]["uid"]]
    assert kept(stage)[name]["status"] == body["status"]


# --- how long


async def an_old_shelf() -> Stage:
    """v1 to v3 were good; v3 is live, for a hundred days by now."""
    stage = a_stage(lambda _: True, dict(UNDO))
    for number in (1, 2, 3):
        roll_out(stage, number, a_template(f"v{number}"))
        await stage.ticks(6)
    stage.clock.advance(timedelta(days=100))
    return stage


async def test_releases_end_by_age_but_not_what_a_rollback_would_go_back_to() -> None:
    stage = await an_old_shelf()

    assert await Expiry(stage.reconciler.context).round(LIFE) == 1
    assert set(kept(stage)) == {"v2", "v3"}
    assert await Expiry(stage.reconciler.context).round(LIFE) == 0


async def test_a_workload_that_is_made_again_in_time_finds_its_releases() -> None:
    stage = await an_old_shelf()
    expiry = Expiry(stage.reconciler.context)
    gone = stage.deployment
    stage.cluster.remove(TARGET)
    await expiry.round(LIFE)
    assert {body["status"]["orphanedAt"] for body in kept(stage).values()} == {format_time(stage.clock.now())}
    stage.clock.advance(WEEK - timedelta(hours=1))
    assert await expiry.round(LIFE) == 0
    stage.cluster.put({key: value for key, value in gone.items() if key != "status"})
    await expiry.round(LIFE)

    assert all("orphanedAt" not in body["status"] for body in kept(stage).values())
    assert {"v2", "v3"} <= set(kept(stage))


async def test_releases_end_with_their_workload() -> None:
    """Also those that were withdrawn; by another process than the one that saw it go."""
    stage = await an_old_shelf()
    withdraw(stage, "v2")
    stage.cluster.remove(TARGET)
    await Expiry(stage.reconciler.context).round(LIFE)
    stage.clock.advance(WEEK + timedelta(hours=1))

    assert await Expiry(stage.reconciler.context).round(LIFE) == 3
    assert kept(stage) == {}


async def test_a_workload_that_only_the_watch_has_lost_is_none_that_is_gone() -> None:
    stage = await an_old_shelf()
    await Expiry(replace(stage.reconciler.context, workloads=RehearsalWorkloads(FakeCluster()))).round(LIFE)

    assert all("orphanedAt" not in body["status"] for body in kept(stage).values())


# --- what an older Salus has left


def left_behind(image_of: str, number: int, **marks: str) -> Body:
    """As 930589c kept a release: ten characters of its hash, how it fared in annotations."""
    template = a_template(image_of)
    brief = short(release_hash(template))
    spec = deepcopy(a_deployment_body(name=NAME, template=template)["spec"])
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"salus-{target_id(KEY)}-{brief}",
            "namespace": NAMESPACE,
            "labels": {"salus.dev/target": target_id(KEY), "salus.dev/release": brief},
            "annotations": {f"salus.dev/{key.replace('_', '-')}": value for key, value in marks.items()},
        },
        "revision": number,
        "data": {"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec},
    }


def an_upgrade() -> Stage:
    """v1 was good, v0 was taken away; v2 has just been put there, and is unhealthy."""
    stage = a_stage(lambda body: image(body) == "v1", dict(UNDO))
    stage.cluster.put(left_behind("v1", 1, healthy_at="2026-11-22T11:00:00Z"))
    stage.cluster.put(left_behind("v0", 2, healthy_at="2026-11-22T11:30:00Z", quarantined_by="checkout-f7524989-1"))
    roll_out(stage, 1, a_template("v1"))
    roll_out(stage, 2, a_template("v2"))
    return stage


async def test_what_an_older_salus_kept_is_what_a_rollback_goes_back_to() -> None:
    stage = an_upgrade()
    await stage.ticks(16)
    taken = kept(stage)

    assert image(stage.deployment) == "v1"
    assert taken["v0"]["status"]["quarantinedBy"] == "checkout-f7524989-1"
    assert taken["v1"]["spec"]["release"] == release_hash(a_template("v1"))
    assert taken["v1"]["spec"]["takenOver"] == f"salus-{target_id(KEY)}-{short(release_hash(a_template('v1')))}"
    assert len(stage.cluster.objects(CONTROLLER_REVISIONS)) == 2, "the old ones stay"
    assert all(write.ref.resource is not CONTROLLER_REVISIONS for write in stage.cluster.writes)


@pytest.mark.parametrize("after", [False, True], ids=["before it took effect", "after it took effect"])
@pytest.mark.parametrize("write", range(1, 10))
async def test_killed_while_releases_are_taken_over_nothing_is_lost(write: int, after: bool) -> None:
    stage = an_upgrade()
    stage.cluster.dies_at, stage.cluster.after = write, after
    await stage.ticks(20)

    assert image(stage.deployment) == "v1"
    assert kept(stage)["v0"]["status"]["quarantinedBy"] == "checkout-f7524989-1"
    assert good(stage)["v1"] == "Acting"
    assert len(kept(stage)) == 3


async def test_nothing_that_a_person_withdrew_or_scrubbed_is_taken_over_again() -> None:
    """Once Salus has kept a release of its own there, it looks at the old ones no more, in whatever process."""
    stage = an_upgrade()
    await stage.ticks(16)
    withdraw(stage, "v1")
    stage.cluster.remove(ref_of(kept(stage)["v0"]))
    stage.restart()
    await stage.ticks(5)

    assert "v0" not in kept(stage)
    assert kept(stage)["v1"]["spec"]["withdrawal"] == WITHDRAWAL


@pytest.mark.parametrize(
    ("spoil", "taken"),
    [
        pytest.param(lambda _: None, 1, id="whole"),
        pytest.param(lambda body: body["data"].update(kind="StatefulSet"), 0, id="of another kind of workload"),
        pytest.param(lambda body: body["data"]["spec"].update(template=a_template("evil")), 0, id="another template"),
        pytest.param(lambda body: body["metadata"]["labels"].pop("salus.dev/release"), 0, id="without its hash"),
        pytest.param(lambda body: body.update(data=["odd"]), 0, id="no workload in it"),
        pytest.param(
            lambda body: body["metadata"]["annotations"].update({legacy_releases.HEALTHY_AT: "yesterday"}),
            0,
            id="no time",
        ),
    ],
)
def test_what_somebody_has_tampered_with_is_not_taken_over(spoil: Any, taken: int) -> None:  # noqa: ANN401
    body: Any = left_behind("v1", 1, healthy_at="2026-11-22T11:00:00Z")
    body["metadata"]["creationTimestamp"] = "2026-11-22T11:00:00Z"
    spoil(body)

    assert len(legacy_releases.still_to_take([body], [], KEY)) == taken


# --- after a restart


class Forgetful:
    """Prometheus' history of a service that was always well, which at first cannot be told."""

    def __init__(self, stage: Stage, failures: int) -> None:
        self.service, self.failures, self.asked = stage.service, failures, 0

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        return await self.service.ask(questions)

    async def samples(
        self,
        question: Query,  # noqa: ARG002 - the port's own
        start: datetime,
        end: datetime,
        step: timedelta,
    ) -> Sequence[Sample] | Error:
        self.asked += 1
        if self.asked <= self.failures:
            return Error("Timeout", "no answer")
        return [Sample(start + index * step, 0.0) for index in range(int((end - start) / step) + 1)]


@pytest.mark.parametrize(
    ("bake", "failures", "ticks", "asked"),
    [
        pytest.param("48h", 0, 2, 1, id="what was baking goes on from where it was"),
        pytest.param("48h", 1, 14, 2, id="and also where the history could not be told at once"),
        pytest.param("168h", 3, 40, 4, id="however often, once a minute"),
    ],
)
async def test_a_release_that_bakes_does_not_begin_anew_at_a_restart(
    bake: str, failures: int, ticks: int, asked: int
) -> None:
    """Case 16: rolled out nine days ago, well ever since, and Salus is a new process."""
    stage = a_stage(lambda _: True, dict(UNDO), bake=bake)
    metrics = Forgetful(stage, failures)
    stage.reconciler = a_reconciler(stage.cluster, metrics, stage.clock, accounts=stage.accounts)
    long_ago = format_time(stage.clock.now() - timedelta(days=9))
    rolled_out = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
    conditions = [{**rolled_out, "lastUpdateTime": long_ago, "lastTransitionTime": long_ago}]
    for _ in range(ticks):
        stage.roll_out()
        stage.cluster.edit(TARGET, lambda body: body["status"].update(conditions=conditions))
        await stage.reconciler.tick([stage.policy])
        stage.clock.advance(TICK)

    assert (len(good(stage)), metrics.asked) == (1, asked)


@dataclass
class Silent:
    """A source that gives nothing for a query of what never happens, now and in the past; it took samples till then."""

    now: Callable[[], datetime]
    taken_since: datetime
    """When it began to take samples of anything."""
    gap: tuple[datetime, datetime] | None = None
    """Between these it was down."""

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        return [NoData("NoSeries", "none", empty=True) for _ in questions]

    async def samples(self, question: Query, start: datetime, end: datetime, step: timedelta) -> Sequence[Sample]:
        moments = [start + index * step for index in range(int((end - start) / step) + 1)]
        taken = [at for at in moments if at >= self.taken_since and not (self.gap and self.gap[0] < at < self.gap[1])]
        return [Sample(at, 1.0) for at in taken] if " unless on () " in question.query else []


NEVER = {"name": "panics", "query": 'panics{t="$target"} > 0', "unhealthy": {"above": "0"}, "onNoData": "Healthy"}


@pytest.mark.parametrize(
    ("since", "gap", "kept"),
    [
        pytest.param(60 * HOUR, None, 1, id="it was empty all the while"),
        pytest.param(47 * HOUR, None, 0, id="nobody took samples when it began"),
        pytest.param(0 * HOUR, None, 0, id="the source is as new as Salus"),
        pytest.param(60 * HOUR, (4 * HOUR, 3 * HOUR), 0, id="the source was down for an hour"),
        pytest.param(60 * HOUR, (60 * HOUR, 49 * HOUR), 1, id="the source was down before"),
    ],
)
async def test_where_an_empty_answer_is_health_no_bake_begins_anew_at_a_restart(
    since: timedelta, gap: tuple[timedelta, timedelta] | None, kept: int
) -> None:
    stage = a_stage(lambda _: True, dict(UNDO), bake="48h", checks=[NEVER])
    now = stage.clock.now()
    down = (now - gap[0], now - gap[1]) if gap else None
    source = Silent(stage.clock.now, now - since, down)
    stage.reconciler = a_reconciler(stage.cluster, source, stage.clock, accounts=stage.accounts)
    long_ago = format_time(now - timedelta(days=9))
    rolled_out = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
    conditions = [{**rolled_out, "lastUpdateTime": long_ago, "lastTransitionTime": long_ago}]
    for _ in range(3):
        stage.roll_out()
        stage.cluster.edit(TARGET, lambda body: body["status"].update(conditions=conditions))
        await stage.reconciler.tick([stage.policy])
        stage.clock.advance(TICK)

    assert len(good(stage)) == kept


@pytest.mark.parametrize(
    ("old_is_ready", "kept"),
    [
        pytest.param(True, 0, id="the old pod serves, the new one crashes"),
        pytest.param(False, 1, id="the old pod is on a dead node, the new one serves"),
    ],
)
async def test_a_release_is_proven_by_pods_of_its_own(old_is_ready: bool, kept: int) -> None:
    """One of two is updated, and one of two is available: which one, the numbers do not tell."""
    stage = a_stage(lambda _: True, dict(UNDO), bake="48h", target={"kind": "StatefulSet", "name": "db"})
    status = {
        **dict.fromkeys(("readyReplicas", "availableReplicas", "updatedReplicas"), 1),
        "replicas": 2,
        "observedGeneration": 1,
        "currentRevision": "db-1",
        "updateRevision": "db-2",
    }
    body = stage.cluster.put({**a_deployment_body(name="db", replicas=2), "kind": "StatefulSet", "status": status})
    for revision, ready in (("db-1", old_is_ready), ("db-2", not old_is_ready)):
        since = format_time(stage.clock.now() - timedelta(days=9))
        condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": since}
        metadata = {
            "name": f"of-{revision}",
            "namespace": NAMESPACE,
            "labels": {**body["spec"]["selector"]["matchLabels"], "controller-revision-hash": revision},
            "ownerReferences": [{"uid": body["metadata"]["uid"], "controller": True}],
        }
        stage.cluster.put(
            {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"conditions": [condition]}}
        )
    stage.reconciler = a_reconciler(stage.cluster, Forgetful(stage, 0), stage.clock, accounts=stage.accounts)

    await stage.ticks(3)

    assert len(stage.cluster.objects(KEPT_RELEASES)) == kept


@pytest.mark.parametrize(
    ("ready", "kept"),
    [
        pytest.param([timedelta(days=9), timedelta(days=3)], 1, id="its pods serve since long ago"),
        pytest.param([timedelta(days=9), timedelta(hours=47)], 0, id="one came later"),
        pytest.param([], 0, id="it has no pod that tells"),
    ],
)
async def test_nor_does_that_of_a_stateful_set_which_does_not_tell_since_when_it_is_there(
    ready: Sequence[timedelta], kept: int
) -> None:
    """Case 16, for kinds without the condition Progressing."""
    stage = a_stage(lambda _: True, dict(UNDO), bake="48h", target={"kind": "StatefulSet", "name": "db"})
    body = stage.cluster.put({**a_deployment_body(name="db", replicas=2), "kind": "StatefulSet"})
    for number, ago in enumerate(ready):
        conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": format_time(stage.clock.now() - ago)}]
        owner = {"uid": body["metadata"]["uid"], "controller": True}
        labels = body["spec"]["selector"]["matchLabels"]
        metadata = {"name": f"db-{number}", "namespace": NAMESPACE, "labels": labels, "ownerReferences": [owner]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"conditions": conditions}}
        stage.cluster.put(pod)
    stage.reconciler = a_reconciler(stage.cluster, Forgetful(stage, 0), stage.clock, accounts=stage.accounts)

    await stage.ticks(3)

    assert len(stage.cluster.objects(KEPT_RELEASES)) == kept
