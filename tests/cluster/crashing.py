"""Salus that kills itself with SIGKILL at a chosen write to the API server, before or after the server has taken it.

`python -m tests.cluster.crashing run …`, with SALUS_CRASH saying where: `before PATCH /deployments/ 1` is the first
PATCH whose path holds `/deployments/`. Nothing of it is in the product: it exchanges the way to the API server before
the operator starts.
"""

import os
import signal

from salus import bootstrap
from salus.adapters.api import Connection, Request
from salus.cli import main
from salus.model.scalars import Body

CRASH = "SALUS_CRASH"


class CrashingConnection(Connection):
    """A way to the API server on which the operator dies at one write; the fence before it has been passed."""

    _seen = 0

    async def send(self, request: Request) -> Body:
        """Send a request, and die before or after it if it is the chosen one."""
        when, method, part, count = os.environ[CRASH].split()
        chosen = request.method == method and part in request.path
        self._seen += chosen
        due = chosen and self._seen == int(count)
        if due and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = await super().send(request)
        if due:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


if __name__ == "__main__":
    setattr(bootstrap, "Connection", CrashingConnection)  # noqa: B010 — the one exchange that this program is for
    main()
