"""One tick: everything that is due is asked at once, judged, and healed, each target in a task of its own.

What is due together is of one namespace and one source (`scheduler`), so that nobody waits for another's answers. A
target whose last step still runs is skipped, never queued; an error of one target is counted, logged and costs that
target one tick, after which its case is loaded anew. What escapes from the work for one policy costs the others
nothing, and is told in that policy's own status.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import starmap
from typing import Any

import structlog

from salus.contained import INTERNAL_ERROR, apology, contained
from salus.core import incidents
from salus.core.caps import LeftOut
from salus.core.compile import SpecError
from salus.core.fleet import is_real
from salus.core.proof import Witness
from salus.core.records import of_incident, past_changes
from salus.core.rights import NOT_OWNED, has_deeds
from salus.core.status import (
    TargetReport,
    changes_anything,
    left_out_status,
    metrics_lost,
    policy_status,
    stalled_status,
)
from salus.loop import defects, gather
from salus.loop.caps import Caps
from salus.loop.cases import Cases
from salus.loop.healing import Healer
from salus.loop.journal import Journal, policy_reference
from salus.loop.measure import Job, Measurer
from salus.loop.permits import Permits
from salus.loop.scopes import each_scope
from salus.loop.witnesses import Speakers
from salus.loop.world import Case, World
from salus.model.errors import Problem
from salus.model.meta import WorkloadKind
from salus.model.types import Body
from salus.model.values import Policy, PolicyKey, Refusal, Rights, TargetKey, Workload
from salus.ports import HEALTH_POLICIES, INCIDENTS, ClusterError, Conflict, NotFound, Notice, Ref, Rejected

log = structlog.get_logger(__name__)

Chosen = tuple[Policy, Sequence[Workload]]
"""A policy and its targets."""
Step = tuple[PolicyKey, Callable[[], Awaitable[None]]]
"""Work for a policy, not begun: what is begun and never awaited is warned of."""


@dataclass(slots=True)
class Loop:
    """Runs ticks; remembers a case per policy and target, and the status that it wrote per policy."""

    world: World
    cases: Cases = field(default_factory=Cases)
    written: dict[PolicyKey, dict[str, Any]] = field(default_factory=dict)
    newest: dict[PolicyKey, Policy | Body] = field(default_factory=dict)
    """What was said last of each policy: as it is compiled, or, where it cannot be used, as it is."""
    writing: defaultdict[PolicyKey, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    """Held while a policy's status is written, so that the newest is written last."""
    permits: Permits = field(default_factory=Permits)
    speakers: Speakers = field(default_factory=Speakers)
    caps: Caps = field(init=False)

    def __post_init__(self) -> None:
        self.caps = Caps(lambda policy: sum(len(found) for _, found in self._chosen([policy])[0]))

    @property
    def _measurer(self) -> Measurer:
        return Measurer(self.world)

    async def tick(self, due: Sequence[Policy], late: float = 0.0) -> None:
        """Measure and heal all targets of these policies, then bring their status up to date."""
        started = asyncio.get_running_loop().time()
        for policy in due:
            if self.world.is_known(policy.key):
                self.speakers.note(policy.key, policy)
        chosen, lost = self._chosen(due)
        chosen = await self._within_caps(chosen)
        jobs = [(policy, self._case(policy, workload), workload) for policy, found in chosen for workload in found]
        free = [job for job in jobs if not job[1].lock.locked()]
        await self._measure([(policy, case) for policy, case, _ in free])
        for policy, case, workload in jobs:
            case.counts = is_real(policy, workload)
        for target in {case.target for _, case, _ in jobs}:
            self._see(target)
        self.world.ledger.watch(self.world.switches().fleet_brake, self.world.clock.now())
        await self._all("heal", [(job[0].key, partial(self._heal, *job)) for job in free])
        left = [(policy, case) for policy, found in chosen for case in self._left(policy, found)]
        await self._all("leave", [(policy.key, partial(self._leave, policy, case)) for policy, case in left])
        await self._report_all(chosen)
        await self._all("report", [(policy.key, partial(self._apologise, policy, error)) for policy, error in lost])
        self.world.telemetry.ticked(late, asyncio.get_running_loop().time() - started, len(free))

    async def _measure(self, jobs: Sequence[Job]) -> None:
        """Each policy by itself, all at the same time: what one of them meets is not the others'."""
        by_policy: defaultdict[PolicyKey, list[Job]] = defaultdict(list)
        for policy, case in jobs:
            by_policy[policy.key].append((policy, case))
        steps = [(key, partial(self._measurer.measure, theirs)) for key, theirs in by_policy.items()]
        await self._all("measure", steps)

    async def _all(self, stage: str, steps: Sequence[Step]) -> None:
        """Run side by side; what escapes from one step is counted, logged, and costs the others nothing."""
        for ended in await asyncio.gather(*starmap(partial(self._step, stage), steps), return_exceptions=True):
            if ended is not None:
                raise ended

    async def _step(self, stage: str, key: PolicyKey, work: Callable[[], Awaitable[None]]) -> None:
        with contained(partial(defects.note, self.world, stage, key)):
            await work()

    def _chosen(self, policies: Sequence[Policy]) -> tuple[list[Chosen], list[tuple[Policy, BaseException]]]:
        """The policies with their targets, and those whose targets could not be told."""
        chosen: list[Chosen] = []
        lost: list[tuple[Policy, BaseException]] = []
        for policy in policies:
            escaped: list[BaseException] = []
            with contained(escaped.append):
                chosen.append((policy, self._targets(policy)))
            lost += [(policy, error) for error in escaped]
        return chosen, lost

    async def _within_caps(self, chosen: Sequence[Chosen]) -> list[Chosen]:
        """Those that are measured; the others say why they are not, and what was seen of their targets is forgotten."""
        for policy, found in chosen:
            self.caps.counted(policy.key, len(found))
        bounds, now = self.world.bounds(), self.world.clock.now()
        judged = [(one, self.caps.why_not(one[0].key, bounds)) for one in chosen]
        over = [(policy, why) for (policy, _), why in judged if why is not None]
        for policy, _ in over:
            self._drop_cases(policy.key)
        await self._all("report", [(policy.key, partial(self._leave_out, policy, why, now)) for policy, why in over])
        return [one for one, why in judged if why is None]

    async def _leave_out(self, policy: Policy, why: LeftOut, now: datetime) -> None:
        written = self.written.setdefault(policy.key, {})
        await self._write(policy.key, policy, left_out_status(policy, why, written, now))

    def _targets(self, policy: Policy) -> Sequence[Workload]:
        target = policy.spec.target
        if target.name is not None:
            found = self.world.workloads.get(TargetKey(policy.key.namespace, target.kind, target.name))
            return [found] if found is not None and not found.deleting else []
        labels = target.selector.match_labels if target.selector else {}
        found_many = self.world.workloads.select(policy.key.namespace, target.kind, labels)
        return [workload for workload in found_many if not workload.deleting]

    def _left(self, policy: Policy, found: Sequence[Workload]) -> list[Case]:
        """Cases of the policy whose target is not there any more."""
        there = {workload.key for workload in found}
        return [case for case in self.cases.of(policy.key) if case.target not in there and not case.lock.locked()]

    async def _leave(self, policy: Policy, case: Case) -> None:
        """Finish what is unfinished about a target that is gone, or that the policy no longer speaks of."""
        await self._heal(policy, case, None)
        if case.loaded:
            self._drop(case)

    def _case(self, policy: Policy, workload: Workload) -> Case:
        key = (policy.key, workload.key)
        if key not in self.cases:
            self.cases[key] = Case(*key)
        return self.cases[key]

    async def _heal(self, policy: Policy, case: Case, workload: Workload | None) -> None:
        async with case.lock:
            if self.cases.get((case.policy, case.target)) is not case:
                return  # dropped while it was measured
            structlog.contextvars.clear_contextvars()
            incident = case.incident["metadata"]["name"] if case.incident else None
            structlog.contextvars.bind_contextvars(
                policy=str(policy.key),
                target=str(case.target),
                incident=incident,
                change=case.change.name if case.change else None,
            )
            with contained(partial(self._unhealed, policy, case)):
                await self._step_of(policy, case, workload)
        if case.leaves:
            self._drop(case)

    async def _step_of(self, policy: Policy, case: Case, workload: Workload | None) -> None:
        sound = False
        try:
            healer = Healer(self.world, self._measurer, self._witnesses)
            await (healer.step(policy, case, workload) if workload else healer.leave(policy, case))
            sound = True
        except Conflict as error:
            log.info("someone else was first", error=str(error))
        except ClusterError as error:
            self.world.telemetry.failed("heal")
            log.warning("the step is not finished, the next tick settles it", error=str(error))
        finally:
            case.loaded = case.loaded and sound
        if sound and case.refusal is not None and case.refusal.reason == INTERNAL_ERROR:
            case.refusal = None

    def _unhealed(self, policy: Policy, case: Case, error: BaseException) -> None:
        defects.note(self.world, "heal", policy.key, error)
        case.refusal = Refusal(INTERNAL_ERROR, apology("healed this", error))

    async def show_switches(self, policies: Sequence[Policy]) -> None:
        """Say in the status of these policies what the operator's administrator has just said.

        A policy that was not measured yet says it at its first tick.
        """
        bounds = self.world.bounds()
        chosen, _ = self._chosen([policy for policy in policies if self.caps.why_not(policy.key, bounds) is None])
        await self._report_all([one for one in chosen if self._is_measured(*one)])

    def _is_measured(self, policy: Policy, found: Sequence[Workload]) -> bool:
        cases = (self.cases.get((policy.key, workload.key)) for workload in found)
        return all(case is not None and case.findings for case in cases)

    async def _report_all(self, chosen: Sequence[Chosen]) -> None:
        await self._all("report", [(one[0].key, partial(self._report, *one)) for one in chosen])

    async def _report(self, policy: Policy, found: Sequence[Workload]) -> None:
        escaped: list[BaseException] = []
        with contained(escaped.append):
            await self._tell(policy, found)
        for error in escaped:
            await self._apologise(policy, error)

    async def _apologise(self, policy: Policy, error: BaseException) -> None:
        """Say in the policy's status that nothing can be said."""
        defects.note(self.world, "report", policy.key, error)
        told = SpecError((Problem("status", apology("looked at this policy", error)),), INTERNAL_ERROR)
        body = {"metadata": {"generation": policy.generation}, "status": self.written.get(policy.key)}
        await self._write(policy.key, policy, stalled_status(body, told, self.world.clock.now()))

    async def _tell(self, policy: Policy, found: Sequence[Workload]) -> None:
        cases = [case for workload in found if (case := self.cases.get((policy.key, workload.key)))]
        reports = [
            TargetReport(c.target, c.findings, c.refusal, c.last_change, self._others(policy, c.target))
            for c in cases
            if c.findings
        ]
        now, written = self.world.clock.now(), self.written.setdefault(policy.key, {})
        rights, stopped = await self._rights(policy, found, cases, now), self.world.switches().stopped
        status = policy_status(policy, reports, written, now, rights=rights, stopped=stopped)
        await self._write(policy.key, policy, status)
        if lost := metrics_lost(status, written):
            about = policy_reference(policy)
            notice = Notice(regarding=about, reason="MetricsUnavailable", action="Measure", note=lost, warning=True)
            await self.world.recorder.post(notice)

    async def _rights(
        self, policy: Policy, found: Sequence[Workload], cases: Sequence[Case], now: datetime
    ) -> Rights | None:
        """What the policy's account may do; of a policy that only tells people, nothing is asked."""
        if not found or not has_deeds(policy):
            return Rights()
        doubted = any(case.refusal and case.refusal.reason == NOT_OWNED for case in cases)
        return await self.permits.of(self.world, policy, found, now, doubted=doubted)

    async def sweep(self, namespaces: Sequence[str | None]) -> None:
        """Close the incidents of policies that are gone. Raises ClusterError."""
        await each_scope(namespaces, self._sweep_all_of, "close incidents of policies that are gone")

    async def _sweep_all_of(self, namespace: str | None) -> None:
        async for body in self.world.cluster.each(INCIDENTS, namespace):
            with contained(partial(self._unswept, body)):
                await self._sweep(body)

    async def _sweep(self, body: Body) -> None:
        key = PolicyKey(body["metadata"]["namespace"], body["spec"]["policyRef"]["name"])
        if incidents.is_over(body) or self.world.is_known(key):
            return
        await self._end(body)

    def _unswept(self, body: Body, error: BaseException) -> None:
        """One odd incident is not closed; where the API server does not answer at all, none can be."""
        if isinstance(error, ClusterError) and not isinstance(error, Rejected):
            raise error
        self.world.telemetry.failed("relist")
        metadata = body.get("metadata")
        name = metadata.get("name") if isinstance(metadata, Mapping) else None
        log.error("an incident of a policy that is gone cannot be closed", incident=name, exc_info=error)

    async def _end(self, incident: Body) -> None:
        """The policy of an incident is gone: nobody looks at it any more, and nobody needs to answer."""
        now, metadata, target = self.world.clock.now(), incident["metadata"], incident["spec"]["targetRef"]
        key = TargetKey(metadata["namespace"], WorkloadKind(target["kind"]), target["name"])
        changes = past_changes(await gather.change_bodies(self.world, key))
        await Journal(self.world).close_questions(of_incident(changes, incident), metadata["namespace"], now)
        status = incidents.resolved(incident.get("status") or {}, (), now, "PolicyGone")
        await self.world.cluster.update_status(Ref(INCIDENTS, metadata["namespace"], metadata["name"]), status)

    async def report_invalid(self, body: Body, error: SpecError, now: datetime) -> None:
        """Say in the policy's own status what is wrong with it."""
        key = PolicyKey(body["metadata"]["namespace"], body["metadata"]["name"])
        with contained(partial(defects.note, self.world, "report", key)):
            self.newest[key] = body
            self.caps.put(key, body)
            self.speakers.note(key, body)
            self.written[key] = dict(body.get("status") or {})
            await self._write(key, body, stalled_status(body, error, now))

    async def _write(self, key: PolicyKey, about: Policy | Body, status: dict[str, Any]) -> None:
        """Write a status, unless something newer was said of the policy while this one was made."""
        async with self.writing[key]:
            if self.newest.get(key, about) is about:
                await self._write_news(key, status)

    async def _write_news(self, key: PolicyKey, status: dict[str, Any]) -> None:
        written = self.written.get(key, {})
        if not changes_anything(status, written):
            return
        try:
            body = await self.world.cluster.update_status(Ref(HEALTH_POLICIES, key.namespace, key.name), status)
        except NotFound:
            self.forget(key)
        except ClusterError as error:
            self.world.telemetry.failed("status")
            log.warning("the policy's status is not written", policy=str(key), error=str(error))
        else:
            self.written[key] = dict(body.get("status") or {})

    def accept(self, policy: Policy, status: dict[str, Any]) -> None:
        """A policy is new or has a new generation: what its checks remember is of other questions."""
        self.newest[policy.key] = policy
        self.caps.put(policy.key, policy)
        self.speakers.note(policy.key, policy)
        self.written[policy.key] = status
        for case in self.cases.of(policy.key):
            case.memories.clear()
            case.loaded, case.good_release = False, ""

    def forget(self, key: PolicyKey) -> None:
        """A policy is gone."""
        for known in (self.written, self.newest, self.writing):
            known.pop(key, None)
        self.speakers.forget(key)
        self.caps.forget(key)
        defects.forget(self.world, key)
        self._drop_cases(key)

    def _drop_cases(self, key: PolicyKey) -> None:
        """Where a step runs, when it is finished: two cases of a policy and target would act side by side."""
        for case in self.cases.of(key):
            case.leaves = case.lock.locked()
            if not case.leaves:
                self._drop(case)

    def _drop(self, case: Case) -> None:
        self.cases.pop((case.policy, case.target), None)
        self._see(case.target)

    def _see(self, target: TargetKey) -> None:
        """Let the ledger know how a target is, by the policies by which it counts."""
        self.world.ledger.see(target, [case.findings for case in self.cases.on(target) if case.counts])

    def _witnesses(self, case: Case, workload: Workload) -> list[Witness]:
        """What other policies have to say of the same target."""
        return self.speakers.others(case, workload, self.cases)

    def _others(self, policy: Policy, target: TargetKey) -> tuple[str, ...]:
        """A target's policies without this one; all of them are of the target's namespace."""
        return tuple(sorted(case.policy.name for case in self.cases.on(target) if case.policy != policy.key))
