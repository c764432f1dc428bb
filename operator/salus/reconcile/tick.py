"""One tick: everything that is due is asked at once, judged, and healed, each target in a task of its own.

What is due together is of one namespace and one source (`scheduler`). All of it is judged before any of it is healed,
so that the first plan knows how the others are. But nobody is waited for by more than `PATIENCE`: who is slower goes on
alone, is told of in its policy's status when it has ended, and is left out of the ticks until then, as is a policy
whose questions are not answered yet. So there is one task a policy and one a target at most. An error of one target is
counted, logged and costs that target one tick, after which its case is loaded anew. What escapes from the work for one
policy costs the others nothing, and is told in that policy's own status.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence, Set
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import structlog

from salus.contained import INTERNAL_ERROR, apology, contained
from salus.core.actions.scale import goes_back
from salus.core.guards.fleet import is_real
from salus.core.health.overall import overall
from salus.core.policy.caps import Caps
from salus.core.policy.compile import SpecError
from salus.core.records import incidents
from salus.core.records.changes import of_incident
from salus.core.records.release_proof import Witness
from salus.core.records.speakers import Speakers
from salus.model.meta import WorkloadKind
from salus.model.policy import Verdict
from salus.model.scalars import Body
from salus.model.values.changes import Refusal
from salus.model.values.keys import PolicyKey, TargetKey
from salus.model.values.objects import Workload
from salus.model.values.policies import Policy
from salus.ports import INCIDENTS, ClusterError, Conflict, Ref, Rejected
from salus.reconcile import defects, releases
from salus.reconcile.cases import Case, Cases
from salus.reconcile.context import Context, Step
from salus.reconcile.gate import Gate, batched
from salus.reconcile.healthy import witness_of
from salus.reconcile.observe.measure import Answered, Measurer
from salus.reconcile.records import journal
from salus.reconcile.report import Reporter
from salus.reconcile.step import heal, leave

log = structlog.get_logger(__name__)

Work = Coroutine[Any, Any, None]
Task = asyncio.Task[None]
Targets = Sequence[Workload]

PATIENCE = 2.0
"""Seconds that the others of a tick wait for who is slower: from the first that is judged on, and then again."""
AT_ONCE = 16
"""Policies of one tick that are begun before everybody else has a turn."""
REPORTS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Turn:
    """One tick of one policy."""

    policy: Policy
    about: Policy | Body | None
    """What was said last of the policy when its checks were asked; where that is another by now, nothing is done."""
    gate: Gate


@dataclass(slots=True)
class Reconciler:
    """Runs ticks; remembers a case per policy and target."""

    context: Context
    begin: Callable[[Work], Task] = asyncio.create_task
    """Begins what may go on after its tick."""
    patience: float = PATIENCE
    """Seconds that a tick waits for who is slow."""
    cases: Cases = field(default_factory=Cases)
    speakers: Speakers = field(default_factory=Speakers)
    reporter: Reporter = field(init=False)
    caps: Caps = field(init=False)
    _begun: set[Task] = field(default_factory=set)
    _busy: set[PolicyKey] = field(default_factory=set)
    """Policies whose last tick is not over."""

    def __post_init__(self) -> None:
        self.caps = Caps(self._count)
        self.reporter = Reporter(lambda: self.context, self.cases, self.forget)

    @property
    def newest(self) -> Mapping[PolicyKey, Policy | Body]:
        """What was said last of each policy: as it is compiled, or, where it cannot be used, as it is."""
        return self.reporter.newest

    @property
    def _measurer(self) -> Measurer:
        return Measurer(self.context)

    async def tick(self, due: Sequence[Policy], late: float = 0.0) -> None:
        """Measure and heal all targets of these policies, then bring their status up to date."""
        started = asyncio.get_running_loop().time()
        chosen = await self._chosen(due)
        gate, turns = Gate(len(chosen), self.patience), list[Task]()
        for some in batched(chosen, AT_ONCE):
            turns += [self._begin(self._turn(policy, found, gate)) for policy, found in some]
            await asyncio.sleep(0)
        await gate.wait()
        await self._ended(turns, 2 * self.patience)
        self.context.telemetry.ticked(late, asyncio.get_running_loop().time() - started, gate.judged)

    async def _chosen(self, due: Sequence[Policy]) -> list[tuple[Policy, Targets | BaseException]]:
        """The policies with their targets, or with what kept those from being told."""
        chosen: list[tuple[Policy, Targets | BaseException]] = []
        for some in batched(due, AT_ONCE):
            chosen += [(policy, self._chosen_for(policy)) for policy in some]
            if len(some) == AT_ONCE:
                await asyncio.sleep(0)
        return chosen

    def _chosen_for(self, policy: Policy) -> Targets | BaseException:
        if self.context.is_known(policy.key):
            self.speakers.note(policy.key, policy)
        escaped: list[BaseException] = []
        with contained(escaped.append):
            found = self._targets(policy)
            self.caps.counted(policy.key, len(found))
            return found
        return escaped[0]

    def _begin(self, work: Work) -> Task:
        task = self.begin(work)
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        return task

    async def _ended(self, tasks: Collection[Task], patience: float | None) -> Set[Task]:
        """Wait for these; returns those that are late. Raises what ended one of them."""
        if not tasks:
            return frozenset()
        ended, late = await asyncio.wait(tasks, timeout=patience)
        broken = [error for task in ended if (error := task.exception()) is not None]
        if broken:
            raise broken[0]
        return late

    async def _turn(self, policy: Policy, found: Targets | BaseException, gate: Gate) -> None:
        """One tick of one policy."""
        why = self.caps.why_not(policy.key, self.context.bounds())
        if why is not None:
            self._drop_cases(policy.key)
        is_asked = why is None and not isinstance(found, BaseException) and policy.key not in self._busy
        if not is_asked:
            gate.arrive()
        if policy.key in self._busy:
            return
        self._busy.add(policy.key)
        try:
            if isinstance(found, BaseException):
                await self._step("report", policy.key, self.reporter.apologise(policy, found))
            elif why is not None:
                await self._step("report", policy.key, self.reporter.leave_out(policy, why))
            else:
                await self._look(policy, found, gate)
        finally:
            self._busy.discard(policy.key)

    async def _look(self, policy: Policy, found: Targets, gate: Gate) -> None:
        """Ask, have each target judged and healed, and say how they are."""
        turn = Turn(policy, self.newest.get(policy.key), gate)
        jobs = [(case, workload) for workload in found if not (case := self._case(policy, workload)).lock.locked()]
        try:
            answered = await self._measurer.ask([(policy, case) for case, _ in jobs])
        except BaseException:  # the end of the process: nobody is to wait for this policy
            gate.arrive()
            raise
        gate.arrive(instead=len(jobs))
        told = zip(jobs, answered, strict=True)
        steps = [self._begin(self._follow(turn, case, workload, said)) for (case, workload), said in told]
        await gate.wait()
        steps += [self._begin(self._leave(policy, case)) for case in self._left(policy, found)]
        for late in await self._ended(steps, self.patience):
            late.add_done_callback(lambda _: self._begin(self._report_late(policy)))
        await self._report(policy, found)

    async def _follow(self, turn: Turn, case: Case, workload: Workload, told: Answered | None) -> None:
        """One tick of one target, from the answers on."""
        policy, gate = turn.policy, turn.gate
        async with self._held(case) as is_here:
            try:
                if is_here:
                    await self._measurer.judge((policy, case), told)
                    case.counts_in_fleet(is_real(policy, workload, await self._size_lost(policy, case, workload)))
                    self._see(case.target)
            finally:
                gate.arrive_judged()
            await gate.wait()
            self.context.fleet.watch(self.context.switches().fleet_brake, self.context.clock.now())
            if is_here and self.newest.get(policy.key) is turn.about:  # else the next tick looks at it as it is now
                await self._heal(policy, case, workload)

    async def _size_lost(self, policy: Policy, case: Case, workload: Workload) -> int:
        """How many replicas a target had that is unhealthy without any, if a remedy may give them back."""
        if workload.replicas or not goes_back(policy) or overall(case.findings) is not Verdict.UNHEALTHY:
            return 0
        if case.lost_size is None:
            with suppress(ClusterError):  # asked again at the next tick
                case.lost(await releases.healthy_size(self.context, case.target))
        return case.lost_size or 0

    @asynccontextmanager
    async def _held(self, case: Case) -> AsyncIterator[bool]:
        """Whether the case is still there, and nobody else works at it."""
        async with case.lock:
            place = case.policy, case.target
            self.context.worked_at.add(place)
            try:
                yield self.cases.get(place) is case
            finally:
                self.context.worked_at.discard(place)
        if case.leaves:
            self._drop(case)

    async def _leave(self, policy: Policy, case: Case) -> None:
        """Finish what is unfinished about a target that is gone, or that the policy no longer speaks of."""
        async with self._held(case) as is_here:
            if is_here:
                await self._heal(policy, case, None)
                if not case.doubted:
                    case.leave()

    async def _step(self, stage: str, key: PolicyKey, work: Awaitable[None]) -> None:
        """What escapes is counted, logged, and costs nobody else anything."""
        with contained(partial(defects.note, self.context, stage, key)):
            await work

    async def _report(self, policy: Policy, found: Targets) -> None:
        await self._step("report", policy.key, self.reporter.report(policy, found))

    async def _report_late(self, policy: Policy) -> None:
        """A target's step has ended after its tick."""
        found = self._chosen_for(policy)
        if self.newest.get(policy.key) is policy and not isinstance(found, BaseException):
            await self._report(policy, found)

    def _targets(self, policy: Policy) -> Targets:
        target = policy.spec.target
        if target.name is not None:
            found = self.context.workloads.get(TargetKey(policy.key.namespace, target.kind, target.name))
            return [found] if found is not None and not found.deleting else []
        labels = target.selector.match_labels if target.selector else {}
        found_many = self.context.workloads.select(policy.key.namespace, target.kind, labels)
        return [workload for workload in found_many if not workload.deleting]

    def _count(self, policy: Policy) -> int:
        """Targets that a policy has now; none, where nobody can tell."""
        with contained(lambda _: None):
            return len(self._targets(policy))
        return 0

    def _left(self, policy: Policy, found: Targets) -> list[Case]:
        """Cases of the policy whose target is not there any more."""
        there = {workload.key for workload in found}
        return [case for case in self.cases.of(policy.key) if case.target not in there and not case.lock.locked()]

    def _case(self, policy: Policy, workload: Workload) -> Case:
        key = (policy.key, workload.key)
        if key not in self.cases:
            self.cases[key] = Case(*key)
        return self.cases[key]

    async def _heal(self, policy: Policy, case: Case, workload: Workload | None) -> None:
        structlog.contextvars.clear_contextvars()
        incident = Step(self.context, policy, case).incident
        name = incident["metadata"]["name"] if incident else None
        structlog.contextvars.bind_contextvars(policy=str(policy.key), target=str(case.target), incident=name)
        with contained(partial(self._unhealed, policy, case)):
            await self._step_of(policy, case, workload)

    async def _step_of(self, policy: Policy, case: Case, workload: Workload | None) -> None:
        sound, step = False, Step(self.context, policy, case)
        try:
            await (heal(step, workload, self._witnesses) if workload else leave(step))
            sound = True
        except Conflict as error:
            log.info("someone else was first", error=str(error))
        except ClusterError as error:
            self.context.telemetry.failed("heal")
            log.warning("the step is not finished, the next tick settles it", error=str(error))
        finally:
            case.end_step(sound=sound)

    def _unhealed(self, policy: Policy, case: Case, error: BaseException) -> None:
        defects.note(self.context, "heal", policy.key, error)
        case.refuse(Refusal(INTERNAL_ERROR, apology("healed this", error)))

    async def show_switches(self, policies: Iterable[Policy]) -> None:
        """Say in the status of these policies what the operator's administrator has just said.

        A policy that was not measured yet says it at its first tick.
        """
        for some in batched(policies, REPORTS_AT_ONCE):
            await self._ended([self._begin(self._show_switches(policy)) for policy in some], None)

    async def _show_switches(self, policy: Policy) -> None:
        found = self._chosen_for(policy)
        measured = self.caps.why_not(policy.key, self.context.bounds()) is None
        if measured and not isinstance(found, BaseException) and self._is_measured(policy, found):
            await self._report(policy, found)

    def _is_measured(self, policy: Policy, found: Targets) -> bool:
        cases = (self.cases.get((policy.key, workload.key)) for workload in found)
        return all(case is not None and case.findings for case in cases)

    async def sweep(self, namespaces: Sequence[str | None]) -> None:
        """Close the incidents of policies that are gone. Raises ClusterError."""
        for namespace in namespaces:
            for body in self.context.records.all_open(namespace):
                with contained(partial(self._unswept, body)):
                    await self._sweep(body)

    async def _sweep(self, body: Body) -> None:
        policy = PolicyKey(body["metadata"]["namespace"], body["spec"]["policyRef"]["name"])
        works = any(place[0] == policy for place in self.context.worked_at)  # the next sweep closes it
        if not self.context.is_known(policy) and not works:
            await self._end(body)

    def _unswept(self, body: Body, error: BaseException) -> None:
        """One odd incident is not closed; where the API server does not answer at all, none can be."""
        if isinstance(error, ClusterError) and not isinstance(error, Rejected):
            raise error
        self.context.telemetry.failed("relist")
        metadata = body.get("metadata")
        name = metadata.get("name") if isinstance(metadata, Mapping) else None
        log.error("an incident of a policy that is gone cannot be closed", incident=name, exc_info=error)

    async def _end(self, incident: Body) -> None:
        """The policy of an incident is gone: nobody looks at it any more, and nobody needs to answer."""
        now, metadata, target = self.context.clock.now(), incident["metadata"], incident["spec"]["targetRef"]
        key = TargetKey(metadata["namespace"], WorkloadKind(target["kind"]), target["name"])
        await self.context.records.refresh(key)
        mine = of_incident(self.context.records.changes_of(key), incident)
        await journal.close_questions(self.context, metadata["namespace"], mine)
        status = incidents.resolved(incident.get("status") or {}, (), now, "PolicyGone")
        ref = Ref(INCIDENTS, metadata["namespace"], metadata["name"])
        self.context.records.note(await self.context.cluster.update_status(ref, status))

    async def report_invalid(self, body: Body, error: SpecError, now: datetime) -> None:
        """Say in the policy's own status what is wrong with it."""
        key = PolicyKey(body["metadata"]["namespace"], body["metadata"]["name"])
        with contained(partial(defects.note, self.context, "report", key)):
            self._note(key, body, dict(body.get("status") or {}))
            await self.reporter.refuse(body, error, now)

    def accept(self, policy: Policy, status: dict[str, Any]) -> None:
        """A policy is new or has a new generation: what its checks remember is of other questions."""
        self._note(policy.key, policy, status)
        for case in self.cases.of(policy.key):
            case.renew()

    def _note(self, key: PolicyKey, about: Policy | Body, status: dict[str, Any]) -> None:
        self.reporter.note(key, about, status)
        self.caps.put(key, about)
        self.speakers.note(key, about)

    def forget(self, key: PolicyKey) -> None:
        """A policy is gone."""
        self.reporter.forget(key)
        self.speakers.forget(key)
        self.caps.forget(key)
        defects.forget(self.context, key)
        self._drop_cases(key)

    def _drop_cases(self, key: PolicyKey) -> None:
        """Where a step runs, when it is finished: two cases of a policy and target would act side by side."""
        for case in self.cases.of(key):
            if case.lock.locked():
                case.leave()
            else:
                self._drop(case)

    def _drop(self, case: Case) -> None:
        self.cases.pop((case.policy, case.target), None)
        self._see(case.target)

    def _see(self, target: TargetKey) -> None:
        """Let the view of the fleet know how a target is, by the policies by which it counts."""
        self.context.fleet.see(target, [case.findings for case in self.cases.on(target) if case.counts])

    def _witnesses(self, case: Case, workload: Workload) -> list[Witness]:
        """What other policies have to say of the same target."""
        return self.speakers.others(case.policy, workload, self._witness)

    def _witness(self, policy: Policy, target: TargetKey) -> Witness:
        in_incident = self.context.records.open_incident(policy.key, target) is not None
        return witness_of(policy, self.cases.get((policy.key, target)), in_incident=in_incident)
