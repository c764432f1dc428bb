"""What the account of a policy may do on its targets, as far as the person may ask.

By a review of the API server; else by the bindings and roles of the account, where that shows all of them. Who may see
neither is told the right that it takes, and nothing is said of accounts.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from salus.cli.lint.around import MOST_TARGETS
from salus.cli.lint.rule import Around
from salus.cli.metrics.ask import IN_FLIGHT
from salus.cli.person import Person
from salus.cli.who import Bound, bound
from salus.core.guards.permissions import acts, judge
from salus.model.values.permissions import Permission, Permissions
from salus.model.values.policies import Policy
from salus.ports import SERVICE_ACCOUNTS
from salus.reconcile.observe.permissions import standing


class _NotTheirs(Exception):
    """The person may not ask."""


@dataclass(slots=True)
class Accounts:
    """The accounts of the policies that are linted; each is asked about a right once."""

    person: Person
    default: str
    """Name of the account of a policy that names none."""
    _known: "dict[tuple[str, str], _Account]" = field(default_factory=dict)

    async def of(self, policy: Policy, around: Sequence[Around]) -> Permissions | None:
        """What is lacking, if anything; None: nobody knows, or nothing is done."""
        there = [one for one in around if one.workload is not None][:MOST_TARGETS]
        if not acts(policy) or not there:
            return None
        namespace, name = policy.key.namespace, policy.spec.service_account_name or self.default
        account = self._known.setdefault((namespace, name), _Account(self.person, namespace, name))
        targets = [one.workload for one in there if one.workload is not None]
        scalers = [scaler for one in there for scaler in one.autoscalers]
        try:
            found = await standing(account, policy, targets, scalers)
        except _NotTheirs:
            self.person.may_not_ask_of_accounts(namespace)
            return None
        return judge(namespace, name, "", found)


@dataclass(slots=True)
class _Account:
    person: Person
    namespace: str
    name: str
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IN_FLIGHT))
    _answers: dict[tuple[Permission, str], bool] = field(default_factory=dict)
    _exists: bool | None = None
    _bound: Bound | None = None

    async def exists(self) -> bool:
        """Whether it is there; a namespace has one at least, so that none seen says nothing."""
        if self._exists is None:
            there = await self.person.metadata_around(SERVICE_ACCOUNTS, self.namespace)
            self._exists = not there or any(one["metadata"]["name"] == self.name for one in there)
        return self._exists

    async def may_impersonate(self) -> bool:
        """Whether it is lent: who the operator is nobody knows here, and the policy's status says it."""
        return True

    async def may(self, right: Permission, name: str = "") -> bool:
        """As `Subject`. Raises _NotTheirs."""
        async with self.slots:
            if (right, name) not in self._answers:
                self._answers[right, name] = await self._asked(right, name)
            return self._answers[right, name]

    async def _asked(self, right: Permission, name: str) -> bool:
        said = await self.person.account_may(self.name, right, self.namespace, name)
        if said is not None:
            return said
        if self._bound is None:
            self._bound = await bound(self.person, self.namespace, self.name)
        found = self._bound.may(right, name)
        if found is None:
            raise _NotTheirs
        return found
