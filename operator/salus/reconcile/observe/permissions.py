"""What the accounts of policies may do, asked of the API server: at every action afresh, for the status now and then.

For the status an answer is remembered per account, not per policy: all right, it is asked again after ten minutes;
something lacking, after half a minute, so that rights granted meanwhile are found without anybody touching the policy.
A bucket of tokens bounds the whole to twenty accounts a second, however many policies have nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from salus.core.guards.permissions import Standing, judge, needs
from salus.model.values.keys import PolicyKey
from salus.model.values.objects import Autoscaler, Workload
from salus.model.values.permissions import Permission, Permissions
from salus.model.values.policies import Policy
from salus.ports import ClusterError
from salus.reconcile.context import Context, account_of, client_for

GOOD_FOR, BAD_FOR = timedelta(minutes=10), timedelta(seconds=30)
PER_SECOND = 20
"""Accounts that are asked about, at most; each takes two to five requests, and more where rights are given by name."""

log = structlog.get_logger(__name__)


async def look(
    context: Context, policy: Policy, targets: Sequence[Workload], scalers: Sequence[Autoscaler]
) -> Permissions:
    """Whether the policy's account may act on these targets and their autoscalers, as of now. Raises ClusterError."""
    return await _judged(context, policy, await standing(client_for(context, policy), policy, targets, scalers))


class Subject(Protocol):
    """What is asked of an account."""

    async def exists(self) -> bool:
        """Whether it is there."""
        ...

    async def may_impersonate(self) -> bool:
        """Whether it is lent to the operator."""
        ...

    async def may(self, right: Permission, name: str = "") -> bool:
        """Whether it has this right on the object of this name, or on all of the kind."""
        ...


@dataclass(slots=True)
class _Remembered:
    """An account of which everything is asked once; two who ask at the same time share the answer."""

    account: Subject
    since: datetime
    good_for: timedelta = GOOD_FOR
    judged: dict[PolicyKey, tuple[object, Permissions]] = field(default_factory=dict)
    """What a policy needs, and what follows from the answers for it."""
    _answers: dict[Hashable, asyncio.Future[bool]] = field(default_factory=dict)

    async def exists(self) -> bool:
        return await self._once("exists", self.account.exists)

    async def may_impersonate(self) -> bool:
        return await self._once("lent", self.account.may_impersonate)

    async def may(self, right: Permission, name: str = "") -> bool:
        return await self._once((right, name), lambda: self.account.may(right, name))

    async def _once(self, question: Hashable, ask: Callable[[], Awaitable[bool]]) -> bool:
        if question not in self._answers:
            self._answers[question] = asyncio.ensure_future(ask())
        return await asyncio.shield(self._answers[question])


@dataclass(slots=True)
class AccountPermissions:
    """What was found lately, for the status of policies."""

    _known: dict[tuple[str, str], _Remembered] = field(default_factory=dict)
    """The oldest first, so that nobody looks through all to forget a few."""
    _tokens: float = PER_SECOND
    _filled_at: datetime | None = None

    async def of(
        self, context: Context, policy: Policy, targets: Sequence[Workload], now: datetime, *, doubted: bool = False
    ) -> Permissions | None:
        """What the policy's account may do, as far as it was found lately; None when nobody knows.

        `doubted`: an action was refused for lack of rights, so that good news are old news.
        """
        key = (policy.key.namespace, account_of(context, policy))
        if doubted and key in self._known and self._known[key].good_for == GOOD_FOR:
            self._known[key].good_for = timedelta(0)
        try:
            known = self._fresh(key, now) or self._anew(context, policy, key, now)
            if known is None:
                return None
            permissions = await _rights(context, known, policy, targets)
        except ClusterError as error:
            self._known.pop(key, None)
            log.warning("what a service account may do could not be asked", policy=str(policy.key), error=str(error))
            return None
        if permissions.lacks:
            known.good_for = BAD_FOR
        return permissions

    def _fresh(self, key: tuple[str, str], now: datetime) -> _Remembered | None:
        """What is remembered of an account. Old or not, where there is no token: late news are better than none."""
        known = self._known.get(key)
        if known is None or now - known.since < known.good_for or not self._has_token(now):
            return known
        return None

    def _anew(self, context: Context, policy: Policy, key: tuple[str, str], now: datetime) -> _Remembered | None:
        if key not in self._known and not self._has_token(now):
            return None
        self._known.pop(key, None)
        while self._known and not now - next(iter(self._known.values())).since < 2 * GOOD_FOR:
            del self._known[next(iter(self._known))]
        self._known[key] = known = _Remembered(client_for(context, policy), now)
        return known

    def _has_token(self, now: datetime) -> bool:
        passed = (now - self._filled_at).total_seconds() if self._filled_at else 0.0
        self._tokens, self._filled_at = min(self._tokens + passed * PER_SECOND, PER_SECOND), now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


async def _rights(context: Context, known: _Remembered, policy: Policy, targets: Sequence[Workload]) -> Permissions:
    """What the account may do for this policy, worked out once for what is remembered of the account."""
    needed = needs(policy, targets)
    judged = known.judged.get(policy.key)
    if judged is None or judged[0] != needed:
        judged = needed, await _judged(context, policy, await standing(known, policy, targets))
        known.judged[policy.key] = judged
    return judged[1]


async def standing(
    account: Subject, policy: Policy, targets: Sequence[Workload], scalers: Sequence[Autoscaler] = ()
) -> Standing:
    """All that it takes to act on these targets, asked of an account. Raises what the account raises."""
    exists, may_impersonate = await asyncio.gather(account.exists(), account.may_impersonate())
    if not exists or not may_impersonate:
        return Standing(exists, may_impersonate)
    found = await asyncio.gather(*(_denied(account, *need) for need in needs(policy, targets, scalers)))
    return Standing(exists, may_impersonate, tuple(denial for some in found for denial in some))


async def _denied(account: Subject, right: Permission, names: Sequence[str]) -> list[tuple[Permission, str]]:
    """Where the right is lacking: it may be given for all objects of the kind, or for each by its name."""
    if await account.may(right):
        return []
    if not names:
        return [(right, "")]
    return [(right, name) for name in names if not await account.may(right, name)]


async def _judged(context: Context, policy: Policy, found: Standing) -> Permissions:
    fine = found.exists and found.may_impersonate and not found.denied
    me = "" if fine else await context.accounts.me()
    return judge(policy.key.namespace, account_of(context, policy), me, found)
