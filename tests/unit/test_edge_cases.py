"""Edge cases that have cost people their trust in automation, numbered and named as in the list that we keep of them.

`pytest tests -k edge_case` runs them all; those that need a control plane are in tests/cluster. Where Salus does on
purpose something else than an autoscaler would: docs/decisions/0016-salus-is-no-autoscaler.md.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from salus.model.scalars import Body
from salus.model.values.metrics import Error, NoData
from salus.ports import HEALTH_POLICIES, INCIDENTS
from salus.rehearsal.ports import RecordingRecorder
from salus.sources.reply import Series
from tests.fakes.metrics import Scripted, ScriptedHistory, ScriptedSource
from tests.unit.stage import TARGET, TICK, Stage, a_stage

EMPTY = NoData("NoSeries", "nothing there", empty=True)
DOWN = Error("HttpError", "default answered 503 Service Unavailable")
LOAD = {"name": "load", "query": 'load{t="$target"}', "unhealthy": {"above": "110"}}
ERRORS = {"name": "errors", "query": 'errors{t="$target"}', "unhealthy": {"above": "0.05"}}
GROW = {"name": "grow", "scale": {"by": "50%", "max": 6, "revertAfter": "30m"}}
MINUTE = timedelta(minutes=1)


class Scene:
    """A stage whose metrics are told tick by tick; counts time from its beginning."""

    def __init__(
        self,
        *remedies: Mapping[str, Any],
        checks: Iterable[Mapping[str, Any]] = (LOAD,),
        **spec: Any,  # noqa: ANN401 — handed on
    ) -> None:
        self.stage = a_stage(lambda _: True, *map(dict, remedies), checks=[dict(check) for check in checks], **spec)
        self.source, self.history = ScriptedSource(self.stage.clock.now), ScriptedHistory()
        self.recorder = RecordingRecorder()
        self.began = self.stage.clock.now()
        self.restart()

    def restart(self) -> None:
        """A new process, which knows nothing but what is on record."""
        self.stage.restart()
        context = replace(
            self.stage.reconciler.context, metrics=self.source, history=self.history, recorder=self.recorder
        )
        self.stage.reconciler.context = context

    async def tick(self, *said: Scripted, of: str = "load") -> None:
        """One tick for each answer."""
        for one in said:
            self.source.say(of, one)
            await self.stage.ticks(1)

    async def lasts(self, length: timedelta, said: Scripted, of: str = "load") -> None:
        """The same answer for so long."""
        await self.tick(*[said] * (length // TICK), of=of)

    @property
    def replicas(self) -> int:
        return int(self.stage.deployment["spec"]["replicas"])

    def condition(self, kind: str) -> Body:
        conditions = self.stage.cluster.objects(HEALTH_POLICIES)[0]["status"]["conditions"]
        return next(body for body in conditions if body["type"] == kind)


def sizes(stage: Stage) -> list[int]:
    """The replicas that Salus wrote, in order."""
    return [
        edit["value"]
        for write in stage.remedial_writes
        for edit in write.body
        if edit["path"] == "/spec/replicas" and edit["op"] == "replace"
    ]


async def test_edge_case_01_empty_vector_after_healthy_data() -> None:
    """80, 80, then nothing twenty times: no patch, MetricsAvailable=False, one Event."""
    scene = Scene(GROW, {"name": "restart", "restart": {}})

    await scene.tick(80.0, 80.0, *[EMPTY] * 20)

    assert scene.stage.remedial_writes == []
    assert scene.stage.incidents == []
    assert (scene.condition("MetricsAvailable")["status"], scene.condition("MetricsAvailable")["reason"]) == (
        "False",
        "NoSeries",
    )
    assert [n.reason for n in scene.recorder.notices] == ["MetricsUnavailable"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
async def test_edge_case_02_nan_and_infinity(value: float) -> None:
    """Ten ticks of 0/0 in the midst of a breach: it counts no further and does not begin anew; nothing is done."""
    scene = Scene(GROW, checks=[{**LOAD, "for": "30s"}])
    await scene.tick(80.0, 150.0, 150.0)
    before = dict(next(iter(scene.stage.reconciler.cases.values())).states)

    await scene.tick(*[[Series({}, value)]] * 10)

    assert next(iter(scene.stage.reconciler.cases.values())).states == before
    assert (scene.replicas, scene.stage.remedial_writes, scene.stage.incidents) == (3, [], [])
    assert scene.condition("MetricsAvailable")["reason"] in {"NotANumber", "Infinite"}


async def test_edge_case_03_prometheus_restarts() -> None:
    """503 for a minute, nothing for another, 0 for half of one, normal: nothing is given back, nothing rolled back."""
    traffic = {"name": "load", "query": 'load{t="$target"}', "unhealthy": {"below": "1"}, "for": "1m"}
    grow = {**GROW, "checks": ["errors"], "scale": {"by": "50%", "max": 6, "revertAfter": "5m"}}
    scene = Scene(grow, {"name": "undo", "rollback": {}}, checks=[ERRORS, traffic])
    scene.source.say("load", 80.0)
    await scene.tick(0.3, 0.3, of="errors")
    await scene.lasts(MINUTE, 0.0, of="errors")
    assert (scene.replicas, sizes(scene.stage)) == (5, [5])

    for said, length in ((DOWN, MINUTE), (EMPTY, MINUTE), (0.0, MINUTE / 2), (80.0, MINUTE)):
        scene.source.say("errors", 0.0 if said == 80.0 else said)
        await scene.lasts(length, said)

    assert scene.stage.clock.now() - scene.began < timedelta(minutes=5)
    assert sizes(scene.stage) == [5]
    assert [c["spec"]["action"] for c in scene.stage.changes] == ["Scale"]


async def test_edge_case_04_two_series() -> None:
    """Never the first, never the last: an error that names both."""
    scene = Scene(GROW, checks=[ERRORS])
    both = [Series({"version": "v1"}, 0.9), Series({"version": "v2"}, 0.0)]

    await scene.tick(*[both] * 6, of="errors")

    row = scene.stage.cluster.objects(HEALTH_POLICIES)[0]["status"]["checks"][0]
    assert (row["verdict"], row["reason"]) == ("Unknown", "SeveralSeries")
    assert "v1" in row["message"]
    assert "v2" in row["message"]
    assert scene.stage.cluster.objects(INCIDENTS) == []


async def test_edge_case_05_one_of_two_metrics_failing() -> None:
    """What the other one says is not enough, whichever way it points; it is acted upon when both answer."""
    scene = Scene(GROW, checks=[LOAD, ERRORS])
    scene.source.say("errors", DOWN)
    await scene.tick(*[30.0] * 6)
    assert (scene.replicas, scene.stage.changes) == (3, [])

    await scene.tick(*[150.0] * 6)
    assert scene.replicas == 3
    assert [c["spec"]["reason"] for c in scene.stage.changes] == ["MetricsUnavailable"]

    scene.source.say("errors", 0.0)
    await scene.tick(150.0)
    assert scene.replicas == 5


async def per_replica(scene: Scene, total: float) -> None:
    """One tick with this much load on all replicas together."""
    await scene.tick(total / scene.replicas)


@pytest.mark.parametrize(
    ("hold", "revert_after", "expected"),
    [
        pytest.param("10s", "5m", [], id="a peak shorter than `for` counts for nothing"),
        pytest.param("0s", "30m", [6], id="one rise, and none of it is given back while peaks may come"),
    ],
)
async def test_edge_case_06_flapping(hold: str, revert_after: str, expected: list[int]) -> None:
    """400 and 600 by turns for half an hour, 100 is enough for one of 4 or 6 replicas: no change of direction."""
    grow = {"name": "grow", "scale": {"by": "50%", "max": 6, "revertAfter": revert_after}}
    scene = Scene(grow, checks=[{**LOAD, "for": hold}])
    scene.stage.cluster.edit(TARGET, lambda body: body["spec"].update(replicas=4))

    while scene.stage.clock.now() - scene.began < timedelta(minutes=30):
        for total in (400.0, 600.0):
            await per_replica(scene, total)

    assert sizes(scene.stage) == expected


async def test_edge_case_06_flapping_slower_than_revert_after() -> None:
    """What is lent goes back after five minutes of health, never sooner; how often it is lent again, `limits` say."""
    grow = {"name": "grow", "scale": {"by": "50%", "max": 6, "revertAfter": "5m"}}
    scene = Scene(grow, checks=[LOAD], limits={"cooldown": "5s", "maxActions": 2, "per": "1h"})
    scene.stage.cluster.edit(TARGET, lambda body: body["spec"].update(replicas=4))
    written: list[tuple[timedelta, int]] = []

    while (now := scene.stage.clock.now() - scene.began) < timedelta(minutes=30):
        for total in (400.0, 600.0):
            await per_replica(scene, total)
        written += [(now, size) for size in sizes(scene.stage)[len(written) :]]

    assert [size for _, size in written] == [6, 4, 6, 4]
    (rose, _), (fell, _), (again, _), (fell_again, _) = written
    assert min(fell - rose, fell_again - again) >= timedelta(minutes=5)
    assert scene.stage.incidents[-1]["status"]["phase"] == "Escalated"


async def test_edge_case_07_operator_killed_in_mid_window() -> None:
    """Killed 200 s into the 300 s after which a scaling is given back: not sooner, and cooldown and attempts remain."""
    grow = {"name": "grow", "scale": {"by": "50%", "max": 6, "revertAfter": "5m"}}
    scene = Scene(grow, checks=[LOAD], limits={"cooldown": "10m", "maxActions": 1, "per": "1h"})
    await scene.tick(80.0, 150.0)
    await scene.lasts(timedelta(seconds=200), 80.0)
    scene.restart()
    await scene.lasts(timedelta(seconds=90), 80.0)
    assert sizes(scene.stage) == [5]

    await scene.tick(*[150.0] * 4)
    refused = [c["spec"]["reason"] for c in scene.stage.changes if c["spec"]["decision"] == "Refuse"]
    assert (sizes(scene.stage), refused) == ([5], ["CooldownActive"])


NAMED = re.compile(r"def test_edge_case_(\d\d)_")


def test_every_edge_case_has_its_test() -> None:
    found = {int(n) for path in Path(__file__).parents[1].rglob("test_*.py") for n in NAMED.findall(path.read_text())}

    assert set(range(1, 16)) <= found


def test_every_test_that_the_table_of_troubles_names_is_there() -> None:
    """docs/concepts/reliability.md says which test shows what; a test that is renamed takes its name there along."""
    root = Path(__file__).parents[2]
    named = set(re.findall(r"`(test_\w+)`", (root / "docs/concepts/reliability.md").read_text()))
    there = {
        n for path in (root / "tests").rglob("test_*.py") for n in re.findall(r"def (test_\w+)\(", path.read_text())
    }

    assert len(named) > 10
    assert named - there == set()
