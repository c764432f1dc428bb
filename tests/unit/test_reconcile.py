"""The whole loop on fakes: crashes at every write, lost replies, other people's hands, one decision in all modes."""

import asyncio
import warnings
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from salus.core.actions.stamp import CHANGE_ANNOTATION
from salus.core.objects.workloads import RESTARTED_AT
from salus.core.policy.compile import SpecError
from salus.model.problems import Problem
from salus.model.scalars import Body
from salus.model.values.configuration import Switches
from salus.model.values.keys import PolicyKey
from salus.model.values.metrics import Answer, Query
from salus.ports import (
    CHANGE_EVENTS,
    HEALTH_POLICIES,
    KEPT_RELEASES,
    ClusterError,
    Conflict,
    Forbidden,
    Invalid,
    Ref,
    Throttled,
    Unavailable,
)
from salus.rehearsal.cluster import Write
from tests.builders import a_scaled_object_body, an_hpa_body
from tests.fakes.cluster import FakeCluster
from tests.unit.stage import NAMESPACE, TARGET, TICK, Metrics, Stage, a_stage

LONG = 40
"""Ticks; enough for any story here to end."""
QUIET = 12
"""Ticks without a write, after which a story is over: twice the longest wait in any, the timeout of a verification."""


def image(body: Body) -> str:
    """The release that the Deployment runs."""
    return str(body["spec"]["template"]["spec"]["containers"][0]["image"])


def release(stage: Stage, name: str) -> None:
    """A person rolls out another release."""

    def change(body: dict[str, Any]) -> None:
        body["spec"]["template"]["spec"]["containers"][0]["image"] = name

    stage.cluster.edit(TARGET, change)


def was_restarted(body: Body) -> bool:
    """Whether the template carries a restart."""
    return RESTARTED_AT in (body["spec"]["template"].get("metadata", {}).get("annotations") or {})


@dataclass(frozen=True)
class Story:
    """A fault, its remedy, and how its records end."""

    remedy: Mapping[str, Any]
    is_cured: Callable[[Body], bool]
    ends: tuple[str, ...]
    """Outcomes of the writes, in order."""
    good: str = ""
    """Release that is healthy and kept first, before the fault comes with another one."""
    scaler: Body | None = None
    """What scales the Deployment, if anything does."""
    passes: bool = False
    """The fault does not come back once it was cured, whatever is given back."""


TO_FIVE: Mapping[str, Any] = {"name": "s", "scale": {"to": 5, "max": 5}}
LENT: Mapping[str, Any] = {"name": "s", "scale": {"to": 5, "max": 5, "revertAfter": "15s"}}
HPA, KEDA = an_hpa_body(), a_scaled_object_body()


def has_five(body: Body) -> bool:
    """Whether there are as many replicas as the fault needs."""
    return bool(body["spec"]["replicas"] == 5)


def never(_: Body) -> bool:
    """Whether the fault is cured: it is not."""
    return False


STORIES = {
    "restart": Story({"name": "r", "restart": {}}, was_restarted, ("Recovered",)),
    "scale": Story(TO_FIVE, has_five, ("Recovered",)),
    "scale, undone": Story(TO_FIVE, never, ("NotRecovered", "Undone")),
    "scale, given back": Story(LENT, has_five, ("Recovered", "Undone"), passes=True),
    "an HPA's minimum, undone": Story(TO_FIVE, never, ("NotRecovered", "Undone"), scaler=HPA),
    "an HPA's minimum, given back": Story(LENT, has_five, ("Recovered", "Undone"), scaler=HPA, passes=True),
    "a ScaledObject's minimum, given back": Story(LENT, has_five, ("Recovered", "Undone"), scaler=KEDA, passes=True),
    "rollback": Story({"name": "b", "rollback": {}}, lambda b: image(b) == "v1", ("Recovered",), "v1"),
}


def set_stage(story: Story, **spec: Any) -> Stage:  # noqa: ANN401 - fields of the policy
    """The stage before the fault."""
    cured = False

    def is_cured(body: Body) -> bool:
        nonlocal cured
        cured = story.is_cured(body) or (cured and story.passes)
        return cured

    stage = a_stage(is_cured, dict(story.remedy), **spec)
    if story.scaler:
        stage.cluster.put(story.scaler)
    return stage


async def play(story: Story, prepare: Callable[[Stage], None]) -> Stage:
    """The story from its beginning; `prepare` has its hands on the stage when the fault begins."""
    stage = set_stage(story)
    if story.good:
        release(stage, story.good)
        await stage.ticks(6)
        stage.cluster.edit(TARGET, lambda body: body["metadata"].update(creationTimestamp="2026-11-22T11:59:00Z"))
        release(stage, "v2")
        stage.cluster.put(replica_set(stage))
    prepare(stage)
    quiet = 0
    for _ in range(LONG):
        before = len(stage.cluster.writes)
        await stage.ticks(1)
        quiet = 0 if len(stage.cluster.writes) > before else quiet + 1
        if quiet == QUIET:
            break
    return stage


def replica_set(stage: Stage) -> dict[str, Any]:
    """The ReplicaSet of the live release, as the deployment controller makes it."""
    body = stage.deployment
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": "checkout-2",
            "namespace": body["metadata"]["namespace"],
            "labels": dict(body["spec"]["selector"]["matchLabels"]),
            "annotations": {"deployment.kubernetes.io/revision": "2"},
            "creationTimestamp": stage.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "ownerReferences": [{"uid": body["metadata"]["uid"], "controller": True}],
        },
        "spec": {"template": body["spec"]["template"]},
    }


def stamp(write: Write) -> str:
    """The change that a patch writes on the object."""
    for edit in write.body:
        if edit["path"].endswith(CHANGE_ANNOTATION.replace("/", "~1")):
            return str(edit["value"])
        if edit["path"] == "/metadata/annotations":
            return str(edit["value"][CHANGE_ANNOTATION])
    return ""


def assert_books_balance(stage: Stage, story: Story) -> None:
    """Every effect has one intent that precedes it, every intent one finished record, no number is missing."""
    created = [w.ref.name for w in stage.cluster.writes if w.verb == "create" and w.ref.resource == CHANGE_EVENTS]
    order = {write.ref.name: index for index, write in enumerate(stage.cluster.writes) if write.verb == "create"}
    stamps = [stamp(write) for write in stage.remedial_writes]
    assert len(set(stamps)) == len(stamps), "two effects of one intent"
    for write, name in zip(stage.remedial_writes, stamps, strict=True):
        assert name in created
        assert order[name] < stage.cluster.writes.index(write)
    writes = [c for c in stage.changes if c["spec"]["decision"] == "Act" and c["spec"]["action"] != "Notify"]
    assert all("completedAt" in change["status"] for change in writes), "an unfinished record"
    outcomes = [change["status"]["outcome"] for change in writes]
    assert tuple(outcome for outcome in outcomes if outcome != "Abandoned") == story.ends
    assert len(stage.remedial_writes) == len(story.ends)
    assert [change["spec"]["sequence"] for change in stage.changes] == list(range(1, len(stage.changes) + 1))
    if story.scaler:
        assert all(write.ref != TARGET for write in stage.remedial_writes), "written under an autoscaler"
        given_back = "Undone" in story.ends
        raised = {**story.scaler["spec"], "minReplicas" if story.scaler is HPA else "minReplicaCount": 5}
        assert stage.scaler["spec"] == (story.scaler["spec"] if given_back else raised)


async def writes_of(story: Story) -> int:
    """How many writes an undisturbed run of the story makes once the fault is there."""
    counts: list[int] = []

    def note(stage: Stage) -> None:
        stage.cluster.begun = 0
        counts.append(0)

    stage = await play(story, note)
    assert_books_balance(stage, story)
    return stage.cluster.begun


@pytest.mark.parametrize("after", [pytest.param(False, id="before it"), pytest.param(True, id="after it")])
@pytest.mark.parametrize("name", STORIES)
async def test_killed_at_any_write_the_books_still_balance(name: str, after: bool) -> None:
    """A kill at every write boundary of an incident of each action: nothing twice, nothing lost."""
    story = STORIES[name]
    total = await writes_of(story)
    assert total >= 8
    for number in range(1, total + 1):

        def doom(stage: Stage, number: int = number) -> None:
            stage.cluster.begun = 0
            stage.cluster.dies_at, stage.cluster.after = number, after

        stage = await play(story, doom)
        assert stage.cluster.dies_at == 0, f"write {number} never came"
        assert_books_balance(stage, story)


FAULTS = [
    pytest.param(Unavailable("connection reset"), False, id="no answer, nothing happened"),
    pytest.param(Unavailable("timeout"), True, id="a lost reply"),
    pytest.param(Unavailable("500"), False, id="a 500"),
    pytest.param(Throttled("slow down", TICK), False, id="a 429 with Retry-After"),
    pytest.param(Conflict("exists"), False, id="a 409"),
]


@pytest.mark.parametrize(("error", "after_effect"), FAULTS)
@pytest.mark.parametrize("name", STORIES)
async def test_any_failing_write_is_settled_by_the_next_tick(
    name: str, error: ClusterError, after_effect: bool
) -> None:
    """Each write of an incident fails once, in each way: the next tick settles it from what is on record."""
    story = STORIES[name]
    for number in range(1, await writes_of(story) + 1):

        def fail(stage: Stage, number: int = number) -> None:
            stage.cluster.begun = 0

            def at(_: Write) -> None:
                if stage.cluster.begun == number - 1:
                    stage.cluster.fail_next(error, after_effect=after_effect)

            stage.cluster.on_write = at

        stage = await play(story, fail)
        if isinstance(error, Conflict) and any("refused" in c["status"].get("message", "") for c in stage.changes):
            continue  # a 409 to the write itself is an answer: it was not done, and the record says so
        assert_books_balance(stage, story)


async def test_stopped_at_any_moment_of_a_tick_no_question_is_left_unasked() -> None:
    """Python warns of coroutines that nobody awaited, in the middle of an operator's log."""
    for moments in range(1_000):
        stage = set_stage(STORIES["restart"])
        await stage.ticks(2)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            tick = asyncio.ensure_future(stage.reconciler.tick([stage.policy]))
            for _ in range(moments):
                await asyncio.sleep(0)
            over = tick.done()
            tick.cancel()
            await asyncio.gather(tick, return_exceptions=True)
        assert [str(warning.message) for warning in told] == [], f"after {moments} turns of the event loop"
        if over:
            assert stage.remedial_writes, "that tick had nothing to do"
            return
    pytest.fail("that tick never ended")


async def test_edge_case_12_concurrent_deploy() -> None:
    """v3 lands between the intent and the write: the tests of the patch fail, and everything is judged anew."""
    stage = a_stage(lambda body: image(body) == "v3", {"name": "r", "restart": {}})
    hands: list[str] = []

    def deploy(write: Write) -> None:
        if write.ref == TARGET and not hands:
            hands.append("v3")
            release(stage, "v3")

    stage.cluster.on_write = deploy
    await stage.ticks(LONG)

    assert stage.remedial_writes == []
    assert [c["status"]["outcome"] for c in stage.changes] == ["Abandoned"]
    assert "changed by someone else" in stage.changes[0]["status"]["message"]
    assert [i["status"]["phase"] for i in stage.incidents] == ["Resolved"]


async def test_what_got_well_between_record_and_act_is_left_alone() -> None:
    """Observed again before the write: the checks are healthy, so nothing is done."""
    stage = a_stage(lambda _: False, {"name": "r", "restart": {}})

    def cure(write: Write) -> None:
        if write.verb == "create" and write.ref.resource == CHANGE_EVENTS:
            stage.service.value = 0.0

    stage.cluster.on_write = cure
    await stage.ticks(LONG)
    assert stage.remedial_writes == []
    assert stage.changes[0]["status"]["outcome"] == "Abandoned"


@pytest.mark.parametrize("name", STORIES)
async def test_observe_writes_the_same_decision_as_enforce(name: str) -> None:
    """Byte for byte the same record, but for the one word that the mode makes."""
    story = STORIES[name]

    async def first(mode: str) -> dict[str, Any]:
        stage = set_stage(story, mode=mode)
        if story.good:
            release(stage, story.good)
            await stage.ticks(6)
            release(stage, "v2")
            stage.cluster.put(replica_set(stage))
        await stage.ticks(LONG)
        if mode == "Observe":
            assert stage.remedial_writes == []
            assert len(stage.changes) == 1
        return {
            key: value for key, value in stage.changes[0]["spec"].items() if key not in {"incidentRef", "policyRef"}
        }

    observed, enforced = await first("Observe"), await first("Enforce")
    assert (observed.pop("decision"), enforced.pop("decision")) == ("DryRun", "Act")
    assert without_uids(observed) == without_uids(enforced)


def without_uids(spec: dict[str, Any]) -> dict[str, Any]:
    """The fake gives each cluster's objects uids of their own."""
    spec["targetRef"].pop("uid")
    spec.get("patchedRef", {}).pop("uid", None)
    return {**spec, "patch": [op for op in spec["patch"] if op["path"] != "/metadata/uid"]}


async def test_a_forbidden_write_fails_on_record_and_the_ladder_goes_on() -> None:
    """No rights on the target: Failed with the server's words, then people are called."""
    stage = a_stage(was_restarted, {"name": "r", "restart": {}})

    def forbid(write: Write) -> None:
        if write.ref == TARGET:
            stage.cluster.fail_next(Forbidden("salus may not patch deployments"))

    stage.cluster.on_write = forbid
    await stage.ticks(LONG)
    assert stage.changes[0]["status"]["outcome"] == "Failed"
    assert "may not patch" in stage.changes[0]["status"]["message"]
    assert [i["status"]["phase"] for i in stage.incidents] == ["Escalated"]


async def test_an_escalated_incident_is_quiet_until_the_release_changes() -> None:
    """One notification; after a person's new release the ladder begins anew."""
    stage = a_stage(lambda body: image(body) == "v3" and was_restarted(body), {"name": "r", "restart": {}})
    await stage.ticks(LONG)
    before = len(stage.changes)
    await stage.ticks(10)
    assert len(stage.changes) == before
    assert [c["spec"]["action"] for c in stage.changes] == ["Restart", "Notify"]

    def deploy(body: dict[str, Any]) -> None:
        body["spec"]["template"]["spec"]["containers"][0]["image"] = "v3"
        body["spec"]["template"]["metadata"].pop("annotations", None)

    stage.cluster.edit(TARGET, deploy)
    await stage.ticks(LONG)
    assert [c["spec"]["action"] for c in stage.changes] == ["Restart", "Notify", "Restart"]
    assert [i["status"]["phase"] for i in stage.incidents] == ["Resolved"]


async def test_a_release_of_which_another_policy_has_not_said_that_it_is_well_is_not_kept() -> None:
    """Good means good by every policy of the target."""
    stage = a_stage(lambda _: True, {"name": "r", "restart": {}})
    stage.reconciler.accept(replace(stage.policy, key=PolicyKey(NAMESPACE, "other")), {})
    await stage.ticks(10)
    assert stage.cluster.objects(KEPT_RELEASES) == []


async def test_a_target_that_is_deleted_ends_its_incident() -> None:
    """Nothing waits for what is gone: the change is finished as it stands, the incident says why it is over."""
    stage = a_stage(lambda _: False, {"name": "r", "restart": {}})
    await stage.ticks(5)
    policy = stage.policy
    stage.cluster.remove(TARGET)
    for _ in range(3):
        await stage.reconciler.tick([policy])
        stage.clock.advance(TICK)
    assert [i["status"]["resolution"] for i in stage.incidents] == ["TargetGone"]
    assert all("completedAt" in c["status"] for c in stage.changes)


async def test_a_policy_names_its_incident_and_what_holds_it_back_while_that_is_so() -> None:
    ill = True
    stage = a_stage(lambda _: not ill, {"name": "r", "restart": {}}, suspend=True)

    def shown() -> list[Any]:
        status = stage.cluster.objects(HEALTH_POLICIES)[0]["status"]
        return [status["targets"]["summary"], status.get("openIncident"), status.get("heldBy")]

    await stage.ticks(6)
    while_ill = shown()
    ill = False
    await stage.ticks(12)

    assert while_ill == ["1/1", stage.incidents[0]["metadata"]["name"], "Suspended"]
    assert stage.incidents[0]["status"]["phase"] == "Resolved"
    assert shown() == ["1/0", None, None]


async def test_a_refusal_that_repeats_is_counted_in_powers_of_two() -> None:
    """Thirty refusals are one record and a handful of writes."""
    stage = a_stage(lambda _: False, {"name": "r", "restart": {}}, suspend=True)
    await stage.ticks(32)
    assert len(stage.changes) == 1
    assert stage.changes[0]["status"]["occurrences"] == 16
    counted = [w for w in stage.cluster.writes if w.verb == "update_status" and w.ref.resource == CHANGE_EVENTS]
    assert len(counted) <= 5


async def test_a_failed_test_of_the_patch_has_no_causes_and_is_not_a_failure() -> None:
    """422 without causes: changed by someone else; 422 with causes: the API server's own words."""
    stage = a_stage(was_restarted, {"name": "r", "restart": {}})

    def invalid(write: Write) -> None:
        if write.ref == TARGET and not stage.remedial_writes:
            stage.cluster.fail_next(Invalid("denied by admission", (("spec.template", "no"),)))

    stage.cluster.on_write = invalid
    await stage.ticks(LONG)
    assert stage.changes[0]["status"]["outcome"] == "Failed"


UNUSABLE = SpecError((Problem("spec.source", 'unknown source "nowhere"'),))


def stalled(stage: Stage) -> tuple[str, str]:
    """What the policy says of whether it can be used."""
    conditions = stage.cluster.objects(HEALTH_POLICIES)[0]["status"].get("conditions", [])
    return next(((c["status"], c["message"]) for c in conditions if c["type"] == "Stalled"), ("", ""))


@dataclass(frozen=True)
class Meanwhile:
    """A Prometheus during whose answer something happens."""

    metrics: Metrics
    happens: Callable[[], Awaitable[None]]

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        answers = await self.metrics.ask(questions)
        await self.happens()
        return answers


async def test_a_tick_under_way_says_nothing_of_a_policy_that_was_refused_meanwhile() -> None:
    """It is of the spec before, and nobody would take its words back: a policy that is refused has no ticks."""
    stage = a_stage(lambda _: True, {"name": "r", "restart": {}})
    stage.reconciler.accept(stage.policy, {})

    async def refuse() -> None:
        await stage.reconciler.report_invalid(stage.cluster.objects(HEALTH_POLICIES)[0], UNUSABLE, stage.clock.now())

    stage.reconciler.context = replace(stage.reconciler.context, metrics=Meanwhile(stage.service, refuse))
    await stage.reconciler.tick([stage.policy])

    assert stalled(stage) == ("True", str(UNUSABLE))


def the_next_status_waits(monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """The next status of a policy is on its way until it is let go: when it was sent, and what lets it go."""
    sent, let_go = asyncio.Event(), asyncio.Event()
    update_status = FakeCluster.update_status

    async def slow_at_first(cluster: FakeCluster, ref: Ref, status: Mapping[str, Any]) -> Body:
        if ref.resource == HEALTH_POLICIES and not sent.is_set():
            sent.set()
            await let_go.wait()
        return await update_status(cluster, ref, status)

    monkeypatch.setattr(FakeCluster, "update_status", slow_at_first)
    return sent, let_go


async def test_of_two_statuses_that_are_written_at_once_the_newer_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal waits until the tick's status, whose request is under way, was answered."""
    stage = a_stage(lambda _: True, {"name": "r", "restart": {}})
    stage.reconciler.accept(stage.policy, {})
    sent, let_go = the_next_status_waits(monkeypatch)
    tick = asyncio.create_task(stage.reconciler.tick([stage.policy]))
    await sent.wait()
    body = stage.cluster.objects(HEALTH_POLICIES)[0]
    refusal = asyncio.create_task(stage.reconciler.report_invalid(body, UNUSABLE, stage.clock.now()))
    for _ in range(10):
        await asyncio.sleep(0)
    let_go.set()
    await asyncio.gather(tick, refusal)

    assert stalled(stage) == ("True", str(UNUSABLE))


async def test_the_kill_switch_is_reported_between_two_ticks() -> None:
    """A policy with an interval of an hour says so as well, and at once."""
    stage = a_stage(lambda _: True, {"name": "r", "restart": {}})
    await stage.ticks(1)
    switches = Switches(kill_switch=True, kill_switch_message="maintenance")
    stage.reconciler.context = replace(stage.reconciler.context, switches=lambda: switches)

    await stage.reconciler.show_switches([stage.policy])

    conditions = stage.cluster.objects(HEALTH_POLICIES)[0]["status"]["conditions"]
    throttled = next(c for c in conditions if c["type"] == "Throttled")
    assert (throttled["status"], throttled["reason"], throttled["message"]) == ("True", "KillSwitch", "maintenance")


async def test_the_kill_switch_that_is_taken_back_while_it_is_being_reported_is_shown_as_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is said anew is held against the status that is under way, and not against the one before it."""
    stage, switches = a_stage(lambda _: True, {"name": "r", "restart": {}}), [Switches()]
    stage.reconciler.context = replace(stage.reconciler.context, switches=lambda: switches[-1])
    await stage.ticks(1)
    sent, let_go = the_next_status_waits(monkeypatch)
    switches.append(Switches(kill_switch=True))
    on = asyncio.create_task(stage.reconciler.show_switches([stage.policy]))
    await sent.wait()
    switches.append(Switches())
    off = asyncio.create_task(stage.reconciler.show_switches([stage.policy]))
    for _ in range(10):
        await asyncio.sleep(0)
    let_go.set()
    await asyncio.gather(on, off)

    conditions = stage.cluster.objects(HEALTH_POLICIES)[0]["status"]["conditions"]
    assert [c["status"] for c in conditions if c["type"] == "Throttled"] == ["False"]


async def test_a_policy_that_was_not_measured_yet_is_not_reported() -> None:
    """It would say that there is no target."""
    stage = a_stage(lambda _: True, {"name": "r", "restart": {}})

    await stage.reconciler.show_switches([stage.policy])

    assert stage.cluster.writes == []
