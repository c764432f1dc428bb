"""A service that flaps is one incident, and what its namespace writes about it is bounded, whatever policies say."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.core.policy.compile import Catalog, compile_policy
from salus.core.records import incidents
from salus.model.incident import IncidentStatus
from salus.model.scalars import Body, format_time, parse_time
from salus.model.values.configuration import Bounds
from salus.model.values.metrics import Answer, Query, Value
from salus.model.values.policies import Policy
from salus.ports import CHANGE_EVENTS, HEALTH_POLICIES, INCIDENTS, Labels, Resource, Unavailable
from salus.rehearsal.ports import NullTelemetry, VirtualClock
from tests.builders import NOW, RESTART, a_deployment_body, a_finished_change, a_policy_body, ago, healthy, later
from tests.fakes.cluster import FakeCluster
from tests.unit.stage import TARGET, Stage, a_reconciler, a_stage

MINUTE = timedelta(minutes=1)
TICK = timedelta(seconds=5)
HELD = Bounds(hold_down=5 * MINUTE)
RESTARTS = {"name": "restart", "restart": {}}
PAGE = {"name": "page", "notify": {}}


class Moody:
    """A stage whose service is as it is told to be."""

    def __init__(self, *remedies: dict[str, Any], bounds: Bounds = HELD, **spec: Any) -> None:  # noqa: ANN401
        self.unhealthy = False
        self.stage: Stage = a_stage(lambda _: not self.unhealthy, *remedies, **spec)
        self.stage.bounds = bounds

    async def lasts(self, span: timedelta, *, unhealthy: bool) -> None:
        self.unhealthy = unhealthy
        await self.stage.ticks(span // TICK)

    @property
    def incident(self) -> Body:
        (only,) = self.stage.incidents
        IncidentStatus.parse(only["status"])
        return only

    @property
    def status(self) -> Mapping[str, Any]:
        status: Mapping[str, Any] = self.incident["status"]
        return status

    def verified(self) -> tuple[str, str]:
        (condition,) = self.status["conditions"]
        return condition["status"], condition["reason"]

    @property
    def said(self) -> list[tuple[str, str, str]]:
        """Decision, action and outcome of each record."""
        return [
            (c["spec"]["decision"], c["spec"]["action"], (c.get("status") or {}).get("outcome", ""))
            for c in self.stage.changes
        ]


async def test_a_service_that_flaps_for_an_hour_is_one_incident() -> None:
    """A minute ill, a minute well: without hold-down thirty incidents."""
    moody = Moody(RESTARTS, mode="Observe")
    for _ in range(30):
        await moody.lasts(MINUTE, unhealthy=True)
        await moody.lasts(MINUTE, unhealthy=False)

    assert len(moody.stage.incidents) == 1
    assert moody.status["relapses"] == 29
    assert moody.said == [("DryRun", "Restart", "")]


async def test_an_incident_closes_when_its_target_was_healthy_for_the_hold_down() -> None:
    moody = Moody(PAGE)
    await moody.lasts(MINUTE, unhealthy=True)
    well = moody.stage.clock.now()
    await moody.lasts(4 * MINUTE, unhealthy=False)
    held = moody.status
    await moody.lasts(MINUTE + TICK, unhealthy=False)

    assert (held["phase"], held["healthySince"]) == ("Escalated", format_time(well))
    assert moody.status["phase"] == "Resolved"
    assert moody.status["resolution"] == "RecoveredByItself"
    assert parse_time(moody.status["resolvedAt"]) - well >= 5 * MINUTE - TICK


async def test_what_helped_is_proven_at_once_and_the_incident_waits() -> None:
    """The outcome of the change does not wait for the hold-down; nothing is done meanwhile."""
    moody = Moody(RESTARTS)
    await moody.lasts(timedelta(seconds=15), unhealthy=True)
    await moody.lasts(MINUTE, unhealthy=False)

    assert moody.said == [("Act", "Restart", "Recovered")]
    assert moody.status["phase"] == "Verifying"
    assert moody.verified() == ("Unknown", "HoldDown")
    assert "closes at" in moody.status["message"]

    await moody.lasts(5 * MINUTE, unhealthy=False)

    assert (moody.status["phase"], moody.status["resolution"]) == ("Resolved", "RecoveredByRemedy")
    assert moody.verified() == ("True", "RecoveredByRemedy")


async def test_a_relapse_continues_the_same_incident_and_limits_count_on() -> None:
    """What helped is tried again, as often as `maxActions` allows; then people are called, once."""
    moody = Moody(RESTARTS, limits={"cooldown": "5s", "maxActions": 2, "per": "1h"})
    for _ in range(8):
        await moody.lasts(timedelta(seconds=20), unhealthy=True)
        await moody.lasts(MINUTE, unhealthy=False)

    acts = [one for one in moody.said if one[:2] == ("Act", "Restart")]
    assert acts == [("Act", "Restart", "Recovered")] * 2
    assert [one for one in moody.said if one[1] == "Notify"] == [("Act", "Notify", "")]
    assert moody.status["phase"] == "Escalated"
    assert moody.status["message"].startswith("AttemptsExhausted")
    assert moody.status["relapses"] == 7


async def test_a_relapse_is_said_in_the_status() -> None:
    moody = Moody(RESTARTS, limits={"cooldown": "1h"})
    await moody.lasts(timedelta(seconds=15), unhealthy=True)
    await moody.lasts(MINUTE, unhealthy=False)
    await moody.lasts(MINUTE, unhealthy=True)

    assert moody.status["phase"] == "Open"
    assert moody.verified() == ("False", "Relapsed")
    assert (moody.status.get("healthySince"), moody.status["relapses"]) == (None, 1)


async def test_what_flaps_from_tick_to_tick_writes_nothing_about_it() -> None:
    moody = Moody(PAGE, mode="Observe", verify={"settle": "0s", "stable": "0s", "timeout": "0s"}, interval="5s")
    await moody.lasts(MINUTE, unhealthy=True)
    before = moody.stage.cluster.writes.copy()
    for _ in range(50):
        await moody.lasts(TICK, unhealthy=False)
        await moody.lasts(3 * TICK, unhealthy=True)

    after = moody.stage.cluster.writes[len(before) :]
    assert [write for write in after if write.ref.resource in {INCIDENTS, CHANGE_EVENTS}] == []


async def test_a_restart_of_salus_forgets_no_relapse_and_closes_nothing_too_early() -> None:
    moody = Moody(PAGE)
    await moody.lasts(MINUTE, unhealthy=True)
    await moody.lasts(MINUTE, unhealthy=False)
    moody.stage.restart()
    await moody.lasts(4 * MINUTE, unhealthy=False)
    assert moody.status["phase"] == "Escalated"
    await moody.lasts(MINUTE, unhealthy=True)

    assert moody.status["relapses"] == 1
    assert len(moody.stage.incidents) == 1


async def test_a_question_stays_while_the_incident_waits_and_expires_with_it() -> None:
    moody = Moody(RESTARTS, mode="Approve")
    await moody.lasts(MINUTE, unhealthy=True)
    await moody.lasts(MINUTE, unhealthy=False)
    await moody.lasts(MINUTE, unhealthy=True)
    assert moody.said == [("AwaitApproval", "Restart", "")]
    assert moody.status["phase"] == "AwaitingApproval"

    await moody.lasts(6 * MINUTE, unhealthy=False)

    assert moody.said == [("AwaitApproval", "Restart", "Expired")]
    assert moody.status["phase"] == "Resolved"


async def test_what_was_lent_goes_back_only_when_the_incident_is_closed() -> None:
    moody = Moody({"name": "grow", "scale": {"by": "1", "max": 9, "revertAfter": "30s"}})
    await moody.lasts(timedelta(seconds=15), unhealthy=True)
    await moody.lasts(4 * MINUTE, unhealthy=False)
    assert moody.said == [("Act", "Scale", "Recovered")]

    await moody.lasts(2 * MINUTE, unhealthy=False)

    assert moody.said == [("Act", "Scale", "Recovered"), ("Act", "Scale", "Undone")]


async def test_a_deleted_target_ends_an_incident_at_once() -> None:
    moody = Moody(PAGE)
    await moody.lasts(MINUTE, unhealthy=True)
    moody.stage.cluster.edit(TARGET, lambda body: body["metadata"].update(deletionTimestamp=format_time(NOW)))
    await moody.stage.reconciler.tick([moody.stage.policy])

    assert moody.status["resolution"] == "TargetGone"


@pytest.mark.parametrize(
    ("relapsed", "resolution"),
    [
        pytest.param(ago(90), "RecoveredByRemedy", id="it fell ill before the write that helped"),
        pytest.param(ago(30), "RecoveredByItself", id="it fell ill again after it"),
    ],
)
def test_only_what_held_is_named_as_what_helped(relapsed: Any, resolution: str) -> None:  # noqa: ANN401
    write = replace(a_finished_change(1, done=ago(80), outcome="Recovered"), completed_at=ago(60))
    incident = {"metadata": {"name": "x-1"}, "status": {"relapses": 1, "relapsedAt": format_time(relapsed)}}
    status = incidents.progress(incident, [write], (healthy(),), NOW)

    assert incidents.resolved(status, [write], later(5))["resolution"] == resolution


# --- what a namespace may write


@dataclass
class Metrics:
    """Answers by a function of target and time; everything else is well."""

    clock: VirtualClock
    is_unhealthy: Callable[[str, int], bool]
    ticks: int = 0

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        return [
            Value(float(self.is_unhealthy(question.query.split('"')[1], self.ticks)), self.clock.now())
            for question in questions
        ]

    async def samples(self, *_: object) -> Sequence[Any]:
        return []


@dataclass
class Counting(NullTelemetry):
    """Counts what was not written, by namespace."""

    counted: Counter[str] = field(default_factory=Counter)

    def withheld(self, namespace: str) -> None:
        self.counted[namespace] += 1


class Flapping:
    """Many Deployments under one policy with windows of nothing."""

    def __init__(
        self,
        size: int,
        is_unhealthy: Callable[[str, int], bool],
        bounds: Bounds,
        *,
        kind: type[FakeCluster] = FakeCluster,
        **spec: Any,  # noqa: ANN401 — handed on
    ) -> None:
        self.clock = VirtualClock(NOW)
        self.cluster = kind(now=self.clock.now)
        self.metrics, self.bounds, self.telemetry = Metrics(self.clock, is_unhealthy), bounds, Counting()
        for number in range(size):
            body = a_deployment_body(name=f"app-{number}")
            metadata = {**body["metadata"], "labels": {"tier": "web"}, "uid": f"uid-{number}"}
            self.cluster.put({**body, "metadata": metadata})
        quick = {
            "mode": "Observe",
            "target": {"kind": "Deployment", "selector": {"matchLabels": {"tier": "web"}}},
            "interval": "5s",
            "checks": [{"name": "c", "query": 'moody{t="$target"}', "unhealthy": {"above": "0"}}],
            "remedies": [RESTART],
            "verify": {"settle": "0s", "stable": "0s", "timeout": "0s"},
            "limits": {"cooldown": "0s", "maxActions": 100, "per": "1m"},
        }
        body = a_policy_body(**{**quick, **spec})
        self.cluster.put({"apiVersion": "salus.dev/v1alpha1", "kind": "HealthPolicy", **body})
        self.policy: Policy = compile_policy(body, Catalog({}, ["default"]))
        self.restart()

    def restart(self) -> None:
        self.reconciler = a_reconciler(self.cluster, self.metrics, self.clock, bounds=lambda: self.bounds)
        self.reconciler.context = replace(self.reconciler.context, telemetry=self.telemetry)

    async def run(self, ticks: int) -> None:
        for _ in range(ticks):
            await self.reconciler.tick([self.policy])
            self.metrics.ticks += 1
            self.clock.advance(self.policy.spec.interval)

    def records(self, *decisions: str) -> list[Body]:
        found = self.cluster.objects(CHANGE_EVENTS)
        return [body for body in found if not decisions or body["spec"]["decision"] in decisions]

    @property
    def tally(self) -> Body:
        (only,) = [body for body in self.records("Refuse") if body["spec"]["reason"] == "RecordBudgetSpent"]
        return only

    @property
    def budgeted(self) -> int:
        """Records and incidents that count against the budget."""
        spent = [b for b in self.records("Refuse", "Advise", "DryRun") if b["spec"]["reason"] != "RecordBudgetSpent"]
        return len(spent) + len(self.cluster.objects(INCIDENTS))


def by_turns(_: str, tick: int) -> bool:
    return tick % 2 == 1


async def test_fifty_targets_that_flap_write_what_the_budget_allows_and_one_record_more() -> None:
    """An hour without hold-down: 3,000 breaches, each of an incident and a rehearsal."""
    flapping = Flapping(50, by_turns, Bounds(records_per_hour=40), interval="30s")
    await flapping.run(120)

    assert flapping.budgeted == 40
    withheld = flapping.telemetry.counted["shop"]
    assert withheld >= 2 * 50 * 60 - 40
    counted = flapping.tally["status"]["occurrences"]
    assert withheld / 2 <= counted <= withheld
    assert len(flapping.records()) + len(flapping.cluster.objects(INCIDENTS)) == 41


async def test_targets_that_turn_unhealthy_together_have_one_budget_and_one_tally(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All of them are judged while the first record is on its way, at a time that records do not say to the part."""
    really = FakeCluster.create

    async def create(cluster: FakeCluster, resource: Resource, body: Body) -> Body:
        for _ in range(20):
            await asyncio.sleep(0)
        return await really(cluster, resource, body)

    monkeypatch.setattr(FakeCluster, "create", create)
    flapping = Flapping(20, by_turns, Bounds(records_per_hour=8))
    flapping.clock.advance(timedelta(milliseconds=400))
    await flapping.run(12)

    assert flapping.budgeted == 8
    assert len(flapping.records()) + len(flapping.cluster.objects(INCIDENTS)) == 9, (
        "and one record that counts the rest"
    )


async def test_the_budget_is_counted_from_the_records_so_that_a_restart_gives_nothing_back() -> None:
    flapping = Flapping(10, by_turns, Bounds(records_per_hour=15))
    await flapping.run(6)
    flapping.restart()
    await flapping.run(6)
    flapping.restart()
    await flapping.run(6)

    assert flapping.budgeted == 15
    assert flapping.tally


async def test_an_hour_later_there_is_room_again() -> None:
    flapping = Flapping(10, by_turns, Bounds(records_per_hour=15))
    await flapping.run(6)
    flapping.clock.advance(timedelta(hours=1))
    await flapping.run(6)

    assert flapping.budgeted == 30


async def test_the_status_says_that_rehearsals_are_not_on_record() -> None:
    flapping = Flapping(4, lambda *_: True, Bounds(records_per_hour=3))
    await flapping.run(2)

    (policy,) = flapping.cluster.objects(HEALTH_POLICIES)
    throttled = next(c for c in policy["status"]["conditions"] if c["type"] == "Throttled")
    assert (throttled["status"], throttled["reason"]) == ("True", "RecordBudgetSpent")
    assert "3 refusals, rehearsals and incidents within an hour (limits.recordsPerHour" in throttled["message"]


async def test_what_is_done_is_recorded_with_its_incident_whatever_is_withheld() -> None:
    """The first rung cannot be had, which is not on record; the second is done."""
    rollback = {"name": "back", "rollback": {"within": "30m"}}
    flapping = Flapping(3, lambda *_: True, Bounds(records_per_hour=1), mode="Enforce", remedies=[rollback, RESTART])
    await flapping.run(3)

    acts = [body for body in flapping.records("Act") if body["spec"]["action"] == "Restart"]
    assert len(acts) == 3
    assert len(flapping.cluster.objects(INCIDENTS)) == 3
    assert all(act["spec"]["incidentRef"]["name"] for act in acts)
    assert [b for b in flapping.records("Refuse") if b["spec"]["reason"] == "NoKnownGoodRelease"] == []


async def test_people_are_asked_and_called_whatever_is_withheld() -> None:
    asking = Flapping(3, lambda *_: True, Bounds(records_per_hour=1), mode="Approve")
    calling = Flapping(3, lambda *_: True, Bounds(records_per_hour=1), mode="Enforce", remedies=[])
    await asking.run(3)
    await calling.run(3)

    assert len(asking.records("AwaitApproval")) == 3
    assert [body["spec"]["action"] for body in calling.records("Act")] == ["Notify"] * 3


async def test_a_namespace_spends_only_its_own_budget() -> None:
    flapping = Flapping(10, by_turns, Bounds(records_per_hour=15))
    await flapping.run(6)

    assert not flapping.reconciler.context.fleet.has_room("shop", 15, flapping.clock.now())
    assert flapping.reconciler.context.fleet.has_room("bank", 15, flapping.clock.now())


class Unlisted(FakeCluster):
    """The records of all targets cannot be listed, those of one can."""

    async def each(
        self, resource: Resource, namespace: str | None, labels: Labels | None = None
    ) -> AsyncIterator[Body]:
        if labels is None and resource in {CHANGE_EVENTS, INCIDENTS}:
            raise Unavailable("not now")
        async for body in FakeCluster.each(self, resource, namespace, labels):
            yield body


async def test_a_list_that_fails_opens_no_door() -> None:
    """What this process wrote itself is known; what it cannot list it does not wait for."""
    flapping = Flapping(10, by_turns, Bounds(records_per_hour=15), kind=Unlisted)
    await flapping.run(8)

    assert flapping.budgeted == 15


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    mode=st.sampled_from(["Observe", "Approve", "Enforce"]),
    most=st.integers(1, 20),
    hold_down=st.sampled_from([timedelta(0), timedelta(seconds=30)]),
)
async def test_however_targets_flap_no_more_is_withheld_or_written_than_said(
    seed: int, mode: str, most: int, hold_down: timedelta
) -> None:
    moods = random.Random(seed)  # noqa: S311 — no secret
    known: dict[tuple[str, int], bool] = {}
    flapping = Flapping(
        4,
        lambda target, tick: known.setdefault((target, tick), moods.random() < 0.5),
        Bounds(records_per_hour=most, hold_down=hold_down),
        mode=mode,
    )
    for _ in range(3):
        await flapping.run(12)
        flapping.restart()

    needed = {body["spec"]["incidentRef"]["name"] for body in flapping.records("Act", "AwaitApproval")}
    assert flapping.budgeted <= most + len(needed)
