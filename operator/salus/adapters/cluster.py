"""The port `Cluster` on a real API server: which path, verb and media type each of its methods means.

It writes what `RECORD_KEEPING` lists, as RBAC does, and so cannot write to a workload: that is for `accounts` alone.
Connection, credentials and errors are `api`'s; whether a write is wise is the loop's.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from salus.adapters import reviews
from salus.adapters.api import JSON, Connection, Gone, Request
from salus.adapters.paths import collection_path, label_selector, object_path
from salus.model.scalars import FIELD_MANAGER, Body
from salus.model.values.permissions import Permission
from salus.ports import LONGEST_LIST, RECORD_KEEPING, Forbidden, Labels, Ref, Resource, TooMany, Unavailable, right

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
METADATA_ONLY = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_LIST_ATTEMPTS = 3
_MOST_BYTES = 24 * 2**20
"""Of one list, as it was sent; as dictionaries it takes a multiple of that."""


class ApiCluster:
    """Kubernetes through its API.

    `fence` raises if we may not write any more: it is called before every write, and again when the write leaves.
    Writes that are not among `rights` are Forbidden, and not sent.
    """

    def __init__(
        self,
        connection: Connection,
        fence: Callable[[], None] = lambda: None,
        rights: Set[Permission] = RECORD_KEEPING,
        manager: str = FIELD_MANAGER,
    ) -> None:
        self._connection = connection
        self._fence = fence
        self._rights = rights
        self._manager = manager

    async def get(self, ref: Ref) -> Body:
        """GET the object."""
        return await self._connection.send(Request("GET", object_path(ref)))

    async def list(self, resource: Resource, namespace: str | None, labels: Labels | None = None) -> list[Body]:
        """LIST in pages; begun again when the server has forgotten the list's start."""
        return await _patient_list(self._connection, resource, namespace, labels or {}, JSON)

    async def each(
        self, resource: Resource, namespace: str | None, labels: Labels | None = None
    ) -> AsyncIterator[Body]:
        """LIST in pages; gone on with as it is by then when the server has forgotten the list's start."""
        path, query = collection_path(resource, namespace), {"labelSelector": label_selector(labels or {})}
        async for page in self._connection.pages(path, query, go_on=True):
            for item in page.items:
                yield {**item, **_identity(resource)}

    async def list_metadata(self, resource: Resource, namespace: str | None) -> Sequence[Body]:
        """LIST as PartialObjectMetadata: the server itself leaves everything else out."""
        return await _patient_list(self._connection, resource, namespace, {}, METADATA_ONLY)

    async def may(self, right: Permission, namespace: str) -> bool:
        """SelfSubjectAccessReview, as the operator."""
        return await reviews.may(self._connection, right, namespace)

    async def create(self, resource: Resource, body: Body) -> Body:
        """POST `body` to its namespace."""
        metadata = body.get("metadata") or {}
        namespace, name = metadata.get("namespace", ""), metadata.get("name", "")
        path = collection_path(resource, namespace)
        if name:
            object_path(Ref(resource, namespace, name))
        request = Request("POST", path, body={**_identity(resource), **body})
        return await self._write(right("create", resource), by(self._manager, request))

    async def patch(self, ref: Ref, operations: Sequence[Mapping[str, Any]], *, subresource: str = "") -> Body:
        """PATCH with a JSON Patch."""
        return await self._write(
            right("patch", ref.resource, subresource), json_patch(ref, operations, subresource, self._manager)
        )

    async def update_status(self, ref: Ref, status: Mapping[str, Any]) -> Body:
        """PATCH the status subresource with a merge patch."""
        request = Request("PATCH", object_path(ref, "status"), body={"status": status}, content_type=MERGE_PATCH)
        return await self._write(right("patch", ref.resource, "status"), by(self._manager, request))

    async def delete(self, ref: Ref, *, uid: str = "") -> None:
        """DELETE, with the uid as a precondition if given."""
        await self._write(right("delete", ref.resource), deletion(ref, uid))

    async def close(self) -> None:
        """End the connection."""
        await self._connection.close()

    async def _write(self, wanted: Permission, request: Request) -> Body:
        if wanted not in self._rights:
            raise Forbidden(f"{request}: the operator does not {wanted} as itself")
        self._fence()
        return await self._connection.send(replace(request, fence=self._fence))


def by(manager: str, request: Request) -> Request:
    """The request under this field manager."""
    return replace(request, query={**request.query, "fieldManager": manager})


def json_patch(
    ref: Ref, operations: Sequence[Mapping[str, Any]], subresource: str = "", manager: str = FIELD_MANAGER
) -> Request:
    """A PATCH, all or nothing. Raises Invalid for what is not a name."""
    path = object_path(ref, subresource)
    return by(manager, Request("PATCH", path, body=list(operations), content_type=JSON_PATCH))


def deletion(ref: Ref, uid: str) -> Request:
    """A DELETE, of this very object if a uid is given. Raises Invalid for what is not a name."""
    options = {"apiVersion": "v1", "kind": "DeleteOptions", **({"preconditions": {"uid": uid}} if uid else {})}
    return Request("DELETE", object_path(ref), body=options)


async def _patient_list(
    connection: Connection, resource: Resource, namespace: str | None, labels: Labels, accept: str
) -> list[Body]:
    for _ in range(_LIST_ATTEMPTS):
        try:
            return await _whole_list(connection, resource, namespace, labels, accept)
        except Gone:
            continue
    raise Unavailable(f"list of {resource.plural}: {_LIST_ATTEMPTS} times forgotten by the server while it was read")


async def _whole_list(
    connection: Connection, resource: Resource, namespace: str | None, labels: Labels, accept: str
) -> list[Body]:
    found: list[Body] = []
    length = 0
    path, query = collection_path(resource, namespace), {"labelSelector": label_selector(labels)}
    async for page in connection.pages(path, query, accept):
        length += page.length
        found += [{**item, **_identity(resource)} for item in page.items]
        if len(found) > LONGEST_LIST or length > _MOST_BYTES:
            where = f" in {namespace}" if namespace else ""
            raise TooMany(f"there are too many {resource.plural}{where} to be read: {len(found)} take {length} bytes")
    return found


def _identity(resource: Resource) -> dict[str, str]:
    """What the server leaves out of the items of a list, or says of their form instead."""
    return {"apiVersion": resource.api_version, "kind": resource.kind}
