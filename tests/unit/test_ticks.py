"""What a slow target costs: itself a tick, and nobody else anything; on a clock that jumps over every wait."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from structlog.testing import capture_logs

from salus.core.policy.compile import Catalog, compile_policy
from salus.model.scalars import API_VERSION, Body
from salus.model.values.keys import PolicyKey
from salus.model.values.metrics import Answer, Query, Sample, Value
from salus.model.values.policies import Policy
from salus.ports import DEPLOYMENTS, HEALTH_POLICIES, Ref
from salus.reconcile.gate import Gate
from salus.reconcile.tick import AT_ONCE, PATIENCE
from salus.rehearsal.ports import VirtualClock
from salus.scheduler import Scheduler
from tests.builders import NOW, a_deployment_body
from tests.fakes.cluster import FakeCluster
from tests.unit.jumping import JumpingLoop
from tests.unit.stage import a_reconciler

CHECK = {"name": "errors", "query": 'errors{t="$target"}', "unhealthy": {"above": "0.05"}, "for": "5s"}


@dataclass(slots=True)
class Prometheus:
    """Both metric ports; what it is told to be slow at takes so many seconds of the event loop."""

    clock: VirtualClock
    unhealthy: set[str] = field(default_factory=set)
    answers_after: dict[str, float] = field(default_factory=dict)
    remembers_after: dict[str, float] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        """Unhealthy or not, fresh."""
        names = [question.query.split('"')[1] for question in questions]
        self.asked.update(names)
        if slow := max((self.answers_after.get(name, 0.0) for name in names), default=0.0):
            await asyncio.sleep(slow)
        return [Value(0.3 if name in self.unhealthy else 0.0, self.clock.now()) for name in names]

    async def samples(self, question: Query, start: Any, end: Any, step: Any) -> Sequence[Sample]:  # noqa: ANN401, ARG002
        """No past."""
        await asyncio.sleep(self.remembers_after.get(question.query.split('"')[1], 0.0))
        return []


@dataclass(slots=True)
class HangingCluster(FakeCluster):
    """An API server that is slow at some workloads."""

    hangs: dict[str, float] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)

    async def get(self, ref: Ref) -> Body:
        """The object, after a while."""
        if ref.resource == DEPLOYMENTS:
            self.reads.append(ref.name)
        await asyncio.sleep(self.hangs.get(ref.name, 0.0))
        return await FakeCluster.get(self, ref)


class Place:
    """Policies of one namespace, with a scheduler, on a jumping clock."""

    def __init__(self) -> None:
        self.clock = VirtualClock(NOW)
        self.cluster = HangingCluster(now=self.clock.now)
        self.prometheus = Prometheus(self.clock)
        self.reconciler = a_reconciler(self.cluster, self.prometheus, self.clock)
        self.reconciler.patience = PATIENCE
        self.policies: dict[PolicyKey, Policy] = {}
        self.scheduler = Scheduler(self.reconciler.tick, self.policies)

    def deployment(self, name: str, **labels: str) -> None:
        """One that is there all along."""
        body = a_deployment_body(name=name, uid=f"uid-of-{name}")
        body["metadata"]["labels"] = labels
        self.cluster.put(body)

    def policy(self, name: str, **spec: Any) -> Policy:  # noqa: ANN401
        """Put in use; of the Deployment of the same name, unless told otherwise."""
        usual = {"mode": "Enforce", "target": {"kind": "Deployment", "name": name}, "interval": "5s", "checks": [CHECK]}
        remedies = [{"name": "restart", "restart": {}}]
        metadata = {"name": name, "namespace": "shop"}
        written = {**usual, "remedies": remedies, **spec}
        body = self.cluster.put(
            {"apiVersion": API_VERSION, "kind": "HealthPolicy", "metadata": metadata, "spec": written}
        )
        policy = replace(compile_policy(body, Catalog({}, ["default"])), uid=f"uid-of-{name}")
        self.policies[policy.key] = policy
        self.reconciler.accept(policy, {})
        return policy

    def run(self, seconds: float, *, script: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Let so many seconds pass."""

        async def main() -> None:
            for policy in self.policies.values():
                self.scheduler.add(policy)
            tasks = [asyncio.create_task(self.scheduler.run()), asyncio.create_task(self._pass())]
            await asyncio.gather(asyncio.sleep(seconds), script() if script else asyncio.sleep(0))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        with asyncio.Runner(loop_factory=JumpingLoop) as runner:
            runner.run(main())

    async def _pass(self) -> None:
        """The clock of the world goes with the event loop."""
        began = asyncio.get_running_loop().time()
        while True:
            self.clock.present = NOW + timedelta(seconds=asyncio.get_running_loop().time() - began)
            await asyncio.sleep(0.25)

    def remedial_writes(self) -> Counter[str]:
        """How often each target was acted on."""
        return Counter(write.ref.name for write in self.cluster.writes if write.ref.resource == DEPLOYMENTS)

    def healthy(self, name: str) -> str:
        """What the status says of the policy's health; empty while it says nothing."""
        (body,) = (one for one in self.cluster.objects(HEALTH_POLICIES) if one["metadata"]["name"] == name)
        conditions = (body.get("status") or {}).get("conditions") or ()
        return next((str(one["status"]) for one in conditions if one["type"] == "Healthy"), "")


def a_fleet(*unhealthy: str) -> Place:
    """One policy of three Deployments, and some that are unhealthy."""
    place = Place()
    for name in ("app-0", "app-1", "app-2"):
        place.deployment(name, tier="web")
    place.policy("web", target={"kind": "Deployment", "selector": {"matchLabels": {"tier": "web"}}})
    place.prometheus.unhealthy = set(unhealthy)
    return place


@pytest.mark.parametrize(
    "hang",
    [
        pytest.param({"hangs": 1000.0}, id="the API server hangs at it"),
        pytest.param({"remembers_after": 1000.0}, id="a look into its past takes for ever"),
    ],
)
def test_a_target_that_hangs_costs_the_others_of_its_policy_nothing(hang: dict[str, float]) -> None:
    """They are measured at every tick, and healed at the one at which they would be without it."""
    alone, place = a_fleet("app-1"), a_fleet("app-0", "app-1")
    place.cluster.hangs["app-0"] = hang.get("hangs", 0.0)
    place.prometheus.remembers_after["app-0"] = hang.get("remembers_after", 0.0)

    alone.run(30)
    place.run(30)

    assert place.prometheus.asked["app-0"] < 5, "a target whose step runs is left out"
    assert [place.prometheus.asked[name] for name in ("app-1", "app-2")] == [
        alone.prometheus.asked[name] for name in ("app-1", "app-2")
    ]
    assert place.remedial_writes() == alone.remedial_writes() == {"app-1": 1}
    assert place.healthy("web") == "False", "and the status says so meanwhile"


def test_a_policy_whose_answers_hang_costs_the_others_of_its_namespace_nothing() -> None:
    place = Place()
    for name in ("slow", "quick"):
        place.deployment(name)
        place.policy(name)
    place.prometheus.unhealthy = {"quick"}
    place.prometheus.answers_after["slow"] = 1000.0

    place.run(30)

    assert place.prometheus.asked["slow"] == 1, "asked once, never queued"
    assert place.prometheus.asked["quick"] >= 6
    assert place.remedial_writes() == {"quick": 1}


def test_a_target_that_was_late_is_told_of_when_it_has_ended() -> None:
    """Between two ticks of its policy, which are an hour apart."""
    place = Place()
    place.deployment("late")
    place.policy("late", interval="1h")
    place.prometheus.unhealthy = {"late"}
    place.prometheus.remembers_after["late"] = 60.0
    seen: list[str] = []

    async def script() -> None:
        await asyncio.sleep(40)
        seen.append(place.healthy("late"))

    place.run(100, script=script)

    assert [*seen, place.healthy("late")] == ["", "True"]


def test_what_hangs_piles_up_no_tasks() -> None:
    """Nor does a status that cannot be written."""
    place = a_fleet("app-0", "app-1", "app-2")
    place.cluster.hangs = dict.fromkeys(("app-0", "app-1", "app-2"), 10_000.0)
    most: list[int] = []

    async def script() -> None:
        for _ in range(100):
            await asyncio.sleep(5)
            most.append(len(asyncio.all_tasks()))

    place.run(500, script=script)

    assert max(most[10:]) <= max(most[:10])


def test_all_of_a_tick_are_judged_before_the_first_is_healed_unless_one_is_too_slow() -> None:
    """A fleet brake counts them."""
    place = a_fleet("app-0", "app-1", "app-2")
    place.prometheus.remembers_after = {"app-0": PATIENCE / 2, "app-2": 3 * PATIENCE}
    begun: dict[str, float] = {}

    async def script() -> None:
        while True:
            now = asyncio.get_running_loop().time()
            begun.update({name: now for name in place.cluster.reads if name not in begun})
            if len(begun) == 3:
                return
            await asyncio.sleep(0.25)

    place.run(60, script=script)

    assert begun["app-0"] == begun["app-1"] < begun["app-2"]


async def test_however_many_policies_of_a_namespace_are_due_others_have_their_turn_soon() -> None:
    """A thousand at once: between two turns of everybody else, a few of them are begun."""
    place = Place()
    for number in range(300):
        place.deployment(f"app-{number}")
    policies = [place.policy(f"app-{number}") for number in range(300)]
    asked: list[int] = []
    ticking = asyncio.create_task(place.reconciler.tick(policies))
    while not ticking.done():
        asked.append(place.prometheus.asked.total())
        await asyncio.sleep(0)

    assert max(later - before for before, later in pairwise(asked)) <= AT_ONCE
    assert place.prometheus.asked.total() == 300


async def test_who_comes_last_does_not_overtake() -> None:
    """Whoever is first in the order is healed first, and has the budget."""
    gate, order = Gate(3, PATIENCE), []

    async def come(number: int) -> None:
        gate.arrive_judged()
        await gate.wait()
        order.append(number)

    await asyncio.gather(*(come(number) for number in range(3)))

    assert order == [0, 1, 2]


def test_fifty_healthy_policies_are_not_worth_a_line() -> None:
    """At info, for an hour; and nothing is written."""
    place = Place()
    for number in range(50):
        place.deployment(f"app-{number}")
        place.policy(f"app-{number}", interval="1m", bake="2m")
    told: list[MutableMapping[str, Any]] = []

    async def script() -> None:
        await asyncio.sleep(600)
        place.cluster.writes.clear()
        with capture_logs() as logs:
            await asyncio.sleep(3600)
        told.extend(line for line in logs if line["log_level"] != "debug")

    place.run(4300, script=script)

    assert told == []
    assert place.cluster.writes == []
    assert place.prometheus.asked.total() >= 50 * 60
