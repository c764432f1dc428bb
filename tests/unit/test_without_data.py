"""A check without data beside another one's breach: what is done, what proves it, and when the incident is over."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from salus.model.scalars import Body, parse_time
from salus.model.values.metrics import Answer, Error, NoData, Sample
from tests.fakes.metrics import ScriptedHistory, ScriptedSource
from tests.unit.stage import Stage, a_stage

NAN = NoData("NotANumber", "the query gives NaN, as 0/0 does")
EMPTY = NoData("NoSeries", "nothing there", empty=True)
STALE = NoData("StaleSample", "four minutes old")
DOWN = Error("Timeout", "no answer within 10s")
RESTART, PAGE = {"name": "restart", "restart": {}}, {"name": "page", "notify": {"severity": "critical"}}
ERRORS = {"name": "errors", "query": 'errors{t="$target"}', "unhealthy": {"above": "0.05"}, "for": "10s"}
P99 = {"name": "p99", "query": 'latency{t="$target"}', "unhealthy": {"above": "1"}}
SLOW = {"name": "slow", "alert": {"name": "latency"}}
IN_DOUBT = NoData("Infinite", "the query gives infinity, as a division by 0 does")
"""What the source says of an alert that fires and lacks a label."""


class Scene:
    """A service whose errors a restart heals or not, and whose latency says what it is told to."""

    def __init__(self, *remedies: Mapping[str, Any], cured: float = 0.0, beside: Mapping[str, Any] = P99) -> None:
        self.stage: Stage = a_stage(lambda _: False, *map(dict, remedies), checks=[ERRORS, beside])
        self.source, self.history = ScriptedSource(self.stage.clock.now), ScriptedHistory()
        self.cured = cured
        context = replace(self.stage.reconciler.context, metrics=self.source, history=self.history)
        self.stage.reconciler.context = context

    async def ticks(self, count: int, latency: float | Answer) -> None:
        """So many ticks in which the errors follow the restart."""
        for _ in range(count):
            self.source.say("errors", self.cured if self.stage.remedial_writes else 0.3)
            self.source.say("latency", latency)
            await self.stage.ticks(1)

    def had(self, *minutes_ago: float) -> None:
        """So long ago the latency had data."""
        now = self.stage.clock.now()
        self.history.say("latency", [Sample(now - timedelta(minutes=ago), 0.2) for ago in minutes_ago])

    def records(self) -> list[tuple[str, str, str]]:
        """Decision, action and outcome, or reason, of all records."""
        return [
            (spec["decision"], spec["action"], (body.get("status") or {}).get("outcome") or spec["reason"])
            for body in self.stage.changes
            for spec in [body["spec"]]
        ]

    @property
    def incident(self) -> Body:
        (incident,) = self.stage.incidents
        return incident


@pytest.mark.parametrize("latency", [NAN, EMPTY, STALE], ids=lambda answer: answer.reason)
async def test_a_breach_is_acted_upon_beside_a_check_without_data(latency: Answer) -> None:
    """Case 03: 30 % errors, and a quantile that is NaN because no request succeeds; the restart does not help."""
    scene = Scene(RESTART, PAGE, cured=0.3)

    await scene.ticks(40, latency)

    assert scene.records() == [("Act", "Restart", "NotRecovered"), ("Act", "Notify", "AboveThreshold")]


async def test_an_alert_in_doubt_holds_back_no_remedy_for_what_another_check_says() -> None:
    """The source answers as it should; and whoever may have an alert of that name fire would have a say in all."""
    scene = Scene(RESTART, PAGE, cured=0.3, beside=SLOW)

    await scene.ticks(40, IN_DOUBT)

    assert scene.records() == [("Act", "Restart", "NotRecovered"), ("Act", "Notify", "AboveThreshold")]


async def test_an_alert_in_doubt_since_the_fault_keeps_its_remedy_from_being_proven() -> None:
    scene = Scene(RESTART, beside=SLOW)
    scene.had(30.0)

    await scene.ticks(40, IN_DOUBT)

    assert scene.records()[0] == ("Act", "Restart", "Inconclusive")


async def test_successes_that_vanish_after_a_restart_neither_prove_it_nor_call_for_more() -> None:
    """Their last values were a breach, which was acted upon; of what became of them since then people are told."""
    successes = {"ratio": {"of": 'sum(ok{t="$target"})', "in": 'sum(all{t="$target"})'}, "unhealthy": {"below": "0.9"}}
    stage = a_stage(lambda _: False, RESTART, RESTART | {"name": "again"}, checks=[{"name": "ok", **successes}])
    source = ScriptedSource(stage.clock.now)
    stage.reconciler.context = replace(stage.reconciler.context, metrics=source)
    source.say("ok", 0.3)
    await stage.ticks(2)

    source.say("ok", IN_DOUBT)
    await stage.ticks(80)

    records = [(body["spec"]["action"], body["status"].get("outcome", "")) for body in stage.changes]
    assert records == [("Restart", "Inconclusive"), ("Notify", "")]
    assert "ok (PartWithoutSeries)" in stage.changes[1]["spec"]["message"]
    assert stage.incidents[0]["status"]["phase"] != "Resolved"


async def test_an_error_of_the_source_holds_the_remedy_back() -> None:
    scene = Scene(RESTART)

    await scene.ticks(40, DOWN)

    assert scene.records() == [("Refuse", "Restart", "MetricsUnavailable")]


async def test_an_error_of_a_check_that_the_remedy_does_not_name_does_not() -> None:
    scene = Scene({**RESTART, "checks": ["errors"]})

    await scene.ticks(5, DOWN)

    assert [action for _, action, _ in scene.records()] == ["Restart"]
    assert scene.stage.changes[0]["spec"]["proof"]["unjudged"] == ["p99"]


async def test_what_had_no_data_before_the_fault_need_not_have_any_for_the_proof() -> None:
    """And the incident closes, as it would if there were no such check."""
    scene = Scene(RESTART)

    await scene.ticks(12, NAN)
    assert scene.records() == [("Act", "Restart", "Recovered")]
    assert scene.stage.changes[0]["status"]["message"] == "errors healthy for 10s"
    assert scene.incident["spec"]["withoutData"] == ["p99"]

    await scene.ticks(70, NAN)
    assert scene.incident["status"]["phase"] == "Resolved"


@pytest.mark.parametrize("minutes_ago", [[1.0], [59.0], [30.0, 29.0]], ids=str)
async def test_what_had_data_before_the_fault_has_to_have_some_again(minutes_ago: Iterable[float]) -> None:
    """The restart may have healed it, or may not: it stays, and so does the incident; people are told after a while."""
    scene = Scene(RESTART)
    scene.had(*minutes_ago)

    await scene.ticks(80, EMPTY)
    assert scene.records() == [("Act", "Restart", "Inconclusive"), ("Act", "Notify", "MetricsUnavailable")]
    assert "withoutData" not in scene.incident["spec"]
    assert scene.incident["status"]["phase"] != "Resolved"

    await scene.ticks(70, 0.2)
    assert scene.incident["status"]["phase"] == "Resolved"


async def test_a_past_that_nobody_tells_counts_as_one_with_data() -> None:
    scene = Scene(RESTART)
    scene.history.say("latency", Error("Timeout", "no answer within 10s"))

    await scene.ticks(80, NAN)

    assert scene.records() == [("Act", "Restart", "Inconclusive"), ("Act", "Notify", "MetricsUnavailable")]


async def test_the_past_is_asked_once_an_incident() -> None:
    scene = Scene(RESTART)

    await scene.ticks(80, NAN)

    asked = [(start, end, step) for question, start, end, step in scene.history.asked if "latency" in question.query]
    began = parse_time(scene.incident["spec"]["openedAt"])
    assert asked == [(began - timedelta(hours=1), began, timedelta(seconds=5))]


async def test_a_check_that_turns_unhealthy_when_it_can_be_seen_again_is_not_worse() -> None:
    """Nobody knows how it was before the restart, which is not taken for the cause."""
    scene = Scene(RESTART, PAGE)

    await scene.ticks(4, NAN)
    await scene.ticks(20, 3.0)

    assert scene.records() == [("Act", "Restart", "NotRecovered"), ("Act", "Notify", "AboveThreshold")]
