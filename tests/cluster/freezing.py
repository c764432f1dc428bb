"""Salus that freezes itself with SIGSTOP at its first write, after it has checked that it may write.

`python -m tests.cluster.freezing run …`; whoever started it lets it go on with SIGCONT. Nothing of it is in the
product: it exchanges the way to the API server before the operator starts.
"""

import os
import signal

from salus import bootstrap
from salus.adapters.api import Connection, Request
from salus.cli import main
from salus.model.scalars import Body


class FreezingConnection(Connection):
    """A way to the API server on which the first PATCH of a Deployment waits for SIGCONT."""

    _frozen = False

    async def send(self, request: Request) -> Body:
        """Send a request; the fence before it has been passed."""
        if request.method == "PATCH" and "/deployments/" in request.path and not self._frozen:
            self._frozen = True
            os.kill(os.getpid(), signal.SIGSTOP)
        return await super().send(request)


if __name__ == "__main__":
    setattr(bootstrap, "Connection", FreezingConnection)  # noqa: B010 — the one exchange that this program is for
    main()
