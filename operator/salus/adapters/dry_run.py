"""Accounts that leave the workloads alone: everything is read and judged, every record is written, no action is done.

A write is answered as the server would answer it, from the fresh object, and not sent. That the decision is the same as
in earnest is the loop's to see to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from salus.adapters.json_patch import patched
from salus.model.scalars import Body
from salus.model.values.permissions import Permission
from salus.ports import Account, Accounts, Cluster, Conflict, Ref


@dataclass(frozen=True, slots=True)
class DryRunAccounts:
    """The port `Accounts`; what accounts exist and may do is asked of the real ones."""

    accounts: Accounts
    cluster: Cluster

    def of(self, namespace: str, name: str) -> "DryRunAccount":
        """An account that only looks."""
        return DryRunAccount(self.accounts.of(namespace, name), self.cluster)

    async def me(self) -> str:
        """As the real ones say."""
        return await self.accounts.me()


@dataclass(frozen=True, slots=True)
class DryRunAccount:
    """The port `Account`, writing nothing; it reads as the operator, since the account may have no rights yet."""

    account: Account
    cluster: Cluster

    async def get(self, ref: Ref) -> Body:
        """The fresh object."""
        return await self.cluster.get(ref)

    async def patch(self, ref: Ref, operations: Sequence[Mapping[str, Any]]) -> Body:
        """The fresh object as the patch would make it; Invalid if a `test` fails."""
        return patched(await self.cluster.get(ref), operations)

    async def delete(self, ref: Ref, *, uid: str = "") -> None:
        """Only looked at; Conflict if it has another uid."""
        found = (await self.cluster.get(ref))["metadata"]["uid"]
        if uid and found != uid:
            raise Conflict(f"{ref.resource.kind} {ref.namespace}/{ref.name} has uid {found}, not {uid}")

    async def exists(self) -> bool:
        """As the real one."""
        return await self.account.exists()

    async def may_impersonate(self) -> bool:
        """As the real one."""
        return await self.account.may_impersonate()

    async def may(self, right: Permission, name: str = "") -> bool:
        """As the real one."""
        return await self.account.may(right, name)
