"""Measure, evaluate, decide, plan, guard: what the next tick would do, found out by the operator's own functions.

Unlike the operator, which is content with the first objection, every guard is asked. What only the operator knows, such
as how all other targets are, is said to be unknown.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from salus.cli.marks import State
from salus.cli.now.ports import NoAccounts, OnlyReads, Seen
from salus.cli.reports.explanation import GuardLine
from salus.core.actions import KINDS, kind_of, plan
from salus.core.actions.kind import PlanRequest
from salus.core.guards.budgets import BRAKE
from salus.core.guards.chain import GUARDS, KILL_SWITCH, Review, Unknowable
from salus.core.guards.permissions import NOT_PERMITTED, REMEDIATOR
from salus.core.remedy import waiting
from salus.core.remedy.ladder import Exhausted, Proposal, Wait
from salus.model.policy import Verdict
from salus.model.scalars import Body
from salus.model.values.changes import Action, Infeasible, Then
from salus.model.values.configuration import Switches
from salus.model.values.keys import TargetKey
from salus.model.values.observation import Observation
from salus.model.values.policies import Policy
from salus.ports import CHANGE_EVENTS, INCIDENTS, WORKLOADS, ClusterError, MetricHistory, MetricSource
from salus.reconcile.cases import Case
from salus.reconcile.context import Context, Step
from salus.reconcile.observe import references, suspects, target
from salus.reconcile.observe.measure import Measurer
from salus.reconcile.records.store import Feed, RecordStore
from salus.rehearsal.ports import NullTelemetry, RecordingRecorder, VirtualClock
from salus.settings import Settings

_BACK = timedelta(minutes=30)
"""How far back checks are looked at, to know whether one that was unhealthy is clear again."""
_OF_THE_CONFIGURATION = (KILL_SWITCH, "FreezeWindow", "NamespaceBudgetSpent", "GlobalBudgetSpent", BRAKE)
_NO_CONFIGURATION = "the operator's configuration is not at hand: --config FILE"
_ACCOUNT = "what the policy's service account may do, the operator asks as that account"
_OTHERS = "how all other targets are, only the operator knows"


@dataclass(frozen=True, slots=True)
class Rung:
    """A remedy that was looked at."""

    place: int
    name: str
    message: str
    """What it would do, or why it cannot be planned."""
    action: Action | None = None
    infeasible: str = ""
    """The reason why it cannot be planned; empty: it can."""
    guards: tuple[GuardLine, ...] = ()

    @property
    def objection(self) -> GuardLine | None:
        """Of the first guard that objects."""
        return next((one for one in self.guards if one.state is State.HELD), None)

    @property
    def unknown(self) -> Sequence[GuardLine]:
        """The guards that could not be asked."""
        return [one for one in self.guards if one.state is State.UNKNOWN]


@dataclass(frozen=True, slots=True)
class Afresh:
    """What was found out."""

    step: Step
    rungs: tuple[Rung, ...] = ()
    waits: Wait | Exhausted | None = None
    """Why no rung is proposed, after those that were looked at."""


@dataclass(slots=True)
class Asker:
    """Everything that it takes to ask about one policy and one of its targets."""

    cluster: OnlyReads
    metrics: MetricSource
    history: MetricHistory
    settings: Settings | None
    """None: nobody knows it here."""
    now: datetime
    _unknown: dict[str, str] = field(default_factory=dict)

    async def ask(self, policy: Policy, key: TargetKey, beside: Sequence[Body]) -> Afresh:
        """All of it. `beside`: the workloads of the namespace, the target among them. Raises ClusterError."""
        self._unknown = self._not_known()
        step = Step(await self._context(key.namespace, beside), policy, Case(policy.key, key))
        measurer = Measurer(step.context)
        await measurer.recover(policy, step.case, _BACK)
        await measurer.measure([(policy, step.case)])
        if not any(found.verdict is Verdict.UNHEALTHY for found in step.case.findings):
            return Afresh(step)
        return await self._climb(step)

    def _not_known(self) -> dict[str, str]:
        if self.settings is None:
            return dict.fromkeys(_OF_THE_CONFIGURATION, _NO_CONFIGURATION)
        switches = self.settings.switches()
        others = [("GlobalBudgetSpent", switches.global_budget), (BRAKE, switches.fleet_brake)]
        return {reason: _OTHERS for reason, limit in others if limit is not None}

    async def _context(self, namespace: str, beside: Sequence[Body]) -> Context:
        records = RecordStore(self.cluster)
        for resource in (CHANGE_EVENTS, INCIDENTS):
            _fill(records.feed(resource, namespace), await self.cluster.list(resource, namespace))
        settings = self.settings
        switches = settings.switches() if settings else Switches()
        account = settings.defaults.service_account_name if settings else REMEDIATOR
        return Context(
            cluster=self.cluster,
            accounts=NoAccounts(),
            workloads=Seen.of(beside),
            metrics=self.metrics,
            history=self.history,
            recorder=RecordingRecorder(),
            telemetry=NullTelemetry(),
            clock=VirtualClock(self.now),
            switches=lambda: switches,
            records=records,
            is_known=lambda _: True,
            default_service_account=lambda: account,
        )

    async def _climb(self, step: Step) -> Afresh:
        """Each rung that would have its turn now, until one would be taken or holds the ladder up."""
        rungs: list[Rung] = []
        policy, seen = step.policy, await target.observe(step)
        while True:
            narrowed = _without(policy, [rung.name for rung in rungs])
            proposed = waiting.next_step(narrowed, step.case.findings, step.of_breach, seen.workload, step.now)
            if not isinstance(proposed, Proposal):
                return Afresh(step, tuple(rungs), proposed)
            rung, then = await self._rung(step, proposed, seen)
            rungs.append(rung)
            if then is None or then in {Then.WAIT, Then.ESCALATE}:
                return Afresh(step, tuple(rungs))

    async def _rung(self, step: Step, proposal: Proposal, seen: Observation) -> tuple[Rung, Then | None]:
        remedy = proposal.remedy
        if kind_of(remedy).replaces_release:
            seen = await suspects.release_suspect(step, seen)
            seen = await references.what_exists(step.context, seen)
        place = step.policy.spec.remedies.index(remedy)
        incident = step.incident["metadata"]["name"] if step.incident else ""
        planned = plan(PlanRequest(remedy, place, proposal.because, seen, seen.body, incident))
        if isinstance(planned, Infeasible):
            return Rung(place, remedy.name, planned.message, infeasible=planned.reason), Then.NEXT
        guards = tuple(self._asked(step.policy, planned, seen))
        rung = Rung(place, remedy.name, planned.message, planned, guards=guards)
        held = rung.objection
        then = next((guard.then for guard in GUARDS if held is not None and guard.reason == held.reason), None)
        return rung, then

    def _asked(self, policy: Policy, action: Action, seen: Observation) -> Iterator[GuardLine]:
        """Every guard that is asked of such an action, in their order."""
        judged = Review(policy, action, seen)
        for guard in GUARDS:
            if not guard.kinds(KINDS[action.kind]):
                continue
            if guard.reason in self._unknown:
                yield GuardLine(reason=guard.reason, state=State.UNKNOWN, message=self._unknown[guard.reason])
                continue
            try:
                message = guard.objects(judged)
            except Unknowable as error:
                why = _ACCOUNT if guard.reason == NOT_PERMITTED else str(error)
                yield GuardLine(reason=guard.reason, state=State.UNKNOWN, message=why)
                continue
            yield GuardLine(reason=guard.reason, state=State.HELD if message else State.GOOD, message=message or "")


def _fill(feed: Feed, bodies: Sequence[Body]) -> None:
    """What is on record now; no watch is waited for."""
    listing = feed.begin()
    for body in bodies:
        listing.add(body)
    listing.complete("0")
    listing.give_up()
    feed.heard()


def _without(policy: Policy, names: Sequence[str]) -> Policy:
    """The policy without rungs that are out."""
    rest = tuple(remedy for remedy in policy.spec.remedies if remedy.name not in names)
    return replace(policy, spec=policy.spec.model_copy(update={"remedies": rest}))


async def beside(cluster: OnlyReads, key: TargetKey) -> list[Body]:
    """The target, and the workloads of its namespace that may be read."""
    found = [await cluster.get(target.workload_ref(key))]
    for resource in WORKLOADS.values():
        try:
            found += await cluster.list(resource, key.namespace)
        except ClusterError:
            continue  # it is noted: without them pods of two workloads might be taken for one another
    return found
