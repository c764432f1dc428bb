"""What a replay of two weeks takes: policies with four checks, every 15 seconds, over a past that is not all well."""

import asyncio
import random
import time
from collections.abc import Iterator
from datetime import timedelta

from salus.core.policy.compile import Catalog
from salus.model.meta import WorkloadKind
from salus.model.scalars import API_VERSION, Body
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Sample
from salus.ports import DEPLOYMENTS, Ref
from salus.rehearsal.engine import Rehearsal, Setting
from salus.rehearsal.history import History
from salus.rehearsal.world import Past, released
from tests.builders import NAMESPACE, NOW, PAGE, RESTART, ROLLBACK, a_deployment_body, a_spec, a_template

DAYS = 14
STEP = timedelta(seconds=15)
CHECKS = ("error-ratio", "slow-requests", "restarts", "saturation")
ALONE = 0.002
"""Share of samples that are beyond the bound for themselves."""
INCIDENTS = 8
"""Of a check and two weeks; each lasts for minutes to an hour."""
GAP = timedelta(hours=2)
"""In which Prometheus has nothing."""


def replay(policies: int) -> dict[str, float]:
    """Seconds of CPU for the loop alone, and the ticks of it that were run and that were left out."""
    return asyncio.run(_replay(policies))


async def _replay(policies: int) -> dict[str, float]:
    world, dice = Past(NOW - timedelta(hours=2)), random.Random(1)  # noqa: S311 - the same past every time
    compiled, history = [], History.of_steps(world.clock, STEP)
    for number in range(policies):
        name = f"app-{number}"
        body = a_deployment_body(name=name)
        del body["status"]
        world.put(body)
        ref = Ref(DEPLOYMENTS, NAMESPACE, name)
        world.will(*(released(NOW + timedelta(days=day), ref, a_template(f"shop:v{day}")) for day in range(1, DAYS)))
        policy = world.policy(_policy(name), Catalog({}, ["default"]))
        compiled.append(policy)
        target = TargetKey(NAMESPACE, WorkloadKind.DEPLOYMENT, name)
        history.tell({one.query: list(_course(dice)) for one in world.asked(policy, target)})
    rehearsal = Rehearsal(world, compiled, history, Setting(NOW, answers=history.course))
    spent = time.process_time()
    await rehearsal.run(NOW + timedelta(days=DAYS))
    spent, found = time.process_time() - spent, rehearsal.result()
    acts = sum(body["spec"]["decision"] == "Act" for body in found.changes)
    return {"seconds": spent, "ticks": found.ticks, "left_out": found.left_out, "acts": acts}


def _policy(name: str) -> Body:
    checks = [
        {"name": check, "query": f'{check.replace("-", "_")}{{deployment="$target"}}', "for": "1m", "unhealthy": bound}
        for check, bound in zip(CHECKS, [{"above": "0.05"}] * len(CHECKS), strict=True)
    ]
    spec = a_spec(
        target={"kind": "Deployment", "name": name},
        checks=checks,
        remedies=[dict(ROLLBACK), dict(RESTART), dict(PAGE)],
        interval="15s",
        bake="30m",
    )
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": API_VERSION, "kind": "HealthPolicy", "metadata": metadata, "spec": spec}


def _course(dice: random.Random) -> Iterator[Sample]:
    """Noise, now and then a value beyond the bound, a few breaches that last, and one gap."""
    count = int(timedelta(days=DAYS) / STEP)
    ill = [range(begins, begins + dice.randint(8, 240)) for begins in dice.sample(range(count), INCIDENTS)]
    gap = range(begins := dice.randrange(count), begins + int(GAP / STEP))
    for number in range(-200, count):
        if number not in gap:
            beyond = dice.random() < ALONE or any(number in one for one in ill)
            yield Sample(NOW + number * STEP, 0.3 if beyond else dice.random() * 0.04)
