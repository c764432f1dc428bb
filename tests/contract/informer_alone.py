"""An informer in a process of its own, whose memory can be measured: `python -m tests.contract.informer_alone CONFIG`.

It ends when it has seen a workload named `last` of every kind, and prints what it holds and the most that it took.
"""

import asyncio
import json
import sys
from pathlib import Path

from salus.adapters.api import Connection, Login
from salus.adapters.informer import Informer
from salus.model.meta import WorkloadKind
from salus.model.values.keys import TargetKey
from tests.memory import peak


async def watch(config: Path) -> None:
    """Follow everything that this API server has."""
    async with await Connection.open(Login(config)) as connection:
        informer = Informer(connection)
        following = asyncio.create_task(informer.run())
        keys = [TargetKey("play", kind, "last") for kind in WorkloadKind]
        while not all(informer.get(key) for key in keys):  # noqa: ASYNC110 - the view has no event to wait on
            await asyncio.sleep(0.05)
        following.cancel()
        held = sum(len(informer.select("play", kind, {})) for kind in WorkloadKind)
        sys.stdout.write(json.dumps({"workloads": held, "peak": peak()}))


if __name__ == "__main__":
    asyncio.run(watch(Path(sys.argv[1])))
