"""A replay of what an operator saw decides what that operator decided.

Live is the Stage with the controllers of a cluster; the replay knows the samples that were answered at its ticks, and
when the Deployment had which template and size, whoever had changed it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from salus.core.objects.workloads import RESTARTED_AT
from salus.core.policy.compile import Catalog
from salus.model.scalars import Body
from salus.model.values.configuration import Bounds
from salus.model.values.metrics import Answer, Error, Query, Sample, Value
from salus.ports import CHANGE_EVENTS, HEALTH_POLICIES, INCIDENTS
from salus.rehearsal.controllers import Controllers
from salus.rehearsal.engine import Rehearsal, Rehearsed, Setting
from salus.rehearsal.history import History
from salus.rehearsal.ports import VirtualClock
from salus.rehearsal.server import copied
from salus.rehearsal.world import Happening, Past, edited
from tests.builders import NOW, a_deployment_body, a_template
from tests.unit.stage import TARGET, TICK, MortalCluster, Stage, a_reconciler, a_stage

ROLLBACK = {"name": "undo-release", "rollback": {"within": "1h"}}
RESTART: dict[str, Any] = {"name": "restart", "restart": {}}
GROW = {"name": "grow", "scale": {"by": "100%", "max": 12, "revertAfter": "60s"}}
PAGE = {"name": "page", "notify": {"severity": "critical"}}
JUST_BEFORE = timedelta(seconds=1)
TICKS = 120
TOLD = ("decision", "action", "reason", "remedy", "decidedAt", "undoes")
CATALOG = Catalog({}, ["default"])
World = Callable[[int, Body], float | None]
"""What the check answers at a tick, with the Deployment as it is; None: Prometheus does not answer."""


@dataclass(slots=True)
class Recorded:
    """A service whose health follows from its Deployment and from the time; every answer is remembered."""

    clock: VirtualClock
    cluster: MortalCluster
    world: World
    told: dict[Query, list[Sample]] = field(default_factory=dict)

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        return [self._answer(question) for question in questions]

    async def samples(self, question: Query, start: datetime, end: datetime, step: timedelta) -> Sequence[Sample]:
        told = self.told.get(question, ())
        moments = [start + number * step for number in range(int((end - start) / step) + 1)]
        newest = ((moment, [one for one in told if moment - TICK < one.at <= moment]) for moment in moments)
        return [Sample(moment, found[-1].value) for moment, found in newest if found]

    def _answer(self, question: Query) -> Answer:
        now = self.clock.now()
        value = self.world(round((now - NOW) / TICK), self.cluster.now_at(TARGET))
        if value is None:
            return Error("Unreachable", "Prometheus is stopped")
        told = self.told.setdefault(question, [])
        if not told or told[-1].at < now:
            told.append(Sample(now, value))
        return Value(value, now)


@dataclass(slots=True)
class Live(Stage):
    """A Stage on which controllers follow the template, and on which is written down what becomes of the Deployment."""

    controllers: Controllers = field(init=False)
    seen: Recorded = field(init=False)
    happened: list[tuple[datetime, Body]] = field(default_factory=list)

    def begin(self, world: World) -> None:
        """Let there be such a service, and an operator that looks at it."""
        self.controllers = Controllers(self.cluster)
        self.cluster.edit(TARGET, lambda body: body.pop("status"))
        self.controllers.follow(self.clock.now())
        self.seen = Recorded(self.clock, self.cluster, world)
        self.reconciler = a_reconciler(self.cluster, self.seen, self.clock, bounds=lambda: self.bounds)

    def roll_out(self) -> None:
        """What is another since the tick before was Salus' doing: nobody else changes anything on a tick."""
        self.write_down(self.clock.now() - TICK)
        self.controllers.follow(self.clock.now())

    def write_down(self, at: datetime) -> None:
        spec = copied(self.cluster.now_at(TARGET)["spec"])
        if not self.happened or self.happened[-1][1] != spec:
            self.happened.append((at, spec))


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and what others do: at a tick, just before the operator looks."""

    remedies: Sequence[dict[str, Any]]
    world: World
    others: Mapping[int, Callable[[dict[str, Any]], object]] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)
    hold_down: float = 0


def release(image: str) -> Callable[[dict[str, Any]], object]:
    return lambda body: body["spec"].update(template=a_template(image))


def image(body: Body) -> str:
    return str(body["spec"]["template"]["spec"]["containers"][0]["image"])


def is_restarted(body: Body) -> bool:
    return RESTARTED_AT in (body["spec"]["template"]["metadata"].get("annotations") or {})


def ill(tick: int, begins: int, ends: int = TICKS) -> bool:
    return begins <= tick < ends


FAULTS = {
    "a bad release is rolled back": Fault(
        [ROLLBACK, RESTART], lambda _, body: 0.3 if image(body) == "shop:v2" else 0.0, {20: release("shop:v2")}
    ),
    "a wedged process is restarted": Fault(
        [ROLLBACK, RESTART], lambda tick, body: 0.3 if ill(tick, 20) and not is_restarted(body) else 0.0
    ),
    "a load surge is met by more replicas, which go back when it is over": Fault(
        [GROW], lambda tick, body: (0.6 if ill(tick, 20, 35) else 0.1) / body["spec"]["replicas"] * 0.3
    ),
    "Prometheus stops, and nothing is done": Fault([RESTART], lambda tick, _: None if ill(tick, 20, 60) else 0.0),
    "a slow release in Observe is rehearsed, until a person takes it back": Fault(
        [ROLLBACK],
        lambda _, body: 0.3 if image(body) == "shop:v2" else 0.0,
        {20: release("shop:v2"), 60: release("shop:v1")},
        {"mode": "Observe"},
    ),
    "what does not help is undone, and the next rung helps": Fault(
        [GROW, RESTART, PAGE], lambda tick, body: 0.3 if ill(tick, 20) and not is_restarted(body) else 0.0
    ),
    "what makes it worse is undone at once": Fault(
        [ROLLBACK, PAGE],
        lambda tick, body: 0.3 if image(body) == "shop:v2" else 3.0 if ill(tick, 20) else 0.0,
        {20: release("shop:v2")},
    ),
    "nothing helps, and people are called": Fault([RESTART, PAGE], lambda tick, _: 0.3 if ill(tick, 20, 100) else 0.0),
    "it comes back within the hold-down, and limits say how often": Fault(
        [RESTART, PAGE],
        lambda tick, body: 0.3 if (ill(tick, 20) and not is_restarted(body)) or ill(tick, 28, 36) else 0.0,
        hold_down=60,
    ),
    "a flap that is shorter than `for` is nothing": Fault(
        [RESTART], lambda tick, _: 0.3 if tick % 10 == 0 and tick > 15 else 0.0
    ),
    "a gap in the breach counts for nothing": Fault(
        [RESTART],
        lambda tick, body: None if ill(tick, 21, 23) else 0.3 if ill(tick, 20) and not is_restarted(body) else 0.0,
    ),
    "a second release while the first is judged": Fault(
        [ROLLBACK, RESTART],
        lambda _, body: 0.0 if image(body) == "shop:v1" else 0.3,
        {20: release("shop:v2"), 22: release("shop:v3")},
    ),
}


async def lived(fault: Fault) -> Live:
    """The operator over the service, as it was."""
    staged = a_stage(lambda _: True, *fault.remedies, **fault.spec)
    stage = Live(staged.cluster, staged.clock, staged.service, Bounds(hold_down=timedelta(seconds=fault.hold_down)))
    stage.begin(fault.world)
    for number in range(TICKS):
        if other := fault.others.get(number):
            stage.roll_out()
            stage.cluster.edit(TARGET, other)
            stage.write_down(stage.clock.now() - JUST_BEFORE)
        await stage.ticks(1)
    return stage


async def replayed(stage: Live) -> Rehearsed:
    """The same past, without anybody to answer."""
    world = Past(NOW - timedelta(minutes=1))
    body = a_deployment_body(name=TARGET.name)
    del body["status"]
    world.put({**body, "spec": stage.happened[0][1]})
    world.will(*happenings(stage.happened[1:]))
    written = stage.cluster.peek(HEALTH_POLICIES)[0]
    policy = world.policy({key: written[key] for key in ("apiVersion", "kind", "metadata", "spec")}, CATALOG)
    history = History.of_steps(world.clock, TICK)
    history.tell(stage.seen.told)
    setting = Setting(NOW, bounds=stage.bounds, answers=history.course)
    rehearsal = Rehearsal(world, [policy], history, setting)
    await rehearsal.run(NOW + (TICKS - 1) * TICK)
    return rehearsal.result()


def happenings(facts: Iterable[tuple[datetime, Body]]) -> list[Happening]:
    return [edited(at, TARGET, partial(_put, spec)) for at, spec in facts]


def _put(spec: Body, body: dict[str, Any]) -> None:
    body["spec"] = copied(spec)


def told(bodies: Iterable[Body]) -> list[dict[str, Any]]:
    """What was decided, why, and when."""
    return [
        {
            **{key: body["spec"].get(key, "") for key in TOLD},
            "release": body["spec"]["intended"]["release"],
            "replicas": body["spec"]["intended"]["replicas"],
            "outcome": (body.get("status") or {}).get("outcome", ""),
        }
        for body in bodies
    ]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_a_replay_decides_what_was_decided(fault: Fault) -> None:
    live = await lived(fault)
    again = await replayed(live)

    assert told(again.changes) == told(live.cluster.objects(CHANGE_EVENTS))
    assert again.left_out > 0
    live_incidents = [(one["spec"]["openedAt"], one["status"]["phase"]) for one in live.cluster.objects(INCIDENTS)]
    assert [(one["spec"]["openedAt"], one["status"]["phase"]) for one in again.incidents] == live_incidents
