"""Work for each of the watched namespaces, of which one that may not be read any more holds up no other.

Where Salus has Roles only, whoever rules a namespace can take its Role back or delete it, at any time. What is asked
there is Forbidden from then on, and that is that namespace's business alone.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from salus.ports import Forbidden

Scope = str | None
"""A namespace; None: all of them at once."""
Found = TypeVar("Found")
log = structlog.get_logger(__name__)


async def each_scope(
    scopes: Sequence[Scope], work: Callable[[Scope], Awaitable[Found]], what: str
) -> dict[Scope, Found]:
    """What came of the work, by namespace, without those in which it is forbidden; none: everywhere at once.

    Raises Forbidden where it is forbidden in all of them, and whatever else the work raises.
    """
    found: dict[Scope, Found] = {}
    refused: Forbidden | None = None
    for scope in scopes or (None,):
        try:
            found[scope] = await work(scope)
        except Forbidden as error:
            refused = error
            log.warning("not allowed in this namespace any more", what=what, namespace=scope, error=str(error))
    if refused is not None and not found:
        raise refused
    return found
