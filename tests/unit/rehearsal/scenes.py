"""A shop in a rehearsal: its Deployment, its policies, and what its queries answered, said in ticks of 15 seconds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from salus.core.policy.compile import Catalog
from salus.model.scalars import API_VERSION, Body
from salus.model.values.configuration import Bounds, Switches
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Query, Sample
from salus.model.values.policies import Policy
from salus.ports import DEPLOYMENTS, Ref
from salus.rehearsal.engine import Metrics, Rehearsal, Rehearsed, Setting
from salus.rehearsal.history import Gaps, History, always_unknown
from salus.rehearsal.world import Past, World
from tests.builders import INTERVAL, NAMESPACE, NOW, TARGET, a_deployment_body, a_policy_body

CATALOG = Catalog({}, ["default"])
REF = Ref(DEPLOYMENTS, NAMESPACE, TARGET.name)
BEFORE = 80
"""Ticks of history before the first tick of the operator: twenty minutes."""
Row = tuple[str, str, str, str, datetime]
"""Decision, action, reason and target release of a record, and when it was decided."""


def tick(number: float) -> datetime:
    """The time of the tick with this number."""
    return NOW + number * INTERVAL


def course(*stretches: tuple[int, float | None]) -> list[Sample]:
    """A sample a tick: so many of this value, from `BEFORE` on; None: so many are missing."""
    values = [value for count, value in stretches for _ in range(count)]
    return [Sample(tick(number - BEFORE), value) for number, value in enumerate(values) if value is not None]


def a_health_policy(**spec: Any) -> Body:  # noqa: ANN401 - fields of the spec
    """As its author wrote it."""
    body = a_policy_body(**{"bake": "5m", "interval": "15s", **spec})
    metadata = {"name": body["metadata"]["name"], "namespace": NAMESPACE}
    return {"apiVersion": API_VERSION, "kind": "HealthPolicy", "metadata": metadata, "spec": body["spec"]}


def a_check(name: str = "error-ratio", *, above: str = "0.05", hold: str = "1m", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of the spec
    """A check of this name; its query asks for a series of the same name."""
    query = f'{name.replace("-", "_")}{{deployment="$target"}}'
    return {"name": name, "query": query, "unhealthy": {"above": above}, "for": hold, **more}


def a_shop(kind: type[World] = World, *, begins: datetime | None = None, **more: Any) -> World:  # noqa: ANN401 - as that of a World
    """A world with the Deployment in it, hours old."""
    world = kind(begins or tick(-2000), **more)
    body = a_deployment_body()
    del body["status"], body["metadata"]["uid"], body["metadata"]["generation"]
    world.put(body)
    return world


def questions(world: World, policy: Policy) -> dict[str, Query]:
    """By the name of its check, and of `<check> volume`."""
    found: dict[str, Query] = {}
    target = TargetKey(NAMESPACE, policy.spec.target.kind, policy.spec.target.name or TARGET.name)
    for one in world.asked(policy, target):
        found[one.check.name] = one.query
        if one.volume is not None:
            found[f"{one.check.name} volume"] = one.volume
    return found


def a_history(
    world: World, policies: Sequence[Policy], told: Mapping[str, Iterable[Sample]], gaps: Gaps = always_unknown
) -> History:
    """What the checks of these policies answered, by their names."""
    history = History.of_steps(world.clock, INTERVAL, gaps)
    for policy in policies:
        by_name = questions(world, policy)
        history.tell({by_name[name]: samples for name, samples in told.items() if name in by_name})
    return history


@dataclass(slots=True)
class Scene:
    """A rehearsal to be run."""

    world: World
    policies: Sequence[Policy]
    metrics: Metrics
    history: History | None = None
    """Known: ticks are left out."""
    switches: Switches = field(default_factory=Switches)
    bounds: Bounds = field(default_factory=Bounds)
    heard: Callable[[datetime], None] = lambda _: None

    async def play(self, ticks: int) -> Rehearsed:
        """From NOW on."""
        answers = self.history.course if self.history else None
        setting = Setting(NOW, self.switches, self.bounds, answers=answers, heard=self.heard)
        rehearsal = Rehearsal(self.world, self.policies, self.metrics, setting)
        await rehearsal.run(tick(ticks))
        return rehearsal.result()


async def replayed(
    told: Mapping[str, Iterable[Sample]], *policies: Body, ticks: int = 200, world: World | None = None
) -> Rehearsed:
    """These policies over this past."""
    world = world or a_shop(Past)
    compiled = [world.policy(body, CATALOG) for body in policies]
    history = a_history(world, compiled, told)
    return await Scene(world, compiled, history, history).play(ticks)


def rows(bodies: Iterable[Body]) -> list[Row]:
    """ChangeEvents, as a person would tell of them."""
    return [_row(body["spec"]) for body in bodies]


def _row(spec: Body) -> Row:
    at = datetime.fromisoformat(spec["decidedAt"])
    return spec["decision"], spec["action"], spec["reason"], spec["intended"]["release"], at
