"""Salus that freezes itself with SIGSTOP at its first deed, after it has checked that it may write.

`python -m tests.cluster.freezing run …`; whoever started it lets it go on with SIGCONT. Nothing of it is in the
product: it exchanges the adapter before the operator starts.
"""

import os
import signal

from salus import bootstrap
from salus.adapters.api import Connection, Request
from salus.adapters.cluster import ApiCluster
from salus.cli import main
from salus.model.types import Body


class FreezingConnection:
    """A way to the API server on which the first PATCH of a Deployment waits for SIGCONT."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._frozen = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)

    async def send(self, request: Request) -> Body:
        """Send a request; the fence before it has been passed."""
        if request.method == "PATCH" and "/deployments/" in request.path and not self._frozen:
            self._frozen = True
            os.kill(os.getpid(), signal.SIGSTOP)
        return await self._connection.send(request)


class FreezingCluster(ApiCluster):
    """An ApiCluster on such a way."""

    def __init__(self, connection: Connection, *fence: object) -> None:
        super().__init__(FreezingConnection(connection), *fence)  # type: ignore[arg-type]  # as good as a Connection


if __name__ == "__main__":
    setattr(bootstrap, "ApiCluster", FreezingCluster)  # noqa: B010 — the one exchange that this program is for
    main()
