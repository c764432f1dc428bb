"""The operator's own loop, run from one time to another without waiting for any.

A world comes first: `World` or `Past`, with what is in it (`put`, `adopt`), what will happen (`will`) and its policies
(`policy`). These ask (`asked`), a `History` or metrics of another kind answer, and a `Rehearsal` of all this runs.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from salus.core.guards.permissions import REMEDIATOR
from salus.core.remedy.approvals import DEFAULT_EXPIRY
from salus.model.policy import Mode
from salus.model.scalars import Body
from salus.model.values.configuration import Bounds, Switches
from salus.model.values.keys import PolicyKey, TargetKey
from salus.model.values.policies import Policy
from salus.ports import (
    CHANGE_EVENTS,
    HEALTH_POLICIES,
    INCIDENTS,
    Accounts,
    MetricHistory,
    MetricSource,
    Ref,
)
from salus.reconcile.cases import Case
from salus.reconcile.context import Context, Step
from salus.reconcile.tick import Reconciler
from salus.rehearsal.accounts import RehearsalAccounts
from salus.rehearsal.agenda import Agenda, Touched
from salus.rehearsal.foresight import Answers, Foresight, catch_up
from salus.rehearsal.ports import NullTelemetry, RecordingRecorder
from salus.rehearsal.records import RehearsalRecords
from salus.rehearsal.timeline import Place, Said, Timeline
from salus.rehearsal.world import World

_PATIENCE = 3600.0
"""Seconds of the real clock: nothing here is waited for, however slow the machine."""


class Metrics(MetricSource, MetricHistory, Protocol):
    """Both metric ports in one."""


@dataclass(frozen=True, slots=True)
class Setting:
    """When it begins, and what the operator's administrator says."""

    since: datetime
    """The first tick of every policy."""
    switches: Switches = field(default_factory=Switches)
    bounds: Bounds = field(default_factory=Bounds)
    mode_cap: Mode = Mode.ENFORCE
    default_service_account: str = REMEDIATOR
    approval_expiry: timedelta = DEFAULT_EXPIRY
    accounts: Accounts | None = None
    """None: every account is there, and may do what it is asked to."""
    answers: Answers | None = None
    """What each query will answer at each time, if that is known: then ticks that change nothing are left out."""
    heard: Callable[[datetime], None] = lambda _: None
    """Told of every tick that was not."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What came of it."""

    changes: tuple[Body, ...]
    """All ChangeEvents, by the time of their decision."""
    incidents: tuple[Body, ...]
    """All Incidents, by the time at which they began."""
    said: Mapping[Place, tuple[Said, ...]]
    """What every check said, oldest first."""
    ticks: int
    left_out: int
    """Ticks that were not needed."""


class Rehearsal:
    """These policies in this world."""

    def __init__(self, world: World, policies: Sequence[Policy], metrics: Metrics, setting: Setting) -> None:
        self.world, self._setting = world, setting
        self._agenda = Agenda(policies, setting.since)
        self._policies = self._agenda.policies
        self._last: dict[PolicyKey, datetime] = {}
        self._timeline, self._touched = Timeline(), Touched()
        self._ticks, self._until = 0, setting.since
        self.recorder = RecordingRecorder()
        self.context = _context(world, metrics, setting, self.recorder, self._policies.__contains__)
        self.reconciler = Reconciler(self.context, patience=_PATIENCE)
        self._foresight = Foresight(self.context, setting.answers) if setting.answers else None
        world.cluster.watch(self._touched)
        for policy in policies:
            body = world.cluster.now_at(Ref(HEALTH_POLICIES, *_address(policy.key)))
            self.reconciler.accept(policy, dict(body.get("status") or {}))

    async def run(self, until: datetime) -> None:
        """Every tick that is due until then; it goes on where it ended the last time."""
        self._await_what_comes(self._policies.values(), self._until)
        while (now := self._agenda.next_at()) is not None and now <= until:
            due = self._agenda.at(now)
            await self._tick(due, now)
            self._plan(due, now, until)
        self._until = until

    def result(self) -> Rehearsed:
        """What came of it until now."""
        cluster = self.world.cluster
        changes = sorted(cluster.objects(CHANGE_EVENTS), key=lambda body: (body["spec"]["decidedAt"], _order(body)))
        incidents = sorted(cluster.objects(INCIDENTS), key=lambda body: (body["spec"]["openedAt"], _order(body)))
        span = self._until - self._setting.since
        all_ticks = sum(span // policy.spec.interval + 1 for policy in self._policies.values())
        return Rehearsed(tuple(changes), tuple(incidents), self._timeline.said, self._ticks, all_ticks - self._ticks)

    def step(self, policy: Policy, target: TargetKey) -> Step:
        """How a policy stands to its target, for who wants to ask more of it."""
        return Step(self.context, policy, self.reconciler.cases[policy.key, target])

    async def _tick(self, due: Sequence[Policy], now: datetime) -> None:
        for policy in self._beside(due):
            self._catch_up(policy, now)
        self._ticks += len(due)
        self._last |= {policy.key: now for policy in due}
        self.world.turn(now)
        self._touched.clear()
        await self.reconciler.tick(due)
        for policy in due:
            self._timeline.note(self._cases(policy), now)
        self.world.looked_at()
        self._setting.heard(now)

    def _beside(self, due: Sequence[Policy]) -> Sequence[Policy]:
        """These and all others of the same targets: each may be asked what it has seen."""
        cases = self.reconciler.cases
        keys = {other.policy for policy in due for case in self._cases(policy) for other in cases.on(case.target)}
        return self._agenda.in_order(keys)

    def _catch_up(self, policy: Policy, now: datetime) -> None:
        """What was left out of it is seen as far as it would have been seen when those that are due are healed."""
        since, interval = self._setting.since, policy.spec.interval
        newest = since + (now - since) // interval * interval
        before = newest - interval if self._agenda.due(policy) == now else newest
        if (last := self._last.get(policy.key, now)) < before:
            catch_up(self._cases(policy), last, before)
            self._last[policy.key] = before

    def _plan(self, due: Sequence[Policy], now: datetime, until: datetime) -> None:
        """When each is due next: those that were just now, and those whose target somebody has touched."""
        touched = set(self._agenda.whom(self._touched))
        for policy in due:
            self._agenda.plan(policy, self._next(policy, now, until, is_touched=policy.key in touched))
        for policy in self._agenda.in_order(touched):
            self._agenda.wake(policy, now, now)
        self._await_what_comes(due, now)

    def _await_what_comes(self, policies: Iterable[Policy], now: datetime) -> None:
        """Let them see what is to happen to their targets; what a rollout brings is known when it has begun."""
        for policy in policies:
            if (coming := self.world.next_for(policy.key.namespace, policy.spec.target)) is not None:
                self._agenda.wake(policy, now, coming)

    def _next(self, policy: Policy, now: datetime, until: datetime, *, is_touched: bool) -> datetime:
        if self._foresight is None or is_touched:
            return now + policy.spec.interval
        return self._foresight.quiet_until(policy, self._cases(policy), now, until)

    def _cases(self, policy: Policy) -> Sequence[Case]:
        return self.reconciler.cases.of(policy.key)


def _context(
    world: World,
    metrics: Metrics,
    setting: Setting,
    recorder: RecordingRecorder,
    is_known: Callable[[PolicyKey], bool],
) -> Context:
    return Context(
        cluster=world.cluster,
        accounts=setting.accounts or RehearsalAccounts(world.cluster),
        workloads=world.workloads,
        metrics=metrics,
        history=metrics,
        recorder=recorder,
        telemetry=NullTelemetry(),
        clock=world.clock,
        switches=lambda: setting.switches,
        records=RehearsalRecords(world.cluster),
        is_known=is_known,
        operator="salus rehearsal",
        default_service_account=lambda: setting.default_service_account,
        approval_expiry=lambda: setting.approval_expiry,
        mode_cap=setting.mode_cap,
        bounds=lambda: setting.bounds,
        stamps=world.stamps,
        shows=world.shows,
    )


def _address(key: PolicyKey) -> tuple[str, str]:
    return key.namespace, key.name


def _order(body: Body) -> tuple[str, int, str]:
    return body["metadata"]["namespace"], body["spec"].get("sequence", 0), body["metadata"]["name"]
