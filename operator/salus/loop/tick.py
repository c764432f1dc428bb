"""One tick: everything that is due is asked at once, judged, and healed, each target in a task of its own.

A target whose last step still runs is skipped, never queued; an error of one target is counted, logged and costs that
target one tick, after which its case is loaded anew.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from salus.core import incidents
from salus.core.compile import SpecError
from salus.core.rights import NOT_OWNED, has_deeds
from salus.core.status import TargetReport, changes_anything, policy_status, stalled_status
from salus.loop.healing import Healer
from salus.loop.measure import Measurer
from salus.loop.permits import Permits
from salus.loop.world import Case, World
from salus.model.types import Body
from salus.model.values import Policy, PolicyKey, Rights, TargetKey, Workload
from salus.ports import HEALTH_POLICIES, INCIDENTS, ClusterError, Conflict, NotFound, Ref

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Loop:
    """Runs ticks; remembers a case per policy and target, and the status that it wrote per policy."""

    world: World
    cases: dict[tuple[PolicyKey, TargetKey], Case] = field(default_factory=dict)
    written: dict[PolicyKey, dict[str, Any]] = field(default_factory=dict)
    permits: Permits = field(default_factory=Permits)

    @property
    def _measurer(self) -> Measurer:
        return Measurer(self.world)

    async def tick(self, due: Sequence[Policy], late: float = 0.0) -> None:
        """Measure and heal all targets of these policies, then bring their status up to date."""
        started = asyncio.get_running_loop().time()
        chosen = [(policy, self._targets(policy)) for policy in due]
        jobs = [(policy, self._case(policy, workload), workload) for policy, found in chosen for workload in found]
        free = [job for job in jobs if not job[1].lock.locked()]
        await self._measurer.measure([(policy, case) for policy, case, _ in free])
        self.world.ledger.see((case.target, case.findings) for case in self.cases.values())
        await self._all("heal", [self._heal(*job) for job in free])
        await self._all(
            "leave", [self._leave(policy, case) for policy, found in chosen for case in self._left(policy, found)]
        )
        await self._all("report", [self._report(policy, found) for policy, found in chosen])
        self.world.telemetry.ticked(late, asyncio.get_running_loop().time() - started, len(free))

    async def _all(self, stage: str, steps: Sequence[Coroutine[Any, Any, None]]) -> None:
        """Run side by side; a defect in one step is logged with its trace and costs the others nothing."""
        for result in await asyncio.gather(*steps, return_exceptions=True):
            if isinstance(result, Exception):
                self.world.telemetry.failed(stage)
                log.error("a defect in Salus, please report it", stage=stage, exc_info=result)
            elif result is not None:
                raise result

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
        return [case for case in self._cases_of(policy.key) if case.target not in there and not case.lock.locked()]

    async def _leave(self, policy: Policy, case: Case) -> None:
        """Finish what is unfinished about a target that is gone, or that the policy no longer speaks of."""
        await self._heal(policy, case, None)
        if case.loaded:
            self.cases.pop((case.policy, case.target), None)

    def _case(self, policy: Policy, workload: Workload) -> Case:
        key = (policy.key, workload.key)
        if key not in self.cases:
            self.cases[key] = Case(*key)
        return self.cases[key]

    async def _heal(self, policy: Policy, case: Case, workload: Workload | None) -> None:
        async with case.lock:
            structlog.contextvars.clear_contextvars()
            incident = case.incident["metadata"]["name"] if case.incident else None
            structlog.contextvars.bind_contextvars(
                policy=str(policy.key),
                target=str(case.target),
                incident=incident,
                change=case.change.name if case.change else None,
            )
            sound = False
            try:
                healer = Healer(self.world, self._measurer, self._neighbours)
                await (healer.step(policy, case, workload) if workload else healer.leave(policy, case))
                sound = True
            except Conflict as error:
                log.info("someone else was first", error=str(error))
            except ClusterError as error:
                self.world.telemetry.failed("heal")
                log.warning("the step is not finished, the next tick settles it", error=str(error))
            finally:
                case.loaded = case.loaded and sound

    async def _report(self, policy: Policy, found: Sequence[Workload]) -> None:
        cases = [self.cases[policy.key, workload.key] for workload in found]
        reports = [TargetReport(c.target, c.findings, c.refusal, c.last_change) for c in cases if c.findings]
        now, written = self.world.clock.now(), self.written.setdefault(policy.key, {})
        rights: Rights | None = Rights()
        if found and has_deeds(policy):
            doubted = any(case.refusal and case.refusal.reason == NOT_OWNED for case in cases)
            rights = await self.permits.of(self.world, policy, found, now, doubted=doubted)
        await self._write(policy.key, policy_status(policy, reports, written, now, rights))

    async def sweep(self, namespaces: Sequence[str | None]) -> None:
        """Close the incidents of policies that are gone. Raises ClusterError."""
        for namespace in namespaces:
            for body in await self.world.cluster.list(INCIDENTS, namespace):
                key = PolicyKey(body["metadata"]["namespace"], body["spec"]["policyRef"]["name"])
                if not incidents.is_over(body) and not self.world.is_known(key):
                    status = incidents.resolved(body.get("status") or {}, (), self.world.clock.now(), "PolicyGone")
                    await self.world.cluster.update_status(
                        Ref(INCIDENTS, key.namespace, body["metadata"]["name"]), status
                    )

    async def report_invalid(self, body: Body, error: SpecError, now: datetime) -> None:
        """Say in the policy's own status what is wrong with it."""
        key = PolicyKey(body["metadata"]["namespace"], body["metadata"]["name"])
        self.written[key] = dict(body.get("status") or {})
        await self._write(key, stalled_status(body, error, now))

    async def _write(self, key: PolicyKey, status: dict[str, Any]) -> None:
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
        self.written[policy.key] = status
        for case in self._cases_of(policy.key):
            case.memories.clear()
            case.loaded = False

    def forget(self, key: PolicyKey) -> None:
        """A policy is gone."""
        self.written.pop(key, None)
        for case in self._cases_of(key):
            del self.cases[case.policy, case.target]

    def _neighbours(self, case: Case) -> list[Case]:
        """What other policies see on the same target."""
        return [other for (_, target), other in self.cases.items() if target == case.target and other is not case]

    def _cases_of(self, key: PolicyKey) -> list[Case]:
        return [case for (policy, _), case in self.cases.items() if policy == key]
