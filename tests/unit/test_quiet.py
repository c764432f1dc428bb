"""Quiet days: everything that looks like trouble for a moment and is none. Salus writes to no workload.

Each seed makes a day of 24 ticks: a pod is killed, Prometheus restarts, answers 500, leaves gaps, gives NaN or two
series where one was asked for, a counter is reset (one wild value, shorter than `for`), Salus itself is restarted. All
remedies are at hand. A thousand days, which take half a minute; SALUS_QUIET_RUNS sets another number.
"""

import os
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from salus.model.values.metrics import Error, NoData, Sample
from salus.ports import CHANGE_EVENTS
from salus.sources.reply import Series
from tests.fakes.metrics import Scripted, ScriptedHistory, ScriptedSource
from tests.unit.stage import TARGET, TICK, a_stage

RUNS = int(os.environ.get("SALUS_QUIET_RUNS", "1000"))
BATCHES = 20
TICKS = 24
ERRORS, READY = "errors", "ready_share"
REMEDIES = (
    {"name": "undo-release", "rollback": {}},
    {"name": "grow", "scale": {"by": "50%", "max": 12}},
    {"name": "restart", "restart": {}},
)
CHECKS = [
    {"name": "errors", "query": f'{ERRORS}{{t="$target"}}', "unhealthy": {"above": "0.05"}, "for": "10s"},
    {"name": "ready", "query": f'{READY}{{t="$target"}}', "unhealthy": {"below": "0.5"}, "for": "10s"},
]

Trouble = Callable[[random.Random], Scripted]
TROUBLES: dict[str, Trouble] = {
    "a gap": lambda _: NoData("NoSeries", "nothing there", empty=True),
    "a stale sample": lambda _: NoData("StaleSample", "four minutes old"),
    "NaN": lambda _: [Series({}, float("nan"))],
    "an infinite value": lambda dice: [Series({}, dice.choice([float("inf"), float("-inf")]))],
    "a label change": lambda dice: [Series({"version": "1"}, dice.random()), Series({"version": "2"}, dice.random())],
    "a 500": lambda _: Error("HttpError", "default answered 500 Internal Server Error"),
    "a Prometheus that restarts": lambda _: Error("ConnectionFailed", "default is not there"),
    "a slow Prometheus": lambda _: Error("Timeout", "no answer within 10s"),
    "a partial answer": lambda _: Error("PartialAnswer", "default warns that its answer is not whole"),
}


class Day:
    """One quiet day: what each check is told at each tick, from one seed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - a test's dice
        self.stage = a_stage(lambda _: True, *REMEDIES, checks=CHECKS)
        self.source = ScriptedSource(self.stage.clock.now)
        self.history = ScriptedHistory()
        self.past: dict[str, list[Sample]] = {ERRORS: [], READY: []}
        self.spiked: set[str] = set()
        """Checks whose newest value was a wild one: the next that they give is a good one again."""
        self.happened: list[str] = []

    async def pass_by(self) -> "Day":
        """Live through it."""
        self._restart()
        policy = self.stage.policy
        for _ in range(TICKS):
            self._play_pods()
            for check, good in ((ERRORS, self.dice.uniform(0, 0.049)), (READY, self.dice.choice([0.67, 1.0]))):
                self.source.say(check, self.said(check, good))
                self.history.say(check, self.past[check])
            if self.dice.random() < 0.05:
                self._restart()
            await self.stage.reconciler.tick([policy])
            self.stage.clock.advance(TICK + timedelta(seconds=self.dice.uniform(-0.2, 0.2)))
        return self

    def said(self, check: str, good: float) -> Scripted:
        chance = self.dice.random()
        if chance < 0.3:
            name = self.dice.choice(list(TROUBLES))
            self.happened.append(name)
            return TROUBLES[name](self.dice)
        if chance < 0.45 and check not in self.spiked:
            self.happened.append("a counter reset")
            self.spiked.add(check)
            return self.value(check, 1e6 if check == ERRORS else -1e6)
        self.spiked.discard(check)
        return self.value(check, good)

    def value(self, check: str, value: float) -> float:
        self.past[check].append(Sample(self.stage.clock.now(), value))
        return value

    def _play_pods(self) -> None:
        """Now and then one pod of three is killed, and replaced."""
        ready = 2 if self.dice.random() < 0.1 else 3

        def play(body: dict[str, Any]) -> None:
            body["status"] = {**body["status"], "readyReplicas": ready, "availableReplicas": ready}

        if ready != self.stage.deployment["status"]["readyReplicas"]:
            self.happened.append("a pod killed")
            self.stage.cluster.edit(TARGET, play)

    def _restart(self) -> None:
        """A new process of Salus, which knows nothing but what is on record."""
        self.happened.append("Salus restarted")
        self.stage.restart()
        self.stage.reconciler.context = replace(
            self.stage.reconciler.context, metrics=self.source, history=self.history
        )


@pytest.mark.parametrize("batch", range(BATCHES))
async def test_on_a_quiet_day_salus_writes_to_no_workload(batch: int) -> None:
    """Nor does it open an incident: nothing lasted as long as `for`."""
    happened: set[str] = set()
    for seed in range(batch, RUNS, BATCHES):
        day = await Day(seed).pass_by()
        assert day.stage.remedial_writes == [], f"seed {seed}"
        assert day.stage.cluster.objects(CHANGE_EVENTS) == [], f"seed {seed}"
        assert day.stage.incidents == [], f"seed {seed}"
        happened |= set(day.happened)
    if RUNS >= 10 * BATCHES:
        assert happened == {*TROUBLES, "a counter reset", "a pod killed", "Salus restarted"}


async def test_the_same_day_with_a_real_fault_is_not_quiet() -> None:
    """The seeds are no blindfold: a breach that lasts is acted upon in the midst of the same noise."""
    acted = 0
    for seed in range(10):
        day = Day(seed)
        day.said = lambda check, good, day=day: day.value(check, 0.5 if check == ERRORS else good)  # type: ignore[method-assign, misc]  # the one line that differs
        await day.pass_by()
        acted += bool(day.stage.remedial_writes)
    assert acted == 10
