"""`python -m tools.calls`: what a reader meets who follows one due policy to its finished record.

One policy and one Deployment on fakes, through six stories, to the last line of a record. Each call from one
function to another is followed once, in the order in which it is met; a function of one line is read where it is used.
Counted are the calls, how often they lead into another file, and how often that is a file that the reader has left
before.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from salus.core.objects.workloads import RESTARTED_AT
from salus.model.scalars import Body
from salus.version import __version__
from tests.unit.stage import UNSCALED, a_stage

ROOT = Path(sys.modules["salus"].__file__ or "").parent
SHELL = {"loop", "reconcile", "scheduler.py", "store.py"}
PLAYED = ROOT / "rehearsal"
"""What stands for a cluster here."""
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


def _is_read(path: Path) -> bool:
    return path.is_relative_to(ROOT) and not path.is_relative_to(PLAYED)


@cache
def _file(code: CodeType) -> str:
    """Where in the package a function stands; empty for what is not of it, or is no step of a reader."""
    path = Path(code.co_filename)
    lines = {line for _, _, line in code.co_lines() if line is not None and line != code.co_firstlineno}
    if code.co_name.startswith(("<", "__")) or len(lines) <= 1 or not _is_read(path):
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


def _never(_: Body) -> bool:
    return False


def _is_restarted(body: Body) -> bool:
    return RESTARTED_AT in (body["spec"]["template"]["metadata"].get("annotations") or {})


def _is_scaled(body: Body) -> bool:
    return int(body["spec"]["replicas"]) > UNSCALED


RESTART: dict[str, Any] = {"name": "restart", "restart": {}}
SCALE: dict[str, Any] = {"name": "scale", "scale": {"by": "1", "max": 4, "revertAfter": "20s"}}
NOTIFY: dict[str, Any] = {"name": "call", "notify": {"severity": "critical"}}
STORIES: tuple[tuple[str, Callable[[Body], bool], tuple[dict[str, Any], ...], dict[str, Any]], ...] = (
    ("a restart helps", _is_restarted, (RESTART,), {}),
    ("a scaling helps, and is given back", _is_scaled, (SCALE,), {}),
    ("a scaling does not help, and is taken back; people are called", _never, (SCALE, NOTIFY), {}),
    ("people are asked", _is_restarted, (RESTART,), {"mode": "Approve"}),
    ("it is rehearsed", _is_restarted, (RESTART,), {"mode": "Observe"}),
    ("it is held up", _is_restarted, (RESTART,), {"suspend": True}),
)


async def _main() -> None:
    reader = Reader()
    for _, is_cured, remedies, spec in STORIES:
        stage = a_stage(is_cured, *remedies, **spec)
        with followed(reader):
            await stage.ticks(TICKS)
    shell = {file: count for file, count in reader.entered.items() if file.split("/")[0] in SHELL}
    print(f"salus {__version__}: one due policy, to its finished record, in {len(STORIES)} stories")
    print(f"calls from one function to another    {reader.calls}")
    print(f"files                                 {len(reader.entered)}")
    print(f"entered from another file             {reader.entered.total()}")
    print(f"… of these into a file left before    {reader.back}")
    entered = sum(shell.values())
    print(f"of the shell: {len(shell)} files, entered {entered} times, {entered - len(shell)} times again")
    for file, count in reader.entered.most_common(80):
        print(f"{count:6}  {file}")


if __name__ == "__main__":
    asyncio.run(_main())
