"""The ports of the operator's loop in a person's hands: they read as that person may, and write nothing."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from salus.core.objects.stamps import KNOWN
from salus.core.objects.workloads import watched, workload_from
from salus.model.meta import WorkloadKind
from salus.model.scalars import Body
from salus.model.values.keys import TargetKey
from salus.model.values.objects import Workload
from salus.model.values.permissions import Permission
from salus.ports import Cluster, Forbidden, Labels, Ref, Resource, right


def _writes(*_: object) -> NoReturn:
    raise Forbidden("nothing is written here: it is only asked what would be done")


@dataclass(slots=True)
class OnlyReads:
    """The port `Cluster`: what may not be read is noted, and nothing is written."""

    cluster: Cluster
    lacks: dict[str, str] = field(default_factory=dict)
    """What was not seen, and the right that it takes."""

    async def get(self, ref: Ref) -> Body:
        """The object."""
        try:
            return await self.cluster.get(ref)
        except Forbidden:
            self._note("get", ref.resource, ref.namespace)
            raise

    async def list(self, resource: Resource, namespace: str | None, labels: Labels | None = None) -> list[Body]:
        """All objects of a kind."""
        try:
            return await self.cluster.list(resource, namespace, labels)
        except Forbidden:
            self._note("list", resource, namespace)
            raise

    async def each(
        self, resource: Resource, namespace: str | None, labels: Labels | None = None
    ) -> AsyncIterator[Body]:
        """The same objects, one after another."""
        for body in await self.list(resource, namespace, labels):
            yield body

    async def list_metadata(self, resource: Resource, namespace: str | None) -> Sequence[Body]:
        """Their metadata."""
        try:
            return await self.cluster.list_metadata(resource, namespace)
        except Forbidden:
            self._note("list", resource, namespace)
            raise

    async def may(self, right: Permission, namespace: str) -> bool:
        """Whether the person has this right: what they may not read, they do not try to."""
        return await self.cluster.may(right, namespace)

    async def create(self, resource: Resource, body: Body) -> Body:
        """Never."""
        _writes(resource, body)

    async def patch(self, ref: Ref, operations: Sequence[Mapping[str, Any]], *, subresource: str = "") -> Body:
        """Never."""
        _writes(ref, operations, subresource)

    async def update_status(self, ref: Ref, status: Mapping[str, Any]) -> Body:
        """Never."""
        _writes(ref, status)

    async def delete(self, ref: Ref, *, uid: str = "") -> None:
        """Never."""
        _writes(ref, uid)

    def _note(self, verb: str, resource: Resource, namespace: str | None) -> None:
        where = f" in {namespace}" if namespace and resource.namespaced else " in all namespaces"
        self.lacks[resource.plural] = f"{right(verb, resource)}{where}"


@dataclass(frozen=True, slots=True)
class NoAccounts:
    """The port `Accounts`: what the account of a policy may do is the operator's to ask, who acts as it."""

    def of(self, namespace: str, name: str) -> "NoAccount":
        """This account."""
        return NoAccount(f"system:serviceaccount:{namespace}:{name}")

    async def me(self) -> str:
        """Nobody who acts."""
        return ""


@dataclass(frozen=True, slots=True)
class NoAccount:
    """The port `Account`, of somebody who may not be asked about."""

    name: str

    async def get(self, ref: Ref) -> Body:
        """Never."""
        self._not_ours(ref)

    async def patch(self, ref: Ref, operations: Sequence[Mapping[str, Any]]) -> Body:
        """Never."""
        self._not_ours(ref, operations)

    async def delete(self, ref: Ref, *, uid: str = "") -> None:
        """Never."""
        self._not_ours(ref, uid)

    async def exists(self) -> bool:
        """Not ours to say."""
        self._not_ours()

    async def may_impersonate(self) -> bool:
        """Not ours to say."""
        self._not_ours()

    async def may(self, right: Permission, name: str = "") -> bool:
        """Not ours to say."""
        self._not_ours(right, name)

    def _not_ours(self, *_: object) -> NoReturn:
        raise Forbidden(f"what {self.name} may do, the operator asks as that account")


@dataclass(frozen=True, slots=True)
class Seen:
    """The port `Workloads`: those that were read a moment ago."""

    workloads: tuple[Workload, ...]

    @classmethod
    def of(cls, bodies: Sequence[Body]) -> "Seen":
        """Those of these objects that can be read."""
        return cls(tuple(one for body in bodies if (one := _workload(body)) is not None))

    def get(self, key: TargetKey) -> Workload | None:
        """The workload, or None."""
        return next((one for one in self.workloads if one.key == key), None)

    def select(self, namespace: str, kind: WorkloadKind, labels: Mapping[str, str]) -> Sequence[Workload]:
        """Workloads with these labels, by name."""
        mine = [one for one in self.workloads if (one.key.namespace, one.key.kind) == (namespace, kind)]
        return sorted((one for one in mine if labels.items() <= one.labels.items()), key=lambda one: one.key.name)


def _workload(body: Body) -> Workload | None:
    try:
        return watched(workload_from(body, KNOWN))
    except ValueError:
        return None
