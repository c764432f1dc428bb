"""Nobody is left in the dark: whatever a remedy waits for, people are told, once.

The tables are of single histories; the machine below them is of any. Both look at records, Events and incidents alone.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from salus.core.guards.chain import review
from salus.core.objects.workloads import workload_from
from salus.core.records.changes import Entry, change_body
from salus.core.remedy.telling import doubt
from salus.model.change import ActionKind, Decision
from salus.model.incident import IncidentStatus
from salus.model.scalars import Body, format_time, parse_time
from salus.model.values.configuration import Bounds, Budget, Freeze, Switches
from salus.model.values.metrics import Answer, Error, NoData, Query, Sample, Value
from salus.model.values.observation import Observation
from salus.model.values.permissions import Permission
from salus.ports import (
    AUTOSCALERS,
    CHANGE_EVENTS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    HEALTH_POLICIES,
    KEPT_RELEASES,
    Ref,
    Resource,
)
from salus.rehearsal.ports import RecordingRecorder
from tests.builders import NOW, a_deployment_body, a_policy, ago, an_action, an_observation, unknown
from tests.unit.stage import NAME, NAMESPACE, TARGET, TICK, UNSCALED, Stage, a_stage

RESTART: dict[str, Any] = {"name": "restart", "restart": {}}
UNDO: dict[str, Any] = {"name": "undo-release", "rollback": {"within": "30m"}}
GROW: dict[str, Any] = {"name": "grow", "scale": {"by": "50%", "max": 9}}
PAGE: dict[str, Any] = {"name": "page", "notify": {"severity": "critical"}}
MINUTE = timedelta(minutes=1)
YEAR = Freeze("christmas", "UTC", cron="0 0 1 1 *", lasts=timedelta(days=366), message="no changes")
FROZEN, STOPPED = Switches(freezes=(YEAR,)), Switches(kill_switch=True)
STUCK = {"replicas": 4, "updatedReplicas": 1, "readyReplicas": 3, "availableReplicas": 3}
GIVEN_UP = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]
POLICY = Ref(HEALTH_POLICIES, NAMESPACE, NAME)


def never(_: Body) -> bool:
    return False


def notices(stage: Stage, incident: str = "") -> list[Body]:
    """The records by which people were told."""
    told = [c["spec"] for c in stage.changes if c["spec"]["action"] == "Notify" and c["spec"]["decision"] == "Act"]
    return [spec for spec in told if not incident or (spec.get("incidentRef") or {}).get("name") == incident]


def incident_of(stage: Stage) -> Body:
    """The one incident."""
    (only,) = stage.incidents
    IncidentStatus.parse(only["status"])
    return only


def events(stage: Stage) -> list[str]:
    """What was said of the workload by Event."""
    recorder = stage.reconciler.context.recorder
    assert isinstance(recorder, RecordingRecorder)
    return [notice.reason for notice in recorder.notices if notice.regarding["kind"] == "Deployment"]


def under(stage: Stage, switches: Switches) -> None:
    """The operator's administrator says so from now on."""
    stage.reconciler.context = replace(stage.reconciler.context, switches=lambda: switches)


async def lasts(stage: Stage, span: timedelta, status: dict[str, Any] | None = None) -> None:
    """So much time passes; `status`: how the pods are all the while."""
    for _ in range(span // TICK):
        stage.roll_out()
        if status is not None:
            stage.cluster.edit(TARGET, lambda body: body["status"].update(status))
        await stage.reconciler.tick([stage.policy])
        stage.clock.advance(TICK)


def forbid(stage: Stage) -> None:
    """The account may not patch Deployments."""
    stage.accounts.denied.add((NAMESPACE, "salus-remediator", Permission("patch", "apps", "deployments")))


def pause(stage: Stage, *, paused: bool) -> None:
    """Someone pauses or resumes the Deployment."""
    stage.cluster.edit(TARGET, lambda body: body["spec"].update(paused=paused))


# --- the cases


@dataclass(frozen=True)
class Row:
    """A reason to wait, and when people hear of it."""

    told: str
    by: str
    """What keeps the remedy from being done."""
    after: timedelta
    """People are told then, and not before."""
    before: Callable[[Stage], None] = lambda _: None
    spec: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] | None = None


AT_ONCE = timedelta(seconds=20)
WAITS = (
    Row("a freeze (case 02)", "FreezeWindow", AT_ONCE, lambda s: under(s, FROZEN)),
    Row("the kill switch", "KillSwitch", AT_ONCE, lambda s: under(s, STOPPED)),
    Row("a missing right", "NotPermitted", AT_ONCE, forbid),
    Row("a Deployment that someone paused", "TargetPaused", AT_ONCE, lambda s: pause(s, paused=True)),
    Row(
        "a guard that cannot be evaluated, once that lasts",
        "GuardUnknown",
        timedelta(seconds=75),
        lambda s: s.cluster.unreadable.add(DISRUPTION_BUDGETS),
    ),
    Row("a rollout that moves", "RolloutInProgress", 5 * MINUTE, status=STUCK),
    Row("a cooldown", "CooldownActive", timedelta(seconds=350), spec={"limits": {"cooldown": "1h"}}),
    Row(
        "a budget",
        "GlobalBudgetSpent",
        timedelta(seconds=350),
        lambda s: under(s, Switches(global_budget=Budget(actions=1))),
    ),
    Row("an answer that nobody gives", "AwaitingApproval", 5 * MINUTE, spec={"mode": "Approve"}),
)


@pytest.mark.parametrize("page", [True, False], ids=["by the notify rung below", "without a notify rung by Event"])
@pytest.mark.parametrize("row", WAITS, ids=lambda row: row.told)
async def test_what_waits_is_told_once(row: Row, page: bool) -> None:
    ladder = [RESTART, {**RESTART, "name": "again"}, *([PAGE] if page else [])]
    stage = a_stage(never, *ladder, **row.spec)
    row.before(stage)
    await lasts(stage, row.after - 3 * TICK, row.status)
    early = len(notices(stage))
    await lasts(stage, 8 * TICK, row.status)
    assert (early, len(notices(stage))) == (0 if row.after > AT_ONCE else early, 1)
    assert events(stage).count("Notify") == 1

    stage.restart()
    row.before(stage)
    await lasts(stage, 10 * MINUTE, row.status)

    (notice,) = notices(stage)
    assert row.by in notice["message"]
    assert notice["message"].startswith("critical: ") is page
    status = incident_of(stage)["status"]
    assert status["toldBy"] == f"checkout-f7524989-{notice['sequence']}"
    assert status["message"].startswith(f"{row.by}: ")
    assert status["phase"] == ("AwaitingApproval" if row.by == "AwaitingApproval" else "Escalated")


async def test_a_stuck_rollout_without_a_good_release_is_told_and_restarted() -> None:
    """Case 01: Kubernetes has given up on the rollout, so that nothing waits for it; the ladder goes on to its end."""
    stage = a_stage(never, UNDO, RESTART, PAGE)

    await lasts(stage, 10 * MINUTE, {**STUCK, "conditions": GIVEN_UP})

    assert [write.verb for write in stage.remedial_writes] == ["patch"]
    assert "RolloutInProgress" not in {c["spec"]["reason"] for c in stage.changes}
    assert len(notices(stage)) == 1
    assert incident_of(stage)["status"]["phase"] == "Escalated"


async def test_a_rollout_that_kubernetes_does_not_time_makes_no_progress_once_nothing_moves() -> None:
    """A StatefulSet has no deadline: what has not moved for ten minutes is not waited for."""
    stage = a_stage(never, RESTART)
    moving = review(stage.policy, an_action(), seen_at(stage, moved=9 * MINUTE))
    standing = review(stage.policy, an_action(), seen_at(stage, moved=10 * MINUTE))

    assert moving is not None
    assert moving.reason == "RolloutInProgress"
    assert standing is None


async def test_dead_nodes_under_a_daemon_set_hold_no_restart_back() -> None:
    """Case 04: 99 of a hundred are updated; the last one's node is gone, and its pod stays as it is for ever."""
    stage = a_stage(never, RESTART)
    counts = {f"{count}NumberScheduled": 100 for count in ("desired", "current")}
    ready = {"updatedNumberScheduled": 99, "numberReady": 99, "numberAvailable": 99, "numberUnavailable": 1}
    body = {**stage.deployment, "kind": "DaemonSet", "status": {"observedGeneration": 1, **counts, **ready}}

    assert review(stage.policy, an_action(), an_observation(workload=workload_from(body))) is None


def seen_at(stage: Stage, moved: timedelta) -> Observation:
    """A StatefulSet with one of three pods updated, whose pods last moved so long ago."""
    body = {**stage.deployment, "kind": "StatefulSet", "status": {**STUCK, "replicas": 3, "observedGeneration": 1}}
    now = stage.clock.now()
    return an_observation(workload=workload_from(body), now=now, moved_at=now - moved)


async def test_a_check_without_an_answer_keeps_nobody_from_being_told() -> None:
    """Case 03: an error ratio of 30 % beside a quantile that is in error; whatever the remedy waits for."""
    checks = [
        {"name": "errors", "query": 'errors{t="$target"}', "unhealthy": {"above": "0.05"}, "for": "10s"},
        {"name": "p99", "query": 'latency{t="$target"}', "unhealthy": {"above": "1"}},
    ]
    stage = a_stage(never, RESTART, PAGE, checks=checks)
    stage.reconciler.context = replace(stage.reconciler.context, metrics=Half(stage.clock.now))

    await lasts(stage, 6 * MINUTE)

    assert len(notices(stage)) == 1


@dataclass
class Half:
    """A source that answers one of two questions."""

    now: Callable[[], datetime]

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        return [Error("Timeout", "no answer") if "latency" in q.query else Value(0.3, self.now()) for q in questions]


async def test_escalate_after_is_the_authors_to_say() -> None:
    stage = a_stage(never, RESTART, PAGE, escalateAfter="1m")
    await lasts(stage, MINUTE, STUCK)
    assert notices(stage) == []

    await lasts(stage, MINUTE, STUCK)

    assert len(notices(stage)) == 1


async def test_the_remedy_that_waited_is_done_and_its_success_is_told() -> None:
    """People know that it waits; when it may be done it is, and they hear how that went."""
    stage = a_stage(lambda body: "restartedAt" in str(body["spec"]["template"]), RESTART, PAGE)
    pause(stage, paused=True)
    await lasts(stage, MINUTE)
    assert incident_of(stage)["status"]["phase"] == "Escalated"
    assert stage.remedial_writes == []

    pause(stage, paused=False)
    await lasts(stage, 2 * MINUTE)

    assert len(stage.remedial_writes) == 1
    status = incident_of(stage)["status"]
    assert (status["phase"], status["resolution"]) == ("Resolved", "RecoveredByRemedy")
    assert events(stage).count("IncidentResolved") == 1
    assert len(notices(stage)) == 1


async def test_a_recovery_by_itself_is_told_too() -> None:
    well = [False]
    stage = a_stage(lambda _: well[0], RESTART)
    under(stage, FROZEN)
    await lasts(stage, MINUTE)

    well[0] = True
    await lasts(stage, MINUTE)

    assert incident_of(stage)["status"]["resolution"] == "RecoveredByItself"
    assert events(stage).count("IncidentResolved") == 1


async def test_a_later_reason_stands_in_the_incident_and_is_not_told_anew() -> None:
    stage = a_stage(never, RESTART, PAGE)
    under(stage, FROZEN)
    await lasts(stage, MINUTE)
    assert incident_of(stage)["status"]["message"].startswith("FreezeWindow: ")

    pause(stage, paused=True)
    under(stage, Switches())
    await lasts(stage, 10 * MINUTE)

    assert incident_of(stage)["status"]["message"].startswith("TargetPaused: ")
    assert len(notices(stage)) == 1


async def test_every_notify_rung_has_its_word() -> None:
    stage = a_stage(never, {**PAGE, "name": "first"}, RESTART, PAGE)
    under(stage, FROZEN)

    await lasts(stage, 10 * MINUTE)

    assert [spec["remedy"] for spec in notices(stage)] == ["first", "page"]


@pytest.mark.parametrize("spec", [{"mode": "Observe"}, {"suspend": True}], ids=["that observes", "that is suspended"])
async def test_a_policy_that_does_nothing_tells_by_its_incident(spec: dict[str, Any]) -> None:
    stage = a_stage(never, RESTART, **spec)

    await lasts(stage, 10 * MINUTE)

    assert notices(stage) == []
    assert incident_of(stage)["status"]["phase"] == "Open"
    assert incident_of(stage)["status"]["message"].startswith(("Rehearsed: ", "Suspended: "))


@pytest.mark.parametrize("spec", [{"mode": "Observe"}, {"suspend": True}], ids=["that observes", "that is suspended"])
async def test_unless_it_has_a_notify_rung(spec: dict[str, Any]) -> None:
    stage = a_stage(never, RESTART, PAGE, **spec)

    await lasts(stage, 10 * MINUTE)

    assert len(notices(stage)) == 1
    assert incident_of(stage)["status"]["phase"] == "Escalated"


async def test_an_undo_that_cannot_be_judged_is_told() -> None:
    """It is tried at every tick, and nothing else is done before; people hear of it all the same."""
    stage = a_stage(never, GROW, PAGE)
    while not stage.remedial_writes:
        await lasts(stage, TICK)
    stage.accounts.unreachable = True

    await lasts(stage, 10 * MINUTE)

    assert len(stage.remedial_writes) == 1
    assert len(notices(stage)) == 1


async def test_what_cannot_be_read_at_all_is_told() -> None:
    stage = a_stage(never, RESTART, PAGE)
    stage.cluster.unreadable.add(KEPT_RELEASES)

    await lasts(stage, 10 * MINUTE)

    assert len(notices(stage)) == 1


@pytest.mark.parametrize("page", [True, False], ids=["by the notify rung", "without one"])
async def test_metrics_that_vanish_in_an_incident_are_told(page: bool) -> None:
    """Everything is down, and with it what would say so: nothing is done, and people hear of it."""
    stage = a_stage(never, RESTART, *([PAGE] if page else []))
    stage.reconciler.context = replace(stage.reconciler.context, metrics=Vanishing(stage.clock.now, NOW + MINUTE))
    await lasts(stage, 4 * MINUTE, STUCK)
    assert notices(stage) == []

    await lasts(stage, 4 * MINUTE, STUCK)

    (notice,) = notices(stage)
    assert notice["message"].startswith("critical: ") is page
    assert incident_of(stage)["status"]["message"].startswith("MetricsUnavailable: ")


@dataclass
class Vanishing:
    """A source that has an answer until then."""

    now: Callable[[], datetime]
    until: datetime

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        now = self.now()
        return [Value(0.3, now) if now < self.until else NoData("NoSeries", "none", empty=True) for _ in questions]


def goes(stage: Stage, *stretches: tuple[timedelta, float | Answer]) -> None:
    """What the metric says from now on: this for so long, then that; the last for ever."""
    stage.reconciler.context = replace(stage.reconciler.context, metrics=Going(stage.clock.now, NOW, stretches))


@dataclass
class Going:
    """A source that says one thing after another."""

    now: Callable[[], datetime]
    begun: datetime
    stretches: Sequence[tuple[timedelta, float | Answer]]

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        now = self.now()
        begins = accumulate((span for span, _ in self.stretches), initial=timedelta())
        said = [said for at, (_, said) in zip(begins, self.stretches, strict=False) if at <= now - self.begun][-1]
        return [Value(said, now) if isinstance(said, float) else said for _ in questions]


GONE = NoData("NoSeries", "none", empty=True)


@pytest.mark.parametrize("page", [True, False], ids=["by the notify rung", "without one"])
async def test_metrics_that_vanish_while_a_recovery_is_waited_out_are_told(page: bool) -> None:
    """The restart helped for two minutes; then everything is down, and with it what would say so."""
    stage = a_stage(never, RESTART, *([PAGE] if page else []))
    stage.bounds = Bounds(hold_down=10 * MINUTE)
    stretches = (MINUTE / 2, 0.3), (8 * MINUTE, 0.0), (MINUTE, GONE)
    goes(stage, *stretches)
    await lasts(stage, 13 * MINUTE)
    status = incident_of(stage)["status"]
    assert notices(stage) == []
    assert status["message"].startswith("MetricsUnavailable: ")
    assert "closes at" not in str(status)

    stage.restart()
    goes(stage, *stretches)
    await lasts(stage, MINUTE)

    assert len(notices(stage)) == 1
    assert incident_of(stage)["status"]["phase"] == "Escalated"


async def test_a_gap_in_the_metrics_of_a_recovery_is_told_to_nobody() -> None:
    stage = a_stage(never, RESTART)
    stage.bounds = Bounds(hold_down=20 * MINUTE)
    goes(stage, (MINUTE / 2, 0.3), (8 * MINUTE, 0.0), (4 * MINUTE, GONE), (MINUTE, 0.0))

    await lasts(stage, 15 * MINUTE)

    status = incident_of(stage)["status"]
    assert notices(stage) == []
    assert status["message"].startswith("healthy since ")
    assert status["phase"] == "Verifying"


async def test_what_is_unhealthy_after_a_gap_has_relapsed() -> None:
    stage = a_stage(never, RESTART)
    stage.bounds = Bounds(hold_down=20 * MINUTE)
    goes(stage, (MINUTE / 2, 0.3), (8 * MINUTE, 0.0), (4 * MINUTE, GONE), (MINUTE, 0.3))

    await lasts(stage, 14 * MINUTE)

    assert incident_of(stage)["status"]["relapses"] == 1


def told_before(stage: Stage, message: str, spec: dict[str, Any]) -> None:
    """People were told of the freeze by a record of another target."""
    others = a_policy(**{"name": "other", **spec})
    facts = an_action()
    rung = next((remedy.name for remedy in others.spec.remedies if remedy.notify), "")
    notice = replace(facts, kind=ActionKind.NOTIFY, remedy=rung, patch=(), reason="FreezeWindow")
    notice = replace(notice, target=replace(notice.target, name="other"))
    said = f"it is unhealthy; FreezeWindow: {message}"
    entry = Entry(others, notice, Decision.ACT, "FreezeWindow", said, stage.clock.now())
    ended = {"completedAt": format_time(stage.clock.now()), "outcome": "Delivered"}
    record = stage.cluster.put({**change_body(entry, 1, ()), "status": ended})
    stage.reconciler.context.records.note(record)


THIS_FREEZE = "freeze christmas lasts until 2027-01-02T00:00:00Z: no changes"


@pytest.mark.parametrize("page", [True, False], ids=["by the notify rung", "without one"])
async def test_what_comes_after_what_held_back_many_is_told(page: bool) -> None:
    """That the freeze holds was told for all; that a right is missing after it is of this target."""
    stage = a_stage(never, RESTART, *([PAGE] if page else []))
    told_before(stage, THIS_FREEZE, {"name": NAME, "remedies": [PAGE]} if page else {})
    under(stage, FROZEN)
    await lasts(stage, 2 * MINUTE)
    assert incident_of(stage)["status"]["toldBy"] == "FreezeWindow"
    before = len(notices(stage))

    under(stage, Switches())
    forbid(stage)
    await lasts(stage, 10 * MINUTE)

    assert len(notices(stage)) == before + 1
    assert incident_of(stage)["status"]["toldBy"] == f"checkout-f7524989-{notices(stage)[-1]['sequence']}"


@pytest.mark.parametrize(
    ("message", "spec", "told"),
    [
        pytest.param(THIS_FREEZE, {}, 0, id="told of this one in general words"),
        pytest.param(THIS_FREEZE, {"mode": "Observe", "remedies": [PAGE]}, 1, id="told in the words of a policy"),
        pytest.param("freeze easter lasts until 2026-04-07T00:00:00Z", {}, 1, id="told of another freeze"),
    ],
)
async def test_what_others_were_told_counts_where_it_is_of_the_same_freeze(
    message: str, spec: dict[str, Any], told: int
) -> None:
    stage = a_stage(never, RESTART)
    told_before(stage, message, spec)
    before = len(notices(stage))
    under(stage, FROZEN)

    await lasts(stage, 10 * MINUTE)

    assert len(notices(stage)) == before + told


# --- any history


SLACK = timedelta(minutes=1)
"""An oracle that looks from outside sees the beginning of a quiet stretch a few ticks early."""
ESCALATE_AFTER = 5 * MINUTE
STEP = timedelta(seconds=20)
LADDERS: dict[str, tuple[dict[str, Any], ...]] = {
    "nothing": (),
    "restart": (RESTART,),
    "restart, page": (RESTART, PAGE),
    "page, restart": (PAGE, RESTART),
    "all": (GROW, UNDO, RESTART, PAGE),
    "all but page": (UNDO, GROW, RESTART),
}
READINGS: dict[str, float | Answer] = {
    "healthy": 0.0,
    "unhealthy": 0.9,
    "empty": NoData("NoSeries", "none", empty=True),
}
UNREADABLE: dict[str, Resource] = {
    "budgets of disruption": DISRUPTION_BUDGETS,
    "autoscalers": AUTOSCALERS,
    "kept releases": KEPT_RELEASES,
}
PODS: dict[str, dict[str, Any]] = {
    "as wanted": {},
    "stuck": STUCK,
    "given up": {**STUCK, "conditions": GIVEN_UP},
}


class Telling(RuleBasedStateMachine):
    """An incident that is Unhealthy for longer than `escalateAfter` with no change under way has told people, once.

    By a notification of its own, or of what holds it back with others.
    """

    others: ClassVar[Sequence[str]] = ()
    """Further targets of the policy."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stage = a_stage(never)
        self.reading, self.pods, self.switches = "healthy", "as wanted", Switches()
        self.quiet_since: dict[str, datetime | None] = {}
        self.theirs: list[Body] = []

    def begin(self, ladder: str, mode: str, cooldown: str, hold_down: int) -> None:
        """A policy with this ladder."""
        remedies = (dict(remedy) for remedy in LADDERS[ladder])
        limits = {"cooldown": cooldown, "maxActions": 2, "per": "30m"}
        target = {"kind": "Deployment", "selector": {"matchLabels": {"tier": "web"}}}
        selected = {"target": target} if self.others else {}
        self.stage = a_stage(never, *remedies, mode=mode, limits=limits, **selected)
        self._label_targets()
        self.stage.bounds = Bounds(hold_down=hold_down * MINUTE)
        self.new_process()
        self.passes("healthy", 3)

    @rule(reading=st.sampled_from([*READINGS, "unhealthy", "unhealthy"]), steps=st.integers(1, 30))
    def passes(self, reading: str, steps: int) -> None:
        """The metric says this, for so many ticks."""
        self.reading = reading
        self.runner.run(self._ticks(steps))

    @rule()
    def new_process(self) -> None:
        """Salus is killed, and started again."""
        self.stage.restart()
        world = self.stage.reconciler.context
        self.stage.reconciler.context = replace(world, switches=lambda: self.switches, metrics=self, history=self)

    @rule(switches=st.sampled_from([Switches(), FROZEN, STOPPED, Switches(global_budget=Budget(actions=1))]))
    def the_administrator_says(self, switches: Switches) -> None:
        """A freeze, the kill switch, a budget, or nothing of that any more."""
        self.switches = switches

    @rule(paused=st.booleans())
    def someone_pauses(self, paused: bool) -> None:
        """Someone pauses or resumes the Deployment."""
        pause(self.stage, paused=paused)

    @rule(pods=st.sampled_from(sorted(PODS)))
    def pods_are(self, pods: str) -> None:
        """How a rollout goes from now on."""
        self.pods = pods

    @rule(what=st.sampled_from(sorted(UNREADABLE)), readable=st.booleans())
    def reads_fail(self, what: str, readable: bool) -> None:
        """The API server does not answer for these, or does again."""
        change = self.stage.cluster.unreadable.discard if readable else self.stage.cluster.unreadable.add
        change(UNREADABLE[what])

    @rule(allowed=st.booleans(), answered=st.booleans())
    def rights_are(self, allowed: bool, answered: bool) -> None:
        """The account may write or not, and somebody says so or not."""
        self.stage.accounts.denied.clear()
        self.stage.accounts.unreachable = not answered
        if not allowed:
            forbid(self.stage)

    @rule(number=st.integers(2, 9))
    def others_release(self, number: int) -> None:
        """Another release while it lasts, or not."""
        self.stage.cluster.edit(
            TARGET, lambda body: body["spec"]["template"]["spec"]["containers"][0].update(image=f"shop:v{number}")
        )

    @rule()
    def others_put_back(self) -> None:
        """Somebody takes back what Salus has done."""

        def put_back(body: dict[str, Any]) -> None:
            body["spec"]["replicas"] = UNSCALED
            body["spec"]["template"]["metadata"].pop("annotations", None)

        self.stage.cluster.edit(TARGET, put_back)

    @rule(applied=st.booleans())
    def another_policy_acts(self, applied: bool) -> None:
        """Its change of the same workload is on record, and not finished."""
        number = max((c["spec"]["sequence"] for c in self.stage.changes), default=0) + 1
        entry = Entry(a_policy(name="other"), an_action(), Decision.ACT, "Test", "theirs", self.stage.clock.now())
        status = {"appliedAt": format_time(self.stage.clock.now())} if applied else {}
        self.theirs.append(self.stage.cluster.put({**change_body(entry, number, ()), "status": status}))

    @rule()
    def the_other_policy_is_done(self) -> None:
        """Whatever came of it."""
        now = format_time(self.stage.clock.now())
        while self.theirs:
            metadata = self.theirs.pop()["metadata"]
            ref = Ref(CHANGE_EVENTS, metadata["namespace"], metadata["name"])
            self.stage.cluster.edit(ref, lambda b: b["status"].update(completedAt=now, outcome="NotRecovered"))

    @rule(seconds=st.integers(6, 30))
    def the_policy_is_edited(self, seconds: int) -> None:
        """Each rung may have its turn again; people are not told again."""
        self.stage.cluster.edit(POLICY, lambda body: body["spec"].update(bake=f"{seconds}s"))
        self.stage.reconciler.accept(self.stage.policy, {})

    @invariant()
    def told_once(self) -> None:
        """By all that is on record."""
        for incident in self.stage.incidents:
            told = notices(self.stage, incident["metadata"]["name"])
            assert len(told) <= 1, "told more than once"
            if self._is_overdue(incident):
                assert len(told) == 1 or self.is_told_with_others(incident), f"nobody was told: {self.quiet_since}"
                assert incident["status"]["toldBy"]

    def is_told_with_others(self, _: Body) -> bool:
        """Whether what holds the target back was told for another."""
        return False

    def _is_overdue(self, incident: Body) -> bool:
        over = incident["status"].get("phase") == "Resolved"
        since = self.quiet_since.get(incident["spec"]["targetRef"]["name"])
        return not over and since is not None and self._lasted(since) > ESCALATE_AFTER + SLACK

    def _lasted(self, since: datetime) -> timedelta:
        return self.stage.clock.now() - since

    async def _ticks(self, steps: int) -> None:
        for _ in range(steps):
            await lasts(self.stage, TICK, PODS[self.pods])
            self._look()
            self.stage.clock.advance(STEP - TICK)

    def _look(self) -> None:
        for name in (NAME, *self.others):
            self.quiet_since[name] = self._quiet_since(name)

    def _quiet_since(self, name: str) -> datetime | None:
        """Since when it is unhealthy with no change under way, by what is on record and by what the metric says."""
        now, known = self.stage.clock.now(), self.quiet_since.get(name)
        of_target = [c["status"] for c in self.stage.changes if c["spec"]["targetRef"]["name"] == name]
        moments = [status.get("completedAt") for status in of_target if status.get("appliedAt")]
        incidents = [i for i in self.stage.incidents if i["spec"]["targetRef"]["name"] == name]
        lasts = any(incident["status"].get("phase") != "Resolved" for incident in incidents)
        vanished = self.reading == "empty" and (lasts or known is not None)
        if None in moments or not (self.reading == "unhealthy" or vanished):
            return None
        ends = [parse_time(moment) for moment in moments if moment]
        return max([known or now, *ends])

    def _label_targets(self) -> None:
        for number, name in enumerate(self.others):
            self.stage.cluster.put(a_deployment_body(name=name, uid=f"uid-{number}", replicas=UNSCALED))
        for name in (NAME, *self.others) if self.others else ():
            ref = Ref(DEPLOYMENTS, NAMESPACE, name)
            self.stage.cluster.edit(ref, lambda body: body["metadata"].update(labels={"tier": "web"}))

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        """The present reading."""
        said, now = READINGS[self.reading], self.stage.clock.now()
        return [Value(said, now) if isinstance(said, float) else said for _ in questions]

    async def samples(self, *_: object) -> Sequence[Sample]:
        """This Prometheus is new."""
        return []

    def teardown(self) -> None:
        self.runner.close()


MODES, COOLDOWNS, HOLD_DOWNS = (st.sampled_from(some) for some in (["Enforce", "Approve"], ["5s", "30m"], [0, 20]))


class Told(Telling):
    """One target alone, so that nothing else tells in its place."""

    @initialize(ladder=st.sampled_from(sorted(LADDERS)), mode=MODES, cooldown=COOLDOWNS, hold_down=HOLD_DOWNS)
    def begins(self, ladder: str, mode: str, cooldown: str, hold_down: int) -> None:
        """A policy with this ladder."""
        self.begin(ladder, mode, cooldown, hold_down)


class ToldTogether(Telling):
    """Several targets of one policy, that lacks rights: each is told for itself, or all by what holds them back."""

    others = ("basket", "cart")

    @initialize(ladder=st.sampled_from(sorted(LADDERS)), answered=st.booleans(), hold_down=HOLD_DOWNS)
    def begins(self, ladder: str, answered: bool, hold_down: int) -> None:
        """A policy with this ladder, whose account has no right, or of which nobody says so."""
        self.begin(ladder, "Enforce", "5s", hold_down)
        self.rights_are(allowed=False, answered=answered)
        self.passes("unhealthy", 5)

    def is_told_with_others(self, incident: Body) -> bool:
        """By what was told of one that waited when this one had to be told of, and of the same breach."""
        by, opened = incident["status"].get("toldBy"), parse_time(incident["spec"]["openedAt"])
        told = [notice for notice in notices(self.stage) if notice["reason"] == by]
        return by in HOLDERS and any(not self._is_over(notice, opened) for notice in told)

    @invariant()
    def told_once_for_all(self) -> None:
        """Whoever waits for the same is not told of for an hour after another of the policy was, if that one waits."""
        told = [notice for notice in notices(self.stage) if notice["reason"] in HOLDERS]
        for number, later in enumerate(told):
            for earlier in told[:number]:
                apart = abs(parse_time(later["decidedAt"]) - parse_time(earlier["decidedAt"]))
                alike = held_by(later) == held_by(earlier) and later["targetRef"] != earlier["targetRef"]
                past = apart >= timedelta(hours=1) or self._is_over(earlier, parse_time(later["decidedAt"]))
                assert not alike or past, f"told twice of {held_by(later)}"

    def _is_over(self, notice: Body, now: datetime) -> bool:
        """Whether the incident of which it told had ended by then."""
        (own,) = [i for i in self.stage.incidents if i["metadata"]["name"] == notice["incidentRef"]["name"]]
        ended = own["status"].get("resolvedAt")
        return ended is not None and parse_time(ended) <= now


HOLDERS = ("FreezeWindow", "KillSwitch", "NotPermitted", "GuardUnknown")


def held_by(notice: Body) -> tuple[str, str]:
    """Reason, and the guard that cannot be evaluated or what cannot be read."""
    reason: str = notice["reason"]
    held, *_ = notice["message"].partition(f"{reason}: ")[2].partition(" cannot be ")
    return reason, held if reason == "GuardUnknown" else ""


TestToldTogether = ToldTogether.TestCase
TestToldTogether.settings = settings(
    derandomize=True, max_examples=20, stateful_step_count=14, suppress_health_check=[HealthCheck.too_slow]
)
TestTold = Told.TestCase
TestTold.settings = settings(
    derandomize=True, max_examples=20, stateful_step_count=14, suppress_health_check=[HealthCheck.too_slow]
)


RECOVERING = {"healthySince": format_time(ago(90))}


@pytest.mark.parametrize(
    ("status", "since", "expected"),
    [
        pytest.param({}, ago(0), (True, False), id="at once, of one that was unhealthy"),
        pytest.param(RECOVERING, ago(59), None, id="not yet, of one that was healthy of late"),
        pytest.param(RECOVERING, ago(60), (True, True), id="when it lasts, and then that is news"),
        pytest.param({}, None, None, id="nobody doubts"),
        pytest.param(None, ago(60), None, id="there is no incident"),
    ],
)
def test_when_doubt_is_told(
    status: dict[str, Any] | None, since: datetime | None, expected: tuple[bool, bool] | None
) -> None:
    incident = None if status is None else {"metadata": {"name": "a"}, "spec": {}, "status": status}

    found = doubt(incident, (unknown("latency", "Timeout"),), since, NOW)

    assert (found and ("latency (Timeout)" in found.why.message, found.is_news)) == expected
