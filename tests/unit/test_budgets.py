"""What counts against budgets, and what fifty targets that fail together get."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from salus.core.guards.budgets import counted_action
from salus.core.policy.compile import Catalog, compile_policy
from salus.core.records.entries import ChangeRecord, IncidentRecord
from salus.core.records.fleet import FleetView
from salus.core.remedy import telling
from salus.model.change import ActionKind
from salus.model.meta import WorkloadKind
from salus.model.policy import Mode, Target
from salus.model.scalars import API_VERSION, Body
from salus.model.values.changes import Change, Refusal
from salus.model.values.configuration import Brake, Budget, Freeze, Switches
from salus.model.values.fleet import CountedAction
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Answer, Query, Value
from salus.model.values.permissions import Permission
from salus.model.values.policies import Policy
from salus.ports import (
    CHANGE_EVENTS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    INCIDENTS,
    KEPT_RELEASES,
    Conflict,
    Forbidden,
    Resource,
    Throttled,
    Unavailable,
)
from salus.reconcile.records.store import CURRENT
from salus.rehearsal.ports import VirtualClock
from tests.builders import (
    INCIDENT,
    NOW,
    POLICY,
    a_change,
    a_deployment_body,
    a_finished_change,
    a_policy,
    a_workload,
    ago,
)
from tests.fakes.cluster import FakeAccounts, FakeCluster
from tests.fakes.records import WatchedStore
from tests.unit.stage import a_reconciler

TICK = timedelta(seconds=5)
NAMESPACE = "shop"
ELSEWHERE = TargetKey(NAMESPACE, WorkloadKind.DEPLOYMENT, "other")


@pytest.mark.parametrize(
    ("change", "at"),
    [
        pytest.param(a_change(), NOW, id="an intent counts before the write"),
        pytest.param(a_finished_change(done=ago(5)), ago(5), id="a write"),
        pytest.param(a_finished_change(outcome="Recovered"), NOW, id="one that helped counts as well"),
        pytest.param(a_change(outcome="Failed"), NOW, id="one that failed"),
        pytest.param(a_change(decision="AwaitApproval", approval="Approved"), NOW, id="approved, and about to be done"),
        pytest.param(a_change(outcome="Abandoned"), None, id="not what was given up"),
        pytest.param(a_change(undoes="x"), None, id="not an undo"),
        pytest.param(a_change(action=ActionKind.NOTIFY), None, id="not a notification"),
        pytest.param(a_change(decision="DryRun"), None, id="not a rehearsal"),
        pytest.param(a_change(decision="Refuse"), None, id="not a refusal"),
        pytest.param(a_change(decision="AwaitApproval"), None, id="not what nobody has approved"),
    ],
)
def test_what_counts(change: Change, at: datetime | None) -> None:
    assert counted_action(change, "shop") == (CountedAction("shop", at) if at else None)


class Unhealthy:
    """Metrics of a service that is ill, whatever is done; `well` names targets that are not."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.well: set[str] = set()

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        return [Value(0.0 if q.query.split('"')[1] in self.well else 0.5, self.clock.now()) for q in questions]

    async def samples(self, *_: object) -> Sequence[Any]:
        return []


@dataclass
class Fleet:
    """Many Deployments under one policy, one operator."""

    size: int = 50
    switches: Switches = field(default_factory=Switches)
    kind: type[FakeCluster] = FakeCluster
    mode: str = "Enforce"
    remedies: Sequence[Mapping[str, Any]] = ({"name": "restart", "restart": {}},)

    def __post_init__(self) -> None:
        self.clock = VirtualClock(NOW)
        self.cluster = self.kind(now=self.clock.now)
        self.metrics = Unhealthy(self.clock)
        for number in range(self.size):
            body = a_deployment_body(name=f"app-{number}")
            body["metadata"]["labels"] = {"tier": "web"}
            body["metadata"]["uid"] = f"uid-{number}"
            self.cluster.put(body)
        self.cluster.put(self.body)
        self.accounts = FakeAccounts(self.cluster)
        self.restart()

    def restart(self) -> None:
        """A new process."""
        self.reconciler = a_reconciler(
            self.cluster, self.metrics, self.clock, lambda: self.switches, accounts=self.accounts
        )

    @property
    def body(self) -> Body:
        spec = {
            "mode": self.mode,
            "target": {"kind": "Deployment", "selector": {"matchLabels": {"tier": "web"}}},
            "interval": "5s",
            "checks": [{"name": "errors", "query": 'errors{t="$target"}', "unhealthy": {"above": "0.05"}}],
            "remedies": list(self.remedies),
            "limits": {"cooldown": "5s", "maxActions": 10},
            "verify": {"settle": "5s", "stable": "10s", "timeout": "30s"},
        }
        metadata = {"name": "web", "namespace": NAMESPACE, "uid": "uid-of-policy", "generation": 1}
        return {"apiVersion": API_VERSION, "kind": "HealthPolicy", "metadata": metadata, "spec": spec}

    @property
    def policy(self) -> Policy:
        return compile_policy(self.body, Catalog({}, ["default"]))

    async def ticks(self, count: int = 1) -> None:
        for _ in range(count):
            await self.reconciler.tick([self.policy])
            self.clock.advance(TICK)

    def records(self, decision: str) -> list[Body]:
        return [
            body
            for body in self.cluster.objects(CHANGE_EVENTS)
            if body["spec"]["decision"] == decision and body["spec"]["action"] != "Notify"
        ]

    def told(self, reason: str = "FleetBrake") -> list[Body]:
        """Notifications with this reason."""
        specs = [(body, body["spec"]) for body in self.cluster.objects(CHANGE_EVENTS)]
        return [body for body, spec in specs if (spec["action"], spec["reason"]) == ("Notify", reason)]

    def phases(self) -> Counter[str]:
        """How many incidents stand how."""
        return Counter(body["status"]["phase"] for body in self.cluster.objects(INCIDENTS))

    @property
    def actions(self) -> int:
        """Writes to Deployments."""
        return sum(write.ref.resource == DEPLOYMENTS for write in self.cluster.writes)


@pytest.mark.parametrize(
    ("switches", "reason"),
    [
        pytest.param(Switches(namespace_budget=Budget(actions=5)), "NamespaceBudgetSpent", id="of the namespace"),
        pytest.param(Switches(global_budget=Budget(percent=10)), "GlobalBudgetSpent", id="of all, as a share"),
    ],
)
async def test_fifty_targets_that_fail_in_one_tick_get_the_budget_and_no_more(switches: Switches, reason: str) -> None:
    fleet = Fleet(switches=switches)

    await fleet.ticks(3)

    assert fleet.actions == len(fleet.records("Act")) == 5
    refused = fleet.records("Refuse")
    assert {body["spec"]["reason"] for body in refused} == {reason}
    assert len(refused) == 45


async def test_a_budget_survives_a_restart_of_the_operator() -> None:
    fleet = Fleet(switches=Switches(global_budget=Budget(actions=5)))
    await fleet.ticks()

    fleet.restart()
    await fleet.ticks(3)

    assert fleet.actions == 5


async def test_a_budget_opens_again_when_its_window_has_passed() -> None:
    fleet = Fleet(size=6, switches=Switches(global_budget=Budget(actions=2, per=timedelta(minutes=10))))
    await fleet.ticks()

    fleet.clock.advance(timedelta(minutes=10))
    await fleet.ticks(2)

    assert fleet.actions == 4


async def test_the_fleet_brake_lets_one_action_through_in_its_pause_and_replays_nothing() -> None:
    fleet = Fleet(size=10, switches=Switches(fleet_brake=Brake()))

    await fleet.ticks(20)
    assert fleet.actions == 1
    await fleet.ticks(20)
    assert fleet.actions == 2

    fleet.metrics.well = {f"app-{number}" for number in range(8)}
    await fleet.ticks(4)
    assert fleet.actions == 4
    fleet.metrics.well = {f"app-{number}" for number in range(10)}
    await fleet.ticks(4)
    assert fleet.actions == 4


BRAKED = Switches(global_budget=Budget(percent=10), fleet_brake=Brake())
EVERYBODY = {f"app-{number}" for number in range(50)}
HALF_A_PAUSE, PAUSE = 10, 20
"""In ticks of five seconds."""


async def test_fifty_targets_that_fail_together_are_told_of_once_and_healed_one_by_one() -> None:
    """At most the budget, one notification, then one action in 100 s for as long as the brake holds."""
    fleet = Fleet(switches=BRAKED)

    await fleet.ticks()
    assert (fleet.actions, len(fleet.told())) == (1, 1)
    (notice,) = fleet.told()
    assert (notice["spec"]["reason"], notice["spec"]["decision"]) == ("FleetBrake", "Act")
    assert "50 of 50 targets are unhealthy" in notice["spec"]["message"]
    assert notice["status"]["completedAt"]

    for actions in (2, 3, 4, 5):
        await fleet.ticks(PAUSE)
        assert (fleet.actions, len(fleet.told())) == (actions, 1)
    await fleet.ticks(3 * PAUSE)
    assert (fleet.actions, len(fleet.told())) == (5, 1), "the budget, ten percent of fifty in an hour, is spent"
    assert fleet.phases() == {"Escalated": 50}, "each incident says that people were told, by itself or by the brake"
    told_by = Counter(body["status"].get("toldBy") for body in fleet.cluster.objects(INCIDENTS))
    assert told_by["FleetBrake"] >= 40


FROZEN = Switches(freezes=(Freeze("all year", "UTC", cron="0 0 1 1 *", lasts=timedelta(days=366)),))
PAGE = {"name": "page", "notify": {"severity": "critical"}}


@pytest.mark.parametrize("remedies", [[], [PAGE]], ids=["in general words", "by the policy's own"])
@pytest.mark.parametrize(
    ("switches", "reason"),
    [
        pytest.param(FROZEN, "FreezeWindow", id="a freeze"),
        pytest.param(Switches(kill_switch=True), "KillSwitch", id="the kill switch"),
    ],
)
async def test_what_holds_back_many_is_told_once_and_not_once_a_target(
    switches: Switches, reason: str, remedies: list[Mapping[str, Any]]
) -> None:
    fleet = Fleet(size=9, switches=switches, remedies=[{"name": "restart", "restart": {}}, *remedies])
    fleet.metrics.well = {"app-8"}

    await fleet.ticks(4)
    fleet.restart()
    await fleet.ticks(4)
    assert (len(fleet.told(reason)), fleet.phases()) == (1, {"Escalated": 8})
    assert {i["status"]["toldBy"] for i in fleet.cluster.objects(INCIDENTS)} > {reason}

    fleet.clock.advance(timedelta(hours=2))
    fleet.metrics.well = set()
    await fleet.ticks(4)
    assert len(fleet.told(reason)) == 2, "who falls ill two hours later is told of as well, and nobody twice"


ACCOUNT = (NAMESPACE, "salus-remediator")


def lack(fleet: Fleet) -> None:
    """The account may restart none of them, by a right that is given for each by its name."""
    fleet.accounts.denied.add((*ACCOUNT, Permission("patch", "apps", "deployments")))


def no_account(fleet: Fleet) -> None:
    fleet.accounts.missing.add(ACCOUNT)


def unread(fleet: Fleet) -> None:
    """The operator may not read this."""
    fleet.cluster.unreadable.add(DISRUPTION_BUDGETS)


def unanswered(fleet: Fleet) -> None:
    """Nobody says what the account may do."""
    fleet.accounts.unreachable = True


@pytest.mark.parametrize("remedies", [[], [PAGE]], ids=["in general words", "by the policy's own"])
@pytest.mark.parametrize(
    ("lacks", "reason", "after"),
    [
        pytest.param(lack, "NotPermitted", 4, id="a right"),
        pytest.param(no_account, "NotPermitted", 4, id="the account"),
        pytest.param(unread, "GuardUnknown", 16, id="a right to read"),
        pytest.param(unanswered, "GuardUnknown", 16, id="an answer"),
    ],
)
async def test_what_its_rights_hold_back_of_a_policy_is_told_once_and_not_once_a_target(
    lacks: Callable[[Fleet], None], reason: str, after: int, remedies: list[Mapping[str, Any]]
) -> None:
    fleet = Fleet(size=9, remedies=[{"name": "restart", "restart": {}}, *remedies])
    fleet.metrics.well = {"app-8"}
    lacks(fleet)

    await fleet.ticks(after)
    fleet.restart()
    lacks(fleet)
    await fleet.ticks(after)
    (told,) = fleet.told(reason)
    assert told["spec"]["message"].endswith("once for all of this policy that it holds back") is (not remedies)
    assert fleet.phases() == {"Escalated": 8}
    assert Counter(i["status"]["toldBy"] for i in fleet.cluster.objects(INCIDENTS)) == {
        reason: 7,
        told["metadata"]["name"]: 1,
    }

    fleet.clock.advance(timedelta(hours=2))
    fleet.metrics.well = set()
    await fleet.ticks(after)
    assert len(fleet.told(reason)) == 2, "who falls ill two hours later is told of as well, and nobody twice"


async def test_another_guard_that_cannot_be_evaluated_is_told_for_itself() -> None:
    """Of those that were told of the first; who falls ill under the second was not."""
    fleet = Fleet(size=4)
    fleet.metrics.well = {"app-2", "app-3"}
    unread(fleet)
    await fleet.ticks(16)
    fleet.cluster.unreadable = {KEPT_RELEASES}
    fleet.metrics.well = set()
    await fleet.ticks(70)

    assert [body["spec"]["message"].count("cannot be judged") for body in fleet.told("GuardUnknown")] == [1, 0]


async def test_the_end_of_a_ladder_is_told_for_each_that_was_not_told_of_itself() -> None:
    fleet = Fleet(size=3, remedies=[{"name": "restart", "restart": {}}])
    lack(fleet)
    await fleet.ticks(4)
    fleet.accounts.denied.clear()
    await fleet.ticks(40)

    assert (len(fleet.told("NotPermitted")), len(fleet.told("LadderExhausted"))) == (1, 2)


@pytest.mark.parametrize(
    ("fields", "is_told"),
    [
        pytest.param({}, True, id="of another target of the policy"),
        pytest.param({"target_uid": "mine"}, False, id="of an earlier incident of the target itself"),
        pytest.param({"policy": "another"}, False, id="of another policy, whose account may be another"),
        pytest.param({"reason": "GuardUnknown"}, False, id="of something else"),
        pytest.param({"decided_at": ago(3600)}, False, id="an hour ago"),
        pytest.param({"decision": "DryRun"}, False, id="in a rehearsal"),
        pytest.param({"remedy": "page"}, True, id="in words of its own"),
        pytest.param({"incident": "another"}, False, id="in an incident that is over"),
        pytest.param({"incident": "another", "name": "checkout-9"}, True, id="of which another still waits, by record"),
    ],
)
@pytest.mark.parametrize("remedies", [(), (PAGE,)], ids=["without a rung", "with one"])
def test_which_notification_tells_of_a_right_that_holds_a_target_back(
    fields: Mapping[str, Any], is_told: bool, remedies: Sequence[Mapping[str, Any]]
) -> None:
    fleet, policy = FleetView(), a_policy(remedies=remedies)
    usual = {"action": ActionKind.NOTIFY, "reason": "NotPermitted", "remedy": "", "target_uid": "theirs"}
    change = a_change(**{**usual, **fields})
    of_other = ("checkout-1", "Deployment", "other")
    fleet.changed(None, ChangeRecord(NAMESPACE, change.name, change.uid, 1, *of_other, change.sequence, change))
    fleet.changed(None, open_incident(INCIDENT))
    fleet.changed(None, open_incident("third", told_by="checkout-9"))
    why = Refusal("NotPermitted", "shop/healer may not patch deployments.apps checkout")

    assert fleet.told_of(why, telling.hearer(policy, replace(a_workload(), uid="mine"), why), NOW) is is_told


def open_incident(name: str, told_by: str = "") -> IncidentRecord:
    body = {"metadata": {"name": name}, "spec": {}, "status": {"toldBy": told_by}}
    return IncidentRecord(NAMESPACE, name, f"uid-of-{name}", 1, name, "Deployment", "other", 1, POLICY, body=body)


async def test_who_falls_ill_when_all_of_whom_was_told_are_well_is_told_of_anew() -> None:
    """The right may have come and gone meanwhile; while one of them waits, it has not."""
    fleet = Fleet(size=4, remedies=[{"name": "restart", "restart": {}}])
    fleet.metrics.well = {"app-2", "app-3"}
    lack(fleet)
    await fleet.ticks(4)
    fleet.metrics.well = {"app-0", "app-3"}
    await fleet.ticks(20)
    assert len(fleet.told("NotPermitted")) == 1, "app-1 waits all the time"

    fleet.metrics.well = {"app-0", "app-1", "app-2", "app-3"}
    await fleet.ticks(20)
    fleet.metrics.well = {"app-0", "app-1", "app-2"}
    await fleet.ticks(20)

    assert [body["spec"]["targetRef"]["name"] for body in fleet.told("NotPermitted")] == ["app-0", "app-3"]


@pytest.mark.parametrize(
    ("acted", "is_told"),
    [
        pytest.param(ago(300), False, id="it has acted since: the right was there, and is gone again"),
        pytest.param(ago(900), True, id="it had acted before"),
        pytest.param(None, True, id="it has not acted"),
    ],
)
def test_a_right_that_was_mended_and_is_missing_again_is_told_of_anew(acted: datetime | None, is_told: bool) -> None:
    fleet, policy, of_other = FleetView(), a_policy(), ("checkout-1", "Deployment", "other")
    told = a_change(
        1, action=ActionKind.NOTIFY, reason="NotPermitted", remedy="", target_uid="theirs", decided_at=ago(600)
    )
    deeds = [a_change(2, applied_at=acted, decided_at=acted)] if acted else []
    for change in (told, *deeds):
        record = ChangeRecord(NAMESPACE, change.name, change.uid, change.sequence, *of_other, change.sequence, change)
        fleet.changed(None, record)
    fleet.changed(None, open_incident(told.incident))
    why = Refusal("NotPermitted", "shop/healer may not patch deployments.apps checkout")

    assert fleet.told_of(why, telling.hearer(policy, replace(a_workload(), uid="mine"), why), NOW) is is_told


@pytest.mark.parametrize(
    ("target", "reason", "many"),
    [
        pytest.param({"kind": "Deployment", "name": "checkout"}, "NotPermitted", False, id="a right, for one workload"),
        pytest.param({"kind": "Deployment", "name": "checkout"}, "FreezeWindow", True, id="a freeze, for whatever"),
        pytest.param(
            {"kind": "Deployment", "selector": {"matchLabels": {"app": "x"}}},
            "NotPermitted",
            True,
            id="a right, for many",
        ),
        pytest.param({"kind": "Deployment", "name": "checkout"}, "CooldownActive", False, id="what is its own"),
    ],
)
def test_what_holds_back_many(target: Mapping[str, Any], reason: str, many: bool) -> None:
    """A Deployment that is made again has another uid, and its policy tells of it all the same."""
    policy = a_policy()
    spec = policy.spec.model_copy(update={"target": Target.parse(target)})

    assert telling.holds_many(replace(policy, spec=spec), Refusal(reason, "why")) is many


async def test_the_one_notification_survives_restarts_and_is_of_one_outage() -> None:
    fleet = Fleet(size=10, switches=Switches(fleet_brake=Brake()))
    await fleet.ticks(2)
    fleet.restart()
    await fleet.ticks(2 * PAUSE)
    assert len(fleet.told()) == 1, "a new process finds it on record"

    fleet.metrics.well = set(EVERYBODY)
    await fleet.ticks(HALF_A_PAUSE)
    fleet.metrics.well = set()
    await fleet.ticks(PAUSE)
    assert len(fleet.told()) == 1, "the brake was off for less than its pause: a fleet that sways about the bound"

    fleet.metrics.well = set(EVERYBODY)
    await fleet.ticks(PAUSE + 2)
    fleet.metrics.well = set()
    await fleet.ticks(PAUSE)
    assert len(fleet.told()) == 2, "the next outage is told of again"


async def test_an_old_notification_is_of_another_outage() -> None:
    fleet = Fleet(size=10, switches=Switches(fleet_brake=Brake()))
    await fleet.ticks(2)

    fleet.clock.advance(timedelta(minutes=61))
    fleet.restart()
    await fleet.ticks(3 * PAUSE)

    assert len(fleet.told()) == 2


async def test_a_notification_whose_record_is_refused_is_made_by_the_next_target() -> None:
    """The number of its record was taken by another writer; meanwhile the others of the tick took it for made."""

    class Taken(FakeCluster):
        taken = 1

        async def create(self, resource: Resource, body: Body) -> Body:
            if resource == CHANGE_EVENTS and body["spec"]["action"] == "Notify" and self.taken:
                self.taken -= 1
                raise Conflict("taken")
            return await FakeCluster.create(self, resource, body)

    fleet = Fleet(size=10, switches=Switches(fleet_brake=Brake()), kind=Taken)
    await fleet.ticks(3)

    assert len(fleet.told()) == 1


async def test_people_are_still_called_for_the_target_that_carried_the_notification() -> None:
    """It told of the fleet. When the ladder of that very target is at its end, somebody has to hear of that."""
    fleet = Fleet(size=5, switches=Switches(fleet_brake=Brake()))
    await fleet.ticks(8 * PAUSE)

    assert fleet.phases() == {"Escalated": 5}
    assert (len(fleet.told()), len(fleet.told("LadderExhausted"))) == (1, 5)


async def test_a_fleet_that_is_only_rehearsed_tells_nobody() -> None:
    """One of the ten was healed; then the operator runs with --dry-run, and rehearses the brake like all else."""
    fleet = Fleet(size=10, switches=Switches(fleet_brake=Brake()))
    fleet.metrics.well = EVERYBODY - {"app-0"}
    await fleet.ticks()
    fleet.metrics.well = set()
    fleet.restart()
    fleet.reconciler.context = replace(fleet.reconciler.context, mode_cap=Mode.OBSERVE)
    await fleet.ticks(2)

    assert {body["spec"]["reason"] for body in fleet.records("Refuse")} == {"FleetBrake"}
    assert fleet.told() == []


DUMMIES = frozenset(f"dummy-{number}" for number in range(130))


@dataclass
class Watched(Fleet):
    """A fleet beside which somebody observes 130 Deployments without replicas, by a query that says what they like."""

    def __post_init__(self) -> None:
        Fleet.__post_init__(self)
        for name in DUMMIES:
            body = a_deployment_body(name=name, replicas=0)
            self.cluster.put({**body, "metadata": {**body["metadata"], "labels": {"tier": "dummy"}, "uid": name}})

    async def ticks(self, count: int = 1) -> None:
        target = {"kind": "Deployment", "selector": {"matchLabels": {"tier": "dummy"}}}
        spec = {**self.body["spec"], "mode": "Observe", "target": target}
        body = {**self.body, "spec": spec, "metadata": {**self.body["metadata"], "name": "dummies", "uid": "dummies"}}
        dummies = compile_policy(body, Catalog({}, ["default"]))
        for _ in range(count):
            await self.reconciler.tick([self.policy, dummies])
            self.clock.advance(TICK)


async def test_targets_that_are_made_up_do_not_hold_the_brake() -> None:
    """Two of ten are unhealthy beside 130 made up: 94 % of what is measured, and 20 % of what is there."""
    fleet = Watched(size=10, switches=Switches(fleet_brake=Brake()))
    fleet.metrics.well = EVERYBODY - {"app-0", "app-1"}
    await fleet.ticks()

    assert fleet.actions == 2


async def test_targets_that_are_made_up_do_not_switch_the_brake_off() -> None:
    """Ten of ten are unhealthy beside 130 that are always well: 7 % of what is measured, and all that is there."""
    fleet = Watched(size=10, switches=Switches(fleet_brake=Brake()))
    fleet.metrics.well = set(DUMMIES)
    await fleet.ticks(2)

    assert fleet.actions == 1


async def test_targets_that_are_made_up_do_not_widen_a_budget_in_percent() -> None:
    fleet = Watched(size=10, switches=Switches(global_budget=Budget(percent=20)))
    fleet.metrics.well = set(DUMMIES)
    await fleet.ticks(2)

    assert fleet.actions == 2


GROW = {"name": "grow", "scale": {"by": "1", "max": 9, "revertAfter": "30s"}}


async def test_an_undo_passes_the_brake() -> None:
    """Growing did not help; it is taken back within the pause, and counts for nothing."""
    fleet = Fleet(size=10, switches=Switches(fleet_brake=Brake()), remedies=[GROW])

    await fleet.ticks(HALF_A_PAUSE)

    assert fleet.actions == 2
    assert [body["spec"]["undoes"] for body in fleet.records("Act") if "undoes" in body["spec"]]
    assert {body["spec"]["replicas"] for body in fleet.cluster.objects(DEPLOYMENTS)} == {3}


async def test_recovery_and_revert_pass_the_brake() -> None:
    """One target was helped before the others fell ill: its incident is closed and its loan given back all the same."""
    fleet = Fleet(size=10, switches=Switches(fleet_brake=Brake()), remedies=[GROW])
    fleet.metrics.well = EVERYBODY - {"app-0"}
    await fleet.ticks()
    fleet.metrics.well = {"app-0"}
    await fleet.ticks(PAUSE - 2)

    assert fleet.phases()["Resolved"] == 1
    assert [body["spec"]["reason"] for body in fleet.records("Act")] == ["AboveThreshold", "RevertAfter"]
    assert {body["spec"]["replicas"] for body in fleet.cluster.objects(DEPLOYMENTS)} == {3}


async def test_when_the_brake_lifts_each_target_is_judged_anew() -> None:
    """What was held back is not made up for: only who is still ill is healed."""
    fleet = Fleet(size=10, switches=Switches(fleet_brake=Brake()))
    await fleet.ticks(2)
    fleet.metrics.well = EVERYBODY - {"app-8", "app-9"}
    await fleet.ticks(3)

    changed = {write.ref.name for write in fleet.cluster.writes if write.ref.resource == DEPLOYMENTS}
    assert {"app-8", "app-9"} <= changed
    assert len(changed) == fleet.actions == 3


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        pytest.param(Conflict("taken"), 0, id="a record that was refused spends nothing"),
        pytest.param(Unavailable("lost"), 1, id="one of which nobody knows is spent until the next list"),
    ],
)
async def test_a_record_that_may_not_be_there(error: Exception, counted: int) -> None:
    fleet = Fleet(size=1)
    await fleet.ticks()
    body = fleet.records("Act")[0]
    store, view = a_store(FakeCluster())

    store.intend(body)
    assert len(view.fleet(ELSEWHERE).actions) == 1
    store.intended(body, refused=isinstance(error, Conflict))

    assert len(view.fleet(ELSEWHERE).actions) == counted
    store.list_all()
    assert view.fleet(ELSEWHERE).actions == ()


def a_store(cluster: FakeCluster, *namespaces: str) -> tuple[WatchedStore, FleetView]:
    """A store over a cluster, and what counts there."""
    store, view = WatchedStore(cluster, namespaces), FleetView()
    store.follow(view)
    return store, view


class Throttling(FakeCluster):
    """A cluster that takes incidents, and throttles records."""

    async def create(self, resource: Resource, body: Body) -> Body:
        if resource == CHANGE_EVENTS:
            raise Throttled("slow down", timedelta(seconds=1))
        return await FakeCluster.create(self, resource, body)


async def test_a_record_that_was_throttled_spends_nothing() -> None:
    """429: nothing happened, as certainly as with a refusal."""
    fleet = Fleet(size=3, kind=Throttling)

    await fleet.ticks()

    assert fleet.reconciler.context.fleet.fleet(ELSEWHERE).actions == ()


async def test_a_record_under_way_is_not_lost_by_a_list_that_does_not_have_it_yet() -> None:
    fleet = Fleet(size=1)
    await fleet.ticks()
    store, view = a_store(FakeCluster())

    store.intend(fleet.records("Act")[0])
    store.list_all()
    await store.renew(())

    assert len(view.fleet(ELSEWHERE).actions) == 1


async def test_a_record_that_cannot_be_read_does_not_keep_the_others_from_being_counted() -> None:
    fleet = Fleet(size=2)
    await fleet.ticks()
    first, second = fleet.records("Act")
    cluster = FakeCluster()
    cluster.put({**first, "status": {"appliedAt": "the day before yesterday"}})
    cluster.put(second)

    _, view = a_store(cluster)

    assert len(view.fleet(ELSEWHERE).actions) == 1


async def test_a_namespace_whose_records_may_not_be_read_holds_up_no_other() -> None:
    """What is known of it stays; where none may be read, nobody can tell what was done."""
    fleet = Fleet(size=2)
    await fleet.ticks()
    first, second = fleet.records("Act")
    cluster = FakeCluster()
    cluster.put({**first, "metadata": {**first["metadata"], "namespace": "gone"}})
    cluster.put(second)
    store, view = a_store(cluster, "gone", second["metadata"]["namespace"])
    cluster.closed.add("gone")

    store.list_all()
    await store.renew(("gone", second["metadata"]["namespace"]))

    assert store.is_current()
    assert len(view.fleet(ELSEWHERE).actions) == 2
    alone, _ = a_store(cluster, "gone")
    assert not alone.is_current()
    with pytest.raises(Forbidden):
        await alone.renew(("gone",))


@pytest.mark.parametrize("silence", [timedelta(0), CURRENT, CURRENT + timedelta(seconds=1)], ids=str)
async def test_while_a_watch_is_silent_nobody_counts_and_everything_waits(silence: timedelta) -> None:
    fleet = Fleet(size=1, switches=Switches(fleet_brake=Brake()))
    store = fleet.reconciler.context.records
    assert isinstance(store, WatchedStore)
    store.held, store.seconds = True, silence.total_seconds()

    await fleet.ticks()

    refused = [body["spec"]["reason"] for body in fleet.records("Refuse")]
    assert (fleet.actions, refused) == ((0, ["GuardUnknown"]) if silence > CURRENT else (1, []))


async def test_records_that_cannot_be_read_refuse() -> None:
    fleet = Fleet(size=1, switches=Switches(fleet_brake=Brake()))
    fleet.cluster.unreadable.add(CHANGE_EVENTS)
    fleet.cluster.unreadable.add(INCIDENTS)
    fleet.restart()
    fleet.cluster.unreadable.clear()

    await fleet.ticks()

    assert fleet.actions == 0
    assert [body["spec"]["reason"] for body in fleet.records("Refuse")] == ["GuardUnknown"]
