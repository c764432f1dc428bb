"""Salus that kills itself with SIGKILL at a chosen write to the API server, before or after the server has taken it.

`python -m tests.cluster.crashing run …`, with SALUS_CRASH saying where: `before PATCH /deployments/ 1` is the first
PATCH whose path holds `/deployments/`. Nothing of it is in the product: it exchanges the adapter before the operator
starts.
"""

import os
import signal

from salus import bootstrap
from salus.adapters.api import Request
from salus.adapters.cluster import ApiCluster
from salus.cli import main
from salus.model.types import Body

CRASH = "SALUS_CRASH"


class CrashingCluster(ApiCluster):
    """An ApiCluster that dies at one write."""

    _seen = 0

    async def _write(self, request: Request) -> Body:
        when, method, part, count = os.environ[CRASH].split()
        if request.method == method and part in request.path:
            self._seen += 1
        due = request.method == method and part in request.path and self._seen == int(count)
        if due and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = await super()._write(request)
        if due:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


if __name__ == "__main__":
    setattr(bootstrap, "ApiCluster", CrashingCluster)  # noqa: B010 — the one exchange that this program is for
    main()
