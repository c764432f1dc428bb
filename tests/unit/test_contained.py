"""One policy's trouble is its own: whatever escapes, and wherever, the other policies are measured, healed and told of.

Two policies, of two Deployments that are unhealthy. Salus fails at everything about one of them that a row says, by an
error of any kind; the other is healed as if it were alone.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from salus.adapters.api import Connection, Page
from salus.adapters.informer import Patience, Place, Reflector, WorkloadMirror
from salus.contained import contained
from salus.core.health.evaluate import Reading
from salus.core.objects.workloads import workload_from
from salus.core.policy.caps import Caps, LeftOut
from salus.core.policy.compile import Catalog, SpecError, compile_policy
from salus.model.meta import WorkloadKind
from salus.model.problems import Problem
from salus.model.scalars import API_VERSION, Body
from salus.model.values.configuration import Stamps
from salus.model.values.keys import PolicyKey, TargetKey
from salus.model.values.metrics import Answer, Query, Sample, Value
from salus.model.values.objects import Workload
from salus.model.values.policies import Policy
from salus.ports import DEPLOYMENTS, HEALTH_POLICIES, INCIDENTS, ClusterError, Mirror, Ref, Rejected, Unavailable
from salus.reconcile import report, tick
from salus.reconcile.context import Step
from salus.reconcile.observe import measure
from salus.reconcile.observe.permissions import AccountPermissions
from salus.reconcile.tick import Reconciler
from salus.rehearsal.ports import NullTelemetry, VirtualClock
from salus.rehearsal.workloads import RehearsalWorkloads
from salus.scheduler import Scheduler
from tests.builders import NOW, a_deployment_body, a_policy
from tests.fakes.cluster import FakeCluster
from tests.unit.jumping import JumpingLoop
from tests.unit.stage import TICK, a_reconciler


class Panic(BaseException):
    """As pyo3 raises them: no Exception."""


KINDS: Sequence[Callable[[], BaseException]] = (
    lambda: Panic("called `Option::unwrap()` on a `None` value of TENANT-SECRET"),
    lambda: RecursionError("TENANT-SECRET"),
    lambda: KeyError("TENANT-SECRET"),
    lambda: BaseExceptionGroup("TENANT-SECRET", [Panic(), MemoryError()]),
)


@dataclass
class Unhealthy:
    """Metrics by which everything is unhealthy; a question whose query speaks of "odd" can be made to fail."""

    clock: VirtualClock
    fails: dict[str, BaseException] = field(default_factory=dict)

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        self._fail("ask", *questions)
        return [Value(0.3, self.clock.now()) for _ in questions]

    async def samples(self, question: Query, start: Any, end: Any, step: timedelta) -> Sequence[Sample]:  # noqa: ANN401, ARG002
        self._fail("look back", question)
        return []

    def _fail(self, stage: str, *questions: Query) -> None:
        if stage in self.fails and any("odd" in question.query for question in questions):
            raise self.fails[stage]


@dataclass
class Counting(NullTelemetry):
    """Telemetry that keeps the stages of errors."""

    stages: list[str] = field(default_factory=list)

    def failed(self, stage: str) -> None:
        self.stages.append(stage)


@dataclass
class Two:
    """The policies `odd` and `sound`, and an operator."""

    cluster: FakeCluster
    clock: VirtualClock
    metrics: Unhealthy
    reconciler: Reconciler
    telemetry: Counting

    async def ticks(self, count: int) -> None:
        for _ in range(count):
            for name in ("odd", "sound"):
                self.cluster.edit(Ref(DEPLOYMENTS, "shop", name), roll_out)
            await self.reconciler.tick([self.policy("odd"), self.policy("sound")])
            self.clock.advance(TICK)

    def policy(self, name: str) -> Policy:
        bodies = {body["metadata"]["name"]: body for body in self.cluster.peek(HEALTH_POLICIES)}
        return compile_policy(bodies[name], Catalog({}, ["default"]))

    def conditions(self, name: str) -> Mapping[str, tuple[str, str, str]]:
        bodies = {body["metadata"]["name"]: body for body in self.cluster.objects(HEALTH_POLICIES)}
        found = bodies[name].get("status", {}).get("conditions", ())
        return {one["type"]: (one["status"], one["reason"], one["message"]) for one in found}

    def remedial_writes(self, name: str) -> int:
        return sum(write.ref == Ref(DEPLOYMENTS, "shop", name) for write in self.cluster.writes)


def roll_out(body: dict[str, Any]) -> None:
    """Pods follow their template at once."""
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 3)
    body["status"] = {"observedGeneration": body["metadata"]["generation"], **counts}


def a_policy_body(name: str) -> dict[str, Any]:
    check = {"name": "errors", "query": f'errors{{t="{name}"}}', "unhealthy": {"above": "0.05"}, "for": "5s"}
    spec = {
        "mode": "Enforce",
        "target": {"kind": "Deployment", "name": name},
        "interval": "5s",
        "checks": [check],
        "remedies": [{"name": "restart", "restart": {}}],
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "HealthPolicy",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": spec,
    }


@pytest.fixture
def two() -> Two:
    clock = VirtualClock(NOW)
    cluster = FakeCluster(now=clock.now)
    for name in ("odd", "sound"):
        cluster.put(a_deployment_body(name=name, replicas=3))
        cluster.put(a_policy_body(name))
    metrics, telemetry = Unhealthy(clock), Counting()
    reconciler = a_reconciler(cluster, metrics, clock)
    reconciler.context = replace(reconciler.context, telemetry=telemetry)
    return Two(cluster, clock, metrics, reconciler, telemetry)


def _failing(function: Callable[..., Any], error: BaseException) -> Callable[..., Any]:
    """The function, which fails at the odd policy, its target, or its query."""

    def call(*given: object, **named: object) -> Any:  # noqa: ANN401 — whatever it answers
        if any(map(_is_odd, given)):
            raise error
        return function(*given, **named)

    return call


def _is_odd(one: object) -> bool:
    match one:
        case Policy(key=key) | Step(policy=Policy(key=key)):
            return key.name == "odd"
        case TargetKey(name=name):
            return name == "odd"
        case Reading(query=query):
            return '"odd"' in query
        case str():
            return '"odd"' in one
        case _:
            return False


STAGES = {
    "select": (RehearsalWorkloads, "get", "report", "Stalled"),
    "question": (measure, "question", "measure", "MetricsAvailable"),
    "ask": (None, "ask", "measure", "MetricsAvailable"),
    "look back": (None, "look back", "measure", "MetricsAvailable"),
    "judge": (measure, "evaluate", "measure", "MetricsAvailable"),
    "heal": (tick, "heal", "heal", "Throttled"),
    "status": (report, "policy_status", "report", "Stalled"),
    "rights": (AccountPermissions, "of", "report", "Stalled"),
}
"""What fails, the stage that is counted, and the condition that says so."""


@pytest.mark.parametrize("kind", KINDS, ids=["a panic", "a recursion", "a defect", "several at once"])
@pytest.mark.parametrize("fails", STAGES)
async def test_whatever_escapes_costs_the_other_policy_nothing(
    two: Two, fails: str, kind: Callable[[], BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, name, stage, condition = STAGES[fails]
    error = kind()
    with monkeypatch.context() as patched, capture_logs() as logged:
        if owner is None:
            two.metrics.fails[name] = error
        else:
            patched.setattr(owner, name, _failing(getattr(owner, name), error))
        await two.ticks(1)
        lines = [line for line in logged if line["log_level"] == "error"]
        await two.ticks(3)
    two.metrics.fails.clear()

    assert [(line["policy"], line["stage"]) for line in lines] == [("shop/odd", stage)], "one line, with its name"
    assert set(two.telemetry.stages) == {stage}
    status, reason, message = two.conditions("odd")[condition]
    assert (status, reason) == ("False" if condition == "MetricsAvailable" else "True", "InternalError")
    assert "TENANT-SECRET" not in message
    assert condition == "MetricsAvailable" or type(error).__name__ in message
    assert two.remedial_writes("sound") == 1, "healed, as if it were alone"
    assert "InternalError" not in {reason for _, reason, _ in two.conditions("sound").values()}

    writes = [write for write in two.cluster.writes if write.ref == Ref(HEALTH_POLICIES, "shop", "odd")]
    assert len(writes) <= 2, "told once, not at every tick"

    await two.ticks(4)

    assert two.remedial_writes("odd") == 1, "and this one too, once nothing escapes any more"
    assert "InternalError" not in {reason for _, reason, _ in two.conditions("odd").values()}


async def test_a_defect_that_goes_on_has_one_traceback_and_a_short_line_every_ten_minutes(two: Two) -> None:
    two.metrics.fails["ask"] = KeyError("TENANT-SECRET")
    with capture_logs() as logged:
        await two.ticks(int(timedelta(minutes=25) / TICK))
    lines = [line for line in logged if line["log_level"] == "error"]

    assert ["exc_info" in line for line in lines] == [True, False, False]
    assert {(line["stage"], line["policy"]) for line in lines} == {("measure", "shop/odd")}
    assert [line["error"] for line in lines[1:]] == ["KeyError", "KeyError"], "its kind, which the trace is found by"
    assert len(two.telemetry.stages) == int(timedelta(minutes=25) / TICK), "the counter counts all of them"


async def test_a_defect_of_another_kind_or_of_a_policy_made_again_has_a_traceback_of_its_own(two: Two) -> None:
    with capture_logs() as logged:
        for error in (KeyError(), RecursionError(), KeyError()):
            two.metrics.fails["ask"] = error
            await two.ticks(1)
        two.reconciler.forget(PolicyKey("shop", "odd"))
        await two.ticks(1)

    traces = [type(line["exc_info"]) for line in logged if "exc_info" in line]
    assert traces == [KeyError, RecursionError, KeyError]


async def test_the_end_of_the_process_goes_through(two: Two) -> None:
    two.metrics.fails["ask"] = asyncio.CancelledError()

    with pytest.raises(asyncio.CancelledError):
        await two.ticks(1)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
def test_what_ends_a_task_or_the_process_is_not_kept(error: type[BaseException]) -> None:
    told: list[BaseException] = []
    with pytest.raises(error), contained(told.append):
        raise error
    with pytest.raises(BaseExceptionGroup), contained(told.append):
        raise BaseExceptionGroup("", [ValueError(), BaseExceptionGroup("", [error()])])

    assert told == []


async def test_a_policy_that_is_forgotten_during_a_tick_is_not_missed(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was deleted while its target was asked about: there is nothing to tell, and nothing fails."""
    really = Unhealthy.ask

    async def forget(metrics: Unhealthy, questions: Sequence[Query]) -> Sequence[Answer]:
        two.reconciler.forget(PolicyKey("shop", "odd"))
        return await really(metrics, questions)

    monkeypatch.setattr(Unhealthy, "ask", forget)
    await two.ticks(1)

    assert two.telemetry.stages == []


# --- policies that go while a step of theirs runs


@dataclass
class Held:
    """A step that runs until it is let go."""

    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    runs: asyncio.Event = field(default_factory=asyncio.Event)
    count: int = 0

    async def step(self, *_: object) -> None:
        """In the place of `heal`."""
        self.count += 1
        self.runs.set()
        await self.goes_on.wait()


@pytest.mark.parametrize("goes", ["deleted", "beyond the caps"])
async def test_a_target_whose_step_runs_has_no_second_one_though_its_policy_went_meanwhile(
    two: Two, goes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, odd = Held(), two.policy("odd")
    with monkeypatch.context() as patched:
        patched.setattr(tick, "heal", held.step)
        first = asyncio.create_task(two.reconciler.tick([odd]))
        await asyncio.wait_for(held.runs.wait(), 5)
        if goes == "deleted":
            two.reconciler.forget(odd.key)
            two.reconciler.accept(odd, {})
        else:
            with monkeypatch.context() as capped:
                capped.setattr(Caps, "why_not", lambda *_: LeftOut("TooManyPolicies", "too many"))
                await two.reconciler.tick([odd])
        await asyncio.wait_for(two.reconciler.tick([odd]), 5)

        assert held.count == 1, "a made again, or let in again, policy waits for its step"

        held.goes_on.set()
        await first

    assert two.reconciler.cases.of(odd.key) == [], "what was known of it is dropped then"

    await two.ticks(4)

    assert two.remedial_writes("odd") == 1


# --- incidents of policies that are gone


def an_incident(name: str, **fields: object) -> dict[str, Any]:
    spec = {"policyRef": {"name": "gone"}, "targetRef": {"kind": "Deployment", "name": "sound"}}
    kind = {"apiVersion": API_VERSION, "kind": "Incident"}
    opened = {"openedAt": "2026-11-22T11:59:00Z"}
    metadata = {"name": name, "namespace": "shop", "uid": name}
    return {**kind, "metadata": metadata, "spec": {**spec, **opened, **fields}}


async def swept(two: Two, *bodies: Body, refuses: ClusterError | None = None) -> dict[str, str]:
    """The phases of these incidents after a sweep; `refuses` is what the API server says to the first write."""
    for body in bodies:
        two.cluster.put(body)
    two.reconciler.context = replace(two.reconciler.context, is_known=lambda key: key.name != "gone")
    if refuses is not None:
        two.cluster.fail_next(refuses)
    await two.reconciler.sweep([None])
    found = two.cluster.objects(INCIDENTS)
    return {body["metadata"]["name"]: body.get("status", {}).get("phase", "Open") for body in found}


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        pytest.param(
            an_incident("odd", targetRef={"kind": "Nonsense", "name": "x"}), "relist", id="a target of no known kind"
        ),
        pytest.param(an_incident("odd", targetRef=None), "relist", id="no target"),
        pytest.param(an_incident("odd", policyRef={}), "a record cannot be read, and is left out", id="no policy"),
        pytest.param({"metadata": None}, "what was watched is no record", id="no name"),
        pytest.param({}, "what was watched is no record", id="nothing"),
    ],
)
async def test_an_odd_incident_does_not_keep_the_others_open(
    two: Two, odd: Body, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = FakeCluster.each

    async def each(cluster: FakeCluster, *asked: Any) -> AsyncIterator[Body]:  # noqa: ANN401 — handed on
        if asked[0] == INCIDENTS:
            yield odd
        async for body in really(cluster, *asked):
            yield body

    monkeypatch.setattr(FakeCluster, "each", each)
    with capture_logs() as logged:
        await two.reconciler.context.records.renew(())

        assert await swept(two, an_incident("b")) == {"b": "Resolved"}

    assert told in [*two.telemetry.stages, *(line["event"] for line in logged)]


async def test_an_incident_that_the_api_server_refuses_to_close_does_not_keep_the_others_open(two: Two) -> None:
    phases = await swept(two, an_incident("a"), an_incident("b"), refuses=Rejected("no"))

    assert sorted(phases.values()) == ["Open", "Resolved"]


async def test_where_the_api_server_does_not_answer_the_sweep_ends(two: Two) -> None:
    with pytest.raises(Unavailable):
        await swept(two, an_incident("a"), an_incident("b"), refuses=Unavailable("no answer"))


# --- when policies are due


@pytest.mark.parametrize("begun", [False, True], ids=["from the beginning", "once its time has come"])
def test_a_policy_of_which_nobody_can_tell_when_it_is_due_leaves_the_others_theirs(begun: bool) -> None:
    due: list[str] = []

    async def tick(policies: Sequence[Policy], _: float) -> None:
        due.extend(policy.key.name for policy in policies)

    async def main() -> None:
        odd, sound = a_policy(name="odd", uid="z", interval="5s"), a_policy(name="sound", uid="a", interval="5s")
        scheduler = Scheduler(tick, {policy.key: policy for policy in (odd, sound)})
        if begun:
            scheduler.begin()
        object.__setattr__(odd, "uid", None)
        if not begun:
            scheduler.begin()
        working = asyncio.create_task(scheduler.run())
        await asyncio.sleep(12)
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working

    with capture_logs() as logged, asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(main())

    assert set(due) == {"sound"}
    assert len(due) >= 2
    assert {line["policy"] for line in logged} == {"shop/odd"}


async def test_a_refusal_that_cannot_be_written_is_logged_with_the_policys_name(two: Two) -> None:
    body = {**a_policy_body("odd"), "status": ["no", "status"]}
    with capture_logs() as logged:
        await two.reconciler.report_invalid(body, SpecError((Problem("spec", "no"),)), NOW)

    assert [line["policy"] for line in logged] == ["shop/odd"]
    assert two.telemetry.stages == ["report"]


# --- what is watched


async def watching(mirror: Mirror, added: Sequence[Body]) -> None:
    """A reflector finds nothing listed; then the watch shows these, and says nothing more."""
    shown = asyncio.Event()

    async def pages(*_: object) -> AsyncIterator[Page]:
        yield Page([], "1", 2)

    async def watch(*_: object) -> AsyncIterator[Body]:
        for body in added:
            yield {"type": "ADDED", "object": body}
        shown.set()
        await asyncio.Event().wait()

    connection = cast("Connection", SimpleNamespace(pages=pages, watch=watch))
    reflector = Reflector(connection, Place(DEPLOYMENTS, None), mirror, Patience(), lambda: 0.0)
    reflecting = asyncio.create_task(reflector.run())
    await asyncio.wait_for(shown.wait(), 5)
    reflecting.cancel()


@pytest.mark.parametrize("kind", KINDS, ids=["a panic", "a recursion", "a defect", "several at once"])
async def test_a_workload_that_cannot_be_read_does_not_end_the_watch_of_the_others(
    kind: Callable[[], BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_or_fail(body: Body, stamps: Stamps) -> Workload:
        if body["metadata"]["name"] == "odd":
            raise kind()
        return workload_from(body, stamps)

    monkeypatch.setattr("salus.adapters.informer.workload_from", read_or_fail)
    mirror = WorkloadMirror(WorkloadKind.DEPLOYMENT)
    with capture_logs() as logged:
        await watching(mirror, [a_deployment_body(name=name) for name in ("a", "odd", "b")])

    assert list(mirror.workloads["shop"]) == ["a", "b"]
    assert [line["workload"] for line in logged] == ["shop/odd"]
    assert logged[0]["error"].startswith(type(kind()).__name__)
