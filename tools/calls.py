"""`python -m tools.calls`: what a reader meets who follows one due policy to its finished record.

One policy and one Deployment on fakes, from the first tick to the end of a restart that helped. Each call from one
function to another is followed once, in the order in which it is met; a function of one line is read where it is used.
Counted are the calls, how often they lead into another file, and how often that is a file that the reader has left
before.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from salus.core.workload import RESTARTED_AT
from salus.model.types import Body
from salus.version import __version__
from tests.unit.stage import a_stage

ROOT = Path(sys.modules["salus"].__file__ or "").parent
SHELL = {"loop", "reconcile", "scheduler.py", "store.py"}
TICKS = 40
"""More than it takes; what is well afterwards meets nothing new."""


@dataclass(slots=True)
class Reader:
    """Follows each call once."""

    met: set[tuple[CodeType, CodeType]] = field(default_factory=set)
    calls: int = 0
    entered: Counter[str] = field(default_factory=Counter)
    back: int = 0

    def follow(self, frame: FrameType, event: str, _: Any) -> None:  # noqa: ANN401 — as `sys.setprofile` has it
        """A function begins, or goes on after it was awaited for."""
        if event != "call" or frame.f_back is None:
            return
        callee, caller = frame.f_code, frame.f_back.f_code
        here, there = _file(callee), _file(caller)
        if not here or (caller, callee) in self.met:
            return
        self.met.add((caller, callee))
        self.calls += 1
        if here != there:
            self.back += here in self.entered
            self.entered[here] += 1


def _file(code: CodeType) -> str:
    """Where in the package a function stands; empty for what is not of it, or is no step of a reader."""
    path = Path(code.co_filename)
    lines = {line for _, _, line in code.co_lines() if line is not None and line != code.co_firstlineno}
    if code.co_name.startswith(("<", "__")) or len(lines) <= 1 or not path.is_relative_to(ROOT):
        return ""
    return str(path.relative_to(ROOT))


@contextmanager
def followed(reader: Reader) -> Iterator[None]:
    """While this lasts, the reader follows."""
    sys.setprofile(reader.follow)
    try:
        yield
    finally:
        sys.setprofile(None)


def _is_restarted(body: Body) -> bool:
    return RESTARTED_AT in (body["spec"]["template"]["metadata"].get("annotations") or {})


async def _main() -> None:
    stage = a_stage(_is_restarted, {"name": "restart", "restart": {}})
    reader = Reader()
    with followed(reader):
        await stage.ticks(TICKS)
    outcomes = [change["status"].get("outcome") for change in stage.changes]
    if outcomes != ["Recovered"]:
        raise SystemExit(f"the record is not finished as it should be: {outcomes}")
    shell = {file: count for file, count in reader.entered.items() if file.split("/")[0] in SHELL}
    print(f"salus {__version__}: one due policy, to its finished record")
    print(f"calls from one function to another    {reader.calls}")
    print(f"files                                 {len(reader.entered)}")
    print(f"entered from another file             {reader.entered.total()}")
    print(f"… of these into a file left before    {reader.back}")
    entered = sum(shell.values())
    print(f"of the shell: {len(shell)} files, entered {entered} times, {entered - len(shell)} times again")
    for file, count in reader.entered.most_common(14):
        print(f"{count:6}  {file}")


if __name__ == "__main__":
    asyncio.run(_main())
