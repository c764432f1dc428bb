"""What a process that starts learns of the past: a `for` in progress counts from its real beginning."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from salus.core.policy.pod_names import pods
from salus.model.meta import WorkloadKind
from salus.model.scalars import parse_time
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Answer, Error, NoData, Query, Sample
from salus.ports import DAEMON_SETS, HEALTH_POLICIES, Ref
from salus.reconcile.cases import Case
from salus.reconcile.observe.measure import Measurer, judged_past
from tests.builders import NOW, a_deployment_body
from tests.unit.stage import KEY, NAME, NAMESPACE, TICK, Service, Stage, a_stage

BY_PODS = {"name": "errors", "query": 'errors{pod=~"$pods"}', "unhealthy": {"above": "0.05"}}
CHECK = {"name": "errors", "query": 'errors{t="$target"}', "unhealthy": {"above": "0.05"}, "for": "30s"}
POLICY = Ref(HEALTH_POLICIES, NAMESPACE, NAME)


@dataclass(slots=True)
class Faltering(Service):
    """One of whose answers the first fail."""

    failing: int = 0

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        """An error as long as it is failing."""
        if self.failing > 0:
            self.failing -= 1
            return [Error("Timeout", "no answer") for _ in questions]
        return await Service.ask(self, questions)


def a_breach(*, began: timedelta, failing: int, bake: str) -> tuple[Stage, datetime]:
    """A new process, a while after a breach has begun; Prometheus has been asked every five seconds ever since."""
    stage = a_stage(lambda _: False, {"name": "r", "restart": {}}, checks=[CHECK], bake=bake)
    now = stage.clock.now()
    since = now - began
    moments = [now - timedelta(seconds=n) for n in range(300, 0, -5)]
    past = [Sample(moment, 0.3 if moment >= since else 0.0) for moment in moments]
    service = Faltering(stage.cluster, stage.clock, stage.service.is_cured, past=past, failing=failing)
    stage.service = service
    stage.restart()
    return stage, since


@pytest.mark.parametrize("bake", ["5s", "10m"])
@pytest.mark.parametrize(
    ("began", "failing"),
    [
        pytest.param(5, 0, id="just begun"),
        pytest.param(15, 0, id="half of it is over"),
        pytest.param(25, 0, id="begun a while ago"),
        pytest.param(35, 0, id="over"),
        pytest.param(25, 1, id="the first answer fails"),
        pytest.param(15, 3, id="the first three answers fail"),
    ],
)
async def test_a_for_in_progress_counts_from_its_beginning(began: int, failing: int, bake: str) -> None:
    """Also while it is asked whether the release was healthy for `bake`, which looks back less far, or further."""
    stage, since = a_breach(began=timedelta(seconds=began), failing=failing, bake=bake)
    started = stage.clock.now()
    while not stage.incidents:
        await stage.ticks(1)

    last = stage.clock.now() - TICK
    assert parse_time(stage.incidents[0]["spec"]["openedAt"]) == since
    assert last == max(since + timedelta(seconds=30), started + failing * TICK)


@dataclass(slots=True)
class Gone(Service):
    """One whose series are gone since then."""

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        """There is nothing."""
        return [NoData("NoSeries", "none", empty=True) for _ in questions]

    async def samples(self, question: Query, start: Any, end: Any, step: timedelta) -> Sequence[Sample]:  # noqa: ANN401, ARG002
        """Values until then, silence after it."""
        silence = " unless on () " in question.query
        past = [sample for sample in self.past if (sample.value > 0) is silence]
        return [sample for sample in past if start <= sample.at <= end]


async def test_a_for_in_progress_of_what_is_declared_unhealthy_counts_from_what_salus_has_seen() -> None:
    """The series went 25 seconds before Salus came, and `for` is 30; maybe the workload was not there before."""
    stage, since = a_breach(began=timedelta(seconds=25), failing=0, bake="5s")
    stage.cluster.edit(POLICY, lambda body: body["spec"]["checks"][0].update(onNoData="Unhealthy"))
    stage.service = Gone(stage.cluster, stage.clock, stage.service.is_cured, past=stage.service.past)
    stage.restart()
    started = stage.clock.now()
    while not stage.incidents:
        await stage.ticks(1)

    assert parse_time(stage.incidents[0]["spec"]["openedAt"]) == started > since
    assert stage.clock.now() - TICK == started + timedelta(seconds=30)


async def test_a_breach_that_is_older_counts_from_as_far_as_anybody_looks_back() -> None:
    """That is `for` and two intervals: more of the past changes nothing."""
    stage, _ = a_breach(began=timedelta(seconds=120), failing=0, bake="5s")
    started = stage.clock.now()
    await stage.ticks(1)

    assert parse_time(stage.incidents[0]["spec"]["openedAt"]) == started - timedelta(seconds=40)


@dataclass(slots=True)
class Listening(Service):
    """Remembers what it was asked, of now and of the past."""

    heard: list[Query] = field(default_factory=list)

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        """As ever."""
        self.heard += questions
        return await Service.ask(self, questions)

    async def samples(self, question: Query, start: Any, end: Any, step: timedelta) -> Sequence[Sample]:  # noqa: ANN401
        """As ever."""
        self.heard.append(question)
        return await Service.samples(self, question, start, end, step)


async def test_only_what_salus_made_of_an_alert_asks_for_labels_that_may_be_missing() -> None:
    """In the past as well; the alert's volume is its author's, as is every other query."""
    alert = {"name": "down", "alert": {"name": "Down"}, "volume": {"query": "sum(asked)", "atLeast": "1"}}
    stage = a_stage(lambda _: False, checks=[CHECK, alert], bake="5s")
    listening = Listening(stage.cluster, stage.clock, stage.service.is_cured)
    stage.service = listening
    stage.restart()
    await stage.ticks(2)

    asked = {("ALERTS" in query.query, query.or_missing) for query in listening.heard}
    assert asked == {(True, True), (False, False)}


async def test_a_workload_that_comes_to_stand_beside_it_has_its_pods_to_itself() -> None:
    """The DaemonSet's word is no hash of the Deployment's from the next tick on, and one again when it is gone."""
    stage = a_stage(lambda _: True, checks=[{**BY_PODS, "targetLabel": "app"}])
    listening = stage.service = Listening(stage.cluster, stage.clock, stage.service.is_cured)
    stage.restart()
    neighbour = TargetKey(KEY.namespace, WorkloadKind.DAEMON_SET, f"{KEY.name}-db")
    heard = []
    changes: Sequence[Callable[[], object]] = (
        lambda: None,
        lambda: stage.cluster.put({**a_deployment_body(name=neighbour.name), "kind": "DaemonSet"}),
        lambda: stage.cluster.remove(Ref(DAEMON_SETS, neighbour.namespace, neighbour.name)),
    )
    for change in changes:
        change()
        listening.heard.clear()
        await stage.ticks(1)
        heard.append({(query.query, query.select) for query in listening.heard})

    alone, beside = (f'errors{{pod=~"{pods(KEY.kind, KEY.name, others)}"}}' for others in ((), (neighbour,)))
    assert heard == [{(alone, None)}, {(beside, None)}, {(alone, None)}]


async def test_pods_that_cannot_be_told_from_another_s_are_unknown_and_nobody_is_asked() -> None:
    """Neither now nor about the past."""
    long = "checkout-" * 7
    target = {"kind": "Deployment", "name": f"{long}a"}
    stage = a_stage(
        lambda _: False, {"name": "r", "restart": {}}, checks=[BY_PODS, {**CHECK, "name": "other"}], target=target
    )
    listening = stage.service = Listening(stage.cluster, stage.clock, stage.service.is_cured)
    for name in (f"{long}a", f"{long}b"):
        stage.cluster.put(a_deployment_body(name=name))
    stage.restart()
    await stage.ticks(2)

    (policy,) = stage.cluster.objects(HEALTH_POLICIES)
    (check,) = [one for one in policy["status"]["checks"] if one["verdict"] == "Unknown"]
    assert (check["reason"], check["name"]) == ("PodsUnclear", "errors")
    assert f"from those of Deployment/{long}b by their names" in check["message"]
    case = next(iter(stage.reconciler.cases.of(stage.policy.key)))
    past = await judged_past(stage.reconciler.context, (stage.policy, case), stage.policy.checks[0], NOW - TICK, NOW)
    assert past == Error("PodsUnclear", check["message"])
    assert not any("pod=~" in query.query for query in listening.heard)


@dataclass(slots=True)
class Hanging(Service):
    """Whose past is told only when all that is asked about it was asked."""

    asked: int = 0
    all_asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def samples(self, question: Query, start: Any, end: Any, step: timedelta) -> Sequence[Sample]:  # noqa: ANN401
        """Nothing is remembered, but not at once."""
        self.asked += 1
        if self.asked == 6:
            self.all_asked.set()
        await self.all_asked.wait()
        return await Service.samples(self, question, start, end, step)


async def test_looks_into_the_past_do_not_wait_for_each_other() -> None:
    """Of three targets with two checks each, whose breaches are seen for the first time."""
    stage = a_stage(lambda _: False, {"name": "r", "restart": {}}, checks=[CHECK, {**CHECK, "name": "more"}])
    stage.service = service = Hanging(stage.cluster, stage.clock, stage.service.is_cured)
    stage.restart()
    cases = [Case(stage.policy.key, replace(KEY, name=f"checkout-{number}")) for number in range(3)]

    async with asyncio.timeout(60):
        await Measurer(stage.reconciler.context).measure([(stage.policy, case) for case in cases])

    assert service.asked == 6
    assert all(len(case.findings) == 2 for case in cases)


async def test_whoever_looks_back_looks_at_least_as_far_as_for() -> None:
    """Right after a write, say; else a breach that lasted before would have to last anew."""
    stage, since = a_breach(began=timedelta(seconds=25), failing=0, bake="5s")
    case = Case(stage.policy.key, KEY)

    await Measurer(stage.reconciler.context).recover(stage.policy, case, timedelta(0))

    assert case.states["errors"].breached_since == since
