"""The port `Accounts` on a real API server: the one factory of what writes to a workload, by impersonation.

An account is bound to a policy's namespace and to a service account in it, and to the short list `REMEDIATION`. The
operator's own account has none of these rights: what an account may do, the RBAC of its namespace says, and the API
server's audit log names it. `cluster` reads, and keeps the records.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from salus.adapters import reviews
from salus.adapters.api import Connection, Request
from salus.adapters.cluster import deletion, json_patch
from salus.adapters.paths import object_path
from salus.model.scalars import Body
from salus.model.values.permissions import Permission
from salus.ports import REMEDIATION, SERVICE_ACCOUNTS, Forbidden, NotFound, Ref, right

_IMPERSONATE = right("impersonate", SERVICE_ACCOUNTS)


@dataclass(frozen=True, slots=True)
class ApiAccounts:
    """Accounts through the API. `fence` raises if we may not write any more, as in `ApiCluster`."""

    connection: Connection
    fence: Callable[[], None] = lambda: None
    _names: list[str] = field(default_factory=list)

    def of(self, namespace: str, name: str) -> "ApiAccount":
        """This account of this namespace."""
        ref = Ref(SERVICE_ACCOUNTS, namespace, name)
        object_path(ref)
        return ApiAccount(self.connection, self.fence, ref)

    async def me(self) -> str:
        """Asked once: who we are does not change while we run."""
        if not self._names:
            self._names.append(await reviews.whoami(self.connection))
        return self._names[0]


@dataclass(frozen=True, slots=True)
class ApiAccount:
    """One service account. Made by `ApiAccounts.of`, which has checked its name."""

    connection: Connection
    fence: Callable[[], None]
    ref: Ref

    async def get(self, ref: Ref) -> Body:
        """GET as this account."""
        return await self._send("get", ref, Request("GET", object_path(ref)))

    async def patch(self, ref: Ref, operations: Sequence[Mapping[str, Any]]) -> Body:
        """PATCH with a JSON Patch as this account."""
        return await self._write("patch", ref, json_patch(ref, operations))

    async def delete(self, ref: Ref, *, uid: str = "") -> None:
        """DELETE as this account, with the uid as a precondition if given."""
        await self._write("delete", ref, deletion(ref, uid))

    async def exists(self) -> bool:
        """GET the service account, as the operator."""
        try:
            await self.connection.send(Request("GET", object_path(self.ref)))
        except NotFound:
            return False
        return True

    async def may_impersonate(self) -> bool:
        """SelfSubjectAccessReview, as the operator."""
        return await reviews.may(self.connection, _IMPERSONATE, self.ref.namespace, self.ref.name)

    async def may(self, right: Permission, name: str = "") -> bool:
        """SelfSubjectAccessReview, as this account."""
        return await reviews.may(self.connection, right, self.ref.namespace, name, self._impersonation)

    @property
    def _impersonation(self) -> Mapping[str, str]:
        return {"Impersonate-User": f"system:serviceaccount:{self.ref.namespace}:{self.ref.name}"}

    async def _write(self, verb: str, ref: Ref, request: Request) -> Body:
        self.fence()
        return await self._send(verb, ref, replace(request, fence=self.fence))

    async def _send(self, verb: str, ref: Ref, request: Request) -> Body:
        wanted = right(verb, ref.resource)
        if wanted not in REMEDIATION:
            raise Forbidden(f"{request}: no account is asked to {wanted}")
        if ref.namespace != self.ref.namespace:
            raise Forbidden(f"{request}: an account of {self.ref.namespace} acts in {self.ref.namespace} only")
        return await self.connection.send(replace(request, headers=self._impersonation))
