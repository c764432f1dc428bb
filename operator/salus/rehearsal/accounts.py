"""The port `Accounts` over a cluster of values: every account is there, and may do all that is asked of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from salus.adapters.paths import object_path
from salus.model.scalars import Body
from salus.model.values.permissions import Permission
from salus.ports import REMEDIATION, SERVICE_ACCOUNTS, Forbidden, Ref, right
from salus.rehearsal.cluster import RehearsalCluster


@dataclass(slots=True)
class RehearsalAccounts:
    """Hands out accounts."""

    cluster: RehearsalCluster
    user: str = "salus"

    def of(self, namespace: str, name: str) -> "RehearsalAccount":
        """This account of this namespace."""
        object_path(Ref(SERVICE_ACCOUNTS, namespace, name))
        return RehearsalAccount(self.cluster, namespace, name)

    async def me(self) -> str:
        """Our name."""
        return self.user


@dataclass(frozen=True, slots=True)
class RehearsalAccount:
    """One account."""

    cluster: RehearsalCluster
    namespace: str
    name: str

    async def get(self, ref: Ref) -> Body:
        """As the account sees it."""
        self.check("get", ref)
        return await self.cluster.get(ref)

    async def patch(self, ref: Ref, operations: Sequence[Mapping[str, Any]]) -> Body:
        """Patch as the account."""
        self.check("patch", ref)
        return self.cluster.patch_as(self.user, ref, operations)

    async def delete(self, ref: Ref, *, uid: str = "") -> None:
        """Delete as the account."""
        self.check("delete", ref)
        self.cluster.delete_as(self.user, ref, uid)

    async def exists(self) -> bool:
        """Always."""
        return True

    async def may_impersonate(self) -> bool:
        """Always."""
        return True

    async def may(self, right: Permission, name: str = "") -> bool:  # noqa: ARG002 - all that it is asked for
        """Always."""
        return True

    @property
    def user(self) -> str:
        """The user name that the API server knows it by."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    def check(self, verb: str, ref: Ref) -> None:
        """Raises Forbidden for what no account is asked to do."""
        object_path(ref)
        wanted = right(verb, ref.resource)
        if wanted not in REMEDIATION or ref.namespace != self.namespace:
            raise Forbidden(f"{self.user} is not asked to {wanted} in {ref.namespace}")
