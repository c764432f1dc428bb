"""A cluster whose workloads are left alone: everything is read, every record is written, and no deed is done.

What goes through is Salus' own: its three kinds, its Events and its kept releases. Everything else is answered as the
server would, from the fresh object, and not sent. That the decision is the same as in earnest is the loop's to see to.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from salus.adapters.json_patch import patched
from salus.model.types import GROUP, Body
from salus.ports import CONTROLLER_REVISIONS, EVENTS, Cluster, Conflict, NotFound, Ref, Resource


class DryRunCluster:
    """The port `Cluster`, writing only what is Salus' own."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def get(self, ref: Ref) -> Body:
        """As the cluster."""
        return await self._cluster.get(ref)

    async def list(
        self, resource: Resource, namespace: str | None, labels: Mapping[str, str] | None = None
    ) -> list[Body]:
        """As the cluster."""
        return await self._cluster.list(resource, namespace, labels)

    async def list_metadata(self, resource: Resource, namespace: str) -> Sequence[Body]:
        """As the cluster."""
        return await self._cluster.list_metadata(resource, namespace)

    async def create(self, resource: Resource, body: Body) -> Body:
        """Ours: created. Another's: returned as it is; Conflict if the name is taken."""
        if _is_ours(resource):
            return await self._cluster.create(resource, body)
        ref = Ref(resource, body["metadata"]["namespace"], body["metadata"]["name"])
        try:
            await self._cluster.get(ref)
        except NotFound:
            return body
        raise Conflict(f"{ref.resource.kind} {ref.namespace}/{ref.name} exists already")

    async def patch(
        self, ref: Ref, operations: Sequence[Mapping[str, Any]], *, subresource: str = "", act_as: str = ""
    ) -> Body:
        """Ours: patched. Another's: the fresh object as the patch would make it; Invalid if a `test` fails."""
        if _is_ours(ref.resource):
            return await self._cluster.patch(ref, operations, subresource=subresource, act_as=act_as)
        return patched(await self._cluster.get(ref), operations)

    async def update_status(self, ref: Ref, status: Mapping[str, Any]) -> Body:
        """Ours: updated. Another's: the fresh object as it would become."""
        if _is_ours(ref.resource):
            return await self._cluster.update_status(ref, status)
        body = await self._cluster.get(ref)
        kept = {**(body.get("status") or {}), **status}
        return {**body, "status": {key: value for key, value in kept.items() if value is not None}}

    async def delete(self, ref: Ref, *, uid: str = "", act_as: str = "") -> None:
        """Ours: deleted. Another's: only looked at; Conflict if it has another uid."""
        if _is_ours(ref.resource):
            await self._cluster.delete(ref, uid=uid, act_as=act_as)
            return
        found = (await self._cluster.get(ref))["metadata"]["uid"]
        if uid and found != uid:
            raise Conflict(f"{ref.resource.kind} {ref.namespace}/{ref.name} has uid {found}, not {uid}")


def _is_ours(resource: Resource) -> bool:
    return resource.api_version.startswith(f"{GROUP}/") or resource in (EVENTS, CONTROLLER_REVISIONS)
