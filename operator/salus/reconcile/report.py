"""What the status of each policy says, written when it says something else than before.

Policies are many, and at most ticks they say what they said at the one before: then not even the status is made. What
was said last of a policy is written last, whatever was begun before it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import structlog

from salus.contained import INTERNAL_ERROR, apology, contained
from salus.core.guards.permissions import NOT_PERMITTED, has_writes
from salus.core.policy.caps import LeftOut
from salus.core.policy.compile import SpecError
from salus.core.records.names import policy_reference
from salus.core.records.policy_status import (
    Allowed,
    TargetReport,
    changes_anything,
    left_out_status,
    metrics_lost,
    policy_status,
    said,
    stalled_status,
)
from salus.model.problems import Problem
from salus.model.scalars import Body
from salus.model.values.changes import Change
from salus.model.values.keys import PolicyKey, TargetKey
from salus.model.values.objects import Workload
from salus.model.values.permissions import Permissions
from salus.model.values.policies import Policy
from salus.ports import HEALTH_POLICIES, ClusterError, NotFound, Notice, Ref
from salus.reconcile import defects
from salus.reconcile.cases import Case, Cases
from salus.reconcile.context import Context
from salus.reconcile.observe.permissions import AccountPermissions

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Said:
    """What a status was made from, and the one that was written then."""

    of: object
    written: dict[str, Any]


@dataclass(slots=True)
class Reporter:
    """Remembers, per policy, the status that is written, and what it was made from."""

    _world: Callable[[], Context]
    cases: Cases
    gone: Callable[[PolicyKey], None]
    """Told of a policy that turns out not to be there any more."""
    permissions: AccountPermissions = field(default_factory=AccountPermissions)
    newest: dict[PolicyKey, Policy | Body] = field(default_factory=dict)
    """What was said last of each policy: as it is compiled, or, where it cannot be used, as it is."""
    _written: dict[PolicyKey, dict[str, Any]] = field(default_factory=dict)
    _said: dict[PolicyKey, Said] = field(default_factory=dict)
    _writing: defaultdict[PolicyKey, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    """Held while a policy's status is formed from the one before it and written, so that the newest is written last."""

    @property
    def context(self) -> Context:
        """Every port."""
        return self._world()

    def note(self, key: PolicyKey, about: Policy | Body, status: dict[str, Any]) -> None:
        """A policy is new or has a new generation, and this status."""
        self.newest[key], self._written[key] = about, status
        self._said.pop(key, None)

    def forget(self, key: PolicyKey) -> None:
        """A policy is gone."""
        for known in (self.newest, self._written, self._said, self._writing):
            known.pop(key, None)

    async def report(self, policy: Policy, found: Sequence[Workload]) -> None:
        """Say how the policy's targets are."""
        escaped: list[BaseException] = []
        with contained(escaped.append):
            async with self._writing[policy.key]:
                await self._tell(policy, found)
        for error in escaped:
            await self.apologise(policy, error)

    async def apologise(self, policy: Policy, error: BaseException) -> None:
        """Say in the policy's status that nothing can be said."""
        defects.note(self.context, "report", policy.key, error)
        told = SpecError((Problem("status", apology("looked at this policy", error)),), INTERNAL_ERROR)
        body = {"metadata": {"generation": policy.generation}, "status": self._written.get(policy.key)}
        await self._write(policy.key, policy, stalled_status(body, told, self.context.clock.now()))

    async def leave_out(self, policy: Policy, why: LeftOut) -> None:
        """Say that the policy is not measured."""
        written = self._written.setdefault(policy.key, {})
        await self._write(policy.key, policy, left_out_status(policy, why, written, self.context.clock.now()))

    async def refuse(self, body: Body, error: SpecError, now: datetime) -> None:
        """Say what is wrong with a policy that cannot be used."""
        key = PolicyKey(body["metadata"]["namespace"], body["metadata"]["name"])
        with contained(partial(defects.note, self.context, "report", key)):
            await self._write(key, body, stalled_status(body, error, now))

    async def _tell(self, policy: Policy, found: Sequence[Workload]) -> None:
        """Say it, unless that is what was said last. The policy's lock is held, so nothing else is on its way."""
        cases = [case for workload in found if (case := self.cases.get((policy.key, workload.key)))]
        reports = [self._report_of(policy, case) for case in cases if case.findings]
        if cases and not reports:
            return  # the first look at them is late
        now, written = self.context.clock.now(), self._written.setdefault(policy.key, {})
        allowed = Allowed(await self._rights(policy, found, cases, now), self.context.switches().stopped)
        for case in cases:
            case.knows_permissions(allowed.permissions)
        of, before = said(policy, reports, allowed), self._said.get(policy.key)
        if before is not None and before.written is written and before.of == of:
            return
        status = policy_status(policy, reports, written, now, allowed)
        if await self._write_newest(policy.key, policy, status):
            self._said[policy.key] = Said(of, self._written.get(policy.key, written))
        if lost := metrics_lost(status, written):
            about = policy_reference(policy)
            notice = Notice(regarding=about, reason="MetricsUnavailable", action="Measure", note=lost, warning=True)
            await self.context.recorder.post(notice)

    def _report_of(self, policy: Policy, case: Case) -> TargetReport:
        incident = self.context.records.open_incident(policy.key, case.target)
        return TargetReport(
            case.target,
            case.findings,
            case.refusal,
            self._newest(policy, case),
            self._others(policy, case.target),
            incident["metadata"]["name"] if incident else "",
        )

    def _newest(self, policy: Policy, case: Case) -> Change | None:
        """The newest record of a policy on a target."""
        return case.stands(policy, self.context.records.changes_of(case.target)).newest

    def _others(self, policy: Policy, target: TargetKey) -> tuple[str, ...]:
        """A target's policies without this one; all of them are of the target's namespace."""
        return tuple(sorted(case.policy.name for case in self.cases.on(target) if case.policy != policy.key))

    async def _rights(
        self, policy: Policy, found: Sequence[Workload], cases: Sequence[Case], now: datetime
    ) -> Permissions | None:
        """What the policy's account may do; of a policy that only tells people, nothing is asked."""
        if not found or not has_writes(policy):
            return Permissions()
        doubted = any(case.refusal and case.refusal.reason == NOT_PERMITTED for case in cases)
        return await self.permissions.of(self.context, policy, found, now, doubted=doubted)

    async def _write(self, key: PolicyKey, about: Policy | Body, status: dict[str, Any]) -> None:
        async with self._writing[key]:
            await self._write_newest(key, about, status)

    async def _write_newest(self, key: PolicyKey, about: Policy | Body, status: dict[str, Any]) -> bool:
        """Write a status, unless something newer was said of the policy meanwhile. Whether that is how it is."""
        return self.newest.get(key, about) is about and await self._write_news(key, status)

    async def _write_news(self, key: PolicyKey, status: dict[str, Any]) -> bool:
        if not changes_anything(status, self._written.get(key, {})):
            return True
        try:
            body = await self.context.cluster.update_status(Ref(HEALTH_POLICIES, key.namespace, key.name), status)
        except NotFound:
            self.gone(key)
        except ClusterError as error:
            self.context.telemetry.failed("status")
            log.warning("the policy's status is not written", policy=str(key), error=str(error))
        else:
            self._written[key] = dict(body.get("status") or {})
            return True
        return False
