"""JSON Patch as the API server applies it, for those who must know its result without asking the server.

The server is more lenient than RFC 6902 about the member of an object that is not there: `replace` adds it, and `test`
for null holds. The contract test over the fake cluster and the real server keeps this true.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import jsonpatch
import jsonpointer

from salus.model.scalars import Body
from salus.ports import Invalid


def patched(body: Body, operations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`body` with all operations applied; `body` itself stays as it is.

    Raises Invalid, without causes as the server, for a failed `test`, a path that is not there, or no valid operation.
    """
    result: Any = copy.deepcopy(dict(body))
    try:
        for operation in operations:
            result = jsonpatch.apply_patch(result, _strict(operation, result), in_place=True)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
        # Their message quotes the document, which may hold secrets in its environment variables.
        raise Invalid(f"the patch does not apply ({type(error).__name__})") from None
    if not isinstance(result, dict):
        raise Invalid("the patch leaves no object")
    return result


def _strict(operation: Mapping[str, Any], document: object) -> list[dict[str, Any]]:
    """What RFC 6902 calls that which the server does."""
    strict = copy.deepcopy(dict(operation))
    if not _is_absent_member(document, str(operation.get("path", ""))):
        return [strict]
    if operation.get("op") == "replace":
        return [{**strict, "op": "add"}]
    if operation.get("op") == "test" and operation.get("value", ...) is None:
        return []
    return [strict]


def _is_absent_member(document: object, path: str) -> bool:
    """Whether the path ends at a member that an existing object lacks."""
    parent, key = jsonpointer.JsonPointer(path).to_last(document)
    return isinstance(parent, dict) and key is not None and key not in parent
