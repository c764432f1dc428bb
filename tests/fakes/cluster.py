"""The cluster of values, and its accounts, under which a test lets things fail, be forbidden and be missing."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from salus.adapters.paths import object_path
from salus.model.scalars import Body
from salus.model.values.permissions import Permission
from salus.ports import (
    CHANGE_EVENTS,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    NODES,
    RECORD_KEEPING,
    SCALERS,
    SERVICE_ACCOUNTS,
    WORKLOADS,
    ClusterError,
    Forbidden,
    Labels,
    Ref,
    Resource,
    Unavailable,
    right,
)
from salus.rehearsal.accounts import RehearsalAccount, RehearsalAccounts
from salus.rehearsal.cluster import LOOKED_AT, RehearsalCluster, Write

SPECIMENS = RECORD_KEEPING | {
    right(verb, kind, subresource)
    for verb in ("create", "patch", "delete")
    for kind in (*WORKLOADS.values(), *SCALERS.values(), CHANGE_EVENTS, CONTROLLER_REVISIONS, CONFIG_MAPS, NODES)
    for subresource in ("", "status")
}
"""Wider rights, for tests of what a Cluster does with any kind of object."""


@dataclass(slots=True)
class _Fault:
    error: ClusterError
    after_effect: bool


@dataclass(slots=True)
class FakeCluster(RehearsalCluster):
    """A cluster of values that fails when it is told to. `refused` writes had no effect."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    refused: list[Write] = field(default_factory=list)
    readable: set[Permission] = field(default_factory=lambda: set(LOOKED_AT))
    """What of that to which templates refer Salus may read."""
    closed: set[str] = field(default_factory=set)
    """Namespaces that are gone or have taken their Roles back: nothing may be listed there."""
    metadata_only: set[Resource] = field(default_factory=set)
    """Kinds whose content it is a defect to ask for."""
    _faults: list[_Fault] = field(default_factory=list)

    def fail_next(self, error: ClusterError | None = None, *, after_effect: bool = False) -> None:
        """Let the next write raise `error` (default Unavailable); `after_effect`: it happened, its reply was lost."""
        self._faults.append(_Fault(error or Unavailable("the fake was told to fail"), after_effect))

    def forget_generation(self, ref: Ref) -> None:
        """Be a server that counts no generations of this object, as old ones do of an HPA."""
        del self.now_at(ref)["metadata"]["generation"]

    async def list(self, resource: Resource, namespace: str | None, labels: Labels | None = None) -> list[Body]:
        """All objects of a kind with these labels, if they may be listed."""
        self._check_list(resource, namespace)
        return await RehearsalCluster.list(self, resource, namespace, labels)

    async def each(
        self, resource: Resource, namespace: str | None, labels: Labels | None = None
    ) -> AsyncIterator[Body]:
        """The same objects, one after another."""
        self._check_list(resource, namespace)
        async for body in RehearsalCluster.each(self, resource, namespace, labels):
            yield body

    async def may(self, right: Permission, namespace: str) -> bool:  # noqa: ARG002 - rights are on all of a kind here
        """What the roles of today give, and what a test adds."""
        kinds = {kind.plural for kind in self.unreadable}
        return right in self.readable and right.resource not in kinds

    def perform(self, write: Write, effect: Callable[[], Body]) -> Body:
        """Do one write, unless it is to fail."""
        fault = self._faults.pop(0) if self._faults else None

        def attempt() -> Body:
            if fault and not fault.after_effect:
                raise fault.error
            return effect()

        try:
            result = RehearsalCluster.perform(self, write, attempt)
        except ClusterError:
            self.refused.append(write)
            raise
        if fault:
            raise fault.error
        return result

    def _check_list(self, resource: Resource, namespace: str | None) -> None:
        if namespace in self.closed:
            raise Forbidden(f"{resource.plural} in {namespace} are forbidden")
        assert resource not in self.metadata_only, f"{resource.plural} were listed with what is in them"


@dataclass(slots=True)
class FakeAccounts(RehearsalAccounts):
    """Every account is there and may do everything, until it is told."""

    cluster: FakeCluster
    missing: set[tuple[str, str]] = field(default_factory=set)
    """(namespace, name) of accounts that do not exist."""
    kept: set[tuple[str, str]] = field(default_factory=set)
    """… that the operator may not act as."""
    denied: set[tuple[str, str, Permission]] = field(default_factory=set)
    """(namespace, name, right): what they may not do."""
    unreachable: bool = False
    """Whether nobody answers what accounts may do."""
    reviews: int = 0
    """How often anything of this was asked."""

    def of(self, namespace: str, name: str) -> "FakeAccount":
        """This account of this namespace."""
        object_path(Ref(SERVICE_ACCOUNTS, namespace, name))
        return FakeAccount(self.cluster, namespace, name, self)

    async def me(self) -> str:
        """Our name."""
        if self.unreachable:
            raise Unavailable("the fake was told to be unreachable")
        return self.user

    def ask(self) -> None:
        """Count a question; raise if nobody answers."""
        self.reviews += 1
        if self.unreachable:
            raise Unavailable("the fake was told to be unreachable")


@dataclass(frozen=True, slots=True)
class FakeAccount(RehearsalAccount):
    """One account."""

    accounts: FakeAccounts

    async def exists(self) -> bool:
        """Whether it was not told to be missing."""
        self.accounts.ask()
        return self._place not in self.accounts.missing

    async def may_impersonate(self) -> bool:
        """Whether it was not told to be kept."""
        self.accounts.ask()
        return self._place not in self.accounts.kept

    async def may(self, right: Permission, name: str = "") -> bool:  # noqa: ARG002 - rights are on all of a kind here
        """Whether it was not denied; asking takes a loan, as on the server."""
        self.accounts.ask()
        if self._place in self.accounts.kept:
            raise Forbidden(f"salus cannot impersonate {self.user}")
        return (*self._place, right) not in self.accounts.denied

    def check(self, verb: str, ref: Ref) -> None:
        """Raises Forbidden for what it may not do, too."""
        RehearsalAccount.check(self, verb, ref)
        wanted = right(verb, ref.resource)
        if self._place in self.accounts.kept or (*self._place, wanted) in self.accounts.denied:
            raise Forbidden(f"{self.user} may not {wanted}")

    @property
    def _place(self) -> tuple[str, str]:
        return self.namespace, self.name
