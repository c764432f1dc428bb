"""Too little traffic, from tick to tick: nothing begins, nothing ends, nothing is proven and nothing held back."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from salus.model.scalars import Body
from salus.model.values.metrics import Sample
from salus.ports import HEALTH_POLICIES, KEPT_RELEASES
from tests.fakes.metrics import ScriptedHistory, ScriptedSource
from tests.unit.stage import TICK, Stage, a_stage

RATIO = {
    "name": "errors",
    "ratio": {"of": 'sum(rate(failed{t="$target"}[1m]))', "in": 'sum(rate(requests{t="$target"}[1m]))'},
    "unhealthy": {"above": "0.05"},
    "for": "10s",
}
READY = {"name": "ready", "query": 'ready{t="$target"}', "unhealthy": {"below": "0.5"}}


class Scene:
    """A service that is asked so often in a minute, and fails so large a share of it."""

    def __init__(self, *checks: Mapping[str, Any], **spec: Any) -> None:  # noqa: ANN401 — handed on
        remedy = {"name": "restart", "restart": {}}
        self.stage: Stage = a_stage(lambda _: False, remedy, checks=list(map(dict, checks)), **spec)
        self.source, self.history = ScriptedSource(self.stage.clock.now), ScriptedHistory()
        self.restart()
        self.source.say("ready", 1.0)

    def restart(self) -> None:
        """A new process, which knows nothing but what is on record, and in Prometheus."""
        self.stage.restart()
        context = replace(self.stage.reconciler.context, metrics=self.source, history=self.history)
        self.stage.reconciler.context = context

    async def ticks(self, count: int, *, share: float, requests: float) -> None:
        """So many ticks of this; the volume alone multiplies by the length of its range."""
        self.source.say("failed", share)
        self.source.say("* 60", requests)
        await self.stage.ticks(count)

    @property
    def status(self) -> Body:
        status: Body = self.stage.cluster.objects(HEALTH_POLICIES)[0]["status"]
        return status

    def row(self, name: str) -> Body:
        return next(row for row in self.status["checks"] if row["name"] == name)

    def condition(self, kind: str) -> Body:
        return next(body for body in self.status["conditions"] if body["type"] == kind)

    def outcomes(self) -> list[str]:
        return [body["status"].get("outcome", "") for body in self.stage.changes]


async def test_one_failure_of_two_requests_at_night_opens_nothing() -> None:
    scene = Scene(RATIO)

    await scene.ticks(60, share=0.5, requests=2)

    assert scene.stage.incidents == []
    assert (scene.row("errors")["verdict"], scene.row("errors")["reason"]) == ("Quiet", "LowVolume")
    assert scene.row("errors")["message"] == "quiet, 2 in 1m, at least 60 are needed"
    assert scene.status["targets"] == {
        "total": 1,
        "healthy": 0,
        "unhealthy": 0,
        "unknown": 0,
        "quiet": 1,
        "summary": "1/0",
    }
    assert (scene.condition("Healthy")["status"], scene.condition("Healthy")["reason"]) == ("Unknown", "LowVolume")
    assert scene.condition("MetricsAvailable")["status"] == "True"


async def test_the_same_share_of_many_requests_does() -> None:
    scene = Scene(RATIO)

    await scene.ticks(4, share=0.5, requests=200)

    assert [body["spec"]["action"] for body in scene.stage.changes] == ["Restart"]


async def test_a_quiet_check_holds_nothing_back_and_is_in_the_way_of_no_proof() -> None:
    scene = Scene(RATIO, READY)
    scene.source.say("ready", 0.2)
    await scene.ticks(2, share=0.5, requests=2)
    assert len(scene.stage.remedial_writes) == 1

    scene.source.say("ready", 1.0)
    await scene.ticks(80, share=0.5, requests=2)

    assert scene.outcomes() == ["Recovered"]
    assert scene.stage.incidents[0]["status"]["phase"] == "Resolved"
    assert scene.condition("Healthy")["status"] == "True"
    assert "errors LowVolume" in scene.condition("Healthy")["message"]


async def test_an_incident_whose_check_falls_quiet_is_neither_proven_nor_over() -> None:
    """And people are told of it, as of any that lasts."""
    scene = Scene(RATIO, READY)
    await scene.ticks(4, share=0.5, requests=200)

    await scene.ticks(80, share=0.0, requests=2)
    assert scene.outcomes() == ["Inconclusive", ""]
    assert scene.stage.changes[-1]["spec"]["reason"] == "MetricsUnavailable"
    assert "errors (LowVolume)" in scene.stage.changes[-1]["spec"]["message"]
    assert scene.stage.incidents[0]["status"]["phase"] != "Resolved"

    await scene.ticks(70, share=0.0, requests=200)
    assert scene.stage.incidents[0]["status"]["phase"] == "Resolved"


async def test_a_look_into_the_past_leaves_out_what_was_quiet() -> None:
    """A process that starts at the first breach with traffic does not count the night before it towards `for`."""
    scene = Scene({**RATIO, "for": "30s"})
    now = scene.stage.clock.now()
    moments = [now - TICK * ago for ago in range(20, 0, -1)]
    scene.history.say("failed", [Sample(at, 0.5) for at in moments])
    scene.history.say("* 60", [Sample(at, 2.0) for at in moments])

    await scene.ticks(4, share=0.5, requests=200)
    assert scene.stage.incidents == []

    scene = Scene({**RATIO, "for": "30s"})
    scene.history.say("failed", [Sample(at, 0.5) for at in moments])
    scene.history.say("* 60", [Sample(at, 200.0) for at in moments])
    await scene.ticks(1, share=0.5, requests=200)
    assert len(scene.stage.incidents) == 1


async def test_a_release_bakes_by_what_is_measured_and_never_by_a_quiet_check_alone() -> None:
    alone, beside = Scene(RATIO), Scene(RATIO, READY)

    await alone.ticks(20, share=0.0, requests=2)
    await beside.ticks(20, share=0.0, requests=2)

    assert [len(scene.stage.cluster.objects(KEPT_RELEASES)) for scene in (alone, beside)] == [0, 1]
