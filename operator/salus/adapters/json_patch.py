"""JSON Patch (RFC 6902) as the API server applies it, for those who must know its result without asking the server."""

from collections.abc import Mapping, Sequence
from typing import Any

import jsonpatch
import jsonpointer

from salus.model.types import Body
from salus.ports import Invalid


def patched(body: Body, operations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`body` with all operations applied; `body` itself stays as it is.

    Raises Invalid, without causes as the server, for a failed `test`, a path that is not there, or no valid operation.
    """
    try:
        result = jsonpatch.apply_patch(body, [dict(operation) for operation in operations])
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
        # Their message quotes the document, which may hold secrets in its environment variables.
        raise Invalid(f"the patch does not apply ({type(error).__name__})") from None
    if not isinstance(result, dict):
        raise Invalid("the patch leaves no object")
    return result
