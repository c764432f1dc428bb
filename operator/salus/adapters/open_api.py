"""What the API server publishes of a group of resources: their schemas, for every account that may look around."""

from collections.abc import Mapping
from typing import Any

from salus.adapters.api import Connection, Request
from salus.ports import Unavailable


async def schemas(connection: Connection, group: str, version: str) -> Mapping[str, Any]:
    """The schema of each kind of object, by its name, without those of lists.

    Raises ClusterError: NotFound where the server has no such group.
    """
    request = Request("GET", f"/openapi/v3/apis/{group}/{version}")
    answer = await connection.send(request)
    try:
        there = answer["components"]["schemas"].values()
        found = {
            str(one["kind"]): schema
            for schema in there
            for one in schema.get("x-kubernetes-group-version-kind") or ()
            if (one["group"], one["version"]) == (group, version) and not _is_list(schema)
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise Unavailable(f"{request}: the answer is not an OpenAPI document") from error
    return found


def _is_list(schema: Mapping[str, Any]) -> bool:
    return "items" in (schema.get("properties") or {})
