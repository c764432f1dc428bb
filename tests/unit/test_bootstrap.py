"""How the parts of a running Salus are put together, as far as that can be seen without a cluster."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from salus.adapters.api import Connection
from salus.bootstrap import Operator, RunOptions
from salus.model.values import Policy
from salus.scheduler import FIRST_TICKS, SLOT
from salus.settings import Settings
from tests.builders import a_policy, a_policy_body
from tests.unit.jumping import JumpingLoop


@dataclass
class SlowInformer:
    """Workloads whose first list takes so many seconds."""

    seconds: float

    async def wait_synced(self) -> None:
        await asyncio.sleep(self.seconds)


@dataclass
class Ticks:
    """A loop that only remembers when it was called."""

    at: list[float] = field(default_factory=list)

    async def tick(self, _due: Sequence[Policy], _late: float) -> None:
        self.at.append(asyncio.get_running_loop().time())


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(0, id="the workloads are known at once"),
        pytest.param(2, id="they are known after a policy was due"),
        pytest.param(70, id="the API server is slow"),
    ],
)
def test_policies_are_looked_at_soon_after_the_workloads_are_known_and_not_all_at_once(seconds: float) -> None:
    """Those that are due once an hour would else be looked at an hour later: their first tick came to nothing."""
    ticks = Ticks()

    async def main() -> float:
        operator: Any = Operator(RunOptions(Path("none")), Settings(), cast("Connection", SimpleNamespace()))
        operator._informer, operator._loop = SlowInformer(seconds), ticks
        for policy in (a_policy(name="early", uid="z", interval="1h"), a_policy(name="late", uid="a", interval="1h")):
            operator._store.policies[policy.key] = policy
            operator._scheduler.add(policy)
        began = asyncio.get_running_loop().time()
        working = asyncio.create_task(operator._schedule())
        await asyncio.sleep(100)
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        return began

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        began = runner.run(main())

    early, late = ticks.at
    assert began + seconds <= early < late <= began + seconds + FIRST_TICKS + SLOT


async def test_a_reload_ties_presets_to_the_exporters_that_are_named_now() -> None:
    """Of every policy in use, without a new generation of it."""
    operator: Any = Operator(RunOptions(Path("none")), Settings(), cast("Connection", SimpleNamespace()))
    operator._store.put(a_policy_body(checks=[{"name": "c", "preset": "Unavailable"}]))
    source = {"url": "http://127.0.0.1:9"}
    seen = []
    for exporters in ({}, {"kube-state-metrics": {"job": "first"}}, {"kube-state-metrics": {"job": "second"}}):
        await operator._use(Settings.parse({"sources": {"default": {**source, "exporters": exporters}}}))
        (policy,) = operator._store.policies.values()
        (check,) = policy.checks
        seen.append([name for name in ("first", "second") if f'job="{name}"' in check.template])
    await operator.metrics.close()

    assert seen == [[], ["first"], ["second"]]
