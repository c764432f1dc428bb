"""The port `Cluster` on a real API server: which path, verb, media type and identity each of its methods means.

Connection, credentials and errors are `api`'s; whether a write is wise is the loop's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from salus.adapters.api import JSON, Connection, Gone, Request
from salus.adapters.paths import collection_path, label_selector, object_path
from salus.model.types import Body
from salus.ports import Invalid, Ref, Resource, Unavailable

FIELD_MANAGER = "salus"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
METADATA_ONLY = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_LIST_ATTEMPTS = 3


class ApiCluster:
    """Kubernetes through its API.

    `fence` raises if we may not write any more: it is called before every write, and again when the write leaves.
    """

    def __init__(
        self, connection: Connection, fence: Callable[[], None] = lambda: None, *, manager: str = FIELD_MANAGER
    ) -> None:
        self._connection = connection
        self._fence = fence
        self._manager = manager

    async def get(self, ref: Ref) -> Body:
        """GET the object."""
        return await self._connection.send(Request("GET", object_path(ref)))

    async def list(
        self, resource: Resource, namespace: str | None, labels: Mapping[str, str] | None = None
    ) -> list[Body]:
        """LIST in pages; begun again when the server has forgotten the list's start."""
        return await _patient_list(self._connection, resource, namespace, labels or {}, JSON)

    async def list_metadata(self, resource: Resource, namespace: str) -> Sequence[Body]:
        """LIST as PartialObjectMetadata: the server itself leaves everything else out."""
        return await _patient_list(self._connection, resource, namespace, {}, METADATA_ONLY)

    async def create(self, resource: Resource, body: Body) -> Body:
        """POST `body` to its namespace."""
        metadata = body.get("metadata") or {}
        namespace, name = metadata.get("namespace", ""), metadata.get("name", "")
        path = collection_path(resource, namespace)
        if name:
            object_path(Ref(resource, namespace, name))
        return await self._write(Request("POST", path, body={**_identity(resource), **body}))

    async def patch(
        self, ref: Ref, operations: Sequence[Mapping[str, Any]], *, subresource: str = "", act_as: str = ""
    ) -> Body:
        """PATCH with a JSON Patch, as `act_as` if given."""
        path = object_path(ref, subresource)
        return await self._write(
            Request("PATCH", path, body=list(operations), content_type=JSON_PATCH, headers=_impersonation(act_as))
        )

    async def update_status(self, ref: Ref, status: Mapping[str, Any]) -> Body:
        """PATCH the status subresource with a merge patch."""
        path = object_path(ref, "status")
        return await self._write(Request("PATCH", path, body={"status": status}, content_type=MERGE_PATCH))

    async def delete(self, ref: Ref, *, uid: str = "", act_as: str = "") -> None:
        """DELETE, with the uid as a precondition if given."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", **({"preconditions": {"uid": uid}} if uid else {})}
        self._fence()
        headers = _impersonation(act_as)
        await self._connection.send(
            Request("DELETE", object_path(ref), body=options, headers=headers, fence=self._fence)
        )

    async def close(self) -> None:
        """End the connection."""
        await self._connection.close()

    async def _write(self, request: Request) -> Body:
        self._fence()
        query = {**request.query, "fieldManager": self._manager}
        return await self._connection.send(replace(request, query=query, fence=self._fence))


async def _patient_list(
    connection: Connection, resource: Resource, namespace: str | None, labels: Mapping[str, str], accept: str
) -> list[Body]:
    for _ in range(_LIST_ATTEMPTS):
        try:
            return await _whole_list(connection, resource, namespace, labels, accept)
        except Gone:
            continue
    raise Unavailable(f"list of {resource.plural}: {_LIST_ATTEMPTS} times forgotten by the server while it was read")


async def _whole_list(
    connection: Connection, resource: Resource, namespace: str | None, labels: Mapping[str, str], accept: str
) -> list[Body]:
    query = {"labelSelector": label_selector(labels)}
    return [
        {**item, **_identity(resource)}
        async for page in connection.pages(collection_path(resource, namespace), query, accept)
        for item in page["items"]
    ]


def _identity(resource: Resource) -> dict[str, str]:
    """What the server leaves out of the items of a list, or says of their form instead."""
    return {"apiVersion": resource.api_version, "kind": resource.kind}


def _impersonation(user: str) -> dict[str, str]:
    if not user.isprintable():
        raise Invalid(f"{user!r} is not a user name")
    return {"Impersonate-User": user} if user else {}
